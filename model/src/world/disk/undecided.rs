//! Sectors whose fate a lazy power loss has left open. Each holds the list of states that the device may have; a
//! read that could tell some of them apart must choose, and what it cannot tell apart stays open. It decides which
//! choices a read has and what a choice leaves, never which one is made.
//!
//! Invariants: a sector in the list has at least two different alternatives, the first being the oldest; the
//! file's platter holds that first one until the choice is made.

use super::file::File;
use std::ops::Range;
use std::sync::Arc;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Undecided {
    pub(super) sector: u32,
    pub(super) alternatives: Arc<Vec<Vec<u8>>>,
}

/// A sector that a read must decide: for each distinguishable answer, the first alternative that gives it.
pub(super) struct Question {
    pub(super) sector: u32,
    pub(super) answers: Vec<u32>,
}

impl File {
    /// Whether a sector, if it is open, holds nothing but zeros from a byte on, whatever is chosen.
    pub(super) fn open_is_zero(&self, sector: u32, from: usize) -> bool {
        let Ok(at) = self.undecided.binary_search_by_key(&sector, |open| open.sector) else { return true };
        self.undecided[at].alternatives.iter().all(|held| held[from..].iter().all(|byte| *byte == 0))
    }

    /// How many states an open sector may have.
    pub(super) fn alternatives(&self, sector: u32) -> Option<usize> {
        let at = self.undecided.binary_search_by_key(&sector, |open| open.sector).ok()?;
        Some(self.undecided[at].alternatives.len())
    }

    /// What a read of these bytes must decide before it can answer.
    pub(super) fn questions(&self, range: Range<u64>, size: u32) -> Vec<Question> {
        let mut questions = Vec::new();
        for open in &self.undecided {
            let Some(part) = self.part(open.sector, &range, size) else { continue };
            let mut seen: Vec<Vec<u8>> = Vec::new();
            let mut answers = Vec::new();
            for (number, alternative) in (0u32..).zip(open.alternatives.iter()) {
                let shown = self.shown(open.sector, alternative, part.clone());
                if !seen.contains(&shown) {
                    seen.push(shown);
                    answers.push(number);
                }
            }
            if answers.len() > 1 {
                questions.push(Question { sector: open.sector, answers });
            }
        }
        questions
    }

    /// The part of a sector that lies in a range of the file, in bytes of the sector; none if there is none.
    fn part(&self, sector: u32, range: &Range<u64>, size: u32) -> Option<Range<usize>> {
        let start = u64::from(sector) * u64::from(size);
        let from = range.start.max(start);
        let to = range.end.min(self.len).min(start + u64::from(size));
        (from < to).then(|| (from - start) as usize..(to - start) as usize)
    }

    /// What reads would see of a sector if the device held this.
    fn shown(&self, sector: u32, held: &[u8], part: Range<usize>) -> Vec<u8> {
        let mut bytes = held.to_vec();
        self.pieces_of(sector).iter().for_each(|piece| piece.patch.apply(&mut bytes));
        bytes[part].to_vec()
    }

    /// Chooses for one open sector the alternatives that look like this one within the range read. False, and no
    /// change, if there is no such sector or alternative.
    pub(super) fn decide(&mut self, sector: u32, choice: u32, range: Range<u64>, size: u32) -> bool {
        let Ok(at) = self.undecided.binary_search_by_key(&sector, |open| open.sector) else { return false };
        let alternatives = Arc::clone(&self.undecided[at].alternatives);
        let Some(chosen) = alternatives.get(choice as usize) else { return false };
        let Some(part) = self.part(sector, &range, size) else { return false };
        let seen = self.shown(sector, chosen, part.clone());
        let left: Vec<_> =
            alternatives.iter().filter(|a| self.shown(sector, a, part.clone()) == seen).cloned().collect();
        self.settle(at, left, size);
        true
    }

    /// Narrows the alternatives of an open sector. The bytes that the platter and the cache hold follow the first.
    fn settle(&mut self, at: usize, alternatives: Vec<Vec<u8>>, size: u32) {
        let sector = self.undecided[at].sector;
        let start = sector as usize * size as usize;
        if let Some(first) = alternatives.first() {
            self.platter.write(start, first);
            let end = (self.len as usize).clamp(start, start + size as usize);
            let shown = self.shown(sector, first, 0..end - start);
            self.cache.write(start, &shown);
        }
        self.set_alternatives(at, alternatives);
    }

    fn set_alternatives(&mut self, at: usize, alternatives: Vec<Vec<u8>>) {
        let alternatives = distinct(alternatives);
        if alternatives.len() > 1 {
            self.undecided[at].alternatives = Arc::new(alternatives);
        } else {
            self.undecided.remove(at);
        }
    }

    /// Changes each alternative of a sector, where it is open. The caller changes the platter in the same way.
    pub(super) fn change_undecided(&mut self, sector: u32, change: impl Fn(&mut [u8])) {
        if let Ok(at) = self.undecided.binary_search_by_key(&sector, |open| open.sector) {
            let mut alternatives = self.undecided[at].alternatives.to_vec();
            alternatives.iter_mut().for_each(|alternative| change(alternative));
            self.set_alternatives(at, alternatives);
        }
    }
}

/// Each state once, in the order of first appearance.
pub(super) fn distinct(states: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut once: Vec<Vec<u8>> = Vec::with_capacity(states.len());
    states.into_iter().for_each(|state| {
        if !once.contains(&state) {
            once.push(state);
        }
    });
    once
}
