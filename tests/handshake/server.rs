//! The server side of the opening handshake: a valid request, subprotocols and extensions, and the
//! bytes after the head.

use bytes::BytesMut;
use sansocket::handshake::{
    ClientHandshake, Fields, HttpVersion, RequestHead, ServerHandshake, accept_key,
};
use sansocket::{AcceptOptions, ConnectRequest, Inbox, Input};

use crate::common::at_ms;
use crate::common::head::{
    Lines, RequestOutcome, client_config, cut, payloads, read_head, serve, serve_with,
};
use crate::handshake::support::{config, expect_lines};

#[test]
fn hs13_the_response_is_that_of_the_rfc() {
    let served = serve(&Lines::request().bytes());
    assert_eq!(
        served.text(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn hs13_the_response_as_values_equals_the_response_as_bytes() {
    let (head, _) = read_head(&[&Lines::request().bytes()], &config());
    let head = head.unwrap().unwrap();
    let options = AcceptOptions::new().field("Server", "x").unwrap();
    let accepted = head.upgrade().unwrap().accept(&options).unwrap();
    let mut written = BytesMut::new();
    accepted.write(&mut written);
    let mut text = format!("HTTP/1.1 {} Switching Protocols\r\n", accepted.status());
    for (name, value) in accepted.fields() {
        text += &format!("{name}: {}\r\n", value.escape_ascii());
    }
    assert_eq!(written, format!("{text}\r\n"));
}

#[test]
fn a_request_has_the_fields_of_the_client() {
    let lines = Lines::request()
        .first("GET /chat%20room?a=1&b=?2 HTTP/1.1")
        .set("Host", "Example.com:8080")
        .with("Origin", "https://example.com")
        .with("Sec-WebSocket-Protocol", "chat.v2 ,, superchat")
        .with("sec-websocket-protocol", "\tlast")
        .with("Sec-WebSocket-Extensions", "foo; a=\"b\", bar")
        .with("Sec-WebSocket-Extensions", "baz");
    let (head, _) = read_head(&[&lines.bytes()], &config());
    let head = head.unwrap().unwrap();
    assert_eq!((head.method(), head.target()), ("GET", "/chat%20room?a=1&b=?2"));
    assert_eq!((head.path(), head.query()), ("/chat%20room", Some("a=1&b=?2")));
    assert_eq!((head.version(), head.is_upgrade()), (HttpVersion::Http11, true));
    let head = head.as_head();
    assert!(head.is_upgrade());
    let request = head.upgrade().unwrap();
    assert_eq!(request.head().target(), "/chat%20room?a=1&b=?2");
    assert_eq!((request.path(), request.query()), ("/chat%20room", Some("a=1&b=?2")));
    assert_eq!(request.host(), "Example.com:8080");
    assert_eq!(request.origin(), Some("https://example.com"));
    assert!(request.subprotocols().eq(["chat.v2", "superchat", "last"]));
    assert!(request.extension_offers().eq([&b"foo; a=\"b\", bar"[..], b"baz"]));
    assert_eq!(request.head().fields().len(), lines.fields.len());
}

#[test]
fn fields_are_found_case_insensitively_in_their_order() {
    let lines = Lines::new(
        "GET / HTTP/1.1",
        &[("Host", "a"), ("Cookie", " a=1 "), ("X-Empty", ""), ("cookie", "b=\u{e4}")],
    );
    let mut bytes = lines.bytes();
    bytes.splice(bytes.len() - 2.., *b"X-Latin-1: \xe4\r\n\r\n");
    let (head, _) = read_head(&[&bytes], &config());
    let head = head.unwrap().unwrap();
    let fields = head.fields();
    assert_eq!((fields.len(), fields.is_empty()), (5, false));
    assert_eq!(fields.get("COOKIE"), Some(&b"a=1"[..]));
    assert!(fields.get_all("cookie").eq([&b"a=1"[..], "b=\u{e4}".as_bytes()]));
    assert_eq!(fields.get("x-empty"), Some(&b""[..]));
    assert_eq!(fields.get("Cooki"), None);
    assert_eq!((fields.get_str("cookie"), fields.get_str("x-empty")), (Some("a=1"), Some("")));
    assert_eq!((fields.get_str("Cooki"), fields.get_str("X-Latin-1")), (None, None));
    assert_eq!(fields.get("X-Latin-1"), Some(&b"\xe4"[..]));
    let names: Vec<_> = fields.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Host", "Cookie", "X-Empty", "cookie", "X-Latin-1"]);
}

#[test]
fn requests_of_other_http_servers_are_checked_by_the_same_rules() {
    let pairs: Vec<(&str, &[u8])> = vec![
        ("host", b" server.example.com "),
        ("upgrade", b"websocket"),
        ("connection", b"keep-alive, upgrade"),
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", b"13"),
    ];
    let head = RequestHead::new("GET", "/chat", Fields::new(&pairs));
    let request = head.upgrade().unwrap();
    assert_eq!(request.host(), "server.example.com");
    let accepted = request.accept(&AcceptOptions::new()).unwrap();
    let key = accepted.fields().find(|(name, _)| *name == "Sec-WebSocket-Accept").unwrap();
    assert_eq!(key.1, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    for missing in 0..pairs.len() {
        let mut pairs = pairs.clone();
        pairs.remove(missing);
        let head = RequestHead::new("GET", "/chat", Fields::from(&pairs[..]));
        assert!(head.upgrade().is_err(), "{pairs:?}");
    }
}

/// An owned copy equals its original, for a head of any reader.
#[test]
fn heads_and_requests_convert_into_owned_values() {
    let lines = Lines::request()
        .first("GET http://example.com:81/chat?x HTTP/1.1")
        .with("Origin", "http://example.com:81")
        .with("X-Empty", "")
        .with("Sec-WebSocket-Protocol", "a, b");
    let (head, _) = read_head(&[&lines.bytes()], &config());
    let head = head.unwrap().unwrap();
    let pairs: Vec<(&str, &[u8])> = head.fields().iter().collect();
    let borrowed = RequestHead::new(head.method(), head.target(), Fields::new(&pairs));
    let request = borrowed.upgrade().unwrap();
    let kept = [
        head.upgrade().unwrap().into_owned(),
        request.into_owned(),
        borrowed.into_owned().into_upgrade().unwrap(),
        head.clone().into_upgrade().unwrap(),
        head.as_head().into_owned().as_head().into_owned().into_upgrade().unwrap(),
    ];
    let options = AcceptOptions::new().subprotocols(["b"]).unwrap();
    let answer = |request: sansocket::handshake::UpgradeRequest<'_>| {
        let mut out = BytesMut::new();
        request.accept(&options).unwrap().write(&mut out);
        out
    };
    for kept in kept {
        let copy = kept.head().as_head();
        assert_eq!((copy.version(), copy.method()), (HttpVersion::Http11, "GET"));
        assert_eq!(copy.target(), "http://example.com:81/chat?x");
        assert_eq!((copy.path(), copy.query()), ("/chat", Some("x")));
        assert_eq!((copy.scheme(), copy.authority()), (None, Some("example.com:81")));
        assert!(copy.fields().iter().eq(pairs.iter().copied()));
        let copy = kept.as_request();
        assert_eq!((copy.path(), copy.query()), ("/chat", Some("x")));
        assert_eq!((copy.host(), copy.origin()), ("example.com:81", Some("http://example.com:81")));
        assert!(copy.subprotocols().eq(["a", "b"]));
        assert_eq!(answer(copy), answer(request));
    }
    // A request for no WebSocket is refused, as the borrowed one is.
    let page = RequestHead::new("GET", "/", Fields::new(&[("Host", b"a")])).into_owned();
    assert!(!page.is_upgrade());
    assert_eq!(page.into_upgrade().unwrap_err().status(), 426);
}

#[test]
fn hs16_an_upgrade_over_http_1_0_is_ignored() {
    let (head, _) = read_head(&[&Lines::request().bytes()], &config());
    let head = head.unwrap().unwrap();
    let old = head.as_head().with_version(HttpVersion::Http10);
    assert!(head.is_upgrade() && !old.is_upgrade());
    let refusal = old.upgrade().unwrap_err();
    assert_eq!(refusal.status(), 400);
    assert!(refusal.fields().all(|(name, _)| !name.eq_ignore_ascii_case("upgrade")));
}

// ---------------------------------------------------------------- subprotocols and extensions

#[test]
fn hs11_the_subprotocol_is_an_offered_one_or_none() {
    let options = AcceptOptions::new().subprotocols(["chat.v2", "chat.v1"]).unwrap();
    for (offered, chosen) in [
        (&[][..], None),
        (&["chat.v1"], Some("chat.v1")),
        (&["chat.v1, chat.v2"], Some("chat.v2")), // in the order of the server
        (&["other, chat.v1"], Some("chat.v1")),
        (&["other", "chat.v2"], Some("chat.v2")),
        (&["other"], None),
        (&["CHAT.V2"], None), // names are compared case-sensitively
        (&["chat.v"], None),
        (&["chat.v22"], None),
    ] {
        let lines = offered
            .iter()
            .fold(Lines::request(), |lines, value| lines.with("Sec-WebSocket-Protocol", value));
        let served = serve_with(&lines.bytes(), &options);
        let RequestOutcome::Open(answer, subprotocol) = served else { panic!("{served:?}") };
        assert_eq!(subprotocol.as_deref(), chosen);
        let answer = String::from_utf8(answer).unwrap();
        match chosen {
            Some(name) => {
                let field = format!("\r\nSec-WebSocket-Protocol: {name}\r\n");
                assert_eq!(answer.matches(&field).count(), 1);
            }
            None => assert!(!answer.contains("Sec-WebSocket-Protocol")),
        }
    }
    // A server without subprotocols never selects one.
    let lines = Lines::request().with("Sec-WebSocket-Protocol", "chat.v1");
    assert!(!serve(&lines.bytes()).text().contains("Sec-WebSocket-Protocol"));
}

#[test]
fn hs8_malformed_lists_of_subprotocols() {
    for value in ["", " ", ",", "a b", "a;b", "\"a\"", "a, (b)", "a/b", "\u{e4}"] {
        let lines = Lines::request().with("Sec-WebSocket-Protocol", value);
        expect_lines(&lines, 400, "Sec-WebSocket-Protocol");
    }
}

#[test]
fn hs12_v4_extensions_are_checked_and_never_answered() {
    for (value, status) in [
        ("permessage-deflate", 101),
        ("permessage-deflate; client_max_window_bits, permessage-deflate", 101),
        ("a;b;c=1;d=\"e\"", 101),
        ("a ; b = \"c\" , d", 101),
        (", a,,b ,", 101),
        ("a; b=\"\\c\"", 101),
        ("constructor; __proto__=1, toString", 101), // V4: names of object properties
        ("", 400),
        (",", 400),
        ("a;", 400),
        (";a", 400),
        ("a; ;b", 400),
        ("a; b=", 400),
        ("a; =b", 400),
        ("a; b=c d", 400),
        ("a b", 400),
        ("a; b=\"", 400),
        ("a; b=\"c", 400),
        ("a; b=\"\"", 400),
        ("a; b=\"c d\"", 400), // RFC 6455 9.1: a token when it is unquoted
        ("a; b=\"c,d\"", 400),
        ("a; b=\"c\\\"", 400),
        ("a; b=\"c\"d", 400),
        ("a; \"b\"=c", 400),
        ("a; b=c=d", 400),
        ("\u{e4}", 400),
    ] {
        let lines = Lines::request().with("Sec-WebSocket-Extensions", value);
        let served = serve(&lines.bytes());
        assert_eq!(served.status(), status, "{value}: {served:?}");
        assert!(!served.text().contains("Sec-WebSocket-Extensions:"), "{served:?}");
    }
}

// ---------------------------------------------------------------- the bytes after the head

#[test]
fn v27_v46_frames_after_the_request_are_the_first_frames() {
    let request = ConnectRequest::new("ws://example.com/").unwrap();
    let mut wire = BytesMut::new();
    let client = client_config();
    drop(ClientHandshake::new(&request, &client, at_ms(0), &mut wire).unwrap());
    let head_len = wire.len();
    let mut sender = crate::common::connection(
        sansocket::Role::Client,
        crate::common::preset(sansocket::Role::Client),
    );
    sender.send_ping(b"p", &mut wire).unwrap();
    sender.send_text("first", &mut wire).unwrap();
    sender.send_binary(b"second", &mut wire).unwrap();
    // For any split into packets.
    for at in 0..=wire.len() {
        let config = config();
        let mut handshake = ServerHandshake::new(&config, at_ms(0));
        let mut open = None;
        let mut out = BytesMut::new();
        let mut inbox = Inbox::new();
        let mut seen = Vec::new();
        for chunk in cut(&wire, &[at]) {
            let mut chunk = chunk.to_vec();
            let mut input = Input::new(at_ms(0), &mut chunk);
            if open.is_none() {
                let Some(head) = handshake.receive(&mut input).unwrap() else { continue };
                let accepted = head.upgrade().unwrap().accept(&AcceptOptions::new()).unwrap();
                // The frames have no effect before the response is written.
                assert!(out.is_empty());
                accepted.write(&mut out);
                open = Some(accepted.into_connection(&config, at_ms(0)));
                // The handshake reads no further input.
                let left = input.len();
                assert!(handshake.receive(&mut input).unwrap().is_none());
                assert_eq!(input.len(), left);
            }
            let connection = open.as_mut().unwrap();
            seen.extend(payloads(connection, &mut input, &mut inbox, &mut out));
        }
        assert_eq!(seen, [&b"p"[..], b"first", b"second"], "cut at {at}, head {head_len}");
        let text = out.escape_ascii().to_string();
        assert!(text.starts_with("HTTP/1.1 101 ") && text.ends_with("\\r\\n\\x8a\\x01p"), "{text}");
    }
}
