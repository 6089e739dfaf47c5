//! sansocket as a contestant of the peers' lab. BENCHMARKS.md describes how to add it.
use crate::{Contestant, Got, Side, io::*};
use bytes::{Bytes, BytesMut};
use futures::executor::block_on;
use sansocket::tokio::WebSocket;
use sansocket::handshake::ServerHandshake;
use sansocket::{AcceptOptions, Config, Connection, Entropy, Event, Inbox, Input, Instant, Role};
use sansocket::connection::Negotiated;
use sansocket::message::Data;
use std::sync::LazyLock;

static SERVER: LazyLock<Config> = LazyLock::new(|| config(Config::server()));
static CLIENT: LazyLock<Config> = LazyLock::new(|| config(Config::client(Entropy::os())));

fn config(builder: sansocket::config::ConfigBuilder) -> Config {
    builder.max_message_len(64 << 20).build().unwrap()
}

fn open(side: Side, now: Instant) -> Connection {
    match side {
        Side::Server => Connection::new(Role::Server, &SERVER, &Negotiated::new(), now),
        Side::Client => Connection::new(Role::Client, &CLIENT, &Negotiated::new(), now),
    }
}

fn data(text: bool, payload: &Bytes) -> Data<'_> {
    if text { Data::Text(std::str::from_utf8(payload).unwrap()) } else { Data::Binary(payload) }
}

/// The core. Its parameter is the length of reads and writes, which the caller chooses; our
/// adapters use 64 KiB.
pub struct Sansocket(pub &'static str, pub usize);

impl Contestant for Sansocket {
    fn name(&self) -> &'static str {
        self.0
    }
    fn recv(&self, stream: &'static [u8], n: usize) -> Option<Got> {
        let mut io = MemIo::reader(stream);
        let now = Instant::from_micros(0);
        let mut conn = open(Side::Server, now);
        let (mut buf, mut inbox, mut out) = (vec![0; self.1], Inbox::new(), BytesMut::new());
        let mut g = Got::default();
        while g.msgs < n {
            let k = match conn.direct_room(&mut inbox) {
                Some(room) if room.len() >= self.1 => {
                    let k = io.pull(room);
                    conn.received_direct(k, now, &mut inbox);
                    0
                }
                _ => io.pull(&mut buf),
            };
            let mut input = Input::new(now, &mut buf[..k]);
            while let Some(event) = conn.receive(&mut input, &mut inbox, &mut out).unwrap() {
                let Some((data, _)) = event.data() else { continue };
                g.msgs += 1;
                g.bytes += std::hint::black_box(data.as_bytes()).len();
            }
        }
        Some(g)
    }
    fn send(&self, side: Side, text: bool, payload: &Bytes, n: usize, batch: usize, sink: &mut Sink) -> bool {
        let mut conn = open(side, Instant::from_micros(0));
        let mut out = BytesMut::with_capacity(self.1 + 16);
        let data = data(text, payload);
        for i in 0..n {
            if side == Side::Server && payload.len() >= 4096 {
                // Large and unmasked: no copy, one vectored write.
                let head = conn.frame_head(data.kind(), payload.len()).unwrap();
                sink.put_v(&[std::io::IoSlice::new(&out), std::io::IoSlice::new(head.as_bytes()), std::io::IoSlice::new(payload)]);
                out.clear();
                continue;
            }
            match data {
                Data::Text(text) => conn.send_text(text, &mut out).unwrap(),
                Data::Binary(bytes) => conn.send_binary(bytes, &mut out).unwrap(),
            }
            if (i + 1) % batch == 0 || out.len() >= self.1 {
                sink.put(&out);
                out.clear();
            }
        }
        if !out.is_empty() {
            sink.put(&out);
        }
        true
    }
    fn handshake(&self, request: &'static [u8], sink: &mut Sink) -> bool {
        let mut io = MemIo::both(request, sink);
        let now = Instant::from_micros(0);
        // Like the others: the complete request in one read, the response in one write.
        let mut buf = [0; 1024];
        let k = io.pull(&mut buf);
        let mut handshake = ServerHandshake::new(&SERVER, now);
        let Ok(Some(head)) = handshake.receive(&mut Input::new(now, &mut buf[..k])) else { return false };
        let request = head.as_head();
        let Ok(accepted) = request.upgrade().and_then(|request| request.accept(&AcceptOptions::new())) else { return false };
        let mut out = BytesMut::new();
        accepted.write(&mut out);
        std::hint::black_box(accepted.into_connection(&SERVER, now));
        std::io::Write::write_all(&mut io, &out).is_ok()
    }
    /// The tokio adapter with the usual loop: no flush, because the adapter writes before it waits.
    fn serve(&self, listener: std::net::TcpListener, deflate: bool) -> bool {
        if deflate || self.1 != CHUNK {
            return false;
        }
        super::tokio_serve(listener, |stream| async move {
            let Ok(mut ws) = WebSocket::accept(stream, &SERVER, &AcceptOptions::new()).await else { return };
            while let Ok(Some((event, mut reply))) = ws.read().await {
                let sent = match event {
                    Event::Text(text) => reply.feed_text(text),
                    Event::Binary(bytes) => reply.feed_binary(bytes),
                    _ => Ok(()),
                };
                if sent.is_err() {
                    return;
                }
            }
        })
    }
}

/// The tokio adapter in memory, for comparison with the stream types of the others. Events are
/// borrowed, not owned.
pub struct SansocketTokio;

impl Contestant for SansocketTokio {
    fn name(&self) -> &'static str {
        "sansocket-tokio"
    }
    fn recv(&self, stream: &'static [u8], n: usize) -> Option<Got> {
        let mut ws = WebSocket::from_connection(MemIo::reader(stream), open(Side::Server, Instant::now()), &[]);
        block_on(async {
            let mut g = Got::default();
            while g.msgs < n {
                let (event, _) = ws.read().await.unwrap().unwrap();
                let Some((data, _)) = event.data() else { continue };
                g.msgs += 1;
                g.bytes += std::hint::black_box(data.as_bytes()).len();
            }
            Some(g)
        })
    }
    fn send(&self, side: Side, text: bool, payload: &Bytes, n: usize, batch: usize, sink: &mut Sink) -> bool {
        let mut ws = WebSocket::from_connection(MemIo::writer(sink), open(side, Instant::now()), &[]);
        let data = data(text, payload);
        block_on(async {
            for i in 0..n {
                match data {
                    Data::Text(text) => ws.feed_text(text).unwrap(),
                    Data::Binary(bytes) => ws.feed_binary(bytes).unwrap(),
                }
                // Flush: a megabyte of output is near the limit, and the next feed would return
                // `Full`.
                if (i + 1) % batch == 0 || payload.len() >= CHUNK {
                    ws.flush().await.unwrap();
                }
            }
            ws.flush().await.unwrap();
        });
        true
    }
    fn handshake(&self, request: &'static [u8], sink: &mut Sink) -> bool {
        // The timer needs the context of a runtime. `block_on` polls the future directly.
        thread_local!(static RT: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap());
        RT.with(|rt| rt.block_on(WebSocket::accept(MemIo::both(request, sink), &SERVER, &AcceptOptions::new())).is_ok())
    }
    fn serve(&self, _listener: std::net::TcpListener, _deflate: bool) -> bool {
        false
    }
}
