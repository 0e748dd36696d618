//! The promises under anything: readers that come and go, are slow and stale, and commit in any order; messages that come
//! and are given up; fetches that are late, move or fail; calls that move positions. What is right is in the books of the
//! rig, which are compared at every step; here is what must be true once everything has come to rest.

use super::super::{Fetched, MARKS};
use super::rig::{Rig, conn, filter};
use crate::reader::wire::TopicFilter;
use crate::{Dur, Wall};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

/// What happens next. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Move {
    Open {
        number: u32,
        consumer: u8,
        only: Option<u32>,
        lag: Option<u64>,
        topics: u8,
    },
    /// A reader of everything who is ready for everything, and is sent something.
    Join(u32, u32, Vec<usize>),
    Close(u32),
    Read(u32, u64),
    Start(u32, usize, Option<u64>, bool),
    Stop(u32),
    /// An answer or a commit about a partition session that is over.
    Stale(u32, usize),
    Commit(u32, usize, u64, u64),
    Write(u32, Vec<usize>),
    Trim(u32, u64),
    Answer(usize, u8),
    Durable,
    Reset(u32, u64),
    Pass(u64),
    Grow,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let reader = || 0u32..5;
    let one = prop_oneof![
        2 => (reader(), 0u8..4, prop::option::weighted(0.3, 0u32..3), prop::option::weighted(0.1, 1u64..60), 1u8..4)
            .prop_map(|(number, consumer, only, lag, topics)| Move::Open { number, consumer, only, lag, topics }),
        3 => (reader(), 0u32..3, prop::collection::vec(0usize..40, 2..6))
            .prop_map(|(number, partition, lengths)| Move::Join(number, partition, lengths)),
        1 => reader().prop_map(Move::Close),
        4 => (reader(), prop_oneof![1u64..200, Just(10_000)]).prop_map(|(number, bytes)| Move::Read(number, bytes)),
        5 => (reader(), 0usize..4, prop::option::weighted(0.2, 0u64..20), any::<bool>())
            .prop_map(|(number, which, read, commit)| Move::Start(number, which, read, commit)),
        3 => reader().prop_map(Move::Stop),
        1 => (reader(), 0usize..4).prop_map(|(number, which)| Move::Stale(number, which)),
        12 => (reader(), 0usize..4, prop_oneof![3 => Just(0u64), 1 => 1u64..5], 1u64..5)
            .prop_map(|(number, which, skip, count)| Move::Commit(number, which, skip, count)),
        6 => (0u32..4, prop::collection::vec(prop_oneof![0usize..40, 200usize..500, Just(1500)], 1..5))
            .prop_map(|(number, lengths)| Move::Write(number, lengths)),
        1 => (0u32..4, 0u64..12).prop_map(|(number, start)| Move::Trim(number, start)),
        8 => (0usize..4, 0u8..12).prop_map(|(which, how)| Move::Answer(which, how)),
        3 => Just(Move::Durable),
        1 => (0u32..4, 0u64..20).prop_map(|(number, offset)| Move::Reset(number, offset)),
        2 => (1u64..40).prop_map(Move::Pass),
        1 => Just(Move::Grow),
    ];
    prop::collection::vec(one, 0..120)
}

struct World {
    rig: Rig,
    /// Sessions that a failed fetch has ended.
    failed: usize,
}

impl World {
    fn new() -> World {
        let mut rig = Rig::with(3);
        rig.create("u", 2);
        World { rig, failed: 0 }
    }

    fn there(&self, number: u32) -> bool {
        self.rig.books.contains_key(&conn(number))
    }

    /// One of the partition sessions of a reader.
    fn session(&self, number: u32, which: usize) -> Option<u64> {
        let book = self.rig.books.get(&conn(number))?;
        book.parts.keys().nth(which % book.parts.len().max(1)).map(|session| session.0)
    }

