//! The memory of WebSockets over HTTP/2. The server runs on the thread of the test, which the allocator
//! counts, and the client on another one.

use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Poll;
use core::time::Duration;
use std::thread;

use sansocket::h2::{Client, Incoming, Session, SessionError, SessionOptions, Stream};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, Config, ConnectRequest, Entropy, Event};
use tokio::net::{TcpListener, TcpStream};

use crate::alloc::{counted, start};

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let limit = Duration::from_secs(60);
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(limit, future).await.expect("a hang") })
}

fn options(max_streams: u32) -> SessionOptions {
    SessionOptions::builder().max_streams(max_streams).build().unwrap()
}

/// Serves one session on this thread with `serve`, to a client on another thread.
fn session<C>(
    max_streams: u32,
    client: impl FnOnce(Client) -> C + Send + 'static,
    serve: impl AsyncFnOnce(&mut Session<TcpStream>) -> Result<(), SessionError>,
) where
    C: Future<Output = ()>,
{
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = thread::spawn(move || {
            run(async {
                let transport = TcpStream::connect(address).await.unwrap();
                transport.set_nodelay(true).unwrap();
                let connected = Client::handshake(transport, &options(max_streams)).await;
                let (opens, session) = connected.unwrap();
                tokio::spawn(session);
                client(opens).await;
            });
        });
        let (transport, _) = listener.accept().await.unwrap();
        transport.set_nodelay(true).unwrap();
        let mut session = Session::handshake(transport, &options(max_streams)).await.unwrap();
        serve(&mut session).await.unwrap();
        drop(session);
        client.join().unwrap();
    });
}

async fn echo(ws: &mut WebSocket<Stream>) {
    while let Ok(Some((event, mut reply))) = ws.read().await {
        if let Event::Text(text) = event {
            reply.feed_text(text).unwrap();
        }
    }
}

async fn open(client: &Client) -> WebSocket<Stream> {
    let request = ConnectRequest::new("ws://localhost/").unwrap();
    let config = Config::client(Entropy::os()).build().unwrap();
    let (mut ws, _) = client.open(&request, &config).await.unwrap();
    ws.send_text("a text of 16 B..").await.unwrap();
    let (event, _) = ws.read().await.unwrap().unwrap();
    assert!(matches!(event, Event::Text("a text of 16 B..")));
    ws
}

/// Set by the client.
static ALL_ARE_OPEN: AtomicBool = AtomicBool::new(false);

/// Moves the data of the WebSockets until the condition is true.
async fn serve_until(
    session: &mut Session<TcpStream>,
    condition: impl Fn() -> bool,
) -> Result<(), SessionError> {
    while !condition() {
        if let Ok(ended) = tokio::time::timeout(Duration::from_millis(20), session.accept()).await {
            assert!(ended?.is_none());
            break;
        }
    }
    Ok(())
}

/// Serves echoes until `count` WebSockets were accepted.
async fn serve(session: &mut Session<TcpStream>, count: usize) -> Result<(), SessionError> {
    let config = Config::server().build().unwrap();
    for _ in 0..count {
        if let Some(Incoming::WebSocket(request)) = session.accept().await? {
            let mut ws = request.accept(&AcceptOptions::new(), &config).unwrap();
            // A task that takes the WebSocket as an argument would hold it twice.
            tokio::spawn(async move { echo(&mut ws).await });
        }
    }
    Ok(())
}

