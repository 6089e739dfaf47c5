use core::mem;

use bytes::{Buf, BytesMut};

/// The output: bytes to be written, counters of their origins, and positions.
///
/// ```text
///  position 0     flushed         written                                   end
///           ├─────────┼───────────────┼──────────────┼──────────┬────────────┤
///             sent      in a buffer     in flight:     counted  │ tail, not
///                       of the          taken by       (known)  │ counted yet
///                       transport       `take`         ╰───── `bytes` ───────╯
///                                     ╰─────────────── unsent ───────────────╯
/// ```
///
/// * A position is the number of output bytes before it since the start. `written` and `flushed`
///   only grow. Dropped bytes are added to `lost` and so to `end`: positions after them are never
///   reached.
/// * Three origins share `bytes`: replies, unsolicited output and pongs. The tail has a single
///   origin, given by `unsolicited_tail`. It is counted when an append of another origin, or a
///   query, needs it, so that a sequence of sends does not pay for the counting.
/// * A [`Share`] is an upper bound, and exact while the bytes of its origin are contiguous. It is 0
///   when the last byte of the origin has left.
#[derive(Default)]
pub(super) struct Output {
    pub(super) bytes: BytesMut,
    /// Bytes taken by [`take`](Self::take) and not written yet.
    in_flight: usize,
    /// How many bytes of `bytes` are counted.
    known: usize,
    /// The bytes after `known` are unsolicited output; otherwise they are replies.
    unsolicited_tail: bool,
    /// Fast path: while `bytes` is shorter, unsolicited output may be appended without further
    /// checks.
    fed_below: usize,
    replies: Share,
    pongs: Share,
    /// The newest pong, deferred while the unsent pongs have reached their limit. RFC 6455 section
    /// 5.5.3 permits an answer to the most recent ping only.
    late_pong: BytesMut,
    written: u64,
    flushed: u64,
    /// Bytes that were dropped. Positions include them, so that no position after them is reached.
    lost: u64,
    /// The transport has a buffer of its own, so a written byte has left only after a flush.
    tracks_flushes: bool,
}

/// A bound on the unsent bytes of one origin.
#[derive(Default)]
struct Share {
    /// An upper bound: where the origin alternates with other output, all its bytes count until the
    /// last one has left.
    bytes: usize,
    /// The unsent bytes after the last byte of this origin.
    behind: usize,
}

impl Share {
    const fn add(&mut self, n: usize) {
        if n > 0 {
            self.bytes += n;
            self.behind = 0;
        }
    }

    /// Lowers the bound after a write that left `unsent` bytes: those before the last `behind`
    /// bytes are the most that can belong to this origin.
    fn fit(&mut self, unsent: usize) {
        self.behind = self.behind.min(unsent);
        self.bytes = self.bytes.min(unsent - self.behind);
    }
}

impl Output {
    /// Returns how many bytes are not written yet.
    #[inline]
    pub(super) fn unsent(&self) -> usize {
        self.in_flight + self.bytes.len()
    }

    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns the position of the end of the output.
    pub(super) fn end(&self) -> u64 {
        self.written.saturating_add(self.lost).saturating_add(to_u64(self.unsent()))
    }

    /// Returns the position up to which the output has been written.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Returns the position up to which the output has been written and flushed.
    pub(super) const fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Returns true if the transport may hold bytes that a flush would write.
    pub(super) const fn needs_flush(&self) -> bool {
        self.flushed < self.written
    }

    /// Returns true if fewer than `mark` bytes of replies are unsent. The count is an upper bound,
    /// so the result may be false too early, but not once the last reply has left.
    #[inline]
    pub(super) fn replies_below(&mut self, mark: usize) -> bool {
        if self.unsent() < mark {
            return true;
        }
        self.account();
        self.replies.bytes < mark
    }

    /// Counts the tail. The next tail consists of replies.
    fn account(&mut self) {
        self.account_up_to(self.bytes.len());
    }

    fn account_up_to(&mut self, len: usize) {
        // A closure of the caller may have shortened it.
        let new = len.saturating_sub(self.known);
        if self.unsolicited_tail {
            self.replies.behind += new;
        } else {
            self.replies.add(new);
        }
        (self.unsolicited_tail, self.fed_below) = (false, 0);
        self.pongs.behind += new;
        self.known = len;
    }

