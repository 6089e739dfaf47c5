//! A blocking transport and its timeouts.

use core::time::Duration;

use std::io;

use crate::adapter::connections::Registration;
use crate::blocking::transport::Transport;
use crate::driver::Flow;
use crate::error::adapter::WebSocketError;
use crate::error::protocol::{PeerError, ProtocolError};
use crate::instant::Instant;

/// How much too late a timeout may be before another one is set.
const TOLERANCE: Duration = Duration::from_millis(10);

/// A timeout of zero is an error, and less than this is none that a system keeps.
pub(super) const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// For how long memory of a message that has been handed out is kept while nothing comes.
pub(super) const KEEP_MEMORY: Duration = Duration::from_secs(1);

/// However short the close timeout is, or long.
const MIN_LOOK: Duration = Duration::from_millis(10);
const MAX_LOOK: Duration = Duration::from_secs(2);

/// How long a write that blocks may keep a read from its turn: at first, and at most. Writes that do not
/// block have a turn of at least [`WRITE_TURN`].
pub(super) const WRITE_TURN: Duration = Duration::from_millis(20);
const MAX_WRITE_TURN: Duration = Duration::from_millis(320);

/// A transport, what its timeouts are set to, and the error that it has failed with.
#[derive(Debug)]
pub(super) struct Link<S> {
    pub(super) stream: S,
    error: Option<io::Error>,
    reading: Patience,
    writing: Patience,
    /// How long the next write may keep a read from its turn.
    write_turn: Duration,
    /// The end of the turn of the writes under way.
    turn_end: Option<Instant>,
    /// Whether the stream's calls return at once; `None`: not known, it comes from the caller.
    nonblocking: Option<bool>,
    /// Until the transport has ended.
    pub(super) registration: Option<Registration>,
}

/// The timeout of one direction.
///
/// Setting one is a system call, and a deadline moves with each read. So one that is set stays as
/// long as it doesn't run out too late: if it runs out early, the caller asks again. While there is
/// traffic a long one is set to half of what is needed, and serves until half of that is over; the
/// rest is set only for a transport that is idle.
#[derive(Debug, Default)]
struct Patience {
    /// `None`: not known.
    set: Option<Option<Duration>>,
    /// Whether it was what ended the last call.
    ran_out: bool,
}

impl Patience {
    /// Returns what to set for a call that may take as long as `needed`; `None`: what is set will do.
    /// With `exact` it must not run out early either.
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
            error: None,
            reading: Patience { set: None, ran_out: false },
            writing: Patience { set: None, ran_out: false },
            write_turn: WRITE_TURN,
            turn_end: None,
            nonblocking: None,
            registration: None,
        }
    }

    /// How long a write that blocks may keep a read from its turn.
    pub(super) const fn write_turn(&self) -> Duration {
        self.write_turn
    }

    /// Begins a turn of writes, if none is under way, and returns its end.
    pub(super) fn begin_turn(&mut self, now: Instant) -> Option<Instant> {
        let turn = self.write_turn.max(WRITE_TURN);
        self.turn_end = self.turn_end.or_else(|| now.checked_add(turn));
        self.turn_end
    }

    /// A read has its turn.
    pub(super) const fn leave_turn(&mut self) {
        self.turn_end = None;
    }

    /// A write has moved nothing in its turn, and a read has found something or not.
    pub(super) fn end_turn(&mut self, found: bool) {
        self.turn_end = None;
        self.write_turn = match found {
            // The peer may have room now.
            true => MIN_TIMEOUT,
            false => (2 * self.write_turn).min(MAX_WRITE_TURN),
        };
    }

    /// Executes an order to close. True: the connection has changed.
    pub(super) fn attend(&self, flow: &mut Flow) -> bool {
        self.registration.as_ref().is_some_and(|known| known.execute(flow, Instant::now))
    }

    /// Returns `until`, but no later than the next look for such an order.
    pub(super) fn until_look(&self, flow: &Flow, until: Option<Instant>) -> Option<Instant> {
        match self.registration {
            None => until,
            Some(_) => earlier(until, Instant::now().checked_add(look_interval(flow))),
        }
    }

    /// The transport has failed.
    pub(super) fn fail(&mut self, flow: &mut Flow, error: io::Error) {
        // A reset at the end of a connection is an end like any other; [`result`](Self::result) knows.
        if flow.error().is_none() {
            self.error.get_or_insert(error);
        }
        flow.failed();
    }

    /// A write has failed: the error is due when nothing is left to read.
    pub(super) fn write_failed(&mut self, flow: &mut Flow, error: io::Error) {
        if flow.error().is_none() {
            self.error.get_or_insert(error);
        }
        flow.write_failed();
    }

    /// How the connection has ended, for [`Step::Done`](crate::driver::Step::Done).
    pub(super) fn result(&mut self, flow: &Flow) -> Result<(), WebSocketError> {
        match (flow.error(), self.error.take()) {
            (Some(ProtocolError::Peer(PeerError::ClosedWithoutHandshake)), Some(error)) => {
                Err(error.into())
            }
            (Some(error), _) => Err(error.into()),
            (None, _) => Ok(()),
        }
    }

    /// The error of the transport, for an opening handshake.
    pub(super) const fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}

