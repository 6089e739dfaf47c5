//! Errors of a session and of its streams.

use core::fmt;
use std::io;

use h2::Reason;

use crate::error::adapter::WebSocketError;

/// The end of a session by an error.
///
/// The WebSockets of the session have ended with it: a read returns an error of the kind
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) or
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The transport failed, or ended before the session was open. Browsers open transports in reserve
    /// and end them without a byte: this is not worth a line in a log.
    Io(io::Error),
    /// An end violated HTTP/2, or ended the session with an error code (GOAWAY).
    Http2(io::Error),
    /// The session was not open within the handshake timeout.
    HandshakeTimeout,
    /// The peer did not answer a PING in time.
    KeepAliveTimeout,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the transport of the HTTP/2 session failed: {error}"),
            Self::Http2(error) => write!(f, "the HTTP/2 session failed: {error}"),
            Self::HandshakeTimeout => f.write_str(
                "the HTTP/2 session was not opened in time (setting: handshake_timeout)",
            ),
            Self::KeepAliveTimeout => {
                f.write_str("the peer did not answer a PING in time (setting: keep_alive)")
            }
        }
    }
}

impl core::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) | Self::Http2(error) => Some(error),
            Self::HandshakeTimeout | Self::KeepAliveTimeout => None,
        }
    }
}

impl SessionError {
    pub(super) fn new(error: h2::Error) -> Self {
        match error.is_io() {
            true => Self::Io(stream_error(error)),
            false => Self::Http2(stream_error(error)),
        }
    }
}

impl SessionError {
    /// The peer has another protocol.
    pub(super) fn not_http2(cause: impl fmt::Display) -> Self {
        let message = alloc::format!("the peer does not use HTTP/2: {cause}");
        Self::Http2(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

impl From<SessionError> for io::Error {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Io(error) | SessionError::Http2(error) => error,
            SessionError::HandshakeTimeout | SessionError::KeepAliveTimeout => {
                Self::new(io::ErrorKind::TimedOut, error)
            }
        }
    }
}

impl From<SessionError> for WebSocketError {
    fn from(error: SessionError) -> Self {
        Self::Io(error.into())
    }
}

/// Converts an error of a stream. RST_STREAM corresponds to a reset of TCP, GOAWAY to an aborted
/// connection.
pub(super) fn stream_error(error: h2::Error) -> io::Error {
    let kind = if error.is_io() {
        match error.into_io() {
            Some(error) => return error,
            None => return io::ErrorKind::BrokenPipe.into(),
        }
    } else if error.is_go_away() {
        io::ErrorKind::ConnectionAborted
    } else if error.is_reset() || error.reason() == Some(Reason::CANCEL) {
        io::ErrorKind::ConnectionReset
    } else {
        io::ErrorKind::BrokenPipe
    };
    io::Error::new(kind, error)
}
