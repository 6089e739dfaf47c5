//! Corner cases of the driver: the end of input with unread input, output that cannot be written,
//! deadlines in unusual states.

use core::time::Duration;

use bytes::BytesMut;
use sansocket::config::ConfigBuilder;
use sansocket::connection::Negotiated;
use sansocket::driver::{Driver, Parts, Step};
use sansocket::error::{EntropyError, PeerError, ProtocolError, SendError, TimeoutError};
use sansocket::{
    AcceptOptions, Config, ConnectRequest, Connection, Entropy, Event, Inbox, Instant, Role,
};

use crate::common::at_ms;
use crate::common::frame::frame;

const MS: Duration = Duration::from_millis(1);
const LOST: ProtocolError = ProtocolError::Peer(PeerError::ClosedWithoutHandshake);

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";

fn quiet() -> ConfigBuilder {
    Config::server().keep_alive(None, None)
}

fn server(config: ConfigBuilder) -> Driver {
    let config = config.build().unwrap();
    Driver::new(Connection::new(Role::Server, &config, &Negotiated::new(), at_ms(0)), at_ms(0))
}

/// Reads `bytes` at `now` into the driver's own buffer.
fn read(driver: &mut Driver, bytes: &[u8], now: Instant) {
    let room = driver.room(|| vec![0; 4096].into_boxed_slice());
    room[..bytes.len()].copy_from_slice(bytes);
    driver.read_done(bytes.len(), now);
}

fn write_all(driver: &mut Driver, now: Instant) -> Vec<u8> {
    let written = driver.flow.output().to_vec();
    driver.flow.write_done(written.len(), now);
    written
}

// ---------------------------------------------------------------------------- the peer's end

#[test]
fn messages_before_the_end_of_input_are_returned_and_answered() {
    let mut driver = server(quiet().max_unsent(200).high_water_mark(20));
    let mut bytes = [frame(0x82, &[7; 30]), frame(0x81, b"second"), frame(0x81, b"third")].concat();
    let mut loan = driver.received(&mut bytes, at_ms(1));
    let (event, mut reply) = loan.next().unwrap().unwrap();
    assert_eq!(event, Event::Binary(&[7; 30]));
    reply.send_binary(&[7; 30]).unwrap();
    // Above the mark: the rest stays in the driver.
    assert!(loan.next().unwrap().is_none());
    drop(loan);
    // The end of input, in a completion of its own.
    assert!(driver.received(&mut [], at_ms(2)).next().unwrap().is_none());
    assert_eq!(driver.step(), Step::Write { or_read: false });
    assert_eq!(write_all(&mut driver, at_ms(3)).len(), 32);
    for text in ["second", "third"] {
        assert_eq!(driver.step(), Step::Event);
        let (event, mut reply) = driver.receive().unwrap().unwrap();
        assert_eq!(event, Event::Text(text));
        reply.send_text(text).unwrap();
    }
    assert_eq!(driver.step(), Step::Write { or_read: false });
    assert_eq!(driver.flow.error(), Some(LOST));
    assert_eq!(write_all(&mut driver, at_ms(4)), b"\x81\x06second\x81\x05third\x88\x02\x03\xea");
    assert_eq!(driver.step(), Step::EndWriting);
    driver.flow.writing_ended();
    assert_eq!(driver.step(), Step::Done);
}

#[test]
fn the_end_of_input_after_a_request_reaches_the_connection() {
    let config = quiet().build().unwrap();
    let mut driver = Driver::server(&config, at_ms(0));
    let mut bytes = [REQUEST, &frame(0x81, b"early")].concat();
    drop(driver.received(&mut bytes, at_ms(1)));
    drop(driver.received(&mut [], at_ms(2)));
    assert_eq!(driver.step(), Step::Request);
    let request = driver.flow.take_request().unwrap();
    driver.flow.accept(&request, &AcceptOptions::new(), at_ms(3)).unwrap();
    assert_eq!(driver.step(), Step::Event);
    assert_eq!(driver.receive().unwrap().unwrap().0, Event::Text("early"));
    // No second end is read.
    assert_eq!(driver.step(), Step::Write { or_read: false });
    assert_eq!(driver.flow.error(), Some(LOST));
}

