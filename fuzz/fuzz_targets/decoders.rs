//! Frames, groups, headers, seals, records (of both kinds of log), footers and files of the pool from any bytes: nothing
//! panics, and what is read and written again is the same. The first byte names the decoder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onceward_core::{broker, log::fuzz};

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    match which % 9 {
        0 => fuzz::header(bytes),
        1 => fuzz::group(bytes),
        2 => fuzz::frame(bytes),
        3 => fuzz::seal(bytes),
        4 => fuzz::walk(bytes),
        5 => fuzz::record(bytes),
        6 => fuzz::footer(bytes),
        7 => broker::fuzz::record(bytes),
        _ => broker::fuzz::file(bytes),
    }
});
