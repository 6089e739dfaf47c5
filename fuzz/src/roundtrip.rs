//! One direction of a connection, with all settings: complete messages, messages in parts, messages
//! compressed elsewhere, and undone messages. All decoders must read the encoder's output, each
//! with exactly the negotiated window.
//!
//! The first byte of the data chooses the settings. Messages follow: a byte with the way of
//! sending, and its chunks, each with a byte for the kind and two more, up to the kind that ends
//! the message.

use core::iter::repeat_n;

use sansocket::deflate::Level;

use super::engine::{Connection, LEVELS, Random};

/// The maximum number of bytes sent, so that a run stays short.
const MAX_SENT: usize = 60_000;

/// Checks that the messages in `data` arrive.
pub(crate) fn check(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let level: Level = LEVELS[usize::from(choice >> 4) % LEVELS.len()];
    let bits = 8 + (choice & 7);
    let takeover = choice & 8 == 0;
    let mut connection = Connection::new(bits, level, takeover);
    let mut script = Script { rest, sent: Vec::new() };
    while let Some(way) = script.next() {
        let message = script.message();
        match way % 8 {
            0 => connection.follow(&message),
            1 => {
                connection.clear();
                connection.send(&message);
            }
            2 | 3 => {
                let mut random = Random(way.into());
                let (mut parts, mut rest) = (Vec::new(), &message[..]);
                for _ in 0..way >> 5 {
                    let (part, behind) =
                        rest.split_at(random.below(rest.len() as u32 + 1) as usize);
                    parts.push(part);
                    rest = behind;
                }
                parts.push(rest);
                connection.send_parts(&parts);
            }
            _ => {
                connection.send(&message);
            }
        }
        let (encoder, decoder) = connection.capacity();
        if takeover {
            assert!(encoder <= 6 * (1 << bits) + 40, "{encoder} at {bits}");
            assert!(decoder <= 1 << bits, "{decoder} at {bits}");
        } else {
            assert_eq!((encoder, decoder), (0, 0));
        }
    }
}

struct Script<'a> {
    rest: &'a [u8],
    sent: Vec<u8>,
}

impl Script<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn number(&mut self) -> usize {
        usize::from(self.next().unwrap_or(0)) << 8 | usize::from(self.next().unwrap_or(0))
    }

    fn message(&mut self) -> Vec<u8> {
        let start = self.sent.len();
        while let Some(kind) = self.next() {
            let number = self.number();
            if self.sent.len() + 256 * 70 > MAX_SENT {
                break;
            }
            match kind % 8 {
                0 => break,
                // Literal bytes of the data.
                1 | 2 => {
                    let (bytes, rest) = self.rest.split_at((number % 100).min(self.rest.len()));
                    self.sent.extend_from_slice(bytes);
                    self.rest = rest;
                }
                3 => self.sent.extend(repeat_n(kind, number % 17_000)),
                // Random letters of a small alphabet, or random bytes.
                4 | 5 => {
                    let mut random = Random(number as u32);
                    let few = if kind & 16 == 0 { 256 } else { u32::from(kind >> 5) + 2 };
                    let len = number % if kind & 8 == 0 { 300 } else { 9000 };
                    self.sent.extend((0..len).map(|_| random.below(few) as u8));
                }
                // A repetition at the given distance.
                _ => {
                    let from = self.sent.len().saturating_sub(number.max(1));
                    let len = usize::from(kind) * 2 + 3;
                    for at in from..(from + len).min(self.sent.len() + len) {
                        let Some(&byte) = self.sent.get(at) else { break };
                        self.sent.push(byte);
                    }
                }
            }
        }
        self.sent[start..].to_vec()
    }
}
