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
use crate::blocking::transport::Transport;
use crate::connection::Connection;
use crate::driver::{self, Flow, Intake, Step};
use crate::error::SendError;
use crate::instant::Instant;

/// However short the close timeout is.
const MIN_POLL: Duration = Duration::from_millis(10);

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

/// The state.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) flow: Flow,
    /// How much was taken out of the output and is not written yet, in bytes.
    in_flight: usize,
    /// How much has been written, in bytes.
    written: u64,
    writer: Writer,
    /// How many threads wait for a change.
    waiting: usize,
    /// The reader waits in a read: it sees no output before that is over.
    pub(super) reader_waits: bool,
    /// The reader was dropped.
    abandoned: bool,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Nobody,
    Somebody,
    /// Somebody who has written for others long enough.
    Tired,
    /// The same, and another thread waits to take over.
    Relieved,
}

/// What the reader does next.
enum Turn {
    Lend,
    Done,
    /// Read, for at most as long.
    Read(Option<Instant>),
    /// Write.
    Write,
    /// Wait for whoever writes, for at most as long.
    Wait(Option<Instant>),
    EndWriting,
    Drain(Option<Instant>),
}

impl Half {
    /// Bytes that are not written yet.
    fn unsent(&self) -> usize {
        self.in_flight + self.flow.out.len()
    }

    /// Appends to the output if there is room. What is in flight counts too.
    pub(super) fn append(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let Flow { connection, out, .. } = &mut self.flow;
        let full = self.in_flight + out.len() >= connection.config().settings().max_unsent;
        if full && connection.is_open() {
            return Err(SendError::Full);
        }
        send(connection, out)
    }

    /// What the driver asks for, with regard to what others are doing.
    fn turn(&self, step: Step, deadline: Option<Instant>) -> Turn {
        let busy = self.writer != Writer::Nobody;
        let closed = self.flow.connection.is_closed();
        match step {
            Step::Lend => Turn::Lend,
            // While another thread writes its own the reader goes on: the peer may wait for that.
            // The output has a limit for each who appends to it.
            Step::Write { or_read: false } if busy && !closed => Turn::Lend,
            Step::Write { or_read: true } if busy && !closed => {
                Turn::Read(self.read_deadline(deadline))
            }
            Step::Write { .. } | Step::EndWriting if busy => Turn::Wait(deadline),
            Step::Write { .. } => Turn::Write,
            Step::Read => Turn::Read(self.read_deadline(deadline)),
            Step::EndWriting => Turn::EndWriting,
            Step::Drain => Turn::Drain(deadline),
            Step::Done => Turn::Done,
        }
    }

