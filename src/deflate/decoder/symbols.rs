//! The symbols of a block
//! ([RFC 1951 section 3.2.3](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.3)).
//!
//! There are two loops. `fast` runs while there are 8 bytes of input, and checks the number of bits
//! once for several symbols. `careful` checks before each symbol, up to the last bit of the input.

use crate::deflate::decoder::bits::{Bits, Words};
use crate::deflate::decoder::codes::Codes;
use crate::deflate::decoder::entry::Entry;
use crate::deflate::decoder::output::{Match, Output, copy_block};
use crate::deflate::decoder::result::Malformed;
use crate::deflate::decoder::window::Window;

/// The reason to stop decoding symbols.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// The block ends.
    End,
    /// All input is used up.
    Input,
    /// There is no room for a literal.
    Room,
    /// There is no room for the rest of a match.
    Match(Match),
}

/// Decodes the symbols of a block until it ends, the input is used up or there is no room.
#[inline(never)]
pub(super) fn follow(
    codes: &Codes,
    bits: &mut Bits<'_>,
    out: &mut Output<'_>,
) -> Result<Stop, Malformed> {
    let b = Words::new(bits);
    let Output { message, at, window } = out;
    let mut symbols = Symbols { codes, b, message, at: *at, window, size: window.size() };
    let stop = symbols.follow();
    *bits = symbols.b.into_bits();
    *at = symbols.at;
    stop
}

/// The state of the loops. The fields must stay in registers: a reference to this struct must not
/// be passed to a function that isn't inlined, because that would force it into memory.
struct Symbols<'c, 'i, 'm> {
    codes: &'c Codes,
    b: Words<'i>,
    message: &'m mut [u8],
    at: usize,
    window: &'m Window,
    /// The size of the window, in bytes.
    size: usize,
}

impl Symbols<'_, '_, '_> {
    #[inline(always)]
    fn follow(&mut self) -> Result<Stop, Malformed> {
        loop {
            if let Some(stop) = self.fast()? {
                return Ok(stop);
            }
            self.b.refill_last();
            if let Some(stop) = self.careful()? {
                return Ok(stop);
            }
            // A length has at most 20 bits and a distance 28, with extra bits. As long as input is
            // left, a refill gives 56 bits, and each round decodes a symbol. Without input left the
            // next symbol is incomplete.
            if self.b.is_last() {
                return Ok(Stop::Input);
            }
        }
    }

    /// Decodes symbols while there are 8 bytes of input. `None`: the next symbol needs
    /// [`careful`](Self::careful).
    ///
    /// After a refill there are 56 bits. Two literals and a match take at most 56, if all codes are
    /// in the first tables: 2 * 10, then 10 and 5 extra bits for the length, 8 and 13 for the
    /// distance. For longer codes it refills before the distance.
    #[inline(always)]
    fn fast(&mut self) -> Result<Option<Stop>, Malformed> {
        while self.b.refill() {
            // Up to three literals, or two literals and a match, for one refill.
            let mut symbol = self.codes.first_literal(self.b.peek());
            if symbol.is_literal() {
                // No room is rare: `careful` reports it.
                if !self.literal(symbol) {
                    return Ok(None);
                }
                symbol = self.codes.first_literal(self.b.peek());
                if symbol.is_literal() {
                    if !self.literal(symbol) {
                        return Ok(None);
                    }
                    symbol = self.codes.first_literal(self.b.peek());
                    if symbol.is_literal() {
                        if !self.literal(symbol) {
                            return Ok(None);
                        }
                        continue;
                    }
                }
            }
            // The rare cases share one test: a long code, the end of the block, an invalid code.
            if symbol.is_special() {
                if symbol.is_pointer() {
                    symbol = self.codes.second_literal(symbol, self.b.peek());
                    if symbol.is_literal() {
                        if !self.literal(symbol) {
                            return Ok(None);
                        }
                        continue;
                    }
                }
                if symbol.is_special() {
                    return self.end(symbol).map(Some);
                }
                // A long length code: the bits may not be enough for the distance. No bit of the
                // symbol is consumed yet, so `careful` can decode it again.
                if !self.b.refill() {
                    return Ok(None);
                }
            }
            // Look up the distance before computing the length: the two lookups are independent of
            // the addition.
            let behind = self.b.peek() >> symbol.len();
            let mut distance = self.codes.first_distance(behind);
            if distance.is_special() {
                // A long distance code: 20 bits of length and 28 of distance fit after a refill.
                if !self.b.refill() {
                    return Ok(None);
                }
                distance = self.codes.distance(self.b.peek() >> symbol.len());
                if distance.is_special() {
                    return Err(Malformed);
                }
            }
            let length = symbol.value_by_table(self.b.peek());
            self.b.skip(symbol);
            let back = distance.value_by_table(self.b.peek());
            self.b.skip(distance);
            if let Some(stop) = self.copy(length, back)? {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    /// Decodes the symbols that are complete in the bit buffer. `None`: the next one is incomplete.
    #[inline(always)]
    fn careful(&mut self) -> Result<Option<Stop>, Malformed> {
        loop {
            // Bits above the count may be wrong. They can change the entry only if its code is
            // longer than the count; then the length says so.
            let symbol = self.codes.literal(self.b.peek());
            if symbol.len() > self.b.count() {
                return Ok(None);
            }
            if symbol.is_literal() {
                if !self.literal(symbol) {
                    return Ok(Some(Stop::Room));
                }
                continue;
            }
            if symbol.is_special() {
                return self.end(symbol).map(Some);
            }
            let behind = self.b.peek() >> symbol.len();
            let distance = self.codes.distance(behind);
            if symbol.len() + distance.len() > self.b.count() {
                return Ok(None);
            }
            if distance.is_special() {
                return Err(Malformed);
            }
            let (length, back) = (symbol.value(self.b.peek()), distance.value(behind));
            self.b.skip(symbol);
            self.b.skip(distance);
            if let Some(stop) = self.copy(length, back)? {
                return Ok(Some(stop));
            }
        }
    }

    /// Appends a literal. Returns false if there is no room.
    #[inline(always)]
    fn literal(&mut self, symbol: Entry) -> bool {
        let Some(place) = self.message.get_mut(self.at) else { return false };
        *place = symbol.byte();
        self.at += 1;
        self.b.skip(symbol);
        true
    }

    /// Consumes the end of the block. Each other special symbol is invalid.
    #[inline(always)]
    fn end(&mut self, symbol: Entry) -> Result<Stop, Malformed> {
        if !symbol.is_end() {
            return Err(Malformed);
        }
        self.b.skip(symbol);
        Ok(Stop::End)
    }

    /// Appends a match. `Some`: there is no room for the rest of it.
    #[inline(always)]
    fn copy(&mut self, length: usize, back: usize) -> Result<Option<Stop>, Malformed> {
        // `copy_block` handles most matches without a reference to `self`.
        if back <= self.size && copy_block(self.message, self.at, self.window, length, back) {
            self.at += length;
            return Ok(None);
        }
        let mut out = Output { message: &mut *self.message, at: self.at, window: self.window };
        let rest = out.copy(Match::new(length, back))?;
        self.at = out.at;
        Ok((rest.length > 0).then_some(Stop::Match(rest)))
    }
}
