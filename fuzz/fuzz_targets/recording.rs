//! Chunks of recordings from any bytes, as they are and with right check sums: read or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| onceward::trace::fuzz::chunk(bytes));
