//! The number of streams that a client has open at the same time.
//!
//! The window of a session is shared by its streams. If it is less than the sum of their windows, some
//! streams that are not read use it up, and the others get no data. The server bounds the streams of a
//! client by its own limit, which may be larger.

use core::future::poll_fn;
use core::task::{Poll, Waker};

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct Slots(Mutex<State>);

#[derive(Debug)]
struct State {
    free: u32,
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
    pub(super) const fn new(free: u32) -> Self {
        let waiting = VecDeque::new();
        Self(Mutex::new(State { free, has_ended: false, next: 0, waiting }))
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
            let is_first = state.waiting.front().is_some_and(|(first, _)| *first == number);
            if state.has_ended || (is_first && state.free > 0) {
                state.free = state.free.saturating_sub(1);
                return Poll::Ready(());
            }
            // The numbers are in order.
            let place = state.waiting.binary_search_by_key(&number, |(number, _)| *number);
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

    /// Wakes all callers.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.has_ended = true;
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().filter_map(|(_, waker)| waker).for_each(Waker::wake);
    }

    /// Wakes the first waiter if it can have a slot.
    fn wake(mut state: MutexGuard<'_, State>) {
        let first = match state.free {
            0 => None,
            _ => state.waiting.front_mut().and_then(|(_, waker)| waker.take()),
        };
        drop(state);
        if let Some(first) = first {
            first.wake();
        }
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
        state.free = state.free.saturating_add(1);
        Slots::wake(state);
    }
}
