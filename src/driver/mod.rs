//! The driver: buffers, deadlines, back-pressure and the end of the transport, for event loops of
//! any kind. It does no I/O and reads no clock either.
//!
//! [`Driver::step`] tells what to do next; the loop does it, and takes note of it in the driver:
//!
//! | step | the loop does | then calls |
//! |---|---|---|
//! | [`Request`](Step::Request) | decides | [`take_request`](Flow::take_request), then [`accept`](Flow::accept), [`respond`](Flow::respond) or [`refuse`](Flow::refuse) |
//! | [`Opened`](Step::Opened) | | [`take_response`](Flow::take_response) |
//! | [`Event`](Step::Event) | its own work | [`receive`](Intake::receive), [`reply`](Flow::reply) |
//! | [`Read`](Step::Read) | one read | [`read_done`](Driver::read_done), or [`received`](Driver::received) |
//! | [`Write`](Step::Write) | one write of [`output`](Flow::output) | [`write_done`](Flow::write_done) or [`write_failed`](Flow::write_failed) |
//! | [`EndWriting`](Step::EndWriting) | ends the writing half | [`writing_ended`](Flow::writing_ended) |
//! | [`Drain`](Step::Drain) | one read, dropped | [`drained`](Flow::drained) |
//! | [`Done`](Step::Done) | drops the transport | |
//!
//! If the transport isn't ready the loop waits for it, but not beyond
//! [`deadline`](Driver::deadline); then it calls [`timed_out`](Driver::timed_out). After an error of
//! the transport it calls [`failed`](Flow::failed).
//!
//! ```
//! use std::io::{self, Read, Write};
//!
//! use sansocket::driver::{Driver, Step};
//! use sansocket::{AcceptOptions, Config, Event, Instant};
//!
//! /// Echoes over a transport that blocks until it is ready. No deadline is kept: a read or write may
//! /// block for longer. With readiness: on `WouldBlock` wait until `deadline(now)`, then call
//! /// `timed_out(now)`, as the example `mio` does.
//! fn serve<S: Read + Write>(
//!     mut io: S,
//!     config: &Config,
//!     options: &AcceptOptions,
//!     now: fn() -> Instant, // `Instant::now` where there is std
//! ) -> io::Result<()> {
//!     let mut driver = Driver::server(config, now());
//!     loop {
//!         match driver.step() {
//!             Step::Request => {
//!                 if let Some(request) = driver.flow.take_request() {
//!                     // A refusal is written by the next steps.
//!                     let _ = driver.flow.accept(&request, options, now());
//!                 }
//!             }
//!             Step::Event => match driver.receive() {
//!                 Ok(Some((Event::Text(text), mut reply))) => drop(reply.send_text(text)),
//!                 Ok(Some((Event::Binary(bytes), mut reply))) => drop(reply.send_binary(bytes)),
//!                 _ => {} // the Close frame of an error is written by the next steps
//!             },
//!             Step::Read | Step::Drain => {
//!                 let n = io.read(driver.room(|| vec![0; 64 * 1024].into()))?;
//!                 driver.read_done(n, now());
//!             }
//!             Step::Write { .. } => {
//!                 let n = io.write(driver.flow.output())?;
//!                 driver.flow.write_done(n, now());
//!             }
//!             Step::EndWriting => driver.flow.writing_ended(), // of a socket: shutdown(Write)
//!             Step::Opened | Step::Done => return Ok(()),
//!         }
//!     }
//! }
//! # struct Peer(&'static [u8], Vec<u8>);
//! # impl Read for Peer {
//! #     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> { self.0.read(buffer) }
//! # }
//! # impl Write for Peer {
//! #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.1.write(bytes) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let input = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//! #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n\
//! #     \x81\x82\0\0\0\0hi\x88\x80\0\0\0\0";
//! # let mut peer = Peer(input, Vec::new());
//! # struct ByRef<'a>(&'a mut Peer);
//! # impl Read for ByRef<'_> {
//! #     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> { self.0.read(buffer) }
//! # }
//! # impl Write for ByRef<'_> {
//! #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.0.write(bytes) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let (config, options) = (Config::server().build().unwrap(), AcceptOptions::new());
//! # serve(ByRef(&mut peer), &config, &options, || Instant::from_micros(0)).unwrap();
//! # assert!(peer.1.ends_with(b"\r\n\r\n\x81\x02hi\x88\x00"));
//! ```
//!
//! Whole loops are in the repository's `examples`: `mio` (readiness, one read buffer for all
//! connections), `smol` (an async adapter), `no_std` (a UART).
//!
//! # Two halves
//! A [`Driver`] is a [`Flow`] and an [`Intake`]. Events are lent from the intake, so everything else
//! can be used while one is held; a reader and a writer that share a connection share the flow.
//!
//! # Replies and unsolicited output
//! What is sent by [`Flow::reply`] is a reply: from the high-water mark on no further event is handed
//! out, and so nothing more is read. That is back-pressure against a peer that asks and doesn't read
//! the answers. All other output is unsolicited and never keeps the driver from reading: two ends that
//! flood each other would wait for each other for ever. Answer events by the reply, therefore.
//!
//! Pings are answered by the driver. From a high-water mark of unsent pongs on, only the answer to the
//! newest ping waits for room; the others are left out, as
//! [RFC 6455 section 5.5.3](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3) allows.

mod deadlines;
mod flow;
mod handshake;
mod intake;
mod loan;
mod opening;
mod output;
mod sending;
mod step;
mod timers;
mod transfer;

use core::fmt;

use alloc::boxed::Box;

use bytes::BytesMut;

