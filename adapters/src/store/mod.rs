//! The event store for programs: open a folder, append, read, follow, verify, back up, close. Decides how calls are
//! made and ended; every decision about events is the machine's ([`onceward_core::log::store`]).
//!
//! Each operation gives a [`Pending`]: [`Pending::wait`] blocks a thread, `.await` suspends a task of any executor,
//! [`Pending::within`] sets a deadline for either. Nothing is asked before one of them is called.
//!
//! ```
//! use onceward::{Append, EventStore, Expected, query, Filter};
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().join("orders");
//! let store = EventStore::open(&folder)?;
//! let created = Append::to("order-17").expecting(Expected::NoStream).event("created", "3 pears");
//! let receipt = store.append(created).wait()?;
//! assert_eq!((receipt.position, receipt.sequence), (0, 0));
//!
//! let page = store.read(query(Filter::All)).wait()?;
//! assert_eq!(&page.events[0].payload[..], b"3 pears");
//! store.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod append;
mod backup;
mod error;
mod open;
mod pending;
mod scrub;
mod subscription;

pub use append::Append;
pub use backup::{Backup, BackupError};
pub use error::{BadRequest, Error};
pub use open::{Create, OpenError, Options};
pub use pending::Pending;
pub use scrub::Scrub;
pub use subscription::{Notified, Subscription};

use crate::driver::host::Host;
use append::Ids;
use onceward_core::log::api::{
    Event, Filter, Frontier, Frontiers, Head, Name, Query, Receipt, Recovered, Request, Response, Status,
    Verified,
};
use onceward_core::log::store::EventStore as Machine;
use scrub::Scrubber;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An event store in a folder that this process has to itself.
///
/// Clones share the store. When the last one is dropped, the store is closed as by [`EventStore::close`], blocking for
/// [`Options::close_within`] at most.
#[derive(Clone, Debug)]
pub struct EventStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    host: Host<Machine>,
    folder: PathBuf,
    recovered: Recovered,
    ids: Ids,
    close_within: Duration,
    closed: Mutex<bool>,
    scrubber: Option<Scrubber>,
}

/// Events in order of position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The events.
    pub events: Vec<Event>,
    /// Where to go on reading.
    pub next: u64,
    /// Whether there was nothing more when this was answered.
    pub end: bool,
}

/// A query for matching events from the first on, in pages of at most 1,024 events and 4 MiB, answered at once.
pub fn query(filter: Filter) -> Query {
    Query { filter, from: 0, limit: 1024, max_bytes: 4 << 20, wait: None }
}

impl EventStore {
    /// Opens the store in this folder, or makes one there, with all defaults. See [`Options::open`].
    ///
    /// # Errors
    /// If the folder is in use, holds something else, or holds a damaged store.
    pub fn open(folder: impl AsRef<Path>) -> Result<EventStore, OpenError> {
        Options::default().open(folder)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// What recovery found when the store was opened.
    pub fn recovered(&self) -> &Recovered {
        &self.inner.recovered
    }

    /// Appends to one entity.
    pub fn append(&self, append: Append) -> Pending<Receipt> {
        match append.part(&self.inner.ids) {
            Err(bad) => self.failed(bad.into()),
            Ok(part) => {
                self.ask(
                    Request::Append { parts: vec![part], deadline: None },
                    |_, response| match response {
                        Response::Appended(mut receipts) if receipts.len() == 1 => Ok(receipts.remove(0)),
                        other => Err(Error::not(other)),
                    },
                )
            }
        }
    }

    /// Appends to several entities, all or nothing. One receipt for each, in the same order.
    ///
    /// ```
    /// # use onceward::{Append, EventStore, Expected};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = EventStore::open(folder.path().join("accounts"))?;
    /// let taken = Append::to("account-1").event("withdrawn", "20 EUR");
    /// let given = Append::to("account-2").event("deposited", "20 EUR");
    /// let receipts = store.append_batch([taken, given]).wait()?;
    /// assert_eq!((receipts[0].position, receipts[1].position), (0, 1));
    ///
    /// let taken = Append::to("account-1").event("withdrawn", "20 EUR");
    /// let given = Append::to("account-2").expecting(Expected::NoStream).event("deposited", "20 EUR");
    /// assert!(store.append_batch([taken, given]).wait().is_err());
    /// assert_eq!(store.status().wait()?.frontiers.visible, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_batch(&self, appends: impl IntoIterator<Item = Append>) -> Pending<Vec<Receipt>> {
        let parts: Result<Vec<_>, _> =
            appends.into_iter().map(|append| append.part(&self.inner.ids)).collect();
        match parts {
            Err(bad) => self.failed(bad.into()),
            Ok(parts) => self.ask(Request::Append { parts, deadline: None }, |_, response| match response {
                Response::Appended(receipts) => Ok(receipts),
                other => Err(Error::not(other)),
            }),
        }
    }

