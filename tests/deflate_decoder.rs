//! The DEFLATE decoder: examples of RFC 7692, cuts at every place, every rule that a stream can
//! break, and an oracle.

#![cfg(feature = "deflate")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "common/bit_writer.rs"]
mod bit_writer;

use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress};
use sansocket::deflate::{Corrupt, Decoder, Wants, WindowBits};

/// A decoder with the largest window, with context takeover.
fn decoder() -> Decoder {
    Decoder::new(WindowBits::MAX, true)
}

/// Inflates a message given at once, in room that grows; at most `limit` bytes.
fn inflate(decoder: &mut Decoder, payload: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let (mut message, mut at, mut rest) = (vec![0xa5; 64], 0, payload);
    loop {
        let progress = decoder.inflate(rest, &mut message, at)?;
        rest = &rest[progress.read..];
        at += progress.written;
        match progress.wants {
            Wants::Input => break,
            _ => {
                assert_eq!(at, message.len());
                message.resize(2 * at, 0xa5);
            }
        }
    }
    assert!(rest.is_empty());
    message.truncate(at);
    decoder.finish(&message)?;
    Ok(message)
}

/// Inflates a message in pieces of input and room of the given lengths, over and over; full pieces
/// of `slide` bytes move out, unless it is 0.
fn inflate_cut(
    decoder: &mut Decoder,
    payload: &[u8],
    inputs: &[usize],
    rooms: &[usize],
    slide: usize,
) -> Result<Vec<u8>, Corrupt> {
    let mut inputs = inputs.iter().copied().cycle();
    let mut rooms = rooms.iter().copied().cycle();
    let (mut out, mut message, mut at, mut rest) = (Vec::new(), Vec::new(), 0, payload);
    while !rest.is_empty() {
        let (mut piece, later) = rest.split_at(inputs.next().unwrap().min(rest.len()));
        rest = later;
        loop {
            let progress = decoder.inflate(piece, &mut message, at)?;
            piece = &piece[progress.read..];
            at += progress.written;
            match progress.wants {
                Wants::Input => break,
                _ => {
                    assert_eq!(at, message.len(), "there was room");
                    if slide > 0 && at >= slide {
                        decoder.slide(&message);
                        out.append(&mut message);
                        at = 0;
                    }
                    message.resize(at + rooms.next().unwrap(), 0xa5);
                }
            }
        }
        assert!(piece.is_empty(), "input was left");
    }
    message.truncate(at);
    decoder.finish(&message)?;
    out.append(&mut message);
    Ok(out)
}

/// Compresses messages with what came before them, as RFC 7692 section 7.2.1 says; windows of 15
/// bits.
struct Miniz(Box<CompressorOxide>);

impl Miniz {
    fn new(level: i32) -> Self {
        let flags = miniz_oxide::deflate::core::create_comp_flags_from_zip_params(level, -15, 0);
        Self(Box::new(CompressorOxide::new(flags)))
    }

    fn message(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = vec![0; message.len() * 2 + 1024];
        let (_, read, written) = compress(&mut self.0, message, &mut out, TDEFLFlush::Sync);
        assert!(read == message.len() && written < out.len());
        out.truncate(written);
        assert!(out.ends_with(&[0x00, 0x00, 0xff, 0xff]));
        out.truncate(written - 4);
        out
    }
}

/// Text that repeats itself near and far, with noise in between.
fn sample(mut seed: u64, len: usize) -> Vec<u8> {
    let mut random = move |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 33) as usize % n
    };
    let mut text = Vec::with_capacity(len + 300);
    while text.len() < len {
        match random(4) {
            0 => text.extend((0..random(20)).map(|_| random(256) as u8)),
            1 => text.extend((0..random(40)).map(|_| b"abcdefgh"[random(8)])),
            2 => {
                let byte = random(256) as u8;
                text.extend(core::iter::repeat_n(byte, random(300)));
            }
            _ if text.is_empty() => {}
            _ => {
                let (mut from, n) = (random(text.len()), random(300));
                for _ in 0..n {
                    text.push(text[from]);
                    from += 1;
                }
            }
        }
    }
    text.truncate(len);
    text
}

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn x21_examples_of_rfc_7692() {
    let mut takeover = decoder();
    assert_eq!(inflate(&mut takeover, &HELLO).unwrap(), b"Hello");
    assert_eq!(inflate(&mut takeover, &[0xf2, 0x00, 0x11, 0x00, 0x00]).unwrap(), b"Hello");
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(inflate(&mut takeover, &stored).unwrap(), b"Hello");
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(inflate(&mut takeover, &last).unwrap(), b"Hello");
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflate(&mut takeover, &two).unwrap(), b"Hello");
    assert_eq!(inflate(&mut takeover, &[0x00]).unwrap(), b"");
    assert_eq!(inflate(&mut takeover, &[0xf2, 0x00, 0x11, 0x00, 0x00]).unwrap(), b"Hello");
}

/// V29: the same ones over and over.
#[test]
fn x19_empty_messages() {
    let mut decoder = decoder();
    for _ in 0..3 {
        for payload in
            [&[0x00][..], &[], &[0x02, 0x00], &[0x01], &[0x03, 0x00], &[0x03, 0x00, 0x00]]
        {
            assert_eq!(inflate(&mut decoder, payload), Ok(vec![]), "{payload:?}");
        }
    }
    assert_eq!(inflate(&mut decoder, &HELLO).unwrap(), b"Hello");
}

#[test]
fn messages_of_another_encoder() {
    for level in [0, 1, 6, 9] {
        let (mut miniz, mut whole, mut cut) = (Miniz::new(level), decoder(), decoder());
        for (seed, len) in (1..).zip([10, 0, 64, 300, 5000, 1, 70_000, 64, 0, 20_000, 200_000]) {
            let message = sample(seed, len);
            let payload = miniz.message(&message);
            assert!(inflate(&mut whole, &payload) == Ok(message.clone()), "{level} {len}");
            let pieces = inflate_cut(&mut cut, &payload, &[1, 17, 3, 900], &[1, 40, 1000], 777);
            assert!(pieces == Ok(message), "{level} {len} in pieces");
        }
    }
}

#[test]
fn cut_at_every_byte_of_input_and_of_room() {
    let text = sample(7, 700);
    let mut miniz = Miniz::new(6);
    let payloads = [miniz.message(&text), miniz.message(&sample(8, 300)), miniz.message(&text)];
    let whole = inflate_all(inflate, &payloads);
    for n in 1..300 {
        for (inputs, rooms) in [([n, 100_000], [700, 700]), ([n, n], [n, n]), ([1000, 1], [n, 1])] {
            for slide in [0, 1] {
                let cut = |decoder: &mut Decoder, payload: &[u8]| {
                    inflate_cut(decoder, payload, &inputs, &rooms, slide)
                };
                assert!(inflate_all(cut, &payloads) == whole, "{inputs:?} {rooms:?} {slide}");
            }
        }
    }
}

fn inflate_all(
    inflate: impl Fn(&mut Decoder, &[u8]) -> Result<Vec<u8>, Corrupt>,
    payloads: &[Vec<u8>],
) -> Vec<Vec<u8>> {
    let mut decoder = decoder();
    payloads.iter().map(|payload| inflate(&mut decoder, payload).unwrap()).collect()
}
