//! Read streams.

use super::write::{created_at, metadata};
use super::{GENERATION, NODE, OK, failed, moment, natural, offsets, partition, signed, span, timestamp};
use crate::serve::path::Database;
use crate::serve::proto::common::UpdateTokenResponse;
use crate::serve::proto::read as proto;
use crate::serve::proto::topic::PartitionLocation;
use crate::serve::status::{Checked, bad, unsupported};
use onceward_core::reader::wire::{
    Batch, Commit, FromClient, FromServer, Init, PartitionData, PartitionSessionId, Range, TopicFilter,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of a read stream since its first message: its topics' names as the client wrote them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    names: BTreeMap<Arc<str>, String>,
}

impl Known {
    /// What a client says.
    pub(crate) fn heard(&mut self, database: &Database, message: proto::FromClient) -> Checked<FromClient> {
        use proto::ClientMessage as Said;
        Ok(match message.client_message {
            Some(Said::InitRequest(request)) => FromClient::Init(self.init(database, request)?),
            Some(Said::ReadRequest(request)) => {
                FromClient::Read { bytes: natural("read_request.bytes_size", request.bytes_size)? }
            }
            Some(Said::CommitOffsetRequest(request)) => {
                FromClient::Commit(request.commit_offsets.into_iter().map(commit).collect::<Checked<_>>()?)
            }
            Some(Said::PartitionSessionStatusRequest(request)) => {
                FromClient::Status(session(request.partition_session_id)?)
            }
            Some(Said::UpdateTokenRequest(request)) => FromClient::UpdateToken(request.token),
            Some(Said::StartPartitionSessionResponse(response)) => {
                const FIELDS: [&str; 2] = [
                    "start_partition_session_response.read_offset",
                    "start_partition_session_response.commit_offset",
                ];
                let offset = |field, at: Option<i64>| at.map(|at| natural(field, at)).transpose();
                FromClient::Started {
                    session: session(response.partition_session_id)?,
                    read_offset: offset(FIELDS[0], response.read_offset)?,
                    commit_offset: offset(FIELDS[1], response.commit_offset)?,
                }
            }
            Some(Said::StopPartitionSessionResponse(response)) => {
                FromClient::Stopped(session(response.partition_session_id)?)
            }
            Some(Said::DirectReadAck(_)) => {
                return Err(unsupported("direct_read_ack: this broker has no direct reads"));
            }
            None => return Err(bad("client_message", "it is missing, or of a kind that is not known here")),
        })
    }

    fn init(&mut self, database: &Database, request: proto::InitRequest) -> Checked<Init> {
        if request.direct_read {
            return Err(unsupported("init_request.direct_read: this broker has no direct reads"));
        }
        if request.topics_read_settings.is_empty() {
            return Err(bad("init_request.topics_read_settings", "there are none"));
        }
        let mut topics = Vec::new();
        for settings in request.topics_read_settings {
            const FIELD: &str = "init_request.topics_read_settings.partition_ids";
            let path = database.topic(&settings.path)?;
            if self.names.insert(path.clone(), settings.path).is_some() {
                return Err(bad("init_request.topics_read_settings", format_args!("{path} is named twice")));
            }
            let mut partitions: Vec<u32> =
                settings.partition_ids.into_iter().map(|id| partition(FIELD, id)).collect::<Checked<_>>()?;
            partitions.sort_unstable();
            partitions.dedup();
            let max_lag = settings.max_lag.map(|lag| span("init_request.topics_read_settings.max_lag", lag));
            let read_from =
                settings.read_from.map(|from| moment("init_request.topics_read_settings.read_from", from));
            topics.push(TopicFilter {
                path,
                partitions,
                // Some clients send an empty value for one that is not set.
                max_lag: max_lag.transpose()?.filter(|lag| lag.0 != 0),
                read_from: read_from.transpose()?.filter(|from| from.0 != 0),
            });
        }
        Ok(Init { topics, consumer: request.consumer.into() })
    }

