//! permessage-deflate in the connection: received messages (RFC 7692 sections 6 and 7.2.2).

use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::error::{LimitError, PeerError, ProtocolError};
use sansocket::message::OwnedData;
use sansocket::{CloseCode, Role};

use crate::common::deflate::{Foreign, RSV1, Terms, chat, compressed, noise, payload};
use crate::common::frame::{self, BINARY, CLOSE, PING, PONG, TEXT};
use crate::common::{BOTH, Frame, preset};

/// RFC 7692 7.2.3, each of them "Hello".
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const HELLO_AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];
const HELLO_STORED: &[u8] = &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
const HELLO_FINAL: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
const HELLO_TWO_BLOCKS: &[u8] =
    &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];

const CORRUPT: ProtocolError = ProtocolError::Peer(PeerError::CorruptDeflate);
const RESERVED: ProtocolError = ProtocolError::Peer(PeerError::ReservedBits);
const TOO_LONG: ProtocolError = ProtocolError::Limit(LimitError::MessageTooLong);

fn text(text: &str) -> OwnedEvent {
    OwnedEvent::Message(OwnedData::Text(String::from(text).into()))
}

fn binary(bytes: &[u8]) -> OwnedEvent {
    OwnedEvent::Message(OwnedData::Binary(bytes.to_vec().into()))
}

/// The close code in the last frame of the output.
fn close_code(out: &[u8]) -> CloseCode {
    let frames = frame::parse(out);
    let close = frames.last().expect("a Close frame");
    assert_eq!(close.opcode, CLOSE);
    CloseCode::new(u16::from_be_bytes(close.payload[..2].try_into().unwrap()))
}

#[test]
fn x21_the_examples_of_the_rfc() {
    for role in BOTH {
        for example in [HELLO, HELLO_STORED, HELLO_FINAL, HELLO_TWO_BLOCKS] {
            let bytes = compressed(TEXT, example).to(role).bytes();
            for chunk_len in 1..=bytes.len() {
                let mut end = Terms::default().preset(role);
                end.feed_in_chunks(&bytes, chunk_len).unwrap();
                assert_eq!(end.take_events(), [text("Hello")], "{example:x?} by {chunk_len}");
            }
        }
        // 7.2.3.2: the second message refers to the first.
        let mut end = Terms::default().preset(role);
        end.feed(&compressed(TEXT, HELLO).to(role).bytes()).unwrap();
        end.feed(&compressed(TEXT, HELLO_AGAIN).to(role).bytes()).unwrap();
        assert_eq!(end.take_events(), [text("Hello"), text("Hello")]);
        // 7.2.3.1: in two fragments, split anywhere (X20).
        for cut in 0..=HELLO.len() {
            let frames = [
                compressed(TEXT, &HELLO[..cut]).not_fin().to(role),
                Frame::cont(&HELLO[cut..]).to(role),
            ];
            end.feed(&frame::bytes(&frames)).unwrap();
            assert_eq!(end.take_events(), [text("Hello")], "cut at {cut}");
        }
    }
}

#[test]
fn x17_the_tail_is_appended_once_for_each_message() {
    // 7.2.2: at the end of the message, not of each fragment.
    let mut foreign = Foreign::new();
    let mut end = Terms::default().preset(Role::Client);
    for n in 0..50 {
        let message = chat(n);
        let payload = foreign.payload(message.as_bytes());
        let last = payload.len() - 1;
        let mut frames = vec![compressed(TEXT, &payload[..1]).not_fin()];
        frames.extend(payload[1..last].iter().map(|byte| Frame::cont([*byte]).not_fin()));
        frames.push(Frame::cont(&payload[last..]));
        end.feed(&frame::bytes(&frames)).unwrap();
        assert_eq!(end.take_events(), [text(&message)]);
    }
}

