//! Shared code of the benches: settings, messages, streams of frames, the time per message.
//!
//! A run of all benches should take two or three minutes on a shared machine. Therefore the
//! measurements are short, and each has a reference: the ratio within one run is the result.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::cast_possible_truncation,
    reason = "each bench uses a part of it; the casts are checked by the match above them"
)]

use core::time::Duration;

use criterion::{Bencher, Criterion};

/// The maximum length of one read of an adapter, in bytes.
pub const READ_LEN: usize = 64 * 1024;

pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .nresamples(5000)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .configure_from_args()
}

/// Measures the time per message. `run` processes `messages` of them.
pub fn per_message(bencher: &mut Bencher<'_>, messages: usize, mut run: impl FnMut()) {
    bencher.iter_custom(|asked| {
        let messages = messages as u64;
        let runs = asked.div_ceil(messages);
        #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
        let start = std::time::Instant::now();
        for _ in 0..runs {
            run();
        }
        start.elapsed().mul_f64(asked as f64 / (runs * messages) as f64)
    });
}

/// The contents of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Binary,
    Text,
    Cyrillic,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Text => "text",
            Self::Cyrillic => "cyrillic",
        }
    }

    pub fn payload(self, len: usize) -> Vec<u8> {
        match self {
            Self::Binary => (0..len).map(|i| ((i * 131) >> 3) as u8).collect(),
            Self::Text => fill("The quick brown fox jumps over the lazy dog, {\"ok\":true}. ", len),
            Self::Cyrillic => fill("Съешь же ещё этих мягких французских булок. ", len),
        }
    }

    fn first_byte(self) -> u8 {
        match self {
            Self::Binary => 0x82,
            Self::Text | Self::Cyrillic => 0x81,
        }
    }
}

/// Repeats the text up to `len` bytes, in complete characters.
fn fill(sample: &str, len: usize) -> Vec<u8> {
    let mut text = sample.repeat(len / sample.len() + 1);
    while text.len() > len {
        text.pop();
    }
    let mut bytes = text.into_bytes();
    bytes.resize(len, b'.');
    bytes
}

/// Appends a masked frame, as a client sends it.
pub fn frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&KEY);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Returns the number of messages in a stream: about 512 KiB, at least four.
pub fn messages_of(len: usize) -> usize {
    (512 * 1024 / (len + 8)).max(4)
}

/// Returns a stream of messages, one frame each.
pub fn stream(kind: Kind, len: usize) -> Vec<u8> {
    let payload = kind.payload(len);
    let mut out = Vec::new();
    for _ in 0..messages_of(len) {
        frame(kind.first_byte(), &payload, &mut out);
    }
    out
}

/// Returns a stream of messages in fragments of at most `max` bytes.
pub fn fragmented(kind: Kind, len: usize, max: usize) -> Vec<u8> {
    let payload = kind.payload(len);
    let mut out = Vec::new();
    for _ in 0..messages_of(len) {
        let last = payload.chunks(max).count() - 1;
        for (i, fragment) in payload.chunks(max).enumerate() {
            let opcode = if i == 0 { kind.first_byte() & 0x0f } else { 0 };
            frame(opcode | if i == last { 0x80 } else { 0 }, fragment, &mut out);
        }
    }
    out
}
