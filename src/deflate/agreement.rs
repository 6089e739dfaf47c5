//! What both ends have agreed on.

use crate::deflate::engine::Engine;
use crate::deflate::level::Level;
use crate::deflate::options::Deflate;
use crate::deflate::window_bits::WindowBits;
use crate::role::Role;

/// What both ends have agreed on, and how this end compresses.
///
/// [`Deflate::answer`] and [`Deflate::agree`] make it out of the fields of a handshake, and
/// [`new`](Self::new) out of what others have read in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Agreement {
    /// From the server to the client.
    server: Direction,
    /// From the client to the server.
    client: Direction,
    /// This end's encoder never uses a larger window than this.
    pub(crate) encoder_window_bits: WindowBits,
    pub(crate) level: Level,
    pub(crate) engine: Engine,
    /// Shorter messages are sent as they are, in bytes.
    pub(crate) threshold: u16,
}

/// What holds for the messages of one direction.
#[expect(clippy::exhaustive_structs, reason = "RFC 7692 section 7.1 has these parameters")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Direction {
    /// The largest window that the sender uses.
    pub window_bits: WindowBits,
    /// Whether the sender keeps its window from message to message.
    pub context_takeover: bool,
}

impl Agreement {
    /// Makes it from what the handshake's answer says about the messages of each sender, for the
    /// end that plays `role` and compresses as `deflate` says. The limits in `deflate` don't count
    /// any more: the handshake is over. Where its engine can't keep to the window that was agreed on
    /// for this end's messages, [`Engine::Native`] does the work.
    ///
    /// ```
    /// use sansocket::Role;
    /// use sansocket::connection::Negotiated;
    /// use sansocket::deflate::{Agreement, Deflate, Direction, WindowBits};
    ///
    /// // Another HTTP server has answered: permessage-deflate; client_no_context_takeover
    /// let server = Direction { window_bits: WindowBits::MAX, context_takeover: true };
    /// let client = Direction { context_takeover: false, ..server };
    /// let agreement = Agreement::new(Role::Server, server, client, Deflate::default());
    /// assert_eq!(agreement.direction(Role::Client), client);
    /// let negotiated = Negotiated::new().with_deflate(agreement);
    /// # drop(negotiated);
    /// ```
    #[must_use]
    pub const fn new(role: Role, server: Direction, client: Direction, deflate: Deflate) -> Self {
        let own = match role {
            Role::Server => server,
            Role::Client => client,
        };
        Self {
            server,
            client,
            encoder_window_bits: own.window_bits.or_less(deflate.encoder_window_bits),
            level: deflate.level,
            engine: if own.window_bits.get() < deflate.engine.min_window_bits().get() {
                Engine::Native
            } else {
                deflate.engine
            },
            threshold: match deflate.threshold {
                Some(bytes) => bytes,
                None if own.context_takeover => THRESHOLD_WITH_TAKEOVER,
                None => THRESHOLD_WITHOUT_TAKEOVER,
            },
        }
    }

    /// Returns what holds for the messages that `sender` sends.
    #[must_use]
    pub const fn direction(&self, sender: Role) -> Direction {
        match sender {
            Role::Server => self.server,
            Role::Client => self.client,
        }
    }

    /// Returns the largest window that this end's encoder uses: what was agreed on, or less to save
    /// memory.
    #[must_use]
    pub const fn encoder_window_bits(&self) -> WindowBits {
        self.encoder_window_bits
    }

    /// Returns how hard this end's encoder looks for matches.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Returns the engine that this end compresses and inflates with.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns the length, in bytes, from which on messages are compressed.
    #[must_use]
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }
}

/// In bytes: a short message is mostly made of pieces of those before it.
const THRESHOLD_WITH_TAKEOVER: u16 = 32;
/// In bytes: alone, a short text hardly shrinks.
const THRESHOLD_WITHOUT_TAKEOVER: u16 = 128;
