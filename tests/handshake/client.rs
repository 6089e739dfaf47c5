//! The client side of the opening handshake: its request, and the responses that it accepts.

use core::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::error::{EntropyError, LimitError, SendError};
use sansocket::handshake::{
    Backoff, ClientHandshake, ExtensionError, FieldError, HandshakeError, HeadError, accept_key,
};
use sansocket::{Config, ConnectRequest, Entropy, Inbox, Input, Role};

use crate::common::head::{
    Lines, ResponseOutcome, client, client_config, client_for, cut, key_of, payloads,
    receive_chunks, response_outcome,
};
use crate::common::{at_ms, entropy, secs, weak_entropy_for_tests_only};
use crate::handshake::support::assert_any_split_is_the_same;

/// The outcome of a response that differs from a valid one by this change.
fn outcome(change: impl FnOnce(Lines) -> Lines) -> Result<Option<String>, HandshakeError> {
    let (handshake, accept) = client(&client_config());
    let bytes = change(Lines::response(&accept)).bytes();
    let (result, _) = receive_chunks(handshake, &[&bytes]);
    result.map(|response| response.expect("a complete head").subprotocol().map(str::to_owned))
}

// ---------------------------------------------------------------- the request

#[test]
fn hc2_hc4_the_request() {
    let request = ConnectRequest::new("ws://Example.com:8080/chat?room=1")
        .unwrap()
        .origin("https://example.com")
        .unwrap()
        .subprotocols(["v2", "v1"])
        .unwrap()
        .field("Authorization", "Bearer x")
        .unwrap()
        .field("Cookie", "a=\u{e4}")
        .unwrap();
    entropy::reseed(1);
    let mut out = BytesMut::from("before");
    drop(ClientHandshake::new(&request, &client_config(), at_ms(0), &mut out).unwrap());
    let key = key_of(&out);
    assert_eq!(
        out,
        format!(
            "beforeGET /chat?room=1 HTTP/1.1\r\nHost: Example.com:8080\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Origin: https://example.com\r\nSec-WebSocket-Protocol: v2, v1\r\n\
             Authorization: Bearer x\r\nCookie: a=\u{e4}\r\n\r\n"
        )
    );
}

#[test]
fn hc2_v17_the_key_is_16_fresh_bytes_of_the_configs_entropy() {
    let request = ConnectRequest::new("ws://a/").unwrap();
    entropy::reseed(1);
    let fills = entropy::fills();
    let keys: Vec<String> = (0..100)
        .map(|_| {
            let mut out = BytesMut::new();
            drop(ClientHandshake::new(&request, &client_config(), at_ms(0), &mut out).unwrap());
            key_of(&out)
        })
        .collect();
    assert_eq!(entropy::fills() - fills, 100);
    for (i, key) in keys.iter().enumerate() {
        assert!(key.len() == 24 && key.ends_with("=="), "{key}");
        assert!(!keys[..i].contains(key));
    }
    // All of the 16 bytes are from the entropy source.
    let config = Config::client(Entropy::from_fn(|bytes| {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(i).unwrap() + 1;
        }
        Ok(())
    }));
    let mut out = BytesMut::new();
    drop(ClientHandshake::new(&request, &config.build().unwrap(), at_ms(0), &mut out).unwrap());
    assert_eq!(key_of(&out), "AQIDBAUGBwgJCgsMDQ4PEA==");
}

#[test]
fn hc2_without_entropy_no_request_is_written() {
    let request = ConnectRequest::new("ws://a/").unwrap();
    let mut out = BytesMut::from("before");
    let failing = Config::client(Entropy::from_fn(|_| Err(EntropyError))).build().unwrap();
    let server = Config::server().build().unwrap();
    for config in [failing, server] {
        let result = ClientHandshake::new(&request, &config, at_ms(0), &mut out);
        assert_eq!(result.unwrap_err(), SendError::Entropy);
        assert_eq!(out, "before");
    }
}

#[test]
fn hc3_subprotocols_are_different_tokens() {
    let request = ConnectRequest::new("ws://a/").unwrap();
    for bad in ["", " ", "a b", "a,b", "a;b", "a/b", "\"a\"", "\u{e4}", "a\r\nX: y"] {
        let result = request.clone().subprotocols(["ok", bad]);
        assert_eq!(result, Err(FieldError::InvalidSubprotocol), "{bad:?}");
    }
    let result = request.clone().subprotocols(["a", "b", "a"]);
    assert_eq!(result, Err(FieldError::DuplicateSubprotocol));
    // Different subprotocols: names are compared case-sensitively.
    assert!(request.subprotocols(["a", "A"]).is_ok());
}

