//! A driver split into parts, and made from them again.

use bytes::Buf;
use sansocket::driver::{Driver, Parts, Step};
use sansocket::{CloseCode, Event, Inbox, Role};

use crate::driver::support::{at_ms, open, preset};

fn server() -> Driver {
    open(Role::Server, &preset(Role::Server).build().unwrap())
}

fn read(driver: &mut Driver, bytes: &[u8]) {
    driver.room(|| vec![0; 4096].into())[..bytes.len()].copy_from_slice(bytes);
    driver.read_done(bytes.len(), at_ms(0));
}

fn again(driver: Driver) -> Driver {
    Driver::resume(driver.into_parts(), at_ms(0))
}

/// Four texts: two in a write of which some bytes are complete, and two after them.
#[test]
fn returned_output_in_flight_is_in_the_parts() {
    let all = b"\x81\x03one\x81\x03two\x81\x05three\x81\x04four";
    for written in 0..=10 {
        let mut driver = server();
        driver.flow.send_text("one").unwrap();
        driver.flow.reply().send_text("two").unwrap();
        let mut in_flight = driver.flow.take_output();
        driver.flow.send_text("three").unwrap();
        let mut wire = in_flight.split_to(written).to_vec();
        driver.flow.write_done(written, at_ms(0));
        driver.flow.put_back(in_flight);
        let mut driver = again(driver);
        assert_eq!(driver.flow.unsent(), 17 - written);
        driver.flow.send_text("four").unwrap();
        assert_eq!(driver.step(), Step::Write { or_read: true });
        while !driver.flow.output().is_empty() {
            wire.push(driver.flow.output()[0]);
            driver.flow.write_done(1, at_ms(0));
        }
        assert_eq!(wire, all, "{written} bytes written before");
        assert_eq!((driver.step(), driver.flow.unsent()), (Step::Read, 0));
    }
}

/// The caller owns it and must add it to the parts, otherwise it is lost.
#[test]
fn output_in_flight_is_not_in_the_parts() {
    let mut driver = server();
    driver.flow.send_text("one").unwrap();
    let mut in_flight = driver.flow.take_output();
    driver.flow.send_text("two").unwrap();
    in_flight.advance(2);
    let mut parts = driver.into_parts();
    assert_eq!(&*parts.unsent, b"\x81\x03two");
    in_flight.extend_from_slice(&parts.unsent);
    parts.unsent = in_flight;
    assert_eq!(Driver::resume(parts, at_ms(0)).flow.output(), b"one\x81\x03two");
}

/// At every byte: events that were found and not received, messages in fragments, and a reply.
#[test]
fn input_and_output_survive_at_every_byte() {
    let wire = b"\x01\x82\0\0\0\0he\x89\x81\0\0\0\0p\x80\x83\0\0\0\0llo\x82\x81\0\0\0\0x";
    for cut in 1..=wire.len() {
        let mut driver = server();
        let mut seen = Vec::new();
        for part in wire.chunks(cut) {
            read(&mut driver, part);
            driver = again(driver);
            while driver.step() == Step::Event {
                // Found, and not received.
                driver = again(driver);
                assert_eq!(driver.step(), Step::Event);
                let (event, _) = driver.receive().unwrap().unwrap();
                seen.push(match event {
                    Event::Text(text) => text.to_string(),
                    Event::Binary(bytes) => format!("{bytes:?}"),
                    Event::Ping(payload) => format!("ping {payload:?}"),
                    event => panic!("{event:?}"),
                });
                driver = again(driver);
            }
        }
        assert_eq!(seen, ["ping [112]", "hello", "[120]"], "parts of {cut} bytes");
        assert_eq!(driver.flow.output(), b"\x8a\x01p");
    }
}

/// An unfinished closing handshake continues, and a finished one stays finished.
#[test]
fn a_closing_handshake_continues_from_parts() {
    let mut driver = server();
    driver.flow.close(CloseCode::NORMAL, "", at_ms(0)).unwrap();
    let mut driver = again(driver);
    assert!(!driver.flow.is_open());
    assert_eq!(driver.flow.output(), b"\x88\x02\x03\xe8");
    driver.flow.write_done(4, at_ms(0));
    let mut driver = again(driver);
    assert_eq!(driver.step(), Step::Read);
    assert_eq!(driver.deadline(at_ms(0)), Some(at_ms(5000)));
    read(&mut driver, b"\x88\x82\0\0\0\0\x03\xe8");
    assert_eq!(driver.step(), Step::Event);
    assert!(matches!(driver.receive().unwrap().unwrap().0, Event::Close(Some(_))));
    let mut driver = again(driver);
    assert!(driver.flow.is_over() && driver.flow.close_status().unwrap().clean);
    assert_eq!(driver.step(), Step::EndWriting);
}

/// The parts of a driver without activity are those of a new one.
#[test]
fn the_parts_of_an_idle_driver_are_empty() {
    let Parts { connection, inbox, unread, unsent } = server().into_parts();
    assert!(connection.is_open() && unread.is_empty() && unsent.is_empty());
    assert_eq!(inbox.capacity(), Inbox::new().capacity());
}

/// Above the mark, the newest pong is not in the output yet.
#[test]
fn the_newest_pong_is_in_the_parts() {
    let config = preset(Role::Server).high_water_mark(100).build().unwrap();
    let mut driver = open(Role::Server, &config);
    for n in 100..200 {
        let ping = [&b"\x89\x83\0\0\0\0"[..], n.to_string().as_bytes()].concat();
        read(&mut driver, &ping);
        assert_eq!(driver.step(), Step::Event);
        assert!(matches!(driver.receive(), Ok(Some((Event::Ping(_), _)))));
    }
    assert!(driver.flow.unsent() < 110, "{} bytes", driver.flow.unsent());
    let driver = again(driver);
    assert!(driver.flow.output().ends_with(b"\x8a\x03199"));
}

#[test]
fn output_in_the_parts_does_not_stop_the_reader() {
    let config = preset(Role::Server).high_water_mark(10).build().unwrap();
    let mut driver = open(Role::Server, &config);
    driver.flow.send_binary(&[7; 100]).unwrap();
    let mut driver = again(driver);
    read(&mut driver, b"\x81\x82\0\0\0\0hi");
    assert_eq!(driver.step(), Step::Event);
    assert!(matches!(driver.receive(), Ok(Some((Event::Text("hi"), _)))));
}
