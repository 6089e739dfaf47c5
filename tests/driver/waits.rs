//! Deadlines: each wait has one, and each results in a step.

use sansocket::driver::{Driver, Step};
use sansocket::error::{ProtocolError, TimeoutError};
use sansocket::{CloseCode, Config, Role};

use crate::driver::support::{at_ms, open, preset};

fn ms(ms: u64) -> core::time::Duration {
    core::time::Duration::from_millis(ms)
}

fn read(driver: &mut Driver, bytes: &[u8], at: u64) {
    driver.room(|| vec![0; 64 << 10].into())[..bytes.len()].copy_from_slice(bytes);
    driver.read_done(bytes.len(), at_ms(at));
}

fn write_all(driver: &mut Driver, at: u64) {
    let n = driver.flow.output().len();
    driver.flow.write_done(n, at_ms(at));
}

/// A server without keep-alive, so that no other deadline is due.
fn quiet() -> Config {
    preset(Role::Server).keep_alive(None, None).build().unwrap()
}

#[test]
fn output_without_progress_fails_after_the_write_timeout() {
    let write: ProtocolError = TimeoutError::Write.into();
    for reads in [true, false] {
        let mut driver = open(Role::Server, &quiet());
        driver.flow.send_binary(&[0; 1000]).unwrap();
        assert_eq!(driver.step(), Step::Write { or_read: true });
        let deadline = |driver: &mut Driver, at| {
            let now = at_ms(at);
            if reads { driver.deadline(now) } else { driver.flow.write_deadline(now) }
        };
        let time_out = |driver: &mut Driver, at| {
            let now = at_ms(at);
            if reads { driver.timed_out(now) } else { driver.flow.write_timed_out(now) }
        };
        // The timeout begins with the first wait, and again with each wait after a write.
        assert_eq!(deadline(&mut driver, 1000), Some(at_ms(61_000)));
        assert_eq!(deadline(&mut driver, 2000), Some(at_ms(61_000)));
        driver.flow.write_done(1, at_ms(50_000));
        assert_eq!(deadline(&mut driver, 50_000), Some(at_ms(110_000)));
        driver.flow.write_done(0, at_ms(60_000));
        assert_eq!(deadline(&mut driver, 60_000), Some(at_ms(110_000)));
        time_out(&mut driver, 109_999);
        assert_eq!(driver.flow.error(), None);
        time_out(&mut driver, 110_000);
        assert_eq!(driver.flow.error(), Some(write));
        // The Close frame is offered for the linger timeout.
        assert_eq!(driver.step(), Step::Write { or_read: true });
        assert_eq!(deadline(&mut driver, 110_000), Some(at_ms(112_000)));
        time_out(&mut driver, 112_000);
        assert_eq!(driver.step(), Step::Done);
    }
}

#[test]
fn a_peer_that_floods_and_never_reads_fails_without_a_wait() {
    let mut driver = open(Role::Server, &quiet());
    driver.flow.send_binary(&[0; 1000]).unwrap();
    for at in [0, 30_000, 59_999, 60_000] {
        assert_eq!(driver.flow.error(), None);
        assert_eq!(driver.step(), Step::Write { or_read: true });
        read(&mut driver, b"\x81\x80\0\0\0\0", at);
        assert_eq!(driver.step(), Step::Event);
        driver.receive().unwrap();
    }
    // No input of the last read is left.
    driver.step();
    assert_eq!(driver.flow.error(), Some(TimeoutError::Write.into()));
}

#[test]
fn a_shorter_keep_alive_timeout_applies_to_writes_too() {
    let config =
        preset(Role::Server).keep_alive(Some(ms(30_000)), Some(ms(10_000))).build().unwrap();
    let mut driver = open(Role::Server, &config);
    driver.flow.send_binary(&[0; 1000]).unwrap();
    driver.step();
    assert_eq!(driver.flow.write_deadline(at_ms(5)), Some(at_ms(10_005)));
    // A missing pong is no evidence for a writer: the pong may be unread.
    assert_eq!(driver.deadline(at_ms(5)), Some(at_ms(10_005)));
    write_all(&mut driver, 6);
    assert_eq!(driver.flow.write_deadline(at_ms(6)), None);
    assert_eq!(driver.deadline(at_ms(6)), Some(at_ms(30_000)));
    driver.timed_out(at_ms(30_000));
    write_all(&mut driver, 30_000);
    assert_eq!(driver.flow.write_deadline(at_ms(90_000)), None);
    driver.flow.write_timed_out(at_ms(90_000));
    assert_eq!(driver.flow.error(), None);
}

#[test]
fn a_flush_that_never_ends_has_a_deadline_too() {
    let mut driver = open(Role::Server, &quiet());
    driver.flow.track_flushes();
    driver.flow.send_binary(&[0; 10]).unwrap();
    let end = driver.flow.end();
    write_all(&mut driver, 0);
    assert_eq!((driver.flow.unsent(), driver.flow.written()), (0, end));
    assert!(driver.flow.needs_flush() && driver.flow.flushed() < end);
    assert_eq!(driver.flow.write_deadline(at_ms(1)), Some(at_ms(60_001)));
    driver.flow.flush_done();
    assert_eq!(driver.flow.flushed(), end);
    assert_eq!(driver.flow.write_deadline(at_ms(1)), None);
}