    fn step(&mut self, next: Move) {
        match next {
            Move::Open { number, consumer, only, lag, topics } if !self.there(number) => {
                let consumer = ["c", "c", "d", ""][usize::from(consumer)];
                let wants = TopicFilter {
                    partitions: only.into_iter().collect(),
                    max_lag: lag.map(Dur::secs),
                    ..filter("t")
                };
                let wants = [wants, filter("u")];
                let wants = &wants[usize::from(topics == 2)..][..if topics == 3 { 2 } else { 1 }];
                self.rig.open(number, consumer, wants);
            }
            Move::Join(number, partition, lengths) => {
                if !self.there(number) {
                    self.rig.open(number, "c", &[filter("t")]);
                }
                self.rig.read(number, 10_000);
                self.rig.start_all(number);
                self.rig.write(partition, &lengths);
                self.rig.answer_all();
            }
            Move::Close(number) if self.there(number) => self.rig.close(number),
            Move::Read(number, bytes) if self.there(number) => self.rig.read(number, bytes),
            Move::Start(number, which, read, commit) => {
                let Some(session) = self.session(number, which) else { return };
                let Some(leaf) = self.rig.leaf(number, session) else { return };
                if leaf.started {
                    return;
                }
                let (at, start, first) = (leaf.at, leaf.start, leaf.first);
                let there = self.rig.catalogue.partition(at).unwrap();
                // Where it wants to read from is where it may.
                let read = read.map(|read| (start + read).min(there.end)).filter(|read| *read >= there.start);
                let nobody = self.rig.books[&conn(number)].consumer.is_empty();
                let commit = (commit && !nobody).then_some(read.unwrap_or(first).min(there.end));
                self.rig.start(number, session, read, commit.filter(|commit| *commit > 0));
            }
            Move::Stop(number) if self.there(number) => self.rig.stop_all(number),
            Move::Stale(number, which) if self.there(number) => {
                let book = &self.rig.books[&conn(number)];
                let Some((session, read)) = book.over.get(which).copied() else { return };
                if !book.consumer.is_empty() {
                    self.rig.say_commit(number, session.0, 0, read.max(1));
                }
                self.rig.say(number, crate::reader::wire::FromClient::Stopped(session));
                self.rig.say(number, crate::reader::wire::FromClient::Status(session));
            }
            Move::Commit(number, which, skip, count) => self.commit(number, which, skip, count),
            Move::Write(number, lengths) => {
                let partitions =
                    self.rig.catalogue.topic(self.rig.topic("t")).unwrap().partitions.len() as u32;
                match number {
                    3 => self.rig.write_to(
                        super::super::PartitionId { topic: self.rig.topic("u"), number: 1 },
                        &lengths,
                    ),
                    number => self.rig.write(number % partitions, &lengths),
                }
            }
            Move::Trim(number, start) => self.rig.trim(number % 3, start),
            Move::Answer(which, how) if !self.rig.fetches.is_empty() => {
                let index = which % self.rig.fetches.len();
                match how {
                    0 => {
                        let before = self.rig.books.len();
                        self.rig.answer(index, |_| Fetched::Failed);
                        self.failed += before - self.rig.books.len();
                    }
                    1 => self.rig.answer(index, |_| Fetched::Moved),
                    _ => self.rig.answer(index, Fetched::Batch),
                }
            }
            Move::Durable if !self.rig.commits.is_empty() => self.rig.durable(),
            Move::Reset(number, offset) => {
                let end = self.rig.catalogue.partition(self.rig.at(number % 3)).unwrap().end;
                self.rig.move_commit(number % 3, offset.min(end));
            }
            Move::Pass(secs) => self.rig.pass(Dur::secs(secs)),
            Move::Grow => {
                let partitions =
                    self.rig.catalogue.topic(self.rig.topic("t")).unwrap().partitions.len() as u32;
                self.rig.grow((partitions + 1).min(5));
            }
            _ => {}
        }
        self.check();
    }

    /// Commits something that was sent and is not committed yet.
    fn commit(&mut self, number: u32, which: usize, skip: u64, count: u64) {
        let Some(session) = self.session(number, which) else { return };
        if self.rig.books[&conn(number)].consumer.is_empty() {
            return;
        }
        let at = self.rig.leaf(number, session).unwrap().at;
        let floor = self.rig.catalogue.partition(at).unwrap().start;
        let leaf = self.rig.leaf(number, session).unwrap();
        let floor = leaf.first.max(floor);
        let open = |offset: &u64| !leaf.committed.contains(offset) && *offset >= leaf.done.max(floor);
        let Some(start) = (leaf.base..leaf.read).filter(open).nth(skip as usize) else { return };
        let end = (start..leaf.read).take(count as usize).take_while(open).last().unwrap() + 1;
        self.rig.commit(number, session, start, end);
        assert!(self.there(number), "a commit that is allowed ends nothing");
    }

    /// What holds at every step besides what the books say.
    fn check(&mut self) {
        let rig = &mut self.rig;
        let ended =
            rig.said.iter().filter(|(_, said)| matches!(said, crate::reader::wire::FromServer::Failed(_)));
        assert_eq!(ended.count(), self.failed, "sessions that ended without a reason: {:?}", rig.said.last());
        assert_eq!(rig.readers.len(), rig.books.len());
        let sessions = &rig.readers.sessions;
        for session in sessions.values() {
            let asked: Vec<_> = session.parts.values().flat_map(|part| &part.asked).collect();
            assert_eq!(session.planned, asked.iter().map(|asked| asked.bytes).sum::<u64>());
            assert_eq!(session.awaited, asked.iter().filter(|asked| asked.batch.is_none()).count());
            assert!(
                session.load.bytes <= u64::from(rig.config.response_bytes)
                    || session.load.partitions.len() == 1
            );
        }
        assert!(rig.readers.unsettled.is_empty());
        let (mut queue, kept) = rig.readers.fetches.held();
        queue.sort_unstable();
        let queued = sessions.iter().filter(|(_, session)| session.queued).map(|(conn, _)| *conn);
        assert_eq!(queue, queued.collect::<Vec<_>>());
        assert!(kept <= rig.config.fetches as usize);
        let credit = sessions.iter().map(|(of, session)| (*of, session.credit + session.load.bytes as i64));
        let books = rig.books.iter().map(|(of, book)| (*of, book.credit));
        assert_eq!(credit.collect::<Vec<_>>(), books.collect::<Vec<_>>());
        let parts = rig.books.values().map(|book| book.parts.len()).sum::<usize>();
        assert_eq!(sessions.values().map(|session| session.parts.len()).sum::<usize>(), parts);
        assert_eq!(rig.readers.watchers.values().map(|readers| readers.len()).sum::<usize>(), parts);
    }

