//! The state that the halves of a split WebSocket share, and its locks. The reader's functions are
//! in `reading`.
//!
//! ```text
//!  sender ─ feed ─► output ─ take ─► in flight ─ write ─► transport
//!  reader ─ pongs,    ▲                 │          by the thread with the writer's role
//!           Close ────┘◄── put back ────┘
//!
//!  the writer's role, `State::writer`:
//!
//!    Nobody ──► Somebody ──► Nobody        both changes under the lock of the state
//!       │           │           └─ `changed` wakes the threads that wait
//!       │           └─ writes without that lock, with the lock of the handle
//!       └─ taken by the first thread that needs output written
//! ```
//!
//! There is no background thread. A sender writes its own output, unless another thread has the
//! role; then that thread writes it too. When its own output has left, a writer gives the role
//! back, and a waiting sender takes it.
//!
//! Two locks:
//!
//! * `state` guards the [`State`]. It is held for one call and not during I/O, except when the
//!   reader shuts down the write half, which does not block.
//! * `handle` guards the writing handle of the transport. It is held during writes, by the thread
//!   with the writer's role.
//!
//! Invariants:
//!
//! * Lock order: `handle`, then `state`. A thread never locks `handle` while it holds `state`.
//! * A thread takes the role only if `writer` is `Nobody`. It gives the role back under the lock of
//!   `state`, and notifies `changed`: a sender with unsent output then takes the role. So no output
//!   of a waiting sender is without a writer.
//! * Bytes in flight count as unsent, and only the writer reports them as written or puts them
//!   back. So the order of the output is kept.
//! * If the transport panics in a write, the number of written bytes is unknown: [`WriterRole`]
//!   fails the connection and gives the role back.
//! * Events borrow from the reader's intake, outside of both locks.
//! * A thread that is blocked in a read or a write can't be woken, so it checks the state again
//!   after at most `poll` (in a write that can't be resumed, at its deadline). If `abandoned` is
//!   set then, the writer shuts down the handle, which the aborting thread could not lock.

use core::time::Duration;

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::{Buf, BytesMut};

use crate::blocking::link::{Link, MIN_TIMEOUT, check_interval};
use crate::blocking::state::{State, Until, Writer};
use crate::blocking::transport::Transport;
use crate::connection::closing::CloseStatus;
use crate::driver::Flow;
use crate::error::adapter::WebSocketError;
use crate::error::send::SendError;
use crate::instant::{Instant, earlier};

/// The number of rounds after which a thread stops writing the output that others feed.
const MAX_ROUNDS: u32 = 16;

/// The state and the handles that both halves share.
#[derive(Debug)]
pub(super) struct Shared<S> {
    state: Mutex<State>,
    /// Notified when output has left, the connection has ended, or the writer's role is free.
    changed: Condvar,
    /// The writing handle, for the thread with the writer's role. `None` after it was shut down.
    handle: Mutex<Option<Link<S>>>,
    /// [`Transport::shutdown_write`], stored here so that `drop` needs no `S: Transport`.
    shutdown: fn(&mut S) -> io::Result<()>,
    /// The longest wait of a thread before it checks the state again. A blocked read can't be woken
    /// when another thread closes, and the close deadline must not pass unnoticed for long.
    pub(super) poll: Duration,
}

/// The result of a call of the transport.
enum Wrote {
    Bytes(usize),
    Flushed,
}

