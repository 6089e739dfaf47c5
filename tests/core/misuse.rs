//! Wrong use: each `SendError` and `ConfigError`, the state of the connection afterwards, and the
//! contracts of inbox and direct reading. No data is lost without an error.

use core::num::NonZeroUsize;
use core::time::Duration;

use bytes::BytesMut;
use sansocket::config::Delivery;
use sansocket::connection::{Negotiated, OwnedEvent};
use sansocket::error::{
    ConfigError, EntropyError, LimitError, MisuseError, ProtocolError, SendError, TimeoutError,
};
use sansocket::message::{Data, MessageKind, OwnedData, SendOptions};
use sansocket::{CloseCode, Config, Connection, Entropy, Prepared, Role};

use crate::common::frame::{CONT, TEXT, sent};
use crate::common::{
    BOTH, End, Frame, at_ms, connection, entropy, preset, secs, weak_entropy_for_tests_only,
};

type Call = fn(&mut Connection, &mut BytesMut) -> Result<(), SendError>;

const WRONG_INBOX: ProtocolError = ProtocolError::Misuse(MisuseError::WrongInbox);

fn options(max_frame_len: usize) -> SendOptions {
    SendOptions::new().max_frame_len(NonZeroUsize::new(max_frame_len).unwrap())
}

/// Every form of sending. A connection may use them in any order, one right after another.
const SENDS: [(&str, Call); 10] = [
    ("send_text", |c, out| c.send_text("t", out)),
    ("send_binary", |c, out| c.send_binary(b"b", out)),
    ("send", |c, out| c.send(Data::Text("t"), SendOptions::new(), out)),
    ("send in fragments", |c, out| c.send(Data::Binary(b"abc"), options(2), out)),
    ("send_part", |c, out| c.send_part(Data::Text("t"), true, SendOptions::new(), out)),
    ("send_part in fragments", |c, out| c.send_part(Data::Text("abc"), true, options(2), out)),
    ("send_prepared", |c, out| c.send_prepared(&Prepared::text("t"), out)),
    ("frame_head", |c, _| {
        let role = c.role();
        match c.frame_head(MessageKind::Text, 3) {
            Err(SendError::NotAServer) if role == Role::Client => Err(SendError::Closed),
            other => other.map(drop),
        }
    }),
    ("send_ping", |c, out| c.send_ping(b"p", out)),
    ("send_pong", |c, out| c.send_pong(b"p", out)),
];