#[test]
fn v21_added_fields_and_paths_cannot_split_the_request() {
    let request = ConnectRequest::new("ws://a/").unwrap();
    for (name, value, error) in [
        ("X", "a\r\nHost: b", FieldError::InvalidValue),
        ("X", "a\n", FieldError::InvalidValue),
        ("X", "\r", FieldError::InvalidValue),
        ("X", "\0", FieldError::InvalidValue),
        ("X:", "a", FieldError::InvalidName),
        ("X\r\n", "a", FieldError::InvalidName),
        ("", "a", FieldError::InvalidName),
        ("Host", "a", FieldError::OwnedName),
        ("origin", "a", FieldError::OwnedName),
        ("Upgrade", "a", FieldError::OwnedName),
        ("Connection", "a", FieldError::OwnedName),
        ("content-length", "5", FieldError::OwnedName),
        ("Transfer-Encoding", "chunked", FieldError::OwnedName),
        ("Sec-WebSocket-Key", "a", FieldError::OwnedName),
        ("sec-websocket-extensions", "a", FieldError::OwnedName),
        ("SEC-WEBSOCKET-PROTOCOL", "a", FieldError::OwnedName),
    ] {
        assert_eq!(request.clone().field(name, value), Err(error), "{name:?} {value:?}");
    }
    for bad in ["", "a", "https://a/", "https://a b", "https://a\r\nX: y", "https://\u{e4}"] {
        let result = request.clone().origin(bad);
        assert_eq!(result, Err(FieldError::InvalidOrigin), "{bad:?}");
    }
    assert!(request.clone().origin("null").is_ok());
    // A clone with more fields leaves the original unchanged.
    let more = request.clone().field("X", "y").unwrap();
    assert_ne!(more, request);
}

// ---------------------------------------------------------------- the response

#[test]
fn hc6_valid_responses() {
    assert_eq!(outcome(|right| right).unwrap(), None);
    // Case-insensitive, in lists, over several lines, with whitespace around.
    let kind = |lines: Lines| {
        lines.set("Upgrade", " \tWebSocket ").set("Connection", "keep-alive , upgrade,")
    };
    assert_eq!(outcome(kind).unwrap(), None);
    assert!(outcome(|right| right.with("Connection", "close")).is_ok());
    let lower = |mut lines: Lines| {
        for (name, _) in &mut lines.fields {
            name.make_ascii_lowercase();
        }
        lines
    };
    assert!(outcome(lower).is_ok());
    for first in ["HTTP/1.1 101 ", "HTTP/1.1 101", "HTTP/1.1 101 \u{e4}\t!", "HTTP/1.2 101 x"] {
        assert!(outcome(|right| right.first(first)).is_ok(), "{first}");
    }
    // RFC 9112 6.3: a 101 response has no body, whatever its fields.
    assert!(outcome(|right| right.with("Content-Length", "5")).is_ok());
    // Whitespace around the accept key is ignored.
    let (handshake, accept) = client(&client_config());
    let bytes = Lines::response(&format!("  {accept}\t ")).bytes();
    assert!(receive_chunks(handshake, &[&bytes]).0.unwrap().is_some());
}

#[test]
fn hc6_v45_upgrade_and_connection() {
    for values in [&[][..], &[""], &["h2c"], &["websockets"], &["h2c, websocket"], &["websocket,"]]
    {
        let result = outcome(|right| {
            values.iter().fold(right.without("Upgrade"), |lines, v| lines.with("Upgrade", v))
        });
        assert!(matches!(result, Err(HandshakeError::BadUpgrade(_))), "{values:?} {result:?}");
    }
    let result = outcome(|right| right.with("Upgrade", "websocket"));
    assert!(matches!(result, Err(HandshakeError::DuplicateField("Upgrade", _))));
    for values in [
        &[][..],
        &[""],
        &["keep-alive"],
        &["notupgrade"],
        &["upgrades, not-upgrade"],
        &["Upgrade x"],
        &["keep-alive", "close"],
        &["Upgrade", "(x)"],
    ] {
        let result = outcome(|right| {
            values.iter().fold(right.without("Connection"), |lines, v| lines.with("Connection", v))
        });
        assert!(matches!(result, Err(HandshakeError::BadConnection(_))), "{values:?} {result:?}");
    }
}

