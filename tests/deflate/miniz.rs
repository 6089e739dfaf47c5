//! miniz_oxide as the engine, selected at run time: both engines at both ends.

use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::deflate::{Deflate, Engine, Level, WindowBits};
use sansocket::error::{ConfigError, LimitError, PeerError, ProtocolError};
use sansocket::message::{Data, OwnedData, SendOptions};
use sansocket::{Prepared, Role};

use crate::common::deflate::{Foreign, RSV1, Terms, compressed, noise, payload};
use crate::common::frame::{self, BINARY, TEXT};
use crate::common::{BOTH, End, Frame, preset};

const CORRUPT: ProtocolError = ProtocolError::Peer(PeerError::CorruptDeflate);
const TOO_LONG: ProtocolError = ProtocolError::Limit(LimitError::MessageTooLong);
const MINIZ: Terms = Terms { engine: Engine::MinizOxide, ..Terms::DEFAULT };
const NATIVE: Terms = Terms::DEFAULT;

fn messages(n: usize) -> Vec<Vec<u8>> {
    vec![
        format!("{{\"n\":{n},\"text\":\"some text that is long enough to be compressed\"}}").into(),
        Vec::new(),
        noise(1000 + n, 1),
        vec![b'a'; 100_000],
        noise(40_000, 1).repeat(2),
        b"the end".repeat(20),
    ]
}

/// Carries the output of `from` to `to`, in parts, and returns the received messages.
fn carry(from: &mut End, to: &mut End, chunk_len: usize) -> Vec<Vec<u8>> {
    to.feed_in_chunks(&from.take_out(), chunk_len).unwrap();
    let mut messages = Vec::new();
    for event in to.take_events() {
        match event {
            OwnedEvent::Message(message) => messages.push(message.as_data().as_bytes().to_vec()),
            OwnedEvent::Part { data, start, .. } => {
                if start {
                    messages.push(Vec::new());
                }
                messages.last_mut().unwrap().extend_from_slice(data.as_data().as_bytes());
            }
            event => panic!("{event:?}"),
        }
    }
    messages
}

#[test]
fn v39_each_engine_inflates_output_of_the_other() {
    for role in BOTH {
        for takeover in [true, false] {
            for (a, b) in [(MINIZ, NATIVE), (NATIVE, MINIZ), (MINIZ, MINIZ)] {
                for delivery in [Delivery::Whole, Delivery::Parts] {
                    let config = preset(role.peer()).delivery(delivery).build().unwrap();
                    let mut from = a.takeover(takeover).preset(role);
                    let mut to = b.takeover(takeover).end(role.peer(), &config);
                    for n in 0..3 {
                        for message in messages(n) {
                            from.conn.send_binary(&message, &mut from.out).unwrap();
                        }
                        let chunk_len = if n == 0 { usize::MAX } else { 1000 };
                        assert_eq!(carry(&mut from, &mut to, chunk_len), messages(n));
                        let parts = [&b"first, "[..], b"", b"second, first, second"];
                        for (i, part) in parts.iter().enumerate() {
                            let (data, options) = (Data::Binary(part), SendOptions::new());
                            from.conn.send_part(data, i == 2, options, &mut from.out).unwrap();
                        }
                        assert_eq!(carry(&mut from, &mut to, 1), [parts.concat()]);
                    }
                }
            }
        }
    }
}

#[test]
fn v29_empty_messages_and_references_to_earlier_messages() {
    for role in BOTH {
        let mut to = MINIZ.preset(role);
        let mut foreign = Foreign::new();
        for _ in 0..3 {
            for payload in [&[0x00][..], &[0x02, 0x00], &[]] {
                to.feed(&compressed(TEXT, payload).to(role).bytes()).unwrap();
                to.feed(&compressed(TEXT, payload).to(role).bytes()).unwrap();
            }
            assert_eq!(to.take_events().len(), 6);
            let message = noise(3000, 1);
            to.feed(&compressed(BINARY, foreign.payload(&message)).to(role).bytes()).unwrap();
            let expected = OwnedEvent::Message(OwnedData::Binary(message.into()));
            assert_eq!(to.take_events(), [expected]);
        }
    }
}

