//! A peer that sends and never reads; two ends that write at the same time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use sansocket::blocking::WebSocket;
use sansocket::config::Delivery;
use sansocket::error::PeerError;
use sansocket::message::{Data, SendOptions};
use sansocket::{CloseCode, Event, Role, WebSocketError};

use crate::blocking::support::*;
use crate::blocking::transports::*;
use crate::common::thread::{self, JoinHandle};

/// A peer that sends much and does not read: reading stops, and the connection holds little. Then
/// the peer reads.
fn flood(message_len: usize, echo: impl FnOnce(WebSocket<Metered<TcpStream>>) + Send + 'static) {
    const TOTAL: usize = 64 << 20;
    let (a, raw) = tcp();
    let (a, meter) = Metered::new(a, false);
    let served = thread::spawn(move || echo(server(a)));
    let mut reading = raw.try_clone().unwrap();
    let count = TOTAL / message_len;
    let message = frame(0x82, &vec![7; message_len]);
    let echoed_len = Frame::binary(vec![7; message_len]).bytes().len();
    let flooding = thread::spawn(move || {
        let mut raw = raw;
        for _ in 0..count {
            raw.write_all(&message).unwrap();
        }
        raw
    });
    // Until no byte moves: all buffers between the ends are full.
    let mut before = (u64::MAX, u64::MAX);
    loop {
        thread::sleep(300 * MS);
        let now = (meter.read.load(Ordering::Relaxed), meter.written.load(Ordering::Relaxed));
        if now == before && now.0 > 0 {
            break;
        }
        before = now;
    }
    assert!(!flooding.is_finished());
    assert!(before.0 < TOTAL as u64, "{before:?}");
    let mut echoed = vec![0; echoed_len];
    for _ in 0..count {
        reading.read_exact(&mut echoed).unwrap();
        assert!(echoed.ends_with(&[7; 100]) && echoed[0] == 0x82);
    }
    let held = meter.held.load(Ordering::Relaxed);
    assert!(held < 4 << 20, "{held} bytes were read and not written");
    let mut raw = flooding.join().unwrap();
    raw.write_all(&frame(0x88, b"")).unwrap();
    let mut rest = Vec::new();
    raw.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [0x88, 0]);
    drop((raw, reading));
    served.join().unwrap();
}

#[test]
fn v36_a_flood_of_small_messages_is_not_buffered() {
    with_timeout(|| flood(1000, |mut ws| echo(&mut ws).unwrap()));
}

#[test]
fn v36_a_flood_of_large_messages_is_not_buffered() {
    with_timeout(|| flood(1 << 20, |mut ws| echo(&mut ws).unwrap()));
}

/// Pongs are not replies, so two ends that ping each other continue to read. Pings are read, and
/// from a limit on only the newest one is answered.
#[test]
fn v18_v36_a_flood_of_pings_uses_no_memory() {
    const COUNT: u32 = 100_000;
    with_timeout(|| {
        // Answered by a WebSocket that is only read.
        let (a, mut raw) = tcp();
        let (a, meter) = Metered::new(a, false);
        let served = serve(server(a));
        for first in (0..COUNT).step_by(1000) {
            let pings =
                (first..first + 1000).flat_map(|i| frame(0x89, &i.to_be_bytes().repeat(25)));
            raw.write_all(&pings.collect::<Vec<_>>()).unwrap();
        }
        let (mut numbers, mut pong) = (Vec::new(), [0; 102]);
        while numbers.last() != Some(&(COUNT - 1)) {
            raw.read_exact(&mut pong).unwrap();
            assert_eq!(pong[..2], [0x8a, 100]);
            numbers.push(u32::from_be_bytes(pong[2..6].try_into().unwrap()));
        }
        assert!(numbers.is_sorted_by(|a, b| a < b));
        // The meter counts pings without a pong too: they were read, and are not held.
        let dropped = (u64::from(COUNT) - numbers.len() as u64) * 106;
        assert!(meter.held.load(Ordering::Relaxed) < (4 << 20) + dropped);
        drop(raw);
        assert_protocol(served.join().unwrap(), PeerError::ClosedWithoutHandshake);
    });
}

/// Echoes each part when it arrives, as ASP.NET's sample does.
fn echo_parts(room: usize) -> (Pipe, JoinHandle<Result<(), WebSocketError>>) {
    let (a, b) = pipe(room);
    let config = preset(Role::Server).delivery(Delivery::Parts).build().unwrap();
    (b, serve(socket(Role::Server, a, &config)))
}

#[test]
fn reads_and_writes_alternate_with_a_peer_that_replies_while_it_receives() {
    with_timeout(|| {
        // Much more than the pipe and both marks together.
        let message = vec![7; 2 << 20];
        for room in [1 << 12, 1 << 16] {
            let (b, served) = echo_parts(room);
            let mut ws = client(b);
            ws.feed_binary(&message).unwrap();
            assert_eq!(ws.read().unwrap().unwrap().0, Event::Binary(&message));
            ws.close(CloseCode::NORMAL, "").unwrap();
            served.join().unwrap().unwrap();
        }
        // Both ends at once.
        let (a, b) = pipe(1 << 12);
        let (mut server, mut client) = (server(a), client(b));
        let same = message.clone();
        let other = thread::spawn(move || {
            server.feed_binary(&same).unwrap();
            assert_eq!(server.read().unwrap().unwrap().0, Event::Binary(&same));
            while server.read().unwrap().is_some() {}
        });
        client.feed_binary(&message).unwrap();
        assert_eq!(client.read().unwrap().unwrap().0, Event::Binary(&message));
        client.close(CloseCode::NORMAL, "").unwrap();
        other.join().unwrap();
    });
}

#[test]
fn halves_send_and_receive_concurrently_without_deadlock() {
    with_timeout(|| {
        const COUNT: usize = 8;
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let (b, served) = echo_parts(1 << 12);
            let config = preset(Role::Client).delivery(delivery).build().unwrap();
            let (mut reader, sender) = socket(Role::Client, b, &config).split().unwrap();
            let message = vec![7; 2 << 20];
            let len = message.len();
            let sending = thread::spawn(move || {
                for _ in 0..COUNT {
                    sender.send_binary(&message).unwrap();
                    // Pings from both ends make the reader a writer from time to time.
                    sender.feed(Data::Text("x"), SendOptions::new()).unwrap_or_default();
                    sender.send_ping(b"").unwrap();
                }
                sender.flush().unwrap();
                sender
            });
            let mut received = 0;
            while received < COUNT * len {
                let (event, _) = reader.read().unwrap().unwrap();
                if let Some((Data::Binary(bytes), _)) = event.data() {
                    received += bytes.len();
                }
            }
            sending.join().unwrap().close_output(CloseCode::NORMAL, "").unwrap();
            while reader.read().unwrap().is_some() {}
            drop(reader);
            served.join().unwrap().unwrap();
        }
    });
}
