//! The memory of connections of the tokio adapter, counted: idle connections, and failing ones.

use core::future::Future;
use core::time::Duration;

#[cfg(feature = "deflate")]
use sansocket::WebSocketError;
use sansocket::connection::Negotiated;
use sansocket::handshake::HttpResponse;
use sansocket::tokio::{Connections, PendingRequest, WebSocket};
use sansocket::{AcceptOptions, Config, ConnectRequest, Connection, Entropy, Event, Instant, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::sleep;

use crate::alloc::{count, counted, start};

const REQUEST: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";

/// The length of the response to it, in bytes.
const ANSWER_LEN: usize = 129;

/// A message, the number of its repetitions, and the length of the reply, in bytes.
const MESSAGE: &[u8] = b"\x81\x82\0\0\0\0hi";
const MESSAGES: usize = 3;
const ECHO_LEN: usize = 4;

/// The capacity of a transport in each direction, in bytes.
const CAPACITY: usize = 1024;

/// Runs a future on this thread alone, which the allocator counts, with a paused clock.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

/// The usual echo loop.
async fn echo(mut ws: WebSocket<DuplexStream>) {
    while let Ok(Some((event, mut reply))) = ws.read().await {
        if let Event::Text(text) = event {
            reply.feed_text(text).unwrap();
        }
    }
}

/// The other end of a transport, after a handshake and a few messages.
async fn talk(mut peer: DuplexStream) -> DuplexStream {
    peer.write_all(REQUEST).await.unwrap();
    let mut answer = [0; ANSWER_LEN];
    peer.read_exact(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"\r\n\r\n"));
    for _ in 0..MESSAGES {
        peer.write_all(MESSAGE).await.unwrap();
        peer.read_exact(&mut [0; ECHO_LEN]).await.unwrap();
    }
    peer
}

/// The memory of a transport that has carried the same bytes.
async fn transport() -> (DuplexStream, DuplexStream) {
    let (mut io, mut peer) = duplex(CAPACITY);
    let turns = core::iter::once((REQUEST, ANSWER_LEN));
    for (bytes, answer_len) in turns.chain([(MESSAGE, ECHO_LEN); MESSAGES]) {
        peer.write_all(bytes).await.unwrap();
        io.read_exact(&mut vec![0; bytes.len()]).await.unwrap();
        io.write_all(&vec![0; answer_len]).await.unwrap();
        peer.read_exact(&mut vec![0; answer_len]).await.unwrap();
    }
    (io, peer)
}

/// Opens several connections, each in its own task. Returns the heap of each idle connection,
/// without its transport.
async fn idle_heap<F>(serve: fn(DuplexStream, Config) -> F) -> isize
where
    F: Future<Output = ()> + Send + 'static,
{
    const COUNT: usize = 500;
    let config = Config::server().build().unwrap();
    // The memory that the thread keeps for all its connections is allocated before the count.
    let (io, peer) = duplex(CAPACITY);
    tokio::spawn(serve(io, config.clone()));
    drop(talk(peer).await);
    let mut transports = Vec::with_capacity(COUNT);
    start();
    for _ in 0..COUNT {
        transports.push(transport().await);
    }
    let without = counted().live;
    let mut peers = Vec::with_capacity(COUNT);
    start();
    for _ in 0..COUNT {
        let (io, peer) = duplex(CAPACITY);
        tokio::spawn(serve(io, config.clone()));
        peers.push(talk(peer).await);
    }
    sleep(Duration::from_secs(1)).await;
    (counted().live - without) / COUNT as isize
}

