use core::fmt;
use core::ops::Deref;

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::close_code::CloseCode;
use crate::opcode::OpCode;

/// Borrowed data of a message or of a piece of one.
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has two kinds of messages")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Text, valid UTF-8.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl<'a> Data<'a> {
    /// Returns the bytes, of either kind.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Data::Text(text) => text.as_bytes(),
            Data::Binary(bytes) => bytes,
        }
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(self) -> MessageKind {
        match self {
            Data::Text(_) => MessageKind::Text,
            Data::Binary(_) => MessageKind::Binary,
        }
    }
}

impl<'a> From<&'a str> for Data<'a> {
    fn from(text: &'a str) -> Self {
        Data::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Data<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Data::Binary(bytes)
    }
}

/// The two kinds of messages.
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has two kinds of messages")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Text, valid UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl MessageKind {
    /// The opcode of a message's first frame.
    pub(crate) const fn opcode(self) -> OpCode {
        match self {
            Self::Text => OpCode::Text,
            Self::Binary => OpCode::Binary,
        }
    }
}

/// What a Close frame says.
#[expect(clippy::exhaustive_structs, reason = "RFC 6455 section 5.5.1 has these two")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// Why.
    pub code: CloseCode,
    /// Why, for people; at most 123 bytes.
    pub reason: &'a str,
}

/// An owned message, for queues, streams and other threads.
///
/// Moved out of the inbox without a copy, or copied to its exact size from the input.
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has two kinds of messages")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedData {
    /// Text, valid UTF-8.
    Text(Utf8Bytes),
    /// Any bytes.
    Binary(Bytes),
}

impl OwnedData {
    /// Makes a text message.
    #[must_use]
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// Makes a binary message.
    #[must_use]
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Borrows the data.
    #[must_use]
    pub fn as_data(&self) -> Data<'_> {
        match self {
            Self::Text(text) => Data::Text(text.as_str()),
            Self::Binary(bytes) => Data::Binary(bytes),
        }
    }
}

/// [`Bytes`] known to be UTF-8.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utf8Bytes(Bytes);

impl Utf8Bytes {
    /// For bytes that were found to be UTF-8 as they came.
    pub(crate) const fn judged(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Borrows the text. It was checked when it was made; this looks at it again only in that the
    /// crate has no `unsafe` here, at the speed of [`core::str::from_utf8`].
    #[must_use]
    pub fn as_str(&self) -> &str {
        crate::kernel::utf8::validate(&self.0).unwrap_or_default()
    }

    /// Returns the bytes, without a look at them.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Returns the bytes, without a look at them.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(Bytes::from(Vec::from(text)))
    }
}

impl From<&'static str> for Utf8Bytes {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = core::str::Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        core::str::from_utf8(&bytes)?;
        Ok(Self(bytes))
    }
}

/// stub
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// t
    Text(Utf8Bytes),
    /// t
    Binary(Bytes),
    /// t
    Ping(Bytes),
    /// t
    Pong(Bytes),
    /// t
    Close(Option<crate::event::OwnedCloseFrame>),
}
impl Message {
    /// len
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }
    /// len
    #[must_use]
    pub fn is_text(&self) -> bool {
        false
    }
    /// len
    #[must_use]
    pub fn is_binary(&self) -> bool {
        false
    }
}
impl From<crate::event::OwnedEvent> for Message {
    fn from(_: crate::event::OwnedEvent) -> Self {
        Self::Close(None)
    }
}
