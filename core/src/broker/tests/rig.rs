//! A broker on a disk that does as it is told, with streams and calls: perfect unless a test holds or fails its syncs.

use super::super::{Broker, Config, api::*};
use crate::obedient::Disk;
use crate::reader::wire as read;
use crate::writer::wire::{
    Ack, AckStatus, Codec, FromClient, FromServer, Init, Numbered, Payload, Session, Status as Failed,
};
use crate::{
    Action, CallId, ClientId, Clock, Closed, ConnId, DiskError, DiskOp, Dur, Input, Machine, Mono, NodeId,
    OpId, Path, Wall,
};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};
use bytes::Bytes;

/// A broker, its disk, its timers and those who speak to it.
pub(super) struct Rig {
    pub(super) broker: Broker,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    pub(super) marks: BTreeSet<&'static str>,
    /// Syncs are not answered.
    pub(super) hold_syncs: bool,
    /// So many syncs fail.
    pub(super) fail_syncs: u32,
    /// Writes find no space.
    pub(super) full: bool,
    /// The disk holds so many bytes of files.
    pub(super) capacity: usize,
    /// These operations fail.
    pub(super) fail: fn(&DiskOp) -> bool,
    /// These are not answered.
    pub(super) hold: fn(&DiskOp) -> bool,
    replies: BTreeMap<CallId, Response>,
    heard: BTreeMap<ConnId, VecDeque<Message>>,
    pub(super) closed: BTreeSet<ConnId>,
    pending: VecDeque<(OpId, DiskOp)>,
    timers: BTreeMap<Timer, Mono>,
    count: u32,
}

/// Small segments and bounds, so that a test reaches them.
pub(super) fn config() -> Config {
    let mut config = Config::new(Path::root(), 7);
    config.segments.segment_bytes = 4096;
    config.segments.sector = 16;
    config.segments.preallocate = false;
    config.segments.reserve_bytes = 0;
    config.message_bytes = 4096;
    config.record_bytes = 1024;
    config.session_bytes = 8192;
    config.segments.queue_bytes = 128 << 10;
    config.tail_bytes = 4096;
    config
}

/// The pool and checkpoints as well.
pub(super) fn draining() -> Config {
    let mut config = config();
    config.checkpoint_bytes = 2048;
    config.pool.segment_bytes = 600;
    config.pool.flush_bytes = 600;
    config.pool.undrained_bytes = 1500;
    config.pool.cache_bytes = 1000;
    config.tail_bytes = 1000;
    config
}

pub(super) fn settings(partitions: u32) -> Settings {
    Settings {
        partitions,
        retention: None,
        retention_bytes: None,
        codecs: Vec::new(),
        attributes: BTreeMap::new(),
        consumers: [(Arc::from("c"), Consumer::default())].into(),
    }
}

pub(super) fn init(producer: &str) -> Init {
    Init {
        path: "t".into(),
        producer_id: producer.into(),
        partition: None,
        group: "".into(),
        session_meta: Arc::new([]),
    }
}

pub(super) fn message(seq_no: u64, data: impl Into<Bytes>) -> Numbered {
    let data = data.into();
    let uncompressed_size = data.len() as u64;
    let payload =
        Payload { data, codec: Codec::RAW, uncompressed_size, created_at: Wall(5), metadata: Vec::new() };
    Numbered { seq_no, payload }
}

pub(super) fn messages(numbers: impl IntoIterator<Item = u64>) -> Vec<Numbered> {
    numbers.into_iter().map(|n| message(n, alloc::format!("message {n}"))).collect()
}

pub(super) fn written(seq_no: u64, offset: u64) -> Ack {
    Ack { seq_no, status: AckStatus::Written { offset } }
}

pub(super) fn skipped(seq_no: u64) -> Ack {
    Ack { seq_no, status: AckStatus::Skipped }
}

impl Rig {
    /// With a topic `t` of so many partitions and a consumer `c`.
    pub(super) fn new(config: Config, partitions: u32) -> Rig {
        let mut rig = Rig::on(config, Disk::default());
        let create = Request::Create { path: "t".into(), settings: settings(partitions) };
        assert_eq!(rig.ask(create), Response::Done);
        rig
    }

    pub(super) fn on(config: Config, disk: Disk) -> Rig {
        let clock = Clock { mono: Mono(0), wall: Wall(1_700_000_000_000_000_000) };
        let mut rig = Rig {
            broker: Broker::new(config).unwrap(),
            disk,
            clock,
            marks: BTreeSet::new(),
            hold_syncs: false,
            fail_syncs: 0,
            full: false,
            capacity: usize::MAX,
            fail: |_| false,
            hold: |_| false,
            replies: BTreeMap::new(),
            heard: BTreeMap::new(),
            closed: BTreeSet::new(),
            pending: VecDeque::new(),
            timers: BTreeMap::new(),
            count: 0,
        };
        rig.step(Input::Boot);
        rig.run();
        rig
    }

