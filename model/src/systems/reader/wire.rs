//! What the nodes say to each other and to their callers. Values only.

use onceward_core::reader::{
    self,
    api::{End, Refusal},
    wire::{FromClient, FromServer},
};

/// What travels on a stream.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Msg {
    /// To the server.
    Up(FromClient),
    /// To a reader.
    Down(FromServer),
}

/// Names of timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// The reader's own.
    Own(reader::Timer),
    /// The reader's caller has dealt with what it was given.
    Dealt,
    /// The server's: a reader took too long to give a partition back.
    Stop,
}

/// What callers ask: of a reader, or, as a [`Mood`], of the server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Request {
    /// Wait for the commits under way, and end.
    Close,
    /// End at once.
    Destroy,
    /// Behave like this.
    Server(Mood),
}

/// What a server may do to its readers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mood {
    /// Ends every stream with OVERLOADED.
    Overload,
    /// Ends every stream without a word.
    Finish,
    /// Answers OVERLOADED to so many sessions that are asked for from now on.
    Refuse(u8),
    /// Takes every partition away, and gives it again.
    Take,
    /// Asks for every partition back.
    Ask,
    /// Never answers so many commits that are new to it from now on.
    Swallow(u8),
    /// Answers every commit in part before it answers it in full, from now on.
    Halve,
    /// Forgets so many messages from now on, each the next that a reader would be sent.
    Gap(u8),
    /// Sends messages once of a partition that it has asked for.
    Late,
    /// Once, whenever it can first: what follows.
    Lie(Lie),
}

/// How a server may break the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lie {
    /// Sends messages twice.
    Repeat,
    /// Sends messages that nobody has asked for.
    Overdraw,
    /// Counts messages for less than their payloads are.
    Understate,
    /// Gives a partition session that is there already.
    GiveTwice,
    /// Sends messages of a partition that the reader has not begun.
    Unbegun,
    /// Says that so many offsets are committed beyond all that were sent.
    Claim(u8),
}

/// What callers are told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Response {
    /// The reader has ended, for this reason.
    Closed(End),
    /// Not taken.
    Refused(Refusal),
    /// Done.
    Done,
}
