//! Headers: every length boundary, and every opcode, FIN, reserved bit and mask bit, for both roles,
//! between messages and inside one, each checked at the first byte that shows it.

use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::error::{LimitError, PeerError, ProtocolError};
use sansocket::frame::OpCode;
use sansocket::frame::{FrameHeader, mask};
use sansocket::message::OwnedData;
use sansocket::{CloseCode, Role};

use crate::common::frame::{BINARY, CLOSE, CONT, LenForm, PING, PONG, TEXT, sent};
use crate::common::{BOTH, End, Frame, connection, model, preset};

/// Feeds the bytes at once and byte by byte. Compares the events, the error, the byte that shows
/// the error, and the replies with the model.
#[track_caller]
fn agrees_with_the_model(role: Role, max_message_len: u64, bytes: &[u8]) -> model::Outcome {
    let expected = model::receive(role, max_message_len, bytes);
    let config = preset(role).max_message_len(max_message_len).build().unwrap();
    let error = expected.error.map(|(_, error)| error);

    let mut at_once = End::new(role, &config);
    let result = at_once.feed(bytes);
    assert_eq!(result.err(), error, "{role:?} at once {bytes:x?}");
    assert_eq!(at_once.events, expected.events, "{role:?} at once {bytes:x?}");
    let replies: Vec<_> =
        sent(role, &at_once.out).into_iter().map(|f| (f.opcode, f.payload)).collect();
    assert_eq!(replies, expected.replies, "{role:?} at once {bytes:x?}");

    let mut cut = End::new(role, &config);
    let result = cut.feed_bytes(bytes);
    assert_eq!(result.err(), expected.error, "{role:?} by bytes {bytes:x?}");
    assert_eq!(cut.events, expected.events, "{role:?} by bytes {bytes:x?}");
    expected
}

const LARGE: u64 = isize::MAX as u64;

#[test]
fn f1_f2_f3_f4_f7_f8_every_first_and_second_byte_in_both_roles_and_states() {
    for role in BOTH {
        for in_message in [None, Some(TEXT), Some(BINARY)] {
            let before =
                in_message.map_or(Vec::new(), |op| Frame::new(op, "ab").not_fin().to(role).bytes());
            for first in 0..=255_u8 {
                for second in (0..=255_u8)
                    .filter(|second| [0, 1, 2, 5, 124, 125, 126, 127].contains(&(second & 0x7f)))
                {
                    let mut bytes = before.clone();
                    bytes.extend_from_slice(&[first, second]);
                    // Long enough for any of these frames, and for input after it.
                    bytes.resize(bytes.len() + 300, 0);
                    agrees_with_the_model(role, 16 << 20, &bytes);
                }
            }
        }
    }
}

