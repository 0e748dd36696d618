//! Bytes choose the next step of a bounded world of writers, a broker and readers: libFuzzer's coverage steers the schedule. A
//! broken promise or a panic of a machine is a crash. `cargo sim convert FILE` makes a scenario of any of its files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onceward_model::{check, systems::pipeline::PipelineSystem};

fuzz_target!(|data: &[u8]| check::fuzz::<PipelineSystem>(data));
