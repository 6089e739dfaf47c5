//! Sending, time per message. After every 32 messages, and at 64 KiB, the output is written: copied
//! once into a constant sink, as a kernel does.
//!
//! `naive` is the obvious implementation: a header, then the payload, masked byte by byte with a
//! constant key. Our client takes a new key from the operating system for each frame.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use core::hint::black_box;

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sansocket::connection::Negotiated;
use sansocket::message::MessageKind;
use sansocket::{Config, Connection, Entropy, Instant, Prepared, Role};

use crate::common::{Kind, READ_LEN, frame, messages_of, per_message};

fn sending(c: &mut Criterion) {
    for role in [Role::Server, Role::Client] {
        let mut group =
            c.benchmark_group(if role == Role::Server { "send/server" } else { "send/client" });
        for len in [16, 125, 1024, 16 * 1024, 1 << 20] {
            let (payload, messages) = (Kind::Binary.payload(len), messages_of(len));
            let (mut connection, mut out, mut sink) = (open(role), BytesMut::new(), Sink::new());
            group.bench_function(BenchmarkId::new("sansocket", len), |b| {
                per_message(b, messages, || {
                    for i in 1..=messages {
                        connection.send_binary(black_box(&payload), &mut out).unwrap();
                        if i % 32 == 0 || out.len() >= READ_LEN {
                            sink.write(&[&out]);
                            out.clear();
                        }
                    }
                });
            });
            let mut out = Vec::new();
            group.bench_function(BenchmarkId::new("naive", len), |b| {
                per_message(b, messages, || {
                    for i in 1..=messages {
                        if role == Role::Server {
                            naive_unmasked(black_box(&payload), &mut out);
                        } else {
                            frame(0x82, black_box(&payload), &mut out);
                        }
                        if i % 32 == 0 || out.len() >= READ_LEN {
                            sink.write(&[&out]);
                            out.clear();
                        }
                    }
                });
            });
            if role == Role::Client {
                continue;
            }
            let (prepared, mut out) = (Prepared::binary(&payload), BytesMut::new());
            group.bench_function(BenchmarkId::new("prepared", len), |b| {
                per_message(b, messages, || {
                    for i in 1..=messages {
                        connection.send_prepared(black_box(&prepared), &mut out).unwrap();
                        if i % 32 == 0 || out.len() >= READ_LEN {
                            sink.write(&[&out]);
                            out.clear();
                        }
                    }
                });
            });
            group.bench_function(BenchmarkId::new("vectored", len), |b| {
                per_message(b, messages, || {
                    for _ in 1..=messages {
                        let head = connection.frame_head(MessageKind::Binary, len).unwrap();
                        sink.write(&[head.as_bytes(), black_box(&payload)]);
                    }
                });
            });
        }
        group.finish();
    }
}

fn open(role: Role) -> Connection {
    let config = match role {
        Role::Server => Config::server(),
        Role::Client => Config::client(Entropy::os()),
    };
    let config = config.build().unwrap();
    Connection::new(role, &config, &Negotiated::new(), Instant::from_micros(0))
}

struct Sink(Vec<u8>);

impl Sink {
    fn new() -> Self {
        Self(vec![0; 256 * 1024])
    }

    fn write(&mut self, slices: &[&[u8]]) {
        for slice in slices {
            for chunk in slice.chunks(self.0.len()) {
                self.0[..chunk.len()].copy_from_slice(chunk);
            }
        }
        black_box(&self.0);
    }
}

fn naive_unmasked(payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x82);
    match payload.len() {
        len @ 0..=125 => out.push(len as u8),
        len @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

criterion_group! { name = benches; config = common::criterion(); targets = sending }
criterion_main!(benches);
