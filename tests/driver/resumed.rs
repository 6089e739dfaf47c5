//! Two drivers with compression that are split into parts and made again between any two steps.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use proptest::prelude::*;
use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::deflate::{Level, WindowBits};
use sansocket::driver::{Driver, Step};
use sansocket::message::{Data, OwnedData, SendOptions};
use sansocket::{Connection, Prepared, Role};

use crate::common::deflate::{Terms, chat, noise};
use crate::driver::support::{at_ms, preset};

/// The next operation of an end, selected by numbers.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Whether the driver is split into parts first.
    apart: bool,
    /// Whether a write owns its bytes.
    owned: bool,
    /// The maximum of bytes per read or write.
    len: usize,
}

fn turn() -> impl Strategy<Value = Turn> {
    let len = prop_oneof![1..20_usize, 1..5000_usize, Just(70_000)];
    (prop::bool::weighted(0.3), any::<bool>(), len).prop_map(|(apart, owned, len)| Turn {
        apart,
        owned,
        len,
    })
}

#[derive(Debug)]
struct End {
    driver: Option<Driver>,
    in_flight: Option<BytesMut>,
    sent: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
    part: Vec<u8>,
    under_way: bool,
}

impl End {
    fn new(role: Role, terms: Terms, delivery: Delivery, max_unsent: usize) -> Self {
        let config = preset(role).max_unsent(max_unsent).delivery(delivery).build().unwrap();
        let connection = Connection::new(role, &config, &terms.negotiated(role), at_ms(0));
        let driver = Some(Driver::new(connection, at_ms(0)));
        let (sent, received, part) = (Vec::new(), Vec::new(), Vec::new());
        Self { driver, in_flight: None, sent, received, part, under_way: false }
    }

    fn send(&mut self, way: u8, len: usize) {
        let flow = &mut self.driver.as_mut().unwrap().flow;
        let message = if way.is_multiple_of(2) {
            chat(len).repeat(len / 50).into_bytes()
        } else {
            noise(len, 7)
        };
        let max = flow.connection().config().max_unsent();
        let sent = match way / 2 {
            0 => flow.send_binary(&message),
            // Both parts have capacity.
            1 if flow.unsent() + 2 * message.len() < max / 2 => {
                let (first, second) = message.split_at(message.len() / 2);
                flow.send_part(Data::Binary(first), false, SendOptions::new()).unwrap();
                flow.send_part(Data::Binary(second), true, SendOptions::new())
            }
            _ => flow.send_prepared(
                &Prepared::binary(&message).with_deflate(WindowBits::MIN, Level::Fast),
            ),
        };
        if sent.is_ok() {
            self.sent.push(message);
        }
    }

    /// Executes one step; returns whether any operation was executed.
    fn turn(&mut self, turn: Turn, input: &mut VecDeque<u8>, output: &mut VecDeque<u8>) -> bool {
        let mut driver = self.driver.take().unwrap();
        if turn.apart {
            if let Some(rest) = self.in_flight.take() {
                driver.flow.put_back(rest);
            }
            driver = Driver::resume(driver.into_parts(), at_ms(0));
        }
        let driver = self.driver.insert(driver);
        let step = driver.step();
        match step {
            Step::Event => {
                let event = match turn.owned {
                    true => driver.intake.receive_owned(&mut driver.flow).unwrap().unwrap(),
                    false => driver.receive().unwrap().unwrap().0.into(),
                };
                self.take(event);
                return true;
            }
            Step::Read | Step::Write { .. } => {}
            _ => panic!("{step:?}"),
        }
        if let Step::Write { .. } = step {
            if turn.owned && self.in_flight.is_none() && !driver.flow.output().is_empty() {
                self.in_flight = Some(driver.flow.take_output());
            }
            let n = if let Some(bytes) = &mut self.in_flight {
                let n = bytes.len().min(turn.len);
                output.extend(&bytes[..n]);
                bytes.advance(n);
                n
            } else {
                let n = driver.flow.output().len().min(turn.len);
                output.extend(&driver.flow.output()[..n]);
                n
            };
            driver.flow.write_done(n, at_ms(0));
            self.in_flight = self.in_flight.take().filter(|bytes| !bytes.is_empty());
        }
        let reads = !input.is_empty() && step != Step::Write { or_read: false };
        if reads {
            let mut bytes: Vec<u8> = input.drain(..input.len().min(turn.len)).collect();
            if turn.owned {
                drop(driver.received(&mut bytes, at_ms(0)));
            } else {
                let room = driver.room(|| vec![0; 4096].into());
                let n = bytes.len().min(room.len());
                room[..n].copy_from_slice(&bytes[..n]);
                driver.read_done(n, at_ms(0));
                for &byte in bytes[n..].iter().rev() {
                    input.push_front(byte);
                }
            }
        }
        reads || step != Step::Read
    }

    fn take(&mut self, event: OwnedEvent) {
        match event {
            OwnedEvent::Message(OwnedData::Binary(message)) => self.received.push(message.to_vec()),
            OwnedEvent::Part { data: OwnedData::Binary(part), start, end } => {
                assert_eq!(start, self.part.is_empty() && !self.under_way);
                self.part.extend(&part);
                self.under_way = !end;
                if end {
                    self.received.push(core::mem::take(&mut self.part));
                }
            }
            event => panic!("{event:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_bytes_are_lost_between_any_two_steps(
        takeover: bool,
        parts: bool,
        max_unsent in prop_oneof![Just(2_usize), Just(1 << 20)],
        sends in prop::collection::vec((any::<bool>(), 0..6_u8, 0..2000_usize), 1..20),
        turns in prop::collection::vec(turn(), 1..50),
    ) {
        let terms = Terms::default().takeover(takeover);
        let delivery = if parts { Delivery::Parts } else { Delivery::Whole };
        let [mut client, mut server] =
            [Role::Client, Role::Server].map(|role| End::new(role, terms, delivery, max_unsent));
        let (mut up, mut down) = (VecDeque::new(), VecDeque::new());
        let (mut sends, mut turns) = (sends.into_iter(), turns.into_iter().cycle());
        loop {
            let send = sends.next();
            if let Some((by_client, way, len)) = send {
                if by_client { client.send(way, len) } else { server.send(way, len) }
            }
            let mut moved = send.is_some();
            for _ in 0..3 {
                moved |= client.turn(turns.next().unwrap(), &mut down, &mut up);
                moved |= server.turn(turns.next().unwrap(), &mut up, &mut down);
            }
            if !moved {
                break;
            }
        }
        prop_assert_eq!(&client.received, &server.sent);
        prop_assert_eq!(&server.received, &client.sent);
    }
}
