//! The end of a connection on threads: no bytes in transit are lost, and no call waits without a
//! limit. The timeouts are short, so that a slow link takes longer than they last.

use core::task::Poll;
use core::time::Duration;
use std::io::{Read, Write};
use std::time::Instant;

use sansocket::blocking::{Transport, WebSocket};
use sansocket::config::ConfigBuilder;
use sansocket::connection::Negotiated;
use sansocket::error::{PeerError, ProtocolError, SendError, TimeoutError};
use sansocket::{CloseCode, Connection, Event, Message, Role, WebSocketError};

use crate::blocking::pipe::{Pipe, pipe};
use crate::blocking::support::MS;
use crate::common::preset;
use crate::common::thread::{self, JoinHandle};

/// Close frames with code 1000.
const CLIENT_CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
const SERVER_CLOSE: [u8; 4] = [0x88, 0x02, 0x03, 0xe8];

fn open(preset: ConfigBuilder, role: Role, io: Pipe) -> WebSocket<Pipe> {
    let now = sansocket::Instant::now();
    let connection = Connection::new(role, &preset.build().unwrap(), &Negotiated::new(), now);
    WebSocket::from_connection(io, connection, &[])
}

/// A server with timeouts shorter than the time to write its output.
fn server(io: Pipe) -> WebSocket<Pipe> {
    let preset =
        preset(Role::Server).close_timeout(400 * MS).linger_timeout(400 * MS).max_unsent(2 << 20);
    open(preset, Role::Server, io)
}

fn client(io: Pipe) -> WebSocket<Pipe> {
    open(preset(Role::Client), Role::Client, io)
}

/// Reads 8,000 bytes every 10 ms, and answers a Close frame.
fn slow_peer(mut peer: Pipe, closes_first: bool) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let mut buffer = [0; 8000];
        let mut closed = closes_first;
        if closes_first {
            peer.write_all(&CLIENT_CLOSE).unwrap();
        }
        loop {
            thread::sleep(10 * MS);
            match peer.read(&mut buffer) {
                Ok(n) if n > 0 => all.extend(&buffer[..n]),
                _ => return all,
            }
            if !closed && all.ends_with(&SERVER_CLOSE) {
                closed = true;
                peer.write_all(&CLIENT_CLOSE).unwrap();
            }
        }
    })
}

#[test]
fn close_sends_a_slow_peer_all_output_and_the_close_frame() {
    let (io, peer) = pipe(8000);
    let peer = slow_peer(peer, false);
    let mut ws = server(io);
    ws.feed_binary(&vec![7; 1_000_000]).unwrap();
    assert!(ws.close(CloseCode::NORMAL, "").unwrap().clean);
    let all = peer.join().unwrap();
    assert_eq!(all.len(), 10 + 1_000_000 + 4);
    assert!(all.ends_with(&SERVER_CLOSE));
}

#[test]
fn a_peer_that_closes_first_gets_all_output_and_the_close_frame() {
    for (len, count, frame) in [(1_000_000, 1, 1_000_010), (1000, 1000, 1004)] {
        for split in [false, true] {
            let (io, peer) = pipe(8000);
            let peer = slow_peer(peer, true);
            let mut ws = server(io);
            for _ in 0..count {
                ws.feed_binary(&vec![7; len]).unwrap();
            }
            if split {
                let (mut reader, _sender) = ws.split().unwrap();
                while reader.read().unwrap().is_some() {}
            } else {
                while ws.read().unwrap().is_some() {}
            }
            let all = peer.join().unwrap();
            assert_eq!(all.len(), frame * count + 4, "split: {split}");
            assert!(all.ends_with(&SERVER_CLOSE));
        }
    }
}

#[test]
fn a_trickle_reader_times_out() {
    let (io, mut peer) = pipe(64);
    thread::spawn(move || {
        while peer.read(&mut [0; 10]).is_ok_and(|n| n > 0) {
            thread::sleep(40 * MS);
        }
    });
    let mut ws = server(io);
    ws.feed_binary(&[7; 100_000]).unwrap();
    let start = Instant::now();
    let error = ws.close(CloseCode::NORMAL, "").unwrap_err();
    let unsent: ProtocolError = TimeoutError::CloseUnsent.into();
    assert!(matches!(error, WebSocketError::Protocol(error) if error == unsent), "{error}");
    assert!(start.elapsed() < 10_000 * MS, "{:?}", start.elapsed());
}

