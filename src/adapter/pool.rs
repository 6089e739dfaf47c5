//! Read buffers of this thread: as many as are in use at once, few in practice.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

/// How much is read at once, in bytes: system calls cost more than the first-level cache saves.
pub(crate) const READ_LEN: usize = 64 * 1024;

/// More buffers than this are given back to the allocator.
const KEEP: usize = 16;

std::thread_local! {
    static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Takes a buffer of [`READ_LEN`] bytes. Its contents are of earlier reads.
pub(crate) fn take() -> Box<[u8]> {
    BUFFERS
        .try_with(|buffers| buffers.try_borrow_mut().ok()?.pop())
        .ok()
        .flatten()
        .unwrap_or_else(|| vec![0; READ_LEN].into_boxed_slice())
}

/// Gives a buffer back.
pub(crate) fn put(buffer: Box<[u8]>) {
    if buffer.len() != READ_LEN {
        return;
    }
    // A thread that is being torn down keeps none.
    let _ = BUFFERS.try_with(|buffers| {
        if let Ok(mut buffers) = buffers.try_borrow_mut()
            && buffers.len() < KEEP
        {
            buffers.push(buffer);
        }
    });
}
