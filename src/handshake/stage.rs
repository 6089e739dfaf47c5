//! The stage of an opening handshake: one for the client, the server and the proxies.

use core::time::Duration;

use crate::instant::Instant;

/// The state of an opening handshake, and its deadline. `E` is the error, which each later call
/// returns again.
#[derive(Debug)]
pub(super) struct Stage<E> {
    deadline: Option<Instant>,
    state: State<E>,
}

#[derive(Debug)]
enum State<E> {
    Reading,
    Done,
    Failed(E),
}

impl<E: Clone> Stage<E> {
    /// Starts to read. The timeout runs from `now`.
    pub(super) fn new(now: Instant, timeout: Duration) -> Self {
        Self { deadline: now.checked_add(timeout), state: State::Reading }
    }

    /// Returns true while the handshake needs input, and false when it is done.
    ///
    /// # Errors
    /// The error that it has failed with.
    pub(super) fn is_reading(&self) -> Result<bool, E> {
        match &self.state {
            State::Reading => Ok(true),
            State::Done => Ok(false),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Returns true if the handshake needs input and its deadline has passed.
    ///
    /// # Errors
    /// As [`is_reading`](Self::is_reading).
    pub(super) fn is_late(&self, now: Instant) -> Result<bool, E> {
        Ok(self.is_reading()? && self.deadline.is_some_and(|deadline| now >= deadline))
    }

    /// Returns the deadline; `None` if there is none, or if the handshake has ended.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Reading => self.deadline,
            State::Done | State::Failed(_) => None,
        }
    }

    pub(super) fn done(&mut self) {
        self.state = State::Done;
    }

    /// Records the error, and returns it.
    pub(super) fn fail(&mut self, error: E) -> E {
        self.state = State::Failed(error.clone());
        error
    }
}