#[test]
fn v11_x13_rsv1_on_other_frames_is_an_error() {
    for role in BOTH {
        // Without an agreement: no message is inflated.
        let mut end = crate::common::End::preset(role);
        let error = end.feed(&compressed(TEXT, HELLO).to(role).bytes()).unwrap_err();
        assert_eq!(error, RESERVED);
        assert_eq!(close_code(&end.take_out()), CloseCode::PROTOCOL_ERROR);
        // With an agreement: RSV1 on the first frame of a data message only, and no other RSV bit.
        let begun = compressed(TEXT, &HELLO[..3]).not_fin().to(role).bytes();
        let plain = Frame::text("a").not_fin().to(role).bytes();
        for (before, frame) in [
            (&begun, Frame::cont(&HELLO[3..]).rsv(RSV1)),
            (&plain, Frame::cont("b").rsv(RSV1)),
            (&Vec::new(), Frame::ping("").rsv(RSV1)),
            (&Vec::new(), Frame::pong("x").rsv(RSV1)),
            (&Vec::new(), Frame::close(1000, "").rsv(RSV1)),
            (&begun, Frame::ping("x").rsv(RSV1)),
            (&Vec::new(), Frame::text(HELLO).rsv(0b110)),
            (&Vec::new(), Frame::text(HELLO).rsv(0b010)),
            (&Vec::new(), Frame::text(HELLO).rsv(0b001)),
        ] {
            let mut end = Terms::default().preset(role);
            end.feed(before).unwrap();
            assert_eq!(end.feed(&frame.to(role).bytes()).unwrap_err(), RESERVED);
            assert_eq!(close_code(&end.take_out()), CloseCode::PROTOCOL_ERROR);
        }
    }
}

#[test]
fn v12_blocks_with_bfinal() {
    let role = Role::Client;
    let feed = |payload: &[u8]| {
        let mut end = Terms::default().preset(role);
        let result = end.feed(&compressed(TEXT, payload).bytes());
        (end, result)
    };
    // With its tail, and without.
    for payload in [HELLO_FINAL, &HELLO_FINAL[..HELLO_FINAL.len() - 1]] {
        let (mut end, result) = feed(payload);
        result.unwrap();
        // The next message refers to data before it.
        end.feed(&compressed(TEXT, HELLO_AGAIN).bytes()).unwrap();
        assert_eq!(end.take_events(), [text("Hello"), text("Hello")], "{payload:x?}");
    }
    // More blocks after it, with references to data before it.
    let more = [&HELLO_FINAL[..HELLO_FINAL.len() - 1], HELLO_AGAIN].concat();
    let (mut end, result) = feed(&more);
    result.unwrap();
    assert_eq!(end.take_events(), [text("HelloHello")]);
    // Garbage after it.
    let garbage = [&HELLO_FINAL[..HELLO_FINAL.len() - 1], &[0xff, 0xff]].concat();
    let (mut end, result) = feed(&garbage);
    assert_eq!(result.unwrap_err(), CORRUPT);
    assert_eq!(close_code(&end.take_out()), CloseCode::INVALID_PAYLOAD);
}

#[test]
fn v13_control_frames_at_every_byte_of_a_compressed_message() {
    for role in BOTH {
        for control in [Frame::ping("ping"), Frame::pong("pong"), Frame::ping("")] {
            for delivery in [Delivery::Whole, Delivery::Parts] {
                let config = preset(role).delivery(delivery).build().unwrap();
                let mut end = Terms::default().end(role, &config);
                let mut foreign = Foreign::new();
                let message = chat(7);
                let len = foreign.payload(message.as_bytes()).len();
                let mut foreign = Foreign::new();
                for cut in 0..=len {
                    let payload = foreign.payload(message.as_bytes());
                    let cut = cut.min(payload.len());
                    let frames = [
                        compressed(TEXT, &payload[..cut]).not_fin().to(role),
                        control.clone().to(role),
                        Frame::cont(&payload[cut..]).to(role),
                    ];
                    end.feed(&frame::bytes(&frames)).unwrap();
                    assert_eq!(joined(&end.take_events()), message, "cut at {cut}");
                    let pongs = frame::parse(&end.take_out());
                    let expected = usize::from(control.opcode == PING);
                    assert_eq!(pongs.len(), expected);
                    assert!(pongs.iter().all(|pong| pong.opcode == PONG && pong.rsv == 0));
                }
            }
        }
    }
}

