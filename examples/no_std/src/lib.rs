//! An echo server on a serial line, for a device with an allocator and without std.
//!
//! Each call reads or writes a few bytes, as many as the FIFOs of the UART hold. The server needs
//! memory for one message, for its echo, and a few KiB more.
//!
//! The device needs atomic compare-and-swap, for `alloc::sync::Arc`. A Cortex-M3 has it, a
//! Cortex-M0 (`thumbv6m-none-eabi`) does not.
#![no_std]
#![allow(clippy::wildcard_enum_match_arm, reason = "written as a user of the crate would")]

use core::time::Duration;

use sansocket::driver::{Driver, Reply, Step};
use sansocket::error::ConfigError;
use sansocket::handshake::{HttpResponse, OriginPolicy};
use sansocket::{AcceptOptions, Config, Event, Instant};

/// The maximum length of a received message, in bytes.
const MAX_MESSAGE_LEN: u64 = 64 * 1024;

/// The capacity of the receive FIFO, in bytes.
pub const FIFO_LEN: usize = 7;

/// The registers of a UART with modem lines.
pub trait Uart {
    /// Moves bytes out of the receive FIFO and returns how many; 0: it is empty.
    fn receive(&mut self, fifo: &mut [u8; FIFO_LEN]) -> usize;

    /// Moves bytes into the transmit FIFO and returns how many; 0: it is full.
    fn send(&mut self, bytes: &[u8]) -> usize;

    /// Returns true if the other end is connected (data carrier detect).
    fn has_carrier(&self) -> bool;

    /// Signals the end of the output to the other end (data terminal ready).
    fn drop_ready(&mut self);
}

/// The next action of the main loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a main loop must do each of them")]
pub enum Next {
    /// Sleep until the interrupt of the UART, or until this point in time, then call
    /// [`Server::turn`] again.
    Sleep(Option<Instant>),
    /// The connection has ended: reset the line, and start with a new [`Server`].
    Reset,
}

/// The server's end of the line.
#[derive(Debug)]
pub struct Server {
    driver: Driver,
}

impl Server {
    /// Creates a server that awaits the opening handshake. Time counts from the start of the
    /// device.
    ///
    /// # Errors
    /// [`ConfigError`] if the limits contradict each other.
    pub fn new(now: Instant) -> Result<Self, ConfigError> {
        let config = Config::server()
            .max_message_len(MAX_MESSAGE_LEN)
            .max_head_len(2048)
            .max_unsent(2048)
            .high_water_mark(512)
            // Pongs are the only way to detect a lost peer on a line without a carrier.
            .keep_alive(Some(Duration::from_secs(5)), Some(Duration::from_secs(15)))
            .build()?;
        Ok(Self { driver: Driver::server(&config, now) })
    }

    /// Does all work that is possible without waiting. Call it after each interrupt of the UART,
    /// and at the time of [`Next::Sleep`].
    pub fn turn(&mut self, uart: &mut impl Uart, now: Instant) -> Next {
        // Limited, so that the clock is read again even if the line never blocks.
        for _ in 0..1000 {
            let done = match self.driver.step() {
                Step::Done => return Next::Reset,
                Step::Request => self.answer(now),
                Step::Event => {
                    // An event left from an earlier read. After an error, the next step writes a
                    // Close frame.
                    if let Ok(Some(received)) = self.driver.receive() {
                        echo(received);
                    }
                    true
                }
                Step::Read | Step::Drain => self.read(uart, now),
                Step::Write { or_read } => {
                    self.write(uart, now) || (or_read && self.read(uart, now))
                }
                Step::EndWriting => {
                    uart.drop_ready();
                    self.driver.flow.writing_ended();
                    true
                }
                Step::Opened => false, // only for a client
            };
            if !done {
                self.driver.intake.shrink(); // without a message in progress it holds no memory
                match self.driver.deadline(now) {
                    Some(deadline) if deadline <= now => self.driver.timed_out(now),
                    deadline => return Next::Sleep(deadline),
                }
            }
        }
        Next::Sleep(Some(now))
    }

    /// Reads once. Returns false if no byte was received.
    fn read(&mut self, uart: &mut impl Uart, now: Instant) -> bool {
        let mut fifo = [0; FIFO_LEN];
        let n = uart.receive(&mut fifo);
        if n == 0 && uart.has_carrier() {
            return false;
        }
        // Events borrow from the copy of the FIFO. No bytes: the other end has disconnected.
        let mut loan = self.driver.received(fifo.get_mut(..n).unwrap_or_default(), now);
        while let Ok(Some(received)) = loan.next() {
            echo(received);
        }
        true
    }

    /// Writes once. Returns false if no byte could be sent.
    fn write(&mut self, uart: &mut impl Uart, now: Instant) -> bool {
        let n = uart.send(self.driver.flow.output());
        self.driver.flow.write_done(n, now);
        n > 0
    }

    fn answer(&mut self, now: Instant) -> bool {
        let flow = &mut self.driver.flow;
        let Some(request) = flow.take_request() else { return false };
        // Each kind of answer is appended to the output.
        if request.path() == "/ws" {
            let options = AcceptOptions::new().origins(OriginPolicy::Any);
            let _ = flow.accept(&request, &options, now);
        } else if let Ok(page) = HttpResponse::new(404) {
            let _ = flow.respond(&page);
        }
        true
    }
}

/// Echoes a message. The reply does not fail for lack of space: the driver hands out an event only
/// if there is space for replies.
fn echo((event, mut reply): (Event<'_>, Reply<'_>)) {
    let _ = match event {
        Event::Text(text) => reply.send_text(text),
        Event::Binary(bytes) => reply.send_binary(bytes),
        _ => Ok(()), // pings and Close frames are answered automatically
    };
}
