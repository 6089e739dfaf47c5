//! `{:?}` of what holds state shows lengths and states, never the data of a connection: it ends in
//! logs. Values that the caller has asked for show their data.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use bytes::Bytes;
use common::shown::Shown;
use common::{BOTH, End, Frame, at_ms, entropy, preset, reseed};
use sansocket::{
    CloseCode, CloseFrame, Data, Delivery, Event, Input, Message, Negotiated, OwnedCloseFrame,
    OwnedData, OwnedEvent, Prepared, Role, SendOptions, Utf8Bytes,
};

/// What one run must hide; another run has the same lengths.
struct Secrets {
    /// Letters, so that it is text, and long enough for every short way.
    text: String,
    /// A character of 4 bytes, to be cut.
    char: char,
    key: [u8; 4],
}

impl Secrets {
    fn new(run: u8) -> Self {
        reseed(u64::from(run) + 7);
        // Distinct in every place from one run to the other, with repetitions to be compressed.
        let letters: String = (0..200_u64)
            .map(|i| {
                let letter = (i * i + i / 5) % 13 * 2 + u64::from(run);
                char::from(b'a' + u8::try_from(letter).unwrap())
            })
            .collect();
        Self {
            text: letters.repeat(2),
            char: ['\u{1f600}', '\u{1f3b5}'][usize::from(run)],
            key: [[0x91, 0x82, 0xf3, 0xa4], [0x1b, 0x2c, 0x5d, 0x6e]][usize::from(run)],
        }
    }

    fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// A short one, for control frames.
    fn short(&self) -> &[u8] {
        &self.bytes()[..100]
    }

    /// The bytes of a frame to this role.
    fn wire(&self, frame: Frame, role: Role) -> Vec<u8> {
        match role {
            Role::Server => frame.key(self.key).bytes(),
            Role::Client => frame.bytes(),
        }
    }
}

/// Runs `states` with two sets of secrets: none of the outputs shows bytes of them, and the outputs
/// are the same.
fn check(states: impl Fn(&Secrets, &mut Shown)) {
    let [first, second] = [0, 1].map(|run| {
        let secrets = Secrets::new(run);
        let mut shown = Shown::new();
        states(&secrets, &mut shown);
        let masked = |offset: usize| -> Vec<u8> {
            let keys = secrets.key.iter().cycle().skip(offset);
            secrets.bytes().iter().zip(keys).map(|(byte, key)| byte ^ key).collect()
        };
        let char = secrets.char.to_string();
        let mut hidden: Vec<&[u8]> = vec![secrets.bytes(), &secrets.key, char.as_bytes()];
        let masked = [0, 1, 2, 3].map(masked);
        hidden.extend(masked.iter().map(Vec::as_slice));
        shown.assert_hides(&hidden);
        shown
    });
    first.assert_same(&second);
}

fn add_end(shown: &mut Shown, name: &str, end: &End) {
    shown.add(&format!("{name}: connection"), &end.conn);
    shown.add(&format!("{name}: inbox"), &end.inbox);
}

#[test]
fn messages_under_way_in_every_place() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            check(|secrets, shown| {
                let config = preset(role).delivery(delivery).build().unwrap();
                let cut_text = [secrets.bytes(), secrets.char.to_string().as_bytes()].concat();
                for (name, frame) in [
                    ("text", Frame::text(secrets.bytes())),
                    ("text that ends in a long character", Frame::text(&cut_text)),
                    ("binary", Frame::binary(secrets.bytes())),
                    ("fragment", Frame::binary(secrets.bytes()).not_fin()),
                    ("ping", Frame::ping(secrets.short())),
                    ("pong", Frame::pong(secrets.short())),
                    ("close", Frame::close(4321, secrets.short())),
                ] {
                    let wire = secrets.wire(frame, role);
                    for at in [1, 5, 7, 50, wire.len() - 1, wire.len()] {
                        let mut end = End::new(role, &config);
                        end.conn.enable_stats();
                        end.feed(&wire[..at]).unwrap();
                        let name = format!("{name}, {at} bytes");
                        add_end(shown, &name, &end);
                        if let Some(room) = end.conn.direct_room(&mut end.inbox) {
                            let n = room.len().min(secrets.bytes().len()).min(10);
                            room[..n].copy_from_slice(&secrets.bytes()[..n]);
                            // Not taken in: what is behind the message's bytes isn't shown either.
                            add_end(shown, &format!("{name}, read directly"), &end);
                        }
                        // The data lies there until it is replaced.
                        let whole = [&wire[at..], &secrets.wire(Frame::ping(""), role)].concat();
                        end.feed_owned(&whole).unwrap();
                        add_end(shown, &format!("{name}, and more"), &end);
                    }
                }
            });
        }
    }
}

