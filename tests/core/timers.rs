//! All deadlines together: any schedule of sends, writes, input, time and endings, compared with a
//! model that counts bytes from the start of the connection instead of the length of the output;
//! and the limits of time.

use core::time::Duration;
use std::collections::VecDeque;

use proptest::prelude::*;
use sansocket::config::Delivery;
use sansocket::error::{PeerError, ProtocolError, TimeoutError};
use sansocket::{CloseCode, Config, Instant, Role};

use crate::common::frame::{CLOSE, PING, PONG, sent};
use crate::common::{BOTH, End, Frame, at_ms, entropy, preset, secs};

/// Less progress than this in a close timeout doesn't count.
const MIN_PROGRESS: usize = 16 * 1024;

#[derive(Clone, Debug)]
enum Op {
    Send(usize),
    Ping,
    /// The number of bytes that are taken from the front of the output, and whether the write is
    /// reported.
    Take(usize, bool),
    /// The peer writes a fragment or a complete message, and whether the message ends with it.
    PeerData(usize, bool),
    PeerPing,
    /// With the counter of the newest ping, or another one.
    PeerPong(bool),
    PeerClose,
    /// The number of bytes of the peer that are read.
    Read(usize),
    Wait(Duration),
    /// To the deadline, or a microsecond before or after it.
    WaitForDeadline(i8),
    /// The clock goes backwards.
    Back(Duration),
    Timeout,
    Close,
    Discard,
    Restart,
    Rest(Duration),
    Eof,
    Abort,
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![
        3 => 0..20_usize,
        2 => 0..2000_usize,
        1 => MIN_PROGRESS - 20..MIN_PROGRESS + 20,
        1 => 0..40_000_usize,
    ]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        2 => (0..10_u64).prop_map(Duration::from_micros),
        8 => (0..3000_u64).prop_map(Duration::from_millis),
        1 => Just(Duration::from_micros(u64::MAX - 7_000_000)),
        1 => Just(Duration::MAX),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => len().prop_map(Op::Send),
        1 => Just(Op::Ping),
        8 => (len(), any::<bool>()).prop_map(|(n, reported)| Op::Take(n, reported)),
        4 => (0..200_usize, any::<bool>()).prop_map(|(n, end)| Op::PeerData(n, end)),
        1 => Just(Op::PeerPing),
        3 => prop::bool::weighted(0.7).prop_map(Op::PeerPong),
        8 => prop_oneof![0..5_usize, Just(1000)].prop_map(Op::Read),
        6 => (0..3000_u64).prop_map(|ms| Op::Wait(Duration::from_millis(ms))),
        1 => duration().prop_map(Op::Wait),
        6 => (-1..=1_i8).prop_map(Op::WaitForDeadline),
        1 => duration().prop_map(Op::Back),
        8 => Just(Op::Timeout),
        2 => Just(Op::Close),
        1 => Just(Op::Discard),
        1 => Just(Op::Restart),
        1 => duration().prop_map(Op::Rest),
    ]
}

/// An end of the connection, or no such event.
fn last() -> impl Strategy<Value = Op> {
    prop_oneof![Just(Op::PeerClose), Just(Op::Eof), Just(Op::Abort), Just(Op::Timeout)]
}

fn setting() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (1..5000_u64).prop_map(Duration::from_millis),
        1 => Just(Duration::from_micros(1)),
        1 => Just(Duration::from_micros(u64::MAX)),
        1 => Just(Duration::MAX),
    ]
}

#[derive(Clone, Debug)]
struct Settings {
    role: Role,
    parts: bool,
    max_unsent: usize,
    keep_alive: Option<(Duration, Option<Duration>)>,
    close: Duration,
    message: Option<Duration>,
}

impl Settings {
    fn config(&self) -> Config {
        preset(self.role)
            .delivery(if self.parts { Delivery::Parts } else { Delivery::Whole })
            .max_unsent(self.max_unsent)
            .keep_alive(
                self.keep_alive.map(|(interval, _)| interval),
                self.keep_alive.and_then(|(_, timeout)| timeout),
            )
            .close_timeout(self.close)
            .message_timeout(self.message)
            .build()
            .unwrap()
    }
}

prop_compose! {
    fn settings()(
        role in prop::sample::select(BOTH.to_vec()),
        parts in any::<bool>(),
        max_unsent in prop::sample::select(vec![20, 1000, 1 << 20]),
        keep_alive in prop::option::weighted(0.8, (setting(), prop::option::weighted(0.8, setting()))),
        close in setting(),
        message in prop::option::of(setting()),
    ) -> Settings {
        Settings { role, parts, max_unsent, keep_alive, close, message }
    }
}

