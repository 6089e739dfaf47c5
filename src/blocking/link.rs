//! A blocking transport and its timeouts.

use core::time::Duration;

use std::io;

use crate::adapter::connections::Registration;
use crate::adapter::failure::Failure;
use crate::blocking::transport::Transport;
use crate::driver::Flow;
use crate::instant::{Instant, earlier};

/// How much later than the deadline a timeout may expire without being set anew.
const TOLERANCE: Duration = Duration::from_millis(10);

/// The shortest timeout. Zero is an error of the system calls, and systems don't keep shorter ones.
pub(super) const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// How long the memory of the last message is kept while no input arrives.
pub(super) const KEEP_MEMORY: Duration = Duration::from_secs(1);

/// The bounds of [`check_interval`], for very short and very long close timeouts.
const MIN_CHECK: Duration = Duration::from_millis(10);
const MAX_CHECK: Duration = Duration::from_secs(2);

/// How long a blocked write may delay a read: initially, and at most. Writes that do not block have
/// a turn of at least [`WRITE_TURN`].
pub(super) const WRITE_TURN: Duration = Duration::from_millis(20);
const MAX_WRITE_TURN: Duration = Duration::from_millis(320);

/// A transport with its current timeouts, and the error that it has failed with.
#[derive(Debug)]
pub(super) struct Link<S> {
    pub(super) stream: S,
    pub(super) failure: Failure,
    reading: Patience,
    writing: Patience,
    /// How long the next write may delay a read.
    write_turn: Duration,
    /// The end of the current turn of writes.
    turn_end: Option<Instant>,
    /// Whether calls of the stream return at once. `None`: not known, because the caller created
    /// the stream.
    nonblocking: Option<bool>,
    /// Until the transport has ended.
    pub(super) registration: Option<Registration>,
}

/// The timeout of one direction.
///
/// Setting a timeout is a system call, and each read moves the deadline. So a timeout stays set as
/// long as it does not expire too late; if it expires early, the caller calls again. With traffic,
/// a long timeout is set to half of the time until the deadline, so it stays valid until half of
/// that time has passed. The full time is set only for an idle transport.
///
/// ```text
///  first call:   ├──────────────── time left ────────────────┤ deadline
///                ├──── timeout ──────┤
///  a later call:           ├────────── time left ────────────┤
///                          ├──── timeout ──────┤             no system call
/// ```
#[derive(Debug, Default)]
struct Patience {
    /// The timeout that is set; `None` if not known.
    set: Option<Option<Duration>>,
    /// The last call has ended by this timeout.
    ran_out: bool,
}

impl Patience {
    /// Returns the timeout to set for a call that may take `needed`; `None` if the current one
    /// suffices. With `exact` it must not expire early either.
    fn adjust(&mut self, needed: Option<Duration>, exact: bool) -> Option<Option<Duration>> {
        let needed = needed.map(|needed| needed.max(MIN_TIMEOUT));
        let ran_out = core::mem::take(&mut self.ran_out) || exact;
        let will_do = match (self.set, needed) {
            (None, _) | (Some(None), Some(_)) => false,
            (Some(None), None) => true,
            (Some(Some(_)), None) => !ran_out,
            (Some(Some(set)), Some(needed)) => {
                set <= needed.saturating_add(TOLERANCE) && !(ran_out && set < needed)
            }
        };
        if will_do {
            return None;
        }
        let busy = !ran_out;
        let timeout = needed
            .map(|needed| if busy && needed >= 2 * KEEP_MEMORY { needed / 2 } else { needed });
        self.set = Some(timeout);
        Some(timeout)
    }
}

impl<S> Link<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            failure: Failure::NONE,
            reading: Patience { set: None, ran_out: false },
            writing: Patience { set: None, ran_out: false },
            write_turn: WRITE_TURN,
            turn_end: None,
            nonblocking: None,
            registration: None,
        }
    }

    /// Returns how long a blocked write may delay a read.
    pub(super) const fn write_turn(&self) -> Duration {
        self.write_turn
    }

    /// Starts a turn of writes, unless one is in progress, and returns its end.
    pub(super) fn begin_turn(&mut self, now: Instant) -> Option<Instant> {
        let turn = self.write_turn.max(WRITE_TURN);
        self.turn_end = self.turn_end.or_else(|| now.checked_add(turn));
        self.turn_end
    }

    /// Ends the turn of writes, because a read follows.
    pub(super) const fn leave_turn(&mut self) {
        self.turn_end = None;
    }

    /// Ends a turn in which no byte was written. `found`: a read has found input meanwhile. Without
    /// input, the next turn is twice as long, so that an idle wait makes few system calls.
    pub(super) fn end_turn(&mut self, found: bool) {
        self.turn_end = None;
        self.write_turn = match found {
            // The peer has written, so it may also have read: try a short write.
            true => MIN_TIMEOUT,
            false => (2 * self.write_turn).min(MAX_WRITE_TURN),
        };
    }

    /// Executes an order to close. Returns true if the connection has changed.
    pub(super) fn attend(&self, flow: &mut Flow) -> bool {
        self.registration.as_ref().is_some_and(|known| known.execute(flow, Instant::now))
    }

    /// Returns `until`, but no later than the next check for such an order.
    pub(super) fn until_check(&self, flow: &Flow, until: Option<Instant>) -> Option<Instant> {
        match self.registration {
            None => until,
            Some(_) => earlier(until, Instant::now().checked_add(check_interval(flow))),
        }
    }
}

