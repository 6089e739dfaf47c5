//! The state of a split WebSocket: what is done under its lock, which does no I/O.

use std::io;

use bytes::BytesMut;

use crate::adapter::WebSocketError;
use crate::connection::Connection;
use crate::driver::{Flow, Step, Taken};
use crate::error::SendError;
use crate::instant::Instant;

/// The state.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) flow: Flow,
    /// How much was taken out of the output and is not written yet, in bytes.
    pub(super) in_flight: usize,
    /// How much has been written, in bytes.
    pub(super) written: u64,
    pub(super) writer: Writer,
    /// How many threads wait for a change.
    pub(super) waiting: usize,
    /// The reader waits in a read: it sees no output before that is over.
    pub(super) reader_waits: bool,
    /// The reader was dropped.
    pub(super) abandoned: bool,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Nobody,
    Somebody,
    /// Somebody who doesn't see it through: the reader, or one who has written for others long
    /// enough.
    Tired,
    /// The same, and another thread waits to take over.
    Relieved,
}

/// What the reader does next.
pub(super) enum Turn {
    Lend,
    Done,
    /// Read, for at most as long.
    Read(Option<Instant>),
    /// Write; and read, or drain after the end, if nothing can be written.
    Write {
        or_read: bool,
    },
    /// Wait for whoever writes, for at most as long.
    Wait(Option<Instant>),
    EndWriting,
    Drain(Option<Instant>),
}

impl Half {
    pub(super) const fn new(flow: Flow) -> Self {
        Self {
            flow,
            in_flight: 0,
            written: 0,
            writer: Writer::Nobody,
            waiting: 0,
            reader_waits: false,
            abandoned: false,
        }
    }

    /// Bytes that are not written yet.
    pub(super) fn unsent(&self) -> usize {
        self.in_flight + self.flow.out.len()
    }

    /// Does what `send` does if there is room for one who can wait. An answer has what is between
    /// the mark and `max_unsent`.
    pub(super) fn send_unasked(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let connection = &self.flow.connection;
        let mark = connection.config().settings().high_water_mark;
        if connection.is_open() && self.unsent() >= mark {
            return Err(SendError::Full);
        }
        self.flow.send_unasked(send)
    }

    /// An error if a write has failed before.
    pub(super) fn check_writable(&self) -> io::Result<()> {
        if self.flow.is_unwritable() && self.flow.connection.is_open() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    /// A write was left off. Tells whoever has written what that means.
    pub(super) fn cut(
        &mut self,
        cut: Cut,
        rest: Taken,
        by_reader: bool,
    ) -> Result<(), WebSocketError> {
        match cut {
            Cut::TurnIsOver => {
                self.flow.put_back(rest);
                Ok(())
            }
            Cut::OutOfTime { was_over } => {
                let ended = if was_over { Ok(()) } else { self.flow.result() };
                self.flow.abandon();
                Ok(ended?)
            }
            Cut::Failed(error) if by_reader => {
                // What the peer has said before is read first: it may tell why.
                self.flow.write_failed(Some(error));
                Ok(())
            }
            Cut::Failed(error) => {
                self.flow.write_failed(None);
                if self.flow.connection.is_closed() { Ok(()) } else { Err(error.into()) }
            }
        }
    }

    /// What the driver asks for, with regard to what others are doing.
    pub(super) fn turn(&self, step: Step, deadline: Option<Instant>) -> Turn {
        let busy = self.writer != Writer::Nobody;
        let closed = self.flow.connection.is_closed();
        match step {
            Step::Lend => Turn::Lend,
            Step::Write { or_read: true } if busy && closed => Turn::Drain(deadline),
            Step::Write { or_read: true } if busy => Turn::Read(self.read_deadline(deadline)),
            // The reader's own answers are above the mark.
            Step::Write { .. } | Step::EndWriting if busy => {
                Turn::Wait(deadline.filter(|_| closed))
            }
            Step::Write { or_read } => Turn::Write { or_read },
            Step::Read => Turn::Read(self.read_deadline(deadline)),
            Step::EndWriting => Turn::EndWriting,
            Step::Drain => Turn::Drain(deadline),
            Step::Done => Turn::Done,
        }
    }

    /// While something is in flight whoever writes it knows when to give up, and no ping that may be
    /// among it can have been answered.
    pub(super) fn read_deadline(&self, deadline: Option<Instant>) -> Option<Instant> {
        let moving = self.in_flight > 0 && self.flow.connection.is_open();
        if moving { None } else { deadline }
    }
}

/// Why a write was left off.
pub(super) enum Cut {
    /// Nothing has moved for as long as the reader may write.
    TurnIsOver,
    Failed(io::Error),
    /// A deadline has passed.
    OutOfTime {
        /// The connection had ended before.
        was_over: bool,
    },
}

impl From<io::Error> for Cut {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}
