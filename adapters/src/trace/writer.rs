//! The thread that writes a recording: decides when a chunk is full and which chunks make way. It never touches the
//! machine. Invariant: a failure to write ends the recording, says so once, and ends nothing else.

use super::{
    Begins, Contents, Digest, Ends, Header, PER_SNAPSHOT, Recording,
    chunk::{Frames, ToldTo, Trailer, kind, put},
    read::{FILE, number_of},
    tap::{Note, Shared},
};
use bytes::Bytes;
use onceward_core::{
    Action, CallId, Clock, NodeAction,
    recorded::{Recorded, Told},
};
use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    path::Path,
    sync::atomic::Ordering,
};

/// Bytes that are gathered before they are written.
const GATHERED: usize = 1 << 20;

pub(super) struct Writer<N: Recorded> {
    recording: Recording,
    disk: String,
    /// All chunks of the folder, oldest first, with their sizes.
    ring: VecDeque<(u64, u64)>,
    /// The chunk that is being written.
    file: Option<File>,
    number: u64,
    written: u64,
    /// Of the chunk, header and snapshot.
    opening: u64,
    /// A new chunk was asked for: once is enough, as notes of this one may be on their way.
    asked: bool,
    frames: Frames,
    run: u64,
    steps: u64,
    steps_before: u64,
    digest: Digest,
    /// Calls under way.
    open: BTreeMap<CallId, Open<N>>,
}

/// A call under way: what was asked, its contents, and whether this chunk still owes them.
struct Open<N: Recorded> {
    request: N::Request,
    contents: Vec<Bytes>,
    owed: bool,
}

impl<N: Recorded> Writer<N> {
    pub(super) fn new(recording: &Recording, disk: &Path) -> io::Result<Writer<N>> {
        let mut ring = Vec::new();
        for entry in fs::read_dir(&recording.folder)? {
            let entry = entry?;
            if let Some(number) = number_of(&entry.file_name()) {
                ring.push((number, entry.metadata()?.len()));
            }
        }
        ring.sort_unstable();
        let number = ring.last().map_or(0, |(number, _)| number + 1);
        let disk = fs::canonicalize(disk).unwrap_or_else(|_| disk.to_path_buf());
        Ok(Writer {
            recording: recording.clone(),
            disk: disk.to_string_lossy().into_owned(),
            ring: ring.into(),
            file: None,
            number,
            written: 0,
            opening: 0,
            asked: false,
            frames: Frames::default(),
            run: 0,
            steps: 0,
            steps_before: 0,
            digest: Digest::default(),
            open: BTreeMap::new(),
        })
    }

    /// Writes until it is over.
    pub(super) fn run(&mut self, shared: &Shared<N>) {
        let (mut notes, mut idle) = (Vec::new(), false);
        while shared.take(&mut notes, idle).is_some() {
            idle = notes.is_empty();
            for note in notes.drain(..) {
                if let Err(error) = self.note(note, shared) {
                    return self.fail(&error, shared);
                }
            }
            // What a killed process leaves is what was written: nothing is kept back for longer than it must.
            if let Err(error) = self.write() {
                return self.fail(&error, shared);
            }
        }
        if let Err(error) = self.end(Ends::Stop) {
            self.fail(&error, shared);
        }
    }

    fn fail(&mut self, error: &io::Error, shared: &Shared<N>) {
        tracing::error!(folder = %self.recording.folder.display(), %error, "the recording ends here");
        self.open.clear();
        let mut notes = Vec::new();
        while shared.take(&mut notes, true).is_some() {
            notes.clear();
        }
    }

    fn note(&mut self, note: Note<N>, shared: &Shared<N>) -> io::Result<()> {
        match note {
            Note::Machine(begins, machine) => {
                let ends = match begins {
                    Begins::Boot => Ends::Stop,
                    Begins::Goes => Ends::Goes,
                    Begins::Gap => Ends::Gap,
                };
                self.end(ends)?;
                self.begin(begins, &machine)
            }
            Note::Missed(made, answered) => {
                self.end(Ends::Gap)?;
                answered.iter().for_each(|call| drop(self.open.remove(call)));
                for (call, mut request) in made {
                    let contents = N::take_contents(&mut request);
                    self.open.insert(call, Open { request, contents, owed: false });
                }
                Ok(())
            }
            Note::Step(clock, told, actions) => {
                self.step(clock, told, &actions);
                self.full(shared)
            }
            Note::Panic(clock, told) => {
                let (call, told) = self.strip(told);
                put(&(clock, &told), self.frames.open(kind::PANIC));
                self.frames.close();
                self.steps += 1;
                self.keep(call, told);
                self.end(Ends::Panic)
            }
        }
    }

