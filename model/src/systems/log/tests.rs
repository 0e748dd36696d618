//! The event store under its own harness, without faults: it works, it settles, and its probes pass.

use super::{super::tests, *};
use crate::world::{Applied, Choice, Nobody, Protocol, Scope, World};

/// Performs whatever is possible, first things first, until nothing is left but timers.
fn calm<'a>(
    world: &mut World<Log>,
    scope: &Scope<Request>,
    left: &'a mut Vec<ChoiceOf<Log>>,
) -> &'a [ChoiceOf<Log>] {
    for _ in 0..100_000 {
        let _ = world.enabled(scope, left);
        let next = left.iter().find(|c| !c.is_fault() && !matches!(c, Choice::Fire(..)));
        let Some(next) = next.cloned() else { return left };
        let applied = world.apply_in(scope, &next, &mut Nobody);
        assert_eq!(applied, Ok(Applied::Done), "{next:?}");
    }
    panic!("the store never rests");
}

#[test]
fn every_scope_settles_without_faults_and_passes_its_probes() {
    for named in LogSystem::scopes() {
        let mut world = World::new(named.protocol.clone(), 0);
        let mut left = Vec::new();
        calm(&mut world, &named.scope, &mut left);
        assert!(world.settled(), "{}: {:?}", named.name, world.ghost());
        assert!(world.ghost().history.end() > 0, "{}: nothing was appended", named.name);
        for round in 0..20 {
            let probes = named.protocol.probes(world.ghost(), round);
            if probes.is_empty() {
                break;
            }
            for (node, call, request) in probes {
                let applied = world.apply_in(&named.scope, &Choice::Call(node, call, request), &mut Nobody);
                assert_eq!(applied, Ok(Applied::Done));
                calm(&mut world, &named.scope, &mut left);
            }
        }
        named.protocol.healed(world.ghost()).unwrap();
    }
}

#[test]
fn settings_are_refused_by_name() {
    let settings = [
        (("segmnt", "1"), "segment"),
        (("sector", "7"), "sector"),
        (("durability", "maybe"), "per-append"),
        (("preallocate", "1"), "yes or no"),
    ];
    tests::refused::<LogSystem>(settings.map(|(setting, says)| (header(1, &[setting]), says)));
    tests::refused::<LogSystem>([(header(0, &[]), "clients")]);
}
