//! A WebSocket that one task owns.

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
    Goal, Link, MAX_TURNS, Replies, Sending, Unsolicited, poll_end, poll_sent, poll_step,
    write_some,
};
use crate::tokio::timer::{Timer, now};

/// A WebSocket over an asynchronous transport.
///
/// Dropping it drops the transport at once, without a Close frame and without writing the fed
/// output. The peer sees a lost connection. Use [`close`](Self::close) to close in order.
///
/// ```no_run
/// use sansocket::tokio::WebSocket;
/// use sansocket::{CloseCode, Config, ConnectRequest, Entropy, Event};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let request = ConnectRequest::new("ws://127.0.0.1:9001/ws")?;
/// let config = Config::client(Entropy::os()).build()?;
/// let (mut ws, _) = WebSocket::connect(&request, &config).await?;
/// ws.send_text("Hello").await?;
/// if let Some((Event::Text(text), _)) = ws.read().await? {
///     assert_eq!(text, "Hello");
/// }
/// ws.close(CloseCode::NORMAL, "").await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) link: Link<S>,
    pub(super) driver: Driver,
    pub(super) timer: Timer,
    /// The data that did not fit into the buffer of the last [`read_into`](Self::read_into).
    pub(super) left_over: LeftOver,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Creates a WebSocket from a connection after its opening handshake. `unread` holds the bytes
    /// that were read after the handshake.
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

    /// Rebuilds a WebSocket from the parts that [`into_inner`](Self::into_inner) returned, even in
    /// the middle of a message.
    pub fn resume(unfinished: Unfinished<S>) -> Self {
        let (stream, driver, left_over) = unfinished.into_driver(now());
        Self { left_over, ..Self::new(stream, driver) }
    }

    /// Creates a WebSocket from a driver that is open, or in its opening handshake.
    pub(super) fn new(stream: S, mut driver: Driver) -> Self {
        driver.flow.track_flushes();
        let (link, timer, left_over) = (Link::new(stream), Timer::default(), LeftOver::new());
        Self { link, driver, timer, left_over }
    }

    /// Returns the next event, and a handle to reply to it while the event is held.
    ///
    /// `None`: the closing handshake is complete and the transport has ended. This includes closes
    /// with an error code such as 1009 or 1011; see [`close_status`](Self::close_status).
    ///
    /// The output is written before a wait. If
    /// [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of replies are
    /// unsent, it is written before the next event is returned. The answer to a Close frame is
    /// written as far as possible without waiting, before that event is returned.
    ///
    /// Cancel safe: dropping the future loses no event and no output.
    ///
    /// # Errors
    /// [`WebSocketError::Protocol`] after a protocol violation. By then the Close frame with its
    /// code is written, the write half is shut down, and the input was drained for at most the
    /// linger timeout. [`WebSocketError::Io`] if the transport has failed.
    pub async fn read(&mut self) -> Result<Option<(Event<'_>, Reply<'_, S>)>, WebSocketError> {
        let Self { link, driver: Driver { flow, intake }, timer, .. } = self;
        if poll_fn(|cx| poll_step(link, flow, intake, timer, cx)).await == Step::Done {
            link.failure.result(flow)?;
            return Ok(None);
        }
        match intake.receive(flow) {
            Ok(Some(event)) => {
                if flow.is_over() {
                    // The answer to a Close frame must not depend on a further call by the
                    // application.
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

    /// Returns the next event in the bytes that were read already. Does not wait, read or write.
    ///
    /// # Errors
    /// As [`read`](Self::read). The next call that may wait writes the Close frame.
    pub fn try_read(&mut self) -> Result<Option<(Event<'_>, Reply<'_, S>)>, WebSocketError> {
        let Self { link, driver: Driver { flow, intake }, timer, .. } = self;
        if flow.step(intake) != Step::Event {
            return flow.error().map_or(Ok(None), |error| Err(error.into()));
        }
        let event = intake.receive(flow)?;
        Ok(event.map(|event| (event, Reply { link, flow, timer })))
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
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_into(
        &mut self,
        buffer: &mut [u8],
    ) -> Result<Option<Received>, WebSocketError> {
        poll_fn(|cx| self.poll_read_into(buffer, cx)).await
    }

    feed_methods!(
        self,
        (&mut),
        "The output is written when [`read`](Self::read) has to wait, and by `send_*`, \
         [`flush`](Self::flush) and [`close`](Self::close). To answer an event use the [`Reply`], whose \
         output causes back-pressure; the only limit here is \
         [`Full`](crate::error::send::SendError::Full)."
    );

    send_methods!(
        self,
        (&mut),
        (async),
        (.await),
        "The WebSocket does not read meanwhile. A dropped future has fed nothing, or has left the \
         message in the output."
    );

    /// Writes all output. Returns when the transport has taken it. Does not read meanwhile.
    /// Cancel safe.
    ///
    /// # Errors
    /// [`WebSocketError::Io`] if the transport has failed; messages that the peer sent before can
    /// still be read, and may give the reason. [`WebSocketError::Protocol`] with
    /// [`TimeoutError::Write`](crate::error::TimeoutError::Write) if no output could be written for
    /// the [`write_timeout`](crate::config::ConfigBuilder::write_timeout), or with another timeout
    /// if the deadline of the closing handshake has passed.
    pub async fn flush(&mut self) -> Result<(), WebSocketError> {
        let Self { link, driver: Driver { flow, .. }, timer, .. } = self;
        let end = flow.end();
        poll_fn(|cx| poll_sent(link, flow, timer, Goal::Sent(end), cx)).await
    }

    /// Feeds a Close frame, after which no message can be sent. Reading continues until the peer's
    /// Close frame (ASP.NET's `CloseOutputAsync`). If the connection is already closing, the call
    /// has no effect. The Close frame is written like other fed output.
    ///
    /// # Errors
    /// [`SendError`] for a code or reason that can't be sent. The call then has no effect.
    pub fn close_output(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.driver.flow.close(code, reason, now())
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
    pub async fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
    ) -> Result<CloseStatus, WebSocketError> {
        self.close_output(code, reason)?;
        self.driver.flow.discard_data();
        for events in 1_usize.. {
            if self.read().await?.is_none() {
                break;
            }
            if events.is_multiple_of(MAX_TURNS) {
                tokio::task::yield_now().await;
            }
        }
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

    /// Returns the transport, for its options. Reading or writing it breaks the connection.
    pub const fn get_ref(&self) -> &S {
        &self.link.stream
    }

    /// Returns the parts of the WebSocket, for another adapter or event loop, or for
    /// [`resume`](Self::resume).
    pub fn into_inner(self) -> Unfinished<S> {
        Unfinished::new(self.link.stream, self.driver, self.left_over)
    }
}

/// A handle to reply to an event, while the event is held.
///
/// Replies cause back-pressure: while
/// [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of replies are unsent,
/// no further event is read. Unsolicited output does not use up their space.
///
/// ```no_run
/// # use sansocket::{Event, WebSocketError};
/// # async fn f(
/// #     ws: &mut sansocket::tokio::WebSocket<tokio::net::TcpStream>,
/// # ) -> Result<(), WebSocketError> {
/// while let Some((event, mut reply)) = ws.read().await? {
///     match event {
///         // Written together with other replies.
///         Event::Text(text) => reply.feed_text(text)?,
///         // Written at once.
///         Event::Binary(bytes) => reply.send_binary(bytes).await?,
///         _ => {}
///     }
/// }
/// # Ok(()) }
/// ```
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
        "The output is written when [`read`](WebSocket::read) has to wait, and by `send_*` and \
         [`flush`](Self::flush)."
    );

    send_methods!(
        self,
        (&mut),
        (async),
        (.await),
        "The WebSocket does not read meanwhile. A dropped future has fed nothing, or has left the \
         message in the output."
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

    /// Returns how many fed bytes are not written yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.flow.unsent()
    }
}
