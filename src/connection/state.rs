//! The state of a connection.

use alloc::boxed::Box;
use core::fmt;

use crate::agreed::Agreed;
use crate::config::{Config, Delivery};
use crate::connection::assembly::Incoming;
use crate::connection::closing::{CloseStatus, Closing};
use crate::connection::keep_alive::KeepAlive;
use crate::connection::rare::Rare;
use crate::error::protocol::ProtocolError;
use crate::frame::LEN_64;
use crate::instant::Instant;
use crate::message::MessageKind;
use crate::negotiated::Negotiated;
use crate::role::Role;
use crate::stats::Stats;

/// The protocol after the opening handshake, for both roles.
///
/// A connection has at most 128 bytes. It has no heap while it is idle, except for the windows of
/// compression with context takeover, after their first use. It owns neither input nor output:
/// every byte of an input is consumed, and output is appended to `out`.
///
/// 1. Call [`receive`](Self::receive) until it returns `None`, and send replies as needed.
/// 2. Write `out`, in any number of writes.
/// 3. Wait for the next read, or for the deadline of [`poll_timeout`](Self::poll_timeout).
///
/// Each connection needs its own [`Inbox`](crate::Inbox) and its own output buffer.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::connection::Negotiated;
/// use sansocket::{CloseCode, Config, Connection, Event, Inbox, Input, Instant, Role};
///
/// # let mut reads = [&b"\x81\x82\0\0\0\0Hi"[..], b"\x88\x82\0\0\0\0\x03\xe8"].into_iter();
/// # let mut read = || reads.next().unwrap().to_vec();
/// # let mut written = Vec::new();
/// # let mut write = |bytes: &[u8]| written.extend_from_slice(bytes);
/// let now = Instant::from_micros(0);
/// let config = Config::server().build()?;
/// let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), now);
/// let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
///
/// while !server.is_closed() {
///     let mut bytes = read(); // the caller's transport and clock
///     let mut input = Input::new(now, &mut bytes);
///     while let Some(event) = server.receive(&mut input, &mut inbox, &mut out)? {
///         if let Event::Text(text) = event {
///             server.send_text(text, &mut out)?;
///         }
///     }
///     write(&out);
///     out.clear();
///     server.output_written(now, &mut out);
/// }
/// assert_eq!(server.close_status().unwrap().code, CloseCode::NORMAL);
/// # assert_eq!(written, b"\x81\x02Hi\x88\x02\x03\xe8");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct Connection {
    pub(super) config: Config,
    /// State that most connections don't need. The box keeps it out of the 128 bytes.
    pub(super) rare: Option<Box<Rare>>,
    pub(super) incoming: Incoming,
    pub(super) keep_alive: KeepAlive,
    pub(super) closing: Closing,
    pub(super) role: Role,
    /// The kind of the message that is being sent in parts; `None` if there is none.
    pub(super) sending: Option<MessageKind>,
    /// Whether `receive` may take the fast path for a complete data frame at the start of an input.
    pub(super) fast_receive: bool,
    /// A message may take the fast path while `out` is shorter than this; 0 disables the path. One
    /// comparison covers both the conditions of `choose_ways` and the limit `max_unsent`.
    pub(super) fast_send_below: usize,
    /// The negotiated compression.
    pub(super) agreed: Agreed,
}

impl Connection {
    /// Creates the connection after any opening handshake: over HTTP/1.1, HTTP/2 or HTTP/3, by this
    /// crate or by another library.
    ///
    /// A client needs a config of [`Config::client`]. Otherwise it has no mask keys, and every
    /// send is refused with [`SendError::Entropy`](crate::error::SendError::Entropy).
    #[must_use]
    pub fn new(role: Role, config: &Config, negotiated: &Negotiated, now: Instant) -> Self {
        let mut connection = Self {
            config: config.clone(),
            rare: None,
            incoming: Incoming::new(),
            keep_alive: KeepAlive::new(now),
            closing: Closing::OPEN,
            role,
            sending: None,
            fast_receive: false,
            fast_send_below: 0,
            agreed: negotiated.agreed(),
        };
        if let Some(subprotocol) = negotiated.subprotocol() {
            connection.rare().subprotocol = Some(subprotocol.into());
        }
        connection.choose_ways();
        connection
    }

