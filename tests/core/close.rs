//! The closing handshake: every state with every input, every code, the initiator, and the state
//! after the end.

use bytes::BytesMut;
use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::error::{PeerError, ProtocolError, SendError, TimeoutError};
use sansocket::message::{OwnedCloseFrame, OwnedData};
use sansocket::{CloseCode, Event, Role};

use crate::common::frame::{self, sent};
use crate::common::{BOTH, End, Frame, Pair, at_ms, connection, model, preset, secs};

const EOF: ProtocolError = ProtocolError::Peer(PeerError::ClosedWithoutHandshake);
const RSV: ProtocolError = ProtocolError::Peer(PeerError::ReservedBits);
const LATE: ProtocolError = ProtocolError::Timeout(TimeoutError::Close);
const UNSENT: ProtocolError = ProtocolError::Timeout(TimeoutError::CloseUnsent);

fn close_event(code: u16, reason: &'static str) -> OwnedEvent {
    OwnedEvent::Close(Some(OwnedCloseFrame { code: CloseCode::new(code), reason: reason.into() }))
}

fn text_event(text: &'static str) -> OwnedEvent {
    OwnedEvent::Message(OwnedData::text(text))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// We have sent 3000.
    CloseSent,
    /// The peer has sent 3001 with a reason first.
    ClosedByPeer,
    /// We have sent 3000 first, and the peer replied with 3001 and a reason.
    ClosedByUs,
    /// A reserved bit while open.
    FailedOpen,
    /// We have sent 3000, then received a reserved bit.
    FailedClosing,
    /// The transport ended while open.
    LostOpen,
    /// We have sent 3000, then the transport ended.
    LostClosing,
    /// We have sent 3000, then the close timeout elapsed.
    TimedOut,
    /// We have queued 3000, no byte was written, and the close timeout elapsed.
    TimedOutUnsent,
    /// Aborted while open.
    AbortedOpen,
    /// We have sent 3000, then aborted.
    AbortedClosing,
}

const STATES: [State; 12] = [
    State::Open,
    State::CloseSent,
    State::ClosedByPeer,
    State::ClosedByUs,
    State::FailedOpen,
    State::FailedClosing,
    State::LostOpen,
    State::LostClosing,
    State::TimedOut,
    State::TimedOutUnsent,
    State::AbortedOpen,
    State::AbortedClosing,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Nothing,
    Text,
    FirstFragment,
    Ping,
    Pong,
    Close,
    EmptyClose,
    /// 1 byte.
    ShortClose,
    /// 1005.
    BadCode,
    BadReason,
    ReservedBit,
    Eof,
    /// The close deadline.
    Deadline,
    Abort,
    /// Calls that change no state: output is written, data is discarded, the message rested.
    Notes,
    OurClose,
    OurText,
    OurPing,
}

const INPUTS: [On; 18] = [
    On::Nothing,
    On::Text,
    On::FirstFragment,
    On::Ping,
    On::Pong,
    On::Close,
    On::EmptyClose,
    On::ShortClose,
    On::BadCode,
    On::BadReason,
    On::ReservedBit,
    On::Eof,
    On::Deadline,
    On::Abort,
    On::Notes,
    On::OurClose,
    On::OurText,
    On::OurPing,
];

/// All observable results of an input.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    result: Result<(), ProtocolError>,
    send: Option<Result<(), SendError>>,
    events: Vec<OwnedEvent>,
    out: Vec<Frame>,
    open: bool,
    closed: bool,
    status: Option<(u16, String, Role, bool)>,
}

