//! Errors that end a connection, and the only table from errors to close codes.

use core::fmt;

use crate::close_code::CloseCode;

/// A fatal error: the peer broke a rule, a limit was exceeded, or a deadline passed.
///
/// The Close frame with [`close_code`](Self::close_code) is already in `out`: write it, then end
/// the transport. The reason of that frame is empty; the text of the error is meant for the local
/// log. Every later call returns the same error.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::connection::Negotiated;
/// use sansocket::error::{PeerError, ProtocolError};
/// use sansocket::{CloseCode, Config, Connection, Inbox, Input, Instant, Role};
///
/// let now = Instant::from_micros(0);
/// let config = Config::server().build().unwrap();
/// let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), now);
///
/// let mut bytes = BytesMut::from(&b"\x81\x02hi"[..]); // not masked
/// let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
/// let error = server.receive(&mut Input::new(now, &mut bytes), &mut inbox, &mut out).unwrap_err();
/// assert_eq!(error, ProtocolError::Peer(PeerError::UnmaskedFrame));
/// assert_eq!(error.close_code(), CloseCode::PROTOCOL_ERROR);
/// assert_eq!(out, &b"\x88\x02\x03\xea"[..]); // Close, 1002
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The peer broke a rule.
    Peer(PeerError),
    /// A limit of the [`Config`](crate::Config) was exceeded.
    Limit(LimitError),
    /// A deadline of the [`Config`](crate::Config) passed.
    Timeout(TimeoutError),
    /// The caller broke the contract of a call, and data is lost.
    Misuse(MisuseError),
    /// The connection was aborted by this end, without a Close frame.
    Aborted,
}

impl ProtocolError {
    /// Returns the code of the Close frame that the error has appended to `out`, or
    /// [`CloseCode::ABNORMAL`] if it appends none, since the peer would not process it.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Peer(
                PeerError::CorruptDeflate
                | PeerError::InvalidCloseReason(_)
                | PeerError::InvalidUtf8,
            ) => CloseCode::INVALID_PAYLOAD,
            Self::Peer(_) => CloseCode::PROTOCOL_ERROR,
            Self::Limit(LimitError::MemoryBudget) => CloseCode::TRY_AGAIN_LATER,
            // The message itself may be small: the reason of the refusal is its compression.
            Self::Limit(LimitError::InflationRatio) => CloseCode::POLICY_VIOLATION,
            Self::Limit(_) => CloseCode::MESSAGE_TOO_BIG,
            Self::Timeout(TimeoutError::Message) => CloseCode::POLICY_VIOLATION,
            Self::Timeout(TimeoutError::KeepAlive | TimeoutError::Write) | Self::Misuse(_) => {
                CloseCode::INTERNAL_ERROR
            }
            Self::Timeout(
                TimeoutError::Close | TimeoutError::CloseUnsent | TimeoutError::Handshake,
            )
            | Self::Aborted => CloseCode::ABNORMAL,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(error) => error.fmt(f),
            Self::Limit(error) => error.fmt(f),
            Self::Timeout(error) => error.fmt(f),
            Self::Misuse(error) => error.fmt(f),
            Self::Aborted => f.write_str("the connection was aborted by this end"),
        }
    }
}

impl core::error::Error for ProtocolError {}

impl From<PeerError> for ProtocolError {
    fn from(error: PeerError) -> Self {
        Self::Peer(error)
    }
}

impl From<LimitError> for ProtocolError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

impl From<TimeoutError> for ProtocolError {
    fn from(error: TimeoutError) -> Self {
        Self::Timeout(error)
    }
}

impl From<MisuseError> for ProtocolError {
    fn from(error: MisuseError) -> Self {
        Self::Misuse(error)
    }
}

