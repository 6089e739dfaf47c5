use core::fmt;

use alloc::boxed::Box;
use alloc::vec;

use bytes::BytesMut;

use crate::connection::Connection;
use crate::driver::flow::Flow;
use crate::error::protocol::ProtocolError;
use crate::event::{Event, OwnedEvent};
use crate::inbox::Inbox;
use crate::input::Input;
use crate::instant::Instant;

/// From this much room on, in bytes, a read goes straight into the inbox.
const DIRECT_LEN: usize = 64 * 1024;

/// The memory that events are lent from: bytes that were read, and the inbox.
///
/// It has a read buffer only while there are bytes in it, or room was asked for.
pub struct Intake {
    inbox: Inbox,
    buffer: Option<Box<[u8]>>,
    /// The buffer was made for bytes that were put behind others: it is no buffer of the caller's.
    is_own: bool,
    start: usize,
    end: usize,
    /// When the bytes were read.
    now: Instant,
    event: Found,
    lent: Lent,
}

/// What the last [`seek`](Intake::seek) has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// An event that may not be handed out yet.
    Event,
    /// An event that [`receive`](Intake::receive) hands out.
    Receivable,
}

/// The room that was lent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lent {
    Nothing,
    Buffer,
    Inbox,
}

impl Intake {
    pub(super) const fn new(inbox: Inbox, now: Instant) -> Self {
        let (buffer, lent) = (None, Lent::Nothing);
        let (is_own, event) = (false, Found::Nothing);
        Self { inbox, buffer, is_own, start: 0, end: 0, now, event, lent }
    }

