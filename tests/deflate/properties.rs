//! Properties of the compression engine: the output of the decoder is the input of the encoder,
//! however it is split, and no bytes of a peer are harmful.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use sansocket::deflate::{Decoder, Encoder, Level};

use crate::deflate::codecs::{Flush, TAIL, miniz, zlib, zlib_rs};
use crate::deflate::engine::{Connection, LEVELS, Random, Uncut, compress, inflate, window};

/// A component of a message.
#[derive(Clone, Debug)]
enum Segment {
    Bytes(Vec<u8>),
    Run(u8, usize),
    /// A copy of sent bytes, from this distance, of this length.
    Again(usize, usize),
}

/// The way to send a message.
#[derive(Clone, Debug)]
enum Way {
    Complete,
    /// In parts that end at these places, in permille.
    Parts(Vec<usize>),
    Follow,
    /// Complete, after a reset.
    Clear,
}

fn segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        3 => vec(prop_oneof![Just(b'e'), b'a'..=b'h', any::<u8>()], 0..60).prop_map(Segment::Bytes),
        1 => vec(any::<u8>(), 0..700).prop_map(Segment::Bytes),
        1 => (any::<u8>(), 0..2000_usize).prop_map(|(byte, len)| Segment::Run(byte, len)),
        4 => (1..40_000_usize, 1..400_usize).prop_map(|(back, len)| Segment::Again(back, len)),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        6 => Just(Way::Complete),
        3 => vec(0..=1000_usize, 0..4).prop_map(Way::Parts),
        1 => Just(Way::Follow),
        1 => Just(Way::Clear),
    ]
}

fn level() -> impl Strategy<Value = Level> {
    (0..LEVELS.len()).prop_map(|index| LEVELS[index])
}

/// Builds a message, and appends it to the history.
fn message(segments: &[Segment], sent: &mut Vec<u8>) -> Vec<u8> {
    let start = sent.len();
    for segment in segments {
        match segment {
            Segment::Bytes(bytes) => sent.extend_from_slice(bytes),
            &Segment::Run(byte, len) => sent.extend(std::iter::repeat_n(byte, len)),
            &Segment::Again(back, len) => {
                let from = sent.len().saturating_sub(back);
                (from..(from + len).min(sent.len())).for_each(|at| sent.push(sent[at]));
            }
        }
    }
    sent[start..].to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 60 } else { 2000 }))]

    /// Every decoder inflates it, for every way to send and to receive it, and ours with any
    /// splits.
    #[test]
    fn every_decoder_inflates_sent_messages(
        bits in 8..=15_u8,
        level in level(),
        takeover: bool,
        messages in vec((vec(segment(), 0..8), way()), 1..8),
    ) {
        let mut connection = Connection::new(bits, level, takeover);
        let mut sent = Vec::new();
        for (segments, way) in &messages {
            let message = message(segments, &mut sent);
            match way {
                Way::Complete => {
                    connection.send(&message);
                }
                Way::Parts(places) => {
                    let mut places = places.clone();
                    places.sort_unstable();
                    let (mut parts, mut from) = (Vec::new(), 0);
                    for place in places.into_iter().map(|place| place * message.len() / 1000) {
                        parts.push(&message[from..place]);
                        from = place;
                    }
                    parts.push(&message[from..]);
                    connection.send_parts(&parts);
                }
                Way::Follow => connection.follow(&message),
                Way::Clear => {
                    connection.clear();
                    connection.send(&message);
                }
            }
            let (encoder, decoder) = connection.capacity();
            if takeover {
                // History of two windows, as much for the chains, and the heads.
                prop_assert!(encoder <= 6 * (1 << bits) + 40, "{encoder} at {bits}");
                prop_assert!(decoder <= 1 << bits, "{decoder} at {bits}");
            } else {
                prop_assert_eq!((encoder, decoder), (0, 0));
            }
        }
    }

    /// Any bytes, as messages of one connection: no panic, and the same result for all splits.
    #[test]
    fn any_bytes_are_inflated_without_a_panic(
        bits in 8..=15_u8,
        takeover: bool,
        payloads in vec(vec(any::<u8>(), 0..200), 1..4),
        seed: u32,
    ) {
        same_however_cut(bits, takeover, &payloads, seed)?;
    }

    /// Compressed bytes with one fault.
    #[test]
    fn bytes_with_one_fault_have_the_same_result_however_split(
        bits in 8..=15_u8,
        takeover: bool,
        segments in vec(segment(), 1..6),
        flip in 0..400_usize,
        cut in proptest::option::of(0..400_usize),
        seed: u32,
    ) {
        let message = message(&segments, &mut Vec::new());
        let mut encoder = Encoder::new(window(15), Level::Best, false);
        let Some(mut payload) = compress(&mut encoder, &message) else { return Ok(()) };
        if let Some(cut) = cut {
            payload.truncate(cut);
        }
        if let Some(byte) = payload.get_mut(flip / 8) {
            *byte ^= 1 << (flip % 8);
        }
        same_however_cut(bits, takeover, &[payload.clone(), payload], seed)?;
    }
}

fn same_however_cut(
    bits: u8,
    takeover: bool,
    payloads: &[Vec<u8>],
    seed: u32,
) -> Result<(), TestCaseError> {
    let mut uncut = Decoder::new(window(bits), takeover);
    let mut chunked = Decoder::new(window(bits), takeover);
    let mut random = Random(seed);
    for payload in payloads {
        let expected = inflate(&mut uncut, payload, &mut Uncut, 1 << 20);
        let got = inflate(&mut chunked, payload, &mut random, 1 << 20);
        prop_assert!(expected == got, "{:?}", payload);
        prop_assert!(chunked.capacity() <= (1 << bits) + 20_000, "{}", chunked.capacity());
        if !matches!(got, Ok(Some(_))) {
            break;
        }
    }
    Ok(())
}

