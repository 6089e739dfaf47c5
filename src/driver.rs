//! What the adapters share: buffers, flushing, back-pressure, deadlines, the end of the transport.
//!
//! It does no I/O either: [`step`] says what to do next, the adapter does it and tells.
//!
//! ```text
//!          ┌────────────── Lend: an event is at hand, and `out` is below its mark
//!   step ──┼────────────── Write: before waiting (or read), and above the mark before lending
//!          ├────────────── Read: nothing at hand, nothing to write
//!          │   after the connection has closed or failed:
//!          └─ Write ─► EndWriting ─► Drain (until the peer's end, or the linger deadline) ─► Done
//! ```
//!
//! A transport that is closed while input is unread ends in a reset, which can destroy the Close
//! frame on its way to the peer: that is what `EndWriting` and `Drain` are for. A client whose
//! closing handshake is done doesn't end its writing: it waits for the server to do so first
//! ([RFC 6455 section 7.1.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1)).

use alloc::boxed::Box;
use alloc::vec;
use std::io;

use bytes::{Buf, BytesMut};

use crate::config::Settings;
use crate::connection::Connection;
use crate::error::{ProtocolError, SendError, TimeoutError};
use crate::event::{Event, OwnedEvent};
use crate::inbox::Inbox;
use crate::input::Input;
use crate::instant::Instant;
use crate::role::Role;

/// How much is read at once, in bytes: system calls cost more than the first-level cache saves.
pub(crate) const READ_LEN: usize = 64 * 1024;

/// From this much room on a read goes straight into the inbox.
const DIRECT_LEN: usize = READ_LEN;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// [`receive`] has an event or an error.
    Lend,
    /// Read, but not beyond [`Flow::deadline`].
    Read,
    /// Write some of `out`; and if it can't be written at once: read, or drain after the connection
    /// has ended, if `or_read`.
    Write { or_read: bool },
    /// End the writing half of the transport.
    EndWriting,
    /// Read and drop what comes, until the peer's end or [`Flow::deadline`].
    Drain,
    /// The transport may be dropped.
    Done,
}

/// A connection with its buffers.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) flow: Flow,
    pub(crate) intake: Intake,
}

/// Everything but what events are lent from, so that it can be used while an event is held.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) connection: Connection,
    pub(crate) out: BytesMut,
    /// How much of `out` comes of no event, at most: its senders wait for room by themselves.
    unasked: usize,
    /// When an output above its mark last got shorter, or got above it.
    stalled_since: Option<Instant>,
    /// Until when to linger; set when the connection is first seen to be closed.
    linger_until: Option<Instant>,
    /// Whether something was written that a buffering transport may still hold.
    pub(crate) unflushed: bool,
    /// A write has failed: nothing more is written, but what the peer has said before is handed out.
    unwritable: bool,
    /// Why, until it is told.
    write_error: Option<io::Error>,
    writing_ended: bool,
    reading_ended: bool,
    done: bool,
}

/// Output that was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) bytes: BytesMut,
    unasked: usize,
}

/// What events are lent from: bytes that were read, and the inbox.
#[derive(Debug)]
pub(crate) struct Intake {
    inbox: Inbox,
    /// Absent while there is nothing in it and nobody reads.
    buffer: Option<Box<[u8]>>,
    start: usize,
    end: usize,
    now: Instant,
}

impl Driver {
    /// `unread` is what the handshake left of its input.
    pub(crate) fn new(connection: Connection, out: BytesMut, unread: &[u8], now: Instant) -> Self {
        let mut intake = Intake { inbox: Inbox::new(), buffer: None, start: 0, end: 0, now };
        intake.put(unread);
        Self { flow: Flow::new(connection, out), intake }
    }
}

/// Tells what to do next. `clock` is asked only where time counts.
pub(crate) fn step(flow: &mut Flow, intake: &mut Intake, clock: impl Fn() -> Instant) -> Step {
    if !flow.connection.is_closed() {
        // An error shows in the connection's state.
        if intake.seek(flow).unwrap_or(false) {
            if flow.may_receive() || flow.unwritable {
                return Step::Lend;
            }
            flow.begin_stall(clock);
            return Step::Write { or_read: false };
        }
        // A peer that always has something to say must not keep us from ending.
        flow.give_up_closing(intake.now);
    }
    if flow.connection.is_closed() {
        return flow.end_step(clock);
    }
    if flow.out.is_empty() || flow.unwritable {
        flow.out = BytesMut::new();
        return Step::Read;
    }
    // Above the mark too: until an event is at hand nothing can be answered, and a peer that writes
    // while it reads may wait for us to read.
    Step::Write { or_read: true }
}

