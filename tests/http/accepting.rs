//! Requests that a server checks, and its responses.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version};
use proptest::prelude::*;
use sansocket::AcceptOptions;
use sansocket::deflate::Deflate;
use sansocket::handshake::{Fields, HttpResponse, HttpVersion, OriginPolicy, Refusal, RequestHead};
use sansocket::http::{accept, upgrade};

use super::{extended_connect, upgrade_request};

fn status<B>(request: &Request<B>, protocol: Option<&str>) -> u16 {
    match accept(request, protocol, &AcceptOptions::new()) {
        Ok(accepted) => accepted.status(),
        Err(refusal) => refusal.status(),
    }
}

#[test]
fn hs13_hs18_an_upgrade_is_accepted_over_http_1_1() {
    let options = AcceptOptions::new()
        .subprotocols(["chat"])
        .unwrap()
        .deflate(Deflate::default())
        .field("Set-Cookie", "a=1")
        .unwrap()
        .field("Set-Cookie", b"b=\xff")
        .unwrap();
    let request = upgrade_request()
        .header("Sec-WebSocket-Protocol", "other")
        .header("Sec-WebSocket-Protocol", "more, chat")
        .header("Sec-WebSocket-Extensions", "permessage-deflate")
        .body("ignored")
        .unwrap();
    let accepted = accept(&request, None, &options).unwrap();
    assert_eq!(accepted.negotiated().subprotocol(), Some("chat"));
    let response = Response::from(&accepted);
    assert_eq!(response.status(), 101);
    let headers = response.headers();
    assert_eq!(headers["Upgrade"], "websocket");
    assert_eq!(headers["Connection"], "Upgrade");
    assert_eq!(headers["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(headers["Sec-WebSocket-Protocol"], "chat");
    assert!(headers["Sec-WebSocket-Extensions"].as_bytes().starts_with(b"permessage-deflate"));
    let cookies: Vec<_> = headers.get_all("Set-Cookie").iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(cookies, [&b"a=1"[..], b"b=\xff"]);
    assert_eq!(headers.len(), accepted.fields().count());
}

#[test]
fn e2_e4_e5_an_extended_connect_is_accepted_over_http_2_and_http_3() {
    let options = AcceptOptions::new()
        .subprotocols(["chat"])
        .unwrap()
        .field("Keep-Alive", "timeout=5")
        .unwrap()
        .field("Server", "x")
        .unwrap();
    for version in [Version::HTTP_2, Version::HTTP_3] {
        let request = extended_connect("https://example.com/chat?room=1")
            .version(version)
            .header("Sec-WebSocket-Protocol", "chat")
            .header("Origin", "https://example.com")
            .body(())
            .unwrap();
        let accepted = accept(&request, Some("websocket"), &options).unwrap();
        let response = Response::from(&accepted);
        assert_eq!(response.status(), 200);
        let names: Vec<_> = response.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["sec-websocket-protocol", "server"]);
    }
}

/// Each refusal by the request, with the field that its status demands.
#[test]
fn e3_e7_e9_hs3_hs16_refusals_have_the_status_of_their_version() {
    let plain = || Request::get("/chat").header("Host", "example.com");
    let over_http2 = |method: &str| {
        Request::builder().method(method).uri("https://example.com/chat").version(Version::HTTP_2)
    };
    for (request, protocol, status, version_field) in [
        (plain(), None, 426, true),
        (plain().method("POST"), None, 426, true),
        // A value of :protocol is ignored over HTTP/1.1.
        (plain(), Some("websocket"), 426, true),
        (upgrade_request().method("POST"), None, 405, false),
        (upgrade_request().version(Version::HTTP_10), None, 400, false),
        (upgrade_request().version(Version::HTTP_09), None, 400, false),
        (upgrade_request().header("Host", "other.example"), None, 400, false),
        (over_http2("GET"), None, 400, true),
        (over_http2("POST"), None, 400, true),
        (over_http2("CONNECT"), None, 400, true),
        (over_http2("GET"), Some("websocket"), 400, false),
        (over_http2("CONNECT"), Some("websocket"), 400, true),
        (extended_connect("https://example.com/chat"), Some("connect-udp"), 501, false),
        (extended_connect("wss://example.com/chat"), Some("websocket"), 400, false),
        (
            extended_connect("https://example.com/chat").header("Upgrade", "websocket"),
            Some("websocket"),
            400,
            false,
        ),
        // The target of a CONNECT without :protocol has neither scheme nor path.
        (extended_connect("example.com:80"), Some("websocket"), 400, false),
    ] {
        let request = request.body(()).unwrap();
        let refusal = accept(&request, protocol, &AcceptOptions::new()).unwrap_err();
        let of = format!("{request:?} {refusal}");
        assert_eq!(refusal.status(), status, "{of}");
        let body = Bytes::copy_from_slice(refusal.body());
        let response = Response::<Bytes>::from(refusal);
        assert_eq!(response.status(), status, "{of}");
        assert_eq!(response.body(), &body, "{of}");
        let headers = response.headers();
        assert_eq!(headers["Content-Type"], "text/plain; charset=utf-8", "{of}");
        assert_eq!(headers.contains_key("Sec-WebSocket-Version"), version_field, "{of}");
        assert_eq!(headers.contains_key("Upgrade"), status == 426, "{of}");
        assert_eq!(headers.contains_key("Connection"), status == 426, "{of}");
        assert!(!headers.contains_key("Content-Length"), "{of}");
    }
}

#[test]
fn hs2_the_authority_of_a_url_overrides_the_host_field() {
    let status = |target: &str, origin: &str| {
        let mut request = upgrade_request().header("Origin", origin).body(()).unwrap();
        *request.uri_mut() = target.parse().unwrap();
        status(&request, None)
    };
    // The Host field is example.com.
    assert_eq!(status("/chat", "http://example.com"), 101);
    assert_eq!(status("/chat", "http://a.example"), 403);
    for target in ["http://a.example/chat", "http://a.example", "ws://a.example?x"] {
        assert_eq!(status(target, "http://a.example"), 101, "{target}");
        assert_eq!(status(target, "http://example.com"), 403, "{target}");
    }
    assert_eq!(status("*", "http://example.com"), 400);
    assert_eq!(status("a.example:80", "http://example.com"), 400);
}

#[test]
fn e2_a_host_field_replaces_a_missing_authority() {
    // A `Uri` with a path alone, as h2 makes it of a request without :authority.
    let request = |origin: &str| {
        extended_connect("/chat")
            .header("Host", "example.com")
            .header("Origin", origin)
            .body(())
            .unwrap()
    };
    assert_eq!(status(&request("https://example.com"), Some("websocket")), 200);
    assert_eq!(status(&request("https://other.example"), Some("websocket")), 403);
    let neither = extended_connect("/chat").body(()).unwrap();
    assert_eq!(status(&neither, Some("websocket")), 400);
    let differs =
        extended_connect("https://example.com/chat").header("Host", "a").body(()).unwrap();
    assert_eq!(status(&differs, Some("websocket")), 400);
}

#[test]
fn a_request_is_kept_and_accepted_later() {
    let cookie = HeaderValue::from_bytes(b"a=\xff\xfe").unwrap();
    let mut request = upgrade_request()
        .header("Cookie", cookie)
        .header("Origin", "https://example.com")
        .body(())
        .unwrap();
    let kept = upgrade(&request, None).unwrap();
    request.headers_mut().clear();
    let view = kept.as_request();
    assert_eq!((view.path(), view.query()), ("/chat", Some("room=1")));
    assert_eq!((view.host(), view.origin()), ("example.com", Some("https://example.com")));
    assert_eq!(view.head().fields().get("cookie"), Some(&b"a=\xff\xfe"[..]));
    let accepted = view.accept(&AcceptOptions::new()).unwrap();
    assert_eq!((accepted.status(), accepted.version()), (101, HttpVersion::Http11));
    assert_eq!(upgrade(&request, None).unwrap_err().status(), 426);
}

#[test]
fn hs14_the_callers_own_refusals_are_responses() {
    let refusal = Refusal::new(401)
        .unwrap()
        .with_field("WWW-Authenticate", "Basic")
        .unwrap()
        .with_field("WWW-Authenticate", "Bearer")
        .unwrap()
        .with_body("text/html", "<p>Log in")
        .unwrap();
    let response = Response::<Bytes>::from(refusal);
    assert_eq!((response.status().as_u16(), &response.body()[..]), (401, &b"<p>Log in"[..]));
    assert_eq!(response.headers()["Content-Type"], "text/html");
    let challenges: Vec<_> = response.headers().get_all("WWW-Authenticate").iter().collect();
    assert_eq!(challenges, ["Basic", "Bearer"]);
    // RFC 9110 15.3.5, 15.4.5: no body with these.
    for status in [204, 304] {
        let response = HttpResponse::new(status).unwrap().with_body("text/plain", "x").unwrap();
        assert_eq!(Response::<Bytes>::from(Refusal::from(response)).body(), &Bytes::new());
    }
}

/// Tokens and values that `http` accepts.
fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let names = prop_oneof![
        Just("host".to_owned()),
        Just("origin".to_owned()),
        Just("upgrade".to_owned()),
        Just("connection".to_owned()),
        Just("sec-websocket-key".to_owned()),
        Just("sec-websocket-version".to_owned()),
        Just("sec-websocket-protocol".to_owned()),
        Just("sec-websocket-extensions".to_owned()),
        Just("content-length".to_owned()),
        "[a-z-]{1,8}",
    ];
    let values = prop_oneof![
        Just(b"websocket".to_vec()),
        Just(b"Upgrade".to_vec()),
        Just(b"13".to_vec()),
        Just(b"dGhlIHNhbXBsZSBub25jZQ==".to_vec()),
        Just(b"example.com".to_vec()),
        proptest::collection::vec(prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8], 0..12),
    ];
    proptest::collection::vec((names, values), 0..10)
}

