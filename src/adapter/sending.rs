//! The two families of sends, for every type that has them.

/// The `feed_*` of a type: `feed_methods!(self, (&mut), "...")`. The type has a `feed_with` that
/// appends by a closure. `$more` is what is said about when the output is written.
macro_rules! feed_methods {
    ($self:ident, ($($borrow:tt)*), $more:literal) => {
        /// Feeds a text message: appends it to the output and writes nothing.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError): nothing was fed. After `Full` flush first.
        pub fn feed_text($($borrow)* $self, text: &str) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_text(text, out))
        }

        /// Feeds a binary message: appends it to the output and writes nothing.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError): nothing was fed. After `Full` flush first.
        pub fn feed_binary($($borrow)* $self, bytes: &[u8]) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_binary(bytes, out))
        }

        /// Feeds a message of either kind: appends it to the output and writes nothing.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError): nothing was fed. After `Full` flush first.
        pub fn feed(
            $($borrow)* $self,
            data: crate::message::Data<'_>,
            options: crate::message::options::SendOptions,
        ) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send(data, options, out))
        }

        /// Feeds a part of a message, `end` with the last one: appends it to the output and writes
        /// nothing. See [`Connection::send_part`](crate::Connection::send_part).
        ///
        /// Control frames go behind all that is fed already. To let them in between the parts of a
        /// long message, feed a part when the parts before it are written, or send it by `send_part`.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError): nothing was fed. After `Full` flush first.
        pub fn feed_part(
            $($borrow)* $self,
            data: crate::message::Data<'_>,
            end: bool,
            options: crate::message::options::SendOptions,
        ) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_part(data, end, options, out))
        }

        /// Feeds a message that was encoded once for many connections: appends it to the output and
        /// writes nothing.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError): nothing was fed. After `Full` flush first.
        pub fn feed_prepared(
            $($borrow)* $self,
            message: &crate::prepared::Prepared,
        ) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_prepared(message, out))
        }

        /// Feeds a ping with at most 125 bytes of payload: appends it to the output, behind all that is
        /// fed already, and writes nothing. Keep-alive pings need no call.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError): nothing was fed. After `Full` flush first.
        pub fn feed_ping($($borrow)* $self, payload: &[u8]) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_ping(payload, out))
        }

        /// Feeds an unsolicited pong with at most 125 bytes of payload: appends it to the output and
        /// writes nothing. Pings are answered without a call.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError): nothing was fed. After `Full` flush first.
        pub fn feed_pong($($borrow)* $self, payload: &[u8]) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_pong(payload, out))
        }
    };
}

/// The `send_*` of a type: `send_methods!(self, (&mut), (async), (.await), "...")`. The type has a
/// `send_with` that feeds by a closure when there is room, then writes. `$more` is what is said about
/// the wait.
macro_rules! send_methods {
    ($self:ident, ($($borrow:tt)*), ($($asyncness:tt)*), ($($wait:tt)*), $more:literal) => {
        /// Sends a text message: waits for room, then until the transport has taken it.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`WebSocketError::Send`](crate::WebSocketError::Send): nothing was sent. Otherwise as
        /// [`flush`](Self::flush).
        pub $($asyncness)* fn send_text(
            $($borrow)* $self,
            text: &str,
        ) -> Result<(), crate::error::adapter::WebSocketError> {
            $self.send_with(|connection, out| connection.send_text(text, out))$($wait)*
        }

        /// Sends a binary message: waits for room, then until the transport has taken it.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// As [`send_text`](Self::send_text).
        pub $($asyncness)* fn send_binary(
            $($borrow)* $self,
            bytes: &[u8],
        ) -> Result<(), crate::error::adapter::WebSocketError> {
            $self.send_with(|connection, out| connection.send_binary(bytes, out))$($wait)*
        }

        /// Sends a message of either kind: waits for room, then until the transport has taken it.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// As [`send_text`](Self::send_text).
        pub $($asyncness)* fn send(
            $($borrow)* $self,
            data: crate::message::Data<'_>,
            options: crate::message::options::SendOptions,
        ) -> Result<(), crate::error::adapter::WebSocketError> {
            $self.send_with(|connection, out| connection.send(data, options, out))$($wait)*
        }

        /// Sends a part of a message, `end` with the last one: waits for room, then until the transport
        /// has taken it. A call given up on the way leaves the message open. See
        /// [`Connection::send_part`](crate::Connection::send_part).
        ///
        /// Control frames that are due meanwhile leave between two parts: a long message doesn't hold
        /// them up.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// As [`send_text`](Self::send_text).
        pub $($asyncness)* fn send_part(
            $($borrow)* $self,
            data: crate::message::Data<'_>,
            end: bool,
            options: crate::message::options::SendOptions,
        ) -> Result<(), crate::error::adapter::WebSocketError> {
            $self.send_with(|connection, out| connection.send_part(data, end, options, out))$($wait)*
        }

        /// Sends a message that was encoded once for many connections: waits for room, then until the
        /// transport has taken it.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// As [`send_text`](Self::send_text).
        pub $($asyncness)* fn send_prepared(
            $($borrow)* $self,
            message: &crate::prepared::Prepared,
        ) -> Result<(), crate::error::adapter::WebSocketError> {
            $self.send_with(|connection, out| connection.send_prepared(message, out))$($wait)*
        }

        /// Sends a ping with at most 125 bytes of payload: waits for room, then until the transport has
        /// taken it. Keep-alive pings need no call.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// As [`send_text`](Self::send_text).
        pub $($asyncness)* fn send_ping(
            $($borrow)* $self,
            payload: &[u8],
        ) -> Result<(), crate::error::adapter::WebSocketError> {
            $self.send_with(|connection, out| connection.send_ping(payload, out))$($wait)*
        }

        /// Sends an unsolicited pong with at most 125 bytes of payload: waits for room, then until the
        /// transport has taken it. Pings are answered without a call.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// As [`send_text`](Self::send_text).
        pub $($asyncness)* fn send_pong(
            $($borrow)* $self,
            payload: &[u8],
        ) -> Result<(), crate::error::adapter::WebSocketError> {
            $self.send_with(|connection, out| connection.send_pong(payload, out))$($wait)*
        }
    };
}

pub(crate) use {feed_methods, send_methods};
