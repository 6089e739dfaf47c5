//! Pongs above their limit: their cost and their counts.

use core::time::Duration;

use sansocket::config::ConfigBuilder;
use sansocket::driver::{Driver, Step};
use sansocket::error::TimeoutError;
use sansocket::{CloseCode, Config, Role};

use crate::common::Frame;
use crate::driver::support::{at_ms, open, preset};

const MARK: usize = 1000;

fn config(set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Config {
    set(preset(Role::Server).high_water_mark(MARK).max_unsent(1 << 20)).build().unwrap()
}

/// Reads and answers `count` pings with `payload`.
fn pings(driver: &mut Driver, count: usize, payload: &[u8], at: u64) {
    let mut bytes = Frame::ping(payload).to(Role::Server).bytes().repeat(count);
    let mut loan = driver.received(&mut bytes, at_ms(at));
    while loan.next().unwrap().is_some() {}
}

#[test]
fn a_pong_beyond_the_limit_moves_no_other_output() {
    let mut driver = open(Role::Server, &config(|c| c));
    driver.flow.send_binary(&[0; 100_000]).unwrap();
    pings(&mut driver, 1000, b"ping", 0);
    let output = driver.flow.output();
    let (place, len) = (output.as_ptr(), output.len());
    let mut moved = 0;
    for _ in 0..1000 {
        pings(&mut driver, 1, b"ping", 0);
        moved += usize::from(driver.flow.output().as_ptr() != place);
    }
    assert_eq!(driver.flow.output().len(), len);
    assert_eq!(moved, 0, "the number of 1000 pending pongs that have moved the output");
}

#[test]
fn dropped_pongs_are_no_progress_of_the_close_frame() {
    let mut driver = open(Role::Server, &config(|c| c));
    driver.flow.send_binary(&[0; 100_000]).unwrap();
    driver.flow.close(CloseCode::NORMAL, "", at_ms(0)).unwrap();
    driver.flow.discard_data();
    assert_eq!(driver.step(), Step::Write { or_read: true });
    // The peer reads very slowly.
    for at in 1..5 {
        pings(&mut driver, 300, &[0; 125], 1000 * at);
        driver.flow.write_done(1, at_ms(1000 * at));
        assert_eq!(driver.deadline(at_ms(1000 * at)), Some(at_ms(5000)));
    }
    driver.timed_out(at_ms(5000));
    assert_eq!(driver.flow.error(), Some(TimeoutError::CloseUnsent.into()));
}

#[test]
fn dropped_pongs_do_not_shorten_the_keep_alive_timeout() {
    let (interval, timeout) = (Duration::from_secs(10), Duration::from_secs(3));
    let config = config(|c| c.keep_alive(Some(interval), Some(timeout)));
    let mut driver = open(Role::Server, &config);
    assert_eq!(driver.step(), Step::Read);
    assert_eq!(driver.deadline(at_ms(0)), Some(at_ms(10_000)));
    driver.flow.send_binary(&[0; 100_000]).unwrap();
    driver.timed_out(at_ms(10_000)); // the ping is after 100 KB of output
    assert_eq!(driver.step(), Step::Write { or_read: true });
    pings(&mut driver, 1000, &[0; 125], 10_000);
    // A slow peer that is silent: each second it reads 10 KB.
    for second in 11..20 {
        assert_eq!(driver.step(), Step::Write { or_read: true });
        driver.flow.write_done(10_000, at_ms(second * 1000));
        let deadline = driver.deadline(at_ms(second * 1000)).unwrap();
        assert_eq!(deadline, at_ms(second * 1000 + 3000), "at {second} s");
        driver.timed_out(at_ms(second * 1000 + 999));
        assert_eq!(driver.flow.error(), None);
    }
}

#[test]
fn a_delayed_pong_is_no_reply() {
    let config = preset(Role::Server).high_water_mark(1).max_unsent(10).build().unwrap();
    for is_cut in [false, true] {
        let mut driver = open(Role::Server, &config);
        driver.flow.send_binary(&[0; 20]).unwrap(); // more than max_unsent
        pings(&mut driver, 1, b"", 0);
        assert_eq!(driver.flow.output().len(), 22);
        let output = driver.flow.take_output();
        // With the next input there is capacity for the pong.
        let mut bytes = *b"\x81\x81\0\0\0\0a";
        let (first, rest) = bytes.split_at_mut(if is_cut { 2 } else { 0 });
        if !first.is_empty() {
            assert!(driver.received(first, at_ms(0)).next().unwrap().is_none());
            assert_eq!(driver.flow.output(), b"\x8A\0");
        }
        assert!(driver.received(rest, at_ms(0)).next().unwrap().is_some());
        assert_eq!(driver.flow.output(), b"\x8A\0");
        driver.flow.write_done(output.len(), at_ms(0));
    }
}

#[test]
fn a_pending_pong_is_after_the_close_frame_in_the_parts() {
    let mut driver = open(Role::Server, &config(|c| c));
    driver.flow.close(CloseCode::NORMAL, "", at_ms(0)).unwrap();
    pings(&mut driver, 300, &[0; 125], 0);
    driver.flow.discard_data();
    let parts = driver.into_parts();
    let mut driver = Driver::resume(parts, at_ms(0));
    assert_eq!(driver.step(), Step::Write { or_read: true });
    driver.flow.write_done(Frame::close(1000, "").bytes().len(), at_ms(1000));
    assert_eq!(driver.deadline(at_ms(1000)), Some(at_ms(6000)));
}

/// One pong waits because of the limit of pongs, the next one for capacity of the output; then a
/// reply has capacity.
#[test]
fn no_pong_follows_the_one_for_a_later_ping() {
    let config = preset(Role::Server).high_water_mark(10).max_unsent(30).build().unwrap();
    let mut driver = open(Role::Server, &config);
    pings(&mut driver, 1, &[1; 20], 0);
    pings(&mut driver, 1, &[2; 20], 0);
    driver.flow.reply().send_binary(b"output").unwrap();
    let mut bytes = Frame::ping([3; 20]).to(Role::Server).bytes();
    let mut loan = driver.received(&mut bytes, at_ms(0));
    let (_, mut reply) = loan.next().unwrap().unwrap();
    reply.send_binary(b"reply").unwrap();
    drop(loan);
    let mut output = Vec::new();
    while driver.flow.unsent() > 0 {
        output.push(driver.flow.output()[0]);
        output.push(driver.flow.output()[2]);
        let len = 2 + usize::from(driver.flow.output()[1]);
        driver.flow.write_done(len, at_ms(0));
    }
    assert_eq!(output, [0x8a, 1, 0x82, b'o', 0x8a, 3, 0x82, b'r']);
}
