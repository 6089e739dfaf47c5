use bytes::Bytes;

use crate::message::{CloseFrame, Data, Message, OwnedCloseFrame, OwnedData};

/// What has been received, lent from the input or the inbox, never from the connection: answer
/// while you hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A piece of a message, with [`Delivery::Parts`](crate::config::Delivery::Parts): at most what
    /// arrived, or 16 KiB of what it was inflated to. Texts are cut at characters, so a piece can be
    /// empty.
    Part {
        /// The piece.
        data: Data<'a>,
        /// Whether the message begins with it.
        start: bool,
        /// Whether the message ends with it.
        end: bool,
    },
    /// Answered already: the pong is in `out`.
    Ping(&'a [u8]),
    /// An answer to a ping, or unsolicited.
    Pong(&'a [u8]),
    /// The peer closes; the answer is in `out`, behind the answers to everything before it.
    /// `None`: a Close frame without a code. Nothing that comes behind it is looked at.
    Close(Option<CloseFrame<'a>>),
}

impl<'a> Event<'a> {
    /// Returns the data of a message or of a part, and whether the message ends with it.
    #[must_use]
    pub const fn data(&self) -> Option<(Data<'a>, bool)> {
        match *self {
            Event::Text(text) => Some((Data::Text(text), true)),
            Event::Binary(bytes) => Some((Data::Binary(bytes), true)),
            Event::Part { data, end, .. } => Some((data, end)),
            Event::Ping(_) | Event::Pong(_) | Event::Close(_) => None,
        }
    }
}

/// The owned twin of [`Event`], for queues, streams and other threads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedEvent {
    /// A whole message.
    Message(OwnedData),
    /// A piece of a message, with [`Delivery::Parts`](crate::config::Delivery::Parts).
    Part {
        /// The piece.
        data: OwnedData,
        /// Whether the message begins with it.
        start: bool,
        /// Whether the message ends with it.
        end: bool,
    },
    /// Answered already: the pong is in `out`.
    Ping(Bytes),
    /// An answer to a ping, or unsolicited.
    Pong(Bytes),
    /// The peer closes; the answer is in `out`.
    Close(Option<OwnedCloseFrame>),
}

impl From<Event<'_>> for OwnedEvent {
    /// Copies what is lent to its exact size.
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Message(Data::Text(text).into()),
            Event::Binary(bytes) => Self::Message(Data::Binary(bytes).into()),
            Event::Part { data, start, end } => Self::Part { data: data.into(), start, end },
            Event::Ping(payload) => Self::Ping(Bytes::copy_from_slice(payload)),
            Event::Pong(payload) => Self::Pong(Bytes::copy_from_slice(payload)),
            Event::Close(frame) => Self::Close(frame.map(Into::into)),
        }
    }
}

impl From<OwnedEvent> for Message {
    /// With [`Delivery::Parts`](crate::config::Delivery::Parts) each part becomes a message of its own.
    fn from(event: OwnedEvent) -> Self {
        match event {
            OwnedEvent::Message(data) | OwnedEvent::Part { data, .. } => data.into(),
            OwnedEvent::Ping(payload) => Self::Ping(payload),
            OwnedEvent::Pong(payload) => Self::Pong(payload),
            OwnedEvent::Close(frame) => Self::Close(frame),
        }
    }
}