    fn begin(&mut self, begins: Begins, machine: &N) -> io::Result<()> {
        if begins != Begins::Goes {
            self.run = RandomState::new().hash_one(self.number);
            self.digest = Digest::default();
            (self.steps, self.steps_before) = (0, 0);
        }
        if begins == Begins::Boot {
            self.open.clear();
        }
        self.steps_before = self.steps;
        let path = self.recording.folder.join(file_name(self.number));
        self.file = Some(File::create_new(path)?);
        (self.written, self.opening, self.asked) = (0, 0, false);
        self.frames.begin();
        let header = Header {
            system: N::SYSTEM.into(),
            build: env!("CARGO_PKG_VERSION").into(),
            disk: self.disk.clone(),
            number: self.number,
            run: self.run,
            begins,
            steps: self.steps,
            link: self.digest.link(),
            open: u32::try_from(self.open.len()).unwrap_or(u32::MAX),
        };
        self.frames.frame(kind::HEADER, &header);
        self.frames.frame(kind::MACHINE, machine);
        for (call, open) in &self.open {
            self.frames
                .frame(kind::CONTENTS, &(call, Some(&open.request), Contents::Here(open.contents.clone())));
        }
        self.opening = self.frames.bytes.len() as u64;
        self.write()
    }

    fn step(&mut self, clock: Clock, told: ToldTo<N>, actions: &[NodeAction<N>]) {
        let (call, told) = self.strip(told);
        put(&(clock, &told), self.frames.open(kind::STEP));
        self.digest.step::<N>(self.frames.body(), actions);
        let link = self.digest.link().to_le_bytes();
        self.frames.bytes.extend_from_slice(&link);
        self.frames.close();
        self.steps += 1;
        self.keep(call, told);
        for action in actions {
            let Action::Reply(call, response) = action else { continue };
            let Some(open) = self.open.remove(call) else { continue };
            if open.owed {
                let contents = N::places(response).map_or(Contents::Here(open.contents), Contents::InLog);
                self.frames.frame(kind::CONTENTS, &(call, None::<&N::Request>, contents));
            }
        }
    }

    /// Takes the contents out of a call.
    fn strip(&self, mut told: ToldTo<N>) -> (Option<(CallId, Vec<Bytes>)>, ToldTo<N>) {
        let call = match &mut told {
            Told::Call(call, request) => Some((*call, N::take_contents(request))),
            _ => None,
        };
        (call, told)
    }

    /// Remembers a call.
    fn keep(&mut self, call: Option<(CallId, Vec<Bytes>)>, told: ToldTo<N>) {
        if let (Some((call, contents)), Told::Call(_, request)) = (call, told) {
            let owed = !contents.is_empty();
            self.open.insert(call, Open { request, contents, owed });
        }
    }

    /// Asks for a new chunk if this one is full.
    fn full(&mut self, shared: &Shared<N>) -> io::Result<()> {
        let most = self.recording.chunk_bytes.max(PER_SNAPSHOT * self.opening);
        if !self.asked && self.written + self.frames.bytes.len() as u64 >= self.opening + most {
            self.asked = true;
            shared.full.store(true, Ordering::Relaxed);
        }
        if self.frames.bytes.len() >= GATHERED { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.frames.bytes)?;
            self.written += self.frames.bytes.len() as u64;
        }
        self.frames.bytes.clear();
        Ok(())
    }

    /// Ends the chunk that is being written, if there is one.
    fn end(&mut self, ends: Ends) -> io::Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        for (call, open) in self.open.iter_mut().filter(|(_, open)| open.owed) {
            let contents = Contents::Here(open.contents.clone());
            self.frames.frame(kind::CONTENTS, &(call, None::<&N::Request>, contents));
            open.owed = false;
        }
        let trailer = Trailer { steps: self.steps - self.steps_before, link: self.digest.link(), ends };
        self.frames.frame(kind::END, &trailer);
        self.write()?;
        self.file = None;
        self.ring.push_back((self.number, self.written));
        self.number += 1;
        let mut bytes: u64 = self.ring.iter().map(|(_, bytes)| bytes).sum();
        while bytes > self.recording.ring_bytes && self.ring.len() > 1 {
            let Some((oldest, size)) = self.ring.pop_front() else { break };
            fs::remove_file(self.recording.folder.join(file_name(oldest)))?;
            bytes -= size;
        }
        Ok(())
    }
}

fn file_name(number: u64) -> String {
    format!("{number:010}.{FILE}")
}
