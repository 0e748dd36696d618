//! Reading a topic: what a reader and a server say to each other.

pub mod wire;
