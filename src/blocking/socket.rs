//! A WebSocket in one thread's hands.

use core::task::Poll;
use core::time::Duration;

use bytes::BytesMut;

use crate::adapter::parts::{LeftOver, Received, Unfinished};
use crate::adapter::sending::{feed_methods, send_methods};
use crate::blocking::drive::{after, end, feed_unsolicited, send, send_up_to, wait, write_last};
use crate::blocking::link::Link;
use crate::blocking::transport::Transport;
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::driver::{Driver, Flow, Step};
use crate::error::adapter::WebSocketError;
use crate::error::protocol::ProtocolError;
use crate::error::send::SendError;
use crate::event::{Event, OwnedEvent};
use crate::inbox::Inbox;
use crate::instant::Instant;

/// The result of a read, inside this file.
type EventAndReply<'a, S> = Option<(Event<'a>, Reply<'a, S>)>;

/// A WebSocket over a blocking transport.
///
/// Dropping it drops the transport at once, without a Close frame and without waiting for anything,
/// and with it what was fed and not written: the peer sees a lost connection. Use
/// [`close`](Self::close) to end it in order.
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) link: Link<S>,
    pub(super) driver: Driver,
    /// The rest of a message for [`read_into`](Self::read_into).
    pub(super) left_over: LeftOver,
}

impl<S: Transport> WebSocket<S> {
    /// Goes on with a connection whose opening handshake is done; `unread` is what was read behind it.
    ///
    /// The timeouts and the mode of the stream are the adapter's from here on.
    ///
    /// ```
    /// # #[cfg(unix)] fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::os::unix::net::UnixStream;
    ///
    /// use sansocket::blocking::WebSocket;
    /// use sansocket::connection::Negotiated;
    /// use sansocket::{Config, Connection, Entropy, Event, Instant, Role};
    ///
    /// // Two ends that have agreed on a WebSocket without a handshake.
    /// let (here, there) = UnixStream::pair()?;
    /// let (now, nothing) = (Instant::now(), Negotiated::new());
    /// let server = Connection::new(Role::Server, &Config::server().build()?, &nothing, now);
    /// let config = Config::client(Entropy::os()).build()?;
    /// let client = Connection::new(Role::Client, &config, &nothing, now);
    /// let mut server = WebSocket::from_connection(here, server, &[]);
    /// let mut client = WebSocket::from_connection(there, client, &[]);
    ///
    /// client.send_text("Hello")?;
    /// let (event, _) = server.read()?.expect("a message");
    /// assert_eq!(event, Event::Text("Hello"));
    /// # Ok(()) }
    /// # #[cfg(not(unix))] fn main() {}
    /// ```
    pub fn from_connection(stream: S, connection: Connection, unread: &[u8]) -> Self {
        Self::resume(Unfinished {
            stream,
            connection,
            inbox: Inbox::new(),
            unread: BytesMut::from(unread),
            unsent: BytesMut::new(),
            left_over: LeftOver::new(),
        })
    }

    /// Puts a WebSocket together again that [`into_inner`](Self::into_inner) has taken apart, in the
    /// middle of a message too.
    pub fn resume(unfinished: Unfinished<S>) -> Self {
        let (stream, driver, left_over) = unfinished.into_driver(Instant::now());
        Self { left_over, ..Self::new(stream, driver) }
    }

    /// A WebSocket whose driver opens it, or has opened it.
    pub(super) fn new(stream: S, mut driver: Driver) -> Self {
        driver.flow.track_flushes();
        Self { link: Link::new(stream), driver, left_over: LeftOver::new() }
    }

    /// Drives to the next step that is the caller's.
    pub(super) fn step(&mut self) -> Step {
        let Self { link, driver: Driver { flow, intake }, .. } = self;
        // Without an end the step comes.
        wait(link, flow, intake, None).unwrap_or(Step::Done)
    }

