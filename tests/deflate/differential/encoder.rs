//! Every decoder inflates the output of our encoder, with exactly the agreed window: zlib with
//! small parts of output (one large buffer hides a violation of the window), and miniz_oxide in a
//! ring buffer of the length of the window.

use crate::deflate::corpus::{KINDS, Kind, Rng, Source};
use crate::deflate::engine::{Connection, LEVELS};

/// Operations of one connection: complete messages, parts, messages compressed elsewhere,
/// incompressible ones, and resets.
fn run_connection(bits: u8, level: sansocket::deflate::Level, takeover: bool, steps: usize) {
    let mut connection = Connection::new(bits, level, takeover);
    let mut rng = Rng::new(u64::from(bits) << 8 | u64::from(takeover));
    let mut sources = KINDS.map(|kind| Source::new(kind, 5));
    let mut noise = Source::new(Kind::Noise, 6);
    let (mut small, mut undone) = (Vec::new(), 0);
    for step in 0..steps {
        let kind = rng.below(KINDS.len() as u64) as usize;
        let len = match rng.below(12) {
            0 => 64 + rng.below(9000) as usize,
            1 if step % 8 == 0 => (1 << bits) + rng.below(40) as usize,
            2 => 64 + rng.below(2000) as usize,
            _ => 64 + rng.skewed(600) as usize,
        };
        let mut message = sources[kind].message(len);
        match rng.below(12) {
            0 => message.truncate(rng.below(20) as usize),
            1 => {
                // Text that was sent before, repeated exactly.
                message.clone_from(&small);
            }
            2 => message = noise.message(len),
            3 => {
                let middle = message.len() / 2;
                message.splice(middle..middle, noise.message(64));
            }
            _ => {}
        }
        match rng.below(10) {
            0 => connection.send_parts(&cut(&message, &mut rng)),
            1 => connection.follow(&message),
            2 => connection.clear(),
            _ => undone += usize::from(!connection.send(&message)),
        }
        if message.len() < 2000 {
            small = message;
        }
    }
    assert!(undone > 0, "every message shrank");
}

/// In up to five parts, some of them empty.
fn cut<'a>(message: &'a [u8], rng: &mut Rng) -> Vec<&'a [u8]> {
    let (mut rest, mut parts) = (message, Vec::new());
    for _ in 0..rng.below(5) {
        let (part, later) = rest.split_at(rng.below(rest.len() as u64 + 1) as usize);
        parts.push(part);
        rest = later;
    }
    parts.push(rest);
    parts
}

#[test]
fn window_8_and_9() {
    every_setting(8..=9);
}

#[test]
fn window_10_and_11() {
    every_setting(10..=11);
}

#[test]
fn window_12_and_13() {
    every_setting(12..=13);
}

#[test]
fn window_14_and_15() {
    every_setting(14..=15);
}

fn every_setting(windows: core::ops::RangeInclusive<u8>) {
    for bits in windows {
        for level in LEVELS {
            for takeover in [true, false] {
                run_connection(bits, level, takeover, 60);
            }
        }
    }
}

/// Long messages slide through every window and fill more than one block.
#[test]
fn long_messages() {
    for bits in [8, 9, 12, 15] {
        for level in LEVELS {
            let mut connection = Connection::new(bits, level, true);
            for kind in [Kind::Html, Kind::Binary, Kind::Noise] {
                let mut source = Source::new(kind, 8);
                connection.send(&source.message(70_000));
                connection.send(&source.message(100));
            }
        }
    }
}

/// The same messages have the same payloads, independent of other output of the thread.
#[test]
fn output_does_not_depend_on_other_connections() {
    let messages = crate::deflate::corpus::messages(Kind::Chat, 500, 6, 9);
    for level in LEVELS {
        for takeover in [true, false] {
            let mut first = None;
            for _ in 0..3 {
                let mut connection = Connection::new(12, level, takeover);
                let payloads: Vec<_> =
                    messages.iter().map(|message| connection.payload(message)).collect();
                assert!(first.get_or_insert_with(|| payloads.clone()) == &payloads);
                // Another encoder between them, with the same text.
                let mut other = Connection::new(15, level, takeover);
                messages.iter().rev().for_each(|message| {
                    other.send(message);
                });
            }
        }
    }
}
