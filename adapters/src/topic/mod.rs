//! A client of topics: of `onceward serve`, and of every server that speaks the YDB Topic API.
//!
//! ```no_run
//! use onceward::topic::{ClientOptions, Message, ReaderOptions, TopicClient, WriterOptions};
//!
//! # async fn tour() -> Result<(), Box<dyn std::error::Error>> {
//! let client = TopicClient::new(ClientOptions::new("grpc://127.0.0.1:2136", "/local")?)?;
//!
//! // Each message once, however often the connection is lost in between.
//! let writer = client.writer(WriterOptions::new("orders", "shop"))?;
//! let delivery = writer.write(Message::raw("3 pears")).await?;
//! println!("stored: {:?}", delivery.await?.outcome);
//! writer.close().await?;
//!
//! let reader = client.reader(ReaderOptions::new("orders", "billing"))?;
//! let batch = reader.read().await?;
//! for message in &batch.messages {
//!     println!("{} {:?}", message.offset, message.data);
//! }
//! reader.commit(&batch).await?;
//! reader.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The decisions are those of `onceward_core::writer` and `onceward_core::reader`: what is sent again, what an
//! acknowledgement means, how long to wait before the next try. This module carries their words to the network and back,
//! compresses and decompresses, and settles futures. It needs a Tokio runtime with its timers and network switched on.
//!
//! Memory is bounded by [`WriterOptions::core`] (`buffer_bytes`) and [`ReaderOptions::core`] (`buffer_bytes`), and by what
//! the caller keeps of what it was given.

mod calls;
mod codec;
mod convert;
mod dial;
mod driver;
mod endpoint;
mod error;
mod reader;
mod waiting;
mod writer;

pub use calls::{ConsumerDescription, Entry, EntryKind, PartitionDescription, TopicDescription, settings};
pub use codec::{Compression, DecodeError};
pub use endpoint::{ClientOptions, Credentials, Endpoint, TokenError, TokenProvider};
pub use error::{CloseError, CommitError, EndpointError, ReadError, TopicError, WriteError};
pub use onceward_core::broker::api::{Change, Consumer, Settings};
pub use onceward_core::reader::api::{End as ReaderEnd, Refusal as ReadRefusal};
pub use onceward_core::reader::wire::{Range, TopicFilter};
pub use onceward_core::reader::{Config as ReaderConfig, Failure as ReaderFailure};
pub use onceward_core::writer::api::{
    End as WriterEnd, Message, Outcome, Refusal as WriteRefusal, Undelivered,
};
pub use onceward_core::writer::wire::{Codec, Session};
pub use onceward_core::writer::{Config as WriterConfig, Failure};
pub use onceward_core::{ConfigError, Dur, Wall};
pub use reader::{Batch, Commit, ReadMessage, ReaderEvent, ReaderOptions, TopicReader};
pub use writer::{Delivery, Receipt, TopicWriter, WriterEvent, WriterOptions};

use dial::Dialler;
use std::sync::Arc;

/// A way to one server and one of its databases. Cheap to clone; writers and readers each have a connection of their own.
#[derive(Clone)]
pub struct TopicClient {
    dialler: Arc<Dialler>,
}

impl std::fmt::Debug for TopicClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TopicClient")
            .field("endpoint", &self.dialler.endpoint().to_string())
            .finish_non_exhaustive()
    }
}

impl TopicClient {
    /// A client. Nothing is dialled yet.
    ///
    /// # Errors
    /// If the certificates of [`ClientOptions::ca`] cannot be read, or the database or token cannot travel in a header.
    pub fn new(options: ClientOptions) -> Result<TopicClient, TopicError> {
        Ok(TopicClient { dialler: Arc::new(Dialler::new(options)?) })
    }

    /// Starts a writer, which opens its session at once and for as long as it lives. It must be called within a Tokio
    /// runtime, whose tasks then carry the writer.
    ///
    /// # Errors
    /// If a setting is out of its bounds.
    pub fn writer(&self, options: WriterOptions) -> Result<TopicWriter, ConfigError> {
        TopicWriter::start(self.dialler.clone(), options)
    }

    /// Starts a reader, which opens its session at once and for as long as it lives. It must be called within a Tokio
    /// runtime, whose tasks then carry the reader.
    ///
    /// # Errors
    /// If a setting is out of its bounds.
    pub fn reader(&self, options: ReaderOptions) -> Result<TopicReader, ConfigError> {
        TopicReader::start(self.dialler.clone(), options)
    }
}
