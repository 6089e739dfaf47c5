//! Handlers of `axum::serve`, with our own client and raw requests.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use core::future::pending;
use core::net::SocketAddr;
use core::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts, RawQuery};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use sansocket::error::ConnectErrorKind;
use sansocket::error::{LimitError, ProtocolError};
use sansocket::handshake::{HandshakeError, OriginPolicy};
use sansocket::hyper::{UpgradeError, Upgraded};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, CloseCode, Config, ConnectRequest, Entropy, Event, WebSocketError};
use sansocket_axum::{Endpoint, Rejection, SubprotocolError, WebSocketUpgrade};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

async fn served(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

async fn echo(mut ws: WebSocket<Upgraded>) -> Result<(), WebSocketError> {
    while let Some((event, mut reply)) = ws.read().await? {
        if let Event::Text(text) = event {
            reply.feed_text(text)?;
        }
    }
    Ok(())
}

async fn ws(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |ws| drop(echo(ws).await))
}

fn request(address: SocketAddr, path: &str) -> ConnectRequest {
    ConnectRequest::new(&format!("ws://{address}{path}")).unwrap()
}

async fn connect(request: &ConnectRequest) -> Result<WebSocket<TcpStream>, HandshakeError> {
    let config = Config::client(Entropy::os()).build().unwrap();
    let host = (request.host(), request.port());
    let stream = TcpStream::connect(host).await.unwrap();
    match WebSocket::client(stream, request, &config).await {
        Ok((ws, _)) => Ok(ws),
        Err(error) => {
            let text = error.to_string();
            let ConnectErrorKind::Handshake(error) = error.into_kind() else { panic!("{text}") };
            Err(error)
        }
    }
}

async fn status(request: &ConnectRequest) -> u16 {
    match connect(request).await {
        Ok(_) => 101,
        Err(HandshakeError::Status(response)) => response.status(),
        Err(error) => panic!("{error}"),
    }
}

async fn echoed(ws: &mut WebSocket<TcpStream>) {
    ws.send_text("hello").await.unwrap();
    let (event, _) = ws.read().await.unwrap().unwrap();
    assert_eq!(event, Event::Text("hello"));
}

/// No test may hang.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("no end in time")
}

#[tokio::test]
async fn s14_s15_a_handler_of_three_lines_echoes_and_refuses() {
    let address = served(Router::new().route("/ws", any(ws))).await;
    let mut ws = connect(&request(address, "/ws")).await.unwrap();
    echoed(&mut ws).await;
    assert_eq!(
        in_time(ws.close(CloseCode::new(4003), "")).await.unwrap().code,
        CloseCode::new(4003)
    );
    // Another path, and a page of another host.
    assert_eq!(status(&request(address, "/")).await, 404);
    let foreign = request(address, "/ws").origin("https://other.example").unwrap();
    assert_eq!(status(&foreign).await, 403);
    let own = request(address, "/ws").origin(&format!("http://{address}")).unwrap();
    assert_eq!(status(&own).await, 101);
}

