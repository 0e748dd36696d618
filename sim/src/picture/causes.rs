//! Which steps lead to a contradiction: happens-before, as far as what is watched can tell. A step of a machine depends on
//! the steps of the same process before it; on the step that sent the message which it receives; on the step that asked
//! for the disk operation which ends in it; where it reads, on whatever was done to that file, in earlier lives too; and
//! on the faults of its process, its disk, its clocks and the links to it. A process that starts anew remembers nothing:
//! its only past is what it reads. A step that leaves its machine as it was and asks for nothing leads nowhere. What did
//! not happen because of some other step (a message that a dead node never sent) is no dependency here.

use onceward_core::{DiskOp, OpId, Path};
use std::collections::BTreeMap;

/// A fact that others may hang on: a step, as far as it concerns a process, a file or a link.
type Fact = u32;

/// The files that an operation touches; none stands for the names of files.
type Touched = Vec<Option<Path>>;

/// What happened in a step.
pub(super) enum Event<'a> {
    /// A machine made something of something: of a call, a timer, its start.
    Machine,
    /// The same, of messages that were sent in these steps.
    Arrival(&'a [u64]),
    /// The same, of the end of a connection to this node.
    Broken(Option<usize>),
    /// The same, of the end of this operation.
    Ended(OpId, &'a DiskOp),
    /// The process or its computer went down, with these operations unanswered.
    Down(&'a [(OpId, DiskOp)]),
    /// The disk itself was changed, not by an operation.
    Medium,
    /// A message to this node was tampered with, which was sent in these steps.
    Link(&'a [u64]),
    /// Its clocks, or a link to it, go other ways from here on; messages sent in these steps were lost by that.
    Lasting(&'a [u64]),
    /// The process was tampered with.
    Process,
}

/// What each step depends on, gathered while a run is watched.
#[derive(Default)]
pub(super) struct Causes {
    /// For each fact its step and what it depends on.
    facts: Vec<(u64, Vec<Fact>)>,
    /// The first fact of each step.
    steps: BTreeMap<u64, Fact>,
    lanes: Vec<Lane>,
}

/// How far things have come on one node.
#[derive(Clone, Default)]
struct Lane {
    /// What the next step of the process depends on.
    last: Vec<Fact>,
    /// What outlives the process: how its clocks and the links to it are.
    lasting: Option<Fact>,
    /// What was done last to each file, and to their names.
    files: BTreeMap<Option<Path>, Fact>,
    /// What asked for the operations that are open.
    asked: BTreeMap<OpId, Fact>,
}

impl Causes {
    pub(super) fn new(nodes: usize) -> Causes {
        Causes { lanes: vec![Lane::default(); nodes], ..Causes::default() }
    }

    /// A step on some node's lane. `asked` are the operations that it asked for; `idle`: it left its machine as it was.
    pub(super) fn step(&mut self, step: u64, lane: usize, event: &Event<'_>, asked: &[OpId], idle: bool) {
        if lane >= self.lanes.len() {
            return self.elsewhere(step);
        }
        let mut past = match event {
            // Whether a node goes down or a message is lost is nobody's doing.
            Event::Down(_) | Event::Link(_) => Vec::new(),
            Event::Lasting(_) => self.lanes[lane].lasting.into_iter().collect(),
            _ => self.lanes[lane].last.clone(),
        };
        match event {
            Event::Arrival(sent) | Event::Link(sent) | Event::Lasting(sent) => {
                past.extend(self.facts_of(sent))
            }
            Event::Ended(id, op) => {
                past.extend(self.lanes[lane].asked.get(id));
                past.extend(self.read_by(lane, op));
            }
            Event::Broken(peer) => {
                let peer = peer.and_then(|peer| self.lanes.get(peer));
                past.extend(peer.iter().flat_map(|peer| &peer.last));
            }
            Event::Machine | Event::Down(_) | Event::Medium | Event::Process => {}
        }
        let fact = self.add(step, past);
        match event {
            Event::Ended(id, op) => {
                let mut source: Vec<Fact> = self.lanes[lane].asked.remove(id).into_iter().collect();
                if let DiskOp::Rename { from, .. } = op {
                    // What the file held goes along with it.
                    source.extend(self.lanes[lane].files.get(&Some(from.clone())));
                }
                changed_by(op).into_iter().for_each(|file| self.touch(step, lane, file, &source));
            }
            Event::Down(open) => {
                self.decide(step, lane, open);
                self.lanes[lane].asked.clear();
            }
            Event::Medium => self.decide(step, lane, &[]),
            _ => {}
        }
        let ours = &mut self.lanes[lane];
        ours.asked.extend(asked.iter().map(|id| (*id, fact)));
        match event {
            // What becomes of messages adds to what the next step depends on.
            Event::Link(_) => ours.last.push(fact),
            Event::Lasting(_) => {
                ours.lasting = Some(fact);
                ours.last.push(fact);
            }
            Event::Down(_) => ours.last = std::iter::once(fact).chain(ours.lasting).collect(),
            _ if idle => {}
            _ => ours.last = vec![fact],
        }
    }

    /// A step that is on no node's lane.
    pub(super) fn elsewhere(&mut self, step: u64) {
        self.add(step, Vec::new());
    }

    /// The steps that lead to these, themselves included, in order.
    pub(super) fn leading(&self, to: &[u64]) -> Vec<u64> {
        let mut open: Vec<Fact> = Vec::new();
        for step in to {
            match self.steps.get(step) {
                Some(fact) => open.push(*fact),
                // A judgement of the whole, after the last step.
                None => open.extend(self.lanes.iter().flat_map(|lane| &lane.last)),
            }
        }
        let mut seen = vec![false; self.facts.len()];
        let mut leading: Vec<u64> = to.to_vec();
        while let Some(fact) = open.pop() {
            if !std::mem::replace(&mut seen[fact as usize], true) {
                let (step, past) = &self.facts[fact as usize];
                leading.push(*step);
                open.extend(past);
            }
        }
        leading.sort_unstable();
        leading.dedup();
        leading
    }

    fn add(&mut self, step: u64, past: Vec<Fact>) -> Fact {
        let fact = self.facts.len() as Fact;
        self.facts.push((step, past));
        self.steps.entry(step).or_insert(fact);
        fact
    }

    fn facts_of<'a>(&'a self, steps: &'a [u64]) -> impl Iterator<Item = Fact> + 'a {
        steps.iter().filter_map(|step| self.steps.get(step).copied())
    }

    /// Something was done to a file, which others had asked for.
    fn touch(&mut self, step: u64, lane: usize, file: Option<Path>, source: &[Fact]) {
        let before = self.lanes[lane].files.get(&file).copied();
        let past = before.into_iter().chain(source.iter().copied()).collect();
        let fact = self.add(step, past);
        self.lanes[lane].files.insert(file, fact);
    }

    /// What becomes of all files is decided: of what they held, and of what was under way.
    fn decide(&mut self, step: u64, lane: usize, open: &[(OpId, DiskOp)]) {
        let mut files: BTreeMap<Option<Path>, Vec<Fact>> =
            self.lanes[lane].files.keys().map(|file| (file.clone(), Vec::new())).collect();
        for (id, op) in open {
            let source = self.lanes[lane].asked.get(id).copied();
            changed_by(op).into_iter().for_each(|file| files.entry(file).or_default().extend(source));
        }
        files.into_iter().for_each(|(file, source)| self.touch(step, lane, file, &source));
    }

    fn read_by(&self, lane: usize, op: &DiskOp) -> Option<Fact> {
        let file = match op {
            DiskOp::Read { path, .. } => Some(path.clone()),
            DiskOp::List(_) => None,
            _ => return None,
        };
        self.lanes[lane].files.get(&file).copied()
    }
}

/// What an operation changes, or makes durable.
fn changed_by(op: &DiskOp) -> Touched {
    match op {
        DiskOp::Create(path) | DiskOp::Remove(path) => vec![None, Some(path.clone())],
        DiskOp::Rename { from, to } => vec![None, Some(from.clone()), Some(to.clone())],
        DiskOp::CreateDir(_) | DiskOp::SyncDir(_) => vec![None],
        DiskOp::Write { path, .. }
        | DiskOp::Allocate { path, .. }
        | DiskOp::SetLen { path, .. }
        | DiskOp::Sync { path, .. } => vec![Some(path.clone())],
        DiskOp::Read { .. } | DiskOp::List(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const ONE: OpId = OpId(1);
    const TWO: OpId = OpId(2);

    fn write(name: &str) -> DiskOp {
        DiskOp::Write { path: Path::from(name), offset: 0, data: Bytes::from_static(b"x") }
    }

    fn read(name: &str) -> DiskOp {
        DiskOp::Read { path: Path::from(name), offset: 0, len: 1 }
    }

    #[test]
    fn messages_lead_from_node_to_node() {
        let mut causes = Causes::new(3);
        causes.step(1, 0, &Event::Machine, &[], false);
        causes.step(2, 1, &Event::Machine, &[], false);
        causes.step(3, 2, &Event::Arrival(&[2]), &[], false);
        causes.step(4, 2, &Event::Machine, &[], true);
        causes.step(5, 2, &Event::Machine, &[], false);
        assert_eq!(causes.leading(&[5]), [2, 3, 5], "another node's step and an idle one lead nowhere");
        assert_eq!(causes.leading(&[4]), [2, 3, 4], "unless it is what contradicts");
        assert_eq!(causes.leading(&[]), [0; 0]);
        assert_eq!(causes.leading(&[6]), [1, 2, 3, 5, 6], "a judgement of the whole hangs on everything");
    }

    #[test]
    fn what_a_process_forgets_leads_nowhere_and_what_its_disk_keeps_does() {
        let mut causes = Causes::new(1);
        causes.step(1, 0, &Event::Machine, &[ONE], false);
        causes.step(2, 0, &Event::Ended(ONE, &write("a")), &[TWO], false);
        causes.step(3, 0, &Event::Machine, &[], false);
        causes.step(4, 0, &Event::Ended(TWO, &write("b")), &[], false);
        causes.step(5, 0, &Event::Down(&[]), &[], false);
        causes.step(6, 0, &Event::Machine, &[ONE], false);
        causes.step(7, 0, &Event::Ended(ONE, &read("a")), &[], false);
        assert_eq!(causes.leading(&[6]), [5, 6]);
        assert_eq!(
            causes.leading(&[7]),
            [1, 2, 5, 6, 7],
            "the other file was not read, nor was step 3 written"
        );
    }

    #[test]
    fn clocks_and_links_outlive_the_process() {
        let mut causes = Causes::new(1);
        causes.step(1, 0, &Event::Machine, &[], false);
        causes.step(2, 0, &Event::Lasting(&[]), &[], false);
        causes.step(3, 0, &Event::Process, &[], false);
        causes.step(4, 0, &Event::Lasting(&[]), &[], false);
        causes.step(5, 0, &Event::Down(&[]), &[], false);
        causes.step(6, 0, &Event::Machine, &[], false);
        assert_eq!(causes.leading(&[6]), [2, 4, 5, 6]);
    }

    #[test]
    fn operations_that_a_crash_left_open_lead_to_what_is_read_later() {
        let mut causes = Causes::new(1);
        causes.step(1, 0, &Event::Machine, &[ONE], false);
        causes.step(2, 0, &Event::Machine, &[TWO], false);
        causes.step(3, 0, &Event::Down(&[(ONE, write("a")), (TWO, write("b"))]), &[], false);
        causes.step(4, 0, &Event::Machine, &[ONE], false);
        causes.step(5, 0, &Event::Ended(ONE, &read("a")), &[], false);
        assert_eq!(causes.leading(&[5]), [1, 3, 4, 5]);
        causes.step(6, 0, &Event::Medium, &[], true);
        causes.step(7, 0, &Event::Ended(TWO, &read("b")), &[], false);
        assert_eq!(causes.leading(&[7]), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn what_a_link_does_leads_to_the_next_step_behind_it() {
        let mut causes = Causes::new(2);
        causes.step(1, 0, &Event::Machine, &[], false);
        causes.step(2, 1, &Event::Link(&[1]), &[], false);
        causes.step(3, 1, &Event::Link(&[]), &[], false);
        causes.step(4, 1, &Event::Machine, &[], false);
        assert_eq!(causes.leading(&[4]), [1, 2, 3, 4]);
        causes.step(5, 0, &Event::Down(&[]), &[], false);
        causes.step(6, 1, &Event::Broken(Some(0)), &[], false);
        assert_eq!(causes.leading(&[6]), [1, 2, 3, 4, 5, 6], "and so does the end of a connection");
    }
}
