//! The server side of the opening handshake: heads of requests, and the responses to them.

use core::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::handshake::{
    ClientHandshake, FieldError, Fields, HttpResponse, HttpVersion, OriginPolicy, Refusal,
    RequestHead, ServerHandshake, accept_key,
};
use sansocket::{AcceptOptions, Config, ConnectRequest, Inbox, Input};

use crate::common::head::{
    Lines, Served, client_config, cut, payloads, read_head, serve, serve_pieces, serve_with,
};
use crate::common::{at_ms, secs};

fn config() -> Config {
    Config::server().build().unwrap()
}

/// Serves a request and checks its status and a part of the response.
#[track_caller]
fn expect(bytes: &[u8], status: u16, hint: &str) {
    let served = serve(bytes);
    let shown = bytes.escape_ascii();
    assert_eq!(served.status(), status, "{shown}: {served:?}");
    assert!(served.hint().contains(hint), "{shown}: {served:?}");
}

#[track_caller]
fn expect_lines(lines: &Lines, status: u16, hint: &str) {
    expect(&lines.bytes(), status, hint);
}

// ---------------------------------------------------------------- a valid request

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

// ---------------------------------------------------------------- the request line

#[test]
fn hs1_hs16_q13_v49_request_lines() {
    for (line, status, hint) in [
        ("GET / HTTP/1.1", 101, ""),
        // Any target of a resource.
        ("GET http://example.com/chat HTTP/1.1", 101, ""),
        ("GET https://example.com?x HTTP/1.1", 101, ""),
        ("GET WSS://example.com HTTP/1.1", 101, ""),
        ("GET /%zz|{}[]`^\\ HTTP/1.1", 101, ""),
        ("GET * HTTP/1.1", 400, "target"),
        ("GET chat HTTP/1.1", 400, "target"),
        ("GET ?x HTTP/1.1", 400, "target"),
        ("GET example.com:80 HTTP/1.1", 400, "target"),
        ("GET ftp://example.com/ HTTP/1.1", 400, "target"),
        ("GET http:///chat HTTP/1.1", 400, "host"),
        ("GET http://a@example.com/chat HTTP/1.1", 400, "host"),
        ("GET http://example.com:99999/chat HTTP/1.1", 400, "host"),
        ("GET /a#b HTTP/1.1", 400, "target"),
        ("GET /a\"b HTTP/1.1", 400, "target"),
        ("GET /<a> HTTP/1.1", 400, "target"),
        ("GET /\u{e4} HTTP/1.1", 400, "target"),
        ("GET /a\tb HTTP/1.1", 400, "target"),
        ("GET /a\0b HTTP/1.1", 400, "target"),
        ("GET /a\x7fb HTTP/1.1", 400, "target"),
        // Exactly one space.
        ("GET  / HTTP/1.1", 400, "target"),
        ("GET /  HTTP/1.1", 400, "version"),
        ("GET / HTTP/1.1 ", 400, "version"),
        ("GET\t/ HTTP/1.1", 400, "method"),
        (" GET / HTTP/1.1", 400, "method"),
        ("GET /", 400, "target"),
        ("GET", 400, "method"),
        ("", 400, "method"),
        ("G(T / HTTP/1.1", 400, "method"),
        ("\x16\x03\x01\x02", 400, "method"),
        // RFC 9110 2.5: a higher minor version is treated as 1.1; HS16: 1.0 has no Upgrade.
        ("GET / HTTP/1.9", 101, ""),
        ("GET / HTTP/1.0", 400, "version"),
        ("GET / HTTP/1.", 400, "version"),
        ("GET / HTTP/1.10", 400, "version"),
        ("GET / HTTP/11.1", 400, "version"),
        ("GET / http/1.1", 400, "version"),
        ("GET / HTTP/1,1", 400, "version"),
        ("GET / HTTPS/1.1", 400, "version"),
        ("GET / HTTP/x.1", 400, "version"),
        ("GET / HTTP/0.9", 505, "major"),
        ("GET / HTTP/2.0", 505, "major"),
        ("GET / HTTP/3", 505, "major"),
        ("PRI * HTTP/2.0", 505, "major"),
        // HS1: methods are case-sensitive.
        ("POST / HTTP/1.1", 405, "GET"),
        ("get / HTTP/1.1", 405, "GET"),
        ("CONNECT example.com:80 HTTP/1.1", 405, "GET"),
        ("OPTIONS * HTTP/1.1", 405, "GET"),
    ] {
        expect_lines(&Lines::request().first(line), status, hint);
    }
}

#[test]
fn hs1_the_host_of_the_target_overrides_the_host_field() {
    let lines = Lines::request()
        .first("GET http://other.example:81/x?y HTTP/1.1")
        .with("Origin", "http://other.example:81");
    let (head, _) = read_head(&[&lines.bytes()], &config());
    let head = head.unwrap().unwrap();
    let request = head.upgrade().unwrap();
    assert_eq!(request.host(), "other.example:81");
    assert_eq!((request.path(), request.query()), ("/x", Some("y")));
    assert!(request.accept(&AcceptOptions::new()).is_ok());
    for (target, path) in [("http://a", "/"), ("http://a?b", "/"), ("HTTP://a/b?c", "/b")] {
        assert_eq!(RequestHead::new("GET", target, Fields::new(&[])).path(), path);
    }
}

#[test]
fn one_empty_line_before_the_request_is_accepted() {
    // RFC 9112 2.2
    let request = Lines::request().bytes();
    expect(&[b"\r\n", &request[..]].concat(), 101, "");
    expect(&[b"\r\n\r\n", &request[..]].concat(), 400, "method");
    expect(&[b"\n", &request[..]].concat(), 400, "method");
    expect(&[b"\r", &request[..]].concat(), 400, "CR LF");
}

// ---------------------------------------------------------------- fields

