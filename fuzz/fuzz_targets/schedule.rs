//! Bytes choose the next step of a world: libFuzzer's coverage steers the schedule. The first byte names the bounded
//! scope, each following one picks among what is possible. A broken promise is a crash.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onceward_model::{
    system::System,
    systems::log::LogSystem,
    world::{Nobody, World},
};
use std::sync::Arc;

fuzz_target!(|data: &[u8]| {
    let Some((which, picks)) = data.split_first() else { return };
    let scopes = LogSystem::scopes();
    let named = &scopes[usize::from(*which) % scopes.len()];
    let mut world = World::new(Arc::clone(&named.protocol), named.scope.memory);
    let mut choices = Vec::new();
    for pick in picks.iter().take(2_000) {
        let _ = world.enabled(&named.scope, &mut choices);
        if choices.is_empty() {
            break;
        }
        // The whole range of a byte, stretched over however many choices there are.
        let at = usize::from(*pick) * choices.len() / 256;
        let applied = world.apply_in(&named.scope, &choices[at], &mut Nobody).and_then(|_| world.check());
        if let Err(violation) = applied {
            panic!("{violation}: {:#?}", violation.evidence);
        }
    }
});
