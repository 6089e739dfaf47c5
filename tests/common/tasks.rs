//! Tasks of the tokio runtime.

use core::any::Any;
use core::marker::PhantomData;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll};

use tokio::runtime::Runtime;
use tokio::task::{JoinError, JoinHandle};

type Output = Box<dyn Any + Send>;

/// The `JoinHandle` of a task with output `T`.
pub struct Task<T>(JoinHandle<Output>, PhantomData<fn() -> T>);

impl<T: 'static> Future for Task<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = Pin::new(&mut self.0).poll(cx);
        output.map_ok(|output| *output.downcast().expect("the output of `spawn`"))
    }
}

impl<T> Deref for Task<T> {
    type Target = JoinHandle<Output>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// `tokio::spawn` with one type for all futures. Otherwise the compiler repeats tokio's task code for each type of
/// future and each scheduler, which is most of the code of these tests.
#[track_caller]
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    spawn_boxed(Box::pin(future))
}

/// A future for `JoinSet::spawn`, with one type for each output.
pub fn boxed<F>(future: F) -> Pin<Box<dyn Future<Output = F::Output> + Send>>
where
    F: Future + Send + 'static,
{
    Box::pin(future)
}

/// Apart from [`spawn`], so that it is compiled once per output.
#[track_caller]
fn spawn_boxed<T: Send + 'static>(future: Pin<Box<dyn Future<Output = T> + Send>>) -> Task<T> {
    let erased = async move { Box::new(future.await) as Output };
    let boxed: Pin<Box<dyn Future<Output = Output> + Send>> = Box::pin(erased);
    Task(tokio::spawn(boxed), PhantomData)
}

/// `Runtime::block_on` with one type for all futures.
pub fn block_on<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let mut output = None;
    let mut done = Box::pin(async { output = Some(future.await) });
    let erased: Pin<&mut dyn Future<Output = ()>> = done.as_mut();
    runtime.block_on(erased);
    drop(done);
    output.expect("the output of the future")
}
