//! Reads and writes a transport for the steps of the driver.
//!
//! ```text
//!  wait ─► Event | Done | Opened | Request               for the caller
//!   │ other steps
//!   ▼
//!  read, write, flush, end_writing    each blocks until its deadline, or until `until`
//!   │ timed out
//!   ▼
//!  timed_out, write_timed_out         if the deadline of the driver has passed
//! ```
//!
//! A blocking call can't wait for a read and a write at once. When both are possible, they take
//! turns (`write_or_read`).

use core::time::Duration;

use bytes::BytesMut;

use crate::adapter::failure::lost;
use crate::adapter::pool;
use crate::blocking::link::{KEEP_MEMORY, Link, WRITE_TURN};
use crate::blocking::transport::Transport;
use crate::connection::Connection;
use crate::driver::{Flow, Intake, Step};
use crate::error::adapter::WebSocketError;
use crate::error::send::SendError;
use crate::instant::{Instant, earlier};

/// The number of reads in a turn that drains.
const DRAINS_PER_TURN: usize = 16;

/// The number of reads and writes without an event after which a call with a time limit checks the
/// clock, even if there is always more to read or write.
const MAX_TURNS: u32 = 64;

/// Reads and writes until the step is one for the caller: an event, a request, a response, or the
/// end. `None`: there was no such step until `until`.
pub(super) fn wait<S: Transport>(
    link: &mut Link<S>,
    flow: &mut Flow,
    intake: &mut Intake,
    until: Option<Instant>,
) -> Option<Step> {
    let mut turns = Turns::new(until);
    loop {
        link.attend(flow);
        let step = flow.step(intake);
        if step == Step::Event {
            return Some(step);
        }
        let until = link.until_check(flow, until);
        let moved = match step {
            Step::Event => return Some(step),
            Step::Request | Step::Opened | Step::Done => {
                if step == Step::Done {
                    link.registration = None;
                }
                give_back(intake);
                return Some(step);
            }
            Step::Read | Step::Drain => {
                // Flush the transport before the read. If that takes longer than a turn, read in
                // between.
                let turn = flush_turn(link, flow, until);
                read(link, flow, intake, earlier(until, turn))
            }
            Step::Write { or_read: true } if link.can_resume_write() => {
                write_or_read(link, flow, intake, until)
            }
            Step::Write { .. } => write(link, flow, until),
            Step::EndWriting => end_writing(link, flow, until),
        };
        if turns.are_over(moved) {
            return None;
        }
    }
}

/// Counts the turns of a call that may have a time limit.
pub(super) struct Turns {
    until: Option<Instant>,
    count: u32,
}

impl Turns {
    pub(super) const fn new(until: Option<Instant>) -> Self {
        Self { until, count: 0 }
    }

    /// Returns true if the call ends after this turn. `moved`: the turn has read or written bytes.
    pub(super) fn are_over(&mut self, moved: bool) -> bool {
        let Some(until) = self.until else { return false };
        self.count += 1;
        let is_due = !moved || self.count >= MAX_TURNS;
        is_due && Instant::now() >= until
    }
}

/// Reads once, until `until` or the driver's deadline. Returns true if input arrived or the
/// transport ended.
fn read<S: Transport>(
    link: &mut Link<S>,
    flow: &mut Flow,
    intake: &mut Intake,
    until: Option<Instant>,
) -> bool {
    let now = Instant::now();
    let deadline = flow.deadline(intake, now);
    let mut until = earlier(until, deadline);
    if intake.capacity() > pool::READ_LEN {
        until = earlier(until, now.checked_add(KEEP_MEMORY));
    }
    match link.read(intake.room(flow, pool::take), until) {
        Ok(Some(n)) => flow.read_done(intake, n, Instant::now()),
        Ok(None) => {
            release(intake);
            let now = Instant::now();
            // This was the last read before failing the peer: its pong could have arrived.
            if deadline.is_some_and(|deadline| now >= deadline) {
                flow.timed_out(intake, now);
            }
            return false;
        }
        Err(error) => link.failure.fail(flow, error),
    }
    true
}

/// Frees the buffers after a read that found no input: an idle connection holds none.
pub(super) fn release(intake: &mut Intake) {
    intake.shrink();
    give_back(intake);
}

