//! Threads of the system: `std::thread`, with a `spawn` that the compiler does not repeat for each closure.

pub use std::thread::{JoinHandle, scope, sleep};

/// `std::thread::spawn` with one type for all closures of an output.
#[track_caller]
pub fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let boxed: Box<dyn FnOnce() -> T + Send> = Box::new(run);
    std::thread::spawn(boxed)
}
