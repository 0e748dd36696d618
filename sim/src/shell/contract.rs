//! What a driver owes a machine, judged from both sides of it: a spy in the machine's place sees what the machine is
//! given and asks for, the port sees what becomes of that. The contract is that of `onceward_core`; this module only
//! compares. Invariant: whatever is judged here holds for every machine, so a violation is a bug of the driver.

use super::streams::Streams;
use onceward::driver::Turn;
use onceward_core::{Action, Clock, Dur, Input, Mono, Node, NodeAction, NodeInput, OpId};
use onceward_model::{
    system::Promise,
    world::{Seen, Time, Violation},
};
use std::collections::{BTreeMap, VecDeque};

/// The driver boots a machine first, once, and its monotonic clock never goes back.
pub const BOOTS_ONCE: &str = "driver-boots-once";
/// The driver performs the actions of a step, in their order, before the next step.
pub const PERFORMS_ACTIONS: &str = "driver-performs-actions";
/// The driver tells the machine of every completion, once.
pub const TELLS_COMPLETIONS: &str = "driver-tells-completions";
/// The driver fires armed timers, within their windows, and no others.
pub const KEEPS_TIMERS: &str = "driver-keeps-timers";
/// The driver answers every caller.
pub const ANSWERS_CALLERS: &str = "driver-answers-callers";

/// The driver says what a client's machine says on a stream, and tells it what it hears there.
pub const KEEPS_STREAMS: &str = "driver-keeps-streams";

/// What the shell engine promises of the driver, for every system.
pub const PROMISES: [Promise; 6] = [
    Promise {
        id: BOOTS_ONCE,
        says: "The driver boots each incarnation first and once, on a monotonic clock that never goes back.",
    },
    Promise {
        id: PERFORMS_ACTIONS,
        says: "The driver performs all actions of a step, in order, before the next step.",
    },
    Promise { id: TELLS_COMPLETIONS, says: "The driver tells a machine of each completed operation, once." },
    Promise {
        id: KEEPS_TIMERS,
        says: "The driver fires each armed timer within its window, and none that is not armed.",
    },
    Promise {
        id: ANSWERS_CALLERS,
        says: "The driver answers every caller, also when a machine panics and starts anew.",
    },
    Promise {
        id: KEEPS_STREAMS,
        says: "The driver says a client's words in their order, tells its machine what each stream says and how it ends, and nothing more of one that the machine has dropped.",
    },
];

/// What is so much late was forgotten.
pub(super) const LATE: Dur = Dur::secs(1);

/// What one driver owes its machine at the moment.
#[derive(Debug)]
pub struct Contract<N: Node> {
    booted: bool,
    latest: Mono,
    /// Timers that are armed, with the bounds of their windows.
    armed: BTreeMap<N::Timer, (Mono, Mono)>,
    /// Completions that the driver has taken and the machine was not told of.
    owed: Vec<OpId>,
    /// Actions that the machine has asked for and the driver has not performed.
    asked: VecDeque<NodeAction<N>>,
    /// The streams of a client, whose words wait for the network where other nodes' actions do not; none of another node.
    streams: Option<Streams<N>>,
}

impl<N: Node> Default for Contract<N> {
    fn default() -> Self {
        Contract {
            booted: false,
            latest: Mono(0),
            armed: BTreeMap::new(),
            owed: Vec::new(),
            asked: VecDeque::new(),
            streams: None,
        }
    }
}

impl<N: Node> Contract<N> {
    /// Before the first step of an incarnation.
    pub fn new() -> Contract<N> {
        Contract::default()
    }

    /// The same for a [client](onceward_model::world::Protocol::is_client).
    pub fn of_client() -> Contract<N> {
        Contract { streams: Some(Streams::default()), ..Contract::default() }
    }

    /// Whether the machine has taken its first step.
    pub fn has_booted(&self) -> bool {
        self.booted
    }

    /// Whether it is a client's.
    pub fn is_client(&self) -> bool {
        self.streams.is_some()
    }

    /// Something has arrived for a client, which its machine is to be told.
    pub fn arrived(&mut self, at: Time, input: &NodeInput<N>) {
        if let Some(streams) = &mut self.streams {
            streams.arrived(at, input);
        }
    }

    /// What a driver that has had all the time it wants has left undone, when its machine's clock shows this.
    ///
    /// # Errors
    /// A timer or a stream.
    pub fn at_rest(&self, seen: Seen, now: Mono) -> Result<(), Violation> {
        if let Some((name, (_, to))) = self.armed.iter().find(|(_, (_, to))| to.after(LATE) < now) {
            let said = format!("{name:?} was to fire until {to:?}, and it is {now:?}");
            return Err(Violation::new(KEEPS_TIMERS, "a timer did not fire").at(seen, said));
        }
        self.streams.as_ref().map_or(Ok(()), |streams| streams.at_rest(seen))
    }

