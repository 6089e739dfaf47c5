//! Masking ([RFC 6455 section 5.3](https://www.rfc-editor.org/rfc/rfc6455#section-5.3)).

/// From this length on, stores are aligned, and AVX2 is used if the processor has it. For shorter
/// data the detection and the alignment take more time than they save.
const LONG: usize = 512;

/// XORs `data` with `key`, repeated. Masking and unmasking are the same operation.
///
/// ```
/// use sansocket::frame::mask;
///
/// let key = [0x37, 0xfa, 0x21, 0x3d];
/// let mut payload = *b"Hello";
/// mask(&mut payload, key);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// mask(&mut payload, key);
/// assert_eq!(payload, *b"Hello");
/// ```
#[inline]
pub fn mask(data: &mut [u8], key: [u8; 4]) {
    if data.len() < LONG {
        mask_body(data, key);
    } else {
        mask_long(data, key);
    }
}

/// Returns the key for the bytes that follow `n` bytes masked with `key`.
#[inline]
pub(crate) const fn rotate(key: [u8; 4], n: usize) -> [u8; 4] {
    #[expect(clippy::cast_possible_truncation, reason = "truncation keeps n modulo 4")]
    let bits = 8 * (n as u32 & 3);
    u32::from_le_bytes(key).rotate_right(bits).to_le_bytes()
}

/// Masks in blocks of 32 bytes, then of 8 and 4 bytes, then byte by byte.
///
/// The compiler turns the blocks of 32 bytes into vector instructions of the width that the target
/// allows. Without the blocks of 8 and 4 bytes up to 31 single bytes would be left, which take most
/// of the time at 125 bytes.
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

/// Masks with stores that are aligned to `ALIGN`. For long data the alignment saves more time than
/// wider registers.
#[inline(always)]
fn mask_aligned<const ALIGN: usize>(data: &mut [u8], key: [u8; 4]) {
    let first = data.as_ptr().align_offset(ALIGN).min(data.len());
    // `align_offset` may return `usize::MAX`: then all of the data is `head`.
    if let Some((head, body)) = data.split_at_mut_checked(first) {
        mask_body(head, key);
        mask_body(body, rotate(key, first));
    }
}

/// [`mask_body`], compiled for AVX2 registers of 32 bytes.
#[cfg(all(feature = "std", feature = "simd", target_arch = "x86_64"))]
#[target_feature(enable = "avx2")]
fn mask_avx2(data: &mut [u8], key: [u8; 4]) {
    mask_aligned::<32>(data, key);
}

/// Calls [`mask_avx2`]. Only to be called after the processor was found to have AVX2.
#[cfg(all(feature = "std", feature = "simd", target_arch = "x86_64"))]
#[expect(unsafe_code, reason = "a safe function with a target feature, found at run time")]
#[inline]
fn mask_found_avx2(data: &mut [u8], key: [u8; 4]) {
    // SAFETY: the only precondition of `mask_avx2` is that the processor has AVX2: its body is safe
    // code. `mask_long`, the only caller, checks it in the line above the call. The test
    // `masking_agrees_with_the_naive_loop` compares the result at many lengths and offsets.
    unsafe { mask_avx2(data, key) }
}

/// Masks data of at least [`LONG`] bytes. Not inlined, so that short data don't pay for its code.
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
    fn a_rotated_key_continues_the_mask() {
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
