use core::fmt;

use alloc::boxed::Box;

use bytes::BytesMut;

use crate::config::Settings;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::driver::deadlines::Deadlines;
use crate::driver::opening::{Ended, Opening};
use crate::driver::output::Output;
use crate::error::protocol::ProtocolError;

/// Everything of a [`Driver`](crate::driver::Driver) but the memory that events are lent from, so
/// that it can be used while an event is held.
///
/// Its `send_*` append **unsolicited** output, which no event has asked for; replies are sent by
/// [`reply`](Self::reply). Both write nothing: [`step`](Self::step) says when to write.
///
/// ```text
///  Opening ──► open ──► over ─────────────────────────────────────────────────────────────► Done
///     │                  ▲   Write (all output) ─► EndWriting ─► Drain (to the peer's end)
///     └── nothing opened ┘   a client that has closed in order: Drain ─► EndWriting
/// ```
pub struct Flow {
    /// Nothing is sent or received on it before the opening handshake is done.
    pub(super) connection: Connection,
    /// Freed when the connection is open.
    pub(super) opening: Option<Box<Opening>>,
    pub(super) output: Output,
    pub(super) deadlines: Deadlines,
    pub(super) writing: Writing,
    /// The peer has ended its writing half. The connection learns of it once the input is received.
    pub(super) reading_ended: bool,
}

/// The writing half of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    Open,
    /// Ended in order.
    Ended,
    /// Nothing can be written any more.
    Failed,
}

impl Flow {
    /// `opening` `None`: the opening handshake is done.
    pub(super) fn new(connection: Connection, opening: Option<Opening>, output: Output) -> Self {
        Self {
            connection,
            opening: opening.map(Box::new),
            output,
            deadlines: Deadlines::default(),
            writing: Writing::Open,
            reading_ended: false,
        }
    }

    /// The connection learns of the peer's end: all that was read before has been received.
    pub(super) fn receive_eof(&mut self) {
        // An error shows in the connection's state.
        let _ = self.connection.receive_eof(&mut self.output.bytes);
    }

    /// Takes note that the peer has ended its writing half: as a read of no bytes.
    pub const fn eof(&mut self) {
        self.reading_ended = true;
    }

    /// After each call that may have ended the opening handshake without a connection.
    pub(super) fn note_opening_ended(&mut self) {
        let Some(Ended { must_answer }) = self.opening.as_ref().and_then(|opening| opening.ended())
        else {
            return;
        };
        self.connection.abort();
        if !must_answer {
            self.give_up();
        }
    }
}

/// The end of the transport.
impl Flow {
    /// Takes note that a write has failed. What the peer has sent before is handed out first, its
    /// Close frame above all: [`deadline`](Self::deadline) has passed when there is nothing to read.
    pub fn write_failed(&mut self) {
        self.writing = Writing::Failed;
        self.output.clear();
    }

    /// Takes note that the transport has failed: the next step is
    /// [`Step::Done`](crate::driver::Step::Done), and input that was read and not received is dropped.
    ///
    /// A loop that learns of a failure while it reads nothing, as with completions, may have such input:
    /// [`eof`](Self::eof) and [`write_failed`](Self::write_failed) together hand it out first.
    pub fn failed(&mut self) {
        if let Some(opening) = &mut self.opening {
            opening.lose();
            self.note_opening_ended();
        } else {
            self.receive_eof();
        }
        self.give_up();
    }

    /// Gives the connection up at once, without a Close frame: drop the transport.
    pub fn abort(&mut self) {
        if let Some(opening) = &mut self.opening {
            opening.lose();
        }
        self.connection.abort();
        self.give_up();
    }

    /// Nothing more is read or written.
    pub(super) fn give_up(&mut self) {
        self.reading_ended = true;
        self.write_failed();
    }
}

/// State.
impl Flow {
    /// Returns the connection. Before the opening handshake is done nothing is sent or received on it.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Starts to count messages and bytes; see [`Connection::stats`].
    pub fn enable_stats(&mut self) {
        self.connection.enable_stats();
    }

    /// Returns true while messages can be sent.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.opening.is_none() && self.connection.is_open()
    }

    /// Returns true when the connection is closed or has failed, or the opening handshake has opened
    /// none: what is left is the end of the transport.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.connection.is_closed()
    }

    /// Returns true if nothing can be written any more.
    #[must_use]
    pub fn is_unwritable(&self) -> bool {
        self.writing == Writing::Failed
    }

    /// Returns the error that has failed the connection.
    #[must_use]
    pub const fn error(&self) -> Option<ProtocolError> {
        if self.opening.is_some() { None } else { self.connection.error() }
    }

    /// Returns which end began to close, with which code and reason; `None` while the connection is
    /// open, and if the opening handshake has opened none.
    #[must_use]
    pub fn close_status(&self) -> Option<CloseStatus> {
        if self.opening.is_some() { None } else { self.connection.close_status() }
    }

    pub(super) fn settings(&self) -> &Settings {
        self.connection.config().settings()
    }

    pub(super) fn into_connection(self) -> (Connection, BytesMut) {
        let Self { mut connection, mut output, .. } = self;
        if !connection.is_closed() {
            let late_pong = output.send_late_pong(usize::MAX);
            connection.appended(late_pong);
        }
        (connection, output.bytes)
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow")
            .field("connection", &self.connection)
            .field("opening", &self.opening)
            .field("unsent", &self.output.unsent())
            .field("writing", &self.writing)
            .field("reading_ended", &self.reading_ended)
            .field("deadlines", &self.deadlines)
            .finish()
    }
}
