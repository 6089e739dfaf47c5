//! permessage-deflate in the connection: sent messages (RFC 7692 sections 6 and 7.2.1).

use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, Ordering};

use sansocket::connection::OwnedEvent;
use sansocket::deflate::{Level, WindowBits};
use sansocket::error::{EntropyError, SendError};
use sansocket::message::{Compress, Data, OwnedData, SendOptions};
use sansocket::{Config, Entropy, Event, Prepared, Role};

use crate::common::deflate::{RSV1, Terms, chat, noise};
use crate::common::frame::{self, CONT, TEXT};
use crate::common::{BOTH, End};

const NEVER: SendOptions = SendOptions::new().compress(Compress::Never);

/// Carries the output of `from` to `to`, and returns the received messages.
fn carry(from: &mut End, to: &mut End) -> Vec<Vec<u8>> {
    to.feed(&from.take_out()).unwrap();
    let mut messages = Vec::new();
    for event in to.take_events() {
        match event {
            OwnedEvent::Message(OwnedData::Text(text)) => messages.push(text.as_bytes().to_vec()),
            OwnedEvent::Message(OwnedData::Binary(bytes)) => messages.push(bytes.to_vec()),
            event => panic!("{event:?}"),
        }
    }
    messages
}

fn ends(terms: Terms, role: Role) -> (End, End) {
    (terms.preset(role), terms.preset(role.peer()))
}

#[test]
fn compressed_messages_are_inflated_at_the_other_end() {
    for role in BOTH {
        for bits in 9..=15 {
            for takeover in [true, false] {
                let (mut from, mut to) = ends(Terms::default().bits(bits).takeover(takeover), role);
                for n in 0..30 {
                    let messages = [
                        chat(n).into_bytes(),
                        noise(700, n as u64),
                        chat(n).repeat(n + 1).into_bytes(),
                        Vec::new(),
                        vec![b'x'; n * 97],
                    ];
                    for message in &messages {
                        from.conn.send_binary(message, &mut from.out).unwrap();
                    }
                    assert_eq!(carry(&mut from, &mut to), messages, "{bits} bits, {takeover}");
                }
            }
        }
    }
}

#[test]
fn a_long_message_is_compressed_and_masked_in_place() {
    for role in BOTH {
        let (mut from, mut to) = ends(Terms::default(), role);
        // Headers of 2, 4 and 10 bytes, before and after compression.
        for len in [60, 125, 126, 127, 1000, 65_535, 65_536, 70_000, 1_000_000] {
            let text: String =
                (0..).map(chat).flat_map(|c| c.into_bytes()).take(len).map(char::from).collect();
            from.conn.send_text(&text, &mut from.out).unwrap();
            let frames = frame::parse(&from.out);
            assert_eq!((frames.len(), frames[0].rsv, frames[0].opcode), (1, RSV1, TEXT), "{len}");
            assert!(frames[0].payload.len() < len);
            assert_eq!(carry(&mut from, &mut to), [text.into_bytes()]);
        }
        // Noise: uncompressed.
        for len in [0, 10, 200, 100_000] {
            let noise = noise(len, 1);
            from.conn.send_binary(&noise, &mut from.out).unwrap();
            let frames = frame::parse(&from.out);
            assert_eq!((frames.len(), frames[0].rsv), (1, 0), "{len}");
            assert_eq!(frames[0].payload, noise);
            assert_eq!(carry(&mut from, &mut to), [noise]);
        }
    }
}

#[test]
fn s21_compress_never_sends_uncompressed() {
    for role in BOTH {
        let (mut from, mut to) = ends(Terms::default(), role);
        let secret = chat(1);
        from.conn.send(Data::Text(&secret), NEVER, &mut from.out).unwrap();
        let fragments = NEVER.max_frame_len(NonZeroUsize::new(10).unwrap());
        from.conn.send(Data::Text(&secret), fragments, &mut from.out).unwrap();
        let frames = frame::parse(&from.out);
        assert!(frames.iter().all(|frame| frame.rsv == 0));
        let bytes: Vec<u8> = frames.into_iter().flat_map(|frame| frame.payload).collect();
        assert_eq!(bytes, secret.repeat(2).into_bytes());
        assert_eq!(carry(&mut from, &mut to), [secret.as_bytes(), secret.as_bytes()]);
        // A later message does not refer to it either.
        from.conn.send_text(&secret, &mut from.out).unwrap();
        assert_eq!(carry(&mut from, &mut to), [secret.as_bytes()]);
    }
}

