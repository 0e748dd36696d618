//! The same as `schedule`, for the toy: several nodes, a network, clocks and timers. `cargo sim convert FILE --system toy`
//! makes a scenario of any of its files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onceward_model::{check, toy::ToySystem};

fuzz_target!(|data: &[u8]| check::fuzz::<ToySystem>(data));