/// Runs `scene` with and without the bad call, and compares all observable state of the connection
/// afterwards.
#[track_caller]
fn leaves_the_connection_unchanged(
    role: Role,
    before: impl Fn(&mut End),
    bad: impl Fn(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    expected: SendError,
) {
    let run = |with: bool| {
        entropy::reseed(7);
        let mut end = End::preset(role);
        end.conn.enable_stats();
        before(&mut end);
        if with {
            let held = end.out.clone();
            assert_eq!(bad(&mut end.conn, &mut end.out), Err(expected));
            assert_eq!(end.out, held, "{expected:?} wrote output");
        }
        let state = format!("{:?} {:?} {:?}", end.conn, end.conn.stats(), end.conn.close_status());
        let timeout = end.conn.poll_timeout();
        let mut seen = end.take_out();
        // All later output of the connection.
        for (_, call) in SENDS {
            let _ = call(&mut end.conn, &mut end.out);
        }
        let _ = end.conn.send_part(Data::Text("end"), true, SendOptions::new(), &mut end.out);
        let _ = end.conn.send_part(Data::Binary(b"end"), true, SendOptions::new(), &mut end.out);
        let _ = end.feed(&Frame::ping("q").to(role).bytes());
        let _ = end.conn.close(CloseCode::NORMAL, "bye", end.now, &mut end.out);
        let _ = end.feed(&Frame::close(1000, "").to(role).bytes());
        seen.extend(end.take_out());
        (seen, state, timeout, end.events, end.conn.close_status(), end.conn.stats())
    };
    assert_eq!(run(true), run(false), "{role:?} {expected:?}");
}

#[test]
fn send_error_closed_after_either_close_frame_and_after_a_failure() {
    for role in BOTH {
        for (name, call) in SENDS {
            for state in 0..4 {
                let mut end = End::preset(role);
                match state {
                    0 => end.conn.close(CloseCode::NORMAL, "", at_ms(0), &mut end.out).unwrap(),
                    1 => end.feed(&Frame::close(1000, "").to(role).bytes()).unwrap(),
                    2 => drop(end.feed(&[0xff]).unwrap_err()),
                    _ => drop(end.conn.receive_eof(&mut end.out).unwrap_err()),
                }
                let before = end.out.clone();
                let result = call(&mut end.conn, &mut end.out);
                assert_eq!(result, Err(SendError::Closed), "{role:?} {name} {state}");
                let close = end.conn.close(CloseCode::NORMAL, "", at_ms(0), &mut end.out);
                assert_eq!(close, Err(SendError::Closed));
                assert_eq!(end.out, before, "{name} {state}");
            }
        }
    }
}

#[test]
fn send_error_full_leaves_the_connection_unchanged() {
    for role in BOTH {
        for (name, call) in SENDS {
            if name == "frame_head" {
                continue;
            }
            let config = preset(role).max_unsent(100).build().unwrap();
            let run = |with: bool| {
                entropy::reseed(3);
                let mut end = End::new(role, &config);
                end.conn.send_binary(&[1; 95], &mut end.out).unwrap();
                // Exactly at the mark or above it.
                assert!(end.out.len() >= 97);
                end.conn.send_binary(&[1; 95], &mut end.out).unwrap_or_default();
                if with {
                    assert_eq!(call(&mut end.conn, &mut end.out), Err(SendError::Full), "{name}");
                }
                let mut seen = end.take_out();
                call(&mut end.conn, &mut end.out).unwrap();
                seen.extend(end.take_out());
                seen
            };
            assert_eq!(run(true), run(false), "{name}");
        }
        // The mark is exact: one byte below it a message of any length is accepted.
        for (unsent, expected) in [(99, Ok(())), (100, Err(SendError::Full))] {
            let mut conn = connection(role, preset(role).max_unsent(100));
            let mut out = BytesMut::from(&vec![0; unsent][..]);
            assert_eq!(conn.send_binary(&[0; 5000], &mut out), expected);
            // A Close frame is sent at the mark, too.
            assert_eq!(conn.close(CloseCode::NORMAL, "", at_ms(0), &mut out), Ok(()));
        }
    }
}

#[test]
fn send_error_control_too_long_reason_too_long_and_unsendable_code() {
    let start_part = |end: &mut End| {
        end.conn.send_part(Data::Text("start"), false, SendOptions::new(), &mut end.out).unwrap();
    };
    let nothing = |_: &mut End| {};
    for role in BOTH {
        let before: [&dyn Fn(&mut End); 2] = [&nothing, &start_part];
        for before in before {
            let too_long = SendError::ControlTooLong;
            leaves_the_connection_unchanged(
                role,
                before,
                |c, out| c.send_ping(&[0; 126], out),
                too_long,
            );
            leaves_the_connection_unchanged(
                role,
                before,
                |c, out| c.send_pong(&[0; 1000], out),
                too_long,
            );
            leaves_the_connection_unchanged(
                role,
                before,
                |c, out| c.close(CloseCode::NORMAL, &"r".repeat(124), at_ms(0), out),
                SendError::ReasonTooLong,
            );
            for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
                leaves_the_connection_unchanged(
                    role,
                    before,
                    // 1005 with a reason: a frame without a code can't have a reason.
                    |c, out| c.close(CloseCode::new(code), "reason", at_ms(0), out),
                    SendError::UnsendableCode(code),
                );
            }
        }
        // The longest payload of each kind is accepted.
        let mut end = End::preset(role);
        end.conn.send_ping(&[1; 125], &mut end.out).unwrap();
        end.conn.send_pong(&[2; 125], &mut end.out).unwrap();
        end.conn.close(CloseCode::NORMAL, &"r".repeat(123), at_ms(0), &mut end.out).unwrap();
        let expected =
            [Frame::ping([1; 125]), Frame::pong([2; 125]), Frame::close(1000, "r".repeat(123))];
        assert_eq!(sent(role, &end.out), expected);
    }
}

