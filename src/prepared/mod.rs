//! Messages encoded once for many connections.
//!
//! The compressed forms of a message have two bodies: `on` with the feature `deflate`, `off`
//! without. Both have the type [`Forms`] with the same functions, so that other modules need no
//! `cfg`:
//!
//! * `Forms::NONE`: no compressed form. In `off` it has no size.
//! * `add_to`: adds the forms to debug output.
//!
//! `on` has more, for callers that are themselves compiled with the feature only: the public
//! [`Prepared::with_deflate`](crate::Prepared), and `compressed`, which chooses a form.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::frame::FrameHeader;
use crate::kernel::copy::append;
use crate::message::{Data, MessageKind};
#[cfg(not(feature = "deflate"))]
use crate::prepared::off::Forms;
#[cfg(feature = "deflate")]
use crate::prepared::on::Forms;

/// A message encoded once for many connections.
#[derive(Clone)]
pub struct Prepared {
    kind: MessageKind,
    plain: Encoded,
    compressed: Forms,
}

/// A message in one frame as a server sends it.
#[derive(Clone)]
pub(crate) struct Encoded {
    frame: Bytes,
    payload_at: usize,
}

impl Encoded {
    fn new(header: FrameHeader, payload: &[u8]) -> Self {
        let head = header.encode();
        let head = head.as_bytes();
        let mut frame = BytesMut::with_capacity(head.len() + payload.len());
        frame.extend_from_slice(head);
        append(&mut frame, payload);
        Self { frame: frame.freeze(), payload_at: head.len() }
    }

    /// The whole frame, unmasked.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.frame.get(self.payload_at..).unwrap_or_default()
    }
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
        // A slice's length always fits.
        let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let plain = Encoded::new(FrameHeader::new(kind.opcode(), len), payload);
        Self { kind, plain, compressed: Forms::NONE }
    }

    /// Returns the kind of message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.plain.payload()
    }

    /// The uncompressed form.
    pub(crate) const fn plain(&self) -> &Encoded {
        &self.plain
    }
}

impl fmt::Debug for Prepared {
    /// No data: debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut prepared = f.debug_struct("Prepared");
        prepared.field("kind", &self.kind).field("len", &self.payload().len());
        self.compressed.add_to(&mut prepared);
        prepared.finish()
    }
}