/// For how long a thread waits at most before it looks at what others have changed: a blocked read
/// can't be woken.
pub(super) fn look_interval(flow: &Flow) -> Duration {
    (flow.connection().config().close_timeout() / 4).clamp(MIN_LOOK, MAX_LOOK)
}

/// Why output that was fed can't be written any more.
pub(super) fn lost(flow: &Flow) -> WebSocketError {
    match flow.error() {
        Some(ProtocolError::Peer(PeerError::ClosedWithoutHandshake)) | None => {
            io::Error::from(io::ErrorKind::BrokenPipe).into()
        }
        Some(error) => error.into(),
    }
}

impl<S: Transport> Link<S> {
    /// Reads once. `None`: nothing came, until the deadline or an earlier timeout.
    ///
    /// The buffer is one that stays initialised: no byte of it is touched but by the read.
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

    /// Writes once. `None`: nothing was taken, until the deadline or an earlier timeout.
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

    /// Flushes a transport with a buffer of its own. `false`: not all of it, until the deadline or an
    /// earlier timeout.
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

    /// A write has run out of its time: an error if it can't be done again.
    fn out_of_time(&mut self) -> io::Result<()> {
        self.writing.ran_out = true;
        if self.can_resume_write() { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }

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

    /// Whether a write that has run out of its time can be done again. One that returns at once has
    /// moved nothing.
    pub(super) fn can_resume_write(&self) -> bool {
        self.returns_at_once() || self.stream.can_resume_write()
    }

    /// Until when a write may take whose last deadline is `last`, but which should come back at `look`
    /// if it can.
    pub(super) fn write_until(
        &self,
        last: Option<Instant>,
        look: Option<Instant>,
    ) -> Option<Instant> {
        if self.can_resume_write() { earlier(last, look) } else { last }
    }

    /// Sets whether calls return at once. A transport that can't keeps its shortest timeout.
    ///
    /// The first call sets it in any case: a stream may be handed over in non-blocking mode. Some
    /// systems give an accepted stream the mode of its listener.
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

    /// Whether this end has set the stream to non-blocking mode.
    const fn returns_at_once(&self) -> bool {
        matches!(self.nonblocking, Some(true))
    }

    /// Gives the transport back as it came: without timeouts, in blocking mode.
    pub(super) fn into_stream(mut self) -> S {
        // A transport that has ended has neither any more.
        let _ = self.set_nonblocking(false);
        let _ = self.stream.set_read_timeout(None);
        let _ = self.stream.set_write_timeout(None);
        self.stream
    }
}

/// How long a call may take; the clock is read only where there is an end to it.
fn time_left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// Unix says the one, Windows the other.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The earlier of two deadlines, either of which may be absent.
pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
