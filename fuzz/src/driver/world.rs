//! The event loop and its transport.

use std::collections::VecDeque;
use std::sync::OnceLock;

use bytes::{Buf, BytesMut};
use sansocket::driver::{Driver, Step};
use sansocket::error::SendError;
use sansocket::handshake::HttpResponse;
use sansocket::handshake::Refusal;
use sansocket::{CloseCode, Connection, Instant};

use super::frame::{CLOSE, Frame};
use super::output::{Appended, Kind};
use super::plan::{Plan, text};
use super::reference::{Opening, Seen};
use super::source::Source;
use super::state::State;

pub(super) struct World<'p> {
    pub(super) driver: Driver,
    pub(super) state: State<'p>,
    /// Output that was taken and is not written yet.
    pub(super) in_flight: VecDeque<BytesMut>,
}

impl<'p> World<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        let mut driver = match (plan.opens, plan.role) {
            (false, role) => Driver::new(
                Connection::new(role, &plan.config, &plan.negotiated, plan.start),
                plan.start,
            ),
            (true, sansocket::Role::Server) => Driver::server(&plan.config, plan.start),
            (true, sansocket::Role::Client) => {
                Driver::client(&plan.request, &plan.config, plan.start)
                    .expect("entropy is available")
            }
        };
        if plan.counts && !plan.opens {
            driver.flow.enable_stats();
        }
        let state = State::new(plan, &driver.flow);
        Self { driver, state, in_flight: VecDeque::new() }
    }

    /// Performs the action that the next bytes encode.
    pub(super) fn act(&mut self, source: &mut Source<'_>) {
        let action = source.byte();
        self.log(|| format!("action {}/{}", action & 0x1f, action >> 5));
        match action & 0x1f {
            8 | 9 => self.state.send(&mut self.driver.flow, source),
            10 => self.pass_time(source),
            11 => self.settle(source.byte() & 1 != 0),
            12 => {
                self.state.unasked = true;
                self.read(source);
            }
            13 => self.write(source),
            14 => self.take(source),
            15 => self.put_back(),
            16 => self.close(source),
            17 => {
                self.state.ends = true;
                if action & 0x80 != 0 {
                    self.report_end(action);
                }
            }
            18 if source.byte() < 0x20 => self.fail(source.byte()),
            19 => self.resume(),
            20 => self.flushes(action),
            21 => self.look_around(action),
            22 => self.do_nothing(action, source),
            23 | 24 if self.state.plan.misuses => self.misuse(source),
            25 => {
                for _ in 0..source.byte() & 0x3f {
                    self.turn(&mut Source::new(&[0; 16]));
                }
            }
            _ => self.turn(source),
        }
    }

    /// Prints an action for debugging, if the environment variable `FUZZ_LOG` is set.
    fn log(&self, action: impl FnOnce() -> String) {
        static LOGS: OnceLock<bool> = OnceLock::new();
        if *LOGS.get_or_init(|| std::env::var_os("FUZZ_LOG").is_some()) {
            let (flow, intake, state) = (&self.driver.flow, &self.driver.intake, &self.state);
            eprintln!(
                "{} at {} us: {} of {} bytes read, {} unread, {} unsent, {} in flight, {:?} {:?}",
                action(),
                state.now.as_micros(),
                state.given,
                state.plan.stream.len(),
                intake.unread().len(),
                flow.unsent(),
                flow.unsent() - flow.output().len(),
                flow.error(),
                state.trace.events.last(),
            );
        }
    }

    pub(super) fn step(&mut self) -> Step {
        let step = self.driver.step();
        self.log(|| format!("{step:?}"));
        self.state.look_after(&self.driver.flow, Kind::Step);
        self.state.judge(step, &self.driver.flow, &self.driver.intake);
        if self.driver.flow.is_over() {
            assert_eq!(self.driver.flow.end_step(), step);
        }
        step
    }

    /// Performs the driver's next step.
    fn turn(&mut self, source: &mut Source<'_>) {
        match self.step() {
            Step::Request => self.answer(source),
            Step::Opened => {
                let response = self.driver.flow.take_response().expect("the step reported it");
                assert_eq!(response.status(), 101);
                self.opened();
            }
            Step::Event => self.event(source),
            Step::Read => self.read(source),
            Step::Write { or_read } => {
                if or_read && source.byte() & 1 != 0 {
                    self.read(source);
                } else {
                    self.write(source);
                }
            }
            Step::EndWriting => {
                self.driver.flow.writing_ended();
                self.state.look_after(&self.driver.flow, Kind::Step);
            }
            Step::Drain => self.drain(source),
            Step::Done => {}
        }
    }

    fn opened(&mut self) {
        self.state.opened = true;
        self.state.look_after(&self.driver.flow, Kind::Reply);
        if self.state.plan.counts {
            self.driver.flow.enable_stats();
        }
    }

    fn answer(&mut self, source: &mut Source<'_>) {
        let flow = &mut self.driver.flow;
        let choice = source.byte();
        if choice & 0x0f == 1 {
            return;
        }
        let Some(request) = flow.take_request() else {
            // Another call has taken the request, so this one can't answer it.
            flow.refuse(Refusal::new(401).expect("an error")).expect("a request is to be answered");
            let new = self.state.output.new_bytes(flow);
            return self.state.look(flow, Kind::Reply, Appended::Bytes(new));
        };
        match choice & 0x0f {
            2 => flow.refuse(Refusal::new(403).expect("an error")).expect("a request"),
            3 => {
                let page = HttpResponse::new(200).expect("good").with_body("text/plain", "page");
                flow.respond(&page.expect("good")).expect("a request");
            }
            _ => {
                let result = flow.accept(&request, &self.state.plan.options, self.state.now);
                if !self.state.exact {
                    return self.state.opened |= result.is_ok();
                }
                let Opening::Request { answer, accepted, .. } = self.state.opening.clone() else {
                    panic!("there is no request in the stream");
                };
                assert_eq!(result.is_ok(), accepted.is_some(), "{result:?}");
                self.state.look(flow, Kind::Reply, Appended::Bytes(answer));
                if result.is_ok() {
                    self.opened();
                }
                return;
            }
        }
        let new = self.state.output.new_bytes(flow);
        self.state.look(flow, Kind::Reply, Appended::Bytes(new));
    }

    /// Receives the event, in one of three ways.
    fn event(&mut self, source: &mut Source<'_>) {
        let way = source.byte();
        let Self { driver, state, .. } = self;
        match way & 3 {
            0 | 1 => match driver.receive() {
                Ok(Some((event, mut reply))) => {
                    let seen = Seen::from(event);
                    state.handed(seen.clone(), reply.flow());
                    state.reply(way >> 2, &mut reply, source);
                    assert_eq!(Seen::from(event), seen);
                }
                Ok(None) => panic!("the event did not come"),
                Err(error) => state.event_failed(error, &driver.flow),
            },
            2 => {
                let flow = &mut driver.flow;
                match driver.intake.receive(flow) {
                    Ok(Some(event)) => {
                        let seen = Seen::from(event);
                        state.handed(seen.clone(), flow);
                        state.send(flow, source);
                        state.reply(way >> 2, &mut flow.reply(), source);
                        assert_eq!(Seen::from(event), seen);
                    }
                    Ok(None) => panic!("the event did not come"),
                    Err(error) => {
                        state.event_failed(error, flow);
                        flow.end_step();
                    }
                }
            }
            _ => match driver.intake.receive_owned(&mut driver.flow) {
                Ok(Some(event)) => {
                    state.handed(Seen::from(event), &driver.flow);
                    state.reply(way >> 2, &mut driver.flow.reply(), source);
                }
                Ok(None) => panic!("the event did not come"),
                Err(error) => state.event_failed(error, &driver.flow),
            },
        }
    }

    /// Reads, if there is input, in one of two ways.
    pub(super) fn read(&mut self, source: &mut Source<'_>) {
        let (way, amount) = (source.byte(), source.amount());
        let Self { driver, state, .. } = self;
        if state.next_input(1).is_empty() {
            if state.ends {
                self.report_end(way);
            }
            return;
        }
        if state.end_reported {
            return;
        }
        if way & 1 == 0 {
            let len = [64 << 10, 1, 7, 1000][usize::from(way >> 1 & 3)];
            let room = driver.room(|| vec![0; len].into());
            let input = state.next_input(amount.min(room.len()));
            room[..input.len()].copy_from_slice(input);
            if room.is_empty() {
                assert!(state.unasked || !state.exact, "no room");
                return;
            }
            driver.read_done(input.len(), state.now);
            state.read(input.len());
            state.look_after(&driver.flow, Kind::Step);
            return;
        }
        let mut bytes = state.next_input(amount).to_vec();
        state.read(bytes.len());
        let mut loan = driver.received(&mut bytes, state.now);
        let most = if way & 2 == 0 { usize::MAX } else { usize::from(way >> 2 & 7) };
        let mut error = None;
        for _ in 0..most {
            match loan.next() {
                Ok(Some((event, mut reply))) => {
                    let way = source.byte();
                    let seen = Seen::from(event);
                    state.handed(seen.clone(), reply.flow());
                    state.reply(way, &mut reply, source);
                    assert_eq!(Seen::from(event), seen);
                }
                Ok(None) => break,
                Err(failure) => {
                    error = Some(failure);
                    break;
                }
            }
        }
        drop(loan);
        match error {
            Some(error) => state.event_failed(error, &driver.flow),
            None => state.look_after(&driver.flow, Kind::Step),
        }
    }

    /// Reports the peer's EOF in one of three ways.
    pub(super) fn report_end(&mut self, way: u8) {
        let Self { driver, state, .. } = self;
        state.end_reported = true;
        match way & 3 {
            0 | 1 => driver.read_done(0, state.now),
            2 => drop(driver.received(&mut [], state.now)),
            _ => driver.eof(),
        }
        state.look_after(&driver.flow, Kind::Step);
    }

    fn drain(&mut self, source: &mut Source<'_>) {
        let (way, amount) = (source.byte(), source.amount());
        let Self { driver, state, .. } = self;
        let n = state.next_input(amount).len();
        if way & 3 == 0 || n == 0 {
            if n == 0 {
                if !state.ends {
                    return;
                }
                state.end_reported = true;
            }
            driver.flow.drained(n, state.now);
            state.read(n);
            state.look_after(&driver.flow, Kind::Step);
        } else {
            self.read(source);
        }
    }

    /// Writes some output, or some of it in flight.
    pub(super) fn write(&mut self, source: &mut Source<'_>) {
        let amount = source.amount();
        let Self { driver, state, in_flight } = self;
        if in_flight.is_empty() {
            let output = driver.flow.output();
            let n = amount.min(output.len());
            state.output.write(&output[..n]);
            driver.flow.write_done(n, state.now);
        } else {
            let mut left = amount;
            let mut n = 0;
            while left > 0
                && let Some(bytes) = in_flight.front_mut()
            {
                let len = left.min(bytes.len());
                state.output.write(&bytes[..len]);
                bytes.advance(len);
                (left, n) = (left - len, n + len);
                if bytes.is_empty() {
                    in_flight.pop_front();
                }
            }
            driver.flow.write_done(n, state.now);
        }
        state.look_after(&driver.flow, Kind::Step);
        if state.exact && driver.flow.output().is_empty() {
            state.output.assert_no_pong_waits();
        }
    }

    /// Takes output for a write that owns it.
    fn take(&mut self, source: &mut Source<'_>) {
        if self.in_flight.is_empty() || self.state.plan.many_writes {
            let bytes = self.driver.flow.take_output();
            self.state.output.take(&bytes);
            self.state.look_after(&self.driver.flow, Kind::Step);
            self.in_flight.push_back(bytes);
        }
        if source.byte() & 1 != 0 {
            self.write(source);
        }
    }

    /// Puts back all output in flight.
    pub(super) fn put_back(&mut self) {
        while let Some(bytes) = self.in_flight.pop_back() {
            self.driver.flow.put_back(bytes);
        }
        self.state.output.put_back();
        self.state.look_after(&self.driver.flow, Kind::Step);
    }

    fn close(&mut self, source: &mut Source<'_>) {
        let Self { driver, state, .. } = self;
        let code = source.pick(&[1000, 1001, 1005, 1006, 1011, 3000, 4999, 0]);
        let reason = text(7, usize::from(source.byte()));
        let reason = if code == 1005 { "" } else { &reason };
        let was_open = state.output.is_open;
        let result = driver.flow.close(CloseCode::new(code), reason, state.now);
        if !state.exact {
            return;
        }
        let expected = if !state.opened {
            Err(if state.output.is_over { SendError::Closed } else { SendError::NotOpen })
        } else if !was_open {
            Ok(())
        } else if matches!(code, 1006 | 0) {
            Err(SendError::UnsendableCode(code))
        } else if reason.len() > 123 {
            Err(SendError::ReasonTooLong)
        } else {
            Ok(())
        };
        assert_eq!(result, expected);
        if was_open && result.is_ok() {
            let frame =
                if code == 1005 { Frame::new(CLOSE, []) } else { Frame::close(code, reason) };
            state.look(&driver.flow, Kind::Unsolicited, Appended::Frames(vec![frame]));
        } else {
            state.look_after(&driver.flow, Kind::Unsolicited);
        }
    }

    fn fail(&mut self, way: u8) {
        let flow = &mut self.driver.flow;
        match way & 3 {
            0 | 1 => flow.write_failed(),
            2 => flow.failed(),
            _ => flow.abort(),
        }
        self.state.look_after(flow, Kind::Step);
        if way & 3 >= 2 {
            // No more input is read.
            self.state.end_reported = true;
            assert_eq!(self.step(), Step::Done);
        }
    }

    /// Takes the driver apart and rebuilds it.
    fn resume(&mut self) {
        if !self.state.opened || self.state.output.lost {
            return;
        }
        self.put_back();
        let Self { driver, state, .. } = self;
        let other = Driver::server(&state.plan.config, state.now);
        let parts = core::mem::replace(driver, other).into_parts();
        *driver = Driver::resume(parts, state.now);
        state.output.resumed(&driver.flow);
        state.look_after(&driver.flow, Kind::Step);
        (state.end_reported, state.tracks_flushes, state.done) = (false, false, false);
    }

    fn flushes(&mut self, action: u8) {
        let Self { driver, state, .. } = self;
        if action & 0x80 != 0 && !state.tracks_flushes {
            state.tracks_flushes = true;
            driver.flow.track_flushes();
            state.output.restart(&driver.flow);
        } else {
            driver.flow.flush_done();
            assert!(!driver.flow.needs_flush());
        }
        state.look_after(&driver.flow, Kind::Step);
    }

    /// Makes calls without an observable effect.
    fn look_around(&mut self, action: u8) {
        let Self { driver, state, .. } = self;
        match action >> 5 {
            0 => drop(driver.intake.take_buffer()),
            1 => driver.intake.shrink(),
            2 => driver.flow.discard_data(),
            3 => driver.flow.restart_close_timeout(state.now),
            4 => assert!(!format!("{driver:?}").is_empty()),
            5 => drop((driver.deadline(state.now), driver.flow.write_deadline(state.now))),
            6 => drop(driver.flow.connection().close_status()),
            _ => drop((driver.flow.is_above_mark(), driver.intake.unread().len())),
        }
        state.look_after(&driver.flow, Kind::Step);
    }

    /// Makes calls at the wrong time, which have no effect.
    fn do_nothing(&mut self, action: u8, source: &mut Source<'_>) {
        let Self { driver, state, .. } = self;
        match action >> 5 {
            0 => {
                // Two receives: the second returns no event.
                if self.step() == Step::Event {
                    self.event(source);
                }
                assert!(self.driver.receive().is_ok_and(|event| event.is_none()));
                return self.state.look_after(&self.driver.flow, Kind::Step);
            }
            1 => {
                if driver.flow.take_response().is_some() {
                    assert!(!state.opened, "a second response");
                    return self.opened();
                }
            }
            2 => driver.flow.put_back(BytesMut::new()),
            3 => driver.flow.write_done(0, state.now),
            4 => {
                self.step();
                self.step();
                return;
            }
            5 => {
                if self.step() != Step::Event {
                    assert!(self.driver.receive().is_ok_and(|event| event.is_none()));
                }
                return self.state.look_after(&self.driver.flow, Kind::Step);
            }
            6 => {
                let room = driver.room(|| vec![0; 100].into()).len();
                assert_eq!(driver.room(|| vec![0; 100].into()).len(), room);
            }
            _ => {
                if state.opened {
                    let refusal = Refusal::new(401).expect("an error");
                    driver.flow.refuse(refusal).expect_err("nothing to refuse");
                    assert!(driver.flow.take_request().is_none());
                }
            }
        }
        state.look_after(&driver.flow, Kind::Step);
    }

    fn pass_time(&mut self, source: &mut Source<'_>) {
        let Self { driver, state, .. } = self;
        let now = state.now.as_micros();
        let later = match source.byte() & 0x0f {
            0..=2 => now.saturating_add(1),
            3..=5 => now.saturating_add(900),
            6 | 7 => now.saturating_add(9000),
            8 | 9 => now.saturating_add(1_100_000),
            10 | 11 => match driver.deadline(state.now) {
                Some(deadline) => now.max(deadline.as_micros()),
                None => now,
            },
            12 => match driver.flow.write_deadline(state.now) {
                Some(deadline) => now.max(deadline.as_micros().saturating_sub(1)),
                None => now,
            },
            13 | 14 => now.saturating_add(30_000_000),
            _ if source.byte() == 7 => u64::MAX,
            _ => now,
        };
        state.now = Instant::from_micros(later);
    }

    /// Checks that a wait whose deadline has passed ends.
    pub(super) fn settle(&mut self, writes_only: bool) {
        for _ in 0..8 {
            let step = self.step();
            if !matches!(step, Step::Read | Step::Write { .. } | Step::Drain) {
                return;
            }
            let Self { driver, state, .. } = self;
            let deadline = if writes_only {
                driver.flow.write_deadline(state.now)
            } else {
                driver.deadline(state.now)
            };
            if self.state.exact && !self.may_overflow() && self.driver.flow.unsent() > 0 {
                assert!(deadline.is_some(), "a wait without a deadline");
            }
            let Self { driver, state, .. } = self;
            if deadline.is_none_or(|deadline| deadline > state.now) {
                return;
            }
            if writes_only {
                driver.flow.write_timed_out(state.now);
            } else {
                driver.timed_out(state.now);
            }
            state.look_after(&driver.flow, Kind::Timer);
        }
        panic!("endless loop: {:?}", self.driver);
    }

    fn may_overflow(&self) -> bool {
        let config = &self.state.plan.config;
        let long = |timeout: core::time::Duration| timeout.as_secs() > 1_000_000;
        self.state.now.as_micros() > 1 << 60
            || long(config.write_timeout())
            || long(config.linger_timeout())
    }

    /// Continues with the rest of the stream until the driver is done.
    pub(super) fn finish(&mut self) {
        self.settle(false);
        self.state.ends = true;
        let mut source = Source::new(&[]);
        let most = 20 * (self.state.plan.stream.len() + self.driver.flow.unsent() + 1000);
        for _ in 0..most {
            if self.state.done {
                break;
            }
            self.turn(&mut source);
            if !self.state.exact {
                self.driver.flow.write_done(usize::MAX, self.state.now);
            }
        }
        if !self.state.exact && !self.state.done {
            self.driver.flow.abort();
            self.step();
        }
        assert!(self.state.done, "never done: {:?}", self.driver);
        // From now on no call has an effect.
        let end = self.driver.flow.end();
        assert!(self.driver.receive().is_ok_and(|event| event.is_none()));
        drop(self.driver.received(&mut [0x81], self.state.now));
        self.driver.flow.send_text("late").expect_err("it is over");
        self.driver.timed_out(self.state.now);
        self.driver.flow.write_timed_out(self.state.now);
        assert_eq!(self.step(), Step::Done);
        assert_eq!((self.driver.flow.end(), self.driver.flow.unsent()), (end, 0));
        assert!(self.driver.flow.take_output().capacity() == 0, "memory held after the end");
        if self.state.exact {
            self.state.judge_end(&self.driver.flow);
        }
    }
}