#[test]
fn d4_the_first_part_determines_compression_of_the_message() {
    let auto = SendOptions::new();
    for role in BOTH {
        for takeover in [true, false] {
            for (first, later, compressed) in [(auto, NEVER, true), (NEVER, auto, false)] {
                let (mut from, mut to) = ends(Terms::default().takeover(takeover), role);
                for n in 0..3 {
                    let parts = [chat(n), chat(n + 1), String::new(), chat(n)];
                    for (i, part) in parts.iter().enumerate() {
                        let options = if i == 0 { first } else { later };
                        let end = i + 1 == parts.len();
                        from.conn.send_part(Data::Text(part), end, options, &mut from.out).unwrap();
                        // Control frames are allowed between them.
                        from.conn.send_ping(b"x", &mut from.out).unwrap();
                    }
                    let frames = frame::parse(&from.out);
                    let data: Vec<_> = frames.iter().filter(|frame| frame.opcode < 8).collect();
                    assert_eq!(data[0].rsv, if compressed { RSV1 } else { 0 });
                    assert!(data[1..].iter().all(|frame| frame.rsv == 0 && frame.opcode == CONT));
                    let wire: usize = data.iter().map(|frame| frame.payload.len()).sum();
                    assert_eq!(wire < parts.concat().len(), compressed);
                    to.feed(&from.take_out()).unwrap();
                    let text = OwnedEvent::Message(OwnedData::Text(parts.concat().into()));
                    assert_eq!(to.take_events().iter().filter(|event| **event == text).count(), 1);
                }
            }
        }
    }
}

#[test]
fn parts_of_any_length_and_an_empty_end() {
    for role in BOTH {
        for takeover in [true, false] {
            let (mut from, mut to) = ends(Terms::default().bits(9).takeover(takeover), role);
            for lens in [&[0, 0][..], &[5, 0], &[0, 5], &[0, 300, 0, 70_000, 1, 0], &[1; 40]] {
                let mut message = Vec::new();
                for (i, len) in lens.iter().enumerate() {
                    let part = noise(*len, 3).iter().map(|byte| byte % 20).collect::<Vec<_>>();
                    message.extend_from_slice(&part);
                    let (data, end) = (Data::Binary(&part), i + 1 == lens.len());
                    from.conn.send_part(data, end, SendOptions::new(), &mut from.out).unwrap();
                }
                assert_eq!(carry(&mut from, &mut to), [message], "{lens:?}");
            }
        }
    }
}

#[test]
fn compressed_messages_in_fragments() {
    for role in BOTH {
        for max in [1, 2, 7, 125, 126, 1000] {
            let (mut from, mut to) = ends(Terms::default(), role);
            let options = SendOptions::new().max_frame_len(NonZeroUsize::new(max).unwrap());
            for n in 0..5 {
                let message = chat(n).repeat(5);
                from.conn.send(Data::Text(&message), options, &mut from.out).unwrap();
                let frames = frame::parse(&from.out);
                assert!(frames.iter().all(|frame| frame.payload.len() <= max));
                assert!(
                    frames.iter().enumerate().all(|(i, frame)| (frame.rsv == RSV1) == (i == 0))
                );
                let part = SendOptions::new().max_frame_len(NonZeroUsize::new(max).unwrap());
                for (end, text) in [(false, "one, two, "), (true, "one, two, three")] {
                    from.conn.send_part(Data::Text(text), end, part, &mut from.out).unwrap();
                }
                let expected = [message.into_bytes(), b"one, two, one, two, three".to_vec()];
                assert_eq!(carry(&mut from, &mut to), expected);
            }
        }
    }
}

