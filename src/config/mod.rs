//! The settings of a connection and of its opening handshake: limits, timeouts and marks.
//!
//! [`Config::server`] and [`Config::client`] start from the defaults. The table of [`Config`] lists
//! all settings.
//!
//! ```
//! use core::time::Duration;
//! use sansocket::Config;
//! use sansocket::config::{Delivery, MemoryBudget};
//!
//! // 1 GiB for all connections together, 1 MiB for a message, a pong within 20 s of a ping.
//! let config = Config::server()
//!     .memory_budget(MemoryBudget::new(1 << 30))
//!     .max_message_len(1 << 20)
//!     .keep_alive(Some(Duration::from_secs(20)), Some(Duration::from_secs(20)))
//!     .build()?;
//! assert_eq!(config.max_message_len(), 1 << 20);
//! assert_eq!(config.delivery(), Delivery::Whole);
//! # Ok::<(), sansocket::error::ConfigError>(())
//! ```

use core::fmt;
use core::time::Duration;

use alloc::sync::Arc;

use crate::entropy::Entropy;
use crate::error::config::ConfigError;

pub use crate::budget::MemoryBudget;

/// The unit in which a connection hands out messages.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::config::Delivery;
/// use sansocket::connection::Negotiated;
/// use sansocket::{Config, Connection, Event, Inbox, Input, Instant, Role};
///
/// let now = Instant::from_micros(0);
/// let config = Config::server().delivery(Delivery::Parts).build()?;
/// let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), now);
///
/// // The header of a frame with 5 bytes of text, and only the first 3 bytes of the payload.
/// let mut bytes = BytesMut::from(&b"\x81\x85\0\0\0\0Hel"[..]);
/// let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
/// let mut input = Input::new(now, &mut bytes);
/// while let Some(event) = server.receive(&mut input, &mut inbox, &mut out)? {
///     let Event::Part { data, start, end } = event else { continue };
///     assert_eq!((data.as_bytes(), start, end), (&b"Hel"[..], true, false));
/// }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// Complete messages: [`Event::Text`](crate::Event::Text) and
    /// [`Event::Binary`](crate::Event::Binary).
    #[default]
    Whole,
    /// Parts in the order of arrival: [`Event::Part`](crate::Event::Part). Parts are not stored, so
    /// a message of any length takes no memory. A compressed message takes its window and 16 KiB.
    Parts,
}

/// Checked settings. Clones are cheap and share the same settings: one `Config` serves any number
/// of connections.
///
/// ```
/// use core::time::Duration;
/// use sansocket::Config;
/// use sansocket::error::ConfigError;
///
/// let config = Config::server().max_unsent(64 << 10).build()?;
/// assert_eq!(config.max_unsent(), 65_536);
/// // Settings that were not set have their defaults; this one follows `max_unsent`.
/// assert_eq!(config.high_water_mark(), 32_768);
/// assert_eq!(config.close_timeout(), Duration::from_secs(5));
/// # Ok::<(), ConfigError>(())
/// ```
///
/// | setting | default | unit |
/// |---|---|---|
/// | [`max_message_len`](ConfigBuilder::max_message_len) | 16 MiB | bytes, all fragments together |
/// | [`max_unsent`](ConfigBuilder::max_unsent) | 1 MiB | bytes |
/// | [`max_head_len`](ConfigBuilder::max_head_len) | 16 KiB | bytes |
/// | [`max_head_fields`](ConfigBuilder::max_head_fields) | 100 | fields |
/// | [`max_refusal_body_len`](ConfigBuilder::max_refusal_body_len) | 64 KiB | bytes |
/// | [`handshake_timeout`](ConfigBuilder::handshake_timeout) | 10 s | |
/// | [`close_timeout`](ConfigBuilder::close_timeout) | 5 s | |
/// | [`linger_timeout`](ConfigBuilder::linger_timeout) | 2 s | |
/// | [`write_timeout`](ConfigBuilder::write_timeout) | 60 s | |
/// | [`message_timeout`](ConfigBuilder::message_timeout) | off | |
/// | [`keep_alive`](ConfigBuilder::keep_alive) | every 30 s, no timeout | |
/// | [`high_water_mark`](ConfigBuilder::high_water_mark) | 64 KiB, at most half of `max_unsent` | bytes |
/// | [`delivery`](ConfigBuilder::delivery) | [`Delivery::Whole`] | |
/// | [`memory_budget`](ConfigBuilder::memory_budget) | none | bytes, all connections together |
/// | [`max_inflation_ratio`](ConfigBuilder::max_inflation_ratio) | none | times the compressed length |
///
/// The number of fragments of a message has no limit: a fragment takes constant time and no memory
/// beyond its payload.
#[derive(Clone)]
pub struct Config(Arc<Settings>);