#[test]
fn a_missing_pong_is_no_error_while_an_event_is_pending() {
    let config = preset(Role::Server)
        .keep_alive(Some(ms(1000)), Some(ms(1000)))
        .write_timeout(ms(500_000))
        .high_water_mark(10)
        .build()
        .unwrap();
    let mut driver = open(Role::Server, &config);
    // Our ping was sent.
    driver.timed_out(at_ms(1000));
    write_all(&mut driver, 1000);
    // Replies reach the mark, while an event is available.
    read(&mut driver, b"\x81\x80\0\0\0\0\x81\x80\0\0\0\0", 1500);
    assert_eq!(driver.step(), Step::Event);
    driver.receive().unwrap().unwrap().1.send_binary(&[0; 20]).unwrap();
    assert_eq!(driver.step(), Step::Write { or_read: false });
    // The deadline of the write is that of the keep-alive timeout.
    assert_eq!(driver.deadline(at_ms(1500)), Some(at_ms(2500)));
    driver.flow.write_done(1, at_ms(2400));
    driver.timed_out(at_ms(3000));
    assert_eq!(driver.flow.error(), None);
}

#[test]
fn the_message_timeout_is_suspended_while_the_driver_does_not_read() {
    let config = preset(Role::Server)
        .keep_alive(None, None)
        .message_timeout(Some(ms(1000)))
        .high_water_mark(10)
        .build()
        .unwrap();
    let mut driver = open(Role::Server, &config);
    // A complete message, and the beginning of another.
    read(&mut driver, b"\x81\x80\0\0\0\0\x01\x81\0\0\0\0x", 0);
    assert_eq!(driver.step(), Step::Event);
    driver.receive().unwrap().unwrap().1.send_binary(&[0; 20]).unwrap();
    // Handling the event takes 5 s. Above the mark there is no event, so the driver continues to
    // read.
    assert_eq!(driver.step(), Step::Write { or_read: true });
    assert_eq!(driver.deadline(at_ms(5000)), Some(at_ms(6000)));
    assert_eq!(driver.deadline(at_ms(5500)), Some(at_ms(6000)), "it reads meanwhile");
    // Another complete message after the end of that one: an available event, above the mark.
    read(&mut driver, b"\x80\x80\0\0\0\0\x01\x81\0\0\0\0y", 5900);
    assert_eq!(driver.step(), Step::Write { or_read: false });
    assert!(driver.deadline(at_ms(5900)).is_some_and(|at| at > at_ms(7000)));
    driver.timed_out(at_ms(20_000));
    assert_eq!(driver.flow.error(), None);
    write_all(&mut driver, 20_000);
    assert_eq!(driver.step(), Step::Event);
    driver.receive().unwrap();
    assert_eq!(driver.step(), Step::Read);
    // The third message began at 5900, and no bytes were read since.
    assert_eq!(driver.deadline(at_ms(30_000)), Some(at_ms(31_000)));
    driver.timed_out(at_ms(30_999));
    assert_eq!(driver.flow.error(), None);
    driver.timed_out(at_ms(31_000));
    assert_eq!(driver.flow.error(), Some(TimeoutError::Message.into()));
}

#[test]
fn the_close_deadline_holds_in_each_state() {
    let mut driver = open(Role::Server, &quiet());
    driver.flow.close(CloseCode::NORMAL, "", at_ms(100)).unwrap();
    driver.flow.close(CloseCode::NORMAL, "", at_ms(100)).unwrap(); // closing already: no error
    assert_eq!(driver.step(), Step::Write { or_read: true });
    assert_eq!(driver.flow.write_deadline(at_ms(100)), Some(at_ms(5100)));
    write_all(&mut driver, 200);
    assert_eq!(driver.deadline(at_ms(200)), Some(at_ms(5200)));
    // Data moves the deadline, until data is discarded.
    read(&mut driver, b"\x81\x80\0\0\0\0", 1000);
    driver.step();
    driver.receive().unwrap();
    assert_eq!(driver.step(), Step::Read);
    assert_eq!(driver.deadline(at_ms(1000)), Some(at_ms(6000)));
    driver.flow.discard_data();
    read(&mut driver, b"\x81\x80\0\0\0\0", 3000);
    driver.step();
    driver.receive().unwrap();
    assert_eq!(driver.step(), Step::Read);
    assert_eq!(driver.deadline(at_ms(3000)), Some(at_ms(6000)));
    // For a peer that floods, the reads themselves pass the deadline, without a wait.
    for at in [5999, 6000] {
        read(&mut driver, b"\x81\x80\0\0\0\0", at);
        assert_eq!(driver.step(), Step::Event);
        driver.receive().unwrap();
        driver.step();
    }
    assert_eq!(driver.flow.error(), Some(TimeoutError::Close.into()));
}

/// Above the mark a loop steps after each write: the frames before the event are read once.
#[test]
fn frames_before_an_event_above_the_mark_are_read_once() {
    let config = preset(Role::Server).high_water_mark(1000).build().unwrap();
    let mut driver = open(Role::Server, &config);
    let mut bytes = b"\x81\x81\0\0\0\0x\x01\x80\0\0\0\0".to_vec();
    bytes.extend(b"\0\x80\0\0\0\0".repeat(10_000));
    bytes.extend(b"\x80\x87\0\0\0\0the end\x81\x81\0\0\0\0y");
    read(&mut driver, &bytes, 0);
    assert_eq!(driver.step(), Step::Event);
    driver.receive().unwrap().unwrap().1.send_binary(&[0; 2000]).unwrap();
    for left in (1000..2004).rev() {
        assert_eq!(driver.step(), Step::Write { or_read: false });
        // Only its payload and the bytes after it are left.
        assert_eq!(driver.intake.unread(), b"the end\x81\x81\0\0\0\0y");
        driver.flow.write_done(1, at_ms(0));
        assert_eq!(driver.flow.unsent(), left);
    }
    driver.flow.write_done(1, at_ms(0));
    assert_eq!(driver.step(), Step::Event);
    let event = driver.receive().unwrap().unwrap().0;
    assert_eq!(event, sansocket::Event::Text("the end"));
}