/// The peer broke a rule. Sections are those of RFC 6455 unless another RFC is named.
///
/// ```
/// use sansocket::CloseCode;
/// use sansocket::error::{PeerError, ProtocolError};
///
/// let error = PeerError::UnknownOpCode(0xb);
/// assert_eq!(error.to_string(), "the peer used the reserved opcode 0xb");
/// assert_eq!(ProtocolError::from(error).close_code(), CloseCode::PROTOCOL_ERROR);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerError {
    /// A reserved bit without an extension that defines it (section 5.2).
    ReservedBits,
    /// A reserved opcode (section 5.2).
    UnknownOpCode(u8),
    /// A masked frame from a server (section 5.1).
    MaskedFrame,
    /// An unmasked frame from a client (section 5.1).
    UnmaskedFrame,
    /// A control frame without FIN (section 5.5).
    FragmentedControl,
    /// A control frame with more than 125 bytes of payload (section 5.5).
    ControlTooLong,
    /// A payload length in more bytes than necessary (section 5.2).
    LengthNotMinimal,
    /// A payload length of 2^63 or more (section 5.2).
    LengthTooLarge,
    /// A continuation frame without a message in progress (section 5.4).
    UnexpectedContinuation,
    /// A new message inside a fragmented message (section 5.4).
    ExpectedContinuation,
    /// A text message that isn't UTF-8 (section 8.1).
    InvalidUtf8,
    /// A Close frame with one byte of payload (section 5.5.1).
    InvalidClosePayload,
    /// A Close frame with a code that must not appear in one (section 7.4).
    InvalidCloseCode(u16),
    /// A Close frame with this code and a reason that isn't UTF-8 (section 5.5.1). Some peers cut a
    /// long reason at 123 bytes, inside a character; the code still shows the cause of the closure.
    InvalidCloseReason(u16),
    /// A compressed message that can't be inflated, or that refers to data before the window
    /// (RFC 7692 section 7.2.2).
    CorruptDeflate,
    /// The transport ended before the closing handshake was complete (section 7.1.5: 1006).
    ClosedWithoutHandshake,
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedBits => "the peer set a reserved bit",
            Self::UnknownOpCode(value) => {
                return write!(f, "the peer used the reserved opcode {value:#x}");
            }
            Self::MaskedFrame => "the server masked a frame",
            Self::UnmaskedFrame => "the client didn't mask a frame",
            Self::FragmentedControl => "the peer fragmented a control frame",
            Self::ControlTooLong => "the peer sent a control frame of more than 125 bytes",
            Self::LengthNotMinimal => "the peer wrote a length in more bytes than necessary",
            Self::LengthTooLarge => "the peer wrote a length of 2^63 or more",
            Self::UnexpectedContinuation => {
                "the peer sent a continuation frame without a message in progress"
            }
            Self::ExpectedContinuation => "the peer began a message inside a fragmented one",
            Self::InvalidUtf8 => "the peer sent text that isn't UTF-8",
            Self::InvalidClosePayload => "the peer sent a Close frame with one byte of payload",
            Self::InvalidCloseCode(code) => {
                return write!(f, "the peer sent the close code {code}, which must not be sent");
            }
            Self::InvalidCloseReason(code) => {
                return write!(f, "the peer closed with code {code} and a reason that isn't UTF-8");
            }
            Self::CorruptDeflate => "the peer sent a compressed message that can't be inflated",
            Self::ClosedWithoutHandshake => {
                "the peer closed the connection without completing the closing handshake"
            }
        })
    }
}

impl core::error::Error for PeerError {}

/// A limit of the [`Config`](crate::Config) was exceeded. The text of the error names the setting.
///
/// ```
/// use sansocket::error::LimitError;
///
/// let error = LimitError::MemoryBudget;
/// assert_eq!(error.to_string(), "the peer's message doesn't fit into the rest of memory_budget");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitError {
    /// A message is longer than `max_message_len`, or longer than the available memory.
    MessageTooLong,
    /// The head of a handshake is longer than `max_head_len`.
    HeadTooLong,
    /// The head of a handshake has more than `max_head_fields` fields.
    TooManyFields,
    /// A message needs more memory than the other connections have left of the `memory_budget`.
    MemoryBudget,
    /// A compressed message inflates to more than `max_inflation_ratio` times its length.
    InflationRatio,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MessageTooLong => "the peer's message is longer than max_message_len allows",
            Self::HeadTooLong => "the handshake's head is longer than max_head_len allows",
            Self::TooManyFields => "the handshake has more fields than max_head_fields allows",
            Self::MemoryBudget => "the peer's message doesn't fit into the rest of memory_budget",
            Self::InflationRatio => {
                "the peer's message inflates to more than max_inflation_ratio allows"
            }
        })
    }
}

