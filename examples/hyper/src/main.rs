//! WebSockets on a hyper server, over HTTP/1.1 and HTTP/2 on one port.
//!
//! `cargo run -p echo_hyper -- 127.0.0.1:9001`, then connect to `ws://127.0.0.1:9001/ws` (pages of any
//! origin), `/list` (pages of `https://example.com`) or `/same` (pages of the same host, the default).

use core::convert::Infallible;
use core::error::Error;
use core::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use sansocket::deflate::Deflate;
use sansocket::handshake::OriginPolicy;
use sansocket::hyper::Upgrade;
use sansocket::{AcceptOptions, Config, Event, WebSocketError};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The longest time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let config = Config::server().build()?;
    let same = AcceptOptions::new();
    let options = same.clone().subprotocols(["chat"])?.deflate(Deflate::default());
    let anyone = options.clone().origins(OriginPolicy::Any);
    let listed = options.origins(OriginPolicy::list(["https://example.com"])?);

    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    server
        .http2()
        .enable_connect_protocol()
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(16 * 1024 * 1024)
        .max_concurrent_streams(256)
        .max_send_buf_size(64 * 1024);

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await; // out of file descriptors, for example
            continue;
        };
        // Without it small messages wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let (server, config) = (server.clone(), config.clone());
        let (anyone, listed, same) = (anyone.clone(), listed.clone(), same.clone());
        tokio::spawn(async move {
            let requested = Notify::new();
            let service = service_fn(|request| {
                requested.notify_one();
                let response = match request.uri().path() {
                    "/ws" => serve(request, &anyone, &config),
                    "/list" => serve(request, &listed, &config),
                    "/same" => serve(request, &same, &config),
                    _ => not_found(),
                };
                async { Ok::<_, Infallible>(response) }
            });
            let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    eprintln!("connection: {error}");
                },
                // hyper waits without a limit for the bytes that show the version of HTTP.
                Err(_) = timeout(HEAD_TIMEOUT, requested.notified()) => {}
            }
        });
    }
}

fn serve(
    mut request: Request<Incoming>,
    options: &AcceptOptions,
    config: &Config,
) -> Response<Full<Bytes>> {
    match sansocket::hyper::upgrade(&mut request, options, config) {
        Ok((response, upgrade)) => {
            tokio::spawn(async {
                if let Err(error) = echo(upgrade).await {
                    println!("ended early: {error}");
                }
            });
            response.map(|()| Full::default())
        }
        Err(refusal) => Response::<Bytes>::from(refusal).map(Full::new),
    }
}

async fn echo(upgrade: Upgrade) -> Result<(), WebSocketError> {
    let mut ws = upgrade.await?;
    while let Some((event, mut reply)) = ws.read().await? {
        // Pings and Close frames are answered already.
        if let Event::Text(text) = event {
            reply.feed_text(text)?;
        } else if let Event::Binary(bytes) = event {
            reply.feed_binary(bytes)?;
        }
    }
    Ok(())
}

fn not_found() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
