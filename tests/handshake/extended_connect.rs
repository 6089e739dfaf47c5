//! The opening handshake over HTTP/2 and HTTP/3: extended CONNECT, without any HTTP/2 library.

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::error::SendError;
use sansocket::handshake::{
    Accepted, ExtendedConnect, Fields, HandshakeError, HttpVersion, OriginPolicy, Refusal,
    RequestHead,
};
use sansocket::{AcceptOptions, Config, ConnectRequest, Inbox, Input, Role};

use crate::common::head::client_config;
use crate::common::{at_ms, frame::sent};

const VERSIONS: [HttpVersion; 2] = [HttpVersion::Http2, HttpVersion::Http3];

/// The pseudo-headers and fields of a request.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    protocol: Option<String>,
    scheme: String,
    authority: String,
    path: String,
    fields: Vec<(String, Vec<u8>)>,
}

/// The request of RFC 8441 5.1, without subprotocol, extensions and origin.
fn right() -> Request {
    Request {
        method: "CONNECT".into(),
        protocol: Some("websocket".into()),
        scheme: "https".into(),
        authority: "server.example.com".into(),
        path: "/chat".into(),
        fields: Vec::new(),
    }
    .with("sec-websocket-version", "13")
}

impl Request {
    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.into(), value.as_ref().into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self
    }

    fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    fn protocol(mut self, protocol: Option<&str>) -> Self {
        self.protocol = protocol.map(str::to_owned);
        self
    }

    fn scheme(mut self, scheme: &str) -> Self {
        self.scheme = scheme.into();
        self
    }

    fn authority(mut self, authority: &str) -> Self {
        self.authority = authority.into();
        self
    }

    fn path(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    /// Runs with the head that an embedder makes from it.
    fn run<T>(&self, version: HttpVersion, run: impl FnOnce(RequestHead<'_>) -> T) -> T {
        let pairs: Vec<(&str, &[u8])> =
            self.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        let fields = Fields::new(&pairs);
        run(RequestHead::new(&self.method, &self.path, fields)
            .with_version(version)
            .with_protocol(self.protocol.as_deref())
            .with_scheme(&*self.scheme)
            .with_authority(&*self.authority))
    }

    fn accept(&self, version: HttpVersion, options: &AcceptOptions) -> Result<Accepted, Refusal> {
        self.run(version, |head| head.upgrade()?.accept(options))
    }

    fn status(&self) -> u16 {
        let [status, other] = VERSIONS.map(|version| {
            let result = self.accept(version, &AcceptOptions::new());
            result.map_or_else(|refusal| refusal.status(), |accepted| accepted.status())
        });
        assert_eq!(status, other, "the same over HTTP/2 and HTTP/3");
        status
    }

    #[track_caller]
    fn expect(&self, status: u16, hint: &str) {
        assert_eq!(self.status(), status, "{self:?}");
        if status != 200 {
            let refusal = self.accept(HttpVersion::Http2, &AcceptOptions::new()).unwrap_err();
            let body = String::from_utf8(refusal.body().to_vec()).unwrap();
            assert!(body.contains(hint), "{self:?}: {body}");
            check_fields(refusal.fields());
        }
    }
}

/// Fields that HTTP/2 and HTTP/3 forbid in every message.
#[track_caller]
fn check_fields<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) {
    for (name, _) in fields {
        assert_eq!(name, name.to_ascii_lowercase());
        let forbidden =
            ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
        assert!(!forbidden.contains(&name), "{name}");
    }
}

// ---------------------------------------------------------------- a valid request

#[test]
fn e2_e5_a_valid_request_opens_with_200_and_no_accept_key() {
    for version in VERSIONS {
        let accepted = right().accept(version, &AcceptOptions::new()).unwrap();
        assert_eq!((accepted.version(), accepted.status()), (version, 200));
        assert_eq!(accepted.fields().count(), 0);
        assert_eq!(accepted.negotiated().subprotocol(), None);
        let mut out = BytesMut::new();
        accepted.write(&mut out);
        assert!(out.is_empty(), "there is no HTTP/1.1 to be written");
    }
}

