//! The `feed_*` and `send_*` methods of all types that send, as macros.

/// Defines the `feed_*` methods of a type: `feed_methods!(self, (&mut), "...")`. The type must have
/// a method `feed_with` that appends with a closure. `$more` documents when the output is written.
macro_rules! feed_methods {
    ($self:ident, ($($borrow:tt)*), $more:literal) => {
        /// Feeds a text message: appends it to the output without writing.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError); the output is unchanged. After `Full`, flush and
        /// retry.
        pub fn feed_text($($borrow)* $self, text: &str) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_text(text, out))
        }

        /// Feeds a binary message: appends it to the output without writing.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError); the output is unchanged. After `Full`, flush and
        /// retry.
        pub fn feed_binary($($borrow)* $self, bytes: &[u8]) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_binary(bytes, out))
        }

        /// Feeds a text or binary message: appends it to the output without writing.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError); the output is unchanged. After `Full`, flush and
        /// retry.
        pub fn feed(
            $($borrow)* $self,
            data: crate::message::Data<'_>,
            options: crate::message::options::SendOptions,
        ) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send(data, options, out))
        }

        /// Feeds a part of a message: appends it to the output without writing. `end` marks the
        /// last part. See [`Connection::send_part`](crate::Connection::send_part).
        ///
        /// Control frames are appended to the output as well, after all fed parts. To let them
        /// leave between the parts of a long message, feed each part after the previous one was
        /// written, or use `send_part`.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError); the output is unchanged. After `Full`, flush and
        /// retry.
        pub fn feed_part(
            $($borrow)* $self,
            data: crate::message::Data<'_>,
            end: bool,
            options: crate::message::options::SendOptions,
        ) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_part(data, end, options, out))
        }

        /// Feeds a message that was encoded once for many connections: appends it to the output
        /// without writing.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError); the output is unchanged. After `Full`, flush and
        /// retry.
        pub fn feed_prepared(
            $($borrow)* $self,
            message: &crate::prepared::Prepared,
        ) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_prepared(message, out))
        }

        /// Feeds a ping with at most 125 bytes of payload: appends it to the output, after all fed
        /// messages, without writing. Keep-alive pings are sent automatically.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError); the output is unchanged. After `Full`, flush and
        /// retry.
        pub fn feed_ping($($borrow)* $self, payload: &[u8]) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_ping(payload, out))
        }

        /// Feeds an unsolicited pong with at most 125 bytes of payload: appends it to the output
        /// without writing. Pings are answered automatically.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`SendError`](crate::error::SendError); the output is unchanged. After `Full`, flush and
        /// retry.
        pub fn feed_pong($($borrow)* $self, payload: &[u8]) -> Result<(), crate::error::send::SendError> {
            $self.feed_with(|connection, out| connection.send_pong(payload, out))
        }
    };
}

/// Defines the `send_*` methods of a type: `send_methods!(self, (&mut), (async), (.await), "...")`.
/// The type must have a method `send_with` that feeds with a closure when there is space, then
/// writes. `$more` documents the wait.
macro_rules! send_methods {
    ($self:ident, ($($borrow:tt)*), ($($asyncness:tt)*), ($($wait:tt)*), $more:literal) => {
        /// Sends a text message: feeds it when the output has space, then writes. Returns when the
        /// transport has taken it.
        ///
        #[doc = $more]
        ///
        /// # Errors
        /// [`WebSocketError::Send`](crate::WebSocketError::Send); the message was not fed.
        /// Otherwise as [`flush`](Self::flush).
        pub $($asyncness)* fn send_text(
            $($borrow)* $self,
            text: &str,
        ) -> Result<(), crate::error::adapter::WebSocketError> {
            $self.send_with(|connection, out| connection.send_text(text, out))$($wait)*
        }

        /// Sends a binary message: feeds it when the output has space, then writes. Returns when
        /// the transport has taken it.
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

        /// Sends a text or binary message: feeds it when the output has space, then writes. Returns
        /// when the transport has taken it.
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

        /// Sends a part of a message: feeds it when the output has space, then writes. Returns when
        /// the transport has taken it. `end` marks the last part. A call that is not completed may
        /// leave the message open. See [`Connection::send_part`](crate::Connection::send_part).
        ///
        /// Control frames leave between two parts, so a long message does not delay them.
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

        /// Sends a message that was encoded once for many connections: feeds it when the output has
        /// space, then writes. Returns when the transport has taken it.
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

        /// Sends a ping with at most 125 bytes of payload: feeds it when the output has space, then
        /// writes. Returns when the transport has taken it. Keep-alive pings are sent
        /// automatically.
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

        /// Sends an unsolicited pong with at most 125 bytes of payload: feeds it when the output
        /// has space, then writes. Returns when the transport has taken it. Pings are answered
        /// automatically.
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
