//! What the halves of a split WebSocket share: the state, the writing handle, and its use. The reader's
//! part is in `reading`.
//!
//! There are two locks. That of the [`State`] is held for a call, never over I/O; events are
//! lent from the reader's own buffer, outside of it. That of the writing handle is held by the one
//! thread that writes.
//!
//! ```text
//!   sender ──feed──► output ──take──► in flight ──write──► transport
//!   reader ──pongs, Close──┘     the writer's role: one thread at a time, the first that comes
//! ```
//!
//! There is no thread behind it: a sender that waits for its output writes it, unless another thread
//! is writing, which takes it along then. The role is taken and given back under the state's lock,
//! where the output is seen to be there or not. A writer whose own output has left passes the role on
//! to a sender that waits.

use core::time::Duration;

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::{Buf, BytesMut};

use crate::blocking::link::{Link, MIN_TIMEOUT, earlier, look_interval};
use crate::blocking::state::{State, Until, Writer};
use crate::blocking::transport::Transport;
use crate::connection::closing::CloseStatus;
use crate::driver::Flow;
use crate::error::adapter::WebSocketError;
use crate::error::send::SendError;
use crate::instant::Instant;

/// After this many rounds a thread stops writing what others feed all the time.
const MAX_ROUNDS: u32 = 16;

/// What both halves share.
#[derive(Debug)]
pub(super) struct Shared<S> {
    state: Mutex<State>,
    /// Output has left, or the connection has closed, or the writer's role is free.
    changed: Condvar,
    /// For the thread that has the writer's role; `None`: the reader was dropped.
    handle: Mutex<Option<Link<S>>>,
    shutdown: fn(&mut S) -> io::Result<()>,
    /// No thread waits for longer without a look at what others have changed: a blocked read can't be
    /// woken when another thread closes, and the close deadline should not pass long unnoticed.
    pub(super) poll: Duration,
}

/// What a call of the transport has done.
enum Wrote {
    Bytes(usize),
    Flushed,
}

impl<S> Shared<S> {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Wakes all threads that wait for a change.
    pub(super) fn wake(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// The connection is given up, without a Close frame.
    pub(super) fn abort(&self) {
        let mut state = self.state();
        state.abandoned = true;
        state.flow.abort();
        self.wake(&state);
    }

    /// Ends the transport of an aborted connection; `stream` is any handle of it.
    pub(super) fn shut_down(&self, stream: &mut S) {
        // Ends the write that another thread may be blocked in, and the peer's waiting. It may have
        // ended before.
        let _ = (self.shutdown)(stream);
        // The thread that holds the writing handle drops it.
        if let Some(mut handle) = self.try_handle() {
            *handle = None;
        }
    }

    /// The same by way of the writing handle, if no thread is writing.
    pub(super) fn shut_down_writer(&self) {
        if let Some(mut handle) = self.try_handle() {
            self.shut_down_handle(&mut handle);
        }
    }

    /// The writing handle, unless a thread is writing.
    fn try_handle(&self) -> Option<MutexGuard<'_, Option<Link<S>>>> {
        match self.handle.try_lock() {
            Ok(handle) => Some(handle),
            // A write has panicked: the handle must end all the same.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn shut_down_handle(&self, handle: &mut Option<Link<S>>) {
        if let Some(mut link) = handle.take() {
            let _ = (self.shutdown)(&mut link.stream);
        }
    }

    /// Waits until another thread changes something, or for a while.
    pub(super) fn wait_for_change<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        let timeout = match deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()).min(self.poll),
            None => self.poll,
        };
        state.waiting += 1;
        let waited = self.changed.wait_timeout(state, timeout);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state
    }

    /// `deadline`, but no later than the next look at what others have changed.
    pub(super) fn until(&self, deadline: Option<Instant>) -> Option<Instant> {
        earlier(deadline, Instant::now().checked_add(self.poll))
    }
}