#[test]
fn messages_sent_in_every_way() {
    for role in BOTH {
        check(|secrets, shown| {
            let config = preset(role).max_unsent(20_000).high_water_mark(10_000).build().unwrap();
            let mut end = End::new(role, &config);
            let text = secrets.text.as_str();
            end.conn.send_text(text, &mut end.out).unwrap();
            end.conn.send_part(Data::Text(text), false, SendOptions::new(), &mut end.out).unwrap();
            end.conn.send_ping(secrets.short(), &mut end.out).unwrap();
            add_end(shown, "sent", &end);
            // A pong that waits for room.
            end.conn.send_part(Data::Text(text), true, SendOptions::new(), &mut end.out).unwrap();
            end.conn.send_binary(&[0; 21_000], &mut end.out).unwrap();
            end.feed(&secrets.wire(Frame::ping(secrets.short()), role)).unwrap();
            add_end(shown, "a pong waits", &end);
            let reason = core::str::from_utf8(secrets.short()).unwrap();
            end.conn.close(CloseCode::NORMAL, reason, at_ms(0), &mut end.out).unwrap();
            add_end(shown, "closing", &end);
            end.feed(&secrets.wire(Frame::close(1000, secrets.short()), role)).unwrap();
            add_end(shown, "closed", &end);
        });
    }
}

#[test]
fn keys_of_masks() {
    check(|secrets, shown| {
        let mut end = End::preset(Role::Client);
        reseed(u64::from(secrets.key[0]));
        let keys: Vec<u8> = (0..8).flat_map(|_| entropy::next().to_le_bytes()).collect();
        reseed(u64::from(secrets.key[0]));
        end.conn.send_text("x", &mut end.out).unwrap();
        add_end(shown, "keys", &end);
        shown.add("config", end.conn.config());
        shown.assert_hides(&[&keys]);
    });
}

#[test]
fn inputs_prepared_messages_and_what_was_negotiated() {
    check(|secrets, shown| {
        let mut wire = secrets.wire(Frame::text(secrets.bytes()), Role::Server);
        shown.add("input", &Input::new(at_ms(0), &mut wire));
        let mut end = End::preset(Role::Server);
        let mut input = Input::new(at_ms(0), &mut wire);
        let mut ping = secrets.wire(Frame::ping(""), Role::Server);
        assert!(end.conn.receive(&mut input, &mut end.inbox, &mut end.out).unwrap().is_some());
        shown.add("input used up", &input);
        shown.add("input of a ping", &Input::new(at_ms(0), &mut ping));
        shown.add("prepared text", &Prepared::text(&secrets.text));
        shown.add("prepared binary", &Prepared::binary(secrets.bytes()));
        // Some clients give their token as a subprotocol, since a browser can give nothing else.
        let negotiated = Negotiated::new().with_subprotocol(&secrets.text);
        shown.add("negotiated", &negotiated);
        add_end(shown, "subprotocol", &End::agreed(Role::Server, end.conn.config(), &negotiated));
    });
}

