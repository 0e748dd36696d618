//! Readers as a system: settings, verbs, and scopes that settle without faults.

use super::{super::tests, *};
use wire::Mood;

#[test]
fn settings_are_refused_by_name() {
    let settings: [(&[(&str, &str)], _); 9] = [
        (&[("partition", "1")], "partitions"),
        (&[("messages", "many")], "a number"),
        (&[("messages", "0")], "1 to 1000"),
        (&[("credit", "0")], "credit=0"),
        (&[("release", "never")], "at-once or after"),
        (&[("begin", "reader")], "server or caller"),
        (&[("token", "soon")], "token=soon"),
        (&[("backoff", "1s")], "backoff_max"),
        (&[("order", "backwards"), ("commits", "3")], "order=backwards"),
    ];
    tests::refused::<ReaderSystem>(settings.map(|(settings, says)| (header(1, 1, settings), says)));
    tests::refused::<ReaderSystem>([(header(0, 1, &[]), "1 to 64 readers")]);
}

#[test]
fn mistakes_in_calls_are_pointed_at() {
    let feed = ReaderSystem::build(&header(2, 2, &[])).unwrap();
    tests::mistaken::<ReaderSystem>(
        &feed,
        &[
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
        ],
    );
}

/// Everything is read when nothing goes wrong; callers deal with what they have.
#[test]
fn every_scope_settles_without_faults() {
    tests::settle::<ReaderSystem>(
        |request| !matches!(request, Request::Server(mood) if *mood != Mood::Halve),
        |timer| *timer == Timer::Dealt,
    );
}
