//! Read sessions with a broker played by hand: a table of topics, records that are fetched and commits that become durable
//! when a test says so. What is said to each reader is compared with books of its own, at every step: who has what, which
//! offset is next, how much credit there is, which prefix is committed.

use super::super::super::api::{Consumer, Settings};
use super::super::super::catalogue::{Catalogue, PartitionId, Span, TopicId};
use super::super::super::config::Config;
use super::super::{Ask, Fetched, MARKS, MESSAGE_COST, Readers, Wish};
use crate::log::segments::Location;
use crate::reader::wire::{
    Batch, Commit, FromClient, FromServer, Init, PartitionSessionId, Range, TopicFilter,
};
use crate::writer::wire::{Codec, Numbered, Payload};
use crate::{Clock, ConnId, Dur, Mono, NodeId, Path, Wall};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec,
    vec::Vec,
};

/// A reader, as it and the broker should see it.
#[derive(Default)]
pub(super) struct Book {
    pub(super) consumer: Arc<str>,
    pub(super) topics: Vec<TopicFilter>,
    /// Asked for, less what was sent.
    pub(super) credit: i64,
    pub(super) parts: BTreeMap<PartitionSessionId, Leaf>,
    pub(super) last: PartitionSessionId,
    /// Partition sessions that are over.
    pub(super) over: Vec<(PartitionSessionId, u64)>,
}

/// A partition session of a book.
pub(super) struct Leaf {
    pub(super) at: PartitionId,
    /// What was committed when it began.
    pub(super) begun: u64,
    /// Commits may begin here.
    pub(super) base: u64,
    pub(super) first: u64,
    pub(super) start: u64,
    pub(super) started: bool,
    pub(super) stopping: bool,
    pub(super) next: u64,
    pub(super) read: u64,
    /// Offsets that the reader has committed.
    pub(super) committed: BTreeSet<u64>,
    pub(super) done: u64,
}

pub(super) struct Rig {
    pub(super) readers: Readers,
    pub(super) catalogue: Catalogue,
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) alarm: Option<Mono>,
    pub(super) books: BTreeMap<ConnId, Book>,
    /// What was said since the last look, to whom.
    pub(super) said: Vec<(ConnId, FromServer)>,
    pub(super) fetches: VecDeque<(u64, PartitionId, Span)>,
    pub(super) commits: VecDeque<(PartitionId, Arc<str>, u64)>,
    pub(super) marks: Vec<&'static str>,
    /// Every record there ever was.
    pub(super) records: BTreeMap<u64, Arc<Batch>>,
    /// What should be committed once everything is durable.
    pub(super) promised: BTreeMap<(PartitionId, Arc<str>), u64>,
    tokens: u64,
    sequence: u64,
}

pub(super) fn conn(number: u32) -> ConnId {
    ConnId { initiator: NodeId(7), number }
}

pub(super) fn id(number: u64) -> PartitionSessionId {
    PartitionSessionId(number)
}

pub(super) fn filter(path: &str) -> TopicFilter {
    TopicFilter { path: path.into(), partitions: vec![], max_lag: None, read_from: None }
}

/// Small bounds, so that tests reach them.
pub(super) fn config() -> Config {
    Config {
        response_bytes: 1000,
        fetches: 3,
        sessions: 8,
        stop_timeout: Dur::secs(30),
        ..Config::new(Path::root(), 1)
    }
}

impl Rig {
    pub(super) fn new() -> Rig {
        Rig {
            readers: Readers::default(),
            catalogue: Catalogue::default(),
            config: config(),
            clock: Clock { mono: Mono(0), wall: Wall(Dur::secs(1000).0) },
            alarm: None,
            books: BTreeMap::new(),
            said: vec![],
            fetches: VecDeque::new(),
            commits: VecDeque::new(),
            marks: vec![],
            records: BTreeMap::new(),
            promised: BTreeMap::new(),
            tokens: 0,
            sequence: 0,
        }
    }