#[test]
fn hs8_hs17_v26_field_lines() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (fields, status, hint) in [
        ("X: 1\r\n\r\n", 426, ""),
        ("X:1\r\n\r\n", 426, ""),
        ("X:\r\n\r\n", 426, ""),
        ("X: \t \r\n\r\n", 426, ""),
        ("X: a \t b \r\n\r\n", 426, ""),
        ("!#$%&'*+-.^_`|~09AZaz: \u{e4}\r\n\r\n", 426, ""),
        // A space before the colon; invalid names.
        ("X : 1\r\n\r\n", 400, "field name"),
        ("X\t: 1\r\n\r\n", 400, "field name"),
        (": 1\r\n\r\n", 400, "field name"),
        ("X\r\n\r\n", 400, "field name"),
        ("X Y: 1\r\n\r\n", 400, "field name"),
        ("X\u{e4}: 1\r\n\r\n", 400, "field name"),
        ("(X): 1\r\n\r\n", 400, "field name"),
        ("X\0: 1\r\n\r\n", 400, "field name"),
        // Folding, also before the first field.
        ("X: 1\r\n 2\r\n\r\n", 400, "space or tab"),
        ("X: 1\r\n\t2\r\n\r\n", 400, "space or tab"),
        (" X: 1\r\n\r\n", 400, "space or tab"),
        // Bare LF, bare CR, NUL and other control characters.
        ("X: 1\n\r\n", 400, "CR LF"),
        ("X: 1\r\n\n", 400, "CR LF"),
        ("X: 1\n\n", 400, "CR LF"),
        ("X: 1\rY: 2\r\n\r\n", 400, "CR LF"),
        ("X: 1\r\r\n\r\n", 400, "CR LF"),
        ("X: 1\r\n\rX", 400, "CR LF"),
        ("X: a\0b\r\n\r\n", 400, "control"),
        ("X: a\x0bb\r\n\r\n", 400, "control"),
        ("X: a\x7fb\r\n\r\n", 400, "control"),
        ("X: \x1b\r\n\r\n", 400, "control"),
    ] {
        expect(format!("{head}{fields}").as_bytes(), status, hint);
    }
    for line_end in ["\n", "\r", "\r\r\n", " \r\n"] {
        let status = serve(format!("GET / HTTP/1.1{line_end}Host: a\r\n\r\n").as_bytes()).status();
        assert_eq!(status, 400, "{line_end:?}");
    }
}

#[test]
fn hs2_v26_exactly_one_host() {
    let lines = Lines::request().without("Host");
    for (hosts, status) in [
        (&[][..], 400),
        (&["example.com"], 101),
        (&["example.com", "example.com"], 400),
        (&["example.com", "other.com"], 400),
        (&["example.com, other.com"], 400),
        (&["127.0.0.1:80"], 101),
        (&["[::1]"], 101),
        (&["[::1]:9001"], 101),
        (&["a:"], 101),
        (&["a%2fb"], 101),
        (&["a_b-c.d~e!$&'()*+,;="], 101),
        (&[""], 400),
        (&[":80"], 400),
        (&["a b"], 400),
        (&["a/b"], 400),
        (&["a@b"], 400),
        (&["http://a"], 400),
        (&["a%2"], 400),
        (&["a:b"], 400),
        (&["a:+80"], 400),
        (&["a:80:80"], 400),
        (&["a:65536"], 400),
        (&["a:000080"], 400),
        (&["::1"], 400),
        (&["[::1"], 400),
        (&["[::1]x"], 400),
        (&["[::g]"], 400),
        (&["[fe80::1%25eth0]"], 400),
        (&["[v1.x]"], 400),
        (&["ex\u{e4}mple.com"], 400),
    ] {
        let lines = hosts.iter().fold(lines.clone(), |lines, host| lines.with("hOsT", host));
        expect_lines(&lines, status, "");
    }
    // A request for a page needs one, too, but it may be empty (RFC 9112 3.2).
    expect(b"GET / HTTP/1.1\r\n\r\n", 400, "Host");
    expect(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "Host");
    expect(b"GET / HTTP/1.1\r\nHost:\r\nHost:\r\n\r\n", 400, "Host");
    expect(b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 426, "");
    expect(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "Host");
}

#[test]
fn hs3_hs4_hs18_v45_upgrade_and_connection_are_lists_of_exact_tokens() {
    for (upgrade, connection, status) in [
        (&["websocket"][..], &["Upgrade"][..], 101),
        (&["WebSocket"], &["upgrade"], 101),
        (&["websocket"], &["keep-alive, Upgrade"], 101),
        (&["websocket"], &["keep-alive", "UPGRADE"], 101),
        (&["websocket"], &["Upgrade", "keep-alive"], 101),
        (&["websocket"], &[" ,, Upgrade\t,"], 101),
        (&["h2c, websocket"], &["Upgrade"], 101),
        (&["h2c", "foo/1.0,websocket"], &["Upgrade"], 101),
        // Connection: V45
        (&["websocket"], &[], 400),
        (&["websocket"], &[""], 400),
        (&["websocket"], &["keep-alive"], 400),
        (&["websocket"], &["notupgrade"], 400),
        (&["websocket"], &["upgrade-insecure-requests"], 400),
        (&["websocket"], &["not-upgrade, upgrades"], 400),
        (&["websocket"], &["keep-alive Upgrade"], 400),
        (&["websocket"], &["Upgrade;q=1"], 400),
        (&["websocket"], &["\"Upgrade\""], 400),
        (&["websocket"], &["Upgrade", "a b"], 400),
        // Upgrade
        (&[], &["Upgrade"], 426),
        (&["h2c"], &["Upgrade"], 426),
        (&["websockets"], &["Upgrade"], 426),
        (&["web-socket, notwebsocket"], &["Upgrade"], 426),
        (&["websocket/13"], &["Upgrade"], 426),
        (&["web socket"], &["Upgrade"], 400),
        (&[""], &["Upgrade"], 400),
        (&[", ,"], &["Upgrade"], 400),
        (&["websocket, (x)"], &["Upgrade"], 400),
        (&["websocket, a/b/c"], &["Upgrade"], 400),
        (&["websocket, a/"], &["Upgrade"], 400),
    ] {
        let lines = Lines::request().without("Upgrade").without("Connection");
        let lines = upgrade.iter().fold(lines, |lines, value| lines.with("Upgrade", value));
        let lines = connection.iter().fold(lines, |lines, value| lines.with("Connection", value));
        expect_lines(&lines, status, "");
    }
}

#[test]
fn hs18_empty_members_are_bounded() {
    for (commas, status) in [(16, 101), (17, 400), (10_000, 400)] {
        let value = format!("Upgrade{}", ",".repeat(commas));
        expect_lines(&Lines::request().set("Connection", &value), status, "");
        // Over several lines, too: each empty line counts as one.
        let lines = (0..commas.min(60))
            .fold(Lines::request(), |lines, _| lines.with("Sec-WebSocket-Protocol", ""));
        expect_lines(&lines.with("Sec-WebSocket-Protocol", "a"), status, "");
    }
}

/// The count of ignored members must not overflow, in any list and over any number of lines.
#[test]
fn hs18_empty_members_are_bounded_over_any_number_of_lines() {
    for name in ["Connection", "Upgrade", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"] {
        let mut fields = vec![(name, &b","[..]); 1000];
        let right = Lines::request().fields;
        fields.extend(right.iter().map(|(name, value)| (&**name, value.as_bytes())));
        let fields = Fields::new(&fields);
        let refusal = RequestHead::new("GET", "/", fields).upgrade().unwrap_err();
        assert_eq!(refusal.status(), 400, "{name}");
    }
}