#[test]
fn hc6_hc7_accept_keys() {
    let (_, accept) = client(&client_config());
    let wrong = accept_key("AQIDBAUGBwgJCgsMDQ4PEC==");
    for values in [
        &[][..],
        &[""],
        &[&*wrong],
        &[&accept.to_lowercase()],
        &[&accept[..27]],
        &[&format!("{accept}=")],
        &[&format!("\"{accept}\"")],
        &[&format!("{accept}, {accept}")],
    ] {
        let result = outcome(|right| {
            values.iter().fold(right.without("Sec-WebSocket-Accept"), |lines, v| {
                lines.with("Sec-WebSocket-Accept", v)
            })
        });
        assert!(matches!(result, Err(HandshakeError::BadAccept(_))), "{values:?} {result:?}");
    }
    for again in [&*accept, &wrong] {
        let result = outcome(|right| right.with("sec-websocket-accept", again));
        assert!(matches!(result, Err(HandshakeError::DuplicateField("Sec-WebSocket-Accept", _))));
    }
}

#[test]
fn hc7_subprotocols_and_extensions() {
    let name = "Sec-WebSocket-Protocol";
    assert_eq!(outcome(|right| right.with(name, "b")).unwrap().as_deref(), Some("b"));
    assert_eq!(outcome(|right| right.with(name, " a ")).unwrap().as_deref(), Some("a"));
    for value in ["", "c", "A", "a, b", "a,", "a b", "a;x", "\"a\"", "\u{e4}"] {
        let result = outcome(|right| right.with(name, value));
        assert!(matches!(result, Err(HandshakeError::UnofferedSubprotocol(_))), "{value:?}");
    }
    let result = outcome(|right| right.with(name, "a").with(name, "a"));
    assert!(matches!(result, Err(HandshakeError::DuplicateField("Sec-WebSocket-Protocol", _))));
    // No subprotocol was offered.
    let request = ConnectRequest::new("ws://example.com/").unwrap();
    for value in ["", "a"] {
        let (handshake, accept) = client_for(&request, &client_config());
        let bytes = Lines::response(&accept).with(name, value).bytes();
        let result = receive_chunks(handshake, &[&bytes]).0;
        assert!(matches!(result, Err(HandshakeError::UnofferedSubprotocol(_))), "{value:?}");
    }

    let name = "Sec-WebSocket-Extensions";
    for value in ["permessage-deflate", "x; y=\"", "a, b", ", a"] {
        let result = outcome(|right| right.with(name, value));
        assert!(
            matches!(result, Err(HandshakeError::Extensions(ExtensionError::Unoffered, _))),
            "{value:?}"
        );
    }
    // An empty list selects no subprotocol.
    for value in ["", " ", ",", ", ,,"] {
        assert_eq!(outcome(|right| right.with(name, value)).unwrap(), None, "{value:?}");
    }
    let result = outcome(|right| right.with(name, "a").with(name, "b"));
    assert!(matches!(result, Err(HandshakeError::DuplicateField("Sec-WebSocket-Extensions", _))));
}

