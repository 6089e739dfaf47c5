//! A WebSocket in one thread's hands.

use bytes::{Bytes, BytesMut};

use crate::adapter::{LeftOver, Received, Unfinished, WebSocketError, send_methods};
use crate::blocking::drive::{Ready, Wire, end, flush, wait, write_last};
use crate::blocking::transport::Transport;
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::driver::{self, Driver, Flow};
use crate::error::SendError;
use crate::event::{Event, OwnedEvent};
use crate::instant::Instant;

/// A WebSocket over a blocking transport.
///
/// Dropping it drops the transport at once, without a Close frame and without waiting for anything:
/// the peer sees a lost connection. Use [`close`](Self::close) to end it in order.
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) wire: Wire<S>,
    pub(super) driver: Driver,
    /// What [`read_into`](Self::read_into) still has of a piece that didn't fit.
    pub(super) left_over: Option<LeftOver>,
}

impl<S: Transport> WebSocket<S> {
    /// Goes on with a connection whose handshake is done; `unread` is what was read behind it.
    ///
    /// The timeouts of the stream are the adapter's from here on.
    ///
    /// ```
    /// # #[cfg(unix)] fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::os::unix::net::UnixStream;
    ///
    /// use sansocket::blocking::WebSocket;
    /// use sansocket::{Config, Connection, Entropy, Event, Instant, Negotiated, Role};
    ///
    /// // Two ends that have agreed on a WebSocket without a word.
    /// let (here, there) = UnixStream::pair()?;
    /// let (now, nothing) = (Instant::now(), Negotiated::new());
    /// let server = Connection::new(Role::Server, &Config::server().build()?, &nothing, now);
    /// let config = Config::client(Entropy::os()).build()?;
    /// let client = Connection::new(Role::Client, &config, &nothing, now);
    /// let mut server = WebSocket::from_connection(here, server, &[]);
    /// let mut client = WebSocket::from_connection(there, client, &[]);
    ///
    /// client.send_text("Hello")?;
    /// client.flush()?;
    /// let (event, _) = server.read()?.expect("a message");
    /// assert_eq!(event, Event::Text("Hello"));
    /// # Ok(()) }
    /// # #[cfg(not(unix))] fn main() {}
    /// ```
    pub fn from_connection(stream: S, connection: Connection, unread: &[u8]) -> Self {
        Self::new(Wire::new(stream), connection, unread)
    }

    pub(super) fn new(wire: Wire<S>, connection: Connection, unread: &[u8]) -> Self {
        let driver = Driver::new(connection, BytesMut::new(), unread, Instant::now());
        Self { wire, driver, left_over: None }
    }

