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

mod builder;

use core::fmt;
use core::time::Duration;

use alloc::sync::Arc;

use crate::entropy::Entropy;

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
