//! A replicated register: an example of a protocol that the harness does not know.
//!
//! Each replica holds a value with a stamp. Whoever is called asks a majority for theirs, and then stores the outcome at
//! a majority: a write under a stamp of its own, a read as it was found, because without that a later read could find an
//! older value (Attiya, Bar-Noy and Dolev, 1995). `Register<false>` leaves that half of reads out: the planted bug.

use onceward_sim::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Orders writes: a counter, and who wrote.
type Stamp = (u64, NodeId);
/// What a replica holds: a stamp, and the value written under it.
type Held = (Stamp, u64);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Message {
    Ask(CallId),
    Tell(CallId, Held),
    Store(CallId, Held),
    Stored(CallId),
}

use Message::{Ask, Store, Stored, Tell};

/// A write of a value, or a read.
type Request = Option<u64>;

/// A call under way at the replica that was called.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Work {
    request: Request,
    storing: bool,
    heard: BTreeSet<NodeId>,
    best: Held,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Replica {
    me: NodeId,
    cluster: Cluster,
    held: Held,
    work: BTreeMap<CallId, Work>,
}

type Out = Vec<NodeAction<Replica>>;

impl Node for Replica {
    type Message = Message;
    type Timer = CallId;
    type Request = Request;
    type Response = Held;
}

impl Machine for Replica {
    type Input = NodeInput<Replica>;
    type Action = NodeAction<Replica>;

    fn step(&mut self, _: Clock, input: Self::Input, out: &mut Out) {
        match input {
            Input::Call(call, request) => {
                let heard = [self.me].into();
                self.work.insert(call, Work { request, storing: false, heard, best: self.held });
                self.ask(call, out);
            }
            Input::Message(from, Ask(call)) => out.push(Action::Send(from, Tell(call, self.held))),
            Input::Message(from, Store(call, held)) => {
                self.held = self.held.max(held);
                out.push(Action::Send(from, Stored(call)));
            }
            Input::Message(from, Tell(call, held)) => self.heard(call, from, Some(held), out),
            Input::Message(from, Stored(call)) => self.heard(call, from, None, out),
            Input::Timer(call) => self.ask(call, out),
            _ => {}
        }
    }
}

impl Replica {
    /// Asks those that have not answered, and again until a majority has.
    fn ask(&self, call: CallId, out: &mut Out) {
        let Some(work) = self.work.get(&call) else { return };
        for other in (0..self.cluster.replicas).map(NodeId).filter(|other| !work.heard.contains(other)) {
            let message = if work.storing { Store(call, work.best) } else { Ask(call) };
            out.push(Action::Send(other, message));
        }
        out.push(Action::Arm(call, Window::exactly(Dur::millis(50))));
    }

    fn heard(&mut self, call: CallId, from: NodeId, told: Option<Held>, out: &mut Out) {
        let Some(work) = self.work.get_mut(&call).filter(|w| w.storing == told.is_none()) else {
            return;
        };
        work.heard.insert(from);
        if told.is_some_and(|told| told != work.best) {
            out.push(Action::Mark(Mark("replicas differed")));
        }
        work.best = work.best.max(told.unwrap_or(work.best));
        if work.heard.len() <= usize::from(self.cluster.replicas / 2) {
            return;
        }
        if work.storing || work.request.is_none() && !self.cluster.writes_back {
            out.extend([Action::Disarm(call), Action::Reply(call, work.best)]);
            self.work.remove(&call);
            return;
        }
        if let Some(value) = work.request {
            let newest = work.best.0.0.max(self.held.0.0);
            work.best = ((newest + 1, self.me), value);
        }
        (work.storing, work.heard) = (true, [self.me].into());
        self.held = self.held.max(work.best);
        self.ask(call, out);
    }
}

/// Some replicas, which keep their values in memory: they may be slow and cut off for a while, but not be restarted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cluster {
    replicas: u16,
    writes_back: bool,
}

/// For each call under way, whether it writes and the newest stamp of all calls that had ended before it began.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ghost {
    open: BTreeMap<CallId, (bool, Stamp)>,
    newest: Stamp,
    when: Ignored<Seen>,
}

impl Protocol for Cluster {
    type Node = Replica;
    type Ghost = Ghost;

