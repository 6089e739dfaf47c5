//! The compression of one message, or of one part of a message, into blocks.

use bytes::BytesMut;

use crate::deflate::encoder::bits::BitWriter;
use crate::deflate::encoder::block::write_stored;
use crate::deflate::encoder::context::Context;
use crate::deflate::encoder::finder::Finder;
use crate::deflate::encoder::scratch::{Alone, Scratch};
use crate::deflate::encoder::text::{MATCH_MAX, Text};
use crate::deflate::level::Level;

/// Bytes that are being compressed.
pub(super) struct Job<'a> {
    bytes: &'a [u8],
    /// The number of bytes that are in finished blocks.
    done: usize,
    level: Level,
    scratch: &'a mut Scratch,
    bits: BitWriter<'a>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        level: Level,
        scratch: &'a mut Scratch,
        out: &'a mut BytesMut,
    ) -> Self {
        scratch.tokens.begin(bytes.len());
        Self { bytes, done: 0, level, scratch, bits: BitWriter::new(out) }
    }

    /// Compresses the bytes without references to other messages.
    pub(super) fn alone(&mut self, window: usize) {
        let level = self.level;
        let mut alone = core::mem::replace(self.scratch.alone(level), Alone::new(level));
        let base = alone.begin(self.bytes.len(), window);
        let text = Text { bytes: self.bytes, base, window };
        self.run(&mut alone.finder, text, 0, 0, self.bytes.len());
        *self.scratch.alone(level) = alone;
    }

    /// Compresses the bytes with references to the history. They were appended to the history at
    /// `at`. `None`: they are too many, and were not appended.
    ///
    /// In the second case the first bytes are compressed in a copy that has the history before
    /// them. The others are at least a window away from the history, and are compressed in place:
    ///
    /// ```text
    /// gather: │ history: a window │ a window          │ a match │
    ///                             │                   └ the first run may end with a match here
    /// bytes:                      │ first bytes       │ the others ...                        │
    /// ```
    pub(super) fn with_context(&mut self, context: &mut Context, at: Option<usize>) {
        let (finder, text) = context.parts();
        if let Some(at) = at {
            self.run(finder, text, at, at, text.bytes.len());
            return;
        }
        // A copy of the history within the window, and of the first bytes.
        let history = text.bytes.get(text.bytes.len().saturating_sub(text.window)..);
        let mut gather = core::mem::take(&mut self.scratch.gather);
        gather.clear();
        gather.extend_from_slice(history.unwrap_or_default());
        let start = gather.len();
        let bytes = self.bytes;
        let first = bytes.get(..text.window + MATCH_MAX).unwrap_or(bytes);
        gather.extend_from_slice(first);
        let all = first.len() == bytes.len();
        let stop = if all { gather.len() } else { start + text.window };
        let end = text.end();
        let text =
            Text { bytes: &gather, base: end.wrapping_sub(u16_of(start)), window: text.window };
        let at = self.run(finder, text, start, start, stop) - start;
        if !all {
            // The other bytes refer only to bytes of this message.
            let text = Text { bytes, base: end, window: text.window };
            self.run(finder, text, at, 0, bytes.len());
        }
        self.scratch.gather = gather;
    }

    /// Appends the bytes in stored blocks.
    pub(super) fn stored(&mut self) {
        write_stored(self.bytes, &mut self.bits);
    }

    /// Ends the compressed form on a byte boundary, without the tail. Returns the length of the
    /// output.
    pub(super) fn finish(self) -> usize {
        self.bits.finish()
    }

    /// Compresses `text.bytes[at..stop]`, and the bytes beyond `stop` of a match that begins before
    /// it. The bytes of the job begin at `start`. Returns the position of the first byte not
    /// compressed.
    fn run(
        &mut self,
        finder: &mut Finder,
        text: Text<'_>,
        mut at: usize,
        start: usize,
        stop: usize,
    ) -> usize {
        loop {
            at = finder.run(text, at, stop, &mut self.scratch.tokens);
            if self.scratch.tokens.is_full() || at - start >= self.bytes.len() {
                self.block(at - start);
            }
            if at >= stop {
                return at;
            }
        }
    }

    /// Ends a block before the byte `to`.
    fn block(&mut self, to: usize) {
        let bytes = self.bytes.get(self.done..to).unwrap_or_default();
        self.done = to;
        if !bytes.is_empty() {
            let tokens = self.scratch.tokens.as_slice();
            self.scratch.coder.block(tokens, bytes, self.level, &mut self.bits);
        }
        self.scratch.tokens.begin(self.bytes.len() - to);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "positions are modulo 2^16")]
const fn u16_of(len: usize) -> u16 {
    len as u16
}