/// A read into an empty buffer would be taken for the end of input.
#[test]
fn a_read_step_always_has_buffer_space() {
    let long = [&[0x82, 0xff, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0][..], &vec![7; 3 << 16]].concat();
    let before = [REQUEST, &frame(0x81, b"hi"), &frame(0x89, b"ping"), &long].concat();
    let more = frame(0x81, b"more");
    // The peer's Close frame, a frame with a violation and a request with one, each with bytes
    // after it.
    let inputs = [
        [&before[..], &frame(0x88, b""), &more, &more].concat(),
        [&before[..], &frame(0x83, b""), &more, &more].concat(),
        [&b"GET / HTTP/1.1\r\n: \r\n"[..], &more, &more].concat(),
    ];
    let mut or_read_seen = false;
    for input in &inputs {
        for read_len in [1000, 10, input.len()] {
            let config = quiet().build().unwrap();
            let (mut driver, mut input) = (Driver::server(&config, at_ms(0)), &input[..]);
            for turn in 0_u64.. {
                match driver.step() {
                    Step::Request => {
                        let request = driver.flow.take_request().unwrap();
                        driver.flow.accept(&request, &AcceptOptions::new(), at_ms(0)).unwrap();
                    }
                    Step::Event => {
                        if let Ok(Some((event, mut reply))) = driver.receive() {
                            event.data().map(|(data, _)| reply.send(data, Default::default()));
                        }
                    }
                    // The transport accepts some bytes in every other turn.
                    Step::Write { or_read } if !or_read || turn % 2 == 0 || input.is_empty() => {
                        let n = if input.is_empty() { driver.flow.output().len() } else { 1000 };
                        driver.flow.write_done(n.min(driver.flow.output().len()), at_ms(0));
                    }
                    step @ (Step::Read | Step::Drain | Step::Write { .. }) => {
                        or_read_seen |= step == Step::Write { or_read: true };
                        let room = driver.room(|| vec![0; 4096].into());
                        assert!(!room.is_empty(), "{step:?} with {} remaining bytes", input.len());
                        let n = room.len().min(read_len).min(input.len());
                        room[..n].copy_from_slice(&input[..n]);
                        input = &input[n..];
                        driver.read_done(n, at_ms(0));
                    }
                    Step::EndWriting => driver.flow.writing_ended(),
                    Step::Opened => panic!("a server"),
                    Step::Done => break,
                }
            }
        }
    }
    assert!(or_read_seen);
}

#[test]
fn the_end_of_input_after_a_response_does_not_hide_it() {
    fn sevens(bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.fill(7);
        Ok(())
    }
    let config = Config::client(Entropy::from_fn(sevens)).keep_alive(None, None).build().unwrap();
    let request = ConnectRequest::new("ws://a/").unwrap();
    let mut driver = Driver::client(&request, &config, at_ms(0)).unwrap();
    let head = String::from_utf8(write_all(&mut driver, at_ms(0))).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = sansocket::handshake::accept_key(key);
    let response = format!(
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n\u{1}\u{0}\u{0}\u{2}hi"
    );
    let mut bytes = response.into_bytes();
    drop(driver.received(&mut bytes, at_ms(1)));
    drop(driver.received(&mut [], at_ms(2)));
    assert_eq!(driver.step(), Step::Opened);
    assert_eq!(driver.flow.take_response().unwrap().status(), 101);
    // An unfinished message, then the end.
    assert_eq!(driver.step(), Step::Write { or_read: false });
    assert_eq!(driver.flow.error(), Some(LOST));
}

// ---------------------------------------------------------------- output that can't be written