#[test]
fn drivers_and_their_parts() {
    use sansocket::driver::{Driver, Step};

    for role in BOTH {
        check(|secrets, shown| {
            let mut end = End::preset(role);
            end.conn.send_text(&secrets.text, &mut end.out).unwrap();
            end.out.clear();
            let mut driver = Driver::new(end.conn, at_ms(0));
            shown.add("driver", &driver);
            driver.flow.send_text(&secrets.text).unwrap();
            shown.add("driver with output", &driver);
            let mut wire = secrets.wire(Frame::ping(secrets.short()), role);
            wire.extend(secrets.wire(Frame::text(secrets.bytes()), role));
            wire.extend(&secrets.wire(Frame::text(secrets.bytes()), role)[..100]);
            let room = driver.room(|| vec![0; 4096].into());
            room[..wire.len()].copy_from_slice(&wire);
            driver.read_done(wire.len(), at_ms(0));
            shown.add("driver with input", &driver);
            assert_eq!(driver.step(), Step::Event);
            assert!(driver.receive().unwrap().is_some());
            shown.add("driver within its input", &driver);
            shown.add("reply", &driver.flow.reply());
            let mut more = wire.clone();
            shown.add("loan", &driver.received(&mut more, at_ms(0)));
            shown.add("parts", &driver.into_parts());
        });
    }
}

/// The adapters stand on the driver; what they are taken apart into has buffers of its own.
#[cfg(feature = "tokio")]
#[test]
fn sockets_and_their_parts() {
    use sansocket::tokio::WebSocket;

    for role in BOTH {
        check(|secrets, shown| {
            let wire = secrets.wire(Frame::text(secrets.bytes()), role);
            let conn = End::preset(role).conn;
            let mut ws = WebSocket::from_connection(tokio::io::empty(), conn, &wire);
            ws.feed_text(&secrets.text).unwrap();
            shown.add("socket", &ws);
            shown.add("taken apart", &ws.into_inner());
        });
    }
}

#[cfg(feature = "deflate")]
mod compression {
    use bytes::BytesMut;
    use common::deflate::{RSV1, Terms, compressed, payload};
    use common::frame::{BINARY, TEXT};
    use sansocket::deflate::{Decoder, Encoder, Engine, Level, WindowBits};

    use super::*;

    fn engines() -> Vec<Engine> {
        vec![
            Engine::Native,
            #[cfg(feature = "miniz_oxide")]
            Engine::MinizOxide,
        ]
    }

    #[test]
    fn windows_of_both_directions_and_messages_under_way() {
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
    fn encoders_and_decoders() {
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

    /// Bits that the decoder has read and not used yet, in blocks of every kind.
    #[test]
    fn decoders_cut_at_every_byte() {
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
}

/// What the caller has asked for shows its data.
#[test]
fn values_show_their_data() {
    let close = CloseFrame { code: CloseCode::new(4000), reason: "secret" };
    let data = Data::Text("secret");
    for shown in [
        format!("{:?}", Event::Text("secret")),
        format!("{:?}", Event::Binary(b"secret")),
        format!("{:?}", Event::Ping(b"secret")),
        format!("{:?}", Event::Part { data, start: true, end: true }),
        format!("{:?}", Event::Close(Some(close))),
    ] {
        // Lent bytes are shown as a list of numbers.
        let numbers = "[115, 101, 99, 114, 101, 116]";
        assert!(shown.contains("secret") || shown.contains(numbers), "{shown}");
    }
    for shown in [
        format!("{data:?}"),
        format!("{close:?}"),
        format!("{:?}", OwnedCloseFrame::from(close)),
        format!("{:?}", OwnedData::from(data)),
        format!("{:?}", OwnedData::binary("secret")),
        format!("{:?}", OwnedEvent::from(Event::Ping(b"secret"))),
        format!("{:?}", OwnedEvent::Message(OwnedData::text("secret"))),
        format!("{:?}", Message::text("secret")),
        format!("{:?}", Message::Pong(Bytes::from_static(b"secret"))),
        format!("{:?}", Utf8Bytes::from_static("secret")),
    ] {
        assert!(shown.contains("secret"), "{shown}");
    }
}