/// The number of bytes of all events.
fn total(events: &[OwnedEvent]) -> usize {
    let len = |event: &OwnedEvent| match event {
        OwnedEvent::Message(message) | OwnedEvent::Part { data: message, .. } => {
            message.as_data().as_bytes().len()
        }
        _ => 0,
    };
    events.iter().map(len).sum()
}

/// The texts of all events, joined.
fn joined(events: &[OwnedEvent]) -> String {
    let mut joined = String::new();
    for event in events {
        match event {
            OwnedEvent::Message(OwnedData::Text(text))
            | OwnedEvent::Part { data: OwnedData::Text(text), .. } => joined.push_str(text),
            _ => {}
        }
    }
    joined
}

#[test]
fn x14_uncompressed_messages_do_not_change_the_window() {
    let mut foreign = Foreign::new();
    let mut end = Terms::default().preset(Role::Client);
    for n in 0..40 {
        let message = chat(n);
        end.feed(&compressed(TEXT, foreign.payload(message.as_bytes())).bytes()).unwrap();
        end.feed(&Frame::text("plain, and not in the window").bytes()).unwrap();
        let frames = [Frame::text("plain, ").not_fin(), Frame::cont("in fragments")];
        end.feed(&frame::bytes(&frames)).unwrap();
        let events =
            [text(&message), text("plain, and not in the window"), text("plain, in fragments")];
        assert_eq!(end.take_events(), events);
    }
}

#[test]
fn v14_v15_invalid_compressed_data_fails_the_connection() {
    // A reference before the history: no byte of the window is revealed.
    let far = HELLO_AGAIN;
    for (case, payload) in [
        ("far", far.to_vec()),
        ("block type 3", vec![0x06, 0x00]),
        ("stored lengths disagree", vec![0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48, 0x65]),
        ("truncated", HELLO[..3].to_vec()),
        ("truncated in a stored block", HELLO_STORED[..8].to_vec()),
        ("trailing bytes", [HELLO, &[0x00, 0x12]].concat()),
        ("the tail is there", [HELLO, &[0x00, 0x00, 0xff, 0xff, 0x12]].concat()),
        ("over-subscribed code", vec![0x05, 0xe0, 0xff, 0xff, 0xff, 0xff]),
    ] {
        for role in BOTH {
            for delivery in [Delivery::Whole, Delivery::Parts] {
                let config = preset(role).delivery(delivery).build().unwrap();
                let mut end = Terms::default().end(role, &config);
                let bytes = compressed(BINARY, &payload).to(role).bytes();
                assert_eq!(end.feed(&bytes).unwrap_err(), CORRUPT, "{case} {delivery:?}");
                assert_eq!(close_code(&end.take_out()), CloseCode::INVALID_PAYLOAD);
                // V15: the data is not skipped.
                let good = compressed(TEXT, HELLO).to(role).bytes();
                assert_eq!(end.feed(&good).unwrap_err(), CORRUPT, "{case}: afterwards");
                assert!(end.conn.is_closed() && end.take_out().is_empty());
            }
        }
    }
}

#[test]
fn x19_v29_empty_messages_in_a_row() {
    for role in BOTH {
        for takeover in [true, false] {
            let mut end = Terms::default().takeover(takeover).preset(role);
            let mut frames = Vec::new();
            for _ in 0..10 {
                // As in RFC 7692 7.2.3.6, as miniz does, and without any payload.
                for payload in [&[0x00][..], &[0x02, 0x00], &[]] {
                    frames.push(compressed(TEXT, payload).to(role));
                    frames.push(Frame::text("").to(role));
                    frames.push(compressed(BINARY, payload).not_fin().to(role));
                    frames.push(Frame::cont("").to(role));
                }
            }
            end.feed(&frame::bytes(&frames)).unwrap();
            let events = end.take_events();
            assert_eq!(events.len(), 90);
            assert!(events.iter().all(|event| *event == text("") || *event == binary(b"")));
            end.feed(&compressed(TEXT, HELLO).to(role).bytes()).unwrap();
            assert_eq!(end.take_events(), [text("Hello")]);
        }
    }
}

