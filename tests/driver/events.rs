//! Events are returned after a step that reports them, and not before.

use sansocket::driver::Step;
use sansocket::{CloseCode, Event, Role};

use crate::common::Frame;
use crate::driver::support::{at_ms, open, preset};

#[test]
fn an_event_above_the_mark_is_received_after_an_event_step() {
    let config = preset(Role::Server).high_water_mark(10).build().unwrap();
    let mut driver = open(Role::Server, &config);
    let mut bytes = *b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b";
    driver.room(|| vec![0; 100].into())[..14].copy_from_slice(&bytes);
    driver.read_done(14, at_ms(0));
    assert!(driver.receive().unwrap().is_none(), "no step has reported it");
    assert_eq!(driver.step(), Step::Event);
    driver.receive().unwrap().unwrap().1.send_binary(&[0; 20]).unwrap();
    assert_eq!(driver.step(), Step::Write { or_read: false });
    assert!(driver.receive().unwrap().is_none(), "replies are above the mark");
    assert!(driver.intake.receive_owned(&mut driver.flow).unwrap().is_none());
    driver.flow.write_done(22, at_ms(0));
    assert_eq!(driver.step(), Step::Event);
    assert!(matches!(driver.receive(), Ok(Some((Event::Text("b"), _)))));
    // The same in a buffer of the caller.
    let mut loan = driver.received(&mut bytes, at_ms(0));
    loan.next().unwrap().unwrap().1.send_binary(&[0; 20]).unwrap();
    assert!(loan.next().unwrap().is_none());
}

/// Other senders fill the output continuously, and the peer reads little: each reply still has
/// capacity.
#[test]
fn no_reply_is_refused_because_of_broadcasts() {
    const EVENTS: usize = 1985;
    let config = preset(Role::Server).build().unwrap();
    let mut driver = open(Role::Server, &config);
    let mut left = Frame::text("x".repeat(100)).to(Role::Server).bytes().repeat(EVENTS);
    let (mut replies, mut refused, mut writes) = (0, 0, 0);
    while replies < EVENTS {
        while driver.flow.send_binary(&[7; 300]).is_ok() {}
        refused += 1;
        match driver.step() {
            Step::Event => {
                let (_, mut reply) = driver.receive().unwrap().unwrap();
                assert_eq!(reply.send_binary(&[1; 100]), Ok(()), "after {replies} replies");
                replies += 1;
            }
            Step::Write { or_read: true } if !left.is_empty() => {
                let room = driver.room(|| vec![0; 4096].into());
                let n = room.len().min(left.len());
                room[..n].copy_from_slice(&left[..n]);
                left.drain(..n);
                driver.read_done(n, at_ms(0));
            }
            Step::Write { .. } => {
                driver.flow.write_done(1000, at_ms(0));
                writes += 1;
            }
            step => panic!("{step:?}"),
        }
    }
    assert!(refused > EVENTS && writes > 0, "the broadcasts fill the output all the time");
}

/// A frame is 12 bytes long, so each of the two limits is exceeded by less than that.
#[test]
fn unsolicited_output_leaves_capacity_for_replies_and_replies_have_a_limit() {
    const MARK: usize = 100;
    const MAX: usize = 300;
    let config = preset(Role::Server).high_water_mark(MARK).max_unsent(MAX).build().unwrap();
    for broadcasts in [false, true] {
        for in_flight in [false, true] {
            let mut driver = open(Role::Server, &config);
            if broadcasts {
                while driver.flow.send_binary(&[0; 10]).is_ok() {
                    if in_flight {
                        drop(driver.flow.take_output());
                    }
                }
                let unsent = driver.flow.unsent();
                assert!((MAX - MARK..MAX - MARK + 12).contains(&unsent), "{unsent} bytes");
            }
            let mut bytes = Frame::text("x").to(Role::Server).bytes();
            drop(driver.received(&mut bytes, at_ms(0)));
            assert_eq!(driver.step(), Step::Event);
            let (_, mut reply) = driver.receive().unwrap().unwrap();
            let mut replies = 0;
            while reply.send_binary(&[0; 10]).is_ok() {
                replies += 12;
                assert!(replies < 10 * MAX, "replies have no limit");
            }
            let unsent = driver.flow.unsent();
            assert!((MAX..MAX + 24).contains(&unsent), "{unsent} bytes");
        }
    }
}

#[test]
fn pongs_have_a_limit_and_the_newest_is_sent() {
    const MARK: usize = 1000;
    for closes in [false, true] {
        let config = preset(Role::Server).high_water_mark(MARK).build().unwrap();
        let mut driver = open(Role::Server, &config);
        if closes {
            driver.flow.close(CloseCode::NORMAL, "", at_ms(0)).unwrap();
        }
        let before = driver.flow.unsent();
        // The peer does not read.
        let mut bytes: Vec<u8> = (1000..2000)
            .flat_map(|n| Frame::ping(n.to_string()).to(Role::Server).bytes())
            .collect();
        drop(driver.received(&mut bytes, at_ms(0)));
        // In flight or not.
        let mut output = driver.flow.take_output();
        for n in 1000..2000 {
            assert_eq!(driver.step(), Step::Event);
            let (event, _) = driver.receive().unwrap().unwrap();
            assert!(matches!(event, Event::Ping(ping) if ping == n.to_string().as_bytes()));
            output.extend_from_slice(&driver.flow.take_output());
            assert!(driver.flow.unsent() <= before + MARK + 6, "{}", driver.flow.unsent());
        }
        let last = Frame::pong("1999").bytes();
        assert!(!output.ends_with(&last));
        let pongs = (output.len() - before) / 6;
        driver.flow.write_done(output.len(), at_ms(0));
        assert_eq!(driver.flow.output(), last);
        assert!((100..=MARK / 6 + 1).contains(&pongs), "{pongs}");
        assert_eq!(driver.step(), Step::Write { or_read: true });
    }
}

#[test]
fn no_pong_follows_the_reply_to_a_close_frame() {
    let config = preset(Role::Server).high_water_mark(10).build().unwrap();
    let mut driver = open(Role::Server, &config);
    let pings = Frame::ping("ping").to(Role::Server).bytes().repeat(10);
    let mut bytes = [pings, Frame::close(1000, "").to(Role::Server).bytes()].concat();
    drop(driver.received(&mut bytes, at_ms(0)));
    while driver.step() == Step::Event {
        driver.receive().unwrap().unwrap();
    }
    let output = driver.flow.output().to_vec();
    assert!(output.ends_with(&Frame::close(1000, "").bytes()));
    driver.flow.write_done(output.len(), at_ms(0));
    assert!(driver.flow.output().is_empty());
}
