//! The bodies of refusals: a client reads them after the head, up to a limit and within the deadline.

#![allow(clippy::std_instead_of_alloc, reason = "tests")]

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::driver::{Driver, Step};
use sansocket::error::ConfigError;
use sansocket::handshake::{BodyEnd, ClientHandshake, ConnectResponse, HandshakeError};
use sansocket::{Config, ConnectRequest, Input};

use crate::common::head::{client, client_config, cut};
use crate::common::{at_ms, weak_entropy_for_tests_only};

/// The status, the body, its end, and the number of bytes read.
type Outcome = (u16, Vec<u8>, BodyEnd, usize);

/// The last event of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Deadline,
    Eof,
    Failure,
}

fn config(limit: usize) -> Config {
    Config::client(weak_entropy_for_tests_only()).max_refusal_body_len(limit).build().unwrap()
}

fn refusal(error: HandshakeError) -> ConnectResponse {
    let HandshakeError::Status(response) = error else { panic!("{error:?}") };
    *response
}

/// Feeds a response in fragments, then the last event; the response must be a refusal.
fn refused(config: &Config, fragments: &[&[u8]], last: Last) -> Outcome {
    let (mut handshake, _) = client(config);
    let mut taken = 0;
    let mut result = Ok(());
    for fragment in fragments {
        let mut bytes = fragment.to_vec();
        let mut input = Input::new(at_ms(0), &mut bytes);
        let before = input.len();
        let received = handshake.receive(&mut input);
        taken += before - input.len();
        match received {
            Ok(None) => assert!(input.is_empty(), "more bytes are needed, and some are left"),
            Ok(Some(_)) => panic!("opened"),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    if result.is_ok() {
        assert!(handshake.poll_timeout().is_some());
        result = match last {
            Last::Deadline => handshake.handle_timeout(at_ms(10_000)),
            Last::Eof => handshake.receive_eof(),
            Last::Failure => handshake.failed(),
        };
    }
    assert_eq!(handshake.poll_timeout(), None);
    let response = refusal(result.unwrap_err());
    // Later calls return the same error.
    let again = refusal(handshake.receive_eof().unwrap_err());
    assert_eq!((again.body(), again.body_end()), (response.body(), response.body_end()));
    assert_eq!(
        response.is_body_cut(),
        !matches!(response.body_end(), BodyEnd::Complete | BodyEnd::Unread)
    );
    (response.status(), response.body().to_vec(), response.body_end(), taken)
}

/// Checks a response that is fed at once, in single bytes, and split at every byte.
#[track_caller]
fn check(limit: usize, head: &str, body: &[u8], last: Last, expected: (&[u8], BodyEnd)) {
    let config = config(limit);
    let mut bytes = head.replace('\n', "\r\n").into_bytes();
    bytes.extend(b"\r\n");
    bytes.extend(body);
    let at_once = refused(&config, &[&bytes], last);
    assert_eq!((&*at_once.1, at_once.2), expected, "{head}");
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(refused(&config, &single, last), at_once, "{head}: single bytes");
    for at in 1..bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(refused(&config, &[first, second], last), at_once, "{head}: cut at {at}");
    }
}

const HEAD: &str = "HTTP/1.1 401 x\n";
const CHUNKED: &str = "HTTP/1.1 401 x\nTransfer-Encoding: chunked\n";

#[test]
fn hc5_bodies_of_known_length() {
    use BodyEnd::{Closed, Complete, Timeout, TooLong};
    let head = "HTTP/1.1 401 x\nContent-Length: 13\n";
    for (limit, body, last, expected) in [
        (100, &b"token expired"[..], Last::Eof, (&b"token expired"[..], Complete)),
        (13, b"token expired", Last::Eof, (b"token expired", Complete)),
        (100, b"token expired and more", Last::Eof, (b"token expired", Complete)),
        (12, b"token expired", Last::Eof, (b"token expire", TooLong)),
        (1, b"token expired", Last::Eof, (b"t", TooLong)),
        (0, b"token expired", Last::Eof, (b"", TooLong)),
        (100, b"token", Last::Eof, (b"token", Closed)),
        (100, b"token", Last::Failure, (b"token", Closed)),
        (100, b"token", Last::Deadline, (b"token", Timeout)),
        (100, b"", Last::Deadline, (b"", Timeout)),
    ] {
        check(limit, head, body, last, expected);
    }
}

#[test]
fn hc5_malformed_content_lengths() {
    use BodyEnd::{Closed, Complete, Malformed, TooLong};
    for (value, expected) in [
        ("2", (&b"ab"[..], Complete)),
        ("0002", (b"ab", Complete)),
        ("0", (b"", Complete)),
        ("18446744073709551615", (b"abc", Closed)),
        ("18446744073709551616", (b"abc", Closed)),
        ("99999999999999999999999999999999999999", (b"abc", Closed)),
        ("", (b"", Malformed)),
        ("-1", (b"", Malformed)),
        ("+2", (b"", Malformed)),
        ("2.0", (b"", Malformed)),
        ("0x2", (b"", Malformed)),
        ("2, 2", (b"", Malformed)),
        ("2\nContent-Length: 2", (b"", Malformed)),
        ("2\nTransfer-Encoding: chunked", (b"", Malformed)),
    ] {
        let head = format!("HTTP/1.1 401 x\nContent-Length: {value}\n");
        check(100, &head, b"abc", Last::Eof, expected);
    }
    check(
        2,
        "HTTP/1.1 401 x\nContent-Length: 99999999999999999999\n",
        b"abc",
        Last::Eof,
        (b"ab", TooLong),
    );
}

#[test]
fn hc5_transfer_encodings_other_than_chunked_are_malformed() {
    for head in [
        "HTTP/1.1 401 x\nTransfer-Encoding: gzip, chunked\n",
        "HTTP/1.1 401 x\nTransfer-Encoding: identity\n",
        "HTTP/1.1 401 x\nTransfer-Encoding: xchunked\n",
        "HTTP/1.1 401 x\nTransfer-Encoding:\n",
        "HTTP/1.1 401 x\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n",
        "HTTP/1.0 401 x\nTransfer-Encoding: chunked\n",
    ] {
        check(100, head, b"1\r\na\r\n0\r\n\r\n", Last::Eof, (b"", BodyEnd::Malformed));
    }
}

#[test]
fn hc5_bodies_that_end_with_the_transport() {
    use BodyEnd::{Closed, Complete, Timeout, TooLong};
    for (limit, last, expected) in [
        (100, Last::Eof, (&b"abc"[..], Complete)),
        (3, Last::Eof, (b"abc", Complete)),
        (2, Last::Eof, (b"ab", TooLong)),
        (0, Last::Eof, (b"", TooLong)),
        (100, Last::Failure, (b"abc", Closed)),
        (100, Last::Deadline, (b"abc", Timeout)),
        (3, Last::Deadline, (b"abc", Timeout)),
    ] {
        check(limit, HEAD, b"abc", last, expected);
        check(limit, "HTTP/1.0 302 x\nLocation: /a\n", b"abc", last, expected);
        check(limit, "HTTP/1.1 200 OK\n", b"abc", last, expected);
    }
}

#[test]
fn hc5_statuses_without_a_body_end_with_the_head() {
    for (status, fields) in [
        (204, ""),
        (204, "Content-Length: 5\n"),
        (304, ""),
        (304, "Content-Length: 5\n"),
        (304, "Transfer-Encoding: chunked\n"),
    ] {
        let head = format!("HTTP/1.1 {status} x\n{fields}");
        check(100, &head, b"hello", Last::Deadline, (b"", BodyEnd::Complete));
    }
}

#[test]
fn hc5_chunked_bodies() {
    use BodyEnd::{Closed, Complete, Timeout, TooLong};
    for (limit, body, last, expected) in [
        (100, &b"0\r\n\r\n"[..], Last::Deadline, (&b""[..], Complete)),
        (100, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nrest", Last::Deadline, (b"abcde", Complete)),
        (5, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Last::Deadline, (b"abcde", Complete)),
        (
            100,
            b"000000000000000A\r\n0123456789\r\n000\r\n\r\n",
            Last::Eof,
            (b"0123456789", Complete),
        ),
        (100, b"1;a=b;c=\"d e\"\r\na\r\n0 ; x\r\n\r\n", Last::Eof, (b"a", Complete)),
        (100, b"1\r\na\r\n0\r\nDigest: x\r\nY:\r\n\r\n", Last::Eof, (b"a", Complete)),
        (4, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Last::Eof, (b"abcd", TooLong)),
        (3, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Last::Eof, (b"abc", TooLong)),
        (0, b"3\r\nabc\r\n0\r\n\r\n", Last::Eof, (b"", TooLong)),
        (3, b"ffffffffffffffff\r\nabcdef", Last::Eof, (b"abc", TooLong)),
        (100, b"ffffffffffffffff\r\nabcdef", Last::Eof, (b"abcdef", Closed)),
        (100, b"3\r\nabc\r\n", Last::Eof, (b"abc", Closed)),
        (100, b"3\r\nabc\r\n0\r\n", Last::Eof, (b"abc", Closed)),
        (100, b"3\r\nabc\r\n0\r\n\r", Last::Failure, (b"abc", Closed)),
        (100, b"3\r\nabc\r\n", Last::Deadline, (b"abc", Timeout)),
    ] {
        check(limit, CHUNKED, body, last, expected);
    }
    let head = "HTTP/1.1 500 x\ntransfer-encoding: CHUNKED\n";
    check(100, head, b"1\r\na\r\n0\r\n\r\n", Last::Deadline, (b"a", Complete));
}

#[test]
fn hc5_malformed_chunks_keep_the_status_and_the_data_before_them() {
    for (body, data) in [
        (&b"\r\n"[..], &b""[..]),
        (b"x\r\n", b""),
        (b"-1\r\n", b""),
        (b"+1\r\na\r\n", b""),
        (b"0x1\r\na\r\n", b""),
        (b" 1\r\na\r\n", b""),
        (b";a\r\n", b""),
        (b"1g\r\na\r\n", b""),
        (b"1\na\n0\n\n", b""),
        (b"1\rxa", b""),
        (b"1;a\0\r\n", b""),
        (b"00000000000000001\r\na\r\n", b""),
        (b"10000000000000000\r\na\r\n", b""),
        (b"2\r\nabc\r\n", b"ab"),
        (b"2\r\nab\n0\r\n\r\n", b"ab"),
        (b"2\r\nab\r\r0\r\n\r\n", b"ab"),
        (b"2\r\nab\r\n\r\n", b"ab"),
        (b"1\r\na\r\n0\r\n: x\r\n\r\n", b"a"),
        (b"1\r\na\r\n0\r\n folded\r\n\r\n", b"a"),
        (b"1\r\na\r\n0\r\nA: \0\r\n\r\n", b"a"),
        (b"1\r\na\r\n0\r\nA: b\n\r\n", b"a"),
        (b"1\r\na\r\n0\r\n\rx", b"a"),
    ] {
        check(100, CHUNKED, body, Last::Deadline, (data, BodyEnd::Malformed));
    }
}

#[test]
fn hc5_v8_the_framing_of_a_chunked_body_is_bounded() {
    let config = |limit| {
        Config::client(weak_entropy_for_tests_only())
            .max_head_len(limit)
            .max_refusal_body_len(1000)
            .build()
            .unwrap()
    };
    let head = b"HTTP/1.1 401 x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let extension = [&*head, b"1;", &[b'x'; 200], b"\r\na\r\n0\r\n\r\n"].concat();
    let trailer = [&*head, b"1\r\na\r\n0\r\nA: ", &[b'x'; 198], b"\r\n\r\n"].concat();
    let many = [&*head, &b"1;x\r\na\r\n".repeat(101), b"0\r\n\r\n"].concat();
    for (bytes, exact) in [(extension, 201), (trailer, 201), (many, 202)] {
        let outcome = refused(&config(exact), &[&bytes], Last::Eof);
        assert_eq!((outcome.2, outcome.3), (BodyEnd::Complete, bytes.len()));
        let outcome = refused(&config(exact - 1), &[&bytes], Last::Eof);
        assert_eq!(outcome.2, BodyEnd::TooLong);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(refused(&config(exact - 1), &single, Last::Eof), outcome);
    }
}

#[test]
fn hc5_a_body_of_100_kib_is_truncated_at_64_kib() {
    let (config, data) = (client_config(), vec![b'a'; 100 << 10]);
    assert_eq!(config.max_refusal_body_len(), 64 << 10);
    let length = [b"HTTP/1.1 401 x\r\nContent-Length: 102400\r\n\r\n", &*data].concat();
    let chunked = [
        b"HTTP/1.1 401 x\r\nTransfer-Encoding: chunked\r\n\r\n19000\r\n",
        &*data,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let until_end = [b"HTTP/1.1 401 x\r\n\r\n", &*data].concat();
    for (bytes, head, shows) in [(length, 42, 0), (chunked, 53, 0), (until_end, 18, 1)] {
        for len in [bytes.len(), 1460, 16 << 10] {
            let fragments: Vec<&[u8]> = bytes.chunks(len).collect();
            let (status, body, end, taken) = refused(&config, &fragments, Last::Deadline);
            assert_eq!((status, end), (401, BodyEnd::TooLong));
            assert!(body == vec![b'a'; 64 << 10]);
            // Bytes beyond the limit stay in the input, except for the one that shows the excess.
            assert_eq!(taken, head + (64 << 10) + shows);
        }
    }
}

#[test]
fn hc5_v8_an_announced_length_allocates_no_memory() {
    let limit = isize::MAX as usize;
    for head in [
        &b"HTTP/1.1 401 x\r\nContent-Length: 9223372036854775807\r\n\r\nabc"[..],
        b"HTTP/1.1 401 x\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nabc",
    ] {
        let outcome = refused(&config(limit), &[head], Last::Eof);
        assert_eq!((&*outcome.1, outcome.2), (&b"abc"[..], BodyEnd::Closed));
    }
    let builder = Config::client(weak_entropy_for_tests_only());
    let error = builder.max_refusal_body_len(limit + 1).build().unwrap_err();
    assert_eq!(error, ConfigError::LimitTooLarge("max_refusal_body_len"));
}

#[test]
fn hc5_v25_a_slow_body_ends_at_the_deadline() {
    for head in ["Content-Length: 1000", "Transfer-Encoding: chunked", "X: y"] {
        let (mut handshake, _) = client(&client_config());
        let mut bytes = format!("HTTP/1.1 503 x\r\n{head}\r\n\r\n").into_bytes();
        assert!(matches!(handshake.receive(&mut Input::new(at_ms(0), &mut bytes)), Ok(None)));
        let mut body: Vec<u8> = Vec::new();
        let chunks = b"1\r\na\r\n".iter().copied().cycle();
        for (second, byte) in (1..).zip(chunks) {
            assert_eq!(handshake.poll_timeout(), Some(at_ms(10_000)));
            body.push(byte);
            match handshake.receive(&mut Input::new(at_ms(1000 * second), &mut [byte])) {
                Ok(None) => assert!(second < 10),
                Ok(Some(_)) => panic!("opened"),
                Err(error) => {
                    assert_eq!(second, 10);
                    let response = refusal(error);
                    assert_eq!(response.body_end(), BodyEnd::Timeout);
                    let data = if head.starts_with('T') { b"aa".to_vec() } else { body };
                    assert_eq!((response.status(), response.body()), (503, &*data));
                    break;
                }
            }
        }
    }
}

#[test]
fn hc5_a_body_that_is_complete_in_a_late_read_is_complete() {
    let (mut handshake, _) = client(&client_config());
    let mut bytes = *b"HTTP/1.1 401 x\r\nContent-Length: 2\r\n\r\nok";
    let error = handshake.receive(&mut Input::new(at_ms(99_000), &mut bytes)).unwrap_err();
    assert_eq!(refusal(error).body_end(), BodyEnd::Complete);
}

#[test]
fn hc5_without_a_head_there_is_no_refusal() {
    for head in [&b""[..], b"HTTP/1.1 401 x\r\nContent-Length: 2\r\n\r"] {
        type End = fn(&mut ClientHandshake) -> Result<(), HandshakeError>;
        let ends: [End; 3] = [ClientHandshake::receive_eof, ClientHandshake::failed, |handshake| {
            handshake.handle_timeout(at_ms(10_000))
        }];
        for end in ends {
            let (mut handshake, _) = client(&client_config());
            let mut bytes = head.to_vec();
            assert!(matches!(handshake.receive(&mut Input::new(at_ms(0), &mut bytes)), Ok(None)));
            let error = end(&mut handshake).unwrap_err();
            assert!(matches!(
                error,
                HandshakeError::ClosedWithoutResponse | HandshakeError::Timeout
            ));
        }
    }
}

#[test]
fn hc5_redirects_keep_location_and_body() {
    let bytes = b"HTTP/1.1 302 Found\r\nLocation: https://example.com/chat\r\n\
        Content-Length: 5\r\n\r\nmoved";
    let (mut handshake, _) = client(&client_config());
    let mut bytes = bytes.to_vec();
    let error = handshake.receive(&mut Input::new(at_ms(0), &mut bytes)).unwrap_err();
    assert!(error.to_string().contains("redirects are not followed"));
    let response = refusal(error);
    assert_eq!((response.body(), response.is_body_cut()), (&b"moved"[..], false));
    let request = ConnectRequest::new(response.location().unwrap()).unwrap();
    assert!(request.is_secure());
    assert_eq!((request.host(), request.port(), request.target()), ("example.com", 443, "/chat"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hc5_v30_any_split_of_the_input_gives_the_same_body(
        head in prop::sample::select(vec![
            "", "Content-Length: 7", "Content-Length: 300", "Transfer-Encoding: chunked",
        ]),
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cuts in prop::collection::vec(0_usize..500, 0..8),
        limit in prop::sample::select(vec![0_usize, 7, 50, 1000]),
        last in prop::sample::select(vec![Last::Deadline, Last::Eof, Last::Failure]),
    ) {
        let mut body = Vec::new();
        for chunk in &chunks {
            body.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            body.extend(chunk);
            body.extend(b"\r\n");
        }
        body.extend(b"0\r\n\r\n");
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let fields = if head.is_empty() { String::new() } else { format!("{head}\r\n") };
        let mut bytes = format!("HTTP/1.1 403 x\r\n{fields}\r\n").into_bytes();
        bytes.extend(body);
        let config = config(limit);
        let at_once = refused(&config, &[&bytes], last);
        prop_assert!(at_once.1.len() <= limit);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&refused(&config, &single, last), &at_once);
        prop_assert_eq!(&refused(&config, &cut(&bytes, &cuts), last), &at_once);
    }
}

// ---------------------------------------------------------------- through the driver

/// A driver that has read these bytes.
fn driver(bytes: &[u8]) -> Driver {
    let request = ConnectRequest::new("ws://example.com/chat").unwrap();
    let mut driver = Driver::client(&request, &client_config(), at_ms(0)).unwrap();
    let len = driver.flow.output().len();
    driver.flow.write_done(len, at_ms(0));
    for fragment in bytes.chunks(10) {
        assert_eq!(driver.step(), Step::Read);
        driver.room(|| vec![0; 1000].into())[..fragment.len()].copy_from_slice(fragment);
        driver.read_done(fragment.len(), at_ms(1));
    }
    driver
}

#[test]
fn hc5_the_driver_reads_the_body_before_it_ends() {
    let head = "HTTP/1.1 401 x\r\nContent-Length: 13\r\n\r\n";
    for (body, end) in [
        ("token expired", BodyEnd::Complete),
        ("token", BodyEnd::Closed),
        ("token", BodyEnd::Timeout),
    ] {
        let mut driver = driver(format!("{head}{body}").as_bytes());
        if end != BodyEnd::Complete {
            assert_eq!(driver.step(), Step::Read);
            assert!(driver.flow.handshake_error().is_none());
            assert_eq!(driver.deadline(at_ms(1)), Some(at_ms(10_000)));
        }
        if end == BodyEnd::Closed {
            driver.read_done(0, at_ms(2));
        } else if end == BodyEnd::Timeout {
            driver.timed_out(at_ms(10_000));
        }
        assert_eq!(driver.step(), Step::Done);
        let response = refusal(driver.flow.handshake_error().unwrap().clone());
        assert_eq!((response.body(), response.body_end()), (body.as_bytes(), end));
        assert!(driver.flow.take_response().is_none());
    }
}

#[test]
fn hc5_a_transport_failure_inside_a_body_keeps_the_refusal() {
    let mut in_a_body = driver(b"HTTP/1.1 401 x\r\n\r\ntoken");
    assert_eq!(in_a_body.step(), Step::Read);
    in_a_body.flow.failed();
    assert_eq!(in_a_body.step(), Step::Done);
    let response = refusal(in_a_body.flow.handshake_error().unwrap().clone());
    assert_eq!((response.body(), response.body_end()), (&b"token"[..], BodyEnd::Closed));

    let mut in_a_head = driver(b"HTTP/1.1 401 x\r\n");
    assert_eq!(in_a_head.step(), Step::Read);
    in_a_head.flow.failed();
    assert_eq!(in_a_head.step(), Step::Done);
    assert!(in_a_head.flow.handshake_error().is_none());
}

#[test]
fn hc5_refusals_are_cheap_to_clone_and_show_no_body() {
    let mut out = BytesMut::new();
    let request = ConnectRequest::new("ws://a").unwrap();
    let mut handshake =
        ClientHandshake::new(&request, &client_config(), at_ms(0), &mut out).unwrap();
    let mut bytes = *b"HTTP/1.1 401 x\r\nContent-Length: 7\r\n\r\nhunter2";
    let response = refusal(handshake.receive(&mut Input::new(at_ms(0), &mut bytes)).unwrap_err());
    assert_eq!(response.clone().body().as_ptr(), response.body().as_ptr());
    let text = format!("{response:?} {handshake:?}");
    assert!(text.contains("body: 7 bytes") && !text.contains("hunter2"), "{text}");
}

// ---------------------------------------------------------------- through the adapters

/// A server that sends each response in fragments, 20 ms apart, and then does `last`.
#[cfg(feature = "std")]
mod adapters {
    use core::time::Duration;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;
    use sansocket::blocking;
    use sansocket::error::{ConnectError, ConnectErrorKind};

    const FRAGMENTS: [&str; 3] =
        ["HTTP/1.1 401 x\r\nContent-Length: 13\r\n\r\n", "token ", "expired"];

    fn serve(fragments: &'static [&'static str], last: Last) -> ConnectRequest {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut stream);
            stream.set_nodelay(true).unwrap();
            for fragment in fragments {
                stream.write_all(fragment.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
            if last == Last::Deadline {
                // Until the end of the client.
                let _ = stream.read(&mut [0; 100]);
            }
        });
        ConnectRequest::new(&url).unwrap()
    }

    fn read_request(stream: &mut TcpStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1);
            request.push(byte[0]);
        }
    }

    fn short_config() -> Config {
        let config = Config::client(weak_entropy_for_tests_only());
        config.handshake_timeout(Duration::from_millis(500)).build().unwrap()
    }

    #[track_caller]
    fn check(error: ConnectError, body: &str, end: BodyEnd) {
        let ConnectErrorKind::Handshake(error) = error.into_kind() else { panic!() };
        let response = refusal(error);
        assert_eq!((response.body(), response.body_end()), (body.as_bytes(), end));
    }

    #[test]
    fn hc5_blocking_reads_a_body_that_follows_the_head() {
        let request = serve(&FRAGMENTS, Last::Deadline);
        let error = blocking::WebSocket::connect(&request, &client_config()).unwrap_err();
        check(error, "token expired", BodyEnd::Complete);
        let request = serve(&FRAGMENTS[..2], Last::Eof);
        let error = blocking::WebSocket::connect(&request, &client_config()).unwrap_err();
        check(error, "token ", BodyEnd::Closed);
        let request = serve(&FRAGMENTS[..2], Last::Deadline);
        let error = blocking::WebSocket::connect(&request, &short_config()).unwrap_err();
        check(error, "token ", BodyEnd::Timeout);
    }

    #[cfg(feature = "tokio")]
    #[tokio::test]
    async fn hc5_tokio_reads_a_body_that_follows_the_head() {
        use sansocket::tokio::WebSocket;

        let request = serve(&FRAGMENTS, Last::Deadline);
        let error = WebSocket::connect(&request, &client_config()).await.unwrap_err();
        check(error, "token expired", BodyEnd::Complete);
        let request = serve(&FRAGMENTS[..2], Last::Eof);
        let error = WebSocket::connect(&request, &client_config()).await.unwrap_err();
        check(error, "token ", BodyEnd::Closed);
        let request = serve(&FRAGMENTS[..2], Last::Deadline);
        let error = WebSocket::connect(&request, &short_config()).await.unwrap_err();
        check(error, "token ", BodyEnd::Timeout);
    }
}
