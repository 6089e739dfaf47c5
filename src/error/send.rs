//! The error of a refused send.

use core::fmt;

use crate::entropy::EntropyError;

/// A send was refused: no bytes were appended to the output, and the connection is unchanged.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::connection::Negotiated;
/// use sansocket::error::SendError;
/// use sansocket::{CloseCode, Config, Connection, Instant, Role};
///
/// let config = Config::server().max_unsent(4).build().unwrap();
/// let mut server =
///     Connection::new(Role::Server, &config, &Negotiated::new(), Instant::from_micros(0));
/// let mut out = BytesMut::new();
///
/// server.send_text("one message may exceed the limit", &mut out)?;
/// assert_eq!(server.send_text("hi", &mut out), Err(SendError::Full));
/// out.clear(); // written
/// server.send_text("hi", &mut out)?;
/// # Ok::<(), SendError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame was sent, or the connection has failed: no more messages can be sent.
    Closed,
    /// The opening handshake is not complete: messages can't be sent yet.
    NotOpen,
    /// The output holds `max_unsent` bytes or more; for unsolicited sends, `max_unsent -
    /// high_water_mark` or more. Write the output first.
    Full,
    /// The payload of a ping or pong has more than 125 bytes.
    ControlTooLong,
    /// The reason of a Close frame has more than 123 bytes.
    ReasonTooLong,
    /// The close code must not be sent. Use 1000 to 1003, 1007 to 1014, or 3000 to 4999.
    /// [`NO_STATUS`](crate::CloseCode::NO_STATUS) (1005) stands for a Close frame without a code,
    /// and is accepted with an empty reason only.
    UnsendableCode(u16),
    /// A message in parts is in progress: end it first. All its parts have the same kind.
    MessageInProgress,
    /// The payload can be written by the caller on a server only: a client masks it.
    NotAServer,
    /// The announced payload is longer than any slice can be.
    LengthTooLarge,
    /// There is no mask key. The source of randomness failed, or a client has the config of a
    /// server, which has no such source: use [`Config::client`](crate::Config::client).
    Entropy,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection is closing or closed: no more messages can be sent",
            Self::NotOpen => "the opening handshake is not complete: messages can't be sent yet",
            Self::Full => {
                "the output is full: write it first, or set a larger max_unsent (unsolicited sends \
                 have room up to max_unsent - high_water_mark)"
            }
            Self::ControlTooLong => "a ping or pong carries at most 125 bytes",
            Self::ReasonTooLong => "the reason of a Close frame has at most 123 bytes",
            Self::UnsendableCode(1005) => {
                "the close code 1005 stands for a Close frame without a code: send it with an \
                 empty reason"
            }
            Self::UnsendableCode(code) => {
                return write!(
                    f,
                    "the close code {code} must not be sent: use 1000 to 1003, 1007 to 1014 or \
                     3000 to 4999"
                );
            }
            Self::MessageInProgress => {
                "a message in parts is in progress: end it first, and keep to its kind"
            }
            Self::NotAServer => "a client masks its payload: only a server can write it separately",
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
