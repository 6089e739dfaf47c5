use core::fmt;
use core::time::Duration;

use alloc::sync::Arc;

use crate::budget::MemoryBudget;
use crate::entropy::Entropy;
use crate::error::ConfigError;

/// How messages are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// Whole messages: [`Event::Text`](crate::Event::Text) and
    /// [`Event::Binary`](crate::Event::Binary).
    #[default]
    Whole,
    /// Pieces as they arrive: [`Event::Part`](crate::Event::Part). Nothing is kept, so a message
    /// costs no memory, however long it is; a compressed one its window and a part of 16 KiB.
    Parts,
}

/// Settings, checked once and shared by all connections that get a clone.
///
/// | setting | default | unit |
/// |---|---|---|
/// | [`max_message_len`](ConfigBuilder::max_message_len) | 16 MiB | bytes, all fragments together |
/// | [`max_unsent`](ConfigBuilder::max_unsent) | 1 MiB | bytes |
/// | [`max_head_len`](ConfigBuilder::max_head_len) | 16 KiB | bytes |
/// | [`max_head_fields`](ConfigBuilder::max_head_fields) | 100 | fields |
/// | [`handshake_timeout`](ConfigBuilder::handshake_timeout) | 10 s | |
/// | [`close_timeout`](ConfigBuilder::close_timeout) | 5 s | |
/// | [`linger_timeout`](ConfigBuilder::linger_timeout) | 2 s | |
/// | [`keep_alive`](ConfigBuilder::keep_alive) | server 2 min, client 30 s; no timeout | |
/// | [`high_water_mark`](ConfigBuilder::high_water_mark) | 64 KiB | bytes |
/// | [`delivery`](ConfigBuilder::delivery) | [`Delivery::Whole`] | |
/// | [`memory_budget`](ConfigBuilder::memory_budget) | none | bytes, all connections together |
/// | [`max_inflation_ratio`](ConfigBuilder::max_inflation_ratio) | none | times the compressed length |
///
/// The number of fragments of a message has no limit: memory and time per fragment are flat.
#[derive(Clone)]
pub struct Config(Arc<Settings>);

/// The plain values, for the modules of this crate.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) max_message_len: u64,
    pub(crate) max_unsent: usize,
    pub(crate) max_head_len: usize,
    pub(crate) max_head_fields: usize,
    pub(crate) handshake_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) linger_timeout: Duration,
    pub(crate) keep_alive_interval: Option<Duration>,
    pub(crate) keep_alive_timeout: Option<Duration>,
    pub(crate) high_water_mark: usize,
    pub(crate) delivery: Delivery,
    pub(crate) memory_budget: Option<MemoryBudget>,
    pub(crate) max_inflation_ratio: Option<u32>,
    /// What a client masks with; a server needs none.
    pub(crate) entropy: Option<Entropy>,
}

impl Config {
    /// Starts from the server's preset: keep-alive every 2 minutes. No entropy: servers don't mask.
    pub const fn server() -> ConfigBuilder {
        ConfigBuilder::new(Duration::from_secs(120), None)
    }

    /// Starts from the client's preset: keep-alive every 30 seconds.
    ///
    /// Under `std` give `Entropy::os()`.
    pub const fn client(entropy: Entropy) -> ConfigBuilder {
        ConfigBuilder::new(Duration::from_secs(30), Some(entropy))
    }

    /// Returns the budget that the memory of its connections is charged to.
    #[must_use]
    pub fn memory_budget(&self) -> Option<&MemoryBudget> {
        self.0.memory_budget.as_ref()
    }

    /// Returns how many times its compressed length a message may have when it is inflated; `None`:
    /// any.
    #[must_use]
    pub fn max_inflation_ratio(&self) -> Option<u32> {
        self.0.max_inflation_ratio
    }

    #[inline]
    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Config").field(&*self.0).finish()
    }
}

/// Settings on their way to a [`Config`]. One setter per row of the table there.
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder(Settings);

impl ConfigBuilder {
    const fn new(keep_alive_interval: Duration, entropy: Option<Entropy>) -> Self {
        Self(Settings {
            max_message_len: 16 << 20,
            max_unsent: 1 << 20,
            max_head_len: 16 << 10,
            max_head_fields: 100,
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            linger_timeout: Duration::from_secs(2),
            keep_alive_interval: Some(keep_alive_interval),
            keep_alive_timeout: None,
            high_water_mark: 64 << 10,
            delivery: Delivery::Whole,
            memory_budget: None,
            max_inflation_ratio: None,
            entropy,
        })
    }

    /// Sets the longest message that is received, in bytes, all fragments together. A longer one
    /// fails the connection with 1009 as soon as a header announces it; a compressed one as soon as
    /// more comes out of it, or its headers announce more than eight times as much.
    pub const fn max_message_len(mut self, bytes: u64) -> Self {
        self.0.max_message_len = bytes;
        self
    }

