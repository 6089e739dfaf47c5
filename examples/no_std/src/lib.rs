//! An echo server on a serial line, for a device with an allocator and without std.
//!
//! The line is read and written a few bytes at a time, as the UART's FIFOs allow. The memory is that
//! of one message, of its echo, and a few KiB.
//!
//! The device needs atomic compare-and-swap, for `alloc::sync::Arc`: a Cortex-M3 has it, a Cortex-M0
//! (`thumbv6m-none-eabi`) doesn't.
#![no_std]
#![allow(clippy::wildcard_enum_match_arm, reason = "written as a user of the crate would")]

use core::time::Duration;

use sansocket::driver::{Driver, Reply, Step};
use sansocket::error::ConfigError;
use sansocket::handshake::{HttpResponse, OriginPolicy};
use sansocket::{AcceptOptions, Config, Event, Instant};

/// The longest message that is received, in bytes.
const MAX_MESSAGE_LEN: u64 = 64 * 1024;

/// How many bytes the FIFO of received bytes holds.
pub const FIFO_LEN: usize = 7;

/// The registers of a UART with modem lines.
pub trait Uart {
    /// Moves bytes out of the FIFO of received bytes and returns how many; 0: it is empty.
    fn receive(&mut self, fifo: &mut [u8; FIFO_LEN]) -> usize;

    /// Moves bytes into the FIFO of bytes to be sent and returns how many; 0: it is full.
    fn send(&mut self, bytes: &[u8]) -> usize;

    /// Returns whether the other end is there (data carrier detect).
    fn has_carrier(&self) -> bool;

    /// Tells the other end that no more bytes come (data terminal ready).
    fn drop_ready(&mut self);
}

/// What the main loop does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a main loop must do each of them")]
pub enum Next {
    /// Sleep until the UART's interrupt, or until this point in time, then call
    /// [`Server::turn`] again.
    Sleep(Option<Instant>),
    /// The connection has ended: reset the line, and begin with a new [`Server`].
    Reset,
}

/// One end of the line.
#[derive(Debug)]
pub struct Server {
    driver: Driver,
}

impl Server {
    /// Makes a server that awaits the opening handshake. Time counts from the device's start.
    ///
    /// # Errors
    /// [`ConfigError`] if the limits contradict each other.
    pub fn new(now: Instant) -> Result<Self, ConfigError> {
        let config = Config::server()
            .max_message_len(MAX_MESSAGE_LEN)
            .max_head_len(2048)
            .max_unsent(2048)
            .high_water_mark(512)
            // The only sign of life on a line without a carrier.
            .keep_alive(Some(Duration::from_secs(5)), Some(Duration::from_secs(15)))
            .build()?;
        Ok(Self { driver: Driver::server(&config, now) })
    }

    /// Does everything that can be done without waiting: after each interrupt of the UART, and when
    /// the time of [`Next::Sleep`] has come.
    pub fn turn(&mut self, uart: &mut impl Uart, now: Instant) -> Next {
        // Limited, so that the clock is read again, however fast the line is.
        for _ in 0..1000 {
            let done = match self.driver.step() {
                Step::Done => return Next::Reset,
                Step::Request => self.answer(now),
                Step::Event => {
                    // What an earlier read has left. The next step writes the Close frame of an error.
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
                Step::Opened => false, // only a client is
            };
            if !done {
                self.driver.intake.shrink(); // no message under way, no memory
                match self.driver.deadline(now) {
                    Some(deadline) if deadline <= now => self.driver.timed_out(now),
                    deadline => return Next::Sleep(deadline),
                }
            }
        }
        Next::Sleep(Some(now))
    }

    /// False: nothing was received.
    fn read(&mut self, uart: &mut impl Uart, now: Instant) -> bool {
        let mut fifo = [0; FIFO_LEN];
        let n = uart.receive(&mut fifo);
        if n == 0 && uart.has_carrier() {
            return false;
        }
        // Events are lent from the FIFO's copy. No bytes: the other end has ended.
        let mut loan = self.driver.received(fifo.get_mut(..n).unwrap_or_default(), now);
        while let Ok(Some(received)) = loan.next() {
            echo(received);
        }
        true
    }

    /// False: nothing could be sent.
    fn write(&mut self, uart: &mut impl Uart, now: Instant) -> bool {
        let n = uart.send(self.driver.flow.output());
        self.driver.flow.write_done(n, now);
        n > 0
    }

    fn answer(&mut self, now: Instant) -> bool {
        let flow = &mut self.driver.flow;
        let Some(request) = flow.take_request() else { return false };
        // Whatever the answer is, it is output.
        if request.path() == "/ws" {
            let options = AcceptOptions::new().origins(OriginPolicy::Any);
            let _ = flow.accept(&request, &options, now);
        } else if let Ok(page) = HttpResponse::new(404) {
            let _ = flow.respond(&page);
        }
        true
    }
}

/// Replies have room: without it no event is handed out.
fn echo((event, mut reply): (Event<'_>, Reply<'_>)) {
    let _ = match event {
        Event::Text(text) => reply.send_text(text),
        Event::Binary(bytes) => reply.send_binary(bytes),
        _ => Ok(()), // pings and closes are answered already
    };
}
