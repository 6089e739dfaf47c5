//! A WebSocket moved from one adapter to the other.

use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;

use sansocket::connection::Negotiated;
use sansocket::{Config, Connection, Event, Instant, Role, blocking, tokio};

use crate::common::tasks;

const MS: Duration = Duration::from_millis(1);

/// A text of 10 bytes in two fragments.
const FRAMES: &[u8] = b"\x01\x85\0\0\0\0hello\x80\x85\0\0\0\0world";

fn connection() -> Connection {
    let config = Config::server().build().unwrap();
    Connection::new(Role::Server, &config, &Negotiated::new(), Instant::now())
}

/// A stream, and the raw socket of its peer.
fn tcp() -> (TcpStream, TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(10_000 * MS)).unwrap();
    (listener.accept().unwrap().0, peer)
}

fn runtime() -> ::tokio::runtime::Runtime {
    ::tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The stream is registered with the runtime, which must be entered.
fn to_tokio(ws: blocking::WebSocket<TcpStream>) -> tokio::WebSocket<::tokio::net::TcpStream> {
    let unfinished = ws.into_inner().map_stream(|stream| {
        stream.set_nonblocking(true)?;
        ::tokio::net::TcpStream::from_std(stream)
    });
    tokio::WebSocket::resume(unfinished.unwrap())
}

fn to_blocking(ws: tokio::WebSocket<::tokio::net::TcpStream>) -> blocking::WebSocket<TcpStream> {
    // The stream is in non-blocking mode.
    let unfinished = ws.into_inner().map_stream(::tokio::net::TcpStream::into_std);
    blocking::WebSocket::resume(unfinished.unwrap())
}

/// At every byte of a message, in both directions, with unwritten output.
#[test]
fn an_unfinished_message_and_pending_output_move_between_adapters() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let (io, mut peer) = tcp();
    let mut ws = blocking::WebSocket::from_connection(io, connection(), &[]);
    let mut expected = Vec::new();
    for (i, byte) in FRAMES[..FRAMES.len() - 1].iter().enumerate() {
        peer.write_all(&[*byte]).unwrap();
        // Each adapter has read every second byte: one waits for it, the other continues without
        // it.
        ws.feed_text(&i.to_string()).unwrap();
        expected.extend([0x81, i.to_string().len() as u8]);
        expected.extend(i.to_string().as_bytes());
        if i % 3 == 0 {
            assert!(ws.read_timeout(20 * MS).unwrap().is_pending());
        }
        let mut other = to_tokio(ws);
        if i % 3 == 1 {
            tasks::block_on(&runtime, async {
                assert!(::tokio::time::timeout(20 * MS, other.read()).await.is_err());
            });
        }
        ws = to_blocking(other);
    }
    peer.write_all(&FRAMES[FRAMES.len() - 1..]).unwrap();
    assert!(matches!(ws.read(), Ok(Some((Event::Text("helloworld"), _)))));
    ws.flush().unwrap();
    let mut sent = vec![0; expected.len()];
    peer.read_exact(&mut sent).unwrap();
    assert_eq!(sent, expected);
}

/// The bytes that `read_into` has not returned yet, and a message after them that has been read
/// already.
#[test]
fn the_rest_of_a_message_moves_between_adapters() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let (io, mut peer) = tcp();
    peer.write_all(b"\x81\x8a\0\0\0\0helloworld\x82\x81\0\0\0\0x").unwrap();
    let mut ws = blocking::WebSocket::from_connection(io, connection(), &[]);
    let mut text: Vec<u8> = Vec::new();
    let mut buffer = [0; 3];
    for round in 0.. {
        let received = if round % 2 == 0 {
            ws.read_into(&mut buffer).unwrap().unwrap()
        } else {
            let mut other = to_tokio(ws);
            let received =
                tasks::block_on(&runtime, other.read_into(&mut buffer)).unwrap().unwrap();
            ws = to_blocking(other);
            received
        };
        text.extend(&buffer[..received.len]);
        if received.end_of_message {
            break;
        }
    }
    assert_eq!(text, b"helloworld");
    let mut ws = to_tokio(ws);
    let event = tasks::block_on(&runtime, ws.read()).unwrap().unwrap().0;
    assert_eq!(event, Event::Binary(b"x"));
}
