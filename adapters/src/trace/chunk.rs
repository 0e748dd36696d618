//! The bytes of a chunk: frames and what is in them. It decides nothing about when there is a chunk.

use bytes::Bytes;
use onceward_core::{
    Action, CallId, NodeAction,
    recorded::{Bulky, Held, Place, Recorded},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The first line of a chunk.
pub(super) const MAGIC: &[u8] = b"onceward recording 2\n";

/// Kinds of frames.
pub(super) mod kind {
    pub(in super::super) const HEADER: u8 = b'H';
    pub(in super::super) const MACHINE: u8 = b'M';
    pub(in super::super) const STEP: u8 = b'S';
    pub(in super::super) const PANIC: u8 = b'P';
    pub(in super::super) const CONTENTS: u8 = b'C';
    pub(in super::super) const END: u8 = b'E';
}

/// What a chunk is of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The system that the machine belongs to.
    pub system: String,
    /// The build that recorded. Another one may not understand it, or do otherwise.
    pub build: String,
    /// The folder of the machine's disk.
    pub disk: String,
    /// The chunk's number in its folder; that of its file.
    pub number: u64,
    /// Names the process and incarnation: all chunks of one run have the same.
    pub run: u64,
    /// Why there is a new chunk.
    pub begins: Begins,
    /// Steps of the run before this chunk.
    pub steps: u64,
    /// The digest chain before this chunk.
    pub link: u128,
    /// How many calls were under way, each in a frame of contents that follows the machine.
    pub open: u32,
}

/// Why there is a new chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Begins {
    /// The machine has not been given anything yet.
    Boot,
    /// The chunk before it was full.
    Goes,
    /// Steps between the chunk before it and this one were not recorded.
    Gap,
}

/// What comes after a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ends {
    /// The next chunk of the run.
    Goes,
    /// Steps that were not recorded.
    Gap,
    /// Nothing: the machine panicked.
    Panic,
    /// Nothing: the machine was stopped.
    Stop,
    /// Nothing: there were more steps, up to the end of the run, that were not recorded.
    Lost,
}

/// How much a chunk holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Trailer {
    pub(super) steps: u64,
    pub(super) link: u128,
    pub(super) ends: Ends,
}

/// Whose contents they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Whose {
    /// A call's.
    Call(CallId),
    /// What the machine was told in a step otherwise: the step's number in the chunk, from 0.
    Step(u64),
}

/// Where contents are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Contents {
    /// In the machine's log.
    InLog(Vec<Place>),
    /// Here.
    Here(Vec<Bytes>),
    /// In the machine's log, with what stands around them in the step: they are part of what was read from the disk.
    Around(Vec<Held>),
}

/// Why bytes are no frame or no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Flaw {
    /// The file is none of a recording.
    #[error("this is no chunk of a recording")]
    Magic,
    /// The file ends in the middle.
    #[error("the file ends in the middle of a frame")]
    Cut,
    /// A frame was changed, moved, taken out or put in.
    #[error("the check sum is wrong: this frame, or what stood before it, was changed")]
    Sum,
    /// What is in a frame cannot be read.
    #[error("this frame of kind {0:?} cannot be read by this build")]
    Body(char),
    /// A frame stands where it does not belong.
    #[error("a frame of kind {0:?} does not belong here")]
    Kind(char),
    /// Something follows the end.
    #[error("something follows the end")]
    After,
    /// The end counts otherwise.
    #[error("the end speaks of {said} steps, there are {are}")]
    Count {
        /// What the end says.
        said: u64,
        /// How many there are.
        are: u64,
    },
    /// The digest chain at the end is not that of the last step.
    #[error("the end has another digest than the last step")]
    Link,
}

/// Appends a value.
pub(super) fn put<T: Serialize + ?Sized>(value: &T, into: &mut Vec<u8>) {
    // Writing to memory cannot fail, and everything here has a known length.
    let _ = postcard::serialize_with_flavor(value, Append(into));
}

/// Bytes behind those that are there.
struct Append<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads a value that must take up all bytes.
pub(super) fn get<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

/// Appends an action, so that no two lists of actions give the same bytes.
pub(super) fn put_action<N: Recorded>(action: &NodeAction<N>, into: &mut Vec<u8>) {
    match action {
        Action::Disk(id, op) => put(&(0u8, id, op), into),
        Action::Arm(timer, window) => put(&(1u8, timer, window), into),
        Action::Disarm(timer) => put(&(2u8, timer), into),
        Action::Reply(call, response) => put(&(3u8, call, response), into),
        Action::Mark(mark) => put(&(4u8, mark.0), into),
        Action::Connect(to, number) => put(&(5u8, to, number), into),
        Action::Close(conn) => put(&(6u8, conn), into),
        Action::Send(to, message) => put(&(7u8, to, message.bare()), into),
        Action::Write(conn, message) => put(&(8u8, conn, message.bare()), into),
    }
}

/// Appends frames, each with the sum of all before it.
#[derive(Default)]
pub(super) struct Frames {
    pub(super) bytes: Vec<u8>,
    sum: u64,
    /// Where the open frame begins.
    open: usize,
}

impl Frames {
    /// Begins a file.
    pub(super) fn begin(&mut self) {
        self.bytes.extend_from_slice(MAGIC);
        self.sum = 0;
    }

    /// Begins a frame; what follows until [`Frames::close`] is its body.
    pub(super) fn open(&mut self, kind: u8) -> &mut Vec<u8> {
        self.open = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0, 0, 0, kind]);
        &mut self.bytes
    }

    pub(super) fn close(&mut self) {
        let from = self.open + 4;
        // A snapshot of more than 4 GiB would be no frame: its length is cut, and a reader says so.
        let length = u32::try_from(self.bytes.len() - from).unwrap_or(u32::MAX);
        self.bytes[self.open..from].copy_from_slice(&length.to_le_bytes());
        self.sum = xxh3_64_with_seed(&self.bytes[from..], self.sum);
        self.bytes.extend_from_slice(&self.sum.to_le_bytes());
    }

    pub(super) fn frame<T: Serialize>(&mut self, kind: u8, value: &T) {
        put(value, self.open(kind));
        self.close();
    }
}

/// Takes frames one by one.
pub(super) struct Unframe<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    sum: u64,
}

impl<'a> Unframe<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Unframe<'a>, Flaw> {
        if !bytes.starts_with(MAGIC) {
            return Err(Flaw::Magic);
        }
        Ok(Unframe { bytes, at: MAGIC.len(), sum: 0 })
    }

    /// The next frame's kind and body.
    pub(super) fn next(&mut self) -> Result<(u8, &'a [u8]), Flaw> {
        let rest = &self.bytes[self.at..];
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(Flaw::Cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (framed, rest) = rest.split_at_checked(length).ok_or(Flaw::Cut)?;
        let sum = rest.first_chunk::<8>().ok_or(Flaw::Cut)?;
        let right = xxh3_64_with_seed(framed, self.sum);
        let (kind, body) = framed.split_first().ok_or(Flaw::Sum)?;
        if u64::from_le_bytes(*sum) != right {
            return Err(Flaw::Sum);
        }
        self.sum = right;
        self.at += 4 + length + 8;
        Ok((*kind, body))
    }

    pub(super) fn over(&self) -> bool {
        self.at == self.bytes.len()
    }
}