proptest! {
    /// The result is that of the same fields without the crate `http`, except for the order of
    /// names: a `HeaderMap` groups the lines of one name.
    #[test]
    fn any_fields_have_the_result_of_the_core(
        mut fields in fields(),
        valid in any::<bool>(),
        version in 0..4_usize,
    ) {
        if valid {
            for (name, value) in [
                ("host", "example.com"), ("upgrade", "websocket"), ("connection", "upgrade"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13"),
            ] {
                fields.push((name.into(), value.into()));
            }
        }
        let versions = [
            (Version::HTTP_10, HttpVersion::Http10),
            (Version::HTTP_11, HttpVersion::Http11),
            (Version::HTTP_2, HttpVersion::Http2),
            (Version::HTTP_3, HttpVersion::Http3),
        ];
        let (version, ours) = versions[version];
        let mut request = Request::get("/chat").version(version);
        for (name, value) in &fields {
            request = request.header(name, &value[..]);
        }
        let request = request.body(()).unwrap();
        let options = AcceptOptions::new().origins(OriginPolicy::Any);
        let got = accept(&request, None, &options);

        let mut pairs: Vec<(&str, &[u8])> = Vec::new();
        for (name, _) in &fields {
            if !pairs.iter().any(|(seen, _)| seen == name) {
                let lines = fields.iter().filter(|(other, _)| other == name);
                pairs.extend(lines.map(|(name, value)| (&**name, &**value)));
            }
        }
        let head = RequestHead::new("GET", "/chat", Fields::new(&pairs)).with_version(ours);
        let expected = head.upgrade().and_then(|request| request.accept(&options));
        match (got, expected) {
            (Ok(got), Ok(expected)) => prop_assert!(got.fields().eq(expected.fields())),
            (Err(got), Err(expected)) => prop_assert_eq!(got, expected),
            (got, expected) => prop_assert!(false, "{:?} {:?}", got, expected),
        }
    }
}
