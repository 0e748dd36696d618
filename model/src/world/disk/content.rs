//! The bytes of a file without its length. Invariant: no zeros are stored at the end, so that two contents that
//! read alike are equal; beyond what is stored, everything reads as zero.

use std::ops::Range;

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Content(Vec<u8>);

impl Content {
    pub(super) fn new(bytes: Vec<u8>) -> Content {
        let mut content = Content(bytes);
        content.trim();
        content
    }

    fn trim(&mut self) {
        let kept = self.0.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        self.0.truncate(kept);
    }

    /// Puts bytes somewhere. The caller bounds the offset: everything before it is stored.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if at == self.0.len() {
            self.0.extend_from_slice(bytes);
        } else {
            if self.0.len() < end {
                self.0.resize(end, 0);
            }
            self.0[at..end].copy_from_slice(bytes);
        }
        if end == self.0.len() && bytes.last().is_none_or(|last| *last == 0) {
            self.trim();
        }
    }

    /// Makes a range read as zeros.
    pub(super) fn zero(&mut self, range: Range<usize>) {
        if range.end >= self.0.len() {
            self.cut(range.start);
        } else {
            self.0[range].fill(0);
        }
    }

    /// Makes everything from here on read as zeros.
    pub(super) fn cut(&mut self, from: usize) {
        if from < self.0.len() {
            self.0.truncate(from);
            self.trim();
        }
    }

    /// The stored part of a range; the rest of it reads as zeros.
    fn stored(&self, range: &Range<usize>) -> &[u8] {
        let end = range.end.min(self.0.len());
        self.0.get(range.start..end).unwrap_or(&[])
    }

    /// A copy of a range, zeros included.
    pub(super) fn read(&self, range: Range<usize>) -> Vec<u8> {
        let stored = self.stored(&range);
        let mut bytes = Vec::with_capacity(range.len());
        bytes.extend_from_slice(stored);
        bytes.resize(range.len(), 0);
        bytes
    }

    pub(super) fn is_zero(&self, range: Range<usize>) -> bool {
        self.stored(&range).iter().all(|byte| *byte == 0)
    }

    pub(super) fn flip(&mut self, at: usize, mask: u8) {
        let byte = self.0.get(at).copied().unwrap_or(0) ^ mask;
        self.write(at, &[byte]);
    }
}
