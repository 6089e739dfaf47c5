//! Data of one connection never appears on another, and never after a reset, although windows and
//! tables are reused.

use sansocket::deflate::Decoder;

use crate::deflate::bit_writer::{BitWriter, Code};
use crate::deflate::codecs::{Flush, TAIL, zlib};
use crate::deflate::corpus::{Kind, messages};
use crate::deflate::engine::{Uncut, inflate, window};

/// A message that begins with a copy from `distance` bytes before its first.
fn copy_from(distance: u16) -> Vec<u8> {
    let (literals, distances) = (Code::fixed(), Code::fixed_distances());
    BitWriter::new()
        .block(false, 1)
        .copy(&literals, &distances, 40, distance)
        .symbol(&literals, 256)
        .end()
}

/// Fills the window of a decoder with secret bytes.
fn fill(decoder: &mut Decoder, bits: u8) {
    let mut deflater = zlib::Deflater::new(6, bits.max(9));
    let mut out = vec![0; 80_000];
    for message in messages(Kind::Chat, 4096, 10, 77) {
        let len = deflater.compress(&message, &mut out, Flush::Sync);
        let payload = &out[..len - TAIL.len()];
        // Its distances fit into 8 bits at 9 bits, too.
        assert_eq!(inflate(decoder, payload, &mut Uncut, 4096).unwrap().as_ref(), Some(&message));
    }
}

const DISTANCES: [u16; 8] = [1, 2, 40, 200, 256, 511, 4096, 32_768];

#[test]
fn a_new_decoder_has_no_history() {
    for bits in 8..=15 {
        for takeover in [true, false] {
            for distance in DISTANCES {
                let mut before = Decoder::new(window(bits), true);
                fill(&mut before, bits);
                drop(before);
                let mut decoder = Decoder::new(window(bits), takeover);
                let got = inflate(&mut decoder, &copy_from(distance), &mut Uncut, 100);
                assert!(got.is_err(), "{bits} {takeover} {distance}");
            }
        }
    }
}

#[test]
fn without_takeover_the_last_message_is_no_history() {
    for bits in 8..=15 {
        for distance in DISTANCES {
            let mut decoder = Decoder::new(window(bits), false);
            let mut deflater = zlib::Deflater::new(6, bits.max(9));
            let mut out = vec![0; 10_000];
            let message = &messages(Kind::Html, 4096, 1, 78)[0];
            let len = deflater.compress(message, &mut out, Flush::Sync);
            let payload = &out[..len - TAIL.len()];
            assert_eq!(
                inflate(&mut decoder, payload, &mut Uncut, 4096).unwrap().as_ref(),
                Some(message)
            );
            let got = inflate(&mut decoder, &copy_from(distance), &mut Uncut, 100);
            assert!(got.is_err(), "{bits} {distance}");
        }
    }
}

/// Secrets in the output buffer are not history.
#[test]
fn the_output_buffer_is_not_history() {
    for distance in DISTANCES {
        let mut decoder = Decoder::new(window(15), true);
        let mut room = vec![0x5e; 100_000];
        assert!(decoder.inflate(&copy_from(distance), &mut room, 0).is_err());
    }
}

/// History ends at the first byte of the last message, and not one byte earlier.
#[test]
fn history_ends_at_the_first_byte_of_the_messages() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for distance in 1..=7 {
        let mut decoder = Decoder::new(window(8), true);
        assert_eq!(inflate(&mut decoder, &hello, &mut Uncut, 5), Ok(Some(b"Hello".to_vec())));
        let got = inflate(&mut decoder, &copy_from(distance), &mut Uncut, 100);
        assert_eq!(got.is_ok(), distance <= 5, "{distance}");
    }
}