#[test]
fn send_error_message_in_progress_and_the_message_continues() {
    let start = |kind: Data<'static>| {
        move |end: &mut End| {
            end.conn.send_part(kind, false, SendOptions::new(), &mut end.out).unwrap();
        }
    };
    for role in BOTH {
        for (kind, other) in [
            (Data::Text("t"), Data::Binary(b"o")),
            (Data::Binary(b"b"), Data::Text("o")),
            (Data::Text(""), Data::Binary(b"")),
        ] {
            let in_progress = SendError::MessageInProgress;
            leaves_the_connection_unchanged(
                role,
                start(kind),
                |c, out| c.send_part(other, true, SendOptions::new(), out),
                in_progress,
            );
            for (name, call) in &SENDS[..8] {
                if name.starts_with("send_part") || *name == "frame_head" {
                    continue;
                }
                leaves_the_connection_unchanged(role, start(kind), call, in_progress);
            }
        }
        // Pings, pongs and parts of the same kind are accepted in between; after the end any
        // message is.
        let mut end = End::preset(role);
        let o = SendOptions::new();
        end.conn.send_part(Data::Text("a"), false, o, &mut end.out).unwrap();
        end.conn.send_ping(b"p", &mut end.out).unwrap();
        end.conn.send_part(Data::Text(""), false, o, &mut end.out).unwrap();
        end.conn.send_pong(b"q", &mut end.out).unwrap();
        end.conn.send_part(Data::Text("bcd"), true, options(2), &mut end.out).unwrap();
        end.conn.send_binary(b"e", &mut end.out).unwrap();
        let expected = [
            Frame::text("a").not_fin(),
            Frame::ping("p"),
            Frame::cont("").not_fin(),
            Frame::pong("q"),
            Frame::cont("bc").not_fin(),
            Frame::cont("d"),
            Frame::binary("e"),
        ];
        assert_eq!(sent(role, &end.out), expected);
    }
    let mut server = connection(Role::Server, preset(Role::Server));
    let mut out = BytesMut::new();
    server.send_part(Data::Text("a"), false, SendOptions::new(), &mut out).unwrap();
    let head = server.frame_head(MessageKind::Text, 1);
    assert_eq!(head, Err(SendError::MessageInProgress));
}

#[test]
fn send_error_not_a_server() {
    leaves_the_connection_unchanged(
        Role::Client,
        |_| {},
        |c, _| c.frame_head(MessageKind::Binary, 3).map(drop),
        SendError::NotAServer,
    );
}

/// F5: no slice is longer than `isize::MAX`, so a longer frame is a mistake of the caller: its
/// header would be illegal, and the statistics would overflow.
#[test]
fn f5_send_error_length_too_large() {
    for len in [isize::MAX as usize + 1, usize::MAX] {
        leaves_the_connection_unchanged(
            Role::Server,
            |_| {},
            |c, _| c.frame_head(MessageKind::Binary, len).map(drop),
            SendError::LengthTooLarge,
        );
    }
    let mut server = connection(Role::Server, preset(Role::Server));
    server.enable_stats();
    for _ in 0..5 {
        server.frame_head(MessageKind::Binary, isize::MAX as usize).unwrap();
    }
    assert!(server.stats().unwrap().bytes_sent > 1 << 30);
}

/// A generator that fails is an error, and never gives a weak key. No output of the failed call
/// stays in `out`, at any position of a fragmented message.
#[test]
fn v17_send_error_entropy_from_a_failing_generator() {
    for (name, call) in SENDS {
        if name == "frame_head" {
            continue;
        }
        let mut end = End::preset(Role::Client);
        entropy::reseed(5);
        entropy::fail_after(0);
        let result = call(&mut end.conn, &mut end.out);
        assert_eq!(result, Err(SendError::Entropy), "{name}");
        assert!(end.out.is_empty(), "{name}");
        assert!(end.conn.is_open());
        // The connection recovers with the generator.
        entropy::reseed(5);
        call(&mut end.conn, &mut end.out).unwrap();
        let frames = crate::common::frame::parse(&end.out);
        for frame in frames {
            assert_ne!(frame.key, Some([0xee; 4]), "{name}: a key that the source failed to give");
            assert_ne!(frame.key, Some([0; 4]), "{name}: no key at all");
        }
    }
    // Inside a message: keys are generated in blocks, so use up a block first.
    for used in 0..64 {
        let mut end = End::preset(Role::Client);
        entropy::reseed(5);
        for _ in 0..used {
            end.conn.send_ping(b"", &mut end.out).unwrap();
        }
        let before = end.out.clone();
        entropy::fail_after(0);
        let data = Data::Binary(&[1; 70]);
        for result in [
            end.conn.send(data, options(1), &mut end.out),
            end.conn.send_part(data, false, options(1), &mut end.out),
        ] {
            assert_eq!(result, Err(SendError::Entropy));
            assert_eq!(end.out, before);
        }
        entropy::reseed(6);
        end.conn.send(data, options(30), &mut end.out).unwrap();
        let after = sent(Role::Client, &end.out[before.len()..]);
        assert_eq!(after.iter().map(|f| f.opcode).collect::<Vec<_>>(), [2, CONT, CONT]);
    }
    let mut conn = connection(Role::Client, preset(Role::Client));
    let mut out = BytesMut::new();
    entropy::reseed(5);
    entropy::fail_after(0);
    assert_eq!(
        conn.close(CloseCode::NORMAL, "", at_ms(0), &mut out),
        Err(SendError::Entropy),
        "close"
    );
    assert!(conn.is_open() && out.is_empty());
    entropy::reseed(5);
    conn.close(CloseCode::NORMAL, "", at_ms(0), &mut out).unwrap();
}