/// RFC 8441 5: frames of the client are masked, too.
#[test]
fn e5_f1_the_frames_are_those_of_rfc_6455() {
    let config = Config::server().build().unwrap();
    let accepted = right().accept(HttpVersion::Http2, &AcceptOptions::new()).unwrap();
    let mut server = accepted.into_connection(&config, at_ms(0));
    assert_eq!(server.role(), Role::Server);
    let mut client = crate::common::connection(Role::Client, crate::common::preset(Role::Client));
    let (mut wire, mut out, mut inbox) = (BytesMut::new(), BytesMut::new(), Inbox::new());
    client.send_ping(b"p", &mut wire).unwrap();
    assert_eq!(wire[1] & 0x80, 0x80, "masked");
    let mut input = Input::new(at_ms(0), &mut wire);
    while server.receive(&mut input, &mut inbox, &mut out).unwrap().is_some() {}
    assert_eq!(sent(Role::Server, &out).len(), 1);
}

#[test]
fn e2_e4_a_request_has_the_fields_of_the_client() {
    let request = right()
        .path("/chat?room=1")
        .authority("Example.com:8443")
        .with("origin", "https://example.com:8443")
        .with("sec-websocket-protocol", "v2, v1")
        .with("sec-websocket-extensions", "permessage-deflate");
    for version in VERSIONS {
        request.run(version, |head| {
            assert!(head.is_upgrade());
            let owned = head.into_owned();
            let copies = [head, owned.as_head()];
            for head in copies {
                assert_eq!((head.version(), head.method()), (version, "CONNECT"));
                assert_eq!((head.target(), head.path()), ("/chat?room=1", "/chat"));
                assert_eq!(head.query(), Some("room=1"));
                assert_eq!((head.scheme(), head.protocol()), (Some("https"), Some("websocket")));
                assert_eq!(head.authority(), Some("Example.com:8443"));
            }
            let kept = owned.into_upgrade().unwrap();
            let kept_too = head.upgrade().unwrap().into_owned();
            let requests = [head.upgrade().unwrap(), kept.as_request(), kept_too.as_request()];
            for request in requests {
                assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
                assert_eq!(request.host(), "Example.com:8443");
                assert_eq!(request.origin(), Some("https://example.com:8443"));
                assert!(request.subprotocols().eq(["v2", "v1"]));
                assert!(request.extension_offers().eq([b"permessage-deflate"]));
                assert!(request.accept(&AcceptOptions::new()).is_ok());
            }
        });
    }
    // The short constructor returns an equal value.
    let fields = [("sec-websocket-version", &b"13"[..])];
    let fields = Fields::new(&fields);
    let head = RequestHead::extended_connect("websocket", "https", "a.example", "/x?y", fields);
    assert_eq!((head.version(), head.method()), (HttpVersion::Http2, "CONNECT"));
    assert_eq!((head.protocol(), head.scheme()), (Some("websocket"), Some("https")));
    assert_eq!((head.authority(), head.target()), (Some("a.example"), "/x?y"));
    assert!(head.upgrade().is_ok());
    assert!(head.with_version(HttpVersion::Http3).upgrade().is_ok());
    let tunnel = RequestHead::extended_connect(None, "", "a.example", "", fields);
    assert_eq!((tunnel.protocol(), tunnel.scheme()), (None, None));
    assert!(!tunnel.is_upgrade());
}

// ---------------------------------------------------------------- pseudo-headers

#[test]
fn e2_every_pseudo_header_is_required() {
    for (request, status, hint) in [
        (right().scheme("http"), 200, ""),
        (right().scheme("HTTPS"), 200, ""),
        (right().scheme(""), 400, ":scheme"),
        (right().scheme("wss"), 400, ":scheme"),
        (right().scheme("ws"), 400, ":scheme"),
        (right().scheme("https:"), 400, ":scheme"),
        (right().path("/"), 200, ""),
        (right().path("/?"), 200, ""),
        (right().path(""), 400, ":path"),
        (right().path("*"), 400, ":path"),
        (right().path("chat"), 400, ":path"),
        (right().path("?x"), 400, ":path"),
        (right().path("https://server.example.com/"), 400, ":path"),
        (right().authority("[::1]:8443"), 200, ""),
        (right().authority(""), 400, ":authority"),
        (right().authority(":443"), 400, ":authority"),
        (right().authority("a b"), 400, ":authority"),
        (right().authority("user@server.example.com"), 400, ":authority"),
        (right().authority("user:secret@server.example.com"), 400, ":authority"),
        (right().authority("a:99999"), 400, ":authority"),
        (right().authority("\u{e4}.example"), 400, ":authority"),
    ] {
        request.expect(status, hint);
    }
}

