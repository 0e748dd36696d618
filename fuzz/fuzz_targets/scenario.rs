//! Any text is a scenario or a list of mistakes, never a panic; what is read and written again reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onceward_model::{scenario, systems::log::LogSystem};

fuzz_target!(|text: &str| {
    if let Ok(read) = scenario::parse::<LogSystem>(text) {
        let written = scenario::print::<LogSystem>(&read);
        let again = scenario::parse::<LogSystem>(&written);
        assert!(again.is_ok_and(|again| scenario::print::<LogSystem>(&again) == written), "{written}");
    }
});