#[test]
fn hc5_other_statuses_are_returned_to_the_caller() {
    for (first, status, reason) in [
        ("HTTP/1.1 401 Unauthorized", 401, "Unauthorized"),
        ("HTTP/1.1 302 Found", 302, "Found"),
        ("HTTP/1.1 200 OK", 200, "OK"),
        ("HTTP/1.1 426 ", 426, ""),
        ("HTTP/1.1 403", 403, ""),
        ("HTTP/1.0 503 no", 503, "no"), // an old proxy
        ("HTTP/1.1 599 ?", 599, "?"),
    ] {
        let (handshake, accept) = client(&client_config());
        let lines = Lines::response(&accept).first(first).with("Location", "/x");
        let body = "b".repeat(2000);
        let mut bytes = lines.with("Content-Length", "2000").bytes();
        bytes.extend(body.as_bytes());
        let (result, rest) = receive_chunks(handshake, &[&bytes]);
        let Err(HandshakeError::Status(response)) = result else { panic!("{result:?}") };
        assert_eq!((response.status(), response.reason()), (status, reason.as_bytes()));
        assert_eq!(response.fields().get("location"), Some(&b"/x"[..]));
        assert_eq!((response.location(), response.is_body_cut()), (Some("/x"), false));
        assert_eq!((response.body(), rest), (body.as_bytes(), 0));
        let error = HandshakeError::Status(response);
        let text = format!("the server answered {status} {reason}");
        let hint = if matches!(status, 300..400) { " (redirects are not followed)" } else { "" };
        assert_eq!(error.to_string(), format!("{}{hint}", text.trim_end()));
    }
    let (handshake, accept) = client(&client_config());
    let lines = Lines::response(&accept).first("HTTP/1.1 404 x").with("Content-Length", "0");
    let bytes = lines.bytes();
    let chunks: Vec<&[u8]> = bytes.chunks(1).collect();
    let (result, _) = receive_chunks(handshake, &chunks);
    let Err(HandshakeError::Status(response)) = result else { panic!("{result:?}") };
    assert_eq!((response.status(), response.body()), (404, &[][..]));
}

#[test]
fn hc5_informational_responses_are_skipped() {
    let (_, accept) = client(&client_config());
    let right = Lines::response(&accept).bytes();
    let hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nUpgrade: h2c\r\n\r\n";
    let continue_100 = b"HTTP/1.1 100 Continue\r\n\r\n";
    for before in
        [&[][..], &[&hint[..]], &[continue_100, hint, continue_100, b"HTTP/1.1 199 \r\n\r\n"]]
    {
        let bytes = [&before.concat(), &right[..], b"\x81\x01x"].concat();
        for chunks in [vec![&bytes[..]], bytes.chunks(1).collect(), bytes.chunks(7).collect()] {
            let (handshake, _) = client(&client_config());
            let (result, rest) = receive_chunks(handshake, &chunks);
            assert_eq!(response_outcome(&result), ResponseOutcome::Open(None));
            assert_eq!(rest, 3);
        }
    }
    // Together they have the limit of one head.
    let endless = continue_100.repeat(1000);
    for chunks in [vec![&endless[..]], endless.chunks(1).collect(), endless.chunks(1000).collect()]
    {
        let (handshake, _) = client(&client_config());
        let (result, rest) = receive_chunks(handshake, &chunks);
        assert!(matches!(result, Err(HandshakeError::Limit(LimitError::HeadTooLong))));
        assert_eq!(rest, endless.len() - (16 << 10));
    }
    // Exactly at the limit: the response itself exceeds it.
    let config = Config::client(weak_entropy_for_tests_only()).max_head_len(continue_100.len());
    let (handshake, _) = client(&config.build().unwrap());
    let (result, _) = receive_chunks(handshake, &[continue_100]);
    assert!(matches!(result, Err(HandshakeError::Limit(LimitError::HeadTooLong))), "{result:?}");
}

