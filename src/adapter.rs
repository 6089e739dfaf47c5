//! What both adapters give to their users beside themselves.

use core::fmt;
use std::io;

use bytes::{Bytes, BytesMut};

use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::options::SendOptions;
use crate::error::{ProtocolError, SendError};
use crate::handshake::client::HandshakeError;
use crate::handshake::refusal::Refusal;
use crate::inbox::Inbox;
use crate::instant::Instant;
use crate::message::{Data, Message, MessageKind};

/// What can go wrong on an open WebSocket.
#[derive(Debug)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The transport failed: the peer is gone, or the network is.
    Io(io::Error),
    /// The connection failed; the Close frame that says so has been written, the transport ended.
    Protocol(ProtocolError),
    /// A send was refused: nothing was sent, the connection is as it was.
    Send(SendError),
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Protocol(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WebSocketError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Self::Io(error) => error,
            Self::Protocol(error) => error,
            Self::Send(error) => error,
        })
    }
}

impl From<io::Error> for WebSocketError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ProtocolError> for WebSocketError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<SendError> for WebSocketError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<WebSocketError> for io::Error {
    fn from(error: WebSocketError) -> Self {
        match error {
            WebSocketError::Io(error) => error,
            WebSocketError::Protocol(error) => error.into(),
            WebSocketError::Send(error) => error.into(),
        }
    }
}

/// Why a request has not become a WebSocket.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// The transport failed, or ended before the request was whole.
    Io(io::Error),
    /// The request was refused; the answer has been written.
    Refused(Refusal),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Refused(refusal) => {
                let reason = refusal.body().escape_ascii();
                write!(f, "the request was refused with {}: {reason}", refusal.status())
            }
        }
    }
}

impl core::error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Refused(_) => None,
        }
    }
}

impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why a client has got no WebSocket.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// Name resolution or the transport failed.
    Io(io::Error),
    /// The server refused, answered wrongly, or not in time.
    Handshake(HandshakeError),
    /// The request could not be sent: [`SendError::Entropy`], with the config of a server.
    Send(SendError),
    /// The URL is `wss://`: connect a TLS stream yourself, and give it to `client`.
    TlsNotSupported,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::TlsNotSupported => f.write_str(
                "wss:// is not supported yet: use ws://, or give a connected TLS stream to `client`",
            ),
        }
    }
}

impl core::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::TlsNotSupported => None,
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<HandshakeError> for ConnectError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<SendError> for ConnectError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

/// What `read_into` has put into the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// How many bytes.
    pub len: usize,
    /// The kind of the message. Texts are UTF-8 as a whole; a piece may end inside a character.
    pub kind: MessageKind,
    /// Whether the message ends with them.
    pub end_of_message: bool,
}

/// What an adapter gives back when it is taken apart, for whoever goes on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unfinished<S> {
    /// The transport.
    pub stream: S,
    /// The connection.
    pub connection: Connection,
    /// The message under way, if there is one.
    pub inbox: Inbox,
    /// Read, not received.
    pub unread: Bytes,
    /// To be written.
    pub unsent: BytesMut,
}

/// What [`Received`] messages still have that didn't fit into the caller's buffer.
#[derive(Debug)]
pub(crate) struct LeftOver {
    bytes: Bytes,
    kind: MessageKind,
    end: bool,
}

impl LeftOver {
    /// Fills `buffer` from a piece of a message; what doesn't fit is kept.
    pub(crate) fn fill(buffer: &mut [u8], data: Data<'_>, end: bool) -> (Received, Option<Self>) {
        let (bytes, kind) = (data.as_bytes(), data.kind());
        let (fits, rest) = bytes.split_at_checked(buffer.len()).unwrap_or((bytes, &[]));
        copy(buffer, fits);
        let received = Received { len: fits.len(), kind, end_of_message: end && rest.is_empty() };
        let left =
            (!rest.is_empty()).then(|| Self { bytes: Bytes::copy_from_slice(rest), kind, end });
        (received, left)
    }

    /// Fills `buffer` from what was kept, and keeps the rest.
    pub(crate) fn fill_again(mut self, buffer: &mut [u8]) -> (Received, Option<Self>) {
        let fits = self.bytes.split_to(self.bytes.len().min(buffer.len()));
        copy(buffer, &fits);
        let end_of_message = self.end && self.bytes.is_empty();
        let received = Received { len: fits.len(), kind: self.kind, end_of_message };
        (received, (!self.bytes.is_empty()).then_some(self))
    }
}