/// V29: empty messages in sequence, from every encoder to every decoder.
#[test]
fn v29_empty_messages_in_a_row() {
    for bits in [8, 9, 15] {
        for takeover in [true, false] {
            for level in LEVELS {
                let mut connection = Connection::new(bits, level, takeover);
                for step in 0..12 {
                    // An empty message does not shrink; in parts it must be compressed.
                    assert!(!connection.send(&[]));
                    connection.send_parts(&[&[]]);
                    connection.send_parts(&[&[], &[], &[]]);
                    if step % 3 == 0 {
                        connection.send(b"something in between, something, something");
                    }
                }
            }
            let mut decoder = Decoder::new(window(bits), takeover);
            for _ in 0..5 {
                // As in section 7.2.3.6, with another flush, in a fixed block.
                for payload in [&[0][..], &[0, 0, 0, 0xff, 0xff, 0], &[2, 0], &[]] {
                    assert_eq!(inflate(&mut decoder, payload, &mut Uncut, 0), Ok(Some(vec![])));
                }
            }
        }
    }
}

/// V43: three messages in sequence with references to earlier ones.
#[test]
fn v43_three_messages_with_references() {
    let messages = [
        "the first of three messages, the first, the first of the three",
        "the second of three messages, the first was the first",
        "the third of three messages, after the first and the second of three messages",
    ];
    for bits in 8..=15 {
        for level in LEVELS {
            let mut connection = Connection::new(bits, level, true);
            let payloads: Vec<_> =
                messages.iter().map(|text| connection.payload(text.as_bytes()).unwrap()).collect();
            // They do refer to them: alone they cannot be inflated.
            for payload in &payloads[1..] {
                let mut fresh = Decoder::new(window(bits), true);
                assert!(inflate(&mut fresh, payload, &mut Uncut, 1000).is_err());
            }
        }
    }
}

/// V44: runs of one byte of every length, from every encoder to ours and from ours to every
/// decoder.
#[test]
fn v44_runs_of_every_length() {
    let mut lens: Vec<usize> = (1..=70_000).collect();
    if cfg!(debug_assertions) {
        // All short lengths, and those around the limits of blocks, matches and windows.
        let edges = (8..=16).map(|bits| 1 << bits).chain((1..=20).map(|n| 258 * n + 1));
        let edges: Vec<usize> = edges.chain([65_535, 70_000 - 3, 16_384 * 3]).collect();
        lens.retain(|&len| {
            len <= 540 || len % 4999 == 0 || edges.iter().any(|&edge| len.abs_diff(edge) <= 3)
        });
    }
    for level in LEVELS {
        let mut all = Runs::new(level);
        for &len in &lens {
            // The results of other engines do not depend on our level.
            all.run(len, level == Level::Balanced);
        }
    }
}

struct Runs {
    encoder: Encoder,
    decoders: [Decoder; 4],
    zlib: (zlib::Deflater, zlib::Inflater),
    zlib_rs: (zlib_rs::Deflater, zlib_rs::Inflater),
    miniz: (miniz::Deflater, miniz::Inflater),
    out: Vec<u8>,
    room: Vec<u8>,
}

impl Runs {
    fn new(level: Level) -> Self {
        Self {
            encoder: Encoder::new(window(9), level, true),
            decoders: [9, 15, 15, 15].map(|bits| Decoder::new(window(bits), true)),
            zlib: (zlib::Deflater::new(6, 15), zlib::Inflater::new(9)),
            zlib_rs: (zlib_rs::Deflater::new(6, 15), zlib_rs::Inflater::new(9)),
            miniz: (miniz::Deflater::new(6), miniz::Inflater::new(9)),
            out: vec![0; 100_000],
            room: vec![0; 70_001],
        }
    }

    fn run(&mut self, len: usize, others: bool) {
        let message = vec![len as u8; len];
        let mut payload = BytesMut::new();
        if self.encoder.message(&message, &mut payload) {
            assert!(payload.len() <= 16 + len / 100, "{len}: {}", payload.len());
            self.read(0, &payload, &message);
            if !others {
                return;
            }
            payload.extend_from_slice(&TAIL);
            let step = self.zlib.1.inflate(&payload, &mut self.room).unwrap();
            assert!(step.read == payload.len() && self.room[..step.written] == message, "{len}");
            let step = self.zlib_rs.1.inflate(&payload, &mut self.room).unwrap();
            assert!(step.read == payload.len() && self.room[..step.written] == message, "{len}");
            let mut got = Vec::new();
            let step = self.miniz.1.inflate(&payload, &mut got).unwrap();
            assert!(step.read == payload.len() && got == message, "{len}");
        } else {
            assert!(len < 12, "{len} is not shorter");
        }
        if !others {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        let made = self.zlib.0.compress(&message, &mut out, Flush::Sync);
        self.read(1, &out[..made - TAIL.len()], &message);
        let made = self.zlib_rs.0.compress(&message, &mut out, Flush::Sync);
        self.read(2, &out[..made - TAIL.len()], &message);
        let made = self.miniz.0.compress(&message, &mut out, Flush::Sync);
        self.read(3, &out[..made - TAIL.len()], &message);
        self.out = out;
    }

    /// With our decoder, into output space that is exactly sufficient.
    fn read(&mut self, decoder: usize, payload: &[u8], message: &[u8]) {
        let room = &mut self.room[..message.len()];
        let step = self.decoders[decoder].inflate(payload, room, 0).unwrap();
        assert_eq!((step.read, step.written), (payload.len(), message.len()));
        assert!(room == message, "{}", message.len());
        self.decoders[decoder].finish(room).unwrap();
    }
}
