//! The server's side over HTTP/1.1, against raw bytes.

use core::future::pending;
use core::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sansocket::AcceptOptions;
use sansocket::handshake::OriginPolicy;
use sansocket::hyper::{PendingUpgrade, UpgradeError};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::{Body, Ended, answer, answer_with, config, in_time, run, serve_http1};
use crate::common::tasks::spawn;

const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

/// "hi" as a text, and a Close frame of code 1000, masked with zeros.
const FRAMES: &[u8] = b"\x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe8";
const ECHOED: &[u8] = b"\x81\x02hi\x88\x02\x03\xe8";

fn request(fields: &str) -> Vec<u8> {
    format!("{REQUEST}{fields}\r\n").into_bytes()
}

/// Writes bytes, and reads up to the end of a head.
async fn head(client: &mut DuplexStream, bytes: &[u8]) -> String {
    client.write_all(bytes).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(in_time(client.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn s15_hs13_frames_in_the_segment_of_the_request_are_not_lost() {
    for split in [0, 1, FRAMES.len() / 2, FRAMES.len()] {
        let (answer, mut ended) = answer(AcceptOptions::new());
        let mut client = serve_http1(answer);
        let (early, late) = FRAMES.split_at(split);
        let head = head(&mut client, &[&request("")[..], early].concat()).await;
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        client.write_all(late).await.unwrap();
        let mut echoed = Vec::new();
        in_time(client.read_to_end(&mut echoed)).await.unwrap();
        assert_eq!(echoed, ECHOED);
        assert!(matches!(in_time(ended.recv()).await, Some(Ended::RequestOutcome(Ok(())))));
    }
}

#[tokio::test]
async fn s14_s15_refusals_have_their_status_and_fields() {
    let plain = b"GET /ws HTTP/1.1\r\nHost: example.com\r\n\r\n";
    let foreign = request("Origin: https://other.example\r\n");
    let (options, list) =
        (AcceptOptions::new(), OriginPolicy::list(["https://a.example"]).unwrap());
    for (bytes, options, line, field) in [
        (&plain[..], &options, "426 Upgrade Required", "sec-websocket-version: 13\r\n"),
        (plain, &options, "426 Upgrade Required", "upgrade: websocket\r\n"),
        (&foreign, &options, "403 Forbidden", "content-type: text/plain"),
        (&foreign, &options.clone().origins(list), "403 Forbidden", "content-type: text/plain"),
    ] {
        let (answer, mut ended) = answer(options.clone());
        let mut client = serve_http1(answer);
        let head = head(&mut client, bytes).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {line}\r\n")), "{head}");
        assert!(head.contains(field), "{head}");
        drop(client);
        // No task was started.
        assert!(in_time(ended.recv()).await.is_none());
    }
}

async fn not_upgraded(ended: &mut mpsc::UnboundedReceiver<Ended>) -> UpgradeError {
    match in_time(ended.recv()).await {
        Some(Ended::NotUpgraded(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn s17_a_connection_dropped_before_the_response_is_an_error() {
    let (accepted, mut all_accepted) = mpsc::unbounded_channel();
    let (answer, mut ended) = answer_with(move |_| {
        accepted.send(()).unwrap();
        pending()
    });
    let mut client = serve_http1(answer);
    client.write_all(&request("")).await.unwrap();
    in_time(all_accepted.recv()).await.unwrap();
    drop(client);
    let error = not_upgraded(&mut ended).await;
    assert!(matches!(error, UpgradeError::Hyper(_)), "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionAborted);
}

/// hyper can return a stream that has ended already, which must not be served without an error.
#[tokio::test]
async fn a_response_other_than_that_of_the_upgrade_is_an_error() {
    let (answer, mut ended) = answer_with(|mut response| async {
        *response.status_mut() = http::StatusCode::FORBIDDEN;
        response.headers_mut().clear();
        response.map(|()| Body::default())
    });
    let mut client = serve_http1(answer);
    let head = head(&mut client, &request("")).await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    drop(client);
    match in_time(ended.recv()).await {
        Some(Ended::NotUpgraded(UpgradeError::Hyper(_)) | Ended::RequestOutcome(Err(_))) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_without_upgrades_is_an_error() {
    let (answer, mut ended) = answer(AcceptOptions::new());
    let (mut client, server) = duplex(1024);
    spawn(async move {
        let service = service_fn(move |request| {
            let response = answer(request);
            async { Ok::<_, core::convert::Infallible>(response.await) }
        });
        // Without `with_upgrades`.
        let builder = hyper::server::conn::http1::Builder::new();
        let _ = builder.serve_connection(TokioIo::new(server), service).await;
    });
    client.write_all(&request("")).await.unwrap();
    let error = not_upgraded(&mut ended).await;
    assert!(matches!(error, UpgradeError::Hyper(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_handshake_timeout_bounds_the_wait_for_the_response() {
    let (answer, mut ended) = answer_with(|response| async {
        tokio::time::sleep(Duration::from_secs(11)).await;
        response.map(|()| Body::default())
    });
    let mut client = serve_http1(answer);
    let start = tokio::time::Instant::now();
    client.write_all(&request("")).await.unwrap();
    let error = not_upgraded(&mut ended).await;
    assert!(matches!(error, UpgradeError::Timeout), "{error}");
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    // The late response is still sent. Then the connection ends, since its stream was dropped.
    let mut rest = Vec::new();
    in_time(client.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 101 "), "{}", rest.escape_ascii());
}

#[tokio::test(start_paused = true)]
async fn a_response_within_the_timeout_is_not_late() {
    let (answer, mut ended) = answer_with(|response| async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        response.map(|()| Body::default())
    });
    let mut client = serve_http1(answer);
    head(&mut client, &request("")).await;
    client.write_all(FRAMES).await.unwrap();
    assert!(matches!(in_time(ended.recv()).await, Some(Ended::RequestOutcome(Ok(())))));
}

#[tokio::test]
async fn s19_a_dropped_upgrade_ends_the_connection() {
    let (dropped, mut all_dropped) = mpsc::channel::<()>(1);
    let answer = move |mut request: Request<hyper::body::Incoming>| {
        let options = AcceptOptions::new();
        let (response, upgrade) =
            sansocket::hyper::upgrade(&mut request, &options, &config()).unwrap();
        drop(upgrade);
        let dropped = dropped.clone();
        Box::pin(async move {
            drop(dropped);
            response.map(|()| Body::default())
        }) as super::Answer
    };
    let mut client = serve_http1(answer);
    head(&mut client, &request("")).await;
    assert_eq!(in_time(client.read_u8()).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert!(in_time(all_dropped.recv()).await.is_none());
}

#[tokio::test]
async fn a_ready_upgrade_stays_pending() {
    let (sender, mut upgrades) = mpsc::unbounded_channel();
    let answer = move |mut request: Request<hyper::body::Incoming>| {
        let options = AcceptOptions::new();
        let (response, upgrade) =
            sansocket::hyper::upgrade(&mut request, &options, &config()).unwrap();
        sender.send(upgrade).unwrap();
        Box::pin(async { response.map(|()| Body::default()) }) as super::Answer
    };
    let mut client = serve_http1(answer);
    head(&mut client, &request("")).await;
    let mut upgrade = upgrades.recv().await.unwrap();
    let ws = in_time(&mut upgrade).await.unwrap();
    // hyper's own stream, for other uses.
    let stream = ws.into_inner().stream.into_inner();
    let mut task = core::task::Context::from_waker(core::task::Waker::noop());
    assert!(core::pin::Pin::new(&mut upgrade).poll(&mut task).is_pending());
    drop(stream);
}

#[test]
fn a_request_that_hyper_did_not_serve_is_refused_with_500() {
    let mut valid = Request::get("/ws")
        .header("Host", "example.com")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
        .body(())
        .unwrap();
    let refusal = PendingUpgrade::new(&mut valid).unwrap_err();
    assert_eq!(refusal.status(), 500);
    assert_eq!(Response::<Bytes>::from(refusal).status(), 500);
    // The rules of the protocol are checked first.
    let mut plain = Request::get("/ws").header("Host", "example.com").body(()).unwrap();
    assert_eq!(PendingUpgrade::new(&mut plain).unwrap_err().status(), 426);
}

/// A server that decides by the request, and adds a field to the response.
#[tokio::test]
async fn a_pending_upgrade_has_its_request() {
    let (report, mut ended) = mpsc::unbounded_channel();
    let answer = move |mut request: Request<hyper::body::Incoming>| {
        let pending = PendingUpgrade::new(&mut request).unwrap();
        let offers: Vec<_> = pending.request().subprotocols().map(str::to_owned).collect();
        assert_eq!(offers, ["a", "b"]);
        let options = AcceptOptions::new().subprotocols(["b"]).unwrap();
        let accepted = pending.request().accept(&options).unwrap();
        let accepted = accepted.with_field("Set-Cookie", "x=1").unwrap();
        let (response, upgrade) = pending.accept_with(accepted, &config());
        spawn(run(upgrade, report.clone()));
        Box::pin(async { response.map(|()| Body::default()) }) as super::Answer
    };
    let mut client = serve_http1(answer);
    let head = head(&mut client, &request("Sec-WebSocket-Protocol: a, b\r\n")).await;
    assert!(head.contains("sec-websocket-protocol: b\r\n"), "{head}");
    assert!(head.contains("set-cookie: x=1\r\n"), "{head}");
    client.write_all(FRAMES).await.unwrap();
    assert!(matches!(in_time(ended.recv()).await, Some(Ended::RequestOutcome(Ok(())))));
}
