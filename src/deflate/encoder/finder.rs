//! Finds earlier places with the same bytes.
//!
//! Places are positions in the stream of all messages, modulo 2^16: the tables are never cleared
//! and never renumbered. A position that is too old, undone or of another stream does no harm: a
//! candidate counts only if its distance lies within the bytes at hand and the window, and then its
//! bytes are compared.

use alloc::vec;
use alloc::vec::Vec;

use crate::deflate::encoder::token::{Token, Tokens};
use crate::deflate::level::Level;

/// Where bytes were seen.
#[derive(Debug)]
pub(super) struct Finder {
    /// For each hash of four bytes the last four positions, the latest lowest.
    rows: Vec<u64>,
    /// For each hash of three bytes the last position.
    shorts: Vec<u16>,
    /// What is left of a 32-bit hash.
    row_shift: u32,
    short_shift: u32,
}

/// Bytes in which earlier places are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    /// The position of the first byte.
    pub(super) base: u16,
    /// The largest distance allowed.
    pub(super) window: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Match {
    length: usize,
    distance: usize,
}

impl Finder {
    pub(super) const EMPTY: Self =
        Self { rows: Vec::new(), shorts: Vec::new(), row_shift: 0, short_shift: 0 };

    /// Makes the tables fit for a window of `size` bytes, a power of two from 256 on.
    pub(super) fn fit(&mut self, size: usize) {
        let (rows, shorts) = (size / 2, size / 4);
        if self.rows.len() < rows {
            self.rows = vec![0; rows];
            self.shorts = vec![0; shorts];
        }
        self.row_shift = 32 - rows.trailing_zeros();
        self.short_shift = 32 - shorts.trailing_zeros();
    }

    /// Forgets all places.
    pub(super) fn clear(&mut self) {
        self.rows.fill(0);
        self.shorts.fill(0);
    }

    pub(super) fn capacity(&self) -> usize {
        self.rows.capacity() * 8 + self.shorts.capacity() * 2
    }

    /// Turns `text.bytes[at..]` into tokens, until the first match's end at `stop` or behind it, or
    /// until `tokens` are full. Returns where it stopped.
    pub(super) fn run(
        &mut self,
        text: Text<'_>,
        mut at: usize,
        stop: usize,
        level: Level,
        tokens: &mut Tokens,
    ) -> usize {
        let (probes, lazy) = match level {
            Level::Fast => (1, 0),
            Level::Balanced => (4, 32),
            Level::Best => (4, 258),
        };
        while at < stop && !tokens.is_full() {
            let mut found = self.find(text, at, probes, 2);
            let mut next = at + 1;
            if found.length != 0 {
                while found.length < lazy {
                    let better = self.find(text, next, probes, found.length);
                    next += 1;
                    if better.length == 0 {
                        break;
                    }
                    tokens.push(literal(text, at));
                    at += 1;
                    found = better;
                }
            }
            if found.length == 0 {
                tokens.push(literal(text, at));
                at += 1;
                continue;
            }
            tokens.push(Token::reference(found.length, found.distance));
            at += found.length;
            self.insert(text, next, at);
        }
        at
    }

    /// Takes the places `from..to`.
    pub(super) fn insert(&mut self, text: Text<'_>, from: usize, to: usize) {
        for at in from..to {
            let Some(&four) = text.bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>())
            else {
                return;
            };
            self.exchange(u32::from_le_bytes(four), text.position(at));
        }
    }

    /// Returns whether these bytes are in the text.
    pub(super) fn knows(&self, text: Text<'_>, four: [u8; 4]) -> bool {
        let hash = u32::from_le_bytes(four).wrapping_mul(FACTOR) >> self.row_shift;
        self.rows.get(hash as usize).is_some_and(|row| {
            row.to_le_bytes().as_chunks::<2>().0.iter().any(|place| {
                let at = usize::from(u16::from_le_bytes(*place).wrapping_sub(text.base));
                text.bytes.get(at..).is_some_and(|bytes| bytes.starts_with(&four))
            })
        })
    }

    /// Takes a place; returns the places that were there.
    #[inline(always)]
    fn exchange(&mut self, four: u32, position: u16) -> (u64, u16) {
        let mut places = (0, 0);
        let hash = four.wrapping_mul(FACTOR) >> self.row_shift;
        if let Some(row) = self.rows.get_mut(hash as usize) {
            places.0 = *row;
            *row = *row << 16 | u64::from(position);
        }
        let hash = (four << 8).wrapping_mul(FACTOR) >> self.short_shift;
        if let Some(short) = self.shorts.get_mut(hash as usize) {
            places.1 = *short;
            *short = position;
        }
        places
    }

    /// Takes a place and looks for a match there that is longer than `least`; length 0: none.
    #[inline(always)]
    fn find(&mut self, text: Text<'_>, at: usize, probes: u32, least: usize) -> Match {
        let mut best = Match::default();
        // The rows are for four bytes and more.
        let mut length = least.max(3);
        let Some(&four) = text.bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>()) else {
            return best;
        };
        let four = u32::from_le_bytes(four);
        let position = text.position(at);
        let limit = text.window.min(at);
        let (mut row, short) = self.exchange(four, position);
        for _ in 0..probes {
            #[expect(clippy::cast_possible_truncation, reason = "the lowest place is meant")]
            let distance = usize::from(position.wrapping_sub(row as u16));
            row >>= 16;
            if distance.wrapping_sub(1) >= limit {
                break;
            }
            let new = text.common(at - distance, at);
            if new > length {
                length = new;
                best = Match { length, distance };
            }
        }
        if least < 3 && length == 3 {
            let distance = usize::from(position.wrapping_sub(short));
            if distance.wrapping_sub(1) < limit.min(NEAR) && text.common(at - distance, at) >= 3 {
                best = Match { length: 3, distance };
            }
        }
        best
    }
}

impl Text<'_> {
    /// The position behind the last byte.
    pub(super) fn end(&self) -> u16 {
        self.position(self.bytes.len())
    }

    #[expect(clippy::cast_possible_truncation, reason = "positions are modulo 2^16")]
    fn position(&self, at: usize) -> u16 {
        self.base.wrapping_add(at as u16)
    }

    /// Returns how many bytes are the same at both places.
    #[inline(always)]
    fn common(&self, earlier: usize, at: usize) -> usize {
        let Some(later) = self.bytes.get(at..) else { return 0 };
        let later = later.get(..MATCH_MAX).unwrap_or(later);
        let Some(earlier) = self.bytes.get(earlier..) else { return 0 };
        let (eights, _) = later.as_chunks::<8>();
        let (earlier_eights, _) = earlier.as_chunks::<8>();
        let mut length = 0;
        for (a, b) in eights.iter().zip(earlier_eights) {
            let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
            if differs != 0 {
                return length + (differs.trailing_zeros() / 8) as usize;
            }
            length += 8;
        }
        let rest = later.iter().zip(earlier).skip(length);
        length + rest.take_while(|(a, b)| a == b).count()
    }
}

fn literal(text: Text<'_>, at: usize) -> Token {
    Token::literal(text.bytes.get(at).copied().unwrap_or_default())
}

/// 2^32 divided by the golden ratio.
const FACTOR: u32 = 0x9e37_79b1;

/// Three bytes from further back cost more than three literals.
const NEAR: usize = 4_096;

/// The longest match.
pub(super) const MATCH_MAX: usize = 258;
