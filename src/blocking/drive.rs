//! Reads and writes a transport as the driver's steps ask for.

use core::time::Duration;

use std::io;

use crate::adapter::WebSocketError;
use crate::blocking::transport::Transport;
use crate::driver::{self, Flow, Intake, Step};
use crate::instant::Instant;

/// How much too late a timeout may be before another one is set.
const TOLERANCE: Duration = Duration::from_millis(10);

/// A timeout of zero is an error, and less than this is none that a system keeps.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// For how long memory of a message that has been handed out is kept while nothing comes.
const KEEP_MEMORY: Duration = Duration::from_secs(1);

/// How long a write that blocks may keep a read from its turn: at first, and at most.
const WRITE_TURN: Duration = Duration::from_millis(20);
const MAX_WRITE_TURN: Duration = Duration::from_millis(320);

/// What [`wait`] has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// An event or an error is at hand.
    Event,
    /// The connection has ended, and the transport with it.
    Done,
}

/// A transport, and what its timeouts are set to.
#[derive(Debug)]
pub(super) struct Wire<S> {
    pub(super) stream: S,
    reading: Patience,
    writing: Patience,
    /// How long the next write may keep a read from its turn.
    write_turn: Duration,
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
    /// Tells what to set for a call that may take as long as `needed`; `None`: what is set will do.
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

impl<S> Wire<S> {
    /// How long a write that blocks may keep a read from its turn.
    pub(super) const fn write_turn(&self) -> Duration {
        self.write_turn
    }

    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            reading: Patience { set: None, ran_out: false },
            writing: Patience { set: None, ran_out: false },
            write_turn: WRITE_TURN,
        }
    }
}

