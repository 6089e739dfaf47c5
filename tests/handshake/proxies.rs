//! The handshakes with proxies: HTTP CONNECT and SOCKS5, and the choice of a proxy.

#![allow(clippy::cast_possible_truncation, clippy::std_instead_of_alloc, reason = "tests")]

#[path = "../../fuzz/src/proxy.rs"]
mod fuzz;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::error::LimitError;
use sansocket::handshake::proxy::{
    Proxy, ProxyError, ProxyHandshake, ProxyProtocol, ProxyUrlError, SocksError, SocksReply,
};
use sansocket::handshake::{BodyEnd, HeadError};
use sansocket::{Config, ConnectRequest, Input};

use crate::common::head::client_config;
use crate::common::{at_ms, weak_entropy_for_tests_only};

fn request(url: &str) -> ConnectRequest {
    ConnectRequest::new(url).unwrap()
}

fn begin(proxy: &Proxy, url: &str, config: &Config) -> (ProxyHandshake, BytesMut) {
    let (request, mut out) = (request(url), BytesMut::new());
    let server = proxy.server(&request).unwrap();
    let handshake = ProxyHandshake::new(server, &request, config, at_ms(0), &mut out).unwrap();
    (handshake, out)
}

/// Feeds replies to a handshake with a host named `a`; returns the output and the rest of the
/// input.
fn talk(proxy: &Proxy, replies: &[&[u8]]) -> (Result<bool, ProxyError>, Vec<u8>, Vec<u8>) {
    let (mut handshake, mut out) = begin(proxy, "ws://a:81/", &client_config());
    for (i, reply) in replies.iter().enumerate() {
        let mut bytes = reply.to_vec();
        let mut input = Input::new(at_ms(1), &mut bytes);
        let result = handshake.receive(&mut input, &mut out);
        let rest = input.as_bytes().to_vec();
        if !matches!(result, Ok(false)) || i + 1 == replies.len() {
            return (result, out.to_vec(), rest);
        }
        assert!(rest.is_empty());
    }
    panic!("no reply")
}

fn http() -> Proxy {
    Proxy::http("proxy").unwrap()
}

fn socks() -> Proxy {
    Proxy::socks5("proxy").unwrap()
}

fn socks_with_password() -> Proxy {
    Proxy::socks5("socks5://user:secret@proxy").unwrap()
}

// ---------------------------------------------------------------- HTTP CONNECT

#[test]
fn hc10_the_connect_request() {
    for (proxy, url, expected) in [
        (
            "http://proxy:3128",
            "ws://example.com/chat",
            "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n",
        ),
        ("proxy", "wss://A.b:8443", "CONNECT A.b:8443 HTTP/1.1\r\nHost: A.b:8443\r\n\r\n"),
        ("proxy", "wss://[::1]/", "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"),
        (
            // The credentials of RFC 6455 4.1 and RFC 7617 2.
            "http://Aladdin:open%20sesame@proxy/",
            "ws://a",
            "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
        ),
    ] {
        let (_, out) = begin(&Proxy::http(proxy).unwrap(), url, &client_config());
        assert_eq!(out, expected);
    }
}

#[test]
fn hc10_bytes_after_a_2xx_head_belong_to_the_tunnel() {
    for (head, rest) in [
        // tinyproxy 1.11.1 and others that answer in HTTP/1.0.
        ("HTTP/1.0 200 Connection established\r\nProxy-agent: tinyproxy/1.11.1\r\n\r\n", ""),
        ("HTTP/1.0 200 OK\r\n\r\n", "x"),
        ("HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.1 101 x\r\n"),
        ("HTTP/1.1 200\r\n\r\n", "x"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "x"),
        ("HTTP/1.1 299 ?\r\n\r\n", "x"),
        // RFC 9110 9.3.6: these fields MUST be ignored.
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\nTransfer-Encoding: y\r\n\r\n", "x"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nA: b\r\n\r\nHTTP/1.1 200 x\r\n\r\n", "x"),
    ] {
        let bytes = format!("{head}{rest}");
        for cut in 0..head.len() {
            let (first, second) = bytes.as_bytes().split_at(cut);
            let (result, _, left) = talk(&http(), &[first, second]);
            assert_eq!((result.unwrap(), &*left), (true, rest.as_bytes()), "{head}, cut at {cut}");
        }
    }
}

