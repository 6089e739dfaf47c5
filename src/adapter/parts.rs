use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::connection::Connection;
use crate::driver::{Driver, Parts};
use crate::event::{Event, OwnedEvent};
use crate::inbox::Inbox;
use crate::instant::Instant;
use crate::message::{MessageKind, OwnedData};

/// A part of a message that `read_into` has received into the caller's buffer.
///
/// ```no_run
/// # #[cfg(feature = "tokio")]
/// # async fn f(
/// #     ws: &mut sansocket::tokio::WebSocket<tokio::net::TcpStream>,
/// # ) -> Result<(), sansocket::WebSocketError> {
/// let mut buffer = [0; 4096];
/// while let Some(received) = ws.read_into(&mut buffer).await? {
///     let part = &buffer[..received.len];
///     println!("{} bytes of a {:?} message", part.len(), received.kind);
///     if received.end_of_message {
///         break;
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The length of the part in bytes.
    pub len: usize,
    /// The kind of the message. A text is valid UTF-8 in total, but a part may end inside a
    /// character.
    pub kind: MessageKind,
    /// True for the last part of the message.
    pub end_of_message: bool,
}

/// The parts of a WebSocket that `into_inner` returns, for another adapter or event loop, or for
/// `resume`.
///
/// ```
/// use sansocket::blocking::{Transport, Unfinished, WebSocket};
/// use sansocket::driver::Driver;
/// use sansocket::Instant;
///
/// /// Moves a connection to an event loop of the application.
/// fn detach<S: Transport>(ws: WebSocket<S>, now: Instant) -> (S, Driver) {
///     let Unfinished { stream, connection, inbox, unread, unsent, .. } = ws.into_inner();
///     let parts = sansocket::driver::Parts { connection, inbox, unread, unsent };
///     (stream, Driver::resume(parts, now))
/// }
/// ```
#[non_exhaustive]
pub struct Unfinished<S> {
    /// The transport.
    pub stream: S,
    /// The connection.
    pub connection: Connection,
    /// The message in progress, if any.
    pub inbox: Inbox,
    /// Bytes that were read and are not processed yet.
    pub unread: BytesMut,
    /// Output that is not written yet.
    pub unsent: BytesMut,
    /// The data of a message that `read_into` has not returned yet.
    pub(crate) left_over: LeftOver,
}

impl<S> Unfinished<S> {
    /// Converts the transport, for an adapter that needs another type.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # fn f(ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>)
    /// #     -> std::io::Result<sansocket::blocking::WebSocket<std::net::TcpStream>> {
    /// // From a task to a thread, even in the middle of a message.
    /// let unfinished = ws.into_inner().map_stream(tokio::net::TcpStream::into_std)?;
    /// let ws = sansocket::blocking::WebSocket::resume(unfinished);
    /// # Ok(ws)
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of `map`. All parts are dropped then.
    pub fn map_stream<T, E>(self, map: impl FnOnce(S) -> Result<T, E>) -> Result<Unfinished<T>, E> {
        let Self { stream, connection, inbox, unread, unsent, left_over } = self;
        Ok(Unfinished { stream: map(stream)?, connection, inbox, unread, unsent, left_over })
    }

    pub(crate) fn new(stream: S, driver: Driver, left_over: LeftOver) -> Self {
        let Parts { connection, inbox, unread, unsent } = driver.into_parts();
        Self { stream, connection, inbox, unread, unsent, left_over }
    }

    /// Rebuilds the driver.
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

/// Data of a message, or of a part, that did not fit into the caller's buffer.
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

    /// Keeps the first part of a message, or a complete message, and returns its kind. `None`: the
    /// event does not begin a message.
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

    /// Copies the data of an event to `buffer` and keeps the rest. `None`: the event has no data.
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

    /// Copies kept data to `buffer`. `None`: there is none.
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
