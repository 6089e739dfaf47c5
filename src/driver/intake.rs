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

/// The least space in the inbox, in bytes, for which a read bypasses the read buffer.
const DIRECT_LEN: usize = 64 * 1024;

/// The half of a [`Driver`](crate::driver::Driver) that events borrow from: the bytes that were
/// read, and the inbox, which holds the message in progress.
///
/// ```text
///             start        end
///  buffer: ▓▓▓▓▓│ unread    │░░░░░░     processed, unread, free
/// ```
///
/// It owns a read buffer from [`room`](Self::room) to [`take_buffer`](Self::take_buffer), so a loop
/// can share one buffer between its connections:
///
/// ```
/// use std::io::{self, Read};
///
/// use sansocket::driver::Driver;
/// use sansocket::Instant;
///
/// /// Reads once. An idle connection returns the buffer.
/// fn read(
///     mut io: impl Read,
///     driver: &mut Driver,
///     spare: &mut Option<Box<[u8]>>,
///     now: Instant,
/// ) -> io::Result<()> {
///     let room = driver.room(|| spare.take().unwrap_or_else(|| vec![0; 64 * 1024].into()));
///     match io.read(room) {
///         Ok(n) => driver.read_done(n, now),
///         Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
///             *spare = driver.intake.take_buffer().or(spare.take());
///             driver.intake.shrink();
///         }
///         Err(error) => return Err(error),
///     }
///     Ok(())
/// }
/// ```
pub struct Intake {
    inbox: Inbox,
    buffer: Option<Box<[u8]>>,
    /// `buffer` was allocated by [`append`](Self::append), not supplied by the caller.
    is_own: bool,
    /// `start` is at most `end`, and `end` at most the length of `buffer`. Without a buffer both are 0.
    start: usize,
    end: usize,
    /// The time at which the unread bytes were read.
    now: Instant,
    event: Found,
    lent: Lent,
}

/// The result of the last [`seek`](Intake::seek).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// An event that may not be handed out yet.
    Event,
    /// An event that [`receive`](Intake::receive) hands out.
    Receivable,
}

/// The buffer that the last [`room`](Intake::room) returned.
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

    /// Returns true if all bytes that were read have been processed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Returns the bytes that were read and are not processed yet.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.buffer.as_ref().and_then(|b| b.get(self.start..self.end)).unwrap_or_default()
    }

    /// Returns the memory that messages occupy, in bytes: the message in progress, and the last one
    /// handed out. The read buffer is not included.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.inbox.capacity()
    }

    /// Returns the buffer for one read: the remaining payload of a large frame in the inbox, or the
    /// read buffer, which `buffer` allocates if there is none. Then call [`Flow::read_done`].
    ///
    /// The slice is empty while bytes are unread. Do not read into an empty slice: the result would
    /// be taken for the peer's EOF. When [`Flow::step`] returns a read (also
    /// [`Step::Write`](crate::driver::Step::Write) with `or_read`), no byte is unread and the slice
    /// is not empty, unless `buffer` returns an empty one.
    pub fn room(&mut self, flow: &Flow, buffer: impl FnOnce() -> Box<[u8]>) -> &mut [u8] {
        self.lent = Lent::Nothing;
        if !self.is_empty() {
            return &mut [];
        }
        self.release();
        let connection = flow.connection();
        // The condition calls `direct_room` twice, because a borrow from the first call would last
        // to the end of the function.
        if connection.direct_room(&mut self.inbox).is_some_and(|room| room.len() >= DIRECT_LEN)
            && let Some(room) = connection.direct_room(&mut self.inbox)
        {
            self.lent = Lent::Inbox;
            return room;
        }
        self.lent = Lent::Buffer;
        self.buffer.get_or_insert_with(buffer)
    }

    /// Returns the read buffer to the caller, if no byte in it is unread. For a pool, before a
    /// wait.
    pub fn take_buffer(&mut self) -> Option<Box<[u8]>> {
        if !self.is_empty() {
            return None;
        }
        self.release();
        // The next buffer may be shorter.
        (self.start, self.end) = (0, 0);
        self.buffer.take()
    }

    /// Frees the memory that no message in progress needs. To be called before a wait.
    pub fn shrink(&mut self) {
        self.inbox.shrink();
    }

    /// Returns the event that [`Step::Event`](crate::driver::Step::Event) reported; `None` without
    /// such a step. [`Flow::reply`] sends a reply while the event is held.
    ///
    /// # Errors
    /// [`ProtocolError`], as [`Connection::receive`], for an error inside the payload. Continue
    /// with [`Flow::step`]: the next steps write the Close frame and end the transport. A function
    /// that returns the event cannot borrow the intake again; it continues with [`Flow::end_step`].
    #[inline]
    pub fn receive(&mut self, flow: &mut Flow) -> Result<Option<Event<'_>>, ProtocolError> {
        if self.event != Found::Receivable {
            return Ok(None);
        }
        self.event = Found::Nothing;
        let Self { inbox, buffer, start, end, now, .. } = self;
        let bytes = buffer.as_mut().and_then(|b| b.get_mut(*start..*end)).unwrap_or_default();
        let mut input = Input::new(*now, bytes);
        let event = flow.connection.receive_fast(&mut input);
        *start = *end - input.len();
        if event.is_some() {
            return Ok(event);
        }
        flow.receive_any(input, inbox, start)
    }

    /// Returns the event as [`receive`](Self::receive) does, but owned: moved out of the inbox, or
    /// copied.
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

    /// Processes input up to the next event. Returns true if there is one.
    pub(super) fn seek(
        &mut self,
        connection: &mut Connection,
        out: &mut BytesMut,
    ) -> Result<bool, ProtocolError> {
        let found = self.with_input(|input, inbox| connection.seek(input, inbox, out));
        self.event = if found == Ok(true) { Found::Event } else { Found::Nothing };
        found
    }

    /// Returns true if the last [`seek`](Self::seek) found an event that is not received yet.
    pub(super) const fn has_event(&self) -> bool {
        !matches!(self.event, Found::Nothing)
    }

    /// Permits [`receive`](Self::receive) to hand out the event that the last seek found.
    pub(super) const fn allow_event(&mut self) {
        self.event = Found::Receivable;
    }

    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// Calls `take` with the unread bytes, and drops the bytes that it consumes.
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

    /// Records a read of `n` bytes into the buffer that [`room`](Self::room) returned last. Returns
    /// false if there is none.
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

    /// Appends a copy of `bytes` to the unread bytes.
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
                // At least doubled, so that n appends copy O(n) bytes in total.
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

    /// Frees the buffer that [`append`](Self::append) allocated, once its bytes are processed.
    pub(super) fn release(&mut self) {
        if self.is_own && self.is_empty() {
            (self.buffer, self.is_own) = (None, false);
            (self.start, self.end) = (0, 0);
        }
    }

    /// Sets the time of the bytes that are appended next.
    pub(super) const fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Drops the unread bytes, and the memory of the last event. For a connection that has ended.
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
