use core::fmt;
use std::io;

use crate::error::protocol::ProtocolError;
use crate::error::send::SendError;
use crate::handshake::error::HandshakeError;
use crate::handshake::refusal::Refusal;

/// An error of an open WebSocket.
///
/// ```
/// use std::io;
/// use sansocket::WebSocketError;
/// use sansocket::error::{PeerError, ProtocolError, SendError};
///
/// // Functions that return an `io::Error` can use `?`: it keeps the cause.
/// let error: io::Error = WebSocketError::from(SendError::Full).into();
/// assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
///
/// let error = WebSocketError::from(ProtocolError::Peer(PeerError::MaskedFrame));
/// assert_eq!(error.to_string(), "the server masked a frame");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The transport failed: the connection to the peer is lost.
    Io(io::Error),
    /// The connection failed. Its Close frame has been written, if the peer accepted it, and the
    /// transport has been ended.
    Protocol(ProtocolError),
    /// A send was refused: no bytes were sent, and the connection is unchanged.
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

/// The opening handshake of a server has failed.
///
/// ```
/// use std::io;
/// use sansocket::error::AcceptError;
/// use sansocket::handshake::Refusal;
///
/// fn log(error: &AcceptError) -> String {
///     match error {
///         AcceptError::Refused(refusal) => format!("client error: {refusal}"),
///         error => format!("transport error: {error}"),
///     }
/// }
///
/// let reset = io::Error::new(io::ErrorKind::ConnectionReset, "reset by peer");
/// assert_eq!(log(&reset.into()), "transport error: reset by peer");
/// let refused = AcceptError::Refused(Refusal::new(403)?);
/// assert!(log(&refused).starts_with("client error: the handshake was refused: 403"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// The transport failed, or ended before the request was complete.
    Io(io::Error),
    /// The request was refused; the response has been written.
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

/// The opening handshake of a client has failed.
///
/// ```
/// use sansocket::error::ConnectError;
/// use sansocket::handshake::HandshakeError;
///
/// let error = ConnectError::from(HandshakeError::Timeout);
/// assert!(matches!(error, ConnectError::Handshake(HandshakeError::Timeout)));
/// assert!(error.to_string().contains("handshake_timeout"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// Name resolution or the transport failed.
    Io(io::Error),
    /// The server refused the request, sent an invalid response, or did not respond in time.
    Handshake(HandshakeError),
    /// The request could not be sent: [`SendError::Entropy`], if the config is a server's.
    Send(SendError),
    /// The URL is `wss://`. Connect a TLS stream and pass it to `WebSocket::client`.
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
