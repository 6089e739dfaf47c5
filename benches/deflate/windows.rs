//! The costs and savings of smaller windows: ratio, time and memory for each number of bits, with
//! context takeover at the balanced level, over all kinds and sizes.

use bytes::BytesMut;
use sansocket::deflate::{Decoder, Encoder, Level, Needs, WindowBits};

use crate::codecs::{Flush, TAIL, zlib, zlib_rs};
use crate::compress::{Settings, pass};
use crate::corpus::{KINDS, Kind, messages};
use crate::{Plan, SIZES, Who, alloc, geometric_mean, judge, turns};

/// One contestant with one number of window bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    bits: u8,
    who: Who,
    ratio: f64,
    nanos: f64,
    /// The memory of both directions of a connection, after more data than the windows hold.
    memory: isize,
}

pub(crate) fn run(plan: &Plan) -> Vec<Row> {
    let mut rows = Vec::new();
    for bits in 8..=15 {
        if !plan.takes(&format!("windows/{bits}")) {
            continue;
        }
        // No other engine compresses with 8 bits.
        let all = [Who::Ours, Who::ZlibRs, Who::Zlib];
        let who = if bits == 8 { &all[..1] } else { &all[..] };
        let mut cases = Vec::new();
        for size in SIZES {
            for kind in KINDS {
                let count = plan.messages(size.0);
                let messages =
                    messages(kind, size.0, if plan.measures { count / 2 } else { count }, 3);
                let raw = messages.iter().map(Vec::len).sum();
                let settings = Settings {
                    level: Level::Balanced,
                    number: 6,
                    takeover: true,
                    window_bits: bits,
                };
                let passes = turns(plan, who, |who| pass(who, settings, &messages));
                let name = format!("windows/{bits}/{}/{}", size.name(), kind.name());
                cases.extend(judge(&name, who, &passes, messages.len(), raw));
            }
        }
        for &who in who {
            let own = cases.iter().filter(move |case| case.who == who);
            rows.push(Row {
                bits,
                who,
                ratio: geometric_mean(own.clone().map(|case| case.ratio)),
                nanos: geometric_mean(own.map(|case| case.nanos)),
                memory: memory(who, bits),
            });
        }
    }
    rows
}

pub(crate) fn print(rows: &[Row]) {
    println!(
        "\n### Windows, balanced: ratio, ns per message, bytes of memory in both directions\n"
    );
    println!("| bits | sansocket | zlib-rs | zlib |\n|---|---|---|---|");
    for bits in (8..=15).rev() {
        let mut own = rows.iter().filter(|row| row.bits == bits).peekable();
        if own.peek().is_none() {
            continue;
        }
        print!("| {bits} |");
        for row in own {
            print!(" {:.2}, {:.0} ns, {} |", row.ratio, row.nanos, row.memory);
        }
        println!("{}", if bits == 8 { " - | - |" } else { "" });
    }
}

/// Returns our ratio relative to that of zlib.
pub(crate) fn gain_at_9_bits(rows: &[Row]) -> Option<f64> {
    let ratio = |who| Some(rows.iter().find(|row| row.bits == 9 && row.who == who)?.ratio);
    Some(ratio(Who::Ours)? / ratio(Who::Zlib)?)
}

/// Measures the heap of an encoder and a decoder after more data than their windows hold.
fn memory(who: Who, bits: u8) -> isize {
    let messages = messages(Kind::Chat, 4096, 64, 4);
    let (mut out, mut room) = (vec![0; 100_000], vec![0; 5000]);
    if who != Who::Ours {
        let (_both, counted) = alloc::count(|| {
            let mut both: Box<dyn Both> = match who {
                Who::Zlib => Box::new((zlib::Deflater::new(6, bits), zlib::Inflater::new(bits))),
                Who::ZlibRs | Who::Ours | Who::Miniz => {
                    Box::new((zlib_rs::Deflater::new(6, bits), zlib_rs::Inflater::new(bits)))
                }
            };
            for message in &messages {
                both.echo(message, &mut out, &mut room);
            }
            both
        });
        return counted.live;
    }
    let bits = WindowBits::new(bits).unwrap();
    let mut out = BytesMut::with_capacity(100_000);
    let mut live = || {
        let mut both = (Encoder::new(bits, Level::Balanced, true), Decoder::new(bits, true));
        for message in &messages {
            out.clear();
            assert!(both.0.message(message, &mut out));
            let progress = both.1.inflate(&out, &mut room, 0).unwrap();
            assert_eq!((progress.written, progress.needs), (message.len(), Needs::Input));
            both.1.finish(&room[..message.len()]).unwrap();
        }
        both
    };
    // Allocate the buffers that a thread shares before the measurement.
    live();
    let (both, counted) = alloc::count(live);
    let told = both.0.capacity() + both.1.capacity();
    assert_eq!(told, counted.live as usize, "what they tell is what was counted");
    counted.live
}

trait Both {
    fn echo(&mut self, message: &[u8], out: &mut [u8], room: &mut [u8]);
}

impl Both for (zlib::Deflater, zlib::Inflater) {
    fn echo(&mut self, message: &[u8], out: &mut [u8], room: &mut [u8]) {
        let len = self.0.compress(message, out, Flush::Sync);
        assert!(len > TAIL.len());
        self.1.inflate(&out[..len], room).unwrap();
    }
}

impl Both for (zlib_rs::Deflater, zlib_rs::Inflater) {
    fn echo(&mut self, message: &[u8], out: &mut [u8], room: &mut [u8]) {
        let len = self.0.compress(message, out, Flush::Sync);
        assert!(len > TAIL.len());
        self.1.inflate(&out[..len], room).unwrap();
    }
}
