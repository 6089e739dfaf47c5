//! Accepting and connecting over loopback TCP: pages, refusals, slow single bytes, deadlines.

use core::future::Future;
use core::time::Duration;
use std::io;

use sansocket::config::ConfigBuilder;
use sansocket::error::{AcceptError, ConnectErrorKind};
use sansocket::handshake::HttpResponse;
use sansocket::handshake::{HandshakeError, Refusal};
use sansocket::tokio::{PendingRequest, WebSocket};
use sansocket::{AcceptOptions, CloseCode, Config, ConnectRequest, Entropy, Event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::common::tasks::{Task, spawn};
use crate::tokio::support::with_timeout;

/// The example of RFC 6455 section 1.2, and its response.
const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn server() -> ConfigBuilder {
    Config::server()
}

fn client() -> ConfigBuilder {
    Config::client(Entropy::os())
}

/// A client's connection that writes bytes, and the result of `serve` at the other end.
async fn served<F, T>(serve: impl FnOnce(TcpStream) -> F) -> (TcpStream, Task<T>)
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let raw = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (raw, spawn(serve(stream)))
}

/// The usual echo loop, until the end.
async fn echo(mut ws: WebSocket<TcpStream>) {
    while let Some((event, mut reply)) = ws.read().await.unwrap() {
        match event {
            Event::Text(text) => reply.feed_text(text).unwrap(),
            Event::Binary(bytes) => reply.feed_binary(bytes).unwrap(),
            _ => {}
        }
    }
}

async fn accept_and_echo(stream: TcpStream) {
    let config = server().build().unwrap();
    echo(WebSocket::accept(stream, &config, &AcceptOptions::new()).await.unwrap()).await;
}

/// Returns all bytes up to the end of the transport, which must not be a reset.
async fn all(raw: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    with_timeout(raw.read_to_end(&mut seen)).await.unwrap();
    String::from_utf8(seen).unwrap()
}

/// Reads this many bytes.
async fn exact(raw: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut seen = vec![0; len];
    with_timeout(raw.read_exact(&mut seen)).await.unwrap();
    seen
}

/// A listener, and its URL.
async fn listen() -> (TcpListener, ConnectRequest) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    (listener, ConnectRequest::new(&url).unwrap())
}

// -------------------------------------------------------------------------------------- server

#[tokio::test]
async fn a_page_and_a_404_beside_the_websocket() {
    let (listener, request) = listen().await;
    let url = listener.local_addr().unwrap();
    let serving = spawn(async move {
        let config = server().build().unwrap();
        for _ in 0..4 {
            let (stream, _) = listener.accept().await.unwrap();
            let request = PendingRequest::read(stream, &config).await.unwrap();
            match request.head().target() {
                "/" => {
                    let page = HttpResponse::new(200).unwrap();
                    let page = page.with_body("text/html", "<p>hello</p>").unwrap();
                    request.respond(&page).await.unwrap();
                }
                "/ws" => echo(request.accept(&AcceptOptions::new()).await.unwrap()).await,
                _ => request.respond(&HttpResponse::new(404).unwrap()).await.unwrap(),
            }
        }
    });
    for (method, target, status, body) in [
        ("GET", "/", "HTTP/1.1 200 OK\r\n", "<p>hello</p>"),
        ("HEAD", "/", "HTTP/1.1 200 OK\r\n", ""),
        ("GET", "/other", "HTTP/1.1 404 Not Found\r\n", ""),
    ] {
        let mut raw = TcpStream::connect(url).await.unwrap();
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        raw.write_all(head.as_bytes()).await.unwrap();
        let seen = all(&mut raw).await;
        assert!(seen.starts_with(status), "{seen}");
        let (_, seen_body) = seen.split_once("\r\n\r\n").unwrap();
        if !body.is_empty() || method == "HEAD" {
            assert_eq!(seen_body, body, "{seen}");
        }
        assert!(seen.contains("Connection: close\r\n"), "{seen}");
    }
    let config = client().build().unwrap();
    let (mut ws, response) = with_timeout(WebSocket::connect(&request, &config)).await.unwrap();
    assert_eq!(response.status(), 101);
    ws.feed_text("hello").unwrap();
    assert_eq!(with_timeout(ws.read()).await.unwrap().unwrap().0, Event::Text("hello"));
    assert!(with_timeout(ws.close(CloseCode::NORMAL, "")).await.unwrap().clean);
    with_timeout(serving).await.unwrap();
}

