//! Tells what isn't worth compressing, from a sample.

/// Returns whether the bytes look random: compressed or encrypted before, as a rule.
///
/// Random bytes have all values about as often, so that the sum of their squared counts is near the
/// least that it can be. Text is far from it, and most of it is told by its first bytes.
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
    // Half of 64 if they are random; fewer than a quarter once in 80,000 times.
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
    // 1.25 times what is to be expected of 768 random bytes; from 512 bytes some are taken twice,
    // which adds two for each.
    let twice = u32::try_from((3 * PIECE).saturating_sub(bytes.len())).unwrap_or_default();
    squares < (SAMPLE + SAMPLE * SAMPLE / 256) * 5 / 4 + 2 * twice && !repeats(bytes)
}

/// Returns whether bytes come again near the start: all values may be equally frequent in records
/// and counters too.
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
    // One in random bytes happens once in 20,000 times; four don't.
    again >= 4
}

/// Shorter messages are compressed faster than sampled.
const LEAST: usize = 512;

/// How many bytes are taken at the start, in the middle and at the end.
const PIECE: usize = 256;

#[expect(clippy::cast_possible_truncation, reason = "768")]
const SAMPLE: u32 = 3 * PIECE as u32;
