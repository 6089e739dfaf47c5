//! The end of a connection on tokio: no bytes in transit are lost, and no call waits without a
//! limit.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sansocket::config::ConfigBuilder;
use sansocket::connection::Negotiated;
use sansocket::error::{PeerError, ProtocolError, SendError, TimeoutError};
use sansocket::message::OwnedCloseFrame;
use sansocket::tokio::WebSocket;
use sansocket::{CloseCode, Connection, Event, Message, Role, WebSocketError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use crate::common::preset;
use crate::common::secs;
use crate::common::tasks::spawn;

fn open(preset: ConfigBuilder, role: Role, io: DuplexStream) -> WebSocket<DuplexStream> {
    let now = Instant::now().into_std().into();
    let connection = Connection::new(role, &preset.build().unwrap(), &Negotiated::new(), now);
    WebSocket::from_connection(io, connection, &[])
}

fn server(io: DuplexStream) -> WebSocket<DuplexStream> {
    open(preset(Role::Server), Role::Server, io)
}

fn client(io: DuplexStream) -> WebSocket<DuplexStream> {
    open(preset(Role::Client), Role::Client, io)
}

/// Close frames with code 1000.
const CLIENT_CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
const SERVER_CLOSE: [u8; 4] = [0x88, 0x02, 0x03, 0xe8];

/// Reads 1,000 bytes every 10 ms, that is 100 KB/s, and answers a Close frame.
async fn slow_peer(mut peer: DuplexStream, closes_first: bool) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 1000];
    let mut closed = closes_first;
    if closes_first {
        peer.write_all(&CLIENT_CLOSE).await.unwrap();
    }
    loop {
        sleep(Duration::from_millis(10)).await;
        match peer.read(&mut buffer).await {
            Ok(n) if n > 0 => all.extend(&buffer[..n]),
            _ => return all,
        }
        if !closed && all.ends_with(&SERVER_CLOSE) {
            closed = true;
            peer.write_all(&CLIENT_CLOSE).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn close_sends_a_slow_peer_all_output_and_the_close_frame() {
    let (io, peer) = duplex(4096);
    let peer = spawn(slow_peer(peer, false));
    let mut ws = server(io);
    ws.feed_binary(&vec![7; 1_000_000]).unwrap();
    let status = ws.close(CloseCode::NORMAL, "").await.unwrap();
    assert!(status.clean);
    let all = peer.await.unwrap();
    assert_eq!(all.len(), 10 + 1_000_000 + 4);
    assert!(all.ends_with(&SERVER_CLOSE));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closes_first_gets_all_output_and_the_close_frame() {
    for (len, count, frame) in [(1_000_000, 1, 1_000_010), (1000, 1000, 1004)] {
        for split in [false, true] {
            let (io, peer) = duplex(4096);
            let peer = spawn(slow_peer(peer, true));
            let mut ws = open(preset(Role::Server).max_unsent(2 << 20), Role::Server, io);
            for _ in 0..count {
                ws.feed_binary(&vec![7; len]).unwrap();
            }
            if split {
                let (mut reader, _sender) = ws.split();
                while reader.read().await.unwrap().is_some() {}
            } else {
                while ws.read().await.unwrap().is_some() {}
            }
            let all = peer.await.unwrap();
            assert_eq!(all.len(), frame * count + 4, "split: {split}");
            assert!(all.ends_with(&SERVER_CLOSE));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickle_reader_times_out() {
    let (io, mut peer) = duplex(64);
    spawn(async move {
        // 100 bytes in each close timeout.
        while peer.read(&mut [0; 10]).await.is_ok_and(|n| n > 0) {
            sleep(Duration::from_millis(500)).await;
        }
    });
    let mut ws = server(io);
    ws.feed_binary(&[7; 100_000]).unwrap();
    let start = Instant::now();
    let error = timeout(secs(3600), ws.close(CloseCode::NORMAL, "")).await.unwrap().unwrap_err();
    let unsent: ProtocolError = TimeoutError::CloseUnsent.into();
    assert!(matches!(error, WebSocketError::Protocol(error) if error == unsent), "{error}");
    assert!(start.elapsed() < secs(10), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_a_long_frame_is_not_timed_out() {
    let (io, mut peer) = duplex(4096);
    let half = Duration::from_millis(500);
    let mut ws = open(preset(Role::Server).keep_alive(Some(half), Some(half)), Role::Server, io);
    spawn(async move {
        // Silent until our ping has arrived.
        peer.read_exact(&mut [0; 10]).await.unwrap();
        // One frame of 600 KB at 300 KB/s, and only then the pong.
        peer.write_all(&[0x82, 0xff]).await.unwrap();
        peer.write_all(&600_000_u64.to_be_bytes()).await.unwrap();
        peer.write_all(&[0; 4]).await.unwrap();
        for _ in 0..200 {
            sleep(Duration::from_millis(10)).await;
            peer.write_all(&[0; 3000]).await.unwrap();
        }
        peer.write_all(&[&[0x8a, 0x88, 0, 0, 0, 0][..], &1_u64.to_be_bytes()].concat())
            .await
            .unwrap();
        sleep(secs(1)).await;
    });
    let event = ws.read().await.unwrap();
    assert!(matches!(event, Some((Event::Binary(bytes), _)) if bytes.len() == 600_000));
    assert!(matches!(ws.read().await.unwrap(), Some((Event::Pong(_), _))));
}

/// The peer answers "go" with 100 messages, then a Close frame.
async fn answer_go(io: DuplexStream) {
    let mut ws = client(io);
    let Ok(Some((Event::Text("go"), _))) = ws.read().await else { panic!() };
    for i in 0..100 {
        sleep(Duration::from_millis(1)).await;
        ws.send_text(&format!("message {i}")).await.unwrap();
    }
    ws.close(CloseCode::NORMAL, "done").await.unwrap();
}

fn is_message(message: &Message, i: usize) -> bool {
    matches!(message, Message::Text(text) if text.as_str() == format!("message {i}"))
}

#[tokio::test(start_paused = true)]
async fn closing_the_sink_keeps_messages_in_transit() {
    for capacity in [10, 64, 64 << 10] {
        let (io, peer) = duplex(capacity);
        spawn(answer_go(peer));
        let (mut sink, mut stream) = server(io).into_messages().split();
        sink.send(Message::Text("go".into())).await.unwrap();
        sink.close().await.unwrap();
        for i in 0..100 {
            let message = stream.next().await.unwrap().unwrap();
            assert!(is_message(&message, i), "{message:?}");
        }
        let last = stream.next().await.unwrap().unwrap();
        assert!(matches!(last, Message::Close(Some(_))), "{last:?}");
        assert!(stream.next().await.is_none());
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn forward_keeps_messages_in_transit() {
    let (io, peer) = duplex(4096);
    spawn(answer_go(peer));
    let (sink, mut stream) = server(io).into_messages().split();
    // `forward` closes the sink when its source has ended.
    let source = futures_util::stream::iter([Ok(Message::Text("go".into()))]);
    source.forward(sink).await.unwrap();
    let mut count = 0;
    while let Some(message) = stream.next().await {
        if let Message::Text(_) = message.unwrap() {
            count += 1;
        }
    }
    assert_eq!(count, 100);
}

#[tokio::test(start_paused = true)]
async fn forward_sends_the_close_frame_of_the_peer_back() {
    let (io, peer) = duplex(4096);
    let (sink, stream) = server(io).into_messages().split();
    let echo = spawn(stream.forward(sink));
    let mut ws = client(peer);
    ws.send_text("hello").await.unwrap();
    assert!(matches!(ws.read().await, Ok(Some((Event::Text("hello"), _)))));
    let status = ws.close(CloseCode::GOING_AWAY, "bye").await.unwrap();
    assert_eq!((status.code, status.by, status.clean), (CloseCode::GOING_AWAY, Role::Client, true));
    echo.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_sink_stops_reading_with_a_mark_of_kept_messages_then_discards() {
    let (io, peer) = duplex(4096);
    let peer = spawn(async move {
        let mut ws = client(peer);
        // Each message is as long as the mark.
        for _ in 0..10 {
            ws.send_binary(&[7; 1000]).await.unwrap();
        }
        ws.close(CloseCode::NORMAL, "").await.map(|status| status.clean)
    });
    let preset = preset(Role::Server).high_water_mark(1000);
    let (mut sink, mut stream) = open(preset, Role::Server, io).into_messages().split();
    let start = Instant::now();
    // The stream is not polled.
    sink.close().await.unwrap();
    assert!((secs(5)..secs(7)).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert!(peer.await.unwrap().unwrap());
    let mut kept = 0;
    let closed = loop {
        match stream.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => assert_eq!(bytes.len(), 1000),
            message => break message,
        }
        kept += 1;
    };
    assert!((1..5).contains(&kept), "{kept}");
    // The Close frame is the last message, even after discarded ones.
    assert!(matches!(closed, Message::Close(Some(_))));
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn sinks_take_control_frames() {
    let (io, peer) = duplex(4096);
    let mut messages = server(io).into_messages();
    let mut ws = client(peer);
    messages.send(Message::Ping("a"[..].as_bytes().to_vec().into())).await.unwrap();
    messages.send(Message::Pong("b"[..].as_bytes().to_vec().into())).await.unwrap();
    let frame = OwnedCloseFrame { code: CloseCode::from(4000), reason: "enough".into() };
    messages.send(Message::Close(Some(frame))).await.unwrap();
    assert!(matches!(ws.read().await, Ok(Some((Event::Ping(b"a"), _)))));
    assert!(matches!(ws.read().await, Ok(Some((Event::Pong(b"b"), _)))));
    let Ok(Some((Event::Close(Some(close)), _))) = ws.read().await else { panic!() };
    assert_eq!((close.code.value(), close.reason), (4000, "enough"));
    // The client's reply, and the pong for the ping before it.
    assert!(matches!(messages.next().await, Some(Ok(Message::Pong(_)))));
    assert!(matches!(messages.next().await, Some(Ok(Message::Close(Some(_))))));
}

#[tokio::test(start_paused = true)]
async fn a_sent_message_arrives_although_the_socket_is_dropped() {
    let (io, mut peer) = duplex(64 << 10);
    let mut ws = server(io);
    ws.send_text("hello").await.unwrap();
    drop(ws);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"\x81\x05hello");
}

#[tokio::test(start_paused = true)]
async fn a_send_returns_when_the_transport_has_accepted_it() {
    let (io, mut peer) = duplex(4096);
    // The peer reads 1,000 bytes every 10 ms.
    let start = Instant::now();
    spawn(async move {
        let mut buffer = [0; 1000];
        while peer.read(&mut buffer).await.is_ok_and(|n| n > 0) {
            sleep(Duration::from_millis(10)).await;
        }
    });
    // The reader is not polled.
    let (_reader, sender) = server(io).split();
    sender.send_binary(&[7; 60_000]).await.unwrap();
    assert_eq!(sender.unsent(), 0);
    // All bytes except for the capacity of the transport, and not later.
    let taken = Duration::from_millis(550)..Duration::from_millis(600);
    assert!(taken.contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_peer_gets_the_replies_and_a_close_frame() {
    for split in [false, true] {
        let (io, peer) = duplex(4096);
        let (mut input, mut output) = tokio::io::split(peer);
        output.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
        output.shutdown().await.unwrap();
        let mut ws = server(io);
        let error = if split {
            let (mut reader, _sender) = ws.split();
            loop {
                match reader.read().await {
                    Ok(Some((Event::Text(text), mut reply))) => reply.feed_text(text).unwrap(),
                    Ok(_) => panic!(),
                    Err(error) => break error,
                }
            }
        } else {
            loop {
                match ws.read().await {
                    Ok(Some((Event::Text(text), mut reply))) => reply.feed_text(text).unwrap(),
                    Ok(_) => panic!(),
                    Err(error) => break error,
                }
            }
        };
        let lost: ProtocolError = PeerError::ClosedWithoutHandshake.into();
        assert!(matches!(error, WebSocketError::Protocol(error) if error == lost), "{error}");
        let mut all = Vec::new();
        input.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"\x81\x02hi\x88\x02\x03\xea");
    }
}

#[tokio::test(start_paused = true)]
async fn both_ends_of_a_closing_handshake_report_code_reason_and_side() {
    let (io, peer) = duplex(4096);
    let peer = spawn(async move {
        let mut ws = client(peer);
        assert!(matches!(ws.read().await, Ok(Some((Event::Close(_), _)))));
        assert!(ws.read().await.unwrap().is_none());
        ws.close_status().unwrap()
    });
    let mut ws = server(io);
    let status = ws.close(CloseCode::NORMAL, "enough").await.unwrap();
    let theirs = peer.await.unwrap();
    assert_eq!(
        (theirs.code, theirs.reason.as_str(), theirs.by),
        (CloseCode::NORMAL, "enough", Role::Server)
    );
    // The peer's reply has the same code and reason.
    assert_eq!((status.code, status.by, status.clean), (CloseCode::NORMAL, Role::Server, true));

    let (io, peer) = duplex(4096);
    let mut peer = client(peer);
    let (mut reader, sender) = server(io).split();
    peer.close_output(CloseCode::GOING_AWAY, "moving").unwrap();
    spawn(async move { while let Ok(Some(_)) = peer.read().await {} });
    while reader.read().await.unwrap().is_some() {}
    for status in [reader.close_status().unwrap(), sender.closed().await.unwrap()] {
        let seen = (status.code, status.reason.as_str(), status.by, status.clean);
        assert_eq!(seen, (CloseCode::GOING_AWAY, "moving", Role::Client, true));
    }
}

#[tokio::test(start_paused = true)]
async fn senders_see_the_end_and_can_close_and_abort() {
    // The reader is dropped: this end ends the connection, without a Close frame.
    let (io, _peer) = duplex(4096);
    let (reader, sender) = server(io).split();
    let waiting = spawn({
        let sender = sender.clone();
        async move { sender.send_binary(&[7; 100_000]).await }
    });
    let closed = spawn({
        let sender = sender.clone();
        async move { sender.closed().await }
    });
    tokio::task::yield_now().await;
    drop(reader);
    assert!(waiting.await.unwrap().is_err());
    let status = closed.await.unwrap().unwrap();
    assert_eq!((status.code, status.by), (CloseCode::ABNORMAL, Role::Server));
    assert_eq!(sender.feed_text("late"), Err(SendError::Closed));

    // A sender aborts: the transport is dropped at once.
    let (io, mut peer) = duplex(4096);
    let (mut reader, sender) = server(io).split();
    let reading = spawn(async move { reader.read().await.map(|_| ()) });
    tokio::task::yield_now().await;
    sender.abort();
    assert_eq!(peer.read(&mut [0; 10]).await.unwrap(), 0);
    let error = reading.await.unwrap().unwrap_err();
    assert!(matches!(error, WebSocketError::Protocol(ProtocolError::Aborted)), "{error}");
    assert_eq!(sender.with_ref(|_| ()), None);
}

/// With and without polls of the reader, the wait includes pending output, and is limited by the
/// timeout for a peer that does not read.
#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_for_the_end_waits_for_pending_output() {
    for (reads_on, takes) in [(true, true), (false, true), (true, false), (false, false)] {
        let (io, mut peer) = duplex(4096);
        let (mut reader, sender) = server(io).split();
        sender.feed_binary(&[7; 100_000]).unwrap();
        peer.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
        assert!(matches!(reader.read().await, Ok(Some((Event::Close(_), _)))));
        let reading = spawn(async move {
            if !reads_on {
                sleep(secs(3600)).await;
            }
            reader.read().await.map(|_| ())
        });
        let mut closed = core::pin::pin!(sender.closed());
        assert!(timeout(secs(1), &mut closed).await.is_err());
        let start = Instant::now();
        if takes {
            let mut all = vec![0; 100_012];
            let (status, read) = tokio::join!(&mut closed, peer.read_exact(&mut all));
            read.unwrap();
            assert!(status.unwrap().clean);
            assert_eq!(all[100_010..], [0x88, 0]);
        } else {
            closed.await.unwrap();
        }
        assert!(start.elapsed() < secs(60), "{:?}", start.elapsed());
        drop(peer);
        let _ = reading.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_disassembled_inside_a_message_can_continue() {
    let (io, mut peer) = duplex(64 << 10);
    let mut ws = server(io);
    // A message of 10 bytes in two fragments, split at every byte.
    let frames = b"\x01\x85\0\0\0\0hello\x80\x85\0\0\0\0world";
    ws.feed_text("unsent").unwrap();
    for (i, byte) in frames.iter().enumerate() {
        peer.write_all(&[*byte]).await.unwrap();
        if i + 1 < frames.len() {
            assert!(timeout(Duration::from_millis(1), ws.read()).await.is_err());
        }
        let parts = ws.into_inner();
        assert!(!format!("{parts:?}").contains("hello"));
        ws = WebSocket::resume(parts);
    }
    assert!(matches!(ws.read().await, Ok(Some((Event::Text("helloworld"), _)))));
    let mut sent = [0; 8];
    peer.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent, b"\x81\x06unsent");
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_message_is_in_the_parts() {
    let (io, peer) = duplex(64 << 10);
    let mut ws = server(io);
    let mut peer = client(peer);
    peer.send_text("hello world").await.unwrap();
    let mut buffer = [0; 4];
    let mut text: Vec<u8> = Vec::new();
    loop {
        let received = ws.read_into(&mut buffer).await.unwrap().unwrap();
        text.extend(&buffer[..received.len]);
        if received.end_of_message {
            break;
        }
        ws = WebSocket::resume(ws.into_inner());
    }
    assert_eq!(text, b"hello world");
}

/// Polls once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| match Pin::new(&mut *future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The error `Send` would mean that no byte was sent.
#[tokio::test(start_paused = true)]
async fn a_send_that_has_fed_before_the_reader_is_dropped_is_not_refused() {
    for (is_taken, flushes) in [(true, false), (false, false), (true, true), (false, true)] {
        let (io, mut peer) = duplex(64);
        let (mut reader, sender) = server(io).split();
        if flushes {
            sender.feed_binary(&[0; 100]).unwrap();
        }
        let mut sending: Pin<Box<dyn Future<Output = Result<(), WebSocketError>>>> = match flushes {
            true => Box::pin(sender.flush()),
            false => Box::pin(sender.send_binary(&[0; 100])),
        };
        assert!(poll_once(&mut sending).await.is_none());
        if is_taken {
            peer.read_exact(&mut [0; 64]).await.unwrap();
            assert!(timeout(secs(1), reader.read()).await.is_err());
            assert_eq!(sender.unsent(), 0);
        }
        drop(reader);
        let sent = sending.await;
        match is_taken {
            true => sent.unwrap(),
            false => assert!(matches!(sent, Err(WebSocketError::Protocol(ProtocolError::Aborted)))),
        }
        let error = sender.send_binary(b"").await.unwrap_err();
        assert!(matches!(error, WebSocketError::Send(SendError::Closed)), "{error}");
        let error = sender.flush().await.unwrap_err();
        assert!(matches!(error, WebSocketError::Send(SendError::Closed)), "{error}");
    }
}