/// Every refusal is a response that the peer receives, even if it has continued to write; never a
/// reset.
#[tokio::test]
async fn v50_the_peer_receives_each_refusal() {
    let close = "Connection: close\r\n";
    for (case, request, status, field) in [
        ("no HTTP", "hello\r\n\r\n".to_owned(), 400, close),
        ("two hosts", REQUEST.replace("Host:", "Host: a\r\nHost:"), 400, close),
        ("a body", REQUEST.replace("Host:", "Content-Length: 3\r\nHost:"), 400, close),
        ("another page", REQUEST.replace("Host:", "Origin: http://evil\r\nHost:"), 403, close),
        ("POST", REQUEST.replace("GET", "POST"), 405, "Allow: GET\r\n"),
        ("version 8", REQUEST.replace(": 13", ": 8"), 426, "Sec-WebSocket-Version: 13\r\n"),
        (
            "no upgrade",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            426,
            "Upgrade: websocket\r\n",
        ),
        ("long", REQUEST.replace("/chat", &"/chat".repeat(10_000)), 431, close),
        ("HTTP/2", REQUEST.replace("HTTP/1.1", "HTTP/2.0"), 505, close),
    ] {
        let (mut raw, serving) = served(|stream| async {
            let config = server().build().unwrap();
            WebSocket::accept(stream, &config, &AcceptOptions::new()).await.map(drop)
        })
        .await;
        raw.write_all(request.as_bytes()).await.unwrap();
        raw.write_all(&[b'x'; 100_000]).await.unwrap();
        let seen = all(&mut raw).await;
        assert!(seen.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: {seen}");
        assert!(seen.contains(field), "{case}: {seen}");
        drop(raw);
        let error = with_timeout(serving).await.unwrap().unwrap_err();
        assert!(matches!(error, AcceptError::Refused(r) if r.status() == status), "{case}");
    }
}

/// A peer that does not read the response, and one that never ends, are dropped after the linger
/// timeout.
#[tokio::test]
async fn v50_a_refused_peer_that_stays_is_dropped_after_the_linger_timeout() {
    let (_raw, serving) = served(|mut stream| async move {
        let config = server().linger_timeout(Duration::from_millis(100)).build().unwrap();
        let mut head = [0; 1];
        stream.read_exact(&mut head).await.unwrap();
        let incoming = PendingRequest::read(stream, &config).await;
        incoming.map(drop)
    })
    .await;
    let mut raw = _raw;
    raw.write_all(b"xno request\r\n\r\n").await.unwrap();
    let start = tokio::time::Instant::now();
    assert!(with_timeout(serving).await.unwrap().is_err());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());

    let (raw, serving) = served(|stream| async {
        let config = server().linger_timeout(Duration::from_millis(100)).build().unwrap();
        let incoming = PendingRequest::read(stream, &config).await.unwrap();
        let page = HttpResponse::new(200).unwrap().with_body("text/plain", vec![b'x'; 50 << 20]);
        incoming.respond(&page.unwrap()).await
    })
    .await;
    let mut raw = raw;
    raw.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let error = with_timeout(serving).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

/// Frames after the request are the first frames, and are answered after the 101.
#[tokio::test]
async fn v27_v46_frames_after_the_request_are_the_first_frames() {
    let (mut raw, serving) = served(accept_and_echo).await;
    // A ping, a text, and the beginning of another one, masked with zeros.
    let frames = b"\x89\x81\0\0\0\0p\x81\x83\0\0\0\0one\x81\x83\0\0\0\0t";
    raw.write_all(&[REQUEST.as_bytes(), frames].concat()).await.unwrap();
    let want = [ANSWER.as_bytes(), b"\x8a\x01p\x81\x03one"].concat();
    assert_eq!(exact(&mut raw, want.len()).await, want);
    raw.write_all(b"wo\x88\x80\0\0\0\0").await.unwrap();
    assert_eq!(exact(&mut raw, 7).await, b"\x81\x03two\x88\0");
    assert_eq!(all(&mut raw).await, "");
    drop(raw);
    with_timeout(serving).await.unwrap();
}

/// More frames after the request than one read holds.
#[tokio::test]
async fn v46_more_frames_after_the_request_than_one_read_holds() {
    let (raw, serving) = served(accept_and_echo).await;
    let (mut from, mut to) = raw.into_split();
    let writing = spawn(async move {
        let mut bytes = REQUEST.as_bytes().to_vec();
        for i in 0..50_000_u32 {
            bytes.extend_from_slice(b"\x82\x84\0\0\0\0");
            bytes.extend_from_slice(&i.to_be_bytes());
        }
        bytes.extend_from_slice(b"\x88\x80\0\0\0\0");
        to.write_all(&bytes).await.unwrap();
        to
    });
    let mut seen = Vec::new();
    with_timeout(from.read_to_end(&mut seen)).await.unwrap();
    let echoed = seen.strip_prefix(ANSWER.as_bytes()).unwrap();
    let echoed = echoed.strip_suffix(b"\x88\0").unwrap();
    assert_eq!(echoed.len(), 50_000 * 6);
    for (i, frame) in (0..50_000_u32).zip(echoed.chunks(6)) {
        assert_eq!(frame[2..], i.to_be_bytes());
    }
    drop((from, writing.await.unwrap()));
    with_timeout(serving).await.unwrap();
}

#[tokio::test]
async fn v30_a_request_in_single_bytes_is_accepted() {
    let (mut raw, serving) = served(accept_and_echo).await;
    raw.set_nodelay(true).unwrap();
    for byte in REQUEST.as_bytes() {
        raw.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(exact(&mut raw, ANSWER.len()).await, ANSWER.as_bytes());
    raw.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
    assert_eq!(exact(&mut raw, 2).await, b"\x88\0");
    drop(raw);
    with_timeout(serving).await.unwrap();
}

/// A request in slow single bytes has one deadline, however often a byte arrives.
#[tokio::test]
async fn v35_a_slow_request_is_refused_at_its_deadline() {
    let (mut raw, serving) = served(|stream| async {
        let config = server().handshake_timeout(Duration::from_millis(200)).build().unwrap();
        WebSocket::accept(stream, &config, &AcceptOptions::new()).await.map(drop)
    })
    .await;
    let start = tokio::time::Instant::now();
    for byte in REQUEST.as_bytes().iter().take(200) {
        if serving.is_finished() || raw.write_all(&[*byte]).await.is_err() {
            break;
        }
        let mut seen = [0; 12];
        if let Ok(read) = timeout(Duration::from_millis(10), raw.read_exact(&mut seen)).await {
            read.unwrap();
            assert_eq!(seen, *b"HTTP/1.1 408");
            break;
        }
    }
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    drop(raw);
    let error = with_timeout(serving).await.unwrap().unwrap_err();
    assert!(matches!(error, AcceptError::Refused(r) if r.status() == 408));
}

/// The end of the transport inside a request is an error, returned at once.
#[tokio::test]
async fn a_request_that_ends_early_is_an_error() {
    for len in [0, 1, 50, REQUEST.len() - 1] {
        let (mut raw, serving) = served(|stream| async {
            let config = server().build().unwrap();
            WebSocket::accept(stream, &config, &AcceptOptions::new()).await.map(drop)
        })
        .await;
        raw.write_all(&REQUEST.as_bytes()[..len]).await.unwrap();
        raw.shutdown().await.unwrap();
        let error = with_timeout(serving).await.unwrap().unwrap_err();
        assert!(
            matches!(&error, AcceptError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof),
            "{error:?}"
        );
    }
}

// -------------------------------------------------------------------------------------- client

#[tokio::test]
async fn both_ends_agree_on_a_subprotocol() {
    let (listener, request) = listen().await;
    let serving = spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let options = AcceptOptions::new().subprotocols(["chat.v2", "chat.v1"]).unwrap();
        let options = options.field("Server", "test").unwrap();
        let config = server().build().unwrap();
        let incoming = PendingRequest::read(stream, &config).await.unwrap();
        assert_eq!(incoming.head().fields().get("X-Token"), Some(&b"1"[..]));
        let ws = incoming.accept(&options).await.unwrap();
        assert_eq!(ws.subprotocol(), Some("chat.v2"));
        echo(ws).await;
    });
    let request = request.subprotocols(["chat.v1", "chat.v2"]).unwrap();
    let request = request.field("X-Token", "1").unwrap();
    let config = client().build().unwrap();
    let (mut ws, response) = with_timeout(WebSocket::connect(&request, &config)).await.unwrap();
    assert_eq!(response.subprotocol(), Some("chat.v2"));
    assert_eq!(ws.subprotocol(), Some("chat.v2"));
    assert_eq!(response.fields().get("server"), Some(&b"test"[..]));
    assert!(ws.get_ref().as_tcp().unwrap().nodelay().unwrap());
    with_timeout(ws.close(CloseCode::NORMAL, "")).await.unwrap();
    with_timeout(serving).await.unwrap();
}

