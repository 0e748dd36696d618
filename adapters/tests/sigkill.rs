//! A process that appends is killed again and again, at any moment, now and then with so little room that the system
//! cuts its writes off in the middle. Each of its calls and each answer is told to this process before anything else
//! happens, and the oracles of the event store's promises judge them together with what the store shows afterwards:
//! whatever was acknowledged is there, once, in its place; nothing is there in part, or that was refused.
//!
//! `ONCEWARD_KILLS` sets how often (by default 300 times).
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use onceward::store::Options;
use onceward::{
    Error, EventId, EventStore, Expected, Hash256, Head, Hlc, Key, Name, NewEvent, Part, Receipt,
};
use onceward_core::log::api::{Promise, Refusal, Request, Response};
use onceward_core::{CallId, ClientId, DiskError};
use onceward_model::spec::events::{History, State};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::witness::{Witness, append};

const FOLDER: &str = "ONCEWARD_TEST_KILLED_FOLDER";
/// Which life it is, how many bytes a file may have (0: any number), the request that client 2 begins with.
const LIFE: &str = "ONCEWARD_TEST_KILLED_LIFE";

fn open(folder: &Path, life: u64) -> EventStore {
    let mut options = Options::default();
    // Small, so that many are begun and sealed.
    options.config.segments.segment_bytes = 128 << 10;
    options.config.segments.preallocate = life.is_multiple_of(2);
    options.open(folder).unwrap()
}

/// What a call asks for: made anew by both processes from a few numbers.
///
/// Client 0 appends one event at a time, guarded by the last sequence that it knows; client 1 batches over two entities;
/// client 2 appends with a key.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Ask {
    Head { client: u64 },
    Append { life: u64, client: u64, n: u64, last: Option<u64> },
}

impl Ask {
    fn entity(client: u64) -> Name {
        Name::new(&format!("client-{client}")).unwrap()
    }

    fn request(self) -> Request {
        match self {
            Ask::Head { client } => Request::Head { entity: Ask::entity(client) },
            Ask::Append { .. } => Request::Append { parts: self.parts(), deadline: None },
        }
    }

    fn parts(self) -> Vec<Part> {
        let Ask::Append { life, client, n, last } = self else { return vec![] };
        let name = (u128::from(life) << 40 | u128::from(client) << 32 | u128::from(n)) + 1;
        let part = |entity: Name, part: u128, events: u128| Part {
            entity,
            expected: Expected::Any,
            key: None,
            events: (0..events)
                .map(|event| NewEvent {
                    id: EventId(name << 8 | part << 4 | event),
                    kind: Name::new("k").unwrap(),
                    scope: Name::new("s").unwrap(),
                    correlation: None,
                    causation: None,
                    payload: Bytes::from(format!(
                        "{name} {part} {event} {}",
                        "x".repeat((n * 37 % 900) as usize)
                    )),
                })
                .collect(),
        };
        match client {
            0 => {
                let expected = last.map_or(Expected::NoStream, Expected::Exact);
                vec![Part { expected, ..part(Ask::entity(0), 0, 1) }]
            }
            1 => vec![part(Ask::entity(1), 0, 2), part(Name::new("shared").unwrap(), 1, 2)],
            _ => vec![Part {
                key: Some(Key(name)),
                ..part(Name::new("shared").unwrap(), 0, 1 + u128::from(n % 3))
            }],
        }
    }

    fn told(self) -> String {
        match self {
            Ask::Head { client } => format!("head {client}"),
            Ask::Append { life, client, n, last } => format!("append {life} {client} {n} {}", word(last)),
        }
    }

    fn heard(words: &[&str]) -> Ask {
        match words {
            ["head", client] => Ask::Head { client: number(client) },
            ["append", life, client, n, last] => {
                Ask::Append { life: number(life), client: number(client), n: number(n), last: unword(last) }
            }
            other => panic!("{other:?}"),
        }
    }
}

