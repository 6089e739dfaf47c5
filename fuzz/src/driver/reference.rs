//! The expected results of the peer's stream, from the handshakes and a bare `Connection`.

use bytes::BytesMut;
use sansocket::connection::{Negotiated, OwnedEvent};
use sansocket::error::{PeerError, ProtocolError};
use sansocket::handshake::{ClientHandshake, ServerHandshake};
use sansocket::message::Data;
use sansocket::{Connection, Event, Inbox, Input, Instant, Role};

use super::plan::Plan;

/// The result of the opening handshake, if only the stream determines it.
#[derive(Clone, Debug)]
pub(super) enum Opening {
    /// The scenario has no opening handshake.
    None,
    /// The stream ends before the head does.
    Unfinished,
    /// The head is invalid.
    Failed,
    /// A request of `at` bytes, with its response.
    Request { at: usize, answer: Vec<u8>, accepted: Option<Negotiated> },
    /// The response that opens the connection, of `at` bytes.
    Response { at: usize, negotiated: Negotiated },
}

impl Opening {
    pub(super) fn of(plan: &Plan) -> Self {
        if !plan.opens {
            return Self::None;
        }
        let mut stream = plan.stream.clone();
        let mut input = Input::new(plan.start, &mut stream);
        let mut out = BytesMut::new();
        match plan.role {
            Role::Server => {
                let mut handshake = ServerHandshake::new(&plan.config, plan.start);
                let head = match handshake.receive(&mut input) {
                    Ok(None) => return Self::Unfinished,
                    Ok(Some(head)) => head,
                    Err(_) => return Self::Failed,
                };
                let at = plan.stream.len() - input.len();
                let upgrade = head.upgrade();
                let accepted = match upgrade.and_then(|upgrade| upgrade.accept(&plan.options)) {
                    Ok(accepted) => {
                        accepted.write(&mut out);
                        Some(accepted.negotiated().clone())
                    }
                    Err(refusal) => {
                        refusal.write(&mut out);
                        None
                    }
                };
                Self::Request { at, answer: out.to_vec(), accepted }
            }
            Role::Client => {
                let handshake =
                    ClientHandshake::new(&plan.request, &plan.config, plan.start, &mut out);
                match handshake.expect("entropy is available").receive(&mut input) {
                    Ok(None) => Self::Unfinished,
                    Ok(Some((connection, _))) => {
                        let negotiated = negotiated(&connection);
                        Self::Response { at: plan.stream.len() - input.len(), negotiated }
                    }
                    Err(_) => Self::Failed,
                }
            }
        }
    }

    /// Returns the position of the first frame and the negotiated options, if a connection is
    /// opened.
    pub(super) fn opened(&self, plan: &Plan) -> Option<(usize, Negotiated)> {
        match self {
            Self::None => Some((0, plan.negotiated.clone())),
            Self::Request { at, accepted: Some(negotiated), .. }
            | Self::Response { at, negotiated } => Some((*at, negotiated.clone())),
            Self::Unfinished | Self::Failed | Self::Request { .. } => None,
        }
    }
}

#[cfg(feature = "deflate")]
fn negotiated(connection: &Connection) -> Negotiated {
    match connection.deflate() {
        Some(agreement) => Negotiated::new().with_deflate(agreement),
        None => Negotiated::new(),
    }
}

#[cfg(not(feature = "deflate"))]
fn negotiated(_: &Connection) -> Negotiated {
    Negotiated::new()
}

#[cfg(feature = "deflate")]
pub(super) fn has_deflate(negotiated: &Negotiated) -> bool {
    negotiated.deflate().is_some()
}

#[cfg(not(feature = "deflate"))]
pub(super) fn has_deflate(_: &Negotiated) -> bool {
    false
}

/// A bare connection that receives only the stream.
pub(super) struct Bare {
    connection: Connection,
    inbox: Inbox,
    now: Instant,
    pub(super) trace: Trace,
}

impl Bare {
    pub(super) fn new(plan: &Plan, negotiated: &Negotiated) -> Self {
        Self {
            connection: Connection::new(plan.role, &plan.config, negotiated, plan.start),
            inbox: Inbox::new(),
            now: plan.start,
            trace: Trace::new(has_deflate(negotiated)),
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let Self { connection, inbox, now, trace } = self;
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(*now, &mut bytes);
        loop {
            // The peer takes all output at once.
            match connection.receive(&mut input, inbox, &mut BytesMut::new()) {
                Ok(Some(event)) => trace.see(Seen::from(event)),
                Ok(None) => break,
                Err(error) => {
                    trace.error = Some(error);
                    break;
                }
            }
        }
        trace.closed = connection.is_closed();
    }
}

/// All events, and the error. Consecutive parts of one message are joined.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) events: Vec<Seen>,
    /// The amount of data in the events. It does not depend on the lengths of parts.
    pub(super) amount: usize,
    /// The number of complete messages.
    pub(super) messages: u64,
    pub(super) error: Option<ProtocolError>,
    pub(super) closed: bool,
    deflate: bool,
}

