//! Validates a recording of production: performs every step of it again with the same machine, demands the same actions,
//! and judges what callers were told by the oracles of the promises. It decides nothing about a recording's bytes: that
//! is [`onceward::trace`].
//!
//! Every step is performed by the machine itself: a path of the checker and a step of production are the same call of
//! the same function. A recording is accepted only as a whole; one that is empty, missing or cut is not.

mod contents;
mod contract;
mod error;

pub use error::ValidateError;

use crate::mutants::mutant;
use contract::Contract;
use onceward::trace::{self, Begins, Chunk, Digest, Ends, Header, Run, Step, Whose};
use onceward_core::{
    Action, CallId, ClientId, DiskOk, NodeAction, NodeId, NodeInput,
    recorded::{Recorded, Told, ToldTo},
};
use onceward_model::{
    system::{GhostOf, NodeOf, RecordedSystem, RecordedVisitor, System},
    world::{Event, Protocol, Seen, Time, Violation},
};
use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

/// How a recording is validated.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Takes a run whose process was killed as far as it goes.
    pub cut_off: bool,
    /// Where the machine's disk is now, if it was moved since.
    pub disk: Option<PathBuf>,
}

/// What was validated.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Validated {
    /// Each run.
    pub runs: Vec<RunSeen>,
}

/// A run that was validated.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RunSeen {
    /// Its first and its last chunk.
    pub chunks: (u64, u64),
    /// Whether it was seen from the machine's boot on.
    pub whole: bool,
    /// The number of its first step.
    pub first: u64,
    /// How many steps were performed.
    pub steps: u64,
    /// How many calls there were, and how many of them have an answer.
    pub calls: (u64, u64),
    /// How many connections were opened, and how many words were heard on them.
    pub heard: (u64, u64),
    /// How it ended; none: the process was killed.
    pub ends: Option<Ends>,
    /// The step before which it could not go on, and why: the contents of a call were not recorded in time.
    pub stopped: Option<(u64, String)>,
}

/// Validates a recording of this system.
///
/// # Errors
/// The first step at which something is wrong, with its file, or why nothing could be validated.
pub fn validate<S: System>(folder: &Path, options: &Options) -> Result<Validated, ValidateError> {
    struct Visit<'a>(&'a Path, &'a Options);
    impl RecordedVisitor for Visit<'_> {
        type Out = Result<Validated, ValidateError>;
        fn visit<S: RecordedSystem>(self) -> Self::Out {
            recording::<S>(self.0, self.1)
        }
    }
    S::recorded(Visit(folder, options)).unwrap_or(Err(ValidateError::NotRecorded(S::NAME)))
}

fn recording<S: RecordedSystem>(folder: &Path, options: &Options) -> Result<Validated, ValidateError> {
    let runs = match trace::read::<NodeOf<S>>(folder, options.cut_off) {
        Err(trace::ReadError::Nothing(_)) if mutant!(EmptyValidates) => return Ok(Validated::default()),
        read => read?,
    };
    let first = runs.first().and_then(|run| run.chunks.first());
    let Some(first) = first else { return Err(ValidateError::Empty(folder.to_path_buf())) };
    let disk = options.disk.clone().unwrap_or_else(|| PathBuf::from(&first.header.disk));
    let files = contents::image(&disk).map_err(|what| ValidateError::Disk { disk: disk.clone(), what })?;
    let archive = S::archive(&first.machine, &files)
        .map_err(|what| ValidateError::Disk { disk: disk.clone(), what })?;
    let protocol = S::cluster_of(&first.machine);
    let mut again = Again::<'_, S> { ghost: protocol.ghost(), protocol, archive, ended: None };
    let mut validated = Validated::default();
    for (number, run) in runs.iter().enumerate() {
        validated.runs.push(again.run(number, run)?);
    }
    if validated.runs.iter().all(|run| run.steps == 0) {
        return Err(ValidateError::Empty(folder.to_path_buf()));
    }
    if let Some((machine, file, seen)) = again.ended.take() {
        S::outcome(&mut again.ghost, &machine, &files, &again.archive, seen)
            .map_err(|violation| ValidateError::Broken { file, step: seen.step, violation })?;
    }
    Ok(validated)
}

/// Everything again.
struct Again<'a, S: RecordedSystem> {
    protocol: Arc<S::Protocol>,
    ghost: GhostOf<S>,
    archive: S::Archive<'a>,
    /// The machine of the last run as it was at its end.
    ended: Option<(NodeOf<S>, PathBuf, Seen)>,
}