#[test]
fn hs5_hs19_q1_keys() {
    for (keys, status) in [
        (&["dGhlIHNhbXBsZSBub25jZQ=="][..], 101),
        (&["AQIDBAUGBwgJCgsMDQ4PEC=="], 101), // RFC 6455 4.1(7); a strict decoder refuses it
        (&["++++++////////////////=="], 101),
        (&["  dGhlIHNhbXBsZSBub25jZQ== \t"], 101),
        (&[], 400),
        (&[""], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ="], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ"], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ==="], 400),
        (&["dGhlIHNhbXBsZSBub25jZQQQ"], 400),
        (&["dGhlIHNhbXBsZSBub25jZ==="], 400),
        (&["dGhlIHNhbXBsZSBub25jZ-=="], 400),
        (&["dGhlIHNhbXBsZSBub25 ZQ=="], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC=="], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ==", ""], 400),
        (&["Zm9v"], 400),
    ] {
        let lines = Lines::request().without("Sec-WebSocket-Key");
        let lines = keys.iter().fold(lines, |lines, key| lines.with("Sec-WebSocket-Key", key));
        expect_lines(&lines, status, if status == 400 { "Sec-WebSocket-Key" } else { "" });
    }
}

#[test]
fn hs6_hs7_hs19_v24_v50_v51_versions() {
    for (versions, status) in [
        (&["13"][..], 101),
        (&[" 13 "], 101),
        (&[], 426),
        (&[""], 426),
        (&["8"], 426),
        (&["7"], 426),
        (&["0"], 426),
        (&["14"], 426),
        // V51: numbers that equal 13 in a lenient parser.
        (&["013"], 426),
        (&["+13"], 426),
        (&["0x0d"], 426),
        (&["13.0"], 426),
        (&["1.3e1"], 426),
        (&["13;"], 426),
        (&["13, 8"], 426),
        (&["13 13"], 426),
        (&["\u{661}\u{663}"], 426),
        // HS19: only once.
        (&["13", "13"], 400),
        (&["8", "13"], 400),
        (&["13", "8", "7"], 400),
    ] {
        let lines = Lines::request().without("Sec-WebSocket-Version");
        let lines = versions.iter().fold(lines, |lines, v| lines.with("Sec-WebSocket-Version", v));
        expect_lines(&lines, status, "");
        if status == 426 {
            let served = serve(&lines.bytes());
            assert!(served.text().contains("\r\nSec-WebSocket-Version: 13\r\n"), "{served:?}");
            assert!(served.text().contains("\r\nUpgrade: websocket\r\n"), "{served:?}");
            assert!(served.text().contains("\r\nConnection: close, Upgrade\r\n"), "{served:?}");
        }
    }
    // V24: the drafts of former browsers. Their keys differ, and the version decides.
    let hixie = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://a\r\n\r\n8byteskey";
    expect(hixie.as_bytes(), 426, "13");
    let hybi =
        Lines::request().set("Sec-WebSocket-Version", "8").with("Sec-WebSocket-Origin", "http://a");
    expect_lines(&hybi, 426, "13");
}

#[test]
fn v26_v47_a_body_is_refused() {
    for (fields, status) in [
        (&[("Content-Length", "0")][..], 101),
        (&[("content-length", "00")], 101),
        (&[("Content-Length", "1")], 400),
        (&[("Content-Length", "10000000000000000000000000")], 400),
        (&[("Content-Length", "")], 400),
        (&[("Content-Length", "-0")], 400),
        (&[("Content-Length", "+0")], 400),
        (&[("Content-Length", "0x0")], 400),
        (&[("Content-Length", "0, 0")], 400),
        (&[("Content-Length", "0"), ("Content-Length", "0")], 400),
        (&[("Content-Length", "0"), ("content-LENGTH", "5")], 400),
        (&[("Transfer-Encoding", "chunked")], 400),
        (&[("Transfer-Encoding", "identity")], 400),
        (&[("Transfer-Encoding", "")], 400),
        (&[("Content-Length", "0"), ("Transfer-Encoding", "chunked")], 400),
        (&[("Transfer-Encoding", "chunked"), ("Content-Length", "0")], 400),
    ] {
        let lines = fields.iter().fold(Lines::request(), |lines, (n, v)| lines.with(n, v));
        expect_lines(&lines, status, "");
    }
}

#[test]
fn v26_hs17_smuggling_is_refused_for_pages_too() {
    let page = Lines::new("POST /form HTTP/1.1", &[("Host", "a")]);
    for (fields, status) in [
        // 426 represents a head that was returned.
        (&[("Content-Length", "5")][..], 426),
        (&[("Transfer-Encoding", "chunked")], 426),
        (&[("Transfer-Encoding", "gzip, Chunked")], 426),
        (&[("Content-Length", "5"), ("Transfer-Encoding", "chunked")], 400),
        (&[("Transfer-Encoding", "chunked"), ("Content-Length", "5")], 400),
        (&[("Content-Length", "5"), ("Content-Length", "5")], 400),
        (&[("Content-Length", "5 5")], 400),
        (&[("Content-Length", "5a")], 400),
        (&[("Transfer-Encoding", "xchunked")], 400),
        (&[("Transfer-Encoding", "chunked, gzip")], 400),
        (&[("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")], 400),
        (&[("Transfer-Encoding", "\"chunked\"")], 400),
        (&[("Transfer-Encoding", "@, chunked")], 400),
        (&[("Transfer-Encoding", "chunked;x=1")], 400),
        (&[("Transfer-Encoding", "\x0bchunked")], 400),
    ] {
        let lines = fields.iter().fold(page.clone(), |lines, (n, v)| lines.with(n, v));
        expect_lines(&lines, status, "");
    }
}

