//! The driver: one read, its events, a reply to each, one write. Time per message, compared with
//! the core doing the same.
//!
//! The bench also checks a bound, as a ratio within one run: if a peer takes the output byte by
//! byte, 65 kB of empty fragments in the input may cost at most three times the CPU time without
//! them. A higher ratio is a failure, in `cargo bench` and in `cargo test --bench driver`, which
//! runs each bench once.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

#[path = "common/clock.rs"]
mod clock;
mod common;

use core::hint::black_box;
use std::process::ExitCode;

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput};
use sansocket::connection::Negotiated;
use sansocket::driver::{Driver, Step};
use sansocket::{Config, Connection, Event, Inbox, Input, Instant, Role};

use crate::clock::thread_nanos;
use crate::common::{Kind, READ_LEN, frame, messages_of, per_message, stream};

fn main() -> ExitCode {
    let mut criterion = common::criterion();
    echo(&mut criterion);
    criterion.final_summary();
    // Cargo passes `--bench` only for a measurement.
    let measures = std::env::args().any(|arg| arg == "--bench");
    judge_slow_peers(if measures { 41 } else { 5 })
}

fn echo(c: &mut Criterion) {
    let mut group = c.benchmark_group("driver/echo");
    for len in [16, 1024, 64 * 1024] {
        let (stream, messages) = (stream(Kind::Binary, len), messages_of(len));
        group.throughput(Throughput::Bytes(len as u64));
        let mut driver = Driver::new(server(), NOW);
        group.bench_function(BenchmarkId::new("driver", len), |b| {
            per_message(b, messages, || assert_eq!(echo_driver(&mut driver, &stream), messages));
        });
        let mut driver = Driver::new(server(), NOW);
        let mut buffer = vec![0; READ_LEN];
        group.bench_function(BenchmarkId::new("driver, lent buffer", len), |b| {
            per_message(b, messages, || {
                assert_eq!(echo_loan(&mut driver, &stream, &mut buffer), messages);
            });
        });
        let mut core = Core { connection: server(), inbox: Inbox::new(), out: BytesMut::new() };
        group.bench_function(BenchmarkId::new("core", len), |b| {
            per_message(b, messages, || {
                assert_eq!(core.echo(&stream, &mut buffer), messages);
            });
        });
    }
    group.finish();
}

/// Echoes each message of a stream; returns the number of messages.
fn echo_driver(driver: &mut Driver, mut stream: &[u8]) -> usize {
    let mut messages = 0;
    loop {
        match driver.step() {
            Step::Event => {
                if let Some((Event::Binary(bytes), mut reply)) = driver.receive().unwrap() {
                    reply.send_binary(bytes).unwrap();
                    messages += 1;
                }
            }
            Step::Read if stream.is_empty() => return messages,
            Step::Read => {
                let n = pull(&mut stream, driver.room(|| vec![0; READ_LEN].into()));
                driver.read_done(n, NOW);
            }
            Step::Write { .. } => write_all(driver),
            step => panic!("{step:?} of an open connection"),
        }
    }
}

/// Echoes each message of a stream, with a read buffer that is lent to the driver.
fn echo_loan(driver: &mut Driver, mut stream: &[u8], buffer: &mut [u8]) -> usize {
    let mut messages = 0;
    loop {
        match driver.step() {
            Step::Event => {
                if let Some((Event::Binary(bytes), mut reply)) = driver.receive().unwrap() {
                    reply.send_binary(bytes).unwrap();
                    messages += 1;
                }
            }
            Step::Read if stream.is_empty() => return messages,
            Step::Read => {
                let n = pull(&mut stream, buffer);
                let mut loan = driver.received(&mut buffer[..n], NOW);
                while let Some((event, mut reply)) = loan.next().unwrap() {
                    if let Event::Binary(bytes) = event {
                        reply.send_binary(bytes).unwrap();
                        messages += 1;
                    }
                }
            }
            Step::Write { .. } => write_all(driver),
            step => panic!("{step:?} of an open connection"),
        }
    }
}

fn write_all(driver: &mut Driver) {
    let n = black_box(driver.flow.output()).len();
    driver.flow.write_done(n, NOW);
}

struct Core {
    connection: Connection,
    inbox: Inbox,
    out: BytesMut,
}

