//! The promises of a topic reader, over what its server says to it, what it says, and what its caller is told.
//!
//! [`History`] stands around the reader of one process: it takes note of everything that reaches it, of everything that it
//! does about it, and says which promise the first contradiction breaks. Whether a server keeps to the protocol it finds out
//! for itself. It knows nothing of a reader's own books.
//!
//! What it never does: blame a reader for what its server forgets or keeps back.

mod history;
mod reading;
#[cfg(test)]
mod tests;
mod told;

pub use history::History;

use crate::system::Promise;

/// What a reader is sent reaches its caller.
pub const HANDED_ON: &str = "what-is-read-is-handed-on";
/// A caller hears of each of its commits, and the truth.
pub const COMMITS_SETTLE: &str = "commits-settle";
/// A reader asks for no more than it has room for.
pub const WITHIN_ROOM: &str = "asks-within-its-room";
/// A partition is given back when it may go.
pub const GIVEN_BACK: &str = "given-back-when-asked";
/// A reader ends when it must, and says why.
pub const ENDS: &str = "ends-for-a-reason";
/// Everything is read in the end.
pub const ALL_READ: &str = "all-is-read";

/// The table of promises that hold at any server.
pub const PROMISES: &[Promise] = &[
    Promise {
        id: HANDED_ON,
        says: "A reader hands on the messages of a partition as they were sent, in the order of their offsets, none twice, \
               and none of a partition that its caller has given up.",
    },
    Promise {
        id: COMMITS_SETTLE,
        says: "Each commit of a reader's caller is sent under the partition session that its messages came from, and is \
               answered once; one that is said to be durable is.",
    },
    Promise {
        id: WITHIN_ROOM,
        says: "A reader asks for no more bytes than it has room for beside those that its caller has not taken.",
    },
    Promise {
        id: GIVEN_BACK,
        says: "A reader gives a partition back once, when it was asked to, its caller has released it, and its commits \
               that nothing holds up are answered.",
    },
    Promise {
        id: ENDS,
        says: "A reader ends when its server breaks the protocol, when it is destroyed, or when it is closed and no commit \
               is waited for any more, and says which of them it was.",
    },
];

/// What holds as well at a server that gives everybody a partition in the end.
pub const LIVENESS: Promise = Promise {
    id: ALL_READ,
    says: "As long as some reader has not ended, everything is read and committed in the end, whatever was lost before.",
};
