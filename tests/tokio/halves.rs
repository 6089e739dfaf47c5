//! The halves of a socket: a reader, and senders in other tasks.

use core::time::Duration;

use sansocket::error::{PeerError, ProtocolError, SendError};
use sansocket::message::SendOptions;
use sansocket::{CloseCode, Event, Role, WebSocketError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use crate::common::frame::frame;
use crate::common::preset;
use crate::common::tasks::{Task, spawn};
use crate::tokio::support::{SECONDS_10, client, server, socket};

#[tokio::test]
async fn s17_a_connection_dropped_early_is_reported_at_the_other_end() {
    let (a, b) = duplex(1 << 16);
    let mut ws = client(b);
    drop(server(a));
    let error = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap_err();
    let want = ProtocolError::Peer(PeerError::ClosedWithoutHandshake);
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
    assert_eq!(ws.connection().close_status().unwrap().code, CloseCode::ABNORMAL);

    // The same for a dropped reader of two halves, with senders left.
    let (a, b) = duplex(1 << 16);
    let mut ws = client(b);
    let (reader, sender) = server(a).split();
    sender.send_text("last words").await.unwrap();
    drop(reader);
    let (event, _) = ws.read().await.unwrap().unwrap();
    assert_eq!(event, Event::Text("last words"));
    assert!(ws.read().await.is_err());
    let refused = sender.send_text("more").await;
    assert!(matches!(refused, Err(WebSocketError::Send(SendError::Closed))), "{refused:?}");
}

#[tokio::test]
async fn s18_a_background_task_writes_while_the_handler_reads() {
    let (a, b) = duplex(256);
    let served = spawn(async move {
        let (mut reader, sender) = server(a).split();
        let background = spawn(async move {
            for i in 0..1000 {
                sender.send_text(&format!("tick {i}")).await.unwrap();
            }
            sender.flush().await.unwrap();
        });
        while let Some((event, mut reply)) = reader.read().await.unwrap() {
            if let Some((data, _)) = event.data() {
                reply.feed(data, SendOptions::new()).unwrap();
            }
        }
        background.await.unwrap();
    });
    let mut ws = client(b);
    for i in 0..1000 {
        ws.feed_binary(&[(i % 256) as u8]).unwrap();
    }
    let (mut ticks, mut echoes) = (0, 0);
    while ticks < 1000 || echoes < 1000 {
        let (event, _) = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap().unwrap();
        match event {
            Event::Text(text) => {
                assert_eq!(text, format!("tick {ticks}"));
                ticks += 1;
            }
            Event::Binary(bytes) => {
                assert_eq!(bytes, [(echoes % 256) as u8]);
                echoes += 1;
            }
            _ => panic!("{event:?}"),
        }
    }
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    timeout(SECONDS_10, served).await.unwrap().unwrap();
}

#[tokio::test]
async fn senders_wait_for_capacity_and_a_close_wakes_them() {
    let (mut raw, b) = duplex(64);
    let config = preset(Role::Server).max_unsent(100).build().unwrap();
    let (mut reader, sender) = socket(Role::Server, b, &config).split();
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let sender = sender.clone();
            spawn(async move {
                loop {
                    sender.send_binary(&[0; 50]).await?;
                }
            })
        })
        .collect::<Vec<Task<Result<(), WebSocketError>>>>();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    raw.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
    let reading = spawn(async move { while let Ok(Some(_)) = reader.read().await {} });
    // Senders that have fed wait for their bytes, the others return at the end at once.
    let mut rest = Vec::new();
    timeout(SECONDS_10, raw.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.ends_with(b"\x88\x02\x03\xe8"));
    for task in waiting {
        let result = timeout(SECONDS_10, task).await.unwrap().unwrap();
        assert!(matches!(result, Err(WebSocketError::Send(SendError::Closed))), "{result:?}");
    }
    drop(raw);
    timeout(SECONDS_10, reading).await.unwrap().unwrap();
}
