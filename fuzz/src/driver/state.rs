//! The expected state of a driver, derived from the calls.

use sansocket::config::Delivery;
use sansocket::driver::{Flow, Intake, Reply, Step};
use sansocket::error::{ProtocolError, SendError, TimeoutError};
use sansocket::{Connection, Instant, Role};

use super::frame::{CLOSE, Frame, PONG};
use super::output::{Appended, Kind, Output};
use super::plan::Plan;
use super::reference::{Bare, Opening, Seen, Trace, has_deflate};
use super::sends::{Mirror, Send, send_by};
use super::source::Source;

pub(super) struct State<'p> {
    pub(super) plan: &'p Plan,
    pub(super) opening: Opening,
    /// The position of the first frame in the stream.
    frames_at: usize,
    /// The opening handshake is complete, and has opened a connection.
    pub(super) opened: bool,
    pub(super) now: Instant,
    /// How many bytes of the stream were read.
    pub(super) given: usize,
    /// The same, without the bytes read after the end of the connection.
    received: usize,
    /// The peer sends EOF after its stream; and the EOF was reported to the driver.
    pub(super) ends: bool,
    pub(super) end_reported: bool,
    /// A connection that has received the bytes read so far.
    pub(super) bare: Option<Bare>,
    /// A connection that has received the entire stream at once.
    whole: Option<Bare>,
    /// The events that were handed out.
    pub(super) trace: Trace,
    pub(super) output: Output,
    pub(super) mirror: Mirror,
    /// All calls have observed their contracts.
    pub(super) exact: bool,
    /// There was a read without a step that requires one.
    pub(super) unasked: bool,
    pub(super) longest_read: usize,
    pub(super) tracks_flushes: bool,
    pub(super) done: bool,
}

impl<'p> State<'p> {
    pub(super) fn new(plan: &'p Plan, flow: &Flow) -> Self {
        let opening = Opening::of(plan);
        let opened = opening.opened(plan);
        let (frames_at, negotiated) =
            opened.unwrap_or_else(|| (usize::MAX, plan.negotiated.clone()));
        let (mut bare, mut whole) = (None, None);
        if frames_at <= plan.stream.len() {
            bare = Some(Bare::new(plan, &negotiated));
            whole = Some(Bare::new(plan, &negotiated));
        }
        if let Some(whole) = &mut whole {
            whole.receive(&plan.stream[frames_at..]);
        }
        let mirror = Connection::new(plan.role, &plan.config, &negotiated, plan.start);
        let mut state = Self {
            plan,
            opened: matches!(opening, Opening::None),
            opening,
            frames_at,
            now: plan.start,
            given: 0,
            received: 0,
            ends: false,
            end_reported: false,
            bare,
            whole,
            trace: Trace::new(has_deflate(&negotiated)),
            output: Output::new(plan.role, plan.config.max_unsent(), plan.mark),
            mirror: Mirror::new(plan.role, mirror, has_deflate(&negotiated)),
            exact: true,
            unasked: false,
            longest_read: 0,
            tracks_flushes: false,
            done: false,
        };
        let request = flow.output().to_vec();
        assert_eq!(
            request.starts_with(b"GET /chat HTTP/1.1\r\n"),
            plan.opens && !state.is_server()
        );
        state.look(flow, Kind::Reply, Appended::Bytes(request));
        state
    }

    pub(super) fn is_server(&self) -> bool {
        self.plan.role == Role::Server
    }

