//! Byte streams over a WebSocket.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use alloc::boxed::Box;
use std::io;

use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::adapter::parts::{LeftOver, Received};
use crate::adapter::payloads::{
    CLOSE_TIMEOUT, Payloads, close_timed_out, cut_message, write_error,
};
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::driver::{Driver, Step};
use crate::error::adapter::WebSocketError;
use crate::message::options::SendOptions;
use crate::message::{Data, MessageKind};
use crate::tokio::drive::{Goal, MAX_TURNS, poll_sent, poll_step, write_some};
use crate::tokio::messages::Messages;
use crate::tokio::socket::WebSocket;

/// The messages of a WebSocket as one stream of bytes, for `tokio::io::copy`, codecs and protocols
/// that run over any byte stream. `tokio::io::split` divides it for two tasks.
///
/// **Reading** joins messages of both kinds; boundaries are not visible. The stream ends, with 0 bytes,
/// when the connection is closed in order, with any code ([`close_status`](Self::close_status)).
/// Other ends are errors: [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) without a Close frame,
/// [`InvalidData`](io::ErrorKind::InvalidData) after a violation or above a limit,
/// [`TimedOut`](io::ErrorKind::TimedOut), and that of the transport, for example
/// [`ConnectionReset`](io::ErrorKind::ConnectionReset). The error inside is the
/// [`ProtocolError`](crate::error::ProtocolError) ([`io::Error::get_ref`]). Messages are received
/// as a whole by default; with [`Delivery::Parts`](crate::config::Delivery::Parts) messages of any
/// length pass through in little memory.
///
/// **Writing**: each write is one message of the kind that was given, and takes at most
/// [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes. It is written to the
/// transport as far as that takes it at once; the rest is written by later reads, writes and
/// flushes. With as many bytes unsent a write is pending, so at most twice the mark is in memory. A
/// flush writes all output and sends no frame. Written text must be UTF-8
/// ([`InvalidData`](io::ErrorKind::InvalidData) otherwise); a write may end inside a character.
/// After the connection is closed writes return [`BrokenPipe`](io::ErrorKind::BrokenPipe).
///
/// **Shutdown** closes in order with 1000: the Close frame is sent, and the call returns when the
/// transport has ended. Data that arrives meanwhile is kept for reads, so `copy_bidirectional` loses
/// no data that the peer sent before its Close frame. With a high-water mark of it kept the
/// shutdown waits for reads, until the close deadline; then it discards further data, and reads
/// return [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) in place of the end. At the
/// [close timeout](Self::set_close_timeout) of the stream the connection is aborted, and shutdown
/// returns [`TimedOut`](io::ErrorKind::TimedOut). A WebSocket has no half-closed state: a peer
/// answers the Close frame and sends no data after it.
///
/// A dropped read or write has no effect and loses no data. Dropping the stream drops the
/// transport without a Close frame.
///
/// ```no_run
/// # async fn f(ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>) -> std::io::Result<()> {
/// use sansocket::message::MessageKind;
/// use tokio::io::AsyncWriteExt;
/// use tokio::net::TcpStream;
///
/// // A tunnel: a TCP service for programs that reach HTTP only.
/// let mut tunnel = ws.into_byte_stream(MessageKind::Binary);
/// let mut service = TcpStream::connect("127.0.0.1:5432").await?;
/// tokio::io::copy_bidirectional(&mut tunnel, &mut service).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ByteStream<S> {
    messages: Messages<S>,
    payloads: Payloads,
    close_timeout: Duration,
    closing: Option<Closing>,
}

/// A shutdown under way. Without an end if the close timeout is longer than time lasts.
#[derive(Debug)]
struct Closing(Option<Pin<Box<Sleep>>>);

/// One outgoing message as a stream of bytes: each write is a part of it, and the shutdown ends it.
///
/// A part has at most [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes;
/// writes wait, and text is divided, as with [`ByteStream`]. No input is read meanwhile.
///
/// A writer that is dropped before its shutdown leaves the message open, so that the peer does not
/// take it for complete: end it with a new writer of the same kind, or close the connection.
/// The first bytes of an incomplete character are dropped with it.
///
/// ```
/// # async fn f(ws: &mut sansocket::tokio::WebSocket<tokio::net::TcpStream>) -> std::io::Result<()> {
/// use sansocket::message::MessageKind;
/// use tokio::io::AsyncWriteExt;
///
/// let mut file = tokio::io::repeat(7);
/// # let mut file = tokio::io::AsyncReadExt::take(file, 1 << 30);
/// let mut message = ws.message_writer(MessageKind::Binary);
/// tokio::io::copy(&mut file, &mut message).await?;
/// message.shutdown().await?; // the end of the message; the connection stays open
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct MessageWriter<'a, S> {
    socket: &'a mut WebSocket<S>,
    payloads: Payloads,
    options: SendOptions,
    /// The position in the output at which a flush in progress is complete.
    flushing: Option<u64>,
    ended: bool,
}

