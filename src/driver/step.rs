use crate::driver::flow::{Flow, Writing};
use crate::driver::intake::Intake;
use crate::driver::opening::State;
use crate::error::protocol::ProtocolError;
use crate::event::Event;
use crate::inbox::Inbox;
use crate::input::Input;
use crate::role::Role;

/// The next thing to do, as [`Flow::step`] tells it.
#[expect(clippy::exhaustive_enums, reason = "an event loop must do each of them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take the request ([`Flow::take_request`]) and answer it. Only of a server's opening handshake.
    Request,
    /// Take the response ([`Flow::take_response`]): the connection is open. Only of a client's
    /// opening handshake.
    Opened,
    /// Receive the event ([`Intake::receive`]).
    Event,
    /// Read, but not beyond [`Flow::deadline`]. [`Intake::room`] is not empty.
    Read,
    /// Write some of [`Flow::output`]. If nothing can be written at once and `or_read`: read, too.
    /// If there is none, all of it is in flight: wait for its writes. With `or_read` [`Intake::room`] is
    /// not empty.
    Write {
        /// Whether a read may come in place of a write that would wait, and should.
        or_read: bool,
    },
    /// Flush, then end the writing half of the transport; then call [`Flow::writing_ended`].
    EndWriting,
    /// Read and drop the input ([`Flow::drained`]) until the peer's end or the deadline.
    Drain,
    /// Drop the transport. How it has ended is told
    ///
    /// * after an open connection by [`Flow::error`] and [`Flow::close_status`];
    /// * after an opening handshake, its timeout included, by [`Flow::refusal`] of a server and by
    ///   [`Flow::handshake_error`] of a client.
    ///
    /// All of them are `None` after a response other than a refusal, and if the transport has failed, or
    /// has ended before a request was whole.
    Done,
}

impl Flow {
    /// Tells what to do next.
    ///
    /// Input that was read is taken up to the next event, which it leaves to
    /// [`Intake::receive`].
    #[inline]
    pub fn step(&mut self, intake: &mut Intake) -> Step {
        if self.finds_whole(intake) {
            return Step::Event;
        }
        self.step_any(intake)
    }

    /// The short way of [`step`](Self::step): the unread bytes begin with a whole data frame, and so
    /// little output is unsent that replies have room without a count of them.
    ///
    /// It calls nothing, so that it needs no stack frame: many events come with one read.
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

    #[inline(never)]
    fn step_any(&mut self, intake: &mut Intake) -> Step {
        if self.opening.is_some() {
            return self.opening_step(intake);
        }
        if !self.is_over() {
            let Self { connection, output, .. } = self;
            let before = output.bytes.len();
            // An error shows in the connection's state.
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

    /// Nothing was read that gives an event.
    fn wait_step(&mut self, intake: &mut Intake) -> Step {
        intake.release();
        if self.is_unwritable() {
            self.output.clear();
        }
        if self.output.unsent() == 0 {
            self.output.release();
            return Step::Read;
        }
        // Above the mark too: until there is an event nothing can be replied, and a peer that writes
        // before it reads may wait for this end to read.
        Step::Write { or_read: true }
    }

    /// Tells what to do next once the connection is [over](Self::is_over), while the error of the
    /// last [`Intake::receive`] keeps the intake borrowed. Otherwise [`step`](Self::step) calls it.
    pub fn end_step(&mut self) -> Step {
        match self.writing {
            Writing::Failed => {
                // The Close frame of an error: nobody will write it.
                self.output.clear();
                return Step::Done;
            }
            // Empty, unless it was ended too early.
            Writing::Ended => self.output.clear(),
            Writing::Open => {
                if self.output.unsent() > 0 {
                    // A peer that writes before it reads must get done with it.
                    return Step::Write { or_read: !self.reading_ended };
                }
                // The peer may take its time to end.
                self.output.release();
                // RFC 6455 7.1.1: the server ends first, and so does the end that fails the connection.
                let ends_first =
                    self.connection.role() == Role::Server || self.connection.error().is_some();
                if ends_first || self.reading_ended {
                    return Step::EndWriting;
                }
            }
        }
        if self.reading_ended { Step::Done } else { Step::Drain }
    }

    /// Whether an event may be handed out: replies have room. Once our Close frame is sent nothing is
    /// replied but pongs, and the peer's Close frame is awaited.
    #[inline]
    pub(super) fn may_receive(&mut self) -> bool {
        let mark = self.settings().high_water_mark;
        self.output.replies_below(mark) || !self.connection.is_open() || self.is_unwritable()
    }

    /// Receives in the long way; `start` moves on by the input that it takes.
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

    /// Receiving has answered something by itself, if the output is longer than `before` bytes now.
    #[inline]
    pub(super) fn note_answer(&mut self, before: usize) {
        if self.output.bytes.len() > before {
            self.limit_pongs(before);
        }
    }

    /// Drops the pong that waits here if a newer one waits in the connection, which may send it now: a
    /// pong must not follow the one for a later ping.
    pub(super) fn drop_older_pong(&mut self) {
        if self.output.has_late_pong() && self.connection.has_waiting_pong() {
            self.output.drop_late_pong();
        }
    }

    #[cold]
    fn limit_pongs(&mut self, before: usize) {
        // A Close frame can't wait.
        let most = if self.is_over() { usize::MAX } else { self.settings().high_water_mark };
        let taken_out = self.output.pong(before, most);
        self.connection.taken_out(taken_out);
    }
}
