//! A row of the last positions for each hash: the tables of
//! [`Level::Balanced`](crate::deflate::Level::Balanced) and
//! [`Level::Best`](crate::deflate::Level::Best).
//!
//! One load reads all positions of a row, and the processor compares them in parallel. With a chain
//! of positions, as zlib has, each link is a load that depends on the one before.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::{BitOr, Shl};

use crate::deflate::encoder::finder::hash::hash;
use crate::deflate::encoder::text::{Match, Text};
use crate::deflate::encoder::token::{Token, Tokens};

/// Four positions in a `u64` or eight in a `u128`. The latest one is in the lowest 16 bits, so a
/// shift by 16 makes room for a new one and drops the oldest.
pub(in crate::deflate::encoder) trait Row:
    Copy + Default + BitOr<Output = Self> + From<u16> + Shl<u32, Output = Self>
{
    /// An array with a distance for each position.
    type Distances: AsMut<[usize]> + AsRef<[usize]> + Default;

    /// Copies the positions.
    fn places(self, to: &mut Self::Distances);
}

impl Row for u64 {
    type Distances = [usize; 4];

    #[inline(always)]
    fn places(self, to: &mut [usize; 4]) {
        for (to, place) in to.iter_mut().zip(self.to_le_bytes().as_chunks::<2>().0) {
            *to = usize::from(u16::from_le_bytes(*place));
        }
    }
}

impl Row for u128 {
    type Distances = [usize; 8];

    #[inline(always)]
    fn places(self, to: &mut [usize; 8]) {
        for (to, place) in to.iter_mut().zip(self.to_le_bytes().as_chunks::<2>().0) {
            *to = usize::from(u16::from_le_bytes(*place));
        }
    }
}

/// Tables for hashes of eight, four and three bytes.
///
/// The rows of eight bytes keep candidates of long matches. In the rows of four bytes, positions
/// that have only four bytes in common would push them out.
pub(in crate::deflate::encoder) struct Rows<R> {
    eights: Vec<R>,
    fours: Vec<R>,
    /// One position for each hash of three bytes: only a near match of three bytes saves bits.
    threes: Vec<u16>,
    /// The number of bits of a hash for `eights` and `fours`.
    row_bits: u32,
    /// The number of bits of a hash for `threes`.
    three_bits: u32,
}

impl<R: Row> Rows<R> {
    pub(super) const EMPTY: Self = Self {
        eights: Vec::new(),
        fours: Vec::new(),
        threes: Vec::new(),
        row_bits: 0,
        three_bits: 0,
    };

    /// Sizes the tables: one position for each byte of the window in each of the tables of rows.
    pub(super) fn fit(&mut self, size: usize) {
        let (rows, threes) = (size * 2 / size_of::<R>(), size / 4);
        if self.fours.len() < rows {
            self.eights = vec![R::default(); rows];
            self.fours = vec![R::default(); rows];
            self.threes = vec![0; threes];
        }
        self.row_bits = rows.trailing_zeros();
        self.three_bits = threes.trailing_zeros();
    }

    pub(super) fn clear(&mut self) {
        self.eights.fill(R::default());
        self.fours.fill(R::default());
        self.threes.fill(0);
    }

    /// Makes tokens. It uses a match of fewer than `enough` bytes only if none at the next two
    /// positions saves more bits (lazy matching).
    pub(super) fn run(
        &mut self,
        text: Text<'_>,
        mut at: usize,
        stop: usize,
        enough: usize,
        tokens: &mut Tokens,
    ) -> usize {
        while at < stop && !tokens.is_full() {
            let mut found = self.find(text, at, 2);
            let mut next = at + 1;
            if found.length == 0 {
                tokens.push(Token::literal(text.byte(at)));
                at = next;
                continue;
            }
            // A later match must save more than the literals before it take. The thresholds are
            // those of libdeflate's lazy matching. `next` is the first position not inserted yet.
            while found.length < enough {
                let better = self.find(text, next, found.length - 1);
                next += 1;
                if better.gain(found) > 2 {
                    tokens.push(Token::literal(text.byte(at)));
                    at += 1;
                    found = better;
                    continue;
                }
                let better = self.find(text, next, found.length);
                next += 1;
                if better.gain(found) <= 6 {
                    break;
                }
                tokens.push(Token::literal(text.byte(at)));
                tokens.push(Token::literal(text.byte(at + 1)));
                at += 2;
                found = better;
            }
            tokens.push(Token::reference(found.length, found.distance));
            at += found.length;
            self.insert(text, next, at);
        }
        at
    }

    pub(super) fn insert(&mut self, text: Text<'_>, from: usize, to: usize) {
        // A position with fewer than four bytes after it is no candidate for a match.
        for at in from..to.min(text.bytes.len().saturating_sub(3)) {
            self.exchange(text.eight(at), text.position(at));
        }
    }

    pub(super) fn knows(&self, text: Text<'_>, eight: [u8; 8]) -> bool {
        self.eights.get(hash_of_eight(u64::from_le_bytes(eight), self.row_bits)).is_some_and(
            |row| {
                let mut places = R::Distances::default();
                row.places(&mut places);
                let known =
                    |&place: &usize| u16::try_from(place).is_ok_and(|at| text.has(at, eight));
                places.as_ref().iter().any(known)
            },
        )
    }