use crate::config::Config;
use crate::connection::Connection;
use crate::driver::opening::Opening;
use crate::driver::output::Output;
use crate::error::protocol::ProtocolError;
use crate::error::send::SendError;
use crate::event::Event;
use crate::handshake::connect::ConnectRequest;
use crate::inbox::Inbox;
use crate::instant::Instant;
use crate::negotiated::Negotiated;
use crate::role::Role;

pub use crate::driver::flow::Flow;
pub use crate::driver::intake::Intake;
pub use crate::driver::loan::Loan;
pub use crate::driver::sending::Reply;
pub use crate::driver::step::Step;

/// A connection, or its opening handshake, with its buffers. See the [module](self).
#[expect(clippy::exhaustive_structs, reason = "the two halves are the point")]
#[derive(Debug)]
pub struct Driver {
    /// Everything but the memory that events are lent from.
    pub flow: Flow,
    /// The memory that events are lent from.
    pub intake: Intake,
}

/// A driver taken apart, for [`Driver::resume`].
#[expect(clippy::exhaustive_structs, reason = "a connection and its three buffers")]
pub struct Parts {
    /// The connection.
    pub connection: Connection,
    /// The message under way, if there is one.
    pub inbox: Inbox,
    /// Bytes that were read and not received.
    pub unread: BytesMut,
    /// Output that is not written yet.
    pub unsent: BytesMut,
}

impl fmt::Debug for Parts {
    /// No data: debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("connection", &self.connection)
            .field("inbox", &self.inbox)
            .field("unread", &self.unread.len())
            .field("unsent", &self.unsent.len())
            .finish()
    }
}

impl Driver {
    /// Starts a server's opening handshake; the `handshake_timeout` runs from `now`.
    #[must_use]
    pub fn server(config: &Config, now: Instant) -> Self {
        let opening = Opening::server(config, now);
        Self::opening(Role::Server, opening, Output::default(), config, now)
    }

    /// Starts a client's opening handshake, with the request in the output; the `handshake_timeout`
    /// runs from `now`.
    ///
    /// # Errors
    /// [`SendError::Entropy`] if the source of randomness fails, or if the config is a server's.
    pub fn client(
        request: &ConnectRequest,
        config: &Config,
        now: Instant,
    ) -> Result<Self, SendError> {
        let mut output = Output::default();
        let opening = Opening::client(request, config, now, &mut output.bytes)?;
        Ok(Self::opening(Role::Client, opening, output, config, now))
    }

    /// Goes on with a connection whose opening handshake is done.
    #[must_use]
    pub fn new(connection: Connection, now: Instant) -> Self {
        let flow = Flow::new(connection, None, Output::default());
        Self { flow, intake: Intake::new(Inbox::new(), now) }
    }

    fn opening(
        role: Role,
        opening: Opening,
        output: Output,
        config: &Config,
        now: Instant,
    ) -> Self {
        let connection = Connection::new(role, config, &Negotiated::new(), now);
        let flow = Flow::new(connection, Some(opening), output);
        Self { flow, intake: Intake::new(Inbox::new(), now) }
    }

    /// Puts a driver together again, in the middle of a message too.
    #[must_use]
    pub fn resume(parts: Parts, now: Instant) -> Self {
        let Parts { connection, inbox, unread, unsent } = parts;
        let mut output = Output::default();
        output.unsolicited(|out| *out = unsent);
        let mut intake = Intake::new(inbox, now);
        intake.append(&unread);
        Self { flow: Flow::new(connection, None, output), intake }
    }

    /// Takes the driver apart. Of an opening handshake under way nothing but the bytes is left.
    ///
    /// Output in flight is not among the parts: put it back first.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        let (connection, unsent) = self.flow.into_connection();
        let unread = BytesMut::from(self.intake.unread());
        Parts { connection, inbox: self.intake.into_inbox(), unread, unsent }
    }

    /// As [`Flow::step`].
    #[inline]
    pub fn step(&mut self) -> Step {
        self.flow.step(&mut self.intake)
    }

    /// Returns the event that [`Step::Event`] has told of, with what to answer it with.
    ///
    /// # Errors
    /// As [`Intake::receive`].
    #[inline]
    pub fn receive(&mut self) -> Result<Option<(Event<'_>, Reply<'_>)>, ProtocolError> {
        let event = self.intake.receive(&mut self.flow)?;
        Ok(event.map(|event| (event, self.flow.reply())))
    }

    /// As [`Intake::room`].
    pub fn room(&mut self, buffer: impl FnOnce() -> Box<[u8]>) -> &mut [u8] {
        self.intake.room(&self.flow, buffer)
    }

    /// As [`Flow::read_done`].
    pub fn read_done(&mut self, n: usize, now: Instant) {
        self.flow.read_done(&mut self.intake, n, now);
    }

    /// Takes in bytes that were read at `now` into a buffer of the caller's; none: the peer has ended
    /// its writing half. Events are lent from there.
    ///
    /// Whatever the step is they are taken. A loop that reads while [`step`](Self::step) asks for
    /// something else fills the driver's memory: stop reading then.
    pub fn received<'d, 'b>(&'d mut self, bytes: &'b mut [u8], now: Instant) -> Loan<'d, 'b> {
        Loan::new(&mut self.flow, &mut self.intake, bytes, now)
    }

    /// Takes note that the peer has ended its writing half: as a read of no bytes.
    pub const fn eof(&mut self) {
        self.flow.eof();
    }

    /// As [`Flow::deadline`].
    #[must_use]
    pub fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.flow.deadline(&self.intake, now)
    }

    /// As [`Flow::timed_out`].
    pub fn timed_out(&mut self, now: Instant) {
        self.flow.timed_out(&self.intake, now);
    }
}