    fn nodes(&self) -> u16 {
        self.replicas
    }
    fn boot(&self, me: NodeId, _: u8) -> Replica {
        Replica { me, cluster: *self, held: ((0, NodeId(0)), 0), work: BTreeMap::new() }
    }
    fn ghost(&self) -> Ghost {
        Ghost::default()
    }
    fn observe(&self, ghost: &mut Ghost, seen: Seen, event: Event<'_, Replica>) -> Result<(), Violation> {
        match event {
            Event::Called(_, call, request) => {
                ghost.open.insert(call, (request.is_some(), ghost.newest));
            }
            Event::Lost(_, call) | Event::Refused(_, call) => _ = ghost.open.remove(&call),
            Event::Replied(node, call, (stamp, value)) => {
                let (writes, before) = ghost.open.remove(&call).unwrap_or_default();
                if *stamp < before || writes && *stamp == before {
                    let said = format!("{} answered {value}, stamp {stamp:?}", self.node_name(node));
                    let what = "a call was given an older value than one that had ended before it began";
                    let ended = format!("a call had ended with stamp {before:?}");
                    return Err(Violation::new("atomic", what).at(*ghost.when, ended).at(seen, said));
                }
                if *stamp > ghost.newest {
                    (ghost.newest, ghost.when) = (*stamp, Ignored(seen));
                }
            }
            _ => {}
        }
        Ok(())
    }
    fn settled(&self, ghost: &Ghost, world: &World<Cluster>) -> bool {
        ghost.open.is_empty() && world.hosts().all(|(_, host)| host.runs())
    }
    fn node_name(&self, node: NodeId) -> String {
        format!("replica-{}", node.0 + 1)
    }
    fn call_label(&self, node: NodeId, _: CallId, request: &Request) -> String {
        let verb = request.map_or("reads".into(), |value| format!("writes {value}"));
        format!("{} {verb}", self.node_name(node))
    }
}

/// The register as the commands see it.
pub struct Register<const WRITES_BACK: bool>;

impl<const WRITES_BACK: bool> System for Register<WRITES_BACK> {
    type Protocol = Cluster;
    const NAME: &'static str = if WRITES_BACK { "register" } else { "hasty-register" };
    const ABOUT: &'static str = "a replicated register; the hasty one's reads do not write back";

    fn build(header: &Header) -> Result<Arc<Cluster>, String> {
        Ok(Arc::new(Cluster { replicas: header.only("replica", 2..=9)?, writes_back: WRITES_BACK }))
    }
    fn verbs() -> &'static [Verb] {
        &[
            Verb { word: "writes", usage: "replica-N writes NUMBER", help: "Writes through a replica." },
            Verb { word: "reads", usage: "replica-N reads", help: "Reads through a replica." },
        ]
    }
    fn parse_call(cluster: &Cluster, numbering: &mut Numbering, words: &[Word]) -> Parsed<Cluster> {
        let (replica, request) = match words {
            [replica, verb] if verb.text == "reads" => (replica, None),
            [replica, verb, value] if verb.text == "writes" => {
                (replica, Some(value.text.parse().map_err(|_| value.problem("a number"))?))
            }
            _ => return Err(Problem::missing(words, "`replica-1 reads` or `replica-1 writes 7`")),
        };
        let node = replica.numbered("replica", cluster.replicas)? - 1;
        Ok((NodeId(node), numbering.next(ClientId(node)), request))
    }
    fn draw_header(key: Key) -> Header {
        Header::of(Self::NAME, "replica", if key.chance(0, 700_000) { 3 } else { 5 })
    }
    fn draw_workload(cluster: &Cluster, key: Key, calls: u32, span: Dur) -> Calls<Cluster> {
        spread::<Cluster>(key, calls, span, |key| {
            let node = key.below(0, cluster.replicas.into()) as u16;
            let request = key.chance(1, 400_000).then(|| key.below(2, 100));
            (NodeId(node), ClientId(node), request)
        })
    }
    fn allowed(_: &Cluster) -> Allowed {
        Allowed { down_at_once: 0, power_loss: false, disk_errors: false, ..Allowed::default() }
    }
    fn promises() -> &'static [Promise] {
        &[Promise { id: "atomic", says: "Nobody is given an older value than a call that has ended." }]
    }
    fn marks() -> &'static [&'static str] {
        &["replicas differed"]
    }
    fn scopes() -> Vec<NamedScope<Cluster>> {
        let cluster = Cluster { replicas: 3, writes_back: WRITES_BACK };
        let about = ("two-reads", "one replica writes once, another reads twice; nothing is lost");
        let scripts = vec![vec![(NodeId(0), Some(7))], vec![(NodeId(1), None); 2]];
        vec![NamedScope::plain(about, Header::of(Self::NAME, "replica", 3), cluster, scripts)]
    }
}