#[test]
fn hs17_heads_that_are_not_http_1_1() {
    use HeadError::{ControlCharacter, FieldName, Folding, LineEnd, MajorVersion, Status, Version};
    for (bytes, error) in [
        ("HTTP/1.0 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", Version),
        ("HTTP/2.0 200 OK", MajorVersion),
        ("HTTP/0.9 200 OK", MajorVersion),
        ("ICY 200 OK", Version),
        ("<html>", Version),
        (" HTTP/1.1 101 x", Version),
        ("\r\nHTTP/1.1 101 x", Version),
        ("http/1.1 101 x", Version),
        ("HTTP/1.x 101 x", Version),
        ("HTTP/1.11 101 x", Version),
        ("HTTP/1.1\t101 x", Version),
        ("HTTP/1.1  101 x", Status),
        ("HTTP/1.1 1010 x", Status),
        ("HTTP/1.1 10 x", Status),
        ("HTTP/1.1 10\r\n", Status),
        ("HTTP/1.1 101\n", LineEnd),
        ("HTTP/1.1 101\r\r", LineEnd),
        ("HTTP/1.1\r\n", Version),
        ("HTTP/1.1 101\tx", Status),
        ("HTTP/1.1 099 x", Status),
        ("HTTP/1.1 600 x", Status),
        ("HTTP/1.1 +10 x", Status),
        ("HTTP/1.1 x01 x", Status),
        ("HTTP/1.1 101 x\n", LineEnd),
        ("HTTP/1.1 101 x\r\r", LineEnd),
        ("HTTP/1.1 101 x\0", ControlCharacter),
        ("HTTP/1.1 101 x\x7f", ControlCharacter),
        ("HTTP/1.1 101 x\r\n X: 1", Folding),
        ("HTTP/1.1 101 x\r\nX: 1\r\n\tY", Folding),
        ("HTTP/1.1 101 x\r\nX : 1", FieldName),
        ("HTTP/1.1 101 x\r\n: 1", FieldName),
        ("HTTP/1.1 101 x\r\nX\r\n", FieldName),
        ("HTTP/1.1 101 x\r\nX: 1\n", LineEnd),
        ("HTTP/1.1 101 x\r\nX: 1\rY", LineEnd),
        ("HTTP/1.1 101 x\r\n\n", LineEnd),
        ("HTTP/1.1 101 x\r\n\rx", LineEnd),
        ("HTTP/1.1 101 x\r\nX: \x01", ControlCharacter),
    ] {
        let (handshake, _) = client(&client_config());
        let (result, _) = receive_chunks(handshake, &[bytes.as_bytes()]);
        let Err(HandshakeError::BadHead(found)) = result else { panic!("{bytes:?}: {result:?}") };
        assert_eq!(found, error, "{bytes:?}");
    }
    // The alert of a TLS server, and the banner of SSH.
    for bytes in [&b"\x15\x03\x01\0\x02\x02\x46"[..], b"SSH-2.0-OpenSSH_9.6\r\n"] {
        let (handshake, _) = client(&client_config());
        let error = receive_chunks(handshake, &[bytes]).0.unwrap_err();
        assert!(error.to_string().contains("if it speaks TLS, use wss://"), "{error}");
    }
}

#[test]
fn v2_v49_responses_up_to_the_limits() {
    let (_, accept) = client(&client_config());
    let limit = 300;
    let config = Config::client(weak_entropy_for_tests_only()).max_head_len(limit).build().unwrap();
    for extra in 0..limit {
        let long = "x".repeat(extra);
        for lines in [
            Lines::response(&accept).first(&format!("HTTP/1.1 101 {long}")),
            Lines::response(&accept).with("X", &long),
            Lines::response(&accept).with(&format!("X{long}"), ""),
        ] {
            let bytes = lines.bytes();
            let (result, rest) = receive_chunks(client(&config).0, &[&bytes]);
            if bytes.len() <= limit {
                assert_eq!((response_outcome(&result), rest), (ResponseOutcome::Open(None), 0));
            } else {
                let too_long =
                    matches!(result, Err(HandshakeError::Limit(LimitError::HeadTooLong)));
                assert!(too_long, "{result:?}");
                assert_eq!(rest, bytes.len() - limit);
            }
        }
    }
    let many = (0..2000).fold(Lines::response(&accept), |lines, _| lines.with("X", ""));
    let (result, _) = receive_chunks(client(&client_config()).0, &[&many.bytes()]);
    assert!(matches!(result, Err(HandshakeError::Limit(LimitError::TooManyFields))));
}

// ---------------------------------------------------------------- deadline, end of transport

#[test]
fn v25_v35_one_deadline_for_the_entire_response() {
    let (mut handshake, accept) = client(&client_config());
    assert_eq!(handshake.poll_timeout(), Some(at_ms(10_000)));
    assert!(handshake.handle_timeout(at_ms(9_999)).is_ok());
    let bytes = Lines::response(&accept).bytes();
    for (i, byte) in bytes.iter().enumerate() {
        let now = at_ms(1000 * i as u64);
        let result = handshake.receive(&mut Input::new(now, &mut [*byte]));
        if i < 10 {
            assert!(matches!(result, Ok(None)));
        } else {
            assert!(matches!(result, Err(HandshakeError::Timeout)));
            break;
        }
    }
    assert_eq!(handshake.poll_timeout(), None);
    assert!(matches!(handshake.handle_timeout(at_ms(0)), Err(HandshakeError::Timeout)));
    // Without a single byte.
    let config = Config::client(weak_entropy_for_tests_only()).handshake_timeout(secs(1));
    let (mut handshake, accept) = client(&config.build().unwrap());
    assert_eq!(handshake.poll_timeout(), Some(at_ms(1000)));
    assert!(matches!(handshake.handle_timeout(at_ms(1000)), Err(HandshakeError::Timeout)));
    let mut bytes = Lines::response(&accept).bytes();
    let result = handshake.receive(&mut Input::new(at_ms(1000), &mut bytes));
    assert!(matches!(result, Err(HandshakeError::Timeout)));
    // A response that is complete in the last read counts, even if the read was late.
    let (mut handshake, accept) = client(&client_config());
    let mut bytes = Lines::response(&accept).bytes();
    assert!(handshake.receive(&mut Input::new(at_ms(20_000), &mut bytes)).unwrap().is_some());
    assert_eq!(handshake.poll_timeout(), None);
    assert!(handshake.handle_timeout(at_ms(99_000)).is_ok());
    assert!(handshake.receive_eof().is_ok());
}

