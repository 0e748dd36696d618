//! The names of exact steps. A label says what a choice is in the words of the protocol and of the disk, never by an
//! internal number where a word will do: `deliver ping from a to b`, `fire election on b`, `store syncs 1.seg`. Among
//! what is possible at one moment a label means one thing, with `#2` at its end where words alone would not tell.
//! Invariant: `locate(world, label(world, choice))` is that choice, for every choice that is pending in that world or
//! that one of the general verbs can say.
//!
//! | label | choice |
//! |---|---|
//! | `deliver`, `drop`, `duplicate`, `replay`, `corrupt MESSAGE from NODE to NODE` | what becomes of a datagram |
//! | `deliver MESSAGE`, `opening`, `acceptance`, `refusal`, `end`, `reset from NODE to NODE on connection N of NODE` | the next thing on a connection arrives |
//! | `fire TIMER on NODE` | a timer fires |
//! | `NODE writes FILE OFFSET+LENGTH`, `NODE syncs FILE`, … `[: OUTCOME]` | a disk operation ends, well unless an outcome is given |
//! | all others | as their verb says: `store boots` |

use super::{Entry, Planned, line, print::one_line, suggest, verbs};
use crate::world::{
    Choice, ChoiceOf, Item, Msg, Protocol, Side, Time, World,
    disk::{OpLabel, Outcome},
};
use onceward_core::{ConnId, DiskOp, NodeId, OpId};

/// The names of a protocol's nodes.
pub(crate) struct Names(pub(super) Vec<String>);

impl Names {
    pub(crate) fn of<P: Protocol>(protocol: &P) -> Names {
        Names((0..protocol.nodes()).map(|n| protocol.node_name(NodeId(n))).collect())
    }

    pub(crate) fn node(&self, node: NodeId) -> String {
        verbs::name(&self.0, node)
    }
}

/// The label of a choice in a world in which it is possible: the words of a scenario line after the time, without
/// `step`.
pub fn label<P: Protocol>(world: &World<P>, choice: &ChoiceOf<P>) -> String {
    let names = Names::of(&**world.protocol());
    let text = words_of(world, &names, choice);
    let rank = rank(world, &names, choice, &text);
    if rank == 0 { text } else { format!("{text} #{}", rank + 1) }
}

/// The line of a plan that performs a choice in a world in which it is possible.
pub fn exact<P: Protocol>(world: &World<P>, at: Time, choice: &ChoiceOf<P>) -> Entry<P> {
    let names = Names::of(&**world.protocol());
    let by_value = matches!(choice, Choice::Call(..)) || verbs::print(&names.0, choice).is_some();
    let what = if by_value { Planned::Do(choice.clone()) } else { Planned::Step(label(world, choice)) };
    Entry { at, what }
}

/// What a label means here; its ordinal, if it has one, stands at its end. None if nothing of that name is pending.
pub fn locate<P: Protocol>(world: &World<P>, text: &str) -> Option<ChoiceOf<P>> {
    find(world, text, 1).or_else(|| {
        let (base, ordinal) = text.trim().rsplit_once(" #")?;
        find(world, base, ordinal.parse().ok().filter(|n| *n > 1)?)
    })
}

/// The `nth` (from 1) of the choices that a label without ordinal means here. Whether it can happen now (a held link, a
/// paused node) is for [`World::apply`] to say. Calls are not found: they are not pending, a plan makes them.
pub fn find<P: Protocol>(world: &World<P>, label: &str, nth: u32) -> Option<ChoiceOf<P>> {
    let (label, nth) = (label.trim(), nth.checked_sub(1)? as usize);
    let names = Names::of(&**world.protocol());
    let mut found = Vec::new();
    let mut add = |choice: ChoiceOf<P>| {
        if words_of(world, &names, &choice) == label && !found.contains(&choice) {
            found.push(choice);
        }
    };
    match label.split_once(' ').map_or(label, |(verb, _)| verb) {
        "deliver" => {
            datagrams(world, Choice::Deliver).for_each(&mut add);
            arrivals(world).for_each(&mut add);
            let protocol = &**world.protocol();
            found.extend(arrivals(world).filter(|choice| raw(protocol, &names, choice) == label));
        }
        "drop" => datagrams(world, Choice::Drop).for_each(&mut add),
        "duplicate" => datagrams(world, Choice::Duplicate).for_each(&mut add),
        "corrupt" => datagrams(world, Choice::Corrupt).for_each(&mut add),
        "replay" => past(world).for_each(&mut add),
        "fire" => timers(world).for_each(&mut add),
        _ => {}
    }
    if found.is_empty() {
        found = ends_of(world, &names, label);
    }
    if found.is_empty() {
        found.extend(by_verb(&names, label));
    }
    (nth < found.len()).then(|| found.swap_remove(nth))
}

