use crate::driver::flow::{Flow, Writing};
use crate::driver::intake::Intake;
use crate::driver::opening::State;
use crate::error::protocol::ProtocolError;
use crate::event::Event;
use crate::inbox::Inbox;
use crate::input::Input;
use crate::role::Role;

/// The next action of an event loop, returned by [`Flow::step`].
///
/// ```
/// use sansocket::driver::Step;
///
/// /// Returns the readiness that the loop must wait for: (readable, writable).
/// fn interest(step: Step) -> (bool, bool) {
///     match step {
///         Step::Read | Step::Drain => (true, false),
///         Step::Write { or_read } => (or_read, true),
///         _ => (false, false), // needs no transport
///     }
/// }
/// assert_eq!(interest(Step::Write { or_read: true }), (true, true));
/// ```
#[expect(clippy::exhaustive_enums, reason = "an event loop must do each of them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take the request ([`Flow::take_request`]) and answer it. Only in the opening handshake of a
    /// server.
    Request,
    /// Take the response ([`Flow::take_response`]): the connection is open. Only in the opening
    /// handshake of a client.
    Opened,
    /// Receive the event ([`Intake::receive`]).
    Event,
    /// Read, until [`Flow::deadline`] at the latest. [`Intake::room`] is not empty.
    Read,
    /// Write some of [`Flow::output`]. If the write would block and `or_read` is true, read as
    /// well. An empty output is entirely in flight: wait for its writes to complete. With `or_read`
    /// [`Intake::room`] is not empty.
    Write {
        /// Read in place of a write that would block. The peer may not read until this end has
        /// read.
        or_read: bool,
    },
    /// Flush, then shut down the write half of the transport; then call [`Flow::writing_ended`].
    EndWriting,
    /// Read and drop the input ([`Flow::drained`]) until the peer's EOF or the deadline.
    Drain,
    /// Drop the transport. The result is returned
    ///
    /// * after an open connection by [`Flow::error`] and [`Flow::close_status`];
    /// * after a failed opening handshake, also one that has timed out, by [`Flow::refusal`] for a
    ///   server and by [`Flow::handshake_error`] for a client.
    ///
    /// All of them are `None` if the request was answered with another response, if the transport
    /// has failed, or if it has ended before the request was complete.
    Done,
}

impl Flow {
    /// Processes unread input up to the next event, and returns the next step.
    ///
    /// The event itself is left in the input for [`Intake::receive`].
    #[inline]
    pub fn step(&mut self, intake: &mut Intake) -> Step {
        if self.finds_whole(intake) {
            return Step::Event;
        }
        self.step_any(intake)
    }

    /// The fast path of [`step`](Self::step): the unread bytes begin with a complete data frame, and
    /// the unsent output is below the high-water mark, so that replies need not be counted.
    ///
    /// It calls no function that is not inlined, so it needs no stack frame: one read often brings
    /// many events.
    #[inline]
    fn finds_whole(&mut self, intake: &mut Intake) -> bool {
        let found = self.opening.is_none()
            && self.output.unsent() < self.settings().high_water_mark
            && self.connection.finds_whole(intake.unread());
        if found {
            self.rest(intake.now());
            intake.allow_event();
        }
        found
    }

    // The slow path of `step`. It is not inlined, to keep the fast path small.
    #[inline(never)]
    fn step_any(&mut self, intake: &mut Intake) -> Step {
        if self.opening.is_some() {
            return self.opening_step(intake);
        }
        if !self.is_over() {
            let Self { connection, output, .. } = self;
            let before = output.bytes.len();
            // The state of the connection holds the error, if any.
            let found = intake.seek(connection, &mut output.bytes) == Ok(true);
            self.note_answer(before);
            if found {
                self.rest(intake.now());
                if !self.may_receive() {
                    return Step::Write { or_read: false };
                }
                intake.allow_event();
                return Step::Event;
            }
            if self.reading_ended {
                self.receive_eof();
            } else {
                self.read_in_vain(intake.now());
            }
        }
        if self.is_over() {
            intake.clear();
            return self.end_step();
        }
        self.wait_step(intake)
    }