#[test]
fn the_end_of_the_transport_before_the_response() {
    for bytes in [&b""[..], b"HTTP/1.1 101 x\r\nUpgr"] {
        let (mut handshake, _) = client(&client_config());
        let mut bytes = bytes.to_vec();
        assert!(handshake.receive(&mut Input::new(at_ms(0), &mut bytes)).unwrap().is_none());
        let error = handshake.receive_eof().unwrap_err();
        assert!(matches!(error, HandshakeError::ClosedWithoutResponse));
        assert!(error.to_string().contains("before its response was complete"));
    }
}

#[test]
fn v28_every_call_after_an_error_returns_the_same_error() {
    let (mut handshake, accept) = client(&client_config());
    let mut bytes = Lines::response("x").bytes();
    let result = handshake.receive(&mut Input::new(at_ms(0), &mut bytes));
    assert!(matches!(result, Err(HandshakeError::BadAccept(_))));
    let mut bytes = Lines::response(&accept).bytes();
    let mut input = Input::new(at_ms(0), &mut bytes);
    assert!(matches!(handshake.receive(&mut input), Err(HandshakeError::BadAccept(_))));
    assert!(matches!(handshake.handle_timeout(at_ms(0)), Err(HandshakeError::BadAccept(_))));
    assert!(matches!(handshake.receive_eof(), Err(HandshakeError::BadAccept(_))));
    assert_eq!(handshake.poll_timeout(), None);
}

/// The error of a response with this change.
#[track_caller]
fn error_of(change: impl FnOnce(Lines) -> Lines) -> HandshakeError {
    let (handshake, accept) = client(&client_config());
    receive_chunks(handshake, &[&change(Lines::response(&accept)).bytes()]).0.unwrap_err()
}

#[test]
fn errors_show_the_wrong_values() {
    let (_, accept) = client(&client_config());
    let long = "x".repeat(5000);
    for (error, text) in [
        (
            error_of(|right| right.set("Sec-WebSocket-Accept", "abc")),
            format!("the server's Sec-WebSocket-Accept is \"abc\", not {accept}"),
        ),
        (
            error_of(|right| right.without("Sec-WebSocket-Accept")),
            format!("the server's Sec-WebSocket-Accept is missing, not {accept}"),
        ),
        (
            error_of(|right| right.set("Upgrade", "h2c\"<\u{e4}")),
            "the server's Upgrade is \"h2c\\x22\\x3c\\xc3\\xa4\", not websocket".into(),
        ),
        (
            error_of(|right| right.set("Connection", "close").with("Connection", &long)),
            format!(
                "the server's Connection is \"close\", \"{}...\" and doesn't list Upgrade",
                &long[..100]
            ),
        ),
        (
            error_of(|right| right.with("Sec-WebSocket-Protocol", "c")),
            "the server chose the subprotocol \"c\"; the client offered a, b".into(),
        ),
        (
            error_of(|right| right.with("Sec-WebSocket-Extensions", "foo; bar")),
            "the server chose an extension that was not offered: its Sec-WebSocket-Extensions is \
             \"foo; bar\""
                .into(),
        ),
        (
            error_of(|right| (0..9).fold(right, |lines, _| lines.with("Upgrade", "x"))),
            "the server's response has more than one Upgrade: \"websocket\", \"x\", \"x\", ..."
                .into(),
        ),
    ] {
        assert_eq!(error.to_string(), text);
        let response = error.response().expect("a complete response");
        assert_eq!(response.status(), 101);
    }
    let request = ConnectRequest::new("ws://a/").unwrap();
    let (handshake, accept) = client_for(&request, &client_config());
    let bytes = Lines::response(&accept).with("Sec-WebSocket-Protocol", "c").bytes();
    let error = receive_chunks(handshake, &[&bytes]).0.unwrap_err();
    assert!(error.to_string().ends_with("\"c\"; the client offered none"), "{error}");
}

