use core::fmt;

use crate::instant::Instant;

/// A cursor over the bytes of one read, and the time of that read.
///
/// [`Connection::receive`](crate::Connection::receive) advances it. The bytes are borrowed mutably,
/// because payloads are unmasked in place.
///
/// ```
/// use sansocket::{Input, Instant};
///
/// let mut buffer = [0; 4096];
/// // A read of the transport has returned 7 bytes.
/// # let n = 7;
/// let mut input = Input::new(Instant::from_micros(0), &mut buffer[..n]);
/// assert_eq!(input.len(), 7);
/// # let _ = &mut input;
/// ```
pub struct Input<'b> {
    now: Instant,
    rest: &'b mut [u8],
}

impl<'b> Input<'b> {
    /// Creates a cursor over the bytes of one read, which was done at `now`.
    #[must_use]
    pub const fn new(now: Instant, bytes: &'b mut [u8]) -> Self {
        Input { now, rest: bytes }
    }

    /// Returns the number of bytes that were not consumed yet.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Returns true if all bytes were consumed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the time of the read.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Returns the bytes that were not consumed yet.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.rest
    }

    /// Consumes the first `n` bytes, or all if there are fewer, and returns them.
    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> &'b mut [u8] {
        let rest = core::mem::take(&mut self.rest);
        let (first, rest) = rest.split_at_mut(n.min(rest.len()));
        self.rest = rest;
        first
    }

    /// Returns the first `n` bytes, or all if there are fewer, without consuming them.
    #[cfg(feature = "deflate")]
    pub(crate) fn first_mut(&mut self, n: usize) -> &mut [u8] {
        let n = n.min(self.rest.len());
        self.rest.get_mut(..n).unwrap_or_default()
    }

    /// Drops the remaining bytes.
    pub(crate) fn clear(&mut self) {
        self.rest = &mut [];
    }
}

impl fmt::Debug for Input<'_> {
    /// Shows no data: debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("now", &self.now).field("len", &self.len()).finish()
    }
}