/// The end of one of our frames, as an offset from the first byte of output, and the number of
/// output bytes before that end that had been written when progress was last noticed.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    end: usize,
    seen: usize,
}

impl Awaited {
    fn progress(&mut self, written: usize, least: usize) -> bool {
        let now = written.min(self.end);
        let progress = now - self.seen;
        let counts = progress > 0 && (progress >= least || now == self.end);
        if counts {
            self.seen = now;
        }
        counts
    }

    fn has_left(&self) -> bool {
        self.seen == self.end
    }
}

/// The meaning of the bytes of the peer, by the offset of their end from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    BetweenMessages,
    Pong(u64),
    Close,
}

/// The deadlines as documented.
struct Model {
    settings: Settings,
    closed: bool,
    written: usize,
    heard: Instant,
    pinged: Instant,
    counter: u64,
    ping: Option<Awaited>,
    close: Option<(Awaited, Instant)>,
    discards: bool,
    message: Option<Instant>,
    read: usize,
    marks: VecDeque<(usize, Mark)>,
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    [a, b].into_iter().flatten().min()
}

impl Model {
    fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            closed: false,
            written: 0,
            heard: at_ms(0),
            pinged: at_ms(0),
            counter: 0,
            ping: None,
            close: None,
            discards: false,
            message: None,
            read: 0,
            marks: VecDeque::from([(0, Mark::BetweenMessages)]),
        }
    }

    fn message_deadline(&self) -> Option<Instant> {
        self.message?.checked_add(self.settings.message?)
    }

    fn close_deadline(&self) -> Option<Instant> {
        let (_, since) = self.close?;
        let since = if self.discards { since } else { since.max(self.heard) };
        since.checked_add(self.settings.close)
    }

    fn keep_alive_deadline(&self) -> Option<Instant> {
        let (interval, timeout) = self.settings.keep_alive?;
        match timeout {
            None => self.pinged.checked_add(interval),
            Some(timeout) => {
                let wait = if self.ping.is_some() { timeout } else { interval };
                self.heard.max(self.pinged).checked_add(wait)
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let other =
            if self.close.is_some() { self.close_deadline() } else { self.keep_alive_deadline() };
        earlier(self.message_deadline(), other)
    }

    /// The connection checks its output.
    fn look(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        let written = self.written;
        if let Some(ping) = &mut self.ping
            && !ping.has_left()
            && ping.progress(written, 1)
        {
            self.pinged = now;
        }
        if let Some((close, since)) = &mut self.close
            && close.progress(written, MIN_PROGRESS)
        {
            *since = now;
        }
    }

    /// The effect of `handle_timeout`; true: a ping or pong is appended if there is room.
    fn timeout(&mut self, now: Instant) -> Result<bool, TimeoutError> {
        self.look(now);
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| now >= deadline);
        if passed(self.message_deadline()) {
            return Err(TimeoutError::Message);
        }
        if let Some((close, _)) = self.close {
            return match passed(self.close_deadline()) {
                false => Ok(false),
                true if close.has_left() => Err(TimeoutError::Close),
                true => Err(TimeoutError::CloseUnsent),
            };
        }
        if !passed(self.keep_alive_deadline()) {
            return Ok(false);
        }
        if self.ping.is_some() {
            return Err(TimeoutError::KeepAlive);
        }
        self.pinged = now;
        Ok(true)
    }

    /// `n` more bytes are read.
    fn reads(&mut self, n: usize, now: Instant) {
        if self.closed || n == 0 {
            return;
        }
        self.heard = now;
        let (begin, end) = (self.read, self.read + n);
        self.read = end;
        // An offset at the end of one read is the start of the next.
        let mut between = false;
        while let Some((at, mark)) = self.marks.front().copied()
            && at <= end
        {
            self.marks.pop_front();
            match mark {
                Mark::BetweenMessages => between |= at >= begin && at < end,
                Mark::Pong(counter) if self.ping.is_some() && counter == self.counter => {
                    self.ping = None;
                }
                Mark::Pong(_) => {}
                Mark::Close => self.closed = true,
            }
            if at == end && mark == Mark::BetweenMessages {
                self.message = None;
                self.marks.push_front((at, mark));
                return;
            }
        }
        if between {
            self.message = None;
        }
        self.message.get_or_insert(now);
    }
}

/// A connection, its model, and the bytes of the peer.
struct Run {
    end: End,
    model: Model,
    /// All written output.
    taken: Vec<u8>,
    peer: Vec<u8>,
    peer_in_message: bool,
    /// The latest instant passed to the connection.
    latest: Instant,
}

