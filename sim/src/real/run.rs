//! The parent's side of a run: does what the plan says when it says so, notes what clients see, ends all faults, and asks
//! the questions that every run ends with. The books are kept in a world whose machines live elsewhere; nothing of that
//! world's disks or network is used.

use super::{
    RealError,
    child::{Child, Heard, Start},
    node::{text, unhex},
    program,
};
use crate::{
    engine::{ACCEPTS_WORK, Finished, SETTLES, Watch, open_call},
    plan::Rooted,
    run::NEVER_PANICS,
};
use onceward_core::{Action, CallId, Clock, Dur, Input, NodeId};
use onceward_model::{
    scenario::{self, Planned},
    system::Hosted,
    world::{
        Applied, Choice, ChoiceOf, Key, Landed, Nobody, Protocol, Req, Seen, Time, Violation, World,
        disk::Damage,
    },
};
use rustix::process::Signal;
use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

/// How long a healed cluster may take to come to rest, and each round of questions to be answered.
const REST: Dur = Dur::secs(30);
/// How long a process may take to begin.
const BEGIN: Dur = Dur::secs(30);
/// How often a machine is asked whether it has come to rest.
const ASK: Dur = Dur::millis(5);
/// More rounds of questions than this are a protocol that never ends them.
const ROUNDS: u32 = 1_000;

/// Why a run does not go on.
enum Halt {
    Broken(Box<Violation>),
    Error(RealError),
}

impl From<Violation> for Halt {
    fn from(violation: Violation) -> Halt {
        Halt::Broken(Box::new(violation))
    }
}

impl From<RealError> for Halt {
    fn from(error: RealError) -> Halt {
        Halt::Error(error)
    }
}

/// A folder that is gone when this is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Folder> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("onceward-real-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder)?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in a folder for what may be removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is known of one node's process.
#[derive(Default)]
struct Seat {
    child: Option<Child>,
    processes: u32,
    ready: bool,
    settled: bool,
    limit: Option<u64>,
}

struct Run<'a, S: Hosted, W> {
    world: World<S::Protocol>,
    watch: &'a mut W,
    // Before the folder, so that no process is left in it.
    seats: Vec<Seat>,
    folder: Folder,
    program: PathBuf,
    heard: Receiver<Heard>,
    tell: Sender<Heard>,
    start: Instant,
    /// What was asked, for whoever looks on.
    asked: BTreeMap<CallId, Req<S::Protocol>>,
    /// Calls to nodes that are paused.
    parked: Vec<ChoiceOf<S::Protocol>>,
    healed_at: Time,
}

pub(super) fn run<S: Hosted, W: Watch<S::Protocol>>(
    protocol: &Arc<S::Protocol>,
    plan: &Rooted<'_, S::Protocol>,
    watch: &mut W,
) -> Result<Finished<S::Protocol>, RealError> {
    let own = |what| move |source| RealError::Process { what, source };
    let folder = Folder::new().map_err(own("a folder for the run cannot be made"))?;
    let written = scenario::print(&**protocol, plan.scenario);
    fs::write(folder.0.join("run.scenario"), written).map_err(own("the scenario cannot be written"))?;
    let program = program().map_err(own("this program does not know where it is"))?;
    let (tell, heard) = channel();
    let limit = |n| protocol.geometry(NodeId(n)).capacity;
    let seats = (0..protocol.nodes()).map(|n| Seat { limit: limit(n), ..Seat::default() }).collect();
    let mut run: Run<'_, S, W> = Run {
        world: World::new(protocol.clone(), 0).outside(),
        watch,
        seats,
        folder,
        program,
        heard,
        tell,
        start: Instant::now(),
        asked: BTreeMap::new(),
        parked: Vec::new(),
        healed_at: Time(0),
    };
    let violation = match run.whole(plan) {
        Ok(()) => None,
        Err(Halt::Broken(violation)) => Some(*violation),
        Err(Halt::Error(error)) => return Err(error),
    };
    let ended_at = run.now();
    let Run { world, healed_at, .. } = run;
    Ok(Finished { violation, events: world.steps(), world, healed_at, ended_at })
}