#[test]
fn a_sent_message_arrives_although_the_socket_is_dropped() {
    let (io, mut peer) = pipe(64 << 10);
    let mut ws = server(io);
    ws.send_text("hello").unwrap();
    drop(ws);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"\x81\x05hello");
}

#[test]
fn a_send_returns_when_the_transport_has_accepted_it() {
    let (io, mut peer) = pipe(4096);
    thread::spawn(move || while peer.read(&mut [0; 1000]).is_ok_and(|n| n > 0) {});
    // No thread reads this connection.
    let (_reader, sender) = server(io).split().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| sender.send_binary(&[7; 60_000]).unwrap());
        }
    });
    assert_eq!(sender.unsent(), 0);
}

#[test]
fn a_feed_during_a_blocked_read_is_written() {
    let (io, mut peer) = pipe(4096);
    let (mut reader, sender) = server(io).split().unwrap();
    let reading = thread::spawn(move || reader.read().map(|_| ()));
    thread::sleep(50 * MS);
    sender.feed_text("hello").unwrap();
    let mut frame = [0; 7];
    peer.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, b"\x81\x05hello");
    drop(peer);
    assert!(reading.join().unwrap().is_err());
}

#[test]
fn a_half_closed_peer_gets_the_replies_and_a_close_frame() {
    for split in [false, true] {
        let (io, mut peer) = pipe(4096);
        peer.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
        peer.shutdown_write().unwrap();
        let mut ws = server(io);
        let error = if split {
            let (mut reader, _sender) = ws.split().unwrap();
            loop {
                match reader.read() {
                    Ok(Some((Event::Text(text), mut reply))) => reply.feed_text(text).unwrap(),
                    Ok(_) => panic!(),
                    Err(error) => break error,
                }
            }
        } else {
            loop {
                match ws.read() {
                    Ok(Some((Event::Text(text), mut reply))) => reply.feed_text(text).unwrap(),
                    Ok(_) => panic!(),
                    Err(error) => break error,
                }
            }
        };
        let lost: ProtocolError = PeerError::ClosedWithoutHandshake.into();
        assert!(matches!(error, WebSocketError::Protocol(error) if error == lost), "{error}");
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"\x81\x02hi\x88\x02\x03\xea");
    }
}

#[test]
fn senders_see_the_end_and_can_close_and_abort() {
    // The reader is dropped: this end ends the connection, without a Close frame.
    let (io, _peer) = pipe(4096);
    let (reader, sender) = server(io).split().unwrap();
    let waiting = thread::spawn({
        let sender = sender.clone();
        move || sender.send_binary(&[7; 100_000])
    });
    let closed = thread::spawn({
        let sender = sender.clone();
        move || sender.closed()
    });
    thread::sleep(20 * MS);
    drop(reader);
    assert!(waiting.join().unwrap().is_err());
    let status = closed.join().unwrap().unwrap();
    assert_eq!((status.code, status.by), (CloseCode::ABNORMAL, Role::Server));
    assert_eq!(sender.feed_text("late"), Err(SendError::Closed));

    // A sender aborts: the peer sees the end at once.
    let (io, mut peer) = pipe(4096);
    let (mut reader, sender) = server(io).split().unwrap();
    let reading = thread::spawn(move || reader.read().map(|_| ()));
    thread::sleep(20 * MS);
    sender.abort();
    assert_eq!(peer.read(&mut [0; 10]).unwrap(), 0);
    let error = reading.join().unwrap().unwrap_err();
    assert!(matches!(error, WebSocketError::Protocol(ProtocolError::Aborted)), "{error}");
}

/// The wait includes pending output, and is limited by the timeout for a peer that does not read.
#[test]
fn a_sender_that_waits_for_the_end_waits_for_pending_output() {
    for takes in [true, false] {
        let (io, mut peer) = pipe(4096);
        let (mut reader, sender) = server(io).split().unwrap();
        sender.feed_binary(&[7; 100_000]).unwrap();
        peer.write_all(b"\x88\x80\0\0\0\0").unwrap();
        let closed = thread::spawn({
            let sender = sender.clone();
            move || sender.closed()
        });
        let reading = thread::spawn(move || while let Ok(Some(_)) = reader.read() {});
        thread::sleep(50 * MS);
        if takes {
            assert!(!closed.is_finished());
            let mut all = vec![0; 100_012];
            peer.read_exact(&mut all).unwrap();
            assert_eq!(all[100_010..], [0x88, 0]);
        }
        assert!(closed.join().unwrap().unwrap().clean);
        drop(peer);
        reading.join().unwrap();
    }
}

