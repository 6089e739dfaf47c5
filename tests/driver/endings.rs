//! The end of a connection: no bytes in transit are lost, and no wait is unlimited.

use sansocket::driver::{Driver, Step};
use sansocket::error::{PeerError, ProtocolError, TimeoutError};
use sansocket::{CloseCode, Config, Event, Role};

use crate::driver::support::{Loop, Pipe, Style, at_ms, open, preset};

const CLOSED_WITHOUT_HANDSHAKE: ProtocolError =
    ProtocolError::Peer(PeerError::ClosedWithoutHandshake);

/// The driver of a server with `len` bytes of one message in its output.
fn with_output(config: &Config, len: usize) -> Driver {
    let mut driver = open(Role::Server, config);
    driver.flow.send_binary(&vec![7; len]).unwrap();
    driver
}

/// Runs a driver over a link that accepts `rate` bytes every 10 ms, until it is done. Returns the
/// written bytes and the time in ms. `peer` returns input for the output so far.
fn run_slowly(
    driver: &mut Driver,
    rate: usize,
    mut peer: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> (Vec<u8>, u64) {
    let mut written = Vec::new();
    let mut ended = false;
    for ms in (0..10_000_000).step_by(10) {
        let now = at_ms(ms);
        let mut budget = rate;
        loop {
            match driver.step() {
                Step::Done => return (written, ms),
                Step::Write { or_read } => {
                    let n = driver.flow.output().len().min(budget);
                    if n > 0 {
                        written.extend(&driver.flow.output()[..n]);
                        budget -= n;
                        driver.flow.write_done(n, now);
                        continue;
                    }
                    if or_read && read(driver, ended, &written, &mut peer, now) {
                        continue;
                    }
                }
                Step::Read => {
                    if read(driver, ended, &written, &mut peer, now) {
                        continue;
                    }
                }
                Step::Drain => {
                    if ended {
                        // The peer ends its output too.
                        driver.flow.drained(0, now);
                        continue;
                    }
                    if let Some(bytes) = peer(&written) {
                        driver.flow.drained(bytes.len(), now);
                        continue;
                    }
                }
                Step::EndWriting => {
                    ended = true;
                    driver.flow.writing_ended();
                    continue;
                }
                Step::Event => {
                    let _ = driver.receive();
                    continue;
                }
                Step::Opened | Step::Request => panic!(),
            }
            break;
        }
        if driver.deadline(now).is_some_and(|deadline| now >= deadline) {
            driver.timed_out(now);
        }
    }
    panic!("never done: {driver:?}");
}

fn read(
    driver: &mut Driver,
    ended: bool,
    written: &[u8],
    peer: &mut impl FnMut(&[u8]) -> Option<Vec<u8>>,
    now: sansocket::Instant,
) -> bool {
    assert!(!ended);
    let Some(bytes) = peer(written) else { return false };
    driver.room(|| vec![0; 64 << 10].into())[..bytes.len()].copy_from_slice(&bytes);
    driver.read_done(bytes.len(), now);
    true
}

/// A Close frame of the client with code 1000.
const CLIENT_CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
const SERVER_CLOSE: [u8; 4] = [0x88, 0x02, 0x03, 0xe8];

/// Returns `bytes` once `written` ends in `after`.
fn once_written(
    after: &'static [u8],
    bytes: &'static [u8],
) -> impl FnMut(&[u8]) -> Option<Vec<u8>> {
    let mut given = false;
    move |written| {
        if given || !written.ends_with(after) {
            return None;
        }
        given = true;
        Some(bytes.to_vec())
    }
}

#[test]
fn a_slow_link_receives_all_output_and_the_close_frame() {
    let config = preset(Role::Server).build().unwrap();
    let mut driver = with_output(&config, 1_000_000);
    driver.flow.close(CloseCode::NORMAL, "", at_ms(0)).unwrap();
    driver.flow.discard_data();
    let (written, ms) = run_slowly(&mut driver, 1000, once_written(&SERVER_CLOSE, &CLIENT_CLOSE));
    assert_eq!(written.len(), 1_000_010 + SERVER_CLOSE.len());
    assert!((10_000..10_100).contains(&ms), "{ms} ms");
    assert_eq!(driver.flow.error(), None);
}

#[test]
fn a_peer_that_closes_first_gets_all_output_and_the_close_frame() {
    for messages in [vec![1_000_000], vec![1000; 1000]] {
        let config = preset(Role::Server).max_unsent(2 << 20).build().unwrap();
        let mut driver = open(Role::Server, &config);
        let mut expected = SERVER_CLOSE.len();
        for &len in &messages {
            driver.flow.send_binary(&vec![7; len]).unwrap();
            expected += len + if len < 65_536 { 4 } else { 10 };
        }
        let (written, ms) = run_slowly(&mut driver, 1000, once_written(&[], &CLIENT_CLOSE));
        assert_eq!(written.len(), expected);
        assert!(written.ends_with(&SERVER_CLOSE));
        assert!(ms < 10_200, "{ms} ms");
        assert_eq!(driver.flow.error(), None);
    }
}

#[test]
fn a_trickle_reader_times_out() {
    let config = preset(Role::Server).build().unwrap();
    // 100 bytes in each close timeout of 5 s, and in each linger timeout of 2 s.
    for (peer_closes, every) in [(false, 5000), (true, 2000)] {
        let mut driver = with_output(&config, 200_000);
        if !peer_closes {
            driver.flow.close(CloseCode::NORMAL, "", at_ms(0)).unwrap();
        }
        let mut close = peer_closes.then_some(CLIENT_CLOSE.to_vec());
        let mut now = 0;
        while now < 100_000 {
            match driver.step() {
                Step::Done => break,
                Step::Event => drop(driver.receive()),
                Step::EndWriting => driver.flow.writing_ended(),
                Step::Write { .. } if close.is_some() => {
                    let bytes = close.take().unwrap();
                    driver.room(|| vec![0; 100].into())[..bytes.len()].copy_from_slice(&bytes);
                    driver.read_done(bytes.len(), at_ms(now));
                }
                _ => {
                    let deadline = driver.deadline(at_ms(now)).expect("a deadline");
                    now += every;
                    driver.flow.write_done(100, at_ms(now - 1));
                    if at_ms(now) >= deadline {
                        driver.timed_out(at_ms(now));
                    }
                }
            }
        }
        assert!(now < 20_000, "timed out after {now} ms");
        let error = driver.flow.error();
        if peer_closes {
            assert_eq!(error, None, "both Close frames were sent, as far as this end can see");
        } else {
            assert_eq!(error, Some(TimeoutError::CloseUnsent.into()));
        }
    }
}

#[test]
fn a_half_closed_peer_gets_the_replies_and_a_close_frame() {
    let config = preset(Role::Server).build().unwrap();
    for style in [Style::Readiness, Style::Loan, Style::Completion] {
        let mut end = Loop::new(open(Role::Server, &config), style);
        let (mut input, mut output) = (Pipe::new(1000), Pipe::new(1000));
        input.write(b"\x81\x82\0\0\0\0hi", 100);
        input.end();
        while end.turn(10, &mut input, &mut output, |event, mut reply| {
            if let Event::Text(text) = event {
                reply.send_text(text).unwrap();
            }
        }) {}
        assert!(end.done);
        assert_eq!(output.read(100).unwrap(), b"\x81\x02hi\x88\x02\x03\xea");
        assert_eq!(end.driver.flow.error(), Some(CLOSED_WITHOUT_HANDSHAKE));
        let status = end.driver.flow.connection().close_status().unwrap();
        assert_eq!((status.code, status.by), (CloseCode::ABNORMAL, Role::Client));
    }
}

#[test]
fn a_peer_that_never_stops_sending_is_drained_for_the_linger_timeout() {
    let config = preset(Role::Server).build().unwrap();
    let mut driver = open(Role::Server, &config);
    let bytes = b"\x83\x80\0\0\0\0"; // a reserved opcode
    driver.room(|| vec![0; 100].into())[..bytes.len()].copy_from_slice(bytes);
    driver.read_done(bytes.len(), at_ms(0));
    let mut ms = 0;
    loop {
        match driver.step() {
            Step::Write { .. } => {
                let n = driver.flow.output().len();
                driver.flow.write_done(n, at_ms(ms));
            }
            Step::EndWriting => driver.flow.writing_ended(),
            Step::Drain => {
                ms += 1;
                driver.flow.drained(1000, at_ms(ms));
            }
            Step::Done => break,
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(ms, 2000);
    assert!(matches!(driver.flow.error(), Some(ProtocolError::Peer(_))));
}

#[test]
fn a_client_waits_for_the_server_to_end_first() {
    let config = preset(Role::Client).build().unwrap();
    let mut driver = open(Role::Client, &config);
    driver.flow.close(CloseCode::NORMAL, "", at_ms(0)).unwrap();
    let n = driver.flow.output().len();
    assert_eq!(driver.step(), Step::Write { or_read: true });
    driver.flow.write_done(n, at_ms(0));
    assert_eq!(driver.step(), Step::Read);
    driver.room(|| vec![0; 100].into())[..4].copy_from_slice(&SERVER_CLOSE);
    driver.read_done(4, at_ms(1));
    assert_eq!(driver.step(), Step::Event);
    driver.receive().unwrap();
    assert_eq!(driver.step(), Step::Drain);
    assert_eq!(driver.deadline(at_ms(1)), Some(at_ms(2001)));
    driver.flow.drained(0, at_ms(2));
    assert_eq!(driver.step(), Step::EndWriting);
    driver.flow.writing_ended();
    assert_eq!(driver.step(), Step::Done);
}

#[test]
fn messages_of_the_peer_are_received_after_a_write_error() {
    let config = preset(Role::Server).build().unwrap();
    let mut driver = with_output(&config, 10);
    assert_eq!(driver.step(), Step::Write { or_read: true });
    driver.flow.write_failed();
    assert_eq!(driver.step(), Step::Read);
    driver.room(|| vec![0; 100].into())[..8].copy_from_slice(&CLIENT_CLOSE);
    driver.read_done(8, at_ms(0));
    assert_eq!(driver.step(), Step::Event);
    assert!(matches!(driver.receive(), Ok(Some((Event::Close(Some(_)), _)))));
    assert_eq!(driver.step(), Step::Done);
    assert_eq!(driver.flow.error(), None);

    // Without input the wait is over at once.
    let mut driver = with_output(&config, 10);
    driver.flow.write_failed();
    assert_eq!(driver.step(), Step::Read);
    assert_eq!(driver.deadline(at_ms(5)), Some(at_ms(5)));
    driver.timed_out(at_ms(5));
    assert_eq!(driver.step(), Step::Done);
    assert_eq!(driver.flow.error(), Some(CLOSED_WITHOUT_HANDSHAKE));
}

#[test]
fn an_aborted_connection_is_done_at_once() {
    for role in [Role::Client, Role::Server] {
        let config = preset(role).build().unwrap();
        let mut driver = open(role, &config);
        driver.flow.send_binary(&[7; 10]).unwrap();
        driver.flow.abort();
        assert_eq!(driver.step(), Step::Done);
        assert!(driver.flow.output().is_empty());
        assert_eq!(driver.flow.error(), Some(ProtocolError::Aborted));
        assert_eq!(driver.flow.connection().close_status().unwrap().by, role);
        driver.flow.send_binary(&[7; 10]).unwrap_err();
    }
}

#[test]
fn an_ended_connection_holds_no_memory_of_messages() {
    let config = preset(Role::Server).build().unwrap();
    let mut driver = open(Role::Server, &config);
    // The beginning of a message of 1 MB, then a frame with a violation.
    let mut bytes = b"\x02\xfe\xff\xff\0\0\0\0".to_vec();
    bytes.resize(8 + 65_535, 1);
    bytes.extend(b"\x83\x80\0\0\0\0");
    while let Ok(Some(_)) = driver.received(&mut bytes, at_ms(0)).next() {}
    assert_eq!(driver.step(), Step::Write { or_read: true });
    assert_eq!(driver.intake.capacity(), 0);
    assert!(driver.intake.is_empty());
}

#[test]
fn an_ended_connection_holds_no_useless_output() {
    // The Close frame of an error, after a failed write.
    let config = preset(Role::Server).build().unwrap();
    let mut driver = open(Role::Server, &config);
    driver.flow.write_failed();
    driver.room(|| vec![0; 100].into())[..2].copy_from_slice(b"\x83\x80");
    driver.read_done(2, at_ms(0));
    assert_eq!(driver.step(), Step::Done);
    assert!(matches!(driver.flow.error(), Some(ProtocolError::Peer(_))));
    assert_eq!(driver.flow.unsent(), 0);
    assert_eq!(driver.flow.take_output().capacity(), 0);

    // The capacity of output that has been written.
    let mut driver = with_output(&config, 100_000);
    driver.room(|| vec![0; 100].into())[..8].copy_from_slice(&CLIENT_CLOSE);
    driver.read_done(8, at_ms(0));
    assert_eq!(driver.step(), Step::Event);
    driver.receive().unwrap();
    let n = driver.flow.output().len();
    driver.flow.write_done(n, at_ms(0));
    assert_eq!(driver.step(), Step::EndWriting);
    assert_eq!(driver.flow.take_output().capacity(), 0);
}

#[test]
fn input_before_a_failure_is_returned_on_request() {
    for hands_out in [true, false] {
        let config = preset(Role::Server).high_water_mark(10).build().unwrap();
        let mut driver = open(Role::Server, &config);
        let mut bytes = b"\x81\x81\0\0\0\0x".repeat(3);
        let mut loan = driver.received(&mut bytes, at_ms(0));
        loan.next().unwrap().unwrap().1.send_binary(&[0; 20]).unwrap();
        drop(loan);
        assert_eq!(driver.step(), Step::Write { or_read: false });
        if hands_out {
            driver.flow.eof();
            driver.flow.write_failed();
            for _ in 0..2 {
                assert_eq!(driver.step(), Step::Event);
                driver.receive().unwrap().unwrap();
            }
        } else {
            driver.flow.failed();
        }
        assert_eq!(driver.step(), Step::Done);
        assert_eq!(driver.flow.error(), Some(CLOSED_WITHOUT_HANDSHAKE));
    }
}

#[test]
fn a_transport_that_ends_inside_a_message_leaves_no_memory() {
    let ends: [fn(&mut Driver); 4] = [
        |driver| driver.eof(),
        |driver| driver.flow.abort(),
        |driver| driver.flow.failed(),
        |driver| {
            driver.flow.write_failed();
            driver.timed_out(at_ms(0));
        },
    ];
    for end in ends {
        let mut driver = open(Role::Server, &preset(Role::Server).build().unwrap());
        let mut begun = b"\x82\xfe\xff\xff\0\0\0\0".to_vec();
        begun.resize(50_000, 7);
        driver.room(|| vec![0; 64 << 10].into())[..50_000].copy_from_slice(&begun);
        driver.read_done(50_000, at_ms(0));
        assert_eq!(driver.step(), Step::Read);
        assert!(driver.intake.capacity() > 40_000);
        end(&mut driver);
        assert_ne!(driver.step(), Step::Read);
        assert_eq!(driver.intake.capacity(), 0);
    }
}
