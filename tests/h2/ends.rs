//! How streams and sessions end.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;

use bytes::Bytes;
use h2::Reason;
use http::Request;
use sansocket::error::{PeerError, ProtocolError};
use sansocket::h2::{Client, Incoming, Session, SessionError, SessionOptions};
use sansocket::{AcceptOptions, CloseCode, Event, WebSocketError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex};
use tokio::time::sleep;

use super::{
    Server, TRANSPORT, frame, in_time, open, options, pair, raw_client, raw_request, server_config,
};
use crate::common::tasks::spawn;

#[track_caller]
fn io_kind(result: Result<(), WebSocketError>) -> io::ErrorKind {
    match result.unwrap_err() {
        WebSocketError::Io(error) => error.kind(),
        error => panic!("{error:?}"),
    }
}

/// What the server's application sees after a message and this end of the stream.
async fn server_sees(end: impl FnOnce(&mut h2::SendStream<Bytes>)) -> Result<(), WebSocketError> {
    let (near, far) = duplex(TRANSPORT);
    let mut server = Server::start(far, options());
    let mut requests = in_time(raw_client(near)).await;
    let (_response, mut output) = requests.send_request(raw_request(), false).unwrap();
    let mut ws = server.next().await;
    output.send_data(frame(0x81, b"the last"), false).unwrap();
    let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
    assert!(matches!(event, Event::Text("the last")));
    end(&mut output);
    while in_time(ws.read()).await?.is_some() {}
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn e6_a_close_frame_and_end_stream_in_one_frame_are_a_clean_close() {
    server_sees(|output| output.send_data(frame(0x88, &[3, 232]), true).unwrap()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn e6_end_stream_without_a_close_frame_is_a_lost_connection() {
    let result = server_sees(|output| output.send_data(Bytes::new(), true).unwrap()).await;
    let expected = ProtocolError::Peer(PeerError::ClosedWithoutHandshake);
    assert!(matches!(result, Err(WebSocketError::Protocol(error)) if error == expected));
}

#[tokio::test(start_paused = true)]
async fn e6_a_reset_is_an_error_of_the_transport() {
    for reason in [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
        let result = server_sees(|output| output.send_reset(reason)).await;
        assert_eq!(io_kind(result), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test(start_paused = true)]
async fn e6_a_dropped_web_socket_resets_its_stream() {
    let (mut server, client) = pair(options(), options()).await;
    let (mut ws, far) = (open(&client).await, server.next().await);
    drop(far);
    assert_eq!(io_kind(in_time(ws.read()).await.map(|_| ())), io::ErrorKind::ConnectionReset);
    let (ws, mut far) = (open(&client).await, server.next().await);
    drop(ws);
    assert_eq!(io_kind(in_time(far.read()).await.map(|_| ())), io::ErrorKind::ConnectionReset);
}

/// As with TCP, dropping a WebSocket loses no message whose send has returned.
#[tokio::test(start_paused = true)]
async fn e6_a_sent_message_precedes_the_reset_of_a_dropped_web_socket() {
    let (mut server, client) = pair(options(), options()).await;
    for len in [10, 60_000] {
        let (mut ws, mut far) = (open(&client).await, server.next().await);
        in_time(far.send_binary(&vec![7; len])).await.unwrap();
        drop(far);
        let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
        assert!(matches!(event, Event::Binary(bytes) if bytes.len() == len));
        assert_eq!(io_kind(in_time(ws.read()).await.map(|_| ())), io::ErrorKind::ConnectionReset);
        let (mut ws, mut far) = (open(&client).await, server.next().await);
        in_time(ws.send_binary(&vec![7; len])).await.unwrap();
        drop(ws);
        let (event, _) = in_time(far.read()).await.unwrap().unwrap();
        assert!(matches!(event, Event::Binary(bytes) if bytes.len() == len));
        assert_eq!(io_kind(in_time(far.read()).await.map(|_| ())), io::ErrorKind::ConnectionReset);
    }
}

/// The Close frame and END_STREAM are written when `close` returns, however slow the transport is.
#[tokio::test(start_paused = true)]
async fn e6_the_session_can_be_dropped_after_a_close() {
    for transport in [64, 100, TRANSPORT] {
        let (near, far) = duplex(transport);
        let mut server = Server::start(far, options());
        let (client, session) = in_time(Client::handshake(near, &options())).await.unwrap();
        let session = spawn(session);
        let (mut ws, mut far) = (open(&client).await, server.next().await);
        let reading = spawn(async move {
            let closed = far.read().await.map(|event| {
                assert!(matches!(event, Some((Event::Close(Some(_)), _))));
            });
            closed.unwrap();
            while far.read().await.unwrap().is_some() {}
            far.close_status().unwrap().code
        });
        in_time(ws.close(CloseCode::NORMAL, "")).await.unwrap();
        session.abort();
        assert_eq!(in_time(reading).await.unwrap(), CloseCode::NORMAL);
    }
}

#[tokio::test(start_paused = true)]
async fn e6_a_lost_session_ends_its_streams() {
    let (mut server, client) = pair(options(), options()).await;
    let (mut ws, mut far) = (open(&client).await, server.next().await);
    server.session.abort();
    for ws in [&mut ws, &mut far] {
        let kind = io_kind(in_time(ws.read()).await.map(|_| ()));
        let kinds = [
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::UnexpectedEof,
        ];
        assert!(kinds.contains(&kind), "{kind}");
    }
}

/// A WebSocket that waits for the peer's window ends with its session, too.
#[tokio::test(start_paused = true)]
async fn e6_a_lost_session_ends_a_write() {
    let (mut server, client) = pair(options(), options()).await;
    let (ws, mut far) = (open(&client).await, server.next().await);
    let writing = spawn(async move {
        loop {
            far.send_binary(&[0; 100_000]).await?;
        }
        #[allow(unreachable_code, reason = "the type of the task")]
        Ok(())
    });
    sleep(Duration::from_secs(1)).await;
    server.session.abort();
    let kind = io_kind(in_time(writing).await.unwrap());
    assert!(matches!(kind, io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe), "{kind}");
    drop(ws);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_ends_before_the_preface_is_an_io_error() {
    let (near, far) = duplex(TRANSPORT);
    let server = Server::start(far, options());
    drop(near);
    let error = in_time(server.session).await.unwrap().unwrap_err();
    assert!(matches!(error, SessionError::Io(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_of_another_protocol_is_named() {
    let (mut near, far) = duplex(TRANSPORT);
    let server = Server::start(far, options());
    near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let error = in_time(server.session).await.unwrap().unwrap_err();
    let text = "the HTTP/2 session failed: the peer does not use HTTP/2: the first bytes of the client are not the preface";
    assert_eq!(error.to_string(), text);

    let (near, mut far) = duplex(TRANSPORT);
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let error = in_time(Client::handshake(near, &options())).await.unwrap_err();
    let start = "the HTTP/2 session failed: the peer does not use HTTP/2: ";
    assert!(error.to_string().starts_with(start), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_a_deadline() {
    let (near, far) = duplex(TRANSPORT);
    let server = Server::start(far, options());
    let error = in_time(server.session).await.unwrap().unwrap_err();
    assert!(matches!(error, SessionError::HandshakeTimeout), "{error:?}");
    drop(near);

    // A server whose settings never arrive.
    let (near, mut far) = duplex(TRANSPORT);
    let error = in_time(Client::handshake(near, &options())).await.unwrap_err();
    assert!(matches!(error, SessionError::HandshakeTimeout), "{error:?}");
    let mut preface = [0; 24];
    far.read_exact(&mut preface).await.unwrap();
    assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

/// The peer sends the preface, with settings or without; nothing follows, and everything is read.
#[tokio::test(start_paused = true)]
async fn a_vanished_peer_ends_the_session() {
    for preface in [PREFACE, &PREFACE[..24]] {
        let (mut near, far) = duplex(TRANSPORT);
        let server = Server::start(far, options());
        near.write_all(preface).await.unwrap();
        let start = tokio::time::Instant::now();
        let keep_reading = spawn(async move {
            let _ = tokio::io::copy(&mut near, &mut tokio::io::sink()).await;
        });
        let ended = in_time(server.session).await.unwrap();
        assert!(matches!(ended, Err(SessionError::KeepAliveTimeout)), "{ended:?}");
        assert_eq!(start.elapsed().as_secs(), 60);
        keep_reading.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_without_streams_ends_in_order() {
    let options = SessionOptions::builder().idle_timeout(Some(Duration::from_secs(5)));
    let (mut server, client) = pair(options.build().unwrap(), super::options()).await;
    let (mut ws, mut far) = (open(&client).await, server.next().await);
    // An open WebSocket keeps the session.
    let echo = spawn(async move { super::echo(&mut far).await });
    sleep(Duration::from_secs(100)).await;
    in_time(ws.send_text("still open")).await.unwrap();
    while !matches!(in_time(ws.read()).await.unwrap(), Some((Event::Text("still open"), _))) {}
    in_time(ws.close(CloseCode::NORMAL, "")).await.unwrap();
    in_time(echo).await.unwrap().unwrap();
    drop(ws);
    let start = tokio::time::Instant::now();
    in_time(server.session).await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(7), "{:?}", start.elapsed());
}

/// Requests that are answered at once: the session is idle only after the last one.
#[tokio::test(start_paused = true)]
async fn requests_for_pages_keep_a_session() {
    let options = SessionOptions::builder().idle_timeout(Some(Duration::from_secs(5)));
    let (near, far) = duplex(TRANSPORT);
    let server = Server::start(far, options.build().unwrap());
    let mut requests = in_time(raw_client(near)).await;
    for _ in 0..20 {
        let page = Request::get("https://server.example/page").body(()).unwrap();
        let (response, _) = requests.send_request(page, true).unwrap();
        let mut body = in_time(response).await.unwrap().into_body();
        while let Some(data) = in_time(body.data()).await {
            data.unwrap();
        }
        sleep(Duration::from_secs(2)).await;
    }
    in_time(server.session).await.unwrap().unwrap();
}

/// The preface and empty settings of a client.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A peer that ignores GOAWAY and its PING, but sends PRIORITY frames.
#[tokio::test(start_paused = true)]
async fn an_idle_session_ends_without_an_answer_of_the_peer() {
    for keep_alive in [None, Some(Duration::from_secs(30))] {
        let (near, far) = duplex(TRANSPORT);
        let options = SessionOptions::builder().keep_alive(keep_alive, Duration::from_secs(30));
        let server = Server::start(far, options.build().unwrap());
        let (mut input, mut output) = tokio::io::split(near);
        output.write_all(PREFACE).await.unwrap();
        spawn(async move { tokio::io::copy(&mut input, &mut tokio::io::sink()).await });
        spawn(async move {
            while output.write_all(b"\0\0\x05\x02\0\0\0\0\x03\0\0\0\0\0").await.is_ok() {
                sleep(Duration::from_secs(10)).await;
            }
        });
        let start = tokio::time::Instant::now();
        let ended = in_time(server.session).await.unwrap();
        assert!(matches!(ended, Err(SessionError::KeepAliveTimeout)), "{ended:?}");
        assert_eq!(start.elapsed().as_secs(), 90);
    }
}

/// The streams of a session end with it, even if the application keeps it.
#[tokio::test(start_paused = true)]
async fn e6_a_failed_session_that_is_kept_ends_its_streams() {
    let (near, far) = duplex(TRANSPORT);
    let (mut input, mut output) = tokio::io::split(near);
    // The head of a request: literal fields without an index.
    let mut head = Vec::new();
    for (name, value) in [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", "server.example"),
        ("sec-websocket-version", "13"),
    ] {
        for text in [name, value] {
            if text == name {
                head.push(0);
            }
            head.push(u8::try_from(text.len()).unwrap());
            head.extend_from_slice(text.as_bytes());
        }
    }
    output.write_all(PREFACE).await.unwrap();
    output.write_all(&[0, 0, u8::try_from(head.len()).unwrap(), 1, 4, 0, 0, 0, 1]).await.unwrap();
    output.write_all(&head).await.unwrap();
    spawn(async move { tokio::io::copy(&mut input, &mut tokio::io::sink()).await });

    let timeout = Duration::from_secs(1);
    let options = SessionOptions::builder().keep_alive(Some(timeout), timeout).build().unwrap();
    let mut session = in_time(Session::handshake(far, &options)).await.unwrap();
    let Some(Incoming::WebSocket(request)) = in_time(session.accept()).await.unwrap() else {
        panic!("no WebSocket");
    };
    let mut ws = request.accept(&AcceptOptions::new(), &server_config()).unwrap();
    let reading = spawn(async move { ws.read().await.map(|_| ()) });
    let ended = in_time(session.accept()).await.map(|_| ()).unwrap_err();
    assert!(matches!(ended, SessionError::KeepAliveTimeout), "{ended:?}");
    let read = tokio::time::timeout(timeout, reading).await.expect("the stream has not ended");
    assert_eq!(io_kind(read.unwrap()), io::ErrorKind::ConnectionAborted);
    drop(session);
}

/// A server that sends PRIORITY frames in place of its settings, as fast as they are read.
#[tokio::test(start_paused = true)]
async fn a_flood_does_not_delay_the_deadline_of_a_handshake() {
    struct Flood(usize);

    impl AsyncRead for Flood {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let frame = b"\0\0\x05\x02\0\0\0\0\x03\0\0\0\0\0";
            for _ in 0..buf.remaining() {
                buf.put_slice(&frame[self.0..=self.0]);
                self.0 = (self.0 + 1) % frame.len();
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Flood {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    // The paused clock advances only when all tasks wait.
    let clock = spawn(async {
        loop {
            tokio::time::advance(Duration::from_secs(10)).await;
        }
    });
    let handshake = spawn(async { Client::handshake(Flood(0), &options()).await.map(drop) });
    let error = handshake.await.unwrap().unwrap_err();
    assert!(matches!(error, SessionError::HandshakeTimeout), "{error:?}");
    clock.abort();
}