    /// Returns the role of this end.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Returns the settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the negotiated compression; `None` if messages are not compressed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(&self) -> Option<crate::deflate::Agreement> {
        self.agreed.deflate().copied()
    }

    /// Returns true until a Close frame is sent or received, or the connection fails. While it is
    /// open, messages can be sent.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.closing.is_open()
    }

    /// Returns true when the connection is closed or has failed. Write the rest of `out`, then end
    /// the transport. A client should let the server end it first
    /// ([RFC 6455 section 7.1.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1)).
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closing.is_closed()
    }

    /// Returns the negotiated subprotocol.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.rare.as_ref()?.subprotocol.as_deref()
    }

    /// Returns the end that began the closure, with its code and reason; `None` while the
    /// connection is open.
    #[must_use]
    pub fn close_status(&self) -> Option<CloseStatus> {
        let reason = self.rare.as_ref().map(|rare| rare.close_reason.clone());
        self.closing.status(self.role, reason.unwrap_or_default())
    }

    /// Returns the error that failed the connection.
    #[must_use]
    pub const fn error(&self) -> Option<ProtocolError> {
        self.closing.failed()
    }

    /// Enables counters. They take one or two small allocations, and a few nanoseconds for each
    /// message.
    pub fn enable_stats(&mut self) {
        self.rare().stats.get_or_insert_default();
        self.choose_ways();
    }

    /// Returns the counters since [`enable_stats`](Self::enable_stats); `None` if they are not
    /// enabled.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        self.rare.as_ref()?.stats.as_deref().copied()
    }

    /// Returns true if the answer to the newest ping is held back until `out` has room.
    pub(crate) fn has_waiting_pong(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.waiting_pong.is_some())
    }

    /// Returns true if [`output_written`](Self::output_written) has an effect after a write: `out`
    /// holds a keep-alive ping or a Close frame, or a pong is held back until it has room.
    pub(crate) fn waits_for_writes(&self) -> bool {
        self.keep_alive.counts()
            || self
                .rare
                .as_ref()
                .is_some_and(|rare| rare.waiting_pong.is_some() || rare.close_wait.is_some())
    }

    /// Frees the memory of compression when the connection is closed.
    pub(super) fn drop_compression(&mut self) {
        if self.closing.is_closed()
            && let Some(rare) = &mut self.rare
        {
            rare.codecs.clear();
            if rare.is_empty() {
                self.rare = None;
            }
        }
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Determines which calls may take their fast path. It must follow each change of a condition
    /// below.
    pub(super) fn choose_ways(&mut self) {
        let settings = self.config.settings();
        // The fast paths neither count messages nor send a pong that was held back.
        let plain = self
            .rare
            .as_ref()
            .is_none_or(|rare| rare.stats.is_none() && rare.waiting_pong.is_none());
        // The fast path of `receive` doesn't compare the length with the limit. Its frames have
        // lengths of at most 16 bits, which the limit must allow.
        self.fast_receive = plain
            && self.incoming.is_between_messages()
            && settings.delivery == Delivery::Whole
            && settings.max_message_len > u64::from(u16::MAX)
            && !self.closing.is_closed();
        // The fast path of `send` neither counts the bytes after a keep-alive ping nor compresses.
        let fast_send = plain
            && self.closing.is_open()
            && self.sending.is_none()
            && !self.keep_alive.counts()
            && self.agreed.rsv() == 0;
        self.fast_send_below = if fast_send { settings.max_unsent } else { 0 };
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("role", &self.role)
            .field("closing", &self.closing)
            .field("incoming", &self.incoming)
            .field("sending", &self.sending)
            .finish_non_exhaustive()
    }
}

// The fast path of `receive` covers lengths of 7 and 16 bits: `LEN_16` and `LEN_64` follow them.
const _: () = assert!(LEN_64 == 127);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_at_most_128_bytes() {
        assert!(size_of::<Connection>() <= 128, "{}", size_of::<Connection>());
        assert_eq!(size_of::<crate::inbox::Inbox>(), size_of::<usize>());
    }
}
