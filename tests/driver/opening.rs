//! The opening handshake in the driver.

use sansocket::driver::{Driver, Step};
use sansocket::error::{MisuseError, SendError, TimeoutError};
use sansocket::handshake::{
    Fields, HandshakeError, HttpResponse, HttpVersion, Refusal, RequestHead,
};
use sansocket::{AcceptOptions, ConnectRequest, Event, Role};

use crate::driver::support::{Loop, Pipe, Style, at_ms, preset};

const REQUEST: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";

fn server() -> Driver {
    Driver::server(&preset(Role::Server).build().unwrap(), at_ms(0))
}

fn client() -> Driver {
    let request = ConnectRequest::new("ws://example.com/chat").unwrap();
    Driver::client(&request, &preset(Role::Client).build().unwrap(), at_ms(0)).unwrap()
}

/// Passes bytes to a driver, without events.
fn give(driver: &mut Driver, bytes: &[u8], ms: u64) {
    assert_eq!(driver.step(), Step::Read);
    driver.room(|| vec![0; 64 << 10].into())[..bytes.len()].copy_from_slice(bytes);
    driver.read_done(bytes.len(), at_ms(ms));
}

fn write_all(driver: &mut Driver, ms: u64) -> Vec<u8> {
    let bytes = driver.flow.output().to_vec();
    driver.flow.write_done(bytes.len(), at_ms(ms));
    bytes
}

/// Runs both ends to the end of their handshakes, with at most `cut` bytes per transfer in each
/// direction.
fn open_both(style: Style, capacity: usize) {
    let mut client = Loop::new(client(), style);
    let mut server = Loop::new(server(), style);
    let (mut up, mut down) = (Pipe::new(capacity), Pipe::new(capacity));
    let mut opened = false;
    let mut heard = [false, false];
    for _ in 0..100_000 {
        server.turn(1, &mut up, &mut down, |event, _| {
            assert_eq!(event, Event::Text("from the client"));
            heard[0] = true;
        });
        client.turn(1, &mut down, &mut up, |event, _| {
            assert_eq!(event, Event::Text("from the server"));
            heard[1] = true;
        });
        if client.driver.step() == Step::Opened {
            assert_eq!(client.driver.flow.send_text("early"), Err(SendError::NotOpen));
            let response = client.driver.flow.take_response().unwrap();
            assert_eq!(response.status(), 101);
            assert!(client.driver.flow.take_response().is_none());
            client.driver.flow.send_text("from the client").unwrap();
            opened = true;
        }
        if server.driver.step() == Step::Request {
            assert_eq!(server.driver.flow.send_text("early"), Err(SendError::NotOpen));
            assert_eq!(server.driver.step(), Step::Request);
            let request = server.driver.flow.take_request().unwrap();
            assert_eq!(request.target(), "/chat");
            assert!(server.driver.flow.take_request().is_none());
            assert_eq!(server.driver.step(), Step::Request, "until it is answered");
            let options = AcceptOptions::new();
            server.driver.flow.accept(&request, &options, at_ms(0)).unwrap();
            // Perhaps in the same packet as the response.
            server.driver.flow.send_text("from the server").unwrap();
        }
        if heard == [true, true] {
            assert!(opened);
            return;
        }
    }
    panic!("not opened: {client:?} {server:?}");
}

#[test]
fn both_roles_open_however_the_input_is_split() {
    for style in [Style::Readiness, Style::Loan, Style::Completion] {
        for capacity in [1, 7, 100, 100_000] {
            open_both(style, capacity);
        }
    }
}

#[test]
fn frames_after_the_request_are_the_first_frames_and_answered_after_the_101() {
    let mut driver = server();
    let mut bytes = REQUEST.to_vec();
    bytes.extend(b"\x89\x81\0\0\0\0p\x81\x82\0\0\0\0hi");
    give(&mut driver, &bytes, 0);
    assert_eq!(driver.step(), Step::Request);
    assert!(driver.flow.output().is_empty(), "no frame is answered before the 101");
    let request = driver.flow.take_request().unwrap();
    driver.flow.accept(&request, &AcceptOptions::new(), at_ms(0)).unwrap();
    assert_eq!(driver.step(), Step::Event);
    assert!(matches!(driver.receive(), Ok(Some((Event::Ping(b"p"), _)))));
    assert_eq!(driver.step(), Step::Event);
    assert!(matches!(driver.receive(), Ok(Some((Event::Text("hi"), _)))));
    let output = driver.flow.output();
    assert!(output.starts_with(b"HTTP/1.1 101 "));
    assert!(output.ends_with(b"\r\n\r\n\x8a\x01p"));
}