#[test]
fn q2_a_violation_is_reported_at_the_first_header_byte_that_shows_it() {
    let text = Frame::text("x");
    let in_message = |frame: Frame| (true, frame);
    let alone = |frame: Frame| (false, frame);
    let peer = ProtocolError::Peer;
    for role in BOTH {
        // A name, the error, and the number of header bytes that show it.
        let other_mask = match role {
            Role::Server => (text.clone().unmasked(), PeerError::UnmaskedFrame),
            Role::Client => (text.clone().key([0; 4]), PeerError::MaskedFrame),
        };
        let mut table = vec![
            (alone(text.clone().rsv(0b100).to(role)), peer(PeerError::ReservedBits), 1),
            (alone(text.clone().rsv(0b010).to(role)), peer(PeerError::ReservedBits), 1),
            (alone(text.clone().rsv(0b001).to(role)), peer(PeerError::ReservedBits), 1),
            (alone(Frame::ping("").rsv(0b100).to(role)), peer(PeerError::ReservedBits), 1),
            (in_message(Frame::cont("").rsv(0b100).to(role)), peer(PeerError::ReservedBits), 1),
            (alone(Frame::ping("").not_fin().to(role)), peer(PeerError::FragmentedControl), 1),
            (alone(Frame::pong("").not_fin().to(role)), peer(PeerError::FragmentedControl), 1),
            (
                in_message(Frame::close(1000, "").not_fin().to(role)),
                peer(PeerError::FragmentedControl),
                1,
            ),
            (alone(Frame::cont("x").to(role)), peer(PeerError::UnexpectedContinuation), 1),
            (in_message(text.clone().to(role)), peer(PeerError::ExpectedContinuation), 1),
            (in_message(Frame::binary("x").to(role)), peer(PeerError::ExpectedContinuation), 1),
            (alone(other_mask.0), peer(other_mask.1), 2),
            (alone(Frame::ping([0; 126]).to(role)), peer(PeerError::ControlTooLong), 2),
            (in_message(Frame::pong([0; 70_000]).to(role)), peer(PeerError::ControlTooLong), 2),
            // Not minimal: with a length in 2 bytes both are needed, in 8 the sixth zero shows it.
            (
                alone(text.clone().len_form(LenForm::Bits16).to(role)),
                peer(PeerError::LengthNotMinimal),
                4,
            ),
            (
                alone(text.clone().announce(0).len_form(LenForm::Bits16).to(role)),
                peer(PeerError::LengthNotMinimal),
                4,
            ),
            (
                alone(text.clone().announce(125).len_form(LenForm::Bits16).to(role)),
                peer(PeerError::LengthNotMinimal),
                4,
            ),
            (
                alone(text.clone().len_form(LenForm::Bits64).to(role)),
                peer(PeerError::LengthNotMinimal),
                8,
            ),
            (
                alone(text.clone().announce(65_535).len_form(LenForm::Bits64).to(role)),
                peer(PeerError::LengthNotMinimal),
                8,
            ),
            (alone(text.clone().announce(1 << 63).to(role)), peer(PeerError::LengthTooLarge), 3),
            (alone(text.clone().announce(u64::MAX).to(role)), peer(PeerError::LengthTooLarge), 3),
            // Over the limit of 16 MiB as soon as no later byte can lower the length.
            (
                alone(text.clone().announce((1 << 63) - 1).to(role)),
                LimitError::MessageTooLong.into(),
                3,
            ),
            (alone(text.clone().announce(1 << 32).to(role)), LimitError::MessageTooLong.into(), 6),
            (alone(text.clone().announce(1 << 25).to(role)), LimitError::MessageTooLong.into(), 7),
            (
                alone(text.clone().announce((16 << 20) + 1).to(role)),
                LimitError::MessageTooLong.into(),
                10,
            ),
        ];
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            let frame = Frame::new(opcode, "x").to(role);
            table.push((alone(frame.clone()), peer(PeerError::UnknownOpCode(opcode)), 1));
            table.push((in_message(frame.not_fin()), peer(PeerError::UnknownOpCode(opcode)), 1));
        }
        for ((inside, frame), error, nth) in table {
            let mut end = End::preset(role);
            if inside {
                end.feed(&Frame::text("ab").not_fin().to(role).bytes()).unwrap();
            }
            let result = end.feed_bytes(&frame.bytes());
            assert_eq!(result, Err((nth - 1, error)), "{role:?} {frame:?}");
            let code = error.close_code().value().to_be_bytes();
            assert_eq!(sent(role, &end.out), [Frame::close_raw(code)], "{frame:?}");
        }
    }
}

#[test]
fn f5_f6_v7_v48_every_length_boundary_in_both_roles_and_every_form() {
    let boundaries = [
        0,
        1,
        124,
        125,
        126,
        127,
        128,
        65_535,
        65_536,
        65_537,
        (1 << 31) - 1,
        1 << 31,
        (1 << 31) + 1,
        (1 << 32) - 1,
        1 << 32,
        (1 << 32) + 1,
        1 << 62,
        (1 << 63) - 1,
        1 << 63,
        (1 << 63) + 1,
        u64::MAX - 1,
        u64::MAX,
    ];
    for role in BOTH {
        for len in boundaries {
            for form in [LenForm::Minimal, LenForm::Bits16, LenForm::Bits64] {
                if form == LenForm::Bits16 && len > 65_535 {
                    continue;
                }
                for opcode in [TEXT, BINARY, PING, CLOSE, CONT] {
                    let frame = Frame::new(opcode, "").announce(len).len_form(form).to(role);
                    for limit in [1, 125, 126, 65_535, 65_536, 16 << 20, LARGE] {
                        agrees_with_the_model(role, limit, &frame.bytes());
                    }
                }
            }
        }
    }
}

/// V48: with the largest limits, an announced length allocates no memory.
#[test]
fn v8_v48_a_huge_announced_length_allocates_no_memory() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            for len in [1 << 30, 1 << 32, 1 << 62, (1 << 63) - 1] {
                for opcode in [TEXT, BINARY] {
                    let limit = if delivery == Delivery::Whole { LARGE } else { u64::MAX };
                    if len > limit {
                        // A machine of 32 bits refuses it.
                        continue;
                    }
                    let config =
                        preset(role).max_message_len(limit).delivery(delivery).build().unwrap();
                    let mut end = End::new(role, &config);
                    let frame = Frame::new(opcode, [b'x'; 1000]).announce(len).to(role).bytes();
                    end.feed_in_chunks(&frame, 100).unwrap();
                    assert!(end.inbox.capacity() <= 32 * 1000, "{}", end.inbox.capacity());
                    assert!(end.conn.is_open());
                    // The connection still fails in an orderly way.
                    assert!(end.conn.receive_eof(&mut end.out).is_err());
                }
            }
        }
    }
}

