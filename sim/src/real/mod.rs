//! The real engine: a scenario against real processes. Each node is a child process of its own, in which the production
//! host (threads, files, `fdatasync`) runs the machine; a kill is SIGKILL, a pause SIGSTOP, a limit of space
//! RLIMIT_FSIZE. Times are real times. Calls and answers travel over pipes; what clients see is judged by the same
//! promises as everywhere, after the same phase of healing.
//!
//! What it cannot do is refused beforehand ([`support`](crate::support)). It judges what clients see alone: of a machine
//! in another process it knows no more than whether that calls itself settled. A run is no function of its seed.
//!
//! The children are this very program under a hidden command. madsim's hooks are linked into it, and fall through to the
//! system outside of a simulation, in which no child ever is; so a build with the cfg `madsim` and one without do the
//! same here.
//!
//! Invariants: no child outlives its run; every folder that a run made is gone with it.

mod child;
mod node;
mod run;

pub use node::{Seat, serve};

use crate::{
    engine::{Finished, Watch},
    plan::Rooted,
};
use onceward_model::{
    system::{Hosted, HostedVisitor, System},
    world::{Protocol, Time},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// A scenario may not last longer: this engine waits for every second of it.
pub const LONGEST: Time = Time(60_000_000_000);

/// Why a run in real processes cannot be carried out, as opposed to: has ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RealError {
    /// The nodes of the system cannot live in processes of their own.
    #[error(
        "the nodes of the system `{0}` cannot live in processes of their own: they have a network, or answers that do not travel"
    )]
    NotHosted(&'static str),
    /// A process cannot be started, signalled or spoken to.
    #[error("{what}: {source}")]
    Process {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A call does not read back from its own text.
    #[error("a call does not survive the way to another process: {0}")]
    Call(String),
    /// A node cannot be started in its process.
    #[error("a node cannot be started: {0}")]
    Start(String),
}

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Names the program whose hidden command is a node: for programs that are not `cargo sim` themselves, such as tests. The
/// first one named stays.
pub fn use_program(program: &Path) {
    // Somebody was first.
    let _ = PROGRAM.set(program.to_owned());
}

fn program() -> io::Result<PathBuf> {
    PROGRAM.get().cloned().map_or_else(std::env::current_exe, Ok)
}

/// Whether the nodes of a system can live in processes of their own.
pub fn can_host<S: System>() -> bool {
    struct Yes;
    impl<P: Protocol> HostedVisitor<P> for Yes {
        type Out = ();
        fn visit<S: Hosted<Protocol = P>>(self) {}
    }
    S::hosted(Yes).is_some()
}

/// Performs one run of a scenario.
///
/// # Errors
/// It cannot be carried out. What has gone wrong within it is in the answer.
pub fn run<S: System, W: Watch<S::Protocol>>(
    protocol: &Arc<S::Protocol>,
    plan: &Rooted<'_, S::Protocol>,
    watch: &mut W,
) -> Result<Finished<S::Protocol>, RealError> {
    struct Perform<'a, 'p, P: Protocol, W> {
        protocol: &'a Arc<P>,
        plan: &'a Rooted<'p, P>,
        watch: &'a mut W,
    }
    impl<P: Protocol, W: Watch<P>> HostedVisitor<P> for Perform<'_, '_, P, W> {
        type Out = Result<Finished<P>, RealError>;
        fn visit<S: Hosted<Protocol = P>>(self) -> Self::Out {
            run::run::<S, W>(self.protocol, self.plan, self.watch)
        }
    }
    S::hosted(Perform { protocol, plan, watch }).unwrap_or(Err(RealError::NotHosted(S::NAME)))
}