fn bring_to(role: Role, state: State) -> End {
    let mut end = End::preset(role);
    let close = |end: &mut End| {
        end.conn.close(CloseCode::new(3000), "ours", at_ms(0), &mut end.out).unwrap();
        end.out.clear();
        end.written();
    };
    let theirs = Frame::close(3001, "theirs").to(role).bytes();
    let bad = Frame::text("").rsv(1).to(role).bytes();
    match state {
        State::Open => {}
        State::CloseSent => close(&mut end),
        State::ClosedByPeer => end.feed(&theirs).unwrap(),
        State::ClosedByUs => {
            close(&mut end);
            end.feed(&theirs).unwrap();
        }
        State::FailedOpen => assert_eq!(end.feed(&bad), Err(RSV)),
        State::FailedClosing => {
            close(&mut end);
            assert_eq!(end.feed(&bad), Err(RSV));
        }
        State::LostOpen => assert_eq!(end.conn.receive_eof(&mut end.out), Err(EOF)),
        State::LostClosing => {
            close(&mut end);
            assert_eq!(end.conn.receive_eof(&mut end.out), Err(EOF));
        }
        State::TimedOut => {
            close(&mut end);
            end.now = at_ms(5000);
            assert_eq!(end.timeout(), Err(LATE));
        }
        State::TimedOutUnsent => {
            end.conn.close(CloseCode::new(3000), "ours", at_ms(0), &mut end.out).unwrap();
            end.now = at_ms(5000);
            assert_eq!(end.timeout(), Err(UNSENT));
        }
        State::AbortedOpen => end.conn.abort(),
        State::AbortedClosing => {
            close(&mut end);
            end.conn.abort();
        }
    }
    end.out.clear();
    end.events.clear();
    end
}

fn apply(end: &mut End, on: On) -> Seen {
    let role = end.conn.role();
    let feed = |end: &mut End, frame: Frame| end.feed(&frame.to(role).bytes());
    let mut send = None;
    let result = match on {
        On::Nothing => end.feed(&[]),
        On::Text => feed(end, Frame::text("x")),
        On::FirstFragment => feed(end, Frame::text("x").not_fin()),
        On::Ping => feed(end, Frame::ping("p")),
        On::Pong => feed(end, Frame::pong("p")),
        On::Close => feed(end, Frame::close(3001, "why")),
        On::EmptyClose => feed(end, Frame::close_raw("")),
        On::ShortClose => feed(end, Frame::close_raw("x")),
        On::BadCode => feed(end, Frame::close(1005, "")),
        On::BadReason => feed(end, Frame::close(3001, b"\xff")),
        On::ReservedBit => feed(end, Frame::text("x").rsv(0b100)),
        On::Eof => end.conn.receive_eof(&mut end.out),
        On::Deadline => {
            end.now = at_ms(5000);
            end.timeout()
        }
        On::Abort => {
            end.conn.abort();
            Ok(())
        }
        On::Notes => {
            end.written();
            end.conn.discard_data();
            end.conn.restart_close_timeout(end.now);
            end.conn.message_rested(secs(1));
            Ok(())
        }
        On::OurClose => {
            send = Some(end.conn.close(CloseCode::NORMAL, "bye", end.now, &mut end.out));
            Ok(())
        }
        On::OurText => {
            send = Some(end.conn.send_text("t", &mut end.out));
            Ok(())
        }
        On::OurPing => {
            send = Some(end.conn.send_ping(b"p", &mut end.out));
            Ok(())
        }
    };
    Seen {
        result,
        send,
        events: end.take_events(),
        out: sent(role, &end.take_out()),
        open: end.conn.is_open(),
        closed: end.conn.is_closed(),
        status: end
            .conn
            .close_status()
            .map(|s| (s.code.value(), s.reason.as_str().to_owned(), s.by, s.clean)),
    }
}

