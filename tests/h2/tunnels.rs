//! Streams without a WebSocket.

use core::future::poll_fn;

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use sansocket::h2::{Client, Incoming, PendingRequest, Session, Stream, TunnelError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::{TRANSPORT, in_time, options};

/// A client, and the requests that its server receives.
async fn ends() -> (Client, mpsc::UnboundedReceiver<PendingRequest>, mpsc::UnboundedSender<()>) {
    let (near, far) = duplex(TRANSPORT);
    let (report, requests) = mpsc::unbounded_channel();
    let (drain, mut drains) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut session: Session<DuplexStream> = Session::handshake(far, &options()).await.unwrap();
        loop {
            tokio::select! {
                incoming = session.accept() => match incoming {
                    Ok(Some(Incoming::WebSocket(request))) => drop(report.send(request)),
                    Ok(Some(other)) => panic!("{other:?}"),
                    Ok(None) | Err(_) => return,
                },
                Some(()) = drains.recv() => session.drain(),
            }
        }
    });
    let (client, session) = in_time(Client::handshake(near, &options())).await.unwrap();
    tokio::spawn(session);
    (client, requests, drain)
}

fn request() -> Request<()> {
    let request = Request::get("https://server.example/chat?x=1");
    request.header("sec-websocket-version", "13").header("x-own", "1").body(()).unwrap()
}

/// A tunnel: the client's end and the server's.
async fn pair() -> (Client, Stream, Stream) {
    let (client, mut requests, _) = ends().await;
    let serving = async {
        let request = requests.recv().await.unwrap();
        let head = *request.request().head();
        assert_eq!((head.target(), head.authority()), ("/chat?x=1", Some("server.example")));
        assert_eq!(head.fields().get_str("x-own"), Some("1"));
        let response = Response::builder().status(201).header("x-own", "2").body(()).unwrap();
        request.accept_tunnel(response).unwrap()
    };
    let opened = async { tokio::join!(client.open_tunnel(request()), serving) };
    let (opened, far) = in_time(opened).await;
    let (response, near) = opened.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-own"]),
        (201, &"2".parse().unwrap())
    );
    (client, near, far)
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_carries_any_bytes_and_half_closes() {
    let (_client, mut near, mut far) = pair().await;
    let data: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let (sent, received) = in_time(async {
        tokio::join!(
            async {
                near.write_all(&data).await?;
                near.shutdown().await
            },
            async {
                let mut received = Vec::new();
                far.read_to_end(&mut received).await.map(|_| received)
            }
        )
    })
    .await;
    sent.unwrap();
    assert!(received.unwrap() == data);
    in_time(far.write_all(b"answer")).await.unwrap();
    in_time(far.shutdown()).await.unwrap();
    let mut answer = Vec::new();
    in_time(near.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"answer");
}

#[tokio::test(start_paused = true)]
async fn a_reset_has_its_code_even_after_the_end_of_the_input() {
    for code in [0x8, 0xa, 0x1234] {
        for has_ended in [false, true] {
            let (_client, mut near, mut far) = pair().await;
            if has_ended {
                in_time(far.shutdown()).await.unwrap();
                assert_eq!(in_time(near.read(&mut [0; 8])).await.unwrap(), 0);
            }
            far.reset(code);
            let seen = in_time(poll_fn(|cx| near.poll_reset(cx))).await.unwrap();
            assert_eq!(seen, code);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_the_status_the_fields_and_the_body_of_a_response() {
    let (client, mut requests, _) = ends().await;
    let serving = async {
        let response = Response::builder().status(403).header("x-own", "3");
        let body = Bytes::from_static(b"not you");
        requests.recv().await.unwrap().refuse_with(response.body(body).unwrap()).unwrap();
    };
    let refused = async { tokio::join!(client.open_tunnel(request()), serving) };
    let (response, mut stream) = in_time(refused).await.0.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-own"]),
        (403, &"3".parse().unwrap())
    );
    assert!(!response.headers().contains_key("content-type"));
    let mut body = String::new();
    in_time(stream.read_to_string(&mut body)).await.unwrap();
    assert_eq!(body, "not you");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_attempt_resets_the_request() {
    let (client, mut requests, _) = ends().await;
    let mut attempt = Box::pin(client.open_tunnel(request()));
    let mut request = tokio::select! {
        request = in_time(requests.recv()) => request.unwrap(),
        _ = &mut attempt => panic!("no response was sent"),
    };
    drop(attempt);
    let code = in_time(poll_fn(|cx| request.poll_reset(cx))).await.unwrap();
    assert_eq!(code, u32::from(Reason::CANCEL));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_drains_takes_no_requests() {
    let (client, mut requests, drain) = ends().await;
    let serving = async {
        let request = requests.recv().await.unwrap();
        request.accept_tunnel(Response::new(())).unwrap()
    };
    let opened = async { tokio::join!(client.open_tunnel(request()), serving) };
    let (_open, _far) = in_time(opened).await;
    drain.send(()).unwrap();
    let error = in_time(client.open_tunnel(request())).await.unwrap_err();
    assert!(matches!(error, TunnelError::Unprocessed(_)), "{error}");
}

/// Answers of a server that is made of the crate `h2`.
#[tokio::test(start_paused = true)]
async fn a_refused_stream_was_not_processed() {
    for (reason, is_unprocessed) in [(Reason::REFUSED_STREAM, true), (Reason::CANCEL, false)] {
        let (near, far) = duplex(TRANSPORT);
        tokio::spawn(async move {
            let mut builder = h2::server::Builder::new();
            builder.enable_connect_protocol();
            let mut session = builder.handshake::<_, Bytes>(far).await.unwrap();
            while let Some(Ok((_, mut respond))) = session.accept().await {
                respond.send_reset(reason);
            }
        });
        let (client, session) = in_time(Client::handshake(near, &options())).await.unwrap();
        tokio::spawn(session);
        let error = in_time(client.open_tunnel(request())).await.unwrap_err();
        assert_eq!(matches!(error, TunnelError::Unprocessed(_)), is_unprocessed, "{error}");
        assert_eq!(matches!(error, TunnelError::Io(_)), !is_unprocessed, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_extended_connect_allows_no_tunnels() {
    let (near, far) = duplex(TRANSPORT);
    tokio::spawn(async move {
        let mut session = h2::server::handshake(far).await.unwrap();
        while session.accept().await.is_some() {}
    });
    let (client, session) = in_time(Client::handshake(near, &options())).await.unwrap();
    tokio::spawn(session);
    let error = in_time(client.open_tunnel(request())).await.unwrap_err();
    assert_eq!(error.to_string(), "the server does not allow WebSockets over HTTP/2");
}
