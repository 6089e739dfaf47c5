//! The server's side over HTTP/2, against hyper's client.

use core::future::pending;

use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use sansocket::error::{PeerError, ProtocolError};
use sansocket::handshake::HandshakeError;
use sansocket::hyper::UpgradeError;
use sansocket::{AcceptOptions, ConnectRequest, Event, Instant, WebSocketError};
use tokio::sync::mpsc;

use super::clients::{connect_http2, http2_client, opened};
use super::{Answer, Body, Ended, answer, answer_with, config, in_time, serve_http2};
use crate::common::tasks::spawn;

fn request() -> ConnectRequest {
    ConnectRequest::new("wss://example.com/ws").unwrap()
}

#[tokio::test]
async fn s3_e5_s15_many_websockets_share_one_session() {
    let (answer, mut ended) = answer(AcceptOptions::new());
    let mut sender = http2_client(serve_http2(answer)).await;
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let (handshake, response) = connect_http2(&mut sender, &request()).await;
        assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
        sockets.push(opened(&handshake, response).await);
    }
    for (i, ws) in sockets.iter_mut().enumerate() {
        in_time(ws.send_text(&i.to_string())).await.unwrap();
    }
    for (i, ws) in sockets.iter_mut().enumerate() {
        let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
        assert_eq!(event, Event::Text(&i.to_string()));
    }
    for ws in &mut sockets {
        in_time(ws.close(sansocket::CloseCode::NORMAL, "")).await.unwrap();
        assert!(matches!(in_time(ended.recv()).await, Some(Ended::RequestOutcome(Ok(())))));
    }
}

#[tokio::test]
async fn e3_e7_e9_refusals_have_no_upgrade_and_the_session_continues() {
    let (answer, _ended) = answer(AcceptOptions::new());
    let mut sender = http2_client(serve_http2(answer)).await;
    let (handshake, response) = connect_http2(&mut sender, &request()).await;
    let mut ws = opened(&handshake, response).await;

    let plain = Request::get("https://example.com/ws").version(Version::HTTP_2);
    let mut protocol = Request::connect("https://example.com/ws").version(Version::HTTP_2);
    let extensions = protocol.extensions_mut().unwrap();
    extensions.insert(hyper::ext::Protocol::from_static("connect-udp"));
    let mut version = Request::connect("https://example.com/ws")
        .version(Version::HTTP_2)
        .header("sec-websocket-version", "8");
    let extensions = version.extensions_mut().unwrap();
    extensions.insert(hyper::ext::Protocol::from_static("websocket"));
    for (request, status, names_version) in
        [(plain, 400, true), (protocol, 501, false), (version, 400, true)]
    {
        let request = request.body(Empty::new()).unwrap();
        let response = in_time(sender.send_request(request)).await.unwrap();
        assert_eq!(response.status(), status);
        let headers = response.headers();
        assert!(!headers.contains_key("upgrade") && !headers.contains_key("connection"));
        assert_eq!(headers.contains_key("sec-websocket-version"), names_version, "{status}");
        assert!(!response.into_body().collect().await.unwrap().to_bytes().is_empty());
        in_time(ws.send_text("alive")).await.unwrap();
        let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
        assert_eq!(event, Event::Text("alive"));
    }

    // A foreign origin, with our own client.
    let foreign = request().origin("https://other.example").unwrap();
    let (handshake, response) = connect_http2(&mut sender, &foreign).await;
    let error = handshake.receive_response(&response, Instant::now()).unwrap_err();
    assert!(matches!(error, HandshakeError::Status(response) if response.status() == 403));
}

#[tokio::test]
async fn s17_a_stream_or_session_dropped_early_is_reported() {
    let (answer, mut ended) = answer(AcceptOptions::new());
    let mut sender = http2_client(serve_http2(answer)).await;
    for _ in 0..3 {
        let (handshake, response) = connect_http2(&mut sender, &request()).await;
        drop(opened(&handshake, response).await);
        match in_time(ended.recv()).await {
            Some(Ended::RequestOutcome(Err(WebSocketError::Io(_)))) => {}
            Some(Ended::RequestOutcome(Err(WebSocketError::Protocol(ProtocolError::Peer(
                PeerError::ClosedWithoutHandshake,
            ))))) => {}
            other => panic!("{other:?}"),
        }
    }
    // The session continues.
    let (handshake, response) = connect_http2(&mut sender, &request()).await;
    let ws = opened(&handshake, response).await;
    drop((sender, ws));
    assert!(matches!(in_time(ended.recv()).await, Some(Ended::RequestOutcome(Err(_)))));
}

#[tokio::test]
async fn s17_a_session_dropped_before_the_response_is_an_error() {
    let (accepted, mut all_accepted) = mpsc::unbounded_channel();
    let (answer, mut ended) = answer_with(move |_| {
        accepted.send(()).unwrap();
        pending()
    });
    let mut sender = http2_client(serve_http2(answer)).await;
    let client = spawn(async move {
        connect_http2(&mut sender, &request()).await;
    });
    in_time(all_accepted.recv()).await.unwrap();
    client.abort();
    match in_time(ended.recv()).await {
        Some(Ended::NotUpgraded(UpgradeError::Hyper(_))) => {}
        other => panic!("{other:?}"),
    }
}

/// With the windows of `docs/hyper.md`, handlers that do not read do not block other WebSockets of
/// their session. With hyper's default for the session, 1 MiB, these 40 streams would block them.
#[tokio::test]
async fn stalled_handlers_do_not_stop_the_session() {
    let (echo, mut ended) = answer(AcceptOptions::new());
    let answer = move |mut request: Request<Incoming>| {
        if request.uri().path() != "/stall" {
            return echo(request);
        }
        let options = AcceptOptions::new();
        let (response, upgrade) =
            sansocket::hyper::upgrade(&mut request, &options, &config()).unwrap();
        spawn(async {
            let _ws = upgrade.await.unwrap();
            pending::<()>().await;
        });
        Box::pin(async { response.map(|()| Body::default()) }) as Answer
    };
    let mut sender = http2_client(serve_http2(answer)).await;
    let stalling = ConnectRequest::new("wss://example.com/stall").unwrap();
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let (handshake, response) = connect_http2(&mut sender, &stalling).await;
        let mut ws = opened(&handshake, response).await;
        // More than the window of a stream: the rest stays in the client's session.
        ws.feed_binary(&[0; 200 * 1024]).unwrap();
        in_time(ws.flush()).await.unwrap();
        stalled.push(ws);
    }
    let (handshake, response) = connect_http2(&mut sender, &request()).await;
    let mut ws = opened(&handshake, response).await;
    let payload = vec![1; 1 << 20];
    ws.feed_binary(&payload).unwrap();
    let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
    assert!(matches!(event, Event::Binary(bytes) if bytes == payload));
    in_time(ws.close(sansocket::CloseCode::NORMAL, "")).await.unwrap();
    assert!(matches!(in_time(ended.recv()).await, Some(Ended::RequestOutcome(Ok(())))));
}
