//! The network: datagrams in a bag, connections as two queues, links that can be cut or held. This module keeps what
//! is under way and says what may arrive; when it arrives, and what goes wrong, are choices made elsewhere.
//! Invariants: the bag is sorted, so that equal contents are equal states; a connection delivers in order and without
//! gaps until it breaks; nothing crosses a link that is cut or held.

use super::{Ignored, Key, Side};
use onceward_core::{ConnId, NodeId};
use std::collections::{BTreeMap, VecDeque};

/// What is under way on one direction of a connection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Item<M> {
    /// "I would like to talk."
    Open,
    /// "Yes."
    Accept,
    /// "Nobody listens here."
    Refuse,
    /// A message.
    Message(M),
    /// "That was all."
    Finish,
    /// "I know nothing of this connection."
    Reset,
}

/// How one side of a connection sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// The initiator waits for an answer.
    Opening,
    /// In use.
    Open,
    /// The acceptor has not heard of it yet, or this side is done with it.
    Gone,
}

/// A connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Conn<M> {
    /// The other node.
    pub acceptor: NodeId,
    /// How the initiator sees it.
    pub initiator_end: End,
    /// How the acceptor sees it.
    pub acceptor_end: End,
    to_initiator: VecDeque<(Item<M>, Ignored<Key>)>,
    to_acceptor: VecDeque<(Item<M>, Ignored<Key>)>,
}

/// What a link does in one direction, beyond carrying.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Link {
    /// Loses everything.
    pub cut: bool,
    /// Keeps everything back.
    pub held: bool,
}

/// Datagrams of one link, sorted, each with its causal name.
type Sent<M> = Vec<(M, Ignored<Key>)>;

/// Everything under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Net<M> {
    /// The datagrams under way from one node to another; no list is empty.
    bag: BTreeMap<(NodeId, NodeId), Sent<M>>,
    /// What had arrived, for replays; at most `memory`, oldest first.
    past: VecDeque<(NodeId, NodeId, M)>,
    memory: usize,
    conns: BTreeMap<ConnId, Conn<M>>,
    links: BTreeMap<(NodeId, NodeId), Link>,
}

impl<M: Clone + Ord> Net<M> {
    /// An idle network that remembers the last `memory` delivered datagrams for replays.
    pub fn new(memory: usize) -> Net<M> {
        Net {
            bag: BTreeMap::new(),
            past: VecDeque::new(),
            memory,
            conns: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// The datagrams under way, sorted: from whom, to whom, and what they say.
    pub fn bag(&self) -> impl Iterator<Item = (NodeId, NodeId, &M)> {
        self.bag.iter().flat_map(|(&(from, to), sent)| sent.iter().map(move |(m, _)| (from, to, m)))
    }

    /// Datagrams that had arrived, oldest first.
    pub fn past(&self) -> impl Iterator<Item = &(NodeId, NodeId, M)> {
        self.past.iter()
    }

    /// The connections, by name.
    pub fn conns(&self) -> impl Iterator<Item = (&ConnId, &Conn<M>)> {
        self.conns.iter()
    }

    /// What a link does in this direction.
    #[inline]
    pub fn link(&self, from: NodeId, to: NodeId) -> Link {
        if self.links.is_empty() {
            return Link::default();
        }
        self.links.get(&(from, to)).copied().unwrap_or_default()
    }

    /// Links that do something beyond carrying.
    pub fn links(&self) -> impl Iterator<Item = (NodeId, NodeId, Link)> {
        self.links.iter().map(|(&(from, to), &link)| (from, to, link))
    }

    /// Changes a link in one direction. A cut loses what is under way.
    pub fn set_link(&mut self, from: NodeId, to: NodeId, link: Link) {
        if link.cut {
            self.bag.remove(&(from, to));
        }
        if link == Link::default() {
            self.links.remove(&(from, to));
        } else {
            self.links.insert((from, to), link);
        }
    }

    /// Takes a datagram; false if the link is cut.
    pub fn send(&mut self, from: NodeId, to: NodeId, message: M, key: Key) -> bool {
        if self.link(from, to).cut {
            return false;
        }
        let sent = self.bag.entry((from, to)).or_default();
        let at = sent.partition_point(|(other, _)| *other < message);
        sent.insert(at, (message, Ignored(key)));
        true
    }

    /// Takes a datagram out of the bag: of several equal ones the one with this key.
    pub fn take(&mut self, from: NodeId, to: NodeId, message: &M, key: Key) -> Option<M> {
        let sent = self.bag.get_mut(&(from, to))?;
        let (taken, _) = sent.remove(find(sent, message, key)?);
        if sent.is_empty() {
            self.bag.remove(&(from, to));
        }
        Some(taken)
    }

    /// Whether such a datagram is under way.
    pub fn has(&self, from: NodeId, to: NodeId, message: &M, key: Key) -> bool {
        self.bag.get(&(from, to)).is_some_and(|sent| find(sent, message, key).is_some())
    }

    /// Remembers a delivered datagram for replays.
    pub fn remember(&mut self, from: NodeId, to: NodeId, message: &M) {
        if self.memory == 0 {
            return;
        }
        if self.past.len() == self.memory {
            self.past.pop_front();
        }
        self.past.push_back((from, to, message.clone()));
    }

    /// Removes datagrams to `to` that it ignores for ever.
    pub fn forget(&mut self, to: NodeId, mut ignored: impl FnMut(NodeId, &M) -> bool) {
        self.bag.retain(|(from, receiver), sent| {
            if *receiver == to {
                sent.retain(|(message, _)| !ignored(*from, message));
            }
            !sent.is_empty()
        });
    }

    /// Begins a connection; false if the name is in use. A name whose last connection is over at the initiator may be
    /// used again towards the same node, even while the acceptor does not know that it is over: the new request
    /// queues up behind what is still under way to it.
    pub fn connect(&mut self, id: ConnId, acceptor: NodeId, key: Key) -> bool {
        let open = (Item::Open, Ignored(key));
        if let Some(conn) = self.conns.get_mut(&id) {
            if conn.initiator_end != End::Gone || conn.acceptor != acceptor {
                return false;
            }
            conn.initiator_end = End::Opening;
            conn.to_initiator.clear();
            conn.to_acceptor.push_back(open);
            return true;
        }
        let to_acceptor = VecDeque::from([open]);
        let (initiator_end, acceptor_end) = (End::Opening, End::Gone);
        self.conns.insert(
            id,
            Conn { acceptor, initiator_end, acceptor_end, to_initiator: VecDeque::new(), to_acceptor },
        );
        true
    }

    /// A connection by name.
    pub fn conn(&self, id: ConnId) -> Option<&Conn<M>> {
        self.conns.get(&id)
    }

    /// Puts something under way towards a side; false if there is no such connection, or if its initiator has begun
    /// another one under the same name since, which must not see it.
    pub fn push(&mut self, id: ConnId, towards: Side, item: Item<M>, key: Key) -> bool {
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        if towards == Side::Initiator && conn.awaits_acceptor() {
            return false;
        }
        conn.queue_mut(towards).push_back((item, Ignored(key)));
        true
    }

    /// Takes the next thing under way towards a side.
    pub fn pop(&mut self, id: ConnId, towards: Side) -> Option<(Item<M>, Key)> {
        let (item, key) = self.conns.get_mut(&id)?.queue_mut(towards).pop_front()?;
        Some((item, key.0))
    }

    /// Puts something back that was taken with [`pop`](Net::pop).
    pub fn put_back(&mut self, id: ConnId, towards: Side, item: Item<M>, key: Key) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.queue_mut(towards).push_front((item, Ignored(key)));
        }
    }

