//! The decoders of the byte formats, as fuzz targets attack them: what comes in is any bytes, what must hold is in
//! the assertions. Compiled only with the feature `fuzz`; nothing else uses it.
//!
//! Bytes that a checksum refuses teach a fuzzer nothing, so each attack is made twice: on the bytes as they are, and
//! with the checksums put right.

pub use super::segments::fuzz::{frame, group, header, seal, walk};
pub use super::store::fuzz::{footer, record};
