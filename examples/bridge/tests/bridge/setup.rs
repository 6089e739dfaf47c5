//! Bridges, and the ends on both sides.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bridge::{Bridge, Options};
use http::{HeaderMap, Request, Response};
use sansocket::h2::{Client, Incoming, PendingRequest, Session, SessionOptions, Stream};
use sansocket::handshake::accept_key;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// RFC 9113 section 7.
pub(crate) const CONNECT_ERROR: u32 = 0xa;
pub(crate) const CANCEL: u32 = 0x8;

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http1,
    Http2,
}

pub(crate) const KINDS: [Kind; 2] = [Kind::Http1, Kind::Http2];

/// All pairs of the versions outside and inside.
pub(crate) const PAIRS: [(Kind, Kind); 4] = [
    (Kind::Http1, Kind::Http2),
    (Kind::Http2, Kind::Http1),
    (Kind::Http1, Kind::Http1),
    (Kind::Http2, Kind::Http2),
];

/// No test may hang.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("no end in time")
}

/// The options of a bridge to a target, with a handshake timeout that is not reached.
pub(crate) fn options(kind: Kind, addr: SocketAddr) -> Options {
    let scheme = if kind == Kind::Http2 { "h2c" } else { "ws" };
    let target = format!("{scheme}://{addr}");
    Options::parse(["127.0.0.1:0", &target, "--timeout", "30"]).unwrap()
}

/// Starts a bridge, and returns its address.
pub(crate) async fn bridge(kind: Kind, addr: SocketAddr) -> SocketAddr {
    bridge_with(&options(kind, addr)).await
}

pub(crate) async fn bridge_with(options: &Options) -> SocketAddr {
    let listener = TcpListener::bind(&options.listen).await.unwrap();
    let own = listener.local_addr().unwrap();
    let bridge = Bridge::new(options).unwrap();
    tokio::spawn(async move { bridge.serve::<()>(listener).await });
    own
}

/// An end of a tunnel.
#[derive(Debug)]
pub(crate) enum Raw {
    Tcp(TcpStream),
    Stream(Stream),
}

impl Raw {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Tcp(_) => Kind::Http1,
            Self::Stream(_) => Kind::Http2,
        }
    }

    pub(crate) async fn read_some(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        in_time(self.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// Reads up to the end of the input, which must be in order.
    pub(crate) async fn read_all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        in_time(self.read_to_end(&mut bytes)).await.unwrap();
        bytes
    }

    pub(crate) async fn send(&mut self, data: &[u8]) {
        in_time(self.write_all(data)).await.unwrap();
    }

    pub(crate) async fn finish(&mut self) {
        in_time(self.shutdown()).await.unwrap();
    }

    pub(crate) fn reset(self, code: u32) {
        match self {
            Self::Tcp(tcp) => {
                socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
            }
            Self::Stream(stream) => stream.reset(code),
        }
    }

    /// Waits for a reset, and returns its code. The input before it is discarded.
    pub(crate) async fn wait_for_reset(&mut self) -> u32 {
        in_time(async {
            match self {
                Self::Tcp(tcp) => loop {
                    match tcp.read(&mut [0; 4096]).await {
                        Ok(0) => panic!("FIN instead of RST"),
                        Ok(_) => {}
                        Err(error) => {
                            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                            return CONNECT_ERROR;
                        }
                    }
                },
                Self::Stream(stream) => poll_fn(|cx| stream.poll_reset(cx)).await.unwrap(),
            }
        })
        .await
    }
}

