//! Event loops on the public driver, in memory and on a virtual clock: asynchronous writes,
//! unrequested reads, one buffer for all connections, a client.

use core::time::Duration;
use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use sansocket::config::ConfigBuilder;
use sansocket::driver::{Driver, Reply, Step};
use sansocket::error::{EntropyError, PeerError, ProtocolError, TimeoutError};
use sansocket::{AcceptOptions, CloseCode, Config, ConnectRequest, Entropy, Event, Instant};

use crate::common::frame::frame;

fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

fn echo((event, mut reply): (Event<'_>, Reply<'_>)) {
    match event {
        Event::Text(text) => reply.send_text(text).unwrap(),
        Event::Binary(bytes) => reply.send_binary(bytes).unwrap(),
        _ => {}
    }
}

fn accept(driver: &mut Driver, now: Instant) {
    let request = driver.flow.take_request().unwrap();
    driver.flow.accept(&request, &AcceptOptions::new(), now).unwrap();
}

fn server(config: ConfigBuilder) -> Driver {
    Driver::server(&config.build().unwrap(), at(0))
}

fn client() -> Driver {
    #[expect(clippy::unnecessary_wraps, reason = "a source of entropy may fail")]
    fn weak(bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.fill(7);
        Ok(())
    }
    let config = Config::client(Entropy::from_fn(weak)).keep_alive(None, None).build().unwrap();
    let request = ConnectRequest::new("ws://example.com/ws").unwrap();
    Driver::client(&request, &config, at(0)).unwrap()
}

/// An open server without output.
fn open(config: ConfigBuilder) -> Driver {
    let (mut server, mut client) = (server(config), client());
    let mut request = client.flow.take_output();
    drop(server.received(&mut request, at(0)));
    assert_eq!(server.step(), Step::Request);
    accept(&mut server, at(0));
    assert_eq!(server.step(), Step::Write { or_read: true });
    server.flow.write_done(server.flow.output().len(), at(0));
    assert_eq!(server.step(), Step::Read);
    server
}

#[test]
fn an_idle_connection_without_output_is_not_stalled() {
    let mut server = open(Config::server().keep_alive(None, None));
    assert_eq!(server.deadline(at(0)), None);
    server.timed_out(at(3600));
    assert_eq!((server.step(), server.flow.error()), (Step::Read, None));
}

#[test]
fn output_that_the_transport_holds_is_stalled_until_it_is_flushed() {
    let mut server = open(Config::server().keep_alive(None, None));
    server.flow.track_flushes();
    server.flow.flush_done();
    server.flow.send_text("held").unwrap();
    server.flow.write_done(server.flow.output().len(), at(10));
    assert!(server.flow.needs_flush());
    assert_eq!(server.deadline(at(10)), Some(at(70)));
    server.flow.flush_done();
    assert_eq!(server.deadline(at(10)), None);

    server.flow.send_text("held").unwrap();
    server.flow.write_done(server.flow.output().len(), at(80));
    assert_eq!(server.deadline(at(80)), Some(at(140)));
    server.timed_out(at(140));
    assert_eq!(server.flow.error(), Some(ProtocolError::Timeout(TimeoutError::Write)));
}

#[test]
fn input_kept_from_a_borrowed_buffer_is_freed_after_receive() {
    let mut server = open(Config::server().high_water_mark(1000).keep_alive(None, None));
    let mut bytes = frame(0x82, &[7; 900]).repeat(10);
    {
        let mut loan = server.received(&mut bytes, at(1));
        while let Some(received) = loan.next().unwrap() {
            echo(received);
        }
    }
    assert_eq!(server.intake.unread().len(), 8 * 908);
    let mut events = 2;
    loop {
        match server.step() {
            Step::Event => {
                echo(server.receive().unwrap().unwrap());
                events += 1;
            }
            Step::Write { .. } => server.flow.write_done(server.flow.output().len(), at(1)),
            step => break assert_eq!(step, Step::Read),
        }
    }
    assert_eq!(events, 10);
    assert!(server.intake.take_buffer().is_none(), "an idle connection holds a read buffer");
}

#[test]
fn only_an_opened_connection_has_a_close_status() {
    let mut server = open(Config::server());
    assert_eq!(server.flow.close_status(), None);
    let mut close = frame(0x88, b"\x03\xe9bye");
    drop(server.received(&mut close, at(1)));
    assert_eq!(server.step(), Step::Event);
    server.receive().unwrap();
    let status = server.flow.close_status().unwrap();
    assert_eq!((status.code, status.reason.as_str()), (CloseCode::GOING_AWAY, "bye"));

    let mut lost = self::server(Config::server());
    drop(lost.received(&mut [], at(1)));
    assert_eq!((lost.step(), lost.flow.close_status()), (Step::Done, None));
}

/// A source of choices, the same in each run.
struct Choices(u64);

