//! Validates a recording of production: performs every step of it again with the same machine, demands the same actions,
//! and judges what callers were told by the oracles of the promises. It decides nothing about a recording's bytes: that
//! is [`onceward::trace`].
//!
//! Every step is performed by the machine itself: a path of the checker and a step of production are the same call of
//! the same function. A recording is accepted only as a whole; one that is empty, missing or cut is not.

mod contract;
mod error;

pub use error::ValidateError;

use contract::Contract;
use onceward::trace::{self, Begins, Chunk, Contents, Digest, Ends, Run, Step};
use onceward_core::{
    Action, CallId, ClientId, Input, NodeAction, NodeId, Path as DiskPath,
    recorded::{Recorded, Told},
};
use onceward_model::{
    system::{RecordedSystem, RecordedVisitor, System},
    world::{Event, Protocol, Seen, Time, Violation, disk::Image},
};
use std::{
    fs,
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
    impl<P: Protocol> RecordedVisitor<P> for Visit<'_> {
        type Out = Result<Validated, ValidateError>;
        fn visit<S: RecordedSystem<Protocol = P>>(self) -> Self::Out {
            recording::<S>(self.0, self.1)
        }
    }
    S::recorded(Visit(folder, options)).unwrap_or(Err(ValidateError::NotRecorded(S::NAME)))
}

type NodeOf<S> = <<S as System>::Protocol as Protocol>::Node;

