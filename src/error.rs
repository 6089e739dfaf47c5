//! One small error type per operation, sorted by whose fault it is, and the one table from errors
//! to close codes.

use core::fmt;

use crate::close_code::CloseCode;

/// Fatal: the peer broke a rule, a limit was passed, or time ran out.
///
/// The Close frame with [`close_code`](Self::close_code) is in `out` already: write it, then end
/// the transport. Its reason is empty: the text of the error is for this end's log. Every later call
/// returns the same error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The peer broke a rule.
    Peer(PeerError),
    /// A limit of the [`Config`](crate::Config) was passed.
    Limit(LimitError),
    /// A deadline of the [`Config`](crate::Config) passed.
    Timeout(TimeoutError),
    /// The caller broke the contract of a call in a way that loses data.
    Misuse(MisuseError),
    /// This end gave the connection up, without a Close frame.
    Aborted,
}

impl ProtocolError {
    /// Returns the code of the Close frame that the error has put into `out`;
    /// [`CloseCode::ABNORMAL`] where none was written, since nobody is there to read it.
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
            // The message may be small: what is refused is how it was compressed.
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
            Self::Aborted => f.write_str("this end gave the connection up"),
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

/// The peer broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerError {
    /// A reserved bit without an extension that defines it (RFC 6455 section 5.2).
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
    /// A length in more bytes than it needs (section 5.2).
    LengthNotMinimal,
    /// A length of 2^63 or more (section 5.2).
    LengthTooLarge,
    /// A continuation without a message under way (section 5.4).
    UnexpectedContinuation,
    /// A new message inside a fragmented one (section 5.4).
    ExpectedContinuation,
    /// A text that isn't UTF-8 (section 8.1).
    InvalidUtf8,
    /// A Close frame with one byte of payload (section 5.5.1).
    InvalidClosePayload,
    /// A Close frame with a code that must not be sent (section 7.4).
    InvalidCloseCode(u16),
    /// A Close frame with this code and a reason that isn't UTF-8 (section 5.5.1). Some peers cut a
    /// long reason at 123 bytes, inside a character: the code tells why they closed.
    InvalidCloseReason(u16),
    /// A compressed message that can't be inflated, or that refers to what is outside of the window
    /// (RFC 7692 section 7.2.2).
    CorruptDeflate,
    /// The transport ended before the closing handshake was done (section 7.1.5: 1006).
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
            Self::LengthNotMinimal => "the peer wrote a length in more bytes than it needs",
            Self::LengthTooLarge => "the peer wrote a length of 2^63 or more",
            Self::UnexpectedContinuation => {
                "the peer sent a continuation frame without a message under way"
            }
            Self::ExpectedContinuation => "the peer began a message inside a fragmented one",
            Self::InvalidUtf8 => "the peer sent text that isn't UTF-8",
            Self::InvalidClosePayload => "the peer sent a close frame with one byte of payload",
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

/// A limit of the [`Config`](crate::Config) was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitError {
    /// A message is longer than `max_message_len`, or than the memory there is.
    MessageTooLong,
    /// The head of a handshake is longer than `max_head_len`.
    HeadTooLong,
    /// The head of a handshake has more than `max_head_fields` fields.
    TooManyFields,
    /// A message doesn't fit into what the other connections have left of the `memory_budget`.
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

/// A deadline of the [`Config`](crate::Config) passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutError {
    /// The opening handshake took longer than `handshake_timeout`.
    Handshake,
    /// Nothing was received for the keep-alive timeout after a keep-alive ping.
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
                "nothing was received after the keep-alive ping (setting: keep_alive, the timeout)"
            }
            Self::Message => "the peer's message took too long (setting: message_timeout)",
            Self::Write => {
                "the peer took no output for too long (settings: write_timeout, keep_alive)"
            }
            Self::Close => {
                "the peer didn't answer the close frame in time (setting: close_timeout)"
            }
            Self::CloseUnsent => {
                "the close frame could not be written in time (setting: close_timeout)"
            }
        })
    }
}

impl core::error::Error for TimeoutError {}