/// RFC 9113 8.3.1: the host is that of `:authority`; a Host field must be equal, or may replace it.
#[test]
fn e2_a_host_field_is_the_same_as_the_authority() {
    for (authority, hosts, status) in [
        ("a.example", &["a.example"][..], 200),
        ("a.example", &["A.Example:443"], 200),
        ("a.example:443", &["a.example"], 200),
        ("a.example:8443", &["a.example:8443"], 200),
        ("a.example", &["b.example"], 400),
        ("a.example", &["a.example:8443"], 400),
        ("a.example", &["a.example:80"], 400),
        ("a.example", &[""], 400),
        ("a.example", &["a b"], 400),
        ("a.example", &["a.example", "a.example"], 400),
        ("", &["a.example"], 200),
        ("", &["a.example:8443"], 200),
        ("", &[""], 400),
        ("", &["a b"], 400),
        ("", &["a.example", "b.example"], 400),
        ("a b", &["a.example"], 400),
    ] {
        let request = hosts
            .iter()
            .fold(right().authority(authority), |request, host| request.with("host", host));
        assert_eq!(request.status(), status, "{authority} {hosts:?}");
    }
    right().scheme("http").authority("a:80").with("host", "a").expect(200, "");
    right().authority("").with("host", "b.example:1").run(HttpVersion::Http2, |head| {
        let kept = head.upgrade().unwrap().into_owned();
        assert_eq!(kept.as_request().host(), "b.example:1");
        // An origin is compared with the host and the port of the field.
        assert_eq!(head.authority(), None);
    });
    let origin = |origin| right().authority("").with("host", "b.example:1").with("origin", origin);
    origin("https://b.example:1").expect(200, "");
    origin("https://b.example").expect(403, "b.example:1");
}

#[test]
fn e7_another_protocol_is_501() {
    for protocol in ["connect-udp", "connect-ip", "webtransport", "websockets", "web socket", ""] {
        let request = right().protocol(Some(protocol));
        request.expect(501, "websocket");
        request.run(HttpVersion::Http2, |head| assert!(!head.is_upgrade(), "{protocol}"));
    }
    // RFC 9110 16.7: these names are case-insensitive.
    right().protocol(Some("WebSocket")).expect(200, "");
}

#[test]
fn e9_a_protocol_with_another_method_is_malformed() {
    for method in ["GET", "POST", "connect", "OPTIONS", ""] {
        right().method(method).expect(400, "CONNECT");
        right().method(method).protocol(Some("other")).expect(400, "CONNECT");
    }
}

/// Pages, tunnels and requests of HTTP/1.1: the refusal names the right form, without fields that
/// can't be sent.
#[test]
fn q13_a_request_for_no_websocket_is_400_with_the_version() {
    let no_protocol = right().protocol(None);
    let http1 = no_protocol
        .clone()
        .method("GET")
        .with("upgrade", "websocket")
        .with("connection", "Upgrade")
        .with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for request in
        [no_protocol.clone().method("GET"), no_protocol.clone().method("POST"), no_protocol, http1]
    {
        request.expect(400, "CONNECT");
        for version in VERSIONS {
            request.run(version, |head| {
                assert!(!head.is_upgrade());
                let refusal = head.upgrade().unwrap_err();
                let fields: Vec<_> = refusal.fields().collect();
                assert!(fields.contains(&("sec-websocket-version", b"13")), "{fields:?}");
            });
        }
    }
}

