//! The text that is searched for matches, and comparisons in it.

/// Bytes that are searched for matches.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    /// The position of the first byte.
    pub(super) base: u16,
    /// The largest distance of a match.
    pub(super) window: usize,
}

/// A match: `length` bytes that are equal to those `distance` bytes before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Match {
    pub(super) length: usize,
    pub(super) distance: usize,
}

impl Match {
    /// Returns an estimate of the additional saving over another match, in quarters of a literal.
    ///
    /// Each byte more saves a literal. A distance twice as large takes one more bit, about a
    /// quarter of a literal.
    #[inline(always)]
    pub(super) fn gain(self, other: Self) -> i32 {
        let bits = |distance: usize| (distance | 1).ilog2().cast_signed();
        let length = |found: Self| i32::try_from(found.length).unwrap_or_default();
        4 * (length(self) - length(other)) + bits(other.distance) - bits(self.distance)
    }
}

impl Text<'_> {
    /// Returns the position after the last byte.
    pub(super) fn end(&self) -> u16 {
        self.position(self.bytes.len())
    }

    /// Returns the position of the byte at an index.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "positions are modulo 2^16")]
    pub(super) fn position(&self, at: usize) -> u16 {
        self.base.wrapping_add(at as u16)
    }

    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }

    /// Returns eight bytes, the first one lowest, with zeros for bytes after the end.
    #[inline(always)]
    pub(super) fn eight(&self, at: usize) -> u64 {
        let rest = self.bytes.get(at..).unwrap_or_default();
        rest.first_chunk().map_or_else(|| last(rest), |eight| u64::from_le_bytes(*eight))
    }

    /// Returns whether these bytes are at a position.
    pub(super) fn has(&self, position: u16, eight: [u8; 8]) -> bool {
        let at = usize::from(position.wrapping_sub(self.base));
        self.bytes.get(at..).is_some_and(|bytes| bytes.starts_with(&eight))
    }

    /// Returns the number of equal bytes from two indexes on, at most 258. `eight` are the first
    /// eight bytes at `at`.
    #[inline(always)]
    pub(super) fn same(&self, earlier: usize, at: usize, eight: u64) -> usize {
        let differs = self.eight(earlier) ^ eight;
        let length = if differs == 0 {
            self.common(earlier, at)
        } else {
            (differs.trailing_zeros() / 8) as usize
        };
        length.min(self.bytes.len() - at)
    }

    /// Returns the number of equal bytes from two indexes on. The first eight must be equal.
    fn common(&self, earlier: usize, at: usize) -> usize {
        let Some(later) = self.bytes.get(at..) else { return 0 };
        let later = later.get(..MATCH_MAX).unwrap_or(later);
        let Some(earlier) = self.bytes.get(earlier..) else { return 0 };
        let (eights, _) = later.as_chunks::<8>();
        let (earlier_eights, _) = earlier.as_chunks::<8>();
        let mut length = 8;
        for (a, b) in eights.iter().zip(earlier_eights).skip(1) {
            let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
            if differs != 0 {
                return length + (differs.trailing_zeros() / 8) as usize;
            }
            length += 8;
        }
        let rest = later.iter().zip(earlier).skip(length);
        length + rest.take_while(|(a, b)| a == b).count()
    }
}

/// Returns fewer than eight bytes, with zeros after them.
#[cold]
fn last(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte))
}

/// The length of the longest match (RFC 1951 3.2.5).
pub(super) const MATCH_MAX: usize = 258;