    /// Waits for the next event, and gives with it what to answer with while the event is held.
    ///
    /// `None`: the closing handshake is done, and the transport has ended. That is so whatever the code
    /// was, 1009 or 1011 too: look at [`close_status`](Self::close_status). Output is written before it
    /// waits; with [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of
    /// replies unsent, before the next event is lent; the answer to a Close frame before that event is
    /// lent.
    ///
    /// ```
    /// use sansocket::blocking::{Transport, WebSocket};
    /// use sansocket::{Event, WebSocketError};
    ///
    /// fn echo<S: Transport>(ws: &mut WebSocket<S>) -> Result<(), WebSocketError> {
    ///     while let Some((event, mut reply)) = ws.read()? {
    ///         match event {
    ///             Event::Text(text) => reply.feed_text(text)?,
    ///             Event::Binary(bytes) => reply.feed_binary(bytes)?,
    ///             _ => {} // pings and Close frames are answered already
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`WebSocketError::Protocol`] after a violation, once the Close frame that says so is
    /// written, the writing half ended, and the input drained for at most the linger timeout;
    /// [`WebSocketError::Io`] if the transport failed.
    pub fn read(&mut self) -> Result<Option<(Event<'_>, Reply<'_, S>)>, WebSocketError> {
        self.link.set_nonblocking(false)?;
        match self.lend_until(None)? {
            Poll::Ready(incoming) => Ok(incoming),
            // Unreachable: without an end the wait has none.
            Poll::Pending => Err(ProtocolError::Aborted.into()),
        }
    }

    /// Waits for the next event, but not longer than `timeout`: [`Poll::Pending`] then. Otherwise as
    /// [`read`](Self::read). Output is written meanwhile.
    ///
    /// A timeout that was set at the stream itself doesn't count: the adapter sets its own. An error is
    /// returned by the call in which the transport has ended; earlier ones are pending.
    ///
    /// ```
    /// use std::task::Poll;
    /// use std::time::Duration;
    ///
    /// use sansocket::WebSocketError;
    /// use sansocket::blocking::{Transport, WebSocket};
    ///
    /// fn run<S: Transport>(ws: &mut WebSocket<S>) -> Result<(), WebSocketError> {
    ///     loop {
    ///         match ws.read_timeout(Duration::from_millis(100))? {
    ///             Poll::Ready(Some((event, _))) => println!("{event:?}"),
    ///             Poll::Ready(None) => return Ok(()), // closed in order
    ///             Poll::Pending => println!("nothing yet"),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Poll<EventAndReply<'_, S>>, WebSocketError> {
        self.link.set_nonblocking(false)?;
        let until = after(timeout);
        self.lend_until(until)
    }

    /// Reads and writes as much as goes without waiting, and returns the next event;
    /// [`Poll::Pending`]: there is none yet. For game loops, once a frame until it says so. Timers run
    /// with it, and what was fed is written by it. Otherwise as [`read`](Self::read).
    ///
    /// The stream is in non-blocking mode until a method that waits is called, so it must not share
    /// its mode with another handle in use. A transport without that mode
    /// ([`Transport::set_nonblocking`]) waits for a millisecond. One that is non-blocking and can't be
    /// set to blocking mode can be used by this method only.
    ///
    /// Of an unsplit WebSocket only: a [`Reader`](crate::blocking::Reader) has none.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[expect(clippy::type_complexity, reason = "an alias would hide the type in the docs")]
    pub fn poll_read(&mut self) -> Result<Poll<Option<(Event<'_>, Reply<'_, S>)>>, WebSocketError> {
        self.link.set_nonblocking(true)?;
        self.lend_until(Some(Instant::now()))
    }

    fn lend_until(
        &mut self,
        until: Option<Instant>,
    ) -> Result<Poll<EventAndReply<'_, S>>, WebSocketError> {
        let Self { link, driver: Driver { flow, intake }, .. } = self;
        let Some(step) = wait(link, flow, intake, until) else { return Ok(Poll::Pending) };
        if step == Step::Done {
            link.result(flow)?;
            return Ok(Poll::Ready(None));
        }
        match intake.receive(flow) {
            Ok(Some(event)) => {
                if flow.is_over() {
                    // The answer to a Close frame must not wait for a call that may not come.
                    write_last(link, flow, until);
                }
                Ok(Poll::Ready(Some((event, Reply { link, flow }))))
            }
            // Unreachable: `wait` has just reported an event.
            Ok(None) => Err(ProtocolError::Aborted.into()),
            Err(error) => {
                // The next calls go on, and the one in which the transport has ended returns it.
                if end(link, flow, until) { Err(error.into()) } else { Ok(Poll::Pending) }
            }
        }
    }

    /// As [`read`](Self::read), owned.
    pub(super) fn read_owned(&mut self) -> Result<Option<OwnedEvent>, WebSocketError> {
        self.link.set_nonblocking(false)?;
        let step = self.step();
        let Self { link, driver: Driver { flow, intake }, .. } = self;
        if step == Step::Done {
            link.result(flow)?;
            return Ok(None);
        }
        match intake.receive_owned(flow) {
            Ok(event) => {
                if flow.is_over() {
                    write_last(link, flow, None);
                }
                Ok(event)
            }
            Err(error) => {
                end(link, flow, None);
                Err(error.into())
            }
        }
    }

    /// Returns the next event among the bytes that were read already, without waiting, reading or
    /// writing.
    ///
    /// # Errors
    /// As [`read`](Self::read); the Close frame is written by the next call that waits.
    pub fn try_read(&mut self) -> Result<Option<(Event<'_>, Reply<'_, S>)>, WebSocketError> {
        let Self { link, driver: Driver { flow, intake }, .. } = self;
        if flow.step(intake) != Step::Event {
            return flow.error().map_or(Ok(None), |error| Err(error.into()));
        }
        let event = intake.receive(flow)?;
        Ok(event.map(|event| (event, Reply { link, flow })))
    }

    /// Receives into `buffer` (ASP.NET's `ReceiveAsync`): a part of a message, and whether the
    /// message ends with it. What doesn't fit comes with the next call. Pings, pongs and the Close
    /// frame don't show; `None`: the connection was closed in order.
    ///
    /// With [`Delivery::Parts`](crate::config::Delivery::Parts) messages of any length pass through without
    /// being put together. Read a message to its end this way before you go on in another: the rest
    /// of it is known to this method only.
    ///
    /// ```
    /// use sansocket::WebSocketError;
    /// use sansocket::blocking::{Transport, WebSocket};
    ///
    /// /// Counts the bytes of the next message, with 4 KiB of memory.
    /// fn message_len<S: Transport>(ws: &mut WebSocket<S>) -> Result<Option<u64>, WebSocketError> {
    ///     let (mut buffer, mut len) = ([0; 4096], 0);
    ///     while let Some(received) = ws.read_into(&mut buffer)? {
    ///         len += received.len as u64;
    ///         if received.end_of_message {
    ///             return Ok(Some(len));
    ///         }
    ///     }
    ///     Ok(None)
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_into(&mut self, buffer: &mut [u8]) -> Result<Option<Received>, WebSocketError> {
        if let Some(received) = self.left_over.take(buffer) {
            return Ok(Some(received));
        }
        loop {
            let Some((event, _)) = self.read()? else { return Ok(None) };
            if let Some((received, left_over)) = LeftOver::fill(buffer, &event) {
                self.left_over = left_over;
                return Ok(Some(received));
            }
        }
    }

    feed_methods!(
        self,
        (&mut),
        "It is written when [`read`](Self::read) has to wait, or by `send_*`, [`flush`](Self::flush) \
         and [`close`](Self::close). To answer an event use the [`Reply`]: replies are \
         back-pressure, while this has none but [`Full`](crate::error::send::SendError::Full)."
    );

    send_methods!(self, (&mut), (), (), "Nothing is read meanwhile.");

    /// Writes all output, and waits until the transport has taken it. Nothing is read meanwhile.
    ///
    /// # Errors
    /// [`WebSocketError::Io`] if the transport failed: what the peer has sent before can still be
    /// read, and may tell why. [`WebSocketError::Protocol`] with
    /// [`TimeoutError::Write`](crate::error::TimeoutError::Write) when nothing could be written for the
    /// [`write_timeout`](crate::config::ConfigBuilder::write_timeout), or with another timeout when the
    /// deadline of the closing handshake has passed.
    pub fn flush(&mut self) -> Result<(), WebSocketError> {
        self.link.set_nonblocking(false)?;
        let Self { link, driver: Driver { flow, .. }, .. } = self;
        send_up_to(link, flow, flow.end())
    }

    /// Sends a Close frame: nothing can be sent after it, and reading goes on until the peer's
    /// (ASP.NET's `CloseOutputAsync`). Nothing happens if the connection is closing already. It is
    /// written as what is fed.
    ///
    /// # Errors
    /// [`SendError`] for a code or reason that can't be sent: nothing was done then.
    pub fn close_output(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.driver.flow.close(code, reason, Instant::now())
    }

    /// Closes in order (ASP.NET's `CloseAsync`): sends a Close frame unless one was sent, **discards
    /// data that still comes** until the peer's Close frame or the close deadline, then ends the
    /// transport, the server first. To receive what is on its way use
    /// [`close_output`](Self::close_output) and [`read`](Self::read).
    ///
    /// [`CloseCode::NO_STATUS`] with an empty reason sends a Close frame without a payload.
    ///
    /// # Errors
    /// [`WebSocketError::Send`] for a code or reason that can't be sent: nothing was done then.
    /// Otherwise as [`read`](Self::read).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<CloseStatus, WebSocketError> {
        self.close_output(code, reason)?;
        self.driver.flow.discard_data();
        while self.read()?.is_some() {}
        Ok(self.close_status().ok_or(ProtocolError::Aborted)?)
    }

    /// Takes the WebSocket apart, for another adapter or event loop, or for
    /// [`resume`](Self::resume). The stream has no timeouts then, and is in blocking mode.
    pub fn into_inner(self) -> Unfinished<S> {
        Unfinished::new(self.link.into_stream(), self.driver, self.left_over)
    }

    fn feed_with(
        &mut self,
        feed: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.driver.flow.send_with(feed)
    }

    fn send_with(
        &mut self,
        mut feed: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        self.link.set_nonblocking(false)?;
        let Self { link, driver: Driver { flow, .. }, .. } = self;
        send(link, flow, |flow| feed_unsolicited(flow, &mut feed))
    }
}