    /// Returns the next bytes of the stream, at most `max`.
    pub(super) fn next_input(&self, max: usize) -> &'p [u8] {
        let rest = &self.plan.stream[self.given..];
        &rest[..max.min(rest.len())]
    }

    /// Records that the next `n` bytes of the stream were read.
    pub(super) fn read(&mut self, n: usize) {
        let before = self.given.max(self.frames_at);
        self.given += n;
        self.longest_read = self.longest_read.max(n);
        if self.output.is_over {
            // After the end of the connection, input is dropped.
            return;
        }
        self.received = self.given;
        if let Some(bare) = &mut self.bare
            && self.given > before
        {
            bare.receive(&self.plan.stream[before..self.given]);
        }
    }

    /// Checks the output after a call that sends no message of the caller.
    pub(super) fn look_after(&mut self, flow: &Flow, kind: Kind) {
        if self.opened {
            self.look(flow, kind, Appended::Frames(Vec::new()));
        } else {
            // A response to a request that is invalid or was late.
            let new = self.output.new_bytes(flow);
            let is_answer = new.is_empty() || new.starts_with(b"HTTP/1.1 4");
            assert!(is_answer || !self.exact, "{}", new.escape_ascii());
            self.look(flow, kind, Appended::Bytes(new));
        }
    }

    pub(super) fn look(&mut self, flow: &Flow, kind: Kind, appended: Appended) {
        if self.exact {
            self.output.look(flow, kind, appended);
        }
    }

    /// Returns true if there is an event that was not handed out.
    pub(super) fn event_waits(&self) -> bool {
        let has_more = |bare: &Bare| bare.trace.amount > self.trace.amount;
        self.opened && self.bare.as_ref().is_some_and(has_more)
    }

    /// Returns true if the peer has violated a rule, and all earlier events were handed out.
    fn error_waits(&self) -> bool {
        self.opened
            && !self.event_waits()
            && self.bare.as_ref().is_some_and(|bare| bare.trace.error.is_some())
    }

    /// Returns true if there may be an event or an error. Empty parts are not counted.
    fn has_news(&self) -> bool {
        let in_parts = self.plan.config.delivery() == Delivery::Parts;
        in_parts || self.event_waits() || self.error_waits()
    }

    /// Returns whether an event may be handed out, given the unsent replies; `None` if not
    /// predictable.
    fn may_hand_out(&self) -> Option<bool> {
        let replies = self.output.replies();
        if self.output.lost || !self.output.is_open {
            return None;
        }
        // The driver may still count replies that have left.
        if replies >= self.plan.mark {
            Some(false)
        } else if replies == 0 {
            Some(true)
        } else {
            None
        }
    }

    /// Checks the guarantees of a step.
    pub(super) fn judge(&mut self, step: Step, flow: &Flow, intake: &Intake) {
        assert!(!self.done || !self.exact || step == Step::Done, "{step:?} after Done");
        self.done |= step == Step::Done;
        if flow.is_over() {
            assert_eq!(
                (intake.capacity(), intake.unread().len()),
                (0, 0),
                "memory held after the end"
            );
        }
        if !self.exact {
            return;
        }
        let (unsent, over) = (flow.unsent(), flow.is_over());
        let must_write = unsent > 0;
        match step {
            Step::Request => assert!(self.is_server() && !self.opened && !over),
            Step::Opened => assert!(!self.is_server() && !self.opened && !over),
            Step::Event => {
                assert!(self.opened && !over);
                assert!(self.has_news(), "no event waits");
                assert_ne!(self.may_hand_out(), Some(false), "an event above the mark");
            }
            Step::Read => {
                assert!(!over && !must_write, "{unsent} bytes are unsent");
                assert!(!self.end_reported, "a read after EOF");
            }
            Step::Write { or_read } => {
                assert!(must_write && !flow.is_unwritable(), "nothing to write");
                assert_eq!(flow.output().len() + self.output.in_flight(), unsent);
                if over {
                    assert_eq!(or_read, !self.end_reported);
                } else if or_read {
                    assert!(!self.end_reported, "a read after EOF");
                } else {
                    assert!(self.has_news(), "no event waits");
                    assert_ne!(self.may_hand_out(), Some(true), "an event is kept back");
                }
            }
            Step::EndWriting | Step::Drain | Step::Done => {
                assert!(over && !must_write, "{unsent} bytes are unsent");
                assert!(step != Step::Drain || !self.end_reported, "a read after EOF");
                if step == Step::Done && !self.output.lost {
                    assert!(self.end_reported, "done before the peer's EOF");
                }
            }
        }
        if matches!(step, Step::Read | Step::Write { or_read: true }) && !over {
            assert!(!self.event_waits(), "an event waits");
            assert!(!self.error_waits(), "an error waits");
            assert!(intake.is_empty());
            if !self.opened {
                assert!(!self.head_is_whole(), "the handshake waits");
            }
            self.output.assert_no_pong_waits();
        }
        if !self.unasked {
            assert!(intake.unread().len() <= self.longest_read, "{}", intake.unread().len());
        }
        if self.opened && !has_deflate(self.negotiated()) {
            assert!(intake.capacity() <= 33 * self.given + 256, "{}", intake.capacity());
        }
        if over && self.opened {
            self.judge_error(flow.error());
        }
    }

    fn negotiated(&self) -> &sansocket::connection::Negotiated {
        match &self.opening {
            Opening::Request { accepted: Some(negotiated), .. }
            | Opening::Response { negotiated, .. } => negotiated,
            _ => &self.plan.negotiated,
        }
    }

    fn head_is_whole(&self) -> bool {
        match self.opening {
            Opening::Request { at, .. } | Opening::Response { at, .. } => self.given >= at,
            Opening::None | Opening::Unfinished | Opening::Failed => false,
        }
    }

    /// Checks that the timeout of an error has passed.
    fn judge_error(&self, error: Option<ProtocolError>) {
        let Some(ProtocolError::Timeout(error)) = error else { return };
        let config = &self.plan.config;
        let timeout = match error {
            TimeoutError::Handshake => config.handshake_timeout(),
            TimeoutError::KeepAlive => config.keep_alive_timeout().expect("it is on"),
            TimeoutError::Message => config.message_timeout().expect("it is on"),
            TimeoutError::Write => {
                let write = config.write_timeout();
                config.keep_alive_timeout().map_or(write, |keep_alive| keep_alive.min(write))
            }
            TimeoutError::Close | TimeoutError::CloseUnsent => config.close_timeout(),
            _ => panic!("an unknown error: {error}"),
        };
        let passed = self.now.saturating_duration_since(self.plan.start);
        assert!(passed >= timeout, "{error} after {passed:?}");
    }

    /// Records an event that was handed out, and checks it.
    pub(super) fn handed(&mut self, seen: Seen, flow: &Flow) {
        if !self.exact {
            return;
        }
        assert_ne!(self.may_hand_out(), Some(false), "an event above the mark");
        assert!(!self.output.is_over, "an event after the end");
        let frames = match &seen {
            Seen::Ping(payload) => vec![Frame::new(PONG, payload)],
            Seen::Close(frame) if !self.output.close_sent => vec![match frame {
                None => Frame::new(CLOSE, []),
                Some((code, reason)) => Frame::close(*code, reason),
            }],
            _ => Vec::new(),
        };
        self.look(flow, Kind::Step, Appended::Frames(frames));
        self.trace.see(seen);
        let had = self.bare.as_ref().map_or(0, |bare| bare.trace.amount);
        assert!(self.trace.amount <= had, "more was handed out than received");
    }

    /// Checks the state after the last event was found to be an error.
    pub(super) fn event_failed(&mut self, error: ProtocolError, flow: &Flow) {
        assert_eq!(flow.error(), Some(error));
        self.look_after(flow, Kind::Step);
    }

    /// Replies to an event; `way` gives the number of replies.
    pub(super) fn reply(&mut self, way: u8, reply: &mut Reply<'_>, source: &mut Source<'_>) {
        for _ in 0..way & 3 {
            let send = self.mirror.choose(source);
            let result = send_by!(reply, &send);
            self.sent(&send, result, true, reply.flow());
        }
    }

    /// Sends unsolicited output.
    pub(super) fn send(&mut self, flow: &mut Flow, source: &mut Source<'_>) {
        let send = self.mirror.choose(source);
        let result = send_by!(flow, &send);
        self.sent(&send, result, false, flow);
    }

    fn sent(&mut self, send: &Send, result: Result<(), SendError>, is_reply: bool, flow: &Flow) {
        if !self.exact || self.output.lost {
            self.look(flow, Kind::Reply, Appended::Frames(Vec::new()));
            return;
        }
        let kind = if is_reply { Kind::Reply } else { Kind::Unsolicited };
        let max_unsent = self.plan.config.max_unsent();
        let (unsent, replies) = (self.output.unsent(), self.output.replies());
        let is_full = if is_reply {
            unsent >= max_unsent && replies >= self.plan.mark
        } else {
            unsent >= max_unsent - self.plan.mark
        };
        let expected = if !self.opened {
            Some(if self.output.is_over { SendError::Closed } else { SendError::NotOpen })
        } else if !self.output.is_open {
            Some(SendError::Closed)
        } else if is_full {
            Some(SendError::Full)
        } else {
            self.mirror.refusal(send)
        };
        let waiting_pong = self.output.waits();
        if result != expected.map_or(Ok(()), Err) {
            // The driver may still count replies that have left, and a deferred pong may have used
            // the space.
            let counts_more = is_reply && unsent >= max_unsent && replies > 0;
            assert!(
                result == Err(SendError::Full) && (counts_more || waiting_pong),
                "{result:?} in place of {expected:?}: {send:?}"
            );
        }
        let frames = if result.is_ok() { self.mirror.accepted(send) } else { Vec::new() };
        if self.opened {
            self.look(flow, kind, Appended::Frames(frames));
        } else {
            self.look(flow, kind, Appended::Bytes(Vec::new()));
        }
    }

    /// Checks the final state of a driver that is done.
    pub(super) fn judge_end(&self, flow: &Flow) {
        let Some(bare) = self.bare.as_ref().filter(|_| self.opened) else {
            assert!(self.trace.events.is_empty());
            return;
        };
        let whole = self.whole.as_ref().expect("as the other");
        if self.received == self.plan.stream.len() {
            bare.trace.assert_is(&whole.trace);
        } else {
            bare.trace.assert_begins(&whole.trace);
        }
        self.trace.assert_begins(&bare.trace);
        let error = flow.error();
        let cut_short = matches!(error, Some(ProtocolError::Timeout(_) | ProtocolError::Aborted));
        if self.output.lost || cut_short {
            return;
        }
        assert_eq!(self.output.unsent(), 0, "output is lost");
        let mut trace = Trace::new(has_deflate(self.negotiated()));
        trace.events.clone_from(&bare.trace.events);
        trace.error = bare.trace.error;
        if !bare.trace.closed {
            trace.error = Some(sansocket::error::PeerError::ClosedWithoutHandshake.into());
        }
        let mut own = Trace::new(has_deflate(self.negotiated()));
        own.events.clone_from(&self.trace.events);
        own.error = error;
        own.assert_is(&trace);
        if let Some(stats) = flow.connection().stats().filter(|_| self.plan.counts) {
            assert_eq!(stats.messages_received, self.trace.messages);
            assert_eq!(stats.messages_sent, self.mirror.messages);
        }
    }
}
