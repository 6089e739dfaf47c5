//! One message, or one part of a message, on its way into blocks.

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
    /// How many of them lie in blocks.
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

    /// Compresses the bytes without references to others.
    pub(super) fn alone(&mut self, window: usize) {
        let level = self.level;
        let mut alone = core::mem::replace(self.scratch.alone(level), Alone::new(level));
        let base = alone.begin(self.bytes.len(), window);
        let text = Text { bytes: self.bytes, base, window };
        self.run(&mut alone.finder, text, 0, 0, self.bytes.len());
        *self.scratch.alone(level) = alone;
    }

    /// Compresses the bytes with references to the history, which they have been appended to at
    /// `at`; or have not if they are too many.
    pub(super) fn with_context(&mut self, context: &mut Context, at: Option<usize>) {
        let (finder, text) = context.parts();
        if let Some(at) = at {
            self.run(finder, text, at, at, text.bytes.len());
            return;
        }
        // The first bytes, behind a copy of the history, as far as that is within reach.
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
            // The rest refers to nothing but the bytes themselves.
            let text = Text { bytes, base: end, window: text.window };
            self.run(finder, text, at, 0, bytes.len());
        }
        self.scratch.gather = gather;
    }

    /// Takes the bytes as they are.
    pub(super) fn stored(&mut self) {
        write_stored(self.bytes, &mut self.bits);
    }

    /// Ends the compressed form on a byte boundary, without the tail; returns the output's length.
    pub(super) fn finish(self) -> usize {
        self.bits.finish()
    }

    /// Compresses `text.bytes[at..stop]`, and what a match at the end takes beyond; the job's bytes
    /// begin at `start`. Returns where it stopped.
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

    /// Ends a block in front of `to`.
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