/// Appends a message or a control frame to the output; a Close frame ends what can be sent.
pub(crate) fn send_message(
    connection: &mut Connection,
    message: &Message,
    options: SendOptions,
    now: Instant,
    out: &mut BytesMut,
) -> Result<(), SendError> {
    match message {
        Message::Text(text) => connection.send(Data::Text(text), options, out),
        Message::Binary(bytes) => connection.send(Data::Binary(bytes), options, out),
        Message::Ping(payload) => connection.send_ping(payload, out),
        Message::Pong(payload) => connection.send_pong(payload, out),
        Message::Close(Some(frame)) => connection.close(frame.code, &frame.reason, now, out),
        Message::Close(None) => connection.close(CloseCode::NO_STATUS, "", now, out),
    }
}

fn copy(buffer: &mut [u8], bytes: &[u8]) {
    if let Some(place) = buffer.get_mut(..bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// The sends of every type that has a `fn flow(&mut self) -> &mut Flow`: they append to the output,
/// which is written before the adapter waits, at its high-water mark, or by `flush`. `$now` is the
/// adapter's clock.
macro_rules! send_methods {
    ($now:path) => {
        /// Sends a text message.
        ///
        /// # Errors
        /// [`SendError`](crate::SendError): nothing was sent. With `Full`, flush first.
        pub fn send_text(&mut self, text: &str) -> Result<(), crate::error::SendError> {
            let flow = self.flow();
            flow.connection.send_text(text, &mut flow.out)
        }

        /// Sends a binary message.
        ///
        /// # Errors
        /// [`SendError`](crate::SendError): nothing was sent. With `Full`, flush first.
        pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), crate::error::SendError> {
            let flow = self.flow();
            flow.connection.send_binary(bytes, &mut flow.out)
        }

        /// Sends a message of either kind.
        ///
        /// # Errors
        /// [`SendError`](crate::SendError): nothing was sent. With `Full`, flush first.
        pub fn send(
            &mut self,
            data: crate::message::Data<'_>,
            options: crate::connection::options::SendOptions,
        ) -> Result<(), crate::error::SendError> {
            let flow = self.flow();
            flow.connection.send(data, options, &mut flow.out)
        }

        /// Sends a piece of a message, one frame; `end` with the last one.
        ///
        /// # Errors
        /// [`SendError`](crate::SendError): nothing was sent. With `Full`, flush first.
        pub fn send_part(
            &mut self,
            data: crate::message::Data<'_>,
            end: bool,
            options: crate::connection::options::SendOptions,
        ) -> Result<(), crate::error::SendError> {
            let flow = self.flow();
            flow.connection.send_part(data, end, options, &mut flow.out)
        }

        /// Sends a message that was encoded once for many connections.
        ///
        /// # Errors
        /// [`SendError`](crate::SendError): nothing was sent. With `Full`, flush first.
        pub fn send_prepared(
            &mut self,
            message: &crate::prepared::Prepared,
        ) -> Result<(), crate::error::SendError> {
            let flow = self.flow();
            flow.connection.send_prepared(message, &mut flow.out)
        }

        /// Sends a ping with at most 125 bytes of payload. Keep-alive pings are sent without it.
        ///
        /// # Errors
        /// [`SendError`](crate::SendError): nothing was sent. With `Full`, flush first.
        pub fn send_ping(&mut self, payload: &[u8]) -> Result<(), crate::error::SendError> {
            let flow = self.flow();
            flow.connection.send_ping(payload, &mut flow.out)
        }

        /// Sends an unsolicited pong with at most 125 bytes of payload.
        ///
        /// # Errors
        /// [`SendError`](crate::SendError): nothing was sent. With `Full`, flush first.
        pub fn send_pong(&mut self, payload: &[u8]) -> Result<(), crate::error::SendError> {
            let flow = self.flow();
            flow.connection.send_pong(payload, &mut flow.out)
        }

        /// Sends a Close frame: nothing can be sent after it, reading goes on until the peer's.
        ///
        /// # Errors
        /// [`SendError`](crate::SendError): nothing was sent.
        pub fn close_output(
            &mut self,
            code: crate::close_code::CloseCode,
            reason: &str,
        ) -> Result<(), crate::error::SendError> {
            let flow = self.flow();
            flow.connection.close(code, reason, $now(), &mut flow.out)
        }
    };
}

pub(crate) use send_methods;
