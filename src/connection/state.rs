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

/// The protocol after the handshake, for both roles.
///
/// At most 128 bytes, no heap for an idle connection; with context takeover the windows of
/// compression, once it is used. It owns neither input nor output: every
/// byte of an input is used up, and what is to be written is appended to `out`.
///
/// 1. [`receive`](Self::receive) until it gives `None`, answering as you like;
/// 2. write `out`, in any pieces;
/// 3. wait for the next read, or for [`poll_timeout`](Self::poll_timeout).
///
/// Give each connection its own [`Inbox`](crate::Inbox) and its own output buffer.
pub struct Connection {
    pub(super) config: Config,
    /// What few connections need.
    pub(super) rare: Option<Box<Rare>>,
    pub(super) incoming: Incoming,
    pub(super) keep_alive: KeepAlive,
    pub(super) closing: Closing,
    pub(super) role: Role,
    /// The kind of the message that is being sent in parts.
    pub(super) sending: Option<MessageKind>,
    /// Whether a whole data frame at the beginning of an input may take the short way.
    pub(super) fast_receive: bool,
    /// While `out` is shorter a message may be sent the short way; 0: never.
    pub(super) fast_send_below: usize,
    /// The agreement about compression.
    pub(super) agreed: Agreed,
}

impl Connection {
    /// Makes the connection after any handshake: HTTP/1.1 of ours or of others, HTTP/2, HTTP/3.
    ///
    /// A client needs a config made by [`Config::client`]: otherwise it can't mask, and every
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

    /// Returns which end this is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Returns the settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the agreement about compression; `None`: messages are not compressed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(&self) -> Option<crate::deflate::Agreement> {
        self.agreed.deflate().copied()
    }

    /// Returns true until a Close frame is sent or received, or the connection fails: messages can
    /// be sent.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.closing.is_open()
    }

    /// Returns true when the connection is closed or has failed: write what is in `out`, then end
    /// the transport (a client waits for the server to do so first).
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closing.is_closed()
    }

    /// Returns the subprotocol that the handshake has agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.rare.as_ref()?.subprotocol.as_deref()
    }

    /// Returns which end began to close, with which code and reason; `None` while the connection is
    /// open.
    #[must_use]
    pub fn close_status(&self) -> Option<CloseStatus> {
        let reason = self.rare.as_ref().map(|rare| rare.close_reason.clone());
        self.closing.status(self.role, reason.unwrap_or_default())
    }

    /// Returns the error that has failed the connection.
    #[must_use]
    pub const fn error(&self) -> Option<ProtocolError> {
        self.closing.failed()
    }

    /// Starts to count; costs a small allocation or two and a few nanoseconds per message.
    pub fn enable_stats(&mut self) {
        self.rare().stats.get_or_insert_default();
        self.choose_ways();
    }

    /// Returns what was counted since [`enable_stats`](Self::enable_stats), `None` without it.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        self.rare.as_ref()?.stats.as_deref().copied()
    }

    /// Whether the answer to the newest ping waits for room.
    pub(crate) fn has_waiting_pong(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.waiting_pong.is_some())
    }

    /// Whether [`output_written`](Self::output_written) has something to do after a write: a
    /// keep-alive ping or a Close frame lies in `out`, or a pong waits for room in it.
    pub(crate) fn waits_for_writes(&self) -> bool {
        self.keep_alive.counts()
            || self
                .rare
                .as_ref()
                .is_some_and(|rare| rare.waiting_pong.is_some() || rare.close_wait.is_some())
    }

    /// Frees the memory of compression, once nothing more can be sent or received.
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

    /// Decides anew which calls may take the short way; after each change of what it asks for.
    pub(super) fn choose_ways(&mut self) {
        let settings = self.config.settings();
        let plain = self
            .rare
            .as_ref()
            .is_none_or(|rare| rare.stats.is_none() && rare.waiting_pong.is_none());
        self.fast_receive = plain
            && self.incoming.is_between_messages()
            && settings.delivery == Delivery::Whole
            && settings.max_message_len > u64::from(u16::MAX)
            && !self.closing.is_closed();
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

// The short way of `receive` knows the lengths of 7 and 16 bits.
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
