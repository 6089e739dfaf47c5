//! What can be wrong with a head.

use core::fmt;

use crate::error::protocol::LimitError;

/// A head that breaks a rule of HTTP/1.1, or passes a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeadError {
    /// The method is not a token, or no single space follows it.
    Method,
    /// The request target is missing or has characters that it can't have.
    Target,
    /// The version is not `HTTP/1.1`; nothing may follow it on its line.
    Version,
    /// Another major version of HTTP.
    MajorVersion,
    /// The status is not three digits from 100 to 599, followed by a space or the line's end.
    Status,
    /// A field's name is not a token that ends with a colon.
    FieldName,
    /// A field's value, or the reason of a status, has a control character.
    ControlCharacter,
    /// A line doesn't end with CR LF.
    LineEnd,
    /// A line begins with a blank.
    Folding,
    /// Not exactly one Host field, or not a host.
    Host,
    /// More than one Content-Length, or not a number, or a Transfer-Encoding beside it.
    ContentLength,
    /// More than one Transfer-Encoding, or one that doesn't end with `chunked`.
    TransferEncoding,
    /// A limit of the [`Config`](crate::Config) was passed.
    Limit(LimitError),
}

impl HeadError {
    /// What a byte in the wrong place of a value or reason is.
    pub(crate) const fn control(byte: u8) -> Self {
        if byte == b'\n' { Self::LineEnd } else { Self::ControlCharacter }
    }

    /// What happened, for people.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Method => "the method is not a token followed by one space",
            Self::Target => "the request target is missing or has a character it can't have",
            Self::Version => "the version is not HTTP/1.1",
            Self::MajorVersion => "the major version of HTTP is not 1",
            Self::Status => "the status is not three digits from 100 to 599",
            Self::FieldName => "a field name is not a token followed by a colon",
            Self::ControlCharacter => "a field value or reason has a control character",
            Self::LineEnd => "a line doesn't end with CR LF",
            Self::Folding => "a line begins with a blank",
            Self::Host => "there must be exactly one valid Host field",
            Self::ContentLength => {
                "there must be at most one Content-Length, a number, and no Transfer-Encoding \
                 beside it"
            }
            Self::TransferEncoding => {
                "there must be at most one Transfer-Encoding, which ends with chunked"
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