    /// Waits for the next event, and gives with it what to answer with while the event is held.
    ///
    /// `None`: the connection was closed in order, and the transport has ended. Output is written
    /// before it waits, and at the high-water mark before the next event is lent; the answer to a
    /// Close frame before that event is lent.
    ///
    /// ```
    /// use sansocket::blocking::{Transport, WebSocket};
    /// use sansocket::{Event, WebSocketError};
    ///
    /// fn echo<S: Transport>(ws: &mut WebSocket<S>) -> Result<(), WebSocketError> {
    ///     while let Some((event, mut reply)) = ws.read()? {
    ///         match event {
    ///             Event::Text(text) => reply.send_text(text)?,
    ///             Event::Binary(bytes) => reply.send_binary(bytes)?,
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
        let Self { wire, driver: Driver { flow, intake }, .. } = self;
        if wait(wire, flow, intake)? == Ready::Done {
            flow.result()?;
            return Ok(None);
        }
        match driver::receive(flow, intake) {
            Ok(Some(event)) => {
                if flow.connection.is_closed() {
                    // The answer to a Close frame must not wait for a call that may not come.
                    write_last(wire, flow);
                }
                Ok(Some((event, Reply { wire, flow })))
            }
            // Told to be at hand, so it isn't.
            Ok(None) => Ok(None),
            Err(error) => {
                end(wire, flow);
                Err(error.into())
            }
        }
    }

    /// The same, owned.
    pub(super) fn read_owned(&mut self) -> Result<Option<OwnedEvent>, WebSocketError> {
        let Self { wire, driver: Driver { flow, intake }, .. } = self;
        if wait(wire, flow, intake)? == Ready::Done {
            flow.result()?;
            return Ok(None);
        }
        match driver::receive_owned(flow, intake) {
            Ok(event) => {
                if flow.connection.is_closed() {
                    write_last(wire, flow);
                }
                Ok(event)
            }
            Err(error) => {
                end(wire, flow);
                Err(error.into())
            }
        }
    }

    /// Returns the next event of what has been read already, without waiting, reading or writing.
    ///
    /// # Errors
    /// As [`read`](Self::read); the Close frame is written by the next call that waits.
    pub fn try_read(&mut self) -> Result<Option<(Event<'_>, Reply<'_, S>)>, WebSocketError> {
        let Self { wire, driver: Driver { flow, intake }, .. } = self;
        if !intake.seek(flow)? {
            return Ok(None);
        }
        let event = driver::receive(flow, intake)?;
        Ok(event.map(|event| (event, Reply { wire, flow })))
    }

    /// Receives into `buffer` (ASP.NET's `ReceiveAsync`): a piece of a message, and whether the
    /// message ends with it. What doesn't fit comes with the next call. Pings, pongs and the Close
    /// frame don't show; `None`: the connection was closed in order.
    ///
    /// With [`Delivery::Parts`](crate::Delivery::Parts) messages of any length pass through without
    /// being put together. Read a message to its end this way before you go on in another: what is
    /// left of it is known to this method only.
    ///
    /// ```
    /// use sansocket::blocking::{Transport, WebSocket};
    /// use sansocket::WebSocketError;
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
        if let Some(left) = self.left_over.take() {
            let (received, left) = left.fill_again(buffer);
            self.left_over = left;
            return Ok(Some(received));
        }
        loop {
            let Some((event, _)) = self.read()? else { return Ok(None) };
            let Some((data, end)) = event.data() else { continue };
            let (received, left) = LeftOver::fill(buffer, data, end);
            self.left_over = left;
            return Ok(Some(received));
        }
    }

    send_methods!(Instant::now);

    /// Writes all output. Nothing is read meanwhile.
    ///
    /// # Errors
    /// [`WebSocketError::Io`] if the transport failed: what the peer has said before can still be
    /// read, and may tell why. [`WebSocketError::Protocol`] with a keep-alive timeout when nothing
    /// could be written for as long, or with a close timeout when the deadline of the closing
    /// handshake has passed.
    pub fn flush(&mut self) -> Result<(), WebSocketError> {
        flush(&mut self.wire, &mut self.driver.flow)
    }

    /// Closes in order: sends a Close frame unless one was sent, drops what still comes until the
    /// peer's Close frame or the close deadline, then ends the transport, the server first.
    ///
    /// [`CloseCode::NO_STATUS`] with an empty reason sends a Close frame without a payload.
    ///
    /// # Errors
    /// [`WebSocketError::Send`] for a code or reason that can't be sent: nothing was done then.
    /// Otherwise as [`read`](Self::read).
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
    ) -> Result<Option<CloseStatus>, WebSocketError> {
        match self.close_output(code, reason) {
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        while self.read()?.is_some() {}
        Ok(self.connection().close_status())
    }

    /// Takes the adapter apart, for whoever goes on with its pieces. The stream has no timeouts
    /// then.
    ///
    /// What [`read_into`](Self::read_into) has left over is dropped: read to the end of the message
    /// first.
    pub fn into_inner(self) -> Unfinished<S> {
        let Driver { flow, intake } = self.driver;
        let unread = Bytes::copy_from_slice(intake.bytes());
        Unfinished {
            stream: self.wire.into_stream(),
            connection: flow.connection,
            inbox: intake.into_inbox(),
            unread,
            unsent: flow.out,
        }
    }

    fn flow(&mut self) -> &mut Flow {
        &mut self.driver.flow
    }
}

impl<S> WebSocket<S> {
    /// Returns the connection: whether it is open, how it has closed, what it has counted.
    pub const fn connection(&self) -> &Connection {
        &self.driver.flow.connection
    }

    /// Starts to count messages and bytes; see [`Connection::stats`].
    pub fn enable_stats(&mut self) {
        self.driver.flow.connection.enable_stats();
    }

    /// Returns the transport, for its options and addresses. Reading or writing it, or changing its
    /// timeouts, breaks the connection.
    pub const fn get_ref(&self) -> &S {
        &self.wire.stream
    }
}

/// What to answer with while an event is held.
#[derive(Debug)]
pub struct Reply<'a, S> {
    wire: &'a mut Wire<S>,
    flow: &'a mut Flow,
}

impl<S: Transport> Reply<'_, S> {
    send_methods!(Instant::now);

    /// Writes all output.
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub fn flush(&mut self) -> Result<(), WebSocketError> {
        flush(self.wire, self.flow)
    }

    /// Returns the connection.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.flow.connection
    }

    fn flow(&mut self) -> &mut Flow {
        self.flow
    }
}
