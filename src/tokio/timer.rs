//! The clock and the timers of the runtime.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use alloc::boxed::Box;

use tokio::time::{Sleep, timeout_at};

use crate::instant::Instant;

/// Reads the clock of the runtime, which tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std().into()
}

/// A deadline has passed.
#[derive(Debug)]
pub(crate) struct Passed;

/// Awaits `future`, but not beyond the deadline.
pub(crate) async fn within<F: Future>(
    deadline: Option<Instant>,
    future: F,
) -> Result<F::Output, Passed> {
    match deadline.and_then(Instant::into_std) {
        None => Ok(future.await),
        Some(at) => {
            let timed = timeout_at(tokio::time::Instant::from_std(at), future).await;
            timed.map_err(|_| Passed)
        }
    }
}

/// One timer for all deadlines of a connection.
///
/// It is reset only for an earlier deadline. A later one, which each read causes, is set when the
/// timer fires, so that a read does not access the timers of the runtime.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Returns [`Poll::Ready`] when the deadline has passed.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Option<Instant>,
    ) -> Poll<Instant> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let Some(at) = deadline.into_std() else { return Poll::Pending };
        let at = tokio::time::Instant::from_std(at);
        loop {
            let sleep = match &mut self.sleep {
                Some(sleep) => {
                    if sleep.deadline() > at {
                        sleep.as_mut().reset(at);
                    }
                    sleep
                }
                none => none.insert(Box::pin(tokio::time::sleep_until(at))),
            };
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
            let now = now();
            if now >= deadline {
                return Poll::Ready(now);
            }
        }
    }
}
