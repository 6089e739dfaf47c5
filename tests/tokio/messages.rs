//! The tokio adapter: lending reads, violations, back-pressure, cancellation, halves.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sansocket::config::Delivery;
use sansocket::connection::Negotiated;
use sansocket::error::{PeerError, ProtocolError, SendError, TimeoutError};
use sansocket::message::{Data, SendOptions};
use sansocket::tokio::WebSocket;
use sansocket::{CloseCode, Config, Connection, Entropy, Event, Message, Role, WebSocketError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

const SECONDS_10: Duration = Duration::from_secs(10);

fn config(role: Role) -> sansocket::config::ConfigBuilder {
    match role {
        Role::Server => Config::server(),
        Role::Client => Config::client(Entropy::os()),
    }
}

fn socket(role: Role, io: DuplexStream, config: &Config) -> WebSocket<DuplexStream> {
    let now = sansocket::Instant::now();
    WebSocket::from_connection(io, Connection::new(role, config, &Negotiated::new(), now), &[])
}

fn server(io: DuplexStream) -> WebSocket<DuplexStream> {
    socket(Role::Server, io, &config(Role::Server).build().unwrap())
}

fn client(io: DuplexStream) -> WebSocket<DuplexStream> {
    socket(Role::Client, io, &config(Role::Client).build().unwrap())
}

/// The loop that everybody writes.
async fn echo(mut ws: WebSocket<DuplexStream>) -> Result<(), WebSocketError> {
    while let Some((event, mut reply)) = ws.read().await? {
        match event {
            Event::Text(text) => reply.feed_text(text)?,
            Event::Binary(bytes) => reply.feed_binary(bytes)?,
            Event::Part { data, end, .. } => reply.feed_part(data, end, SendOptions::new())?,
            _ => {}
        }
    }
    Ok(())
}

/// A masked frame with a zero key, so that its payload reads as it is.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(len @ 0..=125) => frame.push(0x80 | len as u8),
        Ok(len) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test]
