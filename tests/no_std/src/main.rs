//! The core without std, and an event loop on it: a panic handler and an allocator are all that they need
//! around them.
#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

// Linked in for good, even though nothing here calls them.
extern crate echo_no_std as _;
extern crate sansocket as _;

/// Has no memory to give: this program is checked, not run.
struct NoMemory;

// SAFETY: a null pointer is the documented way to say that an allocation failed, so nothing is ever handed out.
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
