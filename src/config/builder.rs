//! The setters of the settings, their defaults, and their checks.

use core::time::Duration;

use alloc::sync::Arc;

use crate::budget::MemoryBudget;
use crate::config::{Config, ConfigBuilder, Delivery, Settings};
use crate::entropy::Entropy;
use crate::error::config::ConfigError;

impl ConfigBuilder {
    pub(in crate::config) const fn new(entropy: Option<Entropy>) -> Self {
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