    /// The machine was given an input and has asked for these actions.
    ///
    /// # Errors
    /// The driver should not have given it that.
    pub fn stepped(
        &mut self,
        seen: Seen,
        clock: Clock,
        input: &NodeInput<N>,
        actions: &[NodeAction<N>],
    ) -> Result<(), Violation> {
        self.performed(seen, "the next input was given")?;
        let boot = matches!(input, Input::Boot);
        if boot == self.booted || clock.mono < self.latest {
            let what = match (boot, self.booted) {
                (true, true) => "a machine was booted a second time",
                (false, false) => "a machine was given something before it was booted",
                _ => "the monotonic clock of a machine went back",
            };
            return Err(Violation::new(BOOTS_ONCE, what).at(seen, format!("{input:?} at {clock:?}")));
        }
        (self.booted, self.latest) = (true, clock.mono);
        if let Some(streams) = &mut self.streams {
            streams.told(seen, input)?;
        }
        match input {
            Input::Disk(id, _) => match self.owed.iter().position(|owed| owed == id) {
                Some(at) => drop(self.owed.remove(at)),
                None => {
                    let what = "a machine was told of a completion that there was not, or twice";
                    return Err(Violation::new(TELLS_COMPLETIONS, what).at(seen, format!("{input:?}")));
                }
            },
            Input::Timer(name) => match self.armed.remove(name) {
                Some((from, _)) if clock.mono >= from => {}
                armed => {
                    let what = if armed.is_some() {
                        "a timer fired too early"
                    } else {
                        "a timer fired that was not armed"
                    };
                    let said = format!("{name:?} at {:?}, armed for {armed:?}", clock.mono);
                    return Err(Violation::new(KEEPS_TIMERS, what).at(seen, said));
                }
            },
            _ => {}
        }
        for action in actions {
            match action {
                Action::Arm(name, window) => {
                    let (from, to) = (clock.mono.after(window.from), clock.mono.after(window.to));
                    self.armed.insert(*name, (from, to.max(from)));
                }
                Action::Disarm(name) => drop(self.armed.remove(name)),
                // Answers go to callers, not to the port.
                Action::Reply(..) => {}
                Action::Connect(..) | Action::Write(..) | Action::Close(_) if self.streams.is_some() => {
                    if let Some(streams) = &mut self.streams {
                        streams.asked(action);
                    }
                }
                other => self.asked.push_back(other.clone()),
            }
        }
        Ok(())
    }

    /// The driver had the port perform an action.
    ///
    /// # Errors
    /// It is not the one whose turn it is.
    pub fn did(&mut self, seen: Seen, action: &NodeAction<N>) -> Result<(), Violation> {
        match (action, &mut self.streams) {
            (Action::Reply(..), _) => return Ok(()),
            (Action::Connect(..) | Action::Write(..) | Action::Close(_), Some(streams)) => {
                return streams.did(seen, action);
            }
            _ => {}
        }
        match self.asked.pop_front() {
            Some(asked) if asked == *action => Ok(()),
            asked => {
                let what = "actions of a step were performed in another order, or not at all";
                Err(Violation::new(PERFORMS_ACTIONS, what)
                    .at(seen, format!("next was {asked:?}"))
                    .at(seen, format!("performed was {action:?}")))
            }
        }
    }

    /// The driver has taken these completions from the port.
    pub fn handed(&mut self, completed: &[OpId]) {
        self.owed.extend(completed);
    }

    /// The driver has done a turn.
    ///
    /// # Errors
    /// It has left something undone.
    pub fn turned(&mut self, seen: Seen, turn: &Turn) -> Result<(), Violation> {
        self.performed(seen, "the turn ended")?;
        if let Some(owed) = self.owed.first() {
            let what = "a machine was not told of a completed operation";
            return Err(Violation::new(TELLS_COMPLETIONS, what).at(seen, format!("{owed:?}")));
        }
        let first = self.armed.iter().min_by_key(|(_, (_, to))| *to);
        if let Some((name, (_, to))) = first
            && !turn.more
            && turn.next.is_none_or(|next| next > *to)
        {
            let what = "a driver would sleep beyond the window of a timer";
            let said = format!("{name:?} is to fire until {to:?}, the driver sleeps until {:?}", turn.next);
            return Err(Violation::new(KEEPS_TIMERS, what).at(seen, said));
        }
        Ok(())
    }

    fn performed(&self, seen: Seen, then: &str) -> Result<(), Violation> {
        match self.asked.front() {
            None => Ok(()),
            Some(left) => Err(Violation::new(PERFORMS_ACTIONS, "an action was not performed")
                .at(seen, format!("{left:?}"))
                .at(seen, then)),
        }
    }
}
