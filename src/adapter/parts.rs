use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::connection::Connection;
use crate::driver::{Driver, Parts};
use crate::event::{Event, OwnedEvent};
use crate::inbox::Inbox;
use crate::instant::Instant;
use crate::message::{MessageKind, OwnedData};

/// The part of a message that `read_into` has put into the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Its length in bytes.
    pub len: usize,
    /// The kind of the message. Texts are UTF-8 as a whole; a part may end inside a character.
    pub kind: MessageKind,
    /// Whether the message ends with it.
    pub end_of_message: bool,
}

/// A WebSocket taken apart by `into_inner`, for another adapter or event loop, or for `resume`.
#[non_exhaustive]
pub struct Unfinished<S> {
    /// The transport.
    pub stream: S,
    /// The connection.
    pub connection: Connection,
    /// The message under way, if there is one.
    pub inbox: Inbox,
    /// Bytes that were read and not received.
    pub unread: BytesMut,
    /// Output that is not written yet.
    pub unsent: BytesMut,
    /// The rest of a message that `read_into` has begun to hand out.
    pub(crate) left_over: LeftOver,
}

impl<S> Unfinished<S> {
    /// Changes the type of the transport, for an adapter that needs another one.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # fn f(ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>)
    /// #     -> std::io::Result<sansocket::blocking::WebSocket<std::net::TcpStream>> {
    /// // From a task to a thread, in the middle of a message too.
    /// let unfinished = ws.into_inner().map_stream(tokio::net::TcpStream::into_std)?;
    /// let ws = sansocket::blocking::WebSocket::resume(unfinished);
    /// # Ok(ws)
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `map`: everything is dropped then.
    pub fn map_stream<T, E>(self, map: impl FnOnce(S) -> Result<T, E>) -> Result<Unfinished<T>, E> {
        let Self { stream, connection, inbox, unread, unsent, left_over } = self;
        Ok(Unfinished { stream: map(stream)?, connection, inbox, unread, unsent, left_over })
    }

    pub(crate) fn new(stream: S, driver: Driver, left_over: LeftOver) -> Self {
        let Parts { connection, inbox, unread, unsent } = driver.into_parts();
        Self { stream, connection, inbox, unread, unsent, left_over }
    }

    /// Puts the driver together again.
    pub(crate) fn into_driver(self, now: Instant) -> (S, Driver, LeftOver) {
        let Self { stream, connection, inbox, unread, unsent, left_over } = self;
        let parts = Parts { connection, inbox, unread, unsent };
        (stream, Driver::resume(parts, now), left_over)
    }
}

impl<S: fmt::Debug> fmt::Debug for Unfinished<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unfinished")
            .field("stream", &self.stream)
            .field("connection", &self.connection)
            .field("inbox", &self.inbox)
            .field("unread", &self.unread.len())
            .field("unsent", &self.unsent.len())
            .finish_non_exhaustive()
    }
}

/// The rest of a message, or of a part of one, that did not fit into the caller's buffer.
#[derive(Default)]
pub(crate) struct LeftOver(Option<Rest>);

struct Rest {
    bytes: Bytes,
    kind: MessageKind,
    end: bool,
}

impl LeftOver {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Keeps the first part of a message, or all of it, and returns its kind. `None`: the event does not
    /// begin a message.
    pub(crate) fn begin(event: OwnedEvent) -> Option<(MessageKind, Self)> {
        let (data, end) = match event {
            OwnedEvent::Message(data) => (data, true),
            OwnedEvent::Part { data, start: true, end } => (data, end),
            OwnedEvent::Part { .. }
            | OwnedEvent::Ping(_)
            | OwnedEvent::Pong(_)
            | OwnedEvent::Close(_) => return None,
        };
        let (bytes, kind) = match data {
            OwnedData::Text(text) => (text.into_bytes(), MessageKind::Text),
            OwnedData::Binary(bytes) => (bytes, MessageKind::Binary),
        };
        Some((kind, Self(Some(Rest { bytes, kind, end }))))
    }

    /// Fills `buffer` from the data of an event and keeps the rest; `None`: the event has no data.
    pub(crate) fn fill(buffer: &mut [u8], event: &Event<'_>) -> Option<(Received, Self)> {
        let (data, end) = event.data()?;
        let (bytes, kind) = (data.as_bytes(), data.kind());
        let (fits, rest) = bytes.split_at_checked(buffer.len()).unwrap_or((bytes, &[]));
        copy(buffer, fits);
        let received = Received { len: fits.len(), kind, end_of_message: end && rest.is_empty() };
        let rest =
            (!rest.is_empty()).then(|| Rest { bytes: Bytes::copy_from_slice(rest), kind, end });
        Some((received, Self(rest)))
    }

    /// Fills `buffer` from the rest that was kept; `None` without one.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> Option<Received> {
        let rest = self.0.as_mut()?;
        let fits = rest.bytes.split_to(rest.bytes.len().min(buffer.len()));
        copy(buffer, &fits);
        let end_of_message = rest.end && rest.bytes.is_empty();
        let received = Received { len: fits.len(), kind: rest.kind, end_of_message };
        if rest.bytes.is_empty() {
            self.0 = None;
        }
        Some(received)
    }
}

impl fmt::Debug for LeftOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.as_ref().map_or(0, |rest| rest.bytes.len()))
    }
}

fn copy(buffer: &mut [u8], bytes: &[u8]) {
    if let Some(place) = buffer.get_mut(..bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