/// The expected results, written from RFC 6455 section 7 and the rows C1 to C8.
fn expected(role: Role, state: State, on: On) -> Seen {
    let (us, peer) = (role, role.peer());
    let sending = matches!(on, On::OurClose | On::OurText | On::OurPing);
    let silent = sending || matches!(on, On::Abort | On::Notes);
    let status = |code, reason: &str, by, clean| Some((code, reason.to_owned(), by, clean));
    // The state without the input.
    let mut seen = Seen {
        result: Ok(()),
        send: sending.then_some(Err(SendError::Closed)),
        events: vec![],
        out: vec![],
        open: state == State::Open,
        closed: !matches!(state, State::Open | State::CloseSent),
        status: match state {
            State::Open => None,
            State::CloseSent => status(3000, "", us, false),
            State::ClosedByPeer => status(3001, "theirs", peer, true),
            State::ClosedByUs => status(3001, "theirs", us, true),
            State::FailedOpen => status(1002, "", us, false),
            State::FailedClosing => status(3000, "", us, false),
            State::LostOpen => status(1006, "", peer, false),
            State::LostClosing
            | State::TimedOut
            | State::TimedOutUnsent
            | State::AbortedOpen
            | State::AbortedClosing => status(1006, "", us, false),
        },
    };
    // After the end all input is discarded (C7, C8), and every call returns the error of a failure
    // (V28).
    let poison = match state {
        State::FailedOpen | State::FailedClosing => Some(RSV),
        State::LostOpen | State::LostClosing => Some(EOF),
        State::TimedOut => Some(LATE),
        State::TimedOutUnsent => Some(UNSENT),
        State::AbortedOpen | State::AbortedClosing => Some(ProtocolError::Aborted),
        _ => None,
    };
    if let Some(error) = poison {
        seen.result = if silent { Ok(()) } else { Err(error) };
        return seen;
    }
    if seen.closed {
        return seen;
    }
    let is_open = state == State::Open;
    let mut fail = |error: ProtocolError, code: u16| {
        seen.result = Err(error);
        (seen.open, seen.closed) = (false, true);
        // C4, C7: only one Close frame.
        if is_open {
            seen.out = vec![Frame::close(code, "")];
            seen.status = status(code, "", us, false);
        }
    };
    match on {
        On::Nothing | On::FirstFragment | On::Notes => {}
        On::Text => seen.events = vec![text_event("x")],
        On::Pong => seen.events = vec![OwnedEvent::Pong("p".into())],
        // C8: after our Close frame too.
        On::Ping => {
            seen.events = vec![OwnedEvent::Ping("p".into())];
            seen.out = vec![Frame::pong("p")];
        }
        On::Close | On::EmptyClose => {
            let (code, reason, frame, event) = if on == On::Close {
                (3001, "why", Frame::close(3001, "why"), close_event(3001, "why"))
            } else {
                (1005, "", Frame::close_raw(""), OwnedEvent::Close(None))
            };
            seen.events = vec![event];
            seen.out = if is_open { vec![frame] } else { vec![] };
            (seen.open, seen.closed) = (false, true);
            seen.status = status(code, reason, if is_open { peer } else { us }, true);
        }
        On::ShortClose => fail(PeerError::InvalidClosePayload.into(), 1002),
        On::BadCode => fail(PeerError::InvalidCloseCode(1005).into(), 1002),
        On::BadReason => fail(PeerError::InvalidCloseReason(3001).into(), 1007),
        On::ReservedBit => fail(RSV, 1002),
        On::Eof => {
            seen.result = Err(EOF);
            (seen.open, seen.closed) = (false, true);
            // The peer may have ended its writing half only: it is sent one Close frame.
            seen.out = if is_open { vec![Frame::close(1002, "")] } else { vec![] };
            seen.status = status(1006, "", if is_open { peer } else { us }, false);
        }
        On::Deadline => {
            // While open there is no close deadline; that of keep-alive is later.
            if !is_open {
                seen.result = Err(LATE);
                seen.closed = true;
                seen.status = status(1006, "", us, false);
            }
        }
        On::Abort => {
            (seen.open, seen.closed) = (false, true);
            seen.status = status(1006, "", us, false);
        }
        On::OurClose if is_open => {
            seen.send = Some(Ok(()));
            seen.out = vec![Frame::close(1000, "bye")];
            seen.open = false;
            seen.status = status(1000, "", us, false);
        }
        On::OurText | On::OurPing if is_open => {
            seen.send = Some(Ok(()));
            seen.out = vec![if on == On::OurText { Frame::text("t") } else { Frame::ping("p") }];
        }
        // C3: no Close frame, text or ping is sent after our Close frame.
        On::OurClose | On::OurText | On::OurPing => {}
    }
    seen
}