impl<S> Shared<S> {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Wakes all threads that wait for a change. Without such threads it makes no system call.
    pub(super) fn wake(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// Aborts the connection without a Close frame.
    pub(super) fn abort(&self) {
        let mut state = self.state();
        state.abandoned = true;
        state.flow.abort();
        self.wake(&state);
    }

    /// Ends the transport of an aborted connection. `stream` is any handle of it.
    pub(super) fn shut_down(&self, stream: &mut S) {
        // Interrupts a write that another thread may be blocked in, and sends EOF to the peer. An
        // error means that the write half was shut down before.
        let _ = (self.shutdown)(stream);
        // A thread that is writing drops the handle itself.
        if let Some(mut handle) = self.try_handle() {
            *handle = None;
        }
    }

    /// Ends the transport of an aborted connection through the writing handle, unless a thread is
    /// writing.
    pub(super) fn shut_down_writer(&self) {
        if let Some(mut handle) = self.try_handle() {
            self.shut_down_handle(&mut handle);
        }
    }

    /// Locks the writing handle, unless a thread is writing.
    fn try_handle(&self) -> Option<MutexGuard<'_, Option<Link<S>>>> {
        match self.handle.try_lock() {
            Ok(handle) => Some(handle),
            // A write has panicked: the handle must still be shut down.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Shuts down and drops the writing handle.
    fn shut_down_handle(&self, handle: &mut Option<Link<S>>) {
        if let Some(mut link) = handle.take() {
            let _ = (self.shutdown)(&mut link.stream);
        }
    }

    /// Blocks until another thread notifies a change, until the deadline, or for `poll`.
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

    /// Returns `deadline`, limited to the next check of the state.
    pub(super) fn until(&self, deadline: Option<Instant>) -> Option<Instant> {
        earlier(deadline, Instant::now().checked_add(self.poll))
    }
}

/// Locks a mutex, also after a panic of another holder: each call under a lock of this adapter
/// leaves the state consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Transport> Shared<S> {
    /// Creates the shared state. `stream` is the second handle, for writing.
    pub(super) fn new(flow: Flow, stream: S) -> Self {
        let poll = check_interval(&flow);
        Self {
            state: Mutex::new(State::new(flow)),
            changed: Condvar::new(),
            handle: Mutex::new(Some(Link::new(stream))),
            shutdown: S::shutdown_write,
            poll,
        }
    }

    /// Feeds by `feed`. A reader that is blocked in a read can't be woken to write the output. In
    /// that case this thread writes as much as the transport takes at once.
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

    /// Feeds by `feed` when there is space, then writes until the message has left.
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

    /// Writes all current output, or blocks until another thread has written it.
    pub(super) fn flush(&self) -> Result<(), WebSocketError> {
        let state = self.state();
        let end = state.flow.end();
        self.send_up_to(state, end).map(drop)
    }

    /// Returns when the connection has ended, and its output has left or can't leave.
    pub(super) fn closed(&self) -> Option<CloseStatus> {
        let mut state = self.state();
        while !state.flow.is_over() {
            state = self.wait_for_change(state, None);
        }
        let end = state.flow.end();
        // The reader also returns this error, so it can be dropped here.
        drop(self.send_up_to(state, end));
        self.state().flow.connection().close_status()
    }

    /// Writes, or blocks while another thread writes, until the output up to `end` has left.
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
                    // The write has timed out: the peer has taken no output for too long.
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

    /// Feeds a Close frame by `close`, and writes for one turn.
    pub(super) fn close_output(
        &self,
        close: impl FnOnce(&mut Flow) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut state = self.state();
        close(&mut state.flow)?;
        // Senders that wait for space must fail.
        self.wake(&state);
        drop(self.write(state, Until::Turn(self.poll)));
        Ok(())
    }

    /// Takes the writer's role and writes until `until`, unless another thread has the role.
    ///
    /// Each round takes all output under the lock of the state and writes it without that lock.
    /// Output that other threads feed meanwhile is written by the next round.
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
                // The aborting thread could not lock the handle.
                drop(state);
                self.shut_down_handle(&mut handle);
                state = self.state();
            }
            rounds += 1;
            // The output of this thread has left. It continues for one short turn, to write output
            // that others fed meanwhile.
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

    /// Writes taken output and flushes it, up to the position that this thread or a waiting one
    /// needs. Returns false if the writer must stop. Bytes that are not written are put back.
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
            // The connection may have ended meanwhile, with another deadline.
            deadline = state.flow.write_deadline(now);
        }
    }
}

/// Returns true if the writer may stop between two rounds.
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

/// Returns true if the end of a turn has passed.
fn is_past(end: Option<Instant>) -> bool {
    end.is_some_and(|end| Instant::now() >= end)
}

/// The writer's role. It is given back even if the transport panics.
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
            // The transport has panicked: the number of written bytes is unknown.
            state.flow.failed();
            self.give_back(&mut state);
            if state.abandoned {
                // The aborting thread could not lock the handle.
                drop(state);
                shared.shut_down_writer();
            }
        }
    }
}
