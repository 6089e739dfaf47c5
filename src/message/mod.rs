//! The contents of messages and Close frames, borrowed and owned.
//!
//! | borrowed | owned | contents |
//! |---|---|---|
//! | [`Data`] | [`OwnedData`] | a text or binary message, or a part of one |
//! | [`CloseFrame`] | [`OwnedCloseFrame`] | the code and the reason of a Close frame |
//! | [`Event`](crate::Event) | [`Message`] | a message or a control frame |
//!
//! [`SendOptions`] determine how a message is sent.
//!
//! ```
//! use sansocket::Message;
//! use sansocket::message::{Data, OwnedData};
//!
//! let message = Message::from(OwnedData::text("hello"));
//! assert_eq!(message.as_data(), Some(Data::Text("hello")));
//! ```

mod close_frame;
mod data;
pub(crate) mod options;
mod utf8_bytes;

use core::fmt;
use core::str::Utf8Error;

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::kernel::utf8::from_utf8;

pub use crate::message::close_frame::{CloseFrame, OwnedCloseFrame};
pub use crate::message::data::{Data, MessageKind, OwnedData};
pub use crate::message::options::{Compress, SendOptions};
pub use crate::message::utf8_bytes::Utf8Bytes;

/// An owned message or control frame: the item type of streams and sinks.
///
/// It has the variants and methods of the `Message` of tungstenite and axum. Code for those needs
/// these changes:
///
/// * Import [`OwnedCloseFrame`] for `CloseFrame`.
/// * Codes are constants of [`CloseCode`](crate::CloseCode): tungstenite's `CloseCode::Away` is
///   `CloseCode::GOING_AWAY`. A number, as in axum, is converted by `1001.into()`.
/// * The errors of [`to_text`](Self::to_text) and [`into_text`](Self::into_text) are those of the
///   standard library.
/// * A stream of messages ends with `None` when the connection is closed, not with an error such as
///   `ConnectionClosed`.
/// * To close with a code, send [`Message::Close`].
///
/// Clones share the memory.
///
/// ```
/// use sansocket::message::OwnedCloseFrame as CloseFrame;
/// use sansocket::{CloseCode, Message};
///
/// fn reply(message: Message) -> Option<Message> {
///     match message {
///         Message::Text(text) => Some(Message::text(text.to_uppercase())),
///         Message::Binary(bytes) => Some(Message::Binary(bytes)),
///         Message::Ping(_) | Message::Pong(_) => None,
///         Message::Close(_) => {
///             let frame = CloseFrame { code: CloseCode::NORMAL, reason: "bye".into() };
///             Some(Message::Close(Some(frame)))
///         }
///     }
/// }
///
/// assert_eq!(reply("hello".into()), Some(Message::from("HELLO")));
/// assert_eq!(reply(Message::binary(vec![1, 2])).unwrap().into_data(), [1, 2][..]);
/// assert_eq!(reply(Message::Close(None)).unwrap().to_text()?, "bye");
/// # Ok::<(), core::str::Utf8Error>(())
/// ```
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 6455 has these five, and axum's users match them without a wildcard"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A ping, at most 125 bytes. A received ping has been answered already.
    Ping(Bytes),
    /// A pong, at most 125 bytes: the answer to a ping, or unsolicited.
    Pong(Bytes),
    /// A Close frame; `None` if it has no code.
    Close(Option<OwnedCloseFrame>),
}