#[test]
fn c3_c4_c6_c7_c8_v28_every_state_with_every_input() {
    for role in BOTH {
        for state in STATES {
            for on in INPUTS {
                let mut end = bring_to(role, state);
                let seen = apply(&mut end, on);
                assert_eq!(seen, expected(role, state, on), "{role:?} {state:?} {on:?}");
            }
        }
    }
}

/// V28: every call after the end, in any order, twice: the same error, no output, no panic.
#[test]
fn v28_every_call_after_the_end_returns_the_same_error() {
    for role in BOTH {
        for state in STATES.into_iter().skip(2) {
            for first in INPUTS {
                for second in INPUTS {
                    let mut end = bring_to(role, state);
                    let before = end.conn.close_status();
                    for on in [first, second, first] {
                        let seen = apply(&mut end, on);
                        assert_eq!(seen, expected(role, state, on), "{role:?} {state:?} {on:?}");
                    }
                    assert_eq!(end.conn.close_status(), before);
                    assert_eq!(end.conn.poll_timeout(), None);
                    assert!(end.conn.direct_room(&mut end.inbox).is_none());
                    end.conn.received_direct(10, at_ms(0), &mut end.inbox);
                    assert!(end.out.is_empty());
                }
            }
        }
    }
}

/// C2, Q4: every close code, received and sent.
#[test]
fn c2_q4_every_close_code_received_and_sent() {
    for role in BOTH {
        let config = preset(role).build().unwrap();
        for code in 0..=u16::MAX {
            let legal = model::code_is_valid(code);
            assert_eq!(CloseCode::new(code).may_be_sent(), legal, "{code}");
            assert_eq!(CloseCode::new(code).may_be_received(), legal, "{code}");

            let mut end = End::new(role, &config);
            let result = end.feed(&Frame::close(code, "r").to(role).bytes());
            let out = sent(role, &end.out);
            if legal {
                assert_eq!(result, Ok(()));
                assert_eq!(end.events, [close_event(code, "r")]);
                assert_eq!(out, [Frame::close(code, "r")]);
            } else {
                assert_eq!(result, Err(PeerError::InvalidCloseCode(code).into()));
                assert!(end.events.is_empty());
                assert_eq!(out, [Frame::close(1002, "")]);
            }

            let mut end = End::new(role, &config);
            let result = end.conn.close(CloseCode::new(code), "r", at_ms(0), &mut end.out);
            if legal {
                assert_eq!(result, Ok(()));
                assert_eq!(sent(role, &end.out), [Frame::close(code, "r")]);
            } else {
                assert_eq!(result, Err(SendError::UnsendableCode(code)));
                assert!(end.out.is_empty() && end.conn.is_open());
            }
            // Without a reason: 1005 alone means a frame without a code.
            if code != 1005 {
                let mut end = End::new(role, &config);
                let result = end.conn.close(CloseCode::new(code), "", at_ms(0), &mut end.out);
                assert_eq!(result.is_ok(), legal);
            }
        }
        // C6: 1005 is never sent.
        let mut end = End::new(role, &config);
        end.conn.close(CloseCode::NO_STATUS, "", at_ms(0), &mut end.out).unwrap();
        assert_eq!(sent(role, &end.out), [Frame::close_raw("")]);
        assert_eq!(end.conn.close_status().unwrap().code, CloseCode::NO_STATUS);
    }
}

