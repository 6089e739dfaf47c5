//! State that few connections need.

use alloc::boxed::Box;

use crate::connection::compression::codecs::Codecs;
use crate::connection::queued::CloseWait;
use crate::entropy::KeyBlock;
use crate::instant::Instant;
use crate::message::Utf8Bytes;
use crate::stats::Stats;

/// What few connections need: allocated when it is first used.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) stats: Option<Box<Stats>>,
    /// The answer to the newest ping, waiting for room in `out`.
    pub(super) waiting_pong: Option<Box<[u8]>>,
    /// Mask keys of a client whose source the thread's block must not be mixed with.
    pub(super) keys: Option<KeyBlock<16>>,
    /// The wait for the peer's Close frame.
    pub(super) close_wait: Option<CloseWait>,
    /// The reason of the peer's Close frame.
    pub(super) close_reason: Utf8Bytes,
    /// When the first byte of the message under way came, if there is a limit to how long it may take.
    pub(super) message_since: Option<Instant>,
    pub(super) subprotocol: Option<Box<str>>,
    /// The encoder and the decoder that outlive a call.
    pub(super) codecs: Codecs,
}

impl Rare {
    /// Whether nothing in it is used.
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