/// A pong that can't be masked stays pending until the generator recovers.
#[test]
fn f10_a_pong_without_entropy_stays_pending_and_is_sent_later() {
    let mut end = End::preset(Role::Client);
    entropy::reseed(5);
    entropy::fail_after(0);
    end.feed(&Frame::ping("a").bytes()).unwrap();
    end.feed(&Frame::ping("b").bytes()).unwrap();
    assert!(end.out.is_empty());
    entropy::reseed(5);
    end.feed(&[]).unwrap();
    assert_eq!(sent(Role::Client, &end.out), [Frame::pong("b")]);
}

#[test]
fn a_client_with_a_config_of_a_server_fails_to_send() {
    for (name, call) in SENDS {
        if name == "frame_head" {
            continue;
        }
        let mut conn = connection(Role::Client, Config::server());
        let mut out = BytesMut::new();
        assert_eq!(call(&mut conn, &mut out), Err(SendError::Entropy), "{name}");
        assert!(out.is_empty() && conn.is_open());
    }
    // It still receives, sends no replies, and ends.
    let config = Config::server().build().unwrap();
    let mut end = End::new(Role::Client, &config);
    end.feed(&Frame::text("a").bytes()).unwrap();
    end.feed(&Frame::ping("a").bytes()).unwrap();
    end.feed(&Frame::close(1000, "").bytes()).unwrap();
    assert_eq!(end.events.len(), 3);
    assert!(end.out.is_empty() && end.conn.is_closed());
}

