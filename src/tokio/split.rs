//! A WebSocket shared by one reader and any number of senders, in several tasks and threads. The
//! lock is described in `shared`.

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
use crate::tokio::drive::{MAX_TURNS, Replies, Unsolicited, poll_end, poll_step};
use crate::tokio::shared::{Shared, State};
use crate::tokio::socket::WebSocket;
use crate::tokio::timer::Timer;
use crate::tokio::wakers::Wakers;

/// The reading half of a split WebSocket. It also runs keep-alive and the closing handshake, and
/// writes fed output, so keep reading.
///
/// Dropping it drops the transport. Senders then return [`SendError::Closed`], or
/// [`ProtocolError::Aborted`] if their message was already fed. The peer sees a lost connection,
/// unless it was closed in order.
///
/// ```no_run
/// use sansocket::tokio::WebSocket;
/// use sansocket::{CloseCode, WebSocketError};
/// use tokio::net::TcpStream;
///
/// /// Prints the events in one task, and sends from another.
/// async fn run(ws: WebSocket<TcpStream>) -> Result<(), WebSocketError> {
///     let (mut reader, sender) = ws.split();
///     tokio::spawn(async move {
///         sender.send_text("Hello").await?;
///         sender.close_output(CloseCode::NORMAL, "")?;
///         Ok::<(), WebSocketError>(())
///     });
///     while let Some((event, _)) = reader.read().await? {
///         println!("{event:?}");
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Reader<S> {
    sender: Sender<S>,
    intake: Intake,
    timer: Timer,
    left_over: LeftOver,
}

/// The sending half of a split WebSocket, for any number of tasks and threads. It can be used while
/// an event is held.
///
/// `feed_*` appends a message to the output and wakes a waiting task, which writes it. It never
/// blocks, and returns [`Full`](SendError::Full) at its limit, so it is the method for
/// broadcasting. If no task reads, sends or flushes, the output remains unwritten. `send_*`
/// completes when the transport has taken the message, even if the [`Reader`] is not polled.
///
/// Broadcasts are unsolicited output and never stop a reader, so a client that floods a chat
/// receives no back-pressure: the feeds to it return `Full`.
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
/// /// `readers` are the tasks that read, each until the end of its connection.
/// async fn shut_down(clients: &[Sender<TcpStream>], mut readers: JoinSet<()>) {
///     for client in clients {
///         // An error means that the connection is closed already.
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
    /// Splits the WebSocket into a reader and a sender, which can be cloned, for other tasks and
    /// threads.
    pub fn split(self) -> (Reader<S>, Sender<S>) {
        let Self { link, driver: Driver { flow, intake }, timer, left_over } = self;
        let state = Mutex::new(State { link: Some(link), flow });
        let sender = Sender { shared: Arc::new(Shared { state, wakers: Wakers::new() }) };
        (Reader { sender: sender.clone(), intake, timer, left_over }, sender)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<S> {
    /// Returns the next event, and a handle to reply to it while the event is held.
    ///
    /// See [`WebSocket::read`]. Cancel safe as well.
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
            // Senders that wait for space must fail.
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

    /// Receives a part of a message into `buffer`, as [`WebSocket::read_into`].
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
        for events in 1_usize.. {
            let Some((event, _)) = self.read().await? else { break };
            if let Some((received, left_over)) = LeftOver::fill(buffer, &event) {
                self.left_over = left_over;
                return Ok(Some(received));
            }
            if events.is_multiple_of(MAX_TURNS) {
                tokio::task::yield_now().await;
            }
        }
        Ok(None)
    }
}

impl<S> Reader<S> {
    /// Returns a sender for this connection.
    pub fn sender(&self) -> Sender<S> {
        self.sender.clone()
    }