/// Sends bytes, and reads the response's head.
async fn head(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(in_time(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn s14_a_plain_request_gets_426_before_the_handler_runs() {
    async fn handler(_: WebSocketUpgrade) -> Response {
        panic!("the handler runs")
    }
    let address = served(Router::new().route("/ws", any(handler))).await;
    for method in ["GET", "POST", "DELETE"] {
        let head = head(address, &format!("{method} /ws HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(head.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{head}");
        for field in ["upgrade: websocket\r\n", "sec-websocket-version: 13\r\n"] {
            assert!(head.contains(field), "{head}");
        }
    }
    let old = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n";
    let head = head(address, old).await;
    assert!(head.starts_with("HTTP/1.1 426 ") && head.contains("sec-websocket-version: 13\r\n"));
}

#[tokio::test]
async fn s14_one_path_has_a_page_and_a_websocket() {
    async fn handler(upgrade: Result<WebSocketUpgrade, Rejection>) -> Response {
        match upgrade {
            Ok(upgrade) => upgrade.on_upgrade(async |ws| drop(echo(ws).await)),
            Err(rejection) if rejection.refusal().status() == 426 => "a page".into_response(),
            Err(rejection) => rejection.into_response(),
        }
    }
    let address = served(Router::new().route("/", any(handler))).await;
    echoed(&mut connect(&request(address, "/")).await.unwrap()).await;
    let page = head(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    let wrong = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
    assert!(head(address, wrong).await.starts_with("HTTP/1.1 400 "));
}

/// Two endpoints of one state, and the settings of each.
#[derive(Clone)]
struct App {
    list: Endpoint,
    small: Small,
}

#[derive(Clone)]
struct Small(Endpoint);

impl AsRef<Endpoint> for Small {
    fn as_ref(&self) -> &Endpoint {
        &self.0
    }
}

impl FromRef<App> for Endpoint {
    fn from_ref(app: &App) -> Self {
        app.list.clone()
    }
}

impl FromRef<App> for Small {
    fn from_ref(app: &App) -> Self {
        app.small.clone()
    }
}

#[tokio::test]
async fn s12_s15_the_state_has_the_settings() {
    async fn list(upgrade: WebSocketUpgrade<Endpoint>) -> Response {
        // A foreign origin is refused before the handler runs.
        assert_ne!(upgrade.request().origin(), Some("https://other.example"));
        upgrade.on_upgrade(async |ws| drop(echo(ws).await))
    }
    async fn small(upgrade: WebSocketUpgrade<Small>) -> Response {
        upgrade.on_upgrade(async |ws| {
            let error = echo(ws).await.unwrap_err();
            let too_long = ProtocolError::Limit(LimitError::MessageTooLong);
            assert!(matches!(error, WebSocketError::Protocol(error) if error == too_long));
        })
    }
    let origins = OriginPolicy::list(["https://example.com"]).unwrap();
    let options = AcceptOptions::new().origins(origins).subprotocols(["chat"]).unwrap();
    let config = Config::server().max_message_len(4).build().unwrap();
    let app = App {
        list: Endpoint::new().options(options),
        small: Small(Endpoint::new().config(config)),
    };
    let router = Router::new().route("/list", any(list)).route("/small", any(small));
    let address = served(router.with_state(app)).await;

    let from = |origin| request(address, "/list").origin(origin).unwrap();
    assert_eq!(status(&from("https://other.example")).await, 403);
    let chat = from("https://example.com").subprotocols(["other", "chat"]).unwrap();
    let mut ws = connect(&chat).await.unwrap();
    assert_eq!(ws.connection().subprotocol(), Some("chat"));
    echoed(&mut ws).await;

    let mut ws = connect(&request(address, "/small")).await.unwrap();
    ws.send_text("too long").await.unwrap();
    while let Ok(Some(_)) = in_time(ws.read()).await {}
    assert_eq!(ws.close_status().unwrap().code, CloseCode::new(1009));
}

#[tokio::test]
async fn setters_change_the_settings() {
    async fn handler(upgrade: WebSocketUpgrade) -> Result<Response, SubprotocolError> {
        let options = AcceptOptions::new().origins(OriginPolicy::Any);
        let config = Config::server().max_message_len(64).build().unwrap();
        let upgrade = upgrade.options(options).config(config).subprotocols(["b", "a"])?;
        Ok(upgrade.on_upgrade(async |ws| {
            assert_eq!(ws.connection().config().max_message_len(), 64);
            drop(echo(ws).await);
        }))
    }
    async fn wrong(upgrade: WebSocketUpgrade) -> Result<Response, SubprotocolError> {
        Ok(upgrade.subprotocols(["no token"])?.on_upgrade(async |_| {}))
    }
    let router = Router::new().route("/ws", any(handler)).route("/wrong", any(wrong));
    let address = served(router).await;
    let foreign = request(address, "/ws").origin("https://other.example").unwrap();
    let mut ws = connect(&foreign.subprotocols(["a", "b"]).unwrap()).await.unwrap();
    assert_eq!(ws.connection().subprotocol(), Some("b"));
    echoed(&mut ws).await;
    assert_eq!(status(&request(address, "/wrong")).await, 500);
}

#[tokio::test]
async fn a_handler_refuses_before_the_upgrade() {
    #[derive(Debug)]
    struct Login;
    impl<S: Sync> FromRequestParts<S> for Login {
        type Rejection = (StatusCode, [(&'static str, &'static str); 1]);

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
            let token = parts.headers.get("Authorization");
            if token.is_none_or(|token| token != "Bearer 1") {
                return Err((StatusCode::UNAUTHORIZED, [("WWW-Authenticate", "Bearer")]));
            }
            Ok(Self)
        }
    }
    // Extractors do not change the parts of the request for each other.
    async fn handler(
        upgrade: WebSocketUpgrade,
        headers: HeaderMap,
        RawQuery(query): RawQuery,
        _: Login,
    ) -> Response {
        assert_eq!(headers["upgrade"], "websocket");
        assert_eq!(query.as_deref(), Some("room=1"));
        assert_eq!(upgrade.request().query(), Some("room=1"));
        upgrade.on_upgrade(async |ws| drop(echo(ws).await))
    }
    let address = served(Router::new().route("/ws", any(handler))).await;
    let request = request(address, "/ws?room=1");
    let Err(HandshakeError::Status(response)) = connect(&request).await else { panic!() };
    assert_eq!(
        (response.status(), response.fields().get_str("www-authenticate")),
        (401, Some("Bearer"))
    );
    let mut ws = connect(&request.field("Authorization", "Bearer 1").unwrap()).await.unwrap();
    echoed(&mut ws).await;
}

#[tokio::test]
async fn s18_a_background_task_sends_while_the_handler_reads() {
    let (report, mut reports) = mpsc::unbounded_channel();
    let handler = move |upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(async move |ws| {
            let (mut reader, sender) = ws.split();
            let task = tokio::spawn(async move {
                for tick in 0..100 {
                    sender.send_text(&tick.to_string()).await?;
                }
                sender.close_output(CloseCode::NORMAL, "")?;
                Ok::<_, WebSocketError>(())
            });
            while let Ok(Some(_)) = reader.read().await {}
            report.send(task.await.unwrap()).unwrap();
        })
    };
    let address = served(Router::new().route("/ws", any(handler))).await;
    let mut ws = connect(&request(address, "/ws")).await.unwrap();
    for tick in 0..100 {
        let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
        assert_eq!(event, Event::Text(&tick.to_string()));
    }
    assert_eq!(in_time(ws.close(CloseCode::NORMAL, "")).await.unwrap().code, CloseCode::NORMAL);
    in_time(reports.recv()).await.unwrap().unwrap();
}

/// The handler returns early: the sends of its background task fail, and the client reads an error.
#[tokio::test]
async fn s17_s19_a_handler_that_returns_early_ends_the_connection() {
    let (report, mut reports) = mpsc::unbounded_channel();
    let handler = move |upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(async move |ws| {
            let (reader, sender) = ws.split();
            sender.send_text("sent before").await.unwrap();
            tokio::spawn(async move {
                while sender.send_text("tick").await.is_ok() {
                    tokio::task::yield_now().await;
                }
                report.send(sender.is_open()).unwrap();
            });
            drop(reader);
        })
    };
    let address = served(Router::new().route("/ws", any(handler))).await;
    let mut ws = connect(&request(address, "/ws")).await.unwrap();
    let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
    assert_eq!(event, Event::Text("sent before"));
    let end = loop {
        match in_time(ws.read()).await {
            Ok(Some(_)) => {}
            end => break end.map(|_| ()),
        }
    };
    assert!(end.is_err(), "{end:?}");
    assert_eq!(in_time(reports.recv()).await, Some(false));
}

#[tokio::test]
async fn a_failed_upgrade_is_reported() {
    let (report, mut reports) = mpsc::unbounded_channel::<UpgradeError>();
    let handler = move |upgrade: WebSocketUpgrade| async move {
        let config = Config::server().handshake_timeout(Duration::from_millis(10)).build().unwrap();
        let failed = move |error| report.send(error).unwrap();
        upgrade.config(config).on_failed_upgrade(failed).on_upgrade(async |_| panic!("upgraded"))
    };
    // A middleware that keeps the response until the upgrade has failed.
    let late = from_fn(async |request: Request<Body>, next: Next| {
        let _response = next.run(request).await;
        pending::<Response>().await
    });
    let address = served(Router::new().route("/ws", any(handler)).layer(late)).await;
    let client = tokio::spawn(async move { connect(&request(address, "/ws")).await.is_ok() });
    let error = in_time(reports.recv()).await.unwrap();
    assert!(matches!(error, UpgradeError::Timeout), "{error}");
    client.abort();
}

#[tokio::test]
async fn the_upgrade_future_can_be_taken() {
    let (sender, mut upgrades) = mpsc::unbounded_channel();
    let handler = move |upgrade: WebSocketUpgrade| async move {
        match upgrade.accept() {
            Ok((response, upgrade)) => {
                sender.send(upgrade).unwrap();
                response
            }
            Err(response) => response,
        }
    };
    let address = served(Router::new().route("/ws", any(handler))).await;
    let client = tokio::spawn(async move {
        echoed(&mut connect(&request(address, "/ws")).await.unwrap()).await;
    });
    let ws = in_time(upgrades.recv().await.unwrap()).await.unwrap();
    let _ = in_time(echo(ws)).await;
    client.await.unwrap();
}

#[tokio::test]
async fn a_rejection_is_the_response_of_its_refusal() {
    let mut parts = Request::get("/ws").header("Host", "a").body(()).unwrap().into_parts().0;
    let rejection: Rejection =
        <WebSocketUpgrade>::from_request_parts(&mut parts, &()).await.unwrap_err();
    assert_eq!(rejection.refusal().status(), 426);
    assert!(rejection.to_string().contains("426"), "{rejection}");
    let response = rejection.into_response();
    assert_eq!(response.status(), 426);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
    assert_eq!(parts.uri.path(), "/ws");
}
