//! The number of streams that a client has open at the same time.
//!
//! The window of a session is shared by its streams. If it is less than the sum of their windows, some
//! streams that are not read use it up, and the others get no data. The server has a limit of its own.

use core::future::poll_fn;
use core::task::{Poll, Waker};

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct Slots(Mutex<State>);

#[derive(Debug)]
struct State {
    taken: usize,
    /// The limit of the client.
    own_limit: usize,
    /// The limit of the server.
    peer_limit: usize,
    /// The session takes no more streams.
    has_ended: bool,
    /// The number of the next waiter.
    next: u64,
    waiting: VecDeque<(u64, Option<Waker>)>,
}

/// A place for a stream. Dropping it gives it to the first waiter.
#[derive(Debug)]
pub(super) struct Slot(Arc<Slots>);

/// A place in the queue. Dropping it leaves the queue.
struct Waiter<'a> {
    slots: &'a Slots,
    number: u64,
}

impl Slots {
    pub(super) const fn new(own_limit: usize, peer_limit: usize) -> Self {
        let waiting = VecDeque::new();
        let state = State { taken: 0, own_limit, peer_limit, has_ended: false, next: 0, waiting };
        Self(Mutex::new(state))
    }

    /// Sets the limit of the server, which its settings may change.
    pub(super) fn set_peer_limit(&self, limit: usize) {
        let mut state = self.state();
        state.peer_limit = limit;
        Self::wake(state);
    }

    /// No code panics under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when a slot is free, in the order of the calls; at once if the session has ended.
    pub(super) async fn take(self: &Arc<Self>) -> Slot {
        let number = {
            let mut state = self.state();
            let number = state.next;
            state.next += 1;
            state.waiting.push_back((number, None));
            number
        };
        let waiter = Waiter { slots: self, number };
        poll_fn(|cx| {
            let mut state = self.state();
            // The numbers are in order.
            let place = state.waiting.binary_search_by_key(&number, |(number, _)| *number);
            // Each waiter before this one keeps one slot, even if its task does not poll it.
            let is_next = place.is_ok_and(|before| before < state.free());
            if state.has_ended || is_next {
                state.taken += 1;
                return Poll::Ready(());
            }
            let former = match place.ok().and_then(|place| state.waiting.get_mut(place)) {
                Some((_, waker)) => waker.replace(cx.waker().clone()),
                None => None,
            };
            drop(state);
            drop(former);
            Poll::Pending
        })
        .await;
        // The next one may have a slot, too.
        drop(waiter);
        Slot(self.clone())
    }

    /// Takes a slot if more are free than the waiting calls take.
    pub(super) fn try_take(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.state();
        if state.has_ended || state.free() <= state.waiting.len() {
            return None;
        }
        state.taken += 1;
        Some(Slot(self.clone()))
    }

    /// Returns whether the session takes no more streams.
    pub(super) fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    /// The session takes no more streams. Wakes all callers.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.has_ended = true;
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().filter_map(|(_, waker)| waker).for_each(Waker::wake);
    }

    /// Wakes the waiters that can have a slot.
    fn wake(mut state: MutexGuard<'_, State>) {
        let free = state.free();
        let first = state.waiting.iter_mut().take(free);
        let wakers: Vec<_> = first.filter_map(|(_, waker)| waker.take()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// The number of free slots. A server may lower its limit below the number of its streams.
    fn free(&self) -> usize {
        self.own_limit.min(self.peer_limit).saturating_sub(self.taken)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.slots.state();
        let place = state.waiting.binary_search_by_key(&self.number, |(number, _)| *number);
        let former = place.ok().and_then(|place| state.waiting.remove(place));
        Slots::wake(state);
        drop(former);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.taken -= 1;
        Slots::wake(state);
    }
}
