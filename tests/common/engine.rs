//! The engine of permessage-deflate as a connection uses it, with checks of each of its guarantees;
//! and all inflaters together.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test helper: every file uses a part of it, and a panic is a failed test"
)]

use bytes::BytesMut;
use sansocket::deflate::{Corrupt, Decoder, Encoder, Level, Needs, WindowBits};

use super::codecs::{Refused, TAIL, miniz, naive, zlib};

pub fn window(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

pub const LEVELS: [Level; 3] = [Level::Fast, Level::Balanced, Level::Best];

/// The sizes of input and output of a message: each number is computed when it is needed.
pub trait Cuts {
    /// The length of the next input, of `left` remaining bytes.
    fn input(&mut self, left: usize) -> usize;
    /// The next room for output; 0 is none.
    fn room(&mut self) -> usize;
    /// Whether the output so far is moved out first.
    fn slides(&mut self) -> bool;
}

/// In one input, with room for any output.
pub struct Uncut;

impl Cuts for Uncut {
    fn input(&mut self, left: usize) -> usize {
        left
    }

    fn room(&mut self) -> usize {
        1 << 17
    }

    fn slides(&mut self) -> bool {
        false
    }
}

/// Any size, from 0 to a few hundred bytes, from a small generator.
pub struct Random(pub u32);

impl Random {
    pub fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % n
    }
}

impl Cuts for Random {
    fn input(&mut self, left: usize) -> usize {
        let most = [1, 3, 20, 400][self.below(4) as usize];
        (self.below(most + 1) as usize).min(left)
    }

    fn room(&mut self) -> usize {
        let most = [1, 2, 9, 70, 600, 5000][self.below(6) as usize];
        self.below(most + 1) as usize
    }

    fn slides(&mut self) -> bool {
        self.below(9) == 0
    }
}

/// Inflates a message of at most `most` bytes by ours; `None` if it is longer. For corrupt input:
/// the output before the fault.
pub fn inflate(
    decoder: &mut Decoder,
    payload: &[u8],
    cuts: &mut impl Cuts,
    most: usize,
) -> Result<Option<Vec<u8>>, Vec<u8>> {
    let mut out = Vec::new();
    let mut message = Vec::new();
    let mut at = 0;
    let mut rest = payload;
    // The input that the decoder had read when it needed room, of which it can make another byte.
    let mut held = None;
    loop {
        let (chunk, _) = rest.split_at(cuts.input(rest.len()).min(rest.len()));
        let step = decoder.inflate(chunk, &mut message, at);
        let step = match step {
            Ok(step) => step,
            Err(Corrupt { written, .. }) => {
                assert_stays_corrupt(decoder);
                out.extend_from_slice(&message[..at + written]);
                return if out.len() > most { Ok(None) } else { Err(out) };
            }
        };
        assert!(step.read <= chunk.len() && step.written <= message.len() - at, "{step:?}");
        if held.is_some_and(|held| held > 0 && chunk.len() >= held) && at < message.len() {
            assert!(step.written > 0, "it needed room");
        }
        at += step.written;
        rest = &rest[step.read..];
        match step.needs {
            Needs::Input => {
                assert_eq!(step.read, chunk.len(), "input was left");
                held = None;
                if rest.is_empty() {
                    break;
                }
            }
            Needs::Room => {
                assert_eq!(at, message.len(), "there was room");
                held = Some(chunk.len() - step.read);
            }
            _ => panic!("an unknown need"),
        }
        if at == message.len() {
            if out.len() + at > most {
                return Ok(None);
            }
            if at > 0 && cuts.slides() {
                decoder.slide(&message[..at]);
                out.extend_from_slice(&message[..at]);
                message.clear();
                at = 0;
            }
            // The content of the room must not matter.
            message.resize(at + cuts.room(), 0xa5);
        }
    }
    let finished = decoder.finish(&message[..at]);
    out.extend_from_slice(&message[..at]);
    if out.len() > most {
        return Ok(None);
    }
    match finished {
        Ok(()) => Ok(Some(out)),
        Err(Corrupt { written, .. }) => {
            assert_eq!(written, 0);
            assert_stays_corrupt(decoder);
            Err(out)
        }
    }
}

