//! A WebSocket shared by a reader and any number of senders, in other threads.

use alloc::sync::Arc;
use std::io;

use crate::adapter::{LeftOver, Received, WebSocketError};
use crate::blocking::drive::{Ready, Wire};
use crate::blocking::shared::Shared;
use crate::blocking::socket::WebSocket;
use crate::blocking::transport::Transport;
use crate::close_code::CloseCode;
use crate::connection::closing::CloseStatus;
use crate::connection::options::SendOptions;
use crate::driver::{self, Driver, Intake};
use crate::error::SendError;
use crate::event::Event;
use crate::instant::Instant;
use crate::message::Data;
use crate::prepared::Prepared;

/// The reading half: it also runs keep-alive and the closing handshake, so keep reading.
///
/// Dropping it ends the transport: senders get [`SendError::Closed`] then, and the peer sees a lost
/// connection unless it was closed in order.
#[derive(Debug)]
pub struct Reader<S> {
    wire: Wire<S>,
    intake: Intake,
    sender: Sender<S>,
    left_over: Option<LeftOver>,
}

/// The sending half, for any number of threads.
///
/// A `send_*` is done when the message has been written, or taken over by a thread that is writing
/// already: then it waits only for room, that is until fewer than
/// [`high_water_mark`](crate::ConfigBuilder::high_water_mark) bytes are unsent. What is between that
/// and [`max_unsent`](crate::ConfigBuilder::max_unsent) is for the answers of the reader's own loop,
/// by [`try_send`](Self::try_send).
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
    /// use sansocket::blocking::{Transport, WebSocket};
    /// use sansocket::WebSocketError;
    ///
    /// /// Tells the time once a second, and echoes meanwhile.
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
    ///     while let Some((event, sender)) = reader.read()? {
    ///         if let Some((data, end)) = event.data() {
    ///             sender.send_part(data, end, Default::default())?;
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
        let Self { wire, driver: Driver { flow, intake }, left_over } = self;
        let clone = wire.stream.try_clone()?;
        let shared = Shared::new(flow, clone);
        let sender = Sender { shared: Arc::new(shared) };
        Ok((Reader { wire, intake, sender: sender.clone(), left_over }, sender))
    }
}

impl<S: Transport> Reader<S> {
    /// Waits for the next event, and gives with it a sender to answer with while it is held.
    ///
    /// As [`WebSocket::read`], with two differences: a `send_*` of the sender writes at once, while
    /// [`try_send`](Sender::try_send) leaves it to the next `read`, which writes all answers
    /// together; and of a closing that another thread begins it takes notice with a delay of at most
    /// a quarter of the close timeout, for which it looks up from an idle connection that often.
    ///
    /// # Errors
    /// As [`WebSocket::read`].
    pub fn read(&mut self) -> Result<Option<(Event<'_>, &Sender<S>)>, WebSocketError> {
        let Self { wire, intake, sender, .. } = self;
        let shared = &*sender.shared;
        let (ready, mut half) = shared.wait(wire, intake)?;
        if ready == Ready::Done {
            half.flow.result()?;
            return Ok(None);
        }
        let event = driver::receive(&mut half.flow, intake);
        let closed = half.flow.connection.is_closed();
        if closed {
            // Senders that wait for room never get it.
            shared.wake(&half);
        }
        match event {
            Ok(event) => {
                if closed {
                    // The answer to a Close frame must not wait for a call that may not come.
                    shared.write_last(wire, half);
                }
                Ok(event.map(|event| (event, &*sender)))
            }
            Err(error) => {
                drop(half);
                shared.end(wire);
                Err(error.into())
            }
        }
    }

    /// Receives into `buffer`, as [`WebSocket::read_into`].
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_into(&mut self, buffer: &mut [u8]) -> Result<Option<Received>, WebSocketError> {
        if let Some(left) = self.left_over.take() {
            let (received, left) = left.fill_again(buffer);
            self.left_over = left;
            return Ok(Some(received));
        }
        loop {
            let Some((event, _)) = self.read()? else { return Ok(None) };
            let Some((data, end)) = event.data() else { continue };
            let (received, left) = LeftOver::fill(buffer, data, end);
            self.left_over = left;
            return Ok(Some(received));
        }
    }
}

