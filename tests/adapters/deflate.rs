//! permessage-deflate through the adapters: pending parts without further input, reads into a
//! buffer, owned messages, halves.

use core::time::Duration;
use std::net::{TcpListener, TcpStream};

use futures_util::{SinkExt, StreamExt};
use sansocket::config::Delivery;
use sansocket::message::{Compress, Data, MessageKind, SendOptions};
use sansocket::{CloseCode, Config, Connection, Event, Instant, Message, Role};

use crate::common::deflate::Terms;
use crate::common::preset;
use crate::common::tasks::spawn;
use crate::common::thread;

const SECONDS_10: Duration = Duration::from_secs(10);

fn connection(role: Role, delivery: Delivery) -> Connection {
    let config = preset(role).delivery(delivery).build().unwrap();
    Connection::new(role, &config, &Terms::default().negotiated(role), Instant::now())
}

/// Text with a much shorter compressed form.
fn long_text(n: usize) -> String {
    (0..n).map(|i| format!("line {} of a text that says the same again\n", i / 100)).collect()
}

mod on_tokio {
    use sansocket::tokio::WebSocket;
    use tokio::io::{DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;

    fn pair(delivery: Delivery) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
        let (a, b) = duplex(1 << 20);
        (
            WebSocket::from_connection(a, connection(Role::Client, delivery), &[]),
            WebSocket::from_connection(b, connection(Role::Server, delivery), &[]),
        )
    }

    #[tokio::test]
    async fn inflated_parts_need_no_further_input() {
        let (mut client, mut server) = pair(Delivery::Parts);
        for text in [long_text(30_000), long_text(10), long_text(30_000)] {
            client.feed_text(&text).unwrap();
            client.flush().await.unwrap();
            let (mut all, mut parts) = (String::new(), 0);
            loop {
                // No further input arrives: a pending part must not need it.
                let (event, mut reply) =
                    timeout(SECONDS_10, server.read()).await.unwrap().unwrap().unwrap();
                let Event::Part { data: Data::Text(part), start, end } = event else {
                    panic!("{event:?}");
                };
                assert!(part.len() <= 16 << 10);
                assert_eq!(start, parts == 0);
                all.push_str(part);
                parts += 1;
                let echo = Data::Text(part);
                reply.feed_part(echo, end, SendOptions::new()).unwrap();
                if end {
                    break;
                }
            }
            assert!(all == text);
            server.flush().await.unwrap();
            let mut echoed = String::new();
            loop {
                let (event, _) =
                    timeout(SECONDS_10, client.read()).await.unwrap().unwrap().unwrap();
                let Event::Part { data: Data::Text(part), end, .. } = event else {
                    panic!("{event:?}");
                };
                echoed.push_str(part);
                if end {
                    break;
                }
            }
            assert!(echoed == text);
        }
    }

    #[tokio::test]
    async fn messages_are_read_into_a_buffer() {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let (mut client, mut server) = pair(delivery);
            let text = long_text(3000);
            client.feed_text(&text).unwrap();
            client.flush().await.unwrap();
            let (mut all, mut buffer) = (Vec::new(), vec![0; 1000]);
            loop {
                let read = timeout(SECONDS_10, server.read_into(&mut buffer));
                let received = read.await.unwrap().unwrap().unwrap();
                assert_eq!(received.kind, MessageKind::Text);
                all.extend_from_slice(&buffer[..received.len]);
                if received.end_of_message {
                    break;
                }
            }
            assert!(all == text.as_bytes());
        }
    }

    #[tokio::test]
    async fn owned_messages_and_halves() {
        let (client, server) = pair(Delivery::Whole);
        let mut client = client.into_messages();
        let (mut reader, sender) = server.split();
        let echo = spawn(async move {
            while let Some((event, _)) = reader.read().await.unwrap() {
                match event {
                    Event::Text(text) => {
                        let never = SendOptions::new().compress(Compress::Never);
                        sender.send(Data::Text(text), never).await.unwrap();
                    }
                    Event::Binary(bytes) => sender.send_binary(bytes).await.unwrap(),
                    _ => {}
                }
            }
        });
        for i in 0..20 {
            for message in [
                Message::Text(long_text(i * 50).into()),
                Message::Binary(long_text(i).into_bytes().into()),
            ] {
                client.send(message.clone()).await.unwrap();
                let back = timeout(SECONDS_10, client.next()).await.unwrap().unwrap().unwrap();
                assert_eq!(back, message);
            }
        }
        // The send options are a setting of the sink.
        let text = long_text(50);
        client.set_send_options(SendOptions::new().compress(Compress::Never));
        client.send(Message::Text(text.clone().into())).await.unwrap();
        let back = timeout(SECONDS_10, client.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(back, Message::Text(text.clone().into()));
        assert!(client.connection().deflate().is_some());
        client.close().await.unwrap();
        timeout(SECONDS_10, echo).await.unwrap().unwrap();
    }
}

mod on_threads {
    use sansocket::blocking::WebSocket;

    use super::*;