impl core::error::Error for LimitError {}

/// A deadline of the [`Config`](crate::Config) passed. The text of the error names the setting.
///
/// ```
/// use sansocket::error::{ProtocolError, TimeoutError};
///
/// let error = ProtocolError::from(TimeoutError::KeepAlive);
/// assert!(error.to_string().ends_with("(setting: keep_alive, the timeout)"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutError {
    /// The opening handshake took longer than `handshake_timeout`.
    Handshake,
    /// No input arrived within the keep-alive timeout after a keep-alive ping.
    KeepAlive,
    /// A message took longer than `message_timeout`.
    Message,
    /// Output made no progress for `write_timeout`, or for the keep-alive timeout.
    Write,
    /// The peer's Close frame took longer than `close_timeout`.
    Close,
    /// Our Close frame, or the output before it, could not be written within `close_timeout`.
    CloseUnsent,
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => {
                "the opening handshake was not finished in time (setting: handshake_timeout)"
            }
            Self::KeepAlive => {
                "no input arrived after the keep-alive ping (setting: keep_alive, the timeout)"
            }
            Self::Message => "the peer's message took too long (setting: message_timeout)",
            Self::Write => {
                "the peer accepted no output for too long (settings: write_timeout, keep_alive)"
            }
            Self::Close => {
                "the peer didn't answer the Close frame in time (setting: close_timeout)"
            }
            Self::CloseUnsent => {
                "the Close frame could not be written in time (setting: close_timeout)"
            }
        })
    }
}

impl core::error::Error for TimeoutError {}

/// The caller broke the contract of a call, and data is lost.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::connection::Negotiated;
/// use sansocket::error::{MisuseError, ProtocolError};
/// use sansocket::{Config, Connection, Inbox, Input, Instant, Role};
///
/// let now = Instant::from_micros(0);
/// let config = Config::server().build().unwrap();
/// let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), now);
/// let mut out = BytesMut::new();
///
/// // The first half of a message is in one inbox ...
/// let mut bytes = BytesMut::from(&b"\x81\x82\0\0\0\0h"[..]);
/// let mut inbox = Inbox::new();
/// assert!(server.receive(&mut Input::new(now, &mut bytes), &mut inbox, &mut out)?.is_none());
///
/// // ... and the next call passes another one.
/// let mut bytes = BytesMut::from(&b"i"[..]);
/// let mut other = Inbox::new();
/// let error = server.receive(&mut Input::new(now, &mut bytes), &mut other, &mut out).unwrap_err();
/// assert_eq!(error, ProtocolError::Misuse(MisuseError::WrongInbox));
/// # Ok::<(), ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MisuseError {
    /// The inbox doesn't hold the first part of the message in progress. Use one inbox for each
    /// connection.
    WrongInbox,
    /// [`received_direct`](crate::Connection::received_direct) was called with more bytes than
    /// [`direct_room`](crate::Connection::direct_room) has lent in this inbox. The bytes are lost.
    DirectRoom,
    /// There is no request to respond to: none was read yet, or the response was given before.
    NoRequest,
    /// The response belongs to a request over HTTP/2 or HTTP/3. It has no form in HTTP/1.1.
    AnswerVersion,
}

impl fmt::Display for MisuseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongInbox => {
                "the inbox doesn't hold the message in progress: use one inbox for each connection"
            }
            Self::DirectRoom => {
                "more bytes were read directly than direct_room has lent in this inbox"
            }
            Self::NoRequest => {
                "there is no request to respond to: none was read, or the response was given before"
            }
            Self::AnswerVersion => {
                "the response belongs to a request over HTTP/2 or HTTP/3, and can't be sent over \
                 HTTP/1.1"
            }
        })
    }
}

impl core::error::Error for MisuseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_errors_are_at_most_8_bytes() {
        assert!(size_of::<ProtocolError>() <= 8);
        assert!(size_of::<Option<ProtocolError>>() <= 8);
    }
}
