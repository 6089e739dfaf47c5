//! The options of a send.

use core::num::NonZeroUsize;

/// The choice whether a message is compressed.
///
/// ```
/// use sansocket::message::{Compress, SendOptions};
///
/// // The token must not share a compressed message with text of an attacker's choice.
/// let secret = SendOptions::new().compress(Compress::Never);
/// assert_eq!(SendOptions::default().compress, Compress::Auto);
/// # assert_ne!(secret, SendOptions::new());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compress {
    /// Compressed if permessage-deflate was negotiated and makes the message shorter.
    #[default]
    Auto,
    /// Never compressed. For messages with a secret next to text of an attacker's choice: the
    /// compressed length reveals information about the secret (CRIME, BREACH), even over TLS.
    Never,
}

/// The options of a send. By default the message is compressed if that was negotiated and makes it
/// shorter, and is sent in one frame.
///
/// ```
/// use core::num::NonZeroUsize;
/// use bytes::BytesMut;
/// use sansocket::connection::Negotiated;
/// use sansocket::message::SendOptions;
/// use sansocket::{Config, Connection, Instant, Role};
///
/// let config = Config::server().build()?;
/// let mut server =
///     Connection::new(Role::Server, &config, &Negotiated::new(), Instant::from_micros(0));
/// let mut out = BytesMut::new();
///
/// let options = SendOptions::new().max_frame_len(NonZeroUsize::new(3).unwrap());
/// server.send("Hello".into(), options, &mut out)?;
/// assert_eq!(out, &b"\x01\x03Hel\x80\x02lo"[..]); // two fragments
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendOptions {
    /// Whether the message is compressed. For a message in parts, only the options of its first
    /// part count.
    pub compress: Compress,
    /// The longest payload of a frame, in bytes. A longer message is sent in fragments. `None`: one
    /// frame of any length.
    ///
    /// This is for peers that limit the length of a frame. It doesn't make room for control frames
    /// inside the message: all fragments are appended to the output at once, so a later ping, pong
    /// or Close frame is sent after them. [`Connection::send_part`](crate::Connection::send_part)
    /// makes such room.
    pub max_frame_len: Option<NonZeroUsize>,
}

impl SendOptions {
    /// Creates the default options.
    #[must_use]
    pub const fn new() -> Self {
        Self { compress: Compress::Auto, max_frame_len: None }
    }

    /// Sets whether the message is compressed. For a message in parts, only the options of its
    /// first part count.
    #[must_use]
    pub const fn compress(mut self, compress: Compress) -> Self {
        self.compress = compress;
        self
    }

    /// Sets the longest payload of a frame, in bytes. [`max_frame_len`](#structfield.max_frame_len)
    /// describes the order of control frames.
    #[must_use]
    pub const fn max_frame_len(mut self, bytes: NonZeroUsize) -> Self {
        self.max_frame_len = Some(bytes);
        self
    }
}
