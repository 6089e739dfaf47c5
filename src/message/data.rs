use bytes::Bytes;

use crate::message::utf8_bytes::Utf8Bytes;
use crate::opcode::OpCode;

/// Borrowed data of a message or of a part of a message.
///
/// ```
/// use sansocket::message::{Data, MessageKind, OwnedData};
///
/// let data = Data::from("hello");
/// assert_eq!(data.kind(), MessageKind::Text);
/// assert_eq!(data.as_bytes(), b"hello");
/// assert_eq!(OwnedData::from(data), OwnedData::text("hello"));
/// ```
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has two kinds of messages")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Text, valid UTF-8.
    Text(&'a str),
    /// Arbitrary bytes.
    Binary(&'a [u8]),
}

impl<'a> Data<'a> {
    /// Returns the bytes of either kind.
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
///
/// ```
/// use sansocket::message::{Data, MessageKind};
///
/// assert_eq!(Data::Binary(&[1, 2]).kind(), MessageKind::Binary);
/// ```
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has two kinds of messages")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Text, valid UTF-8.
    Text,
    /// Arbitrary bytes.
    Binary,
}

impl MessageKind {
    /// Returns the opcode of a message's first frame.
    pub(crate) const fn opcode(self) -> OpCode {
        match self {
            Self::Text => OpCode::Text,
            Self::Binary => OpCode::Binary,
        }
    }
}

/// Owned data of a message or of a part of a message: the owned form of [`Data`].
///
/// Data of an inbox is moved out of it without a copy. Data of an input is copied to a buffer of
/// its exact size.
///
/// ```
/// use sansocket::message::{Data, OwnedData};
///
/// let data = OwnedData::binary(vec![1, 2, 3]);
/// assert_eq!(data.as_data(), Data::Binary(&[1, 2, 3]));
/// assert_eq!(data.into_bytes(), [1, 2, 3][..]);
/// ```
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has two kinds of messages")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedData {
    /// Text, valid UTF-8.
    Text(Utf8Bytes),
    /// Arbitrary bytes.
    Binary(Bytes),
}

impl OwnedData {
    /// Creates data from text.
    #[must_use]
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// Creates data from bytes.
    #[must_use]
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Returns the bytes of either kind, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
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

impl From<Data<'_>> for OwnedData {
    /// Copies the data to a buffer of its exact size.
    fn from(data: Data<'_>) -> Self {
        match data {
            Data::Text(text) => Self::Text(text.into()),
            Data::Binary(bytes) => Self::Binary(Bytes::copy_from_slice(bytes)),
        }
    }
}
