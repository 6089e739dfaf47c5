use crate::instant::Instant;

/// The progress of one of our frames through the output.
///
/// ```text
///  out:  ├── output before the frame ──┤ frame ├── appended after it ──┤
///        ├───────────── ahead ─────────────────┼──────── after ────────┤
/// ```
///
/// A connection doesn't see writes, but it sees the length of the output. Since the bytes after the
/// frame are counted, the rest of the length shows how many bytes up to the end of the frame are
/// still unwritten. The frame has left when that number is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    /// The number of unwritten bytes up to the end of the frame, when progress was last measured.
    ahead: usize,
    /// The number of bytes appended after the frame.
    after: usize,
}

/// A [`Queued`] in 8 bytes, for the ping of keep-alive. Numbers are limited to 4 GiB: with more
/// output it measures no progress until less than that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CompactQueued {
    ahead: u32,
    after: u32,
}

impl From<Queued> for CompactQueued {
    fn from(frame: Queued) -> Self {
        let compact = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { ahead: compact(frame.ahead), after: compact(frame.after) }
    }
}

impl From<CompactQueued> for Queued {
    fn from(frame: CompactQueued) -> Self {
        let wide = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Self { ahead: wide(frame.ahead), after: wide(frame.after) }
    }
}

impl Queued {
    /// Starts with a frame that was just appended. `unsent` is the number of unwritten bytes,
    /// including the frame.
    pub(crate) const fn new(unsent: usize) -> Self {
        Self { ahead: unsent, after: 0 }
    }

    /// Counts `n` bytes that were appended after the frame.
    pub(super) const fn appended(&mut self, n: usize) {
        self.after = self.after.saturating_add(n);
    }

    /// Uncounts `n` of these bytes, which were removed from the output without being written.
    pub(super) const fn taken_out(&mut self, n: usize) {
        self.after = self.after.saturating_sub(n);
    }

    /// Measures progress. `unsent` is the current number of unwritten bytes. Returns true if at
    /// least `least` bytes have left since the last call that returned true, or if the frame has
    /// left.
    pub(crate) fn progress(&mut self, unsent: usize, least: usize) -> bool {
        let still = unsent.saturating_sub(self.after).min(self.ahead);
        let moved = self.ahead - still;
        if moved == 0 || (moved < least && still > 0) {
            return false;
        }
        self.ahead = still;
        true
    }

    /// Returns true if the frame has left, as of the last [`progress`](Self::progress).
    pub(super) const fn has_left(self) -> bool {
        self.ahead == 0
    }
}

/// The wait for the peer's Close frame after ours was appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct CloseWait {
    /// The start of the close timeout: the time of the last progress of the output.
    since: Instant,
    close: Queued,
    /// Whether received data moves the deadline too.
    expects_data: bool,
}

/// The least progress within a close timeout that extends it, in bytes. A peer that reads more
/// slowly can't keep the connection.
pub(crate) const MIN_PROGRESS: usize = 16 * 1024;

impl CloseWait {
    /// Starts with a Close frame that was just appended. `unsent` is the number of unwritten bytes.
    pub(super) const fn new(now: Instant, unsent: usize) -> Self {
        Self { since: now, close: Queued::new(unsent), expects_data: true }
    }

    pub(super) const fn appended(&mut self, n: usize) {
        self.close.appended(n);
    }

    pub(super) const fn taken_out(&mut self, n: usize) {
        self.close.taken_out(n);
    }

    /// Stops received bytes from moving the deadline. `heard` is the time of the last received
    /// bytes.
    pub(super) fn discard_data(&mut self, heard: Instant) {
        self.since = self.since(heard);
        self.expects_data = false;
    }

    /// Restarts the timeout at `now`.
    pub(super) fn restart(&mut self, now: Instant) {
        self.since = self.since.max(now);
    }

    /// Measures progress at `now`, with `unsent` unwritten bytes.
    pub(super) fn look(&mut self, now: Instant, unsent: usize) {
        if self.close.progress(unsent, MIN_PROGRESS) {
            self.since = now;
        }
    }

    /// Returns the start of the timeout. `heard` is the time of the last received bytes.
    pub(super) fn since(&self, heard: Instant) -> Instant {
        if self.expects_data { self.since.max(heard) } else { self.since }
    }

    /// Returns true if our Close frame has been written.
    pub(super) const fn has_left(&self) -> bool {
        self.close.has_left()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_excludes_bytes_after_the_frame() {
        let mut frame = Queued::new(100);
        assert!(!frame.progress(100, 1));
        frame.appended(50);
        assert!(!frame.progress(150, 1));
        assert!(frame.progress(120, 1));
        assert!(!frame.progress(120, 1));
        assert!(!frame.has_left());
        assert!(frame.progress(50, 1));
        assert!(frame.has_left());
        assert!(!frame.progress(0, 1));
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn progress_is_measured_with_more_than_4_gib_of_output() {
        let len = 6 << 30;
        let mut frame = Queued::new(len);
        frame.appended(len);
        assert!(!frame.progress(2 * len, 1));
        assert!(frame.progress(2 * len - 1, 1));
        assert!(!frame.progress(len + 1, len));
        assert!(!frame.has_left());
        assert!(frame.progress(len, len));
        assert!(frame.has_left());
        // The compact form measures the last 4 GiB, and never more progress than there was.
        let mut frame = Queued::from(CompactQueued::from(Queued::new(len)));
        assert!(!frame.progress(len - 1, 1));
        assert!(frame.progress(1000, 1));
        assert!(!frame.has_left());
        assert!(frame.progress(0, 1));
        assert!(frame.has_left());
    }

    #[test]
    fn slow_progress_does_not_count_until_the_frame_has_left() {
        let mut frame = Queued::new(100);
        assert!(!frame.progress(60, 50));
        assert!(frame.progress(50, 50));
        assert!(!frame.progress(1, 50));
        assert!(frame.progress(0, 50));
    }
}
