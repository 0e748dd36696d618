//! Reads a recording: every chunk of a folder, each checked as a whole, and put together to runs. Decides what is a whole
//! recording and what is not; what happened in it is for others to judge.

use super::{
    Begins, Contents, Ends, Flaw, Header, Whose,
    chunk::{Trailer, Unframe, get, kind},
};
use onceward_core::{
    CallId, Clock,
    recorded::{Recorded, ToldTo},
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// The ending of a chunk's file name.
pub(super) const FILE: &str = "chunk";

/// The number that a chunk's file name says.
pub(super) fn number_of(name: &OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_suffix(FILE)?.strip_suffix('.')?;
    (digits.len() == 10).then(|| digits.parse().ok()).flatten()
}

/// Chunks that follow each other without a gap.
pub struct Run<N: Recorded> {
    /// In order. Where the first one is not the beginning, the oldest made way.
    pub chunks: Vec<Chunk<N>>,
}

/// One file.
pub struct Chunk<N: Recorded> {
    /// The file.
    pub file: PathBuf,
    /// What it is of.
    pub header: Header,
    /// The machine before the first step.
    pub machine: N,
    /// Calls that were under way then, without their contents.
    pub open: Vec<(CallId, N::Request)>,
    /// What it was told, in order.
    pub steps: Vec<Step<N>>,
    /// The contents of the calls of this chunk, of those under way at its beginning, and of its steps.
    pub contents: BTreeMap<Whose, Contents>,
    /// What comes next; `None`: the process ended in the middle of it, or the file was cut.
    pub ends: Option<Ends>,
}

/// A step of the machine.
pub struct Step<N: Recorded> {
    /// Both clocks.
    pub clock: Clock,
    /// What it was told, without contents.
    pub told: ToldTo<N>,
    /// Those two as they are in the file.
    pub bytes: Vec<u8>,
    /// The digest chain after it; `None`: the machine panicked.
    pub link: Option<u128>,
}

impl<N: Recorded> fmt::Debug for Chunk<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("header", &self.header)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing.
    #[error("{}: there is no recording here: no file of it is named like 0000000000.{FILE}", .0.display())]
    Nothing(PathBuf),
    /// A chunk is not as it was written.
    #[error("{}: byte {at}, {place}: {flaw}", .file.display())]
    Flaw {
        /// The file.
        file: PathBuf,
        /// The byte at which it stops making sense.
        at: usize,
        /// How far it was understood.
        place: String,
        /// What is wrong.
        flaw: Flaw,
    },
    /// A chunk ends without its end.
    #[error(
        "{}: the chunk ends after step {step} without its end: the process was killed, or the file was cut (--cut-off takes it so far)",
        .file.display()
    )]
    CutOff {
        /// The file.
        file: PathBuf,
        /// Its last whole step, counted from the run's beginning.
        step: u64,
    },
    /// It is of something else.
    #[error("{}: this is a recording of {is:?} by build {build:?}, not of {wanted:?} by build {ours:?}", .file.display())]
    Other {
        /// The file.
        file: PathBuf,
        /// The system it is of.
        is: String,
        /// What recorded it.
        build: String,
        /// The system that was asked for.
        wanted: String,
        /// What would read it.
        ours: String,
    },
    /// Chunks do not fit together.
    #[error("{}: {what}", .file.display())]
    Order {
        /// The file.
        file: PathBuf,
        /// Why.
        what: String,
    },
}

/// The system that a recording is of, as its first chunk says.
///
/// # Errors
/// There is no recording, or its first chunk has no header.
pub fn system(folder: &Path) -> Result<String, ReadError> {
    let files = files(folder)?;
    let Some((_, file)) = files.first() else { return Err(ReadError::Nothing(folder.to_path_buf())) };
    let bytes = fs::read(file).map_err(|source| ReadError::Io { path: file.clone(), source })?;
    let flaw = |flaw| ReadError::Flaw { file: file.clone(), at: 0, place: "the header".into(), flaw };
    let (kind, body) = Unframe::new(&bytes).and_then(|mut frames| frames.next()).map_err(flaw)?;
    let header: Option<Header> = get(body).filter(|_| kind == kind::HEADER);
    header.map(|header| header.system).ok_or_else(|| flaw(Flaw::Body(kind.into())))
}

