//! Compressing. Each contestant writes the output for a complete message to one buffer, which is
//! reused and large enough from the start.

use core::hint::black_box;

use bytes::BytesMut;
use sansocket::deflate::{Encoder, Level, WindowBits};

use crate::codecs::{Flush, TAIL, miniz, zlib, zlib_rs};
use crate::corpus::{KINDS, Kind, messages};
use crate::report::{Report, Section};
use crate::{ALL, Pass, Plan, SIZES, Who, judge, longest, takeover_name, timed, turns};

/// Our levels, and the corresponding ones of the other engines.
pub(crate) const LEVELS: [(Level, u8, &str); 3] =
    [(Level::Fast, 1, "fast"), (Level::Balanced, 6, "balanced"), (Level::Best, 9, "best")];

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    for takeover in [true, false] {
        for size in SIZES {
            for (level, number, level_name) in LEVELS {
                for kind in KINDS.into_iter().chain([Kind::Noise]) {
                    let kinds = kind.name();
                    let way = takeover_name(takeover);
                    let name = format!("compress/{way}/{}/{level_name}/{kinds}", size.name());
                    if !plan.takes(&name) || (kind == Kind::Noise && level != Level::Balanced) {
                        continue;
                    }
                    let settings = Settings { level, number, takeover, window_bits: 15 };
                    let messages = messages(kind, size.0, plan.messages(size.0), 1);
                    let raw = messages.iter().map(Vec::len).sum();
                    let passes = turns(plan, &ALL, |who| pass(who, settings, &messages));
                    for who in ALL {
                        settings.verify(who, &messages);
                    }
                    let cases = judge(&name, &ALL, &passes, messages.len(), raw);
                    let section = Section { receive: false, takeover, size, level: level_name };
                    report.add(section, kind, cases);
                }
            }
        }
    }
}

/// The settings of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) level: Level,
    pub(crate) number: u8,
    pub(crate) takeover: bool,
    pub(crate) window_bits: u8,
}

impl Settings {
    pub(crate) fn start(self, who: Who, longest: usize) -> Compressor {
        // miniz_oxide writes directly to the buffer only with this much space.
        let room = longest + longest / 8 + 90_000;
        let (level, bits) = (i32::from(self.number), self.window_bits);
        let engine = match who {
            Who::Ours => {
                let bits = WindowBits::new(bits).unwrap();
                let out = BytesMut::with_capacity(room);
                let encoder = Encoder::new(bits, self.level, self.takeover);
                return Compressor { takeover: self.takeover, engine: Engine::Ours(encoder, out) };
            }
            Who::ZlibRs => Engine::ZlibRs(zlib_rs::Deflater::new(level, bits), vec![0; room]),
            Who::Zlib => Engine::Zlib(zlib::Deflater::new(level, bits), vec![0; room]),
            Who::Miniz => Engine::Miniz(miniz::Deflater::new(self.number), vec![0; room]),
        };
        Compressor { takeover: self.takeover, engine }
    }

    /// Checks that the inflater of the C library returns the original messages.
    fn verify(self, who: Who, messages: &[Vec<u8>]) {
        let mut compressor = self.start(who, longest(messages));
        let mut inflater = zlib::Inflater::new(self.window_bits);
        let mut out = vec![0; messages[0].len() + 1];
        for message in messages {
            let (payload, plain) = compressor.message(message);
            if plain {
                assert_eq!(payload, message);
                continue;
            }
            let mut input = payload.to_vec();
            input.extend_from_slice(&TAIL);
            out.resize(message.len() + 1, 0);
            let step = inflater.inflate(&input, &mut out).unwrap();
            assert_eq!((step.read, step.written), (input.len(), message.len()), "{}", who.name());
            assert_eq!(&out[..step.written], message, "{}", who.name());
            if !self.takeover {
                inflater.reset();
            }
        }
    }
}

/// One contestant, for one direction of one connection.
pub(crate) struct Compressor {
    takeover: bool,
    engine: Engine,
}

enum Engine {
    Ours(Encoder, BytesMut),
    ZlibRs(zlib_rs::Deflater, Vec<u8>),
    Zlib(zlib::Deflater, Vec<u8>),
    Miniz(miniz::Deflater, Vec<u8>),
}

impl Compressor {
    /// Returns the payload to send, and whether it is the uncompressed message.
    ///
    /// Without context takeover each engine may send a message uncompressed if it would grow. With
    /// context takeover only an engine that can undo a message may do so.
    pub(crate) fn message<'a>(&'a mut self, message: &'a [u8]) -> (&'a [u8], bool) {
        let takeover = self.takeover;
        let payload: &[u8] = match &mut self.engine {
            Engine::Ours(encoder, out) => {
                out.clear();
                if !encoder.message(message, out) {
                    return (message, true);
                }
                return (out, false);
            }
            Engine::ZlibRs(deflater, out) => {
                let len = deflater.compress(message, out, Flush::Sync) - TAIL.len();
                if !takeover {
                    deflater.reset();
                }
                &out[..len]
            }
            Engine::Zlib(deflater, out) => {
                let len = deflater.compress(message, out, Flush::Sync) - TAIL.len();
                if !takeover {
                    deflater.reset();
                }
                &out[..len]
            }
            Engine::Miniz(deflater, out) => {
                // Cheaper than its `reset`, with the same result.
                let flush = if takeover { Flush::Sync } else { Flush::Full };
                let len = deflater.compress(message, out, flush) - TAIL.len();
                &out[..len]
            }
        };
        if !takeover && payload.len() >= message.len() { (message, true) } else { (payload, false) }
    }
}

pub(crate) fn pass(who: Who, settings: Settings, messages: &[Vec<u8>]) -> Pass {
    let mut compressor = settings.start(who, longest(messages));
    timed(|| {
        let mut sent = 0;
        for message in messages {
            sent += black_box(compressor.message(black_box(message))).0.len();
        }
        sent
    })
}
