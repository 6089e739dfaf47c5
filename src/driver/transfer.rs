//! Reads and writes that were done.

use bytes::BytesMut;

use crate::driver::flow::{Flow, Writing};
use crate::driver::intake::Intake;
use crate::instant::Instant;

/// Input and output.
impl Flow {
    /// Takes in `n` bytes that were read at `now` into the [room](Intake::room) lent last; 0: the
    /// peer has ended its writing half.
    pub fn read_done(&mut self, intake: &mut Intake, n: usize, now: Instant) {
        if self.is_over() {
            self.drained(n, now);
            return;
        }
        self.rest(now, true);
        if n == 0 {
            self.receive_eof();
        } else {
            intake.filled(n, now, self);
        }
    }

    /// Takes note that `n` bytes were read at `now` and dropped, as [`Step::Drain`](crate::driver::Step::Drain) asks; 0: the
    /// peer has ended its writing half.
    pub fn drained(&mut self, n: usize, now: Instant) {
        if n == 0 {
            self.receive_eof();
        }
        // A peer that always has something to say must not keep the transport from ending.
        self.end_linger(now);
    }

    /// Returns the output to be written.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output.bytes
    }

    /// Takes all output, for a write that owns its bytes. It counts as unsent until
    /// [`write_done`](Self::write_done) tells of it, or the rest is [put back](Self::put_back).
    #[must_use]
    pub fn take_output(&mut self) -> BytesMut {
        self.output.take()
    }

    /// Puts back the rest of output that was taken and not written.
    pub fn put_back(&mut self, rest: BytesMut) {
        self.output.put_back(rest);
    }

    /// Takes note that `n` bytes of output were written at `now`, first of those that were taken, and
    /// have left. If the transport has a buffer of its own call
    /// [`write_buffered`](Self::write_buffered).
    pub fn write_done(&mut self, n: usize, now: Instant) {
        self.write_buffered(n, now);
        self.output.flush_done();
    }

    /// The same for a transport with a buffer of its own, which may still hold the bytes: before
    /// waiting flush it, if [`needs_flush`](Self::needs_flush), and call
    /// [`flush_done`](Self::flush_done). A flush that takes longer than the `write_timeout` fails the
    /// connection, as a write does.
    pub fn write_buffered(&mut self, n: usize, now: Instant) {
        self.output.wrote(n);
        if n > 0 {
            self.deadlines.stalled_since = None;
        }
        let unsent = self.output.unsent();
        if unsent == 0 {
            self.deadlines.answer = None;
        }
        if self.is_over() {
            self.begin_linger(now).look(now, unsent);
        } else if self.connection.waits_for_writes() {
            let in_flight = self.output.in_flight();
            self.connection.output_written_beside(in_flight, now, &mut self.output.bytes);
        }
    }

    /// Returns true if bytes were [written](Self::write_buffered) that the transport may still hold in
    /// a buffer of its own: flush it before waiting.
    #[must_use]
    pub const fn needs_flush(&self) -> bool {
        self.output.needs_flush()
    }

    /// Takes note that the transport has flushed all that was written.
    pub const fn flush_done(&mut self) {
        self.output.flush_done();
        self.deadlines.stalled_since = None;
    }

    /// Takes note that the writing half of the transport was ended, as [`Step::EndWriting`](crate::driver::Step::EndWriting)
    /// asks.
    pub fn writing_ended(&mut self) {
        if self.writing == Writing::Open {
            self.writing = Writing::Ended;
        }
    }
}
