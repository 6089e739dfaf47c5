//! The end of a connection on each type: code, reason, the side that ended it, and the other
//! getters.

use core::task::Poll;
use core::time::Duration;
use std::io::{Read, Write};
use std::time::Instant;

use bytes::Bytes;
use sansocket::blocking::{Transport, WebSocket};
use sansocket::connection::{CloseStatus, Negotiated};
use sansocket::message::OwnedCloseFrame;
use sansocket::{CloseCode, Connection, Event, Message, Prepared, Role};

use crate::blocking::pipe::{Pipe, pipe};
use crate::blocking::support::MS;
use crate::common::preset;
use crate::common::thread;

fn open(role: Role, io: Pipe) -> WebSocket<Pipe> {
    // A blocked read checks four times in a close timeout.
    let preset = preset(role).close_timeout(200 * MS).linger_timeout(200 * MS);
    let (config, now) = (preset.build().unwrap(), sansocket::Instant::now());
    let connection = Connection::new(role, &config, &Negotiated::new(), now);
    WebSocket::from_connection(io, connection, &[])
}

/// A server, and the raw end of a client that has sent these bytes.
fn server_after_input(bytes: &[u8]) -> (WebSocket<Pipe>, Pipe) {
    let (io, mut peer) = pipe(4096);
    peer.write_all(bytes).unwrap();
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

/// Returns all bytes up to the end of the transport.
fn rest(mut peer: Pipe) -> Vec<u8> {
    peer.set_read_timeout(Some(10_000 * MS)).unwrap();
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    all
}

/// Each type reports the peer's Close frame, and accepts a second close at this end as done.
#[test]
fn each_type_has_the_peers_code_and_reason_and_sends_no_second_close_frame() {
    let late = CloseCode::from(4002);
    // The socket, and the reply to the Close frame.
    let (mut ws, mut peer) = server_after_input(CLOSE);
    {
        let (event, mut reply) = ws.read().unwrap().unwrap();
        let Event::Close(Some(frame)) = event else { panic!("{event:?}") };
        assert_eq!((frame.code.value(), frame.reason), (4001, "the reason"));
        assert_close_reported(reply.connection().close_status());
        assert_eq!(reply.close_output(late, "late"), Ok(()));
    }
    assert_eq!(ws.close_output(late, "late"), Ok(()));
    assert_close_reported(ws.close_status());
    assert_close_reported(ws.connection().close_status());
    peer.shutdown_write().unwrap();
    assert!(ws.read().unwrap().is_none());
    assert_close_reported(Some(ws.close(late, "late").unwrap()));
    drop(ws);
    assert_eq!(rest(peer), ECHO);

    // Halves.
    let (ws, mut peer) = server_after_input(CLOSE);
    let (mut reader, sender) = ws.split().unwrap();
    {
        let (_, mut reply) = reader.read().unwrap().unwrap();
        assert_close_reported(reply.sender().close_status());
        assert_eq!(reply.close_output(late, "late"), Ok(()));
    }
    assert_eq!(sender.close_output(late, "late"), Ok(()));
    peer.shutdown_write().unwrap();
    assert!(reader.read().unwrap().is_none());
    assert_close_reported(reader.close_status());
    assert_close_reported(reader.with_connection(Connection::close_status));
    assert_close_reported(sender.close_status());
    assert_close_reported(sender.closed());
    drop(reader);
    assert_close_reported(sender.close_status());
    assert_eq!(rest(peer), ECHO);

    // Messages.
    let (ws, mut peer) = server_after_input(CLOSE);
    let mut messages = ws.into_messages();
    let message = messages.next();
    let Some(Ok(Message::Close(Some(frame)))) = message else { panic!("{message:?}") };
    assert_eq!((frame.code.value(), frame.reason.as_str()), (4001, "the reason"));
    assert_close_reported(messages.close_status());
    let frame = OwnedCloseFrame { code: late, reason: "late".into() };
    messages.send(Message::Close(Some(frame))).unwrap();
    peer.shutdown_write().unwrap();
    assert!(messages.next().is_none());
    assert_close_reported(Some(messages.close(late, "late").unwrap()));
    assert_close_reported(messages.connection().close_status());
    drop(messages);
    assert_eq!(rest(peer), ECHO);
}

/// Each type sends the code and the reason of its arguments.
#[test]
fn each_type_closes_with_a_code_and_a_reason() {
    const TEXT: &[u8] = b"\x81\x80\0\0\0\0";
    let code = CloseCode::from(4001);
    for way in
        ["close", "close_output", "Reply", "Sender", "HalfReply", "Messages", "Messages::close"]
    {
        let (mut ws, mut peer) = server_after_input(TEXT);
        let answering = thread::spawn(move || {
            let mut close = [0; ECHO.len()];
            peer.read_exact(&mut close).unwrap();
            peer.write_all(CLOSE).unwrap();
            peer.shutdown_write().unwrap();
            assert_eq!(rest(peer), b"");
            close
        });
        let end = match way {
            "close" => ws.close(code, "the reason").unwrap(),
            "close_output" | "Reply" => {
                if way == "Reply" {
                    let (_, mut reply) = ws.read().unwrap().unwrap();
                    reply.close_output(code, "the reason").unwrap();
                } else {
                    ws.close_output(code, "the reason").unwrap();
                }
                while ws.read().unwrap().is_some() {}
                ws.close_status().unwrap()
            }
            "Sender" | "HalfReply" => {
                let (mut reader, sender) = ws.split().unwrap();
                if way == "HalfReply" {
                    let (_, mut reply) = reader.read().unwrap().unwrap();
                    reply.close_output(code, "the reason").unwrap();
                } else {
                    sender.close_output(code, "the reason").unwrap();
                }
                while reader.read().unwrap().is_some() {}
                sender.closed().unwrap()
            }
            "Messages" => {
                let mut messages = ws.into_messages();
                let frame = OwnedCloseFrame { code, reason: "the reason".into() };
                messages.send(Message::Close(Some(frame))).unwrap();
                while messages.next().is_some() {}
                messages.close_status().unwrap()
            }
            _ => ws.into_messages().close(code, "the reason").unwrap(),
        };
        assert_eq!((end.code.value(), end.by, end.clean), (4001, Role::Server, true), "{way}");
        assert_eq!(answering.join().unwrap(), ECHO, "{way}");
    }
}

#[test]
fn a_dropped_reader_ends_the_connection_as_the_local_side() {
    for role in [Role::Server, Role::Client] {
        let (io, _peer) = pipe(4096);
        let (reader, sender) = open(role, io).split().unwrap();
        drop(reader);
        for status in [sender.close_status().unwrap(), sender.closed().unwrap()] {
            let seen = (status.code, status.by, status.clean);
            assert_eq!(seen, (CloseCode::ABNORMAL, role, false));
        }
    }
}

/// Data of the peer after the Close frame of this end moves the deadline, and extends the wait.
#[test]
fn closed_waits_while_the_peer_sends_and_no_longer() {
    let (ws, mut peer) = server_after_input(b"");
    let (mut reader, sender) = ws.split().unwrap();
    let reading = thread::spawn(move || while let Ok(Some(_)) = reader.read() {});
    sender.close_output(CloseCode::NORMAL, "").unwrap();
    let closed = thread::spawn(move || sender.closed());
    // Three close timeouts.
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for _ in 0..60 {
        thread::sleep(10 * MS);
        longest = longest.max(last.elapsed());
        last = Instant::now();
        if peer.write_all(b"\x81\x80\0\0\0\0").is_err() {
            break;
        }
    }
    // A long pause of the test machine is silence of the peer, which can end the wait.
    assert!(!closed.is_finished() || longest > 100 * MS);
    let status = closed.join().unwrap().unwrap();
    assert_eq!((status.by, status.clean), (Role::Server, false));
    reading.join().unwrap();
}

/// The getters of the halves.
#[test]
fn halves_expose_the_connection_the_transport_and_the_statistics() {
    let (ws, mut peer) = server_after_input(b"\x81\x82\0\0\0\0hi");
    let (mut reader, sender) = ws.split().unwrap();
    assert_eq!(sender.stats(), None);
    sender.enable_stats();
    assert!(reader.read().unwrap().is_some());
    sender.feed_prepared(&Prepared::text("12345")).unwrap();
    assert_eq!(reader.sender().unsent(), 7);
    sender.flush().unwrap();
    let stats = sender.stats().unwrap();
    assert_eq!((stats.messages_received, stats.messages_sent), (1, 1));
    assert_eq!((stats.bytes_received, stats.bytes_sent), (2, 5));
    assert_eq!(reader.with_connection(Connection::stats), Some(stats));
    assert_eq!(sender.with_connection(Connection::role), Role::Server);
    let mut frame = [0; 7];
    peer.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, b"\x81\x0512345");
    // The handle of the reader is one more handle of the same transport, although the other end is
    // dropped.
    drop(peer);
    assert!(reader.get_ref().try_clone().unwrap().write(b"x").is_err());
    drop(reader);
    assert!(!sender.is_open());

    // The getters of a socket and of its messages.
    let (mut ws, _peer) = server_after_input(b"\x81\x82\0\0\0\0hi");
    ws.enable_stats();
    let _: &Pipe = ws.get_ref();
    let mut messages = ws.into_messages();
    assert!(messages.next().unwrap().is_ok());
    messages.feed(Message::Binary(Bytes::from_static(b"123"))).unwrap();
    assert_eq!(messages.unsent(), 5);
    let _: &Pipe = messages.get_ref();
    let mut ws = messages.into_inner();
    let stats = ws.connection().stats().unwrap();
    assert_eq!((stats.messages_received, stats.bytes_sent, ws.unsent()), (1, 3, 5));
    assert!(matches!(ws.poll_read(), Ok(Poll::Pending)));
    assert_eq!(ws.unsent(), 0);
}
