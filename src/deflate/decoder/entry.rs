//! The meaning of a code, in one word.

/// The meaning of a code, and the number of bits to consume.
///
/// ```text
///  31       30 ... 16  15       14       13 ... 8     7    6  5 ... 0
/// ┌────────┬──────────┬────────┬────────┬────────────┬────┬─┬────────────────┐
/// │LITERAL │  value   │SPECIAL │POINTER │ length of  │END │0│ length of code │
/// │        │          │        │        │ the code   │    │ │ and extra bits │
/// └────────┴──────────┴────────┴────────┴────────────┴────┴─┴────────────────┘
/// ```
///
/// The value is a literal byte, the base of a length or distance, or the position of a second
/// table. No base needs bit 31: they are below 2^15. The lengths have 6 bits because the shift
/// instructions use the lowest 6 bits of a count, so that no mask is needed.
#[derive(Clone, Copy)]
pub(super) struct Entry(u32);

impl Entry {
    /// An unassigned code. Its length is 1, so that the fault is reported as soon as one bit of the
    /// code is present.
    pub(super) const INVALID: Self = Self(SPECIAL | 1 << CODE_LEN | 1);

    /// Creates an entry for a base with `extra` extra bits. [`with_len`](Self::with_len) adds the
    /// length of the code.
    pub(super) const fn base(base: u16, extra: u8) -> Self {
        Self((base as u32) << VALUE | extra as u32)
    }

    /// Adds the length of the code.
    pub(super) const fn with_len(self, len: u32) -> Self {
        Self(self.0 + (len << CODE_LEN | len))
    }

    /// Creates a pointer to the table of `1 << bits` entries that begins at `at`.
    #[expect(clippy::cast_possible_truncation, reason = "at most 2 * 1024")]
    pub(super) const fn pointer(at: usize, bits: u32) -> Self {
        Self((at as u32) << VALUE | SPECIAL | POINTER | bits)
    }

    #[inline(always)]
    pub(super) const fn is_literal(self) -> bool {
        self.0 & LITERAL != 0
    }

    #[inline(always)]
    pub(super) const fn is_special(self) -> bool {
        self.0 & SPECIAL != 0
    }

    #[inline(always)]
    pub(super) const fn is_pointer(self) -> bool {
        self.0 & POINTER != 0
    }

    #[inline(always)]
    pub(super) const fn is_end(self) -> bool {
        self.0 & END != 0
    }

    /// Returns the byte of a literal.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the byte is the lowest of the value")]
    pub(super) const fn byte(self) -> u8 {
        (self.0 >> VALUE) as u8
    }

    /// Returns the position of the table that a pointer refers to.
    pub(super) const fn place(self) -> usize {
        (self.0 >> VALUE) as usize
    }

    /// Returns the number of bits of the code and its extra bits together. For a pointer, the
    /// number of index bits of its table.
    #[inline(always)]
    pub(super) const fn len(self) -> u32 {
        self.0 & 0x3f
    }

    /// Returns the entry as a number. Its lowest 6 bits are [`len`](Self::len).
    #[inline(always)]
    pub(super) const fn word(self) -> u32 {
        self.0
    }

    /// Returns the sum of the base and of the extra bits. `bits` begins with the code.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 13 extra bits")]
    pub(super) const fn value(self, bits: u64) -> usize {
        let extra = (bits & ((1 << self.len()) - 1)) >> (self.0 >> CODE_LEN & 0x3f);
        (self.0 >> VALUE) as usize + extra as usize
    }

    /// Returns the same as [`value`](Self::value), with a mask from a table. In the fast loop the
    /// table stays in the cache, and a load takes less time than computing the mask.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 13 extra bits")]
    #[expect(clippy::indexing_slicing, reason = "masked")]
    pub(super) fn value_by_table(self, bits: u64) -> usize {
        let extra = (bits & MASKS[(self.0 & 0x3f) as usize]) >> (self.0 >> CODE_LEN & 0x3f);
        (self.0 >> VALUE) as usize + extra as usize
    }
}

/// The entries of the literal and length symbols, without the lengths of their codes
/// ([RFC 1951 section 3.2.5](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.5)).
pub(super) static LITERAL_MEANINGS: [Entry; 288] = literal_meanings();

/// The entries of the distance symbols, without the lengths of their codes.
pub(super) static DISTANCE_MEANINGS: [Entry; 32] = distance_meanings();

/// The entries of the code length symbols, without the lengths of their codes
/// ([RFC 1951 section 3.2.7](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7)). A length is a
/// literal. 16, 17 and 18 are bases of repetitions; 16 is marked as end.
pub(super) static LENGTH_MEANINGS: [Entry; 19] = length_meanings();

#[expect(clippy::cast_possible_truncation, reason = "less than 256")]
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn literal_meanings() -> [Entry; 288] {
    let mut meanings = [Entry::INVALID; 288];
    let mut i = 0;
    while i < 256 {
        meanings[i] = Entry(LITERAL | (i as u32) << VALUE);
        i += 1;
    }
    meanings[256] = Entry(SPECIAL | END);
    // RFC 1951 3.2.6: 286 and 287 have fixed codes, but never occur in valid data.
    meanings[286] = Entry(SPECIAL);
    meanings[287] = Entry(SPECIAL);
    // 285 is an exception: it has no extra bits and stands for 258 alone. The formula below gives
    // each other length symbol.
    meanings[285] = Entry::base(258, 0);
    let (mut i, mut base) = (0, 3);
    while i < 28 {
        let extra = if i < 8 { 0 } else { i / 4 - 1 };
        meanings[257 + i as usize] = Entry::base(base, extra);
        base += 1 << extra;
        i += 1;
    }
    meanings
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn distance_meanings() -> [Entry; 32] {
    // RFC 1951 3.2.6: 30 and 31 have fixed codes, but never occur in valid data.
    let mut meanings = [Entry(SPECIAL); 32];
    let (mut i, mut base) = (0, 1);
    while i < 30 {
        let extra = if i < 4 { 0 } else { i / 2 - 1 };
        meanings[i as usize] = Entry::base(base, extra);
        base = base.wrapping_add(1 << extra);
        i += 1;
    }
    meanings
}

#[expect(clippy::cast_possible_truncation, reason = "less than 16")]
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn length_meanings() -> [Entry; 19] {
    let mut meanings = [Entry::INVALID; 19];
    let mut i = 0;
    while i < 16 {
        meanings[i] = Entry(LITERAL | (i as u32) << VALUE);
        i += 1;
    }
    meanings[16] = Entry(Entry::base(3, 2).0 | END);
    meanings[17] = Entry::base(3, 3);
    meanings[18] = Entry::base(11, 7);
    meanings
}

/// A literal byte.
const LITERAL: u32 = 1 << 31;
/// The position of the value.
const VALUE: u32 = 16;
/// Neither a literal nor a base: a pointer to a second table, the end of the block, or an invalid
/// code. One test finds these rare cases.
const SPECIAL: u32 = 1 << 15;
/// A pointer to a second table. Always with [`SPECIAL`].
const POINTER: u32 = 1 << 14;
/// The position of the code's length.
const CODE_LEN: u32 = 8;
/// The end of the block. In the code length code, the repetition of the last length.
const END: u32 = 1 << 7;

/// Masks of the lowest bits: as many ones as the index.
static MASKS: [u64; 64] = masks();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn masks() -> [u64; 64] {
    let mut masks = [0; 64];
    let mut n = 1;
    while n < 64 {
        masks[n] = (1 << n) - 1;
        n += 1;
    }
    masks
}
