//! The end of a connection on each type: code, reason, the side that ended it, and the other
//! getters.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use sansocket::connection::{CloseStatus, Negotiated};
use sansocket::message::OwnedCloseFrame;
use sansocket::tokio::WebSocket;
use sansocket::{CloseCode, Connection, Event, Message, Prepared, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use crate::common::preset;
use crate::common::secs;
use crate::common::tasks::spawn;

fn open(role: Role, io: DuplexStream) -> WebSocket<DuplexStream> {
    let config = preset(role).build().unwrap();
    let now = Instant::now().into_std().into();
    let connection = Connection::new(role, &config, &Negotiated::new(), now);
    WebSocket::from_connection(io, connection, &[])
}

/// A server, and the raw end of a client that has sent these bytes.
async fn server_after_input(bytes: &[u8]) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (io, mut peer) = duplex(4096);
    peer.write_all(bytes).await.unwrap();
    (open(Role::Server, io), peer)
}

/// A Close frame of a client with the code 4001 and a reason, and that of a server.
const CLOSE: &[u8] = b"\x88\x8c\0\0\0\0\x0f\xa1the reason";
const ECHO: &[u8] = b"\x88\x0c\x0f\xa1the reason";

#[track_caller]
fn assert_close_reported(status: Option<CloseStatus>) {
    let status = status.expect("a status");
    let seen = (status.code.value(), status.reason.as_str(), status.by);
    assert_eq!(seen, (4001, "the reason", Role::Client));
}

#[track_caller]
fn assert_yielded(message: Option<Result<Message, sansocket::WebSocketError>>) {
    let Some(Ok(Message::Close(Some(frame)))) = message else { panic!("{message:?}") };
    assert_eq!((frame.code.value(), frame.reason.as_str()), (4001, "the reason"));
}

/// Returns all bytes up to the end of the transport.
async fn rest(mut peer: DuplexStream) -> Vec<u8> {
    let mut all = Vec::new();
    timeout(secs(60), peer.read_to_end(&mut all)).await.unwrap().unwrap();
    all
}

/// Each type reports the peer's Close frame, and accepts a second close at this end as done.
#[tokio::test(start_paused = true)]
async fn each_type_has_the_peers_code_and_reason_and_sends_no_second_close_frame() {
    let late = CloseCode::from(4002);
    // The socket, and the reply to the Close frame.
    let (mut ws, peer) = server_after_input(CLOSE).await;
    {
        let (event, mut reply) = ws.read().await.unwrap().unwrap();
        let Event::Close(Some(frame)) = event else { panic!("{event:?}") };
        assert_eq!((frame.code.value(), frame.reason), (4001, "the reason"));
        assert_close_reported(reply.connection().close_status());
        assert_eq!(reply.close_output(late, "late"), Ok(()));
    }
    assert_eq!(ws.close_output(late, "late"), Ok(()));
    assert_close_reported(ws.close_status());
    assert_close_reported(ws.connection().close_status());
    assert!(ws.read().await.unwrap().is_none());
    assert_close_reported(Some(ws.close(late, "late").await.unwrap()));
    drop(ws);
    assert_eq!(rest(peer).await, ECHO);

    // Halves.
    let (ws, peer) = server_after_input(CLOSE).await;
    let (mut reader, sender) = ws.split();
    {
        let (_, mut reply) = reader.read().await.unwrap().unwrap();
        assert_close_reported(reply.sender().close_status());
        assert_eq!(reply.close_output(late, "late"), Ok(()));
    }
    assert_eq!(sender.close_output(late, "late"), Ok(()));
    assert!(reader.read().await.unwrap().is_none());
    assert_close_reported(reader.close_status());
    assert_close_reported(reader.with_connection(Connection::close_status));
    assert_close_reported(sender.close_status());
    assert_close_reported(sender.closed().await);
    drop(reader);
    assert_close_reported(sender.close_status());
    assert_eq!(rest(peer).await, ECHO);

    // Messages.
    let (ws, peer) = server_after_input(CLOSE).await;
    let mut messages = ws.into_messages();
    assert_yielded(messages.next().await);
    assert_close_reported(messages.close_status());
    let frame = OwnedCloseFrame { code: late, reason: "late".into() };
    messages.send(Message::Close(Some(frame))).await.unwrap();
    messages.close().await.unwrap();
    assert!(messages.next().await.is_none());
    assert_close_reported(messages.connection().close_status());
    drop(messages);
    assert_eq!(rest(peer).await, ECHO);

    // Messages in the halves of futures.
    let (ws, peer) = server_after_input(CLOSE).await;
    let (mut sink, mut stream) = ws.into_messages().split();
    assert_yielded(stream.next().await);
    sink.send(Message::Close(None)).await.unwrap();
    sink.close().await.unwrap();
    assert_close_reported(sink.reunite(stream).unwrap().close_status());
    assert_eq!(rest(peer).await, ECHO);
}

