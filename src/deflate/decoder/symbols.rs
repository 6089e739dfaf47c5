//! The symbols of a block
//! ([RFC 1951 section 3.2.3](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.3)): a fast way while
//! there are 8 bytes of input, and a careful one up to the last bit.

use crate::deflate::decoder::bits::{Bits, Words};
use crate::deflate::decoder::codes::Codes;
use crate::deflate::decoder::entry::Entry;
use crate::deflate::decoder::output::{Match, Output, copy_block};
use crate::deflate::decoder::result::Malformed;
use crate::deflate::decoder::window::Window;

/// Why the symbols of a block can't be followed further.
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

/// Follows the symbols of a block.
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

/// What following symbols needs, all of it in registers: nothing here may be lent to a function
/// that isn't inlined.
struct Symbols<'c, 'i, 'm> {
    codes: &'c Codes,
    b: Words<'i>,
    message: &'m mut [u8],
    at: usize,
    window: &'m Window,
    /// Of the window.
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
            // A length and a distance have at most 20 and 28 bits: after a refill with input left
            // there are enough.
            if self.b.is_last() {
                return Ok(Stop::Input);
            }
        }
    }

    /// Follows symbols while there are 8 bytes of input; `None`: the next one needs more care.
    ///
    /// After a refill there are 56 bits. Two literals and a match take no more than that if none of
    /// their codes is a long one: 2 * 10, 10 + 5 and 8 + 13. Otherwise it refills before the
    /// distance.
    #[inline(always)]
    fn fast(&mut self) -> Result<Option<Stop>, Malformed> {
        while self.b.refill() {
            let mut symbol = self.codes.first_literal(self.b.peek());
            if symbol.is_literal() {
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
                if !self.b.refill() {
                    return Ok(None);
                }
            }
            let behind = self.b.peek() >> symbol.len();
            let mut distance = self.codes.first_distance(behind);
            if distance.is_special() {
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

    /// Follows the symbols that are whole among the bits at hand; `None`: there is no other.
    #[inline(always)]
    fn careful(&mut self) -> Result<Option<Stop>, Malformed> {
        loop {
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

    /// Appends a literal; false: there is no room.
    #[inline(always)]
    fn literal(&mut self, symbol: Entry) -> bool {
        let Some(place) = self.message.get_mut(self.at) else { return false };
        *place = symbol.byte();
        self.at += 1;
        self.b.skip(symbol);
        true
    }

    #[inline(always)]
    fn end(&mut self, symbol: Entry) -> Result<Stop, Malformed> {
        if !symbol.is_end() {
            return Err(Malformed);
        }
        self.b.skip(symbol);
        Ok(Stop::End)
    }

    /// Appends a match; `Some`: there is no room for the rest.
    #[inline(always)]
    fn copy(&mut self, length: usize, back: usize) -> Result<Option<Stop>, Malformed> {
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
