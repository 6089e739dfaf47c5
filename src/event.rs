use bytes::Bytes;

use crate::message::{CloseFrame, Data, Message, OwnedCloseFrame, OwnedData};

/// A received message, part of a message, or control frame.
///
/// An event borrows from the input or the inbox, never from the connection. So the connection can
/// send a reply while the event is in use:
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Connection, Event, Inbox, Input};
///
/// fn echo(
///     connection: &mut Connection,
///     input: &mut Input<'_>,
///     inbox: &mut Inbox,
///     out: &mut BytesMut,
/// ) -> Result<(), Box<dyn core::error::Error>> {
///     while let Some(event) = connection.receive(input, inbox, out)? {
///         match event {
///             Event::Text(text) => connection.send_text(text, out)?,
///             Event::Binary(bytes) => connection.send_binary(bytes, out)?,
///             // The replies to pings and to a Close frame are in `out` already.
///             _ => {}
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A complete text message.
    Text(&'a str),
    /// A complete binary message.
    Binary(&'a [u8]),
    /// A part of a message, with [`Delivery::Parts`](crate::config::Delivery::Parts). It has at
    /// most the bytes of the input, or 16 KiB of inflated data. Texts are cut between characters,
    /// so a part can be empty.
    Part {
        /// The bytes or the text of the part.
        data: Data<'a>,
        /// True for the first part of a message.
        start: bool,
        /// True for the last part of a message.
        end: bool,
    },
    /// A ping. The pong was appended to `out` already, or is appended as soon as `out` has room.
    Ping(&'a [u8]),
    /// A pong: the reply to a ping, or unsolicited.
    Pong(&'a [u8]),
    /// The peer's Close frame, `None` if it has no code. Our Close frame is in `out`, after the
    /// replies to all earlier messages, unless it was sent before. Input after the peer's Close
    /// frame is ignored.
    Close(Option<CloseFrame<'a>>),
}

impl<'a> Event<'a> {
    /// Returns the data of a message or of a part, and true if the message ends with it.
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

/// An owned [`Event`], for queues, streams and other threads.
///
/// ```
/// use sansocket::Event;
/// use sansocket::connection::OwnedEvent;
///
/// let (sender, receiver) = std::sync::mpsc::channel();
/// sender.send(OwnedEvent::from(Event::Text("Hello")))?;
/// let OwnedEvent::Message(data) = receiver.recv()? else { panic!("not a message") };
/// assert_eq!(data.as_data().as_bytes(), b"Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedEvent {
    /// A complete message.
    Message(OwnedData),
    /// A part of a message, with [`Delivery::Parts`](crate::config::Delivery::Parts).
    Part {
        /// The bytes or the text of the part.
        data: OwnedData,
        /// True for the first part of a message.
        start: bool,
        /// True for the last part of a message.
        end: bool,
    },
    /// A ping. The pong was appended to `out` already, or is appended as soon as `out` has room.
    Ping(Bytes),
    /// A pong: the reply to a ping, or unsolicited.
    Pong(Bytes),
    /// The peer's Close frame, `None` if it has no code. Our Close frame is in `out`, unless it was
    /// sent before.
    Close(Option<OwnedCloseFrame>),
}

impl From<Event<'_>> for OwnedEvent {
    /// Copies the data of the event into memory of its exact size.
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
    /// Converts an event. With [`Delivery::Parts`](crate::config::Delivery::Parts) each part
    /// becomes a separate message.
    fn from(event: OwnedEvent) -> Self {
        match event {
            OwnedEvent::Message(data) | OwnedEvent::Part { data, .. } => data.into(),
            OwnedEvent::Ping(payload) => Self::Ping(payload),
            OwnedEvent::Pong(payload) => Self::Pong(payload),
            OwnedEvent::Close(frame) => Self::Close(frame),
        }
    }
}