/// Everything that is pending in a world, in its nominal form, and what a node that is down, paused or cut off could do
/// next: what the nearest labels are looked for among.
pub fn pending<P: Protocol>(world: &World<P>) -> Vec<ChoiceOf<P>> {
    let mut all: Vec<ChoiceOf<P>> = datagrams(world, Choice::Deliver).collect();
    all.dedup();
    all.extend(arrivals(world));
    all.extend(timers(world));
    for (node, host) in world.hosts() {
        all.extend(host.ops().map(|op| Choice::Disk(node, op, Outcome::Ok)));
        if host.node.is_none() {
            all.push(Choice::Boot(node, 0));
        } else if host.paused {
            all.push(Choice::Resume(node));
        }
    }
    for (from, to, link) in world.net().links() {
        all.extend(link.cut.then_some(Choice::Heal(from, to)));
        all.extend(link.held.then_some(Choice::Release(from, to)));
    }
    all
}

/// The labels of pending things that are nearest to a label that means nothing.
pub(super) fn nearest_labels<P: Protocol>(world: &World<P>, wanted: &str, most: usize) -> Vec<String> {
    let near = |label: &String| (strsim::jaro_winkler(wanted, label) * 1e6) as u32;
    let mut labels: Vec<String> = pending(world).iter().map(|choice| label(world, choice)).collect();
    labels.sort_by_key(|label| (std::cmp::Reverse(near(label)), label.clone()));
    labels.truncate(most);
    labels
}

fn datagrams<P: Protocol>(
    world: &World<P>,
    make: fn(NodeId, NodeId, Msg<P>) -> ChoiceOf<P>,
) -> impl Iterator<Item = ChoiceOf<P>> {
    world.net().bag().map(move |(from, to, message)| make(from, to, message.clone()))
}

fn past<P: Protocol>(world: &World<P>) -> impl Iterator<Item = ChoiceOf<P>> {
    world.net().past().map(|(from, to, message)| Choice::Replay(*from, *to, message.clone()))
}

fn arrivals<P: Protocol>(world: &World<P>) -> impl Iterator<Item = ChoiceOf<P>> {
    world.net().conns().flat_map(|(&id, conn)| {
        let sides = [Side::Initiator, Side::Acceptor].into_iter();
        sides.filter(|side| !conn.queue(*side).is_empty()).map(move |side| Choice::Advance(id, side))
    })
}

fn timers<P: Protocol>(world: &World<P>) -> impl Iterator<Item = ChoiceOf<P>> {
    world
        .hosts()
        .flat_map(|(node, host)| host.timers().iter().map(move |armed| Choice::Fire(node, armed.timer)))
}

/// The disk operations whose end a label names, each with the named outcome.
fn ends_of<P: Protocol>(world: &World<P>, names: &Names, label: &str) -> Vec<ChoiceOf<P>> {
    let mut found = Vec::new();
    for (node, host) in world.hosts() {
        let Some(rest) = label.strip_prefix(&*names.node(node)).and_then(|rest| rest.strip_prefix(' '))
        else {
            continue;
        };
        for op in host.ops() {
            let named = |name: &str| {
                let ended = rest.strip_prefix(name)?;
                if ended.is_empty() {
                    return Some(Outcome::Ok);
                }
                ended.strip_prefix(": ")?.parse().ok()
            };
            let words = operation(world, node, op).and_then(|op| named(&present(op)));
            found.extend(
                words.or_else(|| named(&by_number(op))).map(|outcome| Choice::Disk(node, op, outcome)),
            );
        }
    }
    found
}

fn by_verb<M, T, Q>(names: &Names, label: &str) -> Option<Choice<M, T, Q>> {
    let words = line::words(label, 0).ok()?;
    match verbs::read(&mut verbs::Line::new(label, &words, &names.0))?.ok()? {
        verbs::Said::Deeds(mut deeds) if deeds.len() == 1 => deeds.pop().map(verbs::lift),
        _ => None,
    }
}

fn operation<P: Protocol>(world: &World<P>, node: NodeId, op: OpId) -> Option<&DiskOp> {
    world.get(node)?.disk.pending().find(|(id, _)| *id == op).map(|(_, what)| what)
}

/// An operation in the third person: `writes 1.seg 0+512`, `syncs-dir /`.
fn present(op: &DiskOp) -> String {
    let mut text = OpLabel(op).to_string();
    let end = text.find(['-', ' ']).unwrap_or(text.len());
    text.insert(end, 's');
    text
}

fn by_number(op: OpId) -> String {
    format!("ends operation {}", op.0)
}

