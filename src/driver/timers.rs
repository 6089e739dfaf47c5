//! Until when to wait, and what is due afterwards.

use core::time::Duration;

use crate::driver::deadlines::{Linger, earlier};
use crate::driver::flow::Flow;
use crate::driver::intake::Intake;
use crate::error::protocol::TimeoutError;
use crate::instant::Instant;

/// Deadlines.
impl Flow {
    /// Returns until when the step may wait. Call it at `now`, just before waiting: some of the
    /// deadlines begin with the first wait. When it has passed call [`timed_out`](Self::timed_out).
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
            // A pong may lie behind the event, so its lack says nothing.
            return writing;
        }
        self.end_rest(now);
        earlier(writing, self.connection.poll_timeout())
    }

    /// The same for a wait of writes alone, beside which nothing is read. When it has passed call
    /// [`write_timed_out`](Self::write_timed_out).
    #[must_use]
    pub fn write_deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.is_over() {
            let since = self.begin_linger(now).since;
            // `None` if the time overflows; then the peer's end alone ends the wait.
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

    /// Does what is due at `now`: sends a keep-alive ping, or fails the connection. Early is no
    /// error. Try one last read before: the peer's pong may lie unread in the transport.
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

    /// Does what is due as of the last read, which has given no event: a peer that always has
    /// something to say must not keep deadlines from passing by never making this end wait.
    #[inline]
    pub(super) fn read_in_vain(&mut self, read_at: Instant) {
        if self.deadlines.stalled_since.is_some() || !self.connection.is_open() {
            self.write_timed_out(read_at);
        }
        if self.settings().message_timeout.is_some() {
            self.handle_timeout(read_at);
        }
    }

    /// Keep-alive pings are unsolicited; an error shows in the connection's state.
    fn handle_timeout(&mut self, now: Instant) {
        self.drop_older_pong();
        let Self { connection, output, .. } = self;
        let in_flight = output.in_flight();
        let _ = output.unsolicited(|out| connection.handle_timeout_beside(in_flight, now, out));
    }

    /// Does what is due at `now` for a wait of writes alone: fails the connection if the peer has
    /// taken no output for too long.
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

    pub(super) fn begin_linger(&mut self, now: Instant) -> &mut Linger {
        let unsent = self.output.unsent();
        self.deadlines.linger.get_or_insert_with(|| Linger::new(now, unsent))
    }

    /// Ends the transport without more ado if its time is over.
    pub(super) fn end_linger(&mut self, now: Instant) {
        if self.is_over() && self.write_deadline(now).is_some_and(|deadline| now >= deadline) {
            self.give_up();
        }
    }

    /// For the message timeout: an event was found at `since`, and nothing is read before it is taken.
    #[inline]
    pub(super) fn rest(&mut self, since: Instant) {
        if self.settings().message_timeout.is_some() {
            self.deadlines.resting_since.get_or_insert(since);
        }
    }

    /// Reading goes on. Told only now: before, the message under way may have been another one.
    #[inline]
    pub(super) fn end_rest(&mut self, now: Instant) {
        if let Some(since) = self.deadlines.resting_since.take() {
            self.connection.message_rested(now.saturating_duration_since(since));
        }
    }

    /// Something was read at `now`. Output that is still unsent could not be written before.
    #[inline]
    pub(super) fn reads(&mut self, now: Instant) {
        self.end_rest(now);
        if self.output.unsent() > 0 {
            self.begin_stall(now);
        }
    }

    /// Output doesn't move. Returns since when.
    fn begin_stall(&mut self, now: Instant) -> Instant {
        self.deadlines.write_waits |= self.output.unsent() > 0;
        *self.deadlines.stalled_since.get_or_insert(now)
    }

    /// Output has moved, or there is none.
    pub(super) const fn end_stall(&mut self) {
        self.deadlines.stalled_since = None;
        self.deadlines.write_waits = false;
    }
}