#[test]
fn errors_have_the_expected_and_the_received_value() {
    let error = error_of(|right| right.set("Sec-WebSocket-Accept", "abc").with("X", "y"));
    let HandshakeError::BadAccept(error) = error else { panic!("{error:?}") };
    let (_, accept) = client(&client_config());
    assert_eq!((error.expected(), error.received()), (&*accept, Some(&b"abc"[..])));
    assert_eq!(error.response().fields().get("x"), Some(&b"y"[..]));
    let error = error_of(|right| right.without("Sec-WebSocket-Accept"));
    let HandshakeError::BadAccept(error) = error else { panic!("{error:?}") };
    assert_eq!(error.received(), None);

    let error = error_of(|right| right.with("Sec-WebSocket-Protocol", "c"));
    let HandshakeError::UnofferedSubprotocol(error) = error else { panic!("{error:?}") };
    assert!(error.offered().eq(["a", "b"]));
    assert_eq!(error.received(), b"c");
    assert_eq!(error.response().subprotocol(), None);
}

#[test]
fn errors_describe_their_cause() {
    for (error, part) in [
        (ExtensionError::Grammar, "grammar"),
        (ExtensionError::DuplicateField, "more than one Sec-WebSocket-E"),
        (ExtensionError::Unoffered, "extension that was not offered"),
        (ExtensionError::Duplicate, "more than once"),
        (ExtensionError::UnknownParameter, "unknown parameter"),
        (ExtensionError::DuplicateParameter("x"), "x more than once"),
        (ExtensionError::UnofferedParameter("x"), "x, which was not"),
        (ExtensionError::InvalidValue("x"), "x with a value"),
        (ExtensionError::NotGranted("x"), "without granting x"),
        (ExtensionError::Declined, "declined permessage-deflate"),
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
    for (error, part) in [
        (HandshakeError::BadHead(HeadError::LineEnd), "CR LF"),
        (HandshakeError::Limit(LimitError::HeadTooLong), "max_head_len"),
        (HandshakeError::Timeout, "in time"),
        (HandshakeError::ClosedWithoutResponse, "closed"),
    ] {
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.response().is_none());
    }
    assert!(size_of::<HandshakeError>() <= 32);
}

// ---------------------------------------------------------------- the bytes after the response

#[test]
fn v27_v46_frames_after_the_response_are_the_first_frames() {
    let (_, accept) = client(&client_config());
    let mut wire = BytesMut::from(&Lines::response(&accept).bytes()[..]);
    let mut sender = crate::common::connection(Role::Server, crate::common::preset(Role::Server));
    sender.send_text("first", &mut wire).unwrap();
    sender.send_ping(b"p", &mut wire).unwrap();
    sender.send_binary(b"second", &mut wire).unwrap();
    for at in 0..=wire.len() {
        let (mut handshake, _) = client(&client_config());
        let (mut open, mut inbox, mut out) = (None, Inbox::new(), BytesMut::new());
        let mut seen = Vec::new();
        for chunk in cut(&wire, &[at]) {
            let mut chunk = chunk.to_vec();
            let mut input = Input::new(at_ms(0), &mut chunk);
            if open.is_none() {
                let Some((connection, _)) = handshake.receive(&mut input).unwrap() else {
                    continue;
                };
                assert_eq!(connection.role(), Role::Client);
                open = Some(connection);
                let left = input.len();
                assert!(handshake.receive(&mut input).unwrap().is_none());
                assert_eq!(input.len(), left);
            }
            let connection = open.as_mut().unwrap();
            seen.extend(payloads(connection, &mut input, &mut inbox, &mut out));
        }
        assert_eq!(seen, [&b"first"[..], b"p", b"second"], "cut at {at}");
        assert_eq!(out.len(), 7, "the pong");
    }
}

