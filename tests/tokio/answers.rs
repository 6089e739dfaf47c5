//! Responses to opening handshakes: their content and their delivery.

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sansocket::config::ConfigBuilder;
use sansocket::connection::Negotiated;
use sansocket::handshake::HttpResponse;
use sansocket::handshake::Refusal;
use sansocket::tokio::{PendingRequest, WebSocket};
use sansocket::{
    AcceptOptions, CloseCode, Config, ConnectRequest, Connection, Entropy, Event, Message, Role,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use crate::common::secs;
use crate::common::tasks::{self, spawn};
use crate::tokio::faulty::Faulty;

const REQUEST: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";

fn server() -> Config {
    Config::server().build().unwrap()
}

/// A transport with a received request, and its other end.
async fn with_request(capacity: usize) -> (DuplexStream, DuplexStream) {
    let (io, mut peer) = duplex(capacity);
    peer.write_all(REQUEST).await.unwrap();
    (io, peer)
}

#[tokio::test(start_paused = true)]
async fn both_ends_have_the_subprotocol_and_the_fields_of_a_custom_response() {
    let (io, peer) = duplex(4096);
    let serving = spawn(async move {
        let request = PendingRequest::read(io, &server()).await.unwrap();
        let options = AcceptOptions::new().subprotocols(["chat.v2", "chat.v1"]).unwrap();
        let accepted = request.head().upgrade().unwrap().accept(&options).unwrap();
        let accepted = accepted.with_field("Set-Cookie", "a=1").unwrap();
        let mut ws = request.accept_with(accepted).await.unwrap();
        assert_eq!(ws.subprotocol(), Some("chat.v2"));
        assert_eq!(ws.connection().subprotocol(), Some("chat.v2"));
        while ws.read().await.unwrap().is_some() {}
        assert_eq!(ws.subprotocol(), Some("chat.v2"));
    });
    let request = ConnectRequest::new("ws://a/ws").unwrap();
    let request = request.subprotocols(["chat.v1", "chat.v2"]).unwrap();
    let config = Config::client(Entropy::os()).build().unwrap();
    let (ws, response) = WebSocket::client(peer, &request, &config).await.unwrap();
    assert_eq!(response.fields().get("set-cookie"), Some(&b"a=1"[..]));
    assert_eq!(ws.subprotocol(), Some("chat.v2"));
    assert_eq!(ws.into_inner().connection.subprotocol(), Some("chat.v2"));
    // Dropped without a Close frame.
    assert!(serving.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_a_pending_request_include_the_following_input() {
    let (io, mut peer) = duplex(4096);
    peer.write_all(b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=1")
        .await
        .unwrap();
    let request = PendingRequest::read(io, &server()).await.unwrap();
    let _: &DuplexStream = request.get_ref();
    let (mut stream, head, unread) = request.into_parts();
    assert_eq!((head.method(), head.path(), &*unread), ("POST", "/form", &b"a=1"[..]));
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let mut status = [0; 12];
    peer.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 204");
}

/// The linger timeout is 2 s: writing the page takes ten times as long.
#[tokio::test(start_paused = true)]
async fn a_slow_client_receives_the_complete_page() {
    const LEN: usize = 400_000;
    for refuses in [false, true] {
        let (io, mut peer) = with_request(4096).await;
        let request = PendingRequest::read(io, &server()).await.unwrap();
        // 20 KB/s.
        let reading = spawn(async move {
            let (mut all, mut buffer) = (Vec::<u8>::new(), [0; 200]);
            loop {
                sleep(Duration::from_millis(10)).await;
                match peer.read(&mut buffer).await {
                    Ok(n @ 1..) => all.extend(&buffer[..n]),
                    end => break (all, end.is_ok()),
                }
            }
        });
        let start = Instant::now();
        let page = vec![b'x'; LEN];
        if refuses {
            let refusal = Refusal::new(403).unwrap().with_body("text/plain", page).unwrap();
            request.refuse(refusal).await.unwrap();
        } else {
            let page = HttpResponse::new(200).unwrap().with_body("text/plain", page).unwrap();
            request.respond(&page).await.unwrap();
        }
        assert!(start.elapsed() > secs(15), "{:?}", start.elapsed());
        let (all, ended_in_order) = reading.await.unwrap();
        let body = all.iter().rev().take_while(|byte| **byte == b'x').count();
        assert_eq!((body, ended_in_order), (LEN, true));
    }
}

// ----------------------------------------------------------- a shutdown that never ends

/// Ends a connection after its input; returns whether it ended without an error.
type End = fn(WebSocket<Faulty>) -> Pin<Box<dyn Future<Output = bool>>>;

const ENDS: [(&str, End, bool); 7] = [
    ("read", |mut ws| Box::pin(async move { read_on(&mut ws).await }), true),
    (
        "close",
        |mut ws| Box::pin(async move { ws.close(CloseCode::NORMAL, "").await.is_ok() }),
        true,
    ),
    (
        "Reader::read",
        |ws| {
            Box::pin(async move {
                let (mut reader, _sender) = ws.split();
                loop {
                    match reader.read().await {
                        Ok(Some(_)) => {}
                        end => break end.is_ok(),
                    }
                }
            })
        },
        true,
    ),
    (
        "Sender::closed",
        |ws| {
            Box::pin(async move {
                let (mut reader, sender) = ws.split();
                spawn(async move { while let Ok(Some(_)) = reader.read().await {} });
                sender.closed().await.is_some()
            })
        },
        true,
    ),
    (
        "Stream::next",
        |ws| {
            Box::pin(async move {
                let mut messages = ws.into_messages();
                while let Some(message) = messages.next().await {
                    if message.is_err() {
                        return false;
                    }
                }
                true
            })
        },
        true,
    ),
    ("Sink::close", |ws| Box::pin(async move { ws.into_messages().close().await.is_ok() }), true),
    (
        "a violation",
        |mut ws| {
            Box::pin(async move {
                // After the Close frame no input is read, so this call is first.
                read_on(&mut ws).await
            })
        },
        false,
    ),
];

async fn read_on(ws: &mut WebSocket<Faulty>) -> bool {
    loop {
        match ws.read().await {
            Ok(Some(_)) => {}
            end => break end.is_ok(),
        }
    }
}

fn preset() -> ConfigBuilder {
    Config::server().linger_timeout(secs(2))
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_never_ends_times_out_after_the_linger_timeout() {
    for (way, end, is_ok) in ENDS {
        let (io, mut peer) = duplex(4096);
        let bytes = if is_ok { b"\x88\x82\0\0\0\0\x03\xe8" } else { b"\x83\x82\0\0\0\0hi" };
        peer.write_all(bytes).await.unwrap();
        let now = Instant::now().into_std().into();
        let config = preset().build().unwrap();
        let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
        let ws = WebSocket::from_connection(Faulty::shutdown_never_ends(io), connection, &[]);
        let start = Instant::now();
        let ended = timeout(secs(60), end(ws)).await;
        assert_eq!(ended.ok(), Some(is_ok), "{way}");
        assert!(start.elapsed() <= secs(3), "{way}: {:?}", start.elapsed());
        // The Close frame was sent before.
        let mut frame = [0; 4];
        peer.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[..2], [0x88, 0x02], "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_succeeds_although_the_shutdown_never_ends() {
    for refuses in [false, true] {
        let (io, mut peer) = with_request(4096).await;
        let request =
            PendingRequest::read(Faulty::shutdown_never_ends(io), &preset().build().unwrap())
                .await
                .unwrap();
        let start = Instant::now();
        let answering = async {
            match refuses {
                true => request.refuse(Refusal::new(404).unwrap()).await,
                false => request.respond(&HttpResponse::new(404).unwrap()).await,
            }
        };
        timeout(secs(60), answering).await.unwrap().unwrap();
        assert!(start.elapsed() <= secs(3), "{:?}", start.elapsed());
        let mut status = [0; 12];
        peer.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 404");
    }
}

/// The timers of a dropped runtime are lost: the parts continue in another one.
#[test]
fn a_socket_can_continue_in_another_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (io, mut peer) = duplex(4096);
    let first = runtime();
    let ws = tasks::block_on(&first, async {
        let now = Instant::now().into_std().into();
        let connection = Connection::new(Role::Server, &server(), &Negotiated::new(), now);
        let mut ws = WebSocket::from_connection(io, connection, &[]);
        // Its timer is armed; half of a message has arrived.
        peer.write_all(b"\x81\x82\0\0\0\0h").await.unwrap();
        assert!(timeout(Duration::from_millis(1), ws.read()).await.is_err());
        ws.feed_text("unsent").unwrap();
        ws
    });
    drop(first);
    let parts = ws.into_inner();
    tasks::block_on(&runtime(), async {
        let mut ws = WebSocket::resume(parts);
        peer.write_all(b"i").await.unwrap();
        let event = timeout(secs(60), ws.read()).await.unwrap().unwrap().unwrap().0;
        assert_eq!(event, Event::Text("hi"));
        let mut sent = [0; 8];
        peer.read_exact(&mut sent).await.unwrap();
        assert_eq!(&sent, b"\x81\x06unsent");
        // The same after `into_messages`, which returns the socket.
        let mut messages = ws.into_messages();
        messages.feed(Message::Text("more".into())).await.unwrap();
        let mut ws = WebSocket::resume(messages.into_inner().into_inner());
        ws.flush().await.unwrap();
    });
}