/// The caller broke the contract of a call in a way that loses data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MisuseError {
    /// The inbox given isn't the one that holds the beginning of the message under way: one
    /// connection, one inbox.
    WrongInbox,
    /// [`received_direct`](crate::Connection::received_direct) was told of more bytes than
    /// [`direct_room`](crate::Connection::direct_room) has lent in this inbox: they are lost.
    DirectRoom,
    /// No request is to be answered: none was read yet, or it was answered before.
    NoRequest,
    /// The answer belongs to a request over HTTP/2 or HTTP/3, and has no form in HTTP/1.1.
    AnswerVersion,
}

impl fmt::Display for MisuseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongInbox => {
                "the inbox doesn't hold the message under way: give each connection one inbox"
            }
            Self::DirectRoom => {
                "more bytes were read directly than direct_room has lent in this inbox"
            }
            Self::NoRequest => "no request is to be answered: none was read, or it was answered",
            Self::AnswerVersion => {
                "the answer belongs to a request over HTTP/2 or HTTP/3, and can't be sent over HTTP/1.1"
            }
        })
    }
}

impl core::error::Error for MisuseError {}

/// A send was refused: nothing was sent, the connection is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame was sent or the connection has failed: nothing can be sent any more.
    Closed,
    /// The opening handshake is not done: nothing can be sent yet.
    NotOpen,
    /// The output holds `max_unsent` bytes or more, or for unsolicited sends `max_unsent -
    /// high_water_mark`: write it first.
    Full,
    /// The payload of a ping or pong has more than 125 bytes.
    ControlTooLong,
    /// The reason of a Close frame has more than 123 bytes.
    ReasonTooLong,
    /// The close code must not be sent: use 1000 to 1003, 1007 to 1014 or 3000 to 4999. 1005
    /// ([`CloseCode::NO_STATUS`]) can be sent with an empty reason only, as a Close frame without a
    /// code.
    UnsendableCode(u16),
    /// A message sent in parts is under way: end it first, and keep to its kind.
    MessageInProgress,
    /// Only a server can have its frames' payload written by the caller: a client's is masked.
    NotAServer,
    /// The payload to be written apart is longer than any slice can be.
    LengthTooLarge,
    /// The source of randomness failed, or a client was made with a server's config, which has
    /// none: use [`Config::client`](crate::Config::client).
    Entropy,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection is closing or closed: nothing can be sent any more",
            Self::NotOpen => "the opening handshake is not done: nothing can be sent yet",
            Self::Full => {
                "the output is full: write it first, or set a larger max_unsent (sends that are no \
                 replies have room up to max_unsent - high_water_mark)"
            }
            Self::ControlTooLong => "a ping or pong carries at most 125 bytes",
            Self::ReasonTooLong => "the reason of a close frame has at most 123 bytes",
            Self::UnsendableCode(1005) => {
                "the close code 1005 stands for a close frame without a code: send it with an empty \
                 reason"
            }
            Self::UnsendableCode(code) => {
                return write!(
                    f,
                    "the close code {code} must not be sent: use 1000 to 1003, 1007 to 1014 or \
                     3000 to 4999"
                );
            }
            Self::MessageInProgress => {
                "a message sent in parts is under way: end it first, and keep to its kind"
            }
            Self::NotAServer => "a client masks its payload: only a server can write it apart",
            Self::LengthTooLarge => "no payload can be that long: give the length of a slice",
            Self::Entropy => {
                "no mask key: the source of randomness failed, or the config is a server's"
            }
        })
    }
}

impl core::error::Error for SendError {}

impl From<crate::entropy::EntropyError> for SendError {
    fn from(_: crate::entropy::EntropyError) -> Self {
        Self::Entropy
    }
}