#[test]
fn an_idle_web_socket_has_two_kilobytes() {
    const COUNT: usize = 1000;

    let client = |client: Client| async move {
        let mut all = Vec::new();
        for _ in 0..=COUNT {
            all.push(open(&client).await);
        }
        ALL_ARE_OPEN.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    session(1 + COUNT as u32, client, async |session| {
        // The buffers of the session and of the thread are allocated before the count.
        serve(session, 1).await?;
        start();
        serve(session, COUNT).await?;
        serve_until(session, || ALL_ARE_OPEN.load(Ordering::SeqCst)).await?;
        let each = counted().live / COUNT as isize;
        println!("{each} B for each WebSocket");
        assert!(each <= 2100, "{each} B for each WebSocket");
        Ok(())
    });
}

#[test]
fn ended_web_sockets_leave_no_memory() {
    const COUNT: usize = 10_000;

    let client = |client: Client| async move {
        for _ in 0..COUNT {
            drop(open(&client).await);
        }
    };
    session(256, client, async |session| {
        serve(session, 1000).await?;
        start();
        serve(session, COUNT - 1000).await?;
        serve_until(session, || false).await?;
        let live = counted().live;
        println!("{live} B after {COUNT} WebSockets");
        assert!(live < 100_000, "{live} B");
        Ok(())
    });
}

/// Six WebSockets that are never read, full of frames of 6 bytes, and a seventh one. Nothing is echoed
/// before. A stream holds at most twice its window.
#[test]
fn full_streams_of_small_frames_have_a_bound() {
    const UNREAD: usize = 6;

    let client = |client: Client| async move {
        let request = ConnectRequest::new("ws://localhost/").unwrap();
        let config = Config::client(Entropy::os()).build().unwrap();
        let mut unread = Vec::new();
        for _ in 0..UNREAD {
            let (mut ws, _) = client.open(&request, &config).await.unwrap();
            let mut count = 0;
            let limit = Duration::from_millis(300);
            // An empty message has a header and a mask key.
            while tokio::time::timeout(limit, ws.send_binary(&[])).await.is_ok() {
                count += 1;
            }
            assert!(count > 10_000, "{count} frames");
            unread.push(ws);
        }
        let echo = tokio::time::timeout(Duration::from_millis(500), open(&client));
        echo.await.expect("the other streams stall the session");
    };
    session(256, client, async |session| {
        let config = Config::server().build().unwrap();
        start();
        let mut unread = Vec::new();
        for _ in 0..UNREAD {
            let Some(Incoming::WebSocket(request)) = session.accept().await? else { panic!() };
            unread.push(request.accept(&AcceptOptions::new(), &config).unwrap());
        }
        serve(session, 1).await?;
        serve_until(session, || false).await?;
        let peak = counted().peak;
        println!("peak {peak} B");
        // The buffers of the session itself have some 200 KB.
        assert!(peak < UNREAD as isize * 2 * (64 << 10) + 300_000, "{peak} B");
        Ok(())
    });
}

/// WebSockets that send without a bound to a peer with huge windows that reads no TCP: each holds the
/// output of the session for a stream, and its own.
#[test]
fn a_flood_to_a_peer_that_reads_nothing_has_a_bound() {
    const COUNT: usize = 100;
    const UNSENT: usize = 128 << 10;

    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        let client = thread::spawn(move || {
            run(async {
                let transport = TcpStream::connect(address).await.unwrap();
                let mut builder = h2::client::Builder::new();
                builder.initial_window_size(1 << 30).initial_connection_window_size((1 << 31) - 1);
                let handshake = builder.handshake::<_, bytes::Bytes>(transport);
                let (mut requests, mut connection) = handshake.await.unwrap();
                let mut responses = Vec::new();
                poll_fn(|cx| {
                    assert!(core::pin::pin!(&mut connection).poll(cx).is_pending());
                    if !requests.is_extended_connect_protocol_enabled() {
                        return Poll::Pending;
                    }
                    while responses.len() < COUNT {
                        let mut request =
                            http::Request::connect("http://localhost/").body(()).unwrap();
                        *request.version_mut() = http::Version::HTTP_2;
                        let version = http::HeaderValue::from_static("13");
                        request.headers_mut().insert("sec-websocket-version", version);
                        let protocol = h2::ext::Protocol::from_static("websocket");
                        request.extensions_mut().insert(protocol);
                        responses.push(requests.send_request(request, false).unwrap());
                    }
                    let _ = core::pin::pin!(&mut connection).poll(cx);
                    Poll::Ready(())
                })
                .await;
                // Nothing is read from here on.
                waiting.recv().unwrap();
            });
        });
        let (transport, _) = listener.accept().await.unwrap();
        let mut session = Session::handshake(transport, &options(256)).await.unwrap();
        let config = Config::server().max_unsent(UNSENT).build().unwrap();
        start();
        for _ in 0..COUNT {
            let Some(Incoming::WebSocket(request)) = session.accept().await.unwrap() else {
                panic!()
            };
            let mut ws = request.accept(&AcceptOptions::new(), &config).unwrap();
            tokio::spawn(async move { while ws.send_binary(&[0; 10_000]).await.is_ok() {} });
        }
        let more = tokio::time::timeout(Duration::from_secs(1), session.accept()).await;
        assert!(more.is_err());
        let live = counted().live;
        println!("{live} B");
        let bound = COUNT * ((64 << 10) + UNSENT);
        assert!(live < bound as isize, "{live} B, more than {bound}");
        done.send(()).unwrap();
        client.join().unwrap();
    });
}

/// Small frames that are not read hold their own bytes, not the buffers that they were read with: every
/// other frame is of a stream that is read.
#[test]
fn unread_frames_do_not_hold_read_buffers() {
    let client = |client: Client| async move {
        let (mut unread, mut read) = (open(&client).await, open(&client).await);
        for _ in 0..2000 {
            unread.send_text("10 bytes..").await.unwrap();
            read.send_binary(&[0; 16_000]).await.unwrap();
        }
        read.send_text("the end").await.unwrap();
        while !matches!(read.read().await.unwrap(), Some((Event::Text("the end"), _))) {}
    };
    session(256, client, async |session| {
        let config = Config::server().build().unwrap();
        let Some(Incoming::WebSocket(request)) = session.accept().await? else { panic!() };
        let mut unread = request.accept(&AcceptOptions::new(), &config).unwrap();
        let first = async {
            let (event, mut reply) = unread.read().await.unwrap().unwrap();
            let Event::Text(text) = event else { panic!() };
            reply.feed_text(text).unwrap();
            unread.flush().await.unwrap();
        };
        let mut first = core::pin::pin!(first);
        let mut is_done = false;
        // The session moves the data of the first WebSocket meanwhile.
        let incoming = poll_fn(|cx| {
            is_done = is_done || first.as_mut().poll(cx).is_ready();
            match session.poll_accept(cx) {
                Poll::Ready(incoming) if is_done => Poll::Ready(incoming),
                _ => Poll::Pending,
            }
        });
        let Some(Incoming::WebSocket(request)) = incoming.await? else { panic!() };
        let mut ws = request.accept(&AcceptOptions::new(), &config).unwrap();
        tokio::spawn(async move { echo(&mut ws).await });
        start();
        let _ = session.accept().await;
        let peak = counted().peak;
        println!("peak {peak} B");
        assert!(peak < 1 << 20, "{peak} B");
        Ok(())
    });
}
