//! Tasks of the tokio runtime.

use core::pin::Pin;

use tokio::task::JoinHandle;

/// `tokio::spawn` with a boxed future. tokio compiles its task code once per type of future and per scheduler, and tests
/// spawn hundreds of types: boxes leave one type per output, which halves the build time of the tests.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let boxed: Pin<Box<dyn Future<Output = F::Output> + Send>> = Box::pin(future);
    tokio::spawn(boxed)
}