/// The plain values. Modules of this crate read them directly.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) max_message_len: u64,
    pub(crate) max_unsent: usize,
    pub(crate) max_head_len: usize,
    pub(crate) max_head_fields: usize,
    pub(crate) max_refusal_body_len: usize,
    pub(crate) handshake_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) linger_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) message_timeout: Option<Duration>,
    pub(crate) keep_alive_interval: Option<Duration>,
    pub(crate) keep_alive_timeout: Option<Duration>,
    pub(crate) high_water_mark: usize,
    pub(crate) delivery: Delivery,
    pub(crate) memory_budget: Option<MemoryBudget>,
    pub(crate) max_inflation_ratio: Option<u32>,
    /// The source of the mask keys of a client; `None` for a server, which sends unmasked frames.
    pub(crate) entropy: Option<Entropy>,
}

impl Config {
    /// Returns a builder with the defaults of the table above. The config has no entropy, since
    /// servers don't mask; the defaults are the same for both roles.
    ///
    /// ```
    /// let config = sansocket::Config::server().build()?;
    /// assert!(config.entropy().is_none());
    /// # Ok::<(), sansocket::error::ConfigError>(())
    /// ```
    pub const fn server() -> ConfigBuilder {
        ConfigBuilder::new(None)
    }

    /// Returns a builder with the defaults of the table above and the source of mask keys and
    /// nonces. With `std` (feature `std`) pass `Entropy::os()`. The defaults are the same for both
    /// roles.
    ///
    /// ```
    /// use sansocket::error::EntropyError;
    /// use sansocket::{Config, Entropy};
    ///
    /// fn hardware_rng(bytes: &mut [u8]) -> Result<(), EntropyError> {
    ///     // Fill `bytes` from a register of the device.
    /// #   bytes.fill(7);
    ///     Ok(())
    /// }
    ///
    /// let config = Config::client(Entropy::from_fn(hardware_rng)).build()?;
    /// # drop(config);
    /// # Ok::<(), sansocket::error::ConfigError>(())
    /// ```
    pub const fn client(entropy: Entropy) -> ConfigBuilder {
        ConfigBuilder::new(Some(entropy))
    }

    /// Returns the budget to which the memory of the connections is charged.
    #[must_use]
    pub fn memory_budget(&self) -> Option<&MemoryBudget> {
        self.0.memory_budget.as_ref()
    }

    /// Returns the highest ratio of a received message's length to its compressed length; `None`:
    /// no limit.
    #[must_use]
    pub fn max_inflation_ratio(&self) -> Option<u32> {
        self.0.max_inflation_ratio
    }

    #[inline]
    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }
}

/// The settings in force.
impl Config {
    /// Returns the length of the longest message that is accepted, in bytes.
    #[must_use]
    pub fn max_message_len(&self) -> u64 {
        self.0.max_message_len
    }

    /// Returns the amount of unsent output, in bytes, at which sends are refused.
    #[must_use]
    pub fn max_unsent(&self) -> usize {
        self.0.max_unsent
    }

    /// Returns the length of the longest head of an opening handshake, in bytes.
    #[must_use]
    pub fn max_head_len(&self) -> usize {
        self.0.max_head_len
    }

    /// Returns the largest number of fields in the head of an opening handshake.
    #[must_use]
    pub fn max_head_fields(&self) -> usize {
        self.0.max_head_fields
    }

    /// Returns the longest body of a refusal that a client keeps, in bytes.
    #[must_use]
    pub fn max_refusal_body_len(&self) -> usize {
        self.0.max_refusal_body_len
    }

