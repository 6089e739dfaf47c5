//! The closing handshake and its deadlines, and the end of the transport.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sansocket::error::{PeerError, SendError, TimeoutError};
use sansocket::{CloseCode, Event, Role, WebSocketError};

use crate::blocking::support::*;
use crate::common::thread;

#[test]
fn d14_an_end_without_a_close_frame_is_an_error() {
    with_timeout(|| {
        for way in WAYS {
            for beginning in [&b""[..], b"\x81", b"\x81\x85\0\0\0\0Hel"] {
                let (a, mut raw) = tcp();
                raw.write_all(beginning).unwrap();
                drop(raw);
                let result = read_to_end(server(a), way);
                assert_protocol(result, PeerError::ClosedWithoutHandshake);
            }
        }
        // The error stays, and the close code is 1006.
        let (a, raw) = tcp();
        drop(raw);
        let mut ws = server(a);
        for _ in 0..3 {
            assert_protocol(
                ws.read().map(|event| event.is_some()),
                PeerError::ClosedWithoutHandshake,
            );
        }
        assert_eq!(ws.connection().close_status().unwrap().code, CloseCode::ABNORMAL);
        assert_eq!(ws.feed_text("x"), Err(SendError::Closed));
    });
}

#[test]
fn s25_either_side_may_close() {
    with_timeout(|| {
        for closer in [Role::Client, Role::Server] {
            let (a, b) = tcp();
            let (mut closing, reading) = match closer {
                Role::Client => (client(b), server(a)),
                Role::Server => (server(a), client(b)),
            };
            let reading = thread::spawn(move || {
                let mut ws = reading;
                // The other end drops the connection. Its close waits for the Close frame only
                // (D12).
                ws.feed_text("too late").unwrap();
                let mut seen = None;
                while let Some((event, _)) = ws.read().unwrap() {
                    let Event::Close(Some(frame)) = event else { panic!("{event:?}") };
                    seen = Some((frame.code, String::from(frame.reason)));
                }
                assert_eq!(seen, Some((CloseCode::GOING_AWAY, "later".into())));
                ws.connection().close_status().unwrap()
            });
            let status = closing.close(CloseCode::GOING_AWAY, "later").unwrap();
            assert_eq!(status, reading.join().unwrap());
            assert_eq!(
                (status.code, status.by, status.clean),
                (CloseCode::GOING_AWAY, closer, true)
            );
        }
    });
}

#[test]
fn the_server_ends_first() {
    with_timeout(|| {
        // RFC 6455 7.1.1: a client waits for the end of the server's output.
        let (mut raw, b) = tcp();
        raw.set_read_timeout(Some(200 * MS)).unwrap();
        let closing = thread::spawn(move || client(b).close(CloseCode::NORMAL, "").unwrap());
        let mut close = [0; 8];
        raw.read_exact(&mut close).unwrap();
        raw.write_all(b"\x88\x02\x03\xe8").unwrap();
        let error = raw.read(&mut close).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(!closing.is_finished());
        drop(raw);
        assert!(closing.join().unwrap().clean);
        // The wait has a limit.
        let (mut raw, b) = tcp();
        raw.write_all(b"\x88\x02\x03\xe8").unwrap();
        let config = preset(Role::Client).linger_timeout(100 * MS).build().unwrap();
        let (status, took) = timed(|| {
            let mut ws = socket(Role::Client, b, &config);
            while ws.read().unwrap().is_some() {}
            ws.connection().close_status().unwrap()
        });
        assert!(status.clean && took < 2000 * MS, "{took:?}");
        // A server ends its output after both Close frames, and waits for the end of the client's.
        let (a, mut raw) = tcp();
        let closing = thread::spawn(move || server(a).close(CloseCode::NORMAL, "").unwrap());
        let mut close = [0; 4];
        raw.read_exact(&mut close).unwrap();
        raw.write_all(&frame(0x88, &close[2..])).unwrap();
        assert_eq!(raw.read(&mut close).unwrap(), 0);
        thread::sleep(50 * MS);
        assert!(!closing.is_finished());
        drop(raw);
        assert!(closing.join().unwrap().clean);
    });
}

#[test]
fn d12_close_discards_further_data() {
    with_timeout(|| {
        let (a, mut raw) = tcp();
        let closing = thread::spawn(move || {
            let mut ws = server(a);
            let status = ws.close(CloseCode::NORMAL, "").unwrap();
            // A second close is harmless.
            assert_eq!(ws.close(CloseCode::NORMAL, "").unwrap(), status);
            status
        });
        let mut close = [0; 4];
        raw.read_exact(&mut close).unwrap();
        for _ in 0..1000 {
            raw.write_all(&frame(0x82, &[0; 1000])).unwrap();
        }
        raw.write_all(&frame(0x88, b"\x0f\xa0")).unwrap();
        assert_eq!(raw.read(&mut close).unwrap(), 0);
        drop(raw);
        let status = closing.join().unwrap();
        assert_eq!((status.code.value(), status.by, status.clean), (4000, Role::Server, true));
    });
}

