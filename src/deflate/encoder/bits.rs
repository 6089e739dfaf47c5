//! Packs bits into bytes, lowest first
//! ([RFC 1951 section 3.1.1](https://www.rfc-editor.org/rfc/rfc1951#section-3.1.1)).

use bytes::BytesMut;

/// Appends bits to a buffer.
///
/// It writes eight bytes at a time, into room that [`reserve`](Self::reserve) has made. Until
/// [`finish`](Self::finish) the buffer is longer than its content:
///
/// ```text
/// out: │ complete bytes │ pending bits, then zeros │
///                       at                         out.len()
/// ```
pub(super) struct BitWriter<'a> {
    out: &'a mut BytesMut,
    /// The position of the next complete byte.
    at: usize,
    /// The bits that are not written yet, the first one lowest.
    pending: u64,
    /// The number of pending bits, at most 63.
    count: u32,
}

/// A position to return to.
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

    /// Makes room for `bytes` more bytes and the pending bits.
    pub(super) fn reserve(&mut self, bytes: usize) {
        // 8 bytes for the pending bits, and 8 because `flush` always writes eight bytes.
        self.out.resize(self.at.saturating_add(bytes).saturating_add(16), 0);
    }

    /// Appends the lowest `count` bits of `bits`; the others must be 0. Between two calls of
    /// [`flush`](Self::flush) there is room for 57 bits.
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.pending |= bits << (self.count & 63);
        self.count += count;
    }

    /// Appends a code word of [`Code`](crate::deflate::encoder::huffman::Code): its bits are the
    /// lower 16, their number the upper 16.
    #[inline(always)]
    pub(super) fn word(&mut self, word: u32) {
        self.put(u64::from(word & 0xffff), word >> 16);
    }

    /// Writes the complete bytes. Fewer than 8 bits stay pending.
    #[inline(always)]
    pub(super) fn flush(&mut self) {
        if let Some(slot) = self.out.get_mut(self.at..).and_then(|out| out.first_chunk_mut::<8>()) {
            *slot = self.pending.to_le_bytes();
        }
        self.at += (self.count / 8) as usize;
        self.pending >>= self.count & 56;
        self.count &= 7;
    }

    /// Fills the current byte with zeros.
    pub(super) fn align(&mut self) {
        self.count = self.count.next_multiple_of(8);
        self.flush();
    }

    /// Appends bytes. The position must be a byte boundary.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if let Some(slot) = self.out.get_mut(self.at..).and_then(|out| out.get_mut(..bytes.len())) {
            slot.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }

    /// Returns the position of the next bit. Call it after [`flush`](Self::flush): at most 7 bits
    /// may be pending.
    pub(super) fn mark(&self) -> Mark {
        Mark { at: self.at, pending: self.pending, count: self.count }
    }

    /// Returns to an earlier position. Later output overwrites the bits after it.
    pub(super) fn rewind(&mut self, mark: Mark) {
        (self.at, self.pending, self.count) = (mark.at, mark.pending, mark.count);
    }

    /// Returns the number of bits that were appended since the mark.
    pub(super) fn since(&self, mark: Mark) -> u64 {
        (self.at - mark.at) as u64 * 8 + u64::from(self.count) - u64::from(mark.count)
    }

    /// Appends the header of an empty stored block up to the byte boundary, without its lengths
    /// `00 00 ff ff`. Cuts the buffer to its content, and returns its length.
    pub(super) fn finish(mut self) -> usize {
        self.reserve(0);
        self.put(0, 3);
        self.align();
        self.out.truncate(self.at);
        self.at
    }
}

impl Mark {
    /// Returns the number of bits in the current byte.
    pub(super) fn pending(self) -> u32 {
        self.count
    }
}