async fn echoes_and_closes_in_order() {
    let (a, b) = duplex(1 << 16);
    let served = tokio::spawn(echo(server(a)));
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
async fn v32_a_read_dropped_after_every_poll_loses_nothing() {
    for delivery in [Delivery::Whole, Delivery::Parts] {
        let (mut raw, b) = duplex(1 << 16);
        let config = config(Role::Server).delivery(delivery).build().unwrap();
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
            // Poll a fresh future each time, and drop it while it waits.
            loop {
                let mut read = pin!(ws.read());
                let polled = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
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

/// Every kind of violation, with the close code that tells of it.
fn violations() -> Vec<(&'static str, Vec<u8>, u16)> {
    let mut long_control = vec![0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0];
    long_control.extend_from_slice(&[0; 126]);
    vec![
        ("reserved bit", frame(0xc1, b"x"), 1002),
        ("reserved opcode", frame(0x83, b"x"), 1002),
        ("reserved control opcode", frame(0x8b, b"x"), 1002),
        ("unmasked", vec![0x81, 0x01, b'x'], 1002),
        ("fragmented control", frame(0x09, b"x"), 1002),
        ("long control", long_control, 1002),
        ("length not minimal", vec![0x82, 0x80 | 126, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4, 5], 1002),
        ("length of 2^63", vec![0x82, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),
        ("stray continuation", frame(0x80, b"x"), 1002),
        ("message in message", [frame(0x01, b"x"), frame(0x81, b"y")].concat(), 1002),
        ("bad text", frame(0x81, b"a\xffb"), 1007),
        ("close with one byte", frame(0x88, b"x"), 1002),
        ("close code 1005", frame(0x88, &1005_u16.to_be_bytes()), 1002),
        ("close reason no text", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("too long", frame(0x82, &[0; 1001]), 1009),
    ]
}

#[tokio::test]
async fn v34_after_every_violation_the_peer_sees_the_close_frame_then_the_end() {
    for split in [false, true] {
        for (name, bytes, code) in violations() {
            let (mut raw, b) = duplex(1 << 16);
            let config = config(Role::Server).max_message_len(1000).build().unwrap();
            let ws = socket(Role::Server, b, &config);
            let served = tokio::spawn(async move {
                if !split {
                    return echo(ws).await;
                }
                let (mut reader, _) = ws.split();
                while reader.read().await?.is_some() {}
                Ok(())
            });
            raw.write_all(&frame(0x82, b"before")).await.unwrap();
            raw.write_all(&bytes).await.unwrap();
            // More than anybody reads: the adapter drains it.
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
    let (mut raw, b) = duplex(1 << 16);
    let config = config(Role::Server).linger_timeout(Duration::from_millis(100)).build().unwrap();
    let served = tokio::spawn(echo(socket(Role::Server, b, &config)));
    raw.write_all(&frame(0x83, b"x")).await.unwrap();
    // The peer never ends.
    let result = timeout(SECONDS_10, served).await.unwrap().unwrap();
    let error = ProtocolError::Peer(PeerError::UnknownOpCode(3));
    assert!(matches!(result, Err(WebSocketError::Protocol(e)) if e == error), "{result:?}");
}

#[tokio::test]
async fn v37_what_comes_before_a_close_frame_is_answered_before_it() {
    let (mut raw, b) = duplex(1 << 16);
    let served = tokio::spawn(echo(server(b)));
    let bytes = [frame(0x81, b"one"), frame(0x82, b"two"), frame(0x88, b"\x03\xe9bye")].concat();
    raw.write_all(&bytes).await.unwrap();
    let mut seen = Vec::new();
    timeout(SECONDS_10, raw.read_to_end(&mut seen)).await.unwrap().unwrap();
    assert_eq!(seen, b"\x81\x03one\x82\x03two\x88\x05\x03\xe9bye");
    drop(raw);
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn v36_a_peer_that_floods_and_never_reads_stops_the_reading() {
    let (raw, b) = duplex(1 << 16);
    let config = config(Role::Server).build().unwrap();
    let ws = socket(Role::Server, b, &config);
    let served = tokio::spawn(echo(ws));
    let (mut from, mut to) = tokio::io::split(raw);
    let message = frame(0x82, &[7; 1000]);
    let count = 20_000;
    let flood = tokio::spawn(async move {
        for _ in 0..count {
            to.write_all(&message).await.unwrap();
        }
        to
    });
    // It gets no further than the buffers on the way: two pipes, the mark, one read.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!flood.is_finished());
    // Once the peer reads, nothing is missing.
    let mut echoed = vec![0; count * 1004];
    timeout(SECONDS_10, from.read_exact(&mut echoed)).await.unwrap().unwrap();
    assert!(echoed.chunks(1004).all(|m| m[..4] == [0x82, 126, 3, 232] && m[4..] == [7; 1000]));
    let mut to = flood.await.unwrap();
    to.write_all(&frame(0x88, b"")).await.unwrap();
    let mut rest = Vec::new();
    from.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0x88, 0]);
    drop((from, to));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_answers_while_it_receives_is_read_from_while_we_write() {
    // Far more than the buffers between and both marks together.
    let (a, b) = duplex(1 << 12);
    let config = config(Role::Server).delivery(Delivery::Parts).build().unwrap();
    let served = tokio::spawn(echo(socket(Role::Server, a, &config)));
    let mut ws = client(b);
    let message = vec![7; 4 << 20];
    ws.feed_binary(&message).unwrap();
    let (event, _) = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap().unwrap();
    assert_eq!(event, Event::Binary(&message));
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn s17_a_connection_dropped_early_is_seen_at_the_other_end() {
    let (a, b) = duplex(1 << 16);
    let mut ws = client(b);
    drop(server(a));
    let error = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap_err();
    let want = ProtocolError::Peer(PeerError::ClosedWithoutHandshake);
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
    assert_eq!(ws.connection().close_status().unwrap().code, CloseCode::ABNORMAL);

    // The same when the reader of a split one goes, with senders left.
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
    let served = tokio::spawn(async move {
        let (mut reader, sender) = server(a).split();
        let background = tokio::spawn(async move {
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
async fn senders_wait_for_room_and_a_close_wakes_them() {
    let (mut raw, b) = duplex(64);
    let config = config(Role::Server).max_unsent(100).build().unwrap();
    let (mut reader, sender) = socket(Role::Server, b, &config).split();
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let sender = sender.clone();
            tokio::spawn(async move {
                loop {
                    sender.send_binary(&[0; 50]).await?;
                }
            })
        })
        .collect::<Vec<tokio::task::JoinHandle<Result<(), WebSocketError>>>>();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    raw.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = reader.read().await {} });
    // Those that have fed wait for their bytes, the others learn of the end at once.
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

#[tokio::test]
async fn s24_read_into_a_small_buffer_has_the_end_of_message() {
    for delivery in [Delivery::Whole, Delivery::Parts] {
        let (mut raw, b) = duplex(1 << 16);
        let config = config(Role::Server).delivery(delivery).build().unwrap();
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
    let served = tokio::spawn(echo(server(a)));
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
async fn s27_a_vanished_peer_is_noticed_and_a_slow_one_is_not() {
    let short = Duration::from_millis(50);
    let config = config(Role::Server).keep_alive(Some(short), Some(2 * short)).build().unwrap();
    // Vanished: nothing comes, nothing is read.
    let (_raw, b) = duplex(1 << 16);
    let mut ws = socket(Role::Server, b, &config);
    let error = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap_err();
    let want = ProtocolError::Timeout(TimeoutError::KeepAlive);
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
    // Vanished with output that doesn't move: the keep-alive timeout counts for writes too.
    let want = ProtocolError::Timeout(TimeoutError::Write);
    let (_raw, b) = duplex(64);
    let mut ws = socket(Role::Server, b, &config);
    ws.feed_binary(&[0; 100_000]).unwrap();
    let error = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap_err();
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
    // Slow: takes much longer than the timeout for what lies before the ping, but takes it.
    let (mut raw, b) = duplex(64);
    let mut ws = socket(Role::Server, b, &config);
    ws.feed_binary(&[0; 2000]).unwrap();
    let reading = tokio::spawn(async move { ws.read().await.map(|event| event.is_none()) });
    let mut seen = vec![0; 2004];
    for byte in seen.chunks_mut(100) {
        tokio::time::sleep(Duration::from_millis(30)).await;
        raw.read_exact(byte).await.unwrap();
    }
    let mut ping = [0; 10];
    raw.read_exact(&mut ping).await.unwrap();
    assert_eq!(ping, *b"\x89\x08\0\0\0\0\0\0\0\x01");
    raw.write_all(&frame(0x8a, &ping[2..])).await.unwrap();
    // The pong is an event.
    assert!(!timeout(SECONDS_10, reading).await.unwrap().unwrap().unwrap());
}

#[tokio::test]
async fn into_inner_keeps_what_is_unread_and_unsent() {
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
async fn try_read_drains_what_is_at_hand() {
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