/// A server may have the config of a client: it needs no mask keys.
#[test]
fn a_server_with_a_config_of_a_client_works() {
    fn never(_: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError)
    }
    let config = Config::client(Entropy::from_fn(never)).build().unwrap();
    let mut end = End::new(Role::Server, &config);
    for (name, call) in SENDS {
        call(&mut end.conn, &mut end.out).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn config_errors_name_the_setting_to_change() {
    let server = Config::server;
    let zero = Duration::ZERO;
    let nearly = Duration::from_nanos(999);
    let too_high =
        |high_water_mark, max_unsent| ConfigError::HighWaterMark { high_water_mark, max_unsent };
    for (builder, error) in [
        (server().max_message_len(0), ConfigError::ZeroLimit("max_message_len")),
        (server().max_unsent(0), ConfigError::ZeroLimit("max_unsent")),
        (server().max_head_len(0), ConfigError::ZeroLimit("max_head_len")),
        (server().max_head_fields(0), ConfigError::ZeroLimit("max_head_fields")),
        (server().high_water_mark(0), ConfigError::ZeroLimit("high_water_mark")),
        (server().max_inflation_ratio(Some(0)), ConfigError::ZeroLimit("max_inflation_ratio")),
        (server().handshake_timeout(zero), ConfigError::ZeroDuration("handshake_timeout")),
        (server().close_timeout(zero), ConfigError::ZeroDuration("close_timeout")),
        (server().close_timeout(nearly), ConfigError::ZeroDuration("close_timeout")),
        (server().linger_timeout(zero), ConfigError::ZeroDuration("linger_timeout")),
        (server().write_timeout(zero), ConfigError::ZeroDuration("write_timeout")),
        (server().message_timeout(Some(zero)), ConfigError::ZeroDuration("message_timeout")),
        (server().message_timeout(Some(nearly)), ConfigError::ZeroDuration("message_timeout")),
        (server().max_unsent(1), too_high(0, 1)),
        (server().max_unsent(1).high_water_mark(1), too_high(1, 1)),
        (server().high_water_mark(usize::MAX), too_high(usize::MAX, 1 << 20)),
        (server().high_water_mark((1 << 19) + 1), too_high((1 << 19) + 1, 1 << 20)),
        (server().max_unsent(10).high_water_mark(6), too_high(6, 10)),
        (server().high_water_mark(6).max_unsent(11), too_high(6, 11)),
        (
            server().keep_alive(Some(zero), None),
            ConfigError::ZeroDuration("the keep_alive interval"),
        ),
        (
            server().keep_alive(Some(secs(1)), Some(zero)),
            ConfigError::ZeroDuration("the keep_alive timeout"),
        ),
        (server().keep_alive(None, Some(secs(1))), ConfigError::TimeoutWithoutInterval),
        (server().max_message_len(u64::MAX), ConfigError::LimitTooLarge("max_message_len")),
        (server().max_message_len(1 << 63), ConfigError::LimitTooLarge("max_message_len")),
    ] {
        assert_eq!(builder.clone().build().map(drop), Err(error));
        let text = error.to_string();
        assert!(text.contains("set") && text.len() > 20, "{text}");
    }
    for builder in [
        server(),
        Config::client(weak_entropy_for_tests_only()),
        server().max_message_len(1).max_unsent(2).max_head_len(1).high_water_mark(1),
        server().max_message_len(isize::MAX as u64).max_unsent(usize::MAX),
        server().max_message_len(u64::MAX).delivery(Delivery::Parts),
        server().keep_alive(None, None),
        server().keep_alive(Some(Duration::MAX), Some(Duration::MAX)).close_timeout(Duration::MAX),
        server().close_timeout(Duration::from_micros(1)),
        server().message_timeout(None),
        server().message_timeout(Some(Duration::MAX)).write_timeout(Duration::MAX),
        server().high_water_mark(1 << 19),
        server().high_water_mark(6).max_unsent(12),
        server().max_unsent(usize::MAX).high_water_mark(usize::MAX / 2),
    ] {
        builder.build().unwrap();
    }
}

/// Without its own setting the high-water mark follows `max_unsent`, so that a small `max_unsent`
/// alone is no error.
#[test]
fn the_high_water_mark_is_at_most_half_of_max_unsent_by_default() {
    for (max_unsent, mark) in [
        (2, 1),
        (3, 1),
        (10, 5),
        (11, 5),
        ((128 << 10) - 1, (64 << 10) - 1),
        (128 << 10, 64 << 10),
        (1 << 20, 64 << 10),
        (usize::MAX, 64 << 10),
    ] {
        let config = Config::server().max_unsent(max_unsent).build().unwrap();
        assert_eq!(config.high_water_mark(), mark, "{max_unsent}");
    }
    assert_eq!(Config::server().build().unwrap().high_water_mark(), 64 << 10);
}

/// An error of a limit or a deadline names the setting, so that users can find it.
#[test]
fn errors_of_limits_and_deadlines_name_their_setting() {
    for (error, setting) in [
        (ProtocolError::from(LimitError::MessageTooLong), "max_message_len"),
        (LimitError::HeadTooLong.into(), "max_head_len"),
        (LimitError::TooManyFields.into(), "max_head_fields"),
        (TimeoutError::Close.into(), "close_timeout"),
        (TimeoutError::CloseUnsent.into(), "close_timeout"),
        (TimeoutError::Handshake.into(), "handshake_timeout"),
        (TimeoutError::KeepAlive.into(), "keep_alive"),
        (TimeoutError::Message.into(), "message_timeout"),
        (TimeoutError::Write.into(), "write_timeout"),
    ] {
        assert!(error.to_string().contains(setting), "{error}");
    }
    assert!(
        sansocket::handshake::HandshakeError::Timeout.to_string().contains("handshake_timeout")
    );
    assert!(SendError::Full.to_string().contains("max_unsent"));
    assert_eq!(
        Config::server()
            .max_unsent(100_000)
            .high_water_mark(60_000)
            .build()
            .unwrap_err()
            .to_string(),
        "high_water_mark (60000) is more than half of max_unsent (100000): set max_unsent to at least \
         twice high_water_mark"
    );
    // No high-water mark is set here.
    assert_eq!(
        Config::server().max_unsent(1).build().unwrap_err().to_string(),
        "max_unsent has no room for a high_water_mark: set at least 2"
    );
    for (name, may_be_none) in [
        ("handshake_timeout", false),
        ("write_timeout", false),
        ("message_timeout", true),
        ("the keep_alive interval", true),
        ("the keep_alive timeout", true),
    ] {
        let text = ConfigError::ZeroDuration(name).to_string();
        assert!(text.starts_with(name), "{text}");
        assert_eq!(text.contains("None to switch it off"), may_be_none, "{text}");
    }
    // Different causes have different texts.
    assert_ne!(TimeoutError::Close.to_string(), TimeoutError::CloseUnsent.to_string());
}

#[test]
fn every_error_has_a_text_of_its_own() {
    let send = [
        SendError::Closed,
        SendError::NotOpen,
        SendError::Full,
        SendError::ControlTooLong,
        SendError::ReasonTooLong,
        SendError::UnsendableCode(1006),
        SendError::MessageInProgress,
        SendError::NotAServer,
        SendError::LengthTooLarge,
        SendError::Entropy,
    ];
    let texts: std::collections::HashSet<_> = send.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), send.len());
    assert!(SendError::UnsendableCode(1006).to_string().contains("1006"));
    // Another call can send it, and the text names the remedy.
    assert!(SendError::UnsendableCode(1005).to_string().contains("empty reason"));
}

