//! The hash function of both kinds of tables.

/// Returns a hash of `bits` bits of the first `bytes` bytes, 3 or 4.
///
/// The shift removes the byte that is not hashed. The constant is a prime near 2^32 divided by the
/// golden ratio (Knuth's multiplicative hash): the highest bits of the product are well mixed.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the first four bytes")]
pub(super) fn hash(eight: u64, bytes: u32, bits: u32) -> usize {
    ((eight as u32) << (32 - 8 * bytes)).wrapping_mul(0x9e37_79b1).wrapping_shr(32 - bits) as usize
}
