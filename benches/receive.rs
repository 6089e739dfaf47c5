//! Receiving by a server, time per message. The input arrives in reads of at most 64 KiB, each
//! copied once into the same buffer, as an adapter receives it from a socket.
//!
//! `naive` is the obvious implementation: it unmasks byte by byte, validates text with the standard
//! library, and copies each message into a new vector; it checks no other rule. `copy` only copies
//! the reads: the part of each figure that is not the engine's.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use core::hint::black_box;

use bytes::BytesMut;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use sansocket::config::Delivery;
use sansocket::connection::{Negotiated, OwnedEvent};
use sansocket::{Config, Connection, Event, Inbox, Input, Instant, Role};

use crate::common::{Kind, READ_LEN, fragmented, messages_of, per_message, stream};

const NOW: Instant = Instant::from_micros(0);

fn whole(c: &mut Criterion) {
    for kind in [Kind::Binary, Kind::Text, Kind::Cyrillic] {
        let mut group = c.benchmark_group(format!("receive/{}", kind.name()));
        for len in [16, 125, 1024, 16 * 1024, 1 << 20] {
            let (stream, messages) = (stream(kind, len), messages_of(len));
            let mut server = Server::new(Delivery::Whole);
            group.bench_function(BenchmarkId::new("sansocket", len), |b| {
                per_message(b, messages, || {
                    assert_eq!(server.receive(&stream, READ_LEN), messages);
                });
            });
            let mut buffer = Vec::new();
            group.bench_function(BenchmarkId::new("naive", len), |b| {
                per_message(b, messages, || {
                    assert_eq!(naive(&stream, kind != Kind::Binary, &mut buffer), messages);
                });
            });
            if kind == Kind::Binary {
                copy(&mut group, len, &stream, messages);
            }
        }
        group.finish();
    }
}

fn copy(group: &mut BenchmarkGroup<'_, WallTime>, len: usize, stream: &[u8], messages: usize) {
    let mut buffer = vec![0; READ_LEN];
    group.bench_function(BenchmarkId::new("copy", len), |b| {
        per_message(b, messages, || {
            for read in stream.chunks(READ_LEN) {
                buffer[..read.len()].copy_from_slice(read);
                black_box(&buffer);
            }
        });
    });
}

/// Measures cases other than the usual one.
fn others(c: &mut Criterion) {
    let mut group = c.benchmark_group("receive/other");
    let mut server = Server::new(Delivery::Whole);

    let (small, messages) = (stream(Kind::Binary, 16), messages_of(16));
    let one_frame = small.len() / messages;
    group.bench_function("16 B, one per read", |b| {
        per_message(b, messages, || assert_eq!(server.receive(&small, one_frame), messages));
    });
    group.bench_function("16 B, cut at every seventh byte", |b| {
        per_message(b, messages, || assert_eq!(server.receive(&small, 7), messages));
    });
    group.bench_function("16 B, owned", |b| {
        per_message(b, messages, || assert_eq!(server.receive_owned(&small), messages));
    });
    group.bench_function("16 B, pipelined, answered", |b| {
        per_message(b, messages, || assert_eq!(server.echo(&small, 64 * one_frame), messages));
    });

    for kind in [Kind::Binary, Kind::Text] {
        let (cut, messages) = (fragmented(kind, 16 * 1024, 1024), messages_of(16 * 1024));
        group.bench_function(format!("16 KiB {} in fragments of 1 KiB", kind.name()), |b| {
            per_message(b, messages, || assert_eq!(server.receive(&cut, READ_LEN), messages));
        });
        let (long, messages) = (stream(kind, 1 << 20), messages_of(1 << 20));
        let mut parts = Server::new(Delivery::Parts);
        group.bench_function(format!("1 MiB {} in parts", kind.name()), |b| {
            per_message(b, messages, || assert_eq!(parts.receive(&long, READ_LEN), messages));
        });
    }
    group.finish();
}

/// A connection with its buffers.
struct Server {
    connection: Connection,
    inbox: Inbox,
    buffer: Vec<u8>,
    out: BytesMut,
}

impl Server {
    fn new(delivery: Delivery) -> Self {
        let config = Config::server().delivery(delivery).build().unwrap();
        Self {
            connection: Connection::new(Role::Server, &config, &Negotiated::new(), NOW),
            inbox: Inbox::new(),
            buffer: vec![0; READ_LEN],
            out: BytesMut::new(),
        }
    }

    /// Receives a stream in reads of at most `read_len` bytes; returns the number of messages.
    fn receive(&mut self, mut stream: &[u8], read_len: usize) -> usize {
        let Self { connection, inbox, buffer, out } = self;
        let mut messages = 0;
        while !stream.is_empty() {
            let mut read = 0;
            match connection.direct_room(inbox) {
                Some(room) if room.len() >= READ_LEN => {
                    let n = pull(&mut stream, room, read_len);
                    connection.received_direct(n, NOW, inbox);
                }
                _ => read = pull(&mut stream, buffer, read_len),
            }
            let mut input = Input::new(NOW, &mut buffer[..read]);
            while let Some(event) = connection.receive(&mut input, inbox, out).unwrap() {
                let (data, end) = event.data().unwrap();
                black_box(data.as_bytes());
                messages += usize::from(end);
            }
        }
        messages
    }

    fn receive_owned(&mut self, mut stream: &[u8]) -> usize {
        let Self { connection, inbox, buffer, out } = self;
        let mut messages = 0;
        while !stream.is_empty() {
            let read = pull(&mut stream, buffer, READ_LEN);
            let mut input = Input::new(NOW, &mut buffer[..read]);
            while let Some(event) = connection.receive_owned(&mut input, inbox, out).unwrap() {
                assert!(matches!(black_box(event), OwnedEvent::Message(_)));
                messages += 1;
            }
        }
        messages
    }

    /// Echoes each message. The replies to one read are one write.
    fn echo(&mut self, mut stream: &[u8], read_len: usize) -> usize {
        let Self { connection, inbox, buffer, out } = self;
        let mut messages = 0;
        while !stream.is_empty() {
            let read = pull(&mut stream, buffer, read_len);
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

/// Simulates a read of a socket: copies at most `most` bytes of the stream.
fn pull(stream: &mut &[u8], buffer: &mut [u8], most: usize) -> usize {
    let (read, rest) = stream.split_at(stream.len().min(buffer.len()).min(most));
    buffer[..read.len()].copy_from_slice(read);
    *stream = rest;
    read.len()
}

fn naive(stream: &[u8], text: bool, buffer: &mut Vec<u8>) -> usize {
    buffer.clear();
    let mut messages = 0;
    for read in stream.chunks(READ_LEN) {
        buffer.extend_from_slice(read);
        let mut used = 0;
        while let Some((message, n)) = naive_frame(&buffer[used..]) {
            if text {
                black_box(String::from_utf8(message).unwrap());
            } else {
                black_box(message);
            }
            messages += 1;
            used += n;
        }
        buffer.drain(..used);
    }
    messages
}

/// Returns the payload of one complete frame, and the length of the frame.
fn naive_frame(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (len, at) = match bytes.get(1)? & 0x7f {
        126 => (u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into(), 4),
        127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize, 10),
        short => (short.into(), 2),
    };
    let key: [u8; 4] = *bytes.get(at..)?.first_chunk()?;
    let masked = bytes.get(at + 4..at + 4 + len)?;
    let payload = masked.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
    Some((payload, at + 4 + len))
}

criterion_group! { name = benches; config = common::criterion(); targets = whole, others }
criterion_main!(benches);