/// A message begins in one inbox and continues in another: the connection fails, in every state of
/// the other inbox.
#[test]
fn a_wrong_inbox_is_an_error_without_loss_of_data() {
    for role in BOTH {
        for opcode in [TEXT, 0x2] {
            // Input before the inboxes are swapped: no payload, a part of a character, some bytes,
            // an entire fragment.
            for (begin, rest) in [
                (Frame::new(opcode, "").not_fin(), Frame::cont("rest")),
                (Frame::new(opcode, "abc").not_fin(), Frame::cont("")),
                (Frame::new(opcode, "abc").not_fin(), Frame::cont("rest")),
                (Frame::new(opcode, "\u{20ac}").not_fin(), Frame::cont("rest")),
                (Frame::new(opcode, b"\xe2").not_fin(), Frame::cont(b"\x82\xac")),
                (Frame::new(opcode, b"a\xe2").not_fin(), Frame::cont(b"\x82\xac")),
            ] {
                // The other inbox: new; with an old message of either kind; with an unfinished
                // message of its own connection, of the same length or another.
                let others: [&[u8]; 6] = [
                    b"",
                    &[Frame::text("o").not_fin(), Frame::cont("ld")]
                        .map(|f| f.to(role).bytes())
                        .concat(),
                    &[Frame::binary("o").not_fin(), Frame::cont("ld")]
                        .map(|f| f.to(role).bytes())
                        .concat(),
                    &Frame::text("other").not_fin().to(role).bytes(),
                    &begin.clone().to(role).bytes(),
                    &Frame::binary(&begin.payload).not_fin().to(role).bytes(),
                ];
                for before in others {
                    let mut other = End::preset(role);
                    other.feed(before).unwrap();
                    let mut end = End::preset(role);
                    end.feed(&begin.clone().to(role).bytes()).unwrap();
                    core::mem::swap(&mut end.inbox, &mut other.inbox);
                    let error = end.feed(&rest.clone().to(role).bytes());
                    assert_eq!(error, Err(WRONG_INBOX), "{begin:?} {rest:?} {before:x?}");
                    assert!(end.events.is_empty());
                    assert_eq!(sent(role, &end.out), [Frame::close(1011, "")]);
                    // The other connection is not affected: it continues with its own inbox.
                    core::mem::swap(&mut end.inbox, &mut other.inbox);
                    if !before.is_empty() && other.events.is_empty() {
                        other.feed(&Frame::cont(b"").to(role).bytes()).unwrap_or_else(|error| {
                            // Its own text may end inside a character.
                            assert_eq!(error.close_code().value(), 1007, "{error}");
                        });
                    }
                }
            }
        }
    }
}

/// One inbox for two connections, both with unfinished messages of the same length: data of one is
/// never delivered by the other.
#[test]
fn a_shared_inbox_is_an_error_and_never_mixes_messages() {
    let shared = |role, first: &[u8], second: &[u8]| {
        let mut a = End::preset(role);
        let mut b = End::preset(role);
        let cut = first.len() - 3;
        a.feed(&first[..cut]).unwrap();
        core::mem::swap(&mut a.inbox, &mut b.inbox);
        b.feed(&second[..cut]).unwrap();
        core::mem::swap(&mut a.inbox, &mut b.inbox);
        assert_eq!(a.feed(&first[cut..]), Err(WRONG_INBOX));
        assert!(a.events.is_empty());
    };
    for role in BOTH {
        for opcode in [TEXT, 0x2] {
            let frame = |payload: &str| Frame::new(opcode, payload).to(role).bytes();
            let (first, second) = (frame("first!"), frame("second"));
            shared(role, &first, &second);
        }
        // The same with two control frames, and with a control frame and a text.
        let part = |frame: Frame| frame.to(role).bytes();
        let (ping, pong) = (part(Frame::ping("abcdef")), part(Frame::pong("uvwxyz")));
        let text = part(Frame::text("uvwxyz"));
        for (first, second) in [(&ping, &pong), (&ping, &text), (&text, &text)] {
            shared(role, first, second);
        }
    }
}

