//! Requests that are refused. The session goes on.

use core::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use sansocket::error::{ConnectErrorKind, ConnectStep};
use sansocket::h2::{Client, Incoming, Session, SessionOptions};
use sansocket::handshake::{BodyEnd, HandshakeError, Refusal};
use sansocket::{AcceptOptions, Config, Entropy};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use super::{
    Server, TRANSPORT, client_config, frame, in_time, open, options, pair, raw_client, raw_request,
    request, server_config,
};
use crate::common::tasks::spawn;

fn with(change: impl FnOnce(&mut Request<()>)) -> Request<()> {
    let mut request = raw_request();
    change(&mut request);
    request
}

#[tokio::test(start_paused = true)]
async fn e4_e7_refused_requests_leave_the_session_open() {
    let (near, far) = duplex(TRANSPORT);
    let mut server = Server::start(far, options());
    let mut requests = in_time(raw_client(near)).await;
    let version = |value: &'static str| {
        with(|request| {
            request.headers_mut().insert("sec-websocket-version", value.parse().unwrap());
        })
    };
    let cases = [
        (version("8"), 400),
        (version("13, 8"), 400),
        (with(|request| drop(request.headers_mut().remove("sec-websocket-version"))), 400),
        (
            with(|request| {
                let protocol = h2::ext::Protocol::from_static("connect-udp");
                request.extensions_mut().insert(protocol);
            }),
            501,
        ),
        (
            with(|request| {
                request.headers_mut().insert("origin", "https://other.example".parse().unwrap());
            }),
            403,
        ),
        (with(|request| *request.method_mut() = Method::GET), 200),
    ];
    for (mut request, status) in cases {
        if request.method() == Method::GET {
            request.extensions_mut().clear();
        }
        let (response, _output) = requests.send_request(request, true).unwrap();
        let response = in_time(response).await.unwrap();
        assert_eq!(response.status(), status, "{response:?}");
        if status == 400 {
            assert_eq!(response.headers()["sec-websocket-version"], "13");
        }
        let mut body = response.into_body();
        while let Some(data) = in_time(body.data()).await {
            data.unwrap();
        }
    }
    let (response, mut output) = requests.send_request(raw_request(), false).unwrap();
    let mut ws = server.next().await;
    assert_eq!(in_time(response).await.unwrap().status(), 200);
    output.send_data(frame(0x81, b"hello"), false).unwrap();
    assert!(in_time(ws.read()).await.unwrap().is_some());
}

/// A client whose requests this server treats in its own way.
async fn client_of(serve: impl Fn(sansocket::h2::PendingRequest) + Send + 'static) -> Client {
    let (near, far) = duplex(TRANSPORT);
    spawn(async move {
        let mut session = Session::handshake(far, &options()).await.unwrap();
        while let Ok(Some(incoming)) = session.accept().await {
            if let Incoming::WebSocket(request) = incoming {
                serve(request);
            }
        }
    });
    let (client, session) = in_time(Client::handshake(near, &options())).await.unwrap();
    spawn(session);
    client
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_its_body() {
    for (len, limit, end) in [
        (0, 100, BodyEnd::Complete),
        (100, 100, BodyEnd::Complete),
        (100_000, 1 << 20, BodyEnd::Complete),
        (100_000, 4000, BodyEnd::TooLong),
    ] {
        let client = client_of(move |request| {
            let refusal = Refusal::new(401).unwrap().with_body("text/plain", vec![b'x'; len]);
            request.refuse(refusal.unwrap()).unwrap();
        });
        let client = client.await;
        let config = Config::client(Entropy::os()).max_refusal_body_len(limit).build().unwrap();
        let error = in_time(client.open(&request(), &config)).await.unwrap_err();
        assert_eq!((error.step(), error.host()), (ConnectStep::Handshake, "server.example"));
        let response = error.response().unwrap();
        assert_eq!((response.status(), response.body().len()), (401, len.min(limit)));
        assert_eq!(response.body_end(), end);
    }
}

#[tokio::test(start_paused = true)]
async fn an_opening_handshake_has_a_deadline() {
    // The server keeps the request.
    let (keep, _kept) = std::sync::mpsc::channel();
    let client = client_of(move |request| keep.send(request).unwrap()).await;
    let start = tokio::time::Instant::now();
    let error = in_time(client.open(&request(), &client_config())).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 10);
    // The server resets the stream.
    let client = client_of(drop).await;
    let error = in_time(client.open(&request(), &client_config())).await.unwrap_err();
    assert!(matches!(error.kind(), ConnectErrorKind::Io(_)), "{error:?}");
}