/// A run that is under way.
struct Going<S: RecordedSystem> {
    machine: NodeOf<S>,
    contract: Contract<<NodeOf<S> as onceward_core::Node>::Timer>,
    /// Each process counts its calls from 1: those of each run are taken for those of a client of their own.
    client: ClientId,
    /// Calls without an answer.
    open: BTreeSet<CallId>,
    /// Whether the outside was told what had been in the log.
    resumed: bool,
    at: Seen,
    seen: RunSeen,
}

impl<S: RecordedSystem> Going<S> {
    fn known(&self, call: CallId) -> CallId {
        CallId { client: self.client, ..call }
    }
}

const NODE: NodeId = NodeId(0);

impl<S: RecordedSystem> Again<'_, S> {
    fn run(&mut self, number: usize, run: &Run<NodeOf<S>>) -> Result<RunSeen, ValidateError> {
        let Some((first, rest)) = run.chunks.split_first() else { return Ok(RunSeen::default()) };
        let mut going = self.join(ClientId(u16::try_from(number).unwrap_or(u16::MAX - 2)), first)?;
        self.chunk(&mut going, first)?;
        for chunk in rest {
            if going.machine != chunk.machine {
                return Err(ValidateError::Snapshot { file: chunk.file.clone(), step: chunk.header.steps });
            }
            self.chunk(&mut going, chunk)?;
        }
        // What its callers were not told, they never will be. Whether the power failed is not known.
        for call in &going.open {
            let _ = self.protocol.observe(&mut self.ghost, going.at, Event::Lost(NODE, going.known(*call)));
        }
        let crash = Event::Crashed { node: NODE, power: true };
        let _ = self.protocol.observe(&mut self.ghost, going.at, crash);
        let last = rest.last().unwrap_or(first);
        self.ended = Some((going.machine, last.file.clone(), going.at));
        Ok(going.seen)
    }

    /// Begins where the first chunk of a run does.
    fn join(&mut self, client: ClientId, chunk: &Chunk<NodeOf<S>>) -> Result<Going<S>, ValidateError> {
        let Header { begins, number, steps, .. } = chunk.header;
        let whole = begins == Begins::Boot;
        let mut going = Going {
            machine: chunk.machine.clone(),
            contract: Contract::new(!whole),
            client,
            open: chunk.open.iter().map(|(call, _)| *call).collect(),
            resumed: false,
            at: Seen { step: steps, at: Time(0) },
            seen: RunSeen { chunks: (number, number), whole, first: steps + 1, ..RunSeen::default() },
        };
        let broken = |violation| ValidateError::Broken { file: chunk.file.clone(), step: steps, violation };
        for (call, request) in &chunk.open {
            let mut request = request.clone();
            self.fill(chunk, Whose::Call(*call), &mut request, steps)?;
            let event = Event::Called(NODE, going.known(*call), &request);
            self.protocol.observe(&mut self.ghost, going.at, event).map_err(broken)?;
        }
        if !whole {
            going.resumed =
                S::resume(&mut self.ghost, &going.machine, &self.archive, going.at).map_err(broken)?;
        }
        Ok(going)
    }

    /// Performs the steps of a chunk.
    fn chunk(&mut self, going: &mut Going<S>, chunk: &Chunk<NodeOf<S>>) -> Result<(), ValidateError> {
        (going.seen.chunks.1, going.seen.ends) = (chunk.header.number, chunk.ends);
        let mut digest = Digest::at(chunk.header.link);
        for (number, step) in (0..).zip(&chunk.steps) {
            going.at = Seen { step: going.at.step + 1, at: Time(step.clock.mono.0) };
            let mut told = step.told.clone();
            let (whose, filled) = match &mut told {
                Told::Call(call, request) => {
                    let whose = Whose::Call(*call);
                    (whose, self.fill(chunk, whose, request, going.at.step))
                }
                Told::Received(_, message) | Told::Message(_, message) => {
                    (Whose::Step(number), self.fill(chunk, Whose::Step(number), message, going.at.step))
                }
                Told::Disk(_, Ok(DiskOk::Read(read))) => {
                    (Whose::Step(number), self.fill_read(chunk, number, read, going.at.step))
                }
                _ => (Whose::Step(number), Ok(())),
            };
            if let Err(error) = filled {
                // What a killed process had not written of what it was brought last is not known.
                if chunk.ends.is_none() && !chunk.contents.contains_key(&whose) {
                    let why = "what was brought here was not recorded before the process was killed";
                    going.seen.stopped = Some((going.at.step, why.into()));
                    break;
                }
                return Err(error);
            }
            self.step(going, step, told, &mut digest).map_err(|wrong| match wrong {
                Wrong::Step(what) => ValidateError::Step {
                    file: chunk.file.clone(),
                    step: going.at.step,
                    told: describe::<S>(&self.protocol, &step.told),
                    what,
                },
                Wrong::Broken(violation) => {
                    ValidateError::Broken { file: chunk.file.clone(), step: going.at.step, violation }
                }
            })?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        going: &mut Going<S>,
        step: &Step<NodeOf<S>>,
        told: ToldTo<NodeOf<S>>,
        digest: &mut Digest,
    ) -> Result<(), Wrong> {
        going.contract.told(step.clock, &told)?;
        let event = match &told {
            Told::Boot => Some(Event::Booted(NODE)),
            Told::Call(call, request) => {
                if !going.open.insert(*call) {
                    return Err(format!("call {} is under way already", call.number).into());
                }
                going.seen.calls.0 += 1;
                Some(Event::Called(NODE, going.known(*call), request))
            }
            Told::Opened(_) | Told::Accepted(_) => {
                going.seen.heard.0 += 1;
                None
            }
            Told::Received(..) => {
                going.seen.heard.1 += 1;
                None
            }
            Told::Disk(..) | Told::Timer(_) | Told::Message(..) | Told::Closed(..) => None,
        };
        if let Some(event) = event {
            self.protocol.observe(&mut self.ghost, going.at, event)?;
        }
        let input = told.input::<NodeOf<S>>();
        S::hears(&mut self.ghost, going.at, &input);
        let actions = match (perform(&mut going.machine, step, input), step.link) {
            (Ok(actions), Some(link)) => {
                digest.step::<NodeOf<S>>(&step.bytes, &actions);
                if digest.link() != link {
                    let did = list::<S>(&self.protocol, &actions);
                    let what = "the machine does something else than was recorded; here it does";
                    return Err(format!("{what} {did}").into());
                }
                actions
            }
            (Ok(_), None) => {
                return Err("the recording says that the machine panicked, and it does not"
                    .to_owned()
                    .into());
            }
            (Err(what), Some(_)) => return Err(format!("the machine panicked: {what}").into()),
            (Err(_), None) => Vec::new(),
        };
        going.seen.steps += 1;
        going.contract.asked(step.clock, &actions);
        self.protocol.observe(&mut self.ghost, going.at, Event::Stepped(NODE, step.clock, &actions))?;
        for action in &actions {
            let Action::Reply(call, response) = action else { continue };
            going.seen.calls.1 += u64::from(going.open.remove(call));
            let event = Event::Replied(NODE, going.known(*call), response);
            self.protocol.observe(&mut self.ghost, going.at, event)?;
        }
        if !going.resumed && step.link.is_some() {
            going.resumed = S::resume(&mut self.ghost, &going.machine, &self.archive, going.at)?;
        }
        Ok(())
    }
}

