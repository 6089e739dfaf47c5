//! A sans-IO driver for event loops of any kind: buffers, deadlines, back-pressure and the end of
//! the transport. It does no I/O and reads no clock.
//!
//! [`Driver::step`] returns the next step. The loop performs it, then reports the result to the
//! driver:
//!
//! | step | the loop | then calls |
//! |---|---|---|
//! | [`Request`] | decides | [`take_request`], then [`accept`], [`respond`] or [`refuse`] |
//! | [`Opened`] | | [`take_response`] |
//! | [`Event`](Step::Event) | handles the event | [`receive`], [`reply`] |
//! | [`Read`] | reads once | [`read_done`] or [`received`] |
//! | [`Write`] | writes some of [`output`](Flow::output) | [`write_done`] or [`write_failed`] |
//! | [`EndWriting`] | shuts down the write half | [`writing_ended`] |
//! | [`Drain`] | reads once, drops the input | [`drained`] |
//! | [`Done`] | drops the transport | |
//!
//! [`Request`]: Step::Request
//! [`Opened`]: Step::Opened
//! [`Read`]: Step::Read
//! [`Write`]: Step::Write
//! [`EndWriting`]: Step::EndWriting
//! [`Drain`]: Step::Drain
//! [`Done`]: Step::Done
//! [`take_request`]: Flow::take_request
//! [`accept`]: Flow::accept
//! [`respond`]: Flow::respond
//! [`refuse`]: Flow::refuse
//! [`take_response`]: Flow::take_response
//! [`receive`]: Driver::receive
//! [`reply`]: Flow::reply
//! [`read_done`]: Driver::read_done
//! [`received`]: Driver::received
//! [`write_done`]: Flow::write_done
//! [`write_failed`]: Flow::write_failed
//! [`writing_ended`]: Flow::writing_ended
//! [`drained`]: Flow::drained
//!
//! If the transport is not ready, the loop sleeps until it is, or until
//! [`deadline`](Driver::deadline). When the deadline has passed, the loop calls
//! [`timed_out`](Driver::timed_out). After an error of the transport it calls
//! [`failed`](Flow::failed).
//!
//! ```
//! use std::io::{self, Read, Write};
//!
//! use sansocket::driver::{Driver, Step};
//! use sansocket::{AcceptOptions, Config, Event, Instant};
//!
//! /// Echoes over a transport that blocks until it is ready. No deadline is enforced, because a
//! /// read or a write may block for longer. A readiness loop waits on `WouldBlock` until
//! /// `deadline(now)`, then calls `timed_out(now)`; see the example `mio`.
//! fn serve<S: Read + Write>(
//!     mut io: S,
//!     config: &Config,
//!     options: &AcceptOptions,
//!     now: fn() -> Instant, // `Instant::now` with std
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
//!                 _ => {} // after an error, the next steps write the Close frame
//!             },
//!             Step::Read | Step::Drain => {
//!                 let n = io.read(driver.room(|| vec![0; 64 * 1024].into()))?;
//!                 driver.read_done(n, now());
//!             }
//!             Step::Write { .. } => {
//!                 let n = io.write(driver.flow.output())?;
//!                 driver.flow.write_done(n, now());
//!             }
//!             Step::EndWriting => driver.flow.writing_ended(), // for a socket: shutdown(Write)
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
//! Complete loops are in the repository's `examples`: `mio` (readiness, one read buffer for all
//! connections), `smol` (an async adapter), `no_std` (a UART).
//!
//! # Two halves
//! A [`Driver`] consists of a [`Flow`] and an [`Intake`]. Events borrow from the intake only, so
//! the flow can be used while an event is held. A reader and a writer in different tasks share the
//! flow; the reader owns the intake.
//!
//! ```text
//!               Intake: read buffer, inbox         Flow: connection, output, deadlines
//!  transport ──► unread bytes ──► event ──► you ──► reply, unsolicited output ──► transport
//! ```
//!
//! # Replies and unsolicited output
//! Output sent with [`Flow::reply`] is a reply. While the unsent replies have reached the
//! high-water mark, the driver hands out no event and therefore reads nothing: back-pressure
//! against a peer that sends requests and does not read the responses. All other output is
//! unsolicited. It never stops the reader, because two ends that flood each other would both stop
//! and then wait for each other forever. Therefore answer an event with its reply.
//!
//! The driver answers pings itself. Once the unsent pongs have reached the high-water mark, it
//! keeps only the pong for the newest ping until there is space, and omits the others, as
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