fn recording<S: RecordedSystem>(folder: &Path, options: &Options) -> Result<Validated, ValidateError> {
    let runs = trace::read::<NodeOf<S>>(folder, options.cut_off)?;
    let first = runs.first().and_then(|run| run.chunks.first());
    let Some(first) = first else { return Err(ValidateError::Empty(folder.to_path_buf())) };
    let disk = options.disk.clone().unwrap_or_else(|| PathBuf::from(&first.header.disk));
    let files = image(&disk).map_err(|what| ValidateError::Disk { disk: disk.clone(), what })?;
    let archive = S::archive(&first.machine, &files)
        .map_err(|what| ValidateError::Disk { disk: disk.clone(), what })?;
    let protocol = S::cluster_of(&first.machine);
    let mut again =
        Again::<S> { ghost: protocol.ghost(), protocol, archive, contract: Contract::default(), ended: None };
    let mut validated = Validated::default();
    for (number, run) in runs.into_iter().enumerate() {
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

/// The files of a disk as they are now.
fn image(disk: &Path) -> Result<Image, String> {
    let mut image = Image::default();
    let told = |error: std::io::Error| error.to_string();
    for entry in fs::read_dir(disk).map_err(told)? {
        let entry = entry.map_err(told)?;
        let name = entry.file_name();
        if let (Some(name), true) = (name.to_str(), entry.file_type().map_err(told)?.is_file()) {
            image.files.insert(DiskPath::from(name), fs::read(entry.path()).map_err(told)?);
        }
    }
    Ok(image)
}

/// Everything again.
struct Again<S: RecordedSystem> {
    protocol: Arc<S::Protocol>,
    ghost: <S::Protocol as Protocol>::Ghost,
    archive: S::Archive,
    contract: Contract<<NodeOf<S> as onceward_core::Node>::Timer>,
    /// The machine of the last run as it was at its end.
    ended: Option<(NodeOf<S>, PathBuf, Seen)>,
}

const NODE: NodeId = NodeId(0);

impl<S: RecordedSystem> Again<S> {
    fn run(&mut self, number: usize, run: Run<NodeOf<S>>) -> Result<RunSeen, ValidateError> {
        let mut seen = RunSeen::default();
        let (mut machine, mut resumed): (Option<NodeOf<S>>, bool) = (None, false);
        // Each process counts its calls from 1.
        let client = ClientId(u16::try_from(number).unwrap_or(u16::MAX - 2));
        let known = |call: CallId| CallId { client, ..call };
        let mut at = Seen { step: 0, at: Time(0) };
        let mut last_file = PathBuf::new();
        let mut open = std::collections::BTreeSet::new();
        for chunk in &run.chunks {
            let header = &chunk.header;
            last_file.clone_from(&chunk.file);
            let broken = |step: u64, violation: Violation| ValidateError::Broken {
                file: chunk.file.clone(),
                step,
                violation,
            };
            match &machine {
                None => {
                    seen.whole = header.begins == Begins::Boot;
                    (seen.chunks.0, seen.first) = (header.number, header.steps + 1);
                    at.step = header.steps;
                    self.contract = Contract::new(!seen.whole);
                    for (call, request) in &chunk.open {
                        let mut request = request.clone();
                        self.fill(chunk, *call, &mut request, header.steps)?;
                        let event = Event::Called(NODE, known(*call), &request);
                        open.insert(*call);
                        self.protocol.observe(&mut self.ghost, at, event).map_err(|v| broken(at.step, v))?;
                    }
                    if !seen.whole {
                        resumed = S::resume(&mut self.ghost, &chunk.machine, &self.archive, at)
                            .map_err(|violation| broken(at.step, violation))?;
                    }
                    machine = Some(chunk.machine.clone());
                }
                Some(same) if *same == chunk.machine => {}
                Some(_) => {
                    return Err(ValidateError::Snapshot { file: chunk.file.clone(), step: header.steps });
                }
            }
            seen.chunks.1 = header.number;
            seen.ends = chunk.ends;
            let Some(machine) = &mut machine else { continue };
            let mut digest = Digest::at(header.link);
            for step in &chunk.steps {
                let number = at.step + 1;
                at = Seen { step: number, at: Time(step.clock.mono.0) };
                let wrong = |what: String| ValidateError::Step {
                    file: chunk.file.clone(),
                    step: number,
                    told: describe::<S>(&self.protocol, &step.told),
                    what,
                };
                let mut told = step.told.clone();
                if let Told::Call(call, request) = &mut told {
                    // What a killed process had not written of its last calls is not known.
                    if chunk.ends.is_none() && self.fill(chunk, *call, request, number).is_err() {
                        let why = "what this call brought was not recorded before the process was killed";
                        seen.stopped = Some((number, why.into()));
                        break;
                    }
                    self.fill(chunk, *call, request, number)?;
                    if !open.insert(*call) {
                        return Err(wrong(format!("call {} is under way already", call.number)));
                    }
                    seen.calls.0 += 1;
                }
                self.contract.told(step.clock, &told).map_err(wrong)?;
                let event = match &told {
                    Told::Boot => Some(Event::Booted(NODE)),
                    Told::Call(call, request) => Some(Event::Called(NODE, known(*call), request)),
                    _ => None,
                };
                if let Some(event) = event {
                    self.protocol.observe(&mut self.ghost, at, event).map_err(|v| broken(number, v))?;
                }
                let actions = perform(machine, step, told.input());
                let actions = match (actions, step.link) {
                    (Ok(actions), Some(link)) => {
                        digest.step::<NodeOf<S>>(&step.bytes, &actions);
                        if digest.link() != link {
                            let did = list::<S>(&self.protocol, &actions);
                            return Err(wrong(format!(
                                "the machine does something else than was recorded; here it does {did}"
                            )));
                        }
                        actions
                    }
                    (Ok(_), None) => {
                        return Err(wrong(
                            "the recording says that the machine panicked, and it does not".into(),
                        ));
                    }
                    (Err(what), Some(_)) => return Err(wrong(format!("the machine panicked: {what}"))),
                    (Err(_), None) => Vec::new(),
                };
                seen.steps += 1;
                self.contract.asked(step.clock, &actions);
                for action in &actions {
                    let Action::Reply(call, response) = action else { continue };
                    seen.calls.1 += u64::from(open.remove(call));
                    let event = Event::Replied(NODE, known(*call), response);
                    self.protocol.observe(&mut self.ghost, at, event).map_err(|v| broken(number, v))?;
                }
                if !resumed && step.link.is_some() {
                    resumed = S::resume(&mut self.ghost, machine, &self.archive, at)
                        .map_err(|v| broken(number, v))?;
                }
            }
        }
        // What its callers were not told, they never will be. Whether the power failed is not known.
        for call in open {
            let _ = self.protocol.observe(&mut self.ghost, at, Event::Lost(NODE, known(call)));
        }
        let _ = self.protocol.observe(&mut self.ghost, at, Event::Crashed { node: NODE, power: true });
        self.ended = machine.map(|machine| (machine, last_file, at));
        Ok(seen)
    }

    /// Puts the contents of a call back.
    fn fill(
        &self,
        chunk: &Chunk<NodeOf<S>>,
        call: CallId,
        request: &mut <NodeOf<S> as onceward_core::Node>::Request,
        step: u64,
    ) -> Result<(), ValidateError> {
        let wrong = |what: String| ValidateError::Contents {
            file: chunk.file.clone(),
            step,
            call: call.number,
            what,
        };
        let contents = match chunk.contents.get(&call) {
            None => Vec::new(),
            Some(Contents::Here(contents)) => contents.clone(),
            Some(Contents::InLog(ranges)) => {
                let mut contents = Vec::new();
                for (first, count) in ranges {
                    for position in *first..first.saturating_add(u64::from(*count)) {
                        let content = S::content(&self.archive, position);
                        contents.push(content.ok_or_else(|| {
                            wrong(format!("position {position} of the log, which they are said to stand at, is not there"))
                        })?);
                    }
                }
                contents
            }
        };
        if !NodeOf::<S>::put_contents(request, contents) {
            return Err(wrong("they are not as many as the call had".into()));
        }
        Ok(())
    }
}

type Performed<N> = Result<Vec<NodeAction<N>>, String>;

/// Performs a step; the message of the panic, if it panics.
fn perform<N: Recorded>(machine: &mut N, step: &Step<N>, input: onceward_core::NodeInput<N>) -> Performed<N> {
    let mut actions = Vec::new();
    let clock = step.clock;
    // After a panic nobody looks at the machine again.
    let done = catch_unwind(AssertUnwindSafe(|| machine.step(clock, input, &mut actions)));
    done.map(|()| actions).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}

fn describe<S: RecordedSystem>(protocol: &S::Protocol, told: &trace::ToldTo<NodeOf<S>>) -> String {
    let input: Input<_, _, _> = told.clone().input();
    onceward_model::trace::describe_input(protocol, NODE, &input)
}

/// Actions in words.
fn list<S: RecordedSystem>(protocol: &S::Protocol, actions: &[NodeAction<NodeOf<S>>]) -> String {
    let words: Vec<String> =
        actions.iter().map(|action| onceward_model::trace::describe_action(protocol, action)).collect();
    if words.is_empty() { "nothing".into() } else { words.join("; ") }
}
