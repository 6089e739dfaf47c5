//! What a message may refer to before its own first byte: the last bytes that went before.

use alloc::vec::Vec;
use core::fmt;

use crate::deflate::window_bits::WindowBits;

/// The last bytes of what has moved out, at most 2^bits. It has no byte that wasn't put in: its
/// length is what has been, and its heap grows by doubling.
pub(super) struct Window {
    /// Once it is full, the oldest byte is at `next`, where the next one goes.
    ring: Vec<u8>,
    /// 0 unless it is full.
    next: u16,
    bits: WindowBits,
}

impl Window {
    pub(super) const fn new(bits: WindowBits) -> Self {
        Self { ring: Vec::new(), next: 0, bits }
    }

    /// Puts `bytes` in; the oldest go.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let size = self.bits.len();
        let kept = bytes.get(bytes.len().saturating_sub(size)..).unwrap_or_default();
        let (new, over) = kept.split_at(kept.len().min(size.saturating_sub(self.ring.len())));
        let len = self.ring.len() + new.len();
        if len > self.ring.capacity() {
            let capacity = len.next_power_of_two().clamp(FIRST, size);
            self.ring.reserve_exact(capacity - self.ring.len());
        }
        self.ring.extend_from_slice(new);
        let mut over = over;
        while !over.is_empty() {
            // The ring is full, and what is left fits into it twice over at most.
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

    /// Forgets all, and gives the heap back.
    pub(super) fn clear(&mut self) {
        self.ring = Vec::new();
        self.next = 0;
    }

    /// Returns how many bytes there are.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.ring.len()
    }

    /// Returns how far back a reference may go.
    #[inline]
    pub(super) const fn size(&self) -> usize {
        self.bits.len()
    }

    /// Returns bytes from the `n`th last on, as many as lie in one piece; none if
    /// there aren't `n`.
    #[inline]
    pub(super) fn last(&self, n: usize) -> &[u8] {
        let (len, next) = (self.ring.len(), usize::from(self.next));
        if n <= next {
            self.ring.get(next - n..next).unwrap_or_default()
        } else {
            (len + next).checked_sub(n).and_then(|at| self.ring.get(at..)).unwrap_or_default()
        }
    }

    /// Returns how many bytes of heap it holds.
    pub(super) const fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("bits", &self.bits).field("len", &self.len()).finish()
    }
}

/// The heap of the first bytes.
const FIRST: usize = 64;