/// Receives from what is at hand.
pub(crate) fn receive<'a>(
    flow: &mut Flow,
    intake: &'a mut Intake,
) -> Result<Option<Event<'a>>, ProtocolError> {
    let Intake { inbox, buffer, start, end, now } = intake;
    let bytes = buffer.as_mut().and_then(|b| b.get_mut(*start..*end)).unwrap_or_default();
    let mut input = Input::new(*now, bytes);
    let event = flow.connection.receive(&mut input, inbox, &mut flow.out);
    *start = *end - input.len();
    event
}

/// Receives from what is at hand, owned.
pub(crate) fn receive_owned(
    flow: &mut Flow,
    intake: &mut Intake,
) -> Result<Option<OwnedEvent>, ProtocolError> {
    let Intake { inbox, buffer, start, end, now } = intake;
    let bytes = buffer.as_mut().and_then(|b| b.get_mut(*start..*end)).unwrap_or_default();
    let mut input = Input::new(*now, bytes);
    let event = flow.connection.receive_owned(&mut input, inbox, &mut flow.out);
    *start = *end - input.len();
    event
}

impl Flow {
    fn new(connection: Connection, out: BytesMut) -> Self {
        Self {
            connection,
            out,
            unasked: 0,
            stalled_since: None,
            linger_until: None,
            unflushed: false,
            unwritable: false,
            write_error: None,
            writing_ended: false,
            reading_ended: false,
            done: false,
        }
    }

    fn settings(&self) -> &Settings {
        self.connection.config().settings()
    }

    /// Whether one who sends unasked should wait.
    pub(crate) fn is_above_mark(&self) -> bool {
        self.out.len() >= self.settings().high_water_mark
    }

    /// Whether output may grow by what comes of an event. Once our Close frame is sent that is pongs
    /// only, which have a limit of their own; and the peer's Close frame is awaited.
    fn may_receive(&self) -> bool {
        let answers = self.out.len().saturating_sub(self.unasked);
        answers < self.settings().high_water_mark || !self.connection.is_open()
    }

    /// Fails the closing handshake if its deadline has passed at `now`.
    fn give_up_closing(&mut self, now: Instant) {
        if !self.connection.is_open() {
            // An error shows in the connection's state.
            let _ = self.connection.handle_timeout(now, &mut self.out);
        }
    }

    /// The end of the transport, once the connection is closed or has failed.
    pub(crate) fn end_step(&mut self, clock: impl Fn() -> Instant) -> Step {
        if self.done || self.unwritable {
            self.done = true;
            return Step::Done;
        }
        self.begin_linger(&clock);
        // Whatever the peer does in the meantime.
        let overdue = self.linger_until.is_some_and(|until| clock() >= until);
        if !self.writing_ended {
            if !self.out.is_empty() && !overdue {
                // A peer that writes before it reads must get done with it.
                return Step::Write { or_read: !self.reading_ended };
            }
            // RFC 6455 7.1.1: the server ends first. Whoever fails the connection ends too.
            let ends_first =
                self.connection.role() == Role::Server || self.connection.error().is_some();
            if self.out.is_empty() && (ends_first || self.reading_ended) {
                return Step::EndWriting;
            }
        }
        if self.reading_ended || overdue {
            self.done = true;
            return Step::Done;
        }
        Step::Drain
    }

    /// Whether there is something that was read and not received: bytes, or what they are inflated to.
    pub(crate) fn is_at_hand(&self, intake: &Intake) -> bool {
        !intake.is_empty() || self.connection.has_inflated()
    }

    /// Until when the step asked for may take.
    pub(crate) fn deadline(&self, intake: &Intake) -> Option<Instant> {
        if self.connection.is_closed() {
            return self.linger_until;
        }
        if !self.is_at_hand(intake) {
            return self.connection.poll_timeout();
        }
        // A pong may be among the bytes at hand, so nobody can be told dead for its lack.
        self.stall_deadline()
    }

    /// Until when a write may take that nothing is read beside: output that doesn't move at all
    /// for as long as a pong may take tells that nobody is there. Once our Close frame is sent the
    /// close deadline holds, whatever lies at hand.
    pub(crate) fn stall_deadline(&self) -> Option<Instant> {
        if self.connection.is_closed() {
            return self.linger_until;
        }
        if !self.connection.is_open() {
            return self.connection.poll_timeout();
        }
        let timeout = self.settings().keep_alive_timeout?;
        self.stalled_since?.checked_add(timeout)
    }

