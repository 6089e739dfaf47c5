//! The encoder against the model of RFC 1951, and against miniz_oxide.

use bytes::BytesMut;
use proptest::prelude::*;

use sansocket::deflate::{Encoder, Level, WindowBits};

use crate::common::inflate_model::InflateModel;

const LEVELS: [Level; 3] = [Level::Fast, Level::Balanced, Level::Best];
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

/// An encoder, and a model as the receiver.
struct Wire {
    encoder: Encoder,
    model: InflateModel,
    takeover: bool,
    /// The parts of the current message: the text and the payload so far.
    open: Option<(Vec<u8>, Vec<u8>)>,
    /// Uncompressed bytes, and compressed ones before and after compression.
    plain: usize,
    raw: usize,
    sent: usize,
}

impl Wire {
    fn new(window: u8, level: Level, takeover: bool) -> Self {
        Self {
            encoder: Encoder::new(bits(window), level, takeover),
            model: InflateModel::new(window, takeover),
            takeover,
            open: None,
            plain: 0,
            raw: 0,
            sent: 0,
        }
    }

    /// Sends a complete message; returns the length of its payload if it was compressed.
    fn message(&mut self, message: &[u8]) -> Option<usize> {
        let mut out = BytesMut::from(&b"before"[..]);
        let compressed = self.encoder.message(message, &mut out);
        assert_eq!(&out[..6], b"before");
        let payload = &out[6..];
        if !self.takeover {
            assert_eq!(self.encoder.capacity(), 0);
        }
        if !compressed {
            assert_eq!(payload, b"");
            self.plain += message.len();
            return None;
        }
        assert!(payload.len() < message.len());
        assert_eq!(self.model.message(payload).as_deref(), Ok(message));
        self.raw += message.len();
        self.sent += payload.len();
        Some(payload.len())
    }

    /// Sends a part of a message; returns the length of its payload.
    fn part(&mut self, part: &[u8], end: bool) -> usize {
        let mut out = BytesMut::from(&b"before"[..]);
        self.encoder.part(part, end, &mut out);
        assert_eq!(&out[..6], b"before");
        assert!(out.len() - 6 <= part.len() + 5 * (part.len() / 16_384 + 1) + 2 + 4);
        let (mut text, mut payload) = self.open.take().unwrap_or_default();
        text.extend(part);
        payload.extend(&out[6..]);
        if end {
            assert_eq!(self.model.message(&payload).as_deref(), Ok(&text[..]));
            if !self.takeover {
                assert_eq!(self.encoder.capacity(), 0);
            }
        } else {
            // Each part can be inflated without the next.
            if !payload.is_empty() {
                assert_eq!(payload[payload.len() - 4..], TAIL);
                payload.truncate(payload.len() - 4);
                assert_eq!(self.model.clone().message(&payload).as_deref(), Ok(&text[..]));
                payload.extend(TAIL);
            }
            self.open = Some((text, payload));
        }
        out.len() - 6
    }

    fn follow(&mut self, message: &[u8]) {
        self.encoder.follow(message);
        self.model.follow(message);
    }

    fn clear(&mut self) {
        self.encoder.clear();
        self.model.forget();
    }
}

/// Pseudo-random numbers, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn noise(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Words of a small vocabulary.
    fn text(&mut self, len: usize) -> Vec<u8> {
        const WORDS: [&str; 24] = [
            "window",
            "the",
            "of",
            "a",
            "message",
            "and",
            "socket",
            "frame",
            "is",
            "client",
            "to",
            "server",
            "in",
            "connection",
            "mask",
            "payload",
            "key",
            "not",
            "closed",
            "bytes",
            "opcode",
            "length",
            "must",
            "fragment",
        ];
        let mut text = Vec::new();
        while text.len() < len {
            text.extend(WORDS[self.below(24) as usize].as_bytes());
            text.push(b" \n,."[self.below(40).min(3) as usize]);
        }
        text.truncate(len);
        text
    }

    /// A chat message in JSON, some 80 to 200 bytes long.
    fn chat(&mut self) -> Vec<u8> {
        let words = 4 + self.below(16) as usize * 6;
        let text = String::from_utf8(self.text(words)).unwrap().replace('\n', " ");
        format!(
            r#"{{"type":"message","room":{},"user":"user{}","seq":{},"text":"{text}"}}"#,
            self.below(10),
            self.below(100),
            self.below(1_000_000)
        )
        .into_bytes()
    }

    /// Bytes of any kind: runs, copies of earlier bytes, small alphabets, noise.
    fn mixture(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let n = 1 + self.below(300) as usize;
            match self.below(5) {
                0 => bytes.extend(self.noise(n)),
                1 => bytes.extend(core::iter::repeat_n(self.next() as u8, n)),
                2 if !bytes.is_empty() => {
                    let from = self.below(bytes.len() as u64) as usize;
                    let to = (from + n).min(bytes.len());
                    bytes.extend_from_within(from..to);
                }
                3 => {
                    for _ in 0..n {
                        bytes.push(b'a' + self.below(4) as u8);
                    }
                }
                _ => bytes.extend(self.text(n)),
            }
        }
        bytes.truncate(len);
        bytes
    }
}

