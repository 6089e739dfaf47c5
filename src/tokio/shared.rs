//! The state that the halves of a split WebSocket share.
//!
//! The lock is held for a call, never over an await. Each task that waits polls the transport for all:
//! there is no other task that would.

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
use crate::tokio::drive::{
    Feed, Goal, Link, Sending, Timer, now, poll_sent, sent_before_the_end, write_some,
};
use crate::tokio::wakers::{Waiting, Wakers, lock};

/// The state that all halves share.
#[derive(Debug)]
pub(super) struct Shared<S> {
    pub(super) state: Mutex<State<S>>,
    pub(super) wakers: Wakers,
}

#[derive(Debug)]
pub(super) struct State<S> {
    /// `None`: the reader was dropped, or the connection aborted, and the transport with it.
    pub(super) link: Option<Link<S>>,
    pub(super) flow: Flow,
}

impl<S> State<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Writes as much as goes without waiting.
    pub(super) fn write_some(&mut self, wakers: &Wakers) {
        if let Some(link) = &mut self.link {
            write_some(link, &mut self.flow, &mut wakers.context());
        }
    }
}

impl<S> State<S> {
    /// How the connection has ended.
    pub(super) fn result(&mut self) -> Result<(), WebSocketError> {
        match &mut self.link {
            Some(link) => link.result(&self.flow),
            None => Ok(self.flow.error().map_or(Ok(()), Err)?),
        }
    }

    /// What a task that waits may wait for.
    pub(super) fn news(&self) -> (usize, u64, bool, bool) {
        let flow = &self.flow;
        (flow.unsent(), flow.flushed(), flow.is_unwritable(), flow.is_over())
    }
}

impl<S> Shared<S> {
    pub(super) fn state(&self) -> MutexGuard<'_, State<S>> {
        lock(&self.state)
    }

    /// Polls under the lock, with a waker that wakes all who wait.
    pub(super) async fn drive<T>(
        &self,
        mut poll: impl FnMut(&mut State<S>, &mut Context<'_>) -> Poll<T>,
    ) -> T {
        let mut waiting = self.wakers.enter();
        poll_fn(|cx| self.poll(&mut waiting, cx, &mut poll)).await
    }

    pub(super) fn poll<T>(
        &self,
        waiting: &mut Waiting<'_>,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut State<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Before the transport is polled: it may wake at once.
        waiting.register(cx.waker());
        let (polled, changed) = self.turn(|state| {
            let before = state.news();
            let polled = poll(state, &mut self.wakers.context());
            (polled, state.news() != before)
        });
        if changed {
            waiting.wake_others();
        }
        polled
    }

    /// Runs what polls the transport, under the lock. If it panics the connection has failed, and all
    /// who wait are woken.
    #[inline]
    pub(super) fn turn<T>(&self, run: impl FnOnce(&mut State<S>) -> T) -> T {
        // Dropped behind the lock.
        let mut waking = self.wakers.wake_on_drop();
        let mut polling = Polling { state: self.state(), done: false };
        let result = run(&mut polling.state);
        polling.done = true;
        waking.forgo();
        result
    }

    /// Feeds under the lock, and wakes the task that drives the transport.
    pub(super) fn feed(
        &self,
        feed: impl FnOnce(&mut Flow) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        feed(&mut self.state().flow)?;
        self.wakers.wake_all();
        Ok(())
    }
}

/// The state while the transport is polled. A poll that panics fails the connection: how much was
/// written is not known.
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
    /// Receives the event that the last step has told of, and returns with it whether the connection
    /// is over now.
    pub(super) fn receive<'intake>(
        &self,
        intake: &'intake mut Intake,
    ) -> (Result<Option<Event<'intake>>, ProtocolError>, bool) {
        self.turn(|state| {
            let event = intake.receive(&mut state.flow);
            let over = state.flow.is_over();
            if over && event.is_ok() {
                // The answer to a Close frame must not wait for a call that may not come.
                state.write_some(&self.wakers);
            }
            (event, over)
        })
    }

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

    pub(super) async fn closed(&self) -> Option<CloseStatus> {
        let mut timer = Timer::default();
        self.drive(|state, cx| {
            if !state.flow.is_over() {
                return Poll::Pending;
            }
            if let Some(link) = &mut state.link {
                let goal = Goal::Sent(state.flow.end());
                // The reader gets an error too.
                let _ = ready!(poll_sent(link, &mut state.flow, &mut timer, goal, cx));
            }
            Poll::Ready(state.flow.connection().close_status())
        })
        .await
    }

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

    pub(super) fn close_output(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.turn(|state| {
            state.flow.close(code, reason, now()).map(|()| state.write_some(&self.wakers))
        })?;
        // The reader has another deadline to wait for now; senders that wait for room never get it.
        self.wakers.wake_all();
        Ok(())
    }
}
