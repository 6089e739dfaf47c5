//! Keep-alive, as ASP.NET does it: unsolicited pongs, or pings whose pong must come.
//!
//! * interval only: an empty pong every interval; nothing is expected back.
//! * interval and timeout: a ping when nothing has been received for the interval. It carries a
//!   counter; only the pong with the latest one ends the wait. Slow is not dead: the wait starts
//!   when the ping has left `out`, and before that anew while `out` gets shorter in front of it.
//!   Every received byte starts it anew too: a peer inside a long frame can't send a pong.

use core::time::Duration;

use crate::config::Settings;
use crate::connection::queued::{CompactQueued, Queued};
use crate::error::protocol::TimeoutError;
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
    /// It lies in `out`.
    Unsent(CompactQueued),
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

    /// When bytes were last received.
    pub(super) const fn last_heard(&self) -> Instant {
        self.heard
    }

    /// `n` bytes were appended to `out`.
    #[inline]
    pub(super) fn appended(&mut self, n: usize) {
        if let Ping::Unsent(compact) = &mut self.ping {
            let mut ping = Queued::from(*compact);
            ping.appended(n);
            *compact = ping.into();
        }
    }

    /// `n` of these bytes were taken out again.
    pub(super) fn taken_out(&mut self, n: usize) {
        if let Ping::Unsent(compact) = &mut self.ping {
            let mut ping = Queued::from(*compact);
            ping.taken_out(n);
            *compact = ping.into();
        }
    }

    /// Whether what is appended must be counted.
    pub(super) const fn counts(&self) -> bool {
        matches!(self.ping, Ping::Unsent(_))
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
            (Some(timeout), Ping::Unsent(_) | Ping::Sent) => {
                self.heard.max(self.sent).checked_add(timeout)
            }
        }
    }

    /// Returns what is due at `now`, after a [`look`](Self::look) at the output.
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
        // If it can't be sent now, then an interval later: not again at once.
        self.sent = now;
        if settings.keep_alive_timeout.is_none() {
            return Ok(Due::UnsolicitedPong);
        }
        self.counter = self.counter.wrapping_add(1);
        Ok(Due::Ping(self.payload()))
    }

    /// The ping that [`Self::handle`] asked for was appended; `unsent` bytes are not written yet.
    pub(super) fn ping_appended(&mut self, unsent: usize) {
        self.ping = Ping::Unsent(Queued::new(unsent).into());
    }

    /// Notices that the ping has left the output, of which `unsent` bytes are left at `now`, or got
    /// nearer to its beginning.
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
