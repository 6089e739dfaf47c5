//! A WebSocket shared by one reader and any number of senders, in several threads. The locks are
//! described in `shared`.

use core::task::Poll;
use core::time::Duration;

use alloc::sync::Arc;
use std::io;

use bytes::BytesMut;

use crate::adapter::parts::{LeftOver, Received};
use crate::adapter::sending::{feed_methods, send_methods};
use crate::blocking::drive::{after, feed_unsolicited};
use crate::blocking::link::Link;
use crate::blocking::shared::Shared;
use crate::blocking::socket::WebSocket;
use crate::blocking::state::Turn;
use crate::blocking::transport::Transport;
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::driver::{Driver, Intake};
use crate::error::adapter::WebSocketError;
use crate::error::protocol::ProtocolError;
use crate::error::send::SendError;
use crate::event::Event;
use crate::instant::Instant;
use crate::stats::Stats;

/// The event of a read, with the handle to reply to it. Private to this file.
type EventAndReply<'a, S> = Option<(Event<'a>, HalfReply<'a, S>)>;

/// The reading half of a split WebSocket. It also runs keep-alive and the closing handshake, and
/// writes fed output, so keep reading.
///
/// Dropping it ends the transport. Senders then return [`SendError::Closed`], or
/// [`ProtocolError::Aborted`] if their message was already fed. The peer sees a lost connection,
/// unless it was closed in order.
///
/// ```no_run
/// use std::net::TcpStream;
/// use std::thread;
///
/// use sansocket::blocking::WebSocket;
/// use sansocket::{CloseCode, WebSocketError};
///
/// /// Prints the events in one thread, and sends from another.
/// fn run(ws: WebSocket<TcpStream>) -> Result<(), Box<dyn std::error::Error>> {
///     let (mut reader, sender) = ws.split()?;
///     thread::spawn(move || {
///         sender.send_text("Hello")?;
///         sender.close_output(CloseCode::NORMAL, "")?;
///         Ok::<(), WebSocketError>(())
///     });
///     while let Some((event, _)) = reader.read()? {
///         println!("{event:?}");
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Reader<S> {
    link: Link<S>,
    intake: Intake,
    sender: Sender<S>,
    left_over: LeftOver,
}

/// The sending half of a split WebSocket, for any number of threads. It can be used while an event
/// is held.
///
/// `feed_*` appends a message to the output. It returns [`Full`](SendError::Full) at its limit, so
/// it is the method for broadcasting. The next read, send or flush of any thread writes the output.
/// `send_*` returns when the transport has taken the message, even if the [`Reader`] does not read.
///
/// A reader that is blocked in a read can't be woken. In that case `feed_*` itself writes as much
/// as the transport takes without a wait of more than a millisecond, for about 20 milliseconds at
/// most. The reader writes the rest, with a delay of at most a quarter of the close timeout. If the
/// writes of the transport can't be [resumed](Transport::can_resume_write) and the peer takes no
/// data, this write may last until a deadline.
///
/// ```no_run
/// use std::net::TcpStream;
///
/// use sansocket::Prepared;
/// use sansocket::blocking::Sender;
/// use sansocket::error::SendError;
///
/// fn broadcast(clients: &[Sender<TcpStream>], news: &str) {
///     let news = Prepared::text(news); // encoded once
///     for client in clients {
///         if let Err(SendError::Full) = client.feed_prepared(&news) {
///             client.abort(); // too slow
///         }
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