#[test]
fn no_frame_is_an_event_before_the_opening_handshake_is_done() {
    let mut in_place_of_a_request = server();
    give(&mut in_place_of_a_request, b"\x81\x82\0\0\0\0hi", 0);
    assert_ne!(in_place_of_a_request.step(), Step::Event);
    assert!(matches!(in_place_of_a_request.receive(), Ok(None)));

    let (mut server, mut client) = (server(), client());
    let request = [write_all(&mut client, 0), b"\x81\x82\0\0\0\0hi".to_vec()].concat();
    give(&mut server, &request, 0);
    for _ in 0..2 {
        assert_eq!(server.step(), Step::Request);
        assert!(matches!(server.receive(), Ok(None)));
    }
    let request = server.flow.take_request().unwrap();
    server.flow.accept(&request, &AcceptOptions::new(), at_ms(0)).unwrap();
    assert_eq!(server.step(), Step::Event);

    let response = [write_all(&mut server, 0), b"\x81\x02hi".to_vec()].concat();
    give(&mut client, &response, 0);
    for _ in 0..2 {
        assert_eq!(client.step(), Step::Opened);
        assert!(matches!(client.receive(), Ok(None)));
    }
    client.flow.take_response().unwrap();
    assert_eq!(client.step(), Step::Event);
}

#[test]
fn v35_a_slow_request_is_answered_with_408_at_its_deadline() {
    let mut driver = server();
    for ms in [0, 5000, 9999] {
        give(&mut driver, b"G", ms);
        assert_eq!(driver.step(), Step::Read);
        assert_eq!(driver.deadline(at_ms(ms)), Some(at_ms(10_000)));
    }
    driver.timed_out(at_ms(9999));
    assert_eq!(driver.step(), Step::Read, "early is no error");
    driver.timed_out(at_ms(10_000));
    assert_eq!(driver.step(), Step::Write { or_read: true });
    assert!(write_all(&mut driver, 10_000).starts_with(b"HTTP/1.1 408 "));
    assert_eq!(driver.flow.refusal().unwrap().status(), 408);
    assert_eq!(driver.step(), Step::EndWriting);
    driver.flow.writing_ended();
    assert_eq!(driver.step(), Step::Drain);
    assert_eq!(driver.deadline(at_ms(10_000)), Some(at_ms(12_000)));
    driver.timed_out(at_ms(12_000));
    assert_eq!(driver.step(), Step::Done);
    assert_eq!(driver.flow.error(), None);
}

#[test]
fn an_unread_response_fails_at_the_handshake_deadline() {
    let mut driver = server();
    give(&mut driver, REQUEST, 3000);
    assert_eq!(driver.step(), Step::Request);
    let request = driver.flow.take_request().unwrap();
    driver.flow.accept(&request, &AcceptOptions::new(), at_ms(4000)).unwrap();
    assert_eq!(driver.step(), Step::Write { or_read: true });
    assert_eq!(driver.deadline(at_ms(4000)), Some(at_ms(10_000)));
    driver.timed_out(at_ms(10_000));
    assert_eq!(driver.flow.error(), Some(TimeoutError::Handshake.into()));
    // A response that was written in time has no deadline any more.
    let mut driver = server();
    give(&mut driver, REQUEST, 3000);
    driver.step();
    let request = driver.flow.take_request().unwrap();
    driver.flow.accept(&request, &AcceptOptions::new(), at_ms(4000)).unwrap();
    write_all(&mut driver, 4000);
    driver.timed_out(at_ms(10_000));
    assert_eq!(driver.flow.error(), None);
}

#[test]
fn requests_are_refused_or_answered_with_pages() {
    for (head_only, path) in [(false, "GET"), (true, "HEAD")] {
        let mut driver = server();
        let request = format!("{path} /page HTTP/1.1\r\nHost: a\r\n\r\n");
        give(&mut driver, request.as_bytes(), 0);
        assert_eq!(driver.step(), Step::Request);
        driver.flow.take_request().unwrap();
        let page = HttpResponse::new(200).unwrap().with_body("text/plain", "page").unwrap();
        driver.flow.respond(&page).unwrap();
        assert_eq!(driver.flow.respond(&page), Err(MisuseError::NoRequest));
        assert_eq!(driver.flow.send_text("late"), Err(SendError::Closed));
        assert_eq!(driver.step(), Step::Write { or_read: true });
        let written = write_all(&mut driver, 0);
        assert!(written.starts_with(b"HTTP/1.1 200 "));
        assert_eq!(written.ends_with(b"page"), !head_only);
        assert_eq!(driver.step(), Step::EndWriting);
    }
    let mut driver = server();
    let refusal = Refusal::new(401).unwrap();
    assert_eq!(driver.flow.refuse(refusal.clone()), Err(MisuseError::NoRequest));
    give(&mut driver, REQUEST, 0);
    assert_eq!(driver.step(), Step::Request);
    driver.flow.refuse(refusal).unwrap();
    driver.step();
    assert!(write_all(&mut driver, 0).starts_with(b"HTTP/1.1 401 "));
    assert_eq!(driver.flow.refusal().unwrap().status(), 401);
}