impl Run {
    fn new(settings: &Settings) -> Self {
        Self {
            end: End::new(settings.role, &settings.config()),
            model: Model::new(settings),
            taken: Vec::new(),
            peer: Vec::new(),
            peer_in_message: false,
            latest: at_ms(0),
        }
    }

    fn peer_writes(&mut self, frame: Frame, mark: Option<Mark>) {
        self.peer.extend(frame.to(self.model.settings.role).bytes());
        let at = self.model.read + self.peer.len();
        self.model.marks.extend(mark.map(|mark| (at, mark)));
        if !self.peer_in_message {
            self.model.marks.push_back((at, Mark::BetweenMessages));
        }
    }

    fn apply(&mut self, op: &Op) {
        let Self { end, model, .. } = self;
        match op {
            Op::Send(n) => drop(end.conn.send_binary(&vec![7; *n], &mut end.out)),
            Op::Ping => drop(end.conn.send_ping(b"ours", &mut end.out)),
            Op::Take(n, reported) => {
                let taken = end.out.split_to((*n).min(end.out.len()));
                self.taken.extend_from_slice(&taken);
                model.written += taken.len();
                if *reported {
                    end.written();
                    model.look(end.now);
                }
            }
            Op::PeerData(n, fin) => {
                let opcode = if self.peer_in_message { 0 } else { 2 };
                self.peer_in_message = !fin;
                self.peer_writes(Frame::new(opcode, vec![1; *n]).fin(*fin), None);
            }
            Op::PeerPing => self.peer_writes(Frame::ping("theirs"), None),
            Op::PeerPong(right) => {
                let counter = model.counter + u64::from(!right);
                let frame = Frame::pong(counter.to_be_bytes());
                self.peer_writes(frame, Some(Mark::Pong(counter)));
            }
            Op::PeerClose => self.peer_writes(Frame::close(1000, ""), Some(Mark::Close)),
            Op::Read(n) => {
                let n = (*n).min(self.peer.len());
                let bytes: Vec<u8> = self.peer.drain(..n).collect();
                let poison = end.conn.error();
                assert_eq!(end.feed(&bytes).err(), poison, "the peer is honest");
                model.reads(n, end.now);
            }
            Op::Wait(time) => {
                end.now = end.now.checked_add(*time).unwrap_or(Instant::from_micros(u64::MAX));
            }
            Op::WaitForDeadline(offset) => {
                if let Some(deadline) = end.conn.poll_timeout() {
                    let us = deadline.as_micros().saturating_add_signed(i64::from(*offset));
                    end.now = end.now.max(Instant::from_micros(us));
                }
            }
            Op::Back(time) => {
                let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                end.now = Instant::from_micros(end.now.as_micros().saturating_sub(us));
            }
            Op::Timeout => self.handle_timeout(),
            Op::Close => {
                let result = end.conn.close(CloseCode::NORMAL, "", end.now, &mut end.out);
                assert_eq!(result.is_ok(), !model.closed && model.close.is_none());
                if result.is_ok() {
                    let seen = model.written;
                    model.close = Some((Awaited { end: seen + end.out.len(), seen }, end.now));
                }
            }
            Op::Discard => {
                end.conn.discard_data();
                if let Some((_, since)) = &mut model.close
                    && !model.discards
                {
                    *since = (*since).max(model.heard);
                    model.discards = true;
                }
            }
            Op::Restart => {
                end.conn.restart_close_timeout(end.now);
                if let Some((_, since)) = &mut model.close {
                    *since = (*since).max(end.now);
                }
            }
            Op::Rest(time) => {
                end.conn.message_rested(*time);
                if let Some(since) = &mut model.message {
                    *since = since.checked_add(*time).unwrap_or(Instant::from_micros(u64::MAX));
                }
            }
            Op::Eof => {
                let result = end.conn.receive_eof(&mut end.out);
                if !model.closed {
                    assert_eq!(result, Err(PeerError::ClosedWithoutHandshake.into()));
                    model.closed = true;
                }
            }
            Op::Abort => {
                end.conn.abort();
                model.closed = true;
            }
        }
        self.latest = self.latest.max(self.end.now);
        self.check();
    }