// ---------------------------------------------------------------- properties

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn v30_any_split_of_the_input_gives_the_same_outcome_and_rest(
        informational in any::<bool>(),
        fields in prop::collection::vec(prop::sample::select(vec![
            ("Sec-WebSocket-Protocol", "a"),
            ("Sec-WebSocket-Extensions", "x"),
            ("Connection", "close"),
            ("Upgrade", "websocket"),
            ("X", " a\t"),
            ("Date", ""),
        ]), 0..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), byte()), 0..3),
        tail in prop::collection::vec(any::<u8>(), 0..20),
        cuts in prop::collection::vec(0_usize..300, 0..6),
        limit in prop::sample::select(vec![16_usize << 10, 80, 150, 200]),
    ) {
        let config =
            Config::client(weak_entropy_for_tests_only()).max_head_len(limit).build().unwrap();
        let (_, accept) = client(&config);
        let lines = fields.iter().fold(Lines::response(&accept), |lines, (n, v)| lines.with(n, v));
        let mut bytes = Vec::new();
        if informational {
            bytes.extend(b"HTTP/1.1 103 x\r\nY: z\r\n\r\n");
        }
        bytes.extend(lines.bytes());
        bytes.extend(tail);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        assert_any_split_is_the_same(&bytes, &cuts, &ResponseOutcome::Waiting, |chunks| {
            let (result, rest) = receive_chunks(client(&config).0, chunks);
            (response_outcome(&result), rest)
        });
    }
}

/// Bytes that are mostly elements of a head.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => prop::sample::select(b"\r\n \t:,/01Aa\0\x7f\x80".to_vec()),
        1 => any::<u8>(),
    ]
}

// ---------------------------------------------------------------- reconnecting

#[test]
fn hc9_the_first_delay_is_random_and_later_delays_are_longer() {
    let entropy = weak_entropy_for_tests_only();
    entropy::reseed(3);
    let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
    for _ in 0..2000 {
        let mut backoff = Backoff::new(secs(5), secs(60));
        let delays: Vec<Duration> =
            (0..70).map(|_| backoff.next_delay(&entropy).unwrap()).collect();
        assert!(delays[0] <= secs(5));
        least = least.min(delays[0]);
        most = most.max(delays[0]);
        for (i, span) in [(1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (69, 60)] {
            assert!(delays[i] >= secs(span) / 2 && delays[i] <= secs(span), "{i}: {delays:?}");
        }
        assert!(delays[..4].is_sorted());
        backoff.reset();
        assert!(backoff.next_delay(&entropy).unwrap() <= secs(5));
    }
    assert!(least < Duration::from_millis(50) && most > Duration::from_millis(4950));
    let failing = Entropy::from_fn(|_| Err(EntropyError));
    assert_eq!(Backoff::new(secs(1), secs(1)).next_delay(&failing), Err(EntropyError));
}

#[test]
fn hc9_the_caller_sets_the_first_delay_and_the_maximum() {
    let entropy = weak_entropy_for_tests_only();
    entropy::reseed(3);
    let ms = Duration::from_millis;
    for _ in 0..200 {
        let delays = |first, max| {
            let mut backoff = Backoff::new(first, max);
            [(); 100].map(|()| backoff.next_delay(&entropy).unwrap())
        };
        let short = delays(ms(100), ms(1000));
        for (i, span) in [(0, 100), (1, 200), (2, 400), (3, 800), (4, 1000), (99, 1000)] {
            let least = if i == 0 { Duration::ZERO } else { ms(span) / 2 };
            assert!(short[i] >= least && short[i] <= ms(span), "{i}: {short:?}");
        }
        // A maximum below the first span applies to the first delay, too.
        assert!(delays(secs(5), ms(10)).iter().all(|delay| *delay <= ms(10)));
        // Without a maximum.
        assert!(delays(secs(5), Duration::MAX)[..40].is_sorted());
        assert!(delays(Duration::MAX, Duration::MAX)[1..].iter().all(|d| *d > secs(1)));
        // No first delay, but longer ones later.
        let at_once = delays(Duration::ZERO, secs(60));
        assert_eq!(at_once[0], Duration::ZERO);
        assert!(at_once[99] >= secs(30));
        assert!(delays(Duration::ZERO, Duration::ZERO).iter().all(Duration::is_zero));
    }
}