/// A pseudo-header has no meaning over HTTP/1.1.
#[test]
fn hs3_http_1_1_has_no_protocol() {
    let request = right().method("GET");
    request.run(HttpVersion::Http11, |head| {
        assert!(!head.is_upgrade());
        assert_eq!(head.upgrade().unwrap_err().status(), 426);
    });
}

// ---------------------------------------------------------------- fields

#[test]
fn e3_connection_fields_are_malformed() {
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("connection", "keep-alive"),
        ("connection", ""),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("te", ""),
        ("Upgrade", "websocket"),
    ] {
        right().with(name, value).expect(400, "forbids");
    }
    right().with("te", "trailers").expect(200, "");
}

#[test]
fn e3_keys_are_ignored() {
    for value in ["dGhlIHNhbXBsZSBub25jZQ==", "", "no key", "\u{e4}"] {
        right().with("sec-websocket-key", value).expect(200, "");
        right().with("sec-websocket-accept", value).expect(200, "");
        let twice = right().with("sec-websocket-key", value).with("sec-websocket-key", value);
        let accepted = twice.accept(HttpVersion::Http2, &AcceptOptions::new()).unwrap();
        assert_eq!(accepted.fields().count(), 0);
    }
}

#[test]
fn e4_q13_hs6_versions() {
    for value in ["13", " 13 "] {
        right()
            .without("sec-websocket-version")
            .with("sec-websocket-version", value)
            .expect(200, "");
    }
    for values in [&[][..], &[""], &["8"], &["14"], &["013"], &["13, 8"]] {
        let request = values.iter().fold(right().without("sec-websocket-version"), |r, value| {
            r.with("sec-websocket-version", value)
        });
        request.expect(400, "13");
        for version in VERSIONS {
            let refusal = request.accept(version, &AcceptOptions::new()).unwrap_err();
            let fields: Vec<_> = refusal.fields().collect();
            assert!(fields.contains(&("sec-websocket-version", b"13")), "{values:?} {fields:?}");
        }
    }
    right().with("sec-websocket-version", "13").expect(400, "at most one");
}

#[test]
fn e4_origins_are_compared_with_the_authority() {
    for (authority, origin, status) in [
        ("a.example", "https://a.example", 200),
        ("a.example:8443", "https://a.example:8443", 200),
        ("a.example", "https://evil.example", 403),
        ("a.example", "https://a.example:8443", 403),
        ("a.example", "null", 403),
        ("a.example", "\u{e4}", 400),
    ] {
        let request = right().authority(authority).with("origin", origin);
        assert_eq!(request.status(), status, "{authority} {origin}");
    }
    right().with("origin", "https://server.example.com").with("origin", "x").expect(400, "Origin");
    let list = OriginPolicy::list(["https://*.example.com"]).unwrap();
    let options = AcceptOptions::new().origins(list).allow_missing_origin(false);
    let status = |request: Request| {
        let result = request.accept(HttpVersion::Http2, &options);
        result.map_or_else(|refusal| refusal.status(), |accepted| accepted.status())
    };
    assert_eq!(status(right().with("origin", "https://x.example.com")), 200);
    assert_eq!(status(right().with("origin", "https://example.com")), 403);
    assert_eq!(status(right()), 403);
}

#[test]
fn e4_subprotocols_and_added_fields_are_sent_in_lower_case() {
    let options = AcceptOptions::new()
        .subprotocols(["v2", "v1"])
        .unwrap()
        .field("Server", "x")
        .unwrap()
        .field("Keep-Alive", "timeout=5")
        .unwrap();
    let request = right().with("sec-websocket-protocol", "v1, v2");
    for version in VERSIONS {
        let accepted = request.accept(version, &options).unwrap();
        let accepted = accepted.with_field("Set-Cookie", "A=b").unwrap();
        let accepted = accepted.with_field("Proxy-Connection", "x").unwrap();
        let expected: [(&str, &[u8]); 3] =
            [("sec-websocket-protocol", b"v2"), ("server", b"x"), ("set-cookie", b"A=b")];
        assert!(accepted.fields().eq(expected), "{:?}", accepted.fields().collect::<Vec<_>>());
        assert_eq!(accepted.negotiated().subprotocol(), Some("v2"));
    }
    for bad in ["", "a b", ","] {
        right().with("sec-websocket-protocol", bad).expect(400, "Sec-WebSocket-Protocol");
    }
    // The options are not changed, so HTTP/1.1 can share them.
    let http1 =
        crate::common::head::serve_with(&crate::common::head::Lines::request().bytes(), &options);
    assert!(http1.text().contains("\r\nServer: x\r\nKeep-Alive: timeout=5\r\n"), "{http1:?}");
}

