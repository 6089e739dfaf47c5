//! Limits of requests: bytes, fields, time.

use core::time::Duration;

use sansocket::handshake::ServerHandshake;
use sansocket::{AcceptOptions, Config, Input};

use crate::common::head::{Lines, serve_chunks};
use crate::common::{at_ms, secs};
use crate::handshake::support::{config, expect};

#[test]
fn v1_v30_byte_by_byte_up_to_the_limit() {
    // Single-byte reads are no attack: bytes, fields and time are limited, reads are not.
    let config = Config::server().max_head_len(70_000).build().unwrap();
    let bytes = Lines::request().with("X", &"x".repeat(65_000)).bytes();
    let chunks: Vec<&[u8]> = bytes.chunks(1).collect();
    let (served, rest) = serve_chunks(&chunks, &config, &AcceptOptions::new());
    assert_eq!((served.status(), rest), (101, 0));
    // A head without an end is refused at the limit.
    let endless = Lines::request().with("X", &"x".repeat(100_000)).bytes();
    let chunks: Vec<&[u8]> = endless.chunks(1).collect();
    let (served, rest) = serve_chunks(&chunks, &config, &AcceptOptions::new());
    assert_eq!((served.status(), rest), (431, endless.len() - 70_000));
}

#[test]
fn v2_too_many_fields() {
    let lines = (0..2000).fold(Lines::request(), |lines, i| lines.with(&format!("X{i}"), ""));
    for max_len in [16 << 10, 1 << 20] {
        let config = Config::server().max_head_len(max_len).build().unwrap();
        let bytes = lines.bytes();
        let (served, _) = serve_chunks(&[&bytes], &config, &AcceptOptions::new());
        assert_eq!(served.status(), 431);
        assert!(served.hint().contains("max_head_fields"));
    }
    let config = Config::server().max_head_len(1 << 20).max_head_fields(2005).build().unwrap();
    let (served, _) = serve_chunks(&[&lines.bytes()], &config, &AcceptOptions::new());
    assert_eq!(served.status(), 101);
    // Exactly the limit.
    for (limit, status) in [(5, 101), (4, 431), (1, 431)] {
        let config = Config::server().max_head_fields(limit).build().unwrap();
        let (served, rest) =
            serve_chunks(&[&Lines::request().bytes()], &config, &AcceptOptions::new());
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
            let (served, rest) = serve_chunks(&[&bytes], &config, &options);
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
        assert_eq!(serve_chunks(&[&bytes], &config, &options).0.status(), 101);
    }
}

#[test]
fn v3_v4_lists_take_linear_time() {
    let config = Config::server().max_head_len(usize::MAX).build().unwrap();
    let options = AcceptOptions::new().subprotocols(["nothing"]).unwrap();
    let time = |name: &str, value: String, status: u16| {
        let bytes = Lines::request().with(name, &value).bytes();
        let start = std_now();
        let (served, _) = serve_chunks(&[&bytes], &config, &options);
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
        let mut chunk = [*byte];
        let mut input = Input::new(now, &mut chunk);
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