/// The task is counted too: it is as large as its largest future, including that of the handshake.
#[test]
fn an_idle_connection_holds_little_memory() {
    let accepted = run(idle_heap(|io, config| async move {
        echo(WebSocket::accept(io, &config, &AcceptOptions::new()).await.unwrap()).await;
    }));
    assert!((500..2250).contains(&accepted), "{accepted} bytes");
    let routed = run(idle_heap(|io, config| async move {
        let request = PendingRequest::read(io, &config).await.unwrap();
        if request.head().path() != "/ws" {
            request.respond(&HttpResponse::new(404).unwrap()).await.unwrap();
            return;
        }
        let mut ws = request.accept(&AcceptOptions::new()).await.unwrap();
        while let Ok(Some((event, mut reply))) = ws.read().await {
            if let Event::Text(text) = event {
                reply.feed_text(text).unwrap();
            }
        }
    }));
    assert!((500..2250).contains(&routed), "{routed} bytes");
    let split = run(idle_heap(|io, config| async move {
        let ws = WebSocket::accept(io, &config, &AcceptOptions::new()).await.unwrap();
        let (mut reader, _sender) = ws.split();
        while let Ok(Some((event, mut reply))) = reader.read().await {
            if let Event::Text(text) = event {
                reply.feed_text(text).unwrap();
            }
        }
    }));
    assert!((500..2250).contains(&split), "{split} bytes");
}

/// The futures of handshakes do not contain a socket: a task would keep that size.
#[test]
fn the_futures_of_handshakes_are_small() {
    let (server, options) = (Config::server().build().unwrap(), AcceptOptions::new());
    let client = Config::client(Entropy::os()).build().unwrap();
    let request = ConnectRequest::new("ws://a/").unwrap();
    let io = || duplex(CAPACITY).0;
    for (name, len) in [
        ("accept", size_of_val(&WebSocket::accept(io(), &server, &options))),
        ("client", size_of_val(&WebSocket::client(io(), &request, &client))),
        ("read", size_of_val(&PendingRequest::read(io(), &server))),
    ] {
        assert!(len < 1200, "{name}: {len} bytes");
    }
}

/// Each peer keeps its connection open, so that all of them linger at once.
#[cfg(feature = "deflate")]
#[test]
fn forty_sockets_with_a_bomb_each_have_the_memory_of_few() {
    use crate::common::deflate::{Terms, compressed, payload};
    use sansocket::error::{LimitError, ProtocolError};
    use sansocket::{Connection, Role};

    let frame = compressed(0x2, payload(&vec![0; 53_000_000])).to(Role::Server).bytes();
    assert!((50_000..54_000).contains(&frame.len()), "{} bytes", frame.len());
    run(async {
        let config = Config::server().max_message_len(16 << 20).build().unwrap();
        let negotiated = Terms::default().negotiated(Role::Server);
        start();
        let (mut reads, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let (io, mut peer) = duplex(64 << 10);
            peer.write_all(&frame).await.unwrap();
            peers.push(peer);
            let now = tokio::time::Instant::now().into_std().into();
            let connection = Connection::new(Role::Server, &config, &negotiated, now);
            let mut ws = WebSocket::from_connection(io, connection, &[]);
            reads.push(tokio::spawn(async move { ws.read().await.map(drop).unwrap_err() }));
        }
        sleep(Duration::from_secs(1)).await;
        assert!(reads.iter().all(|read| !read.is_finished()), "they linger");
        let lingering = counted();
        assert!(lingering.peak <= 60 << 20, "{} bytes", lingering.peak);
        // The transports with their input, and the memory that the thread keeps.
        assert!(lingering.live <= 8 << 20, "{} bytes", lingering.live);
        let too_long: ProtocolError = LimitError::MessageTooLong.into();
        for read in reads {
            let error = read.await.unwrap();
            assert!(matches!(error, WebSocketError::Protocol(e) if e == too_long), "{error}");
        }
    });
}

#[test]
fn a_registered_connection_uses_about_100_bytes() {
    let config = Config::server().build().unwrap();
    let open = || {
        let connection = Connection::new(Role::Server, &config, &Negotiated::new(), Instant::now());
        WebSocket::from_connection(duplex(1).0, connection, &[])
    };
    let mut all: Vec<_> = (0..1000).map(|_| open()).collect();
    let connections = Connections::new();
    let ((), counted) = count(|| all.iter_mut().for_each(|ws| connections.add(ws)));
    assert!((60_000..130_000).contains(&counted.live), "{counted:?}");
    let ((), counted) = count(|| drop(all));
    assert!(counted.live < -60_000 && connections.is_empty());
}