/// A ping between two fragments, split in two; the second half is fed with another inbox.
#[test]
fn a_wrong_inbox_for_a_control_frame_is_an_error() {
    for role in BOTH {
        for begin in [None, Some(Frame::text("ab").not_fin())] {
            let mut end = End::preset(role);
            if let Some(frame) = begin {
                end.feed(&frame.to(role).bytes()).unwrap();
            }
            let ping = Frame::ping("payload").to(role).bytes();
            let cut = ping.len() - 3;
            end.feed(&ping[..cut]).unwrap();
            end.inbox = sansocket::Inbox::new();
            assert_eq!(end.feed(&ping[cut..]), Err(WRONG_INBOX));
            assert!(end.events.is_empty());
        }
    }
}

/// The same with a ping that begins in the other inbox: none of it is delivered.
#[test]
fn a_wrong_inbox_for_a_control_frame_inside_a_message_fails_at_once() {
    for role in BOTH {
        let mut end = End::preset(role);
        end.feed(&Frame::text("ab").not_fin().to(role).bytes()).unwrap();
        end.inbox = sansocket::Inbox::new();
        let ping = Frame::ping("payload").to(role).bytes();
        assert_eq!(end.feed(&ping[..ping.len() - 3]), Err(WRONG_INBOX));
        assert_eq!(sent(role, &end.out), [Frame::close(1011, "")]);
    }
}

/// The right inbox, shrunk after every byte: no data is lost.
#[test]
fn shrinking_the_inbox_keeps_its_data() {
    for role in BOTH {
        let input: Vec<u8> = [
            Frame::text("ab\u{20ac}").not_fin(),
            Frame::ping("ping"),
            Frame::cont("c"),
            Frame::binary("binary"),
            Frame::pong("pong"),
        ]
        .into_iter()
        .flat_map(|frame| frame.to(role).bytes())
        .collect();
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).delivery(delivery).build().unwrap();
            let mut end = End::new(role, &config);
            for byte in &input {
                end.feed(&[*byte]).unwrap();
                end.inbox.shrink();
            }
            if delivery == Delivery::Whole {
                let expected = [
                    OwnedEvent::Ping("ping".into()),
                    OwnedEvent::Message(OwnedData::text("ab\u{20ac}c")),
                    OwnedEvent::Message(OwnedData::binary("binary")),
                    OwnedEvent::Pong("pong".into()),
                ];
                assert_eq!(end.events, expected);
            }
            assert_eq!(end.inbox.capacity(), 0);
        }
    }
}

#[test]
fn direct_room_returns_room_for_large_binary_frames_only() {
    for role in BOTH {
        let room = |end: &mut End| end.conn.direct_room(&mut end.inbox).map(|room| room.len());
        let mut end = End::preset(role);
        assert_eq!(room(&mut end), None, "no unfinished message");
        let frame = Frame::binary([5; 1000]).to(role).bytes();
        let header = frame.len() - 1000;
        end.feed(&frame[..header]).unwrap();
        assert_eq!(room(&mut end), None, "no payload has arrived");
        end.feed(&frame[header..header + 10]).unwrap();
        let lent = room(&mut end).unwrap();
        assert!((1..=310).contains(&lent), "{lent}");
        end.feed(&frame[header + 10..]).unwrap();
        assert_eq!(room(&mut end), None, "the message is complete");
        // Between two fragments, inside a ping there, inside a text, with delivery in parts.
        let config = preset(role).delivery(Delivery::Parts).build().unwrap();
        let begin = Frame::binary([5; 100]).not_fin().to(role).bytes();
        let ping = Frame::ping([1; 100]).to(role).bytes();
        let text = Frame::text([b'x'; 100]).to(role).bytes();
        let mut end = End::preset(role);
        end.feed(&begin).unwrap();
        assert_eq!(room(&mut end), None, "between fragments");
        end.feed(&ping[..50]).unwrap();
        assert_eq!(room(&mut end), None, "inside a ping");
        let mut end = End::preset(role);
        end.feed(&text[..50]).unwrap();
        assert_eq!(room(&mut end), None, "inside a text");
        let mut end = End::new(role, &config);
        end.feed(&begin[..50]).unwrap();
        assert_eq!(room(&mut end), None, "in parts");
        // With another inbox, and after the end.
        let mut end = End::preset(role);
        end.feed(&begin[..50]).unwrap();
        let mut other = sansocket::Inbox::new();
        assert!(end.conn.direct_room(&mut other).is_none(), "a wrong inbox");
        assert!(room(&mut end).is_some());
        end.conn.receive_eof(&mut end.out).unwrap_err();
        assert_eq!(room(&mut end), None, "after the end");
    }
}

