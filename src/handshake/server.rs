//! The server's side, up to a whole request.

use crate::config::Config;
use crate::error::protocol::TimeoutError;
use crate::handshake::head::OwnedRequestHead;
use crate::handshake::refusal::Refusal;
use crate::http1::reader::{HeadReader, Kind};
use crate::input::Input;
use crate::instant::Instant;

/// Reads one HTTP/1.1 request, of whatever kind, so that pages can be served too.
///
/// Bounded in bytes, fields and time, never in the number of reads. Bytes behind the head stay in
/// the input: they are the first frames, or the body of a request that is no WebSocket.
#[derive(Debug)]
pub struct ServerHandshake {
    reader: HeadReader,
    deadline: Option<Instant>,
    state: State,
}

#[derive(Debug)]
enum State {
    Reading,
    Done,
    Failed(Refusal),
}

impl ServerHandshake {
    /// Begins to wait for a request; the config's `handshake_timeout` runs from `now`.
    #[must_use]
    pub fn new(config: &Config, now: Instant) -> Self {
        let settings = config.settings();
        Self {
            reader: HeadReader::new(Kind::Request, settings.max_head_len, settings.max_head_fields),
            deadline: now.checked_add(settings.handshake_timeout),
            state: State::Reading,
        }
    }

    /// Returns the request when it is whole; `None`: more bytes are needed. After the request
    /// nothing more is taken from any input.
    ///
    /// # Errors
    /// [`Refusal`]: write it, and end the transport. Each later call returns the
    /// same one.
    pub fn receive(&mut self, input: &mut Input<'_>) -> Result<Option<OwnedRequestHead>, Refusal> {
        match &self.state {
            State::Reading => {}
            State::Done => return Ok(None),
            State::Failed(refusal) => return Err(refusal.clone()),
        }
        let (taken, whole) = self.reader.read(input.as_bytes());
        input.take(taken);
        match whole {
            Ok(true) => {
                self.state = State::Done;
                Ok(Some(OwnedRequestHead::from_raw(self.reader.take())))
            }
            // A client that always sends one more byte in time must not stay for ever.
            Ok(false) => self.handle_timeout(input.now()).map(|()| None),
            Err(error) => Err(self.fail(error.into())),
        }
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout); `None` when there is nothing
    /// to wait for.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Reading => self.deadline,
            State::Done | State::Failed(_) => None,
        }
    }

    /// Tells the time. Early is no error.
    ///
    /// # Errors
    /// [`Refusal`] 408 when the deadline has passed: write it, and end the transport.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Refusal> {
        match &self.state {
            State::Reading if self.deadline.is_some_and(|deadline| now >= deadline) => {
                Err(self.fail(TimeoutError::Handshake.into()))
            }
            State::Reading | State::Done => Ok(()),
            State::Failed(refusal) => Err(refusal.clone()),
        }
    }

    fn fail(&mut self, refusal: Refusal) -> Refusal {
        self.state = State::Failed(refusal.clone());
        refusal
    }
}
