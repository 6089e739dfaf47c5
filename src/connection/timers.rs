//! Deadlines, and the actions when one has passed.
//!
//! | deadline | starts | moved by |
//! |---|---|---|
//! | keep-alive interval | at the last input, ping or unsolicited pong | input |
//! | keep-alive timeout | when the ping has left the output | output before it, input |
//! | close timeout | when our Close frame has left the output | output before it, undiscarded input |
//! | message timeout | at the first byte of the message | times without reads, reported by the caller |

use core::time::Duration;

use bytes::BytesMut;

use crate::connection::keep_alive::Due;
use crate::connection::queued::CloseWait;
use crate::connection::state::Connection;
use crate::error::protocol::{ProtocolError, TimeoutError};
use crate::instant::Instant;
use crate::opcode::OpCode;

impl Connection {
    /// Returns the deadline for [`handle_timeout`](Self::handle_timeout): the earliest of those of
    /// keep-alive, the peer's Close frame and the message in progress. Call it again after each
    /// call that changes the connection.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closing.is_closed() {
            return None;
        }
        let settings = self.config.settings();
        let deadline = match self.close_wait() {
            Some(_) => self.close_deadline(),
            None => self.keep_alive.deadline(settings),
        };
        match self.message_deadline() {
            Some(message) => Some(deadline.map_or(message, |deadline| deadline.min(message))),
            None => deadline,
        }
    }

    /// Appends a keep-alive ping or pong that is due, or fails the connection.
    ///
    /// A call before or after the deadline is valid. Pass all input to [`receive`](Self::receive)
    /// first, so that a pong in it counts.
    ///
    /// # Errors
    /// [`TimeoutError`], for `KeepAlive` and `Message` with a Close frame in `out`; or the error
    /// that has failed the connection before.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<(), ProtocolError> {
        self.handle_timeout_beside(0, now, out)
    }

    /// Does the same while `in_flight` bytes of output are removed from `out` and not written yet.
    pub(crate) fn handle_timeout_beside(
        &mut self,
        in_flight: usize,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<(), ProtocolError> {
        if self.closing.is_closed() {
            return self.closing.failed().map_or(Ok(()), Err);
        }
        self.output_written_beside(in_flight, now, out);
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| now >= deadline);
        if passed(self.message_deadline()) {
            return Err(self.time_out(TimeoutError::Message, out));
        }
        if let Some(wait) = self.close_wait() {
            let error =
                if wait.has_left() { TimeoutError::Close } else { TimeoutError::CloseUnsent };
            if passed(self.close_deadline()) {
                return Err(self.time_out(error, out));
            }
            return Ok(());
        }
        match self.keep_alive.handle(now, self.config.settings()) {
            Ok(Due::Nothing) => {}
            Ok(Due::Ping(payload)) => {
                // At most one ping is in progress, so it may exceed the limit `max_unsent`. Without
                // a mask key no ping is sent; the next attempt is an interval later.
                if self.write_frame(OpCode::Ping, true, &payload, out).is_ok() {
                    self.keep_alive.ping_appended(in_flight.saturating_add(out.len()));
                }
            }
            Ok(Due::UnsolicitedPong) => {
                if self.check_room(out).is_ok() {
                    // Errors are ignored, as in ASP.NET: the next pong is an interval later.
                    let _ = self.write_frame(OpCode::Pong, true, &[], out);
                }
            }
            Err(error) => return Err(self.time_out(error, out)),
        }
        self.choose_ways();
        Ok(())
    }

    /// Records that output has left `out` at `now`. Call it after each write.
    ///
    /// The wait for a keep-alive pong and for the peer's Close frame starts when our frame has left
    /// `out`, and a pong that was held back is appended when there is room. Without this call, the
    /// first happens at the next deadline, and the second at the next deadline, read or send. Bytes
    /// that were removed from `out` count as written.
    pub fn output_written(&mut self, now: Instant, out: &mut BytesMut) {
        self.output_written_beside(0, now, out);
    }

    /// Does the same while `in_flight` bytes of output are removed from `out` and not written yet.
    pub(crate) fn output_written_beside(
        &mut self,
        in_flight: usize,
        now: Instant,
        out: &mut BytesMut,
    ) {
        if self.closing.is_closed() {
            return;
        }
        let unsent = in_flight.saturating_add(out.len());
        self.keep_alive.look(now, unsent);
        if let Some(wait) = self.rare.as_mut().and_then(|rare| rare.close_wait.as_mut()) {
            wait.look(now, unsent);
        }
        self.send_waiting_pong(out);
        self.choose_ways();
    }

    /// Discards data from now on: received bytes no longer move the deadline of the peer's Close
    /// frame. Events are still returned; drop them.
    ///
    /// Call it after [`close`](Self::close). Before that there is no such deadline.
    pub fn discard_data(&mut self) {
        let heard = self.keep_alive.last_heard();
        if let Some(wait) = self.rare.as_mut().and_then(|rare| rare.close_wait.as_mut()) {
            wait.discard_data(heard);
        }
    }

    /// Restarts the close timeout at `now`, for a caller that has not read for a while.
    pub fn restart_close_timeout(&mut self, now: Instant) {
        if let Some(wait) = self.rare.as_mut().and_then(|rare| rare.close_wait.as_mut()) {
            wait.restart(now);
        }
    }

    /// Postpones the deadline of the message in progress by `duration`, for a time in which this
    /// end chose not to read.
    pub fn message_rested(&mut self, duration: Duration) {
        if let Some(since) = self.rare.as_mut().and_then(|rare| rare.message_since.as_mut()) {
            // A time beyond the last instant: the deadline never passes.
            *since = since.checked_add(duration).unwrap_or(Instant::from_micros(u64::MAX));
        }
    }

    /// Records the start of the message in progress. It follows each call that takes input.
    #[inline]
    pub(super) fn track_message(&mut self, now: Instant) {
        if self.config.settings().message_timeout.is_none() {
            return;
        }
        if !self.incoming.is_between_messages() {
            self.rare().message_since.get_or_insert(now);
        } else if let Some(rare) = &mut self.rare {
            rare.message_since = None;
        }
    }

    fn close_wait(&self) -> Option<&CloseWait> {
        self.rare.as_ref()?.close_wait.as_ref()
    }

    /// Returns the deadline of the peer's Close frame.
    pub(crate) fn close_deadline(&self) -> Option<Instant> {
        let since = self.close_wait()?.since(self.keep_alive.last_heard());
        since.checked_add(self.config.settings().close_timeout)
    }

    fn message_deadline(&self) -> Option<Instant> {
        let timeout = self.config.settings().message_timeout?;
        self.rare.as_ref()?.message_since?.checked_add(timeout)
    }

    fn time_out(&mut self, error: TimeoutError, out: &mut BytesMut) -> ProtocolError {
        self.fail(error.into(), out);
        error.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::close_code::CloseCode;
    use crate::config::Config;
    use crate::connection::queued::MIN_PROGRESS;
    use crate::negotiated::Negotiated;
    use crate::role::Role;

    fn at(s: u64) -> Instant {
        Instant::from_micros(s * 1_000_000)
    }

    fn server() -> Connection {
        let keep_alive = (Some(Duration::from_secs(10)), Some(Duration::from_secs(3)));
        let config = Config::server().keep_alive(keep_alive.0, keep_alive.1).build();
        Connection::new(Role::Server, &config.expect("good"), &Negotiated::new(), at(0))
    }

    #[test]
    fn output_in_flight_precedes_the_close_frame() {
        let (mut conn, mut out) = (server(), BytesMut::new());
        conn.close_beside(100_000, CloseCode::NORMAL, "", at(0), &mut out).expect("open");
        conn.output_written_beside(100_000 - MIN_PROGRESS, at(4), &mut out);
        assert_eq!(conn.poll_timeout(), Some(at(9)));
        conn.output_written_beside(0, at(8), &mut out);
        assert_eq!(conn.poll_timeout(), Some(at(13)));
        // The Close frame is removed from `out`, and then written.
        let len = out.split().len();
        conn.output_written_beside(len, at(9), &mut out);
        assert_eq!(conn.poll_timeout(), Some(at(13)));
        conn.handle_timeout_beside(len, at(9), &mut out).expect("early");
        conn.output_written_beside(0, at(10), &mut out);
        assert_eq!(conn.poll_timeout(), Some(at(15)));
        let error = conn.handle_timeout_beside(0, at(15), &mut out);
        assert_eq!(error, Err(TimeoutError::Close.into()));

        let (mut conn, mut out) = (server(), BytesMut::new());
        conn.close_beside(100_000, CloseCode::NORMAL, "", at(0), &mut out).expect("open");
        out.clear();
        let error = conn.handle_timeout_beside(100_000, at(5), &mut out);
        assert_eq!(error, Err(TimeoutError::CloseUnsent.into()));
    }

    #[test]
    fn output_in_flight_precedes_the_ping() {
        let (mut conn, mut out) = (server(), BytesMut::new());
        conn.handle_timeout_beside(1000, at(10), &mut out).expect("a ping");
        let len = out.split().len();
        for n in 0..1000 {
            conn.output_written_beside(
                1000 + len - n,
                at(11 + n.try_into().unwrap_or(0)),
                &mut out,
            );
        }
        assert_eq!(conn.poll_timeout(), Some(at(1010 + 3)));
        conn.output_written_beside(0, at(1011), &mut out);
        assert_eq!(conn.poll_timeout(), Some(at(1014)));
        let error = conn.handle_timeout_beside(0, at(1014), &mut out);
        assert_eq!(error, Err(TimeoutError::KeepAlive.into()));
    }
}