/// C1: the body is empty or at least 2 bytes; every valid reason is accepted, in one read and
/// split.
#[test]
fn c1_bodies_of_every_length_and_bad_reasons() {
    for role in BOTH {
        for len in 0..=125 {
            let mut payload = vec![b'r'; len];
            for (place, byte) in payload.iter_mut().zip(1000_u16.to_be_bytes()) {
                *place = byte;
            }
            let bytes = Frame::close_raw(&payload).to(role).bytes();
            for chunk_len in [1, 3, bytes.len()] {
                let mut end = End::preset(role);
                let result = end.feed_in_chunks(&bytes, chunk_len);
                if len == 1 {
                    assert_eq!(result, Err(PeerError::InvalidClosePayload.into()));
                    assert_eq!(sent(role, &end.out), [Frame::close(1002, "")]);
                } else {
                    assert_eq!(result, Ok(()));
                    assert_eq!(sent(role, &end.out), [Frame::close_raw(&payload)]);
                }
            }
        }
        for bad in [
            &b"\xff"[..],
            b"ok\xff",
            b"\xe2\x82",
            b"\xed\xa0\x80",
            b"\xc0\x80",
            b"\xf4\x90\x80\x80",
            b"long enough for the vector loop, if there is one at all, and then \x80",
        ] {
            for code in [1000, 1013, 4999] {
                let bytes = Frame::close(code, bad).to(role).bytes();
                let error = PeerError::InvalidCloseReason(code);
                for chunk_len in [1, 2, bytes.len()] {
                    let mut end = End::preset(role);
                    assert_eq!(end.feed_in_chunks(&bytes, chunk_len), Err(error.into()));
                    assert_eq!(sent(role, &end.out), [Frame::close(1007, "")]);
                    assert!(end.events.is_empty());
                }
                let text = error.to_string();
                assert!(text.contains(&code.to_string()) && text.contains("reason"), "{text}");
            }
        }
        // An invalid code and an invalid reason: the error is that of the code.
        let mut end = End::preset(role);
        let error = end.feed(&Frame::close(1005, b"\xff").to(role).bytes());
        assert_eq!(error, Err(PeerError::InvalidCloseCode(1005).into()));
    }
}

/// C4: the reply echoes code and reason, once, after the replies to all earlier input.
#[test]
fn c4_v37_input_before_the_close_frame_is_answered_before_it() {
    for role in BOTH {
        let input: Vec<u8> = [
            Frame::text("one"),
            Frame::ping("p"),
            Frame::binary("two"),
            Frame::close(1001, "away"),
        ]
        .into_iter()
        .flat_map(|frame| frame.to(role).bytes())
        .collect();
        for chunk_len in [1, 2, 7, input.len()] {
            let mut end = End::preset(role);
            for bytes in input.chunks(chunk_len) {
                end.feed_with(bytes, |conn, event, out| match event {
                    Event::Text(text) => conn.send_text(text, out).unwrap(),
                    Event::Binary(bytes) => conn.send_binary(bytes, out).unwrap(),
                    Event::Close(_) => {
                        assert_eq!(conn.send_text("late", out), Err(SendError::Closed));
                    }
                    _ => {}
                })
                .unwrap();
            }
            let expected = [
                Frame::text("one"),
                Frame::pong("p"),
                Frame::binary("two"),
                Frame::close(1001, "away"),
            ];
            assert_eq!(sent(role, &end.out), expected);
        }
    }
}

/// C4: a message that is sent in parts may be completed before the reply, as long as the Close
/// frame of the peer has not arrived. After it every send fails.
#[test]
fn c4_a_close_between_the_parts_of_our_message() {
    for role in BOTH {
        let mut end = End::preset(role);
        let o = sansocket::message::SendOptions::new();
        end.conn.send_part("a".into(), false, o, &mut end.out).unwrap();
        end.feed(&Frame::close(1000, "").to(role).bytes()).unwrap();
        let rest = end.conn.send_part("b".into(), true, o, &mut end.out);
        assert_eq!(rest, Err(SendError::Closed));
        let expected = [Frame::text("a").not_fin(), Frame::close(1000, "")];
        assert_eq!(sent(role, &end.out), expected);
    }
}

