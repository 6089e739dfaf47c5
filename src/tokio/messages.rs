//! Owned messages as `Stream` and `Sink`.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use alloc::collections::VecDeque;
use std::io;

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::adapter::parts::LeftOver;
use crate::adapter::payloads::discarded;
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::driver::{Driver, Flow, Intake, Step};
use crate::error::adapter::WebSocketError;
use crate::event::OwnedEvent;
use crate::message::options::SendOptions;
use crate::message::{Data, Message, OwnedData};
use crate::tokio::drive::{
    Goal, Link, MAX_TURNS, poll_close_deadline, poll_sent, poll_step, write_some,
};
use crate::tokio::socket::WebSocket;
use crate::tokio::timer::{Timer, now};
use crate::tokio::wakers::Wakers;

/// Owned messages as [`Stream`] and [`Sink`], for combinators, and for programs written for
/// tungstenite or axum.
///
/// The stream yields pings and pongs too, after pings were answered, and the peer's Close frame as
/// the last message. It ends when the connection was closed in order, or after an error. With
/// [`Delivery::Parts`](crate::config::Delivery::Parts) each part is a message of its own.
///
/// The sink accepts pings and pongs too. [`Message::Close`] sends a Close frame, and has no effect
/// if the connection is already closing, so `forward` may send the peer's Close frame back. Filter
/// pings and pongs out before a `forward`: a forwarded ping is a new ping to the peer.
///
/// Closing the sink sends a Close frame with code 1000, and completes when the transport has ended.
/// Messages received meanwhile are kept for the stream. Once
/// [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes are kept, no more is
/// read until the stream takes a message. After the close deadline, further messages are discarded.
///
/// With `futures-util = { version = "0.3", features = ["sink"] }`:
///
/// ```no_run
/// # async fn f(ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>)
/// #     -> Result<(), sansocket::WebSocketError> {
/// use futures_util::{SinkExt, StreamExt};
/// use sansocket::Message;
///
/// let (mut sink, mut stream) = ws.into_messages().split();
/// sink.send(Message::from("hello")).await?;
/// while let Some(message) = stream.next().await {
///     println!("{:?}", message?);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Messages<S> {
    socket: WebSocket<S>,
    /// The stream and the sink may be in two tasks, after a `split` of futures.
    wakers: Wakers,
    options: SendOptions,
    /// The messages received while the sink was being closed.
    kept: Kept,
    /// The position in the output that a flush in progress has to reach.
    flushing: Option<u64>,
    closing: Closing,
    /// Data was discarded.
    has_gap: bool,
    /// The transport has ended.
    ended: bool,
    /// The stream has yielded its end or its error.
    finished: bool,
}

/// A queue of messages for the stream.
#[derive(Default)]
struct Kept {
    messages: VecDeque<Message>,
    /// The sum of their [`cost`], in bytes.
    len: usize,
}

/// The progress of closing the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// Received messages are kept.
    Keeping,
    /// Received messages are discarded.
    Discarding,
}

/// The waiting end. The discriminant is its id in [`Wakers`].
#[derive(Clone, Copy, Debug)]
enum End {
    Stream,
    Sink,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Converts the WebSocket to a stream and a sink of owned messages.
    pub fn into_messages(self) -> Messages<S> {
        Messages {
            socket: self,
            wakers: Wakers::new(),
            options: SendOptions::new(),
            kept: Kept::default(),
            flushing: None,
            closing: Closing::No,
            has_gap: false,
            ended: false,
            finished: false,
        }
    }
}

impl<S> Messages<S> {
    /// Returns the connection, for its state and the negotiated options.
    pub const fn connection(&self) -> &Connection {
        self.socket.connection()
    }

