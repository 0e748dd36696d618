//! What can go wrong for those who use the client. Decides the words.

use onceward_core::reader::api::{End as ReaderEnd, Refusal as ReaderRefusal};
use onceward_core::writer::Failure;
use onceward_core::writer::api::{End as WriterEnd, Refusal as WriterRefusal, Undelivered};
use std::path::PathBuf;
use std::sync::Arc;

/// An address that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{endpoint:?} is no endpoint: {what}")]
pub struct EndpointError {
    /// The address.
    pub endpoint: String,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Why a client could not be had, or a call of it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// Certificates cannot be used.
    #[error("{} cannot be used: {what}", .file.display())]
    Certificates {
        /// Their file.
        file: PathBuf,
        /// Why not.
        what: String,
    },
    /// Something cannot travel in a header.
    #[error("{0} has characters that no header can carry")]
    Header(&'static str),
    /// No connection to the server.
    #[error("cannot connect to {endpoint}: {what}")]
    Connect {
        /// Where it was looked for.
        endpoint: String,
        /// Why there is none.
        what: Arc<str>,
    },
    /// No access token.
    #[error("no access token: {0}")]
    Token(Arc<str>),
    /// The server, or the way to it, said no. What a call that was broken off has done is not known.
    #[error("{0}")]
    Failed(Failure),
    /// The server has answered something that makes no sense.
    #[error("the server's answer makes no sense: {0}")]
    Answer(String),
}

/// Why a message is not written, or not known to be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// It was not accepted; nothing of it will ever be stored.
    #[error("{0}")]
    Refused(WriterRefusal),
    /// It could not be compressed.
    #[error("the message could not be compressed: {0}")]
    Compression(Arc<str>),
    /// The writer has ended. A message that was accepted before and sent may be stored, under this number.
    #[error("the writer has ended: {end}")]
    Ended {
        /// Why.
        end: WriterEnd,
        /// The number under which it was sent; `None`: it was not, and is not stored.
        sent: Option<u64>,
    },
}

/// Why nothing is read any more.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the reader has ended: {0}")]
pub struct ReadError(pub ReaderEnd);

/// Why a commit is not known to be durable.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The partition was lost before the answer: it may be durable or not, and its messages may come again.
    #[error("the partition was lost before the commit was answered: its messages may come again")]
    Lost,
    /// It was not accepted.
    #[error("{0}")]
    Refused(ReaderRefusal),
    /// There was nothing to commit.
    #[error("a batch without messages commits nothing")]
    Empty,
}

/// A close that has not brought everything to an end.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// Of a writer.
    #[error("{end}; {} not delivered", messages(.undelivered))]
    Writer {
        /// Why it has ended.
        end: WriterEnd,
        /// Every accepted message that was not delivered. Its ticket is that of its
        /// [`Delivery`](super::Delivery::ticket).
        undelivered: Arc<[Undelivered]>,
    },
    /// Of a reader.
    #[error("{0}")]
    Reader(ReaderEnd),
}

fn messages(undelivered: &[Undelivered]) -> String {
    match undelivered.len() {
        1 => "1 message was".to_owned(),
        many => format!("{many} messages were"),
    }
}
