//! What the halves of a split WebSocket share: the state, the writing handle, and who uses it.
//!
//! There are two locks. That of the state ([`Half`]) is held for a call, never over I/O; events are
//! lent from the reader's own buffer, outside of it. That of the writing handle is held by the one
//! thread that writes.
//!
//! ```text
//!   sender ──append──► out ──take──► in flight ──write──► transport
//!   reader ──pongs, Close──┘    the writer's role: one thread at a time, whoever comes first
//! ```
//!
//! There is no thread behind it: who has appended output writes it, unless somebody is writing, who
//! takes it along then. The role is taken and given back under the state's lock, where the output
//! is seen to be there or not: so nothing is ever left lying. A writer that others keep busy passes
//! the role on to the next sender.

use core::time::Duration;

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BytesMut};

use crate::adapter::WebSocketError;
use crate::blocking::drive::{Ready, Wire, earlier};
use crate::blocking::half::{Cut, Half, Turn, Writer};
use crate::blocking::transport::Transport;
use crate::connection::Connection;
use crate::driver::{self, Flow, Intake, Step};
use crate::error::SendError;
use crate::instant::Instant;

/// However short the close timeout is, or long.
const MIN_POLL: Duration = Duration::from_millis(10);
const MAX_POLL: Duration = Duration::from_secs(2);

/// After this many rounds of other threads' output the writer wants to be relieved.
const MAX_ROUNDS: u32 = 16;

/// What both halves share.
#[derive(Debug)]
pub(super) struct Shared<S> {
    half: Mutex<Half>,
    /// Output has left, or the connection has closed, or the writer's role is free.
    changed: Condvar,
    /// For whoever has the writer's role; `None`: the reader was dropped.
    wire: Mutex<Option<Wire<S>>>,
    shutdown: fn(&mut S) -> io::Result<()>,
    /// Nobody waits for longer without a look at what others have changed: a blocked read can't be
    /// woken when another thread closes, and the close deadline should not pass long unnoticed.
    poll: Duration,
}

impl<S> Shared<S> {
    pub(super) fn half(&self) -> MutexGuard<'_, Half> {
        lock(&self.half)
    }

    /// Wakes all who wait for a change.
    pub(super) fn wake(&self, half: &Half) {
        if half.waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// The reader is dropped, whose handle of the transport is `stream`.
    pub(super) fn abandon(&self, stream: &mut S) {
        {
            let mut half = self.half();
            half.abandoned = true;
            half.flow.abandon();
            self.wake(&half);
        }
        // Ends the write that another thread may be blocked in, and the peer's waiting. It may have
        // ended before.
        let _ = (self.shutdown)(stream);
        // Whoever holds the writing handle drops it.
        if let Ok(mut wire) = self.wire.try_lock() {
            *wire = None;
        }
    }

    /// Waits until somebody changes something, or for a while.
    fn wait_for_change<'a>(
        &'a self,
        mut half: MutexGuard<'a, Half>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, Half> {
        let timeout = match deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()).min(self.poll),
            None => self.poll,
        };
        half.waiting += 1;
        let waited = self.changed.wait_timeout(half, timeout);
        let (mut half, _) = waited.unwrap_or_else(PoisonError::into_inner);
        half.waiting -= 1;
        half
    }

    /// `deadline`, but no later than the next look at what others have changed.
    fn until(&self, deadline: Option<Instant>) -> Option<Instant> {
        earlier(deadline, Instant::now().checked_add(self.poll))
    }
}

