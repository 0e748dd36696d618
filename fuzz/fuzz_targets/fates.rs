//! Any text is a list of fates, or none, and reads the same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onceward_model::world::disk::Fates;

fuzz_target!(|text: &str| {
    if let Ok(fates) = text.parse::<Fates>() {
        assert_eq!(fates.to_string().parse::<Fates>().as_ref(), Ok(&fates));
    }
});