/// How many pending things with the same words come before this one.
fn rank<P: Protocol>(world: &World<P>, names: &Names, choice: &ChoiceOf<P>, text: &str) -> usize {
    fn before<C: PartialEq>(all: impl Iterator<Item = C>, ours: &C, same: impl Fn(&C) -> bool) -> usize {
        let mut found: Vec<C> = Vec::new();
        for one in all.take_while(|one| one != ours).filter(same) {
            if !found.contains(&one) {
                found.push(one);
            }
        }
        found.len()
    }
    let same = |other: &ChoiceOf<P>| words_of(world, names, other) == text;
    match choice {
        Choice::Deliver(..) => before(datagrams(world, Choice::Deliver), choice, same),
        Choice::Drop(..) => before(datagrams(world, Choice::Drop), choice, same),
        Choice::Duplicate(..) => before(datagrams(world, Choice::Duplicate), choice, same),
        Choice::Corrupt(..) => before(datagrams(world, Choice::Corrupt), choice, same),
        Choice::Replay(..) => before(past(world), choice, same),
        Choice::Fire(..) => before(timers(world), choice, same),
        Choice::Disk(node, op, _) => {
            let Some(ours) = operation(world, *node, *op).map(present) else { return 0 };
            let earlier = world.host(*node).ops().take_while(|other| other != op);
            earlier
                .filter_map(|other| operation(world, *node, other))
                .filter(|op| present(op) == ours)
                .count()
        }
        _ => 0,
    }
}

/// A label without ordinal.
fn words_of<P: Protocol>(world: &World<P>, names: &Names, choice: &ChoiceOf<P>) -> String {
    let text = match choice {
        Choice::Disk(node, op, outcome) => {
            let what = operation(world, *node, *op).map_or_else(|| by_number(*op), present);
            format!("{} {what}{}", names.node(*node), ending(outcome))
        }
        Choice::Advance(conn, side) => match arrival(world, names, *conn, *side) {
            Some(text) => text,
            None => raw(&**world.protocol(), names, choice),
        },
        _ => raw(&**world.protocol(), names, choice),
    };
    one_line(&text)
}

fn ending(outcome: &Outcome) -> String {
    if *outcome == Outcome::Ok { String::new() } else { format!(": {outcome}") }
}

fn arrival<P: Protocol>(world: &World<P>, names: &Names, id: ConnId, side: Side) -> Option<String> {
    let conn = world.net().conn(id)?;
    let (item, _) = conn.queue(side).front()?;
    let what = match item {
        Item::Open => "opening".to_owned(),
        Item::Accept => "acceptance".to_owned(),
        Item::Refuse => "refusal".to_owned(),
        Item::Finish => "end".to_owned(),
        Item::Reset => "reset".to_owned(),
        Item::Message(message) => world.protocol().message_label(message),
    };
    let (a, b) = (names.node(id.initiator), names.node(conn.acceptor));
    let (from, to) = if side == Side::Acceptor { (&a, &b) } else { (&b, &a) };
    Some(format!("deliver {what} from {from} to {to} on connection {} of {a}", id.number))
}

/// As much of a label as there is without a world.
pub(super) fn raw<P: Protocol>(protocol: &P, names: &Names, choice: &ChoiceOf<P>) -> String {
    let datagram = |verb: &str, from: &NodeId, to: &NodeId, message: &Msg<P>| {
        let what = protocol.message_label(message);
        format!("{verb} {what} from {} to {}", names.node(*from), names.node(*to))
    };
    match choice {
        Choice::Deliver(from, to, message) => datagram("deliver", from, to, message),
        Choice::Drop(from, to, message) => datagram("drop", from, to, message),
        Choice::Duplicate(from, to, message) => datagram("duplicate", from, to, message),
        Choice::Replay(from, to, message) => datagram("replay", from, to, message),
        Choice::Corrupt(from, to, message) => datagram("corrupt", from, to, message),
        Choice::Fire(node, timer) => format!("fire {} on {}", protocol.timer_label(timer), names.node(*node)),
        Choice::Call(node, call, request) => protocol.call_label(*node, *call, request),
        Choice::Disk(node, op, outcome) => {
            format!("{} {}{}", names.node(*node), by_number(*op), ending(outcome))
        }
        Choice::Advance(conn, side) => {
            let to = if *side == Side::Initiator { "back to it" } else { "to its peer" };
            format!(
                "deliver what is next on connection {} of {} {to}",
                conn.number,
                names.node(conn.initiator)
            )
        }
        _ => verbs::print(&names.0, choice).unwrap_or_else(|| suggest::clip(&format!("{choice:?}"), 200)),
    }
}
