//! Owned messages as an iterator.

use core::iter::FusedIterator;

use crate::adapter::{WebSocketError, send_message};
use crate::blocking::socket::WebSocket;
use crate::blocking::transport::Transport;
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::connection::options::SendOptions;
use crate::event::OwnedEvent;
use crate::instant::Instant;
use crate::message::Message;

/// Owned messages as an iterator, for queues and other threads.
///
/// It ends when the connection is closed in order, or after an error. Pings, pongs and the Close
/// frame don't show. With [`Delivery::Parts`](crate::Delivery::Parts) each piece comes as a message
/// of its own.
///
/// ```
/// use sansocket::blocking::{Transport, WebSocket};
/// use sansocket::WebSocketError;
///
/// fn echo<S: Transport>(ws: WebSocket<S>) -> Result<(), WebSocketError> {
///     let mut messages = ws.into_messages();
///     while let Some(message) = messages.next() {
///         messages.send(message?)?;
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
    /// Makes owned messages of it, as an iterator.
    pub const fn into_messages(self) -> Messages<S> {
        Messages { socket: self, options: SendOptions::new(), finished: false }
    }
}

impl<S: Transport> Messages<S> {
    /// Sets how messages are sent from now on: compressed or not, in which fragments.
    pub const fn set_send_options(&mut self, options: SendOptions) {
        self.options = options;
    }

    /// Sends a message. Above the high-water mark all output is written first; otherwise it is
    /// written when the next message is waited for, or by [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`WebSocketError::Send`]: nothing was sent. Otherwise as [`WebSocket::flush`].
    pub fn send(&mut self, message: Message) -> Result<(), WebSocketError> {
        if self.socket.driver.flow.is_above_mark() {
            self.socket.flush()?;
        }
        let options = self.options;
        let flow = &mut self.socket.driver.flow;
        Ok(flow.send_unasked(|connection, out| {
            send_message(connection, &message, options, Instant::now(), out)
        })?)
    }

    /// Writes all output.
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub fn flush(&mut self) -> Result<(), WebSocketError> {
        self.socket.flush()
    }

    /// Closes in order, and drops what still comes; see [`WebSocket::close`].
    ///
    /// # Errors
    /// As [`WebSocket::close`].
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
    ) -> Result<Option<CloseStatus>, WebSocketError> {
        let status = self.socket.close(code, reason)?;
        self.finished = true;
        Ok(status)
    }

    /// Returns the connection: whether it is open, how it has closed.
    pub const fn connection(&self) -> &Connection {
        self.socket.connection()
    }

    /// Gives the WebSocket back.
    pub fn into_inner(self) -> WebSocket<S> {
        self.socket
    }
}

impl<S: Transport> Iterator for Messages<S> {
    type Item = Result<Message, WebSocketError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.finished {
            match self.socket.read_owned() {
                Ok(Some(OwnedEvent::Message(data) | OwnedEvent::Part { data, .. })) => {
                    return Some(Ok(data.into()));
                }
                Ok(Some(OwnedEvent::Ping(_) | OwnedEvent::Pong(_) | OwnedEvent::Close(_))) => {}
                Ok(None) => self.finished = true,
                Err(error) => {
                    self.finished = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl<S: Transport> FusedIterator for Messages<S> {}
