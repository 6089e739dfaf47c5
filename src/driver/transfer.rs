//! The results of reads and writes.

use bytes::BytesMut;

use crate::driver::flow::{Flow, Writing};
use crate::driver::intake::Intake;
use crate::instant::Instant;

/// Input and output.
impl Flow {
    /// Reports a read of `n` bytes at `now` into the last [`room`](Intake::room). 0 reports that
    /// the peer has shut down its write half.
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

    /// Reports that `n` bytes were read at `now` and dropped, for
    /// [`Step::Drain`](crate::driver::Step::Drain). 0 reports that the peer has shut down its write
    /// half.
    pub fn drained(&mut self, n: usize, now: Instant) {
        if n == 0 {
            self.eof();
        }
        // A peer that sends without pause must not keep the transport open.
        self.end_linger(now);
    }

    /// Returns the output to be written.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output.bytes
    }

    /// Takes all output, for a write that owns its bytes. It counts as unsent until it is reported
    /// by [`write_done`](Self::write_done), or [put back](Self::put_back).
    #[must_use]
    pub fn take_output(&mut self) -> BytesMut {
        self.output.take()
    }

    /// Puts back the rest of output that was taken and not written.
    pub fn put_back(&mut self, rest: BytesMut) {
        // After a failed write all output was dropped, including the bytes in flight.
        if !self.is_unwritable() {
            self.output.put_back(rest);
        }
    }

    /// Reports that `n` bytes of output were written at `now`. Taken output counts first.
    ///
    /// A write of output that returns 0, and not "would block", would return 0 again: report it as
    /// failed ([`write_failed`](Self::write_failed)).
    pub fn write_done(&mut self, n: usize, now: Instant) {
        self.write_done_with(n, || now);
    }

    /// Reports a write as [`write_done`](Self::write_done) does, and reads the clock only if the
    /// time is needed: reading a clock costs more than a small message.
    pub fn write_done_with(&mut self, n: usize, clock: impl FnOnce() -> Instant) {
        if self.is_unwritable() {
            // A write in flight has completed after the failure.
            return;
        }
        self.output.wrote(n);
        // A transport with a buffer accepts bytes even if it can't send any. There, a write is
        // progress only if one had to wait before.
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

    /// Declares that the transport has a buffer of its own, which may already hold bytes. From then
    /// on written output has left only when it was [flushed](Self::flush_done). Without this call,
    /// a write implies a flush.
    pub const fn track_flushes(&mut self) {
        self.output.track_flushes();
    }

    /// Returns true if the transport may still hold written bytes: flush it before a wait. Always
    /// false without [`track_flushes`](Self::track_flushes).
    #[must_use]
    pub const fn needs_flush(&self) -> bool {
        self.output.needs_flush()
    }

    /// Reports that all written output has been flushed.
    pub const fn flush_done(&mut self) {
        self.output.flush_done();
        self.end_stall();
    }

    /// Reports that the write half of the transport was shut down, for
    /// [`Step::EndWriting`](crate::driver::Step::EndWriting).
    pub fn writing_ended(&mut self) {
        if self.writing == Writing::Open {
            self.writing = Writing::Ended;
        }
    }
}
