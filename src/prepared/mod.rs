//! Messages that are encoded once for many connections.

mod encoded;
mod forms;

use core::fmt;

use crate::frame::FrameHeader;
use crate::message::{Data, MessageKind};
use crate::prepared::forms::Forms;

pub(crate) use crate::prepared::encoded::Encoded;

/// A message that is encoded once and sent to many connections.
///
/// Clones share the memory.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::error::SendError;
/// use sansocket::{Connection, Prepared};
///
/// fn broadcast(
///     text: &str,
///     members: &mut [(Connection, BytesMut)],
/// ) -> Result<(), SendError> {
///     let message = Prepared::text(text);
///     for (connection, out) in members {
///         connection.send_prepared(&message, out)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Prepared {
    kind: MessageKind,
    plain: Encoded,
    compressed: Forms,
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
        // The length of a slice always fits.
        let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let plain = Encoded::new(FrameHeader::new(kind.opcode(), len), payload);
        Self { kind, plain, compressed: Forms::NONE }
    }

    /// Returns the kind of the message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.plain.payload()
    }

    /// Returns the uncompressed form.
    pub(crate) const fn plain(&self) -> &Encoded {
        &self.plain
    }
}

#[cfg(feature = "deflate")]
impl Prepared {
    /// Adds a compressed form, for connections with an agreed window of at least `window_bits`. For
    /// connections with smaller windows, call it again with fewer bits. If no form fits, or the
    /// message does not shrink, it is sent uncompressed.
    ///
    /// The first send to a connection that the form fits compresses the message, for all clones. If
    /// there is no such send, there is no cost. Threads that do the first send at the same time
    /// each compress it. Without the feature `std` this call compresses it.
    ///
    /// The form has no references to other messages, so it is somewhat longer than the output of a
    /// connection with context takeover. For messages with secrets see
    /// [`Compress::Never`](crate::message::Compress::Never).
    ///
    /// ```
    /// use sansocket::Prepared;
    /// use sansocket::deflate::{Level, WindowBits};
    ///
    /// let news = Prepared::text("for all")
    ///     .with_deflate(WindowBits::DEFAULT, Level::Balanced)
    ///     // For clients that have asked for a small window:
    ///     .with_deflate(WindowBits::MIN, Level::Balanced);
    /// # drop(news);
    /// ```
    #[must_use]
    pub fn with_deflate(
        mut self,
        window_bits: crate::deflate::WindowBits,
        level: crate::deflate::Level,
    ) -> Self {
        self.compressed.add(window_bits, level, self.kind, &self.plain);
        self
    }

    /// Returns the shortest form that needs no larger window.
    pub(crate) fn compressed(&self, window_bits: crate::deflate::WindowBits) -> Option<&Encoded> {
        self.compressed.shortest(window_bits, self.kind, &self.plain)
    }
}

impl fmt::Debug for Prepared {
    /// Shows no data: debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut prepared = f.debug_struct("Prepared");
        prepared.field("kind", &self.kind).field("len", &self.payload().len());
        self.compressed.add_to(&mut prepared);
        prepared.finish()
    }
}
