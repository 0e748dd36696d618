//! Contents that a recording owes: those of calls until they are answered, those of what was said on a connection until
//! the machine has said what became of them. Decides where the contents are that a step was recorded without, and when
//! that is known; holds them until then, shared with whoever brought them.
//!
//! Invariant: whatever is recorded without its contents has a note of them in the same chunk, unless the process is
//! killed first.

use super::{Contents, Whose, tap::Note};
use bytes::Bytes;
use onceward_core::{
    Action, CallId, ConnId, NodeAction,
    recorded::{Held, Place, Recorded, Shelf},
};
use std::collections::{BTreeMap, VecDeque};

/// What a step brings.
pub(super) enum Brought {
    /// A call, without its contents.
    Call(CallId, Vec<u8>),
    /// Something said on a connection, and where its contents will stand; nothing will be said of those that will not.
    Word(Option<(ConnId, Shelf)>),
    /// Something read from the disk, in which these contents stand.
    Read(Vec<Held>),
}

/// A call under way.
pub(super) struct OpenCall {
    pub(super) call: CallId,
    /// What was asked but for its contents, as bytes.
    pub(super) request: Vec<u8>,
    /// They are shared with whoever asked.
    pub(super) contents: Vec<Bytes>,
}

/// Everything that is owed.
#[derive(Default)]
pub(super) struct Owed {
    calls: BTreeMap<CallId, Open>,
    words: BTreeMap<ConnId, VecDeque<Word>>,
    /// How many steps this chunk has.
    steps: u64,
}

struct Open {
    request: Vec<u8>,
    contents: Vec<Bytes>,
    /// This chunk has the call, and not yet its contents.
    owed: bool,
}

struct Word {
    /// The number of its step, if this chunk has it and not yet its contents.
    owed: Option<u64>,
    shelf: Shelf,
    contents: Vec<Bytes>,
    /// What became of the first of them.
    settled: Vec<Option<u64>>,
}

impl Word {
    fn note<N: Recorded>(self, notes: &mut Vec<Note<N>>) {
        let Some(step) = self.owed else { return };
        notes.push(Note::Contents(Whose::Step(step), self.placed()));
    }

    /// Where they are.
    fn placed(self) -> Contents {
        let (shelf, mut places) = (self.shelf, Vec::<Place>::new());
        if self.settled.len() < self.contents.len() {
            return Contents::Here(self.contents);
        }
        for position in self.settled {
            let Some(position) = position else { return Contents::Here(self.contents) };
            match places.last_mut() {
                Some(last) if last.first + u64::from(last.count) == position && last.count < u32::MAX => {
                    last.count += 1;
                }
                _ => places.push(Place { shelf, first: position, count: 1 }),
            }
        }
        Contents::InLog(places)
    }
}

impl Owed {
    /// The machine has taken a step. `recorded`: this chunk has it.
    pub(super) fn step<N: Recorded>(
        &mut self,
        brought: Option<(Brought, Vec<Bytes>)>,
        recorded: bool,
        notes: &mut Vec<Note<N>>,
    ) {
        let step = recorded.then_some(self.steps);
        self.steps += u64::from(recorded);
        match brought {
            Some((Brought::Call(call, request), contents)) => {
                let owed = recorded && !contents.is_empty();
                self.calls.insert(call, Open { request, contents, owed });
            }
            Some((Brought::Word(Some((conn, shelf))), contents)) if !contents.is_empty() => {
                let word = Word { owed: step, shelf, contents, settled: Vec::new() };
                self.words.entry(conn).or_default().push_back(word);
            }
            Some((Brought::Word(None), contents)) if !contents.is_empty() => {
                notes.extend(step.map(|step| Note::Contents(Whose::Step(step), Contents::Here(contents))));
            }
            Some((Brought::Read(held), _)) => {
                notes.extend(step.map(|step| Note::Contents(Whose::Step(step), Contents::Around(held))));
            }
            Some((Brought::Word(_), _)) | None => {}
        }
    }

    /// What the machine answers with settles some of it.
    pub(super) fn answered<N: Recorded>(&mut self, actions: &[NodeAction<N>], notes: &mut Vec<Note<N>>) {
        for action in actions {
            match action {
                Action::Reply(call, response) => {
                    let Some(open) = self.calls.remove(call).filter(|open| open.owed) else { continue };
                    let contents = N::places(response).map_or(Contents::Here(open.contents), Contents::InLog);
                    notes.push(Note::Contents(Whose::Call(*call), contents));
                }
                Action::Write(conn, said) => {
                    let Some(words) = self.words.get_mut(conn) else { continue };
                    for settled in N::settled(said) {
                        let Some(first) = words.front_mut() else { break };
                        first.settled.push(settled);
                        if first.settled.len() == first.contents.len()
                            && let Some(word) = words.pop_front()
                        {
                            word.note(notes);
                        }
                    }
                }
                Action::Close(conn) => self.closed(*conn, notes),
                _ => {}
            }
        }
    }

    /// A connection is over: nothing more will be said on it.
    pub(super) fn closed<N: Recorded>(&mut self, conn: ConnId, notes: &mut Vec<Note<N>>) {
        for word in self.words.remove(&conn).unwrap_or_default() {
            word.note(notes);
        }
    }

    /// The chunk ends: what it owes is here.
    pub(super) fn end<N: Recorded>(&mut self, notes: &mut Vec<Note<N>>) {
        for (call, open) in self.calls.iter_mut().filter(|(_, open)| open.owed) {
            open.owed = false;
            notes.push(Note::Contents(Whose::Call(*call), Contents::Here(open.contents.clone())));
        }
        for word in self.words.values_mut().flatten() {
            if let Some(step) = word.owed.take() {
                notes.push(Note::Contents(Whose::Step(step), Contents::Here(word.contents.clone())));
            }
        }
        self.steps = 0;
    }

    /// The calls under way, for the beginning of a chunk. What was said before, the machine has in its snapshot.
    pub(super) fn open(&self) -> Vec<OpenCall> {
        let open = self.calls.iter().map(|(call, open)| OpenCall {
            call: *call,
            request: open.request.clone(),
            contents: open.contents.clone(),
        });
        open.collect()
    }

    /// The machine is gone, and what it had taken in.
    pub(super) fn clear(&mut self) {
        *self = Owed::default();
    }
}

#[cfg(test)]
#[path = "owed_tests.rs"]
mod tests;
