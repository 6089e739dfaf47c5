//! The bytes of one input that belong to a head, and how far they have been read.

use alloc::vec::Vec;

use crate::kernel::class::split_run;

/// A cursor over the bytes of one input that belong to a head.
#[derive(Debug)]
pub(crate) struct Window<'w> {
    rest: &'w [u8],
    all: &'w [u8],
    /// How many of them have been copied to the head.
    kept: usize,
    /// How many bytes of the head came before.
    base: usize,
    #[cfg(test)]
    pub(crate) scanned: usize,
}

impl<'w> Window<'w> {
    /// `base` bytes of the head came before.
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

    /// How many bytes have been passed.
    #[inline]
    pub(crate) const fn passed(&self) -> usize {
        self.all.len() - self.rest.len()
    }

    #[inline]
    pub(crate) const fn peek(&self) -> Option<u8> {
        if let [byte, ..] = self.rest { Some(*byte) } else { None }
    }

    /// Where the next byte lies in the head.
    #[inline]
    pub(crate) const fn place(&self) -> usize {
        self.base + self.passed()
    }

    /// Where the byte behind the window lies in the head.
    #[inline]
    pub(crate) const fn end(&self) -> usize {
        self.base + self.all.len()
    }

    #[inline]
    pub(crate) const fn rest(&self) -> &'w [u8] {
        self.rest
    }

    /// Goes on at `rest`, an end of the window, after `looked_at` bytes have been looked at.
    #[inline]
    pub(crate) const fn go_on(&mut self, rest: &'w [u8], looked_at: usize) {
        self.looked_at(looked_at);
        self.rest = rest;
    }

    /// Passes one byte, which leads to `next`.
    #[inline]
    pub(crate) const fn pass<T: Copy>(&mut self, next: T) -> T {
        if let [_, after @ ..] = self.rest {
            self.looked_at(1);
            self.rest = after;
        }
        next
    }

    /// Passes all bytes of a class.
    #[inline]
    pub(crate) fn skip(&mut self, class: u8) -> &'w [u8] {
        let (run, after) = split_run(self.rest, class);
        // The byte that ends the run has been looked at too.
        self.looked_at(run.len() + if after.is_empty() { 0 } else { 1 });
        self.rest = after;
        run
    }

    /// Passes these bytes, if they are what comes next.
    #[inline]
    pub(crate) fn skip_text(&mut self, text: &[u8]) -> bool {
        let Some(after) = self.rest.strip_prefix(text) else { return false };
        self.looked_at(text.len());
        self.rest = after;
        true
    }

    /// Counts, for the test that bytes are not looked at again and again.
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

    /// The window's bytes and their place in the head, if `place` lies in it.
    pub(crate) const fn around(&self, place: usize) -> Option<(&'w [u8], usize)> {
        if place >= self.base { Some((self.all, self.base)) } else { None }
    }

    /// Copies to the head what has been passed.
    pub(crate) fn keep(&mut self, head: &mut Vec<u8>) {
        let passed = self.passed();
        head.extend_from_slice(self.all.get(self.kept..passed).unwrap_or_default());
        self.kept = passed;
    }
}
