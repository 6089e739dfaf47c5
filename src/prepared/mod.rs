//! Messages encoded once for many connections.

mod encoded;
mod forms;

use core::fmt;

use crate::frame::FrameHeader;
use crate::message::{Data, MessageKind};
use crate::prepared::forms::Forms;

pub(crate) use crate::prepared::encoded::Encoded;

/// A message encoded once for many connections.
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

#[cfg(feature = "deflate")]
impl Prepared {
    /// Adds a compressed form for the connections that have agreed on a window of at least so many
    /// bits; for those with less, call it again with less. Without one, or where none fits, the message
    /// is sent as it is, and also if it doesn't shrink.
    ///
    /// The form is made by the first send to a connection that it fits, for all clones: a message that
    /// no such connection gets costs nothing. Threads whose sends are the first at the same time make it
    /// each. Without the feature `std` this call makes the form.
    ///
    /// It refers to nothing but itself, so it is somewhat longer than the output of a connection with
    /// context takeover. About secrets see [`Compress::Never`](crate::message::Compress::Never).
    ///
    /// ```
    /// use sansocket::Prepared;
    /// use sansocket::deflate::{Level, WindowBits};
    ///
    /// let news = Prepared::text("for all").with_deflate(WindowBits::DEFAULT, Level::Balanced);
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

    /// The shortest form that this window is large enough for.
    pub(crate) fn compressed(&self, window_bits: crate::deflate::WindowBits) -> Option<&Encoded> {
        self.compressed.shortest(window_bits, self.kind, &self.plain)
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