/// One received message as a stream of bytes, which ends with the message.
///
/// Errors are those of [`ByteStream`]; a connection that is closed inside the message is
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). The next
/// [`message_reader`](WebSocket::message_reader) skips bytes that were not read.
///
/// ```
/// # async fn f(ws: &mut sansocket::tokio::WebSocket<tokio::net::TcpStream>)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// use tokio::io::AsyncReadExt;
///
/// while let Some(mut message) = ws.message_reader().await? {
///     let mut bytes = Vec::new();
///     message.read_to_end(&mut bytes).await?;
///     println!("{:?} of {} bytes", message.kind(), bytes.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct MessageReader<'a, S> {
    socket: &'a mut WebSocket<S>,
    kind: MessageKind,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Converts it to one stream of bytes. Each write is a message of `kind`.
    pub fn into_byte_stream(self, kind: MessageKind) -> ByteStream<S> {
        ByteStream {
            messages: self.into_messages(),
            payloads: Payloads::new(kind),
            close_timeout: CLOSE_TIMEOUT,
            closing: None,
        }
    }

    /// Returns a stream for the bytes of one outgoing message, which begins with the first write.
    pub const fn message_writer(&mut self, kind: MessageKind) -> MessageWriter<'_, S> {
        MessageWriter {
            socket: self,
            payloads: Payloads::new(kind),
            options: SendOptions::new(),
            flushing: None,
            ended: false,
        }
    }

    /// Returns a stream of the bytes of the next message; `None`: the connection was closed
    /// in order. Bytes of the last reader that were not read are skipped. Cancel safe.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn message_reader(&mut self) -> Result<Option<MessageReader<'_, S>>, WebSocketError> {
        self.left_over = LeftOver::new();
        let kind = poll_fn(|cx| self.poll_begin(cx)).await?;
        Ok(kind.map(|kind| MessageReader { socket: self, kind, ended: false }))
    }

    /// Receives the first part of a message, and keeps it.
    fn poll_begin(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<MessageKind>, WebSocketError>> {
        let Self { link, driver: Driver { flow, intake }, timer, left_over } = self;
        for _ in 0..MAX_TURNS {
            if ready!(poll_step(link, flow, intake, timer, cx)) == Step::Done {
                return Poll::Ready(link.failure.result(flow).map(|()| None));
            }
            // An error is returned when the transport has ended, after the Close frame was written.
            let Ok(Some(event)) = intake.receive_owned(flow) else { continue };
            if flow.is_over() {
                // The answer to a Close frame must not wait for a call that may not come.
                write_some(link, flow, cx);
            }
            if let Some((kind, begun)) = LeftOver::begin(event) {
                *left_over = begun;
                return Poll::Ready(Ok(Some(kind)));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Receives into `buffer`, as [`read_into`](Self::read_into).
    pub(super) fn poll_read_into(
        &mut self,
        buffer: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Received>, WebSocketError>> {
        let Self { link, driver: Driver { flow, intake }, timer, left_over } = self;
        if let Some(received) = left_over.take(buffer) {
            return Poll::Ready(Ok(Some(received)));
        }
        for _ in 0..MAX_TURNS {
            if ready!(poll_step(link, flow, intake, timer, cx)) == Step::Done {
                return Poll::Ready(link.failure.result(flow).map(|()| None));
            }
            let Ok(Some(event)) = intake.receive(flow) else { continue };
            let filled = LeftOver::fill(buffer, &event);
            if flow.is_over() {
                write_some(link, flow, cx);
            }
            if let Some((received, rest)) = filled {
                *left_over = rest;
                return Poll::Ready(Ok(Some(received)));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S> ByteStream<S> {
    /// Sets the time limit of a shutdown; then the connection is aborted. Default: 16 s, as in
    /// .NET. Zero: it only sends as much as the transport takes at once; [`Duration::MAX`]: the
    /// limits are those of the connection. Without effect on a shutdown under way.
    pub const fn set_close_timeout(&mut self, timeout: Duration) {
        self.close_timeout = timeout;
    }

    /// Sets how messages are sent from now on: compressed or not, in which fragments.
    pub const fn set_send_options(&mut self, options: SendOptions) {
        self.messages.set_send_options(options);
    }

    /// Returns the connection, with its state and its negotiated parameters.
    pub const fn connection(&self) -> &Connection {
        self.messages.connection()
    }

    /// Returns which end began to close, with which code and reason; `None` while the connection is
    /// open.
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.messages.close_status()
    }

    /// Returns how many bytes of output are not written.
    pub fn unsent(&self) -> usize {
        self.messages.unsent()
    }

    /// Returns the transport, for its options. Reading or writing it breaks the connection.
    pub const fn get_ref(&self) -> &S {
        self.messages.get_ref()
    }

    /// Returns the WebSocket. The rest of a message that was read in part is kept for
    /// [`read_into`](WebSocket::read_into); messages that a shutdown has kept are dropped.
    /// The first bytes of an incomplete character that was written are dropped.
    pub fn into_inner(self) -> WebSocket<S> {
        self.messages.into_inner()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ByteStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0 {
            let n = ready!(self.messages.poll_read_into(buffer.initialize_unfilled(), cx))?;
            buffer.advance(n);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ByteStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { messages, payloads, .. } = &mut *self;
        ready!(Pin::new(&mut *messages).poll_ready(cx)).map_err(write_error)?;
        let max = messages.connection().config().high_water_mark();
        Poll::Ready(payloads.take(bytes, max, |data| messages.feed(data)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.messages).poll_flush(cx).map_err(write_error)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { messages, payloads, close_timeout, closing } = &mut *self;
        payloads.end()?;
        let Closing(timer) = closing.get_or_insert_with(|| {
            let deadline = Instant::now().checked_add(*close_timeout);
            Closing(deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline))))
        });
        if let Poll::Ready(closed) = Pin::new(&mut *messages).poll_close(cx) {
            return Poll::Ready(closed.map_err(write_error));
        }
        match timer {
            Some(timer) => ready!(timer.as_mut().poll(cx)),
            None => return Poll::Pending,
        }
        messages.abort();
        Poll::Ready(Err(close_timed_out()))
    }
}

impl<S> MessageWriter<'_, S> {
    /// Sets how the message is sent: compressed or not, in which fragments.
    pub const fn set_send_options(&mut self, options: SendOptions) {
        self.options = options;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> MessageWriter<'_, S> {
    /// Is ready when the output is below its high-water mark.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let WebSocket { link, driver: Driver { flow, .. }, timer, .. } = self.socket;
        while flow.is_open() && (flow.is_above_mark() || flow.is_unwritable()) {
            let goal = Goal::room(flow);
            ready!(poll_sent(link, flow, timer, goal, cx)).map_err(write_error)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MessageWriter<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_room(cx))?;
        let Self { socket, payloads, options, flushing, .. } = &mut *self;
        let WebSocket { link, driver: Driver { flow, .. }, .. } = &mut **socket;
        let max = flow.connection().config().high_water_mark();
        let n = payloads.take(bytes, max, |data| Ok(flow.send_part(data, false, *options)?))?;
        *flushing = None;
        write_some(link, flow, cx);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, flushing, .. } = &mut *self;
        let WebSocket { link, driver: Driver { flow, .. }, timer, .. } = &mut **socket;
        let end = *flushing.get_or_insert_with(|| flow.end());
        let flushed = ready!(poll_sent(link, flow, timer, Goal::Sent(end), cx));
        *flushing = None;
        Poll::Ready(flushed.map_err(write_error))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            let end: Data<'_> = self.payloads.end()?;
            ready!(self.poll_room(cx))?;
            let options = self.options;
            let sent = self.socket.driver.flow.send_part(end, true, options);
            sent.map_err(|error| write_error(error.into()))?;
            (self.ended, self.flushing) = (true, None);
        }
        self.poll_flush(cx)
    }
}

impl<S> MessageReader<'_, S> {
    /// Returns the kind of the message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MessageReader<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        for _ in 0..MAX_TURNS {
            if self.ended || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let into = buffer.initialize_unfilled();
            let Some(received) = ready!(self.socket.poll_read_into(into, cx))? else {
                return Poll::Ready(Err(cut_message()));
            };
            self.ended = received.end_of_message;
            buffer.advance(received.len);
            if received.len > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
