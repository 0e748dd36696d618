//! The messages of the YDB API that the broker and the client of topics speak, as they travel: structs whose fields carry
//! the protocol's numbers. Decides nothing; what the values mean is the business of the two `convert` modules.
//!
//! Written by hand: only what is needed, payloads as [`bytes::Bytes`] that share the received frame's memory, no
//! generated code and no tool that generates it. A field that is not listed here is skipped on receipt, as the protocol
//! asks.

pub(crate) mod codec;
pub(crate) mod common;
pub(crate) mod read;
pub(crate) mod services;
pub(crate) mod topic;
pub(crate) mod values;
pub(crate) mod write;
