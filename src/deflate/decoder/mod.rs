//! Inflating: compressed payloads become messages.
//!
//! ```text
//!         Bits                Blocks                    Output
//! input ───────► bit buffer ─────────► literals and ─────────► message
//!                               ▲      matches        ▲
//!                               │                     │
//!                         Codes of the block     Window: the bytes before
//!                         (fixed or Dynamic)     the message
//! ```
//!
//! `symbols` is the hot loop: it decodes the literals and matches of a block. `blocks` is the state
//! machine around it, which can stop at each bit of the input and at each byte of the output.

mod bits;
mod blocks;
mod codes;
mod dynamic;
mod entry;
mod output;
mod pool;
mod result;
mod symbols;
mod window;

use core::fmt;

use crate::deflate::decoder::bits::Bits;
use crate::deflate::decoder::blocks::Blocks;
use crate::deflate::decoder::output::Output;
use crate::deflate::decoder::result::Malformed;
use crate::deflate::decoder::window::Window;
use crate::deflate::window_bits::WindowBits;

pub use crate::deflate::decoder::result::{Corrupt, Needs, Progress};

/// Inflates the messages of one direction of one connection. The input may be cut at any byte.
///
/// It holds no heap memory before the first message and, without context takeover, between
/// messages.
///
/// ```
/// use sansocket::deflate::{Decoder, Needs, WindowBits};
///
/// // The example of RFC 7692 section 7.2.3.1, in two fragments.
/// let payload = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// let mut decoder = Decoder::new(WindowBits::MAX, true);
/// let (mut message, mut len) = ([0; 10], 0);
/// for fragment in [&payload[..3], &payload[3..]] {
///     let progress = decoder.inflate(fragment, &mut message, len)?;
///     assert_eq!(progress.needs, Needs::Input);
///     len += progress.written;
/// }
/// decoder.finish(&message[..len])?;
/// assert_eq!(message[..len], *b"Hello");
/// # Ok::<(), sansocket::deflate::Corrupt>(())
/// ```
pub struct Decoder {
    /// The output before `message`: that of earlier messages, and the part of this one that was
    /// moved out.
    window: Window,
    blocks: Blocks,
    /// The bits that were read and not consumed, as in [`Bits`].
    buffer: u64,
    count: u8,
    context_takeover: bool,
}

impl Decoder {
    /// Creates a decoder. A reference further back than the window is an error.
    #[must_use]
    pub const fn new(window_bits: WindowBits, context_takeover: bool) -> Self {
        Self {
            window: Window::new(window_bits),
            blocks: Blocks::new(),
            buffer: 0,
            count: 0,
            context_takeover,
        }
    }

    /// Inflates `input`, the next bytes of a compressed message, to `message[at..]`.
    ///
    /// `message[..at]` must be the output of the message so far, or since [`slide`](Self::slide):
    /// matches refer to it. The room after the written bytes may be overwritten.
    ///
    /// The call returns when the input is used up or there is no more room. Room of exactly the
    /// output's length is enough.
    ///
    /// # Errors
    /// [`Corrupt`], with the number of bytes written before the fault. Each later call fails too.
    pub fn inflate(
        &mut self,
        input: &[u8],
        message: &mut [u8],
        at: usize,
    ) -> Result<Progress, Corrupt> {
        let mut bits = Bits::new((self.buffer, self.count.into()), input);
        let mut out = Output::new(message, at, &self.window);
        let begin = out.at();
        let result = self.blocks.inflate(&mut bits, &mut out);
        let written = out.at() - begin;
        let ((buffer, count), unread) = bits.into_rest();
        self.buffer = buffer;
        [self.count, ..] = count.to_le_bytes();
        match result {
            Ok(needs) => {
                self.blocks.rest();
                Ok(Progress { read: input.len() - unread, written, needs })
            }
            Err(Malformed) => Err(self.fail(written)),
        }
    }

    /// Moves the output of the message so far, or since the last `slide`, out of `message`. The
    /// decoder keeps a copy of its last bytes, as many as the window has. The next
    /// [`inflate`](Self::inflate) begins with an empty `message`. So a message of any length can be
    /// inflated through a small buffer:
    ///
    /// ```
    /// use sansocket::deflate::{Corrupt, Decoder, Needs};
    ///
    /// fn count_lines(decoder: &mut Decoder, mut payload: &[u8]) -> Result<usize, Corrupt> {
    ///     let (mut part, mut lines) = ([0; 1024], 0);
    ///     loop {
    ///         let progress = decoder.inflate(payload, &mut part, 0)?;
    ///         payload = &payload[progress.read..];
    ///         let part = &part[..progress.written];
    ///         lines += part.iter().filter(|&&byte| byte == b'\n').count();
    ///         if progress.needs != Needs::Room {
    ///             decoder.finish(part)?;
    ///             return Ok(lines);
    ///         }
    ///         decoder.slide(part);
    ///     }
    /// }
    /// # use sansocket::deflate::{Encoder, Level, WindowBits};
    /// # let mut decoder = Decoder::new(WindowBits::MAX, true);
    /// # let mut payload = bytes::BytesMut::new();
    /// # let text = "line 1\nanother line\n".repeat(1000);
    /// # let mut encoder = Encoder::new(WindowBits::MAX, Level::Fast, true);
    /// # assert!(encoder.message(text.as_bytes(), &mut payload));
    /// # assert_eq!(count_lines(&mut decoder, &payload)?, 2000);
    /// # Ok::<(), Corrupt>(())
    /// ```
    pub fn slide(&mut self, message: &[u8]) {
        self.window.push(message);
    }

    /// Ends the message, after [`inflate`](Self::inflate) has used up all of its input. `message`
    /// is as for [`slide`](Self::slide).
    ///
    /// It appends the tail `00 00 ff ff`
    /// ([RFC 7692 section 7.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2)), and keeps
    /// the window for the next message, or drops it without context takeover.
    ///
    /// # Errors
    /// [`Corrupt`] unless the message ends with a block.
    pub fn finish(&mut self, message: &[u8]) -> Result<(), Corrupt> {
        if self.blocks.finish(self.count.into()).is_err() {
            return Err(self.fail(0));
        }
        if self.context_takeover {
            self.window.push(message);
        } else {
            self.window.clear();
        }
        Ok(())
    }

    fn fail(&mut self, written: usize) -> Corrupt {
        self.blocks.fail();
        self.window.clear();
        Corrupt { written }
    }

    /// Returns the number of heap bytes that it holds.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.window.capacity() + self.blocks.capacity()
    }
}

impl fmt::Debug for Decoder {
    /// Shows no data: debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("window", &self.window)
            .field("blocks", &self.blocks)
            .field("unused_bits", &self.count)
            .field("context_takeover", &self.context_takeover)
            .finish_non_exhaustive()
    }
}
