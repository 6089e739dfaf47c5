//! Bits into bytes, lowest first ([RFC 1951 section 3.1.1](https://www.rfc-editor.org/rfc/rfc1951#section-3.1.1)).

use bytes::BytesMut;

/// Appends bits to a buffer.
///
/// Whole bytes are written eight at a time into room that [`reserve`](Self::reserve) has made, so the
/// buffer is longer than its content until [`finish`](Self::finish).
pub(super) struct BitWriter<'a> {
    out: &'a mut BytesMut,
    /// Where the next whole byte goes.
    at: usize,
    /// Bits that are not yet written, the first one lowest.
    pending: u64,
    /// How many of them, at most 63.
    count: u32,
}

/// A place to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    at: usize,
    pending: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut BytesMut) -> Self {
        let at = out.len();
        Self { out, at, pending: 0, count: 0 }
    }

    /// Makes room for `bytes` more bytes, beside those that are pending.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.out.resize(self.at.saturating_add(bytes).saturating_add(16), 0);
    }

    /// Takes up to 57 bits in all between two calls of [`flush`](Self::flush); those of `bits` above
    /// `count` must be 0.
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.pending |= bits << (self.count & 63);
        self.count += count;
    }

    /// Takes a code word: its bits, and their number from bit 16 on.
    #[inline(always)]
    pub(super) fn word(&mut self, word: u32) {
        self.put(u64::from(word & 0xffff), word >> 16);
    }

    /// Writes whole bytes; fewer than 8 bits stay pending.
    #[inline(always)]
    pub(super) fn flush(&mut self) {
        if let Some(slot) = self.out.get_mut(self.at..).and_then(|out| out.first_chunk_mut::<8>()) {
            *slot = self.pending.to_le_bytes();
        }
        self.at += (self.count / 8) as usize;
        self.pending >>= self.count & 56;
        self.count &= 7;
    }

    /// Fills up the byte that is under way.
    pub(super) fn align(&mut self) {
        self.count = self.count.next_multiple_of(8);
        self.flush();
    }

    /// Appends whole bytes, at a byte boundary.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if let Some(slot) = self.out.get_mut(self.at..).and_then(|out| out.get_mut(..bytes.len())) {
            slot.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }

    /// Returns where the next bit goes. No more than 7 bits are pending.
    pub(super) fn mark(&self) -> Mark {
        Mark { at: self.at, pending: self.pending, count: self.count }
    }

    /// Goes back to where it was.
    pub(super) fn rewind(&mut self, mark: Mark) {
        (self.at, self.pending, self.count) = (mark.at, mark.pending, mark.count);
    }

    /// Returns how many bits were appended.
    pub(super) fn since(&self, mark: Mark) -> u64 {
        (self.at - mark.at) as u64 * 8 + u64::from(self.count) - u64::from(mark.count)
    }

    /// Appends an empty stored block, which ends on a byte boundary, but not its last four bytes
    /// `00 00 ff ff`, and cuts the buffer to its content.
    /// Returns the buffer's length.
    pub(super) fn finish(mut self) -> usize {
        self.reserve(0);
        self.put(0, 3);
        self.align();
        self.out.truncate(self.at);
        self.at
    }
}

impl Mark {
    /// Returns how many bits the byte has that is under way.
    pub(super) fn pending(self) -> u32 {
        self.count
    }
}
