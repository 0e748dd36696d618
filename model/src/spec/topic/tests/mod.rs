//! Each promise, broken by a history made by hand, and kept by one that differs in that alone.

mod recordings;

use super::*;
use crate::world::Time;
use onceward_core::{
    ClientId, NodeId, Wall,
    broker::api::{Change, Refusal, Response, Settings},
    reader::wire::{self as read, Batch, PartitionData, Range},
    writer::wire::{self as write, Ack, AckStatus, Numbered, Payload},
};

const SEEN: Seen = Seen { step: 1, at: Time(0) };

type Told = Result<(), &'static str>;

/// A book, and short words for what is said.
/// A book of a recording of a broker that has room for so many producers more.
fn remembering(spare: u64) -> Book {
    let mut book = Book::of_recording();
    book.remembers(spare);
    book
}

struct Case(Book);

fn conn(number: u32) -> ConnId {
    ConnId { initiator: NodeId(1), number }
}

fn call(number: u64) -> CallId {
    CallId { client: ClientId(1), number }
}

fn numbered(seq_no: u64, data: &'static str) -> Numbered {
    let payload = Payload {
        data: data.into(),
        codec: Codec::RAW,
        uncompressed_size: 0,
        created_at: Wall(0),
        metadata: Vec::new(),
    };
    Numbered { seq_no, payload }
}

fn written(seq_no: u64, offset: u64) -> Ack {
    Ack { seq_no, status: AckStatus::Written { offset } }
}

fn commit(offset: u64) -> Request {
    Request::Commit { path: "t".into(), partition: 0, consumer: "c".into(), offset }
}

fn create() -> Request {
    let settings = Settings {
        partitions: 1,
        retention: None,
        retention_bytes: None,
        codecs: Vec::new(),
        attributes: BTreeMap::new(),
        consumers: BTreeMap::new(),
    };
    Request::Create { path: "t".into(), settings }
}

impl Case {
    fn strict() -> Case {
        Case(Book::default())
    }

    fn recording() -> Case {
        Case(remembering(100))
    }

    fn both() -> [Case; 2] {
        [Case::strict(), Case::recording()]
    }

    fn opens(&mut self, number: u32, path: &str, producer: &str) {
        let init = write::Init {
            path: path.into(),
            producer_id: producer.into(),
            partition: None,
            group: "".into(),
            session_meta: [].into(),
        };
        self.0.writer_said(conn(number), &write::FromClient::Init(init));
    }

    fn greeted(&mut self, number: u32, last_seq_no: u64) -> Told {
        let session =
            write::Session { session_id: "s".into(), partition: 0, last_seq_no, codecs: Vec::new() };
        self.tell_writer(number, write::FromServer::Init(session))
    }

    /// A writer that is open, and new.
    fn writer(&mut self, number: u32, path: &str, producer: &str) {
        self.opens(number, path, producer);
        assert_eq!(self.greeted(number, 0), Ok(()));
    }

