//! The wakers of all tasks that wait for one transport.
//!
//! A transport stores one waker per direction. When several tasks wait, each of them polls the
//! transport with the same waker, `all`, which wakes every task in the list:
//!
//! ```text
//!  task A ─ register ─┐                   ┌─► waker A
//!  task B ─ register ─┼─► List ◄── all ◄──┤ transport wakes `all`
//!  task C ─ register ─┘                   └─► waker B, waker C
//! ```
//!
//! Invariants:
//!
//! * A task registers before it polls the transport, which may wake it during the poll.
//! * A wake removes the entries that it wakes. A woken task polls again, and registers again if it
//!   has to wait.
//! * The lock of the list is the innermost one. It may be taken while the state of the WebSocket is
//!   locked, because a transport may wake during a poll. No lock is taken under it: wakers are
//!   woken and dropped after it is released, since both run code of the executor.

use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Waker};

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The list of waiting tasks, and the waker that wakes all of them.
#[derive(Debug)]
pub(super) struct Wakers {
    list: Arc<List>,
    all: Waker,
    next_id: AtomicU64,
}

#[derive(Debug, Default)]
struct List(Mutex<Vec<(u64, Waker)>>);

impl Wakers {
    pub(super) fn new() -> Self {
        let list = Arc::new(List::default());
        Self { all: Waker::from(list.clone()), list, next_id: AtomicU64::new(0) }
    }

    /// Returns the context to poll the transport with.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.all)
    }

    /// Creates an entry for a future that is about to wait. It is registered on the first poll.
    pub(super) fn enter(&self) -> Waiting<'_> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        Waiting { wakers: self, id, registered: false }
    }

    /// Stores `waker` for the entry `id`. The next wake removes it.
    pub(super) fn register(&self, id: u64, waker: &Waker) {
        let mut list = lock(&self.list.0);
        let old = match list.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) if known.will_wake(waker) => None,
            Some((_, known)) => Some(core::mem::replace(known, waker.clone())),
            None => {
                list.push((id, waker.clone()));
                None
            }
        };
        // Dropping a waker runs foreign code: not under the lock.
        drop(list);
        drop(old);
    }

    /// Removes the entry `id`.
    pub(super) fn forget(&self, id: u64) {
        let mut list = lock(&self.list.0);
        let place = list.iter().position(|(known, _)| *known == id);
        let old = place.map(|place| list.swap_remove(place));
        drop(list);
        drop(old);
    }

    pub(super) fn wake_all(&self) {
        self.list.wake_but(None);
    }

    /// Returns a guard that wakes all tasks when it is dropped.
    pub(super) const fn wake_on_drop(&self) -> WakeOnDrop<'_> {
        WakeOnDrop(Some(self))
    }

    /// Wakes all tasks but the one with the entry `id`.
    pub(super) fn wake_others(&self, id: u64) {
        self.list.wake_but(Some(id));
    }
}

impl List {
    /// Wakes all entries but `id`, and removes them. The wakers run after the lock is released.
    fn wake_but(&self, id: Option<u64>) {
        let mut list = lock(&self.0);
        if list.iter().all(|(known, _)| Some(*known) == id) {
            return;
        }
        let (stay, wake): (Vec<_>, Vec<_>) =
            core::mem::take(&mut *list).into_iter().partition(|(known, _)| Some(*known) == id);
        *list = stay;
        drop(list);
        for (_, waker) in wake {
            waker.wake();
        }
    }
}

impl Wake for List {
    fn wake(self: Arc<Self>) {
        self.wake_but(None);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_but(None);
    }
}

/// Wakes all tasks when it is dropped, unless it is disarmed.
#[derive(Debug)]
pub(super) struct WakeOnDrop<'a>(Option<&'a Wakers>);

impl WakeOnDrop<'_> {
    /// Disarms the guard.
    pub(super) const fn forgo(&mut self) {
        self.0 = None;
    }
}

impl Drop for WakeOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(wakers) = self.0 {
            wakers.wake_all();
        }
    }
}

/// The entry of one future. Dropping it, with its future, removes the entry.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    wakers: &'a Wakers,
    id: u64,
    registered: bool,
}

impl Waiting<'_> {
    pub(super) fn register(&mut self, waker: &Waker) {
        self.registered = true;
        self.wakers.register(self.id, waker);
    }

    pub(super) fn wake_others(&self) {
        self.wakers.wake_others(self.id);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.registered {
            self.wakers.forget(self.id);
        }
    }
}

/// Locks a mutex, also after a panic of another holder: each call under a lock of this adapter
/// leaves the state consistent.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