    /// Returns which end started the closing handshake, with its code and reason. `None` while the
    /// connection is open.
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.sender.close_status()
    }

    /// Calls `look` with the connection under the lock, for the negotiated options and the
    /// statistics.
    pub fn with_connection<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        self.sender.with_connection(look)
    }

    /// Calls `look` with the transport under the lock, for its options. `None` if the reader was
    /// dropped or the connection aborted.
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
        "A task that waits in a read, a send or a flush is woken and writes the output; without such \
         a task, the next one writes it. Returns `Full` if `max_unsent - high_water_mark` bytes or more \
         are unsent."
    );

    send_methods!(
        self,
        (&),
        (async),
        (.await),
        "The reader continues to read meanwhile, if it is polled. A dropped future has fed nothing, or \
         has left the message in the output. Only one task may send the parts of a message: parts of \
         two tasks would be joined to one message."
    );

    /// Writes all current output. Returns when the transport has taken it. Cancel safe.
    ///
    /// # Errors
    /// As [`WebSocket::flush`]; [`SendError::Closed`] if the reader was dropped.
    pub async fn flush(&self) -> Result<(), WebSocketError> {
        self.shared.flush(&mut Timer::default()).await
    }

    /// Returns when the connection is closed or has failed, and the transport has taken the output
    /// or can't take it any more. Another task must read meanwhile. The transport ends when the
    /// reader has read to the end, so before a program exits it should wait for the tasks that
    /// read.
    ///
    /// After [`close_output`](Self::close_output) the peer may continue to send data. Each read
    /// restarts the close timeout, so the peer can extend the wait without limit. Use a timeout
    /// around the call, and then [`abort`](Self::abort). Cancel safe.
    pub async fn closed(&self) -> Option<CloseStatus> {
        self.shared.closed().await
    }

    /// Sends a Close frame, after which no message can be sent. The reader continues until the
    /// peer's Close frame. If the connection is already closing, the call has no effect.
    ///
    /// # Errors
    /// [`SendError`] for a code or reason that can't be sent. The call then has no effect.
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
    /// Ends the connection at once, without a Close frame, and drops the transport. For servers
    /// that shut down, and for unwanted peers. The reader returns [`ProtocolError::Aborted`].
    pub fn abort(&self) {
        let link = {
            let mut state = self.shared.state();
            state.flow.abort();
            state.link.take()
        };
        drop(link);
        self.shared.wakers.wake_all();
    }

    /// Returns true if messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.state().flow.is_open()
    }

    /// Returns how many fed bytes are not written yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.shared.state().flow.unsent()
    }

    /// Returns which end started the closing handshake, with its code and reason. `None` while the
    /// connection is open.
    #[must_use]
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.with_connection(Connection::close_status)
    }

    /// Returns the statistics since [`enable_stats`](Self::enable_stats); `None` if they are not
    /// enabled.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        self.with_connection(Connection::stats)
    }

    /// Starts to count messages and bytes; see [`Connection::stats`].
    pub fn enable_stats(&self) {
        self.shared.state().flow.enable_stats();
    }

    /// Calls `look` with the connection under the lock, for the negotiated options and the
    /// statistics.
    pub fn with_connection<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(self.shared.state().flow.connection())
    }

    /// Calls `look` with the transport under the lock, for its options. `None` if the reader was
    /// dropped or the connection aborted.
    pub fn with_ref<T>(&self, look: impl FnOnce(&S) -> T) -> Option<T> {
        self.shared.state().link.as_ref().map(|link| look(&link.stream))
    }
}

/// A handle to reply to an event of a [`Reader`], while the event is held.
///
/// Replies cause back-pressure: while
/// [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of replies are unsent,
/// no further event is read. The output of the senders does not use up their space.
///
/// ```no_run
/// use sansocket::tokio::Reader;
/// use sansocket::{Event, WebSocketError};
/// use tokio::net::TcpStream;
///
/// async fn serve(mut reader: Reader<TcpStream>) -> Result<(), WebSocketError> {
///     while let Some((event, mut reply)) = reader.read().await? {
///         match event {
///             Event::Text(text) => reply.feed_text(text)?,
///             Event::Binary(bytes) => {
///                 // A task that answers later.
///                 let (sender, bytes) = (reply.sender(), bytes.to_vec());
///                 tokio::spawn(async move { sender.send_binary(&bytes).await });
///             }
///             _ => {}
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct HalfReply<'a, S> {
    sender: &'a Sender<S>,
    timer: &'a mut Timer,
}

impl<S: AsyncRead + AsyncWrite + Unpin> HalfReply<'_, S> {
    feed_methods!(
        self,
        (&mut),
        "The output is written when [`read`](Reader::read) has to wait, and by any `send_*` or `flush`."
    );

    send_methods!(
        self,
        (&mut),
        (async),
        (.await),
        "The reader does not read meanwhile. A dropped future has fed nothing, or has left the message \
         in the output."
    );

    /// Writes all current output. Returns when the transport has taken it. The reader does not
    /// read meanwhile. Cancel safe.
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
        // The caller holds the reader, which writes the output in its next wait: no task must be
        // woken.
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

    /// Returns how many fed bytes are not written yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.sender.unsent()
    }
}