/// V7: the sum of the fragments exceeds 2^63, 2^64 and the limit.
#[test]
fn v7_the_sum_of_fragments_never_overflows() {
    for role in BOTH {
        // A test can't send complete frames of that length; the first one arrives in part.
        let config = preset(role).max_message_len(u64::MAX).delivery(Delivery::Parts);
        let mut end = End::new(role, &config.build().unwrap());
        let first = Frame::binary("").not_fin().announce((1 << 63) - 1).to(role).bytes();
        end.feed(&first).unwrap();
        end.feed(&[1; 100]).unwrap();
        assert!(end.conn.is_open());

        for limit in [10, 1000, 65_536, LARGE] {
            for second in [limit - 1, limit, LARGE, u64::MAX >> 1] {
                let mut bytes = Frame::binary("ab").not_fin().to(role).bytes();
                bytes.extend(Frame::cont("").announce(second).to(role).bytes());
                let seen = agrees_with_the_model(role, limit, &bytes);
                assert_eq!(
                    seen.error.map(|(_, error)| error),
                    Some(LimitError::MessageTooLong.into()),
                    "{limit} {second}"
                );
            }
        }
    }
}

/// V16: two bytes of an unmasked frame suffice, even if it is empty and no input follows.
#[test]
fn v16_f1_a_server_refuses_an_unmasked_frame_after_two_bytes() {
    for frame in [Frame::text(""), Frame::binary(""), Frame::ping(""), Frame::close_raw("")] {
        let mut end = End::preset(Role::Server);
        let bytes = frame.bytes();
        assert_eq!(bytes.len(), 2);
        assert_eq!(end.feed(&bytes), Err(PeerError::UnmaskedFrame.into()));
        assert_eq!(sent(Role::Server, &end.out), [Frame::close(1002, "")]);
    }
}

#[test]
fn v16_f2_a_client_refuses_a_masked_frame_after_two_bytes() {
    for frame in [Frame::text(""), Frame::binary(""), Frame::ping(""), Frame::close_raw("")] {
        let mut end = End::preset(Role::Client);
        let bytes = frame.key([1, 2, 3, 4]).bytes();
        assert_eq!(end.feed(&bytes[..2]), Err(PeerError::MaskedFrame.into()));
        assert_eq!(sent(Role::Client, &end.out), [Frame::close(1002, "")]);
    }
}

/// V41: 125 bytes are accepted and echoed in full, 126 are refused as soon as the length is read.
#[test]
fn v41_f7_control_frames_of_125_bytes_are_accepted_and_of_126_refused() {
    for role in BOTH {
        for opcode in [PING, PONG, CLOSE] {
            let mut payload = vec![b'r'; 125];
            if opcode == CLOSE {
                payload[..2].copy_from_slice(&1000_u16.to_be_bytes());
            }
            let mut end = End::preset(role);
            end.feed(&Frame::new(opcode, &payload).to(role).bytes()).unwrap();
            let answer = sent(role, &end.out);
            match opcode {
                PING => assert_eq!(answer, [Frame::pong(&payload)]),
                CLOSE => assert_eq!(answer, [Frame::close_raw(&payload)]),
                _ => assert!(answer.is_empty()),
            }
            payload.push(b'r');
            let mut end = End::preset(role);
            let bytes = Frame::new(opcode, &payload).to(role).bytes();
            assert_eq!(end.feed_bytes(&bytes), Err((1, PeerError::ControlTooLong.into())));
        }
    }
}

/// Messages of every length up to past the first boundary, and around the second, at once and byte
/// by byte: the fast and the slow path of `receive`.
#[test]
fn f6_messages_of_every_length_around_the_boundaries_arrive() {
    for role in BOTH {
        for len in (0..=300).chain(65_530..=65_540) {
            let payload: Vec<u8> = (0..len).map(|i| b'a' + (i % 26) as u8).collect();
            for opcode in [TEXT, BINARY] {
                let bytes = Frame::new(opcode, &payload).to(role).bytes();
                let mut end = End::preset(role);
                end.feed(&bytes).unwrap();
                end.feed_in_chunks(&bytes, if len < 1000 { 1 } else { 1009 }).unwrap();
                // Two messages in one input, the second incomplete.
                let both = [&bytes[..], &bytes[..]].concat();
                let cut = bytes.len() + bytes.len() / 2;
                end.feed_cut(&both, &[cut]).unwrap();
                let message = match opcode {
                    TEXT => OwnedData::text(String::from_utf8(payload.clone()).unwrap()),
                    _ => OwnedData::binary(payload.clone()),
                };
                assert_eq!(end.events, vec![OwnedEvent::Message(message); 4], "{len}");
                assert!(end.out.is_empty());
            }
        }
    }
}