impl<S: Transport> WebSocket<S> {
    /// Splits the WebSocket into a reader and a sender, which can be cloned, for other threads.
    ///
    /// ```
    /// use std::thread;
    /// use std::time::Duration;
    ///
    /// use sansocket::WebSocketError;
    /// use sansocket::blocking::{Transport, WebSocket};
    ///
    /// /// Sends the time once a second, and echoes meanwhile.
    /// fn serve<S: Transport + Send + 'static>(ws: WebSocket<S>) -> Result<(), WebSocketError> {
    ///     let (mut reader, sender) = ws.split()?;
    ///     let ticking = thread::spawn(move || {
    ///         for second in 0.. {
    ///             if sender.send_text(&format!("{second} s")).is_err() {
    ///                 break; // the connection is closed
    ///             }
    ///             thread::sleep(Duration::from_secs(1));
    ///         }
    ///     });
    ///     while let Some((event, mut reply)) = reader.read()? {
    ///         if let Some((data, _)) = event.data() {
    ///             reply.feed(data, Default::default())?;
    ///         }
    ///     }
    ///     let _ = ticking.join();
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// If the transport has no second handle ([`Transport::try_clone`]). The WebSocket is dropped
    /// then.
    pub fn split(self) -> io::Result<(Reader<S>, Sender<S>)> {
        let Self { mut link, driver: Driver { flow, intake }, left_over } = self;
        // The two handles share one mode.
        link.set_nonblocking(false)?;
        let clone = link.stream.try_clone()?;
        let shared = Shared::new(flow, clone);
        let sender = Sender { shared: Arc::new(shared) };
        Ok((Reader { link, intake, sender: sender.clone(), left_over }, sender))
    }
}

impl<S: Transport> Reader<S> {
    /// Returns the next event, and a handle to reply to it while the event is held.
    ///
    /// See [`WebSocket::read`]. There is one difference: if another thread closes the connection,
    /// the read detects it with a delay of at most a quarter of the close timeout. For that purpose
    /// an idle reader wakes up that often.
    ///
    /// # Errors
    /// As [`WebSocket::read`].
    pub fn read(&mut self) -> Result<Option<(Event<'_>, HalfReply<'_, S>)>, WebSocketError> {
        match self.read_until(None)? {
            Poll::Ready(incoming) => Ok(incoming),
            // Unreachable: a wait without a deadline is never pending.
            Poll::Pending => Err(ProtocolError::Aborted.into()),
        }
    }

    /// Returns the next event, or [`Poll::Pending`] if there is none within `timeout`. Otherwise
    /// as [`read`](Self::read).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Poll<EventAndReply<'_, S>>, WebSocketError> {
        self.read_until(after(timeout))
    }

    fn read_until(
        &mut self,
        until: Option<Instant>,
    ) -> Result<Poll<EventAndReply<'_, S>>, WebSocketError> {
        let Self { link, intake, sender, .. } = self;
        let shared = &*sender.shared;
        let Some((turn, mut state)) = shared.wait(link, intake, until) else {
            return Ok(Poll::Pending);
        };
        if let Turn::Done = turn {
            state.result()?;
            return Ok(Poll::Ready(None));
        }
        let event = intake.receive(&mut state.flow);
        let over = state.flow.is_over();
        if over {
            // Senders that wait for space must fail.
            shared.wake(&state);
        }
        match event {
            Ok(Some(event)) => {
                if over {
                    // The answer to a Close frame must not depend on a further call by the
                    // application.
                    shared.write_last(link, state, until);
                }
                Ok(Poll::Ready(Some((event, HalfReply { sender }))))
            }
            // Unreachable: `wait` has just reported an event.
            Ok(None) => Err(ProtocolError::Aborted.into()),
            Err(error) => {
                drop(state);
                // If the transport has not ended yet, the next calls continue; the last returns the
                // error.
                if shared.end(link, until) { Err(error.into()) } else { Ok(Poll::Pending) }
            }
        }
    }

    /// Receives a part of a message into `buffer`, as [`WebSocket::read_into`].
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_into(&mut self, buffer: &mut [u8]) -> Result<Option<Received>, WebSocketError> {
        if let Some(received) = self.left_over.take(buffer) {
            return Ok(Some(received));
        }
        loop {
            let Some((event, _)) = self.read()? else { return Ok(None) };
            if let Some((received, left_over)) = LeftOver::fill(buffer, &event) {
                self.left_over = left_over;
                return Ok(Some(received));
            }
        }
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

    /// Returns the transport, for its options and addresses. Reading or writing it, or changing its
    /// timeouts or its mode, breaks the connection.
    pub const fn get_ref(&self) -> &S {
        &self.link.stream
    }
}

impl<S> Drop for Reader<S> {
    fn drop(&mut self) {
        self.sender.shared.abort();
        self.sender.shared.shut_down(&mut self.link.stream);
    }
}

