//! The decoder reads streams of other encoders, with exactly their window.

use sansocket::deflate::Decoder;

use crate::deflate::codecs::{Flush, Strategy, TAIL, miniz, zlib, zlib_rs};
use crate::deflate::corpus::{KINDS, Kind, Rng, Source};
use crate::deflate::engine::{Random, inflate, window};

const STRATEGIES: [Strategy; 5] =
    [Strategy::Default, Strategy::Filtered, Strategy::Fixed, Strategy::HuffmanOnly, Strategy::Rle];

enum Encoder {
    Miniz(miniz::Deflater),
    Zlib(zlib::Deflater),
    ZlibRs(zlib_rs::Deflater),
}

impl Encoder {
    fn compress(&mut self, input: &[u8], out: &mut [u8], flush: Flush) -> usize {
        match self {
            Self::Miniz(deflater) => deflater.compress(input, out, flush),
            Self::Zlib(deflater) => deflater.compress(input, out, flush),
            Self::ZlibRs(deflater) => deflater.compress(input, out, flush),
        }
    }

    fn reset(&mut self) {
        match self {
            Self::Miniz(deflater) => deflater.reset(),
            Self::Zlib(deflater) => deflater.reset(),
            Self::ZlibRs(deflater) => deflater.reset(),
        }
    }

    /// The payload of a message, of several blocks: parts that end with flushes, as a sender of
    /// fragments makes them.
    fn message(&mut self, message: &[u8], takeover: bool, rng: &mut Rng) -> Vec<u8> {
        let mut out = vec![0; 2 * message.len() + 90_000];
        let (mut payload, mut rest) = (Vec::new(), message);
        while rng.below(4) == 0 && !rest.is_empty() {
            let (part, later) = rest.split_at(1 + rng.below(rest.len() as u64) as usize);
            let flush = if rng.below(3) == 0 { Flush::Full } else { Flush::Sync };
            let len = self.compress(part, &mut out, flush);
            payload.extend_from_slice(&out[..len]);
            rest = later;
        }
        if !takeover && rng.below(4) == 0 {
            // A last block, and an empty one for the tail (RFC 7692 section 7.2.3.4).
            let len = self.compress(rest, &mut out, Flush::Finish);
            payload.extend_from_slice(&out[..len]);
            payload.push(0);
        } else {
            let len = self.compress(rest, &mut out, Flush::Sync);
            payload.extend_from_slice(&out[..len]);
            if payload.is_empty() {
                // A second flush has no output: that is an empty message (section 7.2.3.6).
                return vec![0];
            }
            // After a part, the tail is that of the part.
            assert!(payload.ends_with(&TAIL));
            payload.truncate(payload.len() - TAIL.len());
        }
        if !takeover {
            self.reset();
        }
        payload
    }
}

/// One connection; `bits` is the window of the encoder, or one that all its distances fit into.
fn read(mut encoder: Encoder, bits: u8, takeover: bool, seed: u64) {
    let mut rng = Rng::new(seed);
    let mut random = Random(seed as u32);
    let mut sources = KINDS.map(|kind| Source::new(kind, seed));
    let mut noise = Source::new(Kind::Noise, seed);
    let mut decoder = Decoder::new(window(bits), takeover);
    for step in 0..10 {
        let len = if step == 5 { 9000 } else { 64 + rng.skewed(1500) as usize };
        let mut message = sources[rng.below(5) as usize].message(len);
        match rng.below(8) {
            0 => message.extend(noise.message(len)),
            1 => message = vec![b'a'; len * 4],
            2 => message.clear(),
            _ => {}
        }
        let payload = encoder.message(&message, takeover, &mut rng);
        let got = inflate(&mut decoder, &payload, &mut random, message.len());
        assert!(got == Ok(Some(message)), "{bits} {takeover} {seed}, message {step}");
    }
}

#[test]
fn streams_of_zlib_with_every_window() {
    for bits in 9..=15 {
        for (index, strategy) in STRATEGIES.into_iter().enumerate() {
            for (level, mem_level) in [(1, 8), (6, 8), (9, 9), (6, 1)] {
                let seed = u64::from(bits) * 100 + index as u64;
                for takeover in [true, false] {
                    let new = || zlib::Deflater::with_strategy(level, bits, mem_level, strategy);
                    read(Encoder::Zlib(new()), bits, takeover, seed);
                    if bits == 9 {
                        // 262 bytes of its window are never used.
                        read(Encoder::Zlib(new()), 8, takeover, seed);
                    }
                }
            }
        }
    }
}

#[test]
fn streams_of_zlib_rs_with_every_window() {
    for bits in 9..=15 {
        for (index, strategy) in STRATEGIES.into_iter().enumerate() {
            for (level, mem_level) in [(1, 8), (6, 8), (9, 9), (3, 1)] {
                let seed = u64::from(bits) * 200 + index as u64;
                for takeover in [true, false] {
                    let new = || zlib_rs::Deflater::with_strategy(level, bits, mem_level, strategy);
                    read(Encoder::ZlibRs(new()), bits, takeover, seed);
                }
            }
        }
    }
}

#[test]
fn streams_of_miniz_oxide() {
    for (index, strategy) in STRATEGIES.into_iter().enumerate() {
        for level in [1, 2, 6, 9, 10] {
            for takeover in [true, false] {
                let encoder = miniz::Deflater::with_strategy(level, strategy);
                read(Encoder::Miniz(encoder), 15, takeover, u64::from(level) * 7 + index as u64);
            }
        }
    }
}