#[test]
fn positions_of_lost_output_are_never_reached() {
    let mut driver = server(quiet());
    driver.flow.send_text("written").unwrap();
    write_all(&mut driver, at_ms(0));
    let written = driver.flow.end();
    driver.flow.send_text("lost").unwrap();
    let end = driver.flow.end();
    let mut taken = driver.flow.take_output();
    driver.flow.write_failed();
    assert_eq!((driver.flow.end(), driver.flow.unsent()), (end, 0));
    assert!(driver.flow.flushed() < end);
    // A late completion of the write in flight.
    driver.flow.send_text("more").unwrap();
    driver.flow.write_done(3, at_ms(1));
    assert_eq!(driver.flow.written(), written);
    let unsent = driver.flow.unsent();
    driver.flow.put_back(taken.split_off(3));
    assert_eq!(driver.flow.unsent(), unsent);
    assert!(driver.flow.end() > end);
    let end = driver.flow.end();
    assert_eq!(driver.step(), Step::Read);
    assert_eq!((driver.flow.end(), driver.flow.unsent()), (end, 0));
}

#[test]
fn a_write_closure_that_shortens_the_output_is_harmless() {
    let mut driver = server(quiet());
    for _ in 0..3 {
        driver.flow.send_text("some text").unwrap();
        driver.flow.reply().send_text("some text").unwrap();
        let shorten = |_: &mut Connection, out: &mut BytesMut| -> Result<(), SendError> {
            out.clear();
            Ok(())
        };
        driver.flow.send_with(shorten).unwrap();
        driver.flow.reply().send_text("some text").unwrap();
        driver.flow.reply().reply_with(shorten).unwrap();
        assert_eq!(driver.flow.unsent(), 0);
    }
    driver.flow.reply().send_text("reply").unwrap();
    assert_eq!(write_all(&mut driver, at_ms(0)), b"\x81\x05reply");
    assert_eq!(driver.step(), Step::Read);
}

// ------------------------------------------------------------------------------------ deadlines

#[test]
fn the_deadline_of_the_response_ends_when_it_has_been_written() {
    let config = quiet().handshake_timeout(100 * MS).build().unwrap();
    let mut driver = Driver::server(&config, at_ms(0));
    drop(driver.received(&mut REQUEST.to_vec(), at_ms(1)));
    assert_eq!(driver.step(), Step::Request);
    let request = driver.flow.take_request().unwrap();
    driver.flow.accept(&request, &AcceptOptions::new(), at_ms(2)).unwrap();
    let answer_len = driver.flow.unsent();
    driver.flow.send_text("after the reply").unwrap();
    assert_eq!(driver.deadline(at_ms(3)), Some(at_ms(100)));
    driver.flow.write_done(answer_len - 1, at_ms(4));
    assert_eq!(driver.deadline(at_ms(5)), Some(at_ms(100)));
    driver.flow.write_done(1, at_ms(6));
    // There is always more output, but the response has been written.
    assert_eq!(driver.deadline(at_ms(7)), Some(at_ms(60_007)));
    driver.timed_out(at_ms(101));
    assert!(driver.flow.is_open());

    // A response that is not written in time.
    let mut driver = Driver::server(&config, at_ms(0));
    drop(driver.received(&mut REQUEST.to_vec(), at_ms(1)));
    assert_eq!(driver.step(), Step::Request);
    let request = driver.flow.take_request().unwrap();
    driver.flow.accept(&request, &AcceptOptions::new(), at_ms(2)).unwrap();
    driver.flow.write_done(answer_len - 1, at_ms(50));
    assert_eq!(driver.deadline(at_ms(51)), Some(at_ms(100)));
    driver.timed_out(at_ms(100));
    assert_eq!(driver.flow.error(), Some(TimeoutError::Handshake.into()));
}