/// Inflates with miniz_oxide. It has the complete history, so it does not test the window.
struct Miniz {
    state: Box<miniz_oxide::inflate::stream::InflateState>,
}

impl Miniz {
    fn new() -> Self {
        let raw = miniz_oxide::DataFormat::Raw;
        Self { state: miniz_oxide::inflate::stream::InflateState::new_boxed(raw) }
    }

    fn message(&mut self, payload: &[u8], len: usize) -> Vec<u8> {
        let mut input = payload.to_vec();
        input.extend(TAIL);
        let mut output = vec![0; len + 1];
        let (mut read, mut written) = (0, 0);
        while read < input.len() {
            let result = miniz_oxide::inflate::stream::inflate(
                &mut self.state,
                &input[read..],
                &mut output[written..],
                miniz_oxide::MZFlush::Sync,
            );
            result.status.unwrap();
            read += result.bytes_consumed;
            written += result.bytes_written;
        }
        output.truncate(written);
        output
    }
}

#[test]
fn nothing_is_allocated_before_the_first_message() {
    for level in LEVELS {
        for takeover in [false, true] {
            let encoder = Encoder::new(WindowBits::MAX, level, takeover);
            assert_eq!(encoder.capacity(), 0);
        }
    }
}

#[test]
fn memory_grows_with_the_sent_data() {
    // In bytes, for fast, balanced and best.
    let most = |window: u8| [(1 << window) * 7 / 2, (1 << window) * 6, (1 << window) * 6];
    for window in 8..=15 {
        for (level, most) in LEVELS.into_iter().zip(most(window)) {
            let mut numbers = Numbers(11);
            let mut encoder = Encoder::new(bits(window), level, true);
            let mut sent = 0_usize;
            let mut out = BytesMut::new();
            for _ in 0..1_000 {
                let message = numbers.chat();
                sent += message.len();
                out.clear();
                encoder.message(&message, &mut out);
                assert!(encoder.capacity() <= most.min(12 * sent.next_power_of_two()));
            }
            encoder.message(&numbers.text(100_000), &mut out);
            encoder.follow(&numbers.text(100_000));
            encoder.part(&numbers.text(100_000), true, &mut out);
            assert!(encoder.capacity() <= most, "{window} {level:?} {}", encoder.capacity());
        }
    }
}

#[test]
fn chat_on_every_window() {
    for window in 8..=15 {
        for level in LEVELS {
            for takeover in [false, true] {
                let mut numbers = Numbers(u64::from(window));
                let mut wire = Wire::new(window, level, takeover);
                for _ in 0..300 {
                    wire.message(&numbers.chat());
                }
                if takeover {
                    assert!(wire.plain < 400, "{window} {level:?} {}", wire.plain);
                    assert!(wire.raw > wire.sent * 3 / 2, "{window} {level:?} {}", wire.sent);
                }
            }
        }
    }
}

#[test]
fn the_complete_window_is_used_and_no_more() {
    for window in 8..=15 {
        for level in LEVELS {
            let size = 1 << window;
            for distance in [size - 1, size, size + 1] {
                let mut numbers = Numbers(1);
                let mut wire = Wire::new(window, level, true);
                let start = numbers.noise(40);
                wire.follow(&start);
                // No other bytes are similar to it; zero bytes are.
                wire.follow(&vec![0; distance - 40]);
                let compressed = wire.message(&start);
                assert_eq!(compressed.is_some(), distance <= size, "{window} {level:?} {distance}");
                if compressed.is_some() {
                    assert_eq!(wire.model.seen.longest_distance, distance);
                }
            }
        }
    }
}

#[test]
fn messages_that_do_not_shrink_are_sent_uncompressed() {
    for window in [8, 9, 12, 15] {
        for level in LEVELS {
            let mut numbers = Numbers(2);
            let mut wire = Wire::new(window, level, true);
            let mut sent = 0;
            for len in (0..1_500).step_by(37) {
                wire.message(&numbers.chat());
                assert_eq!(wire.message(&numbers.noise(len)), None);
                sent += wire.message(&numbers.chat()).unwrap_or(0);
            }
            wire.message(&numbers.noise(100_000));
            assert!(wire.message(&numbers.chat()).is_some());
            assert!(sent < 41 * 120, "{window} {level:?}: {sent}");
        }
    }
}

