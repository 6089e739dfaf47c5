//! What a code says, in one word.

/// What a code says, and how many bits to drop.
#[derive(Clone, Copy)]
pub(super) struct Entry(u32);

impl Entry {
    /// A code that must not come: one bit of it is enough to know.
    pub(super) const INVALID: Self = Self(SPECIAL | 1 << CODE_LEN | 1);

    /// What is left to be said is the length of the code.
    pub(super) const fn base(base: u16, extra: u8) -> Self {
        Self((base as u32) << VALUE | extra as u32)
    }

    pub(super) const fn with_len(self, len: u32) -> Self {
        Self(self.0 + (len << CODE_LEN | len))
    }

    /// To the table of `1 << bits` entries that begins at `at`.
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
    #[expect(clippy::cast_possible_truncation, reason = "that is where the byte is")]
    pub(super) const fn byte(self) -> u8 {
        (self.0 >> VALUE) as u8
    }

    /// Returns where the table that it points to begins.
    pub(super) const fn place(self) -> usize {
        (self.0 >> VALUE) as usize
    }

    /// Returns how many bits code and extra bits have together.
    #[inline(always)]
    pub(super) const fn len(self) -> u32 {
        self.0 & 0x3f
    }

    /// Returns it as a number whose lowest 6 bits are [`len`](Self::len).
    #[inline(always)]
    pub(super) const fn word(self) -> u32 {
        self.0
    }

    /// Returns the base and the extra bits in `bits`, which begin with the code, as a sum.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 13 extra bits")]
    pub(super) const fn value(self, bits: u64) -> usize {
        let extra = (bits & ((1 << self.len()) - 1)) >> (self.0 >> CODE_LEN & 0x3f);
        (self.0 >> VALUE) as usize + extra as usize
    }

    /// Returns the same as [`value`](Self::value), with a mask from a table: in the fast way, where
    /// that stays in the cache, it takes less than making it.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 13 extra bits")]
    #[expect(clippy::indexing_slicing, reason = "masked")]
    pub(super) fn value_by_table(self, bits: u64) -> usize {
        let extra = (bits & MASKS[(self.0 & 0x3f) as usize]) >> (self.0 >> CODE_LEN & 0x3f);
        (self.0 >> VALUE) as usize + extra as usize
    }
}

/// What the symbols of literals and lengths mean
/// ([RFC 1951 section 3.2.5](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.5)).
pub(super) static LITERAL_MEANINGS: [Entry; 288] = literal_meanings();

/// What the symbols of distances mean.
pub(super) static DISTANCE_MEANINGS: [Entry; 32] = distance_meanings();

/// What the symbols of code lengths mean
/// ([RFC 1951 section 3.2.7](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7)): a length is
/// a literal, 16 is marked as an end.
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
    // 286 and 287 have a fixed code and no meaning.
    meanings[286] = Entry(SPECIAL);
    meanings[287] = Entry(SPECIAL);
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
    // 30 and 31 have a fixed code and no meaning.
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

// From the lowest bit on: 6 bits for the length of code and extra bits together, 2 flags, 6 bits for
// the length of the code alone, 2 flags, 16 bits for the value. No length or distance base needs the
// highest bit. Lengths have 6 bits because shifting takes as many, so that no mask is needed.
const LITERAL: u32 = 1 << 31;
const VALUE: u32 = 16;
/// Neither a literal nor a base: a pointer to a second table, the end of the block, or nothing that
/// may come.
const SPECIAL: u32 = 1 << 15;
const POINTER: u32 = 1 << 14;
const CODE_LEN: u32 = 8;
const END: u32 = 1 << 7;

/// As many ones as the index says.
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