    /// Changes how a side sees a connection.
    pub fn set_end(&mut self, id: ConnId, side: Side, end: End) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        *match side {
            Side::Initiator => &mut conn.initiator_end,
            Side::Acceptor => &mut conn.acceptor_end,
        } = end;
    }

    /// Loses everything under way towards a side that belongs to a connection it knows of: a request that has not
    /// arrived yet, and what follows it, outlives the process that it may find.
    pub fn clear(&mut self, id: ConnId, towards: Side) {
        if let Some(conn) = self.conns.get_mut(&id) {
            let queue = conn.queue_mut(towards);
            let keep = queue.iter().rposition(|(item, _)| matches!(item, Item::Open));
            queue.drain(..keep.unwrap_or(queue.len()));
        }
    }

    /// Forgets a connection that is over at both ends.
    pub fn tidy(&mut self, id: ConnId) {
        let over =
            |c: &Conn<M>| c.initiator_end == End::Gone && c.acceptor_end == End::Gone && !c.awaits_acceptor();
        if self.conns.get(&id).is_some_and(over) {
            self.conns.remove(&id);
        }
    }

    /// The names of the connections that a node takes part in, with its side.
    pub fn conns_of(&self, node: NodeId) -> Vec<(ConnId, Side)> {
        let mut found = Vec::new();
        for (&id, conn) in &self.conns {
            if id.initiator == node {
                found.push((id, Side::Initiator));
            }
            if conn.acceptor == node {
                found.push((id, Side::Acceptor));
            }
        }
        found
    }
}

/// Where a datagram is among those of its link: of several equal ones the one with this key.
fn find<M: Ord>(sent: &[(M, Ignored<Key>)], message: &M, key: Key) -> Option<usize> {
    let first = sent.partition_point(|(other, _)| other < message);
    let mut equal = sent[first..].iter().take_while(|(other, _)| other == message);
    equal.position(|(_, other)| other.matches(key)).map(|n| first + n)
}

impl<M> Conn<M> {
    /// What is under way towards a side, next first.
    pub fn queue(&self, towards: Side) -> &VecDeque<(Item<M>, Ignored<Key>)> {
        match towards {
            Side::Initiator => &self.to_initiator,
            Side::Acceptor => &self.to_acceptor,
        }
    }

    fn queue_mut(&mut self, towards: Side) -> &mut VecDeque<(Item<M>, Ignored<Key>)> {
        match towards {
            Side::Initiator => &mut self.to_initiator,
            Side::Acceptor => &mut self.to_acceptor,
        }
    }

    /// Whether a request to open it is still under way: until that arrives, the acceptor knows at most of an earlier
    /// connection of this name.
    pub fn awaits_acceptor(&self) -> bool {
        self.to_acceptor.iter().any(|(item, _)| matches!(item, Item::Open))
    }

    /// How a side sees it.
    pub fn end(&self, side: Side) -> End {
        match side {
            Side::Initiator => self.initiator_end,
            Side::Acceptor => self.acceptor_end,
        }
    }
}
