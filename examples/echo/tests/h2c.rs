//! HTTP/2 and HTTP/1.1 on one port, without TLS.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "tests"
)]

mod common;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use h2::ext::Protocol;
use http::{Method, Request, StatusCode, Version};
use sansocket::h2::{Client, ClientSession, SessionOptions, Stream};
use sansocket::tokio::WebSocket;
use sansocket::{CloseCode, Config, ConnectRequest, Entropy, Event};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::common::{App, start};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn app() -> (App, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo"));
    command.args(["127.0.0.1:0", "--h2c"]);
    start(command)
}

async fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

async fn session(address: SocketAddr) -> (Client, ClientSession<TcpStream>) {
    let options = SessionOptions::builder().build().unwrap();
    Client::handshake(tcp(address).await, &options).await.unwrap()
}

async fn open(client: &Client, address: SocketAddr) -> WebSocket<Stream> {
    let request = ConnectRequest::new(&format!("ws://{address}/ws")).unwrap();
    let config = Config::client(Entropy::os()).build().unwrap();
    client.open(&request, &config).await.unwrap().0
}

async fn echoed<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocket<S>) {
    ws.send_text("a text").await.unwrap();
    let (event, _) = ws.read().await.unwrap().unwrap();
    assert!(matches!(event, Event::Text("a text")), "{event:?}");
}

#[tokio::test]
async fn one_port_serves_both_versions() {
    let (_app, address) = app();
    let (client, session) = session(address).await;
    tokio::spawn(session);
    let (mut first, mut second) = (open(&client, address).await, open(&client, address).await);
    let request = ConnectRequest::new(&format!("ws://{address}/ws")).unwrap();
    let config = Config::client(Entropy::os()).build().unwrap();
    let (mut third, _) = WebSocket::client(tcp(address).await, &request, &config).await.unwrap();
    echoed(&mut first).await;
    echoed(&mut second).await;
    echoed(&mut third).await;
    for status in [
        first.close(CloseCode::NORMAL, "").await,
        second.close(CloseCode::NORMAL, "").await,
        third.close(CloseCode::NORMAL, "").await,
    ] {
        assert_eq!(status.unwrap().code, CloseCode::NORMAL);
    }
}

/// The same routes as over HTTP/1.1. A 2xx status would open a WebSocket.
#[tokio::test]
async fn routes_over_http2() {
    let (_app, address) = app();
    let (mut requests, connection) = h2::client::handshake(tcp(address).await).await.unwrap();
    tokio::spawn(connection);
    while !requests.is_extended_connect_protocol_enabled() {
        sleep(Duration::from_millis(1)).await;
    }
    for (method, path, status, text) in [
        (Method::GET, "/", StatusCode::OK, "This page was sent over HTTP/2."),
        (Method::HEAD, "/", StatusCode::OK, ""),
        (Method::POST, "/", StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD"),
        (Method::GET, "/ws", StatusCode::BAD_REQUEST, ":protocol"),
        (Method::GET, "/other", StatusCode::NOT_FOUND, "not found"),
        (Method::CONNECT, "/", StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD"),
        (Method::CONNECT, "/other", StatusCode::NOT_FOUND, "not found"),
        (Method::CONNECT, "/ws", StatusCode::OK, ""),
    ] {
        let case = format!("{method} {path}");
        let mut request = Request::new(());
        let is_connect = method == Method::CONNECT;
        if is_connect {
            request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
            request.extensions_mut().insert(Protocol::from_static("websocket"));
        }
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://{address}{path}").parse().unwrap();
        *request.version_mut() = Version::HTTP_2;
        let (response, _output) = requests.send_request(request, !is_connect).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), status, "{case}");
        if is_connect && status.is_success() {
            continue;
        }
        let mut stream = response.into_body();
        let mut body = Vec::new();
        while let Some(data) = stream.data().await {
            body.extend_from_slice(&data.unwrap());
        }
        let body = String::from_utf8(body).unwrap();
        assert_eq!(body.is_empty(), text.is_empty(), "{case}");
        assert!(body.contains(text), "{case}: {body}");
    }
}

/// The first bytes of both versions, each in a segment of its own.
#[tokio::test]
async fn first_bytes_that_arrive_one_by_one() {
    let (_app, address) = app();
    let settings = [PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat();
    for (input, start) in [
        // The length and the type of SETTINGS.
        (&settings[..], &b"\0\0\x1e\x04"[..]),
        (b"PRI / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 405 Method Not Allowed\r\n"),
        (b"PUT /x HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
    ] {
        let mut stream = tcp(address).await;
        for byte in input {
            stream.write_all(&[*byte]).await.unwrap();
            sleep(Duration::from_millis(2)).await;
        }
        let mut output = vec![0; start.len()];
        stream.read_exact(&mut output).await.unwrap();
        assert_eq!(output, start, "{}", String::from_utf8_lossy(input));
    }
}

/// The timeout of the app is 10 s.
#[tokio::test]
async fn a_preface_that_never_comes_ends_the_connection() {
    let (_app, address) = app();
    let ended = async |input: &[u8], pause| {
        let mut stream = tcp(address).await;
        let start = Instant::now();
        for byte in input {
            let read = timeout(pause, stream.read(&mut [0])).await;
            if let Ok(read) = read {
                return (read.unwrap_or(0), start.elapsed());
            }
            // Fails if the connection has ended.
            let _ = stream.write_all(&[*byte]).await;
        }
        (stream.read(&mut [0]).await.unwrap(), start.elapsed())
    };
    let none = Duration::ZERO;
    let ends = tokio::join!(
        ended(b"", none),
        ended(b"PRI", none),
        // One byte per second.
        ended(PREFACE, Duration::from_secs(1)),
    );
    for (len, elapsed) in [ends.0, ends.1, ends.2] {
        assert_eq!(len, 0);
        assert!(elapsed > Duration::from_secs(9), "{elapsed:?}");
    }
}

/// The shutdown closes the WebSockets with 1001, and ends the sessions in order.
#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_sessions_in_order() {
    let (mut app, address) = app();
    // A client keeps its session open.
    let (mut clients, mut sessions) = (Vec::new(), Vec::new());
    let mut sockets = Vec::new();
    for count in [0, 1, 3] {
        let (client, session) = session(address).await;
        sessions.push(tokio::spawn(session));
        for _ in 0..count {
            let mut ws = open(&client, address).await;
            echoed(&mut ws).await;
            sockets.push(ws);
        }
        clients.push(client);
    }
    let mut raw = tcp(address).await;
    raw.write_all(&[PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat()).await.unwrap();
    let mut output = vec![0; 9];
    raw.read_exact(&mut output).await.unwrap();
    let id = app.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    for mut ws in sockets {
        while ws.read().await.unwrap().is_some() {}
        let status = ws.close_status().unwrap();
        assert_eq!((status.code, &*status.reason), (CloseCode::GOING_AWAY, "server shutdown"));
    }
    for session in sessions {
        // An error would be a lost session.
        session.await.unwrap().unwrap();
    }
    raw.read_to_end(&mut output).await.unwrap();
    // RFC 9113 section 6.8: a length of 8, the type of GOAWAY, and the last stream 2^31 - 1.
    let goaway = b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff";
    assert!(output.windows(goaway.len()).any(|part| part == goaway), "{output:?}");
    assert!(app.0.wait().unwrap().success());
}
