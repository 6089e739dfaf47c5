//! A client and a server that fails twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use core::net::SocketAddr;
use core::time::Duration;

use reconnect::{Notice, Policy, stay_connected};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, CloseCode, Config, ConnectRequest, Entropy};
use tokio::net::{TcpListener, TcpStream};

/// An hour: a connection is never stable.
const NEVER: Duration = Duration::from_secs(3600);

async fn accept(listener: &TcpListener) -> WebSocket<TcpStream> {
    let (stream, _) = listener.accept().await.unwrap();
    let config = Config::server().build().unwrap();
    WebSocket::accept(stream, &config, &AcceptOptions::new()).await.unwrap()
}

/// Sends a message and drops the connection, twice. Once the port is closed too, for at least as
/// long as the client needs for an attempt. Then it closes for a restart, and at last normally.
async fn failing_server(listener: TcpListener, addr: SocketAddr) {
    let mut ws = accept(&listener).await;
    ws.send_text("one").await.unwrap();
    drop((ws, listener));
    tokio::time::sleep(Duration::from_millis(100)).await;

    let listener = TcpListener::bind(addr).await.unwrap();
    let mut ws = accept(&listener).await;
    ws.send_text("two").await.unwrap();
    drop(ws);
    // An end before the response.
    drop(listener.accept().await.unwrap());

    let mut ws = accept(&listener).await;
    ws.send_text("three").await.unwrap();
    ws.close(CloseCode::SERVICE_RESTART, "").await.unwrap();
    let mut ws = accept(&listener).await;
    ws.send_text("four").await.unwrap();
    ws.close(CloseCode::NORMAL, "").await.unwrap();
}

/// Returns the messages that a client receives from this server, and its delays.
async fn run(policy: Policy) -> (Vec<String>, Vec<Duration>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(failing_server(listener, addr));
    let request = ConnectRequest::new(&format!("ws://{addr}/")).unwrap();
    let config = Config::client(Entropy::os()).build().unwrap();
    let (mut texts, mut delays) = (Vec::new(), Vec::new());
    let client = stay_connected(&request, &config, policy, |notice| match notice {
        Notice::Connected => {}
        Notice::Text(text) => texts.push(text.to_owned()),
        Notice::Lost { delay, .. } => delays.push(delay),
    });
    client.await.unwrap();
    server.await.unwrap();
    (texts, delays)
}

#[tokio::test]
async fn s7_a_client_reconnects_to_a_server_that_fails_twice() {
    let first = Duration::from_millis(10);
    let policy = Policy { first, max: Duration::from_millis(40), stable: NEVER };
    let (texts, delays) = run(policy).await;
    assert_eq!(texts, ["one", "two", "three", "four"]);
    // Each delay is longer, up to the maximum.
    assert!(delays.len() >= 4, "{delays:?}");
    assert!(delays[0] <= first && (first..=2 * first).contains(&delays[1]), "{delays:?}");
    for delay in &delays[2..] {
        assert!((2 * first..=4 * first).contains(delay), "{delays:?}");
    }
}

#[tokio::test]
async fn s7_a_stable_connection_resets_the_delay() {
    let first = Duration::from_millis(10);
    // Every connection is stable at once; only failed attempts increase the next delay.
    let policy = Policy { first, max: Duration::from_secs(1), stable: Duration::ZERO };
    let (texts, delays) = run(policy).await;
    assert_eq!(texts, ["one", "two", "three", "four"]);
    // After "one" and after "three".
    let last = delays[delays.len() - 1];
    assert!(delays[0] <= first && last <= first, "{delays:?}");
}

#[tokio::test]
async fn s7_permanent_errors_end_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let config = Config::server().build().unwrap();
        // A foreign origin: 403.
        WebSocket::accept(stream, &config, &AcceptOptions::new()).await.unwrap_err();
    });
    let request = ConnectRequest::new(&format!("ws://{addr}/")).unwrap();
    let request = request.origin("https://other.example").unwrap();
    let config = Config::client(Entropy::os()).build().unwrap();
    let policy = Policy { first: NEVER, max: NEVER, stable: NEVER };
    stay_connected(&request, &config, policy, |_| {}).await.unwrap_err();
    server.await.unwrap();
}
