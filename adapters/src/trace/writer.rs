//! The thread that writes a recording: decides when a chunk is full and which chunks make way. It never touches the
//! machine. Invariant: a failure to write ends the recording, says so once, and ends nothing else.

use super::{
    Begins, Contents, Digest, Ends, Header, PER_SNAPSHOT, Recording, Whose,
    chunk::{Frames, Trailer, kind, put},
    owed::OpenCall,
    read::{FILE, number_of},
    tap::{Note, Shared},
};
use onceward_core::{NodeAction, recorded::Recorded};
use std::{
    collections::VecDeque,
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    marker::PhantomData,
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
    of: PhantomData<fn(N)>,
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
            of: PhantomData,
        })
    }

    /// Writes until it is over.
    pub(super) fn run(&mut self, shared: &Shared<N>) {
        let (mut notes, mut bytes, mut idle) = (Vec::new(), Vec::new(), false);
        while shared.take(&mut notes, &mut bytes, idle).is_some() {
            idle = notes.is_empty();
            let mut told = &bytes[..];
            for note in notes.drain(..) {
                if let Err(error) = self.note(note, &mut told, shared) {
                    return self.fail(&error, shared);
                }
            }
            bytes.clear();
            // What a killed process leaves is what was written: nothing is kept back for longer than it must.
            if let Err(error) = self.write() {
                return self.fail(&error, shared);
            }
        }
    }

    fn fail(&mut self, error: &io::Error, shared: &Shared<N>) {
        tracing::error!(folder = %self.recording.folder.display(), %error, "the recording ends here");
        let (mut notes, mut bytes) = (Vec::new(), Vec::new());
        while shared.take(&mut notes, &mut bytes, true).is_some() {
            notes.clear();
            bytes.clear();
        }
    }

    /// `told` begins with the bytes that the note speaks of.
    fn note(&mut self, note: Note<N>, told: &mut &[u8], shared: &Shared<N>) -> io::Result<()> {
        let mut next = |count| {
            // The note and its bytes were handed over together.
            let (bytes, rest) = told.split_at_checked(count).unwrap_or_default();
            *told = rest;
            bytes
        };
        match note {
            Note::Begin(begins, machine, open) => self.begin(begins, &machine, &open)?,
            Note::Step(count, actions) => self.step(next(count), &actions),
            Note::Panic(count) => {
                self.frames.open(kind::PANIC).extend_from_slice(next(count));
                self.frames.close();
                self.steps += 1;
            }
            Note::Contents(whose, contents) => {
                self.frames.frame(kind::CONTENTS, &(whose, None::<()>, contents));
            }
            Note::End(ends) => return self.end(ends),
        }
        self.full(shared)
    }

    fn begin(&mut self, begins: Begins, machine: &N, open: &[OpenCall]) -> io::Result<()> {
        if begins != Begins::Goes {
            self.run = RandomState::new().hash_one(self.number);
            self.digest = Digest::default();
            (self.steps, self.steps_before) = (0, 0);
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
            open: u32::try_from(open.len()).unwrap_or(u32::MAX),
        };
        self.frames.frame(kind::HEADER, &header);
        self.frames.frame(kind::MACHINE, machine);
        for OpenCall { call, request, contents } in open {
            let body = self.frames.open(kind::CONTENTS);
            // A request that is there, in bytes.
            put(&(Whose::Call(*call), Some(())), body);
            body.extend_from_slice(request);
            put(&Contents::Here(contents.clone()), body);
            self.frames.close();
        }
        self.opening = self.frames.bytes.len() as u64;
        self.write()
    }

    fn step(&mut self, told: &[u8], actions: &[NodeAction<N>]) {
        self.digest.step::<N>(told, actions);
        let body = self.frames.open(kind::STEP);
        body.extend_from_slice(told);
        body.extend_from_slice(&self.digest.link().to_le_bytes());
        self.frames.close();
        self.steps += 1;
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

    fn end(&mut self, ends: Ends) -> io::Result<()> {
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
