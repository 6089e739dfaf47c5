//! Compression: windows of both directions, encoders and decoders.

use bytes::BytesMut;
use sansocket::Prepared;
use sansocket::config::Delivery;
use sansocket::deflate::{Decoder, Encoder, Engine, Level, WindowBits};
use sansocket::message::{Data, SendOptions};

use crate::common::deflate::{RSV1, Terms, compressed, payload};
use crate::common::frame::{BINARY, TEXT};
use crate::common::{BOTH, preset};
use crate::debug::secrets::{add_end, check};

fn engines() -> Vec<Engine> {
    vec![
        Engine::Native,
        #[cfg(feature = "miniz_oxide")]
        Engine::MinizOxide,
    ]
}

#[test]
fn windows_of_both_directions_and_unfinished_messages() {
    for role in BOTH {
        for engine in engines() {
            for delivery in [Delivery::Whole, Delivery::Parts] {
                check(|secrets, shown| {
                    let config = preset(role).delivery(delivery).build().unwrap();
                    let terms = Terms { engine, ..Terms::default() };
                    let mut end = terms.end(role, &config);
                    end.conn.send_text(&secrets.text, &mut end.out).unwrap();
                    assert!(end.out.len() < secrets.text.len(), "it was compressed");
                    let part = Data::Text(&secrets.text);
                    let options = SendOptions::new();
                    end.conn.send_part(part, false, options, &mut end.out).unwrap();
                    add_end(shown, "sent", &end);
                    let message = compressed(TEXT, payload(secrets.bytes()));
                    end.feed(&secrets.wire(message, role)).unwrap();
                    add_end(shown, "received", &end);
                    for opcode in [TEXT, BINARY] {
                        let frame = compressed(opcode, payload(secrets.bytes()));
                        let wire = secrets.wire(frame, role);
                        for n in [10, 50] {
                            let mut end = terms.end(role, &config);
                            end.feed(&wire[..n]).unwrap();
                            add_end(shown, "receiving", &end);
                        }
                    }
                });
            }
        }
    }
}

#[test]
pub(crate) fn encoders_and_decoders() {
    for level in [Level::Fast, Level::Balanced, Level::Best] {
        for takeover in [true, false] {
            check(|secrets, shown| {
                let bits = WindowBits::MAX;
                let mut encoder = Encoder::new(bits, level, takeover);
                let mut out = BytesMut::new();
                shown.add("new encoder", &encoder);
                assert!(encoder.message(secrets.bytes(), &mut out));
                shown.add("encoder", &encoder);
                let mut parts = Encoder::new(bits, level, takeover);
                parts.part(secrets.bytes(), false, &mut BytesMut::new());
                shown.add("encoder within a message", &parts);
                let mut decoder = Decoder::new(bits, takeover);
                shown.add("new decoder", &decoder);
                let mut inflated = vec![0; 1000];
                let progress = decoder.inflate(&out, &mut inflated, 0).unwrap();
                shown.add("decoder within a message", &decoder);
                decoder.finish(&inflated[..progress.written]).unwrap();
                shown.add("decoder", &decoder);
                let prepared = Prepared::text(&secrets.text).with_deflate(bits, level);
                shown.add("prepared", &prepared);
            });
        }
    }
}

/// Bits that the decoder has read but not used yet, in blocks of every kind.
#[test]
fn decoders_with_input_split_at_every_byte() {
    check(|secrets, shown| {
        for payload in [payload(secrets.bytes()), stored(secrets.bytes())] {
            for n in 1..payload.len().min(120) {
                let mut decoder = Decoder::new(WindowBits::MAX, true);
                decoder.inflate(&payload[..n], &mut vec![0; 1000], 0).unwrap();
                shown.add(&format!("after {n} bytes"), &decoder);
            }
        }
    });
    assert_eq!(compressed(TEXT, "").rsv, RSV1);
}

fn stored(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    let head = [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes()].concat();
    [&head[..], bytes].concat()
}
