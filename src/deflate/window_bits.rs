//! The size of a window.

/// The base-2 logarithm of a window's size in bytes: 8 to 15
/// ([RFC 7692 section 7.1.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.1.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: Self = Self(8);
    /// 32 KiB.
    pub const MAX: Self = Self(15);
    /// 4 KiB: the window of our encoder, unless
    /// [`encoder_window_bits`](crate::deflate::DeflateOptions::encoder_window_bits) sets another one.
    pub const DEFAULT: Self = Self(12);

    /// Makes it from a number of bits; `None` unless it is from 8 to 15.
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

    /// The smaller of both; `min` can't be called in constants.
    pub(crate) const fn or_less(self, other: Self) -> Self {
        if other.0 < self.0 { other } else { self }
    }

    /// The larger of both.
    pub(crate) const fn or_more(self, other: Self) -> Self {
        if other.0 > self.0 { other } else { self }
    }
}
