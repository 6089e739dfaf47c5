//! The state of a split WebSocket, and the decisions that are made under its lock. No function here
//! does I/O.

use core::time::Duration;

use std::io;

use crate::adapter::failure::{Failure, lost};
use crate::blocking::link::WRITE_TURN;
use crate::driver::{Flow, Step};
use crate::error::adapter::WebSocketError;
use crate::instant::Instant;

/// The state guarded by the lock of [`Shared`](crate::blocking::shared::Shared).
///
/// ```text
/// field         set by                           read by
/// writer        the thread that begins or ends   every thread with output to write
///               to write
/// waiting       a thread, around each wait       a thread that notifies: with no waiting
///                                                thread it makes no system call
/// senders       a sender, around its wait        the writer: it stops and flushes early
/// reader_waits  the reader, around its read      a feed: it writes, as the reader can't
/// abandoned     drop of the reader, `abort`      the writer: it shuts down the handle
/// ```
///
/// `senders <= waiting`, since such a sender is also waiting for a change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) flow: Flow,
    /// The error that the transport has failed with. The reader returns it.
    failure: Failure,
    pub(super) writer: Writer,
    /// How many threads wait for a change.
    pub(super) waiting: usize,
    /// How many of the waiting threads wait for their output to be written.
    pub(super) senders: usize,
    /// The reader is in a read of the transport, and does not see new output until it returns.
    pub(super) reader_waits: bool,
    /// The reader was dropped, or the connection aborted.
    pub(super) abandoned: bool,
}

/// The holder of the writer's role: at most one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Nobody,
    /// A sender, or the reader for one turn.
    Somebody,
}

/// The end of a thread's writing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// Until the output up to a position has left, then for the shortest possible turn.
    Sent(u64),
    /// Until no output is left, no byte is written for this duration, or a sender is waiting. At
    /// the latest after this duration or [`WRITE_TURN`], whichever is longer: a peer that keeps
    /// taking a few bytes must not hold the thread.
    Turn(Duration),
}

/// The next action of the reader.
pub(super) enum Turn {
    Event,
    Done,
    /// Read until this time at the latest.
    Read(Option<Instant>),
    /// Write. With `or_read`, read if the write would block; after the end of the connection,
    /// drain.
    Write {
        or_read: bool,
    },
    /// Wait for the writing thread, until this time at the latest.
    Wait(Option<Instant>),
    EndWriting,
    Drain(Option<Instant>),
}

impl State {
    pub(super) const fn new(flow: Flow) -> Self {
        Self {
            flow,
            failure: Failure::NONE,
            writer: Writer::Nobody,
            waiting: 0,
            senders: 0,
            reader_waits: false,
            abandoned: false,
        }
    }

    /// Records that the transport has failed.
    pub(super) fn fail(&mut self, error: io::Error) {
        self.failure.fail(&mut self.flow, error);
    }

    /// Records that a write has failed.
    pub(super) fn write_failed(&mut self, error: io::Error) {
        self.failure.write_failed(&mut self.flow, error);
    }

    /// Returns the result of the connection, for [`Turn::Done`].
    pub(super) fn result(&mut self) -> Result<(), WebSocketError> {
        self.failure.result(&self.flow)
    }

    /// Returns an error if no more output can be written.
    pub(super) fn check_writable(&self) -> Result<(), WebSocketError> {
        if self.flow.is_unwritable() { Err(lost(&self.flow)) } else { Ok(()) }
    }

    /// Returns the reader's action for a step of the driver, given the actions of other threads.
    /// `deadline` is the driver's.
    pub(super) fn turn(&self, step: Step, deadline: Option<Instant>) -> Turn {
        let busy = self.writer != Writer::Nobody;
        let over = self.flow.is_over();
        // A transport with a buffer of its own is flushed before each wait.
        let flush = !busy && self.flow.needs_flush() && !self.flow.is_unwritable();
        match step {
            Step::Event => Turn::Event,
            Step::Drain | Step::Read if flush => Turn::Write { or_read: true },
            Step::EndWriting if flush => Turn::Write { or_read: false },
            Step::Write { or_read: true } if busy && over => Turn::Drain(deadline),
            Step::Write { or_read: true } if busy => Turn::Read(deadline),
            Step::Write { .. } | Step::EndWriting if busy => Turn::Wait(deadline),
            Step::Write { or_read } => Turn::Write { or_read },
            Step::Read => Turn::Read(deadline),
            Step::EndWriting => Turn::EndWriting,
            Step::Drain => Turn::Drain(deadline),
            // The opening handshake is done before a WebSocket is split.
            Step::Done | Step::Opened | Step::Request => Turn::Done,
        }
    }
}

impl Until {
    /// Returns the end of a turn that starts now.
    pub(super) fn turn_end(self) -> Option<Instant> {
        match self {
            Self::Sent(_) => None,
            Self::Turn(turn) => Instant::now().checked_add(turn.max(WRITE_TURN)),
        }
    }

    /// Returns true if the output up to the position has been written.
    pub(super) fn is_written(self, flow: &Flow) -> bool {
        matches!(self, Self::Sent(end) if flow.written() >= end)
    }

    /// Returns true if the output up to the position has left.
    pub(super) fn is_reached(self, flow: &Flow) -> bool {
        matches!(self, Self::Sent(end) if flow.flushed() >= end)
    }
}
