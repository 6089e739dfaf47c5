//! A WebSocket shared by a reader and any number of senders, in other threads.

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

/// The result of a read, inside this file.
type EventAndReply<'a, S> = Option<(Event<'a>, HalfReply<'a, S>)>;

/// The reading half. It also runs keep-alive and the closing handshake, and writes what was fed, so
/// keep reading.
///
/// Dropping it ends the transport: senders get [`SendError::Closed`] then, and the peer sees a lost
/// connection unless it was closed in order.
#[derive(Debug)]
pub struct Reader<S> {
    link: Link<S>,
    intake: Intake,
    sender: Sender<S>,
    left_over: LeftOver,
}

/// The sending half, for any number of threads.
///
/// `feed_*` append: the call for broadcasting, which says [`Full`](SendError::Full) at its limit. The
/// output is written by the next read, send or flush of any thread. A reader that is blocked in a read
/// can't be woken; then `feed_*` itself writes as much as the transport takes without a wait of more than
/// a millisecond, in some 20 milliseconds at most, and the reader the rest, with a delay of at most a
/// quarter of the close timeout. Over a transport whose writes can't be [resumed](Transport::can_resume_write) that write may
/// take until a deadline, if the peer takes nothing. `send_*` wait until the transport has taken the
/// message.
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
    /// Splits it into a reader and a sender that can be cloned, for other threads.
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
    /// If the transport has no second handle ([`Transport::try_clone`]): the WebSocket was dropped
    /// then.
    pub fn split(self) -> io::Result<(Reader<S>, Sender<S>)> {
        let Self { mut link, driver: Driver { flow, intake }, left_over } = self;
        // The mode is that of both handles.
        link.set_nonblocking(false)?;
        let clone = link.stream.try_clone()?;
        let shared = Shared::new(flow, clone);
        let sender = Sender { shared: Arc::new(shared) };
        Ok((Reader { link, intake, sender: sender.clone(), left_over }, sender))
    }
}

impl<S: Transport> Reader<S> {
    /// Waits for the next event, and gives with it what to answer with while the event is held.
    ///
    /// As [`WebSocket::read`], with one difference: of a closing that another thread begins it takes
    /// notice with a delay of at most a quarter of the close timeout, for which it looks up from an
    /// idle connection that often.
    ///
    /// # Errors
    /// As [`WebSocket::read`].
    pub fn read(&mut self) -> Result<Option<(Event<'_>, HalfReply<'_, S>)>, WebSocketError> {
        match self.read_until(None)? {
            Poll::Ready(incoming) => Ok(incoming),
            // Unreachable: without an end the wait has none.
            Poll::Pending => Err(ProtocolError::Aborted.into()),
        }
    }

    /// Waits for the next event, but not longer than `timeout`: [`Poll::Pending`] then. Otherwise as
    /// [`read`](Self::read).
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
            // Senders that wait for room never get it.
            shared.wake(&state);
        }
        match event {
            Ok(Some(event)) => {
                if over {
                    // The answer to a Close frame must not wait for a call that may not come.
                    shared.write_last(link, state, until);
                }
                Ok(Poll::Ready(Some((event, HalfReply { sender }))))
            }
            // Unreachable: `wait` has just reported an event.
            Ok(None) => Err(ProtocolError::Aborted.into()),
            Err(error) => {
                drop(state);
                // The next calls go on, and the one in which the transport has ended returns it.
                if shared.end(link, until) { Err(error.into()) } else { Ok(Poll::Pending) }
            }
        }
    }

    /// Receives into `buffer`, as [`WebSocket::read_into`].
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
        "It is written by the next read, send or flush of any thread. Full from `max_unsent - \
         high_water_mark` unsent bytes on."
    );

    send_methods!(
        self,
        (&),
        (),
        (),
        "The parts of a message belong to one thread: those of two would make one message."
    );

    /// Writes all output that there is now, and waits until the transport has taken it.
    ///
    /// # Errors
    /// As [`WebSocket::flush`]; if the reader was dropped as well.
    pub fn flush(&self) -> Result<(), WebSocketError> {
        self.shared.flush()
    }

    /// Waits, while another thread reads, until the connection is closed or has failed, and the transport
    /// has taken the output or can't take it any more. The transport ends when the reader has read to
    /// its end, so a program that ends should wait for the threads that read.
    ///
    /// Behind [`close_output`](Self::close_output) the peer may go on to send data, each read of which
    /// starts the close timeout anew: then the wait is as long as the peer likes, or until another
    /// thread calls [`abort`](Self::abort).
    #[must_use]
    pub fn closed(&self) -> Option<CloseStatus> {
        self.shared.closed()
    }

    /// Sends a Close frame: nothing can be sent after it, and the reader goes on until the peer's.
    /// Nothing happens if the connection is closing already.
    ///
    /// # Errors
    /// [`SendError`] for a code or reason that can't be sent: nothing was done then.
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
    /// Ends the connection at once, without a Close frame, and the writing half of the transport: for
    /// servers that shut down, and peers that are not welcome. The reader gets
    /// [`ProtocolError::Aborted`] with a delay of at most a quarter of the close timeout, and so does a
    /// thread that is blocked in a write, which ends the writing half then.
    pub fn abort(&self) {
        self.shared.abort();
        self.shared.shut_down_writer();
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
}

/// What to answer an event with, while the event is held; of a [`Reader`].
///
/// Replies are back-pressure: while [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of
/// them are unsent no further event is read. They have room while the senders fill the output.
#[derive(Debug)]
pub struct HalfReply<'a, S> {
    sender: &'a Sender<S>,
}

impl<S: Transport> HalfReply<'_, S> {
    feed_methods!(
        self,
        (&mut),
        "It is written when [`read`](Reader::read) has to wait, or by any `send_*` or `flush`."
    );

    send_methods!(self, (&mut), (), (), "Nothing is read meanwhile.");

    /// Writes all output that there is now, and waits until the transport has taken it. Nothing is read
    /// meanwhile.
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
        // The reader writes it itself when it waits next.
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

    /// Returns how many bytes were fed and not written.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.sender.unsent()
    }
}
