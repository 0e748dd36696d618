//! Recordings of the event store.

use super::frames::{Frame, MAGIC, apart, behind, count, say, seal, steps};
use onceward::store::Options as StoreOptions;
use onceward::trace::{Ends, Recording};
use onceward::{Append, EventStore, Expected, Filter, Key, Name, query};
use onceward_model::systems::log::LogSystem;
use onceward_sim::validate::{Options, ValidateError, Validated, validate};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A store, a recording, and what was done to them.
struct Recorded {
    folder: TempDir,
}

impl Recorded {
    fn new() -> Recorded {
        Recorded { folder: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn recording(&self) -> PathBuf {
        self.folder.path().join("recording")
    }

    fn open(&self, chunk_bytes: u64, ring_bytes: u64) -> EventStore {
        let record = Some(Recording { chunk_bytes, ring_bytes, ..Recording::into_folder(self.recording()) });
        let mut options = StoreOptions { record, ..StoreOptions::default() };
        options.config.segments.segment_bytes = 1 << 20;
        options.open(self.store()).unwrap()
    }

    fn validate(&self, cut_off: bool) -> Result<Validated, ValidateError> {
        validate::<LogSystem>(&self.recording(), &Options { cut_off, disk: None })
    }

    fn chunks(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.recording()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// A copy of the recording, to be falsified; the store stays.
    fn copy(&self) -> Recorded {
        let copy = Recorded::new();
        fs::create_dir(copy.recording()).unwrap();
        for file in self.chunks() {
            fs::copy(&file, copy.recording().join(file.file_name().unwrap())).unwrap();
        }
        copy
    }
}

/// Works until the recording has so many whole chunks: how many steps go into one depends on how far the writer lags.
fn work_for_chunks(recorded: &Recorded, store: &EventStore, from: u64, chunks: usize) -> u64 {
    let (mut next, had) = (from, recorded.chunks().len());
    while recorded.chunks().len() < had + chunks {
        work(store, next..next + 10);
        next += 10;
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(next < from + 10_000, "no chunk is ever full");
    }
    next
}

/// Works until the ring has let go of the chunk in which this process began.
fn work_for_ring(recorded: &Recorded, store: &EventStore, from: u64) {
    let first = recorded.chunks().pop();
    let mut next = from;
    while recorded.chunks().first() <= first.as_ref() {
        work(store, next..next + 10);
        next += 10;
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(next < from + 10_000, "no chunk makes way");
    }
}

/// A bit of everything that callers do: appends with guards and keys, retries, refusals, reads, cursors, subscriptions.
fn work(store: &EventStore, rounds: std::ops::Range<u64>) {
    let reader = Name::new("reader").unwrap();
    let subscription = store.subscribe(Filter::All, 4).wait().unwrap();
    for n in rounds {
        let entity = format!("order-{}", n % 7);
        let append = || {
            let payload = format!("{n} pears ").repeat(20);
            Append::to(entity.clone()).key(Key(u128::from(n))).event("changed", payload).event("noted", "!")
        };
        let first = store.append(append()).wait().unwrap();
        let again = store.append(append()).wait().unwrap();
        assert_eq!((again.position, again.duplicate), (first.position, true));
        store
            .append(Append::to(entity).expecting(Expected::NoStream).event("changed", "no"))
            .wait()
            .unwrap_err();
        if n % 5 == 0 {
            if !first.duplicate {
                store.save_cursor(reader.clone(), first.position).wait().unwrap();
            }
            store.load_cursor(reader.clone()).wait().unwrap();
            store.read(query(Filter::Kind(Name::new("noted").unwrap()))).wait().unwrap();
            let _ = subscription.next(std::time::Duration::ZERO).wait().unwrap();
        }
    }
    store.verify().wait().unwrap();
}

#[test]
fn what_was_recorded_is_accepted_over_processes_chunks_and_a_ring() {
    let recorded = Recorded::new();
    let mut next = 0;
    for _ in 0..3 {
        let store = recorded.open(1, u64::MAX);
        // Some of it is asked for once more.
        next = work_for_chunks(&recorded, &store, u64::saturating_sub(next, 10), 3);
        store.close().unwrap();
    }
    let whole = recorded.validate(false).unwrap();
    assert_eq!(whole.runs.len(), 3);
    assert!(whole.runs.iter().all(|run| run.whole && run.calls.0 == run.calls.1 && run.stopped.is_none()));
    assert!(whole.runs[0].chunks.1 > 1, "{whole:?}");

    // The ring has let go of the beginning: the rest is accepted as it stands.
    let store = recorded.open(1, 1);
    work_for_ring(&recorded, &store, next);
    store.close().unwrap();
    assert_eq!(recorded.chunks().len(), 1);
    let rest = recorded.validate(false).unwrap();
    assert!(!rest.runs[0].whole && rest.runs[0].first > 1, "{rest:?}");
}

#[test]
fn what_a_killed_process_leaves_is_accepted_as_far_as_it_goes() {
    let recorded = Recorded::new();
    let store = recorded.open(1, u64::MAX);
    work(&store, 0..60);
    let killed = loop {
        // The writer looks for steps every 2 ms.
        std::thread::sleep(std::time::Duration::from_millis(5));
        let copy = recorded.copy();
        let disk = Some(recorded.store());
        if let Ok(seen) = validate::<LogSystem>(&copy.recording(), &Options { cut_off: true, disk }) {
            break (copy, seen);
        }
    };
    assert_eq!(killed.1.runs[0].ends, None);
    assert!(killed.1.runs[0].steps > 400, "{:?}", killed.1);
    let refused = validate::<LogSystem>(
        &killed.0.recording(),
        &Options { cut_off: false, disk: Some(recorded.store()) },
    );
    assert!(refused.unwrap_err().to_string().contains("--cut-off"));
    // The next process goes on in the same folder.
    store.close().unwrap();
}

#[test]
fn steps_that_were_left_out_are_a_gap_and_what_follows_is_judged_from_there() {
    let recorded = Recorded::new();
    let record = Some(Recording { waiting: 2, ..Recording::into_folder(recorded.recording()) });
    let store = StoreOptions { record, ..StoreOptions::default() }.open(recorded.store()).unwrap();
    // The writer has to be slower than the store once.
    for from in (0..10_000).step_by(20) {
        work(&store, from..from + 20);
        if recorded.chunks().len() > 3 {
            break;
        }
    }
    work(&store, 20_000..20_020);
    store.close().unwrap();
    let seen = recorded.validate(false).unwrap();
    assert!(seen.runs.len() > 3, "{seen:?}");
    assert_eq!(seen.runs[0].ends, Some(Ends::Gap));
    assert!(!seen.runs[1].whole);
}

#[test]
fn what_is_no_longer_in_the_log_is_missed() {
    let recorded = Recorded::new();
    let store = recorded.open(1 << 20, u64::MAX);
    work(&store, 0..60);
    store.close().unwrap();
    recorded.validate(false).unwrap();
    let mut segments: Vec<PathBuf> =
        fs::read_dir(recorded.store()).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|end| end == "seg"));
    for segment in segments {
        fs::remove_file(segment).unwrap();
    }
    let error = recorded.validate(false).unwrap_err().to_string();
    assert!(error.contains("which they are said to stand at, is not there"), "{error}");
}

/// The places of contents that are said to stand in one range of the log.
fn in_log(frames: &[Frame]) -> Vec<usize> {
    // Behind the call: no request, in the log, one range; then its shelf, its first position and how many.
    let one =
        |frame: &Frame| frame.kind == b'C' && frame.body[behind(&frame.body, 3)..].starts_with(&[0, 0, 1]);
    (0..frames.len()).filter(|n| one(&frames[*n])).collect()
}

/// What somebody does to the frames of one chunk.
type Forgery = fn(&mut Vec<Frame>);
/// What happens to the files.
type Accident = fn(&[PathBuf]);

const ACCIDENTS: &[(&str, Accident)] = &[
    ("no file is left", |files| files.iter().for_each(|file| fs::remove_file(file).unwrap())),
    ("a file is empty", |files| fs::write(&files[1], b"").unwrap()),
    ("a file is something else", |files| fs::write(&files[1], b"a poem").unwrap()),
    ("a chunk in the middle is missing", |files| fs::remove_file(&files[1]).unwrap()),
    ("the last chunk is missing", |files| fs::remove_file(files.last().unwrap()).unwrap()),
    ("two chunks are swapped", |files| {
        let first = fs::read(&files[1]).unwrap();
        fs::copy(&files[2], &files[1]).unwrap();
        fs::write(&files[2], first).unwrap();
    }),
    ("a chunk is doubled", |files| {
        fs::copy(&files[1], &files[2]).unwrap();
    }),
    ("a bit of the header flips", |files| flip(&files[1], MAGIC + 9)),
    ("a bit of the snapshot flips", |files| flip(&files[1], 3000)),
    ("a bit of a step flips", |files| {
        let length = fs::metadata(&files[1]).unwrap().len();
        flip(&files[1], usize::try_from(length).unwrap() * 3 / 4);
    }),
    ("a file is cut in a frame", |files| cut(&files[1], 5)),
    ("a file is cut between two frames", |files| {
        let frames = apart(&files[1]);
        seal(&files[1], &frames[..frames.len() - 1]);
    }),
    ("something follows the end", |files| {
        let mut frames = apart(&files[1]);
        frames.push(frames[2].clone());
        seal(&files[1], &frames);
    }),
];

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 4;
    fs::write(file, bytes).unwrap();
}

