//! The reader's promises under anything: random callers, random losses, a server that keeps to the protocol and one that
//! says whatever it likes. What is checked is what each of them saw, never the reader's own books.

use super::super::{
    Event, Input, MARKS, Part, Ticket, Timer,
    wire::{FromClient, FromServer, PartitionSessionId},
};
use super::rig::{Rig, config, data, session, start, stop};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

/// What happens next. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Move {
    /// The server gives a partition, from an offset on.
    Give(u64),
    /// It sends messages, some offsets further on.
    Send {
        which: usize,
        skip: u64,
        count: u64,
    },
    /// It makes commits durable, up to a part of what there is.
    Durable {
        which: usize,
        most: u64,
    },
    Stop {
        which: usize,
        graceful: bool,
    },
    Break,
    Fire(usize),
    /// It says something beyond the protocol.
    Lie {
        kind: u8,
        number: u64,
        offset: u64,
    },
    Take(u64),
    Commit {
        which: usize,
        skip: u64,
        count: u64,
    },
    Release(usize),
    Close,
}

/// A partition session as the server sees it.
#[derive(Default)]
struct Given {
    next: u64,
    durable: u64,
    committed: BTreeSet<u64>,
    stopping: bool,
}

/// A partition as the caller sees it.
#[derive(Default)]
struct Seen {
    offsets: BTreeSet<u64>,
    committed: BTreeSet<u64>,
    stopping: bool,
}

struct World {
    rig: Rig,
    honest: bool,
    given: BTreeMap<PartitionSessionId, Given>,
    sessions: u64,
    seen: BTreeMap<Part, Seen>,
    /// Commits without an answer.
    open: BTreeMap<Ticket, (Part, u64)>,
    /// How far the server has said each partition to be durable.
    durable: BTreeMap<Part, u64>,
    asked: i64,
    held: u64,
    closing: Option<Ticket>,
    over: bool,
}

impl World {
    fn new(honest: bool) -> World {
        let mut world = World {
            rig: Rig::new(config()),
            honest,
            given: BTreeMap::new(),
            sessions: 0,
            seen: BTreeMap::new(),
            open: BTreeMap::new(),
            durable: BTreeMap::new(),
            asked: 0,
            held: 0,
            closing: None,
            over: false,
        };
        world.rig.give(Input::Start);
        world.greet();
        world
    }

    fn greet(&mut self) {
        self.given.clear();
        self.asked = 0;
        self.rig.greet();
        self.watch();
    }