#[test]
fn without_a_buffer_in_the_transport_a_write_is_a_flush() {
    let mut driver = server(quiet());
    driver.flow.send_text("text").unwrap();
    write_all(&mut driver, at_ms(0));
    assert_eq!(driver.flow.flushed(), driver.flow.end());
    assert!(!driver.flow.needs_flush());
    assert_eq!(driver.step(), Step::Read);
    // No operation is pending, so there is no wait except for the peer.
    assert_eq!(driver.deadline(at_ms(1)), None);
}

#[test]
fn output_in_the_buffer_of_the_transport_has_a_flush_deadline() {
    let mut driver = server(quiet().write_timeout(100 * MS));
    driver.flow.track_flushes();
    driver.flow.send_text("text").unwrap();
    write_all(&mut driver, at_ms(0));
    assert!(driver.flow.needs_flush());
    assert!(driver.flow.flushed() < driver.flow.end());
    assert_eq!(driver.deadline(at_ms(1)), Some(at_ms(101)));
    driver.flow.flush_done();
    assert_eq!(driver.deadline(at_ms(2)), None);
    driver.flow.send_text("text").unwrap();
    write_all(&mut driver, at_ms(3));
    assert_eq!(driver.deadline(at_ms(4)), Some(at_ms(104)));
    // More bytes accepted into the buffer are no progress, unless they have waited for capacity
    // there.
    driver.flow.send_text("text").unwrap();
    write_all(&mut driver, at_ms(50));
    assert_eq!(driver.deadline(at_ms(50)), Some(at_ms(104)));
    driver.flow.send_text("text").unwrap();
    assert_eq!(driver.deadline(at_ms(60)), Some(at_ms(104)));
    write_all(&mut driver, at_ms(70));
    assert_eq!(driver.deadline(at_ms(70)), Some(at_ms(170)));
    driver.timed_out(at_ms(169));
    assert_eq!(driver.flow.error(), None);
    driver.timed_out(at_ms(170));
    assert_eq!(driver.flow.error(), Some(TimeoutError::Write.into()));
}

/// Reads that are always ready: the loop never waits, so it does not query the deadline.
#[test]
fn a_flood_without_events_does_not_suspend_deadlines() {
    let flood = |driver: &mut Driver, until: u64| {
        read(driver, &frame(0x02, b"begin"), at_ms(0));
        for ms in (1..until).step_by(10) {
            assert!(matches!(driver.step(), Step::Read | Step::Write { or_read: true }));
            read(driver, &frame(0x00, b"").repeat(100), at_ms(ms));
        }
        driver.step();
    };
    let mut driver = server(quiet().message_timeout(Some(1000 * MS)));
    flood(&mut driver, 900);
    assert_eq!(driver.flow.error(), None);
    flood(&mut server(quiet()), 10_000);
    let mut driver = server(quiet().message_timeout(Some(1000 * MS)));
    let result = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        flood(&mut driver, 10_000);
    }));
    assert!(result.is_err());
    assert_eq!(driver.flow.error(), Some(TimeoutError::Message.into()));

    // With output without progress.
    let mut driver = server(quiet().write_timeout(1000 * MS));
    driver.flow.send_text("unsolicited").unwrap();
    flood(&mut driver, 900);
    assert_eq!(driver.flow.error(), None);
    driver.flow.write_done(1, at_ms(900));
    read(&mut driver, &frame(0x00, b""), at_ms(1800));
    driver.step();
    read(&mut driver, &frame(0x00, b""), at_ms(2700));
    driver.step();
    assert_eq!(driver.flow.error(), None);
    read(&mut driver, &frame(0x00, b""), at_ms(2801));
    driver.step();
    assert_eq!(driver.flow.error(), Some(TimeoutError::Write.into()));
}

