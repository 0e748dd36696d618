//! Any text is a scenario or a list of mistakes, never a panic; what is read and written again reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onceward_model::{scenario, system::System, systems::log::LogSystem};

fuzz_target!(|text: &str| {
    let Ok(read) = scenario::parse::<LogSystem>(text) else { return };
    let protocol = LogSystem::build(&read.header).expect("a header that was read can be built");
    let written = scenario::print(&*protocol, &read);
    let again =
        scenario::parse::<LogSystem>(&written).unwrap_or_else(|mistakes| panic!("{mistakes}\n{written}"));
    assert_eq!(scenario::print(&*protocol, &again), written);
});