/// Each type sends the code and the reason of its arguments.
#[tokio::test(start_paused = true)]
async fn each_type_closes_with_a_code_and_a_reason() {
    const TEXT: &[u8] = b"\x81\x80\0\0\0\0";
    let code = CloseCode::from(4001);
    let status = |status: CloseStatus| (status.code.value(), status.by, status.clean);
    for way in ["close", "close_output", "Reply", "Sender", "HalfReply", "Sink"] {
        let (mut ws, mut peer) = server_after_input(TEXT).await;
        let answering = spawn(async move {
            let mut close = [0; ECHO.len()];
            peer.read_exact(&mut close).await.unwrap();
            peer.write_all(CLOSE).await.unwrap();
            assert_eq!(rest(peer).await, b"");
            close
        });
        let end = match way {
            "close" => ws.close(code, "the reason").await.unwrap(),
            "close_output" | "Reply" => {
                if way == "Reply" {
                    let (_, mut reply) = ws.read().await.unwrap().unwrap();
                    reply.close_output(code, "the reason").unwrap();
                } else {
                    ws.close_output(code, "the reason").unwrap();
                }
                while ws.read().await.unwrap().is_some() {}
                ws.close_status().unwrap()
            }
            "Sender" | "HalfReply" => {
                let (mut reader, sender) = ws.split();
                if way == "HalfReply" {
                    let (_, mut reply) = reader.read().await.unwrap().unwrap();
                    reply.close_output(code, "the reason").unwrap();
                } else {
                    sender.close_output(code, "the reason").unwrap();
                }
                while reader.read().await.unwrap().is_some() {}
                sender.closed().await.unwrap()
            }
            _ => {
                let mut messages = ws.into_messages();
                let frame = OwnedCloseFrame { code, reason: "the reason".into() };
                messages.send(Message::Close(Some(frame))).await.unwrap();
                while messages.next().await.is_some() {}
                messages.close_status().unwrap()
            }
        };
        assert_eq!(status(end), (4001, Role::Server, true), "{way}");
        assert_eq!(answering.await.unwrap(), ECHO, "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_reader_ends_the_connection_as_the_local_side() {
    for role in [Role::Server, Role::Client] {
        let (io, _peer) = duplex(4096);
        let (reader, sender) = open(role, io).split();
        drop(reader);
        for status in [sender.close_status().unwrap(), sender.closed().await.unwrap()] {
            let seen = (status.code, status.by, status.clean);
            assert_eq!(seen, (CloseCode::ABNORMAL, role, false));
        }
    }
}

/// Data of the peer after the Close frame of this end moves the deadline, and extends the wait.
#[tokio::test(start_paused = true)]
async fn closed_waits_while_the_peer_sends_and_no_longer() {
    let (mut reader, sender, mut peer) = {
        let (ws, peer) = server_after_input(b"").await;
        let (reader, sender) = ws.split();
        (reader, sender, peer)
    };
    let reading = spawn(async move {
        let mut count = 0;
        loop {
            match reader.read().await {
                Ok(Some(_)) => count += 1,
                end => break (count, end.map(|_| ()).unwrap_err()),
            }
        }
    });
    sender.close_output(CloseCode::NORMAL, "").unwrap();
    let closed = spawn(async move { sender.closed().await });
    // The close timeout is 5 s.
    for _ in 0..20 {
        sleep(secs(3)).await;
        peer.write_all(b"\x81\x80\0\0\0\0").await.unwrap();
        assert!(!closed.is_finished());
    }
    let status = timeout(secs(6), closed).await.unwrap().unwrap().unwrap();
    assert_eq!((status.by, status.clean), (Role::Server, false));
    let (count, error) = reading.await.unwrap();
    assert_eq!(count, 20);
    assert!(error.to_string().contains("close"), "{error}");
}

/// The getters of the halves.
#[tokio::test(start_paused = true)]
async fn halves_expose_the_connection_the_transport_and_the_statistics() {
    let (ws, mut peer) = server_after_input(b"\x81\x82\0\0\0\0hi").await;
    let (mut reader, sender) = ws.split();
    assert_eq!(sender.stats(), None);
    sender.enable_stats();
    assert!(reader.read().await.unwrap().is_some());
    sender.feed_prepared(&Prepared::text("12345")).unwrap();
    assert_eq!(reader.sender().unsent(), 7);
    sender.flush().await.unwrap();
    let stats = sender.stats().unwrap();
    assert_eq!((stats.messages_received, stats.messages_sent), (1, 1));
    assert_eq!((stats.bytes_received, stats.bytes_sent), (2, 5));
    assert_eq!(reader.with_connection(Connection::stats), Some(stats));
    assert_eq!(sender.with_connection(Connection::role), Role::Server);
    // The transport: a value that only it has.
    let is_ours = |io: &DuplexStream| std::ptr::from_ref(io).addr();
    assert_eq!(reader.with_ref(is_ours), sender.with_ref(is_ours));
    assert!(sender.with_ref(is_ours).is_some() && sender.is_open());
    let mut frame = [0; 7];
    peer.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x0512345");
    drop(reader);
    assert!(sender.with_ref(is_ours).is_none() && !sender.is_open());

    // The getters of a socket and of its messages.
    let (mut ws, _peer) = server_after_input(b"\x81\x82\0\0\0\0hi").await;
    ws.enable_stats();
    let _: &DuplexStream = ws.get_ref();
    let mut messages = ws.into_messages();
    assert!(messages.next().await.unwrap().is_ok());
    messages.feed(Message::Binary(Bytes::from_static(b"123"))).await.unwrap();
    assert_eq!(messages.unsent(), 5);
    let _: &DuplexStream = messages.get_ref();
    let ws = messages.into_inner();
    let stats = ws.connection().stats().unwrap();
    assert_eq!((stats.messages_received, stats.bytes_sent, ws.unsent()), (1, 3, 5));
}
