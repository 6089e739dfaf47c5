//! How one message is sent.

use core::num::NonZeroUsize;

/// Whether one message is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compress {
    /// If it was agreed on and makes the message shorter.
    #[default]
    Auto,
    /// Not at all. For messages with secrets beside text that somebody else has chosen: how well
    /// they shrink tells about the secret (CRIME, BREACH), TLS or not.
    Never,
}

/// How one message is sent. `Default`: compressed if that was agreed on and makes it shorter, in one
/// frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendOptions {
    /// Whether the message is compressed. Of a message that is sent in parts the first part's options
    /// decide; those of later parts don't count.
    pub compress: Compress,
    /// The longest payload of a frame, in bytes: a longer message is sent in fragments. `None`: one
    /// frame, however long.
    ///
    /// This is for peers that limit the length of a frame. It lets no control frame in between: all
    /// fragments are appended to the output at once, and a ping, a pong or a Close frame that is sent
    /// later goes behind them. [`Connection::send_part`](crate::Connection::send_part) does.
    pub max_frame_len: Option<NonZeroUsize>,
}

impl SendOptions {
    /// Compressed if that was agreed on and makes the message shorter, in one frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { compress: Compress::Auto, max_frame_len: None }
    }

    /// Sets whether the message is compressed. Of a message that is sent in parts the first part's
    /// options decide; those of later parts don't count.
    #[must_use]
    pub const fn compress(mut self, compress: Compress) -> Self {
        self.compress = compress;
        self
    }

    /// Sets the longest payload of a frame, in bytes. See
    /// [`max_frame_len`](#structfield.max_frame_len) about control frames.
    #[must_use]
    pub const fn max_frame_len(mut self, bytes: NonZeroUsize) -> Self {
        self.max_frame_len = Some(bytes);
        self
    }
}