    /// Sets the mark, in bytes, from which on sends are refused and pongs wait while that much
    /// output is unsent. The test is before a send, so one message may be larger than the mark.
    pub const fn max_unsent(mut self, bytes: usize) -> Self {
        self.0.max_unsent = bytes;
        self
    }

    /// Sets the longest head of an opening handshake, in bytes, from the request or status line to
    /// the empty line.
    pub const fn max_head_len(mut self, bytes: usize) -> Self {
        self.0.max_head_len = bytes;
        self
    }

    /// Sets how many fields the head of an opening handshake may have.
    pub const fn max_head_fields(mut self, fields: usize) -> Self {
        self.0.max_head_fields = fields;
        self
    }

    /// Sets how long the whole opening handshake may take.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.0.handshake_timeout = timeout;
        self
    }

    /// Sets how long after our Close frame the peer's may take.
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.0.close_timeout = timeout;
        self
    }

    /// Sets how long an adapter goes on reading, and dropping what it reads, after the connection
    /// has ended at this side, so that the peer gets the Close frame instead of a reset.
    pub const fn linger_timeout(mut self, timeout: Duration) -> Self {
        self.0.linger_timeout = timeout;
        self
    }

    /// Sets the keep-alive.
    ///
    /// * `interval` `None`: off.
    /// * `timeout` `None`: an unsolicited pong every `interval`; nothing is expected back.
    /// * both: a ping when nothing has been received for `interval`, whose pong must come within
    ///   `timeout` after the ping was written, or the connection fails with
    ///   [`TimeoutError::KeepAlive`](crate::TimeoutError::KeepAlive). This is what notices a
    ///   vanished peer.
    pub const fn keep_alive(
        mut self,
        interval: Option<Duration>,
        timeout: Option<Duration>,
    ) -> Self {
        self.0.keep_alive_interval = interval;
        self.0.keep_alive_timeout = timeout;
        self
    }

    /// Sets the mark, in bytes of unsent output, from which on an adapter writes before it hands
    /// out the next event, and reads no further than to that event.
    pub const fn high_water_mark(mut self, bytes: usize) -> Self {
        self.0.high_water_mark = bytes;
        self
    }

    /// Sets whether messages are handed out whole or in parts.
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }

    /// Sets the budget for the memory that connections hold for their peers' messages and for
    /// compression. It is shared by all configs that have a clone of it.
    pub fn memory_budget(mut self, budget: MemoryBudget) -> Self {
        self.0.memory_budget = Some(budget);
        self
    }

    /// Sets how many times its compressed length a received message may have when it is inflated.
    /// `None`: any, which is the default.
    ///
    /// A message that inflates to more fails the connection with
    /// [`LimitError::InflationRatio`](crate::LimitError::InflationRatio) and the Close code 1008 as
    /// soon as the excess comes out. The first 64 KiB of a message always pass; beyond them the
    /// compressed bytes that have come so far count, rounded up to a full KiB. Text and JSON are
    /// seldom more than 20 times as long as compressed; DEFLATE can't do more than 1032 times.
    ///
    /// The limit of what a message may take stays [`max_message_len`](Self::max_message_len); this
    /// one refuses bombs that are smaller than that.
    pub const fn max_inflation_ratio(mut self, ratio: Option<u32>) -> Self {
        self.0.max_inflation_ratio = ratio;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] for what can't work; its text says what to change.
    pub fn build(self) -> Result<Config, ConfigError> {
        let s = &self.0;
        for (name, zero) in [
            ("max_message_len", s.max_message_len == 0),
            ("max_unsent", s.max_unsent == 0),
            ("max_head_len", s.max_head_len == 0),
            ("max_head_fields", s.max_head_fields == 0),
            ("high_water_mark", s.high_water_mark == 0),
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
            ("the keep_alive interval", s.keep_alive_interval),
            ("the keep_alive timeout", s.keep_alive_timeout),
        ] {
            // Time counts in microseconds: less is as good as nothing.
            if duration.is_some_and(|d| d.as_micros() == 0) {
                return Err(ConfigError::ZeroDuration(name));
            }
        }
        if s.keep_alive_timeout.is_some() && s.keep_alive_interval.is_none() {
            return Err(ConfigError::TimeoutWithoutInterval);
        }
        // No allocation can be longer than isize::MAX bytes.
        if s.delivery == Delivery::Whole && isize::try_from(s.max_message_len).is_err() {
            return Err(ConfigError::LimitTooLarge("max_message_len"));
        }
        Ok(Config(Arc::new(self.0)))
    }
}