impl<S: Hosted, W: Watch<S::Protocol>> Run<'_, S, W> {
    fn whole(&mut self, plan: &Rooted<'_, S::Protocol>) -> Result<(), Halt> {
        for n in 0..self.world.protocol().nodes() {
            self.perform(&Choice::Boot(NodeId(n), 0))?;
        }
        self.begin()?;
        // Times count from when there is somebody to ask.
        self.start = Instant::now();
        for (entry, _) in plan.entries() {
            self.until(entry.at)?;
            if let Planned::Do(choice) = &entry.what {
                self.perform(choice)?;
            }
        }
        self.heal()
    }

    fn now(&self) -> Time {
        Time(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn seen(&self) -> Seen {
        Seen { step: self.world.steps(), at: self.now() }
    }

    fn seat(&mut self, node: NodeId) -> &mut Seat {
        &mut self.seats[usize::from(node.0)]
    }

    // What happens

    fn perform(&mut self, choice: &ChoiceOf<S::Protocol>) -> Result<(), Halt> {
        let at = self.now();
        if let Choice::Kill(node, _) = choice {
            self.end_of(*node)?;
        }
        let seen = Seen { step: self.world.steps() + 1, at };
        self.watch.choice(&self.world, seen, Key::ANY, choice);
        match self.world.apply(at, choice, Key::ANY, &mut Nobody)? {
            Applied::Done => {}
            Applied::Stale => return Ok(()),
            Applied::Blocked => {
                self.parked.push(choice.clone());
                return Ok(());
            }
        }
        match choice {
            Choice::Boot(node, config) => self.boot(*node, *config)?,
            Choice::Pause(node) => self.signal(*node, Signal::STOP)?,
            Choice::Resume(node) => {
                self.signal(*node, Signal::CONT)?;
                for choice in std::mem::take(&mut self.parked) {
                    self.perform(&choice)?;
                }
            }
            Choice::Wipe(node) => {
                // Made anew by the next process; there may be none yet.
                let _ = fs::remove_dir_all(self.disk_of(*node));
            }
            Choice::Damage(node, Damage::Capacity(bytes)) => {
                let seat = self.seat(*node);
                seat.limit = *bytes;
                if let Some(child) = &seat.child {
                    child.limit(*bytes)?;
                }
            }
            // Calls; a kill is over by now; everything else was refused before the run.
            _ => {}
        }
        for (node, input) in self.world.inputs() {
            if let Input::Call(call, request) = input {
                self.ask(node, call, request)?;
            }
        }
        Ok(())
    }

    fn ask(&mut self, node: NodeId, call: CallId, request: Req<S::Protocol>) -> Result<(), Halt> {
        let protocol = self.world.protocol().clone();
        let text = text::<S>(&protocol, node, call, &request)
            .ok_or_else(|| RealError::Call(protocol.call_label(node, call, &request)))?;
        self.asked.insert(call, request);
        if let Some(child) = &mut self.seat(node).child {
            child.say(&format!("call {} {} {text}", call.client.0, call.number))?;
        }
        Ok(())
    }

    fn boot(&mut self, node: NodeId, config: u8) -> Result<(), RealError> {
        let (scenario, folder) = (self.folder.0.join("run.scenario"), self.disk_of(node));
        let (tell, program) = (self.tell.clone(), self.program.clone());
        let seat = self.seat(node);
        seat.processes += 1;
        (seat.ready, seat.settled) = (false, false);
        let start = Start {
            program: &program,
            scenario: &scenario,
            node,
            process: seat.processes,
            config,
            folder: &folder,
            limit: seat.limit,
        };
        seat.child = Some(Child::start(&start, tell)?);
        Ok(())
    }

    fn signal(&mut self, node: NodeId, signal: Signal) -> Result<(), RealError> {
        match &self.seat(node).child {
            Some(child) => child.signal(signal),
            None => Ok(()),
        }
    }

    /// Kills a process and hears what it had said before: that reached its clients.
    fn end_of(&mut self, node: NodeId) -> Result<(), Halt> {
        let Some(mut child) = self.seat(node).child.take() else { return Ok(()) };
        child.kill()?;
        while let Ok(heard) = self.heard.recv() {
            let last = heard.node == node && heard.process == child.process && heard.line.is_none();
            if last {
                break;
            }
            self.learn(heard)?;
        }
        Ok(())
    }

    fn disk_of(&self, node: NodeId) -> PathBuf {
        self.folder.0.join(format!("node-{}", node.0))
    }

    // What is heard

    /// Listens until a moment.
    fn until(&mut self, at: Time) -> Result<(), Halt> {
        loop {
            let left = Duration::from_nanos(at.since(self.now()).0);
            match self.heard.recv_timeout(left) {
                Ok(heard) => self.learn(heard)?,
                // Nothing else: this end keeps a sender.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    fn learn(&mut self, heard: Heard) -> Result<(), Halt> {
        let Heard { node, process, line } = heard;
        let seen = self.seen();
        let seat = self.seat(node);
        if process != seat.processes {
            return Ok(());
        }
        let Some(line) = line else {
            let said = seat.child.as_ref().map(Child::last_words).unwrap_or_default();
            let what = "a process ended by itself";
            return Err(Violation::new(NEVER_PANICS, what).at(seen, said).into());
        };
        let mut words = line.splitn(4, ' ');
        let word = words.next().unwrap_or("");
        match word {
            "ready" => seat.ready = true,
            "settled" => seat.settled = line.ends_with("yes"),
            "panicked" => {
                let said = seat.child.as_ref().map(Child::last_words).unwrap_or_default();
                return Err(Violation::new(NEVER_PANICS, said).into());
            }
            "mark" => {
                let name = line.strip_prefix("mark ").unwrap_or("");
                if let Some(mark) = S::all_marks().into_iter().find(|mark| *mark == name) {
                    self.watch.mark(mark);
                }
            }
            "answer" | "lost" => {
                let client = words.next().and_then(|word| word.parse().ok());
                let number = words.next().and_then(|word| word.parse().ok());
                let (Some(client), Some(number)) = (client, number) else {
                    return Err(RealError::Call(line).into());
                };
                let call = CallId { client: onceward_core::ClientId(client), number };
                if word == "lost" {
                    self.world.lose(seen.at, call)?;
                    return Ok(());
                }
                let response = words.next().and_then(unhex).and_then(|bytes| S::decode(&bytes));
                let response = response.ok_or_else(|| RealError::Call(line.clone()))?;
                self.answered(node, call, response, seen)?;
            }
            _ => return Err(RealError::Call(line).into()),
        }
        Ok(())
    }

    fn answered(
        &mut self,
        node: NodeId,
        call: CallId,
        response: onceward_model::world::Resp<S::Protocol>,
        seen: Seen,
    ) -> Result<(), Halt> {
        let clock = Clock::default();
        let reply = Action::Reply(call, response);
        if let Some(request) = self.asked.remove(&call) {
            // To whoever looks on, a call and its answer are one step of the node.
            self.watch.input(seen, node, clock, &Input::Call(call, request));
            self.watch.actions(seen, node, clock, std::slice::from_ref(&reply));
        }
        self.world.act(seen.at, (node, clock), reply, Key::ANY, &mut Nobody)?;
        Ok(())
    }

    // Healing

    fn begin(&mut self) -> Result<(), Halt> {
        let end = self.now().after(BEGIN);
        while !self.seats.iter().all(|seat| seat.ready) {
            if self.now() >= end {
                let late = RealError::Start("a process says nothing".into());
                return Err(late.into());
            }
            self.until(self.now().after(ASK))?;
        }
        Ok(())
    }

    /// Ends all faults: room for everybody, and a new start for every process, since nobody here can see which of them
    /// has come to its own end.
    fn heal(&mut self) -> Result<(), Halt> {
        self.healed_at = self.now();
        let protocol = self.world.protocol().clone();
        for n in 0..protocol.nodes() {
            let node = NodeId(n);
            let room = protocol.geometry(node).capacity;
            if self.seat(node).limit != room {
                self.perform(&Choice::Damage(node, Damage::Capacity(room)))?;
            }
            if self.world.host(node).paused {
                self.perform(&Choice::Resume(node))?;
            }
        }
        // What was asked is answered or refused before that.
        self.rest(SETTLES, false)?;
        for n in 0..protocol.nodes() {
            let (node, config) = (NodeId(n), self.world.host(NodeId(n)).config);
            self.perform(&Choice::Kill(node, Landed::Nothing))?;
            self.perform(&Choice::Boot(node, config))?;
        }
        self.begin()?;
        self.rest(SETTLES, true)?;
        for round in 0..ROUNDS {
            let probes = protocol.probes(self.world.ghost(), round);
            if probes.is_empty() {
                break;
            }
            for (node, call, request) in probes {
                self.perform(&Choice::Call(node, call, request))?;
            }
            self.rest(ACCEPTS_WORK, false)?;
        }
        self.rest(SETTLES, true)?;
        protocol.healed(self.world.ghost())?;
        Ok(())
    }

    /// Listens until every call is answered and, if wanted, every machine calls itself settled.
    fn rest(&mut self, promise: &'static str, settled: bool) -> Result<(), Halt> {
        let end = self.now().after(REST);
        self.seats.iter_mut().for_each(|seat| seat.settled = false);
        loop {
            if self.world.calls().is_empty() && (!settled || self.seats.iter().all(|seat| seat.settled)) {
                return Ok(());
            }
            if self.now() >= end {
                return Err(self.restless(promise).into());
            }
            if settled {
                for seat in &mut self.seats {
                    if let Some(child) = &mut seat.child {
                        child.say("settled?")?;
                    }
                }
            }
            self.until(self.now().after(ASK))?;
        }
    }

    fn restless(&self, promise: &'static str) -> Violation {
        let now = self.seen();
        let protocol = self.world.protocol();
        let spent = REST.0 / 1_000_000_000;
        match self.world.calls().first() {
            Some((call, node)) => {
                let open = open_call(&**protocol, *call, *node);
                Violation::new(promise, "calls are open for ever").at(now, format!("after {spent} s, {open}"))
            }
            None => Violation::new(promise, "every call is answered, but the cluster does not come to rest")
                .at(now, format!("{spent} s after faults ended, a machine does not call itself settled")),
        }
    }
}
