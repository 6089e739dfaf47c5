//! The tables of dynamic blocks. Each thread keeps one set. A message that is inflated in one call
//! needs the tables only during the call, so a connection between two messages holds none.

use alloc::boxed::Box;
#[cfg(feature = "std")]
use core::cell::Cell;

use crate::deflate::decoder::dynamic::Dynamic;

#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
// A cell of an option, not a `RefCell`: `take` and `put` move the box, so no borrow can be active.
std::thread_local! {
    static SPARE: Cell<Option<Box<Dynamic>>> = const { Cell::new(None) };
}

/// Returns tables with unspecified content: those of the thread, or new ones.
pub(super) fn take() -> Box<Dynamic> {
    // The access fails in a thread that is being torn down.
    #[cfg(feature = "std")]
    if let Ok(Some(spare)) = SPARE.try_with(Cell::take) {
        return spare;
    }
    new()
}

/// Creates new tables. Not inlined: they are made on the stack first, and would enlarge the frame
/// of the caller.
#[cold]
#[inline(never)]
fn new() -> Box<Dynamic> {
    Box::new(Dynamic::new())
}

/// Keeps tables for the next [`take`] of this thread.
pub(super) fn put(dynamic: Box<Dynamic>) {
    #[cfg(feature = "std")]
    let _ = SPARE.try_with(|spare| spare.set(Some(dynamic)));
    #[cfg(not(feature = "std"))]
    drop(dynamic);
}