/// C7, C8, Q5: input after a Close frame or an error in the same read is discarded: no event, no
/// pong, no second Close frame, and no other error.
#[test]
fn c7_c8_q5_input_after_the_end_is_discarded() {
    for role in BOTH {
        let late: Vec<u8> = [
            Frame::text("late"),
            Frame::ping("late"),
            Frame::close(1001, "late"),
            Frame::text("").rsv(7),
        ]
        .into_iter()
        .flat_map(|frame| frame.to(role).bytes())
        .chain([0xff; 100])
        .collect();
        for (first, error) in [
            (Frame::close(1000, "").to(role), None),
            (Frame::text("").rsv(7).to(role), Some(RSV)),
            (Frame::close_raw("x").to(role), Some(PeerError::InvalidClosePayload.into())),
            (Frame::text(b"\xff").to(role), Some(PeerError::InvalidUtf8.into())),
        ] {
            let input = [first.bytes(), late.clone()].concat();
            for chunk_len in [1, 5, input.len()] {
                let mut end = End::preset(role);
                for bytes in input.chunks(chunk_len) {
                    let result = end.feed(bytes);
                    if let Err(seen) = result {
                        assert_eq!(Some(seen), error);
                    }
                }
                assert_eq!(end.error, error);
                assert_eq!(end.events.len(), usize::from(error.is_none()));
                let code = error.map_or(1000, |error| error.close_code().value());
                assert_eq!(sent(role, &end.out), [Frame::close(code, "")]);
                assert!(end.conn.is_closed());
            }
        }
    }
}

/// C3, C8: after our Close frame messages still arrive, pings are still answered, and an unfinished
/// message is completed; the Close frame of the peer ends it.
#[test]
fn c3_c8_receiving_continues_after_our_close_frame() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).delivery(delivery).build().unwrap();
            let mut end = End::new(role, &config);
            end.feed(&Frame::text("ab").not_fin().to(role).bytes()).unwrap();
            end.conn.close(CloseCode::NORMAL, "done", at_ms(0), &mut end.out).unwrap();
            assert!(!end.conn.is_open() && !end.conn.is_closed());
            for frame in [
                Frame::ping("p1"),
                Frame::cont("c"),
                Frame::binary("d"),
                Frame::ping("p2"),
                Frame::close(1000, "done"),
                Frame::ping("p3"),
            ] {
                end.feed(&frame.to(role).bytes()).unwrap();
            }
            let expected = [Frame::close(1000, "done"), Frame::pong("p1"), Frame::pong("p2")];
            assert_eq!(sent(role, &end.out), expected);
            assert_eq!(*end.events.last().unwrap(), close_event(1000, "done"));
            if delivery == Delivery::Whole {
                assert!(end.events.contains(&text_event("abc")));
            }
        }
    }
}

/// Both send a Close frame at the same time: each accepts the other frame as the reply, and both
/// report themselves as the initiator.
#[test]
fn c4_c6_close_frames_that_cross() {
    let mut pair = Pair::preset();
    pair.client.conn.close(CloseCode::NORMAL, "c", at_ms(0), &mut pair.client.out).unwrap();
    pair.server.conn.close(CloseCode::GOING_AWAY, "s", at_ms(0), &mut pair.server.out).unwrap();
    assert!(pair.step());
    assert!(!pair.step(), "no more output");
    for (end, code, reason) in [(&pair.client, 1001, "s"), (&pair.server, 1000, "c")] {
        assert!(end.conn.is_closed());
        let status = end.conn.close_status().unwrap();
        assert_eq!((status.code.value(), status.by, status.clean), (code, end.conn.role(), true));
        assert_eq!(status.reason.as_str(), reason);
        assert_eq!(end.events, [close_event(code, reason)]);
    }
    for end in [&mut pair.client, &mut pair.server] {
        assert_eq!(end.conn.receive_eof(&mut end.out), Ok(()));
        assert!(end.out.is_empty());
    }
}