#[test]
fn noise_is_compressed_only_if_it_repeats() {
    for takeover in [false, true] {
        let mut numbers = Numbers(10);
        let mut wire = Wire::new(15, Level::Balanced, takeover);
        wire.message(&numbers.chat());
        let before = wire.encoder.capacity();
        for len in (512..20_000).step_by(511) {
            assert_eq!(wire.message(&numbers.noise(len)), None);
            assert_eq!(wire.encoder.capacity(), before);
        }
        let noise = numbers.noise(5_000);
        wire.follow(&noise);
        assert_eq!(wire.message(&noise).is_some(), takeover);
        // The part is a stored block.
        let stored = wire.model.seen.stored;
        assert_eq!(wire.part(&numbers.noise(5_000), true), 5_000 + 5 + 1);
        assert_eq!(wire.model.seen.stored, stored + 2);
    }
}

/// All values are as frequent as in noise, but the data is compressible.
#[test]
fn records_are_not_taken_for_noise() {
    for level in LEVELS {
        for takeover in [false, true] {
            let mut wire = Wire::new(15, level, takeover);
            let records: Vec<u8> = (0..5_000).map(|n| (n % 200 * 7) as u8).collect();
            assert!(wire.message(&records).unwrap() < 500);
        }
    }
}

#[test]
fn messages_in_parts() {
    for window in [8, 9, 11, 15] {
        for level in LEVELS {
            for takeover in [false, true] {
                let mut numbers = Numbers(3);
                let mut wire = Wire::new(window, level, takeover);
                for round in 0..40 {
                    wire.message(&numbers.chat());
                    for _ in 0..numbers.below(5) {
                        let len = numbers.below(1 << (round % 12)) as usize;
                        wire.part(&numbers.mixture(len), false);
                    }
                    let len = numbers.below(300) as usize;
                    wire.part(&numbers.mixture(len), true);
                }
            }
        }
    }
}

#[test]
fn later_parts_refer_to_earlier_ones() {
    for level in LEVELS {
        let mut wire = Wire::new(12, level, false);
        let text = Numbers(4).noise(200);
        assert!(wire.part(&text, false) >= 200);
        assert!(wire.part(&text, true) < 20);
        assert!(wire.part(&text, true) >= 200);
    }
}

#[test]
fn an_empty_last_part() {
    for takeover in [false, true] {
        let mut encoder = Encoder::new(WindowBits::MAX, Level::Balanced, takeover);
        let mut out = BytesMut::new();
        encoder.part(b"", false, &mut out);
        assert_eq!(&out[..], b"");
        encoder.part(b"", true, &mut out);
        assert_eq!(&out[..], [0x00]);
        let mut wire = Wire::new(15, Level::Balanced, takeover);
        wire.part(b"", false);
        wire.part(b"abc", false);
        wire.part(b"", false);
        wire.part(b"", true);
    }
}

