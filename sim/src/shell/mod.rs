//! The shell engine: the real driver code around the machines, under the same faults as the loop engine. Each node is a
//! madsim node whose task owns a driver, its supervisor and its waiting callers; a kill is madsim's kill, a start its
//! restart, a pause its pause. Disk, network, clocks and what clients see are those of a
//! [`World`](onceward_model::world::World) whose machines live outside of it, so that scenarios mean the same and the
//! same promises judge them. It also judges the driver itself, against [what it owes a machine](contract).
//!
//! There are two drivers: that of stores and brokers, and that of [clients](onceward_model::world::Protocol::is_client),
//! writers and readers of topics, whose tasks open streams, say what the machine says, hear the server out and keep the
//! time. Both are the code that production runs, above the network: what lies under a stream is a simulated connection.
//!
//! What it cannot do: exact steps, for which step comes next is what the driver decides here. The threads of
//! production (`onceward::driver::host` and the deadlines of callers) are not in it, since madsim has none.
//!
//! Invariants: a run is a function of plan, seed and build; every run has an operating-system thread and a madsim
//! runtime of its own, and all nodes are killed and gone before that ends. Nothing of madsim's file system or network is
//! used. Without the cfg `madsim` there is no shell engine, and a run says so.

#[cfg(madsim)]
mod client;
pub mod contract;
#[cfg(madsim)]
mod env;
pub mod fragile;
#[cfg(madsim)]
mod node;
#[cfg(madsim)]
mod run;
#[cfg(madsim)]
mod spy;
mod streams;

use crate::{
    engine::{Finished, Limits, Watch},
    plan::Rooted,
};
use onceward_model::world::Protocol;
use std::sync::Arc;

/// Roots of causal keys that only this engine has.
#[cfg(madsim)]
mod root {
    /// What a node draws: its number is added.
    pub(super) const DRAW: u64 = 5 << 40;
    /// What drivers do, in order.
    pub(super) const DEED: u64 = 6 << 40;
    /// What follows from a process that ended within a step.
    pub(super) const CUT: u64 = 7 << 40;
}

/// Performs one run of a scenario, on this thread, which should have done nothing of the kind before.
///
/// # Errors
/// This build has no madsim, or the plan names exact steps.
#[cfg(madsim)]
pub fn run<P: Protocol, W: Watch<P>>(
    protocol: &Arc<P>,
    plan: &Rooted<'_, P>,
    limits: &Limits,
    watch: &mut W,
) -> Result<Finished<P>, String> {
    if plan.is_exact() {
        return Err(
            "the shell engine performs no exact steps: there, the driver decides which comes next".into()
        );
    }
    Ok(run::run(protocol, plan, limits, watch))
}

/// Says that there is no madsim in this build.
///
/// # Errors
/// Always.
#[cfg(not(madsim))]
pub fn run<P: Protocol, W: Watch<P>>(
    _: &Arc<P>,
    _: &Rooted<'_, P>,
    _: &Limits,
    _: &mut W,
) -> Result<Finished<P>, String> {
    Err("this build has no madsim, and so no shell engine".into())
}
