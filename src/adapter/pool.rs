//! A pool of read buffers per thread. It holds as many buffers as were in use at the same time,
//! which are few: an idle connection holds none.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

/// The length of a read buffer in bytes. Fewer system calls are worth more than a buffer that fits
/// into the first-level cache.
pub(crate) const READ_LEN: usize = 64 * 1024;

/// The maximum number of pooled buffers. Others are freed.
const KEEP: usize = 16;

std::thread_local! {
    static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Takes a buffer of [`READ_LEN`] bytes, or allocates one. It contains bytes of earlier reads.
pub(crate) fn take() -> Box<[u8]> {
    BUFFERS
        .try_with(|buffers| buffers.try_borrow_mut().ok()?.pop())
        .ok()
        .flatten()
        .unwrap_or_else(|| vec![0; READ_LEN].into_boxed_slice())
}

/// Returns a buffer to the pool.
pub(crate) fn put(buffer: Box<[u8]>) {
    // The buffer of an `Intake` that holds appended bytes may have another length.
    if buffer.len() != READ_LEN {
        return;
    }
    // While a thread ends, its pool no longer exists.
    let _ = BUFFERS.try_with(|buffers| {
        if let Ok(mut buffers) = buffers.try_borrow_mut()
            && buffers.len() < KEEP
        {
            buffers.push(buffer);
        }
    });
}