    /// What the broker says.
    pub(crate) fn said(&self, message: FromServer) -> proto::FromServer {
        use proto::ServerMessage as Say;
        let (mut status, mut issues) = (OK, Vec::new());
        let message = match message {
            FromServer::Init { session_id } => {
                Some(Say::InitResponse(proto::InitResponse { session_id: session_id.to_string() }))
            }
            FromServer::Data { partitions, bytes } => Some(Say::ReadResponse(proto::ReadResponse {
                partition_data: partitions.into_iter().map(data).collect(),
                bytes_size: signed(bytes),
            })),
            FromServer::Start { session, path, partition, committed, available } => {
                let name = self.names.get(&path).cloned().unwrap_or_else(|| path.to_string());
                Some(Say::StartPartitionSessionRequest(proto::StartPartitionSessionRequest {
                    partition_session: Some(proto::PartitionSession {
                        partition_session_id: signed(session.0),
                        path: name,
                        partition_id: partition.into(),
                    }),
                    committed_offset: signed(committed),
                    partition_offsets: Some(offsets(available)),
                    partition_location: Some(PartitionLocation { node_id: NODE, generation: GENERATION }),
                }))
            }
            FromServer::Stop { session, graceful, committed } => {
                Some(Say::StopPartitionSessionRequest(proto::StopPartitionSessionRequest {
                    partition_session_id: signed(session.0),
                    graceful,
                    committed_offset: signed(committed),
                }))
            }
            FromServer::Committed(commits) => {
                let commits =
                    commits.into_iter().map(|(session, committed)| proto::PartitionCommittedOffset {
                        partition_session_id: signed(session.0),
                        committed_offset: signed(committed),
                    });
                Some(Say::CommitOffsetResponse(proto::CommitOffsetResponse {
                    partitions_committed_offsets: commits.collect(),
                }))
            }
            FromServer::Status { session, available, committed, written_until } => {
                Some(Say::PartitionSessionStatusResponse(proto::PartitionSessionStatusResponse {
                    partition_session_id: signed(session.0),
                    partition_offsets: Some(offsets(available)),
                    committed_offset: signed(committed),
                    write_time_high_watermark: Some(timestamp(written_until)),
                }))
            }
            FromServer::TokenUpdated => Some(Say::UpdateTokenResponse(UpdateTokenResponse {})),
            FromServer::Failed(what) => {
                (status, issues) = failed(&what);
                None
            }
        };
        proto::FromServer { status, issues, server_message: message }
    }
}

fn session(id: i64) -> Checked<PartitionSessionId> {
    natural("partition_session_id", id).map(PartitionSessionId)
}

fn commit(commit: proto::PartitionCommitOffset) -> Checked<Commit> {
    const FIELD: &str = "commit_offset_request.commit_offsets.offsets";
    let mut ranges = Vec::with_capacity(commit.offsets.len());
    for range in commit.offsets {
        let range = Range { start: natural(FIELD, range.start)?, end: natural(FIELD, range.end)? };
        if range.start >= range.end {
            return Err(bad(FIELD, format_args!("{} to {} is no range", range.start, range.end)));
        }
        ranges.push(range);
    }
    Ok(Commit { session: session(commit.partition_session_id)?, ranges })
}

fn data(data: PartitionData) -> proto::PartitionData {
    proto::PartitionData {
        partition_session_id: signed(data.session.0),
        batches: data.batches.into_iter().map(batch).collect(),
    }
}

fn batch(batch: Batch) -> proto::Batch {
    let messages = (batch.offset..).zip(batch.messages).map(|(offset, message)| proto::MessageData {
        offset: signed(offset),
        seq_no: signed(message.seq_no),
        created_at: created_at(message.payload.created_at),
        data: message.payload.data,
        uncompressed_size: signed(message.payload.uncompressed_size),
        message_group_id: batch.producer_id.to_string(),
        metadata_items: metadata(message.payload.metadata),
    });
    proto::Batch {
        message_data: messages.collect(),
        producer_id: batch.producer_id.to_string(),
        write_session_meta: batch.session_meta.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        codec: batch.codec.0,
        written_at: Some(timestamp(batch.written_at)),
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