#[test]
fn a_close_with_an_unsendable_code_has_no_effect() {
    with_timeout(|| {
        let (a, mut raw) = tcp();
        let mut ws = server(a);
        let refused = ws.close(CloseCode::NO_STATUS, "why");
        assert!(matches!(refused, Err(WebSocketError::Send(SendError::UnsendableCode(1005)))));
        ws.feed_text("still open").unwrap();
        ws.flush().unwrap();
        let mut text = [0; 12];
        raw.read_exact(&mut text).unwrap();
        assert_eq!(&text[2..], b"still open");
    });
}

/// The peers for which a close must end.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// Sends no data and reads all output.
    Silent,
    /// Sends no data and reads no output, while output is pending.
    Deaf,
    /// Sends messages continuously.
    Talking,
    /// Sends messages continuously, and does not read.
    TalkingDeaf,
}

#[test]
fn s27_the_close_deadline_applies_to_every_peer() {
    with_timeout(|| {
        for peer in [Peer::Silent, Peer::Deaf, Peer::Talking, Peer::TalkingDeaf] {
            for way in ["close", "flush", "split"] {
                // Without `close`, data is not discarded. It moves the deadline while it is read,
                // and output without progress ends the connection.
                let want = match (peer, way) {
                    (Peer::Talking, "flush" | "split") => continue,
                    (Peer::TalkingDeaf, "split") => TimeoutError::Write,
                    (Peer::Deaf | Peer::TalkingDeaf, _) => TimeoutError::CloseUnsent,
                    (Peer::Silent | Peer::Talking, _) => TimeoutError::Close,
                };
                let (a, raw) = tcp();
                let config = preset(Role::Server)
                    .close_timeout(200 * MS)
                    .linger_timeout(200 * MS)
                    .write_timeout(500 * MS)
                    .max_unsent(64 << 20)
                    .build()
                    .unwrap();
                let mut ws = socket(Role::Server, a, &config);
                if matches!(peer, Peer::Deaf | Peer::TalkingDeaf) {
                    // More than all buffers between the ends hold.
                    ws.feed_binary(&vec![0; 32 << 20]).unwrap();
                }
                let stop = Arc::new(AtomicBool::new(false));
                let stopped = stop.clone();
                let mut reading = raw.try_clone().unwrap();
                let draining = thread::spawn(move || {
                    if matches!(peer, Peer::Silent | Peer::Talking) {
                        let _ = reading.read_to_end(&mut Vec::new());
                    }
                });
                let talking = thread::spawn(move || {
                    let (mut raw, message) = (raw, frame(0x82, &[0; 1000]));
                    while matches!(peer, Peer::Talking | Peer::TalkingDeaf)
                        && !stopped.load(Ordering::Relaxed)
                    {
                        if raw.write_all(&message).is_err() {
                            break;
                        }
                    }
                    raw
                });
                let (result, took) = timed(|| match way {
                    "close" => ws.close(CloseCode::NORMAL, "").map(drop),
                    "flush" => {
                        ws.close_output(CloseCode::NORMAL, "").unwrap();
                        ws.flush()?;
                        while ws.read()?.is_some() {}
                        Ok(())
                    }
                    _ => {
                        let (mut reader, sender) = ws.split()?;
                        let closing = thread::spawn(move || {
                            thread::sleep(50 * MS);
                            sender.close_output(CloseCode::NORMAL, "").unwrap();
                        });
                        let result = loop {
                            match reader.read() {
                                Ok(Some(_)) => {}
                                Ok(None) => break Ok(()),
                                Err(error) => break Err(error),
                            }
                        };
                        closing.join().unwrap();
                        result
                    }
                });
                assert_protocol(result, want);
                assert!(took < 3000 * MS, "{peer:?} {way}: {took:?}");
                stop.store(true, Ordering::Relaxed);
                drop(talking.join().unwrap().shutdown(Shutdown::Both));
                draining.join().unwrap();
            }
        }
    });
}

#[test]
fn a_drop_does_not_block() {
    with_timeout(|| {
        for split in [false, true] {
            let (a, mut raw) = tcp();
            let config = preset(Role::Server).max_unsent(64 << 20).build().unwrap();
            let mut ws = socket(Role::Server, a, &config);
            raw.write_all(&frame(0x81, b"unread")).unwrap();
            ws.feed_binary(&vec![0; 32 << 20]).unwrap();
            let ((), took) = timed(|| {
                if split {
                    let (reader, sender) = ws.split().unwrap();
                    drop(sender);
                    drop(reader);
                } else {
                    drop(ws);
                }
            });
            assert!(took < 500 * MS, "{took:?}");
        }
    });
}