fn cut(file: &Path, by: usize) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() - by]).unwrap();
}

const FORGERIES: &[(&str, Forgery)] = &[
    ("a step is dropped", |frames| {
        let step = steps(frames, 1)[3];
        frames.remove(step);
        count(frames);
    }),
    ("a step is doubled", |frames| {
        let step = steps(frames, 1)[3];
        frames.insert(step, frames[step].clone());
        count(frames);
    }),
    ("two steps are swapped", |frames| {
        let calls = steps(frames, 3);
        frames.swap(calls[3], calls[4]);
    }),
    ("all steps are dropped", |frames| {
        frames.retain(|frame| frame.kind != b'S');
        count(frames);
    }),
    ("a clock goes back", |frames| {
        let step = steps(frames, 3)[4];
        let behind = behind(&frames[step].body, 2);
        let body = [&[1, 1], &frames[step].body[behind..]].concat();
        frames[step].body = body;
    }),
    ("a disk operation has failed instead", |frames| {
        let step = steps(frames, 1)[3];
        let body = &mut frames[step].body;
        // Behind the kind and the operation's number: `Ok`, which becomes `Err`, of an input/output error.
        let at = behind(body, 2) + 2;
        assert_eq!(body[at], 0);
        let link = body[body.len() - 16..].to_vec();
        body.truncate(at);
        body.extend_from_slice(&[1, 0]);
        body.extend_from_slice(&link);
    }),
    ("a letter of a request is another", |frames| {
        let place = |frame: &Frame| frame.body.windows(6).position(|word| word == b"order-");
        let calls = steps(frames, 3).into_iter();
        let (step, at) = calls.filter_map(|step| Some((step, place(&frames[step])?))).nth(2).unwrap();
        frames[step].body[at] = b'O';
    }),
    ("a digest is another", |frames| {
        let step = steps(frames, 1)[3];
        *frames[step].body.last_mut().unwrap() ^= 1;
    }),
    ("contents are said to stand elsewhere", |frames| {
        let place = in_log(frames)[3];
        let frame = &mut frames[place];
        let (first, count) = (behind(&frame.body, 3) + 5, *frame.body.last().unwrap());
        frame.body.truncate(first);
        frame.body.extend_from_slice(&[0, count]);
    }),
    ("contents are taken out", |frames| {
        frames.remove(in_log(frames)[3]);
    }),
    ("the snapshot is another machine", |frames| {
        let place = frames[1].body.windows(6).position(|word| word == b"order-").unwrap();
        frames[1].body[place] = b'O';
    }),
    ("the end counts too few steps", |frames| {
        let are = steps(frames, 1).len() as u64;
        say(frames, are);
    }),
    ("the end has another digest", |frames| {
        let end = frames.last_mut().unwrap();
        let at = end.body.len() - 4;
        end.body[at] ^= 1;
    }),
    ("the header names another system", |frames| {
        let place = frames[0].body.windows(3).position(|word| word == b"log").unwrap();
        frames[0].body[place] = b'f';
    }),
    ("the header names another run", |frames| {
        // The run is a number of up to ten bytes behind the disk's name and the chunk's number, 1.
        let disk = frames[0].body.windows(5).position(|word| word == b"store").unwrap();
        frames[0].body[disk + 6] ^= 1;
    }),
    ("the end comes first", |frames| {
        let end = frames.pop().unwrap();
        frames.insert(0, end);
    }),
];