    /// Counts the tail as pongs.
    fn account_pong(&mut self) {
        let new = self.bytes.len().saturating_sub(self.known);
        self.pongs.add(new);
        self.replies.behind += new;
        self.known = self.bytes.len();
    }

    /// Counts a pong that was appended to the first `before` bytes. Pongs are not replies: both
    /// ends answer pings, and must not stop reading because of that. Once `mark` bytes of pongs are
    /// unsent, the pong is removed from the output and deferred, and replaces an older deferred
    /// one. Returns how many bytes were removed.
    pub(super) fn pong(&mut self, before: usize, mark: usize) -> usize {
        let before = before.min(self.bytes.len());
        self.account_up_to(before);
        self.late_pong.clear();
        if self.pongs.bytes < mark {
            self.account_pong();
            return 0;
        }
        // A copy: a `split_off` would share the allocation, and the next append would have to move
        // all of `bytes` into a new one.
        self.late_pong.extend_from_slice(self.bytes.get(before..).unwrap_or_default());
        self.bytes.truncate(before);
        self.late_pong.len()
    }

    /// Returns true if there is a deferred pong.
    pub(super) fn has_late_pong(&self) -> bool {
        !self.late_pong.is_empty()
    }

    /// Drops the deferred pong.
    pub(super) fn drop_late_pong(&mut self) {
        self.late_pong.clear();
    }

    /// Appends the deferred pong, if there is one and fewer than `mark` bytes of pongs are unsent.
    /// Returns its length.
    pub(super) fn send_late_pong(&mut self, mark: usize) -> usize {
        if self.late_pong.is_empty() || self.pongs.bytes >= mark {
            return 0;
        }
        self.account();
        let late_pong = mem::take(&mut self.late_pong);
        self.bytes.extend_from_slice(&late_pong);
        self.account_pong();
        late_pong.len()
    }

    /// Appends unsolicited output, which [`account`](Self::account) counts later.
    #[inline]
    pub(super) fn unsolicited<T>(&mut self, append: impl FnOnce(&mut BytesMut) -> T) -> T {
        if !self.unsolicited_tail {
            self.account();
            self.unsolicited_tail = true;
        }
        append(&mut self.bytes)
    }

    /// Returns true if unsolicited output may be appended without further checks: the tail is
    /// unsolicited, and the space that [`begin_feed`](Self::begin_feed) found is not used up.
    #[inline]
    pub(super) fn may_feed(&self) -> bool {
        self.bytes.len() < self.fed_below
    }

    /// Starts a tail of unsolicited output. Its appends need no further check while fewer than
    /// `max` bytes are unsent. That holds until bytes of another origin are appended, bytes are
    /// taken, or some but not all bytes are written.
    pub(super) fn begin_feed(&mut self, max: usize) {
        self.account();
        self.unsolicited_tail = true;
        self.fed_below = max.saturating_sub(self.in_flight);
    }

    /// Appends a reply.
    #[inline]
    pub(super) fn reply<T>(&mut self, append: impl FnOnce(&mut BytesMut) -> T) -> T {
        if self.unsolicited_tail {
            self.account();
        }
        append(&mut self.bytes)
    }

    /// Appends a reply through an empty buffer, so that the length of the output does not count
    /// against limits that `append` checks.
    pub(super) fn apart<T>(&mut self, append: impl FnOnce(&mut BytesMut) -> T) -> T {
        self.account();
        let before = self.bytes.split();
        let result = append(&mut self.bytes);
        let reply = mem::replace(&mut self.bytes, before);
        self.bytes.unsplit(reply);
        result
    }

    /// Records that `n` bytes were written, those in flight first.
    pub(super) fn wrote(&mut self, n: usize) {
        let unsent = self.unsent();
        let n = n.min(unsent);
        if n == unsent {
            // The usual case. `fed_below` remains valid, because the output only becomes shorter.
            self.bytes.clear();
            (self.in_flight, self.known) = (0, 0);
            (self.replies, self.pongs) = (Share::default(), Share::default());
        } else {
            self.wrote_some(n);
        }
        self.written = self.written.saturating_add(to_u64(n));
        if !self.tracks_flushes {
            self.flushed = self.written;
        }
    }

    fn wrote_some(&mut self, n: usize) {
        self.account();
        let from_flight = n.min(self.in_flight);
        self.in_flight -= from_flight;
        self.bytes.advance(n - from_flight);
        self.known = self.bytes.len();
        let unsent = self.unsent();
        self.replies.fit(unsent);
        self.pongs.fit(unsent);
    }

