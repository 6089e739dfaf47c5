//! Refusals, pages, and added fields of responses.

use bytes::BytesMut;
use sansocket::AcceptOptions;
use sansocket::handshake::{
    FieldError, Fields, HttpResponse, HttpVersion, Refusal, RequestHead, ServerHandshake,
};

use crate::common::at_ms;
use crate::common::head::{Lines, RequestOutcome, read_head, serve, serve_with};
use crate::handshake::support::config;

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
    let served = RequestOutcome::from(refusal);
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
fn check_refusal(served: &RequestOutcome, field: &str) {
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
