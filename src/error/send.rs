//! The error of a refused send.

use core::fmt;

use crate::entropy::EntropyError;

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
    /// ([`NO_STATUS`](crate::CloseCode::NO_STATUS)) can be sent with an empty reason only, as a Close frame without a
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

impl From<EntropyError> for SendError {
    fn from(_: EntropyError) -> Self {
        Self::Entropy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn send_errors_are_at_most_8_bytes() {
        assert!(size_of::<SendError>() <= 8);
    }
}
