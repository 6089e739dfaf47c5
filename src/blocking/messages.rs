//! Owned messages as an iterator.

use core::iter::FusedIterator;

use crate::blocking::socket::WebSocket;
use crate::blocking::transport::Transport;
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::error::adapter::WebSocketError;
use crate::instant::Instant;
use crate::message::Message;
use crate::message::options::SendOptions;

/// Owned messages as an iterator, for queues and other threads, and for programs written for
/// tungstenite.
///
/// The iterator yields pings and pongs too, after pings were answered, and the peer's Close frame
/// as the last message. It ends when the connection was closed in order, or after an error. With
/// [`Delivery::Parts`](crate::config::Delivery::Parts) each part is a message of its own.
///
/// ```
/// use sansocket::WebSocketError;
/// use sansocket::blocking::{Transport, WebSocket};
///
/// fn echo<S: Transport>(ws: WebSocket<S>) -> Result<(), WebSocketError> {
///     let mut messages = ws.into_messages();
///     while let Some(message) = messages.next() {
///         let message = message?;
///         if message.is_text() || message.is_binary() {
///             messages.feed(message)?;
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Messages<S> {
    socket: WebSocket<S>,
    options: SendOptions,
    finished: bool,
}

impl<S: Transport> WebSocket<S> {
    /// Converts the WebSocket to an iterator of owned messages.
    pub const fn into_messages(self) -> Messages<S> {
        Messages { socket: self, options: SendOptions::new(), finished: false }
    }
}

impl<S: Transport> Messages<S> {
    /// Sets the options for messages sent from now on: compression, and the length of fragments.
    pub const fn set_send_options(&mut self, options: SendOptions) {
        self.options = options;
    }

    /// Feeds a message. If the output is above the high-water mark, all of it is written first.
    /// Otherwise the output is written when the iterator has to wait, and by
    /// [`flush`](Self::flush).
    ///
    /// [`Message::Close`] sends a Close frame, and has no effect if the connection is already
    /// closing.
    ///
    /// # Errors
    /// [`WebSocketError::Send`]; the message was not fed. Otherwise as [`WebSocket::flush`].
    pub fn feed(&mut self, message: Message) -> Result<(), WebSocketError> {
        let flow = &self.socket.driver.flow;
        if flow.is_open() && flow.is_above_mark() {
            self.socket.flush()?;
        }
        let options = self.options;
        let flow = &mut self.socket.driver.flow;
        Ok(match &message {
            Message::Text(text) => flow.send(text.as_str().into(), options),
            Message::Binary(bytes) => flow.send((&**bytes).into(), options),
            Message::Ping(payload) => flow.send_ping(payload),
            Message::Pong(payload) => flow.send_pong(payload),
            Message::Close(None) => flow.close(CloseCode::NO_STATUS, "", Instant::now()),
            Message::Close(Some(frame)) => flow.close(frame.code, &frame.reason, Instant::now()),
        }?)
    }

    /// Feeds a message, then writes all output.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub fn send(&mut self, message: Message) -> Result<(), WebSocketError> {
        self.feed(message)?;
        self.flush()
    }

    /// Writes all output. Returns when the transport has taken it.
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub fn flush(&mut self) -> Result<(), WebSocketError> {
        self.socket.flush()
    }

    /// Closes in order, and discards received data; see [`WebSocket::close`].
    ///
    /// # Errors
    /// As [`WebSocket::close`].
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<CloseStatus, WebSocketError> {
        let status = self.socket.close(code, reason)?;
        self.finished = true;
        Ok(status)
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

    /// Returns the transport, for its options and addresses. Reading or writing it, or changing its
    /// timeouts or its mode, breaks the connection.
    pub const fn get_ref(&self) -> &S {
        self.socket.get_ref()
    }

    /// Returns the WebSocket.
    pub fn into_inner(self) -> WebSocket<S> {
        self.socket
    }
}

impl<S: Transport> Iterator for Messages<S> {
    type Item = Result<Message, WebSocketError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        match self.socket.read_owned() {
            Ok(Some(event)) => Some(Ok(event.into())),
            Ok(None) => {
                self.finished = true;
                None
            }
            Err(error) => {
                self.finished = true;
                Some(Err(error))
            }
        }
    }
}

impl<S: Transport> FusedIterator for Messages<S> {}