    /// Looks at what the reader has said to both.
    fn watch(&mut self) {
        let (sent, told) = self.rig.look();
        let answers = told.iter().all(|event| matches!(event, Event::Closed(..) | Event::Refused(..)));
        assert!(!self.over || (sent.is_empty() && answers), "a reader that has ended speaks");
        for said in sent {
            match said {
                FromClient::Read { bytes } => self.asked += bytes as i64,
                // What a liar has sent may have gaps of any size.
                FromClient::Commit(commits) if self.honest => {
                    for commit in commits {
                        let given = self.given.get_mut(&commit.session).expect("a partition session");
                        for offset in commit.ranges.iter().flat_map(|range| range.start..range.end) {
                            assert!(
                                offset < given.next && offset >= given.durable,
                                "a commit that a server refuses"
                            );
                            assert!(given.committed.insert(offset), "committed twice");
                        }
                    }
                }
                FromClient::Stopped(session) => {
                    let given = self.given.remove(&session).expect("a partition session");
                    assert!(given.stopping);
                }
                _ => {}
            }
        }
        for event in told {
            self.tell(event);
        }
        assert!(
            self.asked <= (1000u64.saturating_sub(self.held)) as i64 || self.over,
            "more is asked for than fits"
        );
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Assigned { part, committed, .. } => {
                assert!(self.durable.insert(part, committed).is_none(), "a partition that was there before");
                self.seen.insert(part, Seen::default());
            }
            Event::Data(list, bytes) => {
                assert!(self.closing.is_none());
                self.held = self.held.saturating_add(bytes);
                for (part, data) in list {
                    let seen = self.seen.get_mut(&part).expect("a partition that is there");
                    for batch in data.batches {
                        for offset in batch.offset..batch.offset + batch.messages.len() as u64 {
                            assert!(seen.offsets.last().is_none_or(|last| *last < offset), "out of order");
                            seen.offsets.insert(offset);
                        }
                    }
                }
            }
            Event::Stopping(part) => self.seen.get_mut(&part).expect("a partition").stopping = true,
            Event::Stopped(part) => {
                assert!(self.seen.remove(&part).is_some());
                assert!(self.open.values().all(|(of, _)| *of != part), "a commit without an answer");
            }
            Event::Committed(ticket) => {
                let (part, end) = self.open.remove(&ticket).expect("a commit without an answer");
                assert!(self.durable[&part] >= end, "not durable");
            }
            Event::NotCommitted(ticket) => {
                self.open.remove(&ticket).expect("a commit without an answer");
            }
            Event::Refused(ticket, _) => {
                let (part, _) = self.open.remove(&ticket).expect("a commit without an answer");
                let wrong = !self.seen.contains_key(&part) || self.closing.is_some() || self.open.len() >= 4;
                assert!(wrong || self.seen[&part].stopping, "refused without a reason");
            }
            Event::Closed(ticket, _) => assert_eq!(self.closing, Some(ticket)),
            Event::Ended(_) => {
                assert!(!self.honest || self.closing.is_some(), "ended without a reason");
                assert!(self.open.is_empty() && self.seen.is_empty());
                self.over = true;
            }
            Event::Session(_) | Event::Lost(..) => {}
        }
    }

    fn chosen(&self, which: usize) -> Option<PartitionSessionId> {
        self.given.keys().nth(which % self.given.len().max(1)).copied()
    }

    fn say(&mut self, said: FromServer) {
        if self.rig.stream.is_some() {
            self.rig.say(said);
        }
    }

    /// The partition that the reader has under this number now.
    fn part(&self, session: PartitionSessionId) -> Option<Part> {
        self.seen.keys().rev().find(|part| part.session == session).copied()
    }

    fn step(&mut self, next: Move) {
        match next {
            Move::Give(committed) if self.rig.stream.is_some() => {
                self.sessions += 1;
                let given = Given { next: committed, durable: committed, ..Given::default() };
                self.given.insert(session(self.sessions), given);
                self.say(start(self.sessions, committed));
            }
            Move::Send { which, skip, count } if self.asked > 0 => {
                let Some(of) = self.chosen(which) else { return };
                let given = self.given.get_mut(&of).unwrap();
                if given.stopping {
                    return;
                }
                let first = given.next + skip;
                given.next = first + count;
                self.asked -= 100 * count as i64;
                self.say(data(of.0, first, count, 100 * count));
            }
            Move::Durable { which, most } => {
                let Some(of) = self.chosen(which) else { return };
                let given = self.given.get_mut(&of).unwrap();
                let before = given.durable;
                while given.committed.contains(&given.durable) && given.durable < before.saturating_add(most)
                {
                    given.durable += 1;
                }
                let durable = given.durable;
                if let Some(part) = self.part(of) {
                    self.durable.insert(part, durable);
                }
                self.say(FromServer::Committed(vec![(of, durable)]));
            }
            Move::Stop { which, graceful } => {
                let Some(of) = self.chosen(which) else { return };
                let given = self.given.get_mut(&of).unwrap();
                given.stopping = true;
                let durable = given.durable;
                if !graceful {
                    self.given.remove(&of);
                }
                self.say(stop(of.0, graceful, durable));
            }
            Move::Break if self.rig.stream.is_some() => {
                let stream = self.rig.now();
                self.rig.give(Input::Ended(stream, None));
            }
            Move::Fire(which) if !self.rig.armed.is_empty() => {
                let timer = *self.rig.armed.keys().nth(which % self.rig.armed.len()).unwrap();
                // A close that gives up is dealt with apart.
                if timer != Timer::Close {
                    self.rig.fire(timer);
                }
            }
            Move::Lie { kind, number, offset } if !self.honest => self.lie(kind, number, offset),
            Move::Take(bytes) => {
                let bytes = bytes.min(self.held);
                self.held -= bytes;
                self.rig.give(Input::Taken(bytes));
            }
            Move::Commit { which, skip, count } => self.commit(which, skip, count),
            Move::Release(which) => {
                let Some(part) = self.seen.keys().nth(which % self.seen.len().max(1)) else { return };
                self.rig.give(Input::Release(*part));
            }
            Move::Close if self.closing.is_none() => {
                let close = Ticket(1 << 40);
                self.closing = Some(close);
                self.rig.give(Input::Close(close));
            }
            _ => {}
        }
        self.watch();
        // A new session as soon as one is asked for.
        if let Some(stream) = self.rig.stream
            && self.rig.reader.phase.stream() == Some(stream)
            && !matches!(self.rig.reader.phase, super::super::Phase::Ready(_))
        {
            self.greet();
        }
    }

    fn lie(&mut self, kind: u8, number: u64, offset: u64) {
        let said = match kind {
            0 => {
                self.given
                    .entry(session(number))
                    .or_insert_with(|| Given { next: 1 << 30, ..Given::default() });
                start(number, offset)
            }
            1 => data(number, offset.min(1 << 40), 2, offset),
            2 => stop(number, offset.is_multiple_of(2), offset),
            3 => FromServer::TokenUpdated,
            4 => FromServer::Init { session_id: "again".into() },
            _ => {
                for (part, durable) in &mut self.durable {
                    if part.session == session(number) {
                        *durable = (*durable).max(offset);
                    }
                }
                FromServer::Committed(vec![(session(number), offset)])
            }
        };
        if kind == 2 {
            if let Some(given) = self.given.get_mut(&session(number)) {
                given.stopping = true;
            }
            for (part, durable) in &mut self.durable {
                if part.session == session(number) {
                    *durable = (*durable).max(offset);
                }
            }
        }
        if kind == 1 {
            self.asked = self.asked.saturating_sub_unsigned(offset);
        }
        self.say(said);
    }

    fn commit(&mut self, which: usize, skip: u64, count: u64) {
        let Some(part) = self.seen.keys().nth(which % self.seen.len().max(1)).copied() else { return };
        let seen = self.seen.get_mut(&part).unwrap();
        let fresh: Vec<u64> = seen.offsets.difference(&seen.committed).copied().collect();
        let Some(first) = fresh.get(skip as usize) else { return };
        let mut end = *first;
        while end < first + count && fresh.contains(&end) {
            end += 1;
        }
        let ticket = self.rig.commit(part, *first, end);
        self.open.insert(ticket, (part, end));
        // Unless it was refused, which `watch` sees.
        if !self.rig.told.iter().any(|event| matches!(event, Event::Refused(it, _) if *it == ticket)) {
            self.seen.get_mut(&part).unwrap().committed.extend(*first..end);
        }
    }

    /// Everything that was committed in order settles, and a close with it.
    fn settle(&mut self) {
        if self.over {
            return;
        }
        if self.honest {
            // From the last on: a partition that waits for nothing else is given back, and the others move up.
            for which in (0..self.given.len()).rev() {
                self.step(Move::Durable { which, most: u64::MAX });
            }
            assert!(self.open.len() <= self.rig.reader.unanswered());
            self.step(Move::Close);
            assert!(self.over, "a close with nothing to wait for");
        } else {
            self.rig.give(Input::Destroy);
            self.watch();
            assert!(self.over);
        }
        assert!(self.open.is_empty());
    }
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => (0u64..30).prop_map(Move::Give),
        8 => (0usize..4, prop_oneof![3 => Just(0u64), 1 => 1u64..4], 1u64..5)
            .prop_map(|(which, skip, count)| Move::Send { which, skip, count }),
        4 => (0usize..4, 1u64..8).prop_map(|(which, most)| Move::Durable { which, most }),
        2 => (0usize..4, any::<bool>()).prop_map(|(which, graceful)| Move::Stop { which, graceful }),
        1 => Just(Move::Break),
        2 => (0usize..4).prop_map(Move::Fire),
        2 => (0u8..6, 0u64..6, prop_oneof![0u64..40, Just(u64::MAX)])
            .prop_map(|(kind, number, offset)| Move::Lie { kind, number, offset }),
        4 => (1u64..600).prop_map(Move::Take),
        8 => (0usize..4, prop_oneof![3 => Just(0u64), 1 => 1u64..4], 1u64..5)
            .prop_map(|(which, skip, count)| Move::Commit { which, skip, count }),
        2 => (0usize..4).prop_map(Move::Release),
    ];
    let close = prop::option::weighted(0.3, 0usize..60);
    (prop::collection::vec(one, 0..80), close).prop_map(|(mut moves, close)| {
        if let Some(close) = close {
            moves.insert(close.min(moves.len()), Move::Close);
        }
        moves
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_an_honest_server_everything_is_delivered_in_order_and_settled(moves in moves()) {
        let mut world = World::new(true);
        moves.into_iter().for_each(|next| world.step(next));
        world.settle();
    }

    #[test]
    fn whatever_a_server_says_everybody_is_answered_once(moves in moves()) {
        let mut world = World::new(false);
        moves.into_iter().for_each(|next| world.step(next));
        world.settle();
    }
}

#[test]
fn the_interesting_places_are_reached() {
    let mut runner = TestRunner::deterministic();
    let mut marks = BTreeSet::new();
    for n in 0..600 {
        let mut world = World::new(n % 2 == 0);
        let moves = moves().new_tree(&mut runner).unwrap().current();
        moves.into_iter().for_each(|next| world.step(next));
        world.settle();
        marks.extend(world.rig.marks);
    }
    // The time of a close and tokens have tests of their own.
    let apart = ["close gave up", "token refreshed"];
    let missed = MARKS.iter().filter(|mark| !marks.contains(*mark) && !apart.contains(*mark));
    assert_eq!(missed.collect::<Vec<_>>(), [&""; 0]);
}
