//! Futures: `Send`, and their sizes.

use core::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, ConnectRequest, Message, Role};
use tokio::io::duplex;
use tokio::time::timeout;

use crate::common::preset;
use crate::tokio::support::{plain, tcp_pair};

fn can_be_spawned<T: Send + 'static>(_: &T) {}
fn can_be_shared<T: Send + Sync>(_: &T) {}

/// Every future can be spawned on a runtime with threads.
#[tokio::test]
async fn all_futures_can_be_spawned() {
    let (a, b) = tcp_pair().await;
    let mut ws = plain(Role::Server, a);
    can_be_spawned(&ws);
    can_be_shared(&ws);
    tokio::spawn(async move {
        let _ = timeout(Duration::ZERO, ws.read()).await;
        let _ = timeout(Duration::ZERO, ws.read_into(&mut [0; 1])).await;
        let _ = timeout(Duration::ZERO, ws.flush()).await;
        if let Ok(Ok(Some((event, mut reply)))) = timeout(Duration::ZERO, ws.read()).await {
            reply.flush().await.unwrap();
            assert!(event.data().is_none());
        }
        let (mut reader, sender) = ws.split();
        can_be_shared(&reader);
        can_be_shared(&sender);
        let _ = timeout(Duration::ZERO, reader.read()).await;
        let _ = timeout(Duration::ZERO, sender.send_text("")).await;
        let _ = timeout(Duration::ZERO, sender.flush()).await;
    })
    .await
    .unwrap();
    let config = preset(Role::Server).build().unwrap();
    let accept = async move {
        let _ = WebSocket::accept(b, &config, &AcceptOptions::new()).await;
    };
    can_be_spawned(&accept);
    let connect = async move {
        let request = ConnectRequest::new("ws://localhost/").unwrap();
        let config = preset(Role::Client).build().unwrap();
        if let Ok((ws, _)) = WebSocket::connect(&request, &config).await {
            let mut messages = ws.into_messages();
            let _ = messages.next().await;
            let _ = messages.send(Message::Text("".into())).await;
        }
    };
    can_be_spawned(&connect);
}

/// The size of an idle connection, which has no heap.
#[tokio::test]
async fn futures_are_small() {
    let (a, _b) = duplex(64);
    let mut ws = plain(Role::Server, a);
    assert!(size_of_val(&ws.read()) <= 256, "{}", size_of_val(&ws.read()));
    let (c, _d) = duplex(64);
    let (config, options) = (preset(Role::Server).build().unwrap(), AcceptOptions::new());
    // Its content is a WebSocket, in few copies: a task keeps the size of its largest future.
    let accept = WebSocket::accept(c, &config, &options);
    assert!(size_of_val(&accept) <= 2304, "{}", size_of_val(&accept));
    drop(accept);
    assert!(size_of_val(&ws.flush()) <= 128, "{}", size_of_val(&ws.flush()));
    let (mut reader, sender) = ws.split();
    assert!(size_of_val(&reader.read()) <= 256, "{}", size_of_val(&reader.read()));
    assert!(size_of_val(&sender.send_text("")) <= 256, "{}", size_of_val(&sender.send_text("")));
}