/// The extensions of an opening handshake can't be agreed to.
///
/// What is wrong with an offer only declines the offer, except for its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtensionError {
    /// Sec-WebSocket-Extensions breaks its grammar
    /// ([RFC 6455 section 9.1](https://www.rfc-editor.org/rfc/rfc6455#section-9.1)).
    Grammar,
    /// The answer has Sec-WebSocket-Extensions more than once.
    DuplicateField,
    /// The answer names an extension that was not offered.
    Unoffered,
    /// The answer names an extension more than once.
    Duplicate,
    /// The answer has a parameter that the extension doesn't know.
    UnknownParameter,
    /// The answer has the named parameter more than once.
    DuplicateParameter(&'static str),
    /// The answer has the named parameter, which was not offered.
    UnofferedParameter(&'static str),
    /// The answer's value of the named parameter is missing, out of range, or not wanted at all.
    InvalidValue(&'static str),
    /// The answer doesn't grant the named parameter, which the offer asked for.
    NotGranted(&'static str),
    /// The server has declined permessage-deflate, which the client requires.
    Declined,
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grammar => "Sec-WebSocket-Extensions breaks its grammar",
            Self::DuplicateField => {
                "the server's answer has more than one Sec-WebSocket-Extensions"
            }
            Self::Unoffered => "the server chose an extension that was not offered",
            Self::Duplicate => "the server chose an extension more than once",
            Self::UnknownParameter => "the server chose an extension with an unknown parameter",
            Self::DuplicateParameter(name) => {
                return write!(f, "the server answered {name} more than once");
            }
            Self::UnofferedParameter(name) => {
                return write!(f, "the server answered {name}, which was not offered");
            }
            Self::InvalidValue(name) => {
                return write!(f, "the server answered {name} with a value that is not allowed");
            }
            Self::NotGranted(name) => {
                return write!(f, "the server chose an extension without granting {name}");
            }
            Self::Declined => "the server declined permessage-deflate, which is required",
        })
    }
}

impl core::error::Error for ExtensionError {}

/// A setting that can't work, with what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigError {
    /// The named limit is 0: nothing could pass it.
    ZeroLimit(&'static str),
    /// The named duration is shorter than a microsecond. `None` switches keep-alive and the message
    /// timeout off.
    ZeroDuration(&'static str),
    /// A keep-alive timeout without an interval: no ping would ever be sent.
    TimeoutWithoutInterval,
    /// `high_water_mark` is more than half of `max_unsent`, or half of `max_unsent` is less than 1
    /// byte: replies and unsolicited output need room beside each other.
    HighWaterMark {
        /// The high-water mark, in bytes.
        high_water_mark: usize,
        /// The limit of unsent output, in bytes.
        max_unsent: usize,
    },
    /// The named limit is too large for this machine's addresses.
    LimitTooLarge(&'static str),
    /// The named number of window bits is not from 9 to 15.
    WindowBits(&'static str, u8),
    /// A window smaller than the chosen compression engine can keep to, which is this many bits.
    EngineWindowBits(u8),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroLimit(name) => write!(f, "{name} is 0: set at least 1"),
            Self::ZeroDuration(name) => {
                let is_optional = *name == "message_timeout" || name.contains("keep_alive");
                let or_none = if is_optional { ", or None to switch it off" } else { "" };
                write!(f, "{name} is shorter than a microsecond: set a longer one{or_none}")
            }
            Self::TimeoutWithoutInterval => f.write_str(
                "keep_alive has a timeout but no interval: set the interval after which to ping",
            ),
            Self::HighWaterMark { max_unsent: ..2, .. } => {
                f.write_str("max_unsent has no room for a high_water_mark: set at least 2")
            }
            Self::HighWaterMark { high_water_mark, max_unsent } => write!(
                f,
                "high_water_mark ({high_water_mark}) is more than half of max_unsent ({max_unsent}): \
                 set max_unsent to at least twice high_water_mark"
            ),
            Self::LimitTooLarge(name) => {
                write!(f, "{name} is larger than this machine's memory can be: set a smaller one")
            }
            Self::WindowBits(name, bits) => write!(f, "{name} is {bits}: set 9 to 15"),
            Self::EngineWindowBits(least) => write!(
                f,
                "the engine can't keep to windows of less than {least} bits: leave them at {least}, \
                 or choose another engine"
            ),
        }
    }
}

impl core::error::Error for ConfigError {}

#[cfg(feature = "std")]
mod io {
    use std::io;

    use super::{ProtocolError, SendError, TimeoutError};

    impl From<ProtocolError> for io::Error {
        fn from(error: ProtocolError) -> Self {
            let kind = match error {
                ProtocolError::Peer(super::PeerError::ClosedWithoutHandshake) => {
                    io::ErrorKind::UnexpectedEof
                }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_core_are_at_most_8_bytes() {
        assert!(size_of::<ProtocolError>() <= 8);
        assert!(size_of::<SendError>() <= 8);
        assert!(size_of::<Option<ProtocolError>>() <= 8);
    }
}