/// More bytes than the room has, no room at all, or another inbox: bytes are missing in each case,
/// and the connection fails instead of continuing without them.
#[test]
fn received_direct_beyond_the_room_is_an_error_without_loss_of_data() {
    for role in BOTH {
        let frame = Frame::binary([5; 1000]).to(role).bytes();
        let begun = || {
            let mut end = End::preset(role);
            end.feed(&frame[..frame.len() - 900]).unwrap();
            end
        };
        let is_misuse = |end: &mut End, case: &str| {
            let error = end.feed(&[]).expect_err(case);
            assert!(matches!(error, ProtocolError::Misuse(_)), "{case}: {error:?}");
            assert_eq!(sent(role, &end.out), [Frame::close(1011, "")], "{case}");
            assert_eq!(end.feed(&frame), Err(error), "{case}");
            assert!(end.events.is_empty(), "{case}");
        };

        let mut end = begun();
        let lent = end.conn.direct_room(&mut end.inbox).unwrap().len();
        end.conn.received_direct(lent + 1, at_ms(0), &mut end.inbox);
        is_misuse(&mut end, "more than the room");

        let mut end = begun();
        end.conn.received_direct(1, at_ms(0), &mut end.inbox);
        is_misuse(&mut end, "no room in a frame");

        let mut end = End::preset(role);
        end.conn.received_direct(1, at_ms(0), &mut end.inbox);
        is_misuse(&mut end, "no room between messages");

        let mut end = begun();
        end.conn.direct_room(&mut end.inbox).unwrap();
        let mut other = sansocket::Inbox::new();
        end.conn.received_direct(1, at_ms(0), &mut other);
        is_misuse(&mut end, "another inbox");

        let mut end = begun();
        end.conn.direct_room(&mut end.inbox).unwrap();
        end.feed(&[1, 2, 3]).unwrap();
        end.conn.received_direct(10, at_ms(0), &mut end.inbox);
        is_misuse(&mut end, "other input since");

        let mut end = begun();
        end.conn.received_direct(usize::MAX, at_ms(0), &mut end.inbox);
        is_misuse(&mut end, "usize::MAX");

        // Room of the message before still exists, but is no longer valid.
        let mut end = begun();
        let lent = end.conn.direct_room(&mut end.inbox).unwrap().len();
        end.conn.received_direct(lent, at_ms(0), &mut end.inbox);
        end.feed(&[]).unwrap();
        assert_eq!(end.events.len(), 1);
        end.feed(&frame[..frame.len() - 900]).unwrap();
        end.events.clear();
        end.conn.received_direct(1, at_ms(0), &mut end.inbox);
        is_misuse(&mut end, "room of the message before");

        // A read of zero bytes is allowed at any time.
        let mut end = begun();
        end.conn.received_direct(0, at_ms(0), &mut end.inbox);
        end.conn.direct_room(&mut end.inbox).unwrap();
        end.conn.received_direct(0, at_ms(0), &mut end.inbox);
        end.feed(&frame[frame.len() - 900..]).unwrap();
        end.conn.received_direct(0, at_ms(0), &mut end.inbox);
        end.feed(&frame).unwrap();
        assert_eq!(end.events.len(), 2);

        // After the end it is discarded, as all input.
        let mut end = begun();
        end.conn.direct_room(&mut end.inbox).unwrap();
        let error = end.conn.receive_eof(&mut end.out).unwrap_err();
        end.conn.received_direct(5, at_ms(0), &mut end.inbox);
        assert_eq!(end.feed(&[]), Err(error));
    }
}

/// The same `Negotiated` and `Config` for both ends is no error; the same role is.
#[test]
fn two_clients_and_two_servers_refuse_each_other() {
    for role in BOTH {
        let mut sender = connection(role, preset(role));
        let mut end = End::preset(role);
        let mut out = BytesMut::new();
        sender.send_text("x", &mut out).unwrap();
        assert_eq!(end.feed(&out).unwrap_err().close_code(), CloseCode::PROTOCOL_ERROR);
        let _ = Negotiated::new();
    }
}