    /// A write begins that nothing is read beside.
    pub(crate) fn begin_stall(&mut self, clock: impl Fn() -> Instant) {
        if self.connection.is_closed() {
            self.begin_linger(clock);
        } else {
            self.stalled_since.get_or_insert_with(clock);
        }
    }

    fn begin_linger(&mut self, clock: impl Fn() -> Instant) {
        if self.linger_until.is_none() {
            // Without an end to it where time ends: the peer's end is one too.
            self.linger_until = clock().checked_add(self.settings().linger_timeout);
        }
    }

    /// The stall's deadline has passed.
    pub(crate) fn stalled(&mut self, now: Instant) {
        if self.stall_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        if self.connection.is_closed() {
            self.done = true;
        } else if self.connection.is_open() {
            self.connection.fail(TimeoutError::KeepAlive.into(), &mut self.out);
        } else {
            self.give_up_closing(now);
        }
    }

    /// The deadline has passed, and a read just before found nothing.
    pub(crate) fn timed_out(&mut self, intake: &Intake, now: Instant) {
        if self.connection.is_closed() || self.is_at_hand(intake) {
            self.stalled(now);
        } else {
            // An error shows in the connection's state.
            let _ = self.connection.handle_timeout(now, &mut self.out);
        }
    }

    /// `n` bytes of `out` have been written.
    pub(crate) fn written(&mut self, n: usize, clock: impl Fn() -> Instant) {
        self.out.advance(n.min(self.out.len()));
        self.unasked = self.unasked.min(self.out.len());
        self.stalled_since = None;
        self.unflushed = true;
        if self.connection.waits_for_writes() {
            // Early is no error: the connection notices that its ping has left, or that there is
            // room for its pong.
            let _ = self.connection.handle_timeout(clock(), &mut self.out);
        }
    }

    /// Output that was taken away, to be written without the lock that guards this, gets shorter.
    /// When it is gone, [`Self::written`] is told.
    pub(crate) fn moved(&mut self) {
        self.stalled_since = None;
    }

    /// The writing half of the transport has been ended.
    pub(crate) fn ended_writing(&mut self) {
        self.writing_ended = true;
    }

    /// The peer has ended its writing half.
    pub(crate) fn received_eof(&mut self) {
        self.reading_ended = true;
        // An error shows in the connection's state.
        let _ = self.connection.receive_eof();
    }

    /// There is no transport any more, or as good as none.
    pub(crate) fn abandon(&mut self) {
        self.received_eof();
        self.out = BytesMut::new();
        self.done = true;
    }

    /// Ends a transport that failed; an error only if the connection was not over anyway.
    pub(crate) fn end_failed_transport(&mut self, error: io::Error) -> Result<(), io::Error> {
        let was_over = self.connection.is_closed();
        self.abandon();
        if was_over { Ok(()) } else { Err(error) }
    }

    /// How the connection has ended, for [`Step::Done`].
    pub(crate) fn result(&self) -> Result<(), ProtocolError> {
        self.connection.error().map_or(Ok(()), Err)
    }
}

/// For an adapter that can do several things at once.
impl Flow {
    /// Sends what comes of no event, for one who waits for room by himself. It doesn't keep events
    /// from being lent: the peer may wait for us to read before it reads.
    pub(crate) fn send_unasked(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let before = self.out.len();
        send(&mut self.connection, &mut self.out)?;
        self.unasked += self.out.len().saturating_sub(before);
        Ok(())
    }

    /// What a buffering transport held has been written.
    pub(crate) fn flushed(&mut self) {
        self.unflushed = false;
        self.stalled_since = None;
    }

    /// A write has failed. What the peer has said before is handed out first: it may tell why. Then
    /// [`Self::write_error`] is due.
    pub(crate) fn write_failed(&mut self, error: Option<io::Error>) {
        self.unwritable = true;
        self.write_error = error;
        self.out = BytesMut::new();
        self.unflushed = false;
    }

    /// Whether a write has failed.
    pub(crate) const fn is_unwritable(&self) -> bool {
        self.unwritable
    }

    /// Why nothing can be written any more; for a read that has found nothing.
    pub(crate) fn write_error(&mut self) -> Option<io::Error> {
        let error = self.write_error.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
        self.unwritable.then_some(error)
    }

    /// Takes all output, to be written without the lock that guards this. While it gets shorter
    /// [`Self::moved`] is told, and [`Self::written`] when it is gone, or it is put back.
    pub(crate) fn take_output(&mut self) -> Taken {
        Taken { bytes: self.out.split(), unasked: core::mem::take(&mut self.unasked) }
    }

