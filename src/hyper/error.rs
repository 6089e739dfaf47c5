use core::fmt;
use std::io;

use crate::error::adapter::WebSocketError;

/// An accepted request whose stream was not handed over by hyper.
#[derive(Debug)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The connection ended before the response was sent, or it is not served with upgrades.
    Hyper(hyper::Error),
    /// The response was not sent within the
    /// [`handshake_timeout`](crate::config::ConfigBuilder::handshake_timeout).
    Timeout,
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hyper(error) => write!(f, "the request was not upgraded: {error}"),
            Self::Timeout => f.write_str(
                "the request was not upgraded: its response was not sent within the handshake timeout",
            ),
        }
    }
}

impl core::error::Error for UpgradeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Hyper(error) => Some(error),
            Self::Timeout => None,
        }
    }
}

impl From<UpgradeError> for io::Error {
    fn from(error: UpgradeError) -> Self {
        let kind = match &error {
            UpgradeError::Hyper(_) => io::ErrorKind::ConnectionAborted,
            UpgradeError::Timeout => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}

impl From<UpgradeError> for WebSocketError {
    fn from(error: UpgradeError) -> Self {
        Self::Io(error.into())
    }
}