#[test]
fn a_socket_disassembled_inside_a_message_can_continue() {
    let (io, mut peer) = pipe(64 << 10);
    let mut ws = server(io);
    let frames = b"\x01\x85\0\0\0\0hello\x80\x85\0\0\0\0world";
    ws.feed_text("unsent").unwrap();
    for (i, byte) in frames.iter().enumerate() {
        peer.write_all(&[*byte]).unwrap();
        if i + 1 < frames.len() {
            assert!(matches!(ws.poll_read(), Ok(Poll::Pending)));
        }
        ws = WebSocket::resume(ws.into_inner());
    }
    assert!(matches!(ws.read(), Ok(Some((Event::Text("helloworld"), _)))));
    let mut sent = [0; 8];
    peer.read_exact(&mut sent).unwrap();
    assert_eq!(&sent, b"\x81\x06unsent");
}

/// The three ways to read, mixed on one connection in any order.
#[test]
fn blocking_timed_and_nonblocking_reads_can_be_mixed() {
    let (io, peer) = pipe(4096);
    let (mut ws, mut peer) = (server(io), client(peer));
    for round in 0..3 {
        assert!(matches!(ws.poll_read(), Ok(Poll::Pending)));
        assert!(matches!(ws.read_timeout(5 * MS), Ok(Poll::Pending)));
        let text = format!("message {round}");
        peer.send_text(&text).unwrap();
        let event = match round {
            0 => ws.read().unwrap(),
            1 => match ws.read_timeout(10_000 * MS).unwrap() {
                Poll::Ready(event) => event,
                Poll::Pending => panic!(),
            },
            _ => match ws.poll_read().unwrap() {
                Poll::Ready(event) => event,
                Poll::Pending => panic!(),
            },
        };
        assert!(matches!(event, Some((Event::Text(got), _)) if got == text));
        // Each kind of read writes fed output.
        ws.feed_text("answer").unwrap();
        assert!(matches!(ws.poll_read(), Ok(Poll::Pending)));
        assert!(matches!(peer.read(), Ok(Some((Event::Text("answer"), _)))));
    }
    let closing = thread::spawn(move || peer.close(CloseCode::NORMAL, "").unwrap());
    let mut closed = false;
    loop {
        match ws.poll_read().unwrap() {
            Poll::Ready(Some((Event::Close(_), _))) => closed = true,
            Poll::Ready(Some(_)) => {}
            Poll::Ready(None) => break,
            Poll::Pending => thread::sleep(MS),
        }
    }
    assert!(closed && closing.join().unwrap().clean);
}

#[test]
fn the_closing_handshake_of_two_iterators_of_messages() {
    let (io, peer) = pipe(4096);
    let echo = thread::spawn(move || {
        let mut messages = server(io).into_messages();
        while let Some(message) = messages.next() {
            // The peer's Close frame is among them: it has been answered already.
            messages.feed(message.unwrap()).unwrap();
        }
        messages.close_status().unwrap()
    });
    let mut messages = client(peer).into_messages();
    messages.send(Message::Text("hello".into())).unwrap();
    assert!(matches!(messages.next(), Some(Ok(Message::Text(text))) if text.as_str() == "hello"));
    messages.send(Message::Close(None)).unwrap();
    assert!(matches!(messages.next(), Some(Ok(Message::Close(None)))));
    assert!(messages.next().is_none());
    let status = echo.join().unwrap();
    assert_eq!((status.code, status.by, status.clean), (CloseCode::NO_STATUS, Role::Client, true));
}

#[test]
fn an_aborted_transport_ends_although_a_thread_is_writing_and_no_thread_reads() {
    let (io, mut peer) = pipe(64);
    let (reader, sender) = server(io).split().unwrap();
    let sending = thread::spawn({
        let sender = sender.clone();
        move || sender.send_binary(&[0; 1000])
    });
    // The transport is full, and the thread is blocked in a write.
    while sender.unsent() != 1004 - 64 {
        thread::sleep(Duration::from_millis(1));
    }
    sender.abort();
    assert!(sending.join().unwrap().is_err());
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut received = Vec::new();
    peer.read_to_end(&mut received).expect("the end");
    assert_eq!(received.len(), 64);
    drop(reader);
}
