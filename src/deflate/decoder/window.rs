//! The window: the output before `message`, which matches may refer to.

use alloc::vec::Vec;
use core::fmt;

use crate::deflate::window_bits::WindowBits;

/// The last bytes of the output that was moved out, at most 2^bits.
///
/// All its bytes are output. Before it is full it is shorter, so a reference to before the first
/// byte of the connection is detected. Its heap memory grows by doubling.
///
/// ```text
/// ring, when it is full:   │ newer bytes │ older bytes │
///                          0            next           2^bits
/// ```
pub(super) struct Window {
    /// Once it is full, the oldest byte is at `next`, and the next byte replaces it.
    ring: Vec<u8>,
    /// 0 unless it is full.
    next: u16,
    bits: WindowBits,
}

impl Window {
    pub(super) const fn new(bits: WindowBits) -> Self {
        Self { ring: Vec::new(), next: 0, bits }
    }

    /// Appends `bytes`. They replace the oldest ones.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let size = self.bits.len();
        let kept = bytes.get(bytes.len().saturating_sub(size)..).unwrap_or_default();
        // `new` fits before the ring is full, `over` replaces the oldest bytes.
        let (new, over) = kept.split_at(kept.len().min(size.saturating_sub(self.ring.len())));
        let len = self.ring.len() + new.len();
        if len > self.ring.capacity() {
            let capacity = len.next_power_of_two().clamp(FIRST, size);
            self.ring.reserve_exact(capacity - self.ring.len());
        }
        self.ring.extend_from_slice(new);
        let mut over = over;
        while !over.is_empty() {
            // The ring is full. It is overwritten from `next` to its end, and then from its
            // beginning: at most two rounds, because `over` is not longer than the ring.
            let next = usize::from(self.next);
            let old = self.ring.get_mut(next..).unwrap_or_default();
            let n = old.len().min(over.len());
            let (now, later) = over.split_at(n);
            if let Some(old) = old.get_mut(..n) {
                old.copy_from_slice(now);
            }
            #[expect(clippy::cast_possible_truncation, reason = "less than the size, 2^15 at most")]
            let end = ((next + n) & (size - 1)) as u16;
            self.next = end;
            over = later;
        }
    }

    /// Removes all bytes and frees the heap memory.
    pub(super) fn clear(&mut self) {
        self.ring = Vec::new();
        self.next = 0;
    }

    /// Returns the number of bytes.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.ring.len()
    }

    /// Returns the largest distance of a match, in bytes.
    #[inline]
    pub(super) const fn size(&self) -> usize {
        self.bits.len()
    }

    /// Returns the bytes from the `n`th last on, as many as are contiguous in the ring. None if
    /// there are fewer than `n`.
    #[inline]
    pub(super) fn last(&self, n: usize) -> &[u8] {
        // The `n` last bytes begin before `next`, or at the end of the ring.
        let (len, next) = (self.ring.len(), usize::from(self.next));
        if n <= next {
            self.ring.get(next - n..next).unwrap_or_default()
        } else {
            (len + next).checked_sub(n).and_then(|at| self.ring.get(at..)).unwrap_or_default()
        }
    }

    /// Returns the number of heap bytes that it holds.
    pub(super) const fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("bits", &self.bits).field("len", &self.len()).finish()
    }
}

/// The first capacity, in bytes.
const FIRST: usize = 64;