#[tokio::test]
async fn a_client_gets_a_refusal_with_its_status_fields_and_body() {
    let (listener, request) = listen().await;
    spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let incoming = PendingRequest::read(stream, &server().build().unwrap()).await.unwrap();
        let refusal = Refusal::new(401).unwrap().with_field("WWW-Authenticate", "Bearer").unwrap();
        incoming.refuse(refusal.with_body("text/plain", "who are you?").unwrap()).await.unwrap();
    });
    let config = client().build().unwrap();
    let error = with_timeout(WebSocket::connect(&request, &config)).await.unwrap_err();
    let ConnectErrorKind::Handshake(HandshakeError::Status(response)) = error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!(response.status(), 401);
    assert_eq!(response.fields().get("WWW-Authenticate"), Some(&b"Bearer"[..]));
    assert_eq!(response.body(), b"who are you?");
}

/// Frames in one packet with the 101, split anywhere, are the first frames.
#[tokio::test]
async fn v27_v46_frames_after_the_101_are_the_first_frames() {
    for cut in [0, 3] {
        let (listener, request) = listen().await;
        let serving = spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let mut handshake = sansocket::handshake::ServerHandshake::new(
                &server().build().unwrap(),
                sansocket::Instant::now(),
            );
            let mut input = sansocket::Input::new(sansocket::Instant::now(), &mut head);
            let head = handshake.receive(&mut input).unwrap().unwrap();
            let accepted = head.upgrade().unwrap().accept(&AcceptOptions::new()).unwrap();
            let mut out = bytes::BytesMut::new();
            accepted.write(&mut out);
            out.extend_from_slice(b"\x81\x03one\x89\x01p\x81\x03two");
            let rest = out.split_off(out.len() - cut);
            stream.write_all(&out).await.unwrap();
            sleep(Duration::from_millis(20)).await;
            stream.write_all(&rest).await.unwrap();
            stream
        });
        let config = client().build().unwrap();
        let (mut ws, _) = with_timeout(WebSocket::connect(&request, &config)).await.unwrap();
        for want in [Event::Text("one"), Event::Ping(b"p"), Event::Text("two")] {
            assert_eq!(with_timeout(ws.read()).await.unwrap().unwrap().0, want);
        }
        drop(serving.await.unwrap());
    }
}

