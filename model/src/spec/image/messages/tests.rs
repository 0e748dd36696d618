//! The reader against a broker that drains, rolls, writes checkpoints and cuts its log, and against damaged files.

use super::*;
use crate::{
    spec::topic::Book,
    world::{
        Seen, Time,
        disk::{Disk, Geometry, Outcome},
    },
};
use onceward_core::{
    Action, CallId, ClientId, Clock, ConnId, Dur, Input, Machine, Mono, NodeId, Wall,
    broker::{
        Broker, Config,
        api::{self, Request, Response, Settings, Timer},
    },
    writer::wire::{AckStatus, Codec, FromClient, FromServer, Init, Numbered, Payload},
};
use proptest::prelude::*;
use std::collections::VecDeque;

const SEEN: Seen = Seen { step: 1, at: Time(0) };

/// A broker on a disk without faults, and what was said.
struct Rig {
    broker: Broker,
    disk: Disk,
    clock: Clock,
    book: Book,
    timers: BTreeMap<Timer, Mono>,
    /// Partition, offset, number of what was acknowledged.
    acked: Vec<(u64, u64)>,
    marks: BTreeSet<&'static str>,
    count: u64,
}

fn config() -> Config {
    let mut config = Config::new(Path::root(), 7);
    config.segments.segment_bytes = 4096;
    config.segments.sector = 16;
    config.segments.preallocate = false;
    config.segments.reserve_bytes = 0;
    config.segments.queue_bytes = 128 << 10;
    config.message_bytes = 4096;
    config.record_bytes = 1024;
    config.session_bytes = 8192;
    config.checkpoint_bytes = 2048;
    config.pool.segment_bytes = 600;
    config.pool.flush_bytes = 600;
    config.pool.undrained_bytes = 1500;
    config.pool.cache_bytes = 1000;
    config.tail_bytes = 1000;
    config
}

impl Rig {
    fn new(config: Config) -> Rig {
        let mut rig = Rig {
            broker: Broker::new(config).unwrap(),
            disk: Disk::new(Geometry::default()),
            clock: Clock { mono: Mono(0), wall: Wall(1_700_000_000_000_000_000) },
            book: Book::of_recording(),
            timers: BTreeMap::new(),
            acked: Vec::new(),
            marks: BTreeSet::new(),
            count: 0,
        };
        rig.step(Input::Boot);
        rig
    }

    /// With a topic, by the number 0.
    fn with_topic(retention_bytes: Option<u64>) -> Rig {
        Rig::set_up(config(), retention_bytes)
    }

    fn set_up(config: Config, retention_bytes: Option<u64>) -> Rig {
        let mut rig = Rig::new(config);
        let settings = Settings {
            partitions: 1,
            retention: None,
            retention_bytes,
            codecs: Vec::new(),
            attributes: BTreeMap::new(),
            consumers: BTreeMap::new(),
        };
        rig.call(Request::Create { path: "t".into(), settings });
        rig.book.known(&"t".into(), 0);
        rig
    }