impl AsyncRead for Raw {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Stream(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Raw {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, data),
            Self::Stream(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Stream(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Stream(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A client of a bridge.
pub(crate) enum Outer {
    Http1(SocketAddr),
    Http2(Client, JoinHandle<()>),
}

impl Outer {
    pub(crate) async fn new(kind: Kind, bridge: SocketAddr) -> Self {
        match kind {
            Kind::Http1 => Self::Http1(bridge),
            Kind::Http2 => {
                let tcp = TcpStream::connect(bridge).await.unwrap();
                let options = SessionOptions::builder().build().unwrap();
                let (client, session) = in_time(Client::handshake(tcp, &options)).await.unwrap();
                Self::Http2(client, tokio::spawn(async move { drop(session.await) }))
            }
        }
    }

    /// Sends a request with these fields, and returns the response and the transport.
    pub(crate) async fn request(&self, path: &str, fields: &[(&str, &str)]) -> (Response<()>, Raw) {
        in_time(async {
            match self {
                Self::Http1(bridge) => {
                    let mut tcp = TcpStream::connect(bridge).await.unwrap();
                    tcp.write_all(head(path, fields).as_bytes()).await.unwrap();
                    let response = parse_response(&read_head(&mut tcp).await);
                    (response, Raw::Tcp(tcp))
                }
                Self::Http2(client, _) => {
                    let mut request = Request::connect(format!("http://server.example{path}"))
                        .header("sec-websocket-version", "13");
                    for &(name, value) in fields {
                        request = request.header(name, value);
                    }
                    let opened = client.open_tunnel(request.body(()).unwrap()).await;
                    let (response, stream) = opened.unwrap();
                    (response, Raw::Stream(stream))
                }
            }
        })
        .await
    }

    pub(crate) async fn open(&self) -> Raw {
        let (response, raw) = self.request("/chat", &[]).await;
        assert_eq!(response.status(), if raw.kind() == Kind::Http1 { 101 } else { 200 });
        raw
    }
}

/// A request of HTTP/1.1.
pub(crate) fn head(path: &str, fields: &[(&str, &str)]) -> String {
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nHost: server.example\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// Reads a head byte by byte, so that the data after it stay in the socket.
pub(crate) async fn read_head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(in_time(tcp.read_u8()).await.expect("the head is incomplete"));
    }
    String::from_utf8(head).unwrap()
}

fn parse_fields(lines: &mut dyn Iterator<Item = &str>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        let name: http::HeaderName = name.parse().unwrap();
        fields.append(name, value.parse().unwrap());
    }
    fields
}

fn parse_response(head: &str) -> Response<()> {
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap();
    let status: u16 = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut response = Response::builder().status(status).body(()).unwrap();
    *response.headers_mut() = parse_fields(&mut lines);
    response
}

/// A target: a server whose requests the test answers.
pub(crate) struct Origin {
    pub(crate) addr: SocketAddr,
    arrived: mpsc::UnboundedReceiver<Arrived>,
}

/// A request at the target.
pub(crate) enum Arrived {
    Tcp(TcpStream, String),
    Http2(Box<PendingRequest>, mpsc::UnboundedSender<Order>),
}

/// An order to the session of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Drop,
    Drain,
}

impl Origin {
    pub(crate) async fn new(kind: Kind) -> Self {
        Self::with_streams(kind, 256).await
    }

    pub(crate) async fn with_streams(kind: Kind, streams: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (report, arrived) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let report = report.clone();
                tokio::spawn(async move {
                    match kind {
                        Kind::Http1 => {
                            let head = read_head(&mut tcp).await;
                            let _ = report.send(Arrived::Tcp(tcp, head));
                        }
                        Kind::Http2 => serve_session(tcp, streams, &report).await,
                    }
                });
            }
        });
        Self { addr, arrived }
    }

    pub(crate) async fn next(&mut self) -> Arrived {
        in_time(self.arrived.recv()).await.unwrap()
    }

    pub(crate) async fn open(&mut self) -> Raw {
        self.next().await.open(&[]).await
    }
}

async fn serve_session(tcp: TcpStream, streams: u32, report: &mpsc::UnboundedSender<Arrived>) {
    let options = SessionOptions::builder().max_streams(streams).build().unwrap();
    let Ok(mut session) = Session::handshake(tcp, &options).await else { return };
    let (order, mut orders) = mpsc::unbounded_channel();
    loop {
        let incoming = tokio::select! {
            incoming = session.accept() => incoming,
            order = orders.recv() => match order.unwrap() {
                Order::Drop => return,
                Order::Drain => {
                    session.drain();
                    continue;
                }
            },
        };
        match incoming {
            Ok(Some(Incoming::WebSocket(request))) => {
                let _ = report.send(Arrived::Http2(Box::new(request), order.clone()));
            }
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) | Err(_) => return,
        }
    }
}

impl Arrived {
    /// Accepts the request.
    pub(crate) async fn open(self, fields: &[(&str, &str)]) -> Raw {
        match self {
            Self::Tcp(mut tcp, head) => {
                let key =
                    head.split("\r\n").find_map(|line| line.strip_prefix("Sec-Websocket-Key: "));
                let mut response = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n\
                     connection: upgrade\r\nsec-websocket-accept: {}\r\n",
                    accept_key(key.unwrap())
                );
                for (name, value) in fields {
                    response += &format!("{name}: {value}\r\n");
                }
                response += "\r\n";
                tcp.write_all(response.as_bytes()).await.unwrap();
                Raw::Tcp(tcp)
            }
            Self::Http2(pending, _) => {
                let mut response = Response::builder();
                for &(name, value) in fields {
                    response = response.header(name, value);
                }
                Raw::Stream(pending.accept_tunnel(response.body(()).unwrap()).unwrap())
            }
        }
    }

    /// Returns the request target, the authority and the fields.
    pub(crate) fn request(&self) -> (String, String, HeaderMap) {
        match self {
            Self::Tcp(_, head) => {
                let mut lines = head.split("\r\n");
                let line = lines.next().unwrap();
                let path = line.strip_prefix("GET ").unwrap().strip_suffix(" HTTP/1.1").unwrap();
                let fields = parse_fields(&mut lines);
                let host = fields["host"].to_str().unwrap().to_owned();
                (path.to_owned(), host, fields)
            }
            Self::Http2(pending, _) => {
                let request = pending.request();
                let lines: Vec<String> = (request.head().fields().iter())
                    .map(|(name, value)| format!("{name}: {}", str::from_utf8(value).unwrap()))
                    .collect();
                let fields = parse_fields(&mut lines.iter().map(String::as_str));
                (request.head().target().to_owned(), request.host().to_owned(), fields)
            }
        }
    }

    pub(crate) fn orders(&self) -> mpsc::UnboundedSender<Order> {
        match self {
            Self::Http2(_, orders) => orders.clone(),
            Self::Tcp(..) => panic!("no session"),
        }
    }
}

/// A client and a target with an open tunnel, in that order.
pub(crate) async fn tunnel(outside: Kind, inside: Kind) -> (Outer, Raw, Origin, Raw) {
    let mut origin = Origin::new(inside).await;
    let bridge = bridge(inside, origin.addr).await;
    let client = Outer::new(outside, bridge).await;
    let (near, far) = tokio::join!(client.open(), origin.open());
    (client, near, origin, far)
}

/// Bytes without a period.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}
