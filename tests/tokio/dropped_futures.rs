//! Futures that are dropped while they are pending: no data and no error is lost.

use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use sansocket::config::Delivery;
use sansocket::error::{PeerError, ProtocolError};
use sansocket::message::Data;
use sansocket::{Event, Role, WebSocketError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use crate::common::frame::frame;
use crate::common::preset;
use crate::common::tasks::spawn;
use crate::tokio::support::{plain, poll_once, socket, with_timeout};

/// A send dropped while it waits for capacity has sent no byte, and blocks no other future.
#[tokio::test]
async fn a_send_dropped_while_it_waits_for_capacity_has_no_effect() {
    let (mut raw, b) = duplex(64);
    let config = preset(Role::Server).max_unsent(100).build().unwrap();
    let (mut reader, sender) = socket(Role::Server, b, &config).split();
    sender.feed_binary(&[1; 500]).unwrap();
    for _ in 0..10 {
        assert!(timeout(Duration::from_millis(1), sender.send_binary(&[2; 500])).await.is_err());
    }
    let other = sender.clone();
    let waiting = spawn(async move { other.send_binary(&[3; 5]).await });
    let reading = spawn(async move { reader.read().await.map(|event| event.is_none()) });
    let mut seen = vec![0; 504 + 7];
    with_timeout(raw.read_exact(&mut seen)).await.unwrap();
    assert_eq!(seen[504..], [0x82, 5, 3, 3, 3, 3, 3]);
    with_timeout(waiting).await.unwrap().unwrap();
    reading.abort();
}

#[tokio::test]
async fn v32_a_read_dropped_after_every_poll_loses_no_data() {
    for delivery in [Delivery::Whole, Delivery::Parts] {
        let (mut raw, b) = duplex(1 << 16);
        let config = preset(Role::Server).delivery(delivery).build().unwrap();
        let mut ws = socket(Role::Server, b, &config);
        let mut stream = Vec::new();
        for i in 0..50_u8 {
            stream.extend(frame(0x81, format!("message {i} \u{20ac}").as_bytes()));
            stream.extend(frame(0x89, &[i]));
            stream.extend(frame(0x02, &[i; 130]));
            stream.extend(frame(0x80, b"end"));
        }
        stream.extend(frame(0x88, b"\x03\xe8"));
        let (mut texts, mut binaries, mut pings) = (String::new(), Vec::new(), 0_u8);
        let mut closed = false;
        for byte in stream {
            raw.write_all(&[byte]).await.unwrap();
            // Polls a new future each time, and drops it while it is pending.
            loop {
                let mut read = pin!(ws.read());
                let polled = poll_once(read.as_mut());
                let Poll::Ready(event) = polled else { break };
                let Some((event, _)) = event.unwrap() else { break };
                match event {
                    Event::Text(text) => texts.push_str(text),
                    Event::Binary(bytes) => binaries.extend_from_slice(bytes),
                    Event::Part { data: Data::Text(text), .. } => texts.push_str(text),
                    Event::Part { data: Data::Binary(bytes), .. } => {
                        binaries.extend_from_slice(bytes);
                    }
                    Event::Ping(payload) => {
                        assert_eq!(payload, [pings]);
                        pings += 1;
                    }
                    Event::Close(_) => {
                        closed = true;
                        break;
                    }
                    _ => panic!("{event:?}"),
                }
            }
        }
        let want: String = (0..50).map(|i| format!("message {i} \u{20ac}")).collect();
        assert_eq!(texts, want);
        assert_eq!(binaries.len(), 50 * 133);
        assert_eq!(pings, 50);
        assert!(closed);
    }
}

/// The Close frame of a violation is written, and the transport ended, although futures are dropped
/// in between.
#[tokio::test]
async fn v32_a_dropped_error_is_returned_again() {
    let (mut raw, b) = duplex(1);
    let mut ws = plain(Role::Server, b);
    let writing = spawn(async move {
        raw.write_all(&frame(0x83, b"x")).await.unwrap();
        let mut seen = Vec::new();
        raw.read_to_end(&mut seen).await.unwrap();
        seen
    });
    let error = loop {
        let mut read = pin!(ws.read());
        if let Poll::Ready(result) = poll_once(read.as_mut()) {
            break result.map(|event| event.is_none()).unwrap_err();
        }
        tokio::task::yield_now().await;
    };
    let want = ProtocolError::Peer(PeerError::UnknownOpCode(3));
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
    assert_eq!(with_timeout(writing).await.unwrap(), b"\x88\x02\x03\xea");
}

/// Large frames, read directly into the inbox, with others before, between and after them; every
/// pending future is dropped.
#[tokio::test]
async fn large_frames_arrive_intact() {
    let (mut raw, b) = duplex(100_000);
    let mut ws = plain(Role::Server, b);
    let big: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let want = big.clone();
    let writing = spawn(async move {
        for _ in 0..3 {
            raw.write_all(&frame(0x81, b"before")).await.unwrap();
            raw.write_all(&frame(0x02, &big[..1_000_000])).await.unwrap();
            raw.write_all(&frame(0x89, b"between")).await.unwrap();
            raw.write_all(&frame(0x80, &big[1_000_000..])).await.unwrap();
        }
        raw
    });
    let (mut texts, mut pings, mut bigs) = (0, 0, 0);
    while bigs < 3 {
        let polled = {
            let mut read = pin!(ws.read());
            match poll_once(read.as_mut()) {
                Poll::Ready(event) => {
                    match event.unwrap().unwrap().0 {
                        Event::Text("before") => texts += 1,
                        Event::Ping(b"between") => pings += 1,
                        Event::Binary(bytes) => {
                            assert!(bytes == want);
                            bigs += 1;
                        }
                        event => panic!("{event:?}"),
                    }
                    true
                }
                Poll::Pending => false,
            }
        };
        if !polled {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((texts, pings), (3, 3));
    writing.await.unwrap();
}

#[tokio::test]
async fn read_into_returns_text_split_inside_characters() {
    let (mut raw, b) = duplex(1 << 16);
    let config = preset(Role::Server).delivery(Delivery::Parts).build().unwrap();
    let mut ws = socket(Role::Server, b, &config);
    let text = "\u{20ac}\u{1f600}".repeat(20);
    let writing = spawn(async move {
        for (i, byte) in text.bytes().enumerate() {
            let last = i + 1 == text.len();
            let first = if i == 0 { 1 } else { 0 } | if last { 0x80 } else { 0 };
            raw.write_all(&frame(first, &[byte])).await.unwrap();
            tokio::task::yield_now().await;
        }
        (raw, text)
    });
    let (mut got, mut buffer) = (Vec::new(), [0; 2]);
    loop {
        // Dropped while it is pending, each time.
        let Ok(received) = timeout(Duration::from_millis(1), ws.read_into(&mut buffer)).await
        else {
            continue;
        };
        let received = received.unwrap().unwrap();
        got.extend_from_slice(&buffer[..received.len]);
        if received.end_of_message {
            break;
        }
    }
    assert_eq!(got, writing.await.unwrap().1.as_bytes());
}
