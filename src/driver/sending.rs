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

/// Defines the `send_*` methods of a type, in terms of its method `$append`.
macro_rules! send_methods {
    ($append:ident) => {
        /// Appends a text message.
        ///
        /// # Errors
        /// [`SendError`]; the output is unchanged.
        pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_text(text, out))
        }

        /// Appends a binary message.
        ///
        /// # Errors
        /// [`SendError`]; the output is unchanged.
        pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_binary(bytes, out))
        }

        /// Appends a text or binary message.
        ///
        /// # Errors
        /// [`SendError`]; the output is unchanged.
        pub fn send(&mut self, data: Data<'_>, options: SendOptions) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send(data, options, out))
        }

        /// Appends a part of a message; `end` marks the last part. See [`Connection::send_part`].
        ///
        /// # Errors
        /// [`SendError`]; the output is unchanged.
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
        /// [`SendError`]; the output is unchanged.
        pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_prepared(message, out))
        }

        /// Appends a ping with at most 125 bytes of payload. Keep-alive pings are sent
        /// automatically.
        ///
        /// # Errors
        /// [`SendError`]; the output is unchanged.
        pub fn send_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_ping(payload, out))
        }

        /// Appends an unsolicited pong with at most 125 bytes of payload. Pings are answered
        /// automatically.
        ///
        /// # Errors
        /// [`SendError`]; the output is unchanged.
        pub fn send_pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
            self.$append(|connection, out| connection.send_pong(payload, out))
        }
    };
}

/// Sending.
impl Flow {
    /// Returns a handle to reply to an event, while the event is held.
    pub const fn reply(&mut self) -> Reply<'_> {
        Reply { flow: self }
    }

    /// Appends unsolicited output with `send`, if there is space for it.
    ///
    /// # Errors
    /// [`SendError::NotOpen`] before the connection is open; [`SendError::Full`] if
    /// `max_unsent - high_water_mark` bytes or more are unsent, because the rest is reserved for
    /// replies; otherwise the error of `send`.
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

    /// Checks the limits, prepares the fast path for the next sends, and appends the first message.
    ///
    /// Not inlined, so that the fast path above stays small and needs no registers for this one.
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

    /// Appends a reply with `send`. Unsolicited output does not use up the space for replies.
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
        // Others have filled the output. Replies have `high_water_mark` bytes of their own.
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

    /// Appends a Close frame, after which no message can be sent. Receiving continues until the
    /// peer's Close frame. If the connection is already closing, the call has no effect. See
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

    /// Discards received data from now on; see [`Connection::discard_data`].
    pub fn discard_data(&mut self) {
        self.connection.discard_data();
    }

    /// Restarts the close timeout, for a caller that has not read for some time.
    pub fn restart_close_timeout(&mut self, now: Instant) {
        self.connection.restart_close_timeout(now);
    }

    /// Returns how many bytes of output are not written yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.output.unsent()
    }

    /// Returns the position of the end of the output, in bytes since the start.
    ///
    /// Call it after a send. That message has left when [`flushed`](Self::flushed) has reached the
    /// returned position. Positions of output that was dropped, because it could not be written,
    /// are never reached.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.output.end()
    }

    /// Returns the position up to which the output has been written.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.output.written()
    }

    /// Returns the position up to which the output has left: it has been written, and flushed if
    /// [flushes are tracked](Self::track_flushes).
    #[must_use]
    pub const fn flushed(&self) -> u64 {
        self.output.flushed()
    }

    /// Returns true if the unsent output has reached the high-water mark. Unsolicited senders that
    /// are able to wait should wait.
    #[must_use]
    pub fn is_above_mark(&self) -> bool {
        self.output.unsent() >= self.settings().high_water_mark
    }

    send_methods!(send_with);
}

/// Appends replies to an event, while the event is held.
///
/// Replies cause back-pressure: while
/// [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes of replies are unsent,
/// no event is handed out. Unsolicited output does not use up their space.
///
/// ```
/// use sansocket::Event;
/// use sansocket::driver::Driver;
///
/// /// Echoes the next text message.
/// fn echo(driver: &mut Driver) -> Result<(), Box<dyn core::error::Error>> {
///     if let Some((Event::Text(text), mut reply)) = driver.receive()? {
///         reply.send_text(text)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Reply<'f> {
    flow: &'f mut Flow,
}

impl Reply<'_> {
    send_methods!(reply_with);

    /// Appends a reply with `send`.
    ///
    /// # Errors
    /// [`SendError::Full`] if `max_unsent` bytes or more are unsent, and at least `high_water_mark`
    /// of them are replies; otherwise the error of `send`.
    pub fn reply_with(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.flow.reply_with(send)
    }

    /// Returns the flow, for its state.
    #[must_use]
    pub const fn flow(&self) -> &Flow {
        self.flow
    }
}
