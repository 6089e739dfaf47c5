//! From messages to compressed payloads.

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

use bytes::BytesMut;

use crate::deflate::encoder::context::Context;
use crate::deflate::encoder::job::Job;
use crate::deflate::level::Level;
use crate::deflate::window_bits::WindowBits;

/// Compresses the messages of one direction of one connection.
///
/// No heap until the first message; without context takeover none between messages either. What is
/// needed only while a message is compressed is one for each thread under the feature `std`, else
/// it lives as long as the call.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::deflate::{Encoder, Level, WindowBits};
///
/// let mut encoder = Encoder::new(WindowBits::MAX, Level::Balanced, true);
/// let mut out = BytesMut::new();
/// // It would be longer.
/// assert!(!encoder.message(b"Hello", &mut out));
/// assert!(encoder.message(b"Hello, hello, hello, hello", &mut out));
/// assert!(out.len() < 20);
/// ```
#[derive(Debug)]
pub struct Encoder {
    window_bits: WindowBits,
    level: Level,
    context_takeover: bool,
    /// Without context takeover empty but for the length of a message that is sent in parts.
    context: Context,
}

impl Encoder {
    /// Makes an encoder that never refers further back than the window.
    #[must_use]
    pub const fn new(window_bits: WindowBits, level: Level, context_takeover: bool) -> Self {
        Self { window_bits, level, context_takeover, context: Context::new(window_bits, level) }
    }

    /// Appends the compressed form of a whole message, without the tail `00 00 ff ff`
    /// ([RFC 7692 section 7.2.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1)).
    ///
    /// False: it would not be shorter than the message, so nothing was appended, the message is to
    /// be sent as it is, and the encoder is as it was.
    pub fn message(&mut self, message: &[u8], out: &mut BytesMut) -> bool {
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

    /// Appends the compressed form of a part of a message, which ends on a byte boundary; without
    /// the tail at the message's `end`. A message is begun by its first part.
    pub fn part(&mut self, part: &[u8], end: bool, out: &mut BytesMut) {
        if !part.is_empty() || end {
            scratch::with(|scratch| {
                let mut job = Job::new(part, self.level, scratch, out);
                if noise::is_noise(part) && !self.context.knows(part) {
                    job.stored();
                    if self.context_takeover || !end {
                        self.context.follow(part);
                    }
                } else if end && !self.context_takeover && self.context.is_empty() {
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

    /// Follows a message that was compressed elsewhere, without references to what was before it,
    /// and sent: later messages may refer to it. Without context takeover nothing is to be done.
    pub fn follow(&mut self, message: &[u8]) {
        if self.context_takeover && !message.is_empty() {
            self.context.follow(message);
        }
    }

    /// Forgets all messages: later ones don't refer to them. Always right to do between messages.
    pub fn clear(&mut self) {
        self.context.forget();
    }

    /// Returns how many bytes of heap it holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.context.capacity()
    }

    /// Returns how many it holds after a whole message of `len` bytes, at most.
    pub(crate) fn capacity_for_message(&self, len: usize) -> usize {
        if self.context_takeover { self.context.capacity_for(len) } else { self.capacity() }
    }

    /// The same for a part of a message.
    pub(crate) fn capacity_for_part(&self, len: usize) -> usize {
        self.context.capacity_for(len)
    }

    /// Keeps the window from growing beyond the smallest one or the one there is, or lets it grow.
    pub(crate) const fn hold(&mut self, held: bool) {
        self.context.hold(held);
    }
}

/// The end of an empty stored block, which a message's compressed form is sent without.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