#[test]
fn hc10_refusals_keep_status_fields_and_body() {
    // tinyproxy 1.11.1, without the markup.
    let page =
        "<h1>Proxy Authentication Required</h1>\n<p>This proxy requires authentication.</p>\n";
    for (head, status, body, last, end) in [
        (
            "HTTP/1.0 407 Proxy Authentication Required\r\nServer: tinyproxy/1.11.1\r\n\
             Content-Type: text/html\r\nProxy-Authenticate: Basic realm=\"Tinyproxy\"\r\n\
             Connection: close\r\n\r\n",
            407,
            page,
            "eof",
            BodyEnd::Complete,
        ),
        (
            "HTTP/1.1 403 Access violation\r\nServer: tinyproxy/1.11.1\r\n\
             Content-Type: text/html\r\nConnection: close\r\n\r\n",
            403,
            page,
            "deadline",
            BodyEnd::Timeout,
        ),
        (
            "HTTP/1.1 500 Unable to connect\r\nServer: tinyproxy/1.11.1\r\n\
             Content-Type: text/html\r\nConnection: close\r\n\r\n",
            500,
            page,
            "failure",
            BodyEnd::Closed,
        ),
        ("HTTP/1.1 502 x\r\nContent-Length: 2\r\n\r\n", 502, "no", "", BodyEnd::Complete),
        ("HTTP/1.1 302 x\r\nContent-Length: 2\r\n\r\n", 302, "no", "", BodyEnd::Complete),
        ("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n", 101, "", "", BodyEnd::Complete),
    ] {
        let (mut handshake, mut out) = begin(&http(), "ws://a", &client_config());
        let mut bytes = format!("{head}{body}").into_bytes();
        let received = handshake.receive(&mut Input::new(at_ms(1), &mut bytes), &mut out);
        let error = match last {
            "" => received.unwrap_err(),
            last => {
                assert!(!received.unwrap());
                match last {
                    "eof" => handshake.receive_eof().unwrap_err(),
                    "failure" => handshake.failed().unwrap_err(),
                    _ => handshake.handle_timeout(at_ms(10_000)).unwrap_err(),
                }
            }
        };
        let response = error.response().unwrap();
        assert_eq!(response.status(), status);
        assert_eq!((response.body(), response.body_end()), (body.as_bytes(), end));
        assert!(error.to_string().starts_with(&format!("the proxy answered {status} ")), "{error}");
        if status == 407 {
            let challenge = response.fields().get_str("Proxy-Authenticate");
            assert_eq!(challenge, Some("Basic realm=\"Tinyproxy\""));
        }
        assert_eq!(handshake.poll_timeout(), None);
    }
}

#[test]
fn hc10_v2_replies_that_are_not_http_or_too_long() {
    type IsRight = fn(&ProxyError) -> bool;
    let cases: [(&[u8], IsRight); 5] = [
        (b"\x05\x00", |error| matches!(error, ProxyError::BadHead(HeadError::Version))),
        (b"\x15\x03\x01\x00\x02\x02\x46", |error| {
            matches!(error, ProxyError::BadHead(HeadError::Version))
        }),
        (b"HTTP/2 200\r\n", |error| matches!(error, ProxyError::BadHead(HeadError::MajorVersion))),
        (b"HTTP/1.1 200 OK\n\n", |error| matches!(error, ProxyError::BadHead(_))),
        (b"HTTP/1.1 2000 OK\r\n", |error| matches!(error, ProxyError::BadHead(HeadError::Status))),
    ];
    for (reply, is_right) in cases {
        let error = talk(&http(), &[reply]).0.unwrap_err();
        assert!(is_right(&error), "{error:?}");
    }
    let config = Config::client(weak_entropy_for_tests_only()).max_head_len(100).build().unwrap();
    let heads = [
        format!("HTTP/1.1 200 {}", "x".repeat(100)),
        "HTTP/1.1 100 x\r\n\r\n".repeat(6), // the limit is for all heads together
    ];
    for head in heads {
        let (mut handshake, mut out) = begin(&http(), "ws://a", &config);
        let mut bytes = head.into_bytes();
        let result = handshake.receive(&mut Input::new(at_ms(0), &mut bytes), &mut out);
        assert!(matches!(result, Err(ProxyError::Limit(LimitError::HeadTooLong))), "{result:?}");
    }
}