    /// A rig with a topic `t` with so many partitions and the consumers `c` and `d`.
    pub(super) fn with(partitions: u32) -> Rig {
        let mut rig = Rig::new();
        rig.create("t", partitions);
        rig
    }

    pub(super) fn create(&mut self, path: &str, partitions: u32) -> TopicId {
        self.sequence += 1;
        let consumers = ["c", "d"].map(|name| (name.into(), Consumer::default()));
        let settings = Settings {
            partitions,
            retention: None,
            retention_bytes: None,
            codecs: vec![],
            attributes: BTreeMap::new(),
            consumers: BTreeMap::from(consumers),
        };
        self.catalogue.create(TopicId(self.sequence), path.into(), settings, self.clock.wall);
        TopicId(self.sequence)
    }

    pub(super) fn topic(&self, path: &str) -> TopicId {
        self.catalogue.id(path).expect("a topic")
    }

    pub(super) fn at(&self, number: u32) -> PartitionId {
        PartitionId { topic: self.topic("t"), number }
    }

    /// A step of the readers.
    pub(super) fn step(&mut self, step: impl FnOnce(&mut Readers, Ask<'_>, &mut Vec<Wish>)) {
        let mut out = Vec::new();
        let ask = Ask { clock: self.clock, config: &self.config, catalogue: &self.catalogue };
        step(&mut self.readers, ask, &mut out);
        for wish in out {
            self.grant(wish);
        }
    }

    fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Send(conn, said) => {
                self.hear(conn, &said);
                self.said.push((conn, said));
            }
            Wish::Close(conn) => {
                let over = matches!(self.said.last(), Some((of, FromServer::Failed(_))) if *of == conn);
                assert!(over, "closed without a word");
            }
            Wish::Fetch { token, at, span } => {
                assert!(token > self.tokens && token < 1 << 62, "a token that was used before");
                self.tokens = token;
                assert!(
                    self.catalogue.partition(at).unwrap().spans.contains(&span),
                    "a record that is not there"
                );
                assert!(!self.fetches.iter().any(|(_, _, other)| *other == span), "fetched twice at once");
                self.fetches.push_back((token, at, span));
                assert!(self.fetches.len() <= self.config.fetches as usize, "too many fetches");
            }
            Wish::Load { .. } => panic!("nothing is in files"),
            Wish::Commit { partition, consumer, offset } => {
                let committed = self.catalogue.partition(partition).unwrap().committed(&consumer);
                assert!(offset > committed, "a commit that goes back");
                let other = self.commits.iter().any(|(at, of, _)| (*at, of) == (partition, &consumer));
                assert!(!other, "two commits of a partition at once");
                assert_eq!(
                    self.promised.get(&(partition, consumer.clone())),
                    Some(&offset),
                    "not the prefix of what the one reader has committed"
                );
                self.commits.push_back((partition, consumer, offset));
            }
            Wish::Alarm(at) => {
                assert_ne!(self.alarm, at, "an alarm that was set already");
                self.alarm = at;
            }
            Wish::Mark(name) => {
                assert!(MARKS.contains(&name), "{name}");
                self.marks.push(name);
            }
        }
    }

    /// Compares what a reader is told with its book.
    fn hear(&mut self, conn: ConnId, said: &FromServer) {
        if let FromServer::Failed(_) = said {
            self.books.remove(&conn);
            return;
        }
        let consumer = self.books.get(&conn).expect("a reader that is there").consumer.clone();
        if let FromServer::Start { partition, path, session, committed, available } = said {
            let at = PartitionId { topic: self.topic(path), number: *partition };
            let has =
                |book: &Book| book.consumer == consumer && book.parts.values().any(|leaf| leaf.at == at);
            let rival = self.books.iter().find(|(other, book)| {
                has(book) && (!consumer.is_empty() || **other == conn) // without a consumer: only itself
            });
            assert!(rival.is_none(), "a partition of two readers: {at:?}");
            let there = self.catalogue.partition(at).unwrap();
            assert_eq!((*committed, *available), (there.committed(&consumer), there.available()));
            if !consumer.is_empty() {
                let promised = self.promised.get(&(at, consumer.clone())).copied().unwrap_or(0);
                assert_eq!(*committed, promised, "begun before a commit was durable");
            }
            let first = self.first(conn, path, at);
            let book = self.books.get_mut(&conn).unwrap();
            assert!(*session > book.last, "partition sessions are new");
            book.last = *session;
            let leaf = Leaf {
                at,
                begun: *committed,
                base: *committed,
                first,
                start: available.start,
                started: false,
                stopping: false,
                next: first,
                read: first,
                committed: BTreeSet::new(),
                done: *committed,
            };
            book.parts.insert(*session, leaf);
            return;
        }
        let book = self.books.get_mut(&conn).unwrap();
        match said {
            FromServer::Data { partitions, bytes } => {
                let response = u64::from(self.config.response_bytes);
                let mut sum = 0;
                let mut messages = 0;
                let mut largest = 0;
                assert!(!partitions.is_empty(), "nothing sent");
                for data in partitions {
                    let leaf = book.parts.get_mut(&data.session).expect("data of a partition session");
                    assert!(leaf.started && !leaf.stopping, "data after a stop, or before the start");
                    let there = self.catalogue.partition(leaf.at).unwrap();
                    for batch in &data.batches {
                        assert!(!batch.messages.is_empty());
                        let passed = batch.offset > leaf.next && batch.offset <= there.start;
                        assert!(batch.offset == leaf.next || passed, "a gap, or sent twice");
                        let mut header = cost_of_batch(batch);
                        for (message, offset) in batch.messages.iter().zip(batch.offset..) {
                            let whole = self.records.values().find(|record| {
                                record.producer_id == batch.producer_id // names the partition
                                    && (record.offset..record.offset + record.messages.len() as u64).contains(&offset)
                            });
                            let whole = whole.expect("a message that was written");
                            assert_eq!(message, &whole.messages[(offset - whole.offset) as usize]);
                            assert!(offset < there.end);
                            let cost = cost(message) + core::mem::take(&mut header);
                            largest = largest.max(cost);
                            sum += cost;
                            messages += 1;
                            leaf.next = offset + 1;
                            leaf.read = leaf.read.max(leaf.next);
                        }
                    }
                }
                assert_eq!(sum, *bytes);
                book.credit -= sum as i64;
                assert!(book.credit + largest as i64 > 0, "more than one message beyond the credit");
                assert!(sum <= response || messages == 1, "{sum} bytes in a response");
            }
            FromServer::Stop { session, graceful, .. } => {
                if *graceful {
                    let leaf = book.parts.get_mut(session).expect("a partition session");
                    assert!(!leaf.stopping, "stopped twice");
                    leaf.stopping = true;
                } else {
                    self.leave(conn, *session);
                }
            }
            FromServer::Committed(list) => {
                for (session, offset) in list {
                    let leaf = book.parts.get_mut(session).expect("a partition session");
                    let there = self.catalogue.partition(leaf.at).unwrap();
                    assert_eq!(there.committed(&book.consumer), *offset, "not durable");
                    assert!(leaf.done >= *offset && *offset > leaf.begun, "not committed by this reader");
                }
            }
            FromServer::Status { session, available, committed, .. } => {
                let there = self.catalogue.partition(book.parts[session].at).unwrap();
                assert_eq!((*available, *committed), (there.available(), there.committed(&book.consumer)));
            }
            FromServer::Init { .. } | FromServer::TokenUpdated => {}
            FromServer::Start { .. } | FromServer::Failed(_) => unreachable!("dealt with above"),
        }
    }

    /// Where a partition should begin for a reader.
    fn first(&self, conn: ConnId, path: &str, at: PartitionId) -> u64 {
        let book = &self.books[&conn];
        let there = self.catalogue.partition(at).unwrap();
        let filter = book.topics.iter().find(|filter| &*filter.path == path).unwrap();
        let lag = filter.max_lag.map(|lag| self.clock.wall.0 - lag.0);
        let own = self.catalogue.consumer(at.topic, &book.consumer).and_then(|consumer| consumer.read_from);
        let young = lag.max(filter.read_from.map(|wall| wall.0)).max(own.map(|wall| wall.0)).unwrap_or(0);
        let old = there.spans.iter().take_while(|span| span.written_at.0 < young).last();
        there.committed(&book.consumer).max(there.start).max(old.map_or(0, Span::end))
    }

    /// A partition session is over.
    pub(super) fn leave(&mut self, conn: ConnId, session: PartitionSessionId) {
        if let Some(book) = self.books.get_mut(&conn)
            && let Some(leaf) = book.parts.remove(&session)
        {
            book.over.push((session, leaf.read));
        }
    }

    pub(super) fn open(&mut self, number: u32, consumer: &str, topics: &[TopicFilter]) {
        let init = Init { topics: topics.to_vec(), consumer: consumer.into() };
        let book = Book { consumer: init.consumer.clone(), topics: init.topics.clone(), ..Book::default() };
        self.books.insert(conn(number), book);
        self.step(|readers, ask, out| {
            readers.received(ask, conn(number), FromClient::Init(init), out);
        });
    }

    /// A reader of topic `t` that wants so much and is ready for every partition that it is offered.
    pub(super) fn reader(&mut self, number: u32, bytes: u64) {
        self.open(number, "c", &[filter("t")]);
        self.read(number, bytes);
        self.start_all(number);
    }

    /// A reader says something.
    pub(super) fn say(&mut self, number: u32, said: FromClient) {
        self.step(|readers, ask, out| {
            readers.received(ask, conn(number), said, out);
        });
    }

    pub(super) fn read(&mut self, number: u32, bytes: u64) {
        self.books.get_mut(&conn(number)).unwrap().credit += bytes as i64;
        self.say(number, FromClient::Read { bytes });
    }

    pub(super) fn start(&mut self, number: u32, session: u64, read: Option<u64>, commit: Option<u64>) {
        if let Some(leaf) = self.leaf(number, session) {
            leaf.started = true;
            leaf.next = read.unwrap_or(leaf.next.max(commit.unwrap_or(0)));
            leaf.read = leaf.read.max(leaf.next);
            leaf.base = leaf.base.max(commit.unwrap_or(0));
            let (at, base) = (leaf.at, leaf.base.max(leaf.done));
            leaf.done = base;
            let consumer = self.books[&conn(number)].consumer.clone();
            if commit.is_some() {
                self.promised.insert((at, consumer), base);
            }
        }
        self.say(
            number,
            FromClient::Started { session: id(session), read_offset: read, commit_offset: commit },
        );
    }

    pub(super) fn start_all(&mut self, number: u32) {
        let book = &self.books[&conn(number)];
        let new: Vec<u64> =
            book.parts.iter().filter(|(_, leaf)| !leaf.started).map(|(session, _)| session.0).collect();
        new.into_iter().for_each(|session| self.start(number, session, None, None));
    }

    pub(super) fn leaf(&mut self, number: u32, session: u64) -> Option<&mut Leaf> {
        self.books.get_mut(&conn(number))?.parts.get_mut(&id(session))
    }

    /// Gives up everything that the broker asks back.
    pub(super) fn stop_all(&mut self, number: u32) {
        let book = &self.books[&conn(number)];
        let asked: Vec<_> =
            book.parts.iter().filter(|(_, leaf)| leaf.stopping).map(|(session, _)| *session).collect();
        for session in asked {
            self.leave(conn(number), session);
            self.say(number, FromClient::Stopped(session));
        }
    }

    /// Commits a range, and keeps the books as if it were taken.
    pub(super) fn commit(&mut self, number: u32, session: u64, start: u64, end: u64) {
        let starts = |at| self.catalogue.partition(at).map_or(0, |there| there.start);
        let book = self.books.get_mut(&conn(number)).unwrap();
        if let Some(leaf) = book.parts.get_mut(&id(session)) {
            let floor = leaf.first.max(starts(leaf.at));
            leaf.committed.extend(start.max(floor)..end);
            if leaf.advance(floor) {
                self.promised.insert((leaf.at, book.consumer.clone()), leaf.done);
            }
        }
        self.say_commit(number, session, start, end);
    }

    pub(super) fn say_commit(&mut self, number: u32, session: u64, start: u64, end: u64) {
        let ranges = vec![Range { start, end }];
        self.say(number, FromClient::Commit(vec![Commit { session: id(session), ranges }]));
    }

    pub(super) fn close(&mut self, number: u32) {
        self.books.remove(&conn(number));
        self.step(|readers, ask, out| {
            readers.closed(ask, conn(number), out);
        });
    }

    /// Messages with payloads of these lengths become visible, in one record.
    pub(super) fn write(&mut self, number: u32, lengths: &[usize]) {
        self.write_to(self.at(number), lengths);
    }

    pub(super) fn write_to(&mut self, at: PartitionId, lengths: &[usize]) {
        self.sequence += 1;
        let sequence = self.sequence;
        let partition = self.catalogue.partition_mut(at).unwrap();
        let first = partition.end;
        let numbered = |(length, offset): (&usize, u64)| Numbered {
            seq_no: offset + 1,
            payload: Payload {
                data: vec![offset as u8; *length].into(),
                codec: Codec::RAW,
                uncompressed_size: *length as u64,
                created_at: Wall(0),
                metadata: vec![],
            },
        };
        let batch = Batch {
            offset: first,
            producer_id: alloc::format!("{}/{}", at.topic.0, at.number).into(),
            session_meta: Arc::new([]),
            codec: Codec::RAW,
            written_at: self.clock.wall,
            messages: lengths.iter().zip(first..).map(numbered).collect(),
        };
        let bytes: u64 = batch.messages.iter().map(cost).sum();
        let place = Location { segment: 1, offset: sequence, len: bytes as u32 };
        let count = lengths.len() as u32;
        partition.show(Span { first, count, sequence, at: place, written_at: self.clock.wall });
        self.records.insert(sequence, Arc::new(batch));
        self.shown(at);
    }

    pub(super) fn trim(&mut self, number: u32, start: u64) {
        let at = self.at(number);
        self.catalogue.partition_mut(at).unwrap().trim(start);
        let start = self.catalogue.partition(at).unwrap().start;
        for book in self.books.values_mut() {
            for leaf in book.parts.values_mut().filter(|leaf| leaf.at == at) {
                if leaf.advance(leaf.first.max(start)) {
                    self.promised.insert((at, book.consumer.clone()), leaf.done);
                }
            }
        }
        self.shown(at);
    }

    fn shown(&mut self, at: PartitionId) {
        self.step(|readers, ask, out| readers.shown(ask, at, out));
    }

    /// Answers an outstanding fetch.
    pub(super) fn answer(&mut self, index: usize, with: impl FnOnce(Arc<Batch>) -> Fetched) {
        let (token, _, span) = self.fetches.remove(index).expect("a fetch");
        let result = with(self.records[&span.sequence].clone());
        self.step(|readers, ask, out| {
            readers.fetched(ask, token, result, out);
        });
    }

    pub(super) fn answer_all(&mut self) {
        while !self.fetches.is_empty() {
            self.answer(0, Fetched::Batch);
        }
    }

    /// The oldest commit becomes durable.
    pub(super) fn durable(&mut self) {
        let (partition, consumer, offset) = self.commits.pop_front().expect("a commit");
        let committed = &mut self.catalogue.partition_mut(partition).unwrap().committed;
        committed.insert(consumer.clone(), offset);
        self.step(|readers, ask, out| {
            readers.committed(ask, partition, &consumer, out);
        });
    }

    /// A call moves the position of consumer `c`.
    pub(super) fn move_commit(&mut self, number: u32, offset: u64) {
        let at = self.at(number);
        let under_way = self.commits.iter().find(|(of, consumer, _)| *of == at && &**consumer == "c");
        let then = under_way.map_or(offset, |(_, _, offset)| *offset);
        self.promised.insert((at, "c".into()), then);
        self.catalogue.partition_mut(at).unwrap().committed.insert("c".into(), offset);
        self.step(|readers, ask, out| {
            readers.commit_moved(ask, at, "c", out);
        });
    }

    pub(super) fn wait(&mut self, span: Dur) {
        self.clock.mono = self.clock.mono.after(span);
        self.clock.wall = Wall(self.clock.wall.0 + span.0);
    }

    /// Lets time pass, and the alarm with it.
    pub(super) fn pass(&mut self, span: Dur) {
        self.wait(span);
        if self.alarm.is_some_and(|at| at <= self.clock.mono) {
            self.alarm = None;
            self.step(|readers, ask, out| readers.timer(ask, out));
        }
    }

    pub(super) fn changed(&mut self, path: TopicId) {
        self.step(|readers, ask, out| {
            readers.topic_changed(ask, path, out);
        });
    }

    /// More partitions for topic `t`.
    pub(super) fn grow(&mut self, partitions: u32) {
        let topic = self.topic("t");
        let settings = self.catalogue.topic(topic).unwrap().settings.clone();
        self.catalogue.alter(topic, Settings { partitions, ..settings });
        self.changed(topic);
    }

    /// What a reader was told since the last look.
    pub(super) fn look(&mut self, number: u32) -> Vec<FromServer> {
        let (own, others) =
            core::mem::take(&mut self.said).into_iter().partition(|(of, _)| *of == conn(number));
        self.said = others;
        let own: Vec<(ConnId, FromServer)> = own;
        own.into_iter().map(|(_, said)| said).collect()
    }

    /// The offsets that a reader was sent since the last look, by partition session.
    pub(super) fn offsets(&mut self, number: u32) -> BTreeMap<u64, Vec<u64>> {
        let mut offsets: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for said in self.look(number) {
            let FromServer::Data { partitions, .. } = said else { continue };
            for data in partitions {
                for batch in data.batches {
                    let sent = batch.offset..batch.offset + batch.messages.len() as u64;
                    offsets.entry(data.session.0).or_default().extend(sent);
                }
            }
        }
        offsets
    }

    /// The partitions of topic `t` that a reader has, rising.
    pub(super) fn has(&self, number: u32) -> Vec<u32> {
        let topic = self.topic("t");
        let book = self.books.get(&conn(number));
        let leaves = book.into_iter().flat_map(|book| book.parts.values());
        let has: BTreeSet<u32> =
            leaves.filter(|leaf| leaf.at.topic == topic).map(|leaf| leaf.at.number).collect();
        has.into_iter().collect()
    }

    /// The code and the words with which a session ended, if it did.
    pub(super) fn failed(&mut self, number: u32) -> Option<(u32, alloc::string::String)> {
        self.look(number).into_iter().find_map(|said| match said {
            FromServer::Failed(status) => Some((status.code, (*status.issues[0].message).into())),
            _ => None,
        })
    }
}

impl Leaf {
    /// The prefix of what is committed, where what will never be sent counts if something follows it. Whether it grew.
    pub(super) fn advance(&mut self, floor: u64) -> bool {
        let before = self.done;
        let mut reach = self.done;
        let most = self.committed.last().map_or(0, |last| last + 1);
        while reach < most && (self.committed.contains(&reach) || reach < floor) {
            reach += 1;
            if self.committed.contains(&(reach - 1)) {
                self.done = self.done.max(reach);
            }
        }
        self.done > before
    }
}

pub(super) fn cost(message: &Numbered) -> u64 {
    MESSAGE_COST + message.payload.data.len() as u64
}

fn cost_of_batch(batch: &Batch) -> u64 {
    batch.producer_id.len() as u64
}
