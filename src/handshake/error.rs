//! The errors of a client's opening handshake.

use core::fmt;

use alloc::boxed::Box;

use crate::error::extension::ExtensionError;
use crate::error::protocol::LimitError;
use crate::handshake::accept_key::AcceptKey;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::excerpt::{Excerpt, Text};
use crate::handshake::rules::response::Fault;
use crate::http1::error::HeadError;

/// The opening handshake of a client has failed: end the transport.
///
/// `Display` shows the invalid values, escaped; `Debug` shows lengths only.
///
/// ```
/// use sansocket::handshake::HandshakeError;
///
/// fn is_worth_a_retry(error: &HandshakeError) -> bool {
///     match error {
///         HandshakeError::Timeout | HandshakeError::ClosedWithoutResponse => true,
///         HandshakeError::Status(response) => response.status() >= 500,
///         _ => false,
///     }
/// }
///
/// assert!(is_worth_a_retry(&HandshakeError::Timeout));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The status is not the one that opens a WebSocket: a refusal, a redirect or a request for
    /// credentials. [`ConnectResponse::body`] often explains it. Redirects are not followed; their
    /// Location is among [`ConnectResponse::fields`].
    Status(Box<ConnectResponse>),
    /// Sec-WebSocket-Accept is missing, or doesn't match our key. The server doesn't implement the
    /// protocol, or the response is from a cache.
    BadAccept(Box<BadAccept>),
    /// Upgrade is missing or isn't `websocket`.
    BadUpgrade(Box<ConnectResponse>),
    /// Connection is missing or doesn't list `Upgrade`.
    BadConnection(Box<ConnectResponse>),
    /// The server chose a subprotocol that was not offered, or more than one.
    UnofferedSubprotocol(Box<UnofferedSubprotocol>),
    /// The negotiation of extensions failed.
    Extensions(ExtensionError, Box<ConnectResponse>),
    /// A field that is allowed only once occurs again.
    DuplicateField(&'static str, Box<ConnectResponse>),
    /// The response has a field that HTTP/2 and HTTP/3 forbid, such as Connection.
    ForbiddenField(&'static str, Box<ConnectResponse>),
    /// The response is not HTTP/1.1.
    BadHead(HeadError),
    /// The response exceeds a limit of the [`Config`](crate::Config).
    Limit(LimitError),
    /// The response was not complete in time.
    Timeout,
    /// The transport ended before the response was complete.
    ClosedWithoutResponse,
}

impl HandshakeError {
    /// Creates the error of a response that breaks a rule.
    pub(crate) fn new(fault: Fault, response: ConnectResponse, request: &ConnectRequest) -> Self {
        match fault {
            Fault::Accept(expected) => Self::BadAccept(Box::new(BadAccept { expected, response })),
            Fault::Connection => Self::BadConnection(Box::new(response)),
            Fault::DuplicateField(name) => Self::DuplicateField(name, Box::new(response)),
            Fault::Extensions(error) => Self::Extensions(error, Box::new(response)),
            Fault::ForbiddenField(name) => Self::ForbiddenField(name, Box::new(response)),
            Fault::Head(error) => error.into(),
            Fault::Subprotocol => {
                let request = request.clone();
                Self::UnofferedSubprotocol(Box::new(UnofferedSubprotocol { request, response }))
            }
            Fault::Upgrade => Self::BadUpgrade(Box::new(response)),
        }
    }

    /// Returns the response, if a complete one was read.
    #[must_use]
    pub fn response(&self) -> Option<&ConnectResponse> {
        match self {
            Self::Status(response)
            | Self::BadUpgrade(response)
            | Self::BadConnection(response)
            | Self::Extensions(_, response)
            | Self::DuplicateField(_, response)
            | Self::ForbiddenField(_, response) => Some(response),
            Self::BadAccept(error) => Some(&error.response),
            Self::UnofferedSubprotocol(error) => Some(&error.response),
            Self::BadHead(_) | Self::Limit(_) | Self::Timeout | Self::ClosedWithoutResponse => None,
        }
    }
}

impl From<HeadError> for HandshakeError {
    fn from(error: HeadError) -> Self {
        if let HeadError::Limit(limit) = error { Self::Limit(limit) } else { Self::BadHead(error) }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(response) => {
                write!(f, "the server answered {}", response.status())?;
                match response.reason() {
                    [] => Ok(()),
                    reason => write!(f, " {}", Text(reason)),
                }?;
                if (300..400).contains(&response.status()) {
                    f.write_str(" (redirects are not followed)")?;
                }
                Ok(())
            }
            Self::BadAccept(error) => error.fmt(f),
            Self::BadUpgrade(response) => {
                write!(f, "the server's Upgrade is {}, not websocket", Values(response, "Upgrade"))
            }
            Self::BadConnection(response) => {
                let values = Values(response, "Connection");
                write!(f, "the server's Connection is {values} and doesn't list Upgrade")
            }
            Self::UnofferedSubprotocol(error) => error.fmt(f),
            Self::Extensions(ExtensionError::Declined, _) => ExtensionError::Declined.fmt(f),
            Self::Extensions(error, response) => {
                let values = Values(response, "Sec-WebSocket-Extensions");
                write!(f, "{error}: its Sec-WebSocket-Extensions is {values}")
            }
            Self::DuplicateField(name, response) => {
                let values = Values(response, name);
                write!(f, "the server's response has more than one {name}: {values}")
            }
            Self::ForbiddenField(name, _) => {
                write!(
                    f,
                    "the server's response has the field {name}, which HTTP/2 and HTTP/3 forbid"
                )
            }
            // For example, the alert of a TLS server or the banner of another protocol.
            Self::BadHead(HeadError::Version) => {
                f.write_str("the server doesn't speak HTTP/1.1 (if it speaks TLS, use wss://)")
            }
            Self::BadHead(error) => {
                write!(f, "the server's response is not HTTP/1.1: {error}")
            }
            Self::Limit(error) => error.fmt(f),
            Self::Timeout => f.write_str(
                "the server didn't answer the handshake in time (setting: handshake_timeout)",
            ),
            Self::ClosedWithoutResponse => {
                f.write_str("the server closed the connection before its response was complete")
            }
        }
    }
}

