//! What has come due on a direction of a connection while something that was put under way earlier has not arrived: it is
//! kept back until it is the next to arrive, or lost with its connection. It decides nothing else, and asks no more of a
//! stream than what is first in it, as long as that is the same: a stream may stand still for long, with much behind it,
//! while everything else goes on. Invariant: what is let go goes on in the order in which it was kept back.

use super::Waiting;
use onceward_core::ConnId;
use onceward_model::world::{Conn, Key, Net, Side};
use std::collections::BTreeMap;

/// Everything that is kept back.
pub(super) struct Behind<C> {
    streams: BTreeMap<(ConnId, Side), Stream<C>>,
    /// How many things were kept back so far.
    count: u64,
}

struct Stream<C> {
    /// What the others wait for.
    first: Key,
    waiting: Vec<(u64, Waiting<C>)>,
}

impl<C> Behind<C> {
    pub(super) fn new() -> Behind<C> {
        Behind { streams: BTreeMap::new(), count: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.streams.clear();
        self.count = 0;
    }

    /// Keeps something back that has come due, or gives it back if nothing is in front of it.
    pub(super) fn keep<M>(
        &mut self,
        net: &Net<M>,
        stream: (ConnId, Side),
        waiting: Waiting<C>,
    ) -> Option<Waiting<C>>
    where
        M: Clone + Ord,
    {
        let mut keys = keys(net, stream);
        let Some(first) = keys.next().filter(|first| !first.matches(waiting.key)) else {
            return Some(waiting);
        };
        if !keys.any(|key| key == waiting.key) {
            return Some(waiting);
        }
        let number = self.count;
        self.count += 1;
        let stream = self.streams.entry(stream).or_insert(Stream { first, waiting: Vec::new() });
        stream.waiting.push((number, waiting));
        None
    }

    /// Takes out what nothing is in front of any more.
    #[inline]
    pub(super) fn release<M: Clone + Ord>(&mut self, net: &Net<M>) -> Vec<Waiting<C>> {
        if self.streams.is_empty() {
            return Vec::new();
        }
        let mut free = Vec::new();
        self.streams.retain(|name, stream| {
            let mut keys = keys(net, *name);
            let first = keys.next();
            if first == Some(stream.first) {
                return true;
            }
            let mut later: Vec<Key> = keys.collect();
            later.sort_unstable();
            let behind =
                |key| first.is_some_and(|first| !first.matches(key)) && later.binary_search(&key).is_ok();
            free.extend(stream.waiting.extract_if(.., |(_, waiting)| !behind(waiting.key)));
            stream.first = first.unwrap_or(Key::ANY);
            !stream.waiting.is_empty()
        });
        free.sort_unstable_by_key(|(number, _)| *number);
        free.into_iter().map(|(_, waiting)| waiting).collect()
    }
}

/// The names of what is under way on a stream, next first.
fn keys<M: Clone + Ord>(net: &Net<M>, (conn, side): (ConnId, Side)) -> impl Iterator<Item = Key> {
    net.conn(conn).into_iter().flat_map(move |conn: &Conn<M>| conn.queue(side)).map(|(_, key)| key.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use onceward_core::NodeId;
    use onceward_model::world::Item;

    const CONN: ConnId = ConnId { initiator: NodeId(0), number: 1 };
    const STREAM: (ConnId, Side) = (CONN, Side::Acceptor);

    /// A connection with this under way to its acceptor, behind the request to open it.
    fn net(keys: &[u64]) -> Net<u64> {
        let mut net = Net::new(0);
        net.connect(CONN, NodeId(1), Key(1));
        keys.iter().for_each(|key| assert!(net.push(CONN, Side::Acceptor, Item::Message(*key), Key(*key))));
        net
    }

    fn waiting(key: u64) -> Waiting<u64> {
        Waiting { key: Key(key), choice: key }
    }

    fn names(free: Vec<Waiting<u64>>) -> Vec<u64> {
        free.into_iter().map(|waiting| waiting.choice).collect()
    }

    #[test]
    fn one_goes_on_when_it_is_the_next_to_arrive() {
        let (mut net, mut behind) = (net(&[3, 5, 7]), Behind::new());
        assert_eq!(behind.keep(&net, STREAM, waiting(1)).map(|w| w.choice), Some(1));
        // What is not under way any more holds up nobody, and nobody it.
        assert_eq!(behind.keep(&net, STREAM, waiting(9)).map(|w| w.choice), Some(9));
        for key in [5, 3, 7] {
            assert!(behind.keep(&net, STREAM, waiting(key)).is_none());
        }
        assert!(behind.release(&net).is_empty());
        for next in [3, 5, 7] {
            net.pop(CONN, Side::Acceptor);
            assert_eq!(names(behind.release(&net)), [next]);
            assert!(behind.release(&net).is_empty());
        }
        assert!(behind.streams.is_empty());
    }

    #[test]
    fn all_go_on_in_their_order_when_what_they_waited_for_is_lost() {
        let (mut net, mut behind) = (net(&[3, 5, 7]), Behind::new());
        let (other, stream) = (ConnId { number: 2, ..CONN }, (ConnId { number: 2, ..CONN }, Side::Acceptor));
        net.connect(other, NodeId(1), Key(11));
        net.push(other, Side::Acceptor, Item::Message(13), Key(13));
        assert!(behind.keep(&net, stream, waiting(13)).is_none());
        for key in [7, 3, 5] {
            assert!(behind.keep(&net, STREAM, waiting(key)).is_none());
        }
        while net.pop(CONN, Side::Acceptor).is_some() {}
        net.pop(other, Side::Acceptor);
        assert_eq!(names(behind.release(&net)), [13, 7, 3, 5]);
    }
}