/// Returns the longest time for which a thread sleeps before it checks for changes by others: a
/// blocked read can't be woken.
pub(super) fn check_interval(flow: &Flow) -> Duration {
    (flow.connection().config().close_timeout() / 4).clamp(MIN_CHECK, MAX_CHECK)
}

impl<S: Transport> Link<S> {
    /// Reads once. `None`: no input until the deadline or an earlier timeout.
    ///
    /// The buffer always stays initialised: only the read itself writes to it.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        deadline: Option<Instant>,
    ) -> io::Result<Option<usize>> {
        loop {
            if !self.returns_at_once()
                && let Some(timeout) = self.reading.adjust(time_left(deadline), false)
            {
                self.stream.set_read_timeout(timeout)?;
            }
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    self.reading.ran_out = true;
                    return Ok(None);
                }
                read => return read.map(Some),
            }
        }
    }

    /// Writes once. `None`: no byte was taken until the deadline or an earlier timeout.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        deadline: Option<Instant>,
    ) -> io::Result<Option<usize>> {
        loop {
            self.set_write_timeout(deadline)?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    self.out_of_time()?;
                    return Ok(None);
                }
                written => return written.map(Some),
            }
        }
    }

    /// Flushes a transport with a buffer of its own. `false`: the flush was not complete by the
    /// deadline or an earlier timeout.
    pub(super) fn flush(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        loop {
            self.set_write_timeout(deadline)?;
            match self.stream.flush() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    self.out_of_time()?;
                    return Ok(false);
                }
                flushed => return flushed.map(|()| true),
            }
        }
    }

    /// Records that a write has timed out. Returns an error if it can't be resumed.
    fn out_of_time(&mut self) -> io::Result<()> {
        self.writing.ran_out = true;
        if self.can_resume_write() { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }

    /// Sets the timeout of a write or flush, if the current one does not suffice.
    fn set_write_timeout(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if self.returns_at_once() {
            return Ok(());
        }
        let exact = !self.stream.can_resume_write();
        match self.writing.adjust(time_left(deadline), exact) {
            Some(timeout) => self.stream.set_write_timeout(timeout),
            None => Ok(()),
        }
    }

    /// Returns true if a write that has timed out can be resumed. A non-blocking write always can.
    pub(super) fn can_resume_write(&self) -> bool {
        self.returns_at_once() || self.stream.can_resume_write()
    }

    /// Returns the deadline of a write: `look`, the time of the next check, if the write can be
    /// resumed then, otherwise `last`, the deadline of the connection.
    pub(super) fn write_until(
        &self,
        last: Option<Instant>,
        look: Option<Instant>,
    ) -> Option<Instant> {
        if self.can_resume_write() { earlier(last, look) } else { last }
    }

    /// Sets whether calls return at once. A transport without that mode uses the shortest timeout
    /// instead.
    ///
    /// The first call always sets the mode: a stream may be handed over in non-blocking mode, and
    /// on some systems an accepted stream has the mode of its listener.
    pub(super) fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        if self.nonblocking == Some(nonblocking) {
            return Ok(());
        }
        match self.stream.set_nonblocking(nonblocking) {
            Ok(()) => self.nonblocking = Some(nonblocking),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.nonblocking = Some(false);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Returns true if this adapter has set the stream to non-blocking mode.
    const fn returns_at_once(&self) -> bool {
        matches!(self.nonblocking, Some(true))
    }

    /// Returns the transport without timeouts and in blocking mode.
    pub(super) fn into_stream(mut self) -> S {
        // The calls fail if the transport has ended, and then have no purpose.
        let _ = self.set_nonblocking(false);
        let _ = self.stream.set_read_timeout(None);
        let _ = self.stream.set_write_timeout(None);
        self.stream
    }
}

/// Returns the time until a deadline. Without a deadline the clock is not read.
fn time_left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// Returns true for a timeout: `WouldBlock` on Unix, `TimedOut` on Windows.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
