//! Writers as a system: settings, verbs, and scopes that settle without faults.

use super::{super::tests, wire::Mood, *};
use onceward_core::{ClientId, writer::wire::Codec};

#[test]
fn settings_are_refused_by_name() {
    let settings = [
        (("windw", "1"), "window"),
        (("batch", "many"), "a number"),
        (("batch", "0"), "batch_messages is 0"),
        (("fencing", "maybe"), "yes or no"),
        (("producers", "two"), "shared or own"),
        (("token", "soon"), "token=soon"),
    ];
    tests::refused::<WriterSystem>(settings.map(|(setting, says)| (header(1, 1, &[setting]), says)));
    tests::refused::<WriterSystem>([(header(0, 1, &[]), "1 to 64 writers")]);
}

#[test]
fn mistakes_in_calls_are_pointed_at() {
    let topic = WriterSystem::build(&header(2, 2, &[])).unwrap();
    tests::mistaken::<WriterSystem>(
        &topic,
        &[
            ("client-1 writes", "a client, a verb and a node"),
            ("client-3 writes writer-1", "client-1 to client-2"),
            ("client-1 writes writer-3", "writer-1 to writer-2"),
            ("client-1 wrote writer-1", "`writes`"),
            ("client-1 writes writer-1 number", "a number"),
            ("client-1 writes writer-1 number x", "a number"),
            ("client-1 flushes writer-1 now", "nothing more"),
            ("client-1 makes writer-1 overload", "`server`"),
            ("client-1 makes server", "`overload`"),
        ],
    );
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
    tests::settle::<WriterSystem>(
        |request| !matches!(request, Request::Server(mood) if *mood != Mood::Split),
        |timer| *timer == Timer::Batch,
    );
}
