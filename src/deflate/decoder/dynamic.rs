//! The head of a block with codes of its own
//! ([RFC 1951 section 3.2.7](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7)).

use crate::deflate::decoder::bits::Bits;
use crate::deflate::decoder::codes::{Codes, Symbol, Used};
use crate::deflate::decoder::result::Malformed;

/// The codes of a block, and what is read of the lengths that they are built from.
pub(super) struct Dynamic {
    pub(super) codes: Codes,
    /// The symbols with a code, ascending: literals and lengths, then distances.
    symbols: [Symbol; MAX_SYMBOLS],
    /// The lengths of the code length code in the order in which they are sent, 0 where none is.
    lens: [u8; 19],
    /// How many of `lens` are sent: HCLEN + 4.
    sent: u8,
    /// How many of `symbols` there are.
    used: u16,
    /// How many of `symbols` have codes of each length; that of length 0 means nothing.
    counts: [u16; 16],
    /// The next symbol to be given a length.
    next: u16,
    /// The length of the last one.
    last_len: u16,
    /// How many literals and lengths there are: HLIT + 257.
    literals: u16,
    /// How many symbols there are: HLIT + 257 + HDIST + 1.
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

    /// Begins with HLIT, HDIST and HCLEN: 5, 5 and 4 bits.
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

    /// Reads the code length code, and builds it; false: there is too little input.
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

    /// Reads the lengths of the block's codes, and builds these; false: there is too little input.
    #[inline(never)]
    #[expect(clippy::indexing_slicing, reason = "masked")]
    pub(super) fn read(&mut self, bits: &mut Bits<'_>) -> Result<bool, Malformed> {
        let mut b = *bits;
        let (mut next, mut used, mut last_len) = (self.next, self.used, self.last_len);
        while next < self.all {
            // Code and extra bits are 14 at most.
            if b.count() < 14 {
                b.refill();
            }
            let entry = self.codes.length(b.peek());
            if entry.len() > b.count() {
                break;
            }
            let before = b.peek();
            b.skip(entry.len());
            if entry.is_literal() {
                last_len = u16::from(entry.byte());
                // It only counts if it has a code; that is no branch.
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
            // A repetition of the last length is marked as an end: the first length can't be one.
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

    fn build(&mut self) -> Result<(), Malformed> {
        let symbols = self.symbols.get(..usize::from(self.used)).unwrap_or_default();
        let split = symbols.partition_point(|symbol| symbol.value() < self.literals);
        let (literals, distances) = symbols.split_at(split);
        // A block without an end.
        if literals.binary_search_by_key(&256, |symbol| symbol.value()).is_err() {
            return Err(Malformed);
        }
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

/// 286 literals and lengths, and 30 distances.
const MAX_SYMBOLS: usize = 316;

/// The place of each code length code's length in the order in which these are sent, which is
/// 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15.
const PLACES: [u8; 19] = [3, 17, 15, 13, 11, 9, 7, 5, 4, 6, 8, 10, 12, 14, 16, 18, 0, 1, 2];
