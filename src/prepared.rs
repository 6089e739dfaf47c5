use bytes::{Bytes, BytesMut};

use crate::frame::FrameHeader;
use crate::kernel::copy::append;
use crate::message::{Data, MessageKind};
use crate::opcode::OpCode;

/// A message encoded once for many connections.
#[derive(Clone, Debug)]
pub struct Prepared {
    kind: MessageKind,
    /// The whole frame as a server sends it.
    frame: Bytes,
    payload_at: usize,
}

impl Prepared {
    /// Encodes a text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(Data::Text(text))
    }

    /// Encodes a binary message.
    #[must_use]
    pub fn binary(bytes: &[u8]) -> Self {
        Self::new(Data::Binary(bytes))
    }

    /// Encodes a message of either kind.
    #[must_use]
    pub fn new(data: Data<'_>) -> Self {
        let (kind, payload) = (data.kind(), data.as_bytes());
        let opcode = match kind {
            MessageKind::Text => OpCode::Text,
            MessageKind::Binary => OpCode::Binary,
        };
        // A slice's length always fits.
        let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let head = FrameHeader::new(opcode, len).encode();
        let head = head.as_bytes();
        let mut frame = BytesMut::with_capacity(head.len() + payload.len());
        frame.extend_from_slice(head);
        append(&mut frame, payload);
        Self { kind, frame: frame.freeze(), payload_at: head.len() }
    }

    /// Returns the kind of message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.frame.get(self.payload_at..).unwrap_or_default()
    }

    /// The whole frame, unmasked.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }
}