// ---------------------------------------------------------------- SOCKS5

#[test]
fn hc11_the_requests_of_socks5() {
    let ipv6 = [&b"\x05\x01\x00\x04"[..], &[0; 15], b"\x01\x01\xbb"].concat();
    for (url, expected) in [
        // Names are resolved by the proxy.
        ("ws://example.com", &b"\x05\x01\x00\x03\x0bexample.com\x00\x50"[..]),
        ("wss://localhost:8443", b"\x05\x01\x00\x03\x09localhost\x20\xfb"),
        ("ws://192.0.2.1:65535", b"\x05\x01\x00\x01\xc0\x00\x02\x01\xff\xff"),
        ("wss://[::1]", &ipv6),
    ] {
        let (mut handshake, mut out) = begin(&socks(), url, &client_config());
        assert_eq!(out.split_to(out.len()), &b"\x05\x01\x00"[..]);
        let mut reply = *b"\x05\x00";
        assert!(!handshake.receive(&mut Input::new(at_ms(0), &mut reply), &mut out).unwrap());
        assert_eq!(out, expected, "{url}");
    }
}

#[test]
fn hc11_the_dialogue_with_user_and_password() {
    let greeting = &b"\x05\x02\x00\x02"[..];
    let password = &b"\x01\x04user\x06secret"[..];
    let connect = &b"\x05\x01\x00\x03\x01a\x00\x51"[..];
    let end = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    // The replies are those of microsocks 1.0.3.
    let (result, out, _) = talk(&socks_with_password(), &[b"\x05\x02", b"\x01\x00", end]);
    assert!(result.unwrap());
    assert_eq!(out, [greeting, password, connect].concat());
    // A proxy may select the method without authentication.
    let (result, out, _) = talk(&socks_with_password(), &[b"\x05\x00", end]);
    assert!(result.unwrap());
    assert_eq!(out, [greeting, connect].concat());
    let proxy = socks().credentials(&"u".repeat(255), &"p".repeat(255)).unwrap();
    let (_, out, _) = talk(&proxy, &[b"\x05\x02"]);
    let expected = [greeting, b"\x01\xff", &[b'u'; 255], b"\xff", &[b'p'; 255]].concat();
    assert_eq!(out, expected);
}

#[test]
fn hc11_bytes_after_the_reply_belong_to_the_tunnel() {
    let name = [&b"\x05\x00\x05\x00\x00\x03\xff"[..], &[b'x'; 255], b"\x00\x50"].concat();
    let ipv6 = [&b"\x05\x00\x05\x00\x00\x04"[..], &[7; 16], b"\x00\x50"].concat();
    for replies in [
        &b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x46\xa0"[..],
        b"\x05\x00\x05\x00\xff\x01\x00\x00\x00\x00\x00\x00", // the reserved byte has no meaning
        b"\x05\x00\x05\x00\x00\x03\x00\x00\x50",
        &name,
        &ipv6,
    ] {
        let bytes = [replies, b"tunnel"].concat();
        for cut in 0..replies.len() {
            let (first, second) = bytes.split_at(cut);
            let (result, _, rest) = talk(&socks(), &[first, second]);
            assert_eq!((result.unwrap(), &*rest), (true, &b"tunnel"[..]));
        }
        let (result, ..) = talk(&socks(), &[&replies[..replies.len() - 1]]);
        assert!(!result.unwrap());
    }
}