    fn step(&mut self, input: <Broker as Machine>::Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut actions = Vec::new();
            self.broker.step(self.clock, input, &mut actions);
            for action in actions {
                match action {
                    Action::Disk(id, op) => {
                        self.disk.submit(id, op);
                        let result = self.disk.complete(id, &Outcome::Ok).unwrap();
                        inputs.push_back(Input::Disk(id, result));
                    }
                    Action::Arm(timer, window) => {
                        self.timers.insert(timer, self.clock.mono.after(window.from));
                    }
                    Action::Disarm(timer) => {
                        self.timers.remove(&timer);
                    }
                    Action::Reply(call, response) => {
                        assert_eq!(response, Response::Done);
                        self.book.replied(call, &response);
                    }
                    Action::Write(conn, api::Message::WriteReply(said)) => {
                        self.book.writer_told(SEEN, conn, &said).unwrap();
                        let FromServer::Acks(acks) = said else { continue };
                        for ack in acks {
                            let AckStatus::Written { offset } = ack.status else { panic!("{ack:?}") };
                            self.acked.push((offset, ack.seq_no));
                        }
                    }
                    Action::Mark(mark) => {
                        self.marks.insert(mark.0);
                    }
                    _ => {}
                }
            }
        }
    }

    fn pass(&mut self, span: Dur) {
        let end = self.clock.mono.after(span);
        while let Some((at, timer)) = self.timers.iter().map(|(timer, at)| (*at, *timer)).min()
            && at <= end
        {
            self.timers.remove(&timer);
            self.clock.mono = at.max(self.clock.mono);
            self.step(Input::Timer(timer));
        }
        self.clock.mono = end;
    }

    fn call(&mut self, request: Request) {
        self.count += 1;
        let call = CallId { client: ClientId(1), number: self.count };
        self.book.called(call, &request);
        self.step(Input::Call(call, request));
    }

    fn says(&mut self, conn: ConnId, said: FromClient) {
        self.book.writer_said(conn, &said);
        self.step(Input::Received(conn, api::Message::Write(said)));
    }

    /// A producer writes these numbers, one at a time.
    fn writes(&mut self, producer: &str, numbers: std::ops::RangeInclusive<u64>) {
        self.count += 1;
        let conn = ConnId { initiator: NodeId(1), number: self.count as u32 };
        self.step(Input::Accepted(conn));
        let (path, producer_id) = ("t".into(), producer.into());
        let init = Init { path, producer_id, partition: None, group: "".into(), session_meta: [].into() };
        self.says(conn, FromClient::Init(init));
        for seq_no in numbers {
            let data = content(seq_no).into();
            let payload = Payload {
                data,
                codec: Codec::RAW,
                uncompressed_size: 0,
                created_at: Wall(5),
                metadata: vec![("name".into(), "value".into())],
            };
            let messages = vec![Numbered { seq_no, payload }];
            self.says(conn, FromClient::Write { codec: Codec::RAW, messages });
            self.pass(Dur::millis(50));
        }
    }

    fn image(&self) -> Image {
        self.disk.durable_image()
    }

    fn judge(&self, image: &Image) -> Result<(), &'static str> {
        let found = read(image, &Path::root(), &Path::from("pool")).map_err(|bad| bad.what)?;
        self.book.keeps(|path| (path == "t").then_some(0), &found).map_err(|broken| broken.promise)
    }
}

fn content(seq_no: u64) -> String {
    format!("message {seq_no}, {}", "x".repeat(seq_no as usize % 70))
}

/// What was acknowledged is there.
fn check(rig: &Rig) {
    let image = rig.image();
    let found = read(&image, &Path::root(), &Path::from("pool")).unwrap();
    let first = found.first(0, 0);
    for (offset, seq_no) in &rig.acked {
        let there = found.get(0, 0, *offset).map(|there| (there.producer, there.seq_no, there.data));
        let data = content(*seq_no);
        let wanted = Some(("p", *seq_no, data.as_bytes())).filter(|_| *offset >= first);
        assert_eq!(there, wanted, "offset {offset}");
    }
    assert_eq!(found.get(0, 0, rig.acked.len() as u64), None);
    assert_eq!(rig.judge(&image), Ok(()));
}

fn files(image: &Image, end: &str) -> Vec<Path> {
    image.files.keys().filter(|path| path.as_str().ends_with(end)).cloned().collect()
}

/// A log that was rolled, cut and drained.
fn cut() -> Rig {
    let mut rig = Rig::with_topic(None);
    rig.writes("p", 1..=200);
    rig
}

#[test]
fn it_reads_what_a_broker_wrote() {
    let mut rig = Rig::with_topic(None);
    rig.writes("p", 1..=3);
    check(&rig);
    assert!(files(&rig.image(), ".msgs").is_empty(), "all of it in the log");
    let rig = cut();
    check(&rig);
    assert_eq!(rig.acked.len(), 200);
    for mark in ["checkpoint written", "log cut", "messages drained"] {
        assert!(rig.marks.contains(mark), "{mark}");
    }
    let image = rig.image();
    assert!(!image.files.contains_key(&Path::from("00000000000000000000.seg")), "the front is gone");
    assert!(files(&image, ".msgs").len() > 5);
}

