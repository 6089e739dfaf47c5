//! Sent and received messages: events, `read_into`, the stream and sink of messages, `try_read`,
//! `into_inner`.

use futures_util::{SinkExt, StreamExt};
use sansocket::config::Delivery;
use sansocket::error::SendError;
use sansocket::{CloseCode, Event, Message, Role, WebSocketError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use crate::common::frame::frame;
use crate::common::preset;
use crate::common::tasks::spawn;
use crate::tokio::support::{MS, SECONDS_10, client, echo, server, socket, with_timeout};

#[tokio::test]
async fn echoes_and_closes_in_order() {
    let (a, b) = duplex(1 << 16);
    let served = spawn(echo(server(a)));
    let mut ws = client(b);
    let big = "\u{20ac}".repeat(100_000);
    for text in ["", "Hello", &big] {
        ws.feed_text(text).unwrap();
        let (event, _) = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap().unwrap();
        assert_eq!(event, Event::Text(text));
    }
    let status = timeout(SECONDS_10, ws.close(CloseCode::new(3000), "enough")).await.unwrap();
    let status = status.unwrap();
    assert_eq!((status.code.value(), status.by, status.clean), (3000, Role::Client, true));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn s24_read_into_a_small_buffer_has_the_end_of_message() {
    for delivery in [Delivery::Whole, Delivery::Parts] {
        let (mut raw, b) = duplex(1 << 16);
        let config = preset(Role::Server).delivery(delivery).build().unwrap();
        let mut ws = socket(Role::Server, b, &config);
        let text = "a\u{20ac}".repeat(1000);
        let half = text.len() / 2 + 1;
        let lens = [1, 7, 5000];
        for _ in lens {
            raw.write_all(&frame(0x01, &text.as_bytes()[..half])).await.unwrap();
            raw.write_all(&frame(0x8a, b"pong")).await.unwrap();
            raw.write_all(&frame(0x80, &text.as_bytes()[half..])).await.unwrap();
            raw.write_all(&frame(0x82, b"")).await.unwrap();
        }
        raw.write_all(&frame(0x88, b"")).await.unwrap();
        for len in lens {
            let (mut got, mut buffer) = (Vec::new(), vec![0; len]);
            loop {
                let received = ws.read_into(&mut buffer).await.unwrap().unwrap();
                got.extend_from_slice(&buffer[..received.len]);
                if received.end_of_message {
                    break;
                }
            }
            assert_eq!(got, text.as_bytes());
            let received = ws.read_into(&mut buffer).await.unwrap().unwrap();
            assert_eq!((received.len, received.end_of_message), (0, true));
        }
        drop(raw);
        assert!(ws.read_into(&mut [0; 8]).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn messages_are_a_stream_and_a_sink() {
    let (a, b) = duplex(1 << 16);
    let served = spawn(echo(server(a)));
    let mut messages = client(b).into_messages();
    let sent: Vec<Message> = (0..100)
        .map(|i| match i % 2 {
            0 => Message::Text(format!("text {i}").into()),
            _ => Message::Binary(vec![7; i * 1000].into()),
        })
        .collect();
    for message in &sent {
        messages.feed(message.clone()).await.unwrap();
        assert_eq!(messages.next().await.unwrap().unwrap(), *message);
    }
    messages.close().await.unwrap();
    // The peer's Close frame, kept for the stream, is its last message.
    assert!(matches!(messages.next().await, Some(Ok(Message::Close(Some(_))))));
    assert!(messages.next().await.is_none());
    assert!(messages.close_status().unwrap().clean);
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn into_inner_keeps_unread_input_and_unsent_output() {
    let (mut raw, b) = duplex(1 << 16);
    let mut ws = server(b);
    raw.write_all(&[frame(0x81, b"one"), frame(0x81, b"two")].concat()).await.unwrap();
    assert_eq!(ws.read().await.unwrap().unwrap().0, Event::Text("one"));
    ws.feed_text("three").unwrap();
    let unfinished = ws.into_inner();
    assert_eq!(unfinished.unread, frame(0x81, b"two"));
    assert_eq!(unfinished.unsent, &b"\x81\x05three"[..]);
}

#[tokio::test]
async fn try_read_returns_all_available_events() {
    let (mut raw, b) = duplex(1 << 16);
    let mut ws = server(b);
    assert!(ws.try_read().unwrap().is_none());
    raw.write_all(&[frame(0x81, b"1"), frame(0x81, b"2"), frame(0x81, b"3")].concat())
        .await
        .unwrap();
    assert_eq!(ws.read().await.unwrap().unwrap().0, Event::Text("1"));
    assert_eq!(ws.try_read().unwrap().unwrap().0, Event::Text("2"));
    assert_eq!(ws.try_read().unwrap().unwrap().0, Event::Text("3"));
    assert!(ws.try_read().unwrap().is_none());
}

#[tokio::test]
async fn the_stream_ends_after_an_error_and_the_sink_is_closed_then() {
    let (mut raw, b) = duplex(1 << 16);
    let mut messages = server(b).into_messages();
    raw.write_all(&[frame(0x81, b"one"), frame(0x89, b""), frame(0x83, b"")].concat())
        .await
        .unwrap();
    assert_eq!(messages.next().await.unwrap().unwrap(), Message::Text("one".into()));
    let reading = spawn(async move {
        let mut seen = Vec::new();
        raw.read_to_end(&mut seen).await.unwrap();
        seen
    });
    assert!(matches!(messages.next().await, Some(Ok(Message::Ping(_)))));
    assert!(matches!(messages.next().await, Some(Err(WebSocketError::Protocol(_)))));
    assert!(messages.next().await.is_none());
    assert!(messages.next().await.is_none());
    let refused = messages.send(Message::Text("more".into())).await;
    assert!(matches!(refused, Err(WebSocketError::Send(SendError::Closed))), "{refused:?}");
    assert!(messages.close().await.is_err());
    assert_eq!(reading.await.unwrap(), b"\x8a\0\x88\x02\x03\xea");
}

#[tokio::test]
async fn a_message_larger_than_every_mark_is_received() {
    let (a, b) = duplex(1 << 12);
    let served = spawn(async move {
        let mut messages = server(a).into_messages();
        while let Some(message) = messages.next().await {
            messages.send(message.unwrap()).await.unwrap();
        }
    });
    let mut messages = client(b).into_messages();
    let big = Message::Binary(vec![7; 5 << 20].into());
    for _ in 0..2 {
        messages.send(big.clone()).await.unwrap();
        assert!(with_timeout(messages.next()).await.unwrap().unwrap() == big);
    }
    messages.close().await.unwrap();
    with_timeout(served).await.unwrap();
}

#[tokio::test]
async fn into_inner_in_the_middle_of_a_message_keeps_its_beginning() {
    let (mut raw, b) = duplex(1 << 16);
    let mut ws = server(b);
    raw.write_all(&frame(0x01, b"one ")).await.unwrap();
    raw.write_all(&frame(0x80, b"two")[..7]).await.unwrap();
    assert!(timeout(20 * MS, ws.read()).await.is_err());
    let mut unfinished = ws.into_inner();
    let mut rest = *b"wo";
    let mut input = sansocket::Input::new(sansocket::Instant::now(), &mut rest);
    let event = unfinished
        .connection
        .receive(&mut input, &mut unfinished.inbox, &mut unfinished.unsent)
        .unwrap();
    assert_eq!(event, Some(Event::Text("one two")));
}
