//! Each `send_*` of each type, and each `feed_*` with a flush: when the call returns, the transport has
//! accepted the bytes, and was flushed.

use core::num::NonZeroUsize;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use bytes::BytesMut;
use sansocket::blocking::{Sender, Transport, WebSocket};
use sansocket::connection::Negotiated;
use sansocket::message::{Data, SendOptions};
use sansocket::{Connection, Role};

use crate::blocking::pipe::{Pipe, pipe};
use crate::blocking::support::MS;
use crate::common::preset;
use crate::common::sends::{append, each_feed, each_send, messages, server};
use crate::common::thread;

/// The capacity of the transport, in bytes.
const CAPACITY: usize = 64;

/// The number of bytes that the peer reads at once.
const READ_LEN: usize = 32;

fn connection() -> Connection {
    server(sansocket::Instant::now())
}

/// A peer that reads in its own thread, and the bytes that it must receive.
struct Peer {
    received: Arc<Mutex<Vec<u8>>>,
    model: Connection,
    expected: BytesMut,
}

impl Peer {
    /// The peer has sent two messages.
    fn new(mut io: Pipe) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        io.write_all(&b"\x81\x81\0\0\0\0x".repeat(2)).unwrap();
        let all = received.clone();
        thread::spawn(move || {
            let mut buffer = [0; READ_LEN];
            while let Ok(n @ 1..) = io.read(&mut buffer) {
                all.lock().unwrap().extend(&buffer[..n]);
            }
        });
        Self { received, model: connection(), expected: BytesMut::new() }
    }

    /// Checks a send that has returned with `unsent` bytes in the output.
    fn check(&self, call: &str, unsent: usize) {
        assert_eq!(unsent, 0, "{call}");
        // One read can be in progress at the transport.
        let received = self.received.lock().unwrap().len();
        assert!(received + CAPACITY + READ_LEN >= self.expected.len(), "{call}: {received} bytes");
        // The rest arrives without a further call of the handler.
        let start = Instant::now();
        while self.received.lock().unwrap().len() < self.expected.len() {
            assert!(start.elapsed() < 10_000 * MS, "{call}: the rest does not arrive");
            thread::sleep(MS);
        }
        assert_eq!(self.received.lock().unwrap()[..], self.expected[..], "{call}");
    }
}

/// A transport that holds 500 bytes until it is flushed; its handles share the buffer.
struct Buffered {
    pipe: Pipe,
    held: Arc<Mutex<Vec<u8>>>,
}

impl Buffered {
    fn new(pipe: Pipe) -> Self {
        Self { pipe, held: Arc::default() }
    }
}

impl Read for Buffered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(buffer)
    }
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.held.lock().unwrap().len() >= 500 {
            self.flush()?;
        }
        self.held.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut held = self.held.lock().unwrap();
        while !held.is_empty() {
            let n = self.pipe.write(&held)?;
            held.drain(..n);
        }
        Ok(())
    }
}

impl Transport for Buffered {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.pipe.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.pipe.set_write_timeout(timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.pipe.shutdown_write()
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { pipe: self.pipe.try_clone()?, held: self.held.clone() })
    }
}

fn each_type<S: Transport>(wrap: fn(Pipe) -> S) {
    let (io, peer) = pipe(CAPACITY);
    let mut peer = Peer::new(peer);
    let mut ws = WebSocket::from_connection(wrap(io), connection(), &[]);
    each_feed!("WebSocket", ws, peer, []);
    each_send!("WebSocket", ws, peer, []);
    {
        let (_, mut reply) = ws.read().unwrap().unwrap();
        each_feed!("Reply", reply, peer, []);
        each_send!("Reply", reply, peer, []);
    }
    // No thread reads while the sender writes.
    let (mut reader, sender) = ws.split().unwrap();
    each_feed!("Sender", sender, peer, []);
    each_send!("Sender", sender, peer, []);
    let (_, mut reply) = reader.read().unwrap().unwrap();
    each_feed!("HalfReply", reply, peer, []);
    each_send!("HalfReply", reply, peer, []);
}

#[test]
fn each_send_returns_when_the_transport_has_accepted_it() {
    each_type(|io| io);
}

#[test]
fn each_send_flushes_a_buffering_transport() {
    each_type(Buffered::new);
}

