//! A model of the driver's output: each call must append exactly the expected frames.

use std::collections::VecDeque;

use sansocket::driver::Flow;
use sansocket::error::ProtocolError;
use sansocket::{CloseCode, Role};

use super::frame::{CLOSE, Frame, PING, PONG, sent};

/// The longest frame that the driver sends itself: a pong, a keep-alive ping or a Close frame.
const MAX_CONTROL: usize = 131;

/// The kind of a call, which determines the origin of the appended frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Reply,
    Unsolicited,
    /// A timer has expired. Its frames are unsolicited.
    Timer,
    /// A step. Its frames are replies, except that pongs have their own limit, and keep-alive
    /// frames are unsolicited.
    Step,
}

/// The origin of unsent bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Reply,
    Unsolicited,
    Pong,
}

/// The output that a call is expected to append.
#[derive(Debug)]
pub(super) enum Appended {
    Frames(Vec<Frame>),
    /// Bytes that are not frames, such as the head of a response.
    Bytes(Vec<u8>),
}

/// The expected output.
pub(super) struct Output {
    role: Role,
    max_unsent: usize,
    mark: usize,
    /// All appended bytes.
    appended: Vec<u8>,
    /// How many of them were written, and how many were written or taken.
    written: usize,
    taken: usize,
    /// The position of the end, as of the last call.
    end: u64,
    /// The origins of the unsent bytes, as runs with their lengths.
    unsent: VecDeque<(Origin, usize)>,
    /// The longest unsolicited message, and the longest reply, that one call appended.
    longest: [usize; 2],
    /// The deferred pong, after the pongs that were omitted in its favour.
    waiting: Vec<Vec<u8>>,
    /// The deferred pong may have been sent already: an equal one was.
    unsure: bool,
    keep_alive_pings: u64,
    pub(super) close_sent: bool,
    /// No more output can be written.
    pub(super) lost: bool,
    /// The state of the driver as of the last call.
    pub(super) is_over: bool,
    pub(super) is_open: bool,
    error: Option<ProtocolError>,
}

impl Output {
    pub(super) fn new(role: Role, max_unsent: usize, mark: usize) -> Self {
        Self {
            role,
            max_unsent,
            mark,
            appended: Vec::new(),
            written: 0,
            taken: 0,
            end: 0,
            unsent: VecDeque::new(),
            longest: [0; 2],
            waiting: Vec::new(),
            unsure: false,
            keep_alive_pings: 0,
            close_sent: false,
            lost: false,
            is_over: false,
            is_open: false,
            error: None,
        }
    }

    pub(super) fn unsent(&self) -> usize {
        self.appended.len() - self.written
    }

    pub(super) fn in_flight(&self) -> usize {
        self.taken - self.written
    }

    /// Returns how many bytes are neither written nor in flight.
    fn rest(&self) -> usize {
        self.appended.len() - self.taken
    }

    /// Returns how many bytes of replies are unsent.
    pub(super) fn replies(&self) -> usize {
        self.unsent_of(Origin::Reply)
    }

    fn unsent_of(&self, origin: Origin) -> usize {
        self.unsent.iter().filter(|(of, _)| *of == origin).map(|(_, len)| len).sum()
    }

    /// Records that the driver has changed its positions.
    pub(super) fn restart(&mut self, flow: &Flow) {
        self.end = flow.end();
    }

    /// Records that a driver was rebuilt from its parts: all its output is unsolicited, and
    /// includes the deferred pong.
    pub(super) fn resumed(&mut self, flow: &Flow) {
        let pong = flow.unsent().checked_sub(self.unsent()).expect("output was lost");
        self.end = flow.end() - u64::try_from(pong).expect("it is short");
        self.unsent = VecDeque::from([(Origin::Unsolicited, self.unsent())]);
        self.longest[0] = self.longest[0].max(self.unsent());
    }

    /// Returns true if a pong is deferred.
    pub(super) const fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns the bytes appended since the last call of `look`.
    pub(super) fn new_bytes(&self, flow: &Flow) -> Vec<u8> {
        let new = usize::try_from(flow.end().saturating_sub(self.end)).unwrap_or_default();
        let output = flow.output();
        output.get(output.len().saturating_sub(new)..).unwrap_or_default().to_vec()
    }

    /// Checks the output after a call.
    pub(super) fn look(&mut self, flow: &Flow, kind: Kind, appended: Appended) {
        let (was_over, was_open, was_error) = (self.is_over, self.is_open, self.error);
        (self.is_over, self.is_open, self.error) = (flow.is_over(), flow.is_open(), flow.error());
        assert!(self.is_over || !was_over, "it is no longer over");
        assert!(!(self.is_over && self.is_open));
        assert!(was_error.is_none() || self.error == was_error, "another error");
        assert!(flow.flushed() <= flow.written() && flow.written() <= flow.end());
        assert!(flow.needs_flush() == (flow.flushed() < flow.written()));
        let end = flow.end();
        let new = usize::try_from(end.checked_sub(self.end).expect("it ends before")).expect("few");
        self.end = end;
        self.lost |= flow.is_unwritable();
        if self.lost {
            assert!(flow.is_unwritable());
            self.waiting.clear();
            return;
        }
        if was_over {
            assert_eq!(new, 0, "output behind the end");
        }
        let output = flow.output();
        assert!(new <= output.len(), "{new} of {}", output.len());
        let new = output[output.len() - new..].to_vec();
        let failed = if was_error.is_none() { self.error } else { None };
        match appended {
            Appended::Bytes(bytes) => {
                assert_eq!(new.escape_ascii().to_string(), bytes.escape_ascii().to_string());
                self.note(
                    if kind == Kind::Unsolicited { Origin::Unsolicited } else { Origin::Reply },
                    new.len(),
                );
            }
            Appended::Frames(frames) => self.look_at(&new, frames, kind, failed, output.len()),
        }
        if self.is_over {
            self.waiting.clear();
        }
        let len = new.len();
        self.appended.extend(new);
        if kind == Kind::Unsolicited {
            self.longest[0] = self.longest[0].max(len);
        } else if kind == Kind::Reply {
            self.longest[1] = self.longest[1].max(len);
        }
        assert_eq!(flow.unsent(), self.unsent(), "unsent");
        assert_eq!(flow.output().len(), self.rest(), "unsent and not in flight");
        let mut most = self.max_unsent + self.longest[0] + self.longest[1] + 2 * MAX_CONTROL;
        most += self.mark + MAX_CONTROL;
        if self.close_sent && self.taken > 0 {
            // Pongs have their own limit, in addition to the output in flight.
            most += self.max_unsent + MAX_CONTROL;
        }
        assert!(self.unsent() <= most, "{} of {most} bytes are unsent", self.unsent());
        // The Close frame of an error was sent, once, if it can be sent.
        if let Some(error) = failed
            && was_open
            && error.close_code() != CloseCode::ABNORMAL
        {
            assert!(self.close_sent, "no Close frame of {error}");
        }
    }