/// Returns the read buffer to the pool, if all bytes in it are processed. Otherwise each connection
/// that is accepted and dropped would allocate a new one, filled with zeros.
pub(super) fn give_back(intake: &mut Intake) {
    if let Some(buffer) = intake.take_buffer() {
        pool::put(buffer);
    }
}

/// Writes once, until the driver's deadline, or until `until` if the transport can resume the
/// write. Returns true if bytes were written, or the write failed. An error of the transport is
/// returned by the next read.
fn write<S: Transport>(link: &mut Link<S>, flow: &mut Flow, until: Option<Instant>) -> bool {
    let deadline = flow.write_deadline(Instant::now());
    let until = link.write_until(deadline, until);
    match link.write(flow.output(), until) {
        Ok(Some(n)) => flow.write_done_with(n, Instant::now),
        Ok(None) => {
            flow.write_timed_out(Instant::now());
            return false;
        }
        Err(error) => link.failure.write_failed(flow, error),
    }
    true
}

/// Writes once, and reads once if no byte can be written or the turn of the writes has ended: a
/// peer that writes may wait for this end to read. Blocking calls can't do both at once, so they
/// take turns, which become longer while no bytes move.
fn write_or_read<S: Transport>(
    link: &mut Link<S>,
    flow: &mut Flow,
    intake: &mut Intake,
    until: Option<Instant>,
) -> bool {
    let now = Instant::now();
    let turn_end = link.begin_turn(now);
    let patience = earlier(until, now.checked_add(link.write_turn()));
    let wrote = write(link, flow, earlier(patience, turn_end));
    if flow.output().is_empty() {
        link.leave_turn();
        return true;
    }
    if wrote && turn_end.is_some_and(|end| Instant::now() < end) {
        return true;
    }
    let found = read(link, flow, intake, Some(now));
    if wrote {
        link.leave_turn();
    } else {
        link.end_turn(found);
    }
    wrote || found
}

/// Flushes a transport with a buffer of its own, for one turn. If the flush is not complete,
/// returns the deadline of the read that follows.
fn flush_turn<S: Transport>(
    link: &mut Link<S>,
    flow: &mut Flow,
    until: Option<Instant>,
) -> Option<Instant> {
    if !flow.needs_flush() || flow.is_unwritable() {
        return None;
    }
    let turn = Instant::now().checked_add(WRITE_TURN);
    if flush(link, flow, earlier(until, turn)) { None } else { turn }
}

/// Flushes. Returns true if the transport holds no more bytes. An error of the transport is
/// returned by the next read.
fn flush<S: Transport>(link: &mut Link<S>, flow: &mut Flow, until: Option<Instant>) -> bool {
    let deadline = flow.write_deadline(Instant::now());
    match link.flush(link.write_until(deadline, until)) {
        Ok(true) => flow.flush_done(),
        Ok(false) => {
            flow.write_timed_out(Instant::now());
            return false;
        }
        Err(error) => link.failure.write_failed(flow, error),
    }
    true
}

/// Flushes, then shuts down the write half. Returns false if the flush is not complete.
fn end_writing<S: Transport>(link: &mut Link<S>, flow: &mut Flow, until: Option<Instant>) -> bool {
    if flow.needs_flush() && !flush(link, flow, until) {
        return false;
    }
    // An error means that the peer has closed the transport, and so its write half as well.
    let _ = link.stream.shutdown_write();
    flow.writing_ended();
    true
}

/// Reads once and drops the input. Returns true if there was any.
pub(super) fn drain<S: Transport>(
    link: &mut Link<S>,
    flow: &mut Flow,
    until: Option<Instant>,
) -> bool {
    let until = earlier(until, flow.write_deadline(Instant::now()));
    let mut scratch = pool::take();
    let read = link.read(&mut scratch, until);
    pool::put(scratch);
    match read {
        Ok(Some(n)) => flow.drained(n, Instant::now()),
        Ok(None) => {
            flow.write_timed_out(Instant::now());
            return false;
        }
        Err(error) => link.failure.fail(flow, error),
    }
    true
}

/// Reads a few times and drops the input, between writes that block. Returns true if there was any.
fn drain_turn<S: Transport>(link: &mut Link<S>, flow: &mut Flow) -> bool {
    let mut found = false;
    for _ in 0..DRAINS_PER_TURN {
        if flow.is_unwritable() || !drain(link, flow, Some(Instant::now())) {
            break;
        }
        found = true;
    }
    link.end_turn(found);
    found
}

