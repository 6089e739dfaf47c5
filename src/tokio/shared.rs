//! The state that the halves of a split WebSocket share, and its lock.
//!
//! ```text
//!                  ┌─ Shared ────────────────────────────────────────┐
//!  Reader ─────────┤ state: Mutex ─► link (transport), flow (output) │
//!    intake, timer │ wakers ──────► one entry per waiting task       │
//!  Sender ─────────┤                                                 │
//!    timer         └─────────────────────────────────────────────────┘
//!
//!  a task that waits:  register ─► lock ─► poll the transport ─► unlock ─► wake others on progress
//! ```
//!
//! There is no background task. Every waiting task polls the transport on behalf of all, so
//! output moves while any task is waiting.
//!
//! Invariants:
//!
//! * The lock is held for one call and never across an await. Calls under it do not block, because
//!   the transport is polled and its I/O is non-blocking.
//! * Lock order: the state, then the list of [`Wakers`]. No call under the list's lock takes the
//!   state's.
//! * Events borrow from the reader's intake, outside of the lock. So a sender can be used while an
//!   event is held.
//! * A task registers its waker before it polls the transport, so a wake during the poll is not
//!   lost.
//! * A poll that changes a value in [`State::progress`] wakes the other tasks, since any of them
//!   may wait for that value. So does a feed by a sender. A feed by the reader does not, because
//!   the reader writes in its next wait.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use std::sync::{Mutex, MutexGuard};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::close_code::CloseCode;
use crate::connection::closing::CloseStatus;
use crate::driver::{Flow, Intake};
use crate::error::adapter::WebSocketError;
use crate::error::protocol::ProtocolError;
use crate::error::send::SendError;
use crate::event::Event;
use crate::tokio::drive::{Feed, Goal, Link, Sending, poll_sent, sent_before_the_end, write_some};
use crate::tokio::timer::{Timer, now};
use crate::tokio::wakers::{Waiting, Wakers, lock};

/// The shared state and the tasks that wait for it.
#[derive(Debug)]
pub(super) struct Shared<S> {
    pub(super) state: Mutex<State<S>>,
    pub(super) wakers: Wakers,
}

#[derive(Debug)]
pub(super) struct State<S> {
    /// `None` after the reader was dropped or the connection aborted; the transport was dropped
    /// then.
    pub(super) link: Option<Link<S>>,
    pub(super) flow: Flow,
}

impl<S> State<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Writes as much as possible without waiting.
    pub(super) fn write_some(&mut self, wakers: &Wakers) {
        if let Some(link) = &mut self.link {
            write_some(link, &mut self.flow, &mut wakers.context());
        }
    }
}

impl<S> State<S> {
    /// Returns the result of the connection.
    pub(super) fn result(&mut self) -> Result<(), WebSocketError> {
        match &mut self.link {
            Some(link) => link.failure.result(&self.flow),
            None => Ok(self.flow.error().map_or(Ok(()), Err)?),
        }
    }

    /// Returns the values that a waiting task may wait for.
    pub(super) fn progress(&self) -> (usize, u64, bool, bool) {
        let flow = &self.flow;
        (flow.unsent(), flow.flushed(), flow.is_unwritable(), flow.is_over())
    }
}

