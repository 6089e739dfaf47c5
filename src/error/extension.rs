//! The error of the negotiation of extensions.

use core::fmt;

/// The negotiation of extensions failed.
///
/// On a server only a violation of the grammar is an error. An offer with any other fault is
/// declined.
///
/// ```
/// use sansocket::error::EntropyError;
/// use sansocket::handshake::{ExtendedConnect, ExtensionError, Fields, HandshakeError};
/// use sansocket::{Config, ConnectRequest, Entropy, Instant};
/// # fn my_generator(bytes: &mut [u8]) -> Result<(), EntropyError> { bytes.fill(7); Ok(()) }
///
/// let config = Config::client(Entropy::from_fn(my_generator)).build()?;
/// let handshake = ExtendedConnect::new(&ConnectRequest::new("wss://example.com/")?, &config)?;
/// // The client has offered no extension.
/// let fields = [("sec-websocket-extensions", &b"permessage-deflate"[..])];
/// let result = handshake.receive_response(200, Fields::new(&fields), Instant::from_micros(0));
/// let Err(HandshakeError::Extensions(error, _)) = result else { panic!("an error") };
/// assert_eq!(error, ExtensionError::Unoffered);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtensionError {
    /// Sec-WebSocket-Extensions breaks its grammar
    /// ([RFC 6455 section 9.1](https://www.rfc-editor.org/rfc/rfc6455#section-9.1)).
    Grammar,
    /// The response has more than one Sec-WebSocket-Extensions field.
    DuplicateField,
    /// The response names an extension that was not offered.
    Unoffered,
    /// The response names an extension more than once.
    Duplicate,
    /// The response has a parameter that the extension doesn't define.
    UnknownParameter,
    /// The response has the named parameter more than once.
    DuplicateParameter(&'static str),
    /// The response has the named parameter, which was not offered.
    UnofferedParameter(&'static str),
    /// In the response, the value of the named parameter is missing, out of range, or not allowed.
    InvalidValue(&'static str),
    /// The response lacks the named parameter, which the offer requires.
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
