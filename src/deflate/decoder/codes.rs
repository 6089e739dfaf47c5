//! Prefix codes as lookup tables
//! ([RFC 1951 section 3.2.2](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.2)).
//!
//! The next `BITS` bits of the input are the index of an entry in the first table. A code that is
//! shorter than `BITS` fills each entry that has the code in the lowest bits of its index. A longer
//! code has a pointer there, to a second table, which its other bits index:
//!
//! ```text
//! 0                2^BITS                                         LEN
//! ┌────────────────┬──────────────────┬──────────────────┬────────┐
//! │  first table   │   second table   │   second table   │ unused │
//! └──────●───────●─┴──────────────────┴──────────────────┴────────┘
//!        │       └──▲                 ▲
//!        └────────────────────────────┘
//! ```
//!
//! Codes are sent from their highest bit, all other values from their lowest. So the tables are
//! indexed by reversed codes, and a code of one more bit doubles the filled part of the first
//! table.

use crate::deflate::decoder::entry::{DISTANCE_MEANINGS, Entry, LENGTH_MEANINGS, LITERAL_MEANINGS};
use crate::deflate::decoder::result::Malformed;

/// The first table, with 2^`BITS` entries, and after it the second tables.
struct Table<const BITS: u32, const LEN: usize>([Entry; LEN]);

impl<const BITS: u32, const LEN: usize> Table<BITS, LEN> {
    const LEN_FITS: () = assert!(LEN >= 1 << BITS);
    const INVALID: Self = Self([Entry::INVALID; LEN]);

    /// Returns the entry of the code at the beginning of `bits`.
    #[inline(always)]
    fn find(&self, bits: u64) -> Entry {
        let entry = self.first(bits);
        if entry.is_pointer() { self.second(entry, bits) } else { entry }
    }

    /// Returns the entry of the first table, which may be a pointer to a second table.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    #[expect(clippy::indexing_slicing, reason = "the mask is below LEN, by LEN_FITS")]
    fn first(&self, bits: u64) -> Entry {
        let () = Self::LEN_FITS;
        self.0[(bits & ((1 << BITS) - 1)) as usize]
    }

    /// Returns the entry of the second table that `pointer` refers to.
    #[inline(always)]
    fn second(&self, pointer: Entry, bits: u64) -> Entry {
        #[expect(clippy::cast_possible_truncation, reason = "masked")]
        let at = (bits >> BITS & ((1 << pointer.len()) - 1)) as usize;
        let entry = self.0.get(pointer.place() + at);
        entry.copied().unwrap_or(Entry::INVALID)
    }

    /// Builds the tables from the symbols that have a code. `meanings` has the entry of each
    /// symbol, without the length of its code.
    ///
    /// It accepts the same codes as zlib: complete ones and, if `may_lack`, also no code at all or
    /// a single code of one bit.
    #[expect(clippy::indexing_slicing, reason = "lengths are masked: 15 at most")]
    fn build(
        &mut self,
        used: &Used<'_>,
        meanings: &[Entry],
        may_lack: bool,
    ) -> Result<(), Malformed> {
        // The number of codes of the current length that no shorter or equal code has used. It ends
        // at 0 for a complete code, and is negative for one with too many words.
        let mut unused = 1;
        // The position of the next symbol of each length in `sorted`.
        let mut begins = [0; 16];
        let mut begin = 0;
        for (len, place) in begins.iter_mut().enumerate().skip(1) {
            *place = begin;
            let count = used.counts[len & 0xf];
            begin += count;
            unused = 2 * unused - i32::from(count);
        }
        if unused != 0 {
            let lone = used.symbols.is_empty() || used.symbols.len() == 1 && used.counts[1] == 1;
            if unused < 0 || !may_lack || !lone {
                return Err(Malformed);
            }
            // An incomplete code doesn't fill the table.
            self.0.fill(Entry::INVALID);
        }
        // Sort the symbols by length, then by value, as the codes are assigned.
        let mut sorted = [0; 320];
        for symbol in used.symbols {
            let place = &mut begins[symbol.len()];
            if let Some(sorted) = sorted.get_mut(usize::from(*place)) {
                *sorted = symbol.value().wrapping_sub(used.first);
            }
            *place += 1;
        }
        self.fill(&sorted, used.counts, meanings);
        Ok(())
    }

