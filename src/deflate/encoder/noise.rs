//! Detects, from a sample, messages that compression can't shorten.

/// Returns whether the bytes look random. In most cases they are compressed or encrypted data.
///
/// In random bytes all values are about equally frequent, so the sum of the squared counts is near
/// its minimum. In text the sum is much larger. The first test, on a few bytes, finds most texts.
pub(super) fn is_noise(bytes: &[u8]) -> bool {
    if bytes.len() < LEAST {
        return false;
    }
    let (eights, _) = bytes.as_chunks::<8>();
    let high: u32 = eights
        .iter()
        .take(8)
        .map(|eight| (u64::from_le_bytes(*eight) & 0x8080_8080_8080_8080).count_ones())
        .sum();
    // Of the top bits of 64 random bytes about half are 1. Fewer than a quarter are, once in 80,000
    // cases. ASCII text has none.
    if high < 16 {
        return false;
    }
    let mut counts = [0_u32; 256];
    let last = bytes.len() - PIECE;
    for start in [0, last / 2, last] {
        for &byte in bytes.get(start..start + PIECE).unwrap_or_default() {
            if let Some(count) = counts.get_mut(usize::from(byte)) {
                *count += 1;
            }
        }
    }
    let squares: u32 = counts.iter().map(|count| count * count).sum();
    // The expected sum for n random bytes is about n + n^2 / 256. The limit is 1.25 times that for
    // 768 bytes. In messages of 512 to 767 bytes some bytes are sampled twice, which adds two for
    // each.
    let twice = u32::try_from((3 * PIECE).saturating_sub(bytes.len())).unwrap_or_default();
    squares < (SAMPLE + SAMPLE * SAMPLE / 256) * 5 / 4 + 2 * twice && !repeats(bytes)
}

/// Returns whether sequences of four bytes repeat near the start. Records and counters can have all
/// values equally often, as random bytes do, but they repeat.
fn repeats(bytes: &[u8]) -> bool {
    let mut places = [[0; 4]; 256];
    let mut again = 0;
    for window in bytes.windows(4).take(SAMPLE as usize) {
        let Some(&four) = window.first_chunk::<4>() else { break };
        let hash = u32::from_le_bytes(four).wrapping_mul(0x9e37_79b1) >> 24;
        if let Some(place) = places.get_mut(hash as usize) {
            again += u32::from(*place == four);
            *place = four;
        }
    }
    // Random bytes have one repetition in one of 20,000 cases, and practically never four.
    again >= 4
}

/// The minimal length, in bytes, of a message that is sampled. Compressing a shorter one takes less
/// time than sampling it.
const LEAST: usize = 512;

/// The number of bytes sampled at the start, in the middle and at the end each.
const PIECE: usize = 256;

/// The number of sampled bytes.
#[expect(clippy::cast_possible_truncation, reason = "768")]
const SAMPLE: u32 = 3 * PIECE as u32;
