//! Recordings of the broker.

use super::{
    frames::{Frame, apart, behind, count, seal, steps},
    rig::Rig,
};
use onceward::trace::{Contents, Recording, read};
use onceward_core::{
    Dur, Wall,
    broker::{
        Broker,
        api::{Change, Consumer, Request, Response, Settings},
    },
};
use onceward_model::systems::pipeline::PipelineSystem;
use onceward_sim::validate::{Options, ValidateError, Validated, validate};
use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf};
use tempfile::TempDir;

/// A broker's folder, a recording, and what was done to them.
struct Recorded {
    folder: TempDir,
    chunk_bytes: u64,
    wall: Wall,
}

impl Recorded {
    fn new(chunk_bytes: u64) -> Recorded {
        Recorded { folder: tempfile::tempdir().unwrap(), chunk_bytes, wall: Wall(1_700_000_000_000_000_000) }
    }

    fn disk(&self) -> PathBuf {
        self.folder.path().join("broker")
    }

    fn recording(&self) -> PathBuf {
        self.folder.path().join("recording")
    }

    /// A process that does this, and ends as a kill ends it or in order.
    fn process(&mut self, ends: End, work: impl FnOnce(&mut Rig)) {
        let recording =
            Recording { chunk_bytes: self.chunk_bytes, ..Recording::into_folder(self.recording()) };
        let mut rig = Rig::start(&self.disk(), &recording, self.wall);
        work(&mut rig);
        if ends == End::InOrder {
            assert_eq!(rig.call(Request::Shutdown), Response::Done);
        }
        self.wall = rig.wall();
    }

    fn validate(&self) -> Result<Validated, ValidateError> {
        validate::<PipelineSystem>(&self.recording(), &Options::default())
    }

    fn chunks(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.recording()).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    InOrder,
    Abruptly,
}

fn settings(partitions: u32) -> Settings {
    Settings {
        partitions,
        retention: None,
        retention_bytes: None,
        codecs: Vec::new(),
        attributes: BTreeMap::new(),
        consumers: [("app".into(), Consumer::default())].into(),
    }
}

fn create(rig: &mut Rig, path: &str) {
    let created = rig.call(Request::Create { path: path.into(), settings: settings(2) });
    assert_eq!(created, Response::Done);
}

/// Everything that writers do: numbers that rise, some twice, sessions that end each other, nobody's messages, and a
/// request that is refused.
fn writes(rig: &mut Rig, topic: &str, from: u64) {
    let first = rig.writer(topic, "a", 0);
    let other = rig.writer(topic, "b", 1);
    for n in from..from + 40 {
        rig.write(first, [2 * n, 2 * n + 1]);
        rig.write(other, n..n + 3);
        if n % 7 == 0 {
            rig.wait(Dur::millis(300));
        }
    }
    // What the older one says now is not taken in.
    let newer = rig.writer(topic, "a", 0);
    rig.write(first, [9000]);
    rig.run();
    rig.write(newer, [2 * from + 79, 2 * from + 80]);
    let nobody = rig.writer(topic, "", 1);
    rig.write(nobody, [1, 1, 1]);
    rig.write(nobody, []);
    rig.run();
    rig.hang_up(other);
}

/// Everything that readers do: share, come and go, commit or not, read what is long gone from memory.
fn reads(rig: &mut Rig, topic: &str) -> usize {
    let first = rig.reader(topic, "app", 2000);
    let mut got = rig.attend(first, true);
    let second = rig.reader(topic, "app", 900);
    for _ in 0..3 {
        got += rig.attend(second, true);
        got += rig.attend(first, true);
        rig.wait(Dur::secs(1));
    }
    rig.hang_up(first);
    got += rig.attend(second, false);
    let without = rig.reader(topic, "", 1 << 20);
    got += rig.attend(without, false);
    rig.hang_up(second);
    got
}

#[test]
fn what_was_recorded_is_accepted_over_processes_chunks_and_kills() {
    let mut recorded = Recorded::new(1);
    recorded.process(End::Abruptly, |rig| {
        create(rig, "one");
        create(rig, "two");
        writes(rig, "one", 1);
        writes(rig, "two", 1);
        assert!(reads(rig, "one") > 100);
    });
    recorded.process(End::InOrder, |rig| {
        // Again as the first process, in part.
        writes(rig, "one", 20);
        let change = Change { partitions: Some(3), ..Change::default() };
        assert_eq!(rig.call(Request::Alter { path: "one".into(), change }), Response::Done);
        let commit = Request::Commit { path: "one".into(), partition: 1, consumer: "app".into(), offset: 3 };
        assert_eq!(rig.call(commit), Response::Done);
        assert!(reads(rig, "one") > 10);
    });
    recorded.process(End::InOrder, |rig| assert!(reads(rig, "two") > 100));
    let seen = recorded.validate().unwrap();
    assert_eq!(seen.runs.len(), 3, "{seen:?}");
    assert!(seen.runs.iter().all(|run| run.whole && run.stopped.is_none()), "{seen:?}");
    assert!(seen.runs[0].chunks.1 > 1, "{seen:?}");

    // Once the beginning is gone, the rest is accepted as it stands.
    for file in &recorded.chunks()[..2] {
        fs::remove_file(file).unwrap();
    }
    let rest = recorded.validate().unwrap();
    assert!(!rest.runs[0].whole && rest.runs[0].first > 1, "{rest:?}");
}

