//! Prefix codes as tables: what the next bits mean, in one look, or two for long codes
//! ([RFC 1951 section 3.2.2](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.2)).

use crate::deflate::decoder::Corrupt;
use crate::deflate::decoder::entry::{DISTANCE_MEANINGS, Entry, LENGTH_MEANINGS, LITERAL_MEANINGS};

/// A table for codes of at most `BITS` bits, behind it those for the rest of longer ones.
#[derive(Debug)]
struct Table<const BITS: u32, const LEN: usize>([Entry; LEN]);

impl<const BITS: u32, const LEN: usize> Table<BITS, LEN> {
    const LEN_FITS: () = assert!(LEN >= 1 << BITS);
    const INVALID: Self = Self([Entry::INVALID; LEN]);

    /// Returns what the code at the beginning of `bits` says.
    #[inline(always)]
    fn find(&self, bits: u64) -> Entry {
        let () = Self::LEN_FITS;
        #[expect(clippy::cast_possible_truncation, reason = "masked")]
        #[expect(clippy::indexing_slicing, reason = "the mask is below LEN, by LEN_FITS")]
        let entry = self.0[(bits & ((1 << BITS) - 1)) as usize];
        if !entry.is_pointer() { entry } else { self.find_long(entry, bits) }
    }

    #[inline(always)]
    fn find_long(&self, pointer: Entry, bits: u64) -> Entry {
        #[expect(clippy::cast_possible_truncation, reason = "masked")]
        let at = (bits >> BITS & ((1 << pointer.len()) - 1)) as usize;
        let entry = self.0.get(pointer.place() + at);
        entry.copied().unwrap_or(Entry::INVALID)
    }

    /// Builds it from the symbols that have a code; `meanings` says what each of them means.
    ///
    /// It takes what zlib takes: codes that leave nothing over, and, if `may_lack`, no code at all
    /// or a single one of one bit.
    fn build(
        &mut self,
        used: &Used<'_>,
        meanings: &[Entry],
        may_lack: bool,
    ) -> Result<(), Corrupt> {
        let mut unused = 1;
        let mut begins = [0; 16];
        let mut begin = 0;
        for (len, &count) in used.counts.iter().enumerate().skip(1) {
            unused = 2 * unused - i32::from(count);
            if let Some(place) = begins.get_mut(len) {
                *place = begin;
            }
            begin += count;
        }
        if unused != 0 {
            let lone = matches!(used.symbols, [] | [Symbol { len: 1, .. }]);
            if unused < 0 || !may_lack || !lone {
                return Err(Corrupt);
            }
            self.0.fill(Entry::INVALID);
        }
        // By length, then by value: the order of their codes.
        let mut sorted = [Entry::INVALID; 320];
        for symbol in used.symbols {
            let meaning = meanings.get(usize::from(symbol.value - used.first));
            if let Some(place) = begins.get_mut(usize::from(symbol.len))
                && let Some(entry) = sorted.get_mut(usize::from(*place))
            {
                *place += 1;
                *entry = meaning.copied().unwrap_or(Entry::INVALID);
            }
        }
        self.fill(&sorted, used.counts);
        Ok(())
    }

    /// Enters the codes of `sorted`, of which there are as many of each length as `counts` says.
    fn fill(&mut self, sorted: &[Entry], counts: &[u16; 16]) {
        let mut sorted = sorted.iter();
        let mut code = Code(0);
        // Each length doubles the part of the table that is filled.
        for len in 1..=BITS {
            let half = 1 << (len - 1);
            self.0.copy_within(..half, half);
            let count = counts.get(len as usize).copied().unwrap_or(0);
            for meaning in sorted.by_ref().take(usize::from(count)) {
                if let Some(entry) = self.0.get_mut(code.0 as usize) {
                    *entry = meaning.with_len(len);
                }
                code.step(len);
            }
        }
        self.fill_long(sorted.as_slice(), code, counts);
    }

    /// Enters the codes that are longer than `BITS`.
    fn fill_long(&mut self, sorted: &[Entry], mut code: Code, counts: &[u16; 16]) {
        let mut sorted = sorted.iter();
        let (mut second, mut end) = (0, 1 << BITS);
        let mut root = u32::MAX;
        for (len, &count) in (0..).zip(counts).skip(BITS as usize + 1) {
            for i in 0..count {
                let Some(meaning) = sorted.next() else { return };
                if code.0 & ((1 << BITS) - 1) != root {
                    root = code.0 & ((1 << BITS) - 1);
                    second = end;
                    let second_bits = second_len(len - BITS, count - i, counts, BITS);
                    end += 1 << second_bits;
                    if let Some(entry) = self.0.get_mut(root as usize) {
                        *entry = Entry::pointer(second, second_bits);
                    }
                }
                let places = self.0.get_mut(second..end).unwrap_or_default();
                let first = (code.0 >> BITS) as usize;
                for entry in places.iter_mut().skip(first).step_by(1 << (len - BITS)) {
                    *entry = meaning.with_len(len);
                }
                code.step(len);
            }
        }
    }
}

