//! The settings of a session.

use core::time::Duration;

use crate::error::config::ConfigError;

/// The settings of sessions: windows, limits and timeouts. Create one value and share it among all
/// sessions.
///
/// | setting | default | unit |
/// |---|---|---|
/// | [`max_streams`](SessionOptionsBuilder::max_streams) | 256 | streams |
/// | [`stream_window`](SessionOptionsBuilder::stream_window) | 64 KiB | bytes |
/// | [`session_window`](SessionOptionsBuilder::session_window) | `max_streams` × `stream_window`: 16 MiB | bytes |
/// | [`send_buffer`](SessionOptionsBuilder::send_buffer) | 64 KiB | bytes |
/// | [`max_frame_len`](SessionOptionsBuilder::max_frame_len) | 16 KiB | bytes |
/// | [`max_head_len`](SessionOptionsBuilder::max_head_len) | 16 KiB | bytes |
/// | [`handshake_timeout`](SessionOptionsBuilder::handshake_timeout) | 10 s | |
/// | [`idle_timeout`](SessionOptionsBuilder::idle_timeout) | 60 s | |
/// | [`keep_alive`](SessionOptionsBuilder::keep_alive) | 30 s, 30 s | |
///
/// ```
/// use sansocket::h2::SessionOptions;
///
/// // At most 1,000 WebSockets on a session.
/// let options = SessionOptions::builder().max_streams(1000).build()?;
///
/// let error = SessionOptions::builder().session_window(1 << 20).build().unwrap_err();
/// assert!(error.to_string().starts_with("session_window (1048576) is less than max_streams (256)"));
/// # Ok::<(), sansocket::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    pub(super) max_streams: u32,
    pub(super) stream_window: u32,
    pub(super) session_window: u32,
    pub(super) send_buffer: usize,
    pub(super) max_frame_len: u32,
    pub(super) max_head_len: u32,
    pub(super) handshake_timeout: Duration,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) keep_alive_interval: Option<Duration>,
    pub(super) keep_alive_timeout: Duration,
}

/// Sets and checks the settings of a [`SessionOptions`].
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionOptionsBuilder {
    options: SessionOptions,
    session_window: Option<u32>,
}

/// RFC 9113 section 6.9.1: the largest window.
const MAX_WINDOW: u32 = (1 << 31) - 1;

impl SessionOptions {
    pub(super) const DEFAULT: Self = Self {
        max_streams: 256,
        stream_window: 64 << 10,
        session_window: 256 * (64 << 10),
        send_buffer: 64 << 10,
        max_frame_len: 16 << 10,
        max_head_len: 16 << 10,
        handshake_timeout: Duration::from_secs(10),
        idle_timeout: Some(Duration::from_secs(60)),
        keep_alive_interval: Some(Duration::from_secs(30)),
        keep_alive_timeout: Duration::from_secs(30),
    };

    /// Returns a builder with the defaults.
    pub const fn builder() -> SessionOptionsBuilder {
        SessionOptionsBuilder { options: Self::DEFAULT, session_window: None }
    }

    /// The number of bytes that a drive of the session reads before the pumps take the data.
    pub(super) const fn read_len(&self) -> usize {
        self.max_frame_len as usize
    }

    /// The budget of h2 for small frames that are not taken. A frame of n bytes, at least 1, has 9 + n
    /// bytes with its header, and costs 256 - n: at most 26 for each byte. A drive reads `read_len`
    /// and one read more, which fits into the buffer of a frame.
    pub(super) const fn small_frame_budget(&self) -> usize {
        26 * (self.read_len() + self.max_frame_len as usize + (16 << 10))
    }
}

impl SessionOptionsBuilder {
    /// Sets the largest number of streams that are open at the same time: those of the peer, or those of
    /// a [`Client`](crate::h2::Client), which the server may limit further.
    pub const fn max_streams(mut self, streams: u32) -> Self {
        self.options.max_streams = streams;
        self
    }

