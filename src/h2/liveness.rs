//! The deadlines of a session: PINGs to a silent peer, and the end of a session without streams.

use core::task::{Context, Poll};
use core::time::Duration;

use h2::{Ping, PingPong};

use crate::h2::options::SessionOptions;
use crate::instant::Instant;
use crate::tokio::timer::{Timer, now};

pub(super) struct Liveness {
    ping_pong: Option<PingPong>,
    interval: Option<Duration>,
    timeout: Duration,
    idle_timeout: Option<Duration>,
    /// The time at which a PING is sent if nothing was read before.
    check_at: Option<Instant>,
    /// A PING was sent: the time at which the session ends without input.
    fail_at: Option<Instant>,
    /// The session has no streams: the time at which it ends.
    idle_at: Option<Instant>,
    /// GOAWAY was sent: a session without streams ends when the peer has answered, or by `timeout`.
    is_draining: bool,
    timer: Timer,
}

/// A deadline has passed.
pub(super) enum Due {
    /// Nothing was heard from the peer, or it did not answer GOAWAY.
    KeepAlive,
    /// The session has had no streams.
    Idle,
}

impl Liveness {
    pub(super) fn new(ping_pong: Option<PingPong>, options: &SessionOptions) -> Self {
        let interval = options.keep_alive_interval;
        Self {
            ping_pong,
            interval,
            timeout: options.keep_alive_timeout,
            idle_timeout: options.idle_timeout,
            check_at: interval.and_then(|interval| now().checked_add(interval)),
            fail_at: None,
            idle_at: None,
            is_draining: false,
            timer: Timer::default(),
        }
    }

    /// The session has received a request: it is idle again only after that.
    pub(super) const fn renew(&mut self) {
        self.idle_at = None;
    }

    /// The session ends when it has no streams, and the peer must answer to that.
    pub(super) const fn drain(&mut self) {
        if !self.is_draining {
            self.is_draining = true;
            self.idle_at = None;
        }
    }

    /// Returns the deadline that has passed. `heard`: bytes were read since the last call.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        has_streams: bool,
        heard: bool,
    ) -> Poll<Due> {
        if has_streams {
            self.idle_at = None;
        } else if self.idle_at.is_none() {
            let timeout = if self.is_draining { Some(self.timeout) } else { self.idle_timeout };
            self.idle_at = timeout.and_then(|timeout| now().checked_add(timeout));
        }
        if let Some(ping_pong) = &mut self.ping_pong {
            // A pong is input.
            let _ = ping_pong.poll_pong(cx);
        }
        if heard && let Some(interval) = self.interval {
            self.check_at = now().checked_add(interval);
            self.fail_at = None;
        }
        loop {
            let next = [self.check_at, self.fail_at, self.idle_at].into_iter().flatten().min();
            let Poll::Ready(time) = self.timer.poll(cx, next) else { return Poll::Pending };
            if self.idle_at.is_some_and(|at| at <= time) {
                self.idle_at = None;
                let due = if self.is_draining { Due::KeepAlive } else { Due::Idle };
                return Poll::Ready(due);
            }
            if self.fail_at.is_some_and(|at| at <= time) {
                self.fail_at = None;
                return Poll::Ready(Due::KeepAlive);
            }
            if self.check_at.is_some_and(|at| at <= time) {
                self.check_at = None;
                self.fail_at = time.checked_add(self.timeout);
                // An error means that the session ends, or that a PING is in flight.
                if let Some(ping_pong) = &mut self.ping_pong {
                    let _ = ping_pong.send_ping(Ping::opaque());
                }
            }
        }
    }
}