    /// Lets everybody do what is expected of them until nothing happens any more.
    fn rest(&mut self) {
        let numbers: Vec<u32> = self.rig.books.keys().map(|conn| conn.number).collect();
        for _ in 0..100 {
            for number in &numbers {
                self.rig.start_all(*number);
                self.rig.stop_all(*number);
            }
            self.rig.answer_all();
            while !self.rig.commits.is_empty() {
                self.rig.durable();
            }
            self.check();
            let idle = |leaf: &super::rig::Leaf| leaf.started && !leaf.stopping;
            if self.rig.books.values().all(|book| book.parts.values().all(idle))
                && self.rig.fetches.is_empty()
                && self.rig.commits.is_empty()
            {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// What is true at rest.
    fn at_rest(&mut self) {
        let rig = &self.rig;
        assert_eq!(rig.alarm, None);
        assert!(rig.readers.fetches.is_idle());
        for book in rig.books.values() {
            for leaf in book.parts.values() {
                let there = rig.catalogue.partition(leaf.at).unwrap();
                assert!(book.credit <= 0 || leaf.next.max(there.start) >= there.end, "somebody starves");
            }
        }
        for ((at, consumer), offset) in &rig.promised {
            assert_eq!(rig.catalogue.partition(*at).unwrap().committed(consumer), *offset);
        }
        self.is_even();
    }

    /// Each partition is read if anybody may read it, and nobody has two more than another who could have one of them.
    fn is_even(&self) {
        let rig = &self.rig;
        for (topic, about) in rig.catalogue.topics() {
            for consumer in ["c", "d"] {
                let members = rig.books.iter().filter(|(_, book)| &*book.consumer == consumer);
                let members = members.filter_map(|(conn, book)| {
                    let wants = book.topics.iter().find(|filter| filter.path == about.path)?;
                    let has = book.parts.values().filter(|leaf| leaf.at.topic == topic);
                    Some((*conn, (wants, has.map(|leaf| leaf.at.number).collect::<Vec<_>>())))
                });
                let members: BTreeMap<_, _> = members.collect();
                for number in 0..about.partitions.len() as u32 {
                    let may = |wants: &TopicFilter| {
                        wants.partitions.is_empty() || wants.partitions.contains(&number)
                    };
                    let able = members.values().filter(|(wants, _)| may(wants));
                    let least = able.map(|(_, has)| has.len()).min();
                    let owner = members.values().find(|(_, has)| has.contains(&number));
                    assert_eq!(owner.is_some(), least.is_some(), "a partition that nobody reads");
                    if let (Some((wants, has)), Some(least)) = (owner, least) {
                        assert!(may(wants) && has.len() <= least + 1, "uneven");
                    }
                }
            }
        }
    }

    /// Nothing moves by itself.
    fn stays(&mut self) {
        let topics = [self.rig.topic("t"), self.rig.topic("u")];
        let said = self.rig.said.len();
        self.rig.clock.wall = Wall(0);
        self.rig.pass(Dur::secs(1000));
        self.rig.step(|readers, ask, out| readers.timer(ask, out));
        topics.into_iter().for_each(|topic| self.rig.changed(topic));
        assert_eq!((self.rig.said.len(), self.rig.fetches.len(), self.rig.commits.len()), (said, 0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_get_what_they_are_promised(moves in moves()) {
        run(moves);
    }
}

fn run(moves: Vec<Move>) -> World {
    let mut world = World::new();
    moves.into_iter().for_each(|next| world.step(next));
    world.rest();
    world.at_rest();
    world.stays();
    // Everybody reads everything.
    let numbers: Vec<u32> = world.rig.books.keys().map(|conn| conn.number).collect();
    numbers.iter().for_each(|number| world.rig.read(*number, 1_000_000));
    world.rest();
    world.at_rest();
    // And leaves nothing behind.
    numbers.into_iter().for_each(|number| world.rig.close(number));
    let readers = &world.rig.readers;
    assert!(readers.groups.is_empty() && readers.watchers.is_empty() && readers.deadlines.is_empty());
    world
}

#[test]
fn the_interesting_places_are_reached() {
    let mut runner = TestRunner::deterministic();
    let mut marks = BTreeSet::new();
    for _ in 0..300 {
        let moves = moves().new_tree(&mut runner).unwrap().current();
        marks.extend(run(moves).rig.marks);
    }
    let missed: Vec<&&str> = MARKS.iter().filter(|mark| !marks.contains(*mark)).collect();
    assert_eq!(missed, [&""; 0]);
}