    fn pair(delivery: Delivery) -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (b, _) = listener.accept().unwrap();
        for stream in [&a, &b] {
            stream.set_read_timeout(Some(SECONDS_10)).unwrap();
        }
        (
            WebSocket::from_connection(a, connection(Role::Client, delivery), &[]),
            WebSocket::from_connection(b, connection(Role::Server, delivery), &[]),
        )
    }

    #[test]
    fn inflated_parts_and_buffers() {
        let (mut client, mut server) = pair(Delivery::Parts);
        let texts = [long_text(30_000), long_text(10), long_text(30_000)];
        let expected = texts.clone();
        let sender = thread::spawn(move || {
            for text in texts {
                client.feed_text(&text).unwrap();
                client.flush().unwrap();
            }
            client.close(CloseCode::NORMAL, "").unwrap();
        });
        let mut buffer = vec![0; 5000];
        for text in expected {
            let mut all = Vec::new();
            loop {
                let received = server.read_into(&mut buffer).unwrap().unwrap();
                all.extend_from_slice(&buffer[..received.len]);
                if received.end_of_message {
                    break;
                }
            }
            assert!(all == text.as_bytes());
        }
        assert!(server.read_into(&mut buffer).unwrap().is_none());
        sender.join().unwrap();
    }

    #[test]
    fn send_options_are_settings_of_the_sink() {
        let (mut client, server) = pair(Delivery::Whole);
        client.enable_stats();
        let mut messages = server.into_messages();
        let text = long_text(50);
        for (compress, shorter) in [(Compress::Auto, true), (Compress::Never, false)] {
            messages.set_send_options(SendOptions::new().compress(compress));
            messages.send(Message::Text(text.clone().into())).unwrap();
            messages.flush().unwrap();
            let before = client.connection().stats().unwrap();
            assert!(client.read().unwrap().unwrap().0 == Event::Text(&text));
            let after = client.connection().stats().unwrap();
            let wire_bytes = after.wire_bytes_received - before.wire_bytes_received;
            assert_eq!(wire_bytes < text.len() as u64, shorter);
        }
    }

    #[test]
    fn complete_messages_are_echoed() {
        let (mut client, mut server) = pair(Delivery::Whole);
        let echo = thread::spawn(move || {
            while let Some((event, mut reply)) = server.read().unwrap() {
                match event {
                    Event::Text(text) => reply.feed_text(text).unwrap(),
                    Event::Binary(bytes) => reply.feed_binary(bytes).unwrap(),
                    _ => {}
                }
            }
        });
        for i in 0..50 {
            let text = long_text(i * i);
            client.feed_text(&text).unwrap();
            client.flush().unwrap();
            let (event, _) = client.read().unwrap().unwrap();
            assert!(event == Event::Text(&text));
        }
        client.close(CloseCode::NORMAL, "").unwrap();
        echo.join().unwrap();
    }
}

/// Unfinished compressed messages in a socket that is split into parts: at every byte, with the
/// remaining window.
mod taken_apart {
    use core::task::Poll;
    use std::io::Write;

    use crate::common::Frame;
    use crate::common::deflate::{Foreign, compressed};
    use sansocket::{blocking, tokio as on_tokio};
    use tokio::io::AsyncWriteExt;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Three messages with much common text, the second one in fragments.
    fn texts() -> [String; 3] {
        [1, 2, 3].map(|n| {
            format!("text {n} says the same again, and again: text {n} says the same again")
        })
    }

    fn connection(takeover: bool) -> Connection {
        let negotiated = Terms::default().takeover(takeover).negotiated(Role::Server);
        Connection::new(
            Role::Server,
            &Config::server().build().unwrap(),
            &negotiated,
            Instant::now(),
        )
    }

    fn wire(takeover: bool) -> Vec<u8> {
        let mut foreign = Foreign::new();
        let mut wire = Vec::new();
        for (n, text) in texts().iter().enumerate() {
            if !takeover {
                foreign = Foreign::new();
            }
            let payload = foreign.payload(text.as_bytes());
            let frames = if n == 1 {
                let (begin, end) = payload.split_at(payload.len() / 2);
                vec![compressed(1, begin).not_fin(), Frame::cont(end)]
            } else {
                vec![compressed(1, payload)]
            };
            wire.extend(frames.into_iter().flat_map(|frame| frame.to(Role::Server).bytes()));
        }
        wire
    }

    #[tokio::test(start_paused = true)]
    async fn split_at_every_byte_on_tokio() {
        for takeover in [true, false] {
            let (io, mut peer) = tokio::io::duplex(1 << 16);
            let mut ws = on_tokio::WebSocket::from_connection(io, connection(takeover), &[]);
            let mut seen = Vec::new();
            for byte in wire(takeover) {
                peer.write_all(&[byte]).await.unwrap();
                if let Ok(event) = tokio::time::timeout(MS, ws.read()).await {
                    let Some((Event::Text(text), _)) = event.unwrap() else { panic!() };
                    seen.push(text.to_string());
                }
                ws = on_tokio::WebSocket::resume(ws.into_inner());
            }
            assert_eq!(seen, texts(), "takeover: {takeover}");
        }
    }

    #[test]
    fn split_at_every_byte_on_threads() {
        for takeover in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            peer.set_nodelay(true).unwrap();
            let (io, _) = listener.accept().unwrap();
            let mut ws = blocking::WebSocket::from_connection(io, connection(takeover), &[]);
            let mut seen = Vec::new();
            for byte in wire(takeover) {
                peer.write_all(&[byte]).unwrap();
                // Normally long enough for one byte; if not, the next turn reads it.
                if let Poll::Ready(event) = ws.read_timeout(MS).unwrap() {
                    let Some((Event::Text(text), _)) = event else { panic!() };
                    seen.push(text.to_string());
                }
                ws = blocking::WebSocket::resume(ws.into_inner());
            }
            while seen.len() < texts().len() {
                let Some((Event::Text(text), _)) = ws.read().unwrap() else { panic!() };
                seen.push(text.to_string());
            }
            assert_eq!(seen, texts(), "takeover: {takeover}");
        }
    }
}
