//! sansocket as a contestant of the peers' lab: see BENCHMARKS.md for how it is put in.
use crate::{Contestant, Got, Side, io::*};
use bytes::{Bytes, BytesMut};
use sansocket::tokio::WebSocket;
use sansocket::{
    AcceptOptions, Config, Connection, Data, Entropy, Event, Inbox, Input, Instant, Negotiated, Role, ServerHandshake,
};
use std::sync::LazyLock;

pub struct Sansocket;

static CONFIG: LazyLock<Config> = LazyLock::new(|| config(Role::Server));

fn config(role: Role) -> Config {
    match role {
        Role::Server => Config::server(),
        Role::Client => Config::client(Entropy::os()),
    }
    .max_message_len(64 << 20)
    .build()
    .unwrap()
}

impl Contestant for Sansocket {
    fn name(&self) -> &'static str {
        "sansocket"
    }
    fn recv(&self, stream: &'static [u8], n: usize) -> Option<Got> {
        let mut io = MemIo::reader(stream);
        let now = Instant::from_micros(0);
        let mut conn = Connection::new(Role::Server, &config(Role::Server), &Negotiated::new(), now);
        let (mut buf, mut inbox, mut out) = (vec![0; CHUNK], Inbox::new(), BytesMut::new());
        let mut g = Got::default();
        while g.msgs < n {
            let k = match conn.direct_room(&mut inbox) {
                Some(room) if room.len() >= CHUNK => {
                    let k = io.pull(room);
                    conn.received_direct(k, now, &mut inbox);
                    0
                }
                _ => io.pull(&mut buf),
            };
            let mut input = Input::new(now, &mut buf[..k]);
            while let Some(event) = conn.receive(&mut input, &mut inbox, &mut out).unwrap() {
                let data = match event {
                    Event::Text(text) => text.as_bytes(),
                    Event::Binary(bytes) => bytes,
                    _ => continue,
                };
                g.msgs += 1;
                g.bytes += std::hint::black_box(data).len();
            }
        }
        Some(g)
    }
    fn send(&self, side: Side, text: bool, payload: &Bytes, n: usize, batch: usize, sink: &mut Sink) -> bool {
        let role = if side == Side::Server { Role::Server } else { Role::Client };
        let now = Instant::from_micros(0);
        let mut conn = Connection::new(role, &config(role), &Negotiated::new(), now);
        let mut out = BytesMut::with_capacity(CHUNK + 16);
        let data = if text { Data::Text(std::str::from_utf8(payload).unwrap()) } else { Data::Binary(payload) };
        for i in 0..n {
            if role == Role::Server && payload.len() >= 4096 {
                let head = conn.frame_head(data.kind(), payload.len()).unwrap();
                sink.put_v(&[std::io::IoSlice::new(&out), std::io::IoSlice::new(head.as_bytes()), std::io::IoSlice::new(payload)]);
                out.clear();
                continue;
            }
            match data {
                Data::Text(text) => conn.send_text(text, &mut out).unwrap(),
                Data::Binary(bytes) => conn.send_binary(bytes, &mut out).unwrap(),
            }
            if (i + 1) % batch == 0 || out.len() >= CHUNK {
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
        // As the others: the whole request with one read, the answer with one write.
        let mut buf = [0; 1024];
        let k = io.pull(&mut buf);
        let mut handshake = ServerHandshake::new(&CONFIG, now);
        let Ok(Some(head)) = handshake.receive(&mut Input::new(now, &mut buf[..k])) else { return false };
        let request = head.as_request();
        let Ok(accepted) = request.upgrade().and_then(|request| request.accept(&AcceptOptions::new())) else { return false };
        let mut out = BytesMut::new();
        accepted.write(&mut out);
        std::hint::black_box(accepted.into_connection(&CONFIG, now));
        std::io::Write::write_all(&mut io, &out).is_ok()
    }
    /// The loop that everybody writes: no flush, the adapter writes before it waits.
    fn serve(&self, listener: std::net::TcpListener, deflate: bool) -> bool {
        if deflate {
            return false;
        }
        super::tokio_serve(listener, |stream| async move {
            let Ok(mut ws) = WebSocket::accept(stream, &CONFIG, &AcceptOptions::new()).await else { return };
            while let Ok(Some((event, mut reply))) = ws.read().await {
                let sent = match event {
                    Event::Text(text) => reply.send_text(text),
                    Event::Binary(bytes) => reply.send_binary(bytes),
                    _ => Ok(()),
                };
                if sent.is_err() {
                    return;
                }
            }
        })
    }
}
