//! The errors of a head.

use core::fmt;

use crate::error::protocol::LimitError;

/// A head breaks a rule of HTTP/1.1 or exceeds a limit.
///
/// ```
/// use sansocket::handshake::{HeadError, ServerHandshake};
/// use sansocket::{Config, Input, Instant};
///
/// let now = Instant::from_micros(0);
/// let mut handshake = ServerHandshake::new(&Config::server().build().unwrap(), now);
/// let mut bytes = *b"GET / HTTP/1.1\r\nHost : example.com\r\n\r\n";
/// let refusal = handshake.receive(&mut Input::new(now, &mut bytes)).unwrap_err();
/// assert_eq!(refusal.status(), 400);
/// assert!(refusal.to_string().contains(&HeadError::FieldName.to_string()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeadError {
    /// The method is not a token, or is not followed by exactly one space.
    Method,
    /// The request target is missing or has a character that is not allowed in it.
    Target,
    /// The version is not `HTTP/1.1`, or is followed by other bytes on its line.
    Version,
    /// The major version of HTTP is not 1.
    MajorVersion,
    /// The status is not three digits from 100 to 599, followed by a space or the end of the line.
    Status,
    /// The name of a field is not a token, or is not directly followed by a colon.
    FieldName,
    /// The value of a field, or the reason phrase of a status line, has a control character.
    ControlCharacter,
    /// A line doesn't end with CR LF.
    LineEnd,
    /// A line begins with a space or tab: obsolete line folding (RFC 9112 section 5.2).
    Folding,
    /// There is not exactly one Host field, or its value is not a valid host.
    Host,
    /// Content-Length occurs more than once, is not a number, or occurs together with
    /// Transfer-Encoding.
    ContentLength,
    /// Transfer-Encoding occurs more than once, or its last coding is not `chunked`.
    TransferEncoding,
    /// A limit of the [`Config`](crate::Config) was exceeded.
    Limit(LimitError),
}

impl HeadError {
    /// Returns the error of a byte that is not allowed in a value or reason phrase.
    pub(crate) const fn control(byte: u8) -> Self {
        if byte == b'\n' { Self::LineEnd } else { Self::ControlCharacter }
    }

    /// Returns the text of the error. Refusals use it as their body.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Method => "the method is not a token followed by one space",
            Self::Target => "the request target is missing or has a character that is not allowed",
            Self::Version => "the version is not HTTP/1.1",
            Self::MajorVersion => "the major version of HTTP is not 1",
            Self::Status => "the status is not three digits from 100 to 599",
            Self::FieldName => "a field name is not a token followed by a colon",
            Self::ControlCharacter => "a field value or reason has a control character",
            Self::LineEnd => "a line doesn't end with CR LF",
            Self::Folding => "a line begins with a space or tab",
            Self::Host => "there must be exactly one valid Host field",
            Self::ContentLength => {
                "there must be at most one Content-Length, a number, and no Transfer-Encoding \
                 with it"
            }
            Self::TransferEncoding => {
                "there must be at most one Transfer-Encoding, which must end with chunked"
            }
            Self::Limit(LimitError::TooManyFields) => {
                "the head has more fields than max_head_fields allows"
            }
            Self::Limit(_) => "the head is longer than max_head_len allows",
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for HeadError {}

impl From<LimitError> for HeadError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}
