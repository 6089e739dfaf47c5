//! A WebSocket in one task's hands.

use core::future::poll_fn;
use core::task::Poll;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::adapter::parts::{LeftOver, Received, Unfinished};
use crate::adapter::sending::{feed_methods, send_methods};
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::driver::{Driver, Flow, Step};
use crate::error::adapter::WebSocketError;
use crate::error::protocol::ProtocolError;
use crate::error::send::SendError;
use crate::event::Event;
use crate::tokio::drive::{
    Goal, Link, Replies, Sending, Timer, Unsolicited, now, poll_end, poll_sent, poll_step,
    write_some,
};

/// A WebSocket over an asynchronous transport.
///
/// Dropping it drops the transport at once, without a Close frame, and with it what was fed and not
/// written: the peer sees a lost connection. Use [`close`](Self::close) to end it in order.
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) link: Link<S>,
    pub(super) driver: Driver,
    pub(super) timer: Timer,
    /// The rest of a message for [`read_into`](Self::read_into).
    pub(super) left_over: LeftOver,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Goes on with a connection whose opening handshake is done; `unread` is what was read behind it.
    pub fn from_connection(stream: S, connection: Connection, unread: &[u8]) -> Self {
        Self::resume(Unfinished {
            stream,
            connection,
            inbox: crate::inbox::Inbox::new(),
            unread: BytesMut::from(unread),
            unsent: BytesMut::new(),
            left_over: LeftOver::default(),
        })
    }

    /// Puts a WebSocket together again that [`into_inner`](Self::into_inner) has taken apart, in the
    /// middle of a message too.
    pub fn resume(unfinished: Unfinished<S>) -> Self {
        let (stream, driver, left_over) = unfinished.into_driver(now());
        Self { left_over, ..Self::new(stream, driver) }
    }

    /// A WebSocket whose driver opens it, or has opened it.
    pub(super) fn new(stream: S, mut driver: Driver) -> Self {
        driver.flow.track_flushes();
        let (link, timer, left_over) = (Link::new(stream), Timer::default(), LeftOver::new());
        Self { link, driver, timer, left_over }
    }

    /// Waits for the next event, and gives with it what to answer with while the event is held.
    ///
    /// `None`: the closing handshake is done, and the transport has ended. That is so whatever the code
    /// was, 1009 or 1011 too: look at [`close_status`](Self::close_status). Output is written before it
    /// waits; with [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of
    /// replies unsent, before the next event is lent. Cancel safe: a future that is dropped loses
    /// nothing.
    ///
    /// # Errors
    /// [`WebSocketError::Protocol`] after a violation, once the Close frame that says so is
    /// written, the writing half ended, and the input drained for at most the linger timeout;
    /// [`WebSocketError::Io`] if the transport failed.
    pub async fn read(&mut self) -> Result<Option<(Event<'_>, Reply<'_, S>)>, WebSocketError> {
        let Self { link, driver: Driver { flow, intake }, timer, .. } = self;
        if poll_fn(|cx| poll_step(link, flow, intake, timer, cx)).await == Step::Done {
            link.result(flow)?;
            return Ok(None);
        }
        match intake.receive(flow) {
            Ok(Some(event)) => {
                if flow.is_over() {
                    // The answer to a Close frame must not wait for a call that may not come.
                    poll_fn(|cx| {
                        write_some(link, flow, cx);
                        Poll::Ready(())
                    })
                    .await;
                }
                Ok(Some((event, Reply { link, flow, timer })))
            }
            // Unreachable: `poll_step` has just reported an event.
            Ok(None) => Err(ProtocolError::Aborted.into()),
            Err(error) => {
                poll_fn(|cx| poll_end(link, flow, timer, cx)).await;
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
        let Self { link, driver: Driver { flow, intake }, timer, .. } = self;
        if flow.step(intake) != Step::Event {
            return flow.error().map_or(Ok(None), |error| Err(error.into()));
        }
        let event = intake.receive(flow)?;
        Ok(event.map(|event| (event, Reply { link, flow, timer })))
    }

    /// Receives into `buffer` (ASP.NET's `ReceiveAsync`): a part of a message, and whether the
    /// message ends with it. What doesn't fit comes with the next call. Pings, pongs and the Close
    /// frame don't show; `None`: the connection was closed in order.
    ///
    /// With [`Delivery::Parts`](crate::config::Delivery::Parts) messages of any length pass through without
    /// being put together. Read a message to its end this way before you go on in another: the rest
    /// of it is known to this method only.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_into(
        &mut self,
        buffer: &mut [u8],
    ) -> Result<Option<Received>, WebSocketError> {
        if let Some(received) = self.left_over.take(buffer) {
            return Ok(Some(received));
        }
        loop {
            let Some((event, _)) = self.read().await? else { return Ok(None) };
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

    send_methods!(
        self,
        (&mut),
        (async),
        (.await),
        "Nothing is read meanwhile. A future that is dropped has fed nothing, or has left the message \
         in the output."
    );

    /// Writes all output, and waits until the transport has taken it. Nothing is read meanwhile. Cancel
    /// safe.
    ///
    /// # Errors
    /// [`WebSocketError::Io`] if the transport failed: what the peer has sent before can still be
    /// read, and may tell why. [`WebSocketError::Protocol`] with
    /// [`TimeoutError::Write`](crate::error::TimeoutError::Write) when nothing could be written for the
    /// [`write_timeout`](crate::config::ConfigBuilder::write_timeout).
    pub async fn flush(&mut self) -> Result<(), WebSocketError> {
        let Self { link, driver: Driver { flow, .. }, timer, .. } = self;
        let end = flow.end();
        poll_fn(|cx| poll_sent(link, flow, timer, Goal::Sent(end), cx)).await
    }

    /// Sends a Close frame: nothing can be sent after it, and reading goes on until the peer's
    /// (ASP.NET's `CloseOutputAsync`). Nothing happens if the connection is closing already. It is
    /// written as what is fed.
    ///
    /// # Errors
    /// [`SendError`] for a code or reason that can't be sent: nothing was done then.
    pub fn close_output(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.driver.flow.close(code, reason, now())
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
    pub async fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
    ) -> Result<CloseStatus, WebSocketError> {
        self.close_output(code, reason)?;
        self.driver.flow.discard_data();
        while self.read().await?.is_some() {}
        Ok(self.close_status().ok_or(ProtocolError::Aborted)?)
    }

    fn feed_with(
        &mut self,
        feed: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.driver.flow.send_with(feed)
    }

    async fn send_with(
        &mut self,
        feed: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        let Self { link, driver: Driver { flow, .. }, timer, .. } = self;
        let (mut sending, mut feed) = (Sending::default(), Unsolicited(feed));
        poll_fn(|cx| sending.poll(link, flow, timer, &mut feed, cx)).await
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

    /// Returns the transport, for its options. Reading or writing it breaks the connection.
    pub const fn get_ref(&self) -> &S {
        &self.link.stream
    }

    /// Takes the WebSocket apart, for another adapter or event loop, or for
    /// [`resume`](Self::resume).
    pub fn into_inner(self) -> Unfinished<S> {
        Unfinished::new(self.link.stream, self.driver, self.left_over)
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
    timer: &'a mut Timer,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reply<'_, S> {
    feed_methods!(
        self,
        (&mut),
        "It is written when [`read`](WebSocket::read) has to wait, or by `send_*` and \
         [`flush`](Self::flush)."
    );

    send_methods!(
        self,
        (&mut),
        (async),
        (.await),
        "Nothing is read meanwhile. A future that is dropped has fed nothing, or has left the message \
         in the output."
    );

    /// Writes all output, as [`WebSocket::flush`].
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub async fn flush(&mut self) -> Result<(), WebSocketError> {
        let Self { link, flow, timer } = self;
        let end = flow.end();
        poll_fn(|cx| poll_sent(link, flow, timer, Goal::Sent(end), cx)).await
    }

    /// Sends a Close frame, as [`WebSocket::close_output`].
    ///
    /// # Errors
    /// As [`WebSocket::close_output`].
    pub fn close_output(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.flow.close(code, reason, now())
    }

    fn feed_with(
        &mut self,
        feed: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.flow.reply().reply_with(feed)
    }

    async fn send_with(
        &mut self,
        feed: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        let Self { link, flow, timer } = self;
        let (mut sending, mut feed) = (Sending::default(), Replies(feed));
        poll_fn(|cx| sending.poll(link, flow, timer, &mut feed, cx)).await
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