#[test]
fn the_message_timeout_is_suspended_while_an_event_is_pending() {
    let mut driver = server(quiet().message_timeout(Some(100 * MS)));
    // A ping between the fragments is the event that suspends reads of the driver.
    read(&mut driver, &[frame(0x02, b"begin"), frame(0x89, b"ping")].concat(), at_ms(0));
    assert_eq!(driver.step(), Step::Event);
    assert_eq!(driver.receive().unwrap().unwrap().0, Event::Ping(b"ping"));
    // A second of work.
    assert_eq!(driver.step(), Step::Write { or_read: true });
    write_all(&mut driver, at_ms(1000));
    assert_eq!(driver.step(), Step::Read);
    assert_eq!(driver.deadline(at_ms(1000)), Some(at_ms(1100)));
    // Time counts while the driver waits for input.
    read(&mut driver, &frame(0x00, b""), at_ms(1050));
    assert_eq!(driver.step(), Step::Read);
    assert_eq!(driver.deadline(at_ms(1050)), Some(at_ms(1100)));
    driver.timed_out(at_ms(1100));
    assert_eq!(driver.flow.error(), Some(TimeoutError::Message.into()));

    // The same with replies above the mark.
    let config = quiet().message_timeout(Some(100 * MS)).max_unsent(100).high_water_mark(10);
    let mut driver = server(config);
    let bytes = [frame(0x82, &[7; 20]), frame(0x89, b"ping"), frame(0x02, b"begin")].concat();
    read(&mut driver, &bytes, at_ms(0));
    assert_eq!(driver.step(), Step::Event);
    let (_, mut reply) = driver.receive().unwrap().unwrap();
    reply.send_binary(&[7; 20]).unwrap();
    assert_eq!(driver.step(), Step::Write { or_read: false });
    assert!(driver.deadline(at_ms(0)) > Some(at_ms(1000)));
    write_all(&mut driver, at_ms(1000));
    assert_eq!(driver.step(), Step::Event);
    assert_eq!(driver.receive().unwrap().unwrap().0, Event::Ping(b"ping"));
    assert_eq!(driver.step(), Step::Write { or_read: true });
    assert_eq!(driver.deadline(at_ms(1000)), Some(at_ms(1100)));
}

// ---------------------------------------------------------------------------------- the read buffer

#[test]
fn appended_bytes_do_not_change_the_size_of_reads() {
    let connection =
        Connection::new(Role::Server, &quiet().build().unwrap(), &Negotiated::new(), at_ms(0));
    let unread = BytesMut::from(&frame(0x81, b"hi")[..]);
    let parts = Parts { connection, inbox: Inbox::new(), unread, unsent: BytesMut::new() };
    let mut driver = Driver::resume(parts, at_ms(0));
    assert_eq!(driver.step(), Step::Event);
    assert_eq!(driver.receive().unwrap().unwrap().0, Event::Text("hi"));
    assert_eq!(driver.step(), Step::Read);
    assert_eq!(driver.room(|| vec![0; 4096].into_boxed_slice()).len(), 4096);
    // They are not put into a pool either.
    drop(driver.received(&mut [0x81], at_ms(0)));
    assert_eq!(driver.step(), Step::Read);
    let buffer = driver.intake.take_buffer();
    assert!(buffer.is_none_or(|buffer| buffer.len() == 4096));
}

/// The buffers of a loop may have different lengths, and a loan may follow a read that did not take
/// place.
#[test]
fn each_buffer_is_used_from_its_begin() {
    for then in [1, 10, 100] {
        let mut driver = server(quiet());
        read(&mut driver, &frame(0x81, &[b'a'; 60]), at_ms(1));
        assert_eq!(driver.step(), Step::Event);
        assert!(driver.receive().unwrap().is_some());
        assert!(matches!(driver.step(), Step::Read));
        assert_eq!(driver.intake.take_buffer().unwrap().len(), 4096);
        assert_eq!(driver.room(|| vec![0; then].into_boxed_slice()).len(), then);
        // Bytes that are not received stay with the driver.
        drop(driver.received(&mut frame(0x81, b"rest"), at_ms(2)));
        assert_eq!(driver.intake.unread(), frame(0x81, b"rest"));
        assert_eq!(driver.step(), Step::Event);
        assert!(matches!(driver.receive().unwrap(), Some((Event::Text("rest"), _))));
    }
}