    fn look_at(
        &mut self,
        new: &[u8],
        frames: Vec<Frame>,
        kind: Kind,
        failed: Option<ProtocolError>,
        len: usize,
    ) {
        let mut expected = VecDeque::from(frames);
        for frame in sent(self.role, new) {
            assert!(
                !self.close_sent || matches!(frame.opcode, PONG),
                "{frame:?} after a Close frame"
            );
            let len = frame.bytes().len() + if self.role == Role::Client { 4 } else { 0 };
            let origin = match kind {
                Kind::Step if frame.opcode == PONG => Origin::Pong,
                Kind::Reply | Kind::Step => Origin::Reply,
                Kind::Unsolicited | Kind::Timer => Origin::Unsolicited,
            };
            let is_next = expected.front() == Some(&frame);
            let waited = self.waiting.iter().position(|payload| *payload == frame.payload);
            if frame.opcode == PONG
                && !(self.unsure && is_next)
                && let Some(at) = waited
            {
                self.unsure = self.waiting.last() == Some(&frame.payload);
                self.waiting.drain(..=at);
                self.note(origin, len);
                continue;
            }
            if is_next {
                self.close_sent |= frame.opcode == CLOSE;
                // A newer pong also answers the earlier pings.
                self.unsure |= origin == Origin::Pong;
                expected.pop_front();
                self.note(origin, len);
                continue;
            }
            if frame.opcode == CLOSE
                && let Some(error) = failed
            {
                let payload = error.close_code().value().to_be_bytes();
                assert_eq!(frame, Frame::new(CLOSE, payload), "{error}");
                self.close_sent = true;
                self.note(origin, len);
                continue;
            }
            if matches!(kind, Kind::Timer | Kind::Step) {
                if frame == Frame::new(PONG, []) {
                    self.note(Origin::Unsolicited, len);
                    continue;
                }
                let counter = self.keep_alive_pings + 1;
                if frame == Frame::new(PING, counter.to_be_bytes()) {
                    self.keep_alive_pings = counter;
                    self.note(Origin::Unsolicited, len);
                    continue;
                }
            }
            panic!("{frame:?} is unexpected; expected: {expected:?}");
        }
        if let Some(pong) = expected.pop_front() {
            // Without space the newest pong is deferred.
            assert_eq!(pong.opcode, PONG, "not sent: {pong:?}");
            assert!(self.pongs_may_wait(len), "a pong is deferred with {len} bytes");
            self.waiting.push(pong.payload);
            self.unsure = false;
        }
        assert!(expected.is_empty(), "not sent: {expected:?}");
    }

    fn note(&mut self, origin: Origin, len: usize) {
        if len > 0 {
            self.unsent.push_back((origin, len));
        }
    }

    /// Returns true if there may be no space for pongs in addition to `len` bytes that are not
    /// taken. If pongs alternate with other output, all of it counts until the last pong has left.
    fn pongs_may_wait(&self, len: usize) -> bool {
        let has_pongs = self.unsent_of(Origin::Pong) > 0;
        len >= self.max_unsent || has_pongs && self.unsent() >= self.mark
    }

    /// Checks that no pong is deferred while there is space for it.
    pub(super) fn assert_no_pong_waits(&self) {
        assert!(
            self.waiting.is_empty()
                || self.unsure
                || self.is_over
                || self.pongs_may_wait(self.rest()),
            "a pong is deferred with {} bytes",
            self.rest()
        );
    }

    /// Records that these bytes were taken for a write.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        let next = self.appended.get(self.taken..self.taken + bytes.len());
        assert!(next == Some(bytes), "not the output's next bytes");
        self.taken += bytes.len();
    }

    /// Records that these bytes were written.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        let next = self.appended.get(self.written..self.written + bytes.len());
        assert!(next == Some(bytes), "not the output's next bytes");
        self.written += bytes.len();
        self.taken = self.taken.max(self.written);
        let mut left = bytes.len();
        while left > 0 {
            let (_, len) = self.unsent.front_mut().expect("as much is unsent");
            let n = left.min(*len);
            *len -= n;
            left -= n;
            if *len == 0 {
                self.unsent.pop_front();
            }
        }
    }

    /// Records that the output in flight was put back.
    pub(super) fn put_back(&mut self) {
        self.taken = self.written;
    }
}