impl Core {
    fn echo(&mut self, mut stream: &[u8], buffer: &mut [u8]) -> usize {
        let Self { connection, inbox, out } = self;
        let mut messages = 0;
        while !stream.is_empty() {
            let mut read = 0;
            match connection.direct_room(inbox) {
                Some(room) if room.len() >= READ_LEN => {
                    let n = pull(&mut stream, room);
                    connection.received_direct(n, NOW, inbox);
                }
                _ => read = pull(&mut stream, buffer),
            }
            let mut input = Input::new(NOW, &mut buffer[..read]);
            while let Some(event) = connection.receive(&mut input, inbox, out).unwrap() {
                if let Event::Binary(bytes) = event {
                    connection.send_binary(bytes, out).unwrap();
                    messages += 1;
                }
            }
            black_box(&out);
            out.clear();
        }
        messages
    }
}

/// The unread input while a slow peer takes the output.
#[derive(Clone, Copy, Debug)]
enum AtHand {
    Nothing,
    /// Empty fragments of a message that does not end.
    Fragments,
    /// A complete message of empty fragments: an event that can't be handed out yet.
    Message,
}

/// Compares the cost of a slow peer with and without unread input: the medians of `pairs`
/// measurements each, which alternate.
fn judge_slow_peers(pairs: usize) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for at_hand in [AtHand::Fragments, AtHand::Message] {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..pairs {
            without.push(slow_peer(AtHand::Nothing));
            with.push(slow_peer(at_hand));
        }
        let (without, with) = (median(without), median(with));
        let ratio = with / without;
        println!(
            "driver/slow peer, {at_hand:?} at hand: {with:.1} ns per byte of output, without {without:.1} ns: \
             {ratio:.2} times (at most {MAX_RATIO})"
        );
        if ratio > MAX_RATIO {
            eprintln!(
                "FAILED: output taken byte by byte costs {ratio:.2} times as much with {at_hand:?} at hand \
                 in the input; the bound is {MAX_RATIO}. Each step must look at new input only."
            );
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Measures a peer that takes the output byte by byte; returns nanoseconds per byte.
///
/// The replies stay above the high-water mark until the last byte, so no event is handed out.
fn slow_peer(at_hand: AtHand) -> f64 {
    let mut driver = Driver::new(server(), NOW);
    let mut input = Vec::new();
    frame(0x82, &[], &mut input);
    if !matches!(at_hand, AtHand::Nothing) {
        frame(0x02, &[], &mut input);
        for _ in 0..FRAGMENTS {
            frame(0x00, &[], &mut input);
        }
    }
    if matches!(at_hand, AtHand::Message) {
        frame(0x80, &[], &mut input);
    }
    driver.room(|| vec![0; input.len()].into()).copy_from_slice(&input);
    driver.read_done(input.len(), NOW);

    assert_eq!(driver.step(), Step::Event);
    let (_, mut reply) = driver.receive().unwrap().unwrap();
    let mark = reply.flow().connection().config().high_water_mark();
    reply.send_binary(&vec![0; mark + TAKEN]).unwrap();

    let start = thread_nanos();
    for _ in 0..TAKEN {
        let step = driver.step();
        assert!(matches!(step, Step::Write { .. }), "{step:?} above the high-water mark");
        black_box(driver.deadline(NOW));
        black_box(driver.flow.output().first());
        driver.flow.write_done(1, NOW);
    }
    (thread_nanos() - start) as f64 / TAKEN as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn server() -> Connection {
    let config = Config::server().build().unwrap();
    Connection::new(Role::Server, &config, &Negotiated::new(), NOW)
}

/// Simulates a read of a socket: copies as much of the stream as fits.
fn pull(stream: &mut &[u8], buffer: &mut [u8]) -> usize {
    let (read, rest) = stream.split_at(stream.len().min(buffer.len()));
    buffer[..read.len()].copy_from_slice(read);
    *stream = rest;
    read.len()
}

const NOW: Instant = Instant::from_micros(0);

/// The bound, as a multiple of the cost without unread input.
const MAX_RATIO: f64 = 3.0;

/// The number of empty fragments in the input, of six bytes each.
const FRAGMENTS: usize = 10_900;

/// The bytes that the slow peer takes. Receiving all fragments once costs little in comparison.
const TAKEN: usize = 128 * 1024;
