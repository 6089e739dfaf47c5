//! Violations of HTTP/3.

use core::fmt;
use std::io;

use quinn::{Connection, ReadError, RecvStream, SendStream, VarInt, WriteError};
use shiguredo_http3::{Error, ErrorCode};

/// The end of a stream or of its connection, by a violation of HTTP/3 or by an I/O error.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection must be closed with this code (RFC 9114 section 8).
    Connection(ErrorCode),
    /// The stream must be reset with this code.
    Stream(ErrorCode),
    /// The peer has reset the stream, or the connection is lost.
    Io(io::Error),
}

impl Fault {
    /// Closes the connection or resets both directions of the stream.
    pub(crate) fn report(
        &self,
        connection: &Connection,
        send: &mut SendStream,
        recv: &mut RecvStream,
    ) {
        let code = match self {
            Self::Connection(code) => {
                return connection.close(quic(*code), code.to_string().as_bytes());
            }
            Self::Stream(code) => *code,
            Self::Io(_) => ErrorCode::RequestCancelled,
        };
        // They fail if the stream has ended. quinn sends FIN for a stream that is dropped, which would be
        // an orderly end.
        let _ = send.reset(quic(code));
        let _ = recv.stop(quic(code));
    }
}

/// Returns the code in the type of quinn.
pub(crate) fn quic(code: ErrorCode) -> VarInt {
    VarInt::from_u64(code.code()).unwrap_or(VarInt::MAX)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(code) => write!(f, "the peer violates HTTP/3: {code}"),
            Self::Stream(code) => write!(f, "a stream violates HTTP/3: {code}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Fault {}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionError(code) => Self::Connection(code),
            Error::StreamError(code) => Self::Stream(code),
            Error::FrameDecode(_) => Self::Connection(ErrorCode::FrameError),
            Error::Qpack(_) => Self::Connection(ErrorCode::QpackDecompressionFailed),
            Error::StreamNotFound(_)
            | Error::StreamClosed(_)
            | Error::WtSessionDraining(_)
            | Error::WtSetup(_) => Self::Connection(ErrorCode::InternalError),
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        Self::Io(match error {
            ReadError::Reset(code) => reset("RESET_STREAM", code),
            ReadError::ConnectionLost(error) => {
                io::Error::new(io::ErrorKind::ConnectionAborted, error)
            }
            error => error.into(),
        })
    }
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Self {
        Self::Io(match error {
            WriteError::Stopped(code) => reset("STOP_SENDING", code),
            WriteError::ConnectionLost(error) => {
                io::Error::new(io::ErrorKind::ConnectionAborted, error)
            }
            error => error.into(),
        })
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io(error) => error,
            fault => Self::new(io::ErrorKind::InvalidData, fault),
        }
    }
}

fn reset(frame: &str, code: VarInt) -> io::Error {
    let name = ErrorCode::from_code(code.into_inner())
        .map_or_else(|| format!("{:#x}", code.into_inner()), |code| code.to_string());
    io::Error::new(io::ErrorKind::ConnectionReset, format!("{frame} from the peer: {name}"))
}
