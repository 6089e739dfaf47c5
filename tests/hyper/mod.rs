//! WebSockets on a hyper server.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod clients;
mod http1;
mod http2;

use core::convert::Infallible;
use core::pin::Pin;
use core::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sansocket::hyper::{Upgrade, UpgradeError, Upgraded};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, Config, Event, WebSocketError};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

use crate::common::tasks::spawn;

type Body = Full<Bytes>;
type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

fn config() -> Config {
    Config::server().build().unwrap()
}

async fn echo(ws: &mut WebSocket<Upgraded>) -> Result<(), WebSocketError> {
    while let Some((event, mut reply)) = ws.read().await? {
        if let Event::Text(text) = event {
            reply.feed_text(text)?;
        } else if let Event::Binary(bytes) = event {
            reply.feed_binary(bytes)?;
        }
    }
    Ok(())
}

/// The results of the upgrades of a server.
#[derive(Debug)]
enum Ended {
    NotUpgraded(UpgradeError),
    RequestOutcome(Result<(), WebSocketError>),
}

/// Echoes, and reports the result.
async fn run(upgrade: Upgrade, report: mpsc::UnboundedSender<Ended>) {
    let _ = report.send(match upgrade.await {
        Ok(mut ws) => Ended::RequestOutcome(echo(&mut ws).await),
        Err(error) => Ended::NotUpgraded(error),
    });
}

/// Answers at once, with an echo or a refusal.
fn answer(
    options: AcceptOptions,
) -> (impl Fn(Request<Incoming>) -> Answer + Clone, mpsc::UnboundedReceiver<Ended>) {
    let (report, ended) = mpsc::unbounded_channel();
    let answer = move |mut request: Request<Incoming>| {
        let response = match sansocket::hyper::upgrade(&mut request, &options, &config()) {
            Ok((response, upgrade)) => {
                spawn(run(upgrade, report.clone()));
                response.map(|()| Body::default())
            }
            Err(refusal) => Response::<Bytes>::from(refusal).map(Full::new),
        };
        Box::pin(async { response }) as Answer
    };
    (answer, ended)
}

/// Accepts each request, and answers it with the correct response, modified by `finish`.
fn answer_with<Fut>(
    finish: impl Fn(Response<()>) -> Fut + Clone + Send + 'static,
) -> (impl Fn(Request<Incoming>) -> Answer + Clone, mpsc::UnboundedReceiver<Ended>)
where
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let (report, ended) = mpsc::unbounded_channel();
    let answer = move |mut request: Request<Incoming>| {
        let options = AcceptOptions::new();
        let (response, upgrade) =
            sansocket::hyper::upgrade(&mut request, &options, &config()).unwrap();
        spawn(run(upgrade, report.clone()));
        Box::pin(finish(response)) as Answer
    };
    (answer, ended)
}

/// Serves one connection over HTTP/1.1, and returns the client's end.
fn serve_http1(answer: impl Fn(Request<Incoming>) -> Answer + Send + 'static) -> DuplexStream {
    let (client, server) = duplex(64 * 1024);
    spawn(async move {
        let service = service_fn(move |request| {
            let response = answer(request);
            async { Ok::<_, Infallible>(response.await) }
        });
        let builder = hyper::server::conn::http1::Builder::new();
        let _ = builder.serve_connection(TokioIo::new(server), service).with_upgrades().await;
    });
    client
}

/// Serves one session of HTTP/2, and returns the client's end.
fn serve_http2(answer: impl Fn(Request<Incoming>) -> Answer + Send + 'static) -> DuplexStream {
    let (client, server) = duplex(64 * 1024);
    spawn(async move {
        let service = service_fn(move |request| {
            let response = answer(request);
            async { Ok::<_, Infallible>(response.await) }
        });
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .enable_connect_protocol()
            .initial_stream_window_size(64 * 1024)
            .initial_connection_window_size(16 * 1024 * 1024);
        let _ = builder.serve_connection(TokioIo::new(server), service).await;
    });
    client
}

/// Futures and streams can move to other tasks and threads.
#[test]
fn futures_and_streams_are_send() {
    fn check<T: Send + Sync + Unpin + 'static>() {}
    check::<sansocket::hyper::PendingUpgrade>();
    check::<UpgradeError>();
    check::<Upgrade>();
    fn check_stream<T: Send + Unpin + 'static>() {}
    check_stream::<Upgraded>();
    check_stream::<WebSocket<Upgraded>>();
}

/// No test may hang.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("no end in time")
}
