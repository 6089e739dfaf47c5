use core::mem;

use bytes::{Buf, BytesMut};

/// Bytes to be written, with two questions answered: how many of them are replies, and which of
/// them have left.
#[derive(Default)]
pub(super) struct Output {
    pub(super) bytes: BytesMut,
    /// Bytes taken by [`take`](Self::take) and not written yet.
    in_flight: usize,
    /// The length of `bytes` that is accounted for: what is behind it are replies.
    known: usize,
    /// Bytes of replies among the unsent ones, at most.
    replies: usize,
    /// Unsent bytes behind the last reply.
    behind_replies: usize,
    written: u64,
    flushed: u64,
    /// Bytes that were dropped. Positions count them, so that none behind them is ever reached.
    lost: u64,
    /// Whether writes and flushes are different things.
    tracks_flushes: bool,
    /// The position behind our Close frame.
    close_end: Option<u64>,
}

impl Output {
    /// Bytes that are not written yet.
    pub(super) fn unsent(&self) -> usize {
        self.in_flight + self.bytes.len()
    }

    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The position behind the last byte of the output, counted from its beginning.
    pub(super) fn end(&self) -> u64 {
        self.written.saturating_add(self.lost).saturating_add(to_u64(self.unsent()))
    }

    /// The position up to which the output has been written.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// The position up to which the output has been written and flushed.
    pub(super) const fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Whether the transport may hold bytes that a flush would write.
    pub(super) const fn needs_flush(&self) -> bool {
        self.flushed < self.written
    }

    /// Whether fewer than `mark` bytes of replies are unsent. It may say no too early: where replies
    /// and unsolicited output alternate it counts all replies until the last one has left.
    #[inline]
    pub(super) fn replies_below(&mut self, mark: usize) -> bool {
        if self.unsent() < mark {
            return true;
        }
        self.account();
        self.replies < mark
    }

    /// Our Close frame lies at the end.
    pub(super) fn note_close(&mut self) {
        let end = self.end();
        self.close_end.get_or_insert(end);
    }

    /// How many unsent bytes lie behind our Close frame.
    pub(super) fn behind_close(&self) -> usize {
        let behind = self.end().saturating_sub(self.close_end.unwrap_or_default());
        usize::try_from(behind).unwrap_or(usize::MAX).min(self.unsent())
    }

    /// What was appended since the last call is replies.
    fn account(&mut self) {
        // A closure of the caller's may have made it shorter.
        let new = self.bytes.len().saturating_sub(self.known);
        if new > 0 {
            self.replies += new;
            self.behind_replies = 0;
        }
        self.known = self.bytes.len();
    }

    /// Appends unsolicited output.
    pub(super) fn unsolicited<T>(&mut self, append: impl FnOnce(&mut BytesMut) -> T) -> T {
        self.account();
        let result = append(&mut self.bytes);
        self.behind_replies += self.bytes.len().saturating_sub(self.known);
        self.known = self.bytes.len();
        result
    }

    /// Appends a reply to an empty buffer, so that its length limits nothing, and puts it behind the
    /// output.
    pub(super) fn apart<T>(&mut self, append: impl FnOnce(&mut BytesMut) -> T) -> T {
        let before = self.bytes.split();
        let result = append(&mut self.bytes);
        let reply = mem::replace(&mut self.bytes, before);
        self.bytes.unsplit(reply);
        result
    }

    /// `n` bytes were written: those in flight first.
    pub(super) fn wrote(&mut self, n: usize) {
        self.account();
        let n = n.min(self.unsent());
        let from_flight = n.min(self.in_flight);
        self.in_flight -= from_flight;
        self.bytes.advance(n - from_flight);
        self.known = self.bytes.len();
        self.written = self.written.saturating_add(to_u64(n));
        if !self.tracks_flushes {
            self.flushed = self.written;
        }
        let unsent = self.unsent();
        self.behind_replies = self.behind_replies.min(unsent);
        self.replies = self.replies.min(unsent - self.behind_replies);
    }