#[test]
fn prepared_messages_and_the_history() {
    let level = Level::Balanced;
    for role in BOTH {
        for takeover in [true, false] {
            for bits in [9, 12, 15] {
                let (mut from, mut to) = ends(Terms::default().bits(bits).takeover(takeover), role);
                let prepared_text = chat(1000).repeat(3);
                let prepared = Prepared::text(&prepared_text)
                    .with_deflate(WindowBits::MAX, level)
                    .with_deflate(WindowBits::new(9).unwrap(), level);
                for n in 0..20 {
                    from.conn.send_text(&chat(n), &mut from.out).unwrap();
                    from.conn.send_prepared(&prepared, &mut from.out).unwrap();
                    // Refers to the prepared one.
                    from.conn.send_text(&chat(1000), &mut from.out).unwrap();
                    let frames = frame::parse(&from.out);
                    assert_eq!(frames[1].rsv, RSV1);
                    assert!(frames[1].payload.len() < prepared_text.len() / 2);
                    if takeover {
                        assert!(frames[2].payload.len() < 20, "{} bytes", frames[2].payload.len());
                    }
                    let expected = [chat(n), prepared_text.clone(), chat(1000)];
                    assert_eq!(carry(&mut from, &mut to), expected.map(String::into_bytes));
                }
            }
        }
    }
}

#[test]
fn a_prepared_message_with_too_large_a_window_is_sent_uncompressed() {
    let text = chat(5).repeat(50);
    let prepared = Prepared::text(&text).with_deflate(WindowBits::MAX, Level::Fast);
    for role in BOTH {
        for (bits, compressed) in [(9, false), (12, false), (15, true)] {
            let (mut from, mut to) = ends(Terms::default().bits(bits), role);
            from.conn.send_prepared(&prepared, &mut from.out).unwrap();
            assert_eq!(frame::parse(&from.out)[0].rsv == RSV1, compressed, "{bits} bits");
            assert_eq!(carry(&mut from, &mut to), [text.as_bytes()]);
        }
        // A message shorter than the smallest window fits everywhere.
        let short = "to be or not to be, that is the question: whether to be";
        let prepared = Prepared::text(short).with_deflate(WindowBits::MAX, Level::Fast);
        let (mut from, mut to) = ends(Terms::default().bits(9), role);
        from.conn.send_prepared(&prepared, &mut from.out).unwrap();
        assert_eq!(frame::parse(&from.out)[0].rsv, RSV1);
        assert_eq!(carry(&mut from, &mut to), [short.as_bytes()]);
        // Without an agreement: uncompressed.
        let mut from = End::preset(role);
        from.conn.send_prepared(&prepared, &mut from.out).unwrap();
        assert_eq!(frame::parse(&from.out)[0].rsv, 0);
    }
}

/// The source has keys while this is true.
static WORKS: AtomicBool = AtomicBool::new(true);

fn failing(bytes: &mut [u8]) -> Result<(), EntropyError> {
    bytes.fill(0x5a);
    if WORKS.load(Ordering::Relaxed) { Ok(()) } else { Err(EntropyError) }
}

#[test]
fn a_refused_send_keeps_both_windows_equal() {
    let config = Config::client(Entropy::from_fn(failing)).build().unwrap();
    let mut from = Terms::default().end(Role::Client, &config);
    let mut to = Terms::default().preset(Role::Server);
    let fragments = SendOptions::new().max_frame_len(NonZeroUsize::new(3).unwrap());
    for n in 0..20 {
        from.conn.send_text(&chat(n), &mut from.out).unwrap();
        assert_eq!(carry(&mut from, &mut to), [chat(n).into_bytes()]);
        WORKS.store(false, Ordering::Relaxed);
        // Keys are drawn in blocks: repeat until one draw fails.
        let mut refused = false;
        for _ in 0..40 {
            for options in [SendOptions::new(), fragments] {
                let before = from.out.len();
                match from.conn.send(Data::Text(&chat(n + 1000)), options, &mut from.out) {
                    Ok(()) => {
                        assert_eq!(carry(&mut from, &mut to), [chat(n + 1000).into_bytes()]);
                    }
                    Err(error) => {
                        assert_eq!((error, from.out.len()), (SendError::Entropy, before));
                        refused = true;
                    }
                }
            }
        }
        assert!(refused);
        WORKS.store(true, Ordering::Relaxed);
        from.conn.send_text(&chat(n + 1000), &mut from.out).unwrap();
        assert_eq!(carry(&mut from, &mut to), [chat(n + 1000).into_bytes()]);
    }
}