#[tokio::test]
async fn connecting_without_a_listener_fails() {
    let config = client().build().unwrap();
    // No listener.
    let (listener, request) = listen().await;
    drop(listener);
    let error = with_timeout(WebSocket::connect(&request, &config)).await.unwrap_err();
    let refused = io::ErrorKind::ConnectionRefused;
    assert!(matches!(error.kind(), ConnectErrorKind::Io(e) if e.kind() == refused), "{error:?}");
    let target = format!("{}:{}: TCP connection failed: ", request.host(), request.port());
    assert!(error.to_string().starts_with(&target), "{error}");
    // A name that does not exist.
    let request = ConnectRequest::new("ws://no-such-host.invalid/").unwrap();
    let error = with_timeout(WebSocket::connect(&request, &config)).await.unwrap_err();
    assert!(matches!(error.kind(), ConnectErrorKind::Io(_)), "{error:?}");
    let target = "no-such-host.invalid:80: name resolution failed: ";
    assert!(error.to_string().starts_with(target), "{error}");
    // The config of a server has no keys.
    let (_listener, request) = listen().await;
    let error =
        with_timeout(WebSocket::connect(&request, &server().build().unwrap())).await.unwrap_err();
    assert!(matches!(error.kind(), ConnectErrorKind::Send(_)), "{error:?}");
}