    /// Reads one page. Start from [`query`].
    ///
    /// ```
    /// # use onceward::{Append, EventStore, Filter, Name, query};
    /// async fn order(store: &EventStore) -> Result<(), Box<dyn std::error::Error>> {
    ///     store.append(Append::to("order-17").event("created", "3 pears")).await?;
    ///     let mut created = query(Filter::Entity(Name::new("order-17")?));
    ///     created.limit = 1;
    ///     let page = store.read(created).await?;
    ///     assert_eq!(page.events.len(), 1);
    ///     Ok(())
    /// }
    /// ```
    pub fn read(&self, query: Query) -> Pending<Page> {
        self.ask(Request::Read(query), |_, response| match response {
            Response::Events { events, next, end } => Ok(Page { events, next, end }),
            other => Err(Error::not(other)),
        })
    }

    /// All events that match, page by page, until there are no more; blocks the thread that iterates.
    pub fn events(&self, query: Query) -> impl Iterator<Item = Result<Event, Error>> + use<> {
        let store = self.clone();
        let mut next = Some(query);
        let mut page = Vec::new().into_iter();
        std::iter::from_fn(move || {
            loop {
                if let Some(event) = page.next() {
                    return Some(Ok(event));
                }
                let mut query = next.take()?;
                match store.read(query.clone()).wait() {
                    Err(error) => return Some(Err(error)),
                    Ok(answer) => {
                        if !answer.end {
                            query.from = answer.next;
                            next = Some(query);
                        }
                        page = answer.events.into_iter();
                    }
                }
            }
        })
    }

    /// Asks to be told of new events.
    ///
    /// ```
    /// # use onceward::{Append, EventStore, Filter, Name, query};
    /// # use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let store = EventStore::open(folder.path().join("orders"))?;
    /// let paid = Filter::Kind(Name::new("paid")?);
    /// let news = store.subscribe(paid, 1000).wait()?;
    /// store.append(Append::to("order-17").event("created", "").event("paid", "12 EUR")).wait()?;
    /// let told = news.next(Duration::from_secs(1)).wait()?;
    /// assert_eq!((told.positions, told.missed), (vec![1], None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Keeps up to `capacity` notifications, at least 1, for a reader that lags; then
    /// the oldest make way, and the reader is told which it missed.
    pub fn subscribe(&self, filter: Filter, capacity: u32) -> Pending<Subscription> {
        self.ask(Request::Subscribe { filter, capacity }, |inner, response| match response {
            Response::Subscribed { subscription, from } => {
                Ok(Subscription::new(inner.clone(), subscription, from))
            }
            other => Err(Error::not(other)),
        })
    }

    /// The end of an entity, `None` if it has no visible event.
    pub fn head(&self, entity: Name) -> Pending<Option<Head>> {
        self.ask(Request::Head { entity }, |_, response| match response {
            Response::Head(head) => Ok(head),
            other => Err(Error::not(other)),
        })
    }

    /// Stores how far a reader has come, as firmly as the policy has it for appends: `position` is the first that it has
    /// not processed.
    pub fn save_cursor(&self, reader: Name, position: u64) -> Pending<()> {
        self.ask(Request::SaveCursor { reader, position }, done)
    }

    /// How far a reader has come, `None` if it never said.
    pub fn load_cursor(&self, reader: Name) -> Pending<Option<u64>> {
        self.ask(Request::LoadCursor { reader }, |_, response| match response {
            Response::Cursor(position) => Ok(position),
            other => Err(Error::not(other)),
        })
    }