impl<S: Transport> Wire<S> {
    /// Reads once. `None`: nothing came, until the deadline or an earlier timeout.
    ///
    /// The buffer is one that stays initialised: no byte of it is touched but by the read (V31).
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        deadline: Option<Instant>,
    ) -> io::Result<Option<usize>> {
        loop {
            if let Some(timeout) = self.reading.adjust(time_left(deadline), false) {
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

    /// Flushes a transport that buffers. `false`: not all of it, until the deadline or an earlier
    /// timeout.
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
        if self.stream.can_resume_write() { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }

    fn set_write_timeout(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        let exact = !self.stream.can_resume_write();
        match self.writing.adjust(time_left(deadline), exact) {
            Some(timeout) => self.stream.set_write_timeout(timeout),
            None => Ok(()),
        }
    }

    /// Until when a write may take whose last deadline is `last`, but which should look up at `look`
    /// if it can.
    pub(super) fn write_until(
        &self,
        last: Option<Instant>,
        look: impl FnOnce() -> Option<Instant>,
    ) -> Option<Instant> {
        if self.stream.can_resume_write() { earlier(last, look()) } else { last }
    }

    /// A write has moved nothing in its turn, and a read has found something or not.
    pub(super) fn end_turn(&mut self, found: bool) {
        self.write_turn = match found {
            // The peer may have room now.
            true => MIN_TIMEOUT,
            false => (2 * self.write_turn).min(MAX_WRITE_TURN),
        };
    }

    /// Reads once and drops what comes; `None`: nothing came. A reset is an end as any other.
    pub(super) fn drain(&mut self, deadline: Option<Instant>) -> Option<usize> {
        let mut scratch = Intake::scratch();
        let read = self.read(&mut scratch, deadline);
        Intake::put_back(scratch);
        read.unwrap_or(Some(0))
    }

    /// Gives the transport back as it came: without timeouts.
    pub(super) fn into_stream(mut self) -> S {
        // One that has ended has none any more.
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

/// Reads and writes until an event is at hand or the connection has ended. An error only if it was
/// not over anyway.
pub(super) fn wait<S: Transport>(
    wire: &mut Wire<S>,
    flow: &mut Flow,
    intake: &mut Intake,
) -> io::Result<Ready> {
    loop {
        let turn = match driver::step(flow, intake, Instant::now) {
            Step::Lend => return Ok(Ready::Event),
            Step::Done => return Ok(Ready::Done),
            Step::Read => {
                let until = if flow.unflushed { flush_or_read(wire, flow) } else { None };
                let deadline = flow.deadline(intake);
                read(wire, flow, intake, until, deadline).map(drop)
            }
            Step::Write { or_read: true }
                if wire.stream.can_resume_write() && !flow.connection.is_closed() =>
            {
                write_or_read(wire, flow, intake)
            }
            Step::Write { .. } if !flow.connection.is_closed() => {
                flow.begin_stall(Instant::now);
                if !write(wire, flow, flow.stall_deadline()) {
                    flow.stalled(Instant::now());
                }
                Ok(())
            }
            step @ (Step::Write { .. } | Step::EndWriting | Step::Drain) => {
                end_turn(wire, flow, step);
                Ok(())
            }
        };
        if let Err(error) = turn {
            return flow.end_failed_transport(error).map(|()| Ready::Done);
        }
    }
}

/// One read, for no longer than until `until`, if that is before the deadline. Tells whether
/// something came.
fn read<S: Transport>(
    wire: &mut Wire<S>,
    flow: &mut Flow,
    intake: &mut Intake,
    until: Option<Instant>,
    deadline: Option<Instant>,
) -> io::Result<bool> {
    let mut until = earlier(until, deadline);
    if intake.keeps_memory() {
        until = earlier(until, Instant::now().checked_add(KEEP_MEMORY));
    }
    if flow.is_unwritable() {
        // Only what has come already.
        until = Some(Instant::now());
    }
    let room = intake.room(flow);
    let direct = room.direct;
    match wire.read(room.bytes, until)? {
        Some(0) => flow.received_eof(),
        Some(n) => intake.filled(n, direct, flow, Instant::now()),
        None => {
            intake.release();
            if let Some(error) = flow.write_error() {
                return Err(error);
            }
            let now = Instant::now();
            // Nobody is told dead before a read that found nothing: here it is.
            if deadline.is_some_and(|deadline| now >= deadline) {
                flow.timed_out(intake, now);
            }
            return Ok(false);
        }
    }
    Ok(true)
}

/// One write; tells whether something moved. Who reads next is told of an error.
fn write<S: Transport>(wire: &mut Wire<S>, flow: &mut Flow, until: Option<Instant>) -> bool {
    match wire.write(&flow.out, until) {
        Ok(Some(n)) => flow.written(n, Instant::now),
        Ok(None) => return false,
        Err(error) => flow.write_failed(Some(error)),
    }
    true
}

/// One write, and one read if nothing can be written: a peer that writes itself may wait for us to
/// read. What blocks can't do both, so they take turns, longer and longer ones while nothing moves.
fn write_or_read<S: Transport>(
    wire: &mut Wire<S>,
    flow: &mut Flow,
    intake: &mut Intake,
) -> io::Result<()> {
    let deadline = flow.deadline(intake);
    let turn = Instant::now().checked_add(wire.write_turn);
    if !write(wire, flow, earlier(deadline, turn)) {
        let found = read(wire, flow, intake, Some(Instant::now()), deadline)?;
        wire.end_turn(found);
    }
    Ok(())
}

/// Writes what a transport that buffers still holds. If that takes longer than a turn a read comes
/// in between: the result tells until when.
fn flush_or_read<S: Transport>(wire: &mut Wire<S>, flow: &mut Flow) -> Option<Instant> {
    flow.begin_stall(Instant::now);
    let turn = Instant::now().checked_add(WRITE_TURN);
    let until = wire.write_until(flow.stall_deadline(), || turn);
    let flushed = flush_transport(wire, flow, until);
    turn.filter(|_| !flushed)
}

/// Tells whether the transport holds nothing any more. Who reads next is told of an error.
fn flush_transport<S: Transport>(
    wire: &mut Wire<S>,
    flow: &mut Flow,
    until: Option<Instant>,
) -> bool {
    match wire.flush(until) {
        Ok(true) => flow.flushed(),
        Ok(false) => return false,
        Err(error) => flow.write_failed(Some(error)),
    }
    true
}

/// One turn of the end of a transport. What goes wrong now doesn't matter any more.
fn end_turn<S: Transport>(wire: &mut Wire<S>, flow: &mut Flow, step: Step) {
    let deadline = flow.stall_deadline();
    match step {
        Step::Write { or_read } if or_read && wire.stream.can_resume_write() => {
            let turn = Instant::now().checked_add(wire.write_turn);
            if !write(wire, flow, earlier(deadline, turn)) {
                let found = drain(wire, flow, Some(Instant::now()));
                wire.end_turn(found);
            }
        }
        Step::Write { .. } => {
            if !write(wire, flow, deadline) {
                flow.stalled(Instant::now());
            }
        }
        Step::EndWriting => {
            if flow.unflushed && !flush_transport(wire, flow, deadline) {
                flow.stalled(Instant::now());
                return;
            }
            // The peer may be gone already: then its writing half has ended too.
            let _ = wire.stream.shutdown_write();
            flow.ended_writing();
        }
        Step::Drain => {
            // A client's Close frame must not stay in a transport that buffers.
            if flow.unflushed {
                flush_transport(wire, flow, deadline);
            }
            if !drain(wire, flow, deadline) {
                flow.stalled(Instant::now());
            }
        }
        Step::Done | Step::Lend | Step::Read => {}
    }
}

/// Reads once and drops what comes; tells whether something came.
fn drain<S: Transport>(wire: &mut Wire<S>, flow: &mut Flow, until: Option<Instant>) -> bool {
    let drained = wire.drain(until);
    if drained == Some(0) {
        flow.received_eof();
    }
    drained.is_some()
}

/// Ends the transport of a closed or failed connection, while what was lent is still held.
pub(super) fn end<S: Transport>(wire: &mut Wire<S>, flow: &mut Flow) {
    loop {
        let step = flow.end_step(Instant::now);
        if step == Step::Done {
            return;
        }
        end_turn(wire, flow, step);
    }
}

/// Writes what a connection that has just closed still has to say, for at most the linger timeout.
pub(super) fn write_last<S: Transport>(wire: &mut Wire<S>, flow: &mut Flow) {
    loop {
        let step = flow.end_step(Instant::now);
        if !matches!(step, Step::Write { .. }) {
            if flow.unflushed {
                flush_transport(wire, flow, flow.stall_deadline());
            }
            return;
        }
        end_turn(wire, flow, step);
    }
}

/// Writes all output. An error only if the connection was not over anyway.
pub(super) fn flush<S: Transport>(
    wire: &mut Wire<S>,
    flow: &mut Flow,
) -> Result<(), WebSocketError> {
    loop {
        if flow.is_unwritable() {
            return tell_write_error(flow, io::ErrorKind::BrokenPipe.into());
        }
        if flow.out.is_empty() && !flow.unflushed {
            return Ok(());
        }
        flow.begin_stall(Instant::now);
        let deadline = flow.stall_deadline();
        let moved = if flow.out.is_empty() {
            let flushed = wire.flush(deadline);
            if matches!(flushed, Ok(true)) {
                flow.flushed();
            }
            flushed
        } else {
            let written = wire.write(&flow.out, deadline);
            if let Ok(Some(n)) = written {
                flow.written(n, Instant::now);
            }
            written.map(|written| written.is_some())
        };
        match moved {
            Ok(true) => {}
            Ok(false) => {
                let now = Instant::now();
                if deadline.is_some_and(|deadline| now >= deadline) {
                    let was_over = flow.connection.is_closed();
                    flow.stalled(now);
                    if flow.connection.is_closed() {
                        let ended = if was_over { Ok(()) } else { flow.result() };
                        flow.abandon();
                        return Ok(ended?);
                    }
                }
            }
            Err(error) => return tell_write_error(flow, error),
        }
    }
}

/// The caller is told of an error.
fn tell_write_error(flow: &mut Flow, error: io::Error) -> Result<(), WebSocketError> {
    flow.write_failed(None);
    if flow.connection.is_closed() { Ok(()) } else { Err(error.into()) }
}

/// The earlier of two deadlines, of which either may be absent.
pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