/// A connection, or its opening handshake, with its buffers. See the [module](self) for the loop.
///
/// ```
/// use sansocket::connection::Negotiated;
/// use sansocket::driver::{Driver, Step};
/// use sansocket::{Config, Connection, Event, Instant, Role};
///
/// let now = Instant::from_micros(0);
/// let config = Config::server().build()?;
/// let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
/// let mut driver = Driver::new(connection, now);
///
/// assert_eq!(driver.step(), Step::Read);
/// let read = b"\x81\x82\0\0\0\0hi"; // a text message, masked with a key of zeros
/// driver.room(|| vec![0; 1024].into())[..read.len()].copy_from_slice(read);
/// driver.read_done(read.len(), now);
///
/// assert_eq!(driver.step(), Step::Event);
/// if let Some((Event::Text(text), mut reply)) = driver.receive()? {
///     reply.send_text(text)?;
/// }
/// assert_eq!(driver.step(), Step::Write { or_read: true });
/// assert_eq!(driver.flow.output(), b"\x81\x02hi");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[expect(clippy::exhaustive_structs, reason = "the halves are borrowed separately")]
#[derive(Debug)]
pub struct Driver {
    /// The connection, its output and its deadlines.
    pub flow: Flow,
    /// The input and the memory that events borrow from.
    pub intake: Intake,
}

/// The parts of a [`Driver`], for another event loop.
///
/// ```
/// use sansocket::driver::{Driver, Parts};
/// use sansocket::Instant;
///
/// /// Moves a connection to another loop, even in the middle of a message.
/// fn hand_over(driver: Driver, now: Instant) -> Driver {
///     let parts: Parts = driver.into_parts();
///     Driver::resume(parts, now)
/// }
/// ```
#[expect(clippy::exhaustive_structs, reason = "a connection and its three buffers")]
pub struct Parts {
    /// The connection.
    pub connection: Connection,
    /// The message in progress, if any.
    pub inbox: Inbox,
    /// Bytes that were read and are not processed yet.
    pub unread: BytesMut,
    /// Output that is not written yet.
    pub unsent: BytesMut,
}

impl fmt::Debug for Parts {
    /// Shows lengths only: debug output ends up in logs.
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
    /// Starts the opening handshake of a server. The `handshake_timeout` runs from `now`.
    ///
    /// ```
    /// use sansocket::driver::{Driver, Step};
    /// use sansocket::{AcceptOptions, Config, Instant};
    ///
    /// let now = Instant::from_micros(0);
    /// let config = Config::server().build()?;
    /// let mut driver = Driver::server(&config, now);
    /// let mut request = *b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    ///     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    ///     Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";
    /// drop(driver.received(&mut request, now));
    ///
    /// assert_eq!(driver.step(), Step::Request);
    /// if let Some(head) = driver.flow.take_request() {
    ///     driver.flow.accept(&head, &AcceptOptions::new(), now)?;
    /// }
    /// assert!(driver.flow.output().starts_with(b"HTTP/1.1 101 "));
    /// assert!(driver.flow.is_open());
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn server(config: &Config, now: Instant) -> Self {
        let opening = Opening::server(config, now);
        Self::opening(Role::Server, opening, Output::default(), config, now)
    }

    /// Starts the opening handshake of a client, and appends the request to the output. The
    /// `handshake_timeout` runs from `now`.
    ///
    /// ```
    /// use sansocket::driver::{Driver, Step};
    /// use sansocket::{Config, ConnectRequest, Instant};
    /// # use sansocket::Entropy;
    /// # use sansocket::error::EntropyError;
    /// # fn my_generator(bytes: &mut [u8]) -> Result<(), EntropyError> { bytes.fill(7); Ok(()) }
    ///
    /// let now = Instant::from_micros(0);
    /// let request = ConnectRequest::new("ws://example.com/chat")?;
    /// let config = Config::client(Entropy::from_fn(my_generator)).build()?;
    /// let mut driver = Driver::client(&request, &config, now)?;
    /// assert_eq!(driver.step(), Step::Write { or_read: true });
    /// assert!(driver.flow.output().starts_with(b"GET /chat HTTP/1.1\r\n"));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SendError::Entropy`] if the source of randomness fails, or if `config` is for a server.
    pub fn client(
        request: &ConnectRequest,
        config: &Config,
        now: Instant,
    ) -> Result<Self, SendError> {
        let mut output = Output::default();
        let opening = Opening::client(request, config, now, &mut output.bytes)?;
        Ok(Self::opening(Role::Client, opening, output, config, now))
    }