    pub(super) fn capacity(&self) -> usize {
        (self.eights.capacity() + self.fours.capacity()) * size_of::<R>()
            + self.threes.capacity() * 2
    }

    pub(super) const fn capacity_for(size: usize) -> usize {
        let (rows, threes) = (size * 2 / size_of::<R>(), size / 4);
        2 * rows * size_of::<R>() + threes * 2
    }

    /// Inserts a position, and returns the earlier ones with the same hashes.
    #[inline(always)]
    fn exchange(&mut self, eight: u64, position: u16) -> (R, R, u16) {
        let mut places = (R::default(), R::default(), 0);
        if let Some(row) = self.eights.get_mut(hash_of_eight(eight, self.row_bits)) {
            places.0 = *row;
            *row = *row << 16 | R::from(position);
        }
        if let Some(row) = self.fours.get_mut(hash(eight, 4, self.row_bits)) {
            places.1 = *row;
            *row = *row << 16 | R::from(position);
        }
        if let Some(three) = self.threes.get_mut(hash(eight, 3, self.three_bits)) {
            places.2 = *three;
            *three = position;
        }
        places
    }

    /// Inserts the position of `at`, and looks for a match at `at` that is longer than `least`.
    /// Length 0: there is none.
    #[inline(always)]
    fn find(&mut self, text: Text<'_>, at: usize, least: usize) -> Match {
        if text.bytes.len() < at + 4 {
            return Match::default();
        }
        let eight = text.eight(at);
        // The longest matches first: if the row of eight bytes has one, the others are not
        // compared.
        let (eights, fours, three) = self.exchange(eight, text.position(at));
        let mut best = longest(text, eights, at, eight, least.max(7));
        if best.distance == 0 && least < 8 {
            best = long(text, fours, at, eight);
        }
        if best.length > least.max(3) && best.distance != 0 {
            return best;
        }
        if least < 3 {
            let distance = usize::from(text.position(at).wrapping_sub(three));
            // One comparison for 1 <= distance <= limit. The shift leaves the first three bytes.
            if distance.wrapping_sub(1) < text.window.min(at).min(NEAR)
                && (text.eight(at - distance) ^ eight) << 40 == 0
            {
                return Match { length: 3, distance };
            }
        }
        Match::default()
    }
}

/// Returns the longest match of more than `least` bytes, which must be at least seven. Of several
/// longest ones, returns the nearest. Distance 0: there is none.
#[inline(always)]
fn longest<R: Row>(text: Text<'_>, row: R, at: usize, eight: u64, least: usize) -> Match {
    let distances = distances(text, row, at);
    // Compare eight bytes of each candidate without branches, which would be mispredicted often. A
    // row holds the nearest position first.
    let mut hits = 0_u32;
    for (n, &distance) in distances.as_ref().iter().enumerate() {
        let same = text.eight(at - distance) == eight;
        hits |= u32::from(same & (distance != 0)) << n;
    }
    // Only hits are compared further; the lowest bit is the nearest one.
    let mut best = Match { length: least, distance: 0 };
    while let Some(&distance) = distances.as_ref().get(hits.trailing_zeros() as usize) {
        hits &= hits.wrapping_sub(1);
        let length = text.same(at - distance, at, eight);
        if length > best.length {
            best = Match { length, distance };
        }
    }
    best
}

/// Returns the longest match of fewer than eight bytes. Of several longest ones, returns the
/// nearest. If there are matches of eight or more bytes, returns one of them, not always the
/// longest. Distance 65,535 and length 0: there is none.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "distances are 16 bits long")]
fn long<R: Row>(text: Text<'_>, row: R, at: usize, eight: u64) -> Match {
    let mut best = 0;
    for &distance in distances(text, row, at).as_ref() {
        let differs = text.eight(at - distance) ^ eight;
        // The best match has the largest key: the number of equal bytes (times 8) in the upper
        // bits, and in the lower 16 a number that is larger for a nearer position.
        let key = (differs.trailing_zeros() & 0x78) << 16 | (0xffff - distance as u32);
        best = best.max(if distance == 0 { 0 } else { key });
    }
    let distance = 0xffff - (best & 0xffff) as usize;
    let length = (best >> 19) as usize;
    if length == 8 {
        return Match { length: text.same(at - distance, at, eight), distance };
    }
    Match { length: length.min(text.bytes.len() - at), distance }
}

/// Returns the distances of the positions in a row. 0: the position is not within the window or the
/// text.
#[inline(always)]
fn distances<R: Row>(text: Text<'_>, row: R, at: usize) -> R::Distances {
    let limit = text.window.min(at);
    let position = usize::from(text.position(at));
    let mut distances = R::Distances::default();
    row.places(&mut distances);
    for distance in distances.as_mut() {
        let back = position.wrapping_sub(*distance) & 0xffff;
        *distance = if back <= limit { back } else { 0 };
    }
    distances
}

/// Returns a hash of `bits` bits of eight bytes. The constant is 2^64 divided by the golden ratio;
/// see [`hash`].
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the result has `bits` bits")]
fn hash_of_eight(eight: u64, bits: u32) -> usize {
    eight.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_shr(64 - bits) as usize
}

/// The largest distance of a match of three bytes. Beyond it the match takes more bits than three
/// literals.
const NEAR: usize = 2_048;