#[test]
fn hc11_refusals_and_violations_of_socks5() {
    use SocksError::{
        AddressType, AuthVersion, Credentials, Method, NoAcceptableMethod, Reply, Version,
    };
    let mut cases = vec![
        (socks(), &b"\x05\xff"[..], NoAcceptableMethod), // microsocks 1.0.3 with a password
        (socks_with_password(), b"\x05\xff", NoAcceptableMethod),
        (socks_with_password(), b"\x05\x02\x01\x02", Credentials(2)), // the same, a wrong one
        (socks_with_password(), b"\x05\x02\x05\x00", AuthVersion(5)),
        (socks(), b"\x05\x02", Method(2)),
        (socks_with_password(), b"\x05\x01", Method(1)),
        (socks(), b"\x04\x00", Version(4)),
        (socks(), b"HTTP/1.0 400 Bad Request", Version(b'H')),
        (socks(), b"\x05\x00\x04", Version(4)),
        (socks(), b"\x05\x00\x05\x00\x00\x02", AddressType(2)),
        (socks(), b"\x05\x00\x05\x00\x00\x00", AddressType(0)),
    ];
    for (code, reply) in [
        (1, SocksReply::GeneralFailure), // microsocks 1.0.3: a name that is not resolved
        (2, SocksReply::NotAllowed),
        (3, SocksReply::NetworkUnreachable),
        (4, SocksReply::HostUnreachable),
        (5, SocksReply::ConnectionRefused), // microsocks 1.0.3: a closed port
        (6, SocksReply::TtlExpired),
        (7, SocksReply::CommandNotSupported),
        (8, SocksReply::AddressTypeNotSupported),
        (9, SocksReply::Other(9)),
        (255, SocksReply::Other(255)),
    ] {
        let bytes = Vec::from([5, 0, 5, code]).leak();
        cases.push((socks(), bytes, Reply(reply)));
    }
    for (proxy, replies, expected) in cases {
        let single: Vec<&[u8]> = replies.chunks(1).collect();
        for fragments in [&[replies][..], &single] {
            let error = talk(&proxy, fragments).0.unwrap_err();
            assert!(
                matches!(error, ProxyError::Socks(found) if found == expected),
                "{error:?}, not {expected:?}"
            );
            let text = error.to_string();
            assert!(text.starts_with("the proxy"), "{text}");
        }
    }
}

#[test]
fn hc11_a_host_is_at_most_255_bytes_long() {
    let (short, long) = ("a".repeat(255), "a".repeat(256));
    let (proxy, config) = (socks(), client_config());
    let (_, out) = begin(&proxy, &format!("ws://{short}"), &config);
    assert_eq!(out.len(), 3);
    let request = request(&format!("ws://{long}"));
    let server = proxy.server(&request).unwrap();
    let mut out = BytesMut::new();
    let error = ProxyHandshake::new(server, &request, &config, at_ms(0), &mut out).unwrap_err();
    assert!(matches!(error, ProxyError::HostTooLong) && out.is_empty());
}

// ---------------------------------------------------------------- both

