//! The blocks of a message
//! ([RFC 1951 section 3.2.3](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.3)).
//!
//! `Blocks` is a state machine. It stops when the input is used up or there is no room, and
//! continues with the next call.
//!
//! ```text
//! Start   ─┬─ type 0 ─► StoredHead ─► Stored ──────────────────────────────────┐
//! Between ─┼─ type 1 ─► Symbols(Fixed) ────────────────────────────────────────┤
//!          └─ type 2 ─► DynamicHead ─► CodeLengths ─► Lengths ─► Symbols(Dynamic)
//!                                                                              │
//!             the end of the block: Start if it had BFINAL, else Between ◄─────┘
//!
//! Symbols ◄─► Match: the rest of a match that there was no room for
//! ```

use core::fmt;

use alloc::boxed::Box;

use crate::deflate::decoder::bits::Bits;
use crate::deflate::decoder::codes::FIXED;
use crate::deflate::decoder::dynamic::Dynamic;
use crate::deflate::decoder::output::{Match, Output};
use crate::deflate::decoder::pool;
use crate::deflate::decoder::result::{Malformed, Needs};
use crate::deflate::decoder::symbols::{self, Stop};

/// The position in the blocks of a message.
pub(super) struct Blocks {
    state: State,
    /// True if the block is marked as the last one (BFINAL).
    last: bool,
    /// The codes of a dynamic block, while their lengths are read and while they are in use.
    dynamic: Option<Box<Dynamic>>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before a block, at the beginning of a message or after a block with BFINAL. The message may
    /// end here.
    Start,
    /// Before a block, after one without BFINAL.
    Between,
    /// Before LEN and NLEN of a stored block.
    StoredHead,
    /// In the data of a stored block.
    Stored { left: u16 },
    /// Before HLIT, HDIST and HCLEN.
    DynamicHead,
    /// In the lengths of the code length code.
    CodeLengths,
    /// In the lengths of the block's codes.
    Lengths,
    /// Before a symbol.
    Symbols(Kind),
    /// In the output of a match.
    Match(Kind, Match),
    /// After a fault. Each call fails.
    Corrupt,
}

/// The codes of the symbols.

#[derive(Clone, Copy, Debug)]
enum Kind {
    Fixed,
    Dynamic,
}

impl Blocks {
    pub(super) const fn new() -> Self {
        Self { state: State::Start, last: false, dynamic: None }
    }

