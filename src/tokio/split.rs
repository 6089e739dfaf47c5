//! A WebSocket shared by a reader and any number of senders, in other tasks and threads.
//!
//! Events are lent from the reader's own buffer, outside of the lock.

use core::task::Poll;

use alloc::sync::Arc;
use std::sync::Mutex;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::adapter::parts::{LeftOver, Received};
use crate::adapter::sending::{feed_methods, send_methods};
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::driver::{Driver, Intake, Step};
use crate::error::adapter::WebSocketError;
use crate::error::protocol::ProtocolError;
use crate::error::send::SendError;
use crate::event::Event;
use crate::stats::Stats;
use crate::tokio::drive::{Replies, Timer, Unsolicited, poll_end, poll_step};
use crate::tokio::shared::{Shared, State};
use crate::tokio::socket::WebSocket;
use crate::tokio::wakers::Wakers;

/// The reading half. It also runs keep-alive and the closing handshake, and writes what was fed, so
/// keep reading.
///
/// Dropping it drops the transport: senders get [`SendError::Closed`] then, those whose message lies in
/// the output already [`ProtocolError::Aborted`], and the peer sees a lost connection unless it was
/// closed in order.
#[derive(Debug)]
pub struct Reader<S> {
    sender: Sender<S>,
    intake: Intake,
    timer: Timer,
    left_over: LeftOver,
}

/// The sending half, for any number of tasks and threads.
///
/// `feed_*` append and wake the task that drives the transport: the call for broadcasting, which says
/// [`Full`](SendError::Full) at its limit. If nobody reads, sends or flushes, the output stays
/// where it is. `send_*` wait until the transport has taken the message, whether the [`Reader`] is
/// polled or not. A sender may be used while an event is held.
///
/// Broadcasts are unsolicited output: they don't slow a reader down, so a client that floods its room
/// gets `Full` for its own echo.
///
/// ```no_run
/// use std::time::Duration;
///
/// use sansocket::error::SendError;
/// use sansocket::tokio::Sender;
/// use sansocket::{CloseCode, Prepared};
/// use tokio::net::TcpStream;
/// use tokio::task::JoinSet;
/// use tokio::time::timeout;
///
/// fn broadcast(clients: &[Sender<TcpStream>], news: &str) {
///     let news = Prepared::text(news); // encoded once
///     for client in clients {
///         if let Err(SendError::Full) = client.feed_prepared(&news) {
///             client.abort(); // too slow
///         }
///     }
/// }
///
/// /// `readers`: the tasks that read, each until the end of its connection.
/// async fn shut_down(clients: &[Sender<TcpStream>], mut readers: JoinSet<()>) {
///     for client in clients {
///         // An error: the connection is closed already.
///         let _ = client.close_output(CloseCode::GOING_AWAY, "restart");
///     }
///     let all = async { while readers.join_next().await.is_some() {} };
///     if timeout(Duration::from_secs(10), all).await.is_err() {
///         clients.iter().for_each(Sender::abort);
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Sender<S> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Splits it into a reader and a sender that can be cloned, for other tasks and threads.
    pub fn split(self) -> (Reader<S>, Sender<S>) {
        let Self { link, driver: Driver { flow, intake }, timer, left_over } = self;
        let state = Mutex::new(State { link: Some(link), flow });
        let sender = Sender { shared: Arc::new(Shared { state, wakers: Wakers::new() }) };
        (Reader { sender: sender.clone(), intake, timer, left_over }, sender)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<S> {
    /// Waits for the next event, and gives with it what to answer with while the event is held.
    ///
    /// As [`WebSocket::read`], cancel safe too.
    ///
    /// # Errors
    /// As [`WebSocket::read`].
    pub async fn read(&mut self) -> Result<Option<(Event<'_>, HalfReply<'_, S>)>, WebSocketError> {
        let Self { sender, intake, timer, .. } = self;
        let shared = &*sender.shared;
        let step = shared
            .drive(|state, cx| match &mut state.link {
                Some(link) => poll_step(link, &mut state.flow, intake, timer, cx),
                None => Poll::Ready(Step::Done),
            })
            .await;
        if step == Step::Done {
            shared.state().result()?;
            return Ok(None);
        }
        let (event, over) = shared.receive(intake);
        if over {
            // Senders that wait for room never get it.
            shared.wakers.wake_all();
        }
        match event {
            Ok(Some(event)) => Ok(Some((event, HalfReply { sender, timer }))),
            // Unreachable: `poll_step` has just reported an event.
            Ok(None) => Err(ProtocolError::Aborted.into()),
            Err(error) => {
                let end = shared.drive(|state, cx| match &mut state.link {
                    Some(link) => poll_end(link, &mut state.flow, timer, cx),
                    None => Poll::Ready(()),
                });
                end.await;
                Err(error.into())
            }
        }
    }

    /// Receives into `buffer`, as [`WebSocket::read_into`].
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
}

impl<S> Reader<S> {
    /// Returns a sender.
    pub fn sender(&self) -> Sender<S> {
        self.sender.clone()
    }

    /// Returns which end began to close, with which code and reason; `None` while the connection is
    /// open.
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.sender.close_status()
    }

    /// Looks at the connection under the lock: what was agreed on, what it has counted.
    pub fn with_connection<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        self.sender.with_connection(look)
    }

    /// Looks at the transport under the lock, for its options; `None` after an
    /// [`abort`](Sender::abort).
    pub fn with_ref<T>(&self, look: impl FnOnce(&S) -> T) -> Option<T> {
        self.sender.with_ref(look)
    }
}