/// A panic under the lock leaves nothing half done: all calls under it are whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Transport> Shared<S> {
    /// `stream` is the second handle, for writing.
    pub(super) fn new(flow: Flow, stream: S) -> Self {
        let poll = look_interval(&flow);
        Self {
            state: Mutex::new(State::new(flow)),
            changed: Condvar::new(),
            handle: Mutex::new(Some(Link::new(stream))),
            shutdown: S::shutdown_write,
            poll,
        }
    }

    /// Feeds by `feed`. A reader that is blocked in a read can't be woken to write it: then it is
    /// written here as far as the transport takes it at once.
    pub(super) fn feed(
        &self,
        feed: impl FnOnce(&mut Flow) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut state = self.state();
        feed(&mut state.flow)?;
        if state.reader_waits {
            drop(self.write(state, Until::Turn(MIN_TIMEOUT)));
        }
        Ok(())
    }

    /// Feeds by `feed` when there is room, then writes until the message has left.
    pub(super) fn send(
        &self,
        mut feed: impl FnMut(&mut Flow) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        let mut state = self.state();
        loop {
            if state.flow.is_open() {
                state.check_writable()?;
            }
            match feed(&mut state.flow) {
                Ok(()) => {
                    let end = state.flow.end();
                    return self.send_up_to(state, end).map(drop);
                }
                Err(SendError::Full) => {
                    let progress = state.flow.flushed().saturating_add(1);
                    state = self.send_up_to(state, progress)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes all output that there is now, or waits until it is written.
    pub(super) fn flush(&self) -> Result<(), WebSocketError> {
        let state = self.state();
        let end = state.flow.end();
        self.send_up_to(state, end).map(drop)
    }

    /// Waits until the connection is over, and its output has left or can't leave.
    pub(super) fn closed(&self) -> Option<CloseStatus> {
        let mut state = self.state();
        while !state.flow.is_over() {
            state = self.wait_for_change(state, None);
        }
        let end = state.flow.end();
        // The reader gets an error too.
        drop(self.send_up_to(state, end));
        self.state().flow.connection().close_status()
    }

    /// Writes, or waits for the thread that does, until the output has left up to `end`.
    fn send_up_to<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        end: u64,
    ) -> Result<MutexGuard<'a, State>, WebSocketError> {
        while state.flow.flushed() < end {
            state.check_writable()?;
            if state.writer == Writer::Nobody {
                let was_over = state.flow.is_over();
                state = self.write(state, Until::Sent(end));
                if state.flow.is_over() && !was_over && state.flow.flushed() < end {
                    // The peer has taken nothing for too long.
                    state.check_writable()?;
                    if let Some(error) = state.flow.error() {
                        state.flow.failed();
                        self.wake(&state);
                        return Err(error.into());
                    }
                }
            } else {
                state.senders += 1;
                state = self.wait_for_change(state, None);
                state.senders -= 1;
            }
        }
        Ok(state)
    }

    /// Sends a Close frame.
    pub(super) fn close_output(
        &self,
        close: impl FnOnce(&mut Flow) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut state = self.state();
        close(&mut state.flow)?;
        // Senders that wait for room never get it.
        self.wake(&state);
        drop(self.write(state, Until::Turn(self.poll)));
        Ok(())
    }

    /// Writes, unless another thread does.
    pub(super) fn write<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mut until: Until,
    ) -> MutexGuard<'a, State> {
        if state.writer != Writer::Nobody || state.flow.is_unwritable() {
            return state;
        }
        state.writer = Writer::Somebody;
        drop(state);
        let mut role = WriterRole { shared: self, kept: true };
        let mut handle = lock(&self.handle);
        let mut turn_end = until.turn_end();
        let mut rounds = 0_u32;
        loop {
            let mut state = self.state();
            if state.abandoned {
                // The thread that has aborted could not do it.
                drop(state);
                self.shut_down_handle(&mut handle);
                state = self.state();
            }
            rounds += 1;
            if until.is_reached(&state.flow) {
                until = Until::Turn(MIN_TIMEOUT);
                turn_end = until.turn_end();
            }
            let may_stop = may_stop(&state, until, rounds) || rounds > 1 && is_past(turn_end);
            let Some(link) = handle.as_mut().filter(|_| !may_stop) else {
                role.give_back(&mut state);
                return state;
            };
            let taken = state.flow.take_output();
            let deadline = state.flow.write_deadline(Instant::now());
            drop(state);
            if !self.write_taken(link, taken, deadline, until, turn_end) {
                let mut state = self.state();
                if state.abandoned {
                    drop(state);
                    self.shut_down_handle(&mut handle);
                    state = self.state();
                }
                role.give_back(&mut state);
                return state;
            }
        }
    }

    /// Writes what was taken, up to what this thread or another one waits for, and flushes. False: the
    /// writer stops.
    fn write_taken(
        &self,
        link: &mut Link<S>,
        mut bytes: BytesMut,
        mut deadline: Option<Instant>,
        until: Until,
        turn_end: Option<Instant>,
    ) -> bool {
        let mut flush = bytes.is_empty();
        loop {
            let patience = match until {
                Until::Sent(_) => self.poll,
                Until::Turn(turn) => turn,
            };
            let look = earlier(turn_end, Instant::now().checked_add(patience));
            let look = link.write_until(deadline, look);
            let wrote = if flush {
                link.flush(look).map(|flushed| flushed.then_some(Wrote::Flushed))
            } else {
                link.write(&bytes, look).map(|n| n.map(Wrote::Bytes))
            };
            let mut state = self.state();
            let now = Instant::now();
            match wrote {
                _ if state.abandoned => return false,
                Ok(Some(Wrote::Flushed)) => {
                    state.flow.put_back(bytes);
                    state.flow.flush_done();
                    self.wake(&state);
                    return true;
                }
                Ok(Some(Wrote::Bytes(n))) => {
                    bytes.advance(n);
                    state.flow.write_done(n, now);
                    flush = bytes.is_empty() || state.senders > 0 || until.is_written(&state.flow);
                    self.wake(&state);
                    if !flush && turn_end.is_some_and(|end| now >= end) {
                        state.flow.put_back(bytes);
                        return false;
                    }
                }
                Ok(None) => {
                    let over = state.flow.is_over();
                    state.flow.write_timed_out(now);
                    let failed = state.flow.is_unwritable() || (state.flow.is_over() && !over);
                    if failed || matches!(until, Until::Turn(_)) && link.can_resume_write() {
                        state.flow.put_back(bytes);
                        return false;
                    }
                }
                Err(error) => {
                    state.write_failed(error);
                    return false;
                }
            }
            // The connection may have closed since: then there is another deadline.
            deadline = state.flow.write_deadline(now);
        }
    }
}