/// Returns how many bits a second table needs whose first code has `bits` bits there, if `count`
/// codes of that length are left.
fn second_len(mut bits: u32, count: u16, counts: &[u16; 16], first_bits: u32) -> u32 {
    let mut codes = u32::from(count);
    while codes < 1 << bits {
        let Some(&longer) = counts.get((first_bits + bits + 1) as usize) else { break };
        bits += 1;
        codes = 2 * codes + u32::from(longer);
    }
    bits
}

/// A code as it stands in the stream: its first bit is the lowest.
#[derive(Clone, Copy, Debug)]
struct Code(u32);

impl Code {
    /// To the next code of `len` bits; from the last one to nowhere.
    #[inline(always)]
    const fn step(&mut self, len: u32) {
        let zeros = !self.0 & ((1 << len) - 1);
        if let Some(highest) = zeros.checked_ilog2() {
            // Adding one, from the other end: the ones above the highest zero become zeros.
            self.0 = self.0 & ((1 << highest) - 1) | 1 << highest;
        }
    }
}

/// A symbol that has a code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    pub(super) value: u16,
    /// The length of its code, in bits: 1 to 15.
    pub(super) len: u16,
}

/// The symbols of an alphabet that have a code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used<'l> {
    /// Ascending, all of them at least `first`.
    pub(super) symbols: &'l [Symbol],
    /// The number of the alphabet's first symbol.
    pub(super) first: u16,
    /// How many symbols have codes of each length; that of length 0 is ignored.
    pub(super) counts: &'l [u16; 16],
}

/// The codes of a block.
#[derive(Debug)]
pub(super) struct Codes {
    literals: Table<10, 1334>,
    /// The code length code stands here too, before the block's own code is known.
    distances: Table<8, 402>,
}

impl Codes {
    /// Nothing but codes that must not come.
    pub(super) const INVALID: Self = Self { literals: Table::INVALID, distances: Table::INVALID };

    /// Builds the code for the lengths of the other two, for [`length`](Self::length).
    pub(super) fn build_lengths(&mut self, used: &Used<'_>) -> Result<(), Corrupt> {
        self.distances.build(used, &LENGTH_MEANINGS, false)
    }

    /// Builds the codes of a block.
    pub(super) fn build(
        &mut self,
        literals: &Used<'_>,
        distances: &Used<'_>,
    ) -> Result<(), Corrupt> {
        self.literals.build(literals, &LITERAL_MEANINGS, true)?;
        self.distances.build(distances, &DISTANCE_MEANINGS, true)
    }

    /// Returns the literal, the length or the end at the beginning of `bits`.
    #[inline(always)]
    pub(super) fn literal(&self, bits: u64) -> Entry {
        self.literals.find(bits)
    }

    /// Returns the distance at the beginning of `bits`.
    #[inline(always)]
    pub(super) fn distance(&self, bits: u64) -> Entry {
        self.distances.find(bits)
    }

    /// Returns the code length at the beginning of `bits`, as a literal, or how often to repeat: the
    /// last one if it is marked as the end, else 0.
    #[inline(always)]
    pub(super) fn length(&self, bits: u64) -> Entry {
        self.distances.find(bits)
    }
}

/// The fixed codes
/// ([RFC 1951 section 3.2.6](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.6)).
pub(super) static FIXED: Codes = fixed();

#[expect(clippy::cast_possible_truncation, reason = "symbols and codes of at most 9 bits")]
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn fixed() -> Codes {
    let mut codes = Codes::INVALID;
    let mut symbol = 0;
    while symbol < 288 {
        let (len, code) = match symbol {
            0..=143 => (8, 0b0011_0000 + symbol),
            144..=255 => (9, 0b1_1001_0000 + symbol - 144),
            256..=279 => (7, symbol - 256),
            _ => (8, 0b1100_0000 + symbol - 280),
        };
        let mut at = (code as u32).reverse_bits() as usize >> (32 - len);
        while at < 1 << 10 {
            codes.literals.0[at] = LITERAL_MEANINGS[symbol].with_len(len);
            at += 1 << len;
        }
        symbol += 1;
    }
    let mut at = 0;
    while at < 1 << 8 {
        // The five bits of a distance begin with the highest.
        let symbol = (at as u32).reverse_bits() >> 27;
        codes.distances.0[at] = DISTANCE_MEANINGS[symbol as usize].with_len(5);
        at += 1;
    }
    codes
}