impl core::error::Error for HandshakeError {}

/// The Sec-WebSocket-Accept of a response is missing or doesn't match the key.
///
/// ```
/// use sansocket::handshake::HandshakeError;
///
/// fn log(error: &HandshakeError) {
///     if let HandshakeError::BadAccept(error) = error {
///         eprintln!("expected {}, received {:?}", error.expected(), error.received());
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct BadAccept {
    expected: AcceptKey,
    response: ConnectResponse,
}

impl BadAccept {
    /// Returns the value that matches our key.
    #[must_use]
    pub fn expected(&self) -> &str {
        self.expected.as_str()
    }

    /// Returns the server's value.
    #[must_use]
    pub fn received(&self) -> Option<&[u8]> {
        self.response.fields().get("Sec-WebSocket-Accept")
    }

    /// Returns the complete response.
    #[must_use]
    pub const fn response(&self) -> &ConnectResponse {
        &self.response
    }
}

impl fmt::Display for BadAccept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = Values(&self.response, "Sec-WebSocket-Accept");
        write!(f, "the server's Sec-WebSocket-Accept is {values}, not {}", self.expected())
    }
}

/// The server has chosen a subprotocol that was not offered, or several.
///
/// ```
/// use sansocket::handshake::HandshakeError;
///
/// fn log(error: &HandshakeError) {
///     if let HandshakeError::UnofferedSubprotocol(error) = error {
///         let offered: Vec<&str> = error.offered().collect();
///         eprintln!("offered {offered:?}, received {:?}", error.received());
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct UnofferedSubprotocol {
    request: ConnectRequest,
    response: ConnectResponse,
}

impl UnofferedSubprotocol {
    /// Returns the subprotocols that were offered.
    pub fn offered(&self) -> impl Iterator<Item = &str> {
        self.request.offered_subprotocols()
    }

    /// Returns the server's value.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        self.response.fields().get("Sec-WebSocket-Protocol").unwrap_or_default()
    }

    /// Returns the complete response.
    #[must_use]
    pub const fn response(&self) -> &ConnectResponse {
        &self.response
    }
}

impl fmt::Display for UnofferedSubprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let received = Excerpt(self.received());
        write!(f, "the server chose the subprotocol {received}; the client offered ")?;
        let mut offered = self.offered();
        let Some(first) = offered.next() else { return f.write_str("none") };
        f.write_str(first)?;
        offered.try_for_each(|name| write!(f, ", {name}"))
    }
}

/// The values of a field, for an error text.
struct Values<'a>(&'a ConnectResponse, &'static str);

impl fmt::Display for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The number of values that are shown.
        const MAX_LINES: usize = 3;

        let mut values = self.0.fields().get_all(self.1);
        let Some(first) = values.next() else { return f.write_str("missing") };
        write!(f, "{}", Excerpt(first))?;
        for value in values.by_ref().take(MAX_LINES - 1) {
            write!(f, ", {}", Excerpt(value))?;
        }
        if values.next().is_some() { f.write_str(", ...") } else { Ok(()) }
    }
}
