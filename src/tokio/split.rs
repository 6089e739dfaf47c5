//! A WebSocket shared by a reader and any number of senders, in other tasks and threads.
//!
//! The lock is held for a call, never over an await; events are lent from the reader's own buffer,
//! outside of it. There is no task behind it: whoever waits drives the transport.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use alloc::sync::Arc;
use std::io;
use std::sync::{Mutex, MutexGuard};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::adapter::{LeftOver, Received, WebSocketError};
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::connection::options::SendOptions;
use crate::driver::{self, Driver, Flow, Intake};
use crate::error::SendError;
use crate::event::Event;
use crate::message::Data;
use crate::prepared::Prepared;
use crate::tokio::WebSocket;
use crate::tokio::drive::{
    Ready, Timer, now, poll_end, poll_event, poll_write_all, poll_write_once, write_some,
};
use crate::tokio::wakers::{Waiting, Wakers, lock};

/// What both halves share.
#[derive(Debug)]
struct Shared<S> {
    half: Mutex<Half<S>>,
    wakers: Wakers,
}

#[derive(Debug)]
struct Half<S> {
    /// `None`: the reader was dropped, and the transport with it.
    io: Option<S>,
    flow: Flow,
}

impl<S> Shared<S> {
    fn half(&self) -> MutexGuard<'_, Half<S>> {
        lock(&self.half)
    }
}

/// The reading half: it also runs keep-alive and the closing handshake, and writes what the senders
/// could not write at once, so keep reading.
///
/// Dropping it drops the transport: senders get [`SendError::Closed`] then, and the peer sees a
/// lost connection unless it was closed in order.
#[derive(Debug)]
pub struct Reader<S> {
    sender: Sender<S>,
    intake: Intake,
    timer: Timer,
    left_over: Option<LeftOver>,
}

/// The sending half, for any number of tasks and threads.
///
/// A send waits while more than the high-water mark is unsent; the reader goes on reading meanwhile.
/// It is done when the message lies in the output and the transport has been offered it. What
/// the transport doesn't take at once is written while the [`Reader`] reads, or somebody flushes or waits for room.
#[derive(Debug)]
pub struct Sender<S> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

pub(super) fn split<S>(socket: WebSocket<S>) -> (Reader<S>, Sender<S>) {
    let WebSocket { io, driver: Driver { flow, intake }, timer, left_over } = socket;
    let half = Mutex::new(Half { io: Some(io), flow });
    let sender = Sender { shared: Arc::new(Shared { half, wakers: Wakers::new() }) };
    (Reader { sender: sender.clone(), intake, timer, left_over }, sender)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<S> {
    /// Waits for the next event, and gives with it a sender to answer with while it is held.
    ///
    /// As [`WebSocket::read`](crate::tokio::WebSocket::read), cancel safe too.
    ///
    /// # Errors
    /// As [`WebSocket::read`](crate::tokio::WebSocket::read).
    pub async fn read(&mut self) -> Result<Option<(Event<'_>, &Sender<S>)>, WebSocketError> {
        let Self { sender, intake, timer, .. } = self;
        let shared = &sender.shared;
        let ready = shared.drive(|io, flow, cx| poll_event(io, flow, intake, timer, cx)).await?;
        if ready == Ready::Done {
            shared.half().flow.result()?;
            return Ok(None);
        }
        let event = driver::receive(&mut shared.half().flow, intake);
        if shared.half().flow.connection.is_closed() {
            // Senders that wait for room never get it.
            shared.wakers.wake_all();
        }
        match event {
            Ok(event) => {
                if matches!(event, Some(Event::Close(_))) {
                    // The answer to a Close frame must not wait for a call that may not come.
                    shared.write_some();
                }
                Ok(event.map(|event| (event, &*sender)))
            }
            Err(error) => {
                let end = shared
                    .drive(|io, flow, cx| poll_end(io, flow, timer, cx).map(|()| Ok(Ready::Done)));
                end.await?;
                Err(error.into())
            }
        }
    }

    /// Receives into `buffer`, as [`WebSocket::read_into`](crate::tokio::WebSocket::read_into).
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

    /// Returns a sender.
    pub fn sender(&self) -> Sender<S> {
        self.sender.clone()
    }

    /// Returns who began to close, with which code; `None` while the connection is open.
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.sender.close_status()
    }
}

