//! Reading segment files: what bytes are wanted next, and what those that came mean. Nothing here asks a disk for
//! anything or decides what follows from damage.
//!
//! Invariant: no more is kept in memory than one group (or one footer) and one chunk.

mod cursor;
mod probe;

pub(super) use cursor::{Bad, Cursor, Found, Group, Mile};
pub(super) use probe::Probe;

use super::Config;
use crate::{DiskOp, Path, log::mutants::mutant};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// Where something looked damaged and is read once more before anything follows from it: a device may have read from
/// elsewhere.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Doubt(Option<(u64, u64)>);

impl Doubt {
    /// Whether to look at this place of a segment once more.
    pub(super) fn about(&mut self, segment: u64, offset: u64) -> bool {
        let place = Some((segment, offset));
        core::mem::replace(&mut self.0, place) != place && !mutant!(DamageBelievedAtOnce)
    }
}

/// The file of a segment.
pub(super) fn path_of(folder: &Path, number: u64) -> Path {
    // Asked for with every operation: formatting it was a 25th of the time of a simulation.
    let mut name = *b"00000000000000000000.seg";
    let mut rest = number;
    for digit in name[..20].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    // Digits and four letters are always text.
    let name = core::str::from_utf8(&name).unwrap_or_default();
    match folder.as_str() {
        "" => Path::from(name),
        folder => Path::from(&*[folder, "/", name].concat()),
    }
}

/// The number of a segment's file; `None`: another file.
pub(super) fn number_of(path: &Path) -> Option<u64> {
    let digits = path.name().strip_suffix(".seg")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Bytes of one range of a file, gathered chunk by chunk.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Pull {
    pub(super) segment: u64,
    pub(super) offset: u64,
    /// Bytes still missing.
    missing: u64,
    parts: Vec<Bytes>,
    have: u64,
}

impl Pull {
    pub(super) fn new(segment: u64, offset: u64, len: u64) -> Pull {
        Pull { segment, offset, missing: len, parts: Vec::new(), have: 0 }
    }

    /// The next read; `None`: everything is there.
    pub(super) fn want(&self, config: &Config) -> Option<DiskOp> {
        let len = self.missing.min(config.read_chunk.into()) as u32;
        let at = self.offset.saturating_add(self.have);
        (len > 0).then(|| DiskOp::Read { path: path_of(&config.folder, self.segment), offset: at, len })
    }

    /// Takes what was read; more than was asked for is ignored.
    pub(super) fn feed(&mut self, data: Bytes) {
        let data =
            if (data.len() as u64) > self.missing { data.slice(..self.missing as usize) } else { data };
        self.missing -= data.len() as u64;
        self.have += data.len() as u64;
        self.parts.push(data);
    }

    /// All that came.
    pub(super) fn bytes(&mut self) -> Bytes {
        join(&mut self.parts);
        self.parts.first().cloned().unwrap_or_default()
    }
}

/// Makes one piece of several.
fn join(parts: &mut Vec<Bytes>) {
    if parts.len() > 1 {
        let mut all = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        parts.iter().for_each(|part| all.extend_from_slice(part));
        parts.clear();
        parts.push(all.freeze());
    }
}