#[test]
fn what_was_given_up_is_not_missed() {
    let mut rig = Rig::with_topic(Some(2000));
    rig.writes("p", 1..=100);
    rig.pass(config().retention_interval);
    rig.writes("p", 101..=110);
    rig.pass(config().retention_interval);
    let image = rig.image();
    let found = read(&image, &Path::root(), &Path::from("pool")).unwrap();
    assert!((20..110).contains(&found.first(0, 0)), "{}", found.first(0, 0));
    check(&rig);
}

#[test]
fn what_is_missing_or_damaged_is_noticed() {
    let rig = cut();
    let image = rig.image();
    let noticed = |image: &Image| usize::from(rig.judge(image).is_err());
    let names = files(&image, ".msgs");
    let without = |name: &Path| {
        let mut without = image.clone();
        without.files.remove(name);
        noticed(&without)
    };
    // The log has what was drained last, too.
    let missed: usize = names.iter().map(without).sum();
    assert!(missed > names.len() / 2, "{missed} of {}", names.len());
    assert_eq!(without(&names[0]), 1);
    let segments = files(&image, ".seg");
    assert_eq!(segments.last().map(without), Some(1), "of {}", segments.len());
    // Every byte of a file of the pool behind its header; padding does not count.
    let (name, mut damaged) = (&names[0], 0);
    let len = image.files[name].len();
    for at in 64..len {
        let mut changed = image.clone();
        changed.files.get_mut(name).unwrap()[at] ^= 1;
        damaged += noticed(&changed);
    }
    assert!(damaged + 64 > len - 64, "{damaged} of {len} bytes count");
}

#[test]
fn a_log_that_begins_late_has_a_checkpoint() {
    let mut rig = Rig::set_up(Config { checkpoint_bytes: 1 << 20, ..config() }, None);
    rig.writes("p", 1..=100);
    check(&rig);
    let mut image = rig.image();
    let segments = files(&image, ".seg");
    assert!(segments.len() > 2);
    // One that is there and damaged was not given up.
    let mut damaged = image.clone();
    damaged.files.get_mut(&segments[0]).unwrap()[30] ^= 1;
    assert_eq!(rig.judge(&damaged), Err("the predecessor that it names is not there"));
    image.files.remove(&segments[0]);
    assert_eq!(rig.judge(&image), Err("the log begins late, and has no checkpoint"));
}

#[test]
fn every_byte_of_a_record_in_the_log_counts() {
    let mut rig = Rig::with_topic(None);
    rig.writes("p", 1..=3);
    let image = rig.image();
    let name = files(&image, ".seg").remove(0);
    let file = &image.files[&name];
    let payload = content(2);
    let at = file.windows(payload.len()).position(|bytes| bytes == payload.as_bytes()).unwrap();
    for at in at - 20..at + payload.len() {
        let mut changed = image.clone();
        changed.files.get_mut(&name).unwrap()[at] ^= 1;
        assert_eq!(rig.judge(&changed), Err("shown-is-durable"), "byte {at}");
    }
}

#[test]
fn another_message_at_an_offset_is_noticed() {
    let (mut rig, mut other) = (Rig::with_topic(None), Rig::with_topic(None));
    rig.writes("p", 1..=3);
    other.writes("p", 2..=4);
    assert_eq!(rig.judge(&other.image()), Err("shown-is-durable"));
    other.writes("p", 5..=5);
    assert_eq!(other.judge(&other.image()), Ok(()));
    let mut other = Rig::with_topic(None);
    other.writes("q", 1..=3);
    assert_eq!(rig.judge(&other.image()), Err("shown-is-durable"));
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0u8..16) {
        let mut reading = Reading::default();
        let mut reader = Reader::new(&bytes);
        let _ = reading.record(&mut reader);
        prop_assert!(reader.at <= bytes.len());
        let told = [&[0x99, kind][..], &bytes].concat();
        let mut reading = Reading::default();
        let _ = reading.record(&mut Reader::new(&told));
        let file = File { partition: (0, 0), number: 0, from: u64::from(kind), to: bytes.len() as u64 + 9 };
        reading.pool_file(File { from: u64::MAX - 1, to: u64::MAX, ..file }, &bytes, 16);
        reading.pool_file(file, &bytes, 16);
    }
}