impl<S> WebSocket<S> {
    /// Returns the connection: whether it is open, what was agreed on, what it has counted.
    pub const fn connection(&self) -> &Connection {
        self.driver.flow.connection()
    }

    /// Returns the subprotocol that the handshake has agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.connection().subprotocol()
    }

    /// Returns which end began to close, with which code and reason; `None` while the connection is
    /// open.
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.connection().close_status()
    }

    /// Returns how many bytes were fed and not written.
    pub fn unsent(&self) -> usize {
        self.driver.flow.unsent()
    }

    /// Starts to count messages and bytes; see [`Connection::stats`].
    pub fn enable_stats(&mut self) {
        self.driver.flow.enable_stats();
    }

    /// Returns the transport, for its options and addresses. Reading or writing it, or changing its
    /// timeouts or its mode, breaks the connection.
    pub const fn get_ref(&self) -> &S {
        &self.link.stream
    }
}

/// What to answer an event with, while the event is held.
///
/// Replies are back-pressure: while [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of
/// them are unsent no further event is read. They have room while others fill the output.
#[derive(Debug)]
pub struct Reply<'a, S> {
    link: &'a mut Link<S>,
    flow: &'a mut Flow,
}

impl<S: Transport> Reply<'_, S> {
    feed_methods!(
        self,
        (&mut),
        "It is written when [`read`](WebSocket::read) has to wait, or by `send_*` and \
         [`flush`](Self::flush)."
    );

    send_methods!(self, (&mut), (), (), "Nothing is read meanwhile.");

    /// Writes all output, as [`WebSocket::flush`].
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub fn flush(&mut self) -> Result<(), WebSocketError> {
        self.link.set_nonblocking(false)?;
        send_up_to(self.link, self.flow, self.flow.end())
    }

    /// Sends a Close frame, as [`WebSocket::close_output`].
    ///
    /// # Errors
    /// As [`WebSocket::close_output`].
    pub fn close_output(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.flow.close(code, reason, Instant::now())
    }

    fn feed_with(
        &mut self,
        feed: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.flow.reply().reply_with(feed)
    }

    fn send_with(
        &mut self,
        mut feed: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        self.link.set_nonblocking(false)?;
        send(self.link, self.flow, |flow| flow.reply().reply_with(&mut feed))
    }
}

impl<S> Reply<'_, S> {
    /// Returns the connection.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        self.flow.connection()
    }

    /// Returns how many bytes were fed and not written.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.flow.unsent()
    }
}