/// A server that accepts the transport and is silent, sends slow single bytes, or ends.
#[tokio::test]
async fn v35_a_client_handshake_has_a_deadline() {
    let short = Duration::from_millis(200);
    let config = client().handshake_timeout(short).build().unwrap();
    let (listener, request) = listen().await;
    let start = tokio::time::Instant::now();
    let error = with_timeout(WebSocket::connect(&request, &config)).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert!(error.to_string().contains("handshake_timeout"), "{error}");
    assert!(start.elapsed() >= short && start.elapsed() < 5 * short, "{:?}", start.elapsed());

    let dripping = spawn(async move {
        let (_silent, _) = listener.accept().await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        listener
    });
    let start = tokio::time::Instant::now();
    let error = with_timeout(WebSocket::connect(&request, &config)).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert!(start.elapsed() >= short && start.elapsed() < 5 * short, "{:?}", start.elapsed());

    let listener = with_timeout(dripping).await.unwrap();
    let ending = spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 10]).await.unwrap();
        stream.write_all(b"HTTP/1.1 101 Switch").await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let error = with_timeout(WebSocket::connect(&request, &config)).await.unwrap_err();
    let ended =
        matches!(error.kind(), ConnectErrorKind::Handshake(HandshakeError::ClosedWithoutResponse));
    assert!(ended, "{error:?}");
    with_timeout(ending).await.unwrap();
}

// ---------------------------------------------------------------------------------- keep-alive

/// Keep-alive needs no calls while both ends read: pings in one direction, pongs in the other.
#[tokio::test]
async fn keep_alive_runs_while_both_ends_read() {
    let (listener, request) = listen().await;
    let every = Duration::from_millis(30);
    let serving = spawn(async move {
        let config = server().keep_alive(Some(every), Some(10 * every)).build().unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut ws = WebSocket::accept(stream, &config, &AcceptOptions::new()).await.unwrap();
        let mut pongs = 0;
        while let Some((event, _)) = ws.read().await.unwrap() {
            pongs += usize::from(matches!(event, Event::Pong(_)));
        }
        pongs
    });
    let config = client().keep_alive(None, None).build().unwrap();
    let (mut ws, _) = with_timeout(WebSocket::connect(&request, &config)).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(with_timeout(ws.read()).await.unwrap().unwrap().0, Event::Ping(_)));
    }
    with_timeout(ws.close(CloseCode::NORMAL, "")).await.unwrap();
    assert!(with_timeout(serving).await.unwrap() >= 3);
}
