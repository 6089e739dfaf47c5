//! Vanished, slow and idle peers.

use std::io::{self, Read, Write};

use sansocket::blocking::Transport;
use sansocket::error::{PeerError, TimeoutError};
use sansocket::{Role, WebSocketError};

use crate::blocking::support::*;
use crate::blocking::transports::*;
use crate::common::thread;

#[test]
fn s27_a_vanished_peer_is_detected() {
    with_timeout(|| {
        for way in WAYS {
            let config = preset(Role::Server)
                .keep_alive(Some(100 * MS), Some(200 * MS))
                .linger_timeout(100 * MS)
                .build()
                .unwrap();
            // No input arrives, and no output is read.
            let (a, raw) = tcp();
            let ws = socket(Role::Server, a, &config);
            let (result, took) = timed(|| read_to_end(ws, way));
            assert_protocol(result, TimeoutError::KeepAlive);
            assert!(took >= 280 * MS && took < 3000 * MS, "{way}: {took:?}");
            drop(raw);
            // With output without progress: the keep-alive timeout applies to writes too.
            let (a, raw) = pipe(64);
            let mut ws = socket(Role::Server, a, &config);
            ws.feed_binary(&[0; 100_000]).unwrap();
            let (result, took) = timed(|| read_to_end(ws, way));
            assert_protocol(result, TimeoutError::Write);
            assert!(took >= 190 * MS && took < 3000 * MS, "{way}: {took:?}");
            drop(raw);
        }
        // The same in a flush.
        let config =
            preset(Role::Server).keep_alive(Some(100 * MS), Some(200 * MS)).build().unwrap();
        let (a, _raw) = pipe(64);
        let mut ws = socket(Role::Server, a, &config);
        ws.feed_binary(&[0; 100_000]).unwrap();
        assert_protocol(ws.flush(), TimeoutError::Write);
        let (a, _raw) = pipe(64);
        let (_reader, sender) = socket(Role::Server, a, &config).split().unwrap();
        assert_protocol(sender.send_binary(&[0; 100_000]), TimeoutError::Write);
    });
}

#[test]
fn s27_a_slow_reader_is_not_timed_out() {
    with_timeout(|| {
        for way in WAYS {
            let config =
                preset(Role::Server).keep_alive(Some(100 * MS), Some(500 * MS)).build().unwrap();
            let (a, mut raw) = pipe(64);
            let mut ws = socket(Role::Server, a, &config);
            // The peer takes much longer than the timeout to read the output before the ping, but
            // makes progress.
            ws.feed_binary(&[0; 4000]).unwrap();
            let reading = thread::spawn(move || read_to_end(ws, way));
            let mut seen = vec![0; 4004];
            for chunk in seen.chunks_mut(200) {
                thread::sleep(50 * MS);
                raw.read_exact(chunk).unwrap();
            }
            let mut ping = [0; 10];
            raw.read_exact(&mut ping).unwrap();
            assert_eq!(ping, *b"\x89\x08\0\0\0\0\0\0\0\x01", "{way}");
            raw.write_all(&frame(0x8a, &ping[2..])).unwrap();
            raw.read_exact(&mut ping).unwrap();
            assert_eq!(ping, *b"\x89\x08\0\0\0\0\0\0\0\x02", "{way}");
            raw.write_all(&frame(0x8a, &ping[2..])).unwrap();
            raw.write_all(&frame(0x88, b"")).unwrap();
            drop(raw.shutdown_write());
            reading.join().unwrap().unwrap();
        }
    });
}

#[test]
fn s10_an_idle_connection_sends_unsolicited_pongs() {
    with_timeout(|| {
        for split in [false, true] {
            let (a, mut raw) = tcp();
            let config = preset(Role::Server).keep_alive(Some(100 * MS), None).build().unwrap();
            let ws = socket(Role::Server, a, &config);
            let served =
                thread::spawn(move || read_to_end(ws, if split { "split" } else { "read" }));
            let ((), took) = timed(|| {
                for _ in 0..3 {
                    let mut pong = [0; 2];
                    raw.read_exact(&mut pong).unwrap();
                    assert_eq!(pong, [0x8a, 0]);
                }
            });
            assert!(took >= 250 * MS && took < 3000 * MS, "{took:?}");
            drop(raw);
            assert_protocol(served.join().unwrap(), PeerError::ClosedWithoutHandshake);
        }
    });
}

#[test]
fn a_write_that_cannot_be_resumed_has_the_full_timeout() {
    with_timeout(|| {
        let config =
            preset(Role::Server).keep_alive(Some(50 * MS), Some(400 * MS)).build().unwrap();
        let metered = |io| {
            let (mut io, _) = Metered::new(io, false);
            io.final_writes = true;
            io
        };
        // Slow: repeatedly slower than the interval.
        let (a, mut raw) = pipe(64);
        let mut ws = socket(Role::Server, metered(a), &config);
        ws.feed_binary(&[0; 500]).unwrap();
        let reading = thread::spawn(move || read_to_end(ws, "read"));
        let mut seen = vec![0; 504];
        for chunk in seen.chunks_mut(100) {
            thread::sleep(150 * MS);
            raw.read_exact(chunk).unwrap();
        }
        raw.write_all(&frame(0x88, b"")).unwrap();
        drop(raw.shutdown_write());
        raw.read_to_end(&mut Vec::new()).unwrap();
        reading.join().unwrap().unwrap();
        // Vanished: the connection ends, without another write.
        let (a, _raw) = pipe(64);
        let mut ws = socket(Role::Server, metered(a), &config);
        ws.feed_binary(&[0; 500]).unwrap();
        let (result, took) = timed(|| read_to_end(ws, "read"));
        let kind = io::ErrorKind::TimedOut;
        let expected = matches!(&result, Err(WebSocketError::Io(e)) if e.kind() == kind);
        assert!(expected, "{result:?}");
        assert!(took >= 390 * MS && took < 3000 * MS, "{took:?}");
    });
}
