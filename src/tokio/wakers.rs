//! Those who wait for the same transport, which remembers but one waker for each direction.

use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Waker};

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The transport is polled with a waker that wakes all of them.
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

    /// The context to poll the transport with.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.all)
    }

    /// Somebody begins to wait.
    pub(super) fn enter(&self) -> Waiting<'_> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        Waiting { wakers: self, id, registered: false }
    }

    /// Wakes `waker` from now on for the one with this id, once.
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
        // What hangs on a waker is dropped without the lock.
        drop(list);
        drop(old);
    }

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

    /// Wakes all when it is dropped.
    pub(super) const fn wake_on_drop(&self) -> WakeOnDrop<'_> {
        WakeOnDrop(Some(self))
    }

    pub(super) fn wake_others(&self, id: u64) {
        self.list.wake_but(Some(id));
    }
}

impl List {
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

/// Wakes all when it is dropped, unless it is told not to.
#[derive(Debug)]
pub(super) struct WakeOnDrop<'a>(Option<&'a Wakers>);

impl WakeOnDrop<'_> {
    /// Wakes nobody.
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

/// A future that waits; it is forgotten with it, and nobody else of its task is.
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

/// A panic of somebody who holds the lock leaves nothing half done: all calls under it are whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
