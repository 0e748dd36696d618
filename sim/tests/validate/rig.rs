//! A broker on real files under its production driver and a recording, without a network: a test speaks for its clients
//! and turns its clocks.

use onceward::{
    driver::{Driver, Outgoing, Port, files::Files},
    trace::{Recording, record},
};
use onceward_core::{
    CallId, ClientId, Clock, Closed, ConnId, DiskOp, DiskResult, Dur, Input, Mark, Mono, NodeId, OpId, Path,
    Wall,
    broker::{
        Broker, Config,
        api::{Message, Request, Response},
    },
    reader::wire as read,
    writer::wire::{self as write, Codec, Numbered, Payload},
};
use std::{collections::BTreeMap, path::Path as OsPath};

/// A broker that takes little to do everything that brokers do: files of a few kilobytes, a log that is cut often.
pub(crate) fn config() -> Config {
    let mut config = Config::new(Path::root(), 7);
    config.segments.segment_bytes = 256 << 10;
    config.segments.reserve_bytes = 0;
    config.segments.queue_bytes = 128 << 10;
    (config.message_bytes, config.record_bytes) = (4 << 10, 2 << 10);
    (config.pool.segment_bytes, config.pool.flush_bytes, config.pool.undrained_bytes) =
        (2 << 10, 2 << 10, 4 << 10);
    config.pool.flush_interval = Some(Dur::secs(1));
    (config.checkpoint_bytes, config.tail_bytes) = (16 << 10, 3 << 10);
    config
}

struct Outside {
    files: Files,
    done: Vec<(OpId, DiskResult)>,
    now: Clock,
    heard: BTreeMap<ConnId, Vec<Message>>,
    closed: Vec<ConnId>,
    replies: BTreeMap<CallId, Response>,
}

impl Port<Broker> for Outside {
    fn now(&mut self) -> Clock {
        // Time passes with each step.
        self.now = at(self.now, Dur(1000));
        self.now
    }

    fn entropy(&mut self) -> u64 {
        0
    }

    fn disk(&mut self, id: OpId, op: DiskOp) {
        let result = self.files.perform(&op);
        self.done.push((id, result));
    }

    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>) {
        into.append(&mut self.done);
    }

    fn ready(&self) -> bool {
        !self.done.is_empty()
    }

    fn reply(&mut self, call: CallId, response: Response) {
        self.replies.insert(call, response);
    }

    fn network(&mut self, action: Outgoing<Message>) {
        match action {
            Outgoing::Write(conn, message) => self.heard.entry(conn).or_default().push(message),
            Outgoing::Close(conn) => self.closed.push(conn),
            Outgoing::Send(..) | Outgoing::Connect(..) => panic!("a broker does neither"),
        }
    }

    fn mark(&mut self, _mark: Mark) {}

    fn abandon(&mut self) {
        self.done.clear();
    }
}

fn at(clock: Clock, later: Dur) -> Clock {
    Clock { mono: clock.mono.after(later), wall: Wall(clock.wall.0 + later.0) }
}

/// A process.
pub(crate) struct Rig {
    driver: Driver<Broker, Outside>,
    calls: u64,
    connections: u32,
}

impl Rig {
    /// Starts a process on a folder, with clocks that go on where those of another one may have ended.
    pub(crate) fn start(folder: &OsPath, recording: &Recording, wall: Wall) -> Rig {
        let files = Files::create(folder).unwrap();
        let outside = Outside {
            files,
            done: Vec::new(),
            now: Clock { mono: Mono(0), wall },
            heard: BTreeMap::new(),
            closed: Vec::new(),
            replies: BTreeMap::new(),
        };
        let mut driver = Driver::new(Broker::new(config()).unwrap(), outside);
        driver.tap(record(recording, folder).unwrap());
        let mut rig = Rig { driver, calls: 0, connections: 0 };
        rig.run();
        rig
    }