impl Choices {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

/// A server on completions, as with io_uring. The kernel owns the output during a write. A receive
/// that was armed once fills buffer after buffer, also without a read step of the driver.
struct Completions {
    driver: Driver,
    in_flight: Option<BytesMut>,
    /// Whether a receive is armed. Disarming it takes time: further buffers can arrive.
    armed: bool,
    ended: bool,
    done: bool,
    most_unread: usize,
}

impl Completions {
    fn new(config: ConfigBuilder) -> Self {
        let driver = server(config);
        Self { driver, in_flight: None, armed: true, ended: false, done: false, most_unread: 0 }
    }

    /// Executes all steps that need no completion.
    fn pump(&mut self, now: Instant) {
        loop {
            let step = self.driver.step();
            match step {
                Step::Request => accept(&mut self.driver, now),
                Step::Event => echo(self.driver.receive().unwrap().unwrap()),
                Step::EndWriting => {
                    self.ended = true;
                    self.driver.flow.writing_ended();
                }
                Step::Done => break self.done = true,
                Step::Write { .. } | Step::Read | Step::Drain => {
                    if self.in_flight.is_none() && !self.driver.flow.output().is_empty() {
                        self.in_flight = Some(self.driver.flow.take_output());
                    }
                    self.armed = step != Step::Write { or_read: false };
                    break;
                }
                Step::Opened => panic!("a server is not opened"),
            }
        }
        self.most_unread = self.most_unread.max(self.driver.intake.unread().len());
    }

    fn received(&mut self, buffer: &mut [u8], now: Instant) {
        let mut loan = self.driver.received(buffer, now);
        while let Some(received) = loan.next().unwrap() {
            echo(received);
        }
        drop(loan);
        self.pump(now);
    }

