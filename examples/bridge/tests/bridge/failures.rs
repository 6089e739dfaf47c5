//! Targets and clients that do not answer, or not as HTTP.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bridge::Options;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::setup::{
    CONNECT_ERROR, KINDS, Kind, Order, Origin, Outer, PAIRS, bridge, bridge_with, in_time, options,
    read_head,
};

const SHORT: Duration = Duration::from_millis(400);

/// Options with a short handshake timeout.
fn short(kind: Kind, addr: SocketAddr) -> Options {
    let mut options = options(kind, addr);
    options.timeout = SHORT;
    options
}

#[tokio::test]
async fn a_silent_target_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    // It accepts the session, and does not answer the request.
    let origin = Origin::new(Kind::Http2).await;
    for (inside, addr) in [(Kind::Http1, silent), (Kind::Http2, silent), (Kind::Http2, origin.addr)]
    {
        let bridge = bridge_with(&short(inside, addr)).await;
        for outside in KINDS {
            let begin = tokio::time::Instant::now();
            let (response, mut raw) = Outer::new(outside, bridge).await.request("/", &[]).await;
            assert_eq!(response.status(), 504);
            assert!(begin.elapsed() >= SHORT);
            assert_eq!(raw.read_all().await, b"the target of the bridge does not answer");
        }
    }
}

#[tokio::test]
async fn an_unreachable_target_is_a_bad_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    for (outside, inside) in PAIRS {
        let bridge = bridge(inside, closed).await;
        let (response, _) = Outer::new(outside, bridge).await.request("/", &[]).await;
        assert_eq!(response.status(), 502);
    }
}

/// Answers each connection with these bytes, after the head of a request if `reads`.
async fn canned(answer: &'static [u8], reads: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                if reads {
                    read_head(&mut tcp).await;
                }
                tcp.write_all(answer).await.unwrap();
                tcp.shutdown().await.unwrap();
                let _ = tcp.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    addr
}

const SWITCH: &str = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n";

#[tokio::test]
async fn an_invalid_answer_is_a_bad_gateway() {
    let no_accept = SWITCH.to_owned() + "\r\n";
    let wrong_accept =
        SWITCH.to_owned() + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let long = format!("HTTP/1.1 403 x\r\nX-A: {}\r\n\r\n", "a".repeat(100_000));
    for answer in [
        "",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 204 x\r\n\r\n",
        "HTTP/1.0 101 x\r\n\r\n",
        "HTTP/1.1 403 x\r\nbad name: 1\r\n\r\n",
        "HTTP/1.1 403 x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        &no_accept,
        &wrong_accept,
        &long,
    ] {
        let addr = canned(answer.to_owned().leak().as_bytes(), true).await;
        let bridge = bridge(Kind::Http1, addr).await;
        for outside in KINDS {
            let (response, _) = Outer::new(outside, bridge).await.request("/", &[]).await;
            assert_eq!(response.status(), 502, "{:?}", answer.get(..60.min(answer.len())));
        }
    }
    // No HTTP/2, and HTTP/2 that does not allow WebSockets.
    let settings: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"", settings] {
        let addr = canned(answer, false).await;
        let bridge = bridge(Kind::Http2, addr).await;
        for outside in KINDS {
            let (response, _) = Outer::new(outside, bridge).await.request("/", &[]).await;
            assert_eq!(response.status(), 502);
        }
    }
}

#[tokio::test]
async fn a_slow_client_is_refused() {
    let origin = Origin::new(Kind::Http1).await;
    let bridge = bridge_with(&short(Kind::Http1, origin.addr)).await;
    for start in ["", "PRI * HTTP", "GET / HTTP/1.1\r\nHost: "] {
        let mut tcp = TcpStream::connect(bridge).await.unwrap();
        tcp.write_all(start.as_bytes()).await.unwrap();
        let head = read_head(&mut tcp).await;
        assert!(head.starts_with("HTTP/1.1 408 "), "{start:?}: {head}");
    }
    // A connection in reserve, which the client ends without a byte.
    let mut tcp = TcpStream::connect(bridge).await.unwrap();
    tcp.shutdown().await.unwrap();
    assert_eq!(in_time(tcp.read_to_end(&mut Vec::new())).await.unwrap(), 0);
}

