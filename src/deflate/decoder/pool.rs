//! The tables of a block with codes of its own: one set for each thread is kept, since a message
//! that is inflated at once needs them no longer than that.

use alloc::boxed::Box;
#[cfg(feature = "std")]
use core::cell::Cell;

use crate::deflate::decoder::dynamic::Dynamic;

#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
std::thread_local! {
    static SPARE: Cell<Option<Box<Dynamic>>> = const { Cell::new(None) };
}

/// Returns tables with something or other in them.
pub(super) fn take() -> Box<Dynamic> {
    // A thread that is being torn down has none.
    #[cfg(feature = "std")]
    if let Ok(Some(spare)) = SPARE.try_with(Cell::take) {
        return spare;
    }
    new()
}

/// Apart, since it is made on the stack first.
#[cold]
#[inline(never)]
fn new() -> Box<Dynamic> {
    Box::new(Dynamic::new())
}

/// Keeps tables for the next one.
pub(super) fn put(dynamic: Box<Dynamic>) {
    #[cfg(feature = "std")]
    let _ = SPARE.try_with(|spare| spare.set(Some(dynamic)));
    #[cfg(not(feature = "std"))]
    drop(dynamic);
}
