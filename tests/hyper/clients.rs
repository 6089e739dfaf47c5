//! Clients of hyper, with the handshake of `sansocket::http::Handshake`.

use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sansocket::deflate::Deflate;
use sansocket::http::Handshake;
use sansocket::hyper::Upgraded;
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, CloseCode, Config, ConnectRequest, Entropy, Event, Instant};
use tokio::io::DuplexStream;

use super::{Ended, answer, in_time, serve_http1, serve_http2};
use crate::common::tasks::spawn;

pub(crate) type Http1 = hyper::client::conn::http1::SendRequest<Empty<bytes::Bytes>>;
pub(crate) type Http2 = hyper::client::conn::http2::SendRequest<Empty<bytes::Bytes>>;

pub(crate) fn client_config() -> Config {
    Config::client(Entropy::os()).build().unwrap()
}

pub(crate) async fn http1_client(stream: DuplexStream) -> Http1 {
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    spawn(connection.with_upgrades());
    sender
}

pub(crate) async fn http2_client(stream: DuplexStream) -> Http2 {
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    spawn(connection);
    sender
}

pub(crate) async fn opened(
    handshake: &Handshake,
    mut response: Response<Incoming>,
) -> WebSocket<Upgraded> {
    let (connection, _) = handshake.receive_response(&response, Instant::now()).unwrap();
    let upgraded = in_time(hyper::upgrade::on(&mut response)).await.unwrap();
    WebSocket::from_connection(upgraded.into(), connection, &[])
}

/// Opens a WebSocket on a session of HTTP/2.
pub(crate) async fn connect_http2(
    sender: &mut Http2,
    request: &ConnectRequest,
) -> (Handshake, Response<Incoming>) {
    let handshake = Handshake::extended_connect(request, &client_config()).unwrap();
    let mut request = handshake.to_request().unwrap();
    let protocol = handshake.protocol().unwrap();
    request.extensions_mut().insert(Protocol::from_static(protocol));
    let response = in_time(sender.send_request(request.map(|()| Empty::new()))).await.unwrap();
    (handshake, response)
}

async fn exchange(mut ws: WebSocket<Upgraded>) {
    for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        let payload = vec![b'x'; len];
        // Reads and writes at the same time: the streams between hold 64 KiB.
        ws.feed_binary(&payload).unwrap();
        let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
        assert!(matches!(event, Event::Binary(bytes) if bytes == payload), "{len}");
    }
    in_time(ws.send_text("Grüße")).await.unwrap();
    let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
    assert_eq!(event, Event::Text("Grüße"));
    let status = in_time(ws.close(CloseCode::new(4003), "done")).await.unwrap();
    assert_eq!(status.code, CloseCode::new(4003));
}

fn requests() -> Vec<(ConnectRequest, AcceptOptions)> {
    let request = ConnectRequest::new("ws://example.com/ws").unwrap();
    let deflate = Deflate::default();
    vec![
        (request.clone(), AcceptOptions::new()),
        (request.deflate(deflate), AcceptOptions::new().deflate(deflate)),
    ]
}

#[tokio::test]
async fn s15_messages_of_all_lengths_over_http_1_1() {
    for (request, options) in requests() {
        let (answer, mut ended) = answer(options);
        let mut sender = http1_client(serve_http1(answer)).await;
        let handshake = Handshake::upgrade(&request, &client_config()).unwrap();
        let request: Request<_> = handshake.to_request().unwrap().map(|()| Empty::new());
        let response = in_time(sender.send_request(request)).await.unwrap();
        exchange(opened(&handshake, response).await).await;
        assert!(matches!(in_time(ended.recv()).await, Some(Ended::RequestOutcome(Ok(())))));
    }
}

#[tokio::test]
async fn s15_messages_of_all_lengths_over_http_2() {
    for (request, options) in requests() {
        let (answer, mut ended) = answer(options);
        let mut sender = http2_client(serve_http2(answer)).await;
        let (handshake, response) = connect_http2(&mut sender, &request).await;
        exchange(opened(&handshake, response).await).await;
        assert!(matches!(in_time(ended.recv()).await, Some(Ended::RequestOutcome(Ok(())))));
    }
}