    /// Creates a driver for a connection after its opening handshake.
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

    /// Rebuilds a driver from its parts, even in the middle of a message.
    #[must_use]
    pub fn resume(parts: Parts, now: Instant) -> Self {
        let Parts { connection, inbox, unread, unsent } = parts;
        let mut output = Output::default();
        output.unsolicited(|out| *out = unsent);
        let mut intake = Intake::new(inbox, now);
        intake.append(&unread);
        Self { flow: Flow::new(connection, None, output), intake }
    }

    /// Returns the parts of the driver. From an opening handshake in progress, only the bytes
    /// remain.
    ///
    /// The parts exclude output in flight: [put it back](Flow::put_back) first.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        let (connection, unsent) = self.flow.into_connection();
        let unread = BytesMut::from(self.intake.unread());
        Parts { connection, inbox: self.intake.into_inbox(), unread, unsent }
    }

    /// Returns the next step; see [`Flow::step`].
    #[inline]
    pub fn step(&mut self) -> Step {
        self.flow.step(&mut self.intake)
    }

    /// Returns the event that [`Step::Event`] reported, and a handle to reply to it.
    ///
    /// # Errors
    /// As [`Intake::receive`].
    #[inline]
    pub fn receive(&mut self) -> Result<Option<(Event<'_>, Reply<'_>)>, ProtocolError> {
        let event = self.intake.receive(&mut self.flow)?;
        Ok(event.map(|event| (event, self.flow.reply())))
    }

    /// Returns the buffer for one read; see [`Intake::room`].
    pub fn room(&mut self, buffer: impl FnOnce() -> Box<[u8]>) -> &mut [u8] {
        self.intake.room(&self.flow, buffer)
    }

    /// Reports a read into the last [`room`](Self::room); see [`Flow::read_done`].
    pub fn read_done(&mut self, n: usize, now: Instant) {
        self.flow.read_done(&mut self.intake, n, now);
    }

    /// Processes bytes that were read at `now` into a buffer of the caller. Events borrow from that
    /// buffer; see [`Loan`]. Empty `bytes` report that the peer has shut down its write half.
    ///
    /// The driver accepts the bytes in any step. A loop that keeps reading while
    /// [`step`](Self::step) returns another step fills the driver's memory, so stop reading then.
    pub fn received<'d, 'b>(&'d mut self, bytes: &'b mut [u8], now: Instant) -> Loan<'d, 'b> {
        Loan::new(&mut self.flow, &mut self.intake, bytes, now)
    }

    /// Reports that the peer has shut down its write half, like a read of 0 bytes.
    pub const fn eof(&mut self) {
        self.flow.eof();
    }

    /// Returns the deadline of the current wait; see [`Flow::deadline`].
    ///
    /// ```
    /// use sansocket::driver::{Driver, Step};
    /// use sansocket::{Config, Instant};
    ///
    /// let now = Instant::from_micros(0);
    /// let config = Config::server().build()?;
    /// let mut driver = Driver::server(&config, now);
    /// assert_eq!(driver.step(), Step::Read);
    ///
    // No request arrives until the deadline.
    /// let deadline = driver.deadline(now).ok_or("no deadline")?;
    /// assert_eq!(deadline.saturating_duration_since(now), config.handshake_timeout());
    /// driver.timed_out(deadline);
    /// assert!(driver.flow.output().starts_with(b"HTTP/1.1 408 "));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.flow.deadline(&self.intake, now)
    }

    /// Processes expired deadlines; see [`Flow::timed_out`].
    pub fn timed_out(&mut self, now: Instant) {
        self.flow.timed_out(&self.intake, now);
    }
}