    /// Makes everything accepted so far durable.
    pub fn barrier(&self) -> Pending<Frontiers> {
        self.ask(Request::Barrier, frontiers)
    }

    /// Waits until a frontier has passed a position.
    pub fn passed(&self, frontier: Frontier, position: u64) -> Pending<Frontiers> {
        self.ask(Request::Await { frontier, position }, frontiers)
    }

    /// How the store is.
    pub fn status(&self) -> Pending<Status> {
        self.ask(Request::Status, |_, response| match response {
            Response::Status(status) => Ok(status),
            other => Err(Error::not(other)),
        })
    }

    /// Reads everything back and checks every checksum, hash chain and digest, while the store goes on working. A digest
    /// kept elsewhere shows later that the history was not rewritten, and that two stores have the same.
    ///
    /// ```
    /// # use onceward::{Append, EventStore};
    /// # let folder = tempfile::tempdir()?;
    /// let store = EventStore::open(folder.path().join("orders"))?;
    /// store.append(Append::to("order-17").event("created", "")).wait()?;
    /// let verified = store.verify().wait()?;
    /// assert_eq!((verified.events, verified.entities), (1, 1));
    ///
    /// let backup = store.backup(folder.path().join("copy"))?;
    /// assert_eq!(backup.verified.digest, verified.digest);
    /// store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify(&self) -> Pending<Verified> {
        self.ask(Request::Verify, verified)
    }

    /// What the background scrub has found; `None` if the store was opened without one.
    pub fn scrub(&self) -> Option<Scrub> {
        self.inner.scrubber.as_ref().map(Scrubber::report)
    }

    /// Copies the store, with everything that is visible now, into a folder that does not exist yet, and proves the
    /// copy by opening and verifying it. The store goes on working. Blocks this thread.
    ///
    /// # Errors
    /// If something cannot be read, written or proven; the folder is then not there.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<Backup, BackupError> {
        backup::backup(self, to.as_ref())
    }

    /// Closes the store: what is queued is carried out as far as configured, everything gets an answer, and the folder
    /// is free. `Ok` says that everything accepted is durable. Further calls, on clones too, get [`Lost::Closed`](crate::Lost::Closed).
    ///
    /// # Errors
    /// If something accepted is not known to be durable, or if that took longer than [`Options::close_within`].
    pub fn close(&self) -> Result<(), Error> {
        self.inner.close()
    }

    fn ask<T>(&self, request: Request, decode: fn(&Arc<Inner>, Response) -> Result<T, Error>) -> Pending<T> {
        Pending::new(self.inner.clone(), request, decode)
    }

    fn failed<T>(&self, error: Error) -> Pending<T> {
        Pending::failed(self.inner.clone(), error)
    }
}

impl Inner {
    fn close(&self) -> Result<(), Error> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Ok(());
        }
        *closed = true;
        let span = tracing::debug_span!("close", folder = %self.folder.display());
        let _entered = span.enter();
        if let Some(scrubber) = &self.scrubber {
            scrubber.stop();
        }
        let answer = self.host.ask_by(Request::Shutdown, Instant::now() + self.close_within);
        self.host.stop();
        let result = match answer {
            Ok(Response::Done) => Ok(()),
            Ok(Response::Refused(refusal)) => Err(Error::Refused(refusal)),
            Ok(other) => Err(Error::not(other)),
            Err(lost) => Err(Error::Lost(lost)),
        };
        match &result {
            Ok(()) => tracing::debug!("closed"),
            Err(error) => tracing::error!(%error, "closed, but not everything is known to be durable"),
        }
        result
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Whoever wants to know calls `close`; the log is told in any case.
        let _ = self.close();
    }
}

fn done(_: &Arc<Inner>, response: Response) -> Result<(), Error> {
    match response {
        Response::Done => Ok(()),
        other => Err(Error::not(other)),
    }
}

fn frontiers(_: &Arc<Inner>, response: Response) -> Result<Frontiers, Error> {
    match response {
        Response::Frontiers(frontiers) => Ok(frontiers),
        other => Err(Error::not(other)),
    }
}

fn verified(_: &Arc<Inner>, response: Response) -> Result<Verified, Error> {
    match response {
        Response::Verified(verified) => Ok(verified),
        other => Err(Error::not(other)),
    }
}
