//! The core without std, and an event loop on it. They need only a panic handler and an allocator.
#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

// Linked, although this program makes no calls.
extern crate echo_no_std as _;
extern crate sansocket as _;

/// An allocator without memory: this program is checked, never run.
struct NoMemory;

// SAFETY: a null pointer is the documented result of a failed allocation, so no memory is ever returned.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _layout: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _pointer: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {}
}