impl<S> Shared<S> {
    pub(super) fn state(&self) -> MutexGuard<'_, State<S>> {
        lock(&self.state)
    }

    /// Polls under the lock until `poll` is ready, with the waker that wakes all tasks.
    pub(super) async fn drive<T>(
        &self,
        mut poll: impl FnMut(&mut State<S>, &mut Context<'_>) -> Poll<T>,
    ) -> T {
        let mut waiting = self.wakers.enter();
        poll_fn(|cx| self.poll(&mut waiting, cx, &mut poll)).await
    }

    /// Polls once under the lock, and wakes the other tasks if there was progress.
    pub(super) fn poll<T>(
        &self,
        waiting: &mut Waiting<'_>,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut State<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Register before the poll: the transport may wake during it.
        waiting.register(cx.waker());
        let (polled, changed) = self.turn(|state| {
            let before = state.progress();
            let polled = poll(state, &mut self.wakers.context());
            (polled, state.progress() != before)
        });
        if changed {
            waiting.wake_others();
        }
        polled
    }

    /// Calls `run`, which polls the transport, under the lock. If it panics, the connection fails
    /// and all tasks are woken.
    #[inline]
    pub(super) fn turn<T>(&self, run: impl FnOnce(&mut State<S>) -> T) -> T {
        // Declared before the guard, so dropped after it: wakers run without the lock.
        let mut waking = self.wakers.wake_on_drop();
        let mut polling = Polling { state: self.state(), done: false };
        let result = run(&mut polling.state);
        polling.done = true;
        waking.forgo();
        result
    }

    /// Feeds under the lock, then wakes the waiting tasks. One of them writes the output.
    pub(super) fn feed(
        &self,
        feed: impl FnOnce(&mut Flow) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        feed(&mut self.state().flow)?;
        self.wakers.wake_all();
        Ok(())
    }
}

/// The locked state while the transport is polled. A panic fails the connection, because the number
/// of written bytes is unknown.
struct Polling<'a, S> {
    state: MutexGuard<'a, State<S>>,
    done: bool,
}

impl<S> Drop for Polling<'_, S> {
    fn drop(&mut self) {
        if !self.done {
            self.state.flow.failed();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    /// Receives the event that the last step reported. Also returns true if the connection has
    /// ended.
    pub(super) fn receive<'intake>(
        &self,
        intake: &'intake mut Intake,
    ) -> (Result<Option<Event<'intake>>, ProtocolError>, bool) {
        self.turn(|state| {
            let event = intake.receive(&mut state.flow);
            let over = state.flow.is_over();
            if over && event.is_ok() {
                // The answer to a Close frame must not depend on a further call by the application.
                state.write_some(&self.wakers);
            }
            (event, over)
        })
    }

    /// Feeds a message when there is space, then writes until it has left.
    pub(super) async fn send(
        &self,
        timer: &mut Timer,
        mut feed: impl Feed,
    ) -> Result<(), WebSocketError> {
        let mut sending = Sending::default();
        self.drive(|state, cx| match &mut state.link {
            Some(link) => sending.poll(link, &mut state.flow, timer, &mut feed, cx),
            None => Poll::Ready(sending.result(&state.flow)),
        })
        .await
    }

    /// Returns when the connection has ended, and its output has left or can't leave.
    pub(super) async fn closed(&self) -> Option<CloseStatus> {
        let mut timer = Timer::default();
        self.drive(|state, cx| {
            if !state.flow.is_over() {
                return Poll::Pending;
            }
            if let Some(link) = &mut state.link {
                let goal = Goal::Sent(state.flow.end());
                // The reader also returns this error, so it can be dropped here.
                let _ = ready!(poll_sent(link, &mut state.flow, &mut timer, goal, cx));
            }
            Poll::Ready(state.flow.connection().close_status())
        })
        .await
    }

    /// Writes all current output. Returns when it has left.
    pub(super) async fn flush(&self, timer: &mut Timer) -> Result<(), WebSocketError> {
        let end = {
            let state = self.state();
            if state.link.is_none() {
                return Err(SendError::Closed.into());
            }
            state.flow.end()
        };
        self.drive(|state, cx| match &mut state.link {
            Some(link) => poll_sent(link, &mut state.flow, timer, Goal::Sent(end), cx),
            None => Poll::Ready(sent_before_the_end(&state.flow, end)),
        })
        .await
    }

    /// Feeds a Close frame, and writes as much as possible without waiting.
    pub(super) fn close_output(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.turn(|state| {
            state.flow.close(code, reason, now()).map(|()| state.write_some(&self.wakers))
        })?;
        // The reader now has another deadline. Senders that wait for space must fail.
        self.wakers.wake_all();
        Ok(())
    }
}
