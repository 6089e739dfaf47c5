//! Ends of a transport in memory.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use sansocket::connection::Negotiated;
use sansocket::driver::{Driver, Reply, Step};
use sansocket::{Config, Connection, Event, Instant, Role};

pub use crate::common::{at_ms, preset};

/// A driver after its opening handshake.
pub fn open(role: Role, config: &Config) -> Driver {
    Driver::new(Connection::new(role, config, &Negotiated::new(), at_ms(0)), at_ms(0))
}

/// One direction of a transport, with a limited number of written and unread bytes.
#[derive(Debug)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    ended: bool,
}

impl Pipe {
    pub fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity, ended: false }
    }

    /// Writes some of `bytes`, at most `max`; returns the number.
    pub fn write(&mut self, bytes: &[u8], max: usize) -> usize {
        let n = bytes.len().min(max).min(self.capacity - self.bytes.len());
        self.bytes.extend(&bytes[..n]);
        n
    }

    /// Reads at most `max` bytes; `None`: no bytes are available, and the end is not reached.
    pub fn read(&mut self, max: usize) -> Option<Vec<u8>> {
        let n = self.bytes.len().min(max);
        if n == 0 && !self.ended { None } else { Some(self.bytes.drain(..n).collect()) }
    }

    pub fn end(&mut self) {
        self.ended = true;
    }
}

/// The reads and writes of an event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Reads into the driver's buffer; writes borrow the output.
    Readiness,
    /// Reads into a buffer of the loop, lent to the driver.
    Loan,
    /// The same, with writes that own the output.
    Completion,
}

/// An event loop of one connection.
#[derive(Debug)]
pub struct Loop {
    pub driver: Driver,
    pub style: Style,
    pub read_len: usize,
    pub write_len: usize,
    pub now: Instant,
    pub done: bool,
    in_flight: Option<BytesMut>,
}

impl Loop {
    pub fn new(driver: Driver, style: Style) -> Self {
        let (read_len, write_len) = (usize::MAX, usize::MAX);
        Self { driver, style, read_len, write_len, now: at_ms(0), done: false, in_flight: None }
    }

    /// Executes at most `max` operations; returns whether it has executed any.
    pub fn turn(
        &mut self,
        max: usize,
        input: &mut Pipe,
        output: &mut Pipe,
        mut on_event: impl FnMut(Event<'_>, Reply<'_>),
    ) -> bool {
        for i in 0..max {
            let moved = match self.driver.step() {
                Step::Event => {
                    if let Ok(Some((event, reply))) = self.driver.receive() {
                        on_event(event, reply);
                    }
                    true
                }
                Step::Read => {
                    // Output may still be in flight.
                    self.write(output) || self.read(input, &mut on_event)
                }
                Step::Write { or_read } => {
                    self.write(output) || or_read && self.read(input, &mut on_event)
                }
                Step::EndWriting => {
                    output.end();
                    self.driver.flow.writing_ended();
                    true
                }
                Step::Drain => match input.read(self.read_len) {
                    Some(bytes) => {
                        self.driver.flow.drained(bytes.len(), self.now);
                        true
                    }
                    None => false,
                },
                Step::Done => {
                    output.end();
                    self.done = true;
                    false
                }
                Step::Request | Step::Opened => return i > 0,
            };
            if !moved {
                return i > 0;
            }
        }
        true
    }

    fn write(&mut self, output: &mut Pipe) -> bool {
        if self.style == Style::Completion {
            if self.in_flight.is_none() && !self.driver.flow.output().is_empty() {
                self.in_flight = Some(self.driver.flow.take_output());
            }
            let Some(bytes) = &mut self.in_flight else { return false };
            let n = output.write(bytes, self.write_len);
            bytes.advance(n);
            if bytes.is_empty() {
                self.in_flight = None;
            }
            self.driver.flow.write_done(n, self.now);
            return n > 0;
        }
        let n = output.write(self.driver.flow.output(), self.write_len);
        if n > 0 {
            self.driver.flow.write_done(n, self.now);
        }
        n > 0
    }

    fn read(&mut self, input: &mut Pipe, on_event: &mut impl FnMut(Event<'_>, Reply<'_>)) -> bool {
        if self.style == Style::Readiness {
            let len = self.read_len.min(64 * 1024);
            let room = self.driver.room(|| vec![0; len].into());
            let max = room.len().min(len);
            let Some(bytes) = input.read(max) else { return false };
            room[..bytes.len()].copy_from_slice(&bytes);
            self.driver.read_done(bytes.len(), self.now);
            return true;
        }
        let Some(mut bytes) = input.read(self.read_len) else { return false };
        let mut loan = self.driver.received(&mut bytes, self.now);
        while let Ok(Some((event, reply))) = loan.next() {
            on_event(event, reply);
        }
        true
    }
}