    /// Returns which end started the closing handshake, with its code and reason. `None` while the
    /// connection is open.
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.socket.close_status()
    }

    /// Returns how many bytes of fed messages are not written yet.
    pub fn unsent(&self) -> usize {
        self.socket.unsent()
    }

    /// Returns the transport, for its options. Reading or writing it breaks the connection.
    pub const fn get_ref(&self) -> &S {
        self.socket.get_ref()
    }

    /// Sets the options for messages sent from now on: compression, and the length of fragments.
    pub const fn set_send_options(&mut self, options: SendOptions) {
        self.options = options;
    }

    /// Returns the WebSocket. Messages that were kept while the sink was being closed are dropped.
    pub fn into_inner(self) -> WebSocket<S> {
        self.socket
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Messages<S> {
    /// Polls the transport with the waker that wakes both ends. Wakes the other end if there was
    /// progress: it may wait for space, or must fail.
    fn poll<T>(
        &mut self,
        end: End,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Link<S>, &mut Driver, &mut Timer, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let id = end as u64;
        // Register before the poll: the transport may wake during it.
        self.wakers.register(id, cx.waker());
        let WebSocket { link, driver, timer, .. } = &mut self.socket;
        let before = progress(&driver.flow);
        let polled = poll(link, driver, timer, &mut self.wakers.context());
        if progress(&driver.flow) != before {
            self.wakers.wake_others(id);
        }
        if polled.is_ready() {
            self.wakers.forget(id);
        }
        polled
    }

    /// Drives the connection to the next message. `None`: the transport has ended.
    fn poll_message(&mut self, end: End, cx: &Context<'_>) -> Poll<Option<Message>> {
        self.poll_event(end, cx, |intake, flow| match intake.receive_owned(flow) {
            Ok(event) => event.map(Into::into),
            Err(_) => None,
        })
    }

    /// Drives to the next event, which `receive` takes, or to the end: `None`.
    fn poll_event<T>(
        &mut self,
        end: End,
        cx: &Context<'_>,
        mut receive: impl FnMut(&mut Intake, &mut Flow) -> Option<T>,
    ) -> Poll<Option<T>> {
        for _ in 0..MAX_TURNS {
            let step = ready!(self.poll(end, cx, |link, Driver { flow, intake }, timer, cx| {
                poll_step(link, flow, intake, timer, cx)
            }));
            if step == Step::Done {
                self.ended = true;
                return Poll::Ready(None);
            }
            let Driver { flow, intake } = &mut self.socket.driver;
            // An error is returned when the transport has ended, after the Close frame was written.
            if let Some(received) = receive(intake, flow) {
                if flow.is_over() {
                    // The answer to a Close frame must not depend on a further call by the
                    // application.
                    self.write_some();
                    // A sink waiting for space must fail, and has another deadline now.
                    self.wakers.wake_others(end as u64);
                }
                return Poll::Ready(Some(received));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Returns [`Poll::Ready`] when the output has reached `goal`.
    fn poll_sent(&mut self, goal: Goal, cx: &Context<'_>) -> Poll<Result<(), WebSocketError>> {
        self.poll(End::Sink, cx, |link, driver, timer, cx| {
            poll_sent(link, &mut driver.flow, timer, goal, cx)
        })
    }

    /// Writes as much as possible without waiting.
    fn write_some(&mut self) {
        let WebSocket { link, driver, .. } = &mut self.socket;
        write_some(link, &mut driver.flow, &mut self.wakers.context());
    }

    /// Keeps a message for the stream, unless messages are discarded.
    fn keep(&mut self, message: Message) {
        if self.discards(&message) {
            self.has_gap |= (message.is_text() || message.is_binary()) && !message.is_empty();
        } else {
            self.kept.push(message);
            self.wakers.wake_others(End::Sink as u64);
        }
    }

    /// Returns true if the message must be discarded: after a gap the stream yields only the Close
    /// frame.
    fn discards(&self, message: &Message) -> bool {
        self.closing == Closing::Discarding && !matches!(message, Message::Close(_))
    }

    /// Writes, and returns [`Poll::Ready`] after the close deadline. Until then the stream wakes
    /// this end whenever it takes a kept message.
    fn poll_taken(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.poll(End::Sink, cx, |link, driver, timer, cx| {
            poll_close_deadline(link, &mut driver.flow, timer, cx)
        })
    }

    /// Receives data into `buffer`, as the stream; 0: the connection was closed in order. Unlike the
    /// stream, it returns an error at the end if data was discarded.
    pub(super) fn poll_read_into(
        &mut self,
        buffer: &mut [u8],
        cx: &Context<'_>,
    ) -> Poll<Result<usize, WebSocketError>> {
        for _ in 0..MAX_TURNS {
            if let Some(received) = self.socket.left_over.take(buffer) {
                if received.len > 0 {
                    return Poll::Ready(Ok(received.len));
                }
                continue;
            }
            if let Some(message) = self.kept.pop() {
                self.wakers.wake_others(End::Stream as u64);
                if let Some(data) = into_data(message) {
                    let begun = LeftOver::begin(OwnedEvent::Message(data));
                    self.socket.left_over = begun.map(|(_, rest)| rest).unwrap_or_default();
                }
                continue;
            }
            if self.ended {
                self.result()?;
                return Poll::Ready(if self.has_gap { Err(discarded().into()) } else { Ok(0) });
            }
            let filled = ready!(self.poll_event(End::Stream, cx, |intake, flow| {
                match intake.receive(flow) {
                    Ok(event) => event.map(|event| LeftOver::fill(buffer, &event)),
                    Err(_) => None,
                }
            }));
            let Some(Some((received, left_over))) = filled else { continue };
            if self.closing == Closing::Discarding {
                self.has_gap |= received.len > 0;
                continue;
            }
            self.socket.left_over = left_over;
            if received.len > 0 {
                return Poll::Ready(Ok(received.len));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Feeds a message, and writes as much of the output as the transport takes at once.
    pub(super) fn feed(&mut self, data: Data<'_>) -> Result<(), WebSocketError> {
        // A flush that was abandoned includes this message too.
        self.flushing = None;
        let flow = &mut self.socket.driver.flow;
        if flow.is_open() && flow.is_unwritable() {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        }
        flow.send(data, self.options)?;
        self.write_some();
        if self.socket.driver.flow.unsent() > 0 {
            // The deadline of the stream has changed.
            self.wakers.wake_others(End::Sink as u64);
        }
        Ok(())
    }

    /// Gives the connection up.
    pub(super) fn abort(&mut self) {
        self.socket.driver.flow.abort();
        self.wakers.wake_others(End::Sink as u64);
    }

    fn result(&mut self) -> Result<(), WebSocketError> {
        self.socket.link.failure.result(&self.socket.driver.flow)
    }
}

/// Returns the values that either end may wait for.
fn progress(flow: &Flow) -> (usize, u64, bool, bool) {
    (flow.unsent(), flow.flushed(), flow.is_unwritable(), flow.is_over())
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Messages<S> {
    type Item = Result<Message, WebSocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = self.kept.pop() {
            self.wakers.wake_others(End::Stream as u64);
            return Poll::Ready(Some(Ok(message)));
        }
        if self.finished {
            return Poll::Ready(None);
        }
        for _ in 0..MAX_TURNS {
            if !self.ended
                && let Some(message) = ready!(self.poll_message(End::Stream, cx))
            {
                if !self.discards(&message) {
                    return Poll::Ready(Some(Ok(message)));
                }
                continue;
            }
            self.finished = true;
            return Poll::Ready(self.result().err().map(Err));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for Messages<S> {
    fn is_terminated(&self) -> bool {
        self.finished && self.kept.messages.is_empty()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for Messages<S> {
    type Error = WebSocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        while self.socket.driver.flow.is_open() && self.socket.driver.flow.is_above_mark() {
            let goal = Goal::room(&self.socket.driver.flow);
            ready!(self.poll_sent(goal, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
        let options = self.options;
        // If an earlier flush was not polled to its end, the next one includes this message.
        self.flushing = None;
        let flow = &mut self.socket.driver.flow;
        Ok(match &message {
            Message::Text(text) => flow.send(text.as_str().into(), options),
            Message::Binary(bytes) => flow.send((&**bytes).into(), options),
            Message::Ping(payload) => flow.send_ping(payload),
            Message::Pong(payload) => flow.send_pong(payload),
            Message::Close(None) => flow.close(CloseCode::NO_STATUS, "", now()),
            Message::Close(Some(frame)) => flow.close(frame.code, &frame.reason, now()),
        }?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let end = self.flushing.unwrap_or_else(|| self.socket.driver.flow.end());
        self.flushing = Some(end);
        let flushed = ready!(self.poll_sent(Goal::Sent(end), cx));
        self.flushing = None;
        Poll::Ready(flushed)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.closing == Closing::No {
            self.socket.close_output(CloseCode::NORMAL, "")?;
            // A peer that sends without pause must not keep the sink from being closed.
            self.socket.driver.flow.discard_data();
            self.closing = Closing::Keeping;
        }
        for _ in 0..MAX_TURNS {
            if self.ended {
                return Poll::Ready(self.result());
            }
            let mark = self.connection().config().high_water_mark();
            if self.closing == Closing::Keeping && self.kept.len >= mark {
                ready!(self.poll_taken(cx));
                self.closing = Closing::Discarding;
                // The peer's Close frame may follow the discarded messages in the transport.
                self.socket.driver.flow.restart_close_timeout(now());
            }
            if let Some(message) = ready!(self.poll_message(End::Sink, cx)) {
                self.keep(message);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Kept {
    fn push(&mut self, message: Message) {
        self.len += cost(&message);
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.len -= cost(&message);
        Some(message)
    }
}

fn into_data(message: Message) -> Option<OwnedData> {
    match message {
        Message::Text(text) => Some(OwnedData::Text(text)),
        Message::Binary(bytes) => Some(OwnedData::Binary(bytes)),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => None,
    }
}

/// Returns the memory of a message in bytes. An empty message is not free.
fn cost(message: &Message) -> usize {
    message.len() + size_of::<Message>()
}

impl core::fmt::Debug for Kept {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} messages", self.messages.len())
    }
}
