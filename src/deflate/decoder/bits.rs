//! The bits of a compressed message, least significant first
//! ([RFC 1951 section 3.1.1](https://www.rfc-editor.org/rfc/rfc1951#section-3.1.1)).

use crate::deflate::decoder::entry::Entry;

/// Reads bits from a piece of input, behind those left of the pieces before.
#[derive(Clone, Copy)]
pub(super) struct Bits<'i> {
    /// The next bits, lowest first. Above `count` there may be bits of the input already: the same
    /// that are put there once they are counted.
    buffer: u64,
    /// At most 63.
    count: u32,
    input: &'i [u8],
}

impl<'i> Bits<'i> {
    pub(super) const fn new((buffer, count): (u64, u32), input: &'i [u8]) -> Self {
        Self { buffer, count, input }
    }

    /// Takes input until there are at least 56 bits, or all that there is.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if self.refill_at_once() {
            return;
        }
        // Less than 8 bytes: two looks that overlap, or three.
        let word = if let (Some(low), Some(high)) =
            (self.input.first_chunk::<4>(), self.input.last_chunk::<4>())
        {
            let at = 8 * (self.input.len() - 4);
            u64::from(u32::from_le_bytes(*low)) | u64::from(u32::from_le_bytes(*high)) << at
        } else if let (Some(&low), Some(&middle), Some(&high)) =
            (self.input.first(), self.input.get(self.input.len() / 2), self.input.last())
        {
            let at = |i: usize| 8 * i;
            u64::from(low)
                | u64::from(middle) << at(self.input.len() / 2)
                | u64::from(high) << at(self.input.len() - 1)
        } else {
            return;
        };
        self.buffer |= word << self.count;
        let taken = ((63 - self.count) as usize >> 3).min(self.input.len());
        self.input = self.input.get(taken..).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "at most 7")]
        let taken = taken as u32;
        self.count += 8 * taken;
    }

    /// Returns whether all input is taken.
    #[inline(always)]
    pub(super) const fn is_last(&self) -> bool {
        self.input.is_empty()
    }

    /// Takes input until there are at least 56 bits; false if the input has less than 8 bytes.
    #[inline(always)]
    pub(super) fn refill_at_once(&mut self) -> bool {
        let Some(word) = self.input.first_chunk::<8>() else { return false };
        self.buffer |= u64::from_le_bytes(*word) << self.count;
        let taken = (63 - self.count) >> 3;
        // `taken` is at most 7.
        self.input = self.input.get(taken as usize..).unwrap_or_default();
        self.count |= 56;
        true
    }

    /// Returns the next bits, lowest first; what is above [`count`](Self::count) means nothing.
    #[inline(always)]
    pub(super) const fn peek(&self) -> u64 {
        self.buffer
    }

    /// Returns how many bits are at hand.
    #[inline(always)]
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Drops `n` bits of those at hand.
    #[inline(always)]
    pub(super) const fn skip(&mut self, n: u32) {
        self.buffer >>= n;
        self.count -= n;
    }

    /// Takes the next `n` bits, at most 56; `None` takes nothing: there are less.
    pub(super) fn take(&mut self, n: u32) -> Option<u32> {
        if self.count < n {
            self.refill();
            if self.count < n {
                return None;
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "nobody asks for more than 32 bits")]
        let bits = (self.buffer & ((1 << n) - 1)) as u32;
        self.skip(n);
        Some(bits)
    }

    /// Drops the bits up to the next byte boundary.
    pub(super) const fn align(&mut self) {
        self.skip(self.count & 7);
    }

    /// Copies bytes to `to` as far as there are any; from a byte boundary on. Returns how many.
    pub(super) fn copy(&mut self, to: &mut [u8]) -> usize {
        let mut copied = 0;
        for byte in to.iter_mut() {
            if self.count < 8 {
                break;
            }
            [*byte, ..] = self.buffer.to_le_bytes();
            self.skip(8);
            copied += 1;
        }
        let to = to.get_mut(copied..).unwrap_or_default();
        if to.is_empty() {
            return copied;
        }
        // The buffer is empty; what lies above the count is taken from the input now.
        self.buffer = 0;
        let n = to.len().min(self.input.len());
        if let Some((bytes, rest)) = self.input.split_at_checked(n)
            && let Some(to) = to.get_mut(..n)
        {
            to.copy_from_slice(bytes);
            self.input = rest;
        }
        copied + n
    }

    /// Returns the bits left, and how much input is.
    pub(super) const fn into_rest(self) -> ((u64, u32), usize) {
        // The input may change what lies above the count.
        ((self.buffer & ((1 << self.count) - 1), self.count), self.input.len())
    }
}

/// Bits that are refilled by whole words, for the fast way.
///
/// The chain from one code to the next goes through the buffer alone: whatever else depends on the
/// length of a code is not waited for.
#[derive(Clone, Copy)]
pub(super) struct Words<'i> {
    buffer: u64,
    /// Only its lowest 6 bits are right: dropping an entry takes all of it away, which spares a
    /// mask.
    count: u32,
    input: &'i [u8],
}

impl<'i> Words<'i> {
    pub(super) const fn new(bits: &Bits<'i>) -> Self {
        Self { buffer: bits.buffer, count: bits.count, input: bits.input }
    }

    pub(super) const fn into_bits(self) -> Bits<'i> {
        Bits { buffer: self.buffer, count: self.count & 63, input: self.input }
    }

    /// Takes input until there are at least 56 bits; false if the input has less than 8 bytes.
    #[inline(always)]
    pub(super) fn refill(&mut self) -> bool {
        let Some(word) = self.input.first_chunk::<8>() else { return false };
        self.buffer |= u64::from_le_bytes(*word) << (self.count & 63);
        // As many bytes as make 56 bits or more, but less than 64.
        let taken = (!self.count >> 3 & 7) as usize;
        self.input = self.input.get(taken..).unwrap_or_default();
        self.count |= 56;
        true
    }

    /// Returns the next bits, lowest first.
    #[inline(always)]
    pub(super) const fn peek(&self) -> u64 {
        self.buffer
    }

    /// Returns how many bits are at hand.
    #[inline(always)]
    pub(super) const fn count(&self) -> u32 {
        self.count & 63
    }

    /// Takes input until there are at least 56 bits, or all that there is.
    #[inline(always)]
    pub(super) fn refill_last(&mut self) {
        let mut bits = self.into_bits();
        bits.refill();
        *self = Self::new(&bits);
    }

    /// Returns whether all input is taken.
    #[inline(always)]
    pub(super) const fn is_last(&self) -> bool {
        self.input.is_empty()
    }

    /// Drops the bits of an entry.
    #[inline(always)]
    pub(super) const fn skip(&mut self, entry: Entry) {
        self.buffer >>= entry.len();
        self.count = self.count.wrapping_sub(entry.word());
    }
}
