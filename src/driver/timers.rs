//! The deadline of a wait, and the actions when it has passed.

use core::time::Duration;

use crate::driver::deadlines::Linger;
use crate::driver::flow::Flow;
use crate::driver::intake::Intake;
use crate::error::protocol::TimeoutError;
use crate::instant::{Instant, earlier};

/// Deadlines.
impl Flow {
    /// Returns the deadline for waiting in the current step. When it has passed, call
    /// [`timed_out`](Self::timed_out).
    ///
    /// Call it at `now`, directly before the wait: some timeouts start with the first wait.
    #[must_use]
    pub fn deadline(&mut self, intake: &Intake, now: Instant) -> Option<Instant> {
        let writing = self.write_deadline(now);
        if self.is_over() {
            return writing;
        }
        if self.is_unwritable() {
            return Some(now);
        }
        if self.opening.is_some() || intake.has_event() {
            // A pong may follow the event in the input, so the keep-alive deadline does not apply.
            return writing;
        }
        self.end_rest(now);
        earlier(writing, self.connection.poll_timeout())
    }

    /// Returns the deadline for a wait that writes and does not read. When it has passed, call
    /// [`write_timed_out`](Self::write_timed_out).
    ///
    /// It excludes the keep-alive deadline: the pong may be unread in the transport.
    #[must_use]
    pub fn write_deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.is_over() {
            let since = self.begin_linger(now).since;
            // `None` if the time overflows; then only the peer's EOF ends the wait.
            return since.checked_add(self.settings().linger_timeout);
        }
        let stall = if self.output.unsent() > 0 || self.output.needs_flush() {
            self.begin_stall(now).checked_add(self.stall_timeout())
        } else {
            self.end_stall();
            None
        };
        let phase = match &self.opening {
            None => self.connection.close_deadline(),
            Some(opening) => opening.deadline(),
        };
        earlier(earlier(stall, phase), self.answer_deadline())
    }

    fn answer_deadline(&self) -> Option<Instant> {
        self.deadlines.answer?.deadline
    }

    fn stall_timeout(&self) -> Duration {
        let settings = self.settings();
        let timeout = settings.write_timeout;
        settings.keep_alive_timeout.map_or(timeout, |keep_alive| keep_alive.min(timeout))
    }

    /// Performs the actions that are due at `now`: sends a keep-alive ping, or fails the
    /// connection. An early call is harmless. Try one last read before the call: the peer's pong
    /// may be unread in the transport.
    pub fn timed_out(&mut self, intake: &Intake, now: Instant) {
        if !self.is_over() && self.is_unwritable() {
            self.failed();
            return;
        }
        self.write_timed_out(now);
        if self.is_over() {
            return;
        }
        if let Some(opening) = &mut self.opening {
            opening.timed_out(now, &mut self.output.bytes);
            self.note_opening_ended();
        } else if !intake.has_event() {
            self.end_rest(now);
            self.handle_timeout(now);
        }
    }

    /// Performs the actions that are due at the time of the last read, which yielded no event. A
    /// peer that sends without pause never lets this end wait, and must not escape the deadlines
    /// that way.
    #[inline]
    pub(super) fn read_in_vain(&mut self, read_at: Instant) {
        if self.deadlines.stalled_since.is_some() || !self.connection.is_open() {
            self.write_timed_out(read_at);
        }
        if self.settings().message_timeout.is_some() {
            self.handle_timeout(read_at);
        }
    }

    /// Performs the actions of the connection that are due. Keep-alive pings are unsolicited
    /// output. The state of the connection holds the error, if any.
    fn handle_timeout(&mut self, now: Instant) {
        self.drop_older_pong();
        let Self { connection, output, .. } = self;
        let in_flight = output.in_flight();
        let _ = output.unsolicited(|out| connection.handle_timeout_beside(in_flight, now, out));
    }

    /// Performs the actions that are due at `now` in a wait that writes and does not read: fails
    /// the connection if the peer has taken no output for too long.
    pub fn write_timed_out(&mut self, now: Instant) {
        if self.is_over() {
            self.end_linger(now);
            return;
        }
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| now >= deadline);
        let stall = self.deadlines.stalled_since.and_then(|s| s.checked_add(self.stall_timeout()));
        if let Some(opening) = &mut self.opening {
            if passed(opening.deadline()) {
                opening.timed_out(now, &mut self.output.bytes);
                self.note_opening_ended();
            } else if passed(stall) {
                self.failed();
            }
        } else if passed(self.answer_deadline()) {
            self.connection.fail(TimeoutError::Handshake.into(), &mut self.output.bytes);
        } else if passed(self.connection.close_deadline()) {
            self.handle_timeout(now);
        } else if passed(stall) {
            self.connection.fail(TimeoutError::Write.into(), &mut self.output.bytes);
        }
    }

    /// Starts the linger timeout, unless it runs already.
    pub(super) fn begin_linger(&mut self, now: Instant) -> &mut Linger {
        let unsent = self.output.unsent();
        self.deadlines.linger.get_or_insert_with(|| Linger::new(now, unsent))
    }

    /// Gives up the transport if the linger deadline has passed.
    pub(super) fn end_linger(&mut self, now: Instant) {
        if self.is_over() && self.write_deadline(now).is_some_and(|deadline| now >= deadline) {
            self.give_up();
        }
    }

    /// Pauses the message timeout: an event was found at `since`, and this end reads no input
    /// before the event is taken.
    #[inline]
    pub(super) fn rest(&mut self, since: Instant) {
        if self.settings().message_timeout.is_some() {
            self.deadlines.resting_since.get_or_insert(since);
        }
    }

    /// Resumes the message timeout when reading resumes, and extends it by the pause. The
    /// connection is notified only here, because the message in progress may have changed since the
    /// pause began.
    #[inline]
    pub(super) fn end_rest(&mut self, now: Instant) {
        if let Some(since) = self.deadlines.resting_since.take() {
            self.connection.message_rested(now.saturating_duration_since(since));
        }
    }

    /// Records a read at `now`. Output that is unsent at this point could not be written before, so
    /// the stall timeout starts.
    #[inline]
    pub(super) fn reads(&mut self, now: Instant) {
        self.end_rest(now);
        if self.output.unsent() > 0 {
            self.begin_stall(now);
        }
    }

    /// Starts the stall timeout, unless it runs already. Returns its start.
    fn begin_stall(&mut self, now: Instant) -> Instant {
        self.deadlines.write_waits |= self.output.unsent() > 0;
        *self.deadlines.stalled_since.get_or_insert(now)
    }

    /// Stops the stall timeout: output has moved, or there is none.
    pub(super) const fn end_stall(&mut self) {
        self.deadlines.stalled_since = None;
        self.deadlines.write_waits = false;
    }
}
