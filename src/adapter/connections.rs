//! The connections of a server that close together when it shuts down.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::Waker;
#[cfg(feature = "tokio")]
use core::task::{Context, Poll};

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::close_code::CloseCode;
use crate::driver::Flow;
use crate::error::send::SendError;
use crate::instant::Instant;

/// The length of a reason in bytes, so that a Close frame has at most 125 (RFC 6455 section 5.5).
const MAX_REASON: usize = 123;

/// The result of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many connections have ended until the deadline.
    pub ended: usize,
    /// How many were aborted at the deadline.
    pub aborted: usize,
}

/// All registered connections.
#[derive(Default)]
pub(crate) struct Registry {
    state: Mutex<State>,
    /// For threads: the last connection has ended.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<u64, Weak<Entry>>,
    next_id: u64,
    /// The code and the reason of a drain that has begun.
    drain: Option<(CloseCode, String)>,
    /// How many connections have ended since.
    ended: usize,
    /// How many were aborted.
    aborted: usize,
    /// Tasks that wait for the last connection to end.
    waiting: Vec<Waker>,
    /// Tasks that wait for the begin of a drain, by number.
    #[cfg(feature = "tokio")]
    waiting_for_begin: BTreeMap<u64, Waker>,
}

/// The wait of a task for the begin of a drain.
#[cfg(feature = "tokio")]
pub(crate) struct WaitForBegin<'a> {
    registry: &'a Registry,
    id: u64,
}

/// A registered connection. It is one as long as this lives.
pub(crate) struct Registration {
    entry: Arc<Entry>,
}

struct Entry {
    registry: Arc<Registry>,
    id: u64,
    order: AtomicU8,
    /// The last order that the connection has executed.
    done: AtomicU8,
    /// The task that drives the connection.
    waker: Mutex<Option<Waker>>,
}

/// Orders to a connection, in the order in which they are given.
const STAY: u8 = 0;
const CLOSE: u8 = 1;
const ABORT: u8 = 2;

