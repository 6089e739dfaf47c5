//! A cursor over the bytes of one input that belong to a head.

use alloc::vec::Vec;

use crate::kernel::class::split_run;

/// A cursor over the bytes of one input that belong to a head.
///
/// ```text
///  base ▼ position in the head                                  end ▼
///       ├───────── kept ─────────┼──── passed ────┼────── rest ──────┤
///       │    copied to the head  │   not copied   │     not read     │
/// ```
#[derive(Debug)]
pub(crate) struct Window<'w> {
    rest: &'w [u8],
    all: &'w [u8],
    /// The number of bytes that have been copied to the head.
    kept: usize,
    /// The number of bytes of the head before this window.
    base: usize,
    #[cfg(test)]
    pub(crate) scanned: usize,
}

impl<'w> Window<'w> {
    /// Creates a window. `base` bytes of the head precede it.
    pub(crate) const fn new(bytes: &'w [u8], base: usize) -> Self {
        Self {
            rest: bytes,
            all: bytes,
            kept: 0,
            base,
            #[cfg(test)]
            scanned: 0,
        }
    }

    /// Returns the number of bytes that have been passed.
    #[inline]
    pub(crate) const fn passed(&self) -> usize {
        self.all.len() - self.rest.len()
    }

    #[inline]
    pub(crate) const fn peek(&self) -> Option<u8> {
        if let [byte, ..] = self.rest { Some(*byte) } else { None }
    }

    /// Returns the position of the next byte in the head.
    #[inline]
    pub(crate) const fn place(&self) -> usize {
        self.base + self.passed()
    }

    /// Returns the position of the end of the window in the head.
    #[inline]
    pub(crate) const fn end(&self) -> usize {
        self.base + self.all.len()
    }

    #[inline]
    pub(crate) const fn rest(&self) -> &'w [u8] {
        self.rest
    }

    /// Continues at `rest`, a suffix of the window, after `looked_at` bytes have been scanned.
    #[inline]
    pub(crate) const fn go_on(&mut self, rest: &'w [u8], looked_at: usize) {
        self.looked_at(looked_at);
        self.rest = rest;
    }

    /// Passes one byte and returns `next`, the state that follows it.
    #[inline]
    pub(crate) const fn pass<T: Copy>(&mut self, next: T) -> T {
        if let [_, after @ ..] = self.rest {
            self.looked_at(1);
            self.rest = after;
        }
        next
    }

    /// Passes all bytes of a class and returns them.
    #[inline]
    pub(crate) fn skip(&mut self, class: u8) -> &'w [u8] {
        let (run, after) = split_run(self.rest, class);
        // The byte that ends the run was scanned too.
        self.looked_at(run.len() + if after.is_empty() { 0 } else { 1 });
        self.rest = after;
        run
    }

    /// Passes `text` if the rest begins with it.
    #[inline]
    pub(crate) fn skip_text(&mut self, text: &[u8]) -> bool {
        let Some(after) = self.rest.strip_prefix(text) else { return false };
        self.looked_at(text.len());
        self.rest = after;
        true
    }

    /// Counts scanned bytes, for the test that the reader scans each byte at most twice.
    #[inline]
    #[cfg_attr(not(test), expect(clippy::needless_pass_by_ref_mut, reason = "tests count"))]
    const fn looked_at(&mut self, n: usize) {
        #[cfg(test)]
        {
            self.scanned += n;
        }
        #[cfg(not(test))]
        let _ = n;
    }

    /// Returns the window's bytes and their position in the head, if `place` is not before the
    /// window.
    pub(crate) const fn around(&self, place: usize) -> Option<(&'w [u8], usize)> {
        if place >= self.base { Some((self.all, self.base)) } else { None }
    }

    /// Copies the passed bytes to the head.
    pub(crate) fn keep(&mut self, head: &mut Vec<u8>) {
        let passed = self.passed();
        head.extend_from_slice(self.all.get(self.kept..passed).unwrap_or_default());
        self.kept = passed;
    }
}
