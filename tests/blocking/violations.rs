//! After every violation the peer receives the Close frame, then the end.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sansocket::error::PeerError;
use sansocket::message::SendOptions;
use sansocket::{Event, Message, Role, WebSocketError};

use crate::blocking::support::*;
use crate::blocking::transports::*;
use crate::common::thread;
use crate::common::violations::violations;

#[test]
fn v34_after_every_violation_the_peer_receives_the_close_frame_then_the_end() {
    with_timeout(|| {
        for way in WAYS {
            for (name, bytes, code) in violations() {
                let (a, mut raw) = tcp();
                let config = preset(Role::Server).max_message_len(1000).build().unwrap();
                let ws = socket(Role::Server, a, &config);
                let served = thread::spawn(move || read_to_end(ws, way));
                raw.write_all(&frame(0x82, b"before")).unwrap();
                raw.write_all(&bytes).unwrap();
                // More than any code reads: unread at the end, it would cause a reset.
                raw.write_all(&[0; 100_000]).unwrap();
                let mut seen = Vec::new();
                raw.read_to_end(&mut seen).unwrap_or_else(|error| panic!("{name}: {error}"));
                let close = [&[0x88, 2][..], &u16::to_be_bytes(code)].concat();
                assert!(seen.ends_with(&close), "{way}, {name}: {seen:x?}");
                if way == "read" {
                    assert!(seen.starts_with(b"\x82\x06before"), "{name}: {seen:x?}");
                }
                drop(raw);
                let result = served.join().unwrap();
                assert!(matches!(result, Err(WebSocketError::Protocol(_))), "{name}: {result:?}");
            }
        }
    });
}

#[test]
fn v34_a_client_sends_its_server_a_close_frame_too() {
    with_timeout(|| {
        for way in WAYS {
            for (name, bytes, code) in [
                ("masked", frame(0x81, b"x"), 1002),
                ("reserved opcode", Frame::new(0x3, b"x").bytes(), 1002),
                ("bad text", Frame::text(b"\xff").bytes(), 1007),
            ] {
                let (b, mut raw) = tcp();
                let ws = client(b);
                let served = thread::spawn(move || read_to_end(ws, way));
                raw.write_all(&bytes).unwrap();
                raw.write_all(&[0; 100_000]).unwrap();
                let mut seen = Vec::new();
                raw.read_to_end(&mut seen).unwrap();
                assert_eq!((seen.len(), seen[0], seen[1]), (8, 0x88, 0x82), "{name}");
                let unmasked = [seen[6] ^ seen[2], seen[7] ^ seen[3]];
                assert_eq!(u16::from_be_bytes(unmasked), code, "{name}");
                drop(raw);
                let result = served.join().unwrap();
                assert!(matches!(result, Err(WebSocketError::Protocol(_))), "{name}: {result:?}");
            }
        }
    });
}

#[test]
fn v34_the_drain_of_every_peer_ends_after_the_linger_timeout() {
    with_timeout(|| {
        // A violation in a header, and one in a payload, which is found while the event is received.
        let in_header = (frame(0x83, b"x"), PeerError::UnknownOpCode(3), true);
        let in_payload = (frame(0x81, b"\xff"), PeerError::InvalidUtf8, false);
        for way in WAYS {
            for (bytes, error, flood) in
                [in_header.clone(), (in_header.0.clone(), in_header.1, false), in_payload.clone()]
            {
                let (a, mut raw) = tcp();
                let config = preset(Role::Server).linger_timeout(200 * MS).build().unwrap();
                let ws = socket(Role::Server, a, &config);
                let stop = Arc::new(AtomicBool::new(false));
                let stopped = stop.clone();
                raw.write_all(&bytes).unwrap();
                let flooding = thread::spawn(move || {
                    while flood && !stopped.load(Ordering::Relaxed) {
                        if raw.write_all(&[0; 10_000]).is_err() {
                            break;
                        }
                    }
                    raw
                });
                let (result, took) = timed(|| read_to_end(ws, way));
                assert_protocol(result, error);
                assert!(took >= 190 * MS && took < 2000 * MS, "{way} {flood}: {took:?}");
                stop.store(true, Ordering::Relaxed);
                flooding.join().unwrap();
            }
        }
    });
}

#[test]
fn v37_messages_before_a_close_frame_are_answered_before_it() {
    with_timeout(|| {
        let (a, mut raw) = tcp();
        let served = serve(server(a));
        let bytes = [frame(0x81, b"one"), frame(0x82, b"two"), frame(0x88, b"\x03\xe9bye")];
        raw.write_all(&bytes.concat()).unwrap();
        let mut seen = Vec::new();
        raw.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, b"\x81\x03one\x82\x03two\x88\x05\x03\xe9bye");
        drop(raw);
        served.join().unwrap().unwrap();
    });
}

#[test]
fn the_reply_to_a_close_frame_is_sent_before_the_event() {
    with_timeout(|| {
        for way in ["read", "Reader::read", "Messages::next"] {
            let (a, mut raw) = tcp();
            raw.write_all(&frame(0x88, b"\x03\xe8")).unwrap();
            let mut answer = [0; 4];
            let mut ws = server(a);
            if way == "Messages::next" {
                let mut messages = ws.into_messages();
                assert!(matches!(messages.next(), Some(Ok(Message::Close(Some(_))))));
                raw.read_exact(&mut answer).unwrap();
                assert!(messages.close_status().unwrap().clean);
            } else if way == "Reader::read" {
                let (mut reader, _sender) = ws.split().unwrap();
                assert!(matches!(reader.read().unwrap().unwrap().0, Event::Close(Some(_))));
                raw.read_exact(&mut answer).unwrap();
                assert!(reader.close_status().unwrap().clean);
            } else {
                assert!(matches!(ws.read().unwrap().unwrap().0, Event::Close(Some(_))));
                raw.read_exact(&mut answer).unwrap();
            }
            assert_eq!(&answer, b"\x88\x02\x03\xe8");
        }
    });
}

#[test]
fn v34_a_peer_that_writes_before_it_reads_receives_the_close_frame_too() {
    with_timeout(|| {
        for split in [false, true] {
            let (a, mut raw) = pipe(1 << 12);
            let config = preset(Role::Server).linger_timeout(20_000 * MS).build().unwrap();
            let mut ws = socket(Role::Server, a, &config);
            let served = thread::spawn(move || {
                if !split {
                    return echo(&mut ws);
                }
                let (mut reader, _sender) = ws.split()?;
                while let Some((event, mut reply)) = reader.read()? {
                    if let Some((data, _)) = event.data() {
                        reply.feed(data, SendOptions::new())?;
                    }
                }
                Ok(())
            });
            // The replies fill the way back, but not the mark.
            let message = frame(0x82, &[7; 1000]);
            for _ in 0..50 {
                raw.write_all(&message).unwrap();
            }
            raw.write_all(&frame(0x83, b"")).unwrap();
            raw.write_all(&vec![0; 1 << 20]).unwrap();
            let mut seen = Vec::new();
            raw.read_to_end(&mut seen).unwrap();
            assert_eq!(seen.len(), 50 * 1004 + 4);
            assert!(seen.ends_with(b"\x88\x02\x03\xea"));
            drop(raw);
            assert_protocol(served.join().unwrap(), PeerError::UnknownOpCode(3));
        }
    });
}
