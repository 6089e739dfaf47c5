//! The cost of HTTP/2: a server echoes messages over loopback TCP, as a WebSocket over HTTP/1.1 and as
//! one stream of a session. CPU time of the server's thread per message; the client has a thread of its
//! own. Compare the two rows of a run.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

#[path = "common/clock.rs"]
mod clock;

use core::future::Future;
use core::net::SocketAddr;
use core::time::Duration;
use std::thread;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sansocket::h2::{Client, Incoming, Session, SessionOptions};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, Config, ConnectRequest, Entropy, Event};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock::thread_nanos;

const CASES: [(&str, usize, usize); 4] = [
    ("16 B, alone", 16, 1),
    ("16 B, 64 in flight", 16, 64),
    ("64 KiB, alone", 64 << 10, 1),
    ("64 KiB, 8 in flight", 64 << 10, 8),
];

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn options() -> SessionOptions {
    SessionOptions::builder().build().unwrap()
}

/// Sends as many messages as it is told, and receives their echoes.
async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    mut ws: WebSocket<S>,
    mut orders: UnboundedReceiver<usize>,
    len: usize,
    in_flight: usize,
) {
    let message = vec![7; len];
    while let Some(count) = orders.recv().await {
        let mut sent = 0;
        for received in 0..count {
            while sent < count && sent < received + in_flight {
                ws.feed_binary(&message).unwrap();
                sent += 1;
            }
            loop {
                if let Some((Event::Binary(_), _)) = ws.read().await.unwrap() {
                    break;
                }
            }
        }
    }
}

/// Starts the client's thread.
fn client<F: Future<Output = ()>>(
    address: SocketAddr,
    run: impl FnOnce(TcpStream, ConnectRequest, Config, UnboundedReceiver<usize>) -> F + Send + 'static,
) -> UnboundedSender<usize> {
    let (orders, taken) = unbounded_channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let request = ConnectRequest::new(&format!("ws://{address}/")).unwrap();
            let config = Config::client(Entropy::os()).build().unwrap();
            run(stream, request, config, taken).await;
        });
    });
    orders
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocket<S>, count: usize) {
    for _ in 0..count {
        loop {
            if let Some((Event::Binary(bytes), mut reply)) = ws.read().await.unwrap() {
                reply.feed_binary(bytes).unwrap();
                break;
            }
        }
    }
    ws.flush().await.unwrap();
}

/// Measures the CPU time of this thread for echoes.
fn measure<S: AsyncRead + AsyncWrite + Unpin>(
    c: &mut Criterion,
    id: BenchmarkId,
    runtime: &Runtime,
    mut ws: WebSocket<S>,
    orders: &UnboundedSender<usize>,
) {
    let mut group = c.benchmark_group("http2");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.bench_function(id, |b| {
        b.iter_custom(|iterations| {
            let count = usize::try_from(iterations).unwrap();
            let start = thread_nanos();
            orders.send(count).unwrap();
            runtime.block_on(echo(&mut ws, count));
            Duration::from_nanos(thread_nanos() - start)
        });
    });
    group.finish();
}

fn echoes(c: &mut Criterion) {
    for (name, len, in_flight) in CASES {
        let config = Config::server().build().unwrap();
        let runtime = runtime();
        let accept = || async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            (listener, address)
        };

        let (listener, address) = runtime.block_on(accept());
        let orders = client(address, move |stream, request, config, orders| async move {
            let (ws, _) = WebSocket::client(stream, &request, &config).await.unwrap();
            drive(ws, orders, len, in_flight).await;
        });
        let ws = runtime.block_on(async {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            WebSocket::accept(stream, &config, &AcceptOptions::new()).await.unwrap()
        });
        measure(c, BenchmarkId::new("HTTP/1.1", name), &runtime, ws, &orders);

        let (listener, address) = runtime.block_on(accept());
        let orders = client(address, move |stream, request, config, orders| async move {
            let (opens, session) = Client::handshake(stream, &options()).await.unwrap();
            tokio::spawn(session);
            let (ws, _) = opens.open(&request, &config).await.unwrap();
            drive(ws, orders, len, in_flight).await;
        });
        let ws = runtime.block_on(async {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut session = Session::handshake(stream, &options()).await.unwrap();
            let Some(Incoming::WebSocket(request)) = session.accept().await.unwrap() else {
                panic!("a request for a WebSocket");
            };
            let ws = request.accept(&AcceptOptions::new(), &config).unwrap();
            tokio::spawn(async move { while let Ok(Some(_)) = session.accept().await {} });
            ws
        });
        measure(c, BenchmarkId::new("HTTP/2", name), &runtime, ws, &orders);
    }
}

criterion_group!(benches, echoes);
criterion_main!(benches);