#[test]
fn each_message_sent_by_messages_is_accepted_by_the_transport() {
    let (io, peer) = pipe(CAPACITY);
    let mut peer = Peer::new(peer);
    let io = Buffered::new(io);
    let mut socket = WebSocket::from_connection(io, connection(), &[]).into_messages();
    for message in messages() {
        append(&mut peer.model, &message, sansocket::Instant::now(), &mut peer.expected);
        let call = format!("{:.30}", format!("{message:?}"));
        socket.send(message).unwrap();
        peer.check(&call, socket.unsent());
    }
}

/// The number of fragments before the pong of a ping that the peer sends after ten of a hundred
/// fragments: with `send_part` for each, or with one call.
fn fragments_before_a_pong(by_parts: bool) -> usize {
    let (io, mut peer) = pipe(CAPACITY);
    let (mut reader, sender) = WebSocket::from_connection(io, connection(), &[]).split().unwrap();
    let (answered, wait) = mpsc::channel();
    thread::spawn(move || {
        while let Ok(Some(_)) = reader.read() {
            let _ = answered.send(());
        }
    });
    thread::spawn(move || {
        let payload = [7; 10_000];
        if !by_parts {
            let options = SendOptions::new().max_frame_len(NonZeroUsize::new(100).unwrap());
            return sender.send(Data::Binary(&payload), options).unwrap();
        }
        for (i, part) in payload.chunks(100).enumerate() {
            sender.send_part(Data::Binary(part), i == 99, SendOptions::new()).unwrap();
        }
    });
    let mut frame = [0; 102];
    for _ in 0..10 {
        peer.read_exact(&mut frame).unwrap();
    }
    peer.write_all(b"\x89\x80\0\0\0\0").unwrap();
    // The pong is in the output, and at most the capacity of the transport has been sent in the
    // meantime.
    wait.recv().unwrap();
    for fragments in 10..=100 {
        peer.read_exact(&mut frame[..2]).unwrap();
        if frame[0] == 0x8a {
            return fragments;
        }
        peer.read_exact(&mut frame[2..]).unwrap();
    }
    panic!("no pong");
}

/// The capacity of the transport is less than a fragment: the current one is sent, and at most the
/// next.
#[test]
fn pongs_are_sent_between_parts_but_not_between_fragments_of_one_call() {
    let before = fragments_before_a_pong(true);
    assert!(before <= 12, "{before} fragments before the pong");
    assert_eq!(fragments_before_a_pong(false), 100);
}

/// Waits until `sender` has exactly `len` bytes of unsent output.
fn wait_for_unsent(sender: &Sender<Pipe>, len: usize) {
    let start = Instant::now();
    while sender.unsent() != len {
        assert!(start.elapsed() < 10_000 * MS, "{} bytes", sender.unsent());
        thread::sleep(MS);
    }
}

/// A peer that does not read at first.
#[test]
fn sends_wait_at_the_high_water_mark_and_replies_do_not() {
    const MARK: usize = 1000;
    const FRAME: usize = 102;
    let config = preset(Role::Server).high_water_mark(MARK).max_unsent(100 * MARK).build().unwrap();
    let now = sansocket::Instant::now();
    let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
    let (io, mut peer) = pipe(CAPACITY);
    peer.write_all(b"\x81\x81\0\0\0\0x").unwrap();
    let (mut reader, sender) = WebSocket::from_connection(io, connection, &[]).split().unwrap();
    // The transport accepts `CAPACITY` bytes.
    while sender.unsent() < MARK + CAPACITY {
        sender.feed_binary(&[7; FRAME - 2]).unwrap();
    }
    let fed = sender.unsent();
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let sender = sender.clone();
            thread::spawn(move || sender.send_binary(&[7; FRAME - 2]).unwrap())
        })
        .collect();
    // One of them has the role of the writer. None has fed its message.
    wait_for_unsent(&sender, fed - CAPACITY);
    thread::sleep(50 * MS);
    assert_eq!(sender.unsent(), fed - CAPACITY);
    let replying = thread::spawn(move || {
        let (_, mut reply) = reader.read().unwrap().unwrap();
        reply.send_binary(&[7; FRAME - 2]).unwrap();
        reader
    });
    wait_for_unsent(&sender, fed - CAPACITY + FRAME);
    peer.read_exact(&mut vec![0; fed + 5 * FRAME]).unwrap();
    for sending in senders {
        sending.join().unwrap();
    }
    drop(replying.join().unwrap());
}