#[cfg(feature = "deflate")]
#[test]
fn e4_compression_is_negotiated_as_over_http_1_1() {
    use sansocket::deflate::Deflate;

    let options = AcceptOptions::new().deflate(Deflate::default());
    for version in VERSIONS {
        let request = right()
            .with("sec-websocket-extensions", "x, permessage-deflate; client_max_window_bits");
        let accepted = request.accept(version, &options).unwrap();
        let expected = ("sec-websocket-extensions", &b"permessage-deflate"[..]);
        assert!(accepted.fields().eq([expected]));
        assert!(accepted.negotiated().deflate().is_some());
    }
    right().with("sec-websocket-extensions", "a;").expect(400, "Sec-WebSocket-Extensions");
}

#[test]
fn v47_a_body_is_refused() {
    right().with("content-length", "0").expect(200, "");
    right().with("content-length", "5").expect(400, "body");
    right().with("content-length", "x").expect(400, "body");
}

#[test]
fn hs14_refusals_of_the_caller_have_the_form_of_the_http_version() {
    for version in VERSIONS {
        right().run(version, |head| {
            let refusal = head.upgrade().unwrap().refuse(426).unwrap();
            let refusal = refusal.with_field("Upgrade", "x").unwrap();
            let refusal = refusal.with_field("WWW-Authenticate", "Bearer").unwrap();
            assert_eq!(refusal.status(), 400);
            check_fields(refusal.fields());
            assert!(refusal.fields().any(|(name, _)| name == "www-authenticate"));
        });
    }
}

// ---------------------------------------------------------------- the client

fn client_request(url: &str) -> ConnectRequest {
    ConnectRequest::new(url).unwrap()
}

fn client(request: &ConnectRequest) -> ExtendedConnect {
    ExtendedConnect::new(request, &client_config()).unwrap()
}

/// The outcome of a status and fields at the client.
fn answered(
    request: &ConnectRequest,
    status: u16,
    fields: &[(&str, &[u8])],
) -> Result<Option<String>, HandshakeError> {
    let opened = client(request).receive_response(status, Fields::new(fields), at_ms(0));
    opened.map(|(connection, response)| {
        assert!(connection.is_open() && connection.role() == Role::Client);
        assert_eq!((response.status(), response.reason()), (status, &b""[..]));
        assert!(response.fields().iter().eq(fields.iter().copied()));
        assert_eq!(response.negotiated().subprotocol(), response.subprotocol());
        response.subprotocol().map(str::to_owned)
    })
}

#[test]
fn e2_e3_e4_the_request_of_a_client() {
    let request = client_request("wss://Example.com:8443/chat?room=1")
        .origin("https://example.com")
        .unwrap()
        .subprotocols(["v2", "v1"])
        .unwrap()
        .field("Authorization", "Bearer x")
        .unwrap()
        .field("Keep-Alive", "timeout=5")
        .unwrap()
        .field("TE", "trailers")
        .unwrap();
    let handshake = client(&request);
    assert_eq!((handshake.method(), handshake.protocol()), ("CONNECT", "websocket"));
    assert_eq!((handshake.scheme(), handshake.authority()), ("https", "Example.com:8443"));
    assert_eq!(handshake.path(), "/chat?room=1");
    let expected: [(&str, &[u8]); 5] = [
        ("sec-websocket-version", b"13"),
        ("origin", b"https://example.com"),
        ("sec-websocket-protocol", b"v2, v1"),
        ("authorization", b"Bearer x"),
        ("te", b"trailers"),
    ];
    assert!(handshake.fields().eq(expected), "{:?}", handshake.fields().collect::<Vec<_>>());

    let plain = client(&client_request("ws://[::1]:80"));
    assert_eq!((plain.scheme(), plain.authority(), plain.path()), ("http", "[::1]", "/"));
    assert!(plain.fields().eq([("sec-websocket-version", &b"13"[..])]));
    // The frames are masked: a client needs entropy.
    let server = Config::server().build().unwrap();
    let error = ExtendedConnect::new(&client_request("ws://a"), &server).unwrap_err();
    assert_eq!(error, SendError::Entropy);
}

