//! The topic broker over gRPC: programs that use the official clients of YDB's topics work against it.
//!
//! [`Options::start`] locks a folder, recovers what is in it and listens; [`Server::stop`] ends everything in order. The
//! decisions are those of `onceward_core::broker`; this module carries words between its machine and the network, and
//! decides what of the protocol makes sense at all.
//!
//! Memory is bounded by the machine's own bounds and, on top, by what the edge holds: of all write streams together
//! 128 MiB that the machine was told of and has not acknowledged, and one frame each that is being received (1 MiB of
//! it unread, 64 MiB at most); of each read stream 4 MiB and one message that the transport has not taken.

mod access;
mod connections;
mod convert;
mod disk;
mod early;
mod error;
mod grpc;
mod host;
mod http;
mod metrics;
mod path;
mod status;
mod traffic;

pub use error::ServeError;

use crate::driver::call::{Lost, poll};
use crate::driver::files::{self, Files, Owner, Whose};
use crate::driver::record::Recorder;
use crate::driver::tap::Tap;
use crate::proto;
use crate::trace::{self, Recording};
use access::Access;
use host::{Backend, Host};
use metrics::Counters;
use onceward_core::broker::api::{Message, Refusal, Request, Response};
use onceward_core::broker::{Broker, Config};
use onceward_core::log::api::{Phase, Recovered};
use onceward_core::{Node, Path as StorePath};
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;

/// How a broker is served.
#[derive(Clone)]
pub struct Options {
    /// The broker's folder; made if it is not there.
    pub data: PathBuf,
    /// Where to listen, such as `127.0.0.1:2136`; port 0 lets the system choose.
    pub listen: String,
    /// The host and port that clients are told to dial; `None`: those that they have dialled already.
    pub advertise: Option<(String, u16)>,
    /// What it shows of itself over TLS; `None`: it speaks in the clear.
    #[cfg(feature = "tls")]
    pub tls: Option<Tls>,
    /// A list of who may do what, as JSON; `None`: everybody may do everything. It has two members, `tokens` and `users`.
    /// Each token has a `name`, the `token`, and what may be done with which topics: `read`, `write`, `admin`, each a list
    /// of absolute names, of which one that ends in `*` stands for all that begin so. A user has a `password` instead.
    pub access: Option<PathBuf>,
    /// The bounds of the machine. Its folder is the broker's own, and the identity of a new log is random; both fields are
    /// ignored.
    pub config: Config,
    /// Where to listen for those who watch: `/metrics` for Prometheus and `/health`; `None`: nowhere.
    pub metrics: Option<String>,
    /// Who is told of each file operation before and after it is performed, and holds it up for as long as they like;
    /// `None`: nobody.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Where to record everything that the machine is told, to be validated later; `None`: nowhere.
    pub record: Option<Recording>,
    /// How long [`Server::stop`] waits for clients to take their last words.
    pub stop_within: Duration,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("data", &self.data)
            .field("listen", &self.listen)
            .field("advertise", &self.advertise)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The defaults for a folder: the port that YDB's clients expect, on this computer alone.
    pub fn new(data: impl Into<PathBuf>) -> Options {
        Options {
            data: data.into(),
            listen: "127.0.0.1:2136".to_owned(),
            advertise: None,
            #[cfg(feature = "tls")]
            tls: None,
            access: None,
            config: Config::new(StorePath::root(), 0),
            metrics: None,
            recorder: None,
            record: None,
            stop_within: Duration::from_secs(10),
        }
    }

    /// Locks the folder, recovers what is in it, and serves it.
    ///
    /// # Errors
    /// If the address cannot be listened on, or if the folder is in use, holds something else, or holds a damaged broker.
    pub fn start(&self) -> Result<Server, ServeError> {
        let mut config = self.config.clone();
        config.segments.folder = StorePath::root();
        let keys = RandomState::new();
        let half = |which: u8| u128::from(keys.hash_one(which));
        config.segments.store_id = half(0) << 64 | half(1);
        let fresh = Broker::new(config)?;
        let tap = |disk: &Path| {
            let Some(recording) = &self.record else { return Ok(None) };
            let folder = recording.folder.clone();
            let tap = trace::record(recording, disk);
            tap.map(Some).map_err(|source| ServeError::Recording { folder, source })
        };
        self.serve(move || fresh.clone(), tap)
    }

