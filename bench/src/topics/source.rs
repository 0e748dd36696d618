//! A server that never runs out of messages, for readers: each answer has [`BATCH`](super::BATCH) of them, as soon as
//! there is credit for it. Payloads are made beforehand; an answer costs it their copy into a frame.

use super::{
    BATCH, PAYLOAD, Payloads,
    wire::{
        Batch, Committed, Data, PartitionCommitted, PartitionData, PartitionSession, RAW, Range, ReaderHears,
        ReaderSays, ReaderSession, SUCCESS, Start, Stored, Timestamp,
    },
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};
use tokio_stream::Stream;
use tonic::{Status, Streaming};

/// The only partition session.
const SESSION: i64 = 1;
/// Bytes that an answer counts: its payloads, and something for the rest.
const COUNTS: i64 = (BATCH * (PAYLOAD + 24)) as i64;

/// One reader's stream.
pub(super) struct Source {
    hears: Streaming<ReaderSays>,
    says: VecDeque<ReaderHears>,
    payloads: Vec<Bytes>,
    credit: i64,
    started: bool,
    next: i64,
}

impl Source {
    pub(super) fn new(hears: Streaming<ReaderSays>) -> Source {
        let made = Payloads::new();
        let payloads = (0..BATCH as u64).map(|number| made.make(number).into()).collect();
        Source { hears, says: VecDeque::new(), payloads, credit: 0, started: false, next: 0 }
    }

    fn hear(&mut self, heard: ReaderSays) {
        if let Some(init) = heard.init {
            let path = init.topics.into_iter().next().unwrap_or_default().path;
            let session = ReaderSession { session_id: "bench".to_owned() };
            self.say(ReaderHears { init: Some(session), ..ReaderHears::default() });
            let start = Start {
                session: Some(PartitionSession { partition_session_id: SESSION, path, partition_id: 0 }),
                committed_offset: 0,
                offsets: Some(Range { start: 0, end: i64::MAX }),
            };
            self.say(ReaderHears { start: Some(start), ..ReaderHears::default() });
        }
        self.started |= heard.started.is_some();
        self.credit += heard.credit.map_or(0, |credit| credit.bytes_size);
        let commits = heard.commit.into_iter().flat_map(|commit| commit.partitions);
        if let Some(range) = commits.flat_map(|commit| commit.offsets).last() {
            let committed = PartitionCommitted { partition_session_id: SESSION, committed_offset: range.end };
            let committed = Committed { partitions: vec![committed] };
            self.say(ReaderHears { committed: Some(committed), ..ReaderHears::default() });
        }
    }

    fn say(&mut self, word: ReaderHears) {
        self.says.push_back(ReaderHears { status: SUCCESS, ..word });
    }

    fn data(&mut self) -> ReaderHears {
        let written_at = Some(Timestamp { seconds: 1_700_000_000, nanos: 0 });
        let message = |(offset, data): (i64, &Bytes)| Stored {
            offset,
            seq_no: offset + 1,
            created_at: written_at,
            data: data.clone(),
            uncompressed_size: PAYLOAD as i64,
        };
        let messages: Vec<Stored> = (self.next..).zip(&self.payloads).map(message).collect();
        self.next += BATCH as i64;
        self.credit -= COUNTS;
        let batch = Batch { messages, producer_id: "source".to_owned(), codec: RAW, written_at };
        let partition = PartitionData { partition_session_id: SESSION, batches: vec![batch] };
        let data = Data { partitions: vec![partition], bytes_size: COUNTS };
        ReaderHears { status: SUCCESS, data: Some(data), ..ReaderHears::default() }
    }
}

impl Stream for Source {
    type Item = Result<ReaderHears, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match Pin::new(&mut self.hears).poll_next(context) {
                Poll::Ready(Some(Ok(heard))) => self.hear(heard),
                Poll::Ready(Some(Err(status))) => return Poll::Ready(Some(Err(status))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        if let Some(word) = self.says.pop_front() {
            return Poll::Ready(Some(Ok(word)));
        }
        if self.started && self.credit > 0 {
            return Poll::Ready(Some(Ok(self.data())));
        }
        Poll::Pending
    }
}
