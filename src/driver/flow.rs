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

/// The half of a [`Driver`](crate::driver::Driver) that can be used while an event is held: the
/// connection, its output and its deadlines.
///
/// Its `send_*` methods append **unsolicited** output. [`reply`](Self::reply) appends replies to an
/// event. Neither writes to the transport: [`step`](Self::step) returns when to write.
///
/// ```text
///  opening ──► open ──► over ─────────────────────────────────────────────────────────────► Done
///     │                  ▲   Write (all output) ─► EndWriting ─► Drain (until the peer's EOF)
///     └── not opened ────┘   client, closed in order: Write ─► Drain ─► EndWriting
/// ```
///
/// ```
/// # use sansocket::connection::Negotiated;
/// # use sansocket::driver::Driver;
/// # use sansocket::{CloseCode, Config, Connection, Instant, Role};
/// # let now = Instant::from_micros(0);
/// # let config = Config::server().build()?;
/// # let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
/// let mut driver = Driver::new(connection, now);
/// driver.flow.send_text("news")?; // unsolicited output
/// driver.flow.close(CloseCode::GOING_AWAY, "", now)?;
/// assert_eq!(driver.flow.output(), b"\x81\x04news\x88\x02\x03\xe9");
///
/// // The transport has taken the first five bytes.
/// driver.flow.write_done(5, now);
/// assert_eq!((driver.flow.written(), driver.flow.unsent()), (5, 5));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct Flow {
    /// Until the opening handshake is complete, a placeholder that sends and receives no messages.
    pub(super) connection: Connection,
    /// `None` once the connection is open. Boxed, so that its memory is freed then.
    pub(super) opening: Option<Box<Opening>>,
    pub(super) output: Output,
    pub(super) deadlines: Deadlines,
    pub(super) writing: Writing,
    /// The peer has shut down its write half, or the transport was given up. The connection is
    /// notified after it has processed the unread input.
    pub(super) reading_ended: bool,
}

/// The state of the transport's write half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    Open,
    /// Shut down after all output was written.
    Ended,
    /// A write has failed, or the transport was given up: no more output can be written.
    Failed,
}

impl Flow {
    /// Creates a flow. Without `opening` the connection is open.
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

    /// Passes the peer's EOF to the connection, after all unread input was processed.
    pub(super) fn receive_eof(&mut self) {
        // The state of the connection holds the error, if any.
        let _ = self.connection.receive_eof(&mut self.output.bytes);
    }

    /// Reports that the peer has shut down its write half, like a read of 0 bytes.
    pub const fn eof(&mut self) {
        self.reading_ended = true;
    }

    /// Ends the connection if the opening handshake has failed. To be called after each step of the
    /// handshake that can fail.
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
    /// Reports that a write has failed, and drops the output.
    ///
    /// Input that the peer sent before is handed out first, in particular its Close frame. When no
    /// input is left, [`deadline`](Self::deadline) returns `now`.
    pub fn write_failed(&mut self) {
        self.writing = Writing::Failed;
        self.output.clear();
    }

    /// Reports that the transport has failed. The next step is
    /// [`Step::Done`](crate::driver::Step::Done), and unread input is dropped.
    ///
    /// A completion-based loop may detect a failure while input is still unread. To have that input
    /// handed out first, call [`eof`](Self::eof) and [`write_failed`](Self::write_failed) instead.
    pub fn failed(&mut self) {
        if let Some(opening) = &mut self.opening {
            opening.lose();
            self.note_opening_ended();
        } else {
            self.receive_eof();
        }
        self.give_up();
    }

    /// Aborts the connection without a Close frame. Drop the transport afterwards.
    pub fn abort(&mut self) {
        if let Some(opening) = &mut self.opening {
            opening.lose();
        }
        self.connection.abort();
        self.give_up();
    }

    /// Ends both directions of the transport and drops the output.
    pub(super) fn give_up(&mut self) {
        self.reading_ended = true;
        self.write_failed();
    }
}

/// State.
impl Flow {
    /// Returns the connection. It sends and receives no messages until the opening handshake is
    /// complete.
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

    /// Returns true if the connection is closed or has failed, or if the opening handshake has
    /// failed. The remaining steps end the transport.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.connection.is_closed()
    }

    /// Returns true if no more output can be written.
    #[must_use]
    pub fn is_unwritable(&self) -> bool {
        self.writing == Writing::Failed
    }

    /// Returns the error that the connection has failed with.
    #[must_use]
    pub const fn error(&self) -> Option<ProtocolError> {
        if self.opening.is_some() { None } else { self.connection.error() }
    }

    /// Returns which end started the closing handshake, with its code and reason. `None` while the
    /// connection is open, and if the opening handshake has failed.
    #[must_use]
    pub fn close_status(&self) -> Option<CloseStatus> {
        if self.opening.is_some() { None } else { self.connection.close_status() }
    }

    pub(super) fn settings(&self) -> &Settings {
        self.connection.config().settings()
    }

    /// Returns the connection and its unsent output, with the deferred pong if there is one.
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