/// The driver uses HTTP/1.1: a response without a form in HTTP/1.1 would leave the peer without a
/// response.
#[test]
fn a_response_for_another_http_version_is_misuse() {
    for version in [HttpVersion::Http2, HttpVersion::Http3] {
        let fields = [("sec-websocket-version", &b"13"[..])];
        let fields = Fields::new(&fields);
        let head = RequestHead::extended_connect("websocket", "https", "a", "/", fields);
        let request = head.with_version(version).upgrade().unwrap();
        let accepted = request.accept(&AcceptOptions::new()).unwrap();
        let mut driver = server();
        let none = driver.flow.accept_with(accepted.clone(), at_ms(0));
        assert_eq!(none, Err(MisuseError::NoRequest));
        give(&mut driver, REQUEST, 0);
        assert_eq!(driver.step(), Step::Request);
        let misuse = driver.flow.accept_with(accepted, at_ms(0));
        assert_eq!(misuse, Err(MisuseError::AnswerVersion));
        assert!(!driver.flow.is_open() && driver.flow.output().is_empty());
        // It can still be answered.
        let refusal = request.refuse(401).unwrap();
        driver.flow.refuse(refusal).unwrap();
        driver.step();
        assert!(write_all(&mut driver, 0).starts_with(b"HTTP/1.1 401 "));
        assert_eq!(driver.flow.refusal().unwrap().status(), 401);
    }
}

#[test]
fn a_transport_that_ends_or_fails_before_the_request_is_done() {
    for fail in [Driver::eof, |driver: &mut Driver| driver.flow.failed()] {
        let mut driver = server();
        give(&mut driver, b"GET", 0);
        assert_eq!(driver.step(), Step::Read);
        fail(&mut driver);
        assert_eq!(driver.step(), Step::Done);
        assert!(driver.flow.refusal().is_none());
        assert!(driver.flow.output().is_empty());
    }
}

#[test]
fn a_client_has_the_reason_of_a_failed_handshake() {
    type Fault = fn(&mut Driver);
    let faults: [(Fault, fn(&HandshakeError) -> bool); 4] = [
        (
            |driver| give(driver, b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", 1),
            |error| matches!(error, HandshakeError::Status(response) if response.status() == 403),
        ),
        (|driver| give(driver, b"HTTP/1.1 101\r\n\r\n", 1), |_| true),
        (Driver::eof, |error| matches!(error, HandshakeError::ClosedWithoutResponse)),
        (
            |driver| driver.timed_out(at_ms(10_000)),
            |error| matches!(error, HandshakeError::Timeout),
        ),
    ];
    for (fault, is_right) in faults {
        let mut driver = client();
        assert_eq!(driver.step(), Step::Write { or_read: true });
        assert_eq!(driver.deadline(at_ms(0)), Some(at_ms(10_000)));
        assert!(write_all(&mut driver, 0).starts_with(b"GET /chat HTTP/1.1\r\n"));
        assert_eq!(driver.step(), Step::Read);
        fault(&mut driver);
        assert_eq!(driver.step(), Step::Done);
        let error = driver.flow.handshake_error().unwrap();
        assert!(is_right(error), "{error:?}");
        assert_eq!(driver.flow.send_text("late"), Err(SendError::Closed));
    }
}

#[test]
fn statistics_enabled_before_the_handshake_are_kept() {
    let (mut server, mut client) = (server(), client());
    server.flow.enable_stats();
    client.flow.enable_stats();
    let request = write_all(&mut client, 0);
    give(&mut server, &request, 0);
    assert_eq!(server.step(), Step::Request);
    let request = server.flow.take_request().unwrap();
    server.flow.accept(&request, &AcceptOptions::new(), at_ms(0)).unwrap();
    let response = write_all(&mut server, 0);
    give(&mut client, &response, 0);
    assert_eq!(client.step(), Step::Opened);
    client.flow.take_response().unwrap();
    for driver in [&mut server, &mut client] {
        driver.flow.send_text("one").unwrap();
        assert_eq!(driver.flow.connection().stats().map(|stats| stats.messages_sent), Some(1));
    }
}