/// A panic of somebody who holds the lock leaves nothing half done: all calls under it are whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Transport> Shared<S> {
    /// `stream` is the second handle, for writing.
    pub(super) fn new(flow: Flow, stream: S) -> Self {
        let close_timeout = flow.connection.config().settings().close_timeout;
        Self {
            half: Mutex::new(Half::new(flow)),
            changed: Condvar::new(),
            wire: Mutex::new(Some(Wire::new(stream))),
            shutdown: S::shutdown_write,
            poll: (close_timeout / 4).clamp(MIN_POLL, MAX_POLL),
        }
    }

    /// Does what `send` does as soon as there is room, and writes it unless somebody is writing.
    pub(super) fn send(
        &self,
        mut send: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        let mut half = self.half();
        loop {
            half.check_writable()?;
            match half.send_unasked(&mut send) {
                Ok(()) => break,
                Err(SendError::Full) => half = self.make_progress(half)?,
                Err(error) => return Err(error.into()),
            }
        }
        // Somebody must see it through: neither the reader nor a tired one does.
        while let Writer::Tired | Writer::Relieved = half.writer {
            half.writer = Writer::Relieved;
            half = self.wait_for_change(half, None);
        }
        self.write_all(half)
    }

    /// Writes all output that there is now, or waits until it is written.
    pub(super) fn flush(&self) -> Result<(), WebSocketError> {
        let mut half = self.half();
        let end = half.written.saturating_add(to_u64(half.unsent()));
        while half.written < end && half.unsent() > 0 {
            half = self.make_progress(half)?;
        }
        half.check_writable()?;
        Ok(half.flow.result()?)
    }

    /// Writes, or waits for whoever does.
    fn make_progress<'a>(
        &'a self,
        half: MutexGuard<'a, Half>,
    ) -> Result<MutexGuard<'a, Half>, WebSocketError> {
        if half.writer == Writer::Nobody {
            self.write_all(half)?;
            Ok(self.half())
        } else {
            Ok(self.wait_for_change(half, None))
        }
    }

    /// Reads, and writes if nobody else does, until an event is at hand or the connection has ended.
    pub(super) fn wait(
        &self,
        wire: &mut Wire<S>,
        intake: &mut Intake,
    ) -> Result<(Ready, MutexGuard<'_, Half>), WebSocketError> {
        let mut half = self.half();
        loop {
            let step = driver::step(&mut half.flow, intake, Instant::now);
            let deadline = half.flow.deadline(intake);
            match half.turn(step, deadline) {
                Turn::Lend => return Ok((Ready::Event, half)),
                Turn::Done => {
                    self.cut_off(wire, &half);
                    return Ok((Ready::Done, half));
                }
                Turn::Read(deadline) => {
                    half.reader_waits = true;
                    drop(half);
                    (half, _) = self.read(wire, intake, self.until(deadline))?;
                }
                Turn::Write { or_read: true } if !half.flow.connection.is_closed() => {
                    if self.write_turn(half, wire.write_turn())? {
                        half = self.half();
                    } else {
                        let found;
                        (half, found) = self.read(wire, intake, Some(Instant::now()))?;
                        wire.end_turn(found);
                    }
                }
                turn @ (Turn::Write { .. } | Turn::Wait(_) | Turn::EndWriting | Turn::Drain(_)) => {
                    half = self.end_turn(wire, half, turn)?;
                }
            }
        }
    }

    /// One read, without the lock; tells whether something came.
    fn read(
        &self,
        wire: &mut Wire<S>,
        intake: &mut Intake,
        mut until: Option<Instant>,
    ) -> Result<(MutexGuard<'_, Half>, bool), WebSocketError> {
        let room = {
            let half = self.half();
            if half.flow.is_unwritable() {
                // Only what has come already.
                until = Some(Instant::now());
            }
            intake.room(&half.flow)
        };
        let direct = room.direct;
        let read = wire.read(room.bytes, until);
        let mut half = self.half();
        half.reader_waits = false;
        let found = matches!(read, Ok(Some(_)));
        match read {
            Ok(Some(0)) => half.flow.received_eof(),
            Ok(Some(n)) => intake.filled(n, direct, &mut half.flow, Instant::now()),
            Ok(None) => {
                intake.release();
                if let Some(error) = half.flow.write_error() {
                    half.flow.end_failed_transport(error)?;
                }
                let now = Instant::now();
                let deadline = half.flow.deadline(intake);
                if half.read_deadline(deadline).is_some_and(|deadline| now >= deadline) {
                    half.flow.timed_out(intake, now);
                }
            }
            Err(error) => half.flow.end_failed_transport(error)?,
        }
        if half.flow.connection.is_closed() {
            // Senders that wait for room never get it.
            self.wake(&half);
        }
        Ok((half, found))
    }

    /// Ends the transport of a closed or failed connection, while what was lent is still held. What
    /// goes wrong now doesn't matter any more.
    pub(super) fn end(&self, wire: &mut Wire<S>) {
        let mut half = self.half();
        loop {
            let step = half.flow.end_step(Instant::now);
            if step == Step::Done {
                self.cut_off(wire, &half);
                return;
            }
            let turn = half.turn(step, half.flow.stall_deadline());
            half = self.end_turn(wire, half, turn).unwrap_or_else(|_| self.half());
        }
    }

    /// Writes what a connection that has just closed still has to say, for at most the linger
    /// timeout, unless somebody else does. What goes wrong shows in the next call.
    pub(super) fn write_last<'a>(&'a self, wire: &mut Wire<S>, mut half: MutexGuard<'a, Half>) {
        loop {
            let step = half.flow.end_step(Instant::now);
            let turn = half.turn(step, half.flow.stall_deadline());
            let Turn::Write { .. } = turn else { return };
            let Ok(then) = self.end_turn(wire, half, turn) else { return };
            half = then;
        }
    }

    /// One turn that takes no input.
    fn end_turn<'a>(
        &'a self,
        wire: &mut Wire<S>,
        mut half: MutexGuard<'a, Half>,
        turn: Turn,
    ) -> Result<MutexGuard<'a, Half>, WebSocketError> {
        match turn {
            Turn::Write { or_read } => {
                let patience = if or_read { wire.write_turn() } else { self.poll };
                let moved = self.write_turn(half, patience)?;
                let drained = if moved || !or_read { None } else { wire.drain_turn() };
                half = self.half();
                if drained == Some(0) {
                    half.flow.received_eof();
                }
            }
            Turn::Wait(deadline) => {
                half = self.wait_for_change(half, deadline);
                if half.flow.connection.is_closed() {
                    half.flow.stalled(Instant::now());
                }
            }
            Turn::EndWriting => {
                // The peer may be gone already: then its writing half has ended too.
                let _ = wire.stream.shutdown_write();
                half.flow.ended_writing();
            }
            Turn::Drain(deadline) => {
                drop(half);
                let drained = wire.drain(self.until(deadline));
                half = self.half();
                match drained {
                    Some(0) => half.flow.received_eof(),
                    Some(_) => {}
                    None => half.flow.stalled(Instant::now()),
                }
            }
            Turn::Done | Turn::Lend | Turn::Read(_) => {}
        }
        Ok(half)
    }

    /// The connection has ended: so does the write that another thread may still be blocked in.
    fn cut_off(&self, wire: &mut Wire<S>, half: &Half) {
        if half.writer != Writer::Nobody {
            let _ = wire.stream.shutdown_write();
        }
        self.wake(half);
    }

    /// Writes until there is no output left, unless somebody else does.
    pub(super) fn write_all(&self, half: MutexGuard<'_, Half>) -> Result<(), WebSocketError> {
        self.write(half, Writer::Somebody, None).map(drop)
    }

    /// The reader's turn to write. If nothing moves for a while, or another thread wants to write
    /// on, it leaves off: `false`.
    fn write_turn(
        &self,
        half: MutexGuard<'_, Half>,
        turn: Duration,
    ) -> Result<bool, WebSocketError> {
        self.write(half, Writer::Tired, Some(turn))
    }

    fn write(
        &self,
        mut half: MutexGuard<'_, Half>,
        writer: Writer,
        turn: Option<Duration>,
    ) -> Result<bool, WebSocketError> {
        if half.writer != Writer::Nobody || half.flow.out.is_empty() || half.flow.is_unwritable() {
            return Ok(true);
        }
        half.writer = writer;
        drop(half);
        let mut role = WriterRole { shared: self, kept: true };
        let mut handle = lock(&self.wire);
        let mut rounds = 0_u32;
        loop {
            let (mut taken, deadline) = {
                let mut half = self.half();
                if half.abandoned {
                    *handle = None;
                }
                let relieved = half.writer == Writer::Relieved;
                if half.flow.out.is_empty() || relieved || handle.is_none() {
                    role.give_back(&mut half);
                    return Ok(true);
                }
                rounds += 1;
                if rounds > MAX_ROUNDS {
                    half.writer = Writer::Tired;
                }
                half.flow.begin_stall(Instant::now);
                let taken = half.flow.take_output();
                half.in_flight = taken.bytes.len();
                (taken, half.flow.stall_deadline())
            };
            let Some(wire) = handle.as_mut() else { return Ok(true) };
            if let Err(cut) = self.write_taken(wire, &mut taken.bytes, deadline, turn) {
                let mut half = self.half();
                if half.abandoned {
                    *handle = None;
                }
                let result = half.cut(cut, taken, turn.is_some());
                role.give_back(&mut half);
                return result.map(|()| false);
            }
        }
    }

    /// Writes what was taken, and flushes behind it.
    fn write_taken(
        &self,
        wire: &mut Wire<S>,
        bytes: &mut BytesMut,
        mut deadline: Option<Instant>,
        turn: Option<Duration>,
    ) -> Result<(), Cut> {
        loop {
            let look = turn.unwrap_or(self.poll);
            let until = wire.write_until(deadline, || Instant::now().checked_add(look));
            let mut moved = false;
            if !bytes.is_empty() {
                if let Some(n) = wire.write(bytes, until)? {
                    bytes.advance(n);
                    moved = true;
                }
            } else if wire.flush(until)? {
                self.half().flow.written(0, Instant::now);
                return Ok(());
            }
            let mut half = self.half();
            if half.abandoned {
                return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
            }
            if moved {
                let n = half.in_flight - bytes.len();
                half.in_flight = bytes.len();
                half.written = half.written.saturating_add(to_u64(n));
                half.flow.moved();
                self.wake(&half);
            } else if turn.is_some() && !bytes.is_empty() && wire.stream.can_resume_write() {
                return Err(Cut::TurnIsOver);
            }
            // The connection may have closed since: then there is another deadline.
            half.flow.begin_stall(Instant::now);
            deadline = half.flow.stall_deadline();
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                let was_over = half.flow.connection.is_closed();
                half.flow.stalled(now);
                if half.flow.connection.is_closed() {
                    return Err(Cut::OutOfTime { was_over });
                }
            }
        }
    }
}

/// The writer's role, given back even if the transport panics.
struct WriterRole<'a, S> {
    shared: &'a Shared<S>,
    kept: bool,
}

impl<S> WriterRole<'_, S> {
    fn give_back(&mut self, half: &mut Half) {
        self.kept = false;
        half.writer = Writer::Nobody;
        half.in_flight = 0;
        self.shared.wake(half);
    }
}

impl<S> Drop for WriterRole<'_, S> {
    fn drop(&mut self) {
        if self.kept {
            let shared = self.shared;
            let mut half = shared.half();
            // Nobody knows how much was written.
            half.flow.abandon();
            self.give_back(&mut half);
        }
    }
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