/// Whether a thread that writes may stop between two rounds.
fn may_stop(state: &State, until: Until, rounds: u32) -> bool {
    let flow = &state.flow;
    if flow.is_unwritable() || (flow.output().is_empty() && !flow.needs_flush()) {
        return true;
    }
    match until {
        Until::Sent(_) => false,
        Until::Turn(_) => rounds > MAX_ROUNDS || (rounds > 1 && state.senders > 0),
    }
}

fn is_past(end: Option<Instant>) -> bool {
    end.is_some_and(|end| Instant::now() >= end)
}

/// The writer's role, given back even if the transport panics.
struct WriterRole<'a, S> {
    shared: &'a Shared<S>,
    kept: bool,
}

impl<S> WriterRole<'_, S> {
    fn give_back(&mut self, state: &mut State) {
        self.kept = false;
        state.writer = Writer::Nobody;
        self.shared.wake(state);
    }
}

impl<S> Drop for WriterRole<'_, S> {
    fn drop(&mut self) {
        if self.kept {
            let shared = self.shared;
            let mut state = shared.state();
            // Nobody knows how much was written.
            state.flow.failed();
            self.give_back(&mut state);
            if state.abandoned {
                // The thread that has aborted could not end the handle.
                drop(state);
                shared.shut_down_writer();
            }
        }
    }
}