#[test]
fn hc10_hc11_v25_one_deadline_and_one_error() {
    for proxy in [http(), socks()] {
        let config = client_config();
        let (mut handshake, mut out) = begin(&proxy, "ws://a", &config);
        assert_eq!(handshake.poll_timeout(), Some(at_ms(10_000)));
        assert!(handshake.handle_timeout(at_ms(9_999)).is_ok());
        let error = handshake.handle_timeout(at_ms(10_000)).unwrap_err();
        assert!(matches!(error, ProxyError::Timeout));
        assert!(matches!(handshake.receive_eof(), Err(ProxyError::Timeout)));
        let mut bytes = *b"HTTP/1.1 200 OK\r\n\r\n";
        let received = handshake.receive(&mut Input::new(at_ms(0), &mut bytes), &mut out);
        assert!(matches!(received, Err(ProxyError::Timeout)));
        assert_eq!(handshake.poll_timeout(), None);

        // A trickle of bytes doesn't move the deadline.
        let first = if matches!(
            proxy.server(&request("ws://a")).unwrap().protocol(),
            ProxyProtocol::Http
        ) {
            b'H'
        } else {
            5
        };
        let (mut handshake, mut out) = begin(&proxy, "ws://a", &config);
        let mut late = [first];
        let received = handshake.receive(&mut Input::new(at_ms(10_000), &mut late), &mut out);
        assert!(matches!(received, Err(ProxyError::Timeout)));

        for end in [ProxyHandshake::receive_eof, ProxyHandshake::failed] {
            let (mut handshake, mut out) = begin(&proxy, "ws://a", &config);
            assert!(!handshake.receive(&mut Input::new(at_ms(0), &mut [first]), &mut out).unwrap());
            assert!(matches!(end(&mut handshake), Err(ProxyError::Closed)));
        }
    }
    // An open tunnel has no deadline, and leaves the input unread.
    let (mut handshake, mut out) = begin(&http(), "ws://a", &client_config());
    let mut bytes = *b"HTTP/1.1 200 OK\r\n\r\n";
    // Complete in a late read.
    assert!(handshake.receive(&mut Input::new(at_ms(99_000), &mut bytes), &mut out).unwrap());
    assert_eq!(handshake.poll_timeout(), None);
    assert!(handshake.handle_timeout(at_ms(99_999)).is_ok());
    assert!(handshake.receive_eof().is_ok() && handshake.failed().is_ok());
    let mut more = *b"tunnel";
    let mut input = Input::new(at_ms(0), &mut more);
    assert!(handshake.receive(&mut input, &mut out).unwrap());
    assert_eq!(input.len(), 6);
}

