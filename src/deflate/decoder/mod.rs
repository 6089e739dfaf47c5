//! From compressed payloads to messages.

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

/// Inflates the messages of one direction of one connection, in pieces of any length.
///
/// No heap until the first message; without context takeover none between messages either.
pub struct Decoder {
    /// What the messages before have given, and what has moved out of this one.
    window: Window,
    blocks: Blocks,
    /// The bits that are read and not used up, as [`Bits`] has them.
    buffer: u64,
    count: u8,
    context_takeover: bool,
}

impl Decoder {
    /// Makes a decoder that takes no reference further back than the window.
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

    /// Inflates `input`, the next bytes of a compressed message, to `message[at..]`. `message[..at]`
    /// must be what the message has given so far, or since [`slide`](Self::slide). What is in the room
    /// behind what it writes may change.
    ///
    /// It goes on until the input is used up or there is no room. Room that ends exactly where the
    /// data does is enough.
    ///
    /// # Errors
    /// [`Corrupt`], which tells how much was written before; from then on for each call.
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

    /// What the message has given so far, or since the last slide, moves out: `message` begins anew,
    /// and its last bytes are kept here as far as the window reaches.
    pub fn slide(&mut self, message: &[u8]) {
        self.window.push(message);
    }

    /// Ends the message, after [`inflate`](Self::inflate) has used up all of it: appends the tail
    /// `00 00 ff ff` ([RFC 7692 section 7.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2))
    /// and keeps the window for the next message, or drops it without context takeover. `message`
    /// is as for [`slide`](Self::slide).
    ///
    /// # Errors
    /// [`Corrupt`] unless the message ends where a block does.
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

    /// Returns how many bytes of heap it holds.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.window.capacity() + self.blocks.capacity()
    }
}

impl fmt::Debug for Decoder {
    /// No data: debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("window", &self.window)
            .field("blocks", &self.blocks)
            .field("unused_bits", &self.count)
            .field("context_takeover", &self.context_takeover)
            .finish_non_exhaustive()
    }
}
