//! The settings of a connection and of its handshake: limits, timeouts and marks.

use core::fmt;
use core::time::Duration;

use alloc::sync::Arc;

use crate::entropy::Entropy;
use crate::error::config::ConfigError;

pub use crate::budget::MemoryBudget;

/// How messages are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// Whole messages: [`Event::Text`](crate::Event::Text) and
    /// [`Event::Binary`](crate::Event::Binary).
    #[default]
    Whole,
    /// Parts as they arrive: [`Event::Part`](crate::Event::Part). Nothing is kept, so a message
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
    /// What a client masks with; a server needs none.
    pub(crate) entropy: Option<Entropy>,
}

impl Config {
    /// Starts from the defaults of the table above, the same for both roles. No entropy: servers don't
    /// mask.
    pub const fn server() -> ConfigBuilder {
        ConfigBuilder::new(None)
    }

    /// Starts from the defaults of the table above, the same for both roles, with the source of mask
    /// keys and nonces. Under `std` (feature `std`) give `Entropy::os()`.
    pub const fn client(entropy: Entropy) -> ConfigBuilder {
        ConfigBuilder::new(Some(entropy))
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

/// The settings as they are in force.
impl Config {
    /// Returns the longest message that is received, in bytes.
    #[must_use]
    pub fn max_message_len(&self) -> u64 {
        self.0.max_message_len
    }

    /// Returns the amount of unsent output, in bytes, from which on sends are refused.
    #[must_use]
    pub fn max_unsent(&self) -> usize {
        self.0.max_unsent
    }

    /// Returns the longest head of an opening handshake, in bytes.
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

    /// Returns how long the opening handshake may take.
    #[must_use]
    pub fn handshake_timeout(&self) -> Duration {
        self.0.handshake_timeout
    }

    /// Returns how long the peer's Close frame may take.
    #[must_use]
    pub fn close_timeout(&self) -> Duration {
        self.0.close_timeout
    }

    /// Returns how long the end of a transport may take.
    #[must_use]
    pub fn linger_timeout(&self) -> Duration {
        self.0.linger_timeout
    }

    /// Returns how long output may make no progress.
    #[must_use]
    pub fn write_timeout(&self) -> Duration {
        self.0.write_timeout
    }

    /// Returns how long a message may take; `None`: as long as it likes.
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

    /// Returns how messages are handed out.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// Returns the source of mask keys and nonces; `None` for the config of a server.
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

/// Builder of a [`Config`]. One setter per row of the table there.
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

    /// Sets the longest message that is received, in bytes, all fragments together. A longer one
    /// fails the connection with 1009 as soon as a header announces it; a compressed one as soon as
    /// more comes out of it, or its headers announce more than eight times as much.
    pub const fn max_message_len(mut self, bytes: u64) -> Self {
        self.0.max_message_len = bytes;
        self
    }

    /// Sets the amount of unsent output, in bytes, from which on sends are refused and pongs wait.
    /// The test is before a send, so one message may be larger.
    ///
    /// In the [driver](crate::driver) and the adapters unsolicited sends are refused from
    /// `max_unsent - high_water_mark` on: the rest is for replies.
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

    /// Sets how long the whole opening handshake may take.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.0.handshake_timeout = timeout;
        self
    }

    /// Sets how long after our Close frame the peer's may take.
    ///
    /// The time runs from when the Close frame has left the output. Before that it starts anew
    /// while output makes progress: at least 16 KiB, or the rest of it, in that time. After it, it starts
    /// anew with each read that brings data, unless data is
    /// [discarded](crate::Connection::discard_data).
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.0.close_timeout = timeout;
        self
    }

    /// Sets how long the end of a transport may take after the connection has closed or failed.
    ///
    /// In that time the output is written, the writing half ended, and input dropped until the
    /// peer's end, so that the peer gets the Close frame instead of a reset. The time starts anew
    /// while output makes progress: at least 16 KiB, or the rest of it, in that time.
    pub const fn linger_timeout(mut self, timeout: Duration) -> Self {
        self.0.linger_timeout = timeout;
        self
    }

    /// Sets how long output may make no progress at all: then the connection fails with
    /// [`TimeoutError::Write`](crate::error::TimeoutError::Write). A shorter keep-alive timeout counts in
    /// its place.
    pub const fn write_timeout(mut self, timeout: Duration) -> Self {
        self.0.write_timeout = timeout;
        self
    }

    /// Sets how long a message may take from its first byte to its last, against peers that let one
    /// trickle in and so hold its memory: then the connection fails with
    /// [`TimeoutError::Message`](crate::error::TimeoutError::Message). `None`, the default: no limit.
    ///
    /// In the [driver](crate::driver) and the adapters the timer is paused from when an event is found
    /// until reading goes on. It runs on after a read that was given up without an event: give such reads
    /// less time between them than a message may take.
    pub const fn message_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.0.message_timeout = timeout;
        self
    }

    /// Sets the keep-alive.
    ///
    /// * `interval` `None`: off.
    /// * `timeout` `None`: an unsolicited pong every `interval`; nothing is expected back.
    /// * both: a ping when nothing has been received for `interval`. If nothing at all is received
    ///   for `timeout` after the ping was written, the connection fails with
    ///   [`TimeoutError::KeepAlive`](crate::error::TimeoutError::KeepAlive). This is what notices a
    ///   vanished peer.
    ///
    /// A ping or a pong goes behind the output that is there already. If one is due while a long
    /// message is written it leaves after it, unless the message is sent in parts
    /// ([`Connection::send_part`](crate::Connection::send_part)).
    ///
    /// The default is an interval of 30 seconds without a timeout, which is shorter than the idle
    /// timeouts of common proxies (nginx: 60 s). ASP.NET Core's default is 2 minutes; it counts
    /// only a pong as a sign of life, so it fails a peer that is inside a long frame.
    pub const fn keep_alive(
        mut self,
        interval: Option<Duration>,
        timeout: Option<Duration>,
    ) -> Self {
        self.0.keep_alive_interval = interval;
        self.0.keep_alive_timeout = timeout;
        self
    }

    /// Sets the amount of unsent replies, in bytes, from which on a driver or adapter writes before it
    /// hands out the next event, and reads no further than to that event. At most half of
    /// [`max_unsent`](Self::max_unsent). Default: 64 KiB, or half of `max_unsent` if that is less.
    pub const fn high_water_mark(mut self, bytes: usize) -> Self {
        self.1 = Some(bytes);
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
    /// [`LimitError::InflationRatio`](crate::error::LimitError::InflationRatio) and the Close code 1008 as
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
            // Time counts in microseconds: less is as good as nothing.
            if duration.is_some_and(|d| d.as_micros() == 0) {
                return Err(ConfigError::ZeroDuration(name));
            }
        }
        // A reply must have room while unsolicited output has all of its share.
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