    /// Puts back what is left of output that was taken.
    pub(crate) fn put_back(&mut self, taken: Taken) {
        let newer = core::mem::replace(&mut self.out, taken.bytes);
        self.unasked += taken.unasked.min(self.out.len());
        self.out.unsplit(newer);
    }

    /// What somebody who waits for room, or for the end of the connection, may want to know of.
    #[cfg(feature = "tokio")]
    pub(crate) fn news(&self) -> (usize, bool, bool) {
        (self.out.len(), self.unwritable, self.connection.is_closed())
    }
}

impl Intake {
    /// Whether all that was read has been received.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// What was read and has not been received.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.as_ref().and_then(|b| b.get(self.start..self.end)).unwrap_or_default()
    }

    /// Takes what was read up to the next event.
    #[inline]
    pub(crate) fn seek(&mut self, flow: &mut Flow) -> Result<bool, ProtocolError> {
        let Self { inbox, buffer, start, end, now } = self;
        let bytes = buffer.as_mut().and_then(|b| b.get_mut(*start..*end)).unwrap_or_default();
        let mut input = Input::new(*now, bytes);
        let found = flow.connection.seek(&mut input, inbox, &mut flow.out);
        *start = *end - input.len();
        found
    }

    /// Lends room for a read: the inbox's, for the rest of a large frame, or the buffer. Only while
    /// nothing is at hand.
    pub(crate) fn room(&mut self, flow: &Flow) -> Room<'_> {
        let direct =
            flow.connection.direct_room(&mut self.inbox).is_some_and(|r| r.len() >= DIRECT_LEN);
        if direct && let Some(room) = flow.connection.direct_room(&mut self.inbox) {
            return Room { bytes: room, direct: true };
        }
        let buffer = self.buffer.get_or_insert_with(pool::take);
        Room { bytes: buffer, direct: false }
    }

    /// `n` bytes were read into the room lent last.
    pub(crate) fn filled(&mut self, n: usize, direct: bool, flow: &mut Flow, now: Instant) {
        self.now = now;
        if direct {
            flow.connection.received_direct(n, now, &mut self.inbox);
        } else {
            self.start = 0;
            self.end = n.min(self.buffer.as_ref().map_or(0, |buffer| buffer.len()));
        }
    }

    /// Whether it holds more than one read's worth of messages that were handed out, or of one
    /// that is under way.
    pub(crate) fn keeps_memory(&self) -> bool {
        self.inbox.capacity() > READ_LEN
    }

    /// Nothing was there to read: an idle connection keeps no memory.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            self.inbox.shrink();
            if let Some(buffer) = self.buffer.take() {
                pool::put(buffer);
            }
        }
    }

    /// Room for input that is dropped.
    pub(crate) fn scratch() -> Box<[u8]> {
        pool::take()
    }

    /// Gives room for dropped input back.
    pub(crate) fn put_back(scratch: Box<[u8]>) {
        pool::put(scratch);
    }

    fn put(&mut self, unread: &[u8]) {
        if unread.is_empty() {
            return;
        }
        let mut buffer = pool::take();
        if buffer.len() < unread.len() {
            buffer = vec![0; unread.len()].into_boxed_slice();
        }
        if let Some(place) = buffer.get_mut(..unread.len()) {
            place.copy_from_slice(unread);
        }
        self.buffer = Some(buffer);
        (self.start, self.end) = (0, unread.len());
    }

    pub(crate) fn into_inbox(mut self) -> Inbox {
        core::mem::take(&mut self.inbox)
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            pool::put(buffer);
        }
    }
}

/// Where a read goes.
pub(crate) struct Room<'a> {
    pub(crate) bytes: &'a mut [u8],
    pub(crate) direct: bool,
}

/// Read buffers of this thread: as many as are in use at once, few in practice.
mod pool {
    use alloc::boxed::Box;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::cell::RefCell;

    use super::READ_LEN;

    /// More than this many are given back to the allocator.
    const KEEP: usize = 16;

    std::thread_local! {
        static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn take() -> Box<[u8]> {
        BUFFERS
            .try_with(|buffers| buffers.try_borrow_mut().ok()?.pop())
            .ok()
            .flatten()
            .unwrap_or_else(|| vec![0; READ_LEN].into_boxed_slice())
    }

    pub(super) fn put(buffer: Box<[u8]>) {
        if buffer.len() != READ_LEN {
            return;
        }
        // A thread that is being torn down keeps none.
        let _ = BUFFERS.try_with(|buffers| {
            if let Ok(mut buffers) = buffers.try_borrow_mut()
                && buffers.len() < KEEP
            {
                buffers.push(buffer);
            }
        });
    }
}
