//! The state of a split WebSocket: what is done under its lock, which does no I/O.

use core::time::Duration;

use std::io;

use crate::blocking::link::{WRITE_TURN, lost};
use crate::driver::{Flow, Step};
use crate::error::adapter::WebSocketError;
use crate::error::protocol::{PeerError, ProtocolError};
use crate::instant::Instant;

/// The state.
#[derive(Debug)]
pub(super) struct State {
    pub(super) flow: Flow,
    /// The error that the transport has failed with, for the reader.
    error: Option<io::Error>,
    pub(super) writer: Writer,
    /// How many threads wait for a change.
    pub(super) waiting: usize,
    /// How many of them wait for their output to be written.
    pub(super) senders: usize,
    /// The reader waits in a read: it sees no output before that is over.
    pub(super) reader_waits: bool,
    /// The reader was dropped, or the connection aborted.
    pub(super) abandoned: bool,
}

/// The thread that writes: one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Nobody,
    /// A sender, or the reader for a turn.
    Somebody,
}

/// How long a thread writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// Until the output has left up to a position; then for a turn as short as can be.
    Sent(u64),
    /// Until there is no output left, nothing moves for as long, or a sender waits; or for
    /// [`WRITE_TURN`] if that is longer: a peer that always takes a little must not keep the thread.
    Turn(Duration),
}

/// What the reader does next.
pub(super) enum Turn {
    Event,
    Done,
    /// Read, for at most as long.
    Read(Option<Instant>),
    /// Write; and read, or drain after the end, if nothing can be written.
    Write {
        or_read: bool,
    },
    /// Wait for the thread that writes, for at most as long.
    Wait(Option<Instant>),
    EndWriting,
    Drain(Option<Instant>),
}

impl State {
    pub(super) const fn new(flow: Flow) -> Self {
        Self {
            flow,
            error: None,
            writer: Writer::Nobody,
            waiting: 0,
            senders: 0,
            reader_waits: false,
            abandoned: false,
        }
    }

    /// The transport has failed.
    pub(super) fn fail(&mut self, error: io::Error) {
        // A reset at the end of a connection is an end like any other.
        if !self.flow.is_over() {
            self.error.get_or_insert(error);
        }
        self.flow.failed();
    }

    /// A write has failed: the error is due when nothing is left to read.
    pub(super) fn write_failed(&mut self, error: io::Error) {
        if !self.flow.is_over() {
            self.error.get_or_insert(error);
        }
        self.flow.write_failed();
    }

    /// How the connection has ended, for [`Turn::Done`].
    pub(super) fn result(&mut self) -> Result<(), WebSocketError> {
        match (self.flow.error(), self.error.take()) {
            (Some(ProtocolError::Peer(PeerError::ClosedWithoutHandshake)), Some(error)) => {
                Err(error.into())
            }
            (Some(error), _) => Err(error.into()),
            (None, _) => Ok(()),
        }
    }

    /// An error if output up to `end`, a position, is not written and never will be.
    pub(super) fn check_writable(&self) -> Result<(), WebSocketError> {
        if self.flow.is_unwritable() { Err(lost(&self.flow)) } else { Ok(()) }
    }

    /// What the driver asks for, with regard to what other threads are doing. `deadline` is the
    /// driver's.
    pub(super) fn turn(&self, step: Step, deadline: Option<Instant>) -> Turn {
        let busy = self.writer != Writer::Nobody;
        let over = self.flow.is_over();
        // What a buffer in the transport holds leaves before anything is waited for.
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
    /// When the turn ends that begins now.
    pub(super) fn turn_end(self) -> Option<Instant> {
        match self {
            Self::Sent(_) => None,
            Self::Turn(turn) => Instant::now().checked_add(turn.max(WRITE_TURN)),
        }
    }

    /// Whether the position has been written.
    pub(super) fn is_written(self, flow: &Flow) -> bool {
        matches!(self, Self::Sent(end) if flow.written() >= end)
    }

    /// Whether the position has left.
    pub(super) fn is_reached(self, flow: &Flow) -> bool {
        matches!(self, Self::Sent(end) if flow.flushed() >= end)
    }
}