#[test]
fn q13_hs15_a_request_for_a_page_is_returned_and_its_body_stays_in_the_input() {
    let bytes = b"POST /form?a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HT";
    let (head, rest) = read_head(&[bytes], &config());
    let head = head.unwrap().unwrap();
    assert_eq!((head.method(), head.target()), ("POST", "/form?a"));
    assert!(!head.is_upgrade());
    assert_eq!(rest, b"helloGET / HT".len());
    // An upgrade of such a request is refused, with the way to request one.
    let refusal = head.upgrade().unwrap_err();
    assert_eq!(refusal.status(), 426);
    for target in ["*", "example.com:443", "/"] {
        let bytes = Lines::new(&format!("OPTIONS {target} HTTP/1.1"), &[("Host", "")]).bytes();
        assert_eq!(read_head(&[&bytes], &config()).0.unwrap().unwrap().target(), target);
    }
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
        let Served::Open(answer, subprotocol) = served else { panic!("{served:?}") };
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

// ---------------------------------------------------------------- origins

#[test]
fn hs9_hs10_v19_q12_origins() {
    let list = OriginPolicy::list([
        "https://app.example",
        "http://localhost:8080",
        "https://[::1]:8443",
        "chrome-extension://abcdef",
    ]);
    let list = list.unwrap();
    let list_with_null = OriginPolicy::list(["null"]).unwrap();
    let same = OriginPolicy::SameHost;
    let any = OriginPolicy::Any;
    for (policy, host, origin, passes) in [
        (&same, "a.example", "https://a.example", true),
        (&same, "a.example", "http://a.example", true),
        (&same, "A.Example", "https://a.eXample", true),
        (&same, "a.example:443", "https://a.example", true),
        (&same, "a.example", "https://a.example:443", true),
        (&same, "a.example:80", "http://a.example", true),
        (&same, "a.example:8080", "http://a.example:8080", true),
        (&same, "[::1]:9001", "http://[::1]:9001", true),
        (&same, "a.example:", "http://a.example", true),
        (&same, "a.example:80", "https://a.example", false),
        (&same, "a.example:8080", "http://a.example", false),
        (&same, "a.example", "http://a.example:8080", false),
        (&same, "a.example", "https://a.example:80", false),
        (&same, "a.example:8081", "http://a.example:8080", false),
        (&same, "a.example", "https://b.example", false),
        (&same, "a.example", "https://x.a.example", false),
        (&same, "a.example", "https://a.example.evil.example", false),
        (&same, "a.example", "https://a.exampl", false),
        (&same, "a.example", "https://a.example.", false), // another host name for a browser
        (&same, "a.example.", "https://a.example", false),
        (&same, "a.example", "null", false),
        (&same, "null", "null", false),
        (&same, "a.example", "", false),
        (&same, "a.example", "a.example", false),
        (&same, "a.example", "//a.example", false),
        (&same, "a.example", "://a.example", false),
        (&same, "a.example", "https://a.example/", false),
        (&same, "a.example", "https://a.example/x", false),
        (&same, "a.example", "https://u@a.example", false),
        (&same, "a.example", "https://a.example https://b.example", false),
        (&same, "a.example", "https://b.example, https://a.example", false),
        (&same, "a.example", "https:a.example", false),
        (&same, "a.example", "ws://a.example", false),
        (&same, "a.example", "file://a.example", false),
        (&same, "a.example", "https://", false),
        (&any, "a.example", "https://b.example", true),
        (&any, "a.example", "null", true),
        (&any, "a.example", "whatever", true),
        (&list, "a.example", "https://app.example", true),
        (&list, "a.example", "HTTPS://APP.example:443", true),
        (&list, "a.example", "http://localhost:8080", true),
        (&list, "a.example", "https://[::1]:8443", true),
        (&list, "a.example", "chrome-extension://abcdef", true),
        (&list, "a.example", "http://app.example", false),
        (&list, "a.example", "https://app.example:444", false),
        (&list, "a.example", "https://app.example.", false),
        (&list, "a.example", "https://sub.app.example", false),
        (&list, "a.example", "http://localhost", false),
        (&list, "a.example", "https://a.example", false),
        (&list, "a.example", "null", false),
        (&list_with_null, "a.example", "null", true),
        (&list_with_null, "a.example", "NULL", false),
        (&list_with_null, "a.example", "https://a.example", false),
    ] {
        let options = AcceptOptions::new().origins(policy.clone());
        let lines = Lines::request().set("Host", host).with("Origin", origin);
        let served = serve_with(&lines.bytes(), &options);
        let status = if passes { 101 } else { 403 };
        assert_eq!(served.status(), status, "{policy:?}, host {host}, origin {origin}");
    }
    // Two Origin fields, and one that isn't ASCII, are refused under any policy.
    for policy in [&same, &any, &list] {
        let options = AcceptOptions::new().origins(policy.clone());
        let lines = Lines::request().set("Host", "a.example");
        let twice =
            lines.clone().with("Origin", "https://a.example").with("Origin", "https://a.example");
        assert_eq!(serve_with(&twice.bytes(), &options).status(), 400);
        let other = lines.clone().with("Origin", "https://\u{e4}.example");
        assert_eq!(serve_with(&other.bytes(), &options).status(), 400);
        // HS9: a client other than a browser is accepted, unless the setting forbids it.
        assert_eq!(serve_with(&lines.bytes(), &options).status(), 101);
        let strict = options.allow_missing_origin(false);
        assert_eq!(serve_with(&lines.bytes(), &strict).status(), 403);
    }
    // The default is the same host.
    let lines = Lines::request().with("Origin", "https://evil.example");
    expect_lines(&lines, 403, "origin");
}

#[track_caller]
fn origin_passes(listed: &str, origin: &str) -> bool {
    let list = OriginPolicy::list([listed]).unwrap_or_else(|error| panic!("{listed}: {error}"));
    let options = AcceptOptions::new().origins(list);
    match serve_with(&Lines::request().with("Origin", origin).bytes(), &options).status() {
        101 => true,
        403 => false,
        status => panic!("{status}"),
    }
}

#[test]
fn q12_a_wildcard_lists_all_hosts_below_a_name() {
    for (listed, origin, passes) in [
        ("https://*.example.com", "https://a.example.com", true),
        ("https://*.example.com", "https://b.a.example.com", true),
        ("https://*.example.com", "HTTPS://A.EXAMPLE.COM:443", true),
        ("HTTPS://*.Example.com", "https://a.example.com", true),
        ("https://*.example.com:8443", "https://a.example.com:8443", true),
        ("http://*.localhost:8080", "http://app.localhost:8080", true),
        ("https://*.com", "https://example.com", true),
        ("https://*.host1", "https://a.host1", true),
        // The name itself, other names, schemes and ports.
        ("https://*.example.com", "https://example.com", false),
        ("https://*.example.com", "https://aexample.com", false),
        ("https://*.example.com", "https://a.example.com.evil.example", false),
        ("https://*.example.com", "https://evil.example/.example.com", false),
        ("https://*.example.com", "https://evil.example?.example.com", false),
        ("https://*.example.com", "https://evil@a.example.com", false),
        ("https://*.example.com", "https://a.example.com.", false),
        ("https://*.example.com", "https://.example.com", false),
        ("https://*.example.com", "https://a..example.com", false),
        ("https://*.example.com", "https://..example.com", false),
        ("https://*.example.com", "http://a.example.com", false),
        ("https://*.example.com", "https://a.example.com:8443", false),
        ("https://*.example.com:8443", "https://a.example.com", false),
        ("https://*.example.com", "null", false),
        ("https://*.example.com", "app://a.example.com", false),
    ] {
        assert_eq!(origin_passes(listed, origin), passes, "{listed} {origin}");
    }
}

#[test]
fn q12_origins_of_other_schemes_are_listed_as_they_are_sent() {
    for listed in [
        "file://",
        "app://",
        "app://.",
        "capacitor://localhost",
        "ionic://localhost:8080",
        "tauri://localhost",
        "vscode-webview://0b2f-1a",
        "chrome-extension://abcdefghijklmnop",
        "moz-extension://4a6d",
        "null",
    ] {
        assert!(origin_passes(listed, listed), "{listed}");
        for other in ["file:///", "file://x", "app:", "app://x", "https://localhost", "NULL"] {
            assert!(!origin_passes(listed, other), "{listed} {other}");
        }
    }
    assert!(!origin_passes("vscode-webview://ab", "vscode-webview://AB"));
}

#[test]
fn q12_a_list_refuses_entries_that_match_no_origin() {
    for bad in [
        "https://a.example/",
        "https://a.example/x",
        "https://u@a.example",
        "a.example",
        "*",
        "",
        "https://",
        "http://:80",
        "a b",
        "https://*",
        "https://*.",
        "https://*:443",
        "https://*.*.example",
        "https://a.*.example",
        "https://*a.example",
        "https://a*.example",
        "https://**.example",
        "*.example",
        "*://a.example",
        "https://*..example",
        "https://*.127.0.0.1",
        "https://*.[::1]",
        "https://ex%61mple.com",
        "https://\u{e4}.example",
        "app://*",
        "app://*.x",
        "app://a/b",
        "1app://x",
        "://x",
        "a!b://x",
        "null ",
    ] {
        assert_eq!(OriginPolicy::list([bad]), Err(FieldError::InvalidOrigin), "{bad:?}");
    }
}

/// Both sides of the comparison, and the setting: bytes of the peer are escaped.
#[test]
fn hs10_the_error_of_a_refused_origin_names_the_setting() {
    let same = AcceptOptions::new();
    let list = OriginPolicy::list(["https://a.example", "http://*.b.example:81", "file://"]);
    let list = AcceptOptions::new().origins(list.unwrap());
    let lines = Lines::request().with("Origin", "https://evil.example");
    let refusal = |lines: &Lines, options: &AcceptOptions| {
        let (head, _) = read_head(&[&lines.bytes()], &config());
        let head = head.unwrap().unwrap();
        head.upgrade().unwrap().accept(options).unwrap_err()
    };
    let body = "the origin \"https://evil.example\" is not that of the host \
                \"server.example.com\": see AcceptOptions::origins";
    let found = refusal(&lines, &same);
    assert_eq!(found.body(), body.as_bytes());
    assert_eq!(found.to_string(), format!("the handshake was refused: 403 Forbidden: {body}"));
    #[cfg(feature = "std")]
    assert_eq!(
        sansocket::error::AcceptError::Refused(found.clone()).to_string(),
        found.to_string()
    );
    // The list is for the server's log only.
    let found = refusal(&lines, &list);
    let body = "the origin \"https://evil.example\" is not on the list: see AcceptOptions::origins";
    assert_eq!(found.body(), body.as_bytes());
    let shown = format!(
        "the handshake was refused: 403 Forbidden: {body} (the list: https://a.example, \
         http://*.b.example:81, file://)"
    );
    assert_eq!(found.to_string(), shown);
    let found = refusal(&lines, &list).with_field("X", "y").unwrap();
    assert_eq!(found.to_string(), shown);

    let evil = format!("<script>'\"\\\t&{}", "x".repeat(1000));
    let found = refusal(&Lines::request().with("Origin", &evil), &same);
    let text = String::from_utf8(found.body().to_vec()).unwrap();
    let shown = r#"the origin "\x3cscript\x3e'\x22\x5c\x09\x26xxx"#;
    assert!(text.starts_with(shown) && text.contains("xxx...\" is not"), "{text}");
    assert!(text.len() < 300, "{text}");

    let strict = same.allow_missing_origin(false);
    let found = refusal(&Lines::request(), &strict);
    assert!(found.to_string().contains("AcceptOptions::allow_missing_origin"), "{found}");
}

// ---------------------------------------------------------------- refusals, fields, pages

#[test]
fn v21_added_fields_cannot_split_the_response() {
    for (name, value, error) in [
        ("X", "a\r\nSet-Cookie: b", FieldError::InvalidValue),
        ("X", "a\nb", FieldError::InvalidValue),
        ("X", "a\rb", FieldError::InvalidValue),
        ("X", "a\0b", FieldError::InvalidValue),
        ("X", "a\x7f", FieldError::InvalidValue),
        ("", "a", FieldError::InvalidName),
        ("X Y", "a", FieldError::InvalidName),
        ("X:", "a", FieldError::InvalidName),
        ("X\r\nY", "a", FieldError::InvalidName),
        ("\u{e4}", "a", FieldError::InvalidName),
    ] {
        assert_eq!(AcceptOptions::new().field(name, value), Err(error), "{name:?} {value:?}");
        let refusal = Refusal::new(404).unwrap();
        assert_eq!(refusal.with_field(name, value), Err(error));
        let page = HttpResponse::new(200).unwrap();
        assert_eq!(page.with_field(name, value), Err(error));
    }
    for name in [
        "Connection",
        "upgrade",
        "Content-Length",
        "TRANSFER-ENCODING",
        "Sec-WebSocket-Accept",
        "sec-websocket-protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Anything",
    ] {
        let result = AcceptOptions::new().field(name, "x");
        assert_eq!(result, Err(FieldError::OwnedName), "{name}");
    }
    for name in ["Connection", "Content-Length", "content-type", "Transfer-Encoding"] {
        let page = HttpResponse::new(200).unwrap();
        assert_eq!(page.with_field(name, "x"), Err(FieldError::OwnedName), "{name}");
    }
    for name in ["", "a b", "a,b", "a\r\nb", "\u{e4}", "a\0"] {
        let result = AcceptOptions::new().subprotocols(["ok", name]);
        assert_eq!(result, Err(FieldError::InvalidSubprotocol), "{name:?}");
    }
    let result = AcceptOptions::new().subprotocols(["a", "b", "a"]);
    assert_eq!(result, Err(FieldError::DuplicateSubprotocol));
    let page = HttpResponse::new(200).unwrap().with_body("text/html\r\nX: y", "");
    assert_eq!(page, Err(FieldError::InvalidValue));
    // Texts with the remedy.
    for error in [
        FieldError::InvalidName,
        FieldError::InvalidValue,
        FieldError::OwnedName,
        FieldError::InvalidSubprotocol,
        FieldError::DuplicateSubprotocol,
        FieldError::InvalidOrigin,
    ] {
        assert!(error.to_string().contains(": "), "{error}");
    }
}

#[test]
fn added_fields_are_written_in_their_order() {
    let options = AcceptOptions::new()
        .field("Set-Cookie", "a=1")
        .unwrap()
        .field("Set-Cookie", "b=\u{e4}\t2")
        .unwrap();
    let shared = options.clone();
    let text = serve_with(&Lines::request().bytes(), &options);
    assert!(
        text.text().ends_with("\r\nSet-Cookie: a=1\r\nSet-Cookie: b=\u{e4}\t2\r\n\r\n"),
        "{text:?}"
    );
    // A clone with more fields leaves the original unchanged.
    let more = shared.field("X", "y").unwrap();
    assert_ne!(more, options);
    assert_eq!(serve_with(&Lines::request().bytes(), &options), text);
}

#[test]
fn v21_a_single_response_can_have_additional_fields() {
    let (head, _) = read_head(&[&Lines::request().bytes()], &config());
    let head = head.unwrap().unwrap();
    let options = AcceptOptions::new().field("Server", "x").unwrap();
    let request = head.upgrade().unwrap();
    let accepted = request.accept(&options).unwrap().with_field("Set-Cookie", "a=1").unwrap();
    let mut out = BytesMut::new();
    accepted.write(&mut out);
    assert!(out.ends_with(b"\r\nServer: x\r\nSet-Cookie: a=1\r\n\r\n"));
    assert_eq!(options, AcceptOptions::new().field("Server", "x").unwrap());
    for (name, value, error) in [
        ("X", "\r\n", FieldError::InvalidValue),
        ("Upgrade", "x", FieldError::OwnedName),
        ("\n", "x", FieldError::InvalidName),
    ] {
        let accepted = request.accept(&AcceptOptions::new()).unwrap();
        assert_eq!(accepted.with_field(name, value).err(), Some(error));
    }
}

#[test]
fn hs14_hs15_refusals_of_the_caller() {
    let (head, _) = read_head(&[&Lines::request().bytes()], &config());
    let head = head.unwrap().unwrap();
    let request = head.upgrade().unwrap();
    let mut out = BytesMut::new();
    let refusal = request
        .refuse(401)
        .unwrap()
        .with_field("WWW-Authenticate", "Basic realm=\"x\"")
        .unwrap()
        .with_body("text/html", "<p>no")
        .unwrap();
    refusal.write(&mut out);
    assert_eq!(
        out,
        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
         Content-Type: text/html\r\nContent-Length: 5\r\n\r\n<p>no"
    );
    assert_eq!(refusal.to_string(), "the handshake was refused: 401 Unauthorized: <p>no");
    for status in [302, 404, 599] {
        let refusal = request.refuse(status).unwrap();
        assert_eq!(refusal.status(), status);
        out.clear();
        refusal.write(&mut out);
        assert!(out.starts_with(format!("HTTP/1.1 {status} ").as_bytes()));
    }
    for status in [0, 99, 100, 101, 199, 600, 1000, u16::MAX] {
        let error = request.refuse(status).unwrap_err();
        assert_eq!(error.status, status);
        assert!(error.to_string().contains("200 to 599"));
    }
}

#[test]
fn pages_are_complete_responses() {
    let page = HttpResponse::new(200).unwrap().with_body("text/plain", "hello").unwrap();
    let mut out = BytesMut::new();
    page.write(&mut out);
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\
                Content-Length: 5\r\n\r\n";
    assert_eq!(out, format!("{head}hello"));
    out.clear();
    page.write_head(&mut out); // the response to HEAD
    assert_eq!(out, head);
    // The last body is used.
    let page = page.with_body("text/html", Vec::from("<p>")).unwrap();
    assert!(page.fields().eq([("Content-Type", &b"text/html"[..])]));
    assert_eq!((page.status(), page.body()), (200, &b"<p>"[..]));
    // RFC 9110 8.6: neither body nor length.
    for (status, reason) in [(204, "No Content"), (304, "Not Modified")] {
        out.clear();
        HttpResponse::new(status).unwrap().write(&mut out);
        assert_eq!(out, format!("HTTP/1.1 {status} {reason}\r\nConnection: close\r\n\r\n"));
    }
    out.clear();
    HttpResponse::new(299).unwrap().write(&mut out);
    assert_eq!(out, "HTTP/1.1 299 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn v50_hs7_every_refusal_is_a_complete_http_response() {
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(20_000));
    let evil = Lines::request().with("Origin", "https://evil.example").bytes();
    let requests: [(&[u8], u16, &str); 7] = [
        (b"GET / HTTP/1.1\r\n\r\n", 400, ""),
        (&evil, 403, ""),
        (&Lines::request().first("PUT / HTTP/1.1").bytes(), 405, "Allow: GET\r\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426, "Upgrade: websocket\r\n"),
        (
            &Lines::request().set("Sec-WebSocket-Version", "8").bytes(),
            426,
            "Sec-WebSocket-Version: 13\r\n",
        ),
        (long.as_bytes(), 431, ""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, ""),
    ];
    for (request, status, field) in requests {
        let served = serve(request);
        assert_eq!(served.status(), status, "{served:?}");
        check_refusal(&served, field);
    }
    let mut handshake = ServerHandshake::new(&config(), at_ms(0));
    let refusal = handshake.handle_timeout(at_ms(10_000)).unwrap_err();
    let served = Served::from(refusal);
    assert_eq!(served.status(), 408);
    check_refusal(&served, "");
}

fn fields_of(refusal: &Refusal) -> Vec<(&str, &[u8])> {
    refusal.fields().collect()
}

/// Another HTTP/1.1 server writes the fields unchanged, so they are complete.
#[test]
fn hs7_connection_lists_upgrade_for_other_http_servers_too() {
    let head = RequestHead::new("GET", "/", Fields::new(&[("Host", b"a")]));
    let refusal = head.upgrade().unwrap_err();
    let expected: [(&str, &[u8]); 4] = [
        ("Content-Type", b"text/plain; charset=utf-8"),
        ("Upgrade", b"websocket"),
        ("Sec-WebSocket-Version", b"13"),
        ("Connection", b"Upgrade"),
    ];
    assert_eq!((refusal.status(), fields_of(&refusal)), (426, expected.to_vec()));
    let own = Refusal::new(426).unwrap().with_field("UPGRADE", "websocket").unwrap();
    assert!(fields_of(&own).contains(&("Connection", b"Upgrade")));
    let page = HttpResponse::new(426).unwrap().with_field("upgrade", "websocket").unwrap();
    assert!(page.fields().any(|field| field == ("Connection", b"Upgrade")));
    let other = Refusal::new(404).unwrap();
    assert!(fields_of(&other).iter().all(|(name, _)| *name != "Connection"));
}

/// Upgrade and its status can't be sent over other versions than HTTP/1.1, in any order of the
/// calls that set them.
#[test]
fn q13_no_refusal_has_an_upgrade_field_where_it_is_forbidden() {
    let head = RequestHead::new("GET", "/", Fields::new(&[("Host", b"a")]));
    let own = || Refusal::new(426).unwrap();
    for version in [HttpVersion::Http10, HttpVersion::Http2, HttpVersion::Http3] {
        let refusals = [
            head.upgrade().unwrap_err().with_version(version),
            head.with_version(version).upgrade().unwrap_err(),
            own().with_field("Upgrade", "websocket").unwrap().with_version(version),
            own().with_version(version).with_field("upgrade", "websocket").unwrap(),
            Refusal::from(HttpResponse::new(426).unwrap()).with_version(version),
        ];
        for refusal in refusals {
            let refusal = refusal.with_field("X-Y", "z").unwrap();
            assert_eq!(refusal.status(), 400, "{version} {refusal:?}");
            for (name, _) in refusal.fields() {
                let forbidden = ["connection", "upgrade"].contains(&&*name.to_ascii_lowercase());
                assert!(!forbidden, "{version} {refusal:?}");
                let lower = name == name.to_ascii_lowercase();
                assert_eq!(lower, version != HttpVersion::Http10, "{name}");
            }
            let mut out = BytesMut::new();
            refusal.write(&mut out);
            assert_eq!(out.is_empty(), version != HttpVersion::Http10, "it is no HTTP/1.1");
        }
        // Other connection fields of the caller are no error there.
        let refusal = Refusal::new(503).unwrap().with_version(version);
        let refusal = refusal.with_field("Keep-Alive", "timeout=5").unwrap();
        let refusal = refusal.with_field("Retry-After", "1").unwrap();
        let refusal = refusal.with_body("text/html", "<p>").unwrap();
        let names: Vec<&str> = refusal.fields().map(|(name, _)| name).collect();
        if version == HttpVersion::Http10 {
            assert_eq!(names, ["Keep-Alive", "Retry-After", "Content-Type"]);
        } else {
            assert_eq!(names, ["retry-after", "content-type"]);
        }
        assert_eq!((refusal.status(), refusal.body()), (503, &b"<p>"[..]));
    }
}

#[track_caller]
fn check_refusal(served: &Served, field: &str) {
    let text = served.text();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", served.status())), "{text}");
    assert!(head.contains("\r\nConnection: close"), "{text}");
    assert!(head.contains("\r\nContent-Type: text/plain"), "{text}");
    assert!(head.ends_with(&format!("\r\nContent-Length: {}", body.len())), "{text}");
    assert!(format!("{head}\r\n").contains(field), "{text}");
    assert!(!body.is_empty() && body.len() < 300, "{text}");
    assert_eq!(body, served.hint());
}

// ---------------------------------------------------------------- limits

#[test]
fn v1_v30_byte_by_byte_up_to_the_limit() {
    // Single-byte reads are no attack: bytes, fields and time are limited, reads are not.
    let config = Config::server().max_head_len(70_000).build().unwrap();
    let bytes = Lines::request().with("X", &"x".repeat(65_000)).bytes();
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    let (served, rest) = serve_pieces(&pieces, &config, &AcceptOptions::new());
    assert_eq!((served.status(), rest), (101, 0));
    // A head without an end is refused at the limit.
    let endless = Lines::request().with("X", &"x".repeat(100_000)).bytes();
    let pieces: Vec<&[u8]> = endless.chunks(1).collect();
    let (served, rest) = serve_pieces(&pieces, &config, &AcceptOptions::new());
    assert_eq!((served.status(), rest), (431, endless.len() - 70_000));
}

#[test]
fn v2_too_many_fields() {
    let lines = (0..2000).fold(Lines::request(), |lines, i| lines.with(&format!("X{i}"), ""));
    for max_len in [16 << 10, 1 << 20] {
        let config = Config::server().max_head_len(max_len).build().unwrap();
        let bytes = lines.bytes();
        let (served, _) = serve_pieces(&[&bytes], &config, &AcceptOptions::new());
        assert_eq!(served.status(), 431);
        assert!(served.hint().contains("max_head_fields"));
    }
    let config = Config::server().max_head_len(1 << 20).max_head_fields(2005).build().unwrap();
    let (served, _) = serve_pieces(&[&lines.bytes()], &config, &AcceptOptions::new());
    assert_eq!(served.status(), 101);
    // Exactly the limit.
    for (limit, status) in [(5, 101), (4, 431), (1, 431)] {
        let config = Config::server().max_head_fields(limit).build().unwrap();
        let (served, rest) =
            serve_pieces(&[&Lines::request().bytes()], &config, &AcceptOptions::new());
        assert_eq!((served.status(), rest == 0), (status, status == 101));
    }
}

#[test]
fn v49_every_length_of_target_and_fields_around_the_limit() {
    let limit = 400;
    let config = Config::server().max_head_len(limit).build().unwrap();
    let options = AcceptOptions::new();
    for extra in 0..limit + 50 {
        let target = format!("GET /{} HTTP/1.1", "x".repeat(extra));
        let long = "x".repeat(extra);
        for lines in [
            Lines::request().first(&target),
            Lines::request().first(&format!("{long}G / HTTP/1.1")),
            Lines::request().with("X", &long),
            Lines::request().with(&format!("X{long}"), "y"),
            Lines::request().with("Sec-WebSocket-Protocol", &format!("a{long}")),
        ] {
            let bytes = lines.bytes();
            let (served, rest) = serve_pieces(&[&bytes], &config, &options);
            let right = if lines.first.starts_with("GET ") { 101 } else { 405 };
            let expected = if bytes.len() <= limit { right } else { 431 };
            assert_eq!(served.status(), expected, "{} bytes: {served:?}", bytes.len());
            assert_eq!(rest, bytes.len().saturating_sub(limit));
        }
    }
    // Far beyond 64 KiB, too.
    for len in [65_535, 65_536, 65_537, 200_000] {
        expect(format!("GET /{} HTTP/1.1\r\n", "x".repeat(len)).as_bytes(), 431, "max_head_len");
        let config = Config::server().max_head_len(1 << 20).build().unwrap();
        let bytes = Lines::request().first(&format!("GET /{} HTTP/1.1", "x".repeat(len))).bytes();
        assert_eq!(serve_pieces(&[&bytes], &config, &options).0.status(), 101);
    }
}

#[test]
fn v3_v4_lists_take_linear_time() {
    let config = Config::server().max_head_len(usize::MAX).build().unwrap();
    let options = AcceptOptions::new().subprotocols(["nothing"]).unwrap();
    let time = |name: &str, value: String, status: u16| {
        let bytes = Lines::request().with(name, &value).bytes();
        let start = std_now();
        let (served, _) = serve_pieces(&[&bytes], &config, &options);
        assert_eq!(served.status(), status, "{name}");
        start.elapsed()
    };
    let long = 2_000_000;
    for (name, value, status) in [
        ("Sec-WebSocket-Protocol", format!("b{}x", " ".repeat(long)), 400),
        ("Sec-WebSocket-Protocol", "a,".repeat(long / 2) + "a", 101),
        ("Sec-WebSocket-Protocol", ",".repeat(long), 400),
        ("Connection", " ".repeat(long) + "x", 101),
        ("Upgrade", format!("x{}/y", "/".repeat(long)), 400),
        ("Sec-WebSocket-Extensions", format!("a; b=\"{}\"", "\\c".repeat(long / 2)), 101),
        ("Sec-WebSocket-Extensions", format!("a; b=\"{}", "\\c".repeat(long / 2)), 400),
        ("Sec-WebSocket-Extensions", "a;".repeat(long / 2), 400),
        ("Sec-WebSocket-Extensions", "a;b=c,".repeat(long / 6) + "d", 101),
        ("X", format!("x{}", " ".repeat(long)), 101),
    ] {
        // A quadratic loop over 2 MB would take an hour; this is enough for a slow machine.
        let elapsed = time(name, value, status);
        assert!(elapsed < secs(20), "{name}: {elapsed:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn std_now() -> std::time::Instant {
    std::time::Instant::now()
}

// ---------------------------------------------------------------- deadline

#[test]
fn v25_v35_one_deadline_for_the_entire_request() {
    let config = Config::server().handshake_timeout(secs(10)).build().unwrap();
    let mut handshake = ServerHandshake::new(&config, at_ms(500));
    assert_eq!(handshake.poll_timeout(), Some(at_ms(10_500)));
    assert!(handshake.handle_timeout(at_ms(10_499)).is_ok());
    let bytes = Lines::request().bytes();
    // A byte per second without an end: the deadline doesn't move.
    for (i, byte) in bytes.iter().enumerate() {
        let now = at_ms(500 + 1000 * i as u64);
        let mut piece = [*byte];
        let mut input = Input::new(now, &mut piece);
        let result = handshake.receive(&mut input);
        if i < 10 {
            assert!(matches!(result, Ok(None)));
            assert_eq!(handshake.poll_timeout(), Some(at_ms(10_500)));
        } else {
            // `receive` checks the deadline, too, in case the caller forgets `handle_timeout`.
            let refusal = result.unwrap_err();
            assert_eq!(refusal.status(), 408);
            // The setting is for the server's log only.
            assert_eq!(refusal.body(), b"the request was not complete in time");
            assert!(refusal.to_string().ends_with(" (setting: handshake_timeout)"), "{refusal}");
            assert_eq!(handshake.poll_timeout(), None);
            assert_eq!(handshake.handle_timeout(now).unwrap_err(), refusal);
            break;
        }
    }
    // A request that is complete in the last read counts, even if the read was late.
    let mut handshake = ServerHandshake::new(&config, at_ms(0));
    let mut bytes = bytes;
    assert!(handshake.receive(&mut Input::new(at_ms(11_000), &mut bytes)).unwrap().is_some());
    assert_eq!(handshake.poll_timeout(), None);
    assert!(handshake.handle_timeout(at_ms(99_000)).is_ok());
    // A deadline beyond the maximum instant is none.
    let config = Config::server().handshake_timeout(Duration::MAX).build().unwrap();
    assert_eq!(ServerHandshake::new(&config, at_ms(0)).poll_timeout(), None);
}

#[test]
fn v28_every_call_after_an_error_returns_the_same_error() {
    let mut handshake = ServerHandshake::new(&config(), at_ms(0));
    let mut bytes = *b"GET / HTTP/1.0\r\nHost: a\r\n\r\n";
    let mut input = Input::new(at_ms(0), &mut bytes);
    let refusal = handshake.receive(&mut input).unwrap_err();
    // The byte that shows the error is the last one read.
    assert_eq!(input.as_bytes(), b"\r\nHost: a\r\n\r\n");
    let mut good = Lines::request().bytes();
    let mut input = Input::new(at_ms(0), &mut good);
    assert_eq!(handshake.receive(&mut input).unwrap_err(), refusal);
    assert!(!input.is_empty());
    assert_eq!(handshake.handle_timeout(at_ms(0)).unwrap_err(), refusal);
    assert_eq!(handshake.poll_timeout(), None);
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
        for piece in cut(&wire, &[at]) {
            let mut piece = piece.to_vec();
            let mut input = Input::new(at_ms(0), &mut piece);
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

// ---------------------------------------------------------------- properties

/// The outcome is the same for bytes in one read, in single bytes, and split at `cuts`.
fn any_split_is_the_same(bytes: &[u8], cuts: &[usize], config: &Config) {
    let options = AcceptOptions::new().subprotocols(["b", "c"]).unwrap();
    let whole = serve_pieces(&[bytes], config, &options);
    let everywhere: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(serve_pieces(&everywhere, config, &options), whole);
    let cut = cut(bytes, cuts);
    assert_eq!(serve_pieces(&cut, config, &options), whole);
    // An outcome is decided at exactly one byte: one byte less has none yet.
    if whole.0 != Served::Waiting {
        let used = bytes.len() - whole.1;
        let shorter = serve_pieces(&[&bytes[..used - 1]], config, &options);
        assert_eq!(shorter, (Served::Waiting, 0), "decided at the first byte that shows it");
        let exact = serve_pieces(&[&bytes[..used]], config, &options);
        assert_eq!(exact, (whole.0, 0));
    }
}

fn request_bytes() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop::collection::vec(
        prop::sample::select(vec![
            ("Origin", "http://server.example.com"),
            ("Sec-WebSocket-Protocol", "a, b"),
            ("Sec-WebSocket-Protocol", "c"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; a=\"b\""),
            ("Content-Length", "0"),
            ("Content-Length", "12"),
            ("Transfer-Encoding", "chunked"),
            ("Host", "other"),
            ("Connection", "keep-alive"),
            ("Upgrade", "h2c"),
            ("X-Blank", "  "),
            ("X", "a \t b"),
            ("Accept", "text/html, */*;q=0.1"),
        ]),
        0..5,
    );
    (any::<bool>(), fields, prop::collection::vec(any::<u8>(), 0..20)).prop_map(
        |(empty_line, fields, tail)| {
            let lines = fields.iter().fold(Lines::request(), |lines, (n, v)| lines.with(n, v));
            let mut bytes = if empty_line { b"\r\n".to_vec() } else { Vec::new() };
            bytes.extend(lines.bytes());
            bytes.extend(tail);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn v30_any_split_of_the_input_gives_the_same_outcome_and_rest(
        bytes in request_bytes(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), byte()), 0..3),
        drops in prop::collection::vec(any::<prop::sample::Index>(), 0..2),
        cuts in prop::collection::vec(0_usize..500, 0..6),
        limit in prop::sample::select(vec![16_usize << 10, 100, 200, 300]),
        fields in prop::sample::select(vec![100_usize, 3, 6]),
    ) {
        let mut bytes = bytes;
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for at in drops {
            let at = at.index(bytes.len());
            bytes.remove(at);
        }
        let config =
            Config::server().max_head_len(limit).max_head_fields(fields).build().unwrap();
        any_split_is_the_same(&bytes, &cuts, &config);
    }
}

/// Bytes that are mostly elements of a head.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => prop::sample::select(b"\r\n \t:,;=\"\\/0Aa\0\x7f\x80".to_vec()),
        1 => any::<u8>(),
    ]
}