    /// Fills the tables with the codes of the symbols in `sorted`. `counts` is the number of
    /// symbols of each length.
    #[expect(clippy::indexing_slicing, reason = "lengths are masked: 15 at most")]
    fn fill(&mut self, sorted: &[u16], counts: &[u16; 16], meanings: &[Entry]) {
        let mut sorted = sorted.iter();
        let mut code = 0_u32;
        // Before the codes of length `len` are entered, the first 2^(len - 1) entries are filled.
        // They are copied to the next as many entries, which differ in bit `len - 1` of the index:
        // shorter codes don't depend on it. The new codes overwrite their own entries.
        for len in 1..=BITS {
            code <<= 1;
            // Before the first code there are no entries to copy.
            if code != 0 {
                self.double(1 << (len - 1));
            }
            let count = usize::from(counts[len as usize & 0xf]);
            for &symbol in sorted.by_ref().take(count) {
                let at = code.reverse_bits() >> (32 - len);
                if let Some(entry) = self.0.get_mut(at as usize)
                    && let Some(meaning) = meanings.get(usize::from(symbol))
                {
                    *entry = meaning.with_len(len);
                }
                code += 1;
            }
        }
        if !sorted.as_slice().is_empty() {
            self.fill_long(sorted.as_slice(), code, counts, meanings);
        }
    }

    /// Copies the first `half` entries to the entries after them.
    #[inline(always)]
    fn double(&mut self, half: usize) {
        let Some((from, to)) = self.0.split_at_mut_checked(half) else { return };
        if half < 32 {
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
        } else {
            // Chunks of fixed size: the compiler copies each with a few vector instructions.
            let (to, _) = to.as_chunks_mut::<16>();
            let (from, _) = from.as_chunks::<16>();
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
        }
    }

    /// Fills the second tables with the codes that are longer than `BITS`. `code` is the first
    /// unused code of `BITS` bits.
    #[cold]
    fn fill_long(&mut self, sorted: &[u16], mut code: u32, counts: &[u16; 16], meanings: &[Entry]) {
        let mut sorted = sorted.iter();
        let (mut second, mut end) = (0, 1 << BITS);
        let mut root = u32::MAX;
        for (len, &count) in (0..).zip(counts).skip(BITS as usize + 1) {
            code <<= 1;
            for i in 0..count {
                let Some(&symbol) = sorted.next() else { return };
                let bits = code.reverse_bits() >> (32 - len);
                // The codes are in order: those with the same first `BITS` bits follow each other.
                if bits & ((1 << BITS) - 1) != root {
                    root = bits & ((1 << BITS) - 1);
                    second = end;
                    let second_bits = second_len(len - BITS, count - i, counts, BITS);
                    end += 1 << second_bits;
                    if let Some(entry) = self.0.get_mut(root as usize) {
                        *entry = Entry::pointer(second, second_bits);
                    }
                }
                let meaning = meanings.get(usize::from(symbol)).copied();
                let places = self.0.get_mut(second..end).unwrap_or_default();
                // All indexes of the second table with the rest of the code in their lowest bits.
                let first = (bits >> BITS) as usize;
                for entry in places.iter_mut().skip(first).step_by(1 << (len - BITS)) {
                    *entry = meaning.unwrap_or(Entry::INVALID).with_len(len);
                }
                code += 1;
            }
        }
    }
}

/// Returns the number of index bits of a second table. Its first code has `bits` bits more than
/// `first_bits`, and `count` codes of that length are left. The table is large enough when its
/// codes fill it.
fn second_len(mut bits: u32, count: u16, counts: &[u16; 16], first_bits: u32) -> u32 {
    let mut codes = u32::from(count);
    while codes < 1 << bits {
        let Some(&longer) = counts.get((first_bits + bits + 1) as usize) else { break };
        bits += 1;
        codes = 2 * codes + u32::from(longer);
    }
    bits
}

