//! A peer that reads output slowly, but continuously: no call waits for all of it unless its
//! documentation says so.

use core::time::Duration;
use std::io::{self, Read, Write};

use sansocket::blocking::{Transport, WebSocket};
use sansocket::connection::Negotiated;
use sansocket::{CloseCode, Connection, Event, Instant, Role};

use crate::blocking::pipe::{Pipe, pipe};
use crate::blocking::support::MS;
use crate::common::preset;
use crate::common::thread;

/// Each write moves one byte, in less time than any turn.
#[derive(Debug)]
struct Trickle(Pipe);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Trickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        thread::sleep(MS / 2);
        self.0.write(&bytes[..1])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Trickle {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(timeout)
    }

    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        self.0.set_nonblocking(nonblocking)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown_write()
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }
}

/// More than any turn writes.
const LEN: usize = 8000;

/// The peer reads everything, and has sent a message.
fn socket() -> (WebSocket<Trickle>, Pipe) {
    let (io, mut peer) = pipe(1 << 20);
    peer.write_all(b"\x81\x81\0\0\0\0x").unwrap();
    let config = preset(Role::Server).close_timeout(400 * MS).build().unwrap();
    let connection = Connection::new(Role::Server, &config, &Negotiated::new(), Instant::now());
    (WebSocket::from_connection(Trickle(io), connection, &[]), peer)
}

#[test]
fn an_event_does_not_wait_for_the_last_byte_of_output() {
    let (mut ws, _peer) = socket();
    ws.feed_binary(&[0; LEN]).unwrap();
    let (event, reply) = ws.read().unwrap().unwrap();
    assert_eq!(event, Event::Text("x"));
    assert!(reply.unsent() > LEN / 4, "{} bytes", reply.unsent());

    let (ws, _peer) = socket();
    let (mut reader, sender) = ws.split().unwrap();
    sender.feed_binary(&[0; LEN]).unwrap();
    let (event, reply) = reader.read().unwrap().unwrap();
    assert_eq!(event, Event::Text("x"));
    assert!(reply.unsent() > LEN / 4, "{} bytes", reply.unsent());
}

#[test]
fn a_feed_during_a_blocked_read_and_a_close_frame_do_not_wait_for_the_last_byte_of_output() {
    let (ws, _peer) = socket();
    let (mut reader, sender) = ws.split().unwrap();
    assert!(reader.read().unwrap().is_some());
    let reading = thread::spawn(move || drop(reader.read()));
    // Until the reader is blocked in a read.
    thread::sleep(50 * MS);
    sender.feed_binary(&[0; LEN]).unwrap();
    assert!(sender.unsent() > LEN / 4, "{} bytes", sender.unsent());
    sender.close_output(CloseCode::NORMAL, "").unwrap();
    assert!(sender.unsent() > LEN / 4, "{} bytes", sender.unsent());
    sender.abort();
    reading.join().unwrap();
}