/// What is wrong with a step.
enum Wrong {
    /// It is none of this machine, or none that a driver may take.
    Step(String),
    /// What callers were told breaks a promise.
    Broken(Violation),
}

impl From<String> for Wrong {
    fn from(what: String) -> Wrong {
        Wrong::Step(what)
    }
}

impl From<Violation> for Wrong {
    fn from(violation: Violation) -> Wrong {
        Wrong::Broken(violation)
    }
}

type Performed<N> = Result<Vec<NodeAction<N>>, String>;

/// Performs a step; the message of the panic, if it panics.
fn perform<N: Recorded>(machine: &mut N, step: &Step<N>, input: NodeInput<N>) -> Performed<N> {
    let mut actions = Vec::new();
    let clock = step.clock;
    // After a panic nobody looks at the machine again.
    let done = catch_unwind(AssertUnwindSafe(|| machine.step(clock, input, &mut actions)));
    done.map(|()| actions).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}

fn describe<S: RecordedSystem>(protocol: &S::Protocol, told: &ToldTo<NodeOf<S>>) -> String {
    onceward_model::trace::describe_input(protocol, NODE, &told.clone().input::<NodeOf<S>>())
}

/// Actions in words, those that are alike and follow each other once.
fn list<S: RecordedSystem>(protocol: &S::Protocol, actions: &[NodeAction<NodeOf<S>>]) -> String {
    let words: Vec<String> =
        actions.iter().map(|action| onceward_model::trace::describe_action(protocol, action)).collect();
    let words: Vec<String> = words
        .chunk_by(|one, other| one == other)
        .map(|alike| match alike {
            [one] => one.clone(),
            _ => format!("{} ({} times)", alike[0], alike.len()),
        })
        .collect();
    if words.is_empty() { "nothing".into() } else { words.join("; ") }
}
