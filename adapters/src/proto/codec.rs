//! How messages get into frames and out of them. Decides that frames come in as plain bytes, so that whoever knows what
//! they should hold says what is wrong with them, and that the machinery of the transport is compiled once and not once
//! for every kind of message.

use bytes::{Buf, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// A message on its way out.
pub(crate) type Outgoing = Box<dyn Encode>;

/// Anything that can be written into a frame.
pub(crate) trait Encode: Send + Sync {
    /// Writes it.
    ///
    /// # Errors
    /// If there is no room.
    fn write(&self, buffer: &mut EncodeBuf<'_>) -> Result<(), prost::EncodeError>;
}

impl<M: prost::Message> Encode for M {
    fn write(&self, buffer: &mut EncodeBuf<'_>) -> Result<(), prost::EncodeError> {
        buffer.reserve(self.encoded_len());
        self.encode(buffer)
    }
}

/// Messages out, bytes in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frames;

impl Codec for Frames {
    type Encode = Outgoing;
    type Decode = Bytes;
    type Encoder = Frames;
    type Decoder = Frames;

    fn encoder(&mut self) -> Frames {
        Frames
    }

    fn decoder(&mut self) -> Frames {
        Frames
    }
}

impl Encoder for Frames {
    type Item = Outgoing;
    type Error = Status;

    fn encode(&mut self, message: Outgoing, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.write(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Frames {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, frame: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(frame.copy_to_bytes(frame.remaining())))
    }
}
