use core::fmt;

use crate::instant::Instant;

/// A cursor over the bytes of one read, and the time of that read.
///
/// [`Connection::receive`](crate::Connection::receive) moves it on until it is empty. The bytes
/// are unmasked in place, which is why they are lent mutably.
pub struct Input<'b> {
    now: Instant,
    rest: &'b mut [u8],
}

impl<'b> Input<'b> {
    /// Lends the bytes of one read that was done at `now`.
    #[must_use]
    pub const fn new(now: Instant, bytes: &'b mut [u8]) -> Self {
        Input { now, rest: bytes }
    }

    /// Returns how many bytes have not been taken yet.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Returns true if all bytes have been taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the time of the read.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Returns the bytes that have not been taken yet.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.rest
    }

    /// Takes the first `n` bytes, or all if there are fewer.
    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> &'b mut [u8] {
        let rest = core::mem::take(&mut self.rest);
        let (first, rest) = rest.split_at_mut(n.min(rest.len()));
        self.rest = rest;
        first
    }

    /// The first `n` bytes, or all if there are fewer, which stay to be taken.
    #[cfg(feature = "deflate")]
    pub(crate) fn first_mut(&mut self, n: usize) -> &mut [u8] {
        let n = n.min(self.rest.len());
        self.rest.get_mut(..n).unwrap_or_default()
    }

    /// Drops everything that is left.
    pub(crate) fn clear(&mut self) {
        self.rest = &mut [];
    }
}

impl fmt::Debug for Input<'_> {
    /// No data: debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("now", &self.now).field("len", &self.len()).finish()
    }
}
