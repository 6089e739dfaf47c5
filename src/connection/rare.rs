//! State that most connections don't need.

use alloc::boxed::Box;

use crate::connection::compression::codecs::Codecs;
use crate::connection::queued::CloseWait;
use crate::entropy::KeyBlock;
use crate::instant::Instant;
use crate::message::Utf8Bytes;
use crate::stats::Stats;

/// State that most connections don't need. It is allocated at its first use.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) stats: Option<Box<Stats>>,
    /// The answer to the newest ping, held back until `out` has room.
    pub(super) waiting_pong: Option<Box<[u8]>>,
    /// The mask keys of a client with its own source of randomness, which must not be mixed with
    /// the keys that a thread shares among its connections.
    pub(super) keys: Option<KeyBlock<16>>,
    /// The wait for the peer's Close frame.
    pub(super) close_wait: Option<CloseWait>,
    /// The reason of the peer's Close frame.
    pub(super) close_reason: Utf8Bytes,
    /// The time of the first byte of the message in progress, if there is a message timeout.
    pub(super) message_since: Option<Instant>,
    pub(super) subprotocol: Option<Box<str>>,
    /// The encoder and the decoder that outlive a call.
    pub(super) codecs: Codecs,
}

impl Rare {
    /// Returns true if no field is in use, so that the box can be freed.
    pub(super) fn is_empty(&self) -> bool {
        self.stats.is_none()
            && self.waiting_pong.is_none()
            && self.keys.is_none()
            && self.close_wait.is_none()
            && self.close_reason.as_bytes().is_empty()
            && self.message_since.is_none()
            && self.subprotocol.is_none()
            && self.codecs.is_empty()
    }
}