    /// The process ends and another begins on the same files.
    pub(super) fn restart(&mut self) {
        let config = self.broker.config().clone();
        let (disk, count, clock) = (core::mem::take(&mut self.disk), self.count, self.clock);
        let (marks, capacity) = (core::mem::take(&mut self.marks), self.capacity);
        *self = Rig::on(config, disk);
        (self.count, self.clock, self.capacity) = (count, clock, capacity);
        self.marks.extend(marks);
    }

    pub(super) fn step(&mut self, input: <Broker as Machine>::Input) {
        let mut actions = Vec::new();
        self.broker.step(self.clock, input, &mut actions);
        for action in actions {
            match action {
                Action::Disk(id, op) => self.pending.push_back((id, op)),
                Action::Arm(timer, window) => {
                    self.timers.insert(timer, self.clock.mono.after(window.from));
                }
                Action::Disarm(timer) => {
                    self.timers.remove(&timer);
                }
                Action::Reply(call, response) => {
                    let again = self.replies.insert(call, response);
                    assert_eq!(again, None, "{call:?} was answered twice");
                }
                Action::Write(conn, message) => {
                    assert!(!self.closed.contains(&conn), "{message:?} on a closed connection");
                    self.heard.entry(conn).or_default().push_back(message);
                }
                Action::Close(conn) => assert!(self.closed.insert(conn), "closed twice"),
                Action::Mark(mark) => {
                    self.marks.insert(mark.0);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lets the disk work until nothing is asked of it that it may answer.
    pub(super) fn run(&mut self) {
        let mut held = VecDeque::new();
        while let Some((id, op)) = self.pending.pop_front() {
            let sync = matches!(op, DiskOp::Sync { .. });
            if sync && self.hold_syncs || (self.hold)(&op) {
                held.push_back((id, op));
                continue;
            }
            let grows = matches!(op, DiskOp::Write { .. } | DiskOp::Create(_) | DiskOp::Allocate { .. });
            let result = if (self.fail)(&op) {
                Err(DiskError::Io)
            } else if sync && self.fail_syncs > 0 {
                self.fail_syncs -= 1;
                Err(DiskError::Io)
            } else if grows && (self.full || self.used_after(&op) > self.capacity) {
                Err(DiskError::NoSpace)
            } else {
                self.disk.perform(&op)
            };
            self.step(Input::Disk(id, result));
        }
        self.pending = held;
    }

    /// How many bytes there are in files once this is done.
    fn used_after(&self, op: &DiskOp) -> usize {
        let len = |name: &str| self.disk.files.get(name).map_or(0, |(seen, _)| seen.len());
        let wanted = match op {
            DiskOp::Write { offset, data, .. } => *offset as usize + data.len(),
            DiskOp::Allocate { len, .. } => *len as usize,
            _ => 0,
        };
        let used: usize = self.disk.files.keys().map(|name| len(name)).sum();
        used + wanted.saturating_sub(len(op.path().as_str()))
    }

    /// Lets the disk perform so many operations. Says whether nothing is left to be done.
    pub(super) fn run_some(&mut self, count: usize) -> bool {
        for _ in 0..count {
            let Some((id, op)) = self.pending.pop_front() else { return true };
            let result = self.disk.perform(&op);
            self.step(Input::Disk(id, result));
        }
        self.pending.is_empty()
    }

    /// It is time to flush.
    pub(super) fn fire_flush(&mut self) {
        self.timers.remove(&Timer::Flush);
        self.step(Input::Timer(Timer::Flush));
    }

    /// Lets time pass, timers and disk included.
    pub(super) fn pass(&mut self, span: Dur) {
        let end = self.clock.mono.after(span);
        loop {
            self.run();
            let due = self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at));
            let Some((timer, at)) = due.filter(|(_, at)| *at <= end) else { break };
            self.timers.remove(&timer);
            self.set_time(at.max(self.clock.mono));
            self.step(Input::Timer(timer));
        }
        self.set_time(end);
    }

    fn set_time(&mut self, to: Mono) {
        let passed = to.since(self.clock.mono);
        self.clock.wall.0 += passed.0;
        self.clock.mono = to;
    }

    pub(super) fn call(&mut self, request: Request) -> CallId {
        self.count += 1;
        let call = CallId { client: ClientId(0), number: self.count.into() };
        self.step(Input::Call(call, request));
        call
    }

    pub(super) fn answer(&mut self, call: CallId) -> Option<Response> {
        self.replies.remove(&call)
    }

    /// Calls and waits for the answer.
    pub(super) fn ask(&mut self, request: Request) -> Response {
        let call = self.call(request);
        self.run();
        self.answer(call).unwrap()
    }

    pub(super) fn status(&mut self) -> Status {
        match self.ask(Request::Status) {
            Response::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn topic(&mut self) -> Description {
        match self.ask(Request::Describe { path: "t".into() }) {
            Response::Topic(topic) => topic,
            other => panic!("{other:?}"),
        }
    }

    /// A connection that says this first.
    pub(super) fn connect(&mut self, first: Message) -> ConnId {
        self.count += 1;
        let conn = ConnId { initiator: NodeId(1), number: self.count };
        self.step(Input::Accepted(conn));
        self.step(Input::Received(conn, first));
        conn
    }

    pub(super) fn say(&mut self, conn: ConnId, message: Message) {
        self.step(Input::Received(conn, message));
    }

    pub(super) fn hang_up(&mut self, conn: ConnId) {
        self.step(Input::Closed(conn, Closed::Finished));
    }

    pub(super) fn hear(&mut self, conn: ConnId) -> Option<Message> {
        self.heard.get_mut(&conn)?.pop_front()
    }

    /// A write stream, without waiting for anything.
    pub(super) fn open(&mut self, init: Init) -> ConnId {
        self.connect(Message::Write(FromClient::Init(init)))
    }

    /// A write session, and what it is told.
    pub(super) fn writer(&mut self, init: Init) -> (ConnId, Session) {
        let conn = self.open(init);
        self.run();
        match self.hear(conn) {
            Some(Message::WriteReply(FromServer::Init(session))) => (conn, session),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn send(&mut self, conn: ConnId, messages: Vec<Numbered>) {
        self.say(conn, Message::Write(FromClient::Write { codec: Codec::RAW, messages }));
    }

    /// Sends, and gives what is acknowledged then.
    pub(super) fn write(&mut self, conn: ConnId, messages: Vec<Numbered>) -> Vec<Ack> {
        self.send(conn, messages);
        self.run();
        self.acks(conn)
    }

    /// What has been acknowledged and not looked at.
    pub(super) fn acks(&mut self, conn: ConnId) -> Vec<Ack> {
        let mut acks = Vec::new();
        while let Some(Message::WriteReply(FromServer::Acks(_))) =
            self.heard.get(&conn).and_then(VecDeque::front)
        {
            if let Some(Message::WriteReply(FromServer::Acks(more))) = self.hear(conn) {
                acks.extend(more);
            }
        }
        acks
    }

    /// How a write stream ended.
    pub(super) fn failure(&mut self, conn: ConnId) -> Failed {
        assert!(self.closed.contains(&conn), "{conn:?} is open");
        match self.hear(conn) {
            Some(Message::WriteReply(FromServer::Failed(status))) => status,
            other => panic!("{other:?}"),
        }
    }

    /// Everything in a partition from an offset, read by a reader without a consumer.
    pub(super) fn read_all(&mut self, partition: u32, from: u64) -> Vec<(u64, Arc<str>, Numbered)> {
        let topics = Vec::from([read::TopicFilter {
            path: "t".into(),
            partitions: Vec::from([partition]),
            max_lag: None,
            read_from: None,
        }]);
        self.read_topics(topics, Some(from))
    }

    /// Everything that a reader without a consumer is sent.
    pub(super) fn read_topics(
        &mut self,
        topics: Vec<read::TopicFilter>,
        from: Option<u64>,
    ) -> Vec<(u64, Arc<str>, Numbered)> {
        let init = read::Init { topics, consumer: "".into() };
        let conn = self.connect(Message::Read(read::FromClient::Init(init)));
        self.say(conn, Message::Read(read::FromClient::Read { bytes: 1 << 40 }));
        let mut all = Vec::new();
        loop {
            self.run();
            match self.hear(conn) {
                Some(Message::ReadReply(read::FromServer::Start { session, .. })) => {
                    let started =
                        read::FromClient::Started { session, read_offset: from, commit_offset: None };
                    self.say(conn, Message::Read(started));
                }
                Some(Message::ReadReply(read::FromServer::Data { partitions, .. })) => {
                    for batch in partitions.into_iter().flat_map(|data| data.batches) {
                        let producer = batch.producer_id;
                        all.extend(
                            (batch.offset..)
                                .zip(batch.messages)
                                .map(|(offset, m)| (offset, producer.clone(), m)),
                        );
                    }
                }
                Some(Message::ReadReply(read::FromServer::Init { .. })) => {}
                Some(Message::ReadReply(read::FromServer::Failed(_))) => break,
                Some(other) => panic!("{other:?}"),
                None => break,
            }
        }
        self.hang_up(conn);
        all
    }
}
