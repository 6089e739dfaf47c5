//! Compressing: messages become compressed payloads.
//!
//! ```text
//!          Finder              Coder                 BitWriter
//! message ────────► tokens ───────────► the smallest ──────────► payload
//!    │      ▲       of a block          of three blocks
//!    ▼      │
//! Context: the last bytes of earlier messages, and tables of their positions
//! ```
//!
//! A `Job` is one call for a message or a part of one. `Scratch` is the memory that only a job
//! needs.

mod bits;
mod block;
mod context;
mod finder;
mod header;
mod huffman;
mod job;
mod noise;
mod scratch;
mod text;
mod token;

use core::fmt;

use bytes::BytesMut;

use crate::deflate::encoder::context::Context;
use crate::deflate::encoder::job::Job;
use crate::deflate::level::Level;
use crate::deflate::window_bits::WindowBits;

/// Compresses the messages of one direction of one connection.
///
/// It holds no heap memory before the first message and, without context takeover, between
/// messages. The memory that is needed only during a call belongs to the thread with the feature
/// `std`. Without it, each call allocates and frees it.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::deflate::{Encoder, Level, WindowBits};
///
/// let mut encoder = Encoder::new(WindowBits::MAX, Level::Balanced, true);
/// let mut out = BytesMut::new();
/// // Compressed, this message would be longer.
/// assert!(!encoder.message(b"Hello", &mut out));
/// assert!(encoder.message(b"Hello, hello, hello, hello", &mut out));
/// assert!(out.len() < 20);
/// ```
pub struct Encoder {
    window_bits: WindowBits,
    level: Level,
    context_takeover: bool,
    /// Without context takeover it is empty, except within a message that is sent in parts.
    context: Context,
}

impl Encoder {
    /// Creates an encoder. Its matches refer at most as far back as the window.
    #[must_use]
    pub const fn new(window_bits: WindowBits, level: Level, context_takeover: bool) -> Self {
        Self { window_bits, level, context_takeover, context: Context::new(window_bits, level) }
    }

    /// Appends the compressed form of a complete message, without the tail `00 00 ff ff`
    /// ([RFC 7692 section 7.2.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1)).
    ///
    /// Returns false if the compressed form would not be shorter than the message. Then no bytes
    /// are appended and the encoder is unchanged: send the message uncompressed.
    pub fn message(&mut self, message: &[u8], out: &mut BytesMut) -> bool {
        // Noise shrinks only if the same bytes were sent before.
        if noise::is_noise(message) && !self.context.knows(message) {
            return false;
        }
        let start = out.len();
        scratch::with(|scratch| {
            let mut job = Job::new(message, self.level, scratch, out);
            if !self.context_takeover {
                job.alone(self.window_bits.len());
                return job.finish() - start < message.len();
            }
            self.context.grow(message.len());
            let at = self.context.append(message);
            job.with_context(&mut self.context, at);
            let shorter = job.finish() - start < message.len();
            // The peer's decoder gets the message only if it is sent compressed. If not, undo the
            // append. After a long message, which was not appended but has replaced positions in
            // the tables, index the history again.
            match (at, shorter) {
                (Some(_), true) => {}
                (Some(at), false) => self.context.truncate(at),
                (None, true) => self.context.replace(message),
                (None, false) => self.context.reindex(),
            }
            shorter
        }) || {
            out.truncate(start);
            false
        }
    }

    /// Appends the compressed form of a part of a message. It ends on a byte boundary, with the
    /// tail `00 00 ff ff` unless the part is the `end` of the message. The first part begins the
    /// message.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::deflate::{Decoder, Encoder, Level, WindowBits};
    ///
    /// let mut encoder = Encoder::new(WindowBits::MAX, Level::Balanced, true);
    /// let mut payload = BytesMut::new();
    /// encoder.part(b"Hello, ", false, &mut payload);
    /// encoder.part(b"world", true, &mut payload);
    ///
    /// let mut message = [0; 20];
    /// let progress = Decoder::new(WindowBits::MAX, true).inflate(&payload, &mut message, 0)?;
    /// assert_eq!(&message[..progress.written], b"Hello, world");
    /// # Ok::<(), sansocket::deflate::Corrupt>(())
    /// ```
    pub fn part(&mut self, part: &[u8], end: bool, out: &mut BytesMut) {
        if !part.is_empty() || end {
            scratch::with(|scratch| {
                let mut job = Job::new(part, self.level, scratch, out);
                // A part can't be sent uncompressed: noise is in stored blocks.
                if noise::is_noise(part) && !self.context.knows(part) {
                    job.stored();
                    if self.context_takeover || !end {
                        self.context.follow(part);
                    }
                } else if end && !self.context_takeover && self.context.is_empty() {
                    // The only part of its message: no later bytes refer to it.
                    job.alone(self.window_bits.len());
                } else {
                    self.context.grow(part.len());
                    let at = self.context.append(part);
                    job.with_context(&mut self.context, at);
                    if at.is_none() {
                        self.context.replace(part);
                    }
                }
                job.finish();
            });
        }
        if !end && !part.is_empty() {
            out.extend_from_slice(&TAIL);
        }
        if end && !self.context_takeover {
            self.context = Context::new(self.window_bits, self.level);
        }
    }

    /// Adds a message to the window that was sent compressed, but not by this encoder, such as a
    /// [`Prepared`](crate::Prepared) one. Its compressed form must not refer to earlier messages.
    /// Later messages may refer to it. Without context takeover there is no effect.
    pub fn follow(&mut self, message: &[u8]) {
        if self.context_takeover && !message.is_empty() {
            self.context.follow(message);
        }
    }

    /// Clears the window: later messages don't refer to earlier ones. It may be called between any
    /// two messages.
    pub fn clear(&mut self) {
        self.context.forget();
    }

    /// Returns the number of heap bytes that it holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.context.capacity()
    }

    /// Returns the number of heap bytes that it holds after a complete message of `len` bytes, at
    /// most.
    pub(crate) fn capacity_for_message(&self, len: usize) -> usize {
        if self.context_takeover { self.context.capacity_for(len) } else { self.capacity() }
    }

    /// Returns the same number for a part of a message.
    pub(crate) fn capacity_for_part(&self, len: usize) -> usize {
        self.context.capacity_for(len)
    }

    /// Keeps the window from growing beyond its present size or the smallest one, or allows it
    /// again.
    pub(crate) const fn hold(&mut self, held: bool) {
        self.context.hold(held);
    }
}

impl fmt::Debug for Encoder {
    /// Shows no data: debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("window_bits", &self.window_bits)
            .field("level", &self.level)
            .field("context_takeover", &self.context_takeover)
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// The lengths of an empty stored block. They are removed at the end of a message (RFC 7692 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