/// Ends the transport of a connection that has ended, while an error keeps the intake borrowed.
/// Returns false if it has not ended by `until`.
pub(super) fn end<S: Transport>(
    link: &mut Link<S>,
    flow: &mut Flow,
    until: Option<Instant>,
) -> bool {
    let mut turns = Turns::new(until);
    loop {
        link.attend(flow);
        let until = link.until_check(flow, until);
        let moved = match flow.end_step() {
            Step::Write { or_read } => end_write(link, flow, or_read, until),
            Step::EndWriting => end_writing(link, flow, until),
            Step::Drain => {
                let turn = flush_turn(link, flow, until);
                drain(link, flow, earlier(until, turn))
            }
            Step::Done | Step::Event | Step::Opened | Step::Read | Step::Request => {
                link.registration = None;
                return true;
            }
        };
        if turns.are_over(moved) {
            return false;
        }
    }
}

/// Writes once after the end of a connection. Returns true if bytes were read or written.
fn end_write<S: Transport>(
    link: &mut Link<S>,
    flow: &mut Flow,
    or_read: bool,
    until: Option<Instant>,
) -> bool {
    if !or_read || !link.can_resume_write() {
        return write(link, flow, until);
    }
    let turn = Instant::now().checked_add(link.write_turn());
    write(link, flow, earlier(until, turn)) || drain_turn(link, flow)
}

/// Writes the final output of a connection that has just closed, as long as the peer takes it, and
/// until `until`.
pub(super) fn write_last<S: Transport>(
    link: &mut Link<S>,
    flow: &mut Flow,
    until: Option<Instant>,
) {
    let mut turns = Turns::new(until);
    while let Step::Write { or_read } = flow.end_step() {
        let moved = end_write(link, flow, or_read, until);
        if turns.are_over(moved) {
            return;
        }
    }
    if flow.needs_flush() && !flow.is_unwritable() {
        flush(link, flow, until);
    }
}

/// Writes and flushes until the output has left up to `end`, a position as of [`Flow::end`]. Does
/// not read meanwhile.
///
/// Returns an error of the transport here. Another error is returned by the next read.
pub(super) fn send_up_to<S: Transport>(
    link: &mut Link<S>,
    flow: &mut Flow,
    end: u64,
) -> Result<(), WebSocketError> {
    while flow.flushed() < end {
        link.attend(flow);
        if flow.is_unwritable() {
            return Err(lost(flow));
        }
        let deadline = flow.write_deadline(Instant::now());
        let deadline = link.write_until(deadline, link.until_check(flow, deadline));
        let moved = if flow.written() >= end {
            link.flush(deadline).inspect(|&flushed| {
                if flushed {
                    flow.flush_done();
                }
            })
        } else {
            link.write(flow.output(), deadline).map(|written| {
                if let Some(n) = written {
                    flow.write_done_with(n, Instant::now);
                }
                written.is_some()
            })
        };
        match moved {
            Ok(true) => {}
            Ok(false) => {
                let was_over = flow.is_over();
                flow.write_timed_out(Instant::now());
                if flow.is_over() && !was_over {
                    let error = lost(flow);
                    flow.failed();
                    return Err(error);
                }
            }
            Err(error) => {
                link.failure.write_failed(flow, error.kind().into());
                return Err(error.into());
            }
        }
    }
    Ok(())
}

/// Feeds by `feed` when there is space, then writes until the message has left.
pub(super) fn send<S: Transport>(
    link: &mut Link<S>,
    flow: &mut Flow,
    mut feed: impl FnMut(&mut Flow) -> Result<(), SendError>,
) -> Result<(), WebSocketError> {
    loop {
        if flow.is_open() && flow.is_unwritable() {
            return Err(lost(flow));
        }
        match feed(flow) {
            Ok(()) => return send_up_to(link, flow, flow.end()),
            Err(SendError::Full) => {
                let progress = flow.flushed().saturating_add(1);
                send_up_to(link, flow, progress)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Feeds unsolicited output, unless the output is above the high-water mark.
pub(super) fn feed_unsolicited(
    flow: &mut Flow,
    feed: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
) -> Result<(), SendError> {
    if flow.is_open() && flow.is_above_mark() {
        return Err(SendError::Full);
    }
    flow.send_with(feed)
}

/// Returns the time after `timeout`; `None` if it overflows.
pub(super) fn after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}