/// RFC 7692 section 7.2.3.1 and 7.2.3.2, where both messages are "Hello".
#[test]
fn the_examples_of_rfc_7692() {
    let mut encoder = Encoder::new(WindowBits::MAX, Level::Balanced, true);
    let mut out = BytesMut::new();
    encoder.part(b"Hello", true, &mut out);
    assert_eq!(&out[..], [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    // The RFC has a literal and a match of four bytes in five; one match is shorter.
    out.clear();
    assert!(encoder.message(b"Hello", &mut out));
    assert_eq!(&out[..], [0x02, 0x13, 0x00, 0x00]);
}

#[test]
fn followed_messages_are_history() {
    for level in LEVELS {
        for len in [50, 1_000, 100_000] {
            let mut wire = Wire::new(15, level, true);
            let text = Numbers(5).mixture(len);
            wire.follow(&text);
            let tail = &text[text.len() - 50..];
            assert!(wire.message(tail).unwrap() < 20);
            wire.clear();
            assert!(wire.message(tail).is_none_or(|len| len > 20));
        }
    }
}

#[test]
fn without_takeover_no_message_is_followed() {
    let mut wire = Wire::new(15, Level::Balanced, false);
    wire.follow(&Numbers(6).text(1_000));
    assert_eq!(wire.encoder.capacity(), 0);
}

#[test]
fn large_messages() {
    for window in [8, 9, 12, 15] {
        for level in LEVELS {
            for takeover in [false, true] {
                let mut numbers = Numbers(7);
                let mut wire = Wire::new(window, level, takeover);
                for len in [1 << window, (1 << window) + 258, 5_000, 70_000, 66_000] {
                    wire.message(&numbers.chat());
                    wire.message(&numbers.mixture(len));
                    wire.message(&numbers.text(len));
                }
                assert!(wire.model.seen.dynamic > 0);
            }
        }
    }
}

#[test]
fn without_takeover_the_output_depends_on_the_message_alone() {
    let mut numbers = Numbers(8);
    let messages: Vec<Vec<u8>> = (0..60).map(|n| numbers.mixture(1 << (n % 17))).collect();
    for level in LEVELS {
        let run = |order: &mut dyn Iterator<Item = &Vec<u8>>| {
            let mut all = Vec::new();
            for message in order {
                let mut out = BytesMut::new();
                Encoder::new(bits(13), level, false).message(message, &mut out);
                all.push((message.clone(), out));
            }
            all.sort();
            all
        };
        assert!(run(&mut messages.iter()) == run(&mut messages.iter().rev()));
    }
}

#[test]
fn runs_of_every_length() {
    let step = if cfg!(debug_assertions) { 211 } else { 1 };
    for level in LEVELS {
        let mut wire = Wire::new(9, level, false);
        let text = [b'x'; 70_000];
        let mut len = 1;
        while len <= text.len() {
            // The model is slow.
            if len < 2_000 || len % 97 == 0 {
                wire.message(&text[..len]);
            } else {
                let mut out = BytesMut::new();
                assert!(wire.encoder.message(&text[..len], &mut out));
                assert!(Miniz::new().message(&out, len) == text[..len]);
            }
            len += if len < 700 { 1 } else { step };
        }
    }
}

#[test]
fn sixteen_mebibytes() {
    if cfg!(debug_assertions) {
        return;
    }
    for level in LEVELS {
        let mut encoder = Encoder::new(WindowBits::MAX, level, true);
        let mut miniz = Miniz::new();
        let mut numbers = Numbers(9);
        for message in [vec![0; 16 << 20], numbers.mixture(16 << 20), numbers.chat()] {
            let mut out = BytesMut::new();
            assert!(encoder.message(&message, &mut out));
            assert!(miniz.message(&out, message.len()) == message);
        }
    }
}

/// Operations of a property on an encoder.
#[derive(Clone, Debug)]
enum Step {
    Message(Content),
    Parts(Vec<Content>),
    Follow(Content),
    Clear,
}

#[derive(Clone, Debug)]
enum Content {
    Chat(u64),
    Mixture(u64, usize),
    Noise(u64, usize),
    Text(u64, usize),
}

impl Content {
    fn bytes(&self) -> Vec<u8> {
        match *self {
            // Few seeds, so that messages repeat.
            Self::Chat(seed) => Numbers(seed).chat(),
            Self::Mixture(seed, len) => Numbers(seed).mixture(len),
            Self::Noise(seed, len) => Numbers(seed).noise(len),
            Self::Text(seed, len) => Numbers(seed).text(len),
        }
    }
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..300_usize, 2 => 0..3_000_usize, 1 => 0..40_000_usize]
}

fn contents() -> impl Strategy<Value = Content> {
    prop_oneof![
        (0..40_u64).prop_map(Content::Chat),
        (0..9_u64, lengths()).prop_map(|(seed, len)| Content::Mixture(seed, len)),
        (0..9_u64, lengths()).prop_map(|(seed, len)| Content::Noise(seed, len)),
        (0..9_u64, lengths()).prop_map(|(seed, len)| Content::Text(seed, len)),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => contents().prop_map(Step::Message),
        2 => prop::collection::vec(contents(), 1..5).prop_map(Step::Parts),
        1 => contents().prop_map(Step::Follow),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_sent_message_is_inflated(
        window in 8..=15_u8,
        level in prop::sample::select(&LEVELS[..]),
        takeover: bool,
        steps in prop::collection::vec(steps(), 1..30),
    ) {
        let mut wire = Wire::new(window, level, takeover);
        for step in steps {
            match step {
                Step::Message(content) => {
                    wire.message(&content.bytes());
                }
                Step::Parts(contents) => {
                    for (n, content) in contents.iter().enumerate() {
                        wire.part(&content.bytes(), n + 1 == contents.len());
                    }
                }
                Step::Follow(content) => wire.follow(&content.bytes()),
                Step::Clear => wire.clear(),
            }
        }
    }
}