#[test]
fn every_falsified_recording_is_refused_with_the_place() {
    let recorded = Recorded::new();
    let store = recorded.open(1, u64::MAX);
    work_for_chunks(&recorded, &store, 0, 4);
    store.close().unwrap();
    recorded.validate(false).unwrap();
    let mut said = String::new();
    let mut refuse = |what: &str, copy: &Recorded| {
        let disk = Some(recorded.store());
        let error = validate::<LogSystem>(&copy.recording(), &Options { cut_off: false, disk });
        let error = error.map(|_| ()).expect_err(what).to_string();
        let folder = copy.recording().display().to_string();
        writeln!(said, "{what}\n  {}\n", error.replace(&folder, "FOLDER")).unwrap();
    };
    for (what, accident) in ACCIDENTS {
        let copy = recorded.copy();
        accident(&copy.chunks());
        refuse(what, &copy);
    }
    for (what, forgery) in FORGERIES {
        let copy = recorded.copy();
        let file = &copy.chunks()[1];
        let mut frames = apart(file);
        forgery(&mut frames);
        seal(file, &frames);
        refuse(what, &copy);
    }
    assert!(ACCIDENTS.len() + FORGERIES.len() >= 20);
    let mut settings = insta::Settings::clone_current();
    // Sizes of what is encoded depend on clocks and random ids.
    settings.add_filter(r"0000\d+\.chunk", "N.chunk");
    settings.add_filter(r"byte \d+", "byte N");
    settings.add_filter(r"step \d+", "step N");
    settings.add_filter(r"(call|operation|position|chunk|of) \d+", "$1 N");
    settings.add_filter(
        r"(?m), (disk operation N|call N|timer)[^\n]*?: (the machine|disk|call|the mono|the timer)",
        ", …: $2",
    );
    settings.add_filter(r"there are \d+", "there are N");
    settings.add_filter(r"here it does [^\n]*", "here it does …");
    settings.bind(|| insta::assert_snapshot!(said));
}