#[test]
fn payloads_that_were_acknowledged_are_not_recorded_again() {
    let mut recorded = Recorded::new(64 << 20);
    recorded.process(End::InOrder, |rig| {
        create(rig, "one");
        writes(rig, "one", 1);
        reads(rig, "one");
    });
    let runs = read::<Broker>(&recorded.recording(), false).unwrap();
    let contents: Vec<&Contents> = runs[0].chunks[0].contents.values().collect();
    let count = |of: fn(&Contents) -> bool| contents.iter().filter(|contents| of(contents)).count();
    let placed = count(|contents| matches!(contents, Contents::InLog(_)));
    assert!(placed > 30, "{placed}");
    // What was known before, what an older session said, and the request that was refused.
    assert!(count(|contents| matches!(contents, Contents::Here(_))) > 0);
    // What was read from the pool, and from the log to be brought there.
    let read = count(|contents| matches!(contents, Contents::Around(_)));
    assert!(read > 10, "{read}");
}

#[test]
fn messages_that_were_given_up_since_are_missed() {
    let mut recorded = Recorded::new(64 << 20);
    recorded.process(End::InOrder, |rig| {
        create(rig, "one");
        writes(rig, "one", 1);
    });
    recorded.validate().unwrap();
    fs::remove_dir_all(recorded.disk().join("pool")).unwrap();
    let error = recorded.validate().unwrap_err().to_string();
    assert!(error.contains("which they are said to stand at, is not there"), "{error}");
}

#[test]
fn a_process_may_be_killed_behind_each_frame() {
    let mut recorded = Recorded::new(64 << 20);
    recorded.process(End::Abruptly, |rig| {
        create(rig, "one");
        writes(rig, "one", 1);
        reads(rig, "one");
    });
    let file = &recorded.chunks()[0];
    let (right, options) = (apart(file), Options { cut_off: true, disk: None });
    let (mut far, mut stopped) = (0, 0);
    for frames in 4..right.len() {
        seal(file, &right[..frames]);
        let seen = validate::<PipelineSystem>(&recorded.recording(), &options).unwrap();
        far = seen.runs[0].steps.max(far);
        stopped += u64::from(seen.runs[0].stopped.is_some());
    }
    // Mostly, somebody's messages are on their way; and in the end all of them are known.
    assert!(far > 300 && stopped > 50, "{far} {stopped}");
}

/// What somebody does to the frames of a chunk.
type Forgery = fn(&mut Vec<Frame>);

const FORGERIES: &[(&str, Forgery)] = &[
    ("a word is dropped", |frames| {
        let word = steps(frames, 7)[9];
        frames.remove(word);
        count(frames);
    }),
    ("a connection is not opened", |frames| {
        let accepted = steps(frames, 6)[1];
        frames.remove(accepted);
        count(frames);
    }),
    ("a connection is opened twice", |frames| {
        let accepted = steps(frames, 6)[1];
        frames.insert(accepted, frames[accepted].clone());
        count(frames);
    }),
    ("a connection ends twice", |frames| {
        let closed = steps(frames, 8)[0];
        frames.insert(closed, frames[closed].clone());
        count(frames);
    }),
    ("a message has another number", |frames| {
        let word = steps(frames, 7).into_iter().find(|n| has(&frames[*n], b"fruit")).unwrap();
        let body = &mut frames[word].body;
        // Behind the kind: the connection, two of the message's kind, its codec and how many there are.
        let at = behind(body, 2) + 1;
        let at = at + behind(&body[at..], 6);
        body[at] += 70;
    }),
    ("a payload is said to stand elsewhere", |frames| {
        let place =
            |frame: &Frame| frame.kind == b'C' && frame.body[behind(&frame.body, 2)..].starts_with(&[0, 0]);
        let place = (0..frames.len()).filter(|n| place(&frames[*n])).nth(5).unwrap();
        // Before the count: the first offset.
        let body = &mut frames[place].body;
        let first = body.len() - 2;
        body[first] ^= 1;
    }),
    ("a payload that was read is said to be shorter", |frames| {
        let around =
            |frame: &Frame| frame.kind == b'C' && frame.body[behind(&frame.body, 2)..].starts_with(&[0, 2]);
        let place = (0..frames.len()).find(|n| around(&frames[*n])).unwrap();
        let body = &mut frames[place].body;
        // Behind how many there are: where the first begins, and its length.
        let at = behind(body, 2) + 2;
        let at = at + behind(&body[at..], 2);
        body[at] -= 1;
    }),
    ("what was read is said to be brought", |frames| {
        let around =
            |frame: &Frame| frame.kind == b'C' && frame.body[behind(&frame.body, 2)..].starts_with(&[0, 2]);
        let place = (0..frames.len()).find(|n| around(&frames[*n])).unwrap();
        let at = behind(&frames[place].body, 2);
        frames[place].body.truncate(at);
        frames[place].body.extend_from_slice(&[0, 0, 0]);
    }),
    ("payloads are taken out", |frames| {
        let place = frames.iter().position(|frame| frame.kind == b'C').unwrap();
        frames.remove(place);
    }),
];

fn has(frame: &Frame, text: &[u8]) -> bool {
    frame.body.windows(text.len()).any(|window| window == text)
}

#[test]
fn falsified_recordings_are_refused_with_the_place() {
    let mut recorded = Recorded::new(64 << 20);
    recorded.process(End::InOrder, |rig| {
        create(rig, "one");
        writes(rig, "one", 1);
        reads(rig, "one");
    });
    recorded.validate().unwrap();
    let file = &recorded.chunks()[0];
    let right = apart(file);
    let mut said = String::new();
    for (what, forgery) in FORGERIES {
        let mut frames = right.clone();
        forgery(&mut frames);
        seal(file, &frames);
        let error = recorded.validate().map(|_| ()).expect_err(what).to_string();
        let folder = recorded.recording().display().to_string();
        writeln!(said, "{what}\n  {}\n", error.replace(&folder, "FOLDER")).unwrap();
    }
    insta::assert_snapshot!(said);
}
