//! The opening handshakes, from the first byte to the open connection.
//!
//! The request to the server is that of a browser, 491 bytes. `accept key` is the necessary minimum
//! for each server: SHA-1 and base64 of the key.
#![allow(missing_docs, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use core::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, criterion_group, criterion_main};
use sansocket::handshake::{ClientHandshake, ServerHandshake, accept_key};
use sansocket::{AcceptOptions, Config, ConnectRequest, Connection, Entropy, Input, Instant};

const NOW: Instant = Instant::from_micros(0);

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\n\
Host: localhost:9001\r\n\
Connection: Upgrade\r\n\
Pragma: no-cache\r\n\
Cache-Control: no-cache\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
Upgrade: websocket\r\n\
Origin: http://localhost:9001\r\n\
Sec-WebSocket-Version: 13\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-GB,en;q=0.9\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

fn server(c: &mut Criterion) {
    let mut group = c.benchmark_group("handshake/server");
    let config = Config::server().build().unwrap();
    let options = AcceptOptions::new();
    let mut out = BytesMut::with_capacity(1024);
    group.bench_function("sansocket", |b| {
        b.iter(|| black_box(accept(&config, &options, REQUEST.len(), &mut out)));
    });
    group.bench_function("sansocket, in reads of 100 bytes", |b| {
        b.iter(|| black_box(accept(&config, &options, 100, &mut out)));
    });
    group.bench_function("accept key", |b| {
        b.iter(|| accept_key(black_box("dGhlIHNhbXBsZSBub25jZQ==")));
    });
    group.finish();
}

fn accept(
    config: &Config,
    options: &AcceptOptions,
    read_len: usize,
    out: &mut BytesMut,
) -> Connection {
    let mut handshake = ServerHandshake::new(config, NOW);
    let mut buffer = [0; 1024];
    for read in black_box(REQUEST).chunks(read_len) {
        let bytes = &mut buffer[..read.len()];
        bytes.copy_from_slice(read);
        let Some(head) = handshake.receive(&mut Input::new(NOW, bytes)).unwrap() else { continue };
        let accepted = head.upgrade().unwrap().accept(options).unwrap();
        out.clear();
        accepted.write(out);
        return accepted.into_connection(config, NOW);
    }
    panic!("the request is whole");
}

fn client(c: &mut Criterion) {
    let mut group = c.benchmark_group("handshake/client");
    // The nonce is constant, so that one response fits all requests.
    let entropy = Entropy::from_fn(|bytes| {
        bytes.fill(7);
        Ok(())
    });
    let config = Config::client(entropy).build().unwrap();
    let request = ConnectRequest::new("ws://localhost:9001/chat").unwrap();
    let mut out = BytesMut::new();
    ClientHandshake::new(&request, &config, NOW, &mut out).unwrap();
    let answer = answer(&config, &mut out);
    group.bench_function("sansocket", |b| {
        let mut buffer = [0; 1024];
        b.iter(|| {
            out.clear();
            let mut handshake =
                ClientHandshake::new(black_box(&request), &config, NOW, &mut out).unwrap();
            let bytes = &mut buffer[..answer.len()];
            bytes.copy_from_slice(black_box(&answer));
            black_box(handshake.receive(&mut Input::new(NOW, bytes)).unwrap().unwrap());
        });
    });
    group.bench_function("URL", |b| {
        b.iter(|| ConnectRequest::new(black_box("ws://localhost:9001/chat")).unwrap());
    });
    group.finish();
}

/// Returns the response of our server to the request.
fn answer(config: &Config, request: &mut BytesMut) -> BytesMut {
    let mut handshake = ServerHandshake::new(config, NOW);
    let head = handshake.receive(&mut Input::new(NOW, request)).unwrap().unwrap();
    let accepted = head.upgrade().unwrap().accept(&AcceptOptions::new()).unwrap();
    let mut out = BytesMut::new();
    accepted.write(&mut out);
    out
}

criterion_group! { name = benches; config = common::criterion(); targets = server, client }
criterion_main!(benches);
