use crate::instant::Instant;

/// A frame of ours in the output, and how near it has come to leaving it.
///
/// The core doesn't see writes: the length of the output tells, once the bytes appended behind the
/// frame are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    /// Bytes up to the frame's end when progress was last seen.
    ahead: usize,
    /// Bytes appended behind it.
    behind: usize,
}

/// A [`Queued`] in 8 bytes, for the ping of keep-alive. Of more than 4 GiB of output it sees no
/// progress until the rest is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CompactQueued {
    ahead: u32,
    behind: u32,
}

impl From<Queued> for CompactQueued {
    fn from(frame: Queued) -> Self {
        let compact = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { ahead: compact(frame.ahead), behind: compact(frame.behind) }
    }
}

impl From<CompactQueued> for Queued {
    fn from(frame: CompactQueued) -> Self {
        let wide = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Self { ahead: wide(frame.ahead), behind: wide(frame.behind) }
    }
}

impl Queued {
    /// The frame was just appended; `unsent` bytes are not written yet, the frame included.
    pub(crate) const fn new(unsent: usize) -> Self {
        Self { ahead: unsent, behind: 0 }
    }

    /// `n` bytes were appended behind the frame.
    pub(super) const fn appended(&mut self, n: usize) {
        self.behind = self.behind.saturating_add(n);
    }

    /// `n` of the bytes appended behind the frame were taken out of the output again.
    pub(super) const fn taken_out(&mut self, n: usize) {
        self.behind = self.behind.saturating_sub(n);
    }

    /// Compares with the output's length of now; `least` is the progress that counts, in bytes, if
    /// the frame has not left. True: there was that much progress since the last time it was true.
    pub(crate) fn progress(&mut self, unsent: usize, least: usize) -> bool {
        let still = unsent.saturating_sub(self.behind).min(self.ahead);
        let moved = self.ahead - still;
        if moved == 0 || (moved < least && still > 0) {
            return false;
        }
        self.ahead = still;
        true
    }

    /// Whether the frame has left, as of the last [`progress`](Self::progress).
    pub(super) const fn has_left(self) -> bool {
        self.ahead == 0
    }
}

/// The wait for the peer's Close frame, since ours was appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct CloseWait {
    /// From when the close timeout runs: when the output last made progress.
    since: Instant,
    close: Queued,
    /// Whether received data moves the deadline too.
    expects_data: bool,
}

/// Less progress than this in a close timeout doesn't count: a trickle can't hold us.
pub(crate) const MIN_PROGRESS: usize = 16 * 1024;

impl CloseWait {
    /// Our Close frame was just appended; `unsent` bytes are not written yet.
    pub(super) const fn new(now: Instant, unsent: usize) -> Self {
        Self { since: now, close: Queued::new(unsent), expects_data: true }
    }

    pub(super) const fn appended(&mut self, n: usize) {
        self.close.appended(n);
    }

    pub(super) const fn taken_out(&mut self, n: usize) {
        self.close.taken_out(n);
    }

    /// Bytes received from now on no longer move the deadline; `heard` is when the last ones were.
    pub(super) fn discard_data(&mut self, heard: Instant) {
        self.since = self.since(heard);
        self.expects_data = false;
    }

    /// The timeout runs anew from `now` on.
    pub(super) fn restart(&mut self, now: Instant) {
        self.since = self.since.max(now);
    }

    /// The output is `unsent` bytes long at `now`.
    pub(super) fn look(&mut self, now: Instant, unsent: usize) {
        if self.close.progress(unsent, MIN_PROGRESS) {
            self.since = now;
        }
    }

    /// From when the timeout runs; `heard` is when bytes were last received.
    pub(super) fn since(&self, heard: Instant) -> Instant {
        if self.expects_data { self.since.max(heard) } else { self.since }
    }

    /// Whether our Close frame has been written.
    pub(super) const fn has_left(&self) -> bool {
        self.close.has_left()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_seen_through_what_lies_behind() {
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
    fn progress_is_seen_in_more_than_4_gib_of_output() {
        let len = 6 << 30;
        let mut frame = Queued::new(len);
        frame.appended(len);
        assert!(!frame.progress(2 * len, 1));
        assert!(frame.progress(2 * len - 1, 1));
        assert!(!frame.progress(len + 1, len));
        assert!(!frame.has_left());
        assert!(frame.progress(len, len));
        assert!(frame.has_left());
        // In 8 bytes it sees the end of it, and never more than there was.
        let mut frame = Queued::from(CompactQueued::from(Queued::new(len)));
        assert!(!frame.progress(len - 1, 1));
        assert!(frame.progress(1000, 1));
        assert!(!frame.has_left());
        assert!(frame.progress(0, 1));
        assert!(frame.has_left());
    }

    #[test]
    fn a_trickle_is_no_progress_but_the_rest_is() {
        let mut frame = Queued::new(100);
        assert!(!frame.progress(60, 50));
        assert!(frame.progress(50, 50));
        assert!(!frame.progress(1, 50));
        assert!(frame.progress(0, 50));
    }
}
