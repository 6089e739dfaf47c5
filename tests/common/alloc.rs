//! An allocator that counts per thread, so that tests that run at the same time don't mix.
//! A test binary that needs it includes this file and sets it as its `#[global_allocator]`.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::exhaustive_structs,
    reason = "an allocator can't be written without `unsafe`; test helper"
)]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

/// Counts requests and forwards them to the system allocator.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// The requests of this thread since [`start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Bytes still allocated, negative if older ones were freed.
    pub live: isize,
    /// The highest number of allocated bytes at any moment.
    pub peak: isize,
    /// The largest single request, in bytes.
    pub largest: usize,
    /// The number of requests.
    pub calls: usize,
}

pub fn start() {
    LIVE.set(0);
    PEAK.set(0);
    LARGEST.set(0);
    CALLS.set(0);
}

pub fn counted() -> Counted {
    Counted { live: LIVE.get(), peak: PEAK.get(), largest: LARGEST.get(), calls: CALLS.get() }
}

/// Counts the requests of `f`.
pub fn count<T>(f: impl FnOnce() -> T) -> (T, Counted) {
    start();
    let result = f();
    (result, counted())
}

fn add(bytes: usize) {
    // A thread that is being torn down isn't counted.
    let _ = LIVE.try_with(|live| {
        live.set(live.get().saturating_add_unsigned(bytes));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

fn remove(bytes: usize) {
    let _ = LIVE.try_with(|live| live.set(live.get().saturating_sub_unsigned(bytes)));
}

// SAFETY: each call is forwarded to the system allocator unchanged; counting allocates no memory,
// since the counters are constants without destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the guarantees of the caller are those that the system allocator needs.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        remove(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // The old and the new allocation may exist at the same time.
        add(new_size);
        remove(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}
