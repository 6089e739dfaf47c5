//! Time: what is due, and when.

use bytes::BytesMut;

use crate::connection::Connection;
use crate::connection::keep_alive::Due;
use crate::error::{ProtocolError, TimeoutError};
use crate::instant::Instant;
use crate::opcode::OpCode;

impl Connection {
    /// Returns when to call [`handle_timeout`](Self::handle_timeout): for keep-alive, or the
    /// deadline of the peer's Close frame. Ask again after each call that changes the connection.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let settings = self.config.settings();
        if self.closing.is_closed() {
            return None;
        }
        match self.closing.waiting_since() {
            Some(since) => since.checked_add(settings.close_timeout),
            None => self.keep_alive.deadline(settings),
        }
    }

    /// Appends a keep-alive ping or pong that is due, or fails the connection.
    ///
    /// Too early or too late is no error. Feed the bytes at hand first, so that a pong among them
    /// is seen. A ping's wait starts when it has left `out`, and a pong that waited for room in `out`
    /// goes out, when this notices: call it after a write too if that should be at once and not at
    /// the next deadline or read.
    ///
    /// # Errors
    /// [`TimeoutError::KeepAlive`], with a Close frame in `out`, or [`TimeoutError::Close`]; or the
    /// error that has failed the connection before.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<(), ProtocolError> {
        if self.closing.is_closed() {
            return self.closing.failed().map_or(Ok(()), Err);
        }
        self.send_waiting_pong(out);
        if self.closing.waiting_since().is_some() {
            if self.poll_timeout().is_some_and(|deadline| now >= deadline) {
                let error = TimeoutError::Close.into();
                self.fail(error, out);
                return Err(error);
            }
            return Ok(());
        }
        match self.keep_alive.handle(now, out.len(), self.config.settings()) {
            Ok(Due::Nothing) => {}
            Ok(Due::Ping(payload)) => {
                // One at a time is under way, so it may go over the mark. Without a key there is
                // none this time.
                if self.write_frame(OpCode::Ping, true, &payload, out).is_ok() {
                    self.keep_alive.ping_appended(out.len());
                }
            }
            Ok(Due::UnsolicitedPong) => {
                if self.check_room(out).is_ok() {
                    // Errors are ignored, as ASP.NET does.
                    let _ = self.write_frame(OpCode::Pong, true, &[], out);
                }
            }
            Err(error) => {
                self.fail(error.into(), out);
                return Err(error.into());
            }
        }
        self.choose_ways();
        Ok(())
    }
}
