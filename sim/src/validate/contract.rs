//! What a driver owes its machine, as far as a recording shows it: a machine takes every input in every state, and so an
//! input that no driver may give need not be noticed by it. Decides nothing else.

use onceward_core::{Action, Clock, ConnId, Mono, OpId, recorded::Told};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

pub(super) struct Contract<T> {
    /// What was asked before it was looked at is not known.
    joined_late: bool,
    booted: bool,
    latest: Mono,
    operations: BTreeSet<OpId>,
    done: BTreeSet<OpId>,
    /// The earliest moment at which each timer may fire.
    timers: BTreeMap<T, Mono>,
    /// Numbers of connections that were asked for.
    dialled: BTreeSet<u32>,
    /// Connections that are not over for the other side.
    connections: BTreeSet<ConnId>,
}

impl<T> Default for Contract<T> {
    fn default() -> Contract<T> {
        Contract {
            joined_late: false,
            booted: false,
            latest: Mono(0),
            operations: BTreeSet::new(),
            done: BTreeSet::new(),
            timers: BTreeMap::new(),
            dialled: BTreeSet::new(),
            connections: BTreeSet::new(),
        }
    }
}

impl<T: Copy + Ord + Debug> Contract<T> {
    /// `joined_late`: the incarnation has begun before the recording.
    pub(super) fn new(joined_late: bool) -> Contract<T> {
        Contract { joined_late, booted: joined_late, ..Contract::default() }
    }

    /// Whether a driver may say this now.
    pub(super) fn told<M, Q>(&mut self, clock: Clock, told: &Told<M, T, Q>) -> Result<(), String> {
        if clock.mono < self.latest {
            return Err("the monotonic clock has gone back".into());
        }
        self.latest = clock.mono;
        match told {
            Told::Boot if self.booted => return Err("the machine had booted before".into()),
            Told::Boot => self.booted = true,
            _ if !self.booted => return Err("the machine has not booted yet".into()),
            Told::Disk(id, _) => {
                let known = self.operations.remove(id);
                if !self.done.insert(*id) || !(known || self.joined_late) {
                    return Err(format!("disk operation {} is not under way", id.0));
                }
            }
            Told::Timer(timer) => match self.timers.remove(timer) {
                Some(due) if due > clock.mono => return Err("the timer fires too early".into()),
                None if !self.joined_late => return Err("the timer is not armed".into()),
                _ => {}
            },
            Told::Opened(conn) | Told::Accepted(conn) if !self.connections.insert(*conn) => {
                return Err("the connection is open already".into());
            }
            Told::Opened(conn) if !(self.dialled.remove(&conn.number) || self.joined_late) => {
                return Err("nobody has asked for this connection".into());
            }
            // What was on its way when the machine hung up may still arrive.
            Told::Received(conn, _) if !(self.connections.contains(conn) || self.joined_late) => {
                return Err("the connection is not open".into());
            }
            Told::Closed(conn, _) => {
                let known = self.connections.remove(conn) | self.dialled.remove(&conn.number);
                if !(known || self.joined_late) {
                    return Err("the connection is not open".into());
                }
            }
            Told::Opened(_) | Told::Accepted(_) | Told::Received(..) | Told::Message(..) | Told::Call(..) => {
            }
        }
        Ok(())
    }

    /// Takes note of what the machine wants.
    pub(super) fn asked<M, R>(&mut self, clock: Clock, actions: &[Action<M, T, R>]) {
        for action in actions {
            match action {
                Action::Disk(id, _) => {
                    self.operations.insert(*id);
                    self.done.remove(id);
                }
                Action::Arm(timer, window) => drop(self.timers.insert(*timer, clock.mono.after(window.from))),
                Action::Disarm(timer) => drop(self.timers.remove(timer)),
                Action::Connect(_, number) => drop(self.dialled.insert(*number)),
                _ => {}
            }
        }
    }
}
