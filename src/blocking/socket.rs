//! A WebSocket that one thread owns.

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

/// The event of a read, with the handle to reply to it. Private to this file.
type EventAndReply<'a, S> = Option<(Event<'a>, Reply<'a, S>)>;

/// A WebSocket over a blocking transport.
///
/// Dropping it drops the transport at once, without a Close frame and without writing the fed
/// output. The peer sees a lost connection. Use [`close`](Self::close) to close in order.
///
/// ```no_run
/// use sansocket::blocking::WebSocket;
/// use sansocket::{CloseCode, Config, ConnectRequest, Entropy, Event};
///
/// let request = ConnectRequest::new("ws://127.0.0.1:9001/ws")?;
/// let config = Config::client(Entropy::os()).build()?;
/// let (mut ws, _) = WebSocket::connect(&request, &config)?;
/// ws.send_text("Hello")?;
/// if let Some((Event::Text(text), _)) = ws.read()? {
///     assert_eq!(text, "Hello");
/// }
/// ws.close(CloseCode::NORMAL, "")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) link: Link<S>,
    pub(super) driver: Driver,
    /// The data that did not fit into the buffer of the last [`read_into`](Self::read_into).
    pub(super) left_over: LeftOver,
}

impl<S: Transport> WebSocket<S> {
    /// Creates a WebSocket from a connection after its opening handshake. `unread` holds the bytes
    /// that were read after the handshake.
    ///
    /// From then on the adapter sets the timeouts and the blocking mode of the stream.
    ///
    /// ```
    /// # #[cfg(unix)] fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::os::unix::net::UnixStream;
    ///
    /// use sansocket::blocking::WebSocket;
    /// use sansocket::connection::Negotiated;
    /// use sansocket::{Config, Connection, Entropy, Event, Instant, Role};
    ///
    /// // Two ends of a WebSocket that has no opening handshake.
    /// let (here, there) = UnixStream::pair()?;
    /// let (now, negotiated) = (Instant::now(), Negotiated::new());
    /// let server = Connection::new(Role::Server, &Config::server().build()?, &negotiated, now);
    /// let config = Config::client(Entropy::os()).build()?;
    /// let client = Connection::new(Role::Client, &config, &negotiated, now);
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

    /// Rebuilds a WebSocket from the parts that [`into_inner`](Self::into_inner) returned, even in
    /// the middle of a message.
    pub fn resume(unfinished: Unfinished<S>) -> Self {
        let (stream, driver, left_over) = unfinished.into_driver(Instant::now());
        Self { left_over, ..Self::new(stream, driver) }
    }

    /// Creates a WebSocket from a driver that is open, or in its opening handshake.
    pub(super) fn new(stream: S, mut driver: Driver) -> Self {
        driver.flow.track_flushes();
        Self { link: Link::new(stream), driver, left_over: LeftOver::new() }
    }

    /// Drives the connection to the next step that the caller must handle.
    pub(super) fn step(&mut self) -> Step {
        let Self { link, driver: Driver { flow, intake }, .. } = self;
        // Without a deadline `wait` always returns a step.
        wait(link, flow, intake, None).unwrap_or(Step::Done)
    }

