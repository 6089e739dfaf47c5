//! The bits of a compressed message, least significant first
//! ([RFC 1951 section 3.1.1](https://www.rfc-editor.org/rfc/rfc1951#section-3.1.1)).
//!
//! ```text
//!                      buffer: u64                                 input
//! ┌─────────────────────────┬─────────────────────┐     ┌──────┬──────┬──────┐
//! │ 0, or the same bits as  │   unread bits,      │ ◄── │byte 0│byte 1│ ...  │
//! │ the next input bytes    │   the next is bit 0 │     └──────┴──────┴──────┘
//! └─────────────────────────┴─────────────────────┘
//!  bit 63                    count              0
//! ```
//!
//! A refill reads eight bytes at once and ORs all of them into the buffer, but counts only those
//! that fit. The bits above `count` are ORed again by the next refill, with the same values.

use crate::deflate::decoder::entry::Entry;

/// A reader of bits. It reads the bits that are left of earlier inputs, and then those of `input`.
#[derive(Clone, Copy)]
pub(super) struct Bits<'i> {
    /// The next bits, lowest first. The bits above `count` are 0, or equal to the bits of the next
    /// bytes of `input`.
    buffer: u64,
    /// The number of bits in `buffer`, at most 63.
    count: u32,
    input: &'i [u8],
}

impl<'i> Bits<'i> {
    pub(super) const fn new((buffer, count): (u64, u32), input: &'i [u8]) -> Self {
        Self { buffer, count, input }
    }

    /// Reads input until there are at least 56 bits, or until its end.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if self.refill_at_once() {
            return;
        }
        // Less than 8 bytes. Two loads of 4 bytes that overlap read 4 to 7 of them, three loads of
        // a byte read 1 to 3. Bytes that are read twice are ORed to the same place.
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

    /// Returns whether all input is read.
    #[inline(always)]
    pub(super) const fn is_last(&self) -> bool {
        self.input.is_empty()
    }

    /// Reads input until there are at least 56 bits. Returns false if the input has less than 8
    /// bytes.
    #[inline(always)]
    pub(super) fn refill_at_once(&mut self) -> bool {
        let Some(word) = self.input.first_chunk::<8>() else { return false };
        self.buffer |= u64::from_le_bytes(*word) << self.count;
        let taken = (63 - self.count) >> 3;
        // `taken` is at most 7.
        self.input = self.input.get(taken as usize..).unwrap_or_default();
        // The same as `self.count += 8 * taken`: the lowest 3 bits stay, and 56 to 63 bits result.
        self.count |= 56;
        true
    }

    /// Returns the next bits, lowest first. Bits above [`count`](Self::count) are undefined.
    #[inline(always)]
    pub(super) const fn peek(&self) -> u64 {
        self.buffer
    }

    /// Returns the number of bits in the buffer.
    #[inline(always)]
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Consumes `n` bits of the buffer.
    #[inline(always)]
    pub(super) const fn skip(&mut self, n: u32) {
        self.buffer >>= n;
        self.count -= n;
    }

    /// Consumes and returns the next `n` bits, at most 32. `None`: there are fewer, and none is
    /// consumed.
    pub(super) fn take(&mut self, n: u32) -> Option<u32> {
        if self.count < n {
            self.refill();
            if self.count < n {
                return None;
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "`n` is at most 32")]
        let bits = (self.buffer & ((1 << n) - 1)) as u32;
        self.skip(n);
        Some(bits)
    }

    /// Drops the bits up to the next byte boundary.
    pub(super) const fn align(&mut self) {
        self.skip(self.count & 7);
    }

    /// Copies bytes to `to`, as many as there are. The position must be a byte boundary. Returns
    /// their number.
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
        // The buffer has no counted bits. Clear those above the count: their bytes are copied from
        // the input now, and later refills must not OR other bytes onto them.
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

    /// Returns the unread bits and their number, and the number of unread bytes of the input.
    pub(super) const fn into_rest(self) -> ((u64, u32), usize) {
        // Clear the bits above the count: the next input may have other bytes.
        ((self.buffer & ((1 << self.count) - 1), self.count), self.input.len())
    }
}

/// A reader of bits that is refilled by words of 8 bytes, for the fast loop.
///
/// The critical path from one code to the next is: look up the entry, shift the buffer by the
/// length in it. The count and the refill are off this path.
#[derive(Clone, Copy)]
pub(super) struct Words<'i> {
    buffer: u64,
    /// Only its lowest 6 bits are the count. [`skip`](Self::skip) subtracts an entire entry: its
    /// lowest 6 bits are the length. That saves a mask.
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

    /// Reads input until there are at least 56 bits. Returns false if the input has less than 8
    /// bytes.
    #[inline(always)]
    pub(super) fn refill(&mut self) -> bool {
        let Some(word) = self.input.first_chunk::<8>() else { return false };
        self.buffer |= u64::from_le_bytes(*word) << (self.count & 63);
        // The number of bytes that fit: `(63 - count) >> 3` for the lowest 6 bits of the count.
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

    /// Returns the number of bits in the buffer.
    #[inline(always)]
    pub(super) const fn count(&self) -> u32 {
        self.count & 63
    }

    /// Reads input until there are at least 56 bits, or until its end.
    #[inline(always)]
    pub(super) fn refill_last(&mut self) {
        let mut bits = self.into_bits();
        bits.refill();
        *self = Self::new(&bits);
    }

    /// Returns whether all input is read.
    #[inline(always)]
    pub(super) const fn is_last(&self) -> bool {
        self.input.is_empty()
    }

    /// Consumes the bits of an entry: its code and its extra bits.
    #[inline(always)]
    pub(super) const fn skip(&mut self, entry: Entry) {
        self.buffer >>= entry.len();
        self.count = self.count.wrapping_sub(entry.word());
    }
}