    /// The kernel has written `n` bytes of those in flight.
    fn written(&mut self, n: usize, now: Instant) {
        let mut rest = self.in_flight.take().unwrap();
        rest.advance(n);
        self.driver.flow.write_done(n, now);
        if !rest.is_empty() {
            self.driver.flow.put_back(rest);
        }
        self.pump(now);
    }
}

/// A client on readiness, with its own read buffer.
struct Asker {
    driver: Driver,
    to_send: VecDeque<Vec<u8>>,
    awaited: VecDeque<Vec<u8>>,
    opened: bool,
    done: bool,
    ended: bool,
}

impl Asker {
    /// Executes the next step. `input` is the available input. Returns the written bytes, at most
    /// `most`.
    fn step(&mut self, input: &mut VecDeque<u8>, eof: bool, most: usize, now: Instant) -> Vec<u8> {
        while self.driver.flow.is_open() && self.driver.flow.unsent() < 5000 {
            let Some(message) = self.to_send.pop_front() else { break };
            self.driver.flow.send_binary(&message).unwrap();
            self.awaited.push_back(message);
        }
        let step = self.driver.step();
        // Whether a write would block, so that a read is possible in its place.
        let blocks = most.is_multiple_of(2);
        match step {
            Step::Opened => {
                let response = self.driver.flow.take_response().unwrap();
                assert_eq!(response.status(), 101);
                self.opened = true;
            }
            Step::Event => match self.driver.receive().unwrap().unwrap().0 {
                Event::Binary(bytes) => {
                    assert_eq!(bytes, self.awaited.pop_front().unwrap());
                    if self.awaited.is_empty() && self.to_send.is_empty() {
                        self.driver.flow.close(CloseCode::NORMAL, "done", now).unwrap();
                    }
                }
                Event::Close(frame) => assert_eq!(frame.unwrap().reason, "done"),
                event => panic!("{event:?}"),
            },
            Step::Read | Step::Drain | Step::Write { or_read: true }
                if (eof || !input.is_empty())
                    && (blocks || !matches!(step, Step::Write { .. })) =>
            {
                let room = self.driver.room(|| vec![0; 700].into());
                let n = room.len().min(input.len());
                for (place, byte) in room.iter_mut().zip(input.drain(..n)) {
                    *place = byte;
                }
                self.driver.read_done(n, now);
            }
            Step::Write { .. } => {
                let n = most.min(self.driver.flow.output().len());
                let written = self.driver.flow.output()[..n].to_vec();
                self.driver.flow.write_done(n, now);
                return written;
            }
            Step::EndWriting => {
                self.ended = true;
                self.driver.flow.writing_ended();
            }
            Step::Done => self.done = true,
            Step::Read | Step::Drain => {}
            Step::Request => panic!("a client has no request"),
        }
        Vec::new()
    }
}

#[test]
fn a_completion_loop_echoes_every_byte_to_a_client_on_the_driver() {
    for seed in 0..50 {
        let mut choices = Choices(seed);
        let mut server = Completions::new(Config::server().high_water_mark(2000).max_unsent(8000));
        let to_send = (0..60).map(|i| vec![i; choices.below(1500)]).collect();
        let awaited = VecDeque::new();
        let mut asker =
            Asker { driver: client(), to_send, awaited, opened: false, done: false, ended: false };
        let (mut to_server, mut to_client) = (VecDeque::new(), VecDeque::new());
        let (mut server_eof, mut turns) = (false, 0);
        while !(server.done && asker.done) {
            turns += 1;
            assert!(
                turns < 1_000_000,
                "they wait for each other: {:?} {:?}",
                server.driver,
                asker.driver
            );
            let now = Instant::from_micros(turns);
            match choices.below(3) {
                0 => {
                    let most = 1 + choices.below(900);
                    let eof = server.ended && server.in_flight.is_none();
                    to_server.extend(asker.step(&mut to_client, eof, most, now));
                }
                // A receive that is disarmed may complete once more.
                1 if (server.armed || choices.below(4) == 0) && !server.done => {
                    let n = (1 + choices.below(4000)).min(to_server.len());
                    let mut buffer: Vec<u8> = to_server.drain(..n).collect();
                    if n > 0 || (asker.ended && !server_eof) {
                        server_eof = n == 0;
                        server.received(&mut buffer, now);
                    }
                }
                2 => {
                    if let Some(bytes) = &server.in_flight {
                        let n = 1 + choices.below(bytes.len());
                        to_client.extend(&bytes[..n]);
                        server.written(n, now);
                    }
                }
                _ => {}
            }
        }
        assert!(asker.opened && asker.awaited.is_empty() && asker.to_send.is_empty());
        assert_eq!(asker.driver.flow.error(), None);
        assert_eq!(server.driver.flow.error(), None);
        // A message shorter than the mark, and the bytes in the buffers of the kernel.
        assert!(server.most_unread < 20_000, "{} bytes are unread", server.most_unread);
    }
}

/// Runs a loop with a transport that never becomes ready again, from deadline to deadline.
fn run_dead(driver: &mut Driver) -> Instant {
    let mut now = at(1);
    let mut turns_at_now = 0;
    loop {
        turns_at_now += 1;
        assert!(turns_at_now < 8, "the loop spins: {driver:?}");
        match driver.step() {
            Step::Done => return now,
            Step::Request => accept(driver, now),
            Step::Event => echo(driver.receive().unwrap().unwrap()),
            Step::EndWriting => driver.flow.writing_ended(),
            Step::Opened | Step::Read | Step::Drain | Step::Write { .. } => {
                let deadline = driver.deadline(now).expect("the loop waits for ever");
                if deadline <= now {
                    driver.timed_out(now);
                } else {
                    (now, turns_at_now) = (deadline, 0);
                }
            }
        }
    }
}

#[test]
fn deadlines_alone_end_every_connection_without_a_busy_loop() {
    let limits = || {
        Config::server()
            .high_water_mark(500)
            .keep_alive(Some(Duration::from_secs(20)), Some(Duration::from_secs(10)))
            .message_timeout(Some(Duration::from_secs(90)))
    };
    let receive = |driver: &mut Driver, mut bytes: Vec<u8>| {
        let mut loan = driver.received(&mut bytes, at(1));
        while let Ok(Some(received)) = loan.next() {
            echo(received);
        }
    };
    type State<'p> = (&'static str, u64, Option<ProtocolError>, &'p dyn Fn() -> Driver);
    let timeout = |timeout| Some(ProtocolError::Timeout(timeout));
    // The last 2 seconds are the linger timeout.
    let states: [State<'_>; 10] = [
        ("no request", 12, None, &|| server(limits())),
        (
            "a request, and the response cannot be written",
            12,
            timeout(TimeoutError::Handshake),
            &|| {
                let (mut server, mut client) = (server(limits()), client());
                receive(&mut server, client.flow.take_output().to_vec());
                server
            },
        ),
        ("idle, and the ping is not even taken", 32, timeout(TimeoutError::Write), &|| {
            open(limits())
        }),
        ("half a message", 33, timeout(TimeoutError::Write), &|| {
            let mut server = open(limits());
            receive(&mut server, frame(0x02, b"half"));
            server
        }),
        ("replies above the mark, and events that wait", 13, timeout(TimeoutError::Write), &|| {
            let mut server = open(limits());
            receive(&mut server, frame(0x82, &[7; 400]).repeat(5));
            server
        }),
        ("unsolicited output", 13, timeout(TimeoutError::Write), &|| {
            let mut server = open(limits());
            server.flow.send_binary(&[7; 100_000]).unwrap();
            server
        }),
        ("closing", 8, timeout(TimeoutError::CloseUnsent), &|| {
            let mut server = open(limits());
            server.flow.close(CloseCode::NORMAL, "", at(1)).unwrap();
            server
        }),
        ("closed by the peer, and the answer cannot be written", 3, None, &|| {
            let mut server = open(limits());
            receive(&mut server, frame(0x88, b""));
            server
        }),
        ("failed", 3, Some(PeerError::UnknownOpCode(3).into()), &|| {
            let mut server = open(limits());
            receive(&mut server, frame(0x83, b""));
            server
        }),
        ("a write has failed", 1, Some(PeerError::ClosedWithoutHandshake.into()), &|| {
            let mut server = open(limits());
            server.flow.write_failed();
            server
        }),
    ];
    for (state, end, error, prepare) in states {
        let mut driver = prepare();
        assert_eq!((run_dead(&mut driver), driver.flow.error()), (at(end), error), "{state}");
    }
}
