//! The reader of a split WebSocket. It reads, and writes if no other thread does.

use std::sync::MutexGuard;

use crate::adapter::pool;
use crate::blocking::drive::{Turns, give_back, release};
use crate::blocking::link::{Link, MIN_TIMEOUT};
use crate::blocking::shared::Shared;
use crate::blocking::state::{State, Turn, Until, Writer};
use crate::blocking::transport::Transport;
use crate::driver::{Intake, Step};
use crate::error::protocol::ProtocolError;
use crate::instant::{Instant, earlier};

impl<S: Transport> Shared<S> {
    /// Reads, and writes if no other thread does, until there is an event or the connection has
    /// ended. `None`: neither has happened until `until`.
    ///
    /// The returned guard holds the lock, so that the event is received before another thread
    /// changes the state.
    pub(super) fn wait(
        &self,
        link: &mut Link<S>,
        intake: &mut Intake,
        until: Option<Instant>,
    ) -> Option<(Turn, MutexGuard<'_, State>)> {
        let mut state = self.state();
        let mut turns = Turns::new(until);
        loop {
            self.attend(link, &mut state);
            let step = state.flow.step(intake);
            if step == Step::Event {
                return Some((Turn::Event, state));
            }
            let deadline = state.flow.deadline(intake, Instant::now());
            let moved;
            match state.turn(step, deadline) {
                Turn::Done => {
                    link.registration = None;
                    give_back(intake);
                    self.cut_off(link, &state);
                    return Some((Turn::Done, state));
                }
                Turn::Read(deadline) => {
                    state.reader_waits = true;
                    drop(state);
                    (state, moved) = self.read(link, intake, earlier(until, deadline));
                }
                Turn::Write { or_read: true } if !state.flow.is_over() => {
                    let before = state.flow.written();
                    state = self.write(state, Until::Turn(link.write_turn()));
                    let wrote = state.flow.written() > before;
                    // Senders that feed without pause, and a peer that takes few bytes at a time,
                    // must not keep this end from reading.
                    if state.flow.is_unwritable() || (wrote && state.flow.output().is_empty()) {
                        moved = true;
                    } else {
                        drop(state);
                        let found;
                        (state, found) = self.read(link, intake, Some(Instant::now()));
                        if !wrote {
                            link.end_turn(found);
                        }
                        moved = wrote || found;
                    }
                }
                turn @ (Turn::Drain(_)
                | Turn::EndWriting
                | Turn::Event
                | Turn::Wait(_)
                | Turn::Write { .. }) => {
                    state = self.end_turn(link, state, turn, until);
                    moved = false;
                }
            }
            if turns.are_over(moved) {
                return None;
            }
        }
    }

    /// Reads once, without the lock. Returns true if input arrived or the transport ended.
    fn read(
        &self,
        link: &mut Link<S>,
        intake: &mut Intake,
        until: Option<Instant>,
    ) -> (MutexGuard<'_, State>, bool) {
        let until = self.until(until);
        let room = intake.room(&self.state().flow, pool::take);
        let read = link.read(room, until);
        let mut state = self.state();
        state.reader_waits = false;
        let found = matches!(read, Ok(Some(_)));
        match read {
            Ok(Some(n)) => state.flow.read_done(intake, n, Instant::now()),
            Ok(None) => {
                release(intake);
                let now = Instant::now();
                let deadline = state.flow.deadline(intake, now);
                if deadline.is_some_and(|deadline| now >= deadline) {
                    state.flow.timed_out(intake, now);
                }
            }
            Err(error) => state.fail(error),
        }
        if state.flow.is_over() {
            // Senders that wait for space must fail.
            self.wake(&state);
        }
        (state, found)
    }

