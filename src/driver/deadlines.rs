use crate::connection::queued::{MIN_PROGRESS, Queued};
use crate::instant::Instant;

/// The driver's own deadlines, beside those of the connection and of the opening handshake.
///
/// | deadline | runs from | moved by |
/// |---|---|---|
/// | answer: `handshake_timeout` | the beginning of the opening handshake | nothing |
/// | stall: `write_timeout`, or a shorter keep-alive timeout | the first wait with output that has not left | any write that has waited, any flush |
/// | linger: `linger_timeout` | the end of the connection | at least 16 KiB of output, or the rest |
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    pub(super) answer: Option<Answer>,
    /// Since when no output has moved, as of the last wait.
    pub(super) stalled_since: Option<Instant>,
    /// Output waits for a write, not only for a flush: the next write is progress.
    pub(super) write_waits: bool,
    pub(super) linger: Option<Linger>,
    /// Since when nothing is read, by this end's choice; only with a message timeout.
    pub(super) resting_since: Option<Instant>,
}

/// The answer that has opened the connection, on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// Until when it must have been written; `None`: the time overflows.
    pub(super) deadline: Option<Instant>,
    /// The position behind it in the output.
    pub(super) end: u64,
}

/// The end of a transport.
#[derive(Debug)]
pub(super) struct Linger {
    pub(super) since: Instant,
    output: Queued,
}

impl Linger {
    /// The connection is over, with `unsent` bytes of output left.
    pub(super) fn new(now: Instant, unsent: usize) -> Self {
        Self { since: now, output: Queued::new(unsent) }
    }

    /// `unsent` bytes are left at `now`.
    pub(super) fn look(&mut self, now: Instant, unsent: usize) {
        if self.output.progress(unsent, MIN_PROGRESS) {
            self.since = now;
        }
    }
}

/// The earlier of two deadlines, either of which may be absent.
pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
