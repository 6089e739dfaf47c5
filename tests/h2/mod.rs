//! WebSockets over HTTP/2: both ends of this crate, and peers made of the crate `h2` that break rules or
//! do not read. The runtime's clock is paused: a test that waits for nothing ends at its timeout.

mod ends;
mod messages;
mod races;
mod requests;
mod stalls;
mod tunnels;

use core::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Version};
use sansocket::h2::{Client, Incoming, Session, SessionError, SessionOptions, Stream};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, Config, ConnectRequest, Entropy, Event, WebSocketError};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The longest message of these tests is 1 MiB.
const TRANSPORT: usize = 64 << 10;

fn options() -> SessionOptions {
    SessionOptions::builder().build().unwrap()
}

fn server_config() -> Config {
    Config::server().build().unwrap()
}

fn client_config() -> Config {
    Config::client(Entropy::os()).build().unwrap()
}

fn request() -> ConnectRequest {
    ConnectRequest::new("wss://server.example/chat?x=1").unwrap()
}

async fn echo(ws: &mut WebSocket<Stream>) -> Result<(), WebSocketError> {
    while let Some((event, mut reply)) = ws.read().await? {
        match event {
            Event::Text(text) => reply.feed_text(text)?,
            Event::Binary(bytes) => reply.feed_binary(bytes)?,
            _ => {}
        }
    }
    Ok(())
}

/// The WebSockets of a server, and its session.
struct Server {
    accepted: mpsc::UnboundedReceiver<WebSocket<Stream>>,
    session: JoinHandle<Result<(), SessionError>>,
}

impl Server {
    /// Serves a session in a task of its own.
    fn start(transport: DuplexStream, options: SessionOptions) -> Self {
        let (report, accepted) = mpsc::unbounded_channel();
        let session = tokio::spawn(async move {
            let mut session = Session::handshake(transport, &options).await?;
            serve(&mut session, |ws| drop(report.send(ws))).await
        });
        Self { accepted, session }
    }

    async fn next(&mut self) -> WebSocket<Stream> {
        in_time(self.accepted.recv()).await.unwrap()
    }
}

/// Accepts WebSockets until the session ends. Other requests are answered with a page.
async fn serve<T: AsyncRead + AsyncWrite + Unpin>(
    session: &mut Session<T>,
    accepted: impl Fn(WebSocket<Stream>),
) -> Result<(), SessionError> {
    while let Some(incoming) = session.accept().await? {
        match incoming {
            Incoming::WebSocket(request) => {
                if let Ok(ws) = request.accept(&AcceptOptions::new(), &server_config()) {
                    accepted(ws);
                }
            }
            Incoming::Other(_, mut respond) => {
                let response = http::Response::new(());
                if let Ok(mut body) = respond.send_response(response, false) {
                    let _ = body.send_data(Bytes::from_static(b"a page"), true);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Starts both ends of a session.
async fn pair(server: SessionOptions, client: SessionOptions) -> (Server, Client) {
    let (near, far) = duplex(TRANSPORT);
    let server = Server::start(far, server);
    let (client, session) = in_time(Client::handshake(near, &client)).await.unwrap();
    tokio::spawn(session);
    (server, client)
}

async fn open(client: &Client) -> WebSocket<Stream> {
    in_time(client.open(&request(), &client_config())).await.unwrap().0
}

/// A session of the crate `h2`, whose windows are as large as they can be.
async fn raw_client(transport: DuplexStream) -> h2::client::SendRequest<Bytes> {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size((1 << 31) - 1).initial_connection_window_size((1 << 31) - 1);
    let (requests, connection) = builder.handshake(transport).await.unwrap();
    tokio::spawn(connection);
    // The settings of the server allow the protocol.
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    requests
}

/// A valid request for a WebSocket.
fn raw_request() -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "https://server.example/chat".parse().unwrap();
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    request
}

/// A masked frame of a client, with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Bytes {
    let mut frame = vec![first];
    match u16::try_from(payload.len()).unwrap() {
        len @ ..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame.into()
}

/// h2 panics at values that are out of its ranges.
#[tokio::test(start_paused = true)]
async fn options_at_their_limits() {
    let builder = SessionOptions::builder;
    let max = (1 << 31) - 1;
    for (name, wrong) in [
        ("send_buffer", builder().send_buffer(0)),
        ("send_buffer", builder().send_buffer(max + 1)),
        ("send_buffer", builder().send_buffer(usize::MAX)),
        ("stream_window", builder().max_streams(1).stream_window(0)),
        ("stream_window", builder().max_streams(1).stream_window(1 << 31)),
        ("session_window", builder().session_window(1 << 31)),
        ("session_window", builder().max_streams(u32::MAX)),
        ("max_streams", builder().max_streams(0)),
        ("max_frame_len", builder().max_frame_len((16 << 10) - 1)),
        ("max_frame_len", builder().max_frame_len(1 << 24)),
        ("max_head_len", builder().max_head_len(0)),
    ] {
        let error = wrong.build().unwrap_err().to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
    let large = builder()
        .max_streams(1)
        .stream_window((1 << 31) - 1)
        .send_buffer(max)
        .max_frame_len((1 << 24) - 1)
        .max_head_len(u32::MAX)
        .handshake_timeout(Duration::MAX)
        .idle_timeout(Some(Duration::MAX))
        .keep_alive(Some(Duration::MAX), Duration::MAX);
    let small = builder().max_streams(1).stream_window(1).send_buffer(1).max_head_len(1000);
    for options in [large, small] {
        let options = options.build().unwrap();
        let (mut server, client) = pair(options.clone(), options).await;
        let mut ws = open(&client).await;
        let mut far = server.next().await;
        tokio::spawn(async move { echo(&mut far).await });
        in_time(ws.send_text("a text")).await.unwrap();
        let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
        assert!(matches!(event, Event::Text("a text")));
    }
}

/// No test may hang.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(300), future).await.expect("no end in time")
}
