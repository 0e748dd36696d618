//! Write streams.

use super::{Understood, failed, natural, partition, signed, timestamp};
use crate::proto::common::{MetadataItem, UpdateTokenRequest};
use crate::proto::write as proto;
use onceward_core::writer::wire::{Ack, AckStatus, Codec, FromClient, FromServer, Init, Numbered, Session};

/// What a writer says.
pub(crate) fn said(message: FromClient) -> proto::FromClient {
    use proto::ClientMessage as Say;
    let message = match message {
        FromClient::Init(Init { path, producer_id, partition, group, session_meta }) => {
            let partitioning = match partition {
                Some(number) => Some(proto::Partitioning::PartitionId(number.into())),
                None if group.is_empty() => None,
                None => Some(proto::Partitioning::MessageGroupId(group.to_string())),
            };
            Say::InitRequest(proto::InitRequest {
                path: path.to_string(),
                producer_id: producer_id.to_string(),
                write_session_meta: session_meta
                    .iter()
                    .map(|(key, value)| (key.to_string(), value.to_string()))
                    .collect(),
                partitioning,
                get_last_seq_no: true,
            })
        }
        FromClient::Write { codec, messages } => Say::WriteRequest(proto::WriteRequest {
            messages: messages.into_iter().map(message_data).collect(),
            codec: codec.0,
            tx: None,
        }),
        FromClient::UpdateToken(token) => Say::UpdateTokenRequest(UpdateTokenRequest { token }),
    };
    proto::FromClient { client_message: Some(message) }
}

fn message_data(Numbered { seq_no, payload }: Numbered) -> proto::MessageData {
    proto::MessageData {
        seq_no: signed(seq_no),
        created_at: Some(timestamp(payload.created_at)),
        data: payload.data,
        uncompressed_size: signed(payload.uncompressed_size),
        partitioning: None,
        metadata_items: payload
            .metadata
            .into_iter()
            .map(|(key, value)| MetadataItem { key: key.to_string(), value })
            .collect(),
    }
}

/// What a server says; `None` if it is something that newer servers say and that is not known here.
pub(crate) fn heard(message: proto::FromServer) -> Understood<Option<FromServer>> {
    use proto::ServerMessage as Said;
    if message.status != super::SUCCESS {
        return Ok(Some(FromServer::Failed(failed(message.status, &message.issues))));
    }
    Ok(match message.server_message {
        Some(Said::InitResponse(response)) => Some(FromServer::Init(Session {
            session_id: response.session_id.into(),
            partition: partition("init_response.partition_id", response.partition_id)?,
            last_seq_no: natural("init_response.last_seq_no", response.last_seq_no)?,
            codecs: response.supported_codecs.unwrap_or_default().codecs.into_iter().map(Codec).collect(),
        })),
        Some(Said::WriteResponse(response)) => {
            Some(FromServer::Acks(response.acks.into_iter().map(ack).collect::<Understood<_>>()?))
        }
        Some(Said::UpdateTokenResponse(_)) => Some(FromServer::TokenUpdated),
        None => None,
    })
}

fn ack(ack: proto::WriteAck) -> Understood<Ack> {
    use proto::MessageWriteStatus as Is;
    let status = match ack.message_write_status {
        Some(Is::Written(written)) => {
            AckStatus::Written { offset: natural("write_response.acks.written.offset", written.offset)? }
        }
        Some(Is::Skipped(_)) => AckStatus::Skipped,
        Some(Is::WrittenInTx(_)) => AckStatus::WrittenInTx,
        None => return Err(format!("write_response.acks: nothing is said of {}", ack.seq_no)),
    };
    Ok(Ack { seq_no: natural("write_response.acks.seq_no", ack.seq_no)?, status })
}