/// A dropped `open` resets the stream, and leaves its place to others.
#[tokio::test(start_paused = true)]
async fn a_dropped_opening_handshake_frees_its_stream() {
    let two = SessionOptions::builder().max_streams(2).build().unwrap();
    let (near, far) = duplex(TRANSPORT);
    let (keep, kept) = std::sync::mpsc::channel();
    spawn(async move {
        let mut session = Session::handshake(far, &two).await.unwrap();
        while let Ok(Some(incoming)) = session.accept().await {
            keep.send(incoming).unwrap();
        }
    });
    let (client, session) = in_time(Client::handshake(near, &options())).await.unwrap();
    spawn(session);
    for _ in 0..10 {
        let (to, config) = (request(), client_config());
        let open = client.open(&to, &config);
        assert!(timeout(Duration::from_secs(1), open).await.is_err());
        // Dropping a request of a stream that was reset has no effect.
        drop(kept.try_recv().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn e1_a_server_without_the_setting() {
    let (near, far) = duplex(TRANSPORT);
    spawn(async move {
        let mut connection: h2::server::Connection<_, Bytes> =
            h2::server::handshake(far).await.unwrap();
        while connection.accept().await.is_some() {}
    });
    let (client, session) = in_time(Client::handshake(near, &options())).await.unwrap();
    spawn(session);
    assert!(!client.allows_web_sockets());
    let error = in_time(client.open(&request(), &client_config())).await.unwrap_err();
    assert!(matches!(error.kind(), ConnectErrorKind::Http2NotAllowed), "{error:?}");
    let text = "server.example:443: opening handshake failed: the server doesn't allow WebSockets over HTTP/2";
    assert_eq!(error.to_string(), text);
}

/// The settings are awaited: they arrive after the preface of the client, byte by byte.
#[tokio::test(start_paused = true)]
async fn e1_settings_that_arrive_late() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let (near, mut far) = duplex(TRANSPORT);
    let handshake = spawn(async move { Client::handshake(near, &options()).await });
    far.read_exact(&mut [0; 24]).await.unwrap();
    // SETTINGS with ENABLE_CONNECT_PROTOCOL.
    for byte in *b"\0\0\x06\x04\0\0\0\0\0\0\x08\0\0\0\x01" {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!handshake.is_finished());
        far.write_all(&[byte]).await.unwrap();
    }
    let (client, _session) = in_time(handshake).await.unwrap().unwrap();
    assert!(client.allows_web_sockets());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_web_socket() {
    let (near, far) = duplex(TRANSPORT);
    spawn(async move {
        let mut builder = h2::server::Builder::new();
        builder.enable_connect_protocol();
        let mut connection = builder.handshake::<_, Bytes>(far).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let response = Response::builder().header("sec-websocket-protocol", "not-offered");
            let _ = respond.send_response(response.body(()).unwrap(), false);
        }
    });
    let (client, session) = in_time(Client::handshake(near, &options())).await.unwrap();
    spawn(session);
    let error = in_time(client.open(&request(), &client_config())).await.unwrap_err();
    let kind = error.kind();
    assert!(
        matches!(kind, ConnectErrorKind::Handshake(error) if !matches!(error, HandshakeError::Status(_))),
        "{error:?}"
    );
}

/// Pages and WebSockets share a session.
#[tokio::test(start_paused = true)]
async fn other_requests_are_passed_on() {
    let (near, far) = duplex(TRANSPORT);
    let mut server = Server::start(far, options());
    let mut requests = in_time(raw_client(near)).await;
    let page = Request::get("https://server.example/page").body(()).unwrap();
    let (response, _) = requests.send_request(page, true).unwrap();
    let response = in_time(response).await.unwrap();
    assert_eq!(response.status(), 200);
    let data = in_time(response.into_body().data()).await.unwrap().unwrap();
    assert_eq!(data, &b"a page"[..]);
    let (_response, _output) = requests.send_request(raw_request(), false).unwrap();
    drop(server.next().await);
}

/// A cookie in the response, and a choice by the request.
#[tokio::test(start_paused = true)]
async fn a_response_with_fields() {
    let client = client_of(|request| {
        assert_eq!((request.request().path(), request.request().query()), ("/chat", Some("x=1")));
        let accepted = request.request().accept(&AcceptOptions::new()).unwrap();
        let accepted = accepted.with_field("Set-Cookie", "a=b").unwrap();
        let mut ws = request.accept_with(&accepted, &server_config()).unwrap();
        spawn(async move { while ws.read().await.unwrap().is_some() {} });
    });
    let client = client.await;
    let (_ws, response) = in_time(client.open(&request(), &client_config())).await.unwrap();
    assert_eq!(response.fields().get_str("set-cookie"), Some("a=b"));
}

/// 101 empty writes and flushes: h2 ends a session after 100 empty frames.
#[tokio::test(start_paused = true)]
async fn empty_writes_send_no_frames() {
    use tokio::io::AsyncWriteExt;

    let (mut server, client) = pair(options(), options()).await;
    let ws = open(&client).await;
    let mut far = server.next().await;
    spawn(async move { super::echo(&mut far).await });
    let parts = ws.into_inner();
    let mut parts = parts;
    for _ in 0..200 {
        assert_eq!(in_time(parts.stream.write(&[])).await.unwrap(), 0);
        in_time(parts.stream.flush()).await.unwrap();
    }
    let mut ws = sansocket::tokio::WebSocket::resume(parts);
    in_time(ws.send_text("alive")).await.unwrap();
    assert!(in_time(ws.read()).await.unwrap().is_some());
}

/// Requests with bodies, whose tasks read them at once, later, or never.
#[tokio::test(start_paused = true)]
async fn bodies_of_other_requests() {
    let (near, far) = duplex(TRANSPORT);
    let (report, mut others) = tokio::sync::mpsc::unbounded_channel();
    spawn(async move {
        let mut session = Session::handshake(far, &options()).await.unwrap();
        while let Some(incoming) = session.accept().await.unwrap() {
            let Incoming::Other(request, respond) = incoming else { panic!("{incoming:?}") };
            report.send((request.into_body(), respond)).unwrap();
        }
    });
    let mut requests = in_time(raw_client(near)).await;
    let mut post = |end| {
        let page = Request::post("https://server.example/page").body(()).unwrap();
        requests.send_request(page, end).unwrap()
    };
    // Small frames that are not read: the session goes on.
    let (_response, mut output) = post(false);
    let (mut unread, _respond) = in_time(others.recv()).await.unwrap();
    for _ in 0..20_000 {
        output.send_data(Bytes::from_static(b"x"), false).unwrap();
        tokio::task::yield_now().await;
    }
    // No body.
    let _streams = post(true);
    let (mut body, _respond) = in_time(others.recv()).await.unwrap();
    assert_eq!(in_time(body.read(&mut [0; 10])).await.unwrap(), 0);
    // A body that is longer than the window.
    let (_response, mut long) = post(false);
    let (mut body, _respond) = in_time(others.recv()).await.unwrap();
    long.send_data(vec![7; 200_000].into(), false).unwrap();
    long.send_trailers(http::HeaderMap::new()).unwrap();
    let mut all = Vec::new();
    in_time(body.read_to_end(&mut all)).await.unwrap();
    assert!(all == [7; 200_000]);
    // The first one is complete, and then reset.
    let mut read = vec![0; 20_000];
    in_time(unread.read_exact(&mut read)).await.unwrap();
    assert!(read == [b'x'; 20_000]);
    output.send_reset(h2::Reason::CANCEL);
    let error = in_time(unread.read(&mut read)).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

/// Bodies that are dropped return their window to the session.
#[tokio::test(start_paused = true)]
async fn dropped_bodies_return_their_window() {
    let (near, far) = duplex(TRANSPORT);
    let smallest = SessionOptions::builder().max_streams(2).stream_window(32 << 10);
    let mut server = Server::start(far, smallest.build().unwrap());
    let mut requests = in_time(raw_client(near)).await;
    for _ in 0..20 {
        let page = Request::post("https://server.example/page").body(()).unwrap();
        let (response, mut output) = requests.send_request(page, false).unwrap();
        output.send_data(vec![7; 30_000].into(), true).unwrap();
        let mut body = in_time(response).await.unwrap().into_body();
        while let Some(Ok(_)) = in_time(body.data()).await {}
    }
    let (_response, mut output) = requests.send_request(raw_request(), false).unwrap();
    let mut ws = server.next().await;
    output.send_data(frame(0x82, &[0; 30_000]), false).unwrap();
    assert!(in_time(ws.read()).await.unwrap().is_some());
}

/// `open` and the handshakes, dropped after each number of polls. The place of each stream is free again.
#[tokio::test(start_paused = true)]
async fn futures_that_are_dropped_at_any_poll() {
    use core::future::poll_fn;
    use core::task::Poll;

    /// Polls at most `polls` times. Returns the result if there is one.
    async fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
        let mut future = core::pin::pin!(future);
        let mut count = 0;
        poll_fn(|cx| {
            count += 1;
            if count > polls {
                return Poll::Ready(None);
            }
            let result = future.as_mut().poll(cx);
            // Does not wait.
            cx.waker().wake_by_ref();
            result.map(Some)
        })
        .await
    }

    let two = SessionOptions::builder().max_streams(2).build().unwrap();
    for (server, client) in [(two.clone(), options()), (options(), two)] {
        let (_server, client) = pair(server, client).await;
        for polls in 0..60 {
            drop(polled(client.open(&request(), &client_config()), polls % 20).await);
        }
        let (_first, _second) = (open(&client).await, open(&client).await);
    }
    for polls in 0..20 {
        let (near, far) = duplex(10);
        let settings = options();
        let client = Client::handshake(near, &settings);
        let server = polled(Session::handshake(far, &settings), polls);
        let (client, server) = tokio::join!(polled(client, polls), server);
        drop((client, server));
    }
}

/// A request that is accepted or refused after its end.
#[tokio::test(start_paused = true)]
async fn requests_that_have_ended_are_not_accepted() {
    for session_ends in [true, false] {
        let (near, far) = duplex(TRANSPORT);
        let (report, mut pending) = tokio::sync::mpsc::unbounded_channel();
        let session = spawn(async move {
            let mut session = Session::handshake(far, &options()).await.unwrap();
            while let Some(incoming) = session.accept().await.unwrap() {
                let Incoming::WebSocket(request) = incoming else { panic!("{incoming:?}") };
                report.send(request).unwrap();
            }
        });
        let mut requests = in_time(raw_client(near)).await;
        let mut streams = Vec::new();
        for _ in 0..2 {
            streams.push(requests.send_request(raw_request(), false).unwrap());
        }
        let (first, second) = (pending.recv().await.unwrap(), pending.recv().await.unwrap());
        if session_ends {
            session.abort();
        } else {
            streams.iter_mut().for_each(|(_, output)| output.send_reset(h2::Reason::CANCEL));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let error = first.accept(&AcceptOptions::new(), &server_config()).unwrap_err();
        assert!(matches!(error, sansocket::error::AcceptError::Io(_)), "{error:?}");
        second.refuse(Refusal::new(404).unwrap()).unwrap_err();
    }
}

/// Debug output ends in logs.
#[tokio::test(start_paused = true)]
async fn debug_output_has_no_values_of_fields() {
    let (near, far) = duplex(TRANSPORT);
    let (report, mut shown) = tokio::sync::mpsc::unbounded_channel();
    spawn(async move {
        let mut session = Session::handshake(far, &options()).await.unwrap();
        while let Ok(Some(incoming)) = session.accept().await {
            report.send(format!("{incoming:?}")).unwrap();
        }
    });
    let mut requests = in_time(raw_client(near)).await;
    let page = Request::get("https://server.example/page").body(()).unwrap();
    for mut request in [page, raw_request()] {
        request.headers_mut().insert("authorization", "Bearer secret-value".parse().unwrap());
        let (_response, _output) = requests.send_request(request, false).unwrap();
        let shown = in_time(shown.recv()).await.unwrap();
        assert!(!shown.contains("secret-value"), "{shown}");
    }
}

/// A frame of a server that is made of bytes.
fn raw_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// SETTINGS that allow WebSockets, and this number of streams.
fn settings(streams: u8) -> Vec<u8> {
    raw_frame(4, 0, 0, &[0, 8, 0, 0, 0, 1, 0, 3, 0, 0, 0, streams])
}

/// Reads frames up to the HEADERS of a request, and returns the number of its stream.
async fn next_request(transport: &mut (impl AsyncRead + Unpin)) -> u32 {
    loop {
        let mut head = [0; 9];
        transport.read_exact(&mut head).await.unwrap();
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        transport.read_exact(&mut payload).await.unwrap();
        if head[3] == 1 {
            return u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        }
    }
}

/// RFC 9113 section 6.5.2: SETTINGS_MAX_CONCURRENT_STREAMS may change, and 0 is valid. An informational
/// response precedes the final one.
#[tokio::test(start_paused = true)]
async fn the_servers_limit_of_streams_is_raised_and_lowered() {
    let (near, mut far) = duplex(TRANSPORT);
    far.write_all(&settings(0)).await.unwrap();
    let (client, session) = Client::handshake(near, &options()).await.unwrap();
    spawn(session);
    let mut preface = [0; 24];
    far.read_exact(&mut preface).await.unwrap();
    let (to, config) = (request(), client_config());
    let (opened, streams) = tokio::join!(
        async { tokio::join!(client.open(&to, &config), client.open(&to, &config)) },
        async {
            let wait = Duration::from_secs(1);
            // No request with a limit of 0.
            assert!(timeout(wait, next_request(&mut far)).await.is_err());
            far.write_all(&settings(1)).await.unwrap();
            let first = next_request(&mut far).await;
            let early = raw_frame(1, 4, first, &[8, 3, b'1', b'0', b'3']);
            let last = raw_frame(1, 4, first, &[0x88]);
            far.write_all(&[early, last].concat()).await.unwrap();
            // The second one waits, until the limit is lowered and raised again.
            assert!(timeout(wait, next_request(&mut far)).await.is_err());
            far.write_all(&settings(0)).await.unwrap();
            assert!(timeout(wait, next_request(&mut far)).await.is_err());
            far.write_all(&settings(2)).await.unwrap();
            let second = next_request(&mut far).await;
            far.write_all(&raw_frame(1, 4, second, &[0x88])).await.unwrap();
            (first, second)
        }
    );
    let ids = [opened.0, opened.1].map(|opened| opened.unwrap().0.get_ref().id());
    assert_eq!(ids, [streams.0, streams.1]);
}
