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
        self.reads(now);
        if n == 0 {
            self.eof();
        } else {
            intake.filled(n, now, self);
        }
    }

    /// Takes note that `n` bytes were read at `now` and dropped, as [`Step::Drain`](crate::driver::Step::Drain) asks; 0: the
    /// peer has ended its writing half.
    pub fn drained(&mut self, n: usize, now: Instant) {
        if n == 0 {
            self.eof();
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
        // Output that can't be written was dropped, and what was in flight with it.
        if !self.is_unwritable() {
            self.output.put_back(rest);
        }
    }

    /// Takes note that `n` bytes of output were written at `now`: first of those that were taken.
    ///
    /// A write of output that gives 0 bytes without a word of waiting won't do better the next time:
    /// that is a failed one ([`write_failed`](Self::write_failed)).
    pub fn write_done(&mut self, n: usize, now: Instant) {
        self.write_done_with(n, || now);
    }

    /// As [`write_done`](Self::write_done), with a clock in place of a time: it is read only if a
    /// deadline depends on the time. Reading a clock costs more than a short message.
    pub fn write_done_with(&mut self, n: usize, clock: impl FnOnce() -> Instant) {
        if self.is_unwritable() {
            // Late news of a write in flight.
            return;
        }
        self.output.wrote(n);
        // A transport with a buffer takes more while it moves nothing.
        if n > 0 && (self.deadlines.write_waits || !self.output.needs_flush()) {
            self.end_stall();
        }
        let written = self.output.written();
        if self.deadlines.answer.is_some_and(|answer| written >= answer.end) {
            self.deadlines.answer = None;
        }
        if self.is_over() {
            let (now, unsent) = (clock(), self.output.unsent());
            self.begin_linger(now).look(now, unsent);
            return;
        }
        self.drop_older_pong();
        let mark = self.settings().high_water_mark;
        let late_pong = self.output.send_late_pong(mark);
        self.connection.appended(late_pong);
        if self.connection.waits_for_writes() {
            let (in_flight, before) = (self.output.in_flight(), self.output.bytes.len());
            self.connection.output_written_beside(in_flight, clock(), &mut self.output.bytes);
            self.note_answer(before);
        }
    }

    /// Tells that the transport has a buffer of its own, which may hold bytes already: from now on
    /// output that was written has left only when it was [flushed](Self::flush_done). Without this call
    /// writes are flushes.
    pub const fn track_flushes(&mut self) {
        self.output.track_flushes();
    }

    /// Returns true if bytes were written that the transport may still hold: flush it before waiting.
    /// Never without [`track_flushes`](Self::track_flushes).
    #[must_use]
    pub const fn needs_flush(&self) -> bool {
        self.output.needs_flush()
    }

    /// Takes note that all that was written has been flushed.
    pub const fn flush_done(&mut self) {
        self.output.flush_done();
        self.end_stall();
    }

    /// Takes note that the writing half of the transport was ended, as [`Step::EndWriting`](crate::driver::Step::EndWriting)
    /// asks.
    pub fn writing_ended(&mut self) {
        if self.writing == Writing::Open {
            self.writing = Writing::Ended;
        }
    }
}
