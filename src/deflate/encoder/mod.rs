//! From messages to compressed payloads.

use bytes::BytesMut;

use crate::deflate::level::Level;
use crate::deflate::window_bits::WindowBits;

/// Compresses the messages of one direction of one connection.
///
/// No heap until the first message; without context takeover none between messages either.
#[derive(Debug)]
pub struct Encoder {
    window_bits: WindowBits,
    level: Level,
    context_takeover: bool,
}

impl Encoder {
    /// Makes an encoder that never refers further back than the window.
    #[must_use]
    pub const fn new(window_bits: WindowBits, level: Level, context_takeover: bool) -> Self {
        Self { window_bits, level, context_takeover }
    }

    /// Appends the compressed form of a whole message, without the tail `00 00 ff ff`
    /// ([RFC 7692 section 7.2.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1)).
    ///
    /// False: it would not be shorter than the message, so nothing was appended, the message is to
    /// be sent as it is, and the encoder is as it was.
    pub fn message(&mut self, message: &[u8], out: &mut BytesMut) -> bool {
        let _ = (message, out, self.window_bits, self.level, self.context_takeover);
        false
    }

    /// Appends the compressed form of a part of a message, which ends on a byte boundary; without
    /// the tail at the message's `end`. A message is begun by its first part.
    pub fn part(&mut self, part: &[u8], end: bool, out: &mut BytesMut) {
        let _ = (part, end, out);
    }

    /// Follows a message that was compressed elsewhere, without references to what was before it,
    /// and sent: later messages may refer to it. Without context takeover nothing is to be done.
    pub fn follow(&mut self, message: &[u8]) {
        let _ = message;
    }

    /// Forgets all messages: later ones don't refer to them. Always right to do between messages.
    pub fn clear(&mut self) {}

    /// Returns how many bytes of heap it holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        0
    }
}
