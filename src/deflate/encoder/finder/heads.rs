//! One place for each hash: fast.

use alloc::vec;
use alloc::vec::Vec;

use crate::deflate::encoder::finder::hash::hash;
use crate::deflate::encoder::text::Text;
use crate::deflate::encoder::token::{Token, Tokens};

/// For each hash of four bytes the last position.
pub(in crate::deflate::encoder) struct Heads {
    heads: Vec<u16>,
    /// How many bits a hash has.
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

    /// Takes each match it sees.
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
            if distance.wrapping_sub(1) < text.window.min(at) {
                let length = text.same(at - distance, at, eight);
                if length >= 4 {
                    tokens.push(Token::reference(length, distance));
                    // Some places of the match are enough.
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

    /// Takes a place; returns the one that was there.
    #[inline(always)]
    fn exchange(&mut self, eight: u64, position: u16) -> u16 {
        self.heads
            .get_mut(hash(eight, 4, self.bits))
            .map_or(position, |head| core::mem::replace(head, position))
    }
}

/// More than fit into the first cache of a processor would be slow.
const MAX: usize = 8_192;