    fn opening_step(&mut self, intake: &mut Intake) -> Step {
        let Some(opening) = &mut self.opening else { return Step::Done };
        if !intake.is_empty() {
            intake.with_input(|input, _| opening.receive(input, &mut self.output.bytes));
        }
        if self.reading_ended {
            opening.receive_eof();
        }
        match &opening.state {
            State::Request(_) | State::Answering { .. } => return Step::Request,
            State::Opened(..) => return Step::Opened,
            State::Server(_) | State::Client(_) => return self.wait_step(intake),
            State::Lost | State::Responded | State::Refused(_) | State::Failed(_) => {}
        }
        self.note_opening_ended();
        intake.clear();
        self.end_step()
    }

    /// Returns the step of an open connection, or of an opening handshake, that needs more input.
    fn wait_step(&mut self, intake: &mut Intake) -> Step {
        intake.release();
        if self.is_unwritable() {
            self.output.clear();
        }
        if self.output.unsent() == 0 {
            self.output.release();
            return Step::Read;
        }
        // Reads even above the high-water mark: without an event there is no reply that would add
        // to the output, and a peer that writes before it reads may wait for this end to read.
        Step::Write { or_read: true }
    }

    /// Returns the next step of a connection that [has ended](Self::is_over), while the error of
    /// the last [`Intake::receive`] keeps the intake borrowed. In all other cases call
    /// [`step`](Self::step), which includes it.
    pub fn end_step(&mut self) -> Step {
        match self.writing {
            Writing::Failed => {
                // The output may hold the Close frame of an error, which can't be written.
                self.output.clear();
                return Step::Done;
            }
            // Already empty, unless the loop has shut down the write half too early.
            Writing::Ended => self.output.clear(),
            Writing::Open => {
                if self.output.unsent() > 0 {
                    // A peer that writes before it reads must be able to finish its writes.
                    return Step::Write { or_read: !self.reading_ended };
                }
                // The drain may last until the linger timeout: don't hold the memory.
                self.output.release();
                // RFC 6455 section 7.1.1: the server closes the transport first. So does the end
                // that fails the connection (section 7.1.7).
                let ends_first =
                    self.connection.role() == Role::Server || self.connection.error().is_some();
                if ends_first || self.reading_ended {
                    return Step::EndWriting;
                }
            }
        }
        if self.reading_ended { Step::Done } else { Step::Drain }
    }

    /// Returns true if an event may be handed out, because there is space for its replies. After
    /// this end has sent its Close frame the limit does not apply: pongs are the only possible
    /// replies, and the peer's Close frame must be read.
    #[inline]
    pub(super) fn may_receive(&mut self) -> bool {
        let mark = self.settings().high_water_mark;
        self.output.replies_below(mark) || !self.connection.is_open() || self.is_unwritable()
    }

    /// Receives on the slow path; `start` advances by the consumed input.
    #[inline(never)]
    pub(super) fn receive_any<'i>(
        &mut self,
        mut input: Input<'i>,
        inbox: &'i mut Inbox,
        start: &mut usize,
    ) -> Result<Option<Event<'i>>, ProtocolError> {
        let (before, len) = (self.output.bytes.len(), input.len());
        let event = self.connection.receive_any(&mut input, inbox, &mut self.output.bytes);
        *start += len - input.len();
        self.note_answer(before);
        event
    }

    /// Accounts for an automatic answer: receiving has appended one if the output is now longer
    /// than `before` bytes.
    #[inline]
    pub(super) fn note_answer(&mut self, before: usize) {
        if self.output.bytes.len() > before {
            self.limit_pongs(before);
        }
    }

    /// Drops the deferred pong if the connection holds a newer one, which it may send now. A pong
    /// must not follow the pong for a later ping.
    pub(super) fn drop_older_pong(&mut self) {
        if self.output.has_late_pong() && self.connection.has_waiting_pong() {
            self.output.drop_late_pong();
        }
    }

    #[cold]
    fn limit_pongs(&mut self, before: usize) {
        // A Close frame must not be deferred.
        let most = if self.is_over() { usize::MAX } else { self.settings().high_water_mark };
        let taken_out = self.output.pong(before, most);
        self.connection.taken_out(taken_out);
    }
}