    fn writes(&mut self, number: u32, messages: &[(u64, &'static str)]) {
        let messages = messages.iter().map(|(number, data)| numbered(*number, data)).collect();
        self.0.writer_said(conn(number), &write::FromClient::Write { codec: Codec::RAW, messages });
    }

    fn acks(&mut self, number: u32, acks: &[Ack]) -> Told {
        self.tell_writer(number, write::FromServer::Acks(acks.into()))
    }

    fn tell_writer(&mut self, number: u32, said: write::FromServer) -> Told {
        self.0.writer_told(SEEN, conn(number), &said).map_err(|broken| broken.promise)
    }

    fn reads(&mut self, number: u32, consumer: &str) {
        let init = read::Init { topics: Vec::new(), consumer: consumer.into() };
        self.0.reader_said(conn(number), &read::FromClient::Init(init));
        self.0.reader_said(conn(number), &read::FromClient::Read { bytes: 1000 });
    }

    fn offered(&mut self, number: u32, session: u64, committed: u64) -> Told {
        let start = read::FromServer::Start {
            session: PartitionSessionId(session),
            path: "t".into(),
            partition: 0,
            committed,
            available: Range { start: 0, end: 9 },
        };
        self.tell_reader(number, start)
    }

    fn starts(&mut self, number: u32, session: u64) {
        self.starts_at(number, session, None, None);
    }

    fn starts_at(&mut self, number: u32, session: u64, read: Option<u64>, commit: Option<u64>) {
        let session = PartitionSessionId(session);
        let said = read::FromClient::Started { session, read_offset: read, commit_offset: commit };
        self.0.reader_said(conn(number), &said);
    }

    /// A reader that has the partition.
    fn reader(&mut self, number: u32, consumer: &str) {
        self.reads(number, consumer);
        assert_eq!(self.offered(number, 1, 0), Ok(()));
        self.starts(number, 1);
    }

    fn shows(&mut self, number: u32, offset: u64, named: (&str, u64), data: &'static str) -> Told {
        self.shows_for(number, 10, offset, named, data)
    }

    fn shows_for(
        &mut self,
        number: u32,
        bytes: u64,
        offset: u64,
        (producer, seq_no): (&str, u64),
        data: &'static str,
    ) -> Told {
        let batch = Batch {
            offset,
            producer_id: producer.into(),
            session_meta: [].into(),
            codec: Codec::RAW,
            written_at: Wall(0),
            messages: vec![numbered(seq_no, data)],
        };
        let partitions = vec![PartitionData { session: PartitionSessionId(1), batches: vec![batch] }];
        self.tell_reader(number, read::FromServer::Data { partitions, bytes })
    }

    fn tell_reader(&mut self, number: u32, said: read::FromServer) -> Told {
        self.0.reader_told(SEEN, conn(number), &said).map_err(|broken| broken.promise)
    }

    fn commits(&mut self, number: u32, start: u64, end: u64) {
        let commit = read::Commit { session: PartitionSessionId(1), ranges: vec![Range { start, end }] };
        self.0.reader_said(conn(number), &read::FromClient::Commit(vec![commit]));
    }

    fn committed(&mut self, number: u32, offset: u64) {
        let said = read::FromServer::Committed(vec![(PartitionSessionId(1), offset)]);
        assert_eq!(self.tell_reader(number, said), Ok(()));
    }

    fn stop(&mut self, number: u32, graceful: bool, committed: u64) {
        let said = read::FromServer::Stop { session: PartitionSessionId(1), graceful, committed };
        assert_eq!(self.tell_reader(number, said), Ok(()));
    }

    fn calls(&mut self, request: &Request, response: &Response) {
        self.0.called(call(0), request);
        self.0.replied(call(0), response);
    }

    /// A consumer's position that a reader has moved to 3.
    fn at_three(mut self) -> Case {
        self.reader(9, "c");
        self.commits(9, 0, 3);
        self.committed(9, 3);
        self
    }

    /// Where the next reader begins.
    fn next_at(&mut self, committed: u64) -> Told {
        self.reads(10, "c");
        self.offered(10, 1, committed)
    }
}

#[test]
fn an_offset_means_one_message() {
    for mut case in Case::both() {
        case.writer(1, "t", "p");
        case.writes(1, &[(1, "a"), (2, "b")]);
        assert_eq!(case.acks(1, &[written(1, 0)]), Ok(()));
        case.reader(2, "");
        assert_eq!(case.shows(2, 0, ("p", 1), "a"), Ok(()));
        assert_eq!(case.acks(1, &[written(2, 0)]), Err(OFFSETS_STABLE));
    }
}

#[test]
fn topics_of_equal_producers_are_apart() {
    for mut case in Case::both() {
        for (number, path) in [(1, "t"), (2, "u")] {
            case.writer(number, path, "p");
            case.writes(number, &[(number.into(), "a")]);
        }
        assert_eq!(case.acks(1, &[written(1, 0)]), Ok(()));
        assert_eq!(case.acks(2, &[written(2, 0)]), Ok(()));
    }
}

#[test]
fn a_producer_has_one_session_and_nobody_has_many() {
    for (producer, told) in [("p", Err(ONE_WRITER)), ("", Ok(()))] {
        for mut case in Case::both() {
            case.writer(1, "t", producer);
            case.writes(1, &[(1, "a")]);
            case.writer(2, "t", producer);
            assert_eq!(case.acks(1, &[written(1, 0)]), told);
        }
    }
}

#[test]
fn partitions_are_read_in_order_and_gaps_are_for_recordings() {
    for mut case in Case::both() {
        let gap = if case.0.recording.is_some() { Ok(()) } else { Err(READS_IN_ORDER) };
        case.reader(1, "c");
        assert_eq!(case.shows(1, 0, ("p", 1), "a"), Ok(()));
        assert_eq!(case.shows(1, 2, ("p", 3), "a"), gap);
    }
    let mut case = Case::recording();
    case.reader(1, "c");
    assert_eq!(case.shows(1, 2, ("p", 3), "a"), Ok(()));
    assert_eq!(case.shows(1, 2, ("p", 3), "a"), Err(READS_IN_ORDER), "twice");
}

#[test]
fn a_reader_says_where_it_begins() {
    for mut case in Case::both() {
        case.reads(1, "c");
        assert_eq!(case.offered(1, 1, 0), Ok(()));
        assert_eq!(case.clone().shows(1, 0, ("p", 1), "a"), Err(READS_IN_ORDER), "before it is ready");
        case.starts_at(1, 1, Some(4), Some(2));
        assert_eq!(case.clone().shows(1, 3, ("p", 4), "a"), Err(READS_IN_ORDER));
        assert_eq!(case.shows(1, 4, ("p", 5), "a"), Ok(()));
        assert_eq!(case.next_at(2), Ok(()), "it has committed");
    }
    let mut case = Case::strict();
    case.reads(1, "c");
    assert_eq!(case.offered(1, 1, 0), Ok(()));
    case.starts_at(1, 1, None, Some(2));
    assert_eq!(case.shows(1, 2, ("p", 3), "a"), Ok(()));
}

impl Clone for Case {
    fn clone(&self) -> Case {
        Case(self.0.clone())
    }
}

#[test]
fn credit_may_be_overdrawn_once() {
    for mut case in Case::both() {
        case.reader(1, "c");
        assert_eq!(case.shows_for(1, 999, 0, ("p", 1), "a"), Ok(()));
        assert_eq!(case.shows_for(1, 50, 1, ("p", 2), "a"), Ok(()));
        assert_eq!(case.shows_for(1, 1, 2, ("p", 3), "a"), Err(WITHIN_CREDIT));
    }
}

#[test]
fn what_is_taken_away_is_not_sent() {
    for mut case in Case::both() {
        case.reader(1, "c");
        case.stop(1, true, 0);
        assert_eq!(case.clone().shows(1, 0, ("p", 1), "a"), Ok(()), "the reader has not given it up");
        case.stop(1, false, 0);
        assert_eq!(case.shows(1, 0, ("p", 1), "a"), Err(ONE_READER));
    }
    let mut case = Case::recording();
    case.reader(1, "c");
    case.stop(1, true, 0);
    case.0.reader_said(conn(1), &read::FromClient::Stopped(PartitionSessionId(1)));
    assert_eq!(case.shows(1, 0, ("p", 1), "a"), Err(ONE_READER));
}

#[test]
fn partition_sessions_have_new_names() {
    for mut case in Case::both() {
        case.reader(1, "c");
        assert_eq!(case.clone().offered(1, 2, 0), Ok(()));
        assert_eq!(case.offered(1, 1, 0), Err(SESSIONS_NEW));
    }
}

#[test]
fn commits_last_and_are_asked_for() {
    for case in Case::both() {
        let case = case.at_three();
        assert_eq!(case.clone().next_at(2), Err(COMMITS_LAST));
        assert_eq!(case.clone().next_at(3), Ok(()));
        assert_eq!(case.clone().next_at(4), Err(COMMITS_ASKED_FOR));
        // Of another consumer.
        let mut other = case;
        other.reads(1, "d");
        assert_eq!(other.offered(1, 1, 0), Ok(()));
    }
}

#[test]
fn the_auditor_finds_everything_in_the_end() {
    let mut case = Case::strict();
    case.writer(1, "t", "p");
    assert_eq!(case.acks(1, &[written(1, 0)]), Ok(()));
    case.reader(2, "");
    assert_eq!(case.0.judge().map_err(|broken| broken.promise), Err(SHOWN_IS_DURABLE));
    assert_eq!(case.shows(2, 0, ("p", 1), "a"), Ok(()));
    assert_eq!(case.0.judge(), Ok(()));
    assert_eq!(case.0.audited().count(), 1);
    assert!(!case.0.is_committed("t", "c", 0));
}