impl Trace {
    pub(super) fn new(deflate: bool) -> Self {
        let (events, amount, messages) = (Vec::new(), 0, 0);
        Self { events, amount, messages, error: None, closed: false, deflate }
    }

    pub(super) fn see(&mut self, seen: Seen) {
        self.amount += match &seen {
            Seen::Part { data, start, end, .. } => {
                data.len() + usize::from(*start) + usize::from(*end)
            }
            _ => 1,
        };
        self.messages +=
            u64::from(matches!(seen, Seen::Message(..) | Seen::Part { end: true, .. }));
        if let Seen::Part { text, data, start: false, end } = &seen
            && let Some(Seen::Part { text: same, data: before, end: ended, .. }) =
                self.events.last_mut()
        {
            assert_eq!((*same, *ended), (*text, false), "a part of another message");
            before.extend_from_slice(data);
            *ended = *end;
            return;
        }
        self.events.push(seen);
    }

    /// Checks that this is a prefix of `whole`, as far as faults are predictable. Parts of a
    /// compressed message before a fault are handed out or not, depending on the lengths of the
    /// reads; and the bytes before the one that makes a first character invalid may yield an empty
    /// part.
    pub(super) fn assert_begins(&self, whole: &Self) {
        let mut events = &self.events[..];
        if events.len() > whole.events.len()
            && let Some((Seen::Part { data, end: false, .. }, before)) = events.split_last()
            && (data.is_empty() || self.deflate)
        {
            events = before;
        }
        let Some((last, before)) = events.split_last() else { return };
        assert!(events.len() <= whole.events.len(), "more events: {last:?}");
        let (other, others) = whole.events[..events.len()].split_last().expect("as many");
        assert!(before == others, "{before:?} are not {others:?}");
        let begins = match (last, other) {
            (
                Seen::Part { text, data, start, end: false },
                Seen::Part { text: other_text, data: other_data, start: other_start, .. },
            ) if (text, start) == (other_text, other_start) => {
                other_data.starts_with(data) || self.deflate && data.starts_with(other_data)
            }
            (last, other) => last == other,
        };
        assert!(begins, "{last:?} is not {other:?}");
    }

    /// Checks that this equals `other`, with the same exceptions.
    pub(super) fn assert_is(&self, other: &Self) {
        self.assert_begins(other);
        other.assert_begins(self);
        assert_eq!(self.known_error(), other.known_error());
    }

    /// Returns the error, if it is predictable. A compressed message may be found to be corrupt,
    /// too long, or invalid UTF-8, in any order.
    fn known_error(&self) -> Option<ProtocolError> {
        let error = self.error?;
        let inflating = self.deflate
            && matches!(
                error,
                ProtocolError::Peer(PeerError::CorruptDeflate | PeerError::InvalidUtf8)
                    | ProtocolError::Limit(_)
            );
        Some(if inflating { PeerError::CorruptDeflate.into() } else { error })
    }
}

#[derive(Clone, PartialEq)]
pub(super) enum Seen {
    Message(bool, Vec<u8>),
    Part { text: bool, data: Vec<u8>, start: bool, end: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl core::fmt::Debug for Seen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let short =
            |data: &[u8]| (data.len(), data[..data.len().min(8)].escape_ascii().to_string());
        match self {
            Self::Message(text, data) => write!(f, "Message({text}, {:?})", short(data)),
            Self::Part { text, data, start, end } => {
                write!(f, "Part({text}, {:?}, {start}, {end})", short(data))
            }
            Self::Ping(data) => write!(f, "Ping({:?})", short(data)),
            Self::Pong(data) => write!(f, "Pong({:?})", short(data)),
            Self::Close(frame) => write!(f, "Close({frame:?})"),
        }
    }
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Message(true, text.as_bytes().to_vec()),
            Event::Binary(bytes) => Self::Message(false, bytes.to_vec()),
            Event::Part { data, start, end } => Self::Part {
                text: matches!(data, Data::Text(_)),
                data: data.as_bytes().to_vec(),
                start,
                end,
            },
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(frame) => {
                Self::Close(frame.map(|frame| (frame.code.value(), frame.reason.to_owned())))
            }
            _ => panic!("an unknown event: {event:?}"),
        }
    }
}

impl From<OwnedEvent> for Seen {
    fn from(event: OwnedEvent) -> Self {
        match event {
            OwnedEvent::Message(data) => match data.as_data() {
                Data::Text(text) => Self::from(Event::Text(text)),
                Data::Binary(bytes) => Self::from(Event::Binary(bytes)),
            },
            OwnedEvent::Part { data, start, end } => {
                Self::from(Event::Part { data: data.as_data(), start, end })
            }
            OwnedEvent::Ping(payload) => Self::Ping(payload.to_vec()),
            OwnedEvent::Pong(payload) => Self::Pong(payload.to_vec()),
            OwnedEvent::Close(frame) => {
                Self::Close(frame.map(|frame| (frame.code.value(), frame.reason.to_string())))
            }
            _ => panic!("an unknown event: {event:?}"),
        }
    }
}
