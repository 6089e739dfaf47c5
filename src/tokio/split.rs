//! A WebSocket shared by a reader and any number of senders, in other tasks and threads.
//!
//! The lock is held for a call, never over an await; events are lent from the reader's own buffer,
//! outside of it. There is no task behind it: whoever waits drives the transport.

use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::adapter::{LeftOver, Received, WebSocketError};
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::connection::send::SendOptions;
use crate::driver::{self, Driver, Flow, Intake};
use crate::error::SendError;
use crate::event::Event;
use crate::message::Data;
use crate::prepared::Prepared;
use crate::tokio::WebSocket;
use crate::tokio::drive::{Ready, Timer, now, poll_end, poll_event, poll_write};

/// What both halves share.
#[derive(Debug)]
struct Shared<S> {
    half: Mutex<Half<S>>,
    wakers: Arc<Wakers>,
    /// Wakes all of `wakers`: what the transport is polled with.
    waker: Waker,
}

#[derive(Debug)]
struct Half<S> {
    /// `None`: the reader was dropped, and the transport with it.
    io: Option<S>,
    flow: Flow,
}

/// Everybody who waits: a transport remembers but one waker for each direction.
#[derive(Debug, Default)]
struct Wakers(Mutex<Vec<Waker>>);

impl Wakers {
    fn register(&self, waker: &Waker) {
        let mut wakers = lock(&self.0);
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    fn forget(&self, waker: &Waker) {
        lock(&self.0).retain(|known| !known.will_wake(waker));
    }

    fn wake_all(&self) {
        let wakers = core::mem::take(&mut *lock(&self.0));
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

impl<S> Shared<S> {
    fn half(&self) -> MutexGuard<'_, Half<S>> {
        lock(&self.half)
    }
}

/// A panic of somebody who holds the lock leaves nothing half done: all calls under it are whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
/// A send is done when the message lies in the output and the transport has been offered it. What
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
    let wakers = Arc::new(Wakers::default());
    let waker = Waker::from(wakers.clone());
    let half = Mutex::new(Half { io: Some(io), flow });
    let sender = Sender { shared: Arc::new(Shared { half, wakers, waker }) };
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
        let polled =
            poll_fn(|cx| shared.poll(cx, |io, flow, cx| poll_event(io, flow, intake, timer, cx)));
        if polled.await? == Ready::Done {
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
                let ended = poll_fn(|cx| {
                    shared.poll(cx, |io, flow, cx| {
                        poll_end(io, flow, timer, cx).map_ok(|()| Ready::Done)
                    })
                });
                // What goes wrong now doesn't matter any more.
                let _ = ended.await;
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
            half.flow.received_eof();
        }
        shared.wakers.wake_all();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    /// Polls the transport under the lock, with a waker that wakes all who wait.
    fn poll(
        &self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut S, &mut Flow, &mut Context<'_>) -> Poll<std::io::Result<Ready>>,
    ) -> Poll<Result<Ready, WebSocketError>> {
        self.wakers.register(cx.waker());
        let mut half = self.half();
        let Half { io, flow } = &mut *half;
        let Some(io) = io else { return Poll::Ready(Ok(Ready::Done)) };
        let before = (flow.out.len(), flow.connection.is_closed());
        let polled = match poll(io, flow, &mut Context::from_waker(&self.waker)) {
            Poll::Ready(Err(error)) => {
                Poll::Ready(flow.end_failed_transport(error).map(|()| Ready::Done))
            }
            Poll::Ready(Ok(ready)) => Poll::Ready(Ok(ready)),
            Poll::Pending => Poll::Pending,
        };
        let changed = flow.out.len() < before.0 || flow.connection.is_closed() != before.1;
        drop(half);
        if polled.is_ready() {
            self.wakers.forget(cx.waker());
        }
        if changed {
            // There is room, or there never will be again. Whoever waits registers anew.
            self.wakers.wake_all();
        }
        polled.map_err(Into::into)
    }

    /// Writes what can be written at once.
    fn write_some(&self) {
        let mut half = self.half();
        let Half { io: Some(io), flow } = &mut *half else { return };
        let mut cx = Context::from_waker(&self.waker);
        while !flow.out.is_empty() && matches!(poll_write(io, flow, &mut cx), Poll::Ready(Ok(()))) {
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
        let written = poll_fn(|cx| {
            self.shared.poll(cx, |io, flow, cx| {
                while !flow.out.is_empty() {
                    core::task::ready!(poll_write(io, flow, cx))?;
                }
                core::pin::Pin::new(io).poll_flush(cx).map_ok(|()| Ready::Event)
            })
        });
        written.await?;
        Ok(self.shared.half().flow.result()?)
    }

    /// Does what `send` does as soon as there is room.
    async fn send_when_room(
        &self,
        mut send: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        poll_fn(|cx| {
            loop {
                {
                    let flow = &mut self.shared.half().flow;
                    match send(&mut flow.connection, &mut flow.out) {
                        Err(SendError::Full) => {}
                        result => break Poll::Ready(result.map_err(WebSocketError::from)),
                    }
                }
                let written = self
                    .shared
                    .poll(cx, |io, flow, cx| poll_write(io, flow, cx).map_ok(|()| Ready::Event));
                match written {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
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