/// Once corrupt, always corrupt.
fn assert_stays_corrupt(decoder: &mut Decoder) {
    for input in [&[][..], &[0]] {
        let again = decoder.inflate(input, &mut [0; 8], 0);
        assert!(matches!(again, Err(Corrupt { written: 0, .. })), "{again:?}");
    }
    assert!(decoder.finish(&[]).is_err());
}

/// Inflates a message by zlib, with output in blocks of `room`, up to the end of the input or of a
/// last block. Returns the number of bytes read, with the tail, and the output.
pub fn by_zlib(
    inflater: &mut zlib::Inflater,
    payload: &[u8],
    mut room: impl FnMut() -> usize,
) -> Result<(Vec<u8>, Rest), Refused> {
    let input = [payload, &TAIL].concat();
    let (mut out, mut read) = (Vec::new(), 0);
    let mut buffer = [0; 64];
    loop {
        let room = room().clamp(1, 64);
        let step = inflater.inflate(&input[read..], &mut buffer[..room])?;
        read += step.read;
        out.extend_from_slice(&buffer[..step.written]);
        if step.ended {
            return Ok((out, Rest::Last(input.len() - read)));
        }
        // With room left there must be no more output.
        if step.written < room && read == input.len() {
            return Ok((out, Rest::None));
        }
    }
}

/// A message by miniz_oxide, likewise.
pub fn by_miniz(
    inflater: &mut miniz::Inflater,
    payload: &[u8],
) -> Result<(Vec<u8>, Rest), Refused> {
    let input = [payload, &TAIL].concat();
    let mut out = Vec::new();
    let step = inflater.inflate(&input, &mut out)?;
    let rest = if step.ended { Rest::Last(input.len() - step.read) } else { Rest::None };
    Ok((out, rest))
}

/// Where an inflater stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// At the end of the input.
    None,
    /// At the end of a last block, with this number of bytes left.
    Last(usize),
}

/// The result of another inflater compared with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    BothAccept,
    BothRefuse,
    /// It stops at a last block; its output is the beginning of ours.
    StopsAtLastBlock,
    /// It accepts a message that ends inside a block: it expects more input.
    AcceptsUnendedBlock,
    /// It accepts a reference to before the first byte.
    AcceptsFarDistance,
    /// It accepts a set of codes without the end of the block, or an incomplete set with one code.
    AcceptsInvalidCodes,
}

/// Compares the result of another inflater with that of the model. Panics if the difference has no
/// known reason.
pub fn classify(
    engine: &str,
    payload: &[u8],
    model: &Result<Vec<u8>, naive::Fault>,
    seen: naive::Seen,
    other: Result<(Vec<u8>, Rest), Refused>,
) -> Verdict {
    match (model, other) {
        (Ok(model), Ok((bytes, Rest::None))) => {
            assert!(*model == bytes, "{engine} {payload:02x?}");
            Verdict::BothAccept
        }
        (Err(naive::Fault::TooFar), Ok(_)) if engine == "miniz" => Verdict::AcceptsFarDistance,
        (Err(naive::Fault::Codes), Ok(_)) if engine == "miniz" => Verdict::AcceptsInvalidCodes,
        (_, Ok((bytes, Rest::Last(_)))) => {
            assert!(seen.last && bytes.len() <= seen.written, "{engine} {model:?} {payload:02x?}");
            assert!(model.as_ref().is_ok_and(|model| model.starts_with(&bytes)) || model.is_err());
            Verdict::StopsAtLastBlock
        }
        (Err(naive::Fault::End), Ok(_)) => Verdict::AcceptsUnendedBlock,
        (Err(_), Err(Refused)) => Verdict::BothRefuse,
        (model, other) => panic!("{engine} {other:?}, the model {model:?}: {payload:02x?}"),
    }
}

/// All inflaters with exactly the window, for one direction of one connection.
pub struct Inflaters {
    takeover: bool,
    zlib: zlib::Inflater,
    miniz: miniz::Inflater,
    naive: naive::Inflater,
    ours: Decoder,
    random: Random,
}

