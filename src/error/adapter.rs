use core::fmt;
use std::io;

use crate::error::protocol::ProtocolError;
use crate::error::send::SendError;
use crate::handshake::error::HandshakeError;
use crate::handshake::refusal::Refusal;

/// An error of an open WebSocket.
#[derive(Debug)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The transport failed: the peer or the network is gone.
    Io(io::Error),
    /// The connection failed. Its Close frame has been written, if the peer took it, and the transport
    /// ended.
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

/// A server's opening handshake has failed.
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
            Self::Refused(refusal) => refusal.fmt(f),
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

/// A client's opening handshake has failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// Name resolution or the transport failed.
    Io(io::Error),
    /// The server refused, answered wrongly, or not in time.
    Handshake(HandshakeError),
    /// The request could not be sent: [`SendError::Entropy`], with the config of a server.
    Send(SendError),
    /// The URL is `wss://`: connect a TLS stream yourself, and give it to `WebSocket::client`.
    TlsNotSupported,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::TlsNotSupported => f.write_str(
                "wss:// is not supported yet: use ws://, or give a connected TLS stream to \
                 `WebSocket::client`",
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
