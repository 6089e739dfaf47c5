//! The size of a window.

/// The base-2 logarithm of the size of a window in bytes: 8 to 15
/// ([RFC 7692 section 7.1.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.1.2)).
///
/// ```
/// use sansocket::deflate::WindowBits;
///
/// let bits = WindowBits::new(10).expect("8 to 15");
/// assert_eq!(bits.len(), 1024);
/// assert!(WindowBits::MIN < bits && bits < WindowBits::MAX);
/// assert_eq!(WindowBits::new(16), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: Self = Self(8);
    /// 32 KiB.
    pub const MAX: Self = Self(15);
    /// 4 KiB: the largest window of this end's encoder, unless
    /// [`encoder_window_bits`](crate::deflate::DeflateOptions::encoder_window_bits) sets another
    /// one.
    pub const DEFAULT: Self = Self(12);

    /// Creates a value from a number of bits. `None` unless it is from 8 to 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if let 8..=15 = bits { Some(Self(bits)) } else { None }
    }

    /// Returns the number of bits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Returns the size of the window, in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a window is never empty")]
    pub const fn len(self) -> usize {
        1 << self.0
    }

    /// Returns the smaller of both. `Ord::min` can't be called in a `const fn`.
    pub(crate) const fn or_less(self, other: Self) -> Self {
        if other.0 < self.0 { other } else { self }
    }

    /// Returns the larger of both.
    pub(crate) const fn or_more(self, other: Self) -> Self {
        if other.0 > self.0 { other } else { self }
    }
}