impl Inflaters {
    pub fn new(window_bits: u8, takeover: bool) -> Self {
        Self {
            takeover,
            zlib: zlib::Inflater::new(window_bits),
            miniz: miniz::Inflater::new(window_bits),
            naive: naive::Inflater::new(window_bits, takeover),
            ours: Decoder::new(window(window_bits), takeover),
            random: Random(u32::from(window_bits)),
        }
    }

    /// All of them inflate the payload to `message`. It must be without BFINAL.
    #[track_caller]
    pub fn expect(&mut self, payload: &[u8], message: &[u8]) {
        self.expect_by_others(payload, message);
        let ours = inflate(&mut self.ours, payload, &mut self.random, message.len());
        assert!(ours == Ok(Some(message.to_vec())), "ours: {:?}", head(&ours));
    }

    /// All but ours.
    #[track_caller]
    pub fn expect_by_others(&mut self, payload: &[u8], message: &[u8]) {
        let naive = self.naive.message(payload);
        assert!(naive.as_deref() == Ok(message), "naive: {:?}", head(&naive));
        let random = &mut self.random;
        // A violation of the window shows only with small rooms.
        let step = 1 + random.below(64) as usize;
        let zlib = by_zlib(&mut self.zlib, payload, || step);
        assert!(zlib == Ok((message.to_vec(), Rest::None)), "zlib: {:?}", head(&zlib));
        let miniz = by_miniz(&mut self.miniz, payload);
        assert!(miniz == Ok((message.to_vec(), Rest::None)), "miniz: {:?}", head(&miniz));
        if !self.takeover {
            self.zlib.reset();
            self.miniz.reset();
        }
    }
}

fn head(value: &impl core::fmt::Debug) -> String {
    format!("{value:?}").chars().take(300).collect()
}

/// Compresses a complete message; `None` if it is to be sent uncompressed.
pub fn compress(encoder: &mut Encoder, message: &[u8]) -> Option<Vec<u8>> {
    // The earlier content must stay.
    let mut out = BytesMut::from(&b"before"[..]);
    let taken = encoder.message(message, &mut out);
    assert!(out.starts_with(b"before"));
    let payload = out.split_off(6);
    if !taken {
        assert!(payload.is_empty(), "an undone message left something");
        return None;
    }
    assert!(payload.len() < message.len(), "{} of {}", payload.len(), message.len());
    Some(payload.to_vec())
}

/// One direction of a connection: our encoder, and all inflaters at the other side.
pub struct Connection {
    bits: u8,
    level: Level,
    takeover: bool,
    encoder: Encoder,
    inflaters: Inflaters,
}

impl Connection {
    pub fn new(bits: u8, level: Level, takeover: bool) -> Self {
        Self {
            bits,
            level,
            takeover,
            encoder: Encoder::new(window(bits), level, takeover),
            inflaters: Inflaters::new(bits, takeover),
        }
    }

    /// Sends a complete message; returns false if it was sent uncompressed.
    #[track_caller]
    pub fn send(&mut self, message: &[u8]) -> bool {
        self.payload(message).is_some()
    }

    #[track_caller]
    pub fn payload(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let payload = compress(&mut self.encoder, message)?;
        self.inflaters.expect(&payload, message);
        Some(payload)
    }

    /// Sends one message in parts.
    #[track_caller]
    pub fn send_parts(&mut self, parts: &[&[u8]]) {
        let mut payload = BytesMut::from(&b"before"[..]);
        for (index, part) in parts.iter().enumerate() {
            self.encoder.part(part, index + 1 == parts.len(), &mut payload);
        }
        assert!(payload.starts_with(b"before"));
        self.inflaters.expect(&payload[6..], &parts.concat());
    }

    /// Sends a message that another encoder has compressed, without references to the history.
    #[track_caller]
    pub fn follow(&mut self, message: &[u8]) {
        let mut elsewhere = Encoder::new(window(self.bits), self.level, false);
        if let Some(payload) = compress(&mut elsewhere, message) {
            self.inflaters.expect(&payload, message);
            self.encoder.follow(message);
        }
    }

    pub fn clear(&mut self) {
        self.encoder.clear();
    }

    /// The heap of both sides.
    pub fn capacity(&self) -> (usize, usize) {
        (self.encoder.capacity(), self.inflaters.ours.capacity())
    }
}
