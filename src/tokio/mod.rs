//! The adapter for tokio.
//!
//! [`WebSocket`] drives a [`Connection`] over any transport that reads and writes asynchronously.
//! Keep-alive, the closing handshake and back-pressure run by themselves while it is polled. It
//! needs a runtime with timers (`enable_time`).
//!
//! The module's name hides that of the crate under a glob import: write
//! `use sansocket::tokio::WebSocket`, not `use sansocket::*`.

mod drive;
mod handshake;
mod messages;
mod split;
mod wakers;

pub use crate::tokio::handshake::Incoming;
pub use crate::tokio::messages::Messages;
pub use crate::tokio::split::{Reader, Sender};

use core::future::poll_fn;
use core::task::Poll;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::adapter::{LeftOver, Received, Unfinished, WebSocketError, send_methods};
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::driver::{self, Driver, Flow};
use crate::error::SendError;
use crate::event::Event;
use crate::tokio::drive::{Ready, Timer, now, poll_end, poll_event, poll_flush, write_some};

/// A WebSocket over an asynchronous transport.
///
/// Dropping it drops the transport at once, without a Close frame: the peer sees a lost
/// connection. Use [`close`](Self::close) to end it in order.
#[derive(Debug)]
pub struct WebSocket<S> {
    io: S,
    driver: Driver,
    timer: Timer,
    /// What [`read_into`](Self::read_into) still has of a piece that didn't fit.
    left_over: Option<LeftOver>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Goes on with a connection whose handshake is done; `unread` is what was read behind it.
    pub fn from_connection(stream: S, connection: Connection, unread: &[u8]) -> Self {
        Self::new(stream, connection, BytesMut::new(), unread)
    }

    /// The same, with output still to be written: the handshake's answer.
    pub(super) fn new(io: S, connection: Connection, out: BytesMut, unread: &[u8]) -> Self {
        let driver = Driver::new(connection, out, unread, now());
        Self { io, driver, timer: Timer::default(), left_over: None }
    }

    /// Waits for the next event, and gives with it what to answer with while the event is held.
    ///
    /// `None`: the connection was closed in order, and the transport has ended. Output is written
    /// before it waits, and at the high-water mark before the next event is lent. Cancel safe: a
    /// future that is dropped loses nothing.
    ///
    /// # Errors
    /// [`WebSocketError::Protocol`] after a violation, once the Close frame that says so is
    /// written, the writing half ended, and the input drained for at most the linger timeout;
    /// [`WebSocketError::Io`] if the transport failed.
    pub async fn read(&mut self) -> Result<Option<(Event<'_>, Reply<'_, S>)>, WebSocketError> {
        let Self { io, driver: Driver { flow, intake }, timer, .. } = self;
        let ready = poll_fn(|cx| poll_event(io, flow, intake, timer, cx)).await?;
        if ready == Ready::Done {
            flow.result()?;
            return Ok(None);
        }
        match driver::receive(flow, intake) {
            Ok(Some(event)) => {
                if flow.connection.is_closed() {
                    // The answer to a Close frame must not wait for a call that may not come.
                    poll_fn(|cx| {
                        write_some(io, flow, cx);
                        Poll::Ready(())
                    })
                    .await;
                }
                Ok(Some((event, Reply { io, flow, timer })))
            }
            // Told to be at hand, so it isn't.
            Ok(None) => Ok(None),
            Err(error) => {
                poll_fn(|cx| poll_end(io, flow, timer, cx)).await;
                Err(error.into())
            }
        }
    }

    /// Returns the next event of what has been read already, without waiting, reading or writing.
    ///
    /// # Errors
    /// As [`read`](Self::read); the Close frame is written by the next call that waits.
    pub fn try_read(&mut self) -> Result<Option<(Event<'_>, Reply<'_, S>)>, WebSocketError> {
        let Self { io, driver: Driver { flow, intake }, timer, .. } = self;
        if !intake.seek(flow)? {
            return Ok(None);
        }
        let event = driver::receive(flow, intake)?;
        Ok(event.map(|event| (event, Reply { io, flow, timer })))
    }

    /// Receives into `buffer` (ASP.NET's `ReceiveAsync`): a piece of a message, and whether the
    /// message ends with it. What doesn't fit comes with the next call. Pings, pongs and the Close
    /// frame don't show; `None`: the connection was closed in order.
    ///
    /// With [`Delivery::Parts`](crate::Delivery::Parts) messages of any length pass through without
    /// being put together.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_into(
        &mut self,
        buffer: &mut [u8],
    ) -> Result<Option<Received>, WebSocketError> {
        if let Some(left) = self.left_over.take() {
            let (received, left) = left.fill_again(buffer);
            self.left_over = left;
            return Ok(Some(received));
        }
        loop {
            let Some((event, _)) = self.read().await? else { return Ok(None) };
            let Some((data, end)) = event.data() else { continue };
            let (received, left) = LeftOver::fill(buffer, data, end);
            self.left_over = left;
            return Ok(Some(received));
        }
    }

    send_methods!(now);

    /// Writes all output.
    ///
    /// # Errors
    /// [`WebSocketError::Io`] if the transport failed: what the peer has said before can still be
    /// read, and may tell why. [`WebSocketError::Protocol`] with a keep-alive timeout when nothing
    /// could be written for as long.
    pub async fn flush(&mut self) -> Result<(), WebSocketError> {
        let Self { io, driver, timer, .. } = self;
        poll_fn(|cx| poll_flush(io, &mut driver.flow, timer, cx)).await
    }

    /// Closes in order: sends a Close frame unless one was sent, drops what still comes until the
    /// peer's Close frame or the close deadline, then ends the transport, the server first.
    ///
    /// [`CloseCode::NO_STATUS`] with an empty reason sends a Close frame without a payload.
    ///
    /// # Errors
    /// [`WebSocketError::Send`] for a code or reason that can't be sent: nothing was done then.
    /// Otherwise as [`read`](Self::read).
    pub async fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
    ) -> Result<Option<CloseStatus>, WebSocketError> {
        match self.close_output(code, reason) {
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        while self.read().await?.is_some() {}
        Ok(self.connection().close_status())
    }

    /// Makes owned messages of it, as `Stream` and `Sink`.
    pub fn into_messages(self) -> Messages<S> {
        Messages::new(self)
    }

    /// Splits it into a reader and a sender that can be cloned, for other tasks and threads.
    pub fn split(self) -> (Reader<S>, Sender<S>) {
        split::split(self)
    }

    /// Takes the adapter apart, for whoever goes on with its pieces.
    ///
    /// What [`read_into`](Self::read_into) has left over is dropped: read to the end of the message
    /// first.
    pub fn into_inner(self) -> Unfinished<S> {
        let Driver { flow, intake } = self.driver;
        let unread = Bytes::copy_from_slice(intake.bytes());
        Unfinished {
            stream: self.io,
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

    /// Returns the transport, for its options. Reading or writing it breaks the connection.
    pub const fn get_ref(&self) -> &S {
        &self.io
    }
}

/// What to answer with while an event is held.
#[derive(Debug)]
pub struct Reply<'a, S> {
    io: &'a mut S,
    flow: &'a mut Flow,
    timer: &'a mut Timer,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reply<'_, S> {
    send_methods!(now);

    /// Writes all output.
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub async fn flush(&mut self) -> Result<(), WebSocketError> {
        let Self { io, flow, timer } = self;
        poll_fn(|cx| poll_flush(*io, flow, timer, cx)).await
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