impl<S> Reader<S> {
    /// Returns a sender.
    pub fn sender(&self) -> Sender<S> {
        self.sender.clone()
    }

    /// Returns who began to close, with which code; `None` while the connection is open.
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.sender.close_status()
    }

    /// Returns the transport, for its options and addresses. Reading or writing it, or changing its
    /// timeouts, breaks the connection.
    pub const fn get_ref(&self) -> &S {
        &self.wire.stream
    }
}

impl<S> Drop for Reader<S> {
    fn drop(&mut self) {
        self.sender.shared.abandon(&mut self.wire.stream);
    }
}

impl<S: Transport> Sender<S> {
    /// Sends a text message; waits for room.
    ///
    /// # Errors
    /// [`WebSocketError::Send`]: nothing was sent; [`SendError::Closed`] once the connection is.
    /// Otherwise as [`flush`](Self::flush).
    pub fn send_text(&self, text: &str) -> Result<(), WebSocketError> {
        self.shared.send(|connection, out| connection.send_text(text, out))
    }

    /// Sends a binary message; waits for room.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(&self, bytes: &[u8]) -> Result<(), WebSocketError> {
        self.shared.send(|connection, out| connection.send_binary(bytes, out))
    }

    /// Sends a message of either kind; waits for room.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub fn send(&self, data: Data<'_>, options: SendOptions) -> Result<(), WebSocketError> {
        self.shared.send(|connection, out| connection.send(data, options, out))
    }

    /// Sends a piece of a message; waits for room. One thread at a time: the pieces of two would
    /// make one message.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub fn send_part(
        &self,
        data: Data<'_>,
        end: bool,
        options: SendOptions,
    ) -> Result<(), WebSocketError> {
        self.shared.send(|connection, out| connection.send_part(data, end, options, out))
    }

    /// Sends a message that was encoded once for many connections; waits for room.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub fn send_prepared(&self, message: &Prepared) -> Result<(), WebSocketError> {
        self.shared.send(|connection, out| connection.send_prepared(message, out))
    }

    /// Sends a ping with at most 125 bytes of payload; waits for room.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub fn send_ping(&self, payload: &[u8]) -> Result<(), WebSocketError> {
        self.shared.send(|connection, out| connection.send_ping(payload, out))
    }

    /// Sends an unsolicited pong with at most 125 bytes of payload; waits for room.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text).
    pub fn send_pong(&self, payload: &[u8]) -> Result<(), WebSocketError> {
        self.shared.send(|connection, out| connection.send_pong(payload, out))
    }

    /// Sends a message of either kind without waiting for room. For answers in the reader's own
    /// loop, since many of them make one write: what is sent while the reader is not waiting, the
    /// reader writes before it waits. From another thread it may write by itself.
    ///
    /// # Errors
    /// [`SendError`]: nothing was sent; [`SendError::Full`] if there is no room.
    pub fn try_send(&self, data: Data<'_>, options: SendOptions) -> Result<(), SendError> {
        let mut half = self.shared.half();
        let flow = &mut half.flow;
        flow.connection.send(data, options, &mut flow.out)?;
        if half.reader_waits {
            // The message was sent; what goes wrong with the transport shows in the next call.
            let _ = self.shared.write_all(half);
        }
        Ok(())
    }

    /// Sends a Close frame: nothing can be sent after it. The reader goes on until the peer's.
    ///
    /// # Errors
    /// [`SendError`]: nothing was sent.
    pub fn close_output(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let mut half = self.shared.half();
        let flow = &mut half.flow;
        flow.connection.close(code, reason, Instant::now(), &mut flow.out)?;
        // Senders that wait for room never get it.
        self.shared.wake(&half);
        // The Close frame was sent; what goes wrong with the transport shows in the next call.
        let _ = self.shared.write_all(half);
        Ok(())
    }

    /// Writes all output that there is now, or waits until it is written.
    ///
    /// # Errors
    /// [`WebSocketError::Io`] if the transport failed, [`WebSocketError::Protocol`] if the
    /// connection did.
    pub fn flush(&self) -> Result<(), WebSocketError> {
        self.shared.flush()
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
