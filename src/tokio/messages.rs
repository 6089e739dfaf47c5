//! Owned messages as `Stream` and `Sink`.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use std::io;

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::adapter::{WebSocketError, send_message};
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::options::SendOptions;
use crate::driver::{self, Driver};
use crate::error::SendError;
use crate::event::OwnedEvent;
use crate::message::Message;
use crate::tokio::WebSocket;
use crate::tokio::drive::{MAX_TURNS, Ready, Timer, now, poll_event, poll_flush};
use crate::tokio::wakers::Wakers;

/// Owned messages as [`Stream`] and [`Sink`], for combinators and queues.
///
/// The stream ends when the connection is closed in order, or after an error. Pings, pongs and the
/// Close frame don't show. With [`Delivery::Parts`](crate::Delivery::Parts) each piece comes as a
/// message of its own. Closing the sink closes the connection in order, and drops what still comes.
#[derive(Debug)]
pub struct Messages<S> {
    socket: WebSocket<S>,
    /// The stream and the sink may be in two tasks, by a `split` of somebody's.
    wakers: Wakers,
    options: SendOptions,
    finished: bool,
}

/// Who waits.
#[derive(Clone, Copy, Debug)]
enum End {
    Stream,
    Sink,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Messages<S> {
    pub(super) fn new(socket: WebSocket<S>) -> Self {
        Self { socket, wakers: Wakers::new(), options: SendOptions::new(), finished: false }
    }

    /// Returns the connection: whether it is open, how it has closed.
    pub const fn connection(&self) -> &Connection {
        self.socket.connection()
    }

    /// Sets how messages are sent from now on: compressed or not, in which fragments.
    pub const fn set_send_options(&mut self, options: SendOptions) {
        self.options = options;
    }

    /// Gives the WebSocket back.
    pub fn into_inner(self) -> WebSocket<S> {
        self.socket
    }

    /// Drives the transport to the next event, or to the end of the connection.
    fn poll_event(&mut self, end: End, cx: &Context<'_>) -> Poll<io::Result<Ready>> {
        self.poll(end, cx, |io, Driver { flow, intake }, timer, cx| {
            poll_event(io, flow, intake, timer, cx)
        })
    }

    /// Polls the transport with a waker that wakes both ends, and wakes the other one if there is
    /// room now, or never will be again.
    fn poll<T>(
        &mut self,
        end: End,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut S, &mut Driver, &mut Timer, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let id = end as u64;
        // Before the transport is polled: it may wake at once.
        self.wakers.register(id, cx.waker());
        let WebSocket { io, driver, timer, .. } = &mut self.socket;
        let before = driver.flow.news();
        let polled = poll(io, driver, timer, &mut self.wakers.context());
        if driver.flow.news() != before {
            self.wakers.wake_others(id);
        }
        if polled.is_ready() {
            self.wakers.forget(id);
        }
        polled
    }

    /// Takes the event that is at hand. An error shows when the transport has ended: the Close
    /// frame goes first.
    fn take_event(&mut self) -> Option<OwnedEvent> {
        let driver = &mut self.socket.driver;
        driver::receive_owned(&mut driver.flow, &mut driver.intake).ok().flatten()
    }

    fn poll_flush(&mut self, cx: &Context<'_>) -> Poll<Result<(), WebSocketError>> {
        self.poll(End::Sink, cx, |io, driver, timer, cx| {
            poll_flush(io, &mut driver.flow, timer, cx)
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Messages<S> {
    type Item = Result<Message, WebSocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        for _ in 0..MAX_TURNS {
            if self.finished {
                return Poll::Ready(None);
            }
            match ready!(self.poll_event(End::Stream, cx)) {
                Ok(Ready::Event) => match self.take_event() {
                    Some(OwnedEvent::Message(data) | OwnedEvent::Part { data, .. }) => {
                        return Poll::Ready(Some(Ok(data.into())));
                    }
                    Some(OwnedEvent::Ping(_) | OwnedEvent::Pong(_) | OwnedEvent::Close(_))
                    | None => {}
                },
                Ok(Ready::Done) => {
                    self.finished = true;
                    let result = self.socket.driver.flow.result();
                    return Poll::Ready(result.err().map(|error| Err(error.into())));
                }
                Err(error) => {
                    self.finished = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for Messages<S> {
    fn is_terminated(&self) -> bool {
        self.finished
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for Messages<S> {
    type Error = WebSocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.socket.driver.flow.is_above_mark() {
            return Self::poll_flush(&mut self, cx);
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
        let options = self.options;
        let flow = &mut self.socket.driver.flow;
        Ok(flow.send_unasked(|connection, out| {
            send_message(connection, &message, options, now(), out)
        })?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.socket.close_output(CloseCode::NORMAL, "") {
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => return Poll::Ready(Err(error.into())),
        }
        for _ in 0..MAX_TURNS {
            if self.finished {
                return Poll::Ready(Ok(self.socket.driver.flow.result()?));
            }
            match ready!(self.poll_event(End::Sink, cx)) {
                Ok(Ready::Event) => drop(self.take_event()),
                Ok(Ready::Done) => self.finished = true,
                Err(error) => {
                    self.finished = true;
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
