//! Keep-alive, as ASP.NET does it: unsolicited pongs, or pings whose pong must come.
//!
//! * interval only: an empty pong every interval; nothing is expected back.
//! * interval and timeout: a ping when nothing has been received for the interval. It carries a
//!   counter; only the pong with the latest one ends the wait. Slow is not dead: the wait starts
//!   when the ping has left `out`, and before that as long as `out` gets shorter in front of it.

use core::time::Duration;

use crate::config::Settings;
use crate::error::TimeoutError;
use crate::instant::Instant;

/// What a ping of ours carries.
pub(super) type Counter = [u8; 8];

/// The timers and the ping under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeepAlive {
    /// When bytes were last received.
    heard: Instant,
    /// When the last ping or unsolicited pong was appended; for a ping that had to wait in `out`,
    /// when it was last seen to get nearer to the peer.
    sent: Instant,
    counter: u32,
    ping: Ping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    /// None is awaiting its pong.
    None,
    /// It lies in `out` with `ahead` bytes up to its end, and `behind` bytes after it.
    Unsent { ahead: u32, behind: u32 },
    /// It has been written; its pong must come.
    Sent,
}

/// What is due.
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

    /// Bytes have been received: the next ping moves away.
    #[inline]
    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// `n` bytes were appended to `out`, now `len` long.
    #[inline]
    pub(super) fn appended(&mut self, n: usize) {
        if let Ping::Unsent { behind, .. } = &mut self.ping {
            *behind = behind.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        }
    }

    /// Whether what is appended must be counted.
    pub(super) const fn counts(&self) -> bool {
        matches!(self.ping, Ping::Unsent { .. })
    }

    /// A pong has come: the time since its ping if it is the one that is awaited.
    pub(super) fn pong(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        if self.ping == Ping::None || payload != self.payload() {
            return None;
        }
        self.ping = Ping::None;
        Some(now.saturating_duration_since(self.sent))
    }

    /// When [`Self::handle`] has something to do.
    pub(super) fn deadline(&self, settings: &Settings) -> Option<Instant> {
        let interval = settings.keep_alive_interval?;
        match (settings.keep_alive_timeout, self.ping) {
            (None, _) => self.sent.checked_add(interval),
            (Some(_), Ping::None) => self.heard.max(self.sent).checked_add(interval),
            (Some(timeout), Ping::Unsent { .. } | Ping::Sent) => self.sent.checked_add(timeout),
        }
    }

    /// Tells what is due at `now`, with `unsent` bytes in `out`.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        unsent: usize,
        settings: &Settings,
    ) -> Result<Due, TimeoutError> {
        self.look_at_output(now, unsent);
        if self.deadline(settings).is_none_or(|deadline| now < deadline) {
            return Ok(Due::Nothing);
        }
        if settings.keep_alive_timeout.is_some() && self.ping != Ping::None {
            return Err(TimeoutError::KeepAlive);
        }
        // If it can't be sent now, then an interval later: not again at once.
        self.sent = now;
        if settings.keep_alive_timeout.is_none() {
            return Ok(Due::UnsolicitedPong);
        }
        self.counter = self.counter.wrapping_add(1);
        Ok(Due::Ping(self.payload()))
    }

    /// The ping that [`Self::handle`] asked for was appended; `out` is now `len` bytes long.
    pub(super) fn ping_appended(&mut self, len: usize) {
        let ahead = u32::try_from(len).unwrap_or(u32::MAX);
        self.ping = Ping::Unsent { ahead, behind: 0 };
    }

    /// Notices that the ping has left `out`, or got nearer to its beginning.
    fn look_at_output(&mut self, now: Instant, unsent: usize) {
        let Ping::Unsent { ahead, behind } = &mut self.ping else { return };
        let unsent = u32::try_from(unsent).unwrap_or(u32::MAX);
        let still = unsent.saturating_sub(*behind);
        if still < *ahead {
            self.sent = now;
            *ahead = still;
        }
        if still == 0 {
            self.ping = Ping::Sent;
        }
    }

    fn payload(&self) -> Counter {
        u64::from(self.counter).to_be_bytes()
    }
}
