//! Masking ([RFC 6455 section 5.3](https://www.rfc-editor.org/rfc/rfc6455#section-5.3)).

/// From here on the stores are aligned and, where the processor has it, AVX2 is used; below, the
/// detection and the alignment cost more than they bring.
const LONG: usize = 512;

/// XORs `data` with `key`, over and over. Masking and unmasking are the same.
#[inline]
pub fn mask(data: &mut [u8], key: [u8; 4]) {
    if data.len() < LONG {
        mask_body(data, key);
    } else {
        mask_long(data, key);
    }
}

/// The key for the bytes that come after `n` bytes masked with `key`.
#[inline]
pub(crate) const fn rotate(key: [u8; 4], n: usize) -> [u8; 4] {
    // Truncation keeps n mod 4.
    #[expect(clippy::cast_possible_truncation, reason = "only n mod 4 counts")]
    let bits = 8 * (n as u32 & 3);
    u32::from_le_bytes(key).rotate_right(bits).to_le_bytes()
}

/// 32-byte blocks, then 8, 4 and 1; the compiler turns the blocks into vector instructions of
/// whatever width is allowed. Few single bytes are left: at 125 bytes that decides.
#[inline(always)]
fn mask_body(data: &mut [u8], key: [u8; 4]) {
    let word = u32::from_ne_bytes(key);
    let double = u64::from(word) | u64::from(word) << 32;
    let (blocks, rest) = data.as_chunks_mut::<32>();
    for block in blocks {
        // Words of 8 bytes: to widen a key of single bytes takes 15 instructions more, which run for
        // data without a block too.
        let (eights, _) = block.as_chunks_mut::<8>();
        for eight in eights {
            *eight = (u64::from_ne_bytes(*eight) ^ double).to_ne_bytes();
        }
    }
    let (eights, rest) = rest.as_chunks_mut::<8>();
    for eight in eights {
        *eight = (u64::from_ne_bytes(*eight) ^ double).to_ne_bytes();
    }
    let (fours, rest) = rest.as_chunks_mut::<4>();
    for four in fours {
        *four = (u32::from_ne_bytes(*four) ^ word).to_ne_bytes();
    }
    for (byte, k) in rest.iter_mut().zip(key) {
        *byte ^= k;
    }
}

/// Stores aligned to the register's width matter more than the width itself.
#[inline(always)]
fn mask_aligned<const ALIGN: usize>(data: &mut [u8], key: [u8; 4]) {
    let first = data.as_ptr().align_offset(ALIGN).min(data.len());
    if let Some((head, body)) = data.split_at_mut_checked(first) {
        mask_body(head, key);
        mask_body(body, rotate(key, first));
    }
}

#[cfg(all(feature = "std", feature = "simd", target_arch = "x86_64"))]
#[target_feature(enable = "avx2")]
fn mask_avx2(data: &mut [u8], key: [u8; 4]) {
    mask_aligned::<32>(data, key);
}

/// Only behind the question whether the processor has AVX2.
#[cfg(all(feature = "std", feature = "simd", target_arch = "x86_64"))]
#[expect(unsafe_code, reason = "a safe function with a target feature, found at run time")]
#[inline]
fn mask_found_avx2(data: &mut [u8], key: [u8; 4]) {
    // SAFETY: `mask_long` asks for AVX2 in the line above its call; the function has no other
    // precondition, and `masking_agrees_with_the_naive_loop` compares it at every length.
    unsafe { mask_avx2(data, key) }
}

#[inline(never)]
fn mask_long(data: &mut [u8], key: [u8; 4]) {
    #[cfg(all(feature = "std", feature = "simd", target_arch = "x86_64"))]
    if std::is_x86_feature_detected!("avx2") {
        return mask_found_avx2(data, key);
    }
    mask_aligned::<16>(data, key);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, reason = "samples")]

    use alloc::vec::Vec;

    use super::*;

    fn naive(data: &mut [u8], key: [u8; 4]) {
        for (i, byte) in data.iter_mut().enumerate() {
            *byte ^= key[i % 4];
        }
    }

    #[test]
    fn masking_agrees_with_the_naive_loop() {
        let source: Vec<u8> = (0..3000_u32).map(|i| (i.wrapping_mul(131) >> 3) as u8).collect();
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for offset in 0..33 {
            for len in (0..700).chain([1023, 1024, 1025, 2047, 2900]) {
                let mut ours = source[offset..offset + len].to_vec();
                let mut theirs = ours.clone();
                naive(&mut theirs, key);
                mask(&mut ours, key);
                assert_eq!(ours, theirs, "offset {offset}, length {len}");
                // At an unaligned address of the same allocation too.
                let mut whole = source.clone();
                mask(&mut whole[offset..offset + len], key);
                assert_eq!(whole[offset..offset + len], theirs, "offset {offset}, length {len}");
                assert_eq!(whole[..offset], source[..offset]);
                assert_eq!(whole[offset + len..], source[offset + len..]);
            }
        }
    }

    #[test]
    fn every_form_agrees() {
        let source: Vec<u8> = (0..2048_u32).map(|i| i as u8).collect();
        let key = [1, 2, 4, 8];
        for len in 0..2048 {
            let mut theirs = source[..len].to_vec();
            naive(&mut theirs, key);
            for form in [mask_body, mask_aligned::<16>, mask_aligned::<32>, mask_long] {
                let mut ours = source[..len].to_vec();
                form(&mut ours, key);
                assert_eq!(ours, theirs);
            }
        }
    }

    #[test]
    fn a_rotated_key_goes_on() {
        for cut in 0..64 {
            let mut whole: Vec<u8> = (0..64).collect();
            let mut cut_up = whole.clone();
            let key = [9, 7, 5, 3];
            mask(&mut whole, key);
            mask(&mut cut_up[..cut], key);
            mask(&mut cut_up[cut..], rotate(key, cut));
            assert_eq!(whole, cut_up);
        }
    }
}