    /// Lets everything happen that can happen now.
    pub(crate) fn run(&mut self) {
        while self.driver.turn().more {}
        for conn in std::mem::take(&mut self.driver.port().closed) {
            // As a client does who sees the end.
            self.driver.push(Input::Closed(conn, Closed::Finished));
        }
        while self.driver.turn().more {}
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn wait(&mut self, span: Dur) {
        let end = self.driver.port().now().mono.after(span);
        loop {
            let next = self.driver.turn().next;
            let port = self.driver.port();
            let due = next.filter(|due| *due <= end).unwrap_or(end);
            port.now = at(port.now, due.since(port.now.mono));
            self.run();
            if due >= end {
                break;
            }
        }
    }

    pub(crate) fn wall(&mut self) -> Wall {
        self.driver.port().now().wall
    }

    pub(crate) fn call(&mut self, request: Request) -> Response {
        self.calls += 1;
        let call = CallId { client: ClientId(0), number: self.calls };
        self.driver.push(Input::Call(call, request));
        self.run();
        self.driver.port().replies.remove(&call).unwrap()
    }

    /// Opens a connection.
    pub(crate) fn open(&mut self) -> ConnId {
        self.connections += 1;
        let conn = ConnId { initiator: NodeId(1), number: self.connections };
        self.driver.push(Input::Accepted(conn));
        conn
    }

    pub(crate) fn hang_up(&mut self, conn: ConnId) {
        self.driver.push(Input::Closed(conn, Closed::Reset));
        self.run();
    }

    pub(crate) fn say(&mut self, conn: ConnId, message: Message) {
        self.driver.push(Input::Received(conn, message));
    }

    /// What was heard since the last time.
    pub(crate) fn heard(&mut self, conn: ConnId) -> Vec<Message> {
        self.run();
        self.driver.port().heard.remove(&conn).unwrap_or_default()
    }

    /// Opens a write session.
    pub(crate) fn writer(&mut self, topic: &str, producer: &str, partition: u32) -> ConnId {
        let conn = self.open();
        let init = write::Init {
            path: topic.into(),
            producer_id: producer.into(),
            partition: Some(partition),
            group: "".into(),
            session_meta: [("host".into(), "here".into())].into(),
        };
        self.say(conn, Message::Write(write::FromClient::Init(init)));
        conn
    }

    /// Writes messages under these numbers, without waiting for anything.
    pub(crate) fn write(&mut self, conn: ConnId, numbers: impl IntoIterator<Item = u64>) {
        let one = |seq_no: u64| Numbered {
            seq_no,
            payload: Payload {
                data: format!(
                    "message {seq_no} of {}: {}",
                    conn.number,
                    "pears ".repeat(seq_no as usize % 30)
                )
                .into(),
                codec: Codec::RAW,
                uncompressed_size: 0,
                created_at: Wall(seq_no),
                metadata: vec![("kind".into(), "fruit".into())],
            },
        };
        let messages = numbers.into_iter().map(one).collect();
        self.say(conn, Message::Write(write::FromClient::Write { codec: Codec::RAW, messages }));
    }

    /// Opens a read session.
    pub(crate) fn reader(&mut self, topic: &str, consumer: &str, bytes: u64) -> ConnId {
        let conn = self.open();
        let topics = vec![read::TopicFilter {
            path: topic.into(),
            partitions: if consumer.is_empty() { vec![0] } else { vec![] },
            max_lag: None,
            read_from: None,
        }];
        let init = read::Init { topics, consumer: consumer.into() };
        self.say(conn, Message::Read(read::FromClient::Init(init)));
        self.say(conn, Message::Read(read::FromClient::Read { bytes }));
        conn
    }

    /// Does as clients do: begins what it is given, commits what it is sent, gives back what is wanted back. Says how many
    /// messages it got.
    pub(crate) fn attend(&mut self, conn: ConnId, commits: bool) -> usize {
        let mut got = 0;
        loop {
            let heard = self.heard(conn);
            if heard.is_empty() {
                return got;
            }
            for message in heard {
                let Message::ReadReply(said) = message else { panic!("{message:?} to a reader") };
                let answer = match said {
                    read::FromServer::Start { session, .. } => {
                        read::FromClient::Started { session, read_offset: None, commit_offset: None }
                    }
                    read::FromServer::Stop { session, graceful: true, .. } => {
                        read::FromClient::Stopped(session)
                    }
                    read::FromServer::Data { partitions, bytes } => {
                        let mut done = Vec::new();
                        for data in partitions {
                            let range = |batch: &read::Batch| read::Range {
                                start: batch.offset,
                                end: batch.offset + batch.messages.len() as u64,
                            };
                            got += data.batches.iter().map(|batch| batch.messages.len()).sum::<usize>();
                            let ranges = data.batches.iter().map(range).collect();
                            done.push(read::Commit { session: data.session, ranges });
                        }
                        if commits {
                            self.say(conn, Message::Read(read::FromClient::Commit(done)));
                        }
                        read::FromClient::Read { bytes }
                    }
                    _ => continue,
                };
                self.say(conn, Message::Read(answer));
            }
        }
    }
}