/// A symbol that has a code, and the length of the code, 1 to 15 bits.
#[derive(Clone, Copy)]
pub(super) struct Symbol(u16);

impl Symbol {
    /// A value for array elements that are not in use.
    pub(super) const NONE: Self = Self(0);

    /// Creates a symbol from a value below 512 and a length below 16.
    #[inline(always)]
    pub(super) const fn new(value: u16, len: u16) -> Self {
        Self(value << 4 | len)
    }

    #[inline(always)]
    pub(super) const fn value(self) -> u16 {
        self.0 >> 4
    }

    #[inline(always)]
    pub(super) const fn len(self) -> usize {
        (self.0 & 0xf) as usize
    }
}

/// The symbols of an alphabet that have a code.
#[derive(Clone, Copy)]
pub(super) struct Used<'l> {
    /// In ascending order, all of them at least `first`.
    pub(super) symbols: &'l [Symbol],
    /// The number of the first symbol of the alphabet.
    pub(super) first: u16,
    /// The number of symbols with codes of each length. That of length 0 is ignored.
    pub(super) counts: &'l [u16; 16],
}

/// The codes of a block.
///
/// The lengths of the tables are those that the worst code needs. zlib's program `enough` computes
/// them: `enough 288 10 15` and `enough 32 8 15`.
pub(super) struct Codes {
    literals: Table<10, 1334>,
    /// Also used for the code length code, until the codes of the block are built.
    distances: Table<8, 402>,
}

impl Codes {
    /// Tables in which each code is invalid.
    pub(super) const INVALID: Self = Self { literals: Table::INVALID, distances: Table::INVALID };

    /// Builds the code length code, for [`length`](Self::length).
    pub(super) fn build_lengths(&mut self, used: &Used<'_>) -> Result<(), Malformed> {
        self.distances.build(used, &LENGTH_MEANINGS, false)
    }

    /// Builds the codes of a block.
    pub(super) fn build(
        &mut self,
        literals: &Used<'_>,
        distances: &Used<'_>,
    ) -> Result<(), Malformed> {
        self.literals.build(literals, &LITERAL_MEANINGS, true)?;
        self.distances.build(distances, &DISTANCE_MEANINGS, true)
    }

    /// Returns the literal, the length or the end of block at the beginning of `bits`.
    #[inline(always)]
    pub(super) fn literal(&self, bits: u64) -> Entry {
        self.literals.find(bits)
    }

    /// Returns the same as [`literal`](Self::literal), or a pointer if the code has more than 10
    /// bits.
    #[inline(always)]
    pub(super) fn first_literal(&self, bits: u64) -> Entry {
        self.literals.first(bits)
    }

    /// Returns the entry that a pointer of [`first_literal`](Self::first_literal) refers to.
    #[inline(always)]
    pub(super) fn second_literal(&self, pointer: Entry, bits: u64) -> Entry {
        self.literals.second(pointer, bits)
    }

    /// Returns the distance at the beginning of `bits`.
    #[inline(always)]
    pub(super) fn distance(&self, bits: u64) -> Entry {
        self.distances.find(bits)
    }

    /// Returns the same as [`distance`](Self::distance), or a pointer if the code has more than 8
    /// bits.
    #[inline(always)]
    pub(super) fn first_distance(&self, bits: u64) -> Entry {
        self.distances.first(bits)
    }

    /// Returns the item of the code length code at the beginning of `bits`: a length as a literal,
    /// or a number of repetitions. These are of the last length if the entry is marked as end, else
    /// of length 0.
    #[inline(always)]
    pub(super) fn length(&self, bits: u64) -> Entry {
        // The code has at most 7 bits, so there is no second table.
        self.distances.first(bits)
    }
}

/// The fixed codes
/// ([RFC 1951 section 3.2.6](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.6)).
pub(super) static FIXED: Codes = fixed();

/// Returns the fixed codes. They have 9 and 5 bits at most, so no second tables.
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
        // A fixed distance code is its symbol in five bits, from the highest.
        let symbol = (at as u32).reverse_bits() >> 27;
        codes.distances.0[at] = DISTANCE_MEANINGS[symbol as usize].with_len(5);
        at += 1;
    }
    codes
}