#[test]
fn c4_c5_c6_the_close_status_has_the_initiator_and_the_code() {
    for began in BOTH {
        for (code, reason) in [(1000, "bye"), (1001, ""), (3000, "r"), (4999, ""), (1005, "")] {
            for chunk_len in [1, usize::MAX] {
                let mut pair = Pair::preset();
                pair.chunk_len = chunk_len;
                let (first, second) = match began {
                    Role::Client => (&mut pair.client, &mut pair.server),
                    Role::Server => (&mut pair.server, &mut pair.client),
                };
                first.conn.close(CloseCode::new(code), reason, at_ms(0), &mut first.out).unwrap();
                let status = first.conn.close_status().unwrap();
                assert_eq!((status.code.value(), status.by, status.clean), (code, began, false));
                assert_eq!(status.reason.as_str(), "", "the reason is the peer's");
                assert_eq!(second.conn.close_status(), None);
                pair.drive();
                for end in [&mut pair.client, &mut pair.server] {
                    let status = end.conn.close_status().unwrap();
                    assert_eq!((status.code.value(), status.by, status.clean), (code, began, true));
                    assert_eq!(status.reason.as_str(), reason);
                    let frame = (code != 1005).then(|| OwnedCloseFrame {
                        code: CloseCode::new(code),
                        reason: reason.to_owned().into(),
                    });
                    assert_eq!(end.events, [OwnedEvent::Close(frame)]);
                    // C5: the transport may end now, at both ends.
                    assert!(end.conn.is_closed());
                    assert_eq!(end.conn.receive_eof(&mut end.out), Ok(()));
                    assert_eq!(end.conn.poll_timeout(), None);
                }
            }
        }
    }
}

/// The peer replies with another code than ours: its code is reported.
#[test]
fn c6_the_close_code_is_that_of_the_peer() {
    for role in BOTH {
        let mut end = End::preset(role);
        end.conn.close(CloseCode::NORMAL, "", at_ms(0), &mut end.out).unwrap();
        end.feed(&Frame::close_raw("").to(role).bytes()).unwrap();
        let status = end.conn.close_status().unwrap();
        assert_eq!((status.code, status.by, status.clean), (CloseCode::NO_STATUS, role, true));
    }
}

/// C6: the end of the transport at every position of a connection.
#[test]
fn c6_v28_end_of_transport_at_every_byte() {
    for role in BOTH {
        let input: Vec<u8> = [
            Frame::text("ab").not_fin(),
            Frame::ping("p"),
            Frame::cont("\u{20ac}"),
            Frame::close(1000, "bye"),
        ]
        .into_iter()
        .flat_map(|frame| frame.to(role).bytes())
        .collect();
        for cut in 0..=input.len() {
            let mut end = End::preset(role);
            end.feed(&input[..cut]).unwrap();
            let eof = end.conn.receive_eof(&mut end.out);
            if cut == input.len() {
                assert_eq!(eof, Ok(()));
            } else {
                assert_eq!(eof, Err(EOF));
                assert_eq!(end.conn.close_status().unwrap().code, CloseCode::ABNORMAL);
                assert_eq!(end.feed(&input[cut..]), Err(EOF));
            }
            let pongs = usize::from(end.events.contains(&OwnedEvent::Ping("p".into())));
            let out = sent(role, &end.out);
            assert_eq!(out.iter().filter(|f| f.opcode == frame::PONG).count(), pongs);
            // 1006 is never written: a half-closed peer gets 1002.
            let close =
                if cut == input.len() { Frame::close(1000, "bye") } else { Frame::close(1002, "") };
            assert_eq!(out[pongs..], [close]);
        }
    }
}

/// Q5: the server closes the transport first; both ends report when.
#[test]
fn q5_c5_a_violation_ends_the_connection_at_once() {
    for role in BOTH {
        let mut end = End::preset(role);
        end.feed(&[0xf0]).unwrap_err();
        assert!(end.conn.is_closed());
        assert_eq!(end.conn.poll_timeout(), None);
        assert_eq!(sent(role, &end.out), [Frame::close(1002, "")]);
        // The peer receives the code.
        let mut peer = End::preset(role.peer());
        peer.feed(&end.out).unwrap();
        assert_eq!(peer.events, [close_event(1002, "")]);
    }
}