/// The chunks of a folder, oldest first.
fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, ReadError> {
    let io = |source| ReadError::Io { path: folder.to_path_buf(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        files.extend(number_of(&entry.file_name()).map(|number| (number, entry.path())));
    }
    files.sort_unstable();
    Ok(files)
}

/// Reads a recording, in the order of its chunks. `cut_off`: a run whose last chunk has no end is taken as far as it
/// goes, as a killed process leaves one.
///
/// # Errors
/// What is missing or was changed, and where.
pub fn read<N: Recorded>(folder: &Path, cut_off: bool) -> Result<Vec<Run<N>>, ReadError> {
    let files = files(folder)?;
    if files.is_empty() {
        return Err(ReadError::Nothing(folder.to_path_buf()));
    }
    let mut runs: Vec<Run<N>> = Vec::new();
    let mut last: Option<u64> = None;
    for (number, file) in files {
        let bytes = fs::read(&file).map_err(|source| ReadError::Io { path: file.clone(), source })?;
        let chunk = chunk::<N>(file.clone(), &bytes)?;
        let order = |what: String| ReadError::Order { file: file.clone(), what };
        if last.is_some_and(|last| last + 1 != number) {
            return Err(order(format!("chunk {} before it is missing", number - 1)));
        }
        last = Some(number);
        let Some(chunk) = chunk else {
            if cut_off {
                continue;
            }
            return Err(ReadError::CutOff { file, step: 0 });
        };
        if chunk.header.number != number {
            return Err(order(format!("this is chunk {}, by another name", chunk.header.number)));
        }
        join(&mut runs, chunk, cut_off)?;
    }
    if let Some(chunk) = runs.last().and_then(|run| run.chunks.last()) {
        over(chunk, cut_off)?;
        if matches!(chunk.ends, Some(Ends::Goes | Ends::Gap)) && !cut_off {
            let what = format!("chunk {} is missing, which follows this one", chunk.header.number + 1);
            return Err(ReadError::Order { file: chunk.file.clone(), what });
        }
    }
    Ok(runs)
}

/// Adds a chunk to its run.
fn join<N: Recorded>(runs: &mut Vec<Run<N>>, chunk: Chunk<N>, cut_off: bool) -> Result<(), ReadError> {
    let order = |what: &str| Err(ReadError::Order { file: chunk.file.clone(), what: what.into() });
    let Some(before) = runs.last_mut().and_then(|run| run.chunks.last()) else {
        runs.push(Run { chunks: vec![chunk] });
        return Ok(());
    };
    if chunk.header.begins == Begins::Goes {
        over(before, false)?;
        if before.ends != Some(Ends::Goes) {
            return order("it goes on where the chunk before it has ended");
        }
        let (first, steps) = (&before.header, before.steps.len() as u64);
        let link = before.steps.last().map_or(Some(first.link), |step| step.link);
        if (chunk.header.run, chunk.header.steps, Some(chunk.header.link))
            != (first.run, first.steps + steps, link)
        {
            return order("it does not go on where the chunk before it ends");
        }
        // There is a last run, as it has a chunk.
        if let Some(run) = runs.last_mut() {
            run.chunks.push(chunk);
        }
        return Ok(());
    }
    if before.ends == Some(Ends::Goes)
        || (before.ends == Some(Ends::Gap)) != (chunk.header.begins == Begins::Gap)
    {
        return order("it is not what the chunk before it says is next");
    }
    over(before, cut_off)?;
    runs.push(Run { chunks: vec![chunk] });
    Ok(())
}

/// Whether a run may end so.
fn over<N: Recorded>(chunk: &Chunk<N>, cut_off: bool) -> Result<(), ReadError> {
    if chunk.ends.is_none() && !cut_off {
        let step = chunk.header.steps + chunk.steps.len() as u64;
        return Err(ReadError::CutOff { file: chunk.file.clone(), step });
    }
    Ok(())
}

/// One chunk; none if not even its opening is there, as when a process is killed that has just begun it.
pub(super) fn chunk<N: Recorded>(file: PathBuf, bytes: &[u8]) -> Result<Option<Chunk<N>>, ReadError> {
    let flaw = |at: usize, place: String, flaw| ReadError::Flaw { file: file.clone(), at, place, flaw };
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut frames = Unframe::new(bytes).map_err(|what| flaw(0, "the first line".into(), what))?;
    let mut opening = Vec::new();
    for (wanted, place) in [(kind::HEADER, "the header"), (kind::MACHINE, "the snapshot")] {
        let at = frames.at;
        match frames.next() {
            Ok((kind, body)) if kind == wanted => opening.push((at, body)),
            Ok((kind, _)) => return Err(flaw(at, place.into(), Flaw::Kind(kind.into()))),
            Err(Flaw::Cut) => return Ok(None),
            Err(what) => return Err(flaw(at, place.into(), what)),
        }
    }
    let [(at, header), (machine_at, machine)] = opening[..] else { return Ok(None) };
    let header: Header = get(header).ok_or_else(|| flaw(at, "the header".into(), Flaw::Body('H')))?;
    let ours = env!("CARGO_PKG_VERSION");
    if header.system != N::SYSTEM || header.build != ours {
        let (is, build, wanted) = (header.system, header.build, N::SYSTEM.to_owned());
        return Err(ReadError::Other { file, is, build, wanted, ours: ours.into() });
    }
    let machine: N = get(machine).ok_or_else(|| flaw(machine_at, "the snapshot".into(), Flaw::Body('M')))?;
    let mut chunk = Chunk {
        file: file.clone(),
        header,
        machine,
        open: Vec::new(),
        steps: Vec::new(),
        contents: BTreeMap::new(),
        ends: None,
    };
    while !frames.over() {
        let at = frames.at;
        let step = chunk.header.steps + chunk.steps.len() as u64;
        let bad = |what| flaw(at, format!("after step {step}"), what);
        let (kind, body) = match frames.next() {
            // A killed process may leave half a frame.
            Err(Flaw::Cut) => return Ok(Some(chunk)),
            next => next.map_err(bad)?,
        };
        let unread = || bad(Flaw::Body(kind.into()));
        let panicked = chunk.steps.last().is_some_and(|step| step.link.is_none());
        let early = chunk.open.len() < chunk.header.open as usize;
        match kind {
            kind::STEP if !panicked && !early => {
                let (told, link) = body.split_last_chunk::<16>().ok_or_else(unread)?;
                chunk.steps.push(step_of(told, Some(u128::from_le_bytes(*link))).ok_or_else(unread)?);
            }
            kind::PANIC if !panicked && !early => chunk.steps.push(step_of(body, None).ok_or_else(unread)?),
            kind::CONTENTS => {
                let (whose, request, contents): (Whose, Option<N::Request>, Contents) =
                    get(body).ok_or_else(unread)?;
                let open = match (whose, request) {
                    (Whose::Call(call), Some(request)) if early => Some((call, request)),
                    (_, None) if !early => None,
                    _ => return Err(bad(Flaw::Kind(kind.into()))),
                };
                if chunk.contents.insert(whose, contents).is_some() {
                    return Err(bad(Flaw::Kind(kind.into())));
                }
                chunk.open.extend(open);
            }
            kind::END if !early => {
                let end: Trailer = get(body).ok_or_else(unread)?;
                let are = chunk.steps.len() as u64;
                if end.steps != are {
                    return Err(bad(Flaw::Count { said: end.steps, are }));
                }
                let last = chunk.steps.iter().rev().find_map(|step| step.link).unwrap_or(chunk.header.link);
                if end.link != last {
                    return Err(bad(Flaw::Link));
                }
                chunk.ends = Some(end.ends);
                if !frames.over() {
                    return Err(flaw(frames.at, "behind the end".into(), Flaw::After));
                }
            }
            _ => return Err(bad(Flaw::Kind(kind.into()))),
        }
    }
    Ok(Some(chunk))
}

fn step_of<N: Recorded>(bytes: &[u8], link: Option<u128>) -> Option<Step<N>> {
    let (clock, told) = get(bytes)?;
    Some(Step { clock, told, bytes: bytes.to_vec(), link })
}