fn word(number: Option<u64>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

fn unword(text: &str) -> Option<u64> {
    (text != "-").then(|| number(text))
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

fn hash(text: &str) -> Hash256 {
    let bytes = (0..32).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap());
    Hash256(bytes.collect::<Vec<u8>>().try_into().unwrap())
}

/// An answer in a line.
fn told(response: &Response) -> String {
    match response {
        Response::Head(None) => "head -".to_owned(),
        Response::Head(Some(head)) => format!("head {} {} {}", head.sequence, head.position, head.chain),
        Response::Appended(receipts) => receipts.iter().fold("appended".to_owned(), |line, receipt| {
            let Receipt { position, sequence, count, time, chain, promise, duplicate } = receipt;
            assert_eq!(*promise, Promise::Durable);
            let Hlc { millis, counter } = time;
            line + &format!(" {position} {sequence} {count} {millis} {counter} {chain} {duplicate}")
        }),
        Response::Refused(Refusal::Full) => "full".to_owned(),
        Response::Refused(Refusal::Unknown { cause: DiskError::NoSpace }) => "unknown".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn heard(words: &[&str]) -> Response {
    match words {
        ["head", "-"] => Response::Head(None),
        ["head", sequence, position, chain] => Response::Head(Some(Head {
            sequence: number(sequence),
            position: number(position),
            chain: hash(chain),
        })),
        ["appended", receipts @ ..] => Response::Appended(
            receipts
                .chunks_exact(7)
                .map(|words| Receipt {
                    position: number(words[0]),
                    sequence: number(words[1]),
                    count: words[2].parse().unwrap(),
                    time: Hlc { millis: number(words[3]), counter: words[4].parse().unwrap() },
                    chain: hash(words[5]),
                    promise: Promise::Durable,
                    duplicate: words[6] == "true",
                })
                .collect(),
        ),
        ["full"] => Response::Refused(Refusal::Full),
        ["unknown"] => Response::Refused(Refusal::Unknown { cause: DiskError::NoSpace }),
        other => panic!("{other:?}"),
    }
}

/// Works for ever. Runs in a process of its own.
#[test]
fn child() {
    let (Ok(folder), Ok(life)) = (std::env::var(FOLDER), std::env::var(LIFE)) else { return };
    let words: Vec<&str> = life.split(' ').collect();
    let (life, room, again) = (number(words[0]), number(words[1]), &words[2..]);
    let store = open(Path::new(&folder), life);
    let tell = |line: String| std::io::stdout().write_all(line.as_bytes()).unwrap();
    tell("open\n".to_owned());
    if room > 0 {
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current: Some(room), maximum }).unwrap();
    }
    std::thread::scope(|scope| {
        for client in 0..3 {
            let (store, tell) = (&store, &tell);
            scope.spawn(move || {
                let mut calls = 0;
                let mut ask = |ask: Ask| {
                    calls += 1;
                    let call = life << 32 | calls;
                    tell(format!("call {client} {call} {}\n", ask.told()));
                    let answer = match ask {
                        Ask::Head { client } => store.head(Ask::entity(client)).wait().map(Response::Head),
                        Ask::Append { .. } => store
                            .append_batch(ask.parts().into_iter().map(append))
                            .wait()
                            .map(Response::Appended),
                    };
                    let response = match answer {
                        Ok(response) => response,
                        Err(Error::Refused(refusal)) => Response::Refused(refusal),
                        Err(other) => panic!("{other}"),
                    };
                    tell(format!("answer {client} {call} {}\n", told(&response)));
                    response
                };
                if client == 2 && !again.is_empty() {
                    ask(Ask::heard(again));
                }
                let (mut last, mut known) = (None, client != 0);
                for n in 0.. {
                    if !known {
                        let Response::Head(head) = ask(Ask::Head { client }) else { continue };
                        (last, known) = (head.map(|head| head.sequence), true);
                    }
                    match ask(Ask::Append { life, client, n, last }) {
                        Response::Appended(receipts) => last = Some(receipts[0].sequence),
                        _ => {
                            known = client != 0;
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    }
                }
            });
        }
    });
}

fn spawn(folder: &Path, life: u64, room: u64, again: Option<Ask>) -> Child {
    let again = again.map_or(String::new(), |ask| format!(" {}", ask.told()));
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        .env(LIFE, format!("{life} {room}{again}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// One life: until it is killed, after so long, counted from its first word or from its start. What it told.
fn live(mut child: Child, from_open: bool, span: Duration) -> String {
    let mut output = child.stdout.take().unwrap();
    let mut told = String::new();
    if from_open {
        while !told.ends_with("open\n") {
            let mut byte = [0];
            assert_eq!(output.read(&mut byte).unwrap(), 1, "the child ended: {told}");
            told.push(byte[0].into());
        }
    }
    // The pipe is emptied meanwhile: the child must not wait for us.
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        output.read_to_string(&mut rest).map(|_| rest)
    });
    std::thread::sleep(span);
    child.kill().unwrap();
    child.wait().unwrap();
    told + &rest.join().unwrap().unwrap()
}

#[derive(Default, Debug)]
struct Tally {
    kills: u64,
    acknowledged: u64,
    refused: u64,
    unanswered: u64,
    retries: u64,
}

/// Takes note of what a life told. Answers the last keyed append that it did not hear of again.
fn note(witness: &mut Witness, told: &str, tally: &mut Tally) -> Option<Ask> {
    let mut last = None;
    // A line that was not written to its end was not told.
    for line in told.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let words: Vec<&str> = line.split(' ').collect();
        let call = |client: &str, call: &str| CallId {
            client: ClientId(client.parse().unwrap()),
            number: number(call),
        };
        match &words[..] {
            ["call", client, n, rest @ ..] => {
                let ask = Ask::heard(rest);
                if *client == "2" {
                    last = Some(ask);
                }
                witness.called(call(client, n), &ask.request());
            }
            ["answer", client, n, rest @ ..] => {
                let response = heard(rest);
                match &response {
                    Response::Appended(receipts) => {
                        tally.acknowledged += 1;
                        tally.retries += u64::from(receipts[0].duplicate);
                    }
                    Response::Refused(_) => tally.refused += 1,
                    _ => {}
                }
                witness.replied(call(client, n), &response).unwrap_or_else(|v| panic!("{line}: {v}: {v:?}"));
            }
            // The test harness has its say as well.
            _ => {}
        }
    }
    last
}

fn open_appends(history: &History) -> u64 {
    history.waiting().filter(|call| history.state(*call) == Some(&State::Open)).count() as u64
}

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let kills: u64 = std::env::var("ONCEWARD_KILLS").map_or(300, |kills| kills.parse().unwrap());
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut dice = |sides: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % sides
    };
    let begun = Instant::now();
    let mut tally = Tally::default();
    while tally.kills < kills {
        // A store of its own for every fifty lives: each life looks at everything.
        // Every second one in memory: there is more going on when nobody waits for a device.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() && (tally.kills / 50).is_multiple_of(2) {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let (mut witness, mut again) = (Witness::new(), None);
        for _ in 0..50.min(kills - tally.kills) {
            let life = tally.kills;
            tally.kills += 1;
            // Usually once it is open, now and then while it recovers; one in three has little room.
            let from_open = dice(8) != 0;
            let room = [200 + dice(2_000), 2_000 + dice(150_000), 0, 0, 0, 0][dice(6) as usize];
            let child = spawn(folder.path(), life, room, again);
            let told = live(child, from_open, Duration::from_micros(dice(40_000)));
            again = note(&mut witness, &told, &mut tally).or(again);
            tally.unanswered += open_appends(witness.history());
            witness.crashed(false);
            if dice(4) == 0 {
                let store = open(folder.path(), life);
                witness
                    .look_at_everything(&store)
                    .unwrap_or_else(|v| panic!("after life {life}: {v}: {v:?}"));
            }
        }
        let store = open(folder.path(), 0);
        witness.look_at_everything(&store).unwrap_or_else(|v| panic!("{v}: {v:?}"));
    }
    println!("{tally:?} in {:?}", begun.elapsed());
    if kills >= 100 {
        let Tally { acknowledged, refused, unanswered, retries, .. } = tally;
        assert!(
            acknowledged > 10 * kills && refused > 0 && unanswered > kills / 4 && retries > 0,
            "{tally:?}"
        );
    }
}

#[test]
fn a_store_that_lost_what_it_had_acknowledged_is_found_out() {
    // A file that was just begun may hold nothing yet that was acknowledged: then another try is made.
    let broken = (0..5).find_map(|_| {
        let folder = tempfile::tempdir().unwrap();
        let (mut witness, mut tally) = (Witness::new(), Tally::default());
        // An odd life: without preallocation, so that a file ends where its contents do.
        let told = live(spawn(folder.path(), 1, 0, None), true, Duration::from_millis(100));
        note(&mut witness, &told, &mut tally);
        witness.crashed(false);
        let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let last = files.filter(|file| file.extension().is_some_and(|it| it == "seg")).max()?;
        let file = std::fs::File::options().write(true).open(last).unwrap();
        let len = file.metadata().unwrap().len();
        file.set_len(len.min(512) + len.saturating_sub(512) / 2).unwrap();
        witness.look_at_everything(&open(folder.path(), 1)).err()
    });
    assert_eq!(broken.map(|broken| broken.promise), Some("acked-is-durable"));
}