#[test]
fn hc10_hc11_the_seeds_of_the_fuzz_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/proxy");
    let mut count = 0;
    for seed in std::fs::read_dir(folder).unwrap() {
        fuzz::check(&std::fs::read(seed.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 10);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hc10_hc11_v30_any_replies_in_any_split(
        choice in any::<u8>(),
        seed in any::<u8>(),
        start in prop::sample::select(vec![
            &b""[..],
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nx",
            b"HTTP/1.1 407 x\r\nContent-Length: 5\r\n\r\n",
            b"HTTP/1.1 403 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b"HTTP/1.0 500 x\r\n\r\n",
            b"\x05\x00",
            b"\x05\x02\x01\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00",
            b"\x05\x00\x05\x00\x00\x03\x05proxy\x00\x50",
            b"\x05\x00\x05\x01",
        ]),
        tail in prop::collection::vec(any::<u8>(), 0..100),
        change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut data = [&[choice, seed], start, &tail].concat();
        if let Some((at, byte)) = change {
            let at = at.index(data.len());
            data[at] = byte;
        }
        fuzz::check(&data);
    }
}

// ---------------------------------------------------------------- URLs, and the choice of a proxy

#[test]
fn hc12_urls_of_proxies() {
    for (url, host, port) in [
        ("http://proxy.example", "proxy.example", 80),
        ("http://proxy.example/", "proxy.example", 80),
        ("HTTP://proxy:3128", "proxy", 3128),
        ("proxy:3128", "proxy", 3128),
        ("http://[::1]:8080/", "::1", 8080),
        ("http://user@proxy", "proxy", 80),
        ("http://user:p@ss/word@proxy", "proxy", 80),
        ("192.0.2.1", "192.0.2.1", 80),
    ] {
        let proxy = Proxy::http(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let request = request("ws://a");
        let server = proxy.server(&request).unwrap();
        assert_eq!((server.host(), server.port()), (host, port), "{url}");
        assert_eq!(server.protocol(), ProxyProtocol::Http);
    }
    for url in ["socks5://proxy", "socks5h://proxy", "SOCKS5://u:p@proxy/", "proxy"] {
        let proxy = Proxy::socks5(url).unwrap();
        let request = request("wss://a");
        let server = proxy.server(&request).unwrap();
        assert_eq!((server.host(), server.port()), ("proxy", 1080));
        assert_eq!(server.protocol(), ProxyProtocol::Socks5);
    }
    use ProxyUrlError::{Credentials, Host, Path, Port, Scheme};
    for (url, error) in [
        ("", Host),
        ("http://", Host),
        ("http://u:p@", Host),
        ("http://a b", Host),
        ("http://a%20b", Host),
        ("http://a:0", Port),
        ("http://a:65536", Port),
        ("http://a:x", Port),
        ("http://a/b", Path),
        ("http://a?b", Path),
        ("http://a#b", Path),
        ("http://a//", Path),
        ("https://a", Scheme),
        ("socks5://a", Scheme),
        ("socks4://a", Scheme),
        ("://a", Scheme),
        ("http://u%:p@a", Credentials),
        ("http://u%3Ax:p@a", Credentials),
        ("http://u:p%0d%0ax@a", Credentials),
    ] {
        assert_eq!(Proxy::http(url).unwrap_err(), error, "{url}");
    }
    for (url, error) in [
        ("http://a", Scheme),
        ("socks5://user@a", Credentials),
        ("socks5://:password@a", Credentials),
    ] {
        assert_eq!(Proxy::socks5(url).unwrap_err(), error, "{url}");
    }
    assert_eq!(socks().credentials(&"u".repeat(256), "p").unwrap_err(), Credentials);
    assert_eq!(http().credentials("u\r\nX: y", "p").unwrap_err(), Credentials);
    assert_eq!(http().credentials("a:b", "p").unwrap_err(), Credentials);
    for error in [Credentials, Host, Path, Port, Scheme] {
        assert!(error.to_string().starts_with("the proxy's "), "{error}");
    }
}

/// The hosts of the proxies that these variables select for `ws://` and `wss://`.
fn chosen(vars: &[(&str, &str)]) -> [Option<String>; 2] {
    let vars: BTreeMap<&str, &str> = vars.iter().copied().collect();
    let proxy = Proxy::from_vars(|name| vars.get(name).map(|value| (*value).to_owned())).unwrap();
    ["ws://example.com", "wss://example.com"]
        .map(|url| proxy.server(&request(url)).map(|server| server.host().to_owned()))
}

#[test]
fn hc12_variables_of_the_environment() {
    for (vars, plain, secure) in [
        (&[][..], None, None),
        (&[("HTTPS_PROXY", "s")], Some("s"), Some("s")),
        (&[("HTTP_PROXY", "p")], Some("p"), None),
        (&[("ALL_PROXY", "a")], Some("a"), Some("a")),
        (&[("HTTPS_PROXY", "s"), ("HTTP_PROXY", "p")], Some("s"), Some("s")),
        (&[("ALL_PROXY", "a"), ("HTTP_PROXY", "p")], Some("p"), Some("a")),
        (&[("ALL_PROXY", "a"), ("HTTPS_PROXY", "s")], Some("s"), Some("s")),
        (&[("https_proxy", "l"), ("HTTPS_PROXY", "s")], Some("l"), Some("l")),
        (&[("https_proxy", ""), ("HTTPS_PROXY", "s")], Some("s"), Some("s")),
        (&[("all_proxy", "socks5h://a:9")], Some("a"), Some("a")),
        // httpoxy.
        (&[("HTTP_PROXY", "p"), ("REQUEST_METHOD", "GET")], None, None),
        (&[("http_proxy", "p"), ("REQUEST_METHOD", "")], None, None),
        (
            &[("HTTP_PROXY", "p"), ("REQUEST_METHOD", "GET"), ("ALL_PROXY", "a")],
            Some("a"),
            Some("a"),
        ),
        (&[("ALL_PROXY", "a"), ("NO_PROXY", "example.com")], None, None),
        (&[("ALL_PROXY", "a"), ("no_proxy", "other")], Some("a"), Some("a")),
        (&[("ALL_PROXY", "a"), ("NO_PROXY", "example.com:443")], Some("a"), None),
    ] {
        let expected = [plain, secure].map(|host| host.map(str::to_owned));
        assert_eq!(chosen(vars), expected, "{vars:?}");
    }
    for (name, url, error) in [
        ("HTTPS_PROXY", "https://a", ProxyUrlError::Scheme),
        ("http_proxy", "a:b", ProxyUrlError::Port),
        ("ALL_PROXY", "socks5://u@a", ProxyUrlError::Credentials),
    ] {
        let found = Proxy::from_vars(|var| (var == name).then(|| url.to_owned())).unwrap_err();
        assert_eq!((found.variable(), found.error()), (name, error));
        assert!(found.to_string().starts_with(&format!("the variable {name}: ")), "{found}");
    }
    // An invalid HTTP_PROXY of a CGI program is no error either.
    let vars = [("HTTP_PROXY", "x y"), ("REQUEST_METHOD", "GET")];
    assert_eq!(chosen(&vars), [None, None]);
}

#[test]
fn hc12_hosts_without_a_proxy() {
    for (list, hosts, others) in [
        ("", "", "example.com a 192.0.2.1 [::1]"),
        ("*", "example.com a 192.0.2.1 [::1]", ""),
        (
            "example.com",
            "example.com EXAMPLE.com example.com. a.example.com a.b.Example.com:81",
            "xexample.com example.com.org com example.co 192.0.2.1",
        ),
        (".example.com", "a.example.com a.b.example.com", "example.com xexample.com"),
        ("*.example.com", "a.example.com", "example.com xexample.com"),
        ("Example.COM.", "example.com a.example.com", "com"),
        ("a, b,,c  d", "a b c d x.b", "e"),
        ("a:81", "a:81 x.a:81", "a a:82 b:81"),
        ("192.0.2.1", "192.0.2.1 192.0.2.1:81 [::ffff:192.0.2.1]", "192.0.2.2 x.192.0.2.x"),
        ("192.0.2.1:81", "192.0.2.1:81", "192.0.2.1 192.0.2.1:82"),
        ("10.0.0.0/8 192.168.4.0/22", "10.1.2.3 192.168.7.255", "11.0.0.0 192.168.8.0 [a00::]"),
        ("0.0.0.0/0", "192.0.2.1", "[::1] a"),
        ("::1", "[::1] [0:0::1]:81", "[::2] 0.0.0.1"),
        ("[::1]", "[::1]", "[::2]"),
        ("[::1]:81", "[::1]:81", "[::1] [::1]:82"),
        ("2001:db8::/32", "[2001:db8:1::1]", "[2001:db9::1] 32.1.13.184"),
        // IPv4 addresses in the form of IPv6.
        ("::ffff:10.0.0.0/104", "10.1.2.3 [::ffff:10.1.2.3]", "11.0.0.0 [::ffff:11.0.0.0] [::1]"),
        ("::ffff:0:0/96", "192.0.2.1 [::ffff:192.0.2.1]", "[::1] a"),
        // Entries without a meaning.
        (". *. .. a:x a:65536 10.0.0.0/33 x/8 10.0.0.0/-1 [a] : [::1", "", "a b 10.0.0.1 [::1]"),
        ("http://a", "", "a"),
    ] {
        let proxy = http().no_proxy(list);
        for (hosts, is_direct) in [(hosts, true), (others, false)] {
            for host in hosts.split_whitespace() {
                let request = request(&format!("ws://{host}"));
                assert_eq!(proxy.server(&request).is_none(), is_direct, "{host} in {list:?}");
            }
        }
    }
}
