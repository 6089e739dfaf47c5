//! Clients and servers of this crate at the ends of a bridge.

use std::net::SocketAddr;

use sansocket::deflate::Deflate;
use sansocket::h2::{Client, Incoming, Session, SessionOptions};
use sansocket::handshake::Refusal;
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, CloseCode, Config, ConnectRequest, Entropy, Event, WebSocketError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::setup::{KINDS, Kind, PAIRS, bridge, in_time};

fn accept_options() -> AcceptOptions {
    AcceptOptions::new().deflate(Deflate::default()).subprotocols(["chat"]).unwrap()
}

/// Echoes messages. The text "close" makes the server close first.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut ws: WebSocket<S>) {
    let run = async {
        while let Some((event, mut reply)) = ws.read().await? {
            match event {
                Event::Text("close") => reply.close_output(CloseCode::new(4001), "server")?,
                Event::Text(text) => reply.feed_text(text)?,
                Event::Binary(bytes) => reply.feed_binary(bytes)?,
                _ => {}
            }
        }
        Ok::<_, WebSocketError>(())
    };
    run.await.unwrap();
    let status = ws.close_status().unwrap();
    assert!([4001, 4002].contains(&status.code.value()), "{status:?}");
}

async fn echo_server(kind: Kind) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let config = Config::server().build().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let config = config.clone();
            tokio::spawn(async move {
                if kind == Kind::Http1 {
                    let ws = WebSocket::accept(tcp, &config, &accept_options()).await.unwrap();
                    return echo(ws).await;
                }
                let options = SessionOptions::builder().build().unwrap();
                let mut session = Session::handshake(tcp, &options).await.unwrap();
                while let Ok(Some(incoming)) = session.accept().await {
                    let Incoming::WebSocket(request) = incoming else { panic!("{incoming:?}") };
                    if request.request().path() != "/chat" {
                        let refusal = Refusal::new(404).unwrap();
                        request.refuse(refusal).unwrap();
                        continue;
                    }
                    tokio::spawn(echo(request.accept(&accept_options(), &config).unwrap()));
                }
            });
        }
    });
    addr
}

async fn exercise<S: AsyncRead + AsyncWrite + Unpin>(
    mut ws: WebSocket<S>,
    compresses: bool,
    server_closes: bool,
) {
    assert_eq!(ws.subprotocol(), Some("chat"));
    assert_eq!(ws.connection().deflate().is_some(), compresses);
    let texts = [String::new(), "text".into(), "\u{1f600}".into(), "abc ".repeat(50_000)];
    for text in texts {
        ws.send_text(&text).await.unwrap();
        let (event, _) = ws.read().await.unwrap().unwrap();
        assert!(matches!(event, Event::Text(echoed) if echoed == text), "{event:?}");
    }
    let bytes = crate::setup::noise(1 << 20);
    ws.send_binary(&bytes).await.unwrap();
    let (event, _) = ws.read().await.unwrap().unwrap();
    assert!(matches!(event, Event::Binary(echoed) if *echoed == bytes), "{event:?}");

    if server_closes {
        ws.send_text("close").await.unwrap();
        while ws.read().await.unwrap().is_some() {}
        let status = ws.close_status().unwrap();
        assert_eq!((status.code.value(), ws.read().await.unwrap().is_none()), (4001, true));
    } else {
        let status = ws.close(CloseCode::new(4002), "client").await.unwrap();
        assert_eq!(status.code.value(), 4002);
    }
}

async fn connect_and_exercise(kind: Kind, addr: SocketAddr, deflate: bool, server_closes: bool) {
    let config = Config::client(Entropy::os()).build().unwrap();
    let url = format!("ws://{addr}/chat");
    let mut request = ConnectRequest::new(&url).unwrap().subprotocols(["chat"]).unwrap();
    if deflate {
        request = request.deflate(Deflate::default());
    }
    match kind {
        Kind::Http1 => {
            let (ws, _) = WebSocket::connect(&request, &config).await.unwrap();
            exercise(ws, deflate, server_closes).await;
        }
        Kind::Http2 => {
            let tcp = TcpStream::connect(addr).await.unwrap();
            let options = SessionOptions::builder().build().unwrap();
            let (client, session) = Client::handshake(tcp, &options).await.unwrap();
            tokio::spawn(session);
            let (ws, _) = client.open(&request, &config).await.unwrap();
            exercise(ws, deflate, server_closes).await;
        }
    }
}

#[tokio::test]
async fn messages_and_close_codes_pass() {
    for (outside, inside) in PAIRS {
        let addr = bridge(inside, echo_server(inside).await).await;
        for (deflate, server_closes) in [(false, false), (false, true), (true, false), (true, true)]
        {
            in_time(connect_and_exercise(outside, addr, deflate, server_closes)).await;
        }
    }
}

#[tokio::test]
async fn messages_pass_two_bridges() {
    for (middle, inside) in PAIRS {
        let second = bridge(inside, echo_server(inside).await).await;
        let first = bridge(middle, second).await;
        for outside in KINDS {
            in_time(connect_and_exercise(outside, first, true, false)).await;
        }
    }
}
