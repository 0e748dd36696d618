//! Read streams.

use super::{Understood, duration, failed, moment, natural, partition, signed, timestamp};
use crate::proto::common::{OffsetsRange, UpdateTokenRequest};
use crate::proto::read as proto;
use onceward_core::reader::wire::{
    Batch, Commit, FromClient, FromServer, Init, PartitionData, PartitionSessionId, Range,
};
use onceward_core::writer::wire::{Codec, Numbered, Payload};

/// What a reader says.
pub(crate) fn said(message: FromClient) -> proto::FromClient {
    use proto::ClientMessage as Say;
    let message = match message {
        FromClient::Init(init) => Say::InitRequest(init_request(init)),
        FromClient::Read { bytes } => Say::ReadRequest(proto::ReadRequest { bytes_size: signed(bytes) }),
        FromClient::Commit(commits) => Say::CommitOffsetRequest(proto::CommitOffsetRequest {
            commit_offsets: commits.into_iter().map(commit).collect(),
        }),
        FromClient::Status(session) => {
            let partition_session_id = signed(session.0);
            Say::PartitionSessionStatusRequest(proto::PartitionSessionStatusRequest { partition_session_id })
        }
        FromClient::Started { session, read_offset, commit_offset } => {
            Say::StartPartitionSessionResponse(proto::StartPartitionSessionResponse {
                partition_session_id: signed(session.0),
                read_offset: read_offset.map(signed),
                commit_offset: commit_offset.map(signed),
            })
        }
        FromClient::Stopped(session) => {
            let partition_session_id = signed(session.0);
            Say::StopPartitionSessionResponse(proto::StopPartitionSessionResponse { partition_session_id })
        }
        FromClient::UpdateToken(token) => Say::UpdateTokenRequest(UpdateTokenRequest { token }),
    };
    proto::FromClient { client_message: Some(message) }
}

fn init_request(init: Init) -> proto::InitRequest {
    let topics = init.topics.into_iter().map(|topic| proto::TopicReadSettings {
        path: topic.path.to_string(),
        partition_ids: topic.partitions.into_iter().map(i64::from).collect(),
        max_lag: topic.max_lag.map(duration),
        read_from: topic.read_from.map(timestamp),
    });
    proto::InitRequest {
        topics_read_settings: topics.collect(),
        consumer: init.consumer.to_string(),
        reader_name: String::new(),
        direct_read: false,
        auto_partitioning_support: false,
    }
}

fn commit(commit: Commit) -> proto::PartitionCommitOffset {
    let range = |range: Range| OffsetsRange { start: signed(range.start), end: signed(range.end) };
    proto::PartitionCommitOffset {
        partition_session_id: signed(commit.session.0),
        offsets: commit.ranges.into_iter().map(range).collect(),
    }
}

/// What a server says; `None` if it is something that newer servers say and that is not known here.
pub(crate) fn heard(message: proto::FromServer) -> Understood<Option<FromServer>> {
    use proto::ServerMessage as Said;
    if message.status != super::SUCCESS {
        return Ok(Some(FromServer::Failed(failed(message.status, &message.issues))));
    }
    let Some(message) = message.server_message else { return Ok(None) };
    Ok(Some(match message {
        Said::InitResponse(response) => FromServer::Init { session_id: response.session_id.into() },
        Said::ReadResponse(response) => FromServer::Data {
            bytes: natural("read_response.bytes_size", response.bytes_size)?,
            partitions: response.partition_data.into_iter().map(data).collect::<Understood<_>>()?,
        },
        Said::StartPartitionSessionRequest(request) => {
            const FIELD: &str = "start_partition_session_request";
            let is = request.partition_session.ok_or_else(|| format!("{FIELD}: it names no session"))?;
            FromServer::Start {
                session: session(is.partition_session_id)?,
                path: is.path.into(),
                partition: partition(FIELD, is.partition_id)?,
                committed: natural(FIELD, request.committed_offset)?,
                available: offsets(FIELD, request.partition_offsets)?,
            }
        }
        Said::StopPartitionSessionRequest(request) => FromServer::Stop {
            session: session(request.partition_session_id)?,
            graceful: request.graceful,
            committed: natural("stop_partition_session_request", request.committed_offset)?,
        },
        Said::CommitOffsetResponse(response) => {
            let committed = response.partitions_committed_offsets.into_iter().map(|commit| {
                let offset = natural("commit_offset_response", commit.committed_offset)?;
                Ok((session(commit.partition_session_id)?, offset))
            });
            FromServer::Committed(committed.collect::<Understood<_>>()?)
        }
        Said::PartitionSessionStatusResponse(response) => FromServer::Status {
            session: session(response.partition_session_id)?,
            available: offsets("partition_session_status_response", response.partition_offsets)?,
            committed: natural("partition_session_status_response", response.committed_offset)?,
            written_until: moment(response.write_time_high_watermark),
        },
        Said::UpdateTokenResponse(_) => FromServer::TokenUpdated,
    }))
}

fn session(id: i64) -> Understood<PartitionSessionId> {
    natural("partition_session_id", id).map(PartitionSessionId)
}

pub(super) fn offsets(field: &str, range: Option<OffsetsRange>) -> Understood<Range> {
    let range = range.unwrap_or_default();
    Ok(Range { start: natural(field, range.start)?, end: natural(field, range.end)? })
}

fn data(data: proto::PartitionData) -> Understood<PartitionData> {
    let mut batches = Vec::with_capacity(data.batches.len());
    for batch in data.batches {
        split(batch, &mut batches)?;
    }
    Ok(PartitionData { session: session(data.partition_session_id)?, batches })
}

/// A batch of the protocol has an offset for each message; one of the core has dense ones, and begins anew behind a gap.
fn split(batch: proto::Batch, into: &mut Vec<Batch>) -> Understood<()> {
    const FIELD: &str = "read_response.partition_data.batches.message_data";
    let codec = Codec(batch.codec);
    let producer_id = batch.producer_id.into();
    let meta = batch.write_session_meta.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    let (written_at, mut next) = (moment(batch.written_at), None);
    let empty = Batch { offset: 0, producer_id, session_meta: meta, codec, written_at, messages: Vec::new() };
    let expected = batch.message_data.len();
    for message in batch.message_data {
        let offset = natural(FIELD, message.offset)?;
        if next != Some(offset) {
            let messages = Vec::with_capacity(expected);
            into.push(Batch { offset, messages, ..empty.clone() });
        }
        next = Some(offset + 1);
        let payload = Payload {
            data: message.data,
            codec,
            uncompressed_size: natural(FIELD, message.uncompressed_size)?,
            created_at: moment(message.created_at),
            metadata: message.metadata_items.into_iter().map(|item| (item.key.into(), item.value)).collect(),
        };
        if let Some(batch) = into.last_mut() {
            batch.messages.push(Numbered { seq_no: natural(FIELD, message.seq_no)?, payload });
        }
    }
    Ok(())
}