    /// Returns true if all bytes that were read have been received.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Returns the bytes that were read and not received.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.buffer.as_ref().and_then(|b| b.get(self.start..self.end)).unwrap_or_default()
    }

    /// Returns how many bytes of memory it holds, apart from the read buffer: of messages under way
    /// and of those handed out.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.inbox.capacity()
    }

    /// Lends room for one read: the rest of a large frame in the inbox, or the read buffer, which is
    /// made by `buffer` if there is none. Then call [`Flow::read_done`].
    ///
    /// Empty while bytes are unread, and a read into an empty room would be taken for the peer's end.
    /// When [`Flow::step`] asks for a read (also by [`Step::Write`](crate::driver::Step::Write) with
    /// `or_read`) no byte is unread, and the room is not empty, if what `buffer` makes isn't.
    pub fn room(&mut self, flow: &Flow, buffer: impl FnOnce() -> Box<[u8]>) -> &mut [u8] {
        self.lent = Lent::Nothing;
        if !self.is_empty() {
            return &mut [];
        }
        self.release();
        let connection = flow.connection();
        if connection.direct_room(&mut self.inbox).is_some_and(|room| room.len() >= DIRECT_LEN)
            && let Some(room) = connection.direct_room(&mut self.inbox)
        {
            self.lent = Lent::Inbox;
            return room;
        }
        self.lent = Lent::Buffer;
        self.buffer.get_or_insert_with(buffer)
    }

    /// Takes the read buffer back, if nothing in it is unread: for a pool, before waiting.
    pub fn take_buffer(&mut self) -> Option<Box<[u8]>> {
        if !self.is_empty() {
            return None;
        }
        self.release();
        self.buffer.take()
    }

    /// Frees the memory that no message under way needs: before waiting.
    pub fn shrink(&mut self) {
        self.inbox.shrink();
    }

    /// Returns the event that [`Step::Event`](crate::driver::Step::Event) has told of; `None` without
    /// one. Then make a [`reply`](Flow::reply), while the event is held.
    ///
    /// # Errors
    /// [`ProtocolError`], as [`Connection::receive`]: the error lies inside the payload. Go on with
    /// [`Flow::step`]: the Close frame is written, and the transport ended. In a function that
    /// returns the event, go on with [`Flow::end_step`], which needs no intake.
    #[inline]
    pub fn receive(&mut self, flow: &mut Flow) -> Result<Option<Event<'_>>, ProtocolError> {
        if self.event != Found::Receivable {
            return Ok(None);
        }
        self.event = Found::Nothing;
        let Self { inbox, buffer, start, end, now, .. } = self;
        let bytes = buffer.as_mut().and_then(|b| b.get_mut(*start..*end)).unwrap_or_default();
        let mut input = Input::new(*now, bytes);
        let event = flow.connection.receive_short(&mut input);
        *start = *end - input.len();
        if event.is_some() {
            return Ok(event);
        }
        flow.receive_any(input, inbox, start)
    }

    /// The same, owned: moved out of the inbox, or copied.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    #[inline]
    pub fn receive_owned(&mut self, flow: &mut Flow) -> Result<Option<OwnedEvent>, ProtocolError> {
        if self.event != Found::Receivable {
            return Ok(None);
        }
        self.event = Found::Nothing;
        let (connection, out) = (&mut flow.connection, &mut flow.output.bytes);
        let before = out.len();
        let event = self.with_input(|input, inbox| connection.receive_owned(input, inbox, out));
        flow.note_answer(before);
        event
    }

    /// Takes input up to the next event.
    pub(super) fn seek(
        &mut self,
        connection: &mut Connection,
        out: &mut BytesMut,
    ) -> Result<bool, ProtocolError> {
        let found = self.with_input(|input, inbox| connection.seek(input, inbox, out));
        self.event = if found == Ok(true) { Found::Event } else { Found::Nothing };
        found
    }

    /// Whether the last [`seek`](Self::seek) has found an event that was not received since.
    pub(super) const fn has_event(&self) -> bool {
        !matches!(self.event, Found::Nothing)
    }

    /// The event that the last [`seek`](Self::seek) has found may be handed out.
    pub(super) const fn allow_event(&mut self) {
        self.event = Found::Receivable;
    }

    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// Gives `take` the unread bytes, and drops those that it takes.
    #[inline]
    pub(super) fn with_input<T>(
        &mut self,
        take: impl FnOnce(&mut Input<'_>, &mut Inbox) -> T,
    ) -> T {
        let Self { inbox, buffer, start, end, now, .. } = self;
        let bytes = buffer.as_mut().and_then(|b| b.get_mut(*start..*end)).unwrap_or_default();
        let mut input = Input::new(*now, bytes);
        let result = take(&mut input, inbox);
        *start = *end - input.len();
        result
    }

    /// `n` bytes were read into the room lent last. False: there was none.
    pub(super) fn filled(&mut self, n: usize, now: Instant, flow: &mut Flow) -> bool {
        self.now = now;
        match core::mem::replace(&mut self.lent, Lent::Nothing) {
            Lent::Nothing => return false,
            Lent::Buffer => {
                let len = self.buffer.as_ref().map_or(0, |buffer| buffer.len());
                (self.start, self.end) = (0, n.min(len));
            }
            Lent::Inbox => flow.connection.received_direct(n, now, &mut self.inbox),
        }
        true
    }

    /// Puts a copy of bytes behind those that are unread.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let len = self.end - self.start;
        let need = len.saturating_add(bytes.len());
        match &mut self.buffer {
            Some(buffer) if buffer.len() - self.end >= bytes.len() => {}
            Some(buffer) if buffer.len() / 2 >= need => {
                buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, len);
            }
            _ => {
                // The double, so that many calls don't copy all of it each time.
                let mut larger = vec![0; need.max(2 * len)].into_boxed_slice();
                if let Some(place) = larger.get_mut(..len) {
                    place.copy_from_slice(self.unread());
                }
                self.buffer = Some(larger);
                self.is_own = true;
                (self.start, self.end) = (0, len);
            }
        }
        let place = self.buffer.as_mut().and_then(|b| b.get_mut(self.end..self.end + bytes.len()));
        if let Some(place) = place {
            place.copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }

    /// Frees the buffer that [`append`](Self::append) has made, once all of it has been received.
    pub(super) fn release(&mut self) {
        if self.is_own && self.is_empty() {
            (self.buffer, self.is_own) = (None, false);
        }
    }

    /// The time of the bytes that are appended next.
    pub(super) const fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// The connection is over: drops unread bytes, and the memory that the last event was lent from.
    pub(super) fn clear(&mut self) {
        if self.inbox.capacity() > 0 {
            self.inbox = Inbox::new();
        }
        (self.start, self.end) = (0, 0);
        self.event = Found::Nothing;
        self.release();
    }

    pub(super) const fn inbox_mut(&mut self) -> &mut Inbox {
        &mut self.inbox
    }

    pub(super) fn into_inbox(self) -> Inbox {
        self.inbox
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("unread", &self.unread().len())
            .field("capacity", &self.capacity())
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}