impl<S> Drop for Reader<S> {
    fn drop(&mut self) {
        self.sender.abort();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    feed_methods!(
        self,
        (&),
        "A task that waits in a read, a send or a flush is woken and writes it; if there is none it \
         is written by the next. Full from `max_unsent - high_water_mark` unsent bytes on."
    );

    send_methods!(
        self,
        (&),
        (async),
        (.await),
        "The reader goes on reading meanwhile, if it is polled. A future that is dropped has fed \
         nothing, or has left the message in the output. The parts of a message belong to one task: \
         those of two would make one message."
    );

    /// Writes all output that there is now, and waits until the transport has taken it. Cancel safe.
    ///
    /// # Errors
    /// As [`WebSocket::flush`]; [`SendError::Closed`] if the reader was dropped.
    pub async fn flush(&self) -> Result<(), WebSocketError> {
        self.shared.flush(&mut Timer::default()).await
    }

    /// Waits, while another task reads, until the connection is closed or has failed, and the transport
    /// has taken the output or can't take it any more. The transport ends when the reader has read to
    /// its end, so a program that ends should wait for the tasks that read.
    ///
    /// Behind [`close_output`](Self::close_output) the peer may go on to send data, each read of which
    /// starts the close timeout anew: then the wait is as long as the peer likes. Put a timeout around
    /// it, and [`abort`](Self::abort) after that. Cancel safe.
    pub async fn closed(&self) -> Option<CloseStatus> {
        self.shared.closed().await
    }

    /// Sends a Close frame: nothing can be sent after it, and the reader goes on until the peer's.
    /// Nothing happens if the connection is closing already.
    ///
    /// # Errors
    /// [`SendError`] for a code or reason that can't be sent: nothing was done then.
    pub fn close_output(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.shared.close_output(code, reason)
    }

    fn feed_with(
        &self,
        feed: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.shared.feed(|flow| flow.send_with(feed))
    }

    async fn send_with(
        &self,
        feed: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        self.shared.send(&mut Timer::default(), Unsolicited(feed)).await
    }
}

impl<S> Sender<S> {
    /// Ends the connection at once, without a Close frame, and drops the transport: for servers that
    /// shut down, and peers that are not welcome. The reader gets
    /// [`ProtocolError::Aborted`].
    pub fn abort(&self) {
        let link = {
            let mut state = self.shared.state();
            state.flow.abort();
            state.link.take()
        };
        drop(link);
        self.shared.wakers.wake_all();
    }

    /// Returns whether messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.state().flow.is_open()
    }

    /// Returns how many bytes were fed and not written.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.shared.state().flow.unsent()
    }

    /// Returns which end began to close, with which code and reason; `None` while the connection is
    /// open.
    #[must_use]
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.with_connection(Connection::close_status)
    }

    /// Returns what was counted since [`enable_stats`](Self::enable_stats), `None` without it.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        self.with_connection(Connection::stats)
    }

    /// Starts to count messages and bytes; see [`Connection::stats`].
    pub fn enable_stats(&self) {
        self.shared.state().flow.enable_stats();
    }

    /// Looks at the connection under the lock: what was agreed on, what it has counted.
    pub fn with_connection<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(self.shared.state().flow.connection())
    }

    /// Looks at the transport under the lock, for its options; `None` if the reader was dropped, or the
    /// connection aborted.
    pub fn with_ref<T>(&self, look: impl FnOnce(&S) -> T) -> Option<T> {
        self.shared.state().link.as_ref().map(|link| look(&link.stream))
    }
}

/// What to answer an event with, while the event is held; of a [`Reader`].
///
/// Replies are back-pressure: while [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of
/// them are unsent no further event is read. They have room while the senders fill the output.
#[derive(Debug)]
pub struct HalfReply<'a, S> {
    sender: &'a Sender<S>,
    timer: &'a mut Timer,
}

impl<S: AsyncRead + AsyncWrite + Unpin> HalfReply<'_, S> {
    feed_methods!(
        self,
        (&mut),
        "It is written when [`read`](Reader::read) has to wait, or by any `send_*` or `flush`."
    );

    send_methods!(
        self,
        (&mut),
        (async),
        (.await),
        "Nothing is read meanwhile. A future that is dropped has fed nothing, or has left the message \
         in the output."
    );

    /// Writes all output that there is now, and waits until the transport has taken it. Nothing is read
    /// meanwhile. Cancel safe.
    ///
    /// # Errors
    /// As [`Sender::flush`].
    pub async fn flush(&mut self) -> Result<(), WebSocketError> {
        self.sender.shared.flush(self.timer).await
    }

    /// Sends a Close frame, as [`Sender::close_output`].
    ///
    /// # Errors
    /// As [`Sender::close_output`].
    pub fn close_output(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.sender.close_output(code, reason)
    }

    fn feed_with(
        &self,
        feed: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        // The reader writes it itself when it waits next: nobody has to be woken.
        self.sender.shared.state().flow.reply().reply_with(feed)
    }

    async fn send_with(
        &mut self,
        feed: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        self.sender.shared.send(self.timer, Replies(feed)).await
    }
}

impl<S> HalfReply<'_, S> {
    /// Returns a sender, for a task that answers later.
    #[must_use]
    pub fn sender(&self) -> Sender<S> {
        self.sender.clone()
    }

    /// Returns how many bytes were fed and not written.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.sender.unsent()
    }
}
