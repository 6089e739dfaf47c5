//! One position for each hash: the table of [`Level::Fast`](crate::deflate::Level::Fast).

use alloc::vec;
use alloc::vec::Vec;

use crate::deflate::encoder::finder::hash::hash;
use crate::deflate::encoder::text::Text;
use crate::deflate::encoder::token::{Token, Tokens};

/// The last position of each hash of four bytes.
pub(in crate::deflate::encoder) struct Heads {
    heads: Vec<u16>,
    /// The number of bits of a hash.
    bits: u32,
}

impl Heads {
    pub(super) const EMPTY: Self = Self { heads: Vec::new(), bits: 0 };

    pub(super) fn fit(&mut self, size: usize) {
        let heads = size.min(MAX);
        if self.heads.len() < heads {
            self.heads = vec![0; heads];
        }
        self.bits = heads.trailing_zeros();
    }

    pub(super) fn clear(&mut self) {
        self.heads.fill(0);
    }

    /// Makes tokens. It uses each match that it finds.
    pub(super) fn run(
        &mut self,
        text: Text<'_>,
        mut at: usize,
        stop: usize,
        tokens: &mut Tokens,
    ) -> usize {
        while at < stop && !tokens.is_full() {
            let eight = text.eight(at);
            let position = text.position(at);
            let place = self.exchange(eight, position);
            let distance = usize::from(position.wrapping_sub(place));
            // One comparison for 1 <= distance <= limit: 0 wraps to the largest number.
            if distance.wrapping_sub(1) < text.window.min(at) {
                let length = text.same(at - distance, at, eight);
                if length >= 4 {
                    tokens.push(Token::reference(length, distance));
                    // Insert only two positions at the beginning and one at the end of the match:
                    // the rest would take time and find few more matches.
                    let end = at + length;
                    self.insert(text, at + 1, (at + 3).min(end));
                    self.insert(text, end - 1, end);
                    at = end;
                    continue;
                }
            }
            tokens.push(Token::literal(eight.to_le_bytes()[0]));
            at += 1;
        }
        at
    }

    pub(super) fn insert(&mut self, text: Text<'_>, from: usize, to: usize) {
        for at in from..to.min(text.bytes.len().saturating_sub(3)) {
            self.exchange(text.eight(at), text.position(at));
        }
    }

    pub(super) fn knows(&self, text: Text<'_>, eight: [u8; 8]) -> bool {
        let place = self.heads.get(hash(u64::from_le_bytes(eight), 4, self.bits));
        place.is_some_and(|place| text.has(*place, eight))
    }

    pub(super) fn capacity(&self) -> usize {
        self.heads.capacity() * 2
    }

    pub(super) const fn capacity_for(size: usize) -> usize {
        (if size < MAX { size } else { MAX }) * 2
    }

    /// Inserts a position, and returns the earlier one with the same hash.
    #[inline(always)]
    fn exchange(&mut self, eight: u64, position: u16) -> u16 {
        self.heads
            .get_mut(hash(eight, 4, self.bits))
            .map_or(position, |head| core::mem::replace(head, position))
    }
}

/// The largest number of positions: 16 KiB. A table that doesn't fit into the first-level cache is
/// slow.
const MAX: usize = 8_192;
