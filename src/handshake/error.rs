//! How a client's opening handshake fails.

use core::fmt;

use alloc::boxed::Box;

use crate::error::{ExtensionError, LimitError};
use crate::handshake::connect_response::ConnectResponse;
use crate::http1::error::HeadError;

/// A client's handshake has failed: end the transport.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The server has answered with another status than 101: a refusal, a redirect, a question
    /// for credentials.
    Status(Box<ConnectResponse>),
    /// Sec-WebSocket-Accept is missing, or not the answer to our key.
    BadAccept,
    /// Upgrade is missing, or not `websocket`.
    BadUpgrade,
    /// Connection is missing, or doesn't name `Upgrade`.
    BadConnection,
    /// A subprotocol that was not offered, or more than one.
    UnofferedSubprotocol,
    /// The extensions of the answer can't be agreed to.
    Extensions(ExtensionError),
    /// A field that may be there once only is there again.
    DuplicateField(&'static str),
    /// The answer is not HTTP/1.1.
    BadHead(HeadError),
    /// The answer passes a limit of the [`Config`](crate::Config).
    Limit(LimitError),
    /// The answer was not whole in time.
    Timeout,
    /// The transport has ended before the answer was whole.
    ClosedWithoutResponse,
}

impl From<ExtensionError> for HandshakeError {
    fn from(error: ExtensionError) -> Self {
        Self::Extensions(error)
    }
}

impl From<HeadError> for HandshakeError {
    fn from(error: HeadError) -> Self {
        if let HeadError::Limit(limit) = error { Self::Limit(limit) } else { Self::BadHead(error) }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(response) => {
                write!(f, "the server answered {}", response.status())?;
                return match response.reason() {
                    [] => Ok(()),
                    reason => write!(f, " {}", reason.escape_ascii()),
                };
            }
            Self::BadAccept => "the server's Sec-WebSocket-Accept doesn't answer our key",
            Self::BadUpgrade => "the server's Upgrade is not websocket",
            Self::BadConnection => "the server's Connection doesn't name Upgrade",
            Self::UnofferedSubprotocol => "the server chose a subprotocol that was not offered",
            Self::DuplicateField(name) => {
                return write!(f, "the server's answer has more than one {name}");
            }
            Self::BadHead(error) => {
                return write!(f, "the server's answer is not HTTP/1.1: {error}");
            }
            Self::Extensions(error) => return error.fmt(f),
            Self::Limit(error) => return error.fmt(f),
            Self::Timeout => "the server didn't answer the handshake in time",
            Self::ClosedWithoutResponse => {
                "the server closed the connection without answering the handshake"
            }
        })
    }
}

impl core::error::Error for HandshakeError {}
