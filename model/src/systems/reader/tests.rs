//! Readers as a system: settings, verbs, and scopes that settle without faults.

use super::*;
use crate::world::{Applied, Budget, Choice, Nobody, Protocol, World};
use wire::Mood;

#[test]
fn settings_are_refused_by_name() {
    for (setting, says) in [
        (("partition", "1"), "partitions"),
        (("messages", "many"), "a number"),
        (("messages", "0"), "1 to 1000"),
        (("credit", "0"), "credit=0"),
        (("release", "never"), "at-once or after"),
        (("begin", "reader"), "server or caller"),
        (("token", "soon"), "token=soon"),
        (("backoff", "1s"), "backoff_max"),
    ] {
        let error = ReaderSystem::build(&header(1, 1, &[setting])).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    let error = ReaderSystem::build(&header(1, 1, &[("order", "backwards"), ("commits", "3")])).unwrap_err();
    assert!(error.contains("order=backwards"), "{error}");
    assert!(ReaderSystem::build(&header(0, 1, &[])).unwrap_err().contains("1 to 64 readers"));
}

#[test]
fn random_headers_build_and_random_calls_read_back_as_they_were() {
    for seed in 0..300 {
        let key = Key::root(seed, 0);
        let header = ReaderSystem::draw_header(key);
        let feed = ReaderSystem::build(&header).unwrap_or_else(|error| panic!("{header:?}: {error}"));
        let mut numbering = Numbering::default();
        for (_, choice) in ReaderSystem::draw_workload(&feed, key, 40, Dur::millis(100)) {
            let Choice::Call(node, call, request) = choice else { panic!("only calls are drawn") };
            let text = verbs::label(&feed.node_name(node), call, &request);
            let words: Vec<Word> = text
                .split(' ')
                .map(|word| Word { text: word.into(), quoted: false, from: 0, to: 0 })
                .collect();
            let read = verbs::parse(&feed, &mut numbering, &words);
            assert_eq!(read, Ok((node, call, request)), "{text}");
        }
    }
}

#[test]
fn mistakes_in_calls_are_pointed_at() {
    let feed = ReaderSystem::build(&header(2, 2, &[])).unwrap();
    for (text, says) in [
        ("client-1 closes", "a client, a verb and a node"),
        ("client-3 closes reader-1", "client-1 to client-2"),
        ("client-1 closes reader-3", "reader-1 to reader-2"),
        ("client-1 reads reader-1", "`closes`"),
        ("client-1 closes reader-1 now", "nothing more"),
        ("client-1 makes reader-1 overload", "`server`"),
        ("client-1 makes server", "`overload`"),
        ("client-1 makes server sad", "`give-twice`"),
        ("client-1 makes server claim", "a number"),
        ("client-1 makes server gap 256", "a number up to 255"),
    ] {
        let words: Vec<Word> =
            text.split(' ').map(|word| Word { text: word.into(), quoted: false, from: 0, to: 0 }).collect();
        let problem = verbs::parse(&feed, &mut Numbering::default(), &words).unwrap_err();
        assert!(problem.what.contains(says), "{text}: {problem}");
    }
}

/// Everything is read when nothing goes wrong; callers deal with what they have.
#[test]
fn every_scope_settles_without_faults() {
    for named in ReaderSystem::scopes() {
        let mut scope = named.scope.clone();
        for script in &mut scope.scripts {
            script.retain(|(_, request)| !matches!(request, Request::Server(mood) if *mood != Mood::Halve));
        }
        scope.budget = Budget::none();
        let mut world = World::new(named.protocol.clone(), 0);
        let mut choices = Vec::new();
        for _ in 0..1000 {
            let _ = world.enabled(&scope, &mut choices);
            let timers = |choice: &&ChoiceOf<Feed>| !matches!(choice, Choice::Fire(_, timer) if *timer != Timer::Dealt);
            let mut possible = choices.iter().filter(|choice| !choice.is_fault()).filter(timers);
            let Some(next) = possible.clone().find(|c| !matches!(c, Choice::Fire(..))).or(possible.next())
            else {
                break;
            };
            assert_eq!(world.apply_in(&scope, &next.clone(), &mut Nobody), Ok(Applied::Done));
            world.check().unwrap();
        }
        assert!(world.settled(), "{}: {:?}", named.name, world.ghost());
    }
}
