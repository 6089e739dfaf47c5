//! The server's part of the handshake, up to a complete request.

use crate::config::Config;
use crate::error::protocol::TimeoutError;
use crate::handshake::head::OwnedRequestHead;
use crate::handshake::refusal::Refusal;
use crate::handshake::stage::Stage;
use crate::http1::reader::{HeadReader, Kind};
use crate::input::Input;
use crate::instant::Instant;

/// The reader of one HTTP/1.1 request of any kind, so that a server can also serve pages.
///
/// It is bounded in bytes, fields and time, but not in the number of reads. Bytes after the head
/// stay in the input: they are the first frames, or the body of a request that is not for a
/// WebSocket.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::handshake::{HttpResponse, ServerHandshake};
/// use sansocket::{Config, Input, Instant};
///
/// let now = Instant::from_micros(0);
/// let mut handshake = ServerHandshake::new(&Config::server().build()?, now);
/// let mut out = BytesMut::new();
/// for part in ["GET /health HTTP/1.1\r\nHost: a", "\r\n\r\n"] {
///     let mut bytes = part.as_bytes().to_vec(); // the bytes of one read
///     let Some(head) = handshake.receive(&mut Input::new(now, &mut bytes))? else { continue };
///     if head.path() == "/health" && !head.is_upgrade() {
///         HttpResponse::new(204)?.write(&mut out);
///     }
/// }
/// assert_eq!(out, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ServerHandshake {
    reader: HeadReader,
    stage: Stage<Refusal>,
}

impl ServerHandshake {
    /// Creates a reader. The config's `handshake_timeout` runs from `now`.
    #[must_use]
    pub fn new(config: &Config, now: Instant) -> Self {
        let settings = config.settings();
        Self {
            reader: HeadReader::new(Kind::Request, settings.max_head_len, settings.max_head_fields),
            stage: Stage::new(now, settings.handshake_timeout),
        }
    }

    /// Returns the request when it is complete; `None` if more bytes are needed. After it has
    /// returned the request, it takes no more input.
    ///
    /// # Errors
    /// [`Refusal`]: write it, and end the transport. Each later call returns the same refusal.
    pub fn receive(&mut self, input: &mut Input<'_>) -> Result<Option<OwnedRequestHead>, Refusal> {
        if !self.stage.is_reading()? {
            return Ok(None);
        }
        let (taken, whole) = self.reader.read(input.as_bytes());
        input.take(taken);
        match whole {
            Ok(true) => {
                self.stage.done();
                Ok(Some(OwnedRequestHead::from_raw(self.reader.take())))
            }
            // A client that sends one byte at a time must not extend the deadline.
            Ok(false) => self.handle_timeout(input.now()).map(|()| None),
            Err(error) => Err(self.stage.fail(error.into())),
        }
    }

    /// Returns the deadline for [`handle_timeout`](Self::handle_timeout); `None` if there is none.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.stage.deadline()
    }

    /// Reports the time. A call before the deadline has no effect.
    ///
    /// # Errors
    /// [`Refusal`] 408 when the deadline has passed: write it, and end the transport.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Refusal> {
        if self.stage.is_late(now)? {
            return Err(self.stage.fail(TimeoutError::Handshake.into()));
        }
        Ok(())
    }
}
