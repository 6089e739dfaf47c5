//! Sending: unsolicited output and replies.

use bytes::BytesMut;

use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::driver::flow::Flow;
use crate::error::send::SendError;
use crate::instant::Instant;
use crate::message::Data;
use crate::message::options::SendOptions;
use crate::prepared::Prepared;

/// The `send_*` of a type with a method that appends.
macro_rules! send_methods {
    ($append:ident) => {
        /// Appends a text message.
        ///
        /// # Errors
        /// [`SendError`]: nothing was appended.
        pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_text(text, out))
        }

        /// Appends a binary message.
        ///
        /// # Errors
        /// [`SendError`]: nothing was appended.
        pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_binary(bytes, out))
        }

        /// Appends a message of either kind.
        ///
        /// # Errors
        /// [`SendError`]: nothing was appended.
        pub fn send(&mut self, data: Data<'_>, options: SendOptions) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send(data, options, out))
        }

        /// Appends a part of a message; `end` with the last one. See [`Connection::send_part`].
        ///
        /// # Errors
        /// [`SendError`]: nothing was appended.
        pub fn send_part(
            &mut self,
            data: Data<'_>,
            end: bool,
            options: SendOptions,
        ) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_part(data, end, options, out))
        }

        /// Appends a message that was encoded once for many connections.
        ///
        /// # Errors
        /// [`SendError`]: nothing was appended.
        pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_prepared(message, out))
        }

        /// Appends a ping with at most 125 bytes of payload. Keep-alive pings need no call.
        ///
        /// # Errors
        /// [`SendError`]: nothing was appended.
        pub fn send_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_ping(payload, out))
        }

        /// Appends an unsolicited pong with at most 125 bytes of payload. Pings are answered without
        /// a call.
        ///
        /// # Errors
        /// [`SendError`]: nothing was appended.
        pub fn send_pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_pong(payload, out))
        }
    };
}

/// Sending.
impl Flow {
    /// Returns what to answer an event with, while the event is held.
    pub const fn reply(&mut self) -> Reply<'_> {
        Reply { flow: self }
    }

    /// Appends unsolicited output by `send`, if there is room for it.
    ///
    /// # Errors
    /// [`SendError::NotOpen`] before the connection is open; [`SendError::Full`] from `max_unsent -
    /// high_water_mark` unsent bytes on: the rest is for replies; otherwise what `send` returns.
    #[inline]
    pub fn send_with(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        if self.output.may_feed() {
            return send(&mut self.connection, &mut self.output.bytes);
        }
        self.begin_feed_with(send)
    }

    /// Judges whether unsolicited output has room, for the sends that follow too, and appends the first.
    /// Out of line with all that it needs, so that nothing of the short way is kept for it.
    #[cold]
    #[inline(never)]
    fn begin_feed_with(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.check_opened()?;
        let settings = self.settings();
        let max = settings.max_unsent - settings.high_water_mark;
        if self.output.unsent() >= max && self.connection.is_open() {
            return Err(SendError::Full);
        }
        self.output.begin_feed(max);
        send(&mut self.connection, &mut self.output.bytes)
    }

    /// Appends a reply by `send`. It has room while others fill the output.
    pub(super) fn reply_with(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.check_opened()?;
        let settings = self.settings();
        let (max, mark) = (settings.max_unsent, settings.high_water_mark);
        let Self { connection, output, .. } = self;
        if output.unsent() < max {
            return output.reply(|out| send(connection, out));
        }
        if connection.is_open() && !output.replies_below(mark) {
            return Err(SendError::Full);
        }
        self.drop_older_pong();
        let Self { connection, output, .. } = self;
        output.apart(|out| send(connection, out))
    }

    fn check_opened(&self) -> Result<(), SendError> {
        match &self.opening {
            None => Ok(()),
            Some(opening) if opening.ended().is_some() => Err(SendError::Closed),
            Some(_) => Err(SendError::NotOpen),
        }
    }

    /// Sends a Close frame (close-output): nothing can be sent after it, receiving goes on until the
    /// peer's. Nothing happens if the connection is closing already. See
    /// [`Connection::close`].
    ///
    /// # Errors
    /// [`SendError::NotOpen`] before the connection is open; [`SendError::UnsendableCode`],
    /// [`SendError::ReasonTooLong`], [`SendError::Entropy`].
    pub fn close(&mut self, code: CloseCode, reason: &str, now: Instant) -> Result<(), SendError> {
        self.check_opened()?;
        let Self { connection, output, .. } = self;
        let in_flight = output.in_flight();
        match output.unsolicited(|out| connection.close_beside(in_flight, code, reason, now, out)) {
            Err(SendError::Closed) => Ok(()),
            closed => closed,
        }
    }

    /// Discards data from now on; see [`Connection::discard_data`].
    pub fn discard_data(&mut self) {
        self.connection.discard_data();
    }

    /// Starts the close timeout anew, for a caller that has not read for a while.
    pub fn restart_close_timeout(&mut self, now: Instant) {
        self.connection.restart_close_timeout(now);
    }

    /// Returns how many bytes of output are not written yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.output.unsent()
    }

    /// Returns the position behind the last byte of the output, counted from its beginning: a send
    /// has left when [`flushed`](Self::flushed) has reached what this was behind it. Positions of
    /// output that was dropped, because it can't be written, are never reached.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.output.end()
    }

    /// Returns the position up to which the output has been written.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.output.written()
    }

    /// Returns the position up to which the output has left: it was written, and flushed if
    /// [flushes are tracked](Self::track_flushes).
    #[must_use]
    pub const fn flushed(&self) -> u64 {
        self.output.flushed()
    }

    /// Returns true if the unsent output has reached the high-water mark: unsolicited senders that
    /// can wait should.
    #[must_use]
    pub fn is_above_mark(&self) -> bool {
        self.output.unsent() >= self.settings().high_water_mark
    }

    send_methods!(send_with);
}

/// Appends replies to an event, while the event is held.
///
/// Replies are back-pressure: from [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) unsent
/// bytes of them on no further event is handed out. They have room while others fill the output.
#[derive(Debug)]
pub struct Reply<'f> {
    flow: &'f mut Flow,
}

impl Reply<'_> {
    send_methods!(reply_with);

    /// Appends a reply by `send`.
    ///
    /// # Errors
    /// [`SendError::Full`] from `max_unsent` unsent bytes on, unless fewer than `high_water_mark` of
    /// them are replies; otherwise what `send` returns.
    pub fn reply_with(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.flow.reply_with(send)
    }

    /// Returns the state of the driver.
    #[must_use]
    pub const fn flow(&self) -> &Flow {
        self.flow
    }
}
