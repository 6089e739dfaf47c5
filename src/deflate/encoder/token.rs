//! Tokens, the input of Huffman coding: literals and matches.

use alloc::vec::Vec;

/// A literal byte, or a match with a length of 3 to 258 and a distance of 1 to 32,768.
///
/// ```text
///  31 ... 25   24 ... 9             8 ... 0
/// │    0     │ distance, 0 if it  │ length of the match, │
/// │          │ is a literal       │ or the literal byte  │
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Token(u32);

impl Token {
    pub(super) const fn literal(byte: u8) -> Self {
        Self(byte as u32)
    }

    #[expect(clippy::cast_possible_truncation, reason = "258 and 32,768 at most")]
    pub(super) const fn reference(length: usize, distance: usize) -> Self {
        Self((distance as u32) << 9 | length as u32)
    }

    /// Returns the distance of a match, 0 for a literal.
    pub(super) const fn distance(self) -> u32 {
        self.0 >> 9
    }

    /// Returns the length of a match, or the literal byte.
    pub(super) const fn length_or_literal(self) -> u32 {
        self.0 & 0x1ff
    }
}

/// The tokens of the current block.
pub(super) struct Tokens {
    /// Initialised slots: `push` has no branch to grow the vector.
    slots: Vec<Token>,
    /// The number of tokens.
    len: usize,
}

impl Tokens {
    pub(super) const EMPTY: Self = Self { slots: Vec::new(), len: 0 };

    /// Begins a block with at most `bytes` bytes.
    pub(super) fn begin(&mut self, bytes: usize) {
        self.len = 0;
        let slots = bytes.min(MAX) + SPARE;
        if self.slots.len() < slots {
            self.slots.resize(slots, Token(0));
        }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, token: Token) {
        if let Some(slot) = self.slots.get_mut(self.len) {
            *slot = token;
            self.len += 1;
        }
    }

    /// Returns whether the block must end: there may be too few slots for the tokens of another
    /// match.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.len + SPARE > self.slots.len()
    }

    pub(super) fn as_slice(&self) -> &[Token] {
        self.slots.get(..self.len).unwrap_or_default()
    }
}

/// The number of tokens, 64 KiB, at which a block ends.
const MAX: usize = 16_384;

/// The largest number of tokens that lazy matching adds at once: a match, and the literals before
/// it if each next position has a better match.
const SPARE: usize = 264;
