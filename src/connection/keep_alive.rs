//! Keep-alive, with the two modes of ASP.NET: unsolicited pongs, or pings that require a pong.
//!
//! * Interval only: an empty pong every interval; no reply is expected.
//! * Interval and timeout: a ping after an interval without input. Its payload is a counter, and
//!   only the pong with the latest counter ends the wait. The wait starts when the ping has left
//!   `out`, and it is restarted by progress of the output before the ping, so that a slow transport
//!   isn't treated as a dead peer. Received bytes restart it too: a peer in the middle of a long
//!   frame can't send a pong.
//!
//! ```text
//!          interval without input             the ping has left `out`
//!   None ──────────────────────────► Unsent ──────────────────────────► Sent
//!    ▲                                  │                                 │
//!    ├────────── its pong ──────────────┴─────────────────────────────────┤
//!                                                                         ▼
//!   timeout without input or progress, in Unsent or Sent: the connection fails
//! ```

use core::time::Duration;

use crate::config::Settings;
use crate::connection::queued::{CompactQueued, Queued};
use crate::error::protocol::TimeoutError;
use crate::instant::Instant;

/// The payload of a keep-alive ping.
pub(super) type Counter = [u8; 8];

/// The times of the last input and the last ping or pong, and the state of the ping.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeepAlive {
    /// The time of the last input.
    heard: Instant,
    /// The time when the last ping or unsolicited pong was appended. While a ping is in `out`, the
    /// time of the last progress of the output before it.
    sent: Instant,
    counter: u32,
    ping: Ping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    /// No pong is awaited.
    None,
    /// The ping is in `out`.
    Unsent(CompactQueued),
    /// The ping has been written; its pong is awaited.
    Sent,
}

/// The frame that is due.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    Nothing,
    Ping(Counter),
    UnsolicitedPong,
}

impl KeepAlive {
    pub(super) const fn new(now: Instant) -> Self {
        Self { heard: now, sent: now, counter: 0, ping: Ping::None }
    }

    /// Records input at `now`, which postpones the next ping.
    #[inline]
    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Returns the time of the last input.
    pub(super) const fn last_heard(&self) -> Instant {
        self.heard
    }

    /// Counts `n` bytes that were appended to `out`.
    #[inline]
    pub(super) fn appended(&mut self, n: usize) {
        if let Ping::Unsent(compact) = &mut self.ping {
            let mut ping = Queued::from(*compact);
            ping.appended(n);
            *compact = ping.into();
        }
    }

    /// Uncounts `n` of these bytes, which were removed without being written.
    pub(super) fn taken_out(&mut self, n: usize) {
        if let Ping::Unsent(compact) = &mut self.ping {
            let mut ping = Queued::from(*compact);
            ping.taken_out(n);
            *compact = ping.into();
        }
    }

    /// Returns true if appended bytes must be counted.
    pub(super) const fn counts(&self) -> bool {
        matches!(self.ping, Ping::Unsent(_))
    }

    /// Records a pong. Returns the time since its ping, if it is the awaited pong.
    pub(super) fn pong(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        if self.ping == Ping::None || payload != self.payload() {
            return None;
        }
        self.ping = Ping::None;
        Some(now.saturating_duration_since(self.sent))
    }

    /// Returns the time at which [`Self::handle`] has an effect.
    pub(super) fn deadline(&self, settings: &Settings) -> Option<Instant> {
        let interval = settings.keep_alive_interval?;
        match (settings.keep_alive_timeout, self.ping) {
            (None, _) => self.sent.checked_add(interval),
            (Some(_), Ping::None) => self.heard.max(self.sent).checked_add(interval),
            (Some(timeout), Ping::Unsent(_) | Ping::Sent) => {
                self.heard.max(self.sent).checked_add(timeout)
            }
        }
    }

    /// Returns the frame that is due at `now`. A [`look`](Self::look) at the output must precede
    /// it.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        settings: &Settings,
    ) -> Result<Due, TimeoutError> {
        if self.deadline(settings).is_none_or(|deadline| now < deadline) {
            return Ok(Due::Nothing);
        }
        if settings.keep_alive_timeout.is_some() && self.ping != Ping::None {
            return Err(TimeoutError::KeepAlive);
        }
        // If the frame can't be sent now, the next attempt is an interval later.
        self.sent = now;
        if settings.keep_alive_timeout.is_none() {
            return Ok(Due::UnsolicitedPong);
        }
        self.counter = self.counter.wrapping_add(1);
        Ok(Due::Ping(self.payload()))
    }

    /// Records that the ping of [`Self::handle`] was appended. `unsent` is the number of unwritten
    /// bytes.
    pub(super) fn ping_appended(&mut self, unsent: usize) {
        self.ping = Ping::Unsent(Queued::new(unsent).into());
    }

    /// Measures the progress of a ping at `now`, with `unsent` unwritten bytes.
    pub(super) fn look(&mut self, now: Instant, unsent: usize) {
        let Ping::Unsent(compact) = self.ping else { return };
        let mut ping = Queued::from(compact);
        if ping.progress(unsent, 1) {
            self.sent = now;
            self.ping = if ping.has_left() { Ping::Sent } else { Ping::Unsent(ping.into()) };
        }
    }

    fn payload(&self) -> Counter {
        u64::from(self.counter).to_be_bytes()
    }
}
