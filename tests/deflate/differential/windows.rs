//! Distances are compared with the window exactly: a larger distance is corrupt, although the bytes
//! may still be in memory.

use sansocket::deflate::Decoder;

use crate::deflate::bit_writer::{BitWriter, Code};
use crate::deflate::codecs::{Flush, TAIL, naive, zlib};
use crate::deflate::corpus::{Kind, messages};
use crate::deflate::engine::{Cuts, Random, Uncut, inflate, window};

/// Stored bytes, then a copy, in one message.
fn stored_and_copy(stored: &[u8], distance: u16) -> Vec<u8> {
    let (literals, distances) = (Code::fixed(), Code::fixed_distances());
    let mut writer = BitWriter::new();
    for chunk in stored.chunks(30_000) {
        writer = writer.stored(false, chunk);
    }
    writer.block(false, 1).copy(&literals, &distances, 10, distance).symbol(&literals, 256).end()
}

/// Output space that holds the complete message, except for the bytes that are moved out.
struct Sliding(bool);

impl Cuts for Sliding {
    fn input(&mut self, left: usize) -> usize {
        left.min(1000)
    }

    fn room(&mut self) -> usize {
        777
    }

    fn slides(&mut self) -> bool {
        self.0
    }
}

#[test]
fn distances_are_limited_to_the_byte() {
    let noise = &messages(Kind::Noise, 40_000, 1, 3)[0];
    for bits in 8..15 {
        let len = 1 << bits;
        for (distance, fits) in [(len - 1, true), (len, true), (len + 1, false), (2 * len, false)] {
            let payload = stored_and_copy(noise, distance);
            for slides in [false, true] {
                let mut decoder = Decoder::new(window(bits), true);
                let got = inflate(&mut decoder, &payload, &mut Sliding(slides), 50_000);
                assert_eq!(got.is_ok(), fits, "{bits} {distance} {slides} in one message");
            }
            let mut decoder = Decoder::new(window(bits), true);
            let first = BitWriter::new().stored(false, &noise[..39_000]).end();
            assert!(inflate(&mut decoder, &first, &mut Random(1), 50_000).is_ok());
            let got =
                inflate(&mut decoder, &stored_and_copy(&noise[..20], distance), &mut Uncut, 50);
            assert_eq!(got.is_ok(), fits, "{bits} {distance} over two messages");
            if let Ok(Some(got)) = got {
                let history = [&noise[..39_000], &noise[..20]].concat();
                let at = history.len() - usize::from(distance);
                let copy: Vec<u8> = history[at..].iter().copied().cycle().take(10).collect();
                assert_eq!(got[20..], copy);
            }
        }
    }
}

/// Output of zlib at 15 bits, for text that repeats at a distance above a smaller window.
#[test]
fn streams_of_a_larger_window() {
    for bits in 8..15_u8 {
        // No nearer repetition: only the noise repeats.
        let gap = (1 << bits) + 300;
        let noise = &messages(Kind::Noise, gap, 1, 4)[0];
        let again = [&noise[..], &noise[..200]].concat();
        let mut out = vec![0; 80_000];
        let len = zlib::Deflater::new(6, 15).compress(&again, &mut out, Flush::Sync);
        let payload = &out[..len - TAIL.len()];
        assert!(naive::Inflater::new(15, true).message(payload).as_ref() == Ok(&again));
        assert_eq!(naive::Inflater::new(bits, true).message(payload), Err(naive::Fault::TooFar));
        for seed in 0..4 {
            let mut decoder = Decoder::new(window(15), true);
            let got = inflate(&mut decoder, payload, &mut Random(seed), 80_000);
            assert!(got.unwrap().as_ref() == Some(&again));
            let mut decoder = Decoder::new(window(bits), true);
            let got = inflate(&mut decoder, payload, &mut Random(seed), 80_000);
            assert!(got.is_err(), "{bits}");
        }
        let mut decoder = Decoder::new(window(bits), false);
        assert!(inflate(&mut decoder, payload, &mut Uncut, 80_000).is_err());
    }
}