#[test]
fn v43_three_messages_with_references_to_earlier_messages() {
    for role in BOTH {
        let mut foreign = Foreign::new();
        let noise = noise(2000, 1);
        let mut end = Terms::default().preset(role);
        for round in 0..3 {
            let payload = foreign.payload(&noise);
            assert!(round == 0 || payload.len() < 100, "it refers to the ones before");
            end.feed(&compressed(BINARY, payload).to(role).bytes()).unwrap();
            assert_eq!(end.take_events(), [binary(&noise)]);
        }
    }
}

#[test]
fn without_context_takeover_a_reference_to_an_earlier_message_is_corrupt() {
    for role in BOTH {
        let mut end = Terms::default().takeover(false).preset(role);
        end.feed(&compressed(TEXT, HELLO).to(role).bytes()).unwrap();
        end.feed(&compressed(TEXT, HELLO).to(role).bytes()).unwrap();
        let again = compressed(TEXT, HELLO_AGAIN).to(role).bytes();
        assert_eq!(end.feed(&again).unwrap_err(), CORRUPT);
    }
}

#[test]
fn text_is_validated_while_it_is_inflated() {
    let role = Role::Client;
    // A character split between two fragments, and between two parts.
    let text = "gr\u{fc}n \u{20ac} \u{1f600}";
    let stored = |bytes: &[u8]| {
        let len = bytes.len() as u16;
        let mut block = vec![0x00];
        block.extend_from_slice(&len.to_le_bytes());
        block.extend_from_slice(&(!len).to_le_bytes());
        block.extend_from_slice(bytes);
        block
    };
    for delivery in [Delivery::Whole, Delivery::Parts] {
        let config = preset(role).delivery(delivery).build().unwrap();
        let payload = [stored(text.as_bytes()), vec![0x00]].concat();
        for cut in 0..=payload.len() {
            let mut end = Terms::default().end(role, &config);
            let frames =
                [compressed(TEXT, &payload[..cut]).not_fin(), Frame::cont(&payload[cut..])];
            end.feed(&frame::bytes(&frames)).unwrap();
            assert_eq!(joined(&end.take_events()), text, "cut at {cut}, {delivery:?}");
        }
        // Invalid at once, at the first invalid byte; and an incomplete character at the end.
        for (bad, how_many) in [(&b"abc\xff"[..], 9), (b"abc\xe2\x82", 11), (b"\xed\xa0\x80", 7)] {
            let payload = [stored(bad), vec![0x00]].concat();
            let bytes = compressed(TEXT, &payload).bytes();
            let mut end = Terms::default().end(role, &config);
            let (at, error) = end.feed_bytes(&bytes).unwrap_err();
            assert_eq!(error, PeerError::InvalidUtf8.into());
            assert_eq!(at, 2 + how_many - 1, "{bad:x?} {delivery:?}");
            assert_eq!(close_code(&end.take_out()), CloseCode::INVALID_PAYLOAD);
            let mut end = Terms::default().end(role, &config);
            assert_eq!(end.feed(&bytes).unwrap_err(), PeerError::InvalidUtf8.into());
        }
    }
}

/// Inflated bytes of an unfinished frame are available before the rest of it.
#[test]
fn all_parts_of_an_unfinished_frame_need_no_further_input() {
    let n = 200_000;
    let payload = payload(&vec![b'a'; n]);
    for role in BOTH {
        let config = preset(role).delivery(Delivery::Parts).build().unwrap();
        let bytes = compressed(TEXT, &payload).to(role).bytes();
        for missing in 1..30 {
            let [at_once, bytewise] = [bytes.len(), 1].map(|chunk_len| {
                let mut end = Terms::default().end(role, &config);
                end.feed_in_chunks(&bytes[..bytes.len() - missing], chunk_len).unwrap();
                total(&end.take_events())
            });
            assert_eq!(at_once, bytewise, "without the last {missing}");
        }
    }
}

