//! Writers as a system: settings, verbs, and scopes that settle without faults.

use super::{wire::Mood, *};
use crate::world::{Applied, Choice, Nobody, World};
use onceward_core::{ClientId, writer::wire::Codec};

#[test]
fn settings_are_refused_by_name() {
    for (setting, says) in [
        (("windw", "1"), "window"),
        (("batch", "many"), "a number"),
        (("batch", "0"), "batch_messages is 0"),
        (("fencing", "maybe"), "yes or no"),
        (("producers", "two"), "shared or own"),
        (("token", "soon"), "token=soon"),
    ] {
        let error = WriterSystem::build(&header(1, 1, &[setting])).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    assert!(WriterSystem::build(&header(0, 1, &[])).unwrap_err().contains("1 to 64 writers"));
}

#[test]
fn random_headers_build_and_random_calls_read_back_as_they_were() {
    for seed in 0..300 {
        let key = Key::root(seed, 0);
        let header = WriterSystem::draw_header(key);
        let topic = WriterSystem::build(&header).unwrap_or_else(|error| panic!("{header:?}: {error}"));
        let mut numbering = Numbering::default();
        for (_, choice) in WriterSystem::draw_workload(&topic, key, 40, Dur::millis(100)) {
            let Choice::Call(node, call, request) = choice else { panic!("only calls are drawn") };
            let text = verbs::label(&crate::world::Protocol::node_name(&*topic, node), call, &request);
            let words: Vec<Word> = text
                .split(' ')
                .map(|word| Word { text: word.into(), quoted: false, from: 0, to: 0 })
                .collect();
            let read = verbs::parse(&topic, &mut numbering, &words);
            assert_eq!(read, Ok((node, call, request)), "{text}");
        }
    }
}

#[test]
fn mistakes_in_calls_are_pointed_at() {
    let topic = WriterSystem::build(&header(2, 2, &[])).unwrap();
    for (text, says) in [
        ("client-1 writes", "a client, a verb and a node"),
        ("client-3 writes writer-1", "client-1 to client-2"),
        ("client-1 writes writer-3", "writer-1 to writer-2"),
        ("client-1 wrote writer-1", "`writes`"),
        ("client-1 writes writer-1 number", "a number"),
        ("client-1 writes writer-1 number x", "a number"),
        ("client-1 flushes writer-1 now", "nothing more"),
        ("client-1 makes writer-1 overload", "`server`"),
        ("client-1 makes server", "`overload`"),
    ] {
        let words: Vec<Word> =
            text.split(' ').map(|word| Word { text: word.into(), quoted: false, from: 0, to: 0 }).collect();
        let problem = verbs::parse(&topic, &mut Numbering::default(), &words).unwrap_err();
        assert!(problem.what.contains(says), "{text}: {problem}");
    }
}

#[test]
fn payloads_decode_to_what_was_encoded_and_not_under_another_codec() {
    let call = CallId { client: ClientId(3), number: 7 };
    let content = wire::content(call, 9);
    assert_eq!(&content[..], b"4/7......");
    for codec in [Codec::RAW, Codec::GZIP, Codec(10_001)] {
        assert_eq!(wire::decode(codec, &wire::encode(codec, &content)), Some(content.clone()));
    }
    assert_eq!(wire::decode(Codec::GZIP, &content), None);
    assert_ne!(wire::decode(Codec::RAW, &wire::encode(Codec::GZIP, &content)), Some(content));
    assert_eq!(wire::call(wire::ticket(call)), call);
}

/// Whatever a scope asks for is done when nothing goes wrong; timers that are armed for company fire.
#[test]
fn every_scope_settles_without_faults() {
    for named in WriterSystem::scopes() {
        let mut scope = named.scope.clone();
        for script in &mut scope.scripts {
            script.retain(|(_, request)| !matches!(request, Request::Server(mood) if *mood != Mood::Split));
        }
        scope.budget = crate::world::Budget::none();
        let mut world = World::new(named.protocol.clone(), 0);
        let mut choices = Vec::new();
        for _ in 0..1000 {
            let _ = world.enabled(&scope, &mut choices);
            let timers = |choice: &&ChoiceOf<Topic>| !matches!(choice, Choice::Fire(_, timer) if *timer != Timer::Batch);
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
