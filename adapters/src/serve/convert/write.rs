//! Write streams.

use super::{GENERATION, OK, failed, moment, natural, partition, signed, supported, timestamp};
use crate::serve::path::Database;
use crate::serve::proto::common::{Attributes, MetadataItem, PartitionWithGeneration, UpdateTokenResponse};
use crate::serve::proto::write as proto;
use crate::serve::status::{BAD_REQUEST, Checked, bad, failure, unsupported};
use onceward_core::Wall;
use onceward_core::writer::wire::{
    Ack, AckStatus, Codec, FromClient, FromServer, Init, Numbered, Payload, Session,
};
use std::sync::Arc;

/// Most bytes of a producer's id.
const PRODUCER_ID: usize = 2048;
/// Most bytes of a message's metadata.
const METADATA: usize = 4096;

/// What is known of a write stream since its first message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    group: Arc<str>,
    partition: Option<u32>,
    assigned: u32,
}

impl Known {
    /// What a client says. `None` if it says nothing, as newer clients may with messages that are not known here.
    pub(crate) fn heard(&mut self, database: &Database, message: proto::FromClient) -> Checked<FromClient> {
        match message.client_message {
            Some(proto::ClientMessage::InitRequest(request)) => {
                let init = init(database, request)?;
                self.group = init.group.clone();
                self.partition = init.partition;
                Ok(FromClient::Init(init))
            }
            Some(proto::ClientMessage::WriteRequest(request)) => self.write(request),
            Some(proto::ClientMessage::UpdateTokenRequest(request)) => {
                Ok(FromClient::UpdateToken(request.token))
            }
            None => Err(bad("client_message", "it is missing, or of a kind that is not known here")),
        }
    }

    /// What the broker says.
    pub(crate) fn said(&mut self, message: FromServer) -> proto::FromServer {
        let (mut status, mut issues) = (OK, Vec::new());
        let message = match message {
            FromServer::Init(Session { session_id, partition, last_seq_no, codecs }) => {
                self.assigned = partition;
                Some(proto::ServerMessage::InitResponse(proto::InitResponse {
                    last_seq_no: signed(last_seq_no),
                    session_id: session_id.to_string(),
                    partition_id: partition.into(),
                    supported_codecs: supported(&codecs),
                }))
            }
            FromServer::Acks(acks) => Some(proto::ServerMessage::WriteResponse(proto::WriteResponse {
                acks: acks.into_iter().map(ack).collect(),
                partition_id: self.assigned.into(),
                write_statistics: Some(proto::WriteStatistics {}),
            })),
            FromServer::TokenUpdated => {
                Some(proto::ServerMessage::UpdateTokenResponse(UpdateTokenResponse {}))
            }
            FromServer::Failed(what) => {
                (status, issues) = failed(&what);
                None
            }
        };
        proto::FromServer { status, issues, server_message: message }
    }

    fn write(&self, request: proto::WriteRequest) -> Checked<FromClient> {
        if request.tx.is_some() {
            return Err(unsupported("write_request.tx: this broker has no transactions"));
        }
        if request.codec <= 0 {
            return Err(bad("write_request.codec", format_args!("{} is no codec", request.codec)));
        }
        if request.messages.is_empty() {
            return Err(bad("write_request.messages", "there are none"));
        }
        let codec = Codec(request.codec);
        let messages = request.messages.into_iter().map(|message| self.message(codec, message));
        Ok(FromClient::Write { codec, messages: messages.collect::<Checked<Vec<Numbered>>>()? })
    }

    fn message(&self, codec: Codec, message: proto::MessageData) -> Checked<Numbered> {
        // The session decides where messages go; a message may only repeat it.
        let elsewhere = match message.partitioning {
            None => false,
            Some(proto::MessagePartitioning::MessageGroupId(group)) => *group != *self.group,
            Some(proto::MessagePartitioning::PartitionId(number)) => {
                Some(partition("messages.partition_id", number)?) != self.partition
            }
            Some(proto::MessagePartitioning::PartitionWithGeneration(with)) => {
                Some(generation("messages.partition_with_generation", with)?) != self.partition
            }
        };
        if elsewhere {
            return Err(bad("messages.partitioning", "it is not the session's"));
        }
        let metadata: Vec<(Arc<str>, _)> =
            message.metadata_items.into_iter().map(|item| (item.key.into(), item.value)).collect();
        let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > METADATA {
            return Err(bad("messages.metadata_items", format_args!("{bytes} bytes, at most {METADATA}")));
        }
        Ok(Numbered {
            seq_no: natural("messages.seq_no", message.seq_no)?,
            payload: Payload {
                data: message.data,
                codec,
                uncompressed_size: natural("messages.uncompressed_size", message.uncompressed_size)?,
                created_at: match message.created_at {
                    Some(at) => moment("messages.created_at", at)?,
                    None => Wall(0),
                },
                metadata,
            },
        })
    }
}

fn init(database: &Database, request: proto::InitRequest) -> Checked<Init> {
    let path = database.topic(&request.path)?;
    let producer = request.producer_id;
    if producer.len() > PRODUCER_ID {
        return Err(bad(
            "init_request.producer_id",
            format_args!("{} bytes, at most {PRODUCER_ID}", producer.len()),
        ));
    }
    let (mut group, mut partition_id) = (String::new(), None);
    match request.partitioning {
        None => {}
        Some(proto::Partitioning::MessageGroupId(named)) => group = named,
        Some(proto::Partitioning::PartitionId(number)) => {
            partition_id = Some(partition("init_request.partition_id", number)?);
        }
        Some(proto::Partitioning::PartitionWithGeneration(with)) => {
            partition_id = Some(generation("init_request.partition_with_generation", with)?);
        }
    }
    if !(producer.is_empty() || group.is_empty() || group == producer) {
        return Err(failure(
            BAD_REQUEST,
            "unsupported producer_id / message_group_id / partition_id settings: a message group must be empty \
             or the producer's id",
        ));
    }
    Ok(Init {
        path,
        producer_id: producer.into(),
        partition: partition_id,
        group: group.into(),
        session_meta: meta(request.write_session_meta),
    })
}

fn generation(field: &str, with: PartitionWithGeneration) -> Checked<u32> {
    if with.generation != GENERATION {
        return Err(bad(field, format_args!("the generation of every partition is {GENERATION}")));
    }
    partition(field, with.partition_id)
}

fn meta(attributes: Attributes) -> Arc<[(Arc<str>, Arc<str>)]> {
    attributes.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

fn ack(ack: Ack) -> proto::WriteAck {
    let status = match ack.status {
        AckStatus::Written { offset } => {
            proto::MessageWriteStatus::Written(proto::Written { offset: signed(offset) })
        }
        AckStatus::Skipped => {
            proto::MessageWriteStatus::Skipped(proto::Skipped { reason: proto::Skipped::ALREADY_WRITTEN })
        }
        AckStatus::WrittenInTx => proto::MessageWriteStatus::WrittenInTx(proto::WrittenInTx {}),
    };
    proto::WriteAck { seq_no: signed(ack.seq_no), message_write_status: Some(status) }
}

/// A message's metadata as the protocol carries it.
pub(super) fn metadata(items: Vec<(Arc<str>, bytes::Bytes)>) -> Vec<MetadataItem> {
    items.into_iter().map(|(key, value)| MetadataItem { key: key.to_string(), value }).collect()
}

/// When a message came to be; a moment that nobody named stays unnamed.
pub(super) fn created_at(at: Wall) -> Option<crate::serve::proto::common::Timestamp> {
    (at.0 != 0).then(|| timestamp(at))
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