    /// Ends the transport of a connection that has ended, while an error keeps the intake borrowed.
    /// Returns false if it has not ended by `until`.
    pub(super) fn end(&self, link: &mut Link<S>, until: Option<Instant>) -> bool {
        let mut state = self.state();
        let mut turns = Turns::new(until);
        loop {
            self.attend(link, &mut state);
            let step = state.flow.end_step();
            let deadline = state.flow.write_deadline(Instant::now());
            match state.turn(step, deadline) {
                Turn::Done | Turn::Event | Turn::Read(_) => {
                    link.registration = None;
                    self.cut_off(link, &state);
                    return true;
                }
                turn @ (Turn::Drain(_) | Turn::EndWriting | Turn::Wait(_) | Turn::Write { .. }) => {
                    state = self.end_turn(link, state, turn, until);
                }
            }
            if turns.are_over(false) {
                return false;
            }
        }
    }

    /// Writes the final output of a connection that has just closed, unless another thread writes,
    /// and until `until`.
    pub(super) fn write_last<'a>(
        &'a self,
        link: &mut Link<S>,
        mut state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) {
        let mut turns = Turns::new(until);
        loop {
            let step = state.flow.end_step();
            let deadline = state.flow.write_deadline(Instant::now());
            let turn = state.turn(step, deadline);
            if !matches!(turn, Turn::Write { .. }) {
                return;
            }
            state = self.end_turn(link, state, turn, until);
            if turns.are_over(false) {
                return;
            }
        }
    }

    /// Performs one turn that processes no input. It ends early at `until`.
    fn end_turn<'a>(
        &'a self,
        link: &mut Link<S>,
        mut state: MutexGuard<'a, State>,
        turn: Turn,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        match turn {
            Turn::Write { or_read } => {
                let before = state.flow.written();
                let mut patience = if or_read { link.write_turn() } else { self.poll };
                if let Some(until) = until {
                    let left = until.saturating_duration_since(Instant::now());
                    patience = patience.min(left).max(MIN_TIMEOUT);
                }
                state = self.write(state, Until::Turn(patience));
                if state.flow.written() == before && or_read && !state.flow.is_unwritable() {
                    let mut found = false;
                    for _ in 0..DRAINS_PER_TURN {
                        drop(state);
                        let drained;
                        (state, drained) = self.drain(link, Some(Instant::now()));
                        found |= drained;
                        if !drained || state.flow.is_unwritable() {
                            break;
                        }
                    }
                    link.end_turn(found);
                }
            }
            Turn::Wait(deadline) => {
                state = self.wait_for_change(state, earlier(until, deadline));
                state.flow.write_timed_out(Instant::now());
            }
            Turn::EndWriting => {
                // An error means that the peer has closed the transport, and so its write half as
                // well.
                let _ = link.stream.shutdown_write();
                state.flow.writing_ended();
            }
            Turn::Drain(deadline) => {
                drop(state);
                (state, _) = self.drain(link, self.until(earlier(until, deadline)));
            }
            Turn::Done | Turn::Event | Turn::Read(_) => {}
        }
        state
    }

    /// Reads once, without the lock, and drops the input. Returns true if there was any.
    fn drain(&self, link: &mut Link<S>, until: Option<Instant>) -> (MutexGuard<'_, State>, bool) {
        let mut scratch = pool::take();
        let read = link.read(&mut scratch, until);
        pool::put(scratch);
        let mut state = self.state();
        let drained = matches!(read, Ok(Some(_)));
        match read {
            Ok(Some(n)) => state.flow.drained(n, Instant::now()),
            Ok(None) => state.flow.write_timed_out(Instant::now()),
            Err(error) => state.fail(error),
        }
        (state, drained)
    }

    /// Executes an order to close.
    fn attend(&self, link: &Link<S>, state: &mut State) {
        if link.attend(&mut state.flow) {
            state.abandoned |= state.flow.error() == Some(ProtocolError::Aborted);
            // Senders that wait for room may never get it.
            self.wake(state);
        }
    }

    /// Interrupts a write that another thread may still be blocked in after the connection has
    /// ended.
    fn cut_off(&self, link: &mut Link<S>, state: &State) {
        if state.writer != Writer::Nobody {
            let _ = link.stream.shutdown_write();
        }
        self.wake(state);
    }
}

/// The number of reads in a turn that drains.
const DRAINS_PER_TURN: usize = 16;
