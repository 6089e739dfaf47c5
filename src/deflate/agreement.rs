//! What both ends have agreed on.

use crate::deflate::engine::Engine;
use crate::deflate::level::Level;
use crate::deflate::window_bits::WindowBits;
use crate::role::Role;

/// What both ends have agreed on, and how this end compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// From the server to the client.
    pub(crate) server: Direction,
    /// From the client to the server.
    pub(crate) client: Direction,
    /// This end's encoder never uses a larger window than this.
    pub(crate) encoder_window_bits: WindowBits,
    pub(crate) level: Level,
    pub(crate) engine: Engine,
    /// Shorter messages are sent as they are, in bytes.
    pub(crate) threshold: u32,
}

/// What holds for the messages of one direction.
#[expect(clippy::exhaustive_structs, reason = "RFC 7692 section 7.1 has these parameters")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// The largest window that the sender uses.
    pub window_bits: WindowBits,
    /// Whether the sender keeps its window from message to message.
    pub context_takeover: bool,
}

impl Agreement {
    /// Returns what holds for the messages that `sender` sends.
    #[must_use]
    pub const fn direction(&self, sender: Role) -> Direction {
        match sender {
            Role::Server => self.server,
            Role::Client => self.client,
        }
    }
}
