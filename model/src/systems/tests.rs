//! What every system is held to: random headers build, random calls read back from their text, mistakes are pointed at,
//! and scopes settle when nothing goes wrong.

use super::{Visitor, each};
use crate::{
    scenario::{Header, words},
    system::{Numbering, System},
    world::{Applied, Budget, Choice, ChoiceOf, Key, Nobody, Protocol, Req, Timer, World},
};
use onceward_core::Dur;
use std::{fmt::Debug, sync::Arc};

/// Each of these headers is refused, in words that hold these.
#[track_caller]
pub(super) fn refused<S: System>(headers: impl IntoIterator<Item = (Header, &'static str)>) {
    for (header, says) in headers {
        let error = S::build(&header).map(drop).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

/// Each of these calls is refused, in words that hold these.
#[track_caller]
pub(super) fn mistaken<S: System>(protocol: &Arc<S::Protocol>, calls: &[(&str, &str)])
where
    Req<S::Protocol>: Debug,
{
    for (text, says) in calls {
        let words = words(text, 0).unwrap();
        let problem = S::parse_call(protocol, &mut Numbering::default(), &words).unwrap_err();
        assert!(problem.what.contains(says), "{text}: {problem}");
    }
}

/// Without faults, whatever the scopes ask for is done, first things first; of the timers, those fire that `due` names,
/// and of the calls, those are made that `asked` lets through.
pub(super) fn settle<S: System>(asked: fn(&Req<S::Protocol>) -> bool, due: fn(&Timer<S::Protocol>) -> bool)
where
    <S::Protocol as Protocol>::Ghost: Debug,
{
    for named in S::scopes() {
        let mut scope = named.scope.clone();
        scope.scripts.iter_mut().for_each(|script| script.retain(|(_, request)| asked(request)));
        scope.budget = Budget::none();
        let mut world = World::new(named.protocol.clone(), 0);
        let mut choices = Vec::new();
        for _ in 0..1_000 {
            let _ = world.enabled(&scope, &mut choices);
            let happens = |choice: &&ChoiceOf<S::Protocol>| match choice {
                Choice::Fire(_, timer) => due(timer),
                other => !other.is_fault(),
            };
            let mut possible = choices.iter().filter(happens);
            let first = possible.clone().find(|choice| !matches!(choice, Choice::Fire(..)));
            let Some(next) = first.or(possible.next()).cloned() else { break };
            assert_eq!(world.apply_in(&scope, &next, &mut Nobody), Ok(Applied::Done));
            world.check().unwrap();
        }
        assert!(world.settled(), "{}: {:?}", named.name, world.ghost());
    }
}

#[test]
fn random_headers_build_and_random_calls_read_back_as_they_were() {
    struct Visit(Vec<&'static str>);
    impl Visitor for Visit {
        fn visit<S: System>(&mut self) {
            (0..200).for_each(read_back::<S>);
            self.0.push(S::NAME);
        }
    }
    let mut visit = Visit(Vec::new());
    each(&mut visit);
    assert!(visit.0.len() > 4, "{:?}", visit.0);
}

fn read_back<S: System>(seed: u64) {
    let key = Key::root(seed, 0);
    let header = S::draw_header(key);
    let protocol = S::build(&header).unwrap_or_else(|error| panic!("{header:?}: {error}"));
    let mut numbering = Numbering::default();
    for (_, choice) in S::draw_workload(&protocol, key, 40, Dur::millis(100)) {
        let Choice::Call(node, call, request) = choice else { continue };
        let text = protocol.call_label(node, call, &request);
        let read = S::parse_call(&protocol, &mut numbering, &words(&text, 0).unwrap());
        let read = read.unwrap_or_else(|problem| panic!("{text}: {problem}"));
        assert_eq!(read, (node, call, request), "{text}");
    }
}