/// F5, F6: a sent length is minimal and below 2^63; `parse` checks it.
#[test]
fn f5_f6_sent_lengths_are_minimal() {
    for role in BOTH {
        for len in (0..=300).chain(65_530..=65_540) {
            let mut conn = connection(role, preset(role));
            let mut out = bytes::BytesMut::new();
            let payload = vec![7; len];
            conn.send_binary(&payload, &mut out).unwrap();
            assert_eq!(sent(role, &out), [Frame::binary(&payload)]);
            let header = out.len() - len - if role == Role::Client { 4 } else { 0 };
            assert_eq!(
                header,
                if len < 126 {
                    2
                } else if len < 65_536 {
                    4
                } else {
                    10
                }
            );
        }
    }
}

/// The public frame layer decodes its own output, byte by byte, and agrees with the builder.
#[test]
fn f5_f6_the_frame_layer_decodes_its_own_output() {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    for opcode in [CONT, TEXT, BINARY, CLOSE, PING, PONG] {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 31, 1 << 32, (1 << 63) - 1] {
            if opcode >= CLOSE && len > 125 {
                continue;
            }
            for masked in [false, true] {
                for rsv in 0..8 {
                    for fin in [true, false] {
                        if opcode >= CLOSE && !fin {
                            continue;
                        }
                        let mut frame = Frame::new(opcode, "").announce(len).rsv(rsv).fin(fin);
                        let code = OpCode::from_low_bits(opcode).unwrap();
                        let mut header = FrameHeader::new(code, len);
                        (header.rsv, header.fin) = (rsv, fin);
                        if masked {
                            frame = frame.key(key);
                            header = header.with_key(key);
                        }
                        let bytes = frame.header();
                        assert_eq!(header.encode().as_bytes(), bytes);
                        assert_eq!(FrameHeader::decode(&bytes), Ok(Some((header, bytes.len()))));
                        for n in 0..bytes.len() {
                            assert_eq!(FrameHeader::decode(&bytes[..n]), Ok(None));
                        }
                    }
                }
            }
        }
    }
    for (bytes, error) in [
        (&[0x83][..], PeerError::UnknownOpCode(3)),
        (&[0x8f], PeerError::UnknownOpCode(15)),
        (&[0x09], PeerError::FragmentedControl),
        (&[0x89, 126], PeerError::ControlTooLong),
        (&[0x82, 126, 0, 125], PeerError::LengthNotMinimal),
        (&[0x82, 127, 0, 0, 0, 0, 0, 0], PeerError::LengthNotMinimal),
        (&[0x82, 127, 0x80], PeerError::LengthTooLarge),
    ] {
        assert_eq!(FrameHeader::decode(bytes), Err(error));
        assert_eq!(FrameHeader::decode(&bytes[..bytes.len() - 1]), Ok(None));
    }
    let mut hello = *b"Hello";
    mask(&mut hello, key);
    assert_eq!(hello, [0x7f, 0x9f, 0x4d, 0x51, 0x58], "RFC 6455 section 5.7");
}

/// The examples of RFC 6455 section 5.7, byte for byte.
#[test]
fn f6_the_examples_of_the_rfc() {
    let hello = [OwnedEvent::Message(OwnedData::text("Hello"))];
    let mut client = End::preset(Role::Client);
    client.feed(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]).unwrap();
    assert_eq!(client.take_events(), hello);
    client.feed(&[0x01, 0x03, 0x48, 0x65, 0x6c]).unwrap();
    client.feed(&[0x80, 0x02, 0x6c, 0x6f]).unwrap();
    assert_eq!(client.take_events(), hello);
    client.feed(&[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]).unwrap();
    assert_eq!(sent(Role::Client, &client.out), [Frame::pong("Hello")]);
    let mut server = End::preset(Role::Server);
    server.feed(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]).unwrap();
    assert_eq!(server.take_events(), hello);
    server.feed(&[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]).unwrap();
    assert_eq!(server.take_events(), [OwnedEvent::Pong("Hello".into())]);
    let mut out = bytes::BytesMut::new();
    server.conn.send_binary(&[9; 256], &mut out).unwrap();
    assert_eq!(out[..4], [0x82, 0x7e, 0x01, 0x00]);
    out.clear();
    server.conn.send_binary(&[9; 65_536], &mut out).unwrap();
    assert_eq!(out[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(CloseCode::PROTOCOL_ERROR.value(), 1002);
}
