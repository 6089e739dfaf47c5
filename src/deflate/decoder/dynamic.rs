//! The header of a dynamic block
//! ([RFC 1951 section 3.2.7](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7)).
//!
//! ```text
//! ┌────────────────────┬─────────────────────┬──────────────────────────────┬─────────
//! │ HLIT  HDIST  HCLEN │ lengths of the code │ lengths of the block's codes │ symbols
//! │  5      5      4   │ length code, 3 each │ in the code length code      │
//! └────────────────────┴─────────────────────┴──────────────────────────────┴─────────
//!        begin                read_lens                   read
//! ```

use crate::deflate::decoder::bits::Bits;
use crate::deflate::decoder::codes::{Codes, Symbol, Used};
use crate::deflate::decoder::result::Malformed;

/// The codes of a dynamic block, and the lengths that were read so far to build them.
pub(super) struct Dynamic {
    pub(super) codes: Codes,
    /// The symbols with a code in ascending order: literals and lengths, then distances. The
    /// distance symbols are numbered after the others.
    symbols: [Symbol; MAX_SYMBOLS],
    /// The lengths of the code length code in the order of transmission. Those not sent are 0.
    lens: [u8; 19],
    /// The number of `lens` that are sent: HCLEN + 4.
    sent: u8,
    /// The number of `symbols` in use.
    used: u16,
    /// The number of `symbols` with codes of each length. That of length 0 is ignored.
    counts: [u16; 16],
    /// The symbol of the next length. In `read_lens` the position in `lens`.
    next: u16,
    /// The length of the symbol before it.
    last_len: u16,
    /// The number of literals and lengths: HLIT + 257.
    literals: u16,
    /// The number of all symbols: HLIT + 257 + HDIST + 1.
    all: u16,
}

impl Dynamic {
    pub(super) const fn new() -> Self {
        Self {
            codes: Codes::INVALID,
            symbols: [Symbol::NONE; MAX_SYMBOLS],
            lens: [0; 19],
            sent: 0,
            used: 0,
            counts: [0; 16],
            next: 0,
            last_len: 0,
            literals: 0,
            all: 0,
        }
    }

    /// Begins a block with HLIT, HDIST and HCLEN: 5, 5 and 4 bits.
    pub(super) fn begin(&mut self, sizes: u32) -> Result<(), Malformed> {
        #[expect(clippy::cast_possible_truncation, reason = "14 bits")]
        let sizes = sizes as u16;
        let (literals, distances) = ((sizes & 0x1f) + 257, (sizes >> 5 & 0x1f) + 1);
        if literals > 286 || distances > 30 {
            return Err(Malformed);
        }
        (self.literals, self.all) = (literals, literals + distances);
        [self.sent, _] = ((sizes >> 10) + 4).to_le_bytes();
        self.lens = [0; 19];
        self.clear();
        Ok(())
    }

    /// Reads the code length code and builds it. Returns false if more input is needed.
    #[inline(never)]
    #[expect(clippy::indexing_slicing, reason = "masked")]
    pub(super) fn read_lens(&mut self, bits: &mut Bits<'_>) -> Result<bool, Malformed> {
        let sent = self.lens.get_mut(..usize::from(self.sent)).unwrap_or_default();
        for len in sent.iter_mut().skip(usize::from(self.next)) {
            let Some(read) = bits.take(3) else { return Ok(false) };
            [*len, ..] = read.to_le_bytes();
            self.next += 1;
        }
        self.clear();
        for (value, place) in (0..).zip(PLACES) {
            let len = self.lens.get(usize::from(place)).copied().unwrap_or(0);
            if len != 0
                && let Some(place) = self.symbols.get_mut(usize::from(self.used))
            {
                *place = Symbol::new(value, len.into());
                self.used += 1;
                self.counts[usize::from(len & 0xf)] += 1;
            }
        }
        let symbols = self.symbols.get(..usize::from(self.used)).unwrap_or_default();
        self.codes.build_lengths(&Used { symbols, first: 0, counts: &self.counts })?;
        self.clear();
        Ok(true)
    }