    /// Returns the timeout of the opening handshake.
    #[must_use]
    pub fn handshake_timeout(&self) -> Duration {
        self.0.handshake_timeout
    }

    /// Returns the timeout of the peer's Close frame.
    #[must_use]
    pub fn close_timeout(&self) -> Duration {
        self.0.close_timeout
    }

    /// Returns the timeout of the end of a transport.
    #[must_use]
    pub fn linger_timeout(&self) -> Duration {
        self.0.linger_timeout
    }

    /// Returns the longest time without progress of the output.
    #[must_use]
    pub fn write_timeout(&self) -> Duration {
        self.0.write_timeout
    }

    /// Returns the longest time from a message's first byte to its last; `None`: no limit.
    #[must_use]
    pub fn message_timeout(&self) -> Option<Duration> {
        self.0.message_timeout
    }

    /// Returns the keep-alive interval; `None`: keep-alive is off.
    #[must_use]
    pub fn keep_alive_interval(&self) -> Option<Duration> {
        self.0.keep_alive_interval
    }

    /// Returns the keep-alive timeout; `None`: no pong is expected.
    #[must_use]
    pub fn keep_alive_timeout(&self) -> Option<Duration> {
        self.0.keep_alive_timeout
    }

    /// Returns the high-water mark, in bytes of unsent replies.
    #[must_use]
    pub fn high_water_mark(&self) -> usize {
        self.0.high_water_mark
    }

    /// Returns the unit in which messages are handed out.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// Returns the source of mask keys and nonces; `None` for a server's config.
    #[must_use]
    pub fn entropy(&self) -> Option<Entropy> {
        self.0.entropy
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Config").field(&*self.0).finish()
    }
}

/// A builder of [`Config`], with one setter for each row of the table there.
///
/// ```
/// use core::time::Duration;
/// use sansocket::Config;
/// use sansocket::error::ConfigError;
///
/// // `build` checks the settings; the error names the setting and the correction.
/// let error = Config::server().close_timeout(Duration::ZERO).build().unwrap_err();
/// assert_eq!(error, ConfigError::ZeroDuration("close_timeout"));
/// assert_eq!(
///     error.to_string(),
///     "close_timeout is shorter than a microsecond: set a longer one"
/// );
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder(
    Settings,
    /// The high-water mark; `None`: derived from `max_unsent`.
    Option<usize>,
);

impl ConfigBuilder {
    const fn new(entropy: Option<Entropy>) -> Self {
        let settings = Settings {
            max_message_len: 16 << 20,
            max_unsent: 1 << 20,
            max_head_len: 16 << 10,
            max_head_fields: 100,
            max_refusal_body_len: 64 << 10,
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            linger_timeout: Duration::from_secs(2),
            write_timeout: Duration::from_secs(60),
            message_timeout: None,
            keep_alive_interval: Some(Duration::from_secs(30)),
            keep_alive_timeout: None,
            high_water_mark: HIGH_WATER_MARK,
            delivery: Delivery::Whole,
            memory_budget: None,
            max_inflation_ratio: None,
            entropy,
        };
        Self(settings, None)
    }