#[test]
fn v12_v14_v15_invalid_input_is_refused() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let hello_final = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let text = |text: &str| OwnedEvent::Message(OwnedData::Text(String::from(text).into()));
    for role in BOTH {
        // BFINAL: the window is kept and the rest continues, with the tail and without.
        for payload in [&hello_final[..], &hello_final[..7]] {
            let mut end = MINIZ.preset(role);
            end.feed(&compressed(TEXT, payload).to(role).bytes()).unwrap();
            end.feed(&compressed(TEXT, again).to(role).bytes()).unwrap();
            assert_eq!(end.take_events(), [text("Hello"), text("Hello")]);
        }
        for payload in [&hello[..3], &[0x06], &[0x00, 0x05, 0x00, 0xfa, 0xfe], &[0x00, 0x05, 0x00]]
        {
            let mut end = MINIZ.preset(role);
            let bytes = compressed(TEXT, payload).to(role).bytes();
            assert_eq!(end.feed(&bytes).unwrap_err(), CORRUPT, "{payload:x?}");
            assert_eq!(end.feed(&Frame::text("x").to(role).bytes()).unwrap_err(), CORRUPT);
        }
        // A reference before the history is zeros, not the data of another connection.
        let mut secret = MINIZ.preset(role);
        let bytes = compressed(BINARY, payload(&noise(40_000, 1))).to(role).bytes();
        secret.feed(&bytes).unwrap();
        drop(secret);
        let mut end = MINIZ.preset(role);
        end.feed(&compressed(TEXT, again).to(role).bytes()).unwrap();
        let OwnedEvent::Message(message) = &end.take_events()[0] else { panic!() };
        assert!(message.as_data().as_bytes().iter().all(|byte| matches!(byte, 0 | b'H')));
    }
}

#[test]
fn v9_the_limit_of_a_message_is_kept() {
    let n = 100_000;
    let payload = payload(&vec![b'a'; n]);
    for delivery in [Delivery::Whole, Delivery::Parts] {
        for (limit, fits) in [(n, true), (n - 1, false), (1, false)] {
            let builder = preset(Role::Client).delivery(delivery).max_message_len(limit as u64);
            let mut end = MINIZ.end(Role::Client, &builder.build().unwrap());
            let result = end.feed(&compressed(BINARY, &payload).bytes());
            assert_eq!(result, if fits { Ok(()) } else { Err(TOO_LONG) });
        }
    }
}

#[test]
fn prepared_messages_and_the_history() {
    for role in BOTH {
        let (mut from, mut to) = (MINIZ.preset(role), NATIVE.preset(role.peer()));
        let text = "a prepared message which is said again and again, and never the same".repeat(3);
        let prepared = Prepared::text(&text).with_deflate(WindowBits::MAX, Level::Best);
        for n in 0..3 {
            let plain = format!("{n} {text}");
            from.conn.send_text(&plain, &mut from.out).unwrap();
            from.conn.send_prepared(&prepared, &mut from.out).unwrap();
            from.conn.send_text(&plain, &mut from.out).unwrap();
            assert!(frame::parse(&from.out).iter().all(|frame| frame.rsv == RSV1));
            let expected = [plain.as_bytes(), text.as_bytes(), plain.as_bytes()];
            assert_eq!(carry(&mut from, &mut to, usize::MAX), expected);
        }
    }
}

#[test]
fn unsupported_windows_are_refused_at_once() {
    let options = || Deflate::options().engine(Engine::MinizOxide);
    let deflate = options().build().unwrap();
    assert_eq!(deflate.offer(), "permessage-deflate");
    for small in [
        options().server_max_window_bits(14),
        options().client_max_window_bits(9),
        options().encoder_window_bits(12),
    ] {
        let error = small.build().unwrap_err();
        assert_eq!(error, ConfigError::EngineWindowBits(15));
        assert!(error.to_string().contains("leave them at 15"));
    }
    // An offer with a smaller window is declined, and the next one is examined.
    let offers = [&b"permessage-deflate; server_max_window_bits=12, permessage-deflate"[..]];
    let answer = deflate.answer(offers).unwrap().unwrap();
    assert_eq!(answer.value(), "permessage-deflate");
    assert_eq!(answer.agreement().engine(), Engine::MinizOxide);
    assert_eq!(answer.agreement().encoder_window_bits(), WindowBits::MAX);
}