/// C9: the table of errors and close codes.
#[test]
fn c9_every_error_has_its_close_code() {
    use sansocket::error::{LimitError, MisuseError};
    for (error, code) in [
        (PeerError::ReservedBits.into(), 1002),
        (PeerError::UnknownOpCode(3).into(), 1002),
        (PeerError::MaskedFrame.into(), 1002),
        (PeerError::UnmaskedFrame.into(), 1002),
        (PeerError::FragmentedControl.into(), 1002),
        (PeerError::ControlTooLong.into(), 1002),
        (PeerError::LengthNotMinimal.into(), 1002),
        (PeerError::LengthTooLarge.into(), 1002),
        (PeerError::UnexpectedContinuation.into(), 1002),
        (PeerError::ExpectedContinuation.into(), 1002),
        (PeerError::InvalidUtf8.into(), 1007),
        (PeerError::InvalidClosePayload.into(), 1002),
        (PeerError::InvalidCloseCode(1005).into(), 1002),
        (PeerError::InvalidCloseReason(1000).into(), 1007),
        // The code of the peer is 1006; this one is sent to a peer that has ended its writing half
        // only.
        (EOF, 1002),
        (LimitError::MessageTooLong.into(), 1009),
        (LimitError::MemoryBudget.into(), 1013),
        (LimitError::InflationRatio.into(), 1008),
        (LATE, 1006),
        (UNSENT, 1006),
        (ProtocolError::Aborted, 1006),
        (TimeoutError::KeepAlive.into(), 1011),
        (TimeoutError::Message.into(), 1008),
        (TimeoutError::Write.into(), 1011),
        (TimeoutError::Handshake.into(), 1006),
        (MisuseError::WrongInbox.into(), 1011),
        (MisuseError::DirectRoom.into(), 1011),
    ] {
        let error: ProtocolError = error;
        assert_eq!(error.close_code().value(), code, "{error:?}");
        assert!(error.to_string().len() > 20, "{error:?} has a text");
    }
}

/// A Close frame is sent even if `out` is above the mark, both ours and the reply.
#[test]
fn c4_q6_close_frames_pass_the_mark() {
    for role in BOTH {
        for ours in [true, false] {
            let mut conn = connection(role, preset(role).max_unsent(2));
            let mut out = BytesMut::new();
            conn.send_binary(&[0; 100], &mut out).unwrap();
            let held = out.len();
            if ours {
                conn.close(CloseCode::NORMAL, "", at_ms(0), &mut out).unwrap();
            } else {
                let mut close = Frame::close(1000, "").to(role).bytes();
                let mut input = sansocket::Input::new(at_ms(0), &mut close);
                let mut inbox = sansocket::Inbox::new();
                assert!(conn.receive(&mut input, &mut inbox, &mut out).unwrap().is_some());
            }
            assert_eq!(sent(role, &out[held..]), [Frame::close(1000, "")]);
        }
    }
}

/// C8: a pending pong is dropped after the Close frame of the peer, and is still sent after ours.
#[test]
fn c8_q6_a_pending_pong_and_the_close_frame() {
    for role in BOTH {
        let config = preset(role).max_unsent(10).build().unwrap();
        let mut end = End::new(role, &config);
        end.conn.send_binary(&[0; 10], &mut end.out).unwrap();
        end.feed(&Frame::ping("waits").to(role).bytes()).unwrap();
        end.conn.close(CloseCode::NORMAL, "", at_ms(0), &mut end.out).unwrap();
        end.take_out();
        end.feed(&[]).unwrap();
        assert_eq!(sent(role, &end.take_out()), [Frame::pong("waits")]);

        let mut end = End::new(role, &config);
        end.conn.send_binary(&[0; 10], &mut end.out).unwrap();
        end.feed(&Frame::ping("waits").to(role).bytes()).unwrap();
        end.feed(&Frame::close(1000, "").to(role).bytes()).unwrap();
        let held = sent(role, &end.take_out());
        assert_eq!(held[1..], [Frame::close(1000, "")]);
        end.feed(&[]).unwrap();
        end.timeout().unwrap();
        assert!(end.out.is_empty());
    }
}