    /// Returns the next event, and a handle to reply to it while the event is held.
    ///
    /// `None`: the closing handshake is complete and the transport has ended. This includes closes
    /// with an error code such as 1009 or 1011; see [`close_status`](Self::close_status).
    ///
    /// The output is written before a wait. If
    /// [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of replies are
    /// unsent, it is written before the next event is returned. The answer to a Close frame is
    /// written before that event is returned.
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
    ///             _ => {} // pings and Close frames are answered automatically
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`WebSocketError::Protocol`] after a protocol violation. By then the Close frame with its
    /// code is written, the write half is shut down, and the input was drained for at most the
    /// linger timeout. [`WebSocketError::Io`] if the transport has failed.
    pub fn read(&mut self) -> Result<Option<(Event<'_>, Reply<'_, S>)>, WebSocketError> {
        self.link.set_nonblocking(false)?;
        match self.lend_until(None)? {
            Poll::Ready(incoming) => Ok(incoming),
            // Unreachable: a wait without a deadline is never pending.
            Poll::Pending => Err(ProtocolError::Aborted.into()),
        }
    }

    /// Returns the next event, or [`Poll::Pending`] if there is none within `timeout`. Output is
    /// written meanwhile. Otherwise as [`read`](Self::read).
    ///
    /// A timeout set on the stream itself has no effect, because the adapter sets its own. After a
    /// protocol violation the calls return [`Poll::Pending`] until the transport has ended; the
    /// call in which it ends returns the error.
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

    /// Reads and writes as much as possible without waiting, and returns the next event.
    /// [`Poll::Pending`]: there is none yet. A game loop calls it once per frame, until it returns
    /// `Pending`. It writes the fed output and runs the timers. Otherwise as [`read`](Self::read).
    ///
    /// The stream is in non-blocking mode until a blocking method is called, so no other handle
    /// in use may share its mode. A transport without that mode ([`Transport::set_nonblocking`])
    /// blocks for a millisecond. If a transport is non-blocking and can't be set to blocking mode,
    /// this is the only method that can be used.
    ///
    /// It requires a WebSocket that is not split: a [`Reader`](crate::blocking::Reader) has no such
    /// method.
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
            link.failure.result(flow)?;
            return Ok(Poll::Ready(None));
        }
        match intake.receive(flow) {
            Ok(Some(event)) => {
                if flow.is_over() {
                    // The answer to a Close frame must not depend on a further call by the
                    // application.
                    write_last(link, flow, until);
                }
                Ok(Poll::Ready(Some((event, Reply { link, flow }))))
            }
            // Unreachable: `wait` has just reported an event.
            Ok(None) => Err(ProtocolError::Aborted.into()),
            Err(error) => {
                // If the transport has not ended yet, the next calls continue; the last returns the
                // error.
                if end(link, flow, until) { Err(error.into()) } else { Ok(Poll::Pending) }
            }
        }
    }

    /// Returns the next event as [`read`](Self::read) does, but owned.
    pub(super) fn read_owned(&mut self) -> Result<Option<OwnedEvent>, WebSocketError> {
        self.link.set_nonblocking(false)?;
        let step = self.step();
        let Self { link, driver: Driver { flow, intake }, .. } = self;
        if step == Step::Done {
            link.failure.result(flow)?;
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

    /// Returns the next event in the bytes that were read already. Does not wait, read or write.
    ///
    /// # Errors
    /// As [`read`](Self::read). The next call that may wait writes the Close frame.
    pub fn try_read(&mut self) -> Result<Option<(Event<'_>, Reply<'_, S>)>, WebSocketError> {
        let Self { link, driver: Driver { flow, intake }, .. } = self;
        if flow.step(intake) != Step::Event {
            return flow.error().map_or(Ok(None), |error| Err(error.into()));
        }
        let event = intake.receive(flow)?;
        Ok(event.map(|event| (event, Reply { link, flow })))
    }

    /// Receives a part of a message into `buffer` (ASP.NET's `ReceiveAsync`). The result contains
    /// the length, and whether the message ends with this part. The next call returns data that did
    /// not fit. Pings, pongs and the Close frame are skipped. `None`: the connection was closed in
    /// order.
    ///
    /// With [`Delivery::Parts`](crate::config::Delivery::Parts) messages of any length are received
    /// this way without being collected in memory. Read a message to its end before you call
    /// another method that reads: only this method holds the remaining data.
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
        "The output is written when [`read`](Self::read) has to wait, and by `send_*`, \
         [`flush`](Self::flush) and [`close`](Self::close). To answer an event use the [`Reply`], whose \
         output causes back-pressure; the only limit here is \
         [`Full`](crate::error::send::SendError::Full)."
    );

    send_methods!(self, (&mut), (), (), "The WebSocket does not read meanwhile.");

    /// Writes all output. Returns when the transport has taken it. Does not read meanwhile.
    ///
    /// # Errors
    /// [`WebSocketError::Io`] if the transport has failed; messages that the peer sent before can
    /// still be read, and may give the reason. [`WebSocketError::Protocol`] with
    /// [`TimeoutError::Write`](crate::error::TimeoutError::Write) if no output could be written for
    /// the [`write_timeout`](crate::config::ConfigBuilder::write_timeout), or with another timeout
    /// if the deadline of the closing handshake has passed.
    pub fn flush(&mut self) -> Result<(), WebSocketError> {
        self.link.set_nonblocking(false)?;
        let Self { link, driver: Driver { flow, .. }, .. } = self;
        send_up_to(link, flow, flow.end())
    }

    /// Feeds a Close frame, after which no message can be sent. Reading continues until the peer's
    /// Close frame (ASP.NET's `CloseOutputAsync`). If the connection is already closing, the call
    /// has no effect. The Close frame is written like other fed output.
    ///
    /// # Errors
    /// [`SendError`] for a code or reason that can't be sent. The call then has no effect.
    pub fn close_output(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.driver.flow.close(code, reason, Instant::now())
    }

    /// Closes in order (ASP.NET's `CloseAsync`): sends a Close frame unless one was sent,
    /// **discards received data** until the peer's Close frame or the close deadline, then ends the
    /// transport, the server first. To receive the peer's remaining messages, use
    /// [`close_output`](Self::close_output) and [`read`](Self::read).
    ///
    /// [`CloseCode::NO_STATUS`] with an empty reason sends a Close frame without a payload.
    ///
    /// # Errors
    /// [`WebSocketError::Send`] for a code or reason that can't be sent. The call then has no
    /// effect. Otherwise as [`read`](Self::read).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<CloseStatus, WebSocketError> {
        self.close_output(code, reason)?;
        self.driver.flow.discard_data();
        while self.read()?.is_some() {}
        Ok(self.close_status().ok_or(ProtocolError::Aborted)?)
    }

    /// Returns the parts of the WebSocket, for another adapter or event loop, or for
    /// [`resume`](Self::resume). The returned stream has no timeouts and is in blocking mode.
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
    /// Returns the connection, for its state, the negotiated options and the statistics.
    pub const fn connection(&self) -> &Connection {
        self.driver.flow.connection()
    }

    /// Returns the subprotocol that the opening handshake negotiated.
    pub fn subprotocol(&self) -> Option<&str> {
        self.connection().subprotocol()
    }

    /// Returns which end started the closing handshake, with its code and reason. `None` while the
    /// connection is open.
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.connection().close_status()
    }

    /// Returns how many fed bytes are not written yet.
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

/// A handle to reply to an event, while the event is held.
///
/// Replies cause back-pressure: while
/// [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of replies are unsent,
/// no further event is read. Unsolicited output does not use up their space.
///
/// ```
/// # use sansocket::blocking::{Transport, WebSocket};
/// # use sansocket::{Event, WebSocketError};
/// # fn f<S: Transport>(ws: &mut WebSocket<S>) -> Result<(), WebSocketError> {
/// while let Some((event, mut reply)) = ws.read()? {
///     match event {
///         // Written together with other replies.
///         Event::Text(text) => reply.feed_text(text)?,
///         // Written at once.
///         Event::Binary(bytes) => reply.send_binary(bytes)?,
///         _ => {}
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Reply<'a, S> {
    link: &'a mut Link<S>,
    flow: &'a mut Flow,
}

impl<S: Transport> Reply<'_, S> {
    feed_methods!(
        self,
        (&mut),
        "The output is written when [`read`](WebSocket::read) has to wait, and by `send_*` and \
         [`flush`](Self::flush)."
    );

    send_methods!(self, (&mut), (), (), "The WebSocket does not read meanwhile.");

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

    /// Returns how many fed bytes are not written yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.flow.unsent()
    }
}