    /// Serves a machine. `tap` gives who sees its steps, once the folder is there.
    fn serve<N>(
        &self,
        make: impl FnMut() -> N + Send + 'static,
        tap: impl FnOnce(&Path) -> Result<Option<Box<dyn Tap<N>>>, ServeError>,
    ) -> Result<Server, ServeError>
    where
        N: Node<Message = Message, Request = Request, Response = Response> + Send + 'static,
        N::Timer: Send,
    {
        let access = self.access.as_deref().map(Access::read).transpose()?.unwrap_or_default();
        #[cfg(feature = "tls")]
        let tls = self.tls.as_ref().map(Tls::config).transpose()?;
        let listening = |source| ServeError::Listen { listen: self.listen.clone(), source };
        // Before the folder is touched, which may take long to recover: whoever dials early waits.
        let listener = bind(&self.listen)?;
        let address = listener.local_addr().map_err(listening)?;
        let watched = self.metrics.as_deref().map(bind).transpose()?;
        let metrics_address = watched.as_ref().map(TcpListener::local_addr).transpose().map_err(listening)?;

        let counters = Arc::new(Counters::default());
        let files = Files::create(&self.data)?;
        let of = |(folder, source)| files::OpenError::Os { folder, source };
        let os = |source| of((self.data.clone(), source));
        match Owner::Broker.look(&self.data).map_err(of)? {
            Whose::Ours => {}
            Whose::Nobodys => Owner::Broker.mark(&self.data).map_err(os)?,
            Whose::Foreign(file) => return Err(ServeError::Foreign { folder: self.data.clone(), file }),
        }
        let tap = tap(&self.data)?;
        let host = Host::start(files, counters.clone(), self.recorder.as_ref(), make, tap);
        let host = Arc::new(host.map_err(os)?);
        let recovered = recover(&*host, &self.data)?;
        tracing::info!(
            records = recovered.events,
            clean = recovered.clean,
            cut = recovered.cut.len(),
            doubtful = recovered.possibly_acknowledged.len(),
            "recovered"
        );

        let mut threads = tokio::runtime::Builder::new_multi_thread();
        let runtime = threads.thread_name("onceward-net").enable_all().build().map_err(listening)?;
        let (end, ended) = oneshot::channel::<()>();
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(listening)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        #[cfg(feature = "tls")]
        let (builder, tls) = match (&self.tls, tls) {
            (Some(Tls { certificate, .. }), Some(config)) => {
                let wrong = |error: tonic::transport::Error| ServeError::Tls {
                    file: certificate.clone(),
                    what: error::chain(&error),
                };
                (tonic::transport::Server::builder().tls_config(config).map_err(wrong)?, true)
            }
            _ => (tonic::transport::Server::builder(), false),
        };
        #[cfg(not(feature = "tls"))]
        let (builder, tls) = (tonic::transport::Server::builder(), false);
        let api = grpc::Api::new(host.clone(), access, counters.clone(), (self.advertise.clone(), tls));
        let serving = builder
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(4 * WINDOW)
            .max_frame_size(FRAME)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .serve_with_incoming_shutdown(api, incoming, async {
                // Whether it was asked for or nobody is left to ask.
                let _ = ended.await;
            });
        let serving = tokio::spawn(serving);
        if let Some(watched) = watched {
            let listener = tokio::net::TcpListener::from_std(watched).map_err(listening)?;
            tokio::spawn(http::serve(listener, host.clone(), counters));
        }
        drop(entered);
        let dead = host.dead();
        let stop: Box<dyn Fn() + Send + Sync> = {
            let host = host.clone();
            Box::new(move || host.stop())
        };
        let stop_within = self.stop_within;
        Ok(Server {
            address,
            metrics_address,
            recovered,
            backend: host,
            stop,
            dead,
            runtime,
            end,
            serving,
            stop_within,
        })
    }
}

