//! What a message is made of before it is Huffman coded: literals and matches.

use alloc::vec::Vec;

/// A literal byte, or a match: a length of 3 to 258 and a distance of 1 to 32,768.
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

    /// Returns the distance; 0: it is a literal.
    pub(super) const fn distance(self) -> u32 {
        self.0 >> 9
    }

    /// Returns the length of a match, or the literal byte.
    pub(super) const fn length_or_literal(self) -> u32 {
        self.0 & 0x1ff
    }
}

/// The tokens of a block under way.
pub(super) struct Tokens {
    slots: Vec<Token>,
    len: usize,
}

impl Tokens {
    pub(super) const EMPTY: Self = Self { slots: Vec::new(), len: 0 };

    /// Begins a block that has no more than `bytes` bytes.
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

    /// Returns whether the block should end: there may be too few places for what
    /// one match can need.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.len + SPARE > self.slots.len()
    }

    pub(super) fn as_slice(&self) -> &[Token] {
        self.slots.get(..self.len).unwrap_or_default()
    }
}

/// A block ends once it has so many tokens: 64 KiB of them.
const MAX: usize = 16_384;

/// A match and the literals that may come before it when a better one is found at each next place.
const SPARE: usize = 264;