    fn handle_timeout(&mut self) {
        let Self { end, model, .. } = self;
        let before = end.out.len();
        if model.closed {
            assert_eq!(end.timeout().err(), end.conn.error());
            assert_eq!(end.out.len(), before);
            return;
        }
        let expected = model.timeout(end.now);
        let result = end.timeout();
        assert_eq!(result, expected.map(|_| ()).map_err(ProtocolError::Timeout));
        if result.is_err() {
            model.closed = true;
            return;
        }
        // A second call returns no further action: a caller that loops never spins.
        let next = end.conn.poll_timeout();
        assert!(next.is_none_or(|next| next > end.now), "{next:?} at {:?}", end.now);
        if expected == Ok(true) && model.settings.keep_alive.is_some_and(|(_, t)| t.is_some()) {
            assert!(end.out.len() > before, "a ping");
            model.counter += 1;
            let seen = model.written;
            model.ping = Some(Awaited { end: seen + end.out.len(), seen });
        }
    }

    fn check(&self) {
        let (end, model) = (&self.end, &self.model);
        assert_eq!(end.conn.is_closed(), model.closed);
        let deadline = end.conn.poll_timeout();
        assert_eq!(deadline, model.deadline());
        // There is a deadline for the Close frame of the peer, unless it is beyond the maximum
        // instant.
        if model.close.is_some() && !model.closed && deadline.is_none() {
            let late = self.latest.checked_add(model.settings.close);
            assert_eq!(late, None, "a wait without a deadline");
        }
    }

    /// Frames complete and in order; after our Close frame only pongs.
    fn check_output(&self) {
        let output = [&self.taken[..], &self.end.out[..]].concat();
        let frames = sent(self.model.settings.role, &output);
        let mut closed = false;
        for frame in frames {
            assert!(!closed || frame.opcode == PONG, "{:#x} after a Close frame", frame.opcode);
            closed |= frame.opcode == CLOSE;
            if frame.opcode == PING {
                assert!(frame.payload == b"ours" || frame.payload.len() == 8);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() {
            ProptestConfig::default().cases
        } else {
            500
        },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn v25_k4_k5_any_schedule_has_the_deadlines_of_the_model(
        settings in settings(),
        ops in prop::collection::vec(op(), 0..80),
        last in last(),
        after in prop::collection::vec(op(), 0..10),
    ) {
        entropy::reseed(29);
        let mut run = Run::new(&settings);
        for op in ops.iter().chain([&last]).chain(&after) {
            run.apply(op);
        }
        run.check_output();
    }
}

#[test]
fn unlimited_durations_and_clocks_at_their_limits() {
    for role in BOTH {
        for (interval, timeout) in
            [(Some(Duration::MAX), None), (Some(Duration::MAX), Some(Duration::MAX))]
        {
            let config = preset(role)
                .keep_alive(interval, timeout)
                .close_timeout(Duration::MAX)
                .build()
                .unwrap();
            let mut end = End::new(role, &config);
            assert_eq!(end.conn.poll_timeout(), None);
            end.now = Instant::from_micros(u64::MAX);
            end.timeout().unwrap();
            end.feed(&Frame::text("x").to(role).bytes()).unwrap();
            assert_eq!(end.conn.poll_timeout(), None);
            end.conn.close(CloseCode::NORMAL, "", end.now, &mut end.out).unwrap();
            assert_eq!(end.conn.poll_timeout(), None);
            end.timeout().unwrap();
            assert!(!end.conn.is_closed());
        }
        // The last instants: a deadline after them can't be represented, so there is none.
        let config = preset(role).keep_alive(Some(secs(10)), Some(secs(3))).build().unwrap();
        let mut end = End::new(role, &config);
        end.now = Instant::from_micros(u64::MAX - 5);
        end.feed(&Frame::text("x").to(role).bytes()).unwrap();
        assert_eq!(end.conn.poll_timeout(), None);
        end.timeout().unwrap();
        // A clock that goes backwards causes no panic.
        end.now = at_ms(0);
        end.feed(&Frame::text("x").to(role).bytes()).unwrap();
        end.timeout().unwrap();
        assert!(end.conn.poll_timeout().is_some());
        // A ping just before the maximum instant.
        let config = preset(role).keep_alive(Some(secs(10)), Some(Duration::MAX)).build().unwrap();
        let mut end = End::new(role, &config);
        end.now = at_ms(10_000);
        end.timeout().unwrap();
        assert_eq!(end.conn.poll_timeout(), None, "no deadline");
        end.feed(&Frame::pong(1_u64.to_be_bytes()).to(role).bytes()).unwrap();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(20_000)));
    }
    let t = Instant::from_micros(u64::MAX);
    assert_eq!(t.checked_add(Duration::from_micros(1)), None);
    assert_eq!(t.checked_add(Duration::MAX), None);
    assert_eq!(t.checked_add(Duration::from_nanos(999)), Some(t));
    assert_eq!(at_ms(0).saturating_duration_since(t), Duration::ZERO);
}
