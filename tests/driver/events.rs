//! Events are handed out when a step has told of them, and not before.

use sansocket::driver::Step;
use sansocket::{CloseCode, Event, Role};

use crate::support::{at_ms, open, preset};

#[test]
fn an_event_above_the_mark_is_received_once_a_step_tells_of_it() {
    let config = preset(Role::Server).high_water_mark(10).build().unwrap();
    let mut driver = open(Role::Server, &config);
    let mut bytes = *b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b";
    driver.room(|| vec![0; 100].into())[..14].copy_from_slice(&bytes);
    driver.read_done(14, at_ms(0));
    assert!(driver.receive().unwrap().is_none(), "no step has told of it");
    assert_eq!(driver.step(), Step::Event);
    driver.receive().unwrap().unwrap().1.send_binary(&[0; 20]).unwrap();
    assert_eq!(driver.step(), Step::Write { or_read: false });
    assert!(driver.receive().unwrap().is_none(), "replies are above the mark");
    assert!(driver.intake.receive_owned(&mut driver.flow).unwrap().is_none());
    driver.flow.write_done(22, at_ms(0));
    assert_eq!(driver.step(), Step::Event);
    assert!(matches!(driver.receive(), Ok(Some((Event::Text("b"), _)))));
    // The same in a buffer of the caller's.
    let mut loan = driver.received(&mut bytes, at_ms(0));
    loan.next().unwrap().unwrap().1.send_binary(&[0; 20]).unwrap();
    assert!(loan.next().unwrap().is_none());
}

#[test]
fn pongs_behind_the_close_frame_have_a_limit_in_flight_too() {
    const MAX_UNSENT: usize = 1000;
    let config = preset(Role::Server).max_unsent(MAX_UNSENT).build().unwrap();
    let mut driver = open(Role::Server, &config);
    driver.flow.close(CloseCode::NORMAL, "", at_ms(0)).unwrap();
    // 1000 pings, and a Close frame; the peer reads nothing.
    let mut bytes = [b"\x89\x84\0\0\0\0ping".repeat(1000), b"\x88\x80\0\0\0\0".to_vec()].concat();
    drop(driver.received(&mut bytes, at_ms(0)));
    let mut in_flight = 0;
    while driver.step() == Step::Event {
        driver.receive().unwrap().unwrap();
        in_flight += driver.flow.take_output().len();
        assert!(driver.flow.unsent() < MAX_UNSENT + 100, "{}", driver.flow.unsent());
    }
    // It waits for writes, and then goes on to the peer's Close frame.
    assert_eq!(driver.step(), Step::Write { or_read: false });
    while !driver.flow.is_over() {
        driver.flow.write_done(in_flight, at_ms(0));
        assert_eq!(driver.step(), Step::Event);
        driver.receive().unwrap().unwrap();
        in_flight = driver.flow.take_output().len();
    }
    assert_eq!(driver.flow.error(), None);
}