impl<S> Drop for Reader<S> {
    fn drop(&mut self) {
        let shared = &self.sender.shared;
        {
            let mut half = shared.half();
            half.io = None;
            half.flow.abandon();
        }
        shared.wakers.wake_all();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    /// Polls the transport under the lock, with a waker that wakes all who wait.
    async fn drive(
        &self,
        mut poll: impl FnMut(&mut S, &mut Flow, &mut Context<'_>) -> Poll<io::Result<Ready>>,
    ) -> Result<Ready, WebSocketError> {
        let mut waiting = self.wakers.enter();
        poll_fn(|cx| self.poll(&mut waiting, cx, &mut poll)).await
    }

    fn poll(
        &self,
        waiting: &mut Waiting<'_>,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut S, &mut Flow, &mut Context<'_>) -> Poll<io::Result<Ready>>,
    ) -> Poll<Result<Ready, WebSocketError>> {
        // Before the transport is polled: it may wake at once.
        waiting.register(cx.waker());
        let mut half = self.half();
        let Half { io, flow } = &mut *half;
        let Some(io) = io else { return Poll::Ready(Ok(Ready::Done)) };
        let before = flow.news();
        let polled = poll(io, flow, &mut self.wakers.context());
        let changed = flow.news() != before;
        drop(half);
        if changed {
            // There is room, or there never will be again.
            waiting.wake_others();
        }
        polled.map_err(Into::into)
    }

    /// Writes what can be written at once.
    fn write_some(&self) {
        let mut half = self.half();
        let Half { io: Some(io), flow } = &mut *half else { return };
        write_some(io, flow, &mut self.wakers.context());
        let failed = flow.is_unwritable();
        drop(half);
        if failed {
            self.wakers.wake_all();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// Sends a text message; waits for room.
    ///
    /// # Errors
    /// [`WebSocketError::Send`]: nothing was sent. [`SendError::Closed`] once the connection is.
    pub async fn send_text(&self, text: &str) -> Result<(), WebSocketError> {
        self.send_when_room(|connection, out| connection.send_text(text, out)).await
    }

    /// Sends a binary message; waits for room.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub async fn send_binary(&self, bytes: &[u8]) -> Result<(), WebSocketError> {
        self.send_when_room(|connection, out| connection.send_binary(bytes, out)).await
    }

    /// Sends a message of either kind; waits for room.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub async fn send(&self, data: Data<'_>, options: SendOptions) -> Result<(), WebSocketError> {
        self.send_when_room(|connection, out| connection.send(data, options, out)).await
    }

    /// Sends a piece of a message; waits for room. One task at a time: the pieces of two would make
    /// one message.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub async fn send_part(
        &self,
        data: Data<'_>,
        end: bool,
        options: SendOptions,
    ) -> Result<(), WebSocketError> {
        self.send_when_room(|connection, out| connection.send_part(data, end, options, out)).await
    }

    /// Sends a message that was encoded once for many connections; waits for room.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub async fn send_prepared(&self, message: &Prepared) -> Result<(), WebSocketError> {
        self.send_when_room(|connection, out| connection.send_prepared(message, out)).await
    }

    /// Sends a ping with at most 125 bytes of payload; waits for room.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub async fn send_ping(&self, payload: &[u8]) -> Result<(), WebSocketError> {
        self.send_when_room(|connection, out| connection.send_ping(payload, out)).await
    }

    /// Sends an unsolicited pong with at most 125 bytes of payload; waits for room.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub async fn send_pong(&self, payload: &[u8]) -> Result<(), WebSocketError> {
        self.send_when_room(|connection, out| connection.send_pong(payload, out)).await
    }

    /// Sends a message of either kind without waiting and without a write of its own: it is written
    /// when the reader waits next, or somebody flushes. For answers in the reader's own loop, since
    /// many of them make one write.
    ///
    /// # Errors
    /// [`SendError`]: nothing was sent; [`SendError::Full`] if there is no room.
    pub fn try_send(&self, data: Data<'_>, options: SendOptions) -> Result<(), SendError> {
        {
            let flow = &mut self.shared.half().flow;
            flow.connection.send(data, options, &mut flow.out)?;
        }
        // A reader that waits already writes it now.
        self.shared.wakers.wake_all();
        Ok(())
    }

    /// Sends a Close frame: nothing can be sent after it. The reader goes on until the peer's.
    ///
    /// # Errors
    /// [`SendError`]: nothing was sent.
    pub fn close_output(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        {
            let flow = &mut self.shared.half().flow;
            flow.connection.close(code, reason, now(), &mut flow.out)?;
        }
        self.shared.write_some();
        // The reader has another deadline to wait for now; waiting senders have nothing.
        self.shared.wakers.wake_all();
        Ok(())
    }

    /// Writes all output.
    ///
    /// # Errors
    /// [`WebSocketError::Io`] if the transport failed, [`WebSocketError::Protocol`] if the
    /// connection did.
    pub async fn flush(&self) -> Result<(), WebSocketError> {
        self.shared
            .drive(|io, flow, cx| poll_write_all(io, flow, cx).map_ok(|()| Ready::Event))
            .await?;
        Ok(self.shared.half().flow.result()?)
    }

    /// Does what `send` does as soon as there is room.
    async fn send_when_room(
        &self,
        mut send: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        let mut waiting = self.shared.wakers.enter();
        poll_fn(|cx| {
            loop {
                {
                    let flow = &mut self.shared.half().flow;
                    if flow.connection.is_open() && flow.is_unwritable() {
                        let error = io::Error::from(io::ErrorKind::BrokenPipe);
                        break Poll::Ready(Err(error.into()));
                    }
                    // The reader's own answers have what is between the mark and `max_unsent`.
                    if !flow.connection.is_open() || !flow.is_above_mark() {
                        match flow.send_unasked(&mut send) {
                            Err(SendError::Full) => {}
                            result => break Poll::Ready(result.map_err(WebSocketError::from)),
                        }
                    }
                }
                ready!(self.shared.poll(&mut waiting, cx, |io, flow, cx| {
                    poll_write_once(io, flow, cx).map_ok(|()| Ready::Event)
                }))?;
            }
        })
        .await?;
        self.shared.write_some();
        Ok(())
    }
}

impl<S> Sender<S> {
    /// Returns whether messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.half().flow.connection.is_open()
    }

    /// Returns who began to close, with which code; `None` while the connection is open.
    #[must_use]
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.shared.half().flow.connection.close_status()
    }
}
