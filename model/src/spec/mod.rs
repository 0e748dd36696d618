//! What the pipeline promises, written once, as oracles over what the outside sees: calls, answers, crashes, and the
//! bytes on a disk. They run in every engine, in tests of the real adapters, and over recorded traces. An oracle never
//! looks at an implementation's own index, and reads bytes with a decoder of its own.

pub mod events;
pub mod image;
pub mod publish;
pub mod read;
pub mod topic;
