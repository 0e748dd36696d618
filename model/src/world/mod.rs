//! The world that machines live in.

pub mod disk;