/// A part without a mask key, inside a message: the message continues, compressed.
#[test]
fn a_refused_part_does_not_end_the_message() {
    static WORKS: AtomicBool = AtomicBool::new(true);
    fn failing(bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.fill(0x5a);
        if WORKS.load(Ordering::Relaxed) { Ok(()) } else { Err(EntropyError) }
    }
    let config = Config::client(Entropy::from_fn(failing)).build().unwrap();
    for takeover in [true, false] {
        for options in
            [SendOptions::new(), SendOptions::new().max_frame_len(NonZeroUsize::new(3).unwrap())]
        {
            let terms = Terms::default().takeover(takeover);
            let mut from = terms.end(Role::Client, &config);
            let mut to = terms.preset(Role::Server);
            for n in 0..5 {
                let mut message = String::new();
                let mut refused = 0;
                for part in 0..40 {
                    // Keys are drawn in blocks: they run out at some part after the first.
                    WORKS.store(!(2..=35).contains(&part), Ordering::Relaxed);
                    let text = chat(n + part);
                    let data = Data::Text(&text);
                    match from.conn.send_part(data, part == 39, options, &mut from.out) {
                        Ok(()) => message.push_str(&text),
                        Err(error) => {
                            assert_eq!(error, SendError::Entropy);
                            refused += 1;
                        }
                    }
                }
                assert!(refused > 0);
                assert_eq!(frame::parse(&from.out)[0].rsv, RSV1);
                assert_eq!(carry(&mut from, &mut to), [message.into_bytes()]);
            }
        }
    }
}

#[test]
fn short_messages_are_sent_uncompressed() {
    for role in BOTH {
        for takeover in [true, false] {
            let (mut from, _) = ends(Terms::default().takeover(takeover), role);
            from.conn.send_text("aaaaaaaaaaaaaaaaaaaaaaaa", &mut from.out).unwrap();
            assert_eq!(frame::parse(&from.take_out())[0].rsv, 0, "under 32 bytes");
            from.conn.send_text(&"a".repeat(100), &mut from.out).unwrap();
            let rsv = frame::parse(&from.take_out())[0].rsv;
            assert_eq!(rsv == RSV1, takeover, "under 128 bytes it pays with context takeover only");
        }
    }
}

#[test]
fn control_frames_are_never_compressed() {
    for role in BOTH {
        let (mut from, mut to) = ends(Terms::default(), role);
        from.conn.send_ping(&[b'a'; 125], &mut from.out).unwrap();
        from.conn.send_pong(&[b'a'; 125], &mut from.out).unwrap();
        let (now, reason) = (from.now, "a".repeat(123));
        from.conn.close(sansocket::CloseCode::NORMAL, &reason, now, &mut from.out).unwrap();
        let out = from.take_out();
        assert!(
            frame::parse(&out).iter().all(|frame| frame.rsv == 0 && frame.payload.len() == 125)
        );
        to.feed(&out).unwrap();
    }
}

#[test]
fn statistics_count_the_bytes_saved_by_compression() {
    for role in BOTH {
        let (mut from, mut to) = ends(Terms::default(), role);
        from.conn.enable_stats();
        to.conn.enable_stats();
        let mut wire = 0;
        for n in 0..10 {
            from.conn.send_text(&chat(n), &mut from.out).unwrap();
            from.conn.send_binary(&noise(100, 1), &mut from.out).unwrap();
            let frames = frame::parse(&from.out);
            wire += frames.iter().map(|frame| frame.payload.len() as u64).sum::<u64>();
            carry(&mut from, &mut to);
        }
        let (sent, received) = (from.conn.stats().unwrap(), to.conn.stats().unwrap());
        let bytes = (0..10).map(|n| chat(n).len() as u64 + 100).sum::<u64>();
        assert_eq!((sent.bytes_sent, sent.wire_bytes_sent, sent.messages_sent), (bytes, wire, 20));
        assert_eq!(
            (received.bytes_received, received.wire_bytes_received, received.messages_received),
            (bytes, wire, 20)
        );
        assert!(wire < bytes);
    }
}

#[test]
fn an_echo_replies_during_the_borrow_of_the_inflated_event() {
    let mut pair = Terms::default().pair();
    for n in 0..10 {
        pair.client.conn.send_text(&chat(n), &mut pair.client.out).unwrap();
        let bytes = pair.client.take_out();
        pair.server
            .feed_with(&bytes, |conn, event, out| {
                let Event::Text(text) = event else { panic!("{event:?}") };
                conn.send_text(text, out).unwrap();
            })
            .unwrap();
        assert_eq!(carry(&mut pair.server, &mut pair.client), [chat(n).into_bytes()]);
    }
}
