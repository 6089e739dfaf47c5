//! Inflating what the C library has compressed at level 6 with 15 bits.
//!
//! The other engines receive each message at once, with its tail, and a buffer for the complete
//! output. Ours receives it as in a connection: without the tail, with a buffer that grows on
//! demand and is reused.

use core::hint::black_box;

use sansocket::deflate::{Decoder, Needs, WindowBits};

use crate::codecs::{Flush, TAIL, miniz, zlib, zlib_rs};
use crate::corpus::{KINDS, messages};
use crate::report::{Report, Section};
use crate::{ALL, Pass, Plan, SIZES, Who, judge, longest, takeover_name, timed, turns};

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    for takeover in [true, false] {
        for size in SIZES {
            for kind in KINDS {
                let name =
                    format!("receive/{}/{}/{}", takeover_name(takeover), size.name(), kind.name());
                if !plan.takes(&name) {
                    continue;
                }
                let messages = messages(kind, size.0, plan.messages(size.0), 2);
                let payloads = compressed(&messages, takeover);
                let passes = turns(plan, &ALL, |who| pass(who, takeover, &messages, &payloads));
                for who in ALL {
                    verify(who, takeover, &messages, &payloads);
                }
                let raw: usize = messages.iter().map(Vec::len).sum();
                let cases = judge(&name, &ALL, &passes, messages.len(), raw);
                let section = Section { receive: true, takeover, size, level: "" };
                report.add(section, kind, cases);
            }
        }
    }
}

/// The payloads, with their tails.
fn compressed(messages: &[Vec<u8>], takeover: bool) -> Vec<Vec<u8>> {
    let mut deflater = zlib::Deflater::new(6, 15);
    let mut out = vec![0; 200_000];
    let mut payload = |message: &Vec<u8>| {
        let len = deflater.compress(message, &mut out, Flush::Sync);
        if !takeover {
            deflater.reset();
        }
        out[..len].to_vec()
    };
    messages.iter().map(&mut payload).collect()
}

/// One contestant, for one direction of one connection.
enum Inflater {
    Ours(Decoder, Vec<u8>),
    ZlibRs(zlib_rs::Inflater, Vec<u8>),
    Zlib(zlib::Inflater, Vec<u8>),
    Miniz(Box<miniz::LinearInflater>),
}

impl Inflater {
    fn new(who: Who, takeover: bool, longest: usize) -> Self {
        match who {
            Who::Ours => Self::Ours(Decoder::new(WindowBits::MAX, takeover), Vec::new()),
            Who::ZlibRs => Self::ZlibRs(zlib_rs::Inflater::new(15), vec![0; longest + 1]),
            Who::Zlib => Self::Zlib(zlib::Inflater::new(15), vec![0; longest + 1]),
            Who::Miniz => Self::Miniz(Box::new(miniz::LinearInflater::new(longest))),
        }
    }

    /// Inflates a payload with its tail.
    fn message(&mut self, payload: &[u8], takeover: bool) -> &[u8] {
        match self {
            Self::Ours(decoder, buffer) => {
                let payload = &payload[..payload.len() - TAIL.len()];
                let len = ours(decoder, buffer, payload);
                &buffer[..len]
            }
            Self::ZlibRs(inflater, buffer) => {
                let step = inflater.inflate(payload, buffer).unwrap();
                assert_eq!(step.read, payload.len());
                if !takeover {
                    inflater.reset();
                }
                &buffer[..step.written]
            }
            Self::Zlib(inflater, buffer) => {
                let step = inflater.inflate(payload, buffer).unwrap();
                assert_eq!(step.read, payload.len());
                if !takeover {
                    inflater.reset();
                }
                &buffer[..step.written]
            }
            Self::Miniz(inflater) => inflater.message(payload, takeover),
        }
    }
}

/// Inflates as a connection does for a message in one frame.
fn ours(decoder: &mut Decoder, buffer: &mut Vec<u8>, payload: &[u8]) -> usize {
    let (mut read, mut written) = (0, 0);
    loop {
        let progress = decoder.inflate(&payload[read..], buffer, written).unwrap();
        read += progress.read;
        written += progress.written;
        if progress.needs == Needs::Input {
            break;
        }
        let room = (2 * buffer.len()).max(4 * payload.len()).max(256);
        buffer.resize(room, 0);
    }
    decoder.finish(&buffer[..written]).unwrap();
    written
}

fn verify(who: Who, takeover: bool, messages: &[Vec<u8>], payloads: &[Vec<u8>]) {
    let mut inflater = Inflater::new(who, takeover, longest(messages));
    for (message, payload) in messages.iter().zip(payloads) {
        assert_eq!(inflater.message(payload, takeover), message, "{}", who.name());
    }
}

fn pass(who: Who, takeover: bool, messages: &[Vec<u8>], payloads: &[Vec<u8>]) -> Pass {
    let mut inflater = Inflater::new(who, takeover, longest(messages));
    let mut pass = timed(|| {
        let mut given = 0;
        for payload in payloads {
            given += black_box(inflater.message(black_box(payload), takeover)).len();
        }
        given
    });
    assert_eq!(pass.sent, messages.iter().map(Vec::len).sum::<usize>());
    // The received bytes, for the ratio of the stream.
    pass.sent = payloads.iter().map(|payload| payload.len() - TAIL.len()).sum();
    pass
}