    /// Makes written bytes count as sent only when they are flushed. The transport may already hold
    /// bytes, so one position is reserved for them, which makes the first flush necessary.
    pub(super) const fn track_flushes(&mut self) {
        self.tracks_flushes = true;
        self.written = self.written.saturating_add(1);
    }

    /// Records that all written bytes have been flushed.
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

    /// Drops all bytes, including those in flight, because they can't be written.
    pub(super) fn clear(&mut self) {
        self.lost = self.lost.saturating_add(to_u64(self.unsent()));
        (self.bytes, self.late_pong) = (BytesMut::new(), BytesMut::new());
        (self.in_flight, self.known) = (0, 0);
        (self.unsolicited_tail, self.fed_below) = (false, 0);
        (self.replies, self.pongs) = (Share::default(), Share::default());
    }

    /// Frees the memory if there are no bytes.
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
        output.reply(|bytes| bytes.resize(bytes.len() + len, 0));
    }

    fn unsolicited(output: &mut Output, len: usize) {
        output.unsolicited(|bytes| bytes.resize(bytes.len() + len, 0));
    }

    #[test]
    fn unsolicited_output_is_not_counted_as_replies() {
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
    fn written_replies_are_not_counted_even_if_other_output_follows() {
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
    fn pongs_are_not_replies_and_above_their_limit_the_newest_is_deferred() {
        let pong = |output: &mut Output, byte: u8| {
            let before = output.bytes.len();
            output.bytes.resize(before + 10, byte);
            output.pong(before, 25);
        };
        let mut output = Output::default();
        reply(&mut output, 7);
        for byte in 1..=5 {
            pong(&mut output, byte);
        }
        assert_eq!(output.bytes.len(), 7 + 30);
        assert!(output.replies_below(8));
        reply(&mut output, 1);
        assert!(!output.replies_below(8));
        output.send_late_pong(25);
        output.wrote(12);
        // The bound is not exact here: at least ten of the thirty bytes count as pongs.
        output.send_late_pong(25);
        assert_eq!(output.bytes.len(), 26);
        output.wrote(2);
        output.send_late_pong(25);
        assert_eq!(output.bytes.len(), 34);
        assert_eq!(output.bytes[24..], [5; 10]);
        output.send_late_pong(25);
        assert_eq!(output.bytes.len(), 34);
    }

    #[test]
    fn fast_path_for_unsolicited_output_ends_with_other_output_and_with_take() {
        let mut output = Output::default();
        assert!(!output.may_feed());
        output.begin_feed(100);
        for _ in 0..2 {
            assert!(output.may_feed());
            output.bytes.resize(output.bytes.len() + 50, 0);
        }
        assert!(!output.may_feed());
        assert!(output.replies_below(1));
        output.wrote(90);
        output.begin_feed(100);
        reply(&mut output, 5);
        assert!(!output.may_feed());
        assert!(!output.replies_below(5));
        output.begin_feed(100);
        assert!(output.may_feed());
        // Bytes in flight are unsent too.
        let taken = output.take();
        assert_eq!(taken.len(), 15);
        assert!(!output.may_feed());
        output.begin_feed(16);
        output.bytes.resize(1, 0);
        assert!(!output.may_feed());
    }

    #[test]
    fn fast_path_for_unsolicited_output_remains_after_a_complete_write() {
        let mut output = Output::default();
        reply(&mut output, 20);
        output.begin_feed(100);
        output.bytes.resize(60, 0);
        output.wrote(60);
        assert!(output.may_feed());
        output.bytes.resize(30, 0);
        assert!(output.replies_below(1));
        // A reply ends the fast path, and only the reply is counted.
        reply(&mut output, 5);
        assert!(!output.may_feed());
        assert!(output.replies_below(6));
        assert!(!output.replies_below(5));
        // Bytes in flight are written with the others.
        let taken = output.take();
        output.begin_feed(100);
        output.bytes.resize(70, 0);
        assert!(!output.may_feed());
        output.wrote(taken.len() + 70);
        assert_eq!((output.in_flight(), output.unsent(), output.end()), (0, 0, 165));
        assert!(output.replies_below(1));
    }

    #[test]
    fn a_reply_through_an_empty_buffer_follows_the_output() {
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