impl Message {
    /// Creates a text message.
    #[must_use]
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// Creates a binary message.
    #[must_use]
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Returns the payload, without a copy. The payload of a Close frame is its reason.
    ///
    /// ```
    /// use sansocket::Message;
    ///
    /// assert_eq!(Message::text("hello").into_data(), "hello");
    /// assert_eq!(Message::Close(None).into_data(), "");
    /// ```
    #[must_use]
    pub fn into_data(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes,
            Self::Close(frame) => frame.map(|frame| frame.reason.into_bytes()).unwrap_or_default(),
        }
    }

    /// Returns the payload as text, without a copy. The payload of a Close frame is its reason.
    ///
    /// # Errors
    /// [`Utf8Error`] if the payload of another variant than `Text` isn't UTF-8. The message is lost
    /// in that case; [`to_text`](Self::to_text) doesn't consume it.
    ///
    /// ```
    /// use sansocket::Message;
    ///
    /// assert_eq!(Message::binary("hello").into_text()?, "hello");
    /// assert!(Message::binary(vec![0xff]).into_text().is_err());
    /// # Ok::<(), core::str::Utf8Error>(())
    /// ```
    pub fn into_text(self) -> Result<Utf8Bytes, Utf8Error> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.try_into(),
            Self::Close(frame) => Ok(frame.map(|frame| frame.reason).unwrap_or_default()),
        }
    }

    /// Borrows the payload as text. The payload of a Close frame is its reason.
    ///
    /// # Errors
    /// [`Utf8Error`] if the payload of another variant than `Text` isn't UTF-8.
    pub fn to_text(&self) -> Result<&str, Utf8Error> {
        match self {
            Self::Text(text) => Ok(text.as_str()),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => from_utf8(bytes),
            Self::Close(frame) => Ok(frame.as_ref().map_or("", |frame| frame.reason.as_str())),
        }
    }

    /// Borrows the data of a text or binary message; `None` for a control frame.
    ///
    /// ```
    /// use sansocket::Message;
    /// use sansocket::message::Data;
    ///
    /// assert_eq!(Message::text("hello").as_data(), Some(Data::Text("hello")));
    /// assert_eq!(Message::Ping("hello".into()).as_data(), None);
    /// ```
    #[must_use]
    pub fn as_data(&self) -> Option<Data<'_>> {
        match self {
            Self::Text(text) => Some(Data::Text(text.as_str())),
            Self::Binary(bytes) => Some(Data::Binary(bytes)),
            Self::Ping(_) | Self::Pong(_) | Self::Close(_) => None,
        }
    }

    /// Returns the length of the payload, in bytes. The payload of a Close frame is its reason.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
            Self::Close(frame) => frame.as_ref().map_or(0, |frame| frame.reason.len()),
        }
    }

    /// Returns true if [`len`](Self::len) is 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns true for a text message.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Returns true for a binary message.
    #[must_use]
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Returns true for a ping.
    #[must_use]
    pub const fn is_ping(&self) -> bool {
        matches!(self, Self::Ping(_))
    }

    /// Returns true for a pong.
    #[must_use]
    pub const fn is_pong(&self) -> bool {
        matches!(self, Self::Pong(_))
    }

    /// Returns true for a Close frame.
    #[must_use]
    pub const fn is_close(&self) -> bool {
        matches!(self, Self::Close(_))
    }
}

impl fmt::Display for Message {
    /// Writes the payload if it is text, otherwise its length. For a Close frame, writes the code
    /// and the reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Close(Some(frame)) = self {
            return frame.fmt(f);
        }
        match self.to_text() {
            Ok(text) => text.fmt(f),
            Err(_) => write!(f, "{} bytes", self.len()),
        }
    }
}

impl From<&str> for Message {
    /// Creates a text message from a copy of the text.
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<&String> for Message {
    /// Creates a text message from a copy of the text.
    fn from(text: &String) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    /// Creates a text message, without a copy.
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Utf8Bytes> for Message {
    /// Creates a text message, without a copy.
    fn from(text: Utf8Bytes) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Message {
    /// Creates a binary message from a copy of the bytes.
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}

impl From<Vec<u8>> for Message {
    /// Creates a binary message, without a copy.
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

impl From<Bytes> for Message {
    /// Creates a binary message, without a copy.
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<OwnedData> for Message {
    fn from(data: OwnedData) -> Self {
        match data {
            OwnedData::Text(text) => Self::Text(text),
            OwnedData::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<Message> for Bytes {
    /// Returns the payload, without a copy. See [`Message::into_data`].
    fn from(message: Message) -> Self {
        message.into_data()
    }
}

impl From<Message> for Vec<u8> {
    /// Returns the payload, without a copy if the memory isn't shared. See [`Message::into_data`].
    fn from(message: Message) -> Self {
        message.into_data().into()
    }
}