    /// Inflates until the input is used up or there is no room.
    pub(super) fn inflate(
        &mut self,
        bits: &mut Bits<'_>,
        out: &mut Output<'_>,
    ) -> Result<Needs, Malformed> {
        loop {
            match self.state {
                State::Start | State::Between => {
                    // BFINAL in the lowest bit, BTYPE in the next two. Type 3 is reserved.
                    let Some(head) = bits.take(3) else { return Ok(Needs::Input) };
                    self.last = head & 1 != 0;
                    self.state = match head >> 1 {
                        0 => State::StoredHead,
                        1 => State::Symbols(Kind::Fixed),
                        2 => State::DynamicHead,
                        _ => return Err(Malformed),
                    };
                    if head >> 1 == 0 {
                        // RFC 1951 3.2.4: LEN begins at a byte boundary.
                        bits.align();
                    }
                }
                State::StoredHead => {
                    let Some(lens) = bits.take(32) else { return Ok(Needs::Input) };
                    // RFC 1951 3.2.4: NLEN is the one's complement of LEN.
                    let (left, complement) = (lens & 0xffff, lens >> 16);
                    if left ^ complement != 0xffff {
                        return Err(Malformed);
                    }
                    #[expect(clippy::cast_possible_truncation, reason = "masked")]
                    let left = left as u16;
                    self.state = State::Stored { left };
                }
                State::Stored { left } => {
                    #[expect(clippy::cast_possible_truncation, reason = "at most `left`")]
                    let n = bits.copy(out.unused(usize::from(left))) as u16;
                    out.advance(usize::from(n));
                    self.state = State::Stored { left: left - n };
                    if left > n {
                        // `Needs::Room` only if there is a byte to write. A block announces bytes
                        // that may never arrive.
                        let input = bits.count() > 0 || !bits.is_last();
                        return Ok(if input { Needs::Room } else { Needs::Input });
                    }
                    self.end_block(bits);
                }
                State::DynamicHead => {
                    let Some(sizes) = bits.take(14) else { return Ok(Needs::Input) };
                    self.dynamic.get_or_insert_with(pool::take).begin(sizes)?;
                    self.state = State::CodeLengths;
                }
                State::CodeLengths => {
                    if !self.dynamic.get_or_insert_with(pool::take).read_lens(bits)? {
                        return Ok(Needs::Input);
                    }
                    self.state = State::Lengths;
                }
                State::Lengths => {
                    if !self.dynamic.get_or_insert_with(pool::take).read(bits)? {
                        return Ok(Needs::Input);
                    }
                    self.state = State::Symbols(Kind::Dynamic);
                }
                State::Symbols(kind) => {
                    let codes = match (kind, &self.dynamic) {
                        (Kind::Dynamic, Some(dynamic)) => &dynamic.codes,
                        (Kind::Dynamic, None) | (Kind::Fixed, _) => &FIXED,
                    };
                    match symbols::follow(codes, bits, out)? {
                        Stop::End => self.end_block(bits),
                        Stop::Input => return Ok(Needs::Input),
                        Stop::Room => return Ok(Needs::Room),
                        Stop::Match(rest) => {
                            self.state = State::Match(kind, rest);
                            return Ok(Needs::Room);
                        }
                    }
                }
                State::Match(kind, rest) => {
                    let rest = out.copy(rest)?;
                    if rest.length > 0 {
                        self.state = State::Match(kind, rest);
                        return Ok(Needs::Room);
                    }
                    self.state = State::Symbols(kind);
                }
                State::Corrupt => return Err(Malformed),
            }
        }
    }

    /// Ends the block: the next state is before another one.
    const fn end_block(&mut self, bits: &mut Bits<'_>) {
        if self.last {
            // The next block begins at the next byte (RFC 7692 section 7.2.3.4).
            bits.align();
            self.state = State::Start;
        } else {
            self.state = State::Between;
        }
    }

    /// Returns the tables of a dynamic block to the pool, unless the next call needs them.
    pub(super) fn rest(&mut self) {
        match self.state {
            State::CodeLengths
            | State::Lengths
            | State::Symbols(Kind::Dynamic)
            | State::Match(Kind::Dynamic, _) => {}
            State::Start
            | State::Between
            | State::StoredHead
            | State::Stored { .. }
            | State::DynamicHead
            | State::Symbols(Kind::Fixed)
            | State::Match(Kind::Fixed, _)
            | State::Corrupt => {
                if let Some(dynamic) = self.dynamic.take() {
                    pool::put(dynamic);
                }
            }
        }
    }

    /// Ends the message with the tail `00 00 ff ff`, with `bits_left` unread bits before it.
    ///
    /// The tail must end a block, begin no other and have no output. That is so in two states only.
    /// In `StoredHead` the tail is LEN and NLEN of an empty stored block, which the sender has
    /// removed. In `Start` the message ended with BFINAL, or is empty, and needs no tail.
    pub(super) const fn finish(&mut self, bits_left: u32) -> Result<(), Malformed> {
        if bits_left > 0 || !matches!(self.state, State::Start | State::StoredHead) {
            return Err(Malformed);
        }
        self.state = State::Start;
        Ok(())
    }

    /// Makes all later calls fail, and frees the tables.
    pub(super) fn fail(&mut self) {
        self.state = State::Corrupt;
        self.rest();
    }

    /// Returns the number of heap bytes that it holds.
    pub(super) const fn capacity(&self) -> usize {
        if self.dynamic.is_some() { size_of::<Dynamic>() } else { 0 }
    }
}

impl fmt::Debug for Blocks {
    /// Shows no codes: they depend on the data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks")
            .field("state", &self.state)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