/// Both ends are ours.
#[test]
fn e2_e5_our_server_accepts_the_request_of_our_client() {
    let request = client_request("wss://a.example/x")
        .origin("https://a.example")
        .unwrap()
        .subprotocols(["a", "b"])
        .unwrap();
    let options = AcceptOptions::new().subprotocols(["b"]).unwrap();
    #[cfg(feature = "deflate")]
    let (request, options) = {
        let deflate = sansocket::deflate::Deflate::default();
        (request.deflate(deflate), options.deflate(deflate))
    };
    let client = client(&request);
    let fields: Vec<(&str, &[u8])> = client.fields().collect();
    let head = RequestHead::extended_connect(
        client.protocol(),
        client.scheme(),
        client.authority(),
        client.path(),
        Fields::new(&fields),
    );
    let accepted = head.upgrade().unwrap().accept(&options).unwrap();
    let fields: Vec<(&str, &[u8])> = accepted.fields().collect();
    let opened = client.receive_response(accepted.status(), Fields::new(&fields), at_ms(0));
    let (_, response) = opened.unwrap();
    assert_eq!(response.subprotocol(), Some("b"));
    #[cfg(feature = "deflate")]
    assert!(response.deflate().is_some());
}

#[test]
fn e5_every_2xx_status_opens_and_no_other_status_does() {
    let request = client_request("wss://a/");
    for status in 200..=299 {
        assert_eq!(answered(&request, status, &[]).unwrap(), None);
    }
    for status in [0, 100, 101, 103, 199, 300, 301, 400, 401, 403, 501, 599, u16::MAX] {
        let error = answered(&request, status, &[("location", b"/x")]).unwrap_err();
        let redirect = if status / 100 == 3 { " (redirects are not followed)" } else { "" };
        assert_eq!(error.to_string(), format!("the server answered {status}{redirect}"));
        let HandshakeError::Status(response) = error else { panic!("{error:?}") };
        assert_eq!(response.fields().get("location"), Some(&b"/x"[..]));
    }
}

#[test]
fn e3_the_client_fails_on_connection_fields_and_needs_no_key() {
    let request = client_request("wss://a/");
    for (name, value) in [("upgrade", "websocket"), ("connection", "x"), ("keep-alive", "x")] {
        let error = answered(&request, 200, &[(name, value.as_bytes())]).unwrap_err();
        assert!(matches!(error, HandshakeError::ForbiddenField(field, _)
            if field.eq_ignore_ascii_case(name)));
        assert!(error.to_string().to_lowercase().contains(name), "{error}");
        assert_eq!(error.response().unwrap().status(), 200);
    }
    // RFC 8441 5: Sec-WebSocket-Accept is not used; RFC 9110 9.3.6: nor is Content-Length.
    for name in ["sec-websocket-accept", "content-length"] {
        assert_eq!(answered(&request, 200, &[(name, b"5")]).unwrap(), None);
    }
}

