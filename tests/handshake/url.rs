//! `ws://` and `wss://` URLs.

use bytes::BytesMut;
use sansocket::ConnectRequest;
use sansocket::handshake::{ClientHandshake, UrlError};

use crate::common::at_ms;
use crate::common::head::client_config;

#[test]
fn hc1_hc2_valid_urls() {
    for (url, secure, host, port, authority, target) in [
        ("ws://example.com", false, "example.com", 80, "example.com", "/"),
        ("ws://example.com/", false, "example.com", 80, "example.com", "/"),
        ("wss://example.com", true, "example.com", 443, "example.com", "/"),
        ("http://example.com/a?b", false, "example.com", 80, "example.com", "/a?b"),
        ("HTTPS://example.com", true, "example.com", 443, "example.com", "/"),
        ("https://example.com:80/", true, "example.com", 80, "example.com:80", "/"),
        ("WS://Example.COM/A", false, "Example.COM", 80, "Example.COM", "/A"),
        ("wSs://example.com", true, "example.com", 443, "example.com", "/"),
        ("ws://example.com:80/", false, "example.com", 80, "example.com", "/"),
        ("wss://example.com:443/", true, "example.com", 443, "example.com", "/"),
        ("ws://example.com:443/", false, "example.com", 443, "example.com:443", "/"),
        ("wss://example.com:80/", true, "example.com", 80, "example.com:80", "/"),
        ("ws://example.com:/x", false, "example.com", 80, "example.com", "/x"),
        ("ws://example.com:00080/x", false, "example.com", 80, "example.com", "/x"),
        ("ws://localhost:65535", false, "localhost", 65535, "localhost:65535", "/"),
        ("ws://127.0.0.1:9001/ws", false, "127.0.0.1", 9001, "127.0.0.1:9001", "/ws"),
        ("ws://[::1]:9001/ws", false, "::1", 9001, "[::1]:9001", "/ws"),
        ("wss://[2001:DB8::1]", true, "2001:DB8::1", 443, "[2001:DB8::1]", "/"),
        ("ws://a_b.c-d", false, "a_b.c-d", 80, "a_b.c-d", "/"),
        ("ws://example.com.", false, "example.com.", 80, "example.com.", "/"),
        ("ws://a?b=c", false, "a", 80, "a", "/?b=c"),
        ("ws://a/?b=/c?d", false, "a", 80, "a", "/?b=/c?d"),
        ("ws://a//b/../c", false, "a", 80, "a", "//b/../c"),
        ("ws://a/@:b;c=d,e(f)*'!$&+~._-", false, "a", 80, "a", "/@:b;c=d,e(f)*'!$&+~._-"),
        ("ws://a/%20%C3%a4", false, "a", 80, "a", "/%20%C3%a4"),
    ] {
        let request = ConnectRequest::new(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(
            (request.is_secure(), request.host(), request.port(), request.target()),
            (secure, host, port, target),
            "{url}"
        );
        let mut out = BytesMut::new();
        drop(ClientHandshake::new(&request, &client_config(), at_ms(0), &mut out).unwrap());
        let head = format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\n");
        assert!(out.starts_with(head.as_bytes()), "{url}: {out:?}");
    }
}

#[test]
fn hc1_invalid_urls() {
    for (url, error) in [
        ("", UrlError::Scheme),
        ("ws", UrlError::Scheme),
        ("ws:", UrlError::Scheme),
        ("ws:/a", UrlError::Scheme),
        ("ws:a", UrlError::Scheme),
        ("ftp://a", UrlError::Scheme),
        ("http:/a", UrlError::Scheme),
        ("httpss://a", UrlError::Scheme),
        ("https://u:p@a/", UrlError::UserInfo),
        ("http://a/#b", UrlError::Fragment),
        ("wsss://a", UrlError::Scheme),
        ("//a", UrlError::Scheme),
        ("a", UrlError::Scheme),
        (" ws://a", UrlError::Scheme),
        ("\u{e4}ws://a", UrlError::Scheme),
        ("ws://a/#", UrlError::Fragment),
        ("ws://a#b", UrlError::Fragment),
        ("ws://a/b?c#d", UrlError::Fragment),
        ("ws://u@a/", UrlError::UserInfo),
        ("ws://u:p@a/", UrlError::UserInfo),
        ("ws://@a/", UrlError::UserInfo),
        ("ws://", UrlError::Host),
        ("ws:///x", UrlError::Host),
        ("ws://:80/x", UrlError::Host),
        ("ws://?x", UrlError::Host),
        ("ws://a b/", UrlError::Host),
        ("ws://a\\b/", UrlError::Host),
        ("ws://a\r\nb/", UrlError::Host),
        ("ws://a\0/", UrlError::Host),
        ("ws://\u{e4}.de/", UrlError::Host),
        ("ws://a<b/", UrlError::Host),
        ("ws://[::1/", UrlError::Host),
        ("ws://::1/", UrlError::Host),
        ("ws://[]/", UrlError::Host),
        ("ws://[::1]a/", UrlError::Host),
        ("ws://[127.0.0.1]/", UrlError::Host),
        ("ws://[v7.a]/", UrlError::Host),
        ("ws://a:0/", UrlError::Port),
        ("ws://a:65536/", UrlError::Port),
        ("ws://a:999999999999/", UrlError::Port),
        ("ws://a:000080/", UrlError::Port),
        ("ws://a:+80/", UrlError::Port),
        ("ws://a:-1/", UrlError::Port),
        ("ws://a:8o/", UrlError::Port),
        ("ws://a:80:80/", UrlError::Port),
        ("ws://a: 80/", UrlError::Port),
        ("ws://a/b c", UrlError::Character(' ')),
        ("ws://a/ ", UrlError::Character(' ')),
        ("ws://a/\r\nX: y", UrlError::Character('\r')),
        ("ws://a/\n", UrlError::Character('\n')),
        ("ws://a/\0", UrlError::Character('\0')),
        ("ws://a/\t", UrlError::Character('\t')),
        ("ws://a/\x7f", UrlError::Character('\x7f')),
        ("ws://a/x\u{e4}y", UrlError::Character('\u{e4}')),
        ("ws://a/?\u{1f600}", UrlError::Character('\u{1f600}')),
        ("ws://a/\"", UrlError::Character('"')),
        ("ws://a/<", UrlError::Character('<')),
        ("ws://a/\\", UrlError::Character('\\')),
        ("ws://a/{x}", UrlError::Character('{')),
        ("ws://a/?a[]=1", UrlError::Character('[')),
        ("ws://a/%", UrlError::Character('%')),
        ("ws://a/%2", UrlError::Character('%')),
        ("ws://a/%2g", UrlError::Character('%')),
        ("ws://a/%\u{e4}", UrlError::Character('%')),
    ] {
        assert_eq!(ConnectRequest::new(url), Err(error), "{url:?}");
    }
}

/// A resolver parses these hosts as addresses, so a check of `host()` doesn't see the address.
#[test]
fn hc1_hosts_that_end_in_a_number_are_plain_ipv4_addresses() {
    for host in [
        "2130706433",
        "0",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "0X7F.0.0.0x1",
        "0x",
        "0x.0x.0x.0x",
        "0177.0.0.1",
        "127.0.0.01",
        "017700000001",
        "256.0.0.1",
        "127.0.0.256",
        "1.2.3.4.5",
        "127.0.0.1.",
        "127.0.0.1..",
        "127.0.0.1.0x0",
        "example.1",
        "example.com.0x1f",
        "00000000000000000000000000000000000000001",
    ] {
        for suffix in ["", "/", ":80", "?x"] {
            let url = format!("ws://{host}{suffix}");
            assert_eq!(ConnectRequest::new(&url), Err(UrlError::NumericHost), "{url}");
        }
    }
    for host in [
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "1.2.3.4",
        "1.example",
        "0x7f.example",
        "1x",
        "example.1a",
        "example.0xg",
        "1-2",
        "example.x0",
        "_1",
        "1_",
    ] {
        let request = ConnectRequest::new(&format!("ws://{host}/")).unwrap();
        assert_eq!(request.host(), host);
    }
}

#[test]
fn hc1_a_percent_sign_in_a_host_is_refused_with_its_reason() {
    for (url, error) in [
        ("ws://a%2/", UrlError::EncodedHost),
        ("ws://ex%61mple.com/", UrlError::EncodedHost),
        ("ws://127%2e0.0.1:80/", UrlError::EncodedHost),
        ("ws://%00/", UrlError::EncodedHost),
        ("ws://[fe80::1%25eth0]/", UrlError::Zone),
        ("ws://[fe80::1%eth0]:80/", UrlError::Zone),
        ("ws://[%", UrlError::Zone),
        ("ws://a:%80/", UrlError::Port),
        ("ws://[::1]%/", UrlError::Host),
    ] {
        assert_eq!(ConnectRequest::new(url), Err(error), "{url}");
    }
}

#[test]
fn errors_name_the_remedy() {
    for (error, part) in [
        (UrlError::Scheme, "ws:// or wss://"),
        (UrlError::Fragment, "%23"),
        (UrlError::UserInfo, "Authorization"),
        (UrlError::Host, "brackets"),
        (UrlError::EncodedHost, "percent-encoding"),
        (UrlError::NumericHost, "127.0.0.1"),
        (UrlError::Zone, "zone"),
        (UrlError::Port, "1 to 65535"),
        (UrlError::Character('\u{e4}'), "percent-encode"),
        (UrlError::Character('\n'), "'\\n'"),
        (UrlError::Character('%'), "%25"),
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