impl<S: Transport> Sender<S> {
    feed_methods!(
        self,
        (&),
        "The next read, send or flush of any thread writes the output. Returns `Full` if `max_unsent - \
         high_water_mark` bytes or more are unsent."
    );

    send_methods!(
        self,
        (&),
        (),
        (),
        "The reader continues to read meanwhile, if its thread reads. Only one thread may send the parts \
         of a message: parts of two threads would be joined to one message."
    );

    /// Writes all current output. Returns when the transport has taken it.
    ///
    /// # Errors
    /// As [`WebSocket::flush`], and if the reader was dropped.
    pub fn flush(&self) -> Result<(), WebSocketError> {
        self.shared.flush()
    }

    /// Returns when the connection is closed or has failed, and the transport has taken the output
    /// or can't take it any more. Another thread must read meanwhile. The transport ends when the
    /// reader has read to the end, so before a program exits it should wait for the threads that
    /// read.
    ///
    /// After [`close_output`](Self::close_output) the peer may continue to send data. Each read
    /// restarts the close timeout, so the peer can extend the wait without limit, unless another
    /// thread calls [`abort`](Self::abort).
    #[must_use]
    pub fn closed(&self) -> Option<CloseStatus> {
        self.shared.closed()
    }

    /// Sends a Close frame, after which no message can be sent. The reader continues until the
    /// peer's Close frame. If the connection is already closing, the call has no effect.
    ///
    /// # Errors
    /// [`SendError`] for a code or reason that can't be sent. The call then has no effect.
    pub fn close_output(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.shared.close_output(|flow| flow.close(code, reason, Instant::now()))
    }

    fn feed_with(
        &self,
        feed: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.shared.feed(|flow| flow.send_with(feed))
    }

    fn send_with(
        &self,
        mut feed: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        self.shared.send(|flow| feed_unsolicited(flow, &mut feed))
    }
}

impl<S> Sender<S> {
    /// Ends the connection at once, without a Close frame, and shuts down the write half of the
    /// transport. For servers that shut down, and for unwanted peers. The reader returns
    /// [`ProtocolError::Aborted`] with a delay of at most a quarter of the close timeout. So does a
    /// thread that is blocked in a write; it shuts down the write half then.
    pub fn abort(&self) {
        self.shared.abort();
        self.shared.shut_down_writer();
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
}

/// A handle to reply to an event of a [`Reader`], while the event is held.
///
/// Replies cause back-pressure: while
/// [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of replies are unsent,
/// no further event is read. The output of the senders does not use up their space.
///
/// ```no_run
/// use std::net::TcpStream;
/// use std::thread;
///
/// use sansocket::blocking::Reader;
/// use sansocket::{Event, WebSocketError};
///
/// fn serve(mut reader: Reader<TcpStream>) -> Result<(), WebSocketError> {
///     while let Some((event, mut reply)) = reader.read()? {
///         match event {
///             Event::Text(text) => reply.feed_text(text)?,
///             Event::Binary(bytes) => {
///                 // A thread that answers later.
///                 let (sender, bytes) = (reply.sender(), bytes.to_vec());
///                 thread::spawn(move || sender.send_binary(&bytes));
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
}

impl<S: Transport> HalfReply<'_, S> {
    feed_methods!(
        self,
        (&mut),
        "The output is written when [`read`](Reader::read) has to wait, and by any `send_*` or `flush`."
    );

    send_methods!(self, (&mut), (), (), "The reader does not read meanwhile.");

    /// Writes all current output. Returns when the transport has taken it. The reader does not
    /// read meanwhile.
    ///
    /// # Errors
    /// As [`Sender::flush`].
    pub fn flush(&mut self) -> Result<(), WebSocketError> {
        self.sender.flush()
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
        // The caller holds the reader, which writes the output in its next wait.
        self.sender.shared.state().flow.reply().reply_with(feed)
    }

    fn send_with(
        &self,
        mut feed: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        self.sender.shared.send(|flow| flow.reply().reply_with(&mut feed))
    }
}

impl<S> HalfReply<'_, S> {
    /// Returns a sender, for a thread that answers later.
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
