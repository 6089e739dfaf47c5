//! Each violation: the peer receives the Close frame, then the end.

use core::time::Duration;

use futures_util::StreamExt;
use sansocket::error::{PeerError, ProtocolError};
use sansocket::{Event, Message, Role, WebSocketError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use crate::common::frame::frame;
use crate::common::preset;
use crate::common::tasks::spawn;
use crate::common::violations::violations;
use crate::tokio::support::{SECONDS_10, echo, server, socket};

#[tokio::test]
async fn v34_after_every_violation_the_peer_receives_the_close_frame_then_the_end() {
    for split in [false, true] {
        for (name, bytes, code) in violations() {
            let (mut raw, b) = duplex(1 << 16);
            let config = preset(Role::Server).max_message_len(1000).build().unwrap();
            let ws = socket(Role::Server, b, &config);
            let served = spawn(async move {
                if !split {
                    return echo(ws).await;
                }
                let (mut reader, _) = ws.split();
                while reader.read().await?.is_some() {}
                Ok(())
            });
            raw.write_all(&frame(0x82, b"before")).await.unwrap();
            raw.write_all(&bytes).await.unwrap();
            // More than any code reads: the adapter drains it.
            raw.write_all(&[0; 1000]).await.unwrap();
            let mut seen = Vec::new();
            timeout(SECONDS_10, raw.read_to_end(&mut seen)).await.unwrap().unwrap();
            let close = [&[0x88, 2][..], &u16::to_be_bytes(code)].concat();
            assert!(seen.ends_with(&close), "{name}: {seen:x?}");
            if !split {
                assert!(seen.starts_with(b"\x82\x06before"), "{name}: {seen:x?}");
            }
            drop(raw);
            let result = timeout(SECONDS_10, served).await.unwrap().unwrap();
            assert!(matches!(result, Err(WebSocketError::Protocol(_))), "{name}: {result:?}");
        }
    }
}

#[tokio::test]
async fn v34_the_drain_ends_after_the_linger_timeout() {
    let config = preset(Role::Server).linger_timeout(Duration::from_millis(100)).build().unwrap();
    // A violation in a header, and one in a payload, which is found while the event is received.
    for (bytes, error) in [
        (frame(0x83, b"x"), PeerError::UnknownOpCode(3)),
        (frame(0x81, b"\xff"), PeerError::InvalidUtf8),
    ] {
        for split in [false, true] {
            let (mut raw, b) = duplex(1 << 16);
            let ws = socket(Role::Server, b, &config);
            let served = spawn(async move {
                if !split {
                    return echo(ws).await;
                }
                let (mut reader, _sender) = ws.split();
                reader.read().await.map(drop)
            });
            raw.write_all(&bytes).await.unwrap();
            // The peer never ends its output.
            let result = timeout(SECONDS_10, served).await.unwrap().unwrap();
            let error = ProtocolError::Peer(error);
            assert!(matches!(result, Err(WebSocketError::Protocol(e)) if e == error), "{result:?}");
        }
    }
}

#[tokio::test]
async fn v37_messages_before_a_close_frame_are_answered_before_it() {
    let (mut raw, b) = duplex(1 << 16);
    let served = spawn(echo(server(b)));
    let bytes = [frame(0x81, b"one"), frame(0x82, b"two"), frame(0x88, b"\x03\xe9bye")].concat();
    raw.write_all(&bytes).await.unwrap();
    let mut seen = Vec::new();
    timeout(SECONDS_10, raw.read_to_end(&mut seen)).await.unwrap().unwrap();
    assert_eq!(seen, b"\x81\x03one\x82\x03two\x88\x05\x03\xe9bye");
    drop(raw);
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_reply_to_a_close_frame_is_sent_before_the_event() {
    for way in ["read", "Reader::read", "Stream::next"] {
        let (mut raw, b) = duplex(100);
        raw.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
        let mut answer = [0; 4];
        let mut ws = server(b);
        match way {
            "read" => {
                let (event, _) = ws.read().await.unwrap().unwrap();
                assert!(matches!(event, Event::Close(Some(_))));
                timeout(SECONDS_10, raw.read_exact(&mut answer)).await.unwrap().unwrap();
            }
            "Reader::read" => {
                let (mut reader, _sender) = ws.split();
                let (event, _) = reader.read().await.unwrap().unwrap();
                assert!(matches!(event, Event::Close(Some(_))));
                timeout(SECONDS_10, raw.read_exact(&mut answer)).await.unwrap().unwrap();
            }
            _ => {
                let mut messages = ws.into_messages();
                assert!(matches!(messages.next().await, Some(Ok(Message::Close(Some(_))))));
                timeout(SECONDS_10, raw.read_exact(&mut answer)).await.unwrap().unwrap();
            }
        }
        assert_eq!(&answer, b"\x88\x02\x03\xe8", "{way}");
    }
}