    /// From now on what was written has left only when it was flushed. The transport may hold bytes
    /// already: they get a position of their own.
    pub(super) const fn track_flushes(&mut self) {
        self.tracks_flushes = true;
        self.written = self.written.saturating_add(1);
    }

    /// All that was written has been flushed.
    pub(super) const fn flush_done(&mut self) {
        self.flushed = self.written;
    }

    /// Takes all bytes. They count as unsent until they are written or put back.
    pub(super) fn take(&mut self) -> BytesMut {
        self.account();
        self.in_flight += self.bytes.len();
        self.known = 0;
        self.bytes.split()
    }

    /// Puts back the rest of the bytes that were taken.
    pub(super) fn put_back(&mut self, rest: BytesMut) {
        self.account();
        self.in_flight -= rest.len().min(self.in_flight);
        let newer = mem::replace(&mut self.bytes, rest);
        self.bytes.unsplit(newer);
        self.known = self.bytes.len();
    }

    /// Drops all bytes: they can't be written. Those in flight are given up too.
    pub(super) fn clear(&mut self) {
        self.lost = self.lost.saturating_add(to_u64(self.unsent()));
        self.bytes = BytesMut::new();
        (self.in_flight, self.known, self.replies, self.behind_replies) = (0, 0, 0, 0);
    }

    /// Gives the memory back if there are no bytes.
    pub(super) fn release(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(output: &mut Output, len: usize) {
        output.bytes.resize(output.bytes.len() + len, 0);
    }

    fn unsolicited(output: &mut Output, len: usize) {
        output.unsolicited(|bytes| bytes.resize(bytes.len() + len, 0));
    }

    #[test]
    fn unsolicited_output_is_no_reply() {
        let mut output = Output::default();
        unsolicited(&mut output, 1000);
        assert!(output.replies_below(1));
        reply(&mut output, 10);
        assert!(output.replies_below(11));
        assert!(!output.replies_below(10));
        output.wrote(1000);
        assert!(!output.replies_below(10));
        output.wrote(1);
        assert!(output.replies_below(10));
    }

    #[test]
    fn replies_that_have_left_count_no_more_whatever_lies_behind_them() {
        let mut output = Output::default();
        reply(&mut output, 100);
        unsolicited(&mut output, 1000);
        output.wrote(99);
        assert!(!output.replies_below(1));
        output.wrote(1);
        assert!(output.replies_below(1));
        assert_eq!(output.unsent(), 1000);
    }

    #[test]
    fn bytes_in_flight_are_unsent_until_they_are_written() {
        let mut output = Output::default();
        reply(&mut output, 100);
        let mut taken = output.take();
        assert!(output.bytes.is_empty());
        unsolicited(&mut output, 50);
        assert_eq!((output.unsent(), output.end()), (150, 150));
        assert!(!output.replies_below(100));
        taken.advance(40);
        output.wrote(40);
        output.put_back(taken);
        assert_eq!((output.in_flight(), output.bytes.len(), output.unsent()), (0, 110, 110));
        assert!(!output.replies_below(60));
        assert!(output.replies_below(61));
        output.wrote(110);
        assert_eq!((output.unsent(), output.end()), (0, 150));
        assert!(!output.needs_flush());
        output.track_flushes();
        assert!(output.needs_flush());
        reply(&mut output, 10);
        output.wrote(10);
        assert_eq!((output.flushed(), output.end()), (150, 161));
        output.flush_done();
        assert_eq!(output.flushed(), 161);
    }

    #[test]
    fn a_reply_apart_lies_behind_the_output() {
        let mut output = Output::default();
        output.unsolicited(|bytes| bytes.extend_from_slice(b"first"));
        output.apart(|bytes| {
            assert!(bytes.is_empty());
            bytes.extend_from_slice(b"second");
        });
        assert_eq!(output.bytes, b"firstsecond"[..]);
        assert!(!output.replies_below(6));
        assert!(output.replies_below(7));
    }
}