#[test]
fn v9_v38_the_limit_applies_to_inflated_bytes() {
    let n = 100_000;
    let message = vec![b'a'; n];
    let payload = payload(&message);
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            for (limit, fits) in [(n, true), (n - 1, false), (n / 2, false), (1, false)] {
                let builder = preset(role).delivery(delivery).max_message_len(limit as u64);
                let config = builder.build().unwrap();
                // Alone, in fragments, byte by byte.
                let alone = compressed(BINARY, &payload).to(role).bytes();
                let cut = payload.len() / 2;
                let fragments = frame::bytes(&[
                    compressed(BINARY, &payload[..cut]).not_fin().to(role),
                    Frame::cont(&payload[cut..]).to(role),
                ]);
                for (bytes, chunk_len) in
                    [(&alone, usize::MAX), (&fragments, usize::MAX), (&alone, 1)]
                {
                    let mut end = Terms::default().end(role, &config);
                    let result = end.feed_in_chunks(bytes, chunk_len);
                    if fits {
                        result.unwrap();
                        assert_eq!(total(&end.take_events()), n);
                    } else {
                        assert_eq!(result.unwrap_err(), TOO_LONG);
                        assert_eq!(close_code(&end.take_out()), CloseCode::MESSAGE_TOO_BIG);
                    }
                }
            }
        }
    }
}

#[test]
fn v38_an_announced_length_above_any_compressed_form_is_too_long() {
    for role in BOTH {
        let config = preset(role).max_message_len(1000).build().unwrap();
        for (announced, fits) in [(1000, true), (9024, true), (9025, false), (1 << 40, false)] {
            let mut end = Terms::default().end(role, &config);
            let frame = compressed(BINARY, []).announce(announced).to(role);
            assert_eq!(end.feed(&frame.bytes()).is_ok(), fits, "{announced}");
        }
        // All fragments together.
        let mut end = Terms::default().end(role, &config);
        let empty_blocks = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(1000);
        end.feed(&compressed(BINARY, &empty_blocks).not_fin().to(role).bytes()).unwrap();
        let error = end.feed(&Frame::cont(&empty_blocks).to(role).bytes()).unwrap_err();
        assert_eq!(error, TOO_LONG);
    }
}

#[test]
fn inflated_parts_are_at_most_16_kib_and_no_input_is_consumed_before_them() {
    let message: Vec<u8> = (0..200_000_u32).map(|i| (i / 700) as u8).collect();
    for role in BOTH {
        for takeover in [true, false] {
            for chunk_len in [usize::MAX, 7] {
                let config = preset(role).delivery(Delivery::Parts).build().unwrap();
                let mut end = Terms::default().takeover(takeover).end(role, &config);
                let mut foreign = Foreign::new();
                for _ in 0..2 {
                    if !takeover {
                        foreign = Foreign::new();
                    }
                    let frame = compressed(BINARY, foreign.payload(&message)).to(role);
                    end.feed_in_chunks(&frame.bytes(), chunk_len).unwrap();
                    check_parts(&end.take_events(), &message);
                }
            }
        }
    }
}

/// The parts of one binary message.
fn check_parts(events: &[OwnedEvent], message: &[u8]) {
    let mut all = Vec::new();
    for (i, event) in events.iter().enumerate() {
        let OwnedEvent::Part { data: OwnedData::Binary(data), start, end } = event else {
            panic!("{event:?}");
        };
        assert!(data.len() <= 16 * 1024);
        assert_eq!(*start, i == 0);
        assert_eq!(*end, i + 1 == events.len());
        all.extend_from_slice(data);
    }
    assert!(all == message);
}