    /// While something is in flight whoever writes it knows when to give up, and no ping that may be
    /// among it can have been answered.
    fn read_deadline(&self, deadline: Option<Instant>) -> Option<Instant> {
        let moving = self.in_flight > 0 && self.flow.connection.is_open();
        if moving { None } else { deadline }
    }
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
            let _ = half.flow.end_failed_transport(io::ErrorKind::BrokenPipe.into());
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
        let half = Half {
            flow,
            in_flight: 0,
            written: 0,
            writer: Writer::Nobody,
            waiting: 0,
            reader_waits: false,
            abandoned: false,
        };
        Self {
            half: Mutex::new(half),
            changed: Condvar::new(),
            wire: Mutex::new(Some(Wire::new(stream))),
            shutdown: S::shutdown_write,
            poll: (close_timeout / 4).max(MIN_POLL),
        }
    }

    /// Does what `send` does as soon as there is room, and writes it unless somebody is writing.
    pub(super) fn send(
        &self,
        mut send: impl FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), WebSocketError> {
        let mut half = self.half();
        while let Err(error) = half.append(&mut send) {
            if error != SendError::Full {
                return Err(error.into());
            }
            half = self.make_progress(half)?;
        }
        if half.writer == Writer::Tired {
            half.writer = Writer::Relieved;
            while half.writer == Writer::Relieved {
                half = self.wait_for_change(half, None);
            }
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
                Turn::Read(deadline) => {
                    half.reader_waits = true;
                    drop(half);
                    half = self.read(wire, intake, deadline)?;
                }
                Turn::Done => {
                    self.cut_off(wire, &half);
                    return Ok((Ready::Done, half));
                }
                turn @ (Turn::Write | Turn::Wait(_) | Turn::EndWriting | Turn::Drain(_)) => {
                    half = self.end_turn(wire, half, turn)?;
                }
            }
        }
    }

    /// Ends the transport of a closed or failed connection, while what was lent is still held. What
    /// goes wrong now doesn't matter any more.
    pub(super) fn end(&self, wire: &mut Wire<S>) {
        let mut half = self.half();
        loop {
            let step = half.flow.end_step(Instant::now);
            let deadline = half.flow.stall_deadline();
            half = match half.turn(step, deadline) {
                Turn::Done | Turn::Lend | Turn::Read(_) => {
                    self.cut_off(wire, &half);
                    return;
                }
                turn @ (Turn::Write | Turn::Wait(_) | Turn::EndWriting | Turn::Drain(_)) => {
                    self.end_turn(wire, half, turn).unwrap_or_else(|_| self.half())
                }
            };
        }
    }

    /// One turn that needs no input.
    fn end_turn<'a>(
        &'a self,
        wire: &mut Wire<S>,
        mut half: MutexGuard<'a, Half>,
        turn: Turn,
    ) -> Result<MutexGuard<'a, Half>, WebSocketError> {
        match turn {
            Turn::Write => {
                // The reader has better things to do than to write for others.
                self.write(half, Writer::Tired)?;
                half = self.half();
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

    /// One read, without the lock.
    fn read(
        &self,
        wire: &mut Wire<S>,
        intake: &mut Intake,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'_, Half>, WebSocketError> {
        let room = intake.room(&self.half().flow);
        let direct = room.direct;
        let read = wire.read(room.bytes, self.until(deadline));
        let mut half = self.half();
        half.reader_waits = false;
        match read {
            Ok(Some(0)) => half.flow.received_eof(),
            Ok(Some(n)) => intake.filled(n, direct, &mut half.flow, Instant::now()),
            Ok(None) => {
                intake.release();
                let now = Instant::now();
                let deadline = half.flow.deadline(intake);
                let deadline = half.read_deadline(deadline);
                if deadline.is_some_and(|deadline| now >= deadline) {
                    half.flow.timed_out(intake, now);
                }
            }
            Err(error) => half.flow.end_failed_transport(error)?,
        }
        if half.flow.connection.is_closed() {
            self.wake(&half);
        }
        Ok(half)
    }

    /// Writes until there is no output left, unless somebody else does.
    pub(super) fn write_all(&self, half: MutexGuard<'_, Half>) -> Result<(), WebSocketError> {
        self.write(half, Writer::Somebody)
    }

    fn write(&self, mut half: MutexGuard<'_, Half>, writer: Writer) -> Result<(), WebSocketError> {
        if half.writer != Writer::Nobody || half.flow.out.is_empty() {
            return Ok(());
        }
        half.writer = writer;
        drop(half);
        let mut role = Role { shared: self, kept: true };
        let mut wire = lock(&self.wire);
        let mut rounds = 0_u32;
        loop {
            let (chunk, deadline) = {
                let mut half = self.half();
                if half.abandoned {
                    *wire = None;
                }
                if half.flow.out.is_empty() || half.writer == Writer::Relieved || wire.is_none() {
                    role.give_back(&mut half);
                    return Ok(());
                }
                rounds += 1;
                if rounds > MAX_ROUNDS {
                    half.writer = Writer::Tired;
                }
                half.flow.begin_stall(Instant::now);
                let chunk = half.flow.out.split();
                half.in_flight = chunk.len();
                (chunk, half.flow.stall_deadline())
            };
            let Some(wire) = wire.as_mut() else { return Ok(()) };
            if let Err(error) = self.write_chunk(wire, chunk, deadline) {
                let mut half = self.half();
                half.in_flight = 0;
                let ended = half.flow.result();
                let failed = half.flow.end_failed_transport(error);
                role.give_back(&mut half);
                failed?;
                return Ok(ended?);
            }
        }
    }

    /// Writes one chunk, and flushes behind it.
    fn write_chunk(
        &self,
        wire: &mut Wire<S>,
        mut chunk: BytesMut,
        mut deadline: Option<Instant>,
    ) -> io::Result<()> {
        loop {
            let until = wire.write_until(deadline, || Instant::now().checked_add(self.poll));
            let mut half;
            if chunk.is_empty() {
                if wire.flush(until)? {
                    self.half().flow.written(0, Instant::now);
                    return Ok(());
                }
                half = self.half();
            } else if let Some(n) = wire.write(&chunk, until)? {
                chunk.advance(n);
                half = self.half();
                half.in_flight = chunk.len();
                half.written = half.written.saturating_add(to_u64(n));
                half.flow.moved();
                self.wake(&half);
            } else {
                half = self.half();
            }
            if half.abandoned {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            // The connection may have closed since: then there is another deadline.
            half.flow.begin_stall(Instant::now);
            deadline = half.flow.stall_deadline();
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                half.flow.stalled(now);
                if half.flow.connection.is_closed() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
    }
}

/// The writer's role, given back even if the transport panics.
struct Role<'a, S> {
    shared: &'a Shared<S>,
    kept: bool,
}

impl<S> Role<'_, S> {
    fn give_back(&mut self, half: &mut Half) {
        self.kept = false;
        half.writer = Writer::Nobody;
        half.in_flight = 0;
        self.shared.wake(half);
    }
}

impl<S> Drop for Role<'_, S> {
    fn drop(&mut self) {
        if self.kept {
            let shared = self.shared;
            let mut half = shared.half();
            // Nobody knows how much was written.
            let _ = half.flow.end_failed_transport(io::ErrorKind::BrokenPipe.into());
            self.give_back(&mut half);
        }
    }
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
