//! WebSockets in axum handlers.
//!
//! `cargo run -p echo_axum -- 127.0.0.1:9001`, then:
//!
//! * `/ws` echoes, for pages of any origin, with compression and the subprotocol `chat`;
//! * `/list` echoes, for pages of `https://example.com` only;
//! * `/same` echoes, for pages of the same host only, as without settings;
//! * `/private` echoes, and answers 401 to a request without a token;
//! * `/ticks` sends from a background task.

use core::error::Error;
use core::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use sansocket::deflate::Deflate;
use sansocket::handshake::OriginPolicy;
use sansocket::hyper::Upgraded;
use sansocket::tokio::{Sender, WebSocket};
use sansocket::{AcceptOptions, CloseCode, Event, WebSocketError};
use sansocket_axum::{Endpoint, WebSocketUpgrade};
use tokio::net::TcpListener;
use tokio::task::JoinError;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let options = AcceptOptions::new().subprotocols(["chat"])?.deflate(Deflate::default());
    let anyone = Endpoint::new().options(options.clone().origins(OriginPolicy::Any));
    let list = OriginPolicy::list(["https://example.com"])?;
    let listed = Endpoint::new().options(options.origins(list));

    let app = Router::new()
        .route("/", get("WebSockets at /ws, /list, /same, /private and /ticks\n"))
        .route("/ws", any(ws))
        .route("/same", any(same))
        .route("/private", any(private))
        .route("/ticks", any(ticks))
        .with_state(anyone)
        .merge(Router::new().route("/list", any(ws)).with_state(listed));

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    // Without it small messages wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, app).await?)
}

async fn ws(upgrade: WebSocketUpgrade<Endpoint>) -> Response {
    upgrade
        .on_failed_upgrade(|error| eprintln!("{error}"))
        .on_upgrade(async |ws| report("echo", echo(ws).await))
}

async fn same(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |ws| report("same", echo(ws).await))
}

/// A login is checked before the request is accepted.
async fn private(headers: HeaderMap, upgrade: WebSocketUpgrade<Endpoint>) -> Response {
    if headers.get(header::AUTHORIZATION).is_none_or(|token| token != "Bearer secret") {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    upgrade.on_upgrade(async |ws| report("private", echo(ws).await))
}

async fn echo(mut ws: WebSocket<Upgraded>) -> Result<(), WebSocketError> {
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

/// The handler reads, so that pings are answered and the end is seen, while a background task sends.
/// It returns, and so drops the WebSocket, after that task is done.
async fn ticks(upgrade: WebSocketUpgrade<Endpoint>) -> Response {
    upgrade.on_upgrade(async |ws| {
        let (mut reader, sender) = ws.split();
        let task = tokio::spawn(send_ticks(sender));
        while let Ok(Some(_)) = reader.read().await {}
        // After the end of the connection a send fails: the task ends early, and says so.
        let result: Result<_, JoinError> = task.await;
        match result {
            Ok(result) => report("ticks", result),
            Err(error) => eprintln!("ticks: {error}"),
        }
    })
}

async fn send_ticks(sender: Sender<Upgraded>) -> Result<(), WebSocketError> {
    for tick in 1..=3 {
        sender.send_text(&format!("tick {tick}")).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sender.close_output(CloseCode::NORMAL, "done")?;
    Ok(())
}

fn report(name: &str, result: Result<(), WebSocketError>) {
    match result {
        Ok(()) => println!("{name}: done"),
        Err(error) => println!("{name}: ended early: {error}"),
    }
}