impl Registry {
    pub(crate) fn register(self: &Arc<Self>) -> Registration {
        let mut state = lock(&self.state);
        let id = state.next_id;
        state.next_id += 1;
        let order = if state.drain.is_some() { CLOSE } else { STAY };
        let entry = Arc::new(Entry {
            registry: self.clone(),
            id,
            order: AtomicU8::new(order),
            done: AtomicU8::new(STAY),
            waker: Mutex::new(None),
        });
        state.entries.insert(id, Arc::downgrade(&entry));
        Registration { entry }
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.state).entries.len()
    }

    pub(crate) fn is_draining(&self) -> bool {
        lock(&self.state).drain.is_some()
    }

    /// Begins to close all connections, unless a drain has begun before.
    pub(crate) fn begin_drain(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        if !code.may_be_sent() {
            return Err(SendError::UnsendableCode(code.value()));
        }
        if reason.len() > MAX_REASON {
            return Err(SendError::ReasonTooLong);
        }
        let entries = {
            let mut state = lock(&self.state);
            if state.drain.is_some() {
                return Ok(());
            }
            state.drain = Some((code, reason.into()));
            #[cfg(feature = "tokio")]
            let waiting = core::mem::take(&mut state.waiting_for_begin);
            let entries = state.upgrade();
            drop(state);
            #[cfg(feature = "tokio")]
            waiting.into_values().for_each(Waker::wake);
            entries
        };
        order(entries, CLOSE);
        Ok(())
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn wait_for_begin(&self) -> WaitForBegin<'_> {
        let mut state = lock(&self.state);
        let id = state.next_id;
        state.next_id += 1;
        WaitForBegin { registry: self, id }
    }

    /// Ready when no connection is left.
    #[cfg(feature = "tokio")]
    pub(crate) fn poll_drained(&self, cx: &Context<'_>) -> Poll<Drained> {
        let mut state = lock(&self.state);
        if state.entries.is_empty() {
            return Poll::Ready(state.drained());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Returns when no connection is left, or at the deadline.
    pub(crate) fn wait_drained(&self, deadline: Option<Instant>) -> Option<Drained> {
        let mut state = lock(&self.state);
        while !state.entries.is_empty() {
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        Some(state.drained())
    }

    /// Aborts all connections that are left.
    pub(crate) fn abort(&self) -> Drained {
        let (entries, drained, waiting) = {
            let mut state = lock(&self.state);
            let entries = state.upgrade();
            state.aborted += state.entries.len();
            // Their own ends are not awaited: a task may not poll its connection for long.
            state.entries.clear();
            (entries, state.drained(), core::mem::take(&mut state.waiting))
        };
        order(entries, ABORT);
        self.changed.notify_all();
        waiting.into_iter().for_each(Waker::wake);
        drained
    }
}

impl State {
    fn upgrade(&self) -> Vec<Arc<Entry>> {
        self.entries.values().filter_map(Weak::upgrade).collect()
    }

    const fn drained(&self) -> Drained {
        Drained { ended: self.ended, aborted: self.aborted }
    }
}

impl Registration {
    /// Executes an order that was given since the last call. True: there was one.
    pub(crate) fn execute(&self, flow: &mut Flow, now: impl FnOnce() -> Instant) -> bool {
        let order = self.entry.order.load(Ordering::Acquire);
        if order == self.entry.done.load(Ordering::Relaxed) {
            return false;
        }
        self.entry.done.store(order, Ordering::Relaxed);
        if order == ABORT {
            flow.abort();
            return true;
        }
        let drain = lock(&self.entry.registry.state).drain.clone();
        if let Some((code, reason)) = drain {
            // A client without entropy can't send it: the deadline ends the connection.
            let _ = flow.close(code, &reason, now());
        }
        true
    }

    /// Keeps the waker of the task for the next order.
    #[cfg(feature = "tokio")]
    pub(crate) fn register(&self, waker: &Waker) {
        let mut known = lock(&self.entry.waker);
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }
}

impl fmt::Debug for Registration {
    /// Shows no data of the other connections.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({})", self.entry.id)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let Entry { registry, id, .. } = &*self.entry;
        let waiting = {
            let mut state = lock(&registry.state);
            if state.entries.remove(id).is_none() {
                return; // aborted
            }
            if state.drain.is_some() {
                state.ended += 1;
            }
            if !state.entries.is_empty() {
                return;
            }
            core::mem::take(&mut state.waiting)
        };
        registry.changed.notify_all();
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(feature = "tokio")]
impl WaitForBegin<'_> {
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = lock(&self.registry.state);
        if state.drain.is_some() {
            return Poll::Ready(());
        }
        let former = state.waiting_for_begin.insert(self.id, cx.waker().clone());
        drop(state);
        drop(former);
        Poll::Pending
    }
}

#[cfg(feature = "tokio")]
impl Drop for WaitForBegin<'_> {
    fn drop(&mut self) {
        let former = lock(&self.registry.state).waiting_for_begin.remove(&self.id);
        drop(former);
    }
}

fn order(entries: Vec<Arc<Entry>>, order: u8) {
    for entry in entries {
        // Another thread may have aborted since this one has begun the drain.
        entry.order.fetch_max(order, Ordering::Release);
        let waker = lock(&entry.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// No code under the lock can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::connection::{Connection, Negotiated};
    use crate::driver::Driver;
    use crate::error::protocol::ProtocolError;
    use crate::role::Role;

    #[test]
    fn an_order_to_close_that_comes_late_does_not_replace_an_order_to_abort() {
        let now = Instant::from_micros(0);
        let config = Config::server().close_timeout(Duration::from_secs(600)).build().unwrap();
        let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
        let mut driver = Driver::new(connection, now);
        let registry = Arc::new(Registry::default());
        let registration = registry.register();
        // One thread begins a drain, and is interrupted before it has notified the connections.
        let entries = lock(&registry.state).upgrade();
        lock(&registry.state).drain = Some((CloseCode::GOING_AWAY, String::new()));
        // The deadline of another drain passes.
        assert_eq!(registry.abort(), Drained { ended: 0, aborted: 1 });
        order(entries, CLOSE);
        assert!(registration.execute(&mut driver.flow, || now));
        assert_eq!(driver.flow.error(), Some(ProtocolError::Aborted));
    }
}
