//! Each `send_*` of each type, and each `feed_*` with a flush: when the call returns, the transport has
//! accepted the bytes, and was flushed.

use core::num::NonZeroUsize;
use core::pin::pin;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use futures_util::SinkExt;
use sansocket::connection::Negotiated;
use sansocket::message::{Data, SendOptions};
use sansocket::tokio::WebSocket;
use sansocket::{Connection, Role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, DuplexStream};
use tokio::time::{Instant, sleep};

use crate::common::preset;
use crate::common::sends::{append, each_feed, each_send, messages, server};
use crate::common::tasks::spawn;
use crate::tokio::support::{MS, poll_once};

/// The capacity of the transport, in bytes.
const CAPACITY: usize = 64;

fn connection() -> Connection {
    server(Instant::now().into_std().into())
}

/// A peer that reads 32 bytes every millisecond, and the bytes that it must receive.
struct Peer {
    received: Arc<Mutex<Vec<u8>>>,
    model: Connection,
    expected: BytesMut,
}

impl Peer {
    /// The peer has sent two messages.
    async fn new(io: DuplexStream) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, mut writer) = tokio::io::split(io);
        writer.write_all(&b"\x81\x81\0\0\0\0x".repeat(2)).await.unwrap();
        let all = received.clone();
        spawn(async move {
            // The peer does not end its output.
            let _writer = writer;
            let mut buffer = [0; 32];
            while let Ok(n @ 1..) = reader.read(&mut buffer).await {
                all.lock().unwrap().extend(&buffer[..n]);
                sleep(MS).await;
            }
        });
        Self { received, model: connection(), expected: BytesMut::new() }
    }

    /// Checks a send that has returned with `unsent` bytes in the output.
    async fn check(&self, call: &str, unsent: usize) {
        assert_eq!(unsent, 0, "{call}");
        let received = self.received.lock().unwrap().len();
        assert!(received + CAPACITY >= self.expected.len(), "{call}: {received} bytes");
        // The rest arrives without a further call of the handler.
        sleep(10 * MS).await;
        assert_eq!(self.received.lock().unwrap()[..], self.expected[..], "{call}");
    }
}

async fn each_type<S: AsyncRead + AsyncWrite + Unpin>(wrap: fn(DuplexStream) -> S) {
    let (io, peer) = tokio::io::duplex(CAPACITY);
    let mut peer = Peer::new(peer).await;
    let mut ws = WebSocket::from_connection(wrap(io), connection(), &[]);
    each_feed!("WebSocket", ws, peer, [await]);
    each_send!("WebSocket", ws, peer, [await]);
    {
        let (_, mut reply) = ws.read().await.unwrap().unwrap();
        each_feed!("Reply", reply, peer, [await]);
        each_send!("Reply", reply, peer, [await]);
    }
    // The reader is not polled while the sender writes.
    let (mut reader, sender) = ws.split();
    each_feed!("Sender", sender, peer, [await]);
    each_send!("Sender", sender, peer, [await]);
    let (_, mut reply) = reader.read().await.unwrap().unwrap();
    each_feed!("HalfReply", reply, peer, [await]);
    each_send!("HalfReply", reply, peer, [await]);
}

#[tokio::test(start_paused = true)]
async fn each_send_returns_when_the_transport_has_accepted_it() {
    each_type(|io| io).await;
}

#[tokio::test(start_paused = true)]
async fn each_send_flushes_a_buffering_transport() {
    each_type(|io| BufWriter::with_capacity(500, io)).await;
}

#[tokio::test(start_paused = true)]
async fn each_message_in_a_sink_is_sent_when_the_sink_is_flushed() {
    let (io, peer) = tokio::io::duplex(CAPACITY);
    let mut peer = Peer::new(peer).await;
    let io = BufWriter::with_capacity(500, io);
    let mut socket = WebSocket::from_connection(io, connection(), &[]).into_messages();
    for message in messages() {
        append(&mut peer.model, &message, Instant::now().into_std().into(), &mut peer.expected);
        let call = format!("{:.30}", format!("{message:?}"));
        socket.send(message).await.unwrap();
        peer.check(&call, socket.unsent()).await;
    }
}

/// The number of fragments before the pong of a ping that the peer sends after ten of a hundred
/// fragments: with `send_part` for each, or with one call.
async fn fragments_before_a_pong(by_parts: bool) -> usize {
    let (io, mut peer) = tokio::io::duplex(CAPACITY);
    let (mut reader, sender) = WebSocket::from_connection(io, connection(), &[]).split();
    let reading = spawn(async move { while let Ok(Some(_)) = reader.read().await {} });
    spawn(async move {
        let payload = [7; 10_000];
        if !by_parts {
            let options = SendOptions::new().max_frame_len(NonZeroUsize::new(100).unwrap());
            return sender.send(Data::Binary(&payload), options).await.unwrap();
        }
        for (i, part) in payload.chunks(100).enumerate() {
            sender.send_part(Data::Binary(part), i == 99, SendOptions::new()).await.unwrap();
        }
    });
    let mut frame = [0; 102];
    for _ in 0..10 {
        peer.read_exact(&mut frame).await.unwrap();
    }
    peer.write_all(b"\x89\x80\0\0\0\0").await.unwrap();
    // The reader receives it, and no byte is sent in the meantime.
    sleep(MS).await;
    for fragments in 10..=100 {
        peer.read_exact(&mut frame[..2]).await.unwrap();
        if frame[0] == 0x8a {
            reading.abort();
            return fragments;
        }
        peer.read_exact(&mut frame[2..]).await.unwrap();
    }
    panic!("no pong");
}

/// The capacity of the transport is less than a fragment: the current one is sent, and at most the
/// next.
#[tokio::test(start_paused = true)]
async fn pongs_are_sent_between_parts_but_not_between_fragments_of_one_call() {
    let before = fragments_before_a_pong(true).await;
    assert!(before <= 12, "{before} fragments before the pong");
    assert_eq!(fragments_before_a_pong(false).await, 100);
}

/// A peer that never reads: what a send has fed remains in the output when its future is dropped.
#[tokio::test(start_paused = true)]
async fn sends_wait_at_the_high_water_mark_and_replies_do_not() {
    const MARK: usize = 1000;
    let config = preset(Role::Server).high_water_mark(MARK).max_unsent(100 * MARK).build().unwrap();
    let now = Instant::now().into_std().into();
    let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
    let (io, mut peer) = tokio::io::duplex(CAPACITY);
    peer.write_all(&b"\x81\x81\0\0\0\0x".repeat(2)).await.unwrap();
    let message = [7; 100];
    let mut ws = WebSocket::from_connection(io, connection, &[]);
    for _ in 0..100 {
        assert!(poll_once(pin!(ws.send_binary(&message))).is_pending());
    }
    let unsent = ws.unsent();
    assert!((MARK..MARK + 102).contains(&unsent), "{unsent} bytes");
    {
        let (_, mut reply) = ws.read().await.unwrap().unwrap();
        assert!(poll_once(pin!(reply.send_binary(&message))).is_pending());
        assert_eq!(reply.unsent(), unsent + 102);
    }
    let (mut reader, sender) = ws.split();
    for _ in 0..100 {
        assert!(poll_once(pin!(sender.send_binary(&message))).is_pending());
    }
    assert_eq!(sender.unsent(), unsent + 102);
    let (_, mut reply) = reader.read().await.unwrap().unwrap();
    assert!(poll_once(pin!(reply.send_binary(&message))).is_pending());
    assert_eq!(reply.unsent(), unsent + 2 * 102);
}
