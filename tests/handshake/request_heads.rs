//! Heads of requests at the server: the request line, each field, and bodies.

use proptest::prelude::*;
use sansocket::handshake::{Fields, RequestHead};
use sansocket::{AcceptOptions, Config};

use crate::common::head::{Lines, RequestOutcome, read_head, serve, serve_chunks};
use crate::handshake::support::{assert_any_split_is_the_same, config, expect, expect_lines};

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

// ---------------------------------------------------------------- properties

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
        let options = AcceptOptions::new().subprotocols(["b", "c"]).unwrap();
        assert_any_split_is_the_same(&bytes, &cuts, &RequestOutcome::Waiting, |chunks| {
            serve_chunks(chunks, &config, &options)
        });
    }
}

/// Bytes that are mostly elements of a head.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => prop::sample::select(b"\r\n \t:,;=\"\\/0Aa\0\x7f\x80".to_vec()),
        1 => any::<u8>(),
    ]
}