/// A session whose peer is silent: PING gets no answer.
#[tokio::test]
async fn a_vanished_target_resets_its_tunnels() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = options(Kind::Http2, listener.local_addr().unwrap());
    options.keep_alive = Duration::from_secs(1);
    let bridge = bridge_with(&options).await;
    let serving = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut builder = h2::server::Builder::new();
        let mut session =
            builder.enable_connect_protocol().handshake::<_, bytes::Bytes>(tcp).await.unwrap();
        let mut streams = Vec::new();
        for _ in KINDS {
            let (_, mut respond) = session.accept().await.unwrap().unwrap();
            streams.push(respond.send_response(http::Response::new(()), false).unwrap());
        }
        // The responses are written.
        let _ = tokio::time::timeout(SHORT, session.accept()).await;
        (session, streams)
    };
    let clients = (Outer::new(KINDS[0], bridge).await, Outer::new(KINDS[1], bridge).await);
    let opening = async { tokio::join!(clients.0.open(), clients.1.open()) };
    let opened = Box::pin(async { tokio::join!(opening, serving) });
    let ((mut near, mut other), _silent) = in_time(opened).await;
    near.wait_for_reset().await;
    other.wait_for_reset().await;
}

/// TCP_USER_TIMEOUT: a client that reads nothing, while there are data for it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_stops_reading_is_lost() {
    for inside in KINDS {
        let mut origin = Origin::new(inside).await;
        let mut options = options(inside, origin.addr);
        options.keep_alive = Duration::from_secs(1);
        let bridge = bridge_with(&options).await;
        let client = Outer::new(Kind::Http1, bridge).await;
        let (_near, mut far) = tokio::join!(client.open(), origin.open());
        let data = vec![7; 64 << 10];
        let failed = in_time(async {
            loop {
                if let Err(error) = far.write_all(&data).await {
                    return error;
                }
            }
        });
        let kind = failed.await.kind();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
        if inside == Kind::Http2 {
            assert_eq!(far.wait_for_reset().await, CONNECT_ERROR);
        }
    }
}

/// The request waits for the only stream of the session: after GOAWAY another session takes it.
#[tokio::test]
async fn a_request_leaves_a_full_session_that_drains() {
    for waits in [false, true] {
        let mut origin = Origin::with_streams(Kind::Http2, 1).await;
        let bridge = bridge(Kind::Http2, origin.addr).await;
        let client = Outer::new(Kind::Http1, bridge).await;
        let (mut near, (orders, mut far)) = tokio::join!(client.open(), async {
            let arrived = origin.next().await;
            (arrived.orders(), arrived.open(&[]).await)
        });
        let (_second, _) = tokio::join!(client.open(), async {
            if waits {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            orders.send(Order::Drain).unwrap();
            origin.open().await
        });
        // The first one goes on.
        far.send(b"more").await;
        assert_eq!(near.read_some(4).await, b"more");
    }
}

/// REFUSED_STREAM: the request is repeated once, on another session.
#[tokio::test]
async fn a_refused_stream_is_repeated() {
    for refusing_sessions in [1, 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bridge = bridge(Kind::Http2, listener.local_addr().unwrap()).await;
        tokio::spawn(async move {
            for number in 1.. {
                let (tcp, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut builder = h2::server::Builder::new();
                    builder.enable_connect_protocol();
                    let mut session = builder.handshake::<_, bytes::Bytes>(tcp).await.unwrap();
                    while let Some(Ok((_, mut respond))) = session.accept().await {
                        if number <= refusing_sessions {
                            respond.send_reset(h2::Reason::REFUSED_STREAM);
                        } else {
                            let response = http::Response::builder().status(403).body(()).unwrap();
                            respond.send_response(response, true).unwrap();
                        }
                    }
                });
            }
        });
        let expected = if refusing_sessions == 1 { 403 } else { 502 };
        let client = Outer::new(Kind::Http1, bridge).await;
        assert_eq!(client.request("/", &[]).await.0.status(), expected);
    }
}