    const fn clear(&mut self) {
        (self.used, self.next, self.last_len) = (0, 0, 0);
        self.counts = [0; 16];
    }

    /// Reads the lengths of the block's codes and builds the codes. Returns false if more input is
    /// needed.
    #[inline(never)]
    #[expect(clippy::indexing_slicing, reason = "masked")]
    pub(super) fn read(&mut self, bits: &mut Bits<'_>) -> Result<bool, Malformed> {
        // Locals, which stay in registers, instead of fields.
        let mut b = *bits;
        let (mut next, mut used, mut last_len) = (self.next, self.used, self.last_len);
        while next < self.all {
            // A code and its extra bits have at most 14 bits: 7 and 7.
            if b.count() < 14 {
                b.refill();
            }
            let entry = self.codes.length(b.peek());
            // The item is incomplete. It is read again with more input.
            if entry.len() > b.count() {
                break;
            }
            let before = b.peek();
            b.skip(entry.len());
            if entry.is_literal() {
                last_len = u16::from(entry.byte());
                // The symbol is always stored, and kept only if its length is not 0. That needs no
                // branch.
                if let Some(place) = self.symbols.get_mut(usize::from(used)) {
                    *place = Symbol::new(next, last_len);
                }
                used += u16::from(last_len != 0);
                self.counts[usize::from(last_len & 0xf)] += 1;
                next += 1;
                continue;
            }
            #[expect(clippy::cast_possible_truncation, reason = "at most 138")]
            let n = entry.value(before) as u16;
            // Symbol 16, a repetition of the last length, is marked as end. It can't be the first.
            if n > self.all - next || entry.is_end() && next == 0 {
                return Err(Malformed);
            }
            if !entry.is_end() {
                last_len = 0;
            }
            if last_len != 0 {
                let places = self.symbols.get_mut(usize::from(used)..).unwrap_or_default();
                for (place, value) in places.iter_mut().zip(next..next + n) {
                    *place = Symbol::new(value, last_len);
                }
                used += n;
                self.counts[usize::from(last_len & 0xf)] += n;
            }
            next += n;
        }
        (self.next, self.used, self.last_len) = (next, used, last_len);
        *bits = b;
        if next < self.all {
            return Ok(false);
        }
        self.build()?;
        Ok(true)
    }

    /// Splits the symbols into the two alphabets, and builds the codes.
    fn build(&mut self) -> Result<(), Malformed> {
        let symbols = self.symbols.get(..usize::from(self.used)).unwrap_or_default();
        let split = symbols.partition_point(|symbol| symbol.value() < self.literals);
        let (literals, distances) = symbols.split_at(split);
        // A block without a code for its end can't end.
        if literals.binary_search_by_key(&256, |symbol| symbol.value()).is_err() {
            return Err(Malformed);
        }
        // `counts` is of both alphabets. There are fewer distances, so count these and subtract.
        let mut distance_counts = [0; 16];
        for symbol in distances {
            let len = symbol.len();
            if let (Some(all), Some(count)) =
                (self.counts.get_mut(len), distance_counts.get_mut(len))
            {
                *all -= 1;
                *count += 1;
            }
        }
        self.codes.build(
            &Used { symbols: literals, first: 0, counts: &self.counts },
            &Used { symbols: distances, first: self.literals, counts: &distance_counts },
        )
    }
}

/// The largest number of symbols: 286 literals and lengths, and 30 distances.
const MAX_SYMBOLS: usize = 316;

/// The position of each code length symbol in the order of transmission, which is 16, 17, 18, 0, 8,
/// 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15.
const PLACES: [u8; 19] = [3, 17, 15, 13, 11, 9, 7, 5, 4, 6, 8, 10, 12, 14, 16, 18, 0, 1, 2];