#[test]
fn e4_hc7_negotiated_values_are_checked_as_over_http_1_1() {
    let request = client_request("wss://a/").subprotocols(["a", "b"]).unwrap();
    let subprotocol = |value: &'static str| -> [(&str, &[u8]); 1] {
        [("sec-websocket-protocol", value.as_bytes())]
    };
    assert_eq!(answered(&request, 200, &subprotocol("b")).unwrap().as_deref(), Some("b"));
    for value in ["", "c", "A", "a, b"] {
        let error = answered(&request, 200, &subprotocol(value)).unwrap_err();
        let HandshakeError::UnofferedSubprotocol(error) = error else { panic!("{error:?}") };
        assert_eq!(error.received(), value.as_bytes());
        assert!(error.offered().eq(["a", "b"]));
    }
    let twice = [subprotocol("a"), subprotocol("a")].concat();
    let error = answered(&request, 200, &twice).unwrap_err();
    assert!(matches!(error, HandshakeError::DuplicateField("Sec-WebSocket-Protocol", _)));
    for (value, fits) in [("", true), ("permessage-deflate", false), ("x", false)] {
        let field = [("sec-websocket-extensions", value.as_bytes())];
        let result = answered(&request, 200, &field);
        let unoffered = matches!(
            result,
            Err(HandshakeError::Extensions(sansocket::handshake::ExtensionError::Unoffered, _))
        );
        assert_eq!((result.is_ok(), unoffered), (fits, !fits), "{value}");
    }
}

// ---------------------------------------------------------------- properties

fn any_request() -> impl Strategy<Value = Request> {
    let some = |values: &'static [&'static str]| prop::sample::select(values);
    let field = prop_oneof![
        3 => prop::sample::select(vec![
            ("host", "server.example.com"),
            ("host", "b"),
            ("origin", "https://server.example.com"),
            ("origin", "https://b"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "a, b"),
            ("sec-websocket-protocol", "(a)"),
            ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
            ("sec-websocket-extensions", "a;"),
            ("content-length", "0"),
            ("content-length", "1"),
            ("te", "trailers"),
            ("te", "x"),
            ("connection", "x"),
            ("X-Upper", "x"),
        ])
        .prop_map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())),
        1 => ("[!-~]{1,8}", prop::collection::vec(any::<u8>(), 0..10)),
    ];
    (
        some(&["CONNECT", "CONNECT", "CONNECT", "GET", ""]),
        some(&["websocket", "websocket", "websocket", "x", ""]),
        some(&["https", "http", "wss", ""]),
        some(&["server.example.com", "server.example.com:1", "a b", ""]),
        some(&["/", "/a?b", "*", ""]),
        prop::collection::vec(field, 0..4),
        any::<bool>(),
    )
        .prop_map(|(method, protocol, scheme, authority, path, fields, version)| {
            let mut request = right()
                .method(method)
                .protocol(Some(protocol).filter(|protocol| !protocol.is_empty()))
                .scheme(scheme)
                .authority(authority)
                .path(path);
            if !version {
                request.fields.clear();
            }
            request.fields.extend(fields);
            request
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Any input gives a response that can be sent, the same for an owned copy, and the same
    /// negotiated values as over HTTP/1.1.
    #[test]
    fn e3_e5_every_response_can_be_sent(request in any_request()) {
        let options = AcceptOptions::new().subprotocols(["b"]).unwrap();
        #[cfg(feature = "deflate")]
        let options = options.deflate(sansocket::deflate::Deflate::default());
        let outcome = |result: Result<Accepted, Refusal>| match result {
            Ok(accepted) => {
                check_fields(accepted.fields());
                let negotiated = accepted.negotiated().clone();
                (accepted.status(), Vec::new(), Some(negotiated))
            }
            Err(refusal) => {
                check_fields(refusal.fields());
                (refusal.status(), refusal.body().to_vec(), None)
            }
        };
        let found = outcome(request.accept(HttpVersion::Http2, &options));
        let kept = request.run(HttpVersion::Http2, |head| {
            outcome(head.into_owned().into_upgrade().and_then(|r| r.as_request().accept(&options)))
        });
        prop_assert_eq!(&found, &kept);
        if found.0 == 200 {
            let host = request.fields.iter().any(|(name, _)| name == "host");
            let mut same = request.clone().without("sec-websocket-key").without("te");
            if !host {
                same = same.with("host", &request.authority);
            }
            let same = same
                .with("upgrade", "websocket")
                .with("connection", "Upgrade")
                .with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
                .method("GET");
            let over_http1 = same.accept(HttpVersion::Http11, &options);
            prop_assert_eq!(over_http1.ok().map(|a| a.negotiated().clone()), found.2);
        }
    }
}
