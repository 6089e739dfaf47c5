//! The cost of the tokio adapter over the core: the plain echo loop answers 16-byte messages one by
//! one. Time per message, for several numbers of messages per read. There is no socket, because
//! system calls would hide the cost.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use core::hint::black_box;
use core::pin::Pin;
use core::task::{Context, Poll};

use std::io;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sansocket::connection::Negotiated;
use sansocket::tokio::WebSocket;
use sansocket::{Config, Connection, Event, Instant, Role};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::common::{Kind, messages_of, per_message, stream};

fn echo(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut group = c.benchmark_group("adapter/tokio");
    let (stream, messages) = (stream(Kind::Binary, 16), messages_of(16));
    for per_read in [1, 64, 2048] {
        let config = Config::server().build().unwrap();
        let connection = Connection::new(Role::Server, &config, &Negotiated::new(), Instant::now());
        let read_len = per_read * (stream.len() / messages);
        let endless = Endless { stream: &stream, at: 0, read_len };
        let mut socket = WebSocket::from_connection(endless, connection, &[]);
        group.bench_function(BenchmarkId::new("16 B, echo, per read", per_read), |b| {
            per_message(b, messages, || {
                runtime.block_on(async {
                    for _ in 0..messages {
                        let Some((Event::Binary(bytes), mut reply)) = socket.read().await.unwrap()
                        else {
                            panic!("a stream of binary messages");
                        };
                        reply.feed_binary(bytes).unwrap();
                    }
                });
            });
        });
    }
    group.finish();
}

/// A transport that always returns the same input, and accepts all output.
struct Endless<'s> {
    stream: &'s [u8],
    at: usize,
    read_len: usize,
}

impl AsyncRead for Endless<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = self.stream.get(self.at..).unwrap_or_default();
        let len = self.read_len.min(buffer.remaining());
        let read = rest.get(..len).unwrap_or(rest);
        buffer.put_slice(read);
        self.at = (self.at + read.len()) % self.stream.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(black_box(bytes).len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

criterion_group! { name = benches; config = common::criterion(); targets = echo }
criterion_main!(benches);