    /// Sets the window of a stream: the largest amount of data that the peer may send before the
    /// application has read it, in bytes.
    pub const fn stream_window(mut self, bytes: u32) -> Self {
        self.options.stream_window = bytes;
        self
    }

    /// Sets the window of the session: the largest amount of unread data of all streams, in bytes. It
    /// bounds the memory that the peer can occupy.
    ///
    /// It must be at least `max_streams` × `stream_window`. Otherwise some streams that are not read
    /// use up the window, and the peer can't send on the others.
    pub const fn session_window(mut self, bytes: u32) -> Self {
        self.session_window = Some(bytes);
        self
    }

    /// Sets the largest amount of output of a stream that the session buffers, in bytes, at most
    /// 2^31 - 1.
    pub const fn send_buffer(mut self, bytes: usize) -> Self {
        self.options.send_buffer = bytes;
        self
    }

    /// Sets the length of the longest frame that the peer may send, in bytes, from 16 KiB to 16 MiB - 1.
    /// A frame is buffered as a whole.
    pub const fn max_frame_len(mut self, bytes: u32) -> Self {
        self.options.max_frame_len = bytes;
        self
    }

    /// Sets the length of the longest head of a request, in bytes, after decompression.
    pub const fn max_head_len(mut self, bytes: u32) -> Self {
        self.options.max_head_len = bytes;
        self
    }

    /// Sets the time within which the peer must open the session.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.options.handshake_timeout = timeout;
        self
    }

    /// Sets the time after which a session without streams is ended by GOAWAY; `None` for no limit.
    pub const fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.options.idle_timeout = timeout;
        self
    }

    /// Sets the time without input after which a PING is sent, and the time within which input must
    /// follow it. `None` for no PINGs: then a vanished peer is detected only by its WebSockets.
    pub const fn keep_alive(mut self, interval: Option<Duration>, timeout: Duration) -> Self {
        self.options.keep_alive_interval = interval;
        self.options.keep_alive_timeout = timeout;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] with the setting that must be changed.
    pub fn build(self) -> Result<SessionOptions, ConfigError> {
        let Self { mut options, session_window } = self;
        let o = &options;
        for (name, zero) in [
            ("max_streams", o.max_streams == 0),
            ("send_buffer", o.send_buffer == 0),
            ("max_head_len", o.max_head_len == 0),
        ] {
            if zero {
                return Err(ConfigError::ZeroLimit(name));
            }
        }
        for (name, duration) in [
            ("handshake_timeout", Some(o.handshake_timeout)),
            ("idle_timeout", o.idle_timeout),
            ("the keep_alive interval", o.keep_alive_interval),
            ("the keep_alive timeout", Some(o.keep_alive_timeout)),
        ] {
            if duration.is_some_and(|duration| duration.as_micros() == 0) {
                return Err(ConfigError::ZeroDuration(name));
            }
        }
        let send_buffer = u32::try_from(o.send_buffer).unwrap_or(u32::MAX);
        for (name, value, least, most) in [
            ("stream_window", o.stream_window, 1, MAX_WINDOW),
            ("send_buffer", send_buffer, 1, MAX_WINDOW),
            ("max_frame_len", o.max_frame_len, 16 << 10, (1 << 24) - 1),
        ] {
            if value < least || value > most {
                return Err(ConfigError::OutOfRange { name, least, most });
            }
        }
        let product = o.max_streams.saturating_mul(o.stream_window);
        // RFC 9113 section 6.9.2: a session begins with 65,535 bytes, and the window only grows.
        let window = session_window.unwrap_or(product).max(65_535);
        if window < product || window > MAX_WINDOW {
            return Err(ConfigError::SessionWindow {
                session_window: window,
                max_streams: o.max_streams,
                stream_window: o.stream_window,
            });
        }
        options.session_window = window;
        Ok(options)
    }
}
