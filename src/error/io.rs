//! Conversions of errors to `std::io::Error`.

use std::io;

use crate::error::protocol::{PeerError, ProtocolError, TimeoutError};
use crate::error::send::SendError;

impl From<ProtocolError> for io::Error {
    fn from(error: ProtocolError) -> Self {
        let kind = match error {
            ProtocolError::Peer(PeerError::ClosedWithoutHandshake) => io::ErrorKind::UnexpectedEof,
            ProtocolError::Peer(_) | ProtocolError::Limit(_) => io::ErrorKind::InvalidData,
            ProtocolError::Timeout(_) => io::ErrorKind::TimedOut,
            ProtocolError::Misuse(_) => io::ErrorKind::InvalidInput,
            ProtocolError::Aborted => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, error)
    }
}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::Closed | SendError::NotOpen => io::ErrorKind::NotConnected,
            SendError::Full => io::ErrorKind::WouldBlock,
            SendError::Entropy => io::ErrorKind::Other,
            SendError::ControlTooLong
            | SendError::ReasonTooLong
            | SendError::UnsendableCode(_)
            | SendError::MessageInProgress
            | SendError::NotAServer
            | SendError::LengthTooLarge => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

impl From<TimeoutError> for io::Error {
    fn from(error: TimeoutError) -> Self {
        Self::new(io::ErrorKind::TimedOut, error)
    }
}
