use crate::connection::queued::{MIN_PROGRESS, Queued};
use crate::instant::Instant;

/// The deadlines that belong to the driver itself. The connection and the opening handshake have
/// their own.
///
/// | deadline | timeout | runs from | restarted by |
/// |---|---|---|---|
/// | answer | `handshake_timeout` | the start of the opening handshake | never |
/// | stall | `write_timeout` | the first wait with output | a write that had to wait, a flush |
/// | linger | `linger_timeout` | the end of the connection | 16 KiB of output, or its rest |
///
/// A keep-alive timeout shorter than `write_timeout` replaces it. Output includes bytes that are
/// written and not flushed.
///
/// "Restarted" means that progress gives the peer the full timeout again. The linger deadline needs
/// 16 KiB per timeout, so that a peer that takes single bytes can't hold the transport open.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    pub(super) answer: Option<Answer>,
    /// The start of the current stall, as recorded by the last wait. `None` while output moves.
    pub(super) stalled_since: Option<Instant>,
    /// The stall began with unsent output, not only with unflushed output: the next write is
    /// progress.
    pub(super) write_waits: bool,
    pub(super) linger: Option<Linger>,
    /// The time since which this end has deferred reading. Only with a message timeout, which does
    /// not run meanwhile.
    pub(super) resting_since: Option<Instant>,
}

/// The response that has opened the connection, until it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// The deadline for writing it; `None` if the time overflows.
    pub(super) deadline: Option<Instant>,
    /// The position of its end in the output.
    pub(super) end: u64,
}

/// The linger phase: the connection has ended, the transport has not.
#[derive(Debug)]
pub(super) struct Linger {
    pub(super) since: Instant,
    output: Queued,
}

impl Linger {
    /// Starts the phase with `unsent` bytes of output.
    pub(super) fn new(now: Instant, unsent: usize) -> Self {
        Self { since: now, output: Queued::new(unsent) }
    }

    /// Restarts the timeout if enough output has left since the last progress.
    pub(super) fn look(&mut self, now: Instant, unsent: usize) {
        if self.output.progress(unsent, MIN_PROGRESS) {
            self.since = now;
        }
    }
}