/// What a broker shows of itself over TLS.
#[cfg(feature = "tls")]
#[derive(Clone, Debug)]
pub struct Tls {
    /// A certificate, and those that vouch for it, in PEM.
    pub certificate: PathBuf,
    /// The certificate's key, in PEM.
    pub key: PathBuf,
}

#[cfg(feature = "tls")]
impl Tls {
    fn config(&self) -> Result<tonic::transport::ServerTlsConfig, ServeError> {
        let read = |file: &Path| {
            std::fs::read(file)
                .map_err(|error| ServeError::Tls { file: file.to_path_buf(), what: error.to_string() })
        };
        let identity = tonic::transport::Identity::from_pem(read(&self.certificate)?, read(&self.key)?);
        Ok(tonic::transport::ServerTlsConfig::new().identity(identity))
    }
}

/// Bytes of a stream that a client may have sent and nobody has read yet.
const WINDOW: u32 = 1 << 20;
/// Largest frame of HTTP/2 that is taken, in bytes: in those of 16 KiB that there are without it, a request of many messages
/// takes many reads.
const FRAME: u32 = 64 << 10;

/// A broker that is being served. Dropping it ends it as a crash would.
pub struct Server {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    recovered: Recovered,
    backend: Arc<dyn Backend>,
    stop: Box<dyn Fn() + Send + Sync>,
    dead: watch::Receiver<bool>,
    runtime: Runtime,
    end: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
    stop_within: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for those who watch.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// What was found in the folder.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Serves until something happens.
    ///
    /// # Errors
    /// If the broker has failed for good before that.
    pub fn serve_until(&self, something: impl Future<Output = ()>) -> Result<(), ServeError> {
        let mut dead = self.dead.clone();
        self.runtime.block_on(async {
            tokio::select! {
                () = something => Ok(()),
                _ = dead.wait_for(|dead| *dead) => Err(ServeError::Failed { source: Lost::Failed }),
            }
        })
    }

    /// Takes in nothing more, answers what was asked, makes everything durable, ends all sessions and returns.
    ///
    /// # Errors
    /// If the broker could not say that everything is durable.
    pub fn stop(self) -> Result<(), ServeError> {
        let answer = self.runtime.block_on(self.backend.call(Request::Shutdown));
        // Sessions that the machine has not ended end now.
        (self.stop)();
        let _ = self.end.send(());
        let last_words = async { tokio::time::timeout(self.stop_within, self.serving).await };
        match self.runtime.block_on(last_words) {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the network failed"),
            Ok(Err(error)) => tracing::error!(%error, "the network's task failed"),
            Err(_) => tracing::warn!("some clients would not go: cut off"),
        }
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        match answer {
            Ok(Response::Done) => Ok(()),
            Ok(Response::Refused(Refusal::Unknown)) => Err(ServeError::Undecided),
            Ok(Response::Refused(refusal)) => Err(ServeError::NotStopped { what: refusal.to_string() }),
            Ok(other) => Err(ServeError::NotStopped { what: format!("it answered {other:?}") }),
            Err(source) => Err(ServeError::Failed { source }),
        }
    }
}

/// Listens on an address.
fn bind(listen: &str) -> Result<TcpListener, ServeError> {
    let listening = |source| ServeError::Listen { listen: listen.to_owned(), source };
    let listener = TcpListener::bind(listen).map_err(listening)?;
    listener.set_nonblocking(true).map_err(listening)?;
    Ok(listener)
}

/// Waits until the machine has recovered.
fn recover(backend: &dyn Backend, folder: &Path) -> Result<Recovered, ServeError> {
    // It answers in every phase, and tells of a change of phase only when asked.
    poll(|| match backend.call(Request::Status).wait().map_err(|source| ServeError::Failed { source })? {
        Response::Status(status) => match status.phase {
            Phase::Recovering => Ok(None),
            Phase::Damaged(damage) => Err(ServeError::Damaged { folder: folder.to_path_buf(), damage }),
            Phase::Ready | Phase::Full | Phase::Closing | Phase::Closed => {
                Ok(Some(status.recovery.map(Arc::unwrap_or_clone).unwrap_or_default()))
            }
        },
        other => {
            tracing::error!(?other, folder = %folder.display(), "no status");
            Ok(None)
        }
    })
}