    /// Sets the length of the longest message that is accepted, in bytes, all fragments together.
    ///
    /// A longer message fails the connection with the close code 1009 as soon as a header announces
    /// the excess. A compressed message fails it as soon as more bytes than that are inflated, or
    /// when its headers announce more than eight times as much.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::connection::Negotiated;
    /// use sansocket::error::{LimitError, ProtocolError};
    /// use sansocket::{Config, Connection, Inbox, Input, Instant, Role};
    ///
    /// let now = Instant::from_micros(0);
    /// let config = Config::server().max_message_len(100).build()?;
    /// let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), now);
    ///
    /// let mut bytes = *b"\x82\xe5"; // the first two bytes of a header: 101 bytes of payload
    /// let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
    /// let result = server.receive(&mut Input::new(now, &mut bytes), &mut inbox, &mut out);
    /// assert_eq!(result, Err(ProtocolError::Limit(LimitError::MessageTooLong)));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub const fn max_message_len(mut self, bytes: u64) -> Self {
        self.0.max_message_len = bytes;
        self
    }

    /// Sets the amount of unsent output, in bytes, at which sends are refused and pongs are held
    /// back. The amount is tested before a send, so one message may exceed it.
    ///
    /// The [driver](crate::driver) and the adapters refuse unsolicited sends from
    /// `max_unsent - high_water_mark` on: the rest is reserved for replies.
    pub const fn max_unsent(mut self, bytes: usize) -> Self {
        self.0.max_unsent = bytes;
        self
    }

    /// Sets the length of the longest head of an opening handshake, in bytes, from the request line
    /// or status line to the empty line.
    pub const fn max_head_len(mut self, bytes: usize) -> Self {
        self.0.max_head_len = bytes;
        self
    }

    /// Sets the largest number of fields in the head of an opening handshake.
    pub const fn max_head_fields(mut self, fields: usize) -> Self {
        self.0.max_head_fields = fields;
        self
    }

    /// Sets the longest body of a refusal that a client keeps, in bytes: of a server's response with
    /// another status than 101, and of a proxy's refusal. A longer body is cut
    /// ([`ConnectResponse::is_body_cut`](crate::handshake::ConnectResponse::is_body_cut)), and the
    /// handshake ends at once. 0: no body is read.
    ///
    /// A body without Content-Length and without chunks ends with the transport. A server that sends
    /// such a response and keeps the transport open delays the error to the end of the
    /// [`handshake_timeout`](Self::handshake_timeout).
    pub const fn max_refusal_body_len(mut self, bytes: usize) -> Self {
        self.0.max_refusal_body_len = bytes;
        self
    }

    /// Sets the timeout of the opening handshake, from its first step to its end.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.0.handshake_timeout = timeout;
        self
    }

    /// Sets the timeout of the peer's Close frame, counted from ours.
    ///
    /// The time runs from when our Close frame has left the output. Before that it is restarted
    /// while output makes progress: at least 16 KiB, or the rest of the output, within the timeout.
    /// After that it is restarted by each read with data, unless data is
    /// [discarded](crate::Connection::discard_data).
    ///
    /// ```
    /// use core::time::Duration;
    /// use bytes::BytesMut;
    /// use sansocket::connection::Negotiated;
    /// use sansocket::{CloseCode, Config, Connection, Instant, Role};
    ///
    /// let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
    /// let config = Config::server().close_timeout(Duration::from_secs(3)).build()?;
    /// let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), at(0));
    ///
    /// let mut out = BytesMut::new();
    /// server.close(CloseCode::NORMAL, "", at(10), &mut out)?;
    /// out.clear(); // written at 11 s
    /// server.output_written(at(11), &mut out);
    /// assert_eq!(server.poll_timeout(), Some(at(14)));
    /// assert!(server.handle_timeout(at(14), &mut out).is_err());
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.0.close_timeout = timeout;
        self
    }

    /// Sets the timeout of the end of a transport, counted from when the connection has closed or
    /// failed.
    ///
    /// Within that time the output is written, the write half is shut down, and input is dropped
    /// until the peer's end of stream, so that the peer receives the Close frame instead of a
    /// reset. The time is restarted while output makes progress: at least 16 KiB, or the rest of
    /// the output, within the timeout.
    pub const fn linger_timeout(mut self, timeout: Duration) -> Self {
        self.0.linger_timeout = timeout;
        self
    }

    /// Sets the longest time without progress of the output. After it the connection fails with
    /// [`TimeoutError::Write`](crate::error::TimeoutError::Write). If the keep-alive timeout is
    /// shorter, it is used instead.
    pub const fn write_timeout(mut self, timeout: Duration) -> Self {
        self.0.write_timeout = timeout;
        self
    }

    /// Sets the longest time from a message's first byte to its last. After it the connection fails
    /// with [`TimeoutError::Message`](crate::error::TimeoutError::Message). The limit is a defence
    /// against peers that send a message very slowly and so keep its memory in use. `None`, the
    /// default: no limit.
    ///
    /// In the [driver](crate::driver) and the adapters the timer is paused between an event and the
    /// next read. It is not paused after a read that was cancelled without an event: the time
    /// between such reads must be shorter than the timeout.
    ///
    /// ```
    /// use core::time::Duration;
    /// use bytes::BytesMut;
    /// use sansocket::connection::Negotiated;
    /// use sansocket::{Config, Connection, Inbox, Input, Instant, Role};
    ///
    /// let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
    /// let config = Config::server().message_timeout(Some(Duration::from_secs(8))).build()?;
    /// let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), at(0));
    ///
    /// let mut bytes = *b"\x82\xfe\x10\x00\0\0\0\0"; // a header, without its 4096 bytes of payload
    /// let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
    /// server.receive(&mut Input::new(at(1), &mut bytes), &mut inbox, &mut out)?;
    /// assert_eq!(server.poll_timeout(), Some(at(9)));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub const fn message_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.0.message_timeout = timeout;
        self
    }

    /// Sets the keep-alive.
    ///
    /// * `interval` `None`: off.
    /// * `timeout` `None`: an unsolicited pong every `interval`; no reply is expected.
    /// * both: a ping after `interval` without input. If no input arrives within `timeout` after
    ///   the ping was written, the connection fails with
    ///   [`TimeoutError::KeepAlive`](crate::error::TimeoutError::KeepAlive). Only this setting
    ///   detects a peer that has vanished.
    ///
    /// A ping or pong is appended to the output. If it is due while a long message is written, it
    /// leaves after that message, unless the message is sent in parts
    /// ([`Connection::send_part`](crate::Connection::send_part)).
    ///
    /// The default is an interval of 30 seconds without a timeout. It is shorter than the idle
    /// timeouts of common proxies (nginx: 60 s). The default of ASP.NET Core is 2 minutes; there
    /// only a pong counts as a sign of life, so a peer inside a long frame is failed.
    ///
    /// ```
    /// use core::time::Duration;
    /// use bytes::BytesMut;
    /// use sansocket::connection::Negotiated;
    /// use sansocket::error::TimeoutError;
    /// use sansocket::{Config, Connection, Instant, Role};
    ///
    /// let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
    /// let seconds = |n| Some(Duration::from_secs(n));
    /// let config = Config::server().keep_alive(seconds(20), seconds(5)).build()?;
    /// let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), at(0));
    ///
    /// // No input for 20 s: a ping.
    /// let mut out = BytesMut::new();
    /// server.handle_timeout(at(20), &mut out)?;
    /// assert_eq!(out[..2], [0x89, 8]);
    /// out.clear(); // written at 21 s
    /// server.output_written(at(21), &mut out);
    ///
    /// // No input for 5 s after it: the peer has vanished.
    /// assert_eq!(server.poll_timeout(), Some(at(26)));
    /// assert_eq!(server.handle_timeout(at(26), &mut out), Err(TimeoutError::KeepAlive.into()));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub const fn keep_alive(
        mut self,
        interval: Option<Duration>,
        timeout: Option<Duration>,
    ) -> Self {
        self.0.keep_alive_interval = interval;
        self.0.keep_alive_timeout = timeout;
        self
    }

    /// Sets the amount of unsent replies, in bytes, at which a driver or adapter stops reading at
    /// the next event, and hands that event out only after writing. At most half of
    /// [`max_unsent`](Self::max_unsent). Default: 64 KiB, or half of `max_unsent` if that is less.
    ///
    /// ```
    /// use sansocket::Config;
    ///
    /// // Unsolicited sends may use 3 MiB, and replies 1 MiB more.
    /// let config = Config::server().max_unsent(4 << 20).high_water_mark(1 << 20).build()?;
    /// assert!(Config::server().max_unsent(4 << 20).high_water_mark(3 << 20).build().is_err());
    /// # drop(config);
    /// # Ok::<(), sansocket::error::ConfigError>(())
    /// ```
    pub const fn high_water_mark(mut self, bytes: usize) -> Self {
        self.1 = Some(bytes);
        self
    }

    /// Sets whether messages are handed out complete or in parts.
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }

    /// Sets the budget for the memory that connections use for received messages and for
    /// compression. All configs with a clone of the same budget share it.
    ///
    /// ```
    /// use sansocket::Config;
    /// use sansocket::config::MemoryBudget;
    ///
    /// let budget = MemoryBudget::new(256 << 20);
    /// let public = Config::server().max_message_len(64 << 10).memory_budget(budget.clone()).build()?;
    /// let internal = Config::server().memory_budget(budget).build()?;
    /// assert_eq!(public.memory_budget().unwrap().used(), 0);
    /// # drop(internal);
    /// # Ok::<(), sansocket::error::ConfigError>(())
    /// ```
    pub fn memory_budget(mut self, budget: MemoryBudget) -> Self {
        self.0.memory_budget = Some(budget);
        self
    }

    /// Sets the highest ratio of a received message's length to its compressed length. `None`, the
    /// default: no limit.
    ///
    /// A message with a higher ratio fails the connection with
    /// [`LimitError::InflationRatio`](crate::error::LimitError::InflationRatio) and the close code
    /// 1008 as soon as the excess is inflated. The first 64 KiB of a message always pass. Beyond
    /// them, the compressed bytes received so far are counted, rounded up to a full KiB. Text and
    /// JSON seldom have a ratio above 20; the maximum of DEFLATE is 1032.
    ///
    /// [`max_message_len`](Self::max_message_len) still limits the length of a message; this
    /// setting refuses decompression bombs below that limit.
    pub const fn max_inflation_ratio(mut self, ratio: Option<u32>) -> Self {
        self.0.max_inflation_ratio = ratio;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] for settings that can't work. Its text names the correction.
    pub fn build(mut self) -> Result<Config, ConfigError> {
        let s = &mut self.0;
        let most = s.max_unsent / 2;
        s.high_water_mark = self.1.unwrap_or_else(|| HIGH_WATER_MARK.min(most));
        for (name, zero) in [
            ("max_message_len", s.max_message_len == 0),
            ("max_unsent", s.max_unsent == 0),
            ("max_head_len", s.max_head_len == 0),
            ("max_head_fields", s.max_head_fields == 0),
            ("high_water_mark", self.1 == Some(0)),
            ("max_inflation_ratio", s.max_inflation_ratio == Some(0)),
            ("memory_budget", s.memory_budget.as_ref().is_some_and(|budget| budget.limit() == 0)),
        ] {
            if zero {
                return Err(ConfigError::ZeroLimit(name));
            }
        }
        for (name, duration) in [
            ("handshake_timeout", Some(s.handshake_timeout)),
            ("close_timeout", Some(s.close_timeout)),
            ("linger_timeout", Some(s.linger_timeout)),
            ("write_timeout", Some(s.write_timeout)),
            ("message_timeout", s.message_timeout),
            ("the keep_alive interval", s.keep_alive_interval),
            ("the keep_alive timeout", s.keep_alive_timeout),
        ] {
            // `Instant` counts microseconds: a shorter duration would be 0.
            if duration.is_some_and(|d| d.as_micros() == 0) {
                return Err(ConfigError::ZeroDuration(name));
            }
        }
        // A reply must have room even when unsolicited output has used up its share.
        if most == 0 || s.high_water_mark > most {
            let Settings { high_water_mark, max_unsent, .. } = *s;
            return Err(ConfigError::HighWaterMark { high_water_mark, max_unsent });
        }
        if s.keep_alive_timeout.is_some() && s.keep_alive_interval.is_none() {
            return Err(ConfigError::TimeoutWithoutInterval);
        }
        // No allocation can be longer than isize::MAX bytes.
        if s.delivery == Delivery::Whole && isize::try_from(s.max_message_len).is_err() {
            return Err(ConfigError::LimitTooLarge("max_message_len"));
        }
        if isize::try_from(s.max_refusal_body_len).is_err() {
            return Err(ConfigError::LimitTooLarge("max_refusal_body_len"));
        }
        Ok(Config(Arc::new(self.0)))
    }
}

/// The default of [`ConfigBuilder::high_water_mark`], in bytes.
const HIGH_WATER_MARK: usize = 64 << 10;
