//! Complete messages, parts, owned messages, and the values that a WebSocket returns.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::Duration;

use sansocket::blocking::WebSocket;
use sansocket::config::Delivery;
use sansocket::error::PeerError;
use sansocket::message::MessageKind;
use sansocket::{CloseCode, Event, Message, Prepared, Role};

use crate::blocking::support::*;
use crate::blocking::transports::*;
use crate::common::thread;

#[test]
fn echoes_and_closes_in_order() {
    with_timeout(|| {
        let (a, b) = tcp();
        let served = serve(server(a));
        let mut ws = client(b);
        let big = "\u{20ac}".repeat(1_000_000);
        for text in ["", "Hello", &big] {
            ws.feed_text(text).unwrap();
            assert_eq!(ws.read().unwrap().unwrap().0, Event::Text(text));
            ws.feed_binary(text.as_bytes()).unwrap();
            assert_eq!(ws.read().unwrap().unwrap().0, Event::Binary(text.as_bytes()));
        }
        let status = ws.close(CloseCode::new(3000), "enough").unwrap();
        assert_eq!((status.code.value(), status.by, status.clean), (3000, Role::Client, true));
        served.join().unwrap().unwrap();
    });
}

#[test]
fn every_split_and_interruption_has_the_same_result() {
    with_timeout(|| {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let (a, b) = pipe(100);
            let config = preset(Role::Server).delivery(delivery).build().unwrap();
            let (a, _) = Metered::new(a, true);
            let served = serve(socket(Role::Server, a, &config));
            let (b, _) = Metered::new(b, true);
            let mut ws = client(b);
            for len in [0, 1, 125, 126, 1000] {
                let text = "\u{e4}".repeat(len);
                ws.feed_text(&text).unwrap();
                ws.feed_ping(b"ping").unwrap();
                ws.feed_binary(text.as_bytes()).unwrap();
                assert_eq!(ws.read().unwrap().unwrap().0, Event::Text(&text));
                assert_eq!(ws.read().unwrap().unwrap().0, Event::Pong(b"ping"));
                assert_eq!(ws.read().unwrap().unwrap().0, Event::Binary(text.as_bytes()));
            }
            assert!(ws.close(CloseCode::NORMAL, "").unwrap().clean);
            served.join().unwrap().unwrap();
        }
    });
}

#[test]
fn replies_to_one_read_are_sent_in_one_write_and_timeouts_are_set_rarely() {
    with_timeout(|| {
        let (a, mut raw) = tcp();
        let config = preset(Role::Server)
            .keep_alive(Some(Duration::from_secs(120)), Some(Duration::from_secs(20)))
            .build()
            .unwrap();
        let (a, meter) = Metered::new(a, false);
        let served = serve(socket(Role::Server, a, &config));
        let batch = frame(0x82, b"0123456789").repeat(64);
        let mut echoed = vec![0; 64 * 12];
        for _ in 0..1000 {
            raw.write_all(&batch).unwrap();
            raw.read_exact(&mut echoed).unwrap();
        }
        raw.write_all(&frame(0x88, b"")).unwrap();
        raw.read_to_end(&mut Vec::new()).unwrap();
        drop(raw);
        served.join().unwrap().unwrap();
        let reads = meter.reads.load(Ordering::Relaxed);
        let writes = meter.writes.load(Ordering::Relaxed);
        assert!(writes <= reads, "{writes} writes, {reads} reads");
        let timeouts = meter.timeouts.load(Ordering::Relaxed);
        assert!(timeouts < 20, "{timeouts} timeouts set in {reads} reads");
    });
}

#[test]
fn messages_are_an_iterator() {
    with_timeout(|| {
        let (a, b) = tcp();
        let echoing = thread::spawn(move || {
            let mut messages = server(a).into_messages();
            while let Some(message) = messages.next() {
                messages.send(message.unwrap()).unwrap();
            }
            assert!(messages.next().is_none());
            messages.connection().close_status().unwrap()
        });
        let mut messages = client(b).into_messages();
        for i in 0..100 {
            let message = match i % 2 {
                0 => Message::Text(format!("text {i}").into()),
                _ => Message::Binary(vec![7; i * 1000].into()),
            };
            messages.send(message.clone()).unwrap();
            assert_eq!(messages.next().unwrap().unwrap(), message);
        }
        messages.send(Message::Text("dropped by close".into())).unwrap();
        messages.flush().unwrap();
        assert!(messages.close(CloseCode::NORMAL, "").unwrap().clean);
        assert!(messages.next().is_none());
        assert!(echoing.join().unwrap().clean);
        assert!(!messages.into_inner().connection().is_open());
    });
}

#[test]
fn large_messages_sent_or_fed_by_messages_are_written_at_the_mark() {
    with_timeout(|| {
        let (a, b) = tcp();
        let sending = thread::spawn(move || {
            let mut messages = server(a).into_messages();
            // Far above max_unsent: `send` writes, and so does `feed` above the mark.
            for i in 0..64 {
                let message = Message::Binary(vec![1; 1 << 20].into());
                if i < 16 { messages.send(message) } else { messages.feed(message) }.unwrap();
            }
            messages.close(CloseCode::NORMAL, "").unwrap();
        });
        let mut ws = client(b);
        let mut count = 0;
        while let Some((event, _)) = ws.read().unwrap() {
            count += usize::from(matches!(event, Event::Binary(bytes) if bytes.len() == 1 << 20));
        }
        assert_eq!(count, 64);
        sending.join().unwrap();
    });
}

#[test]
fn s24_read_into_a_small_buffer_has_the_end_of_message() {
    with_timeout(|| {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            for split in [false, true] {
                let (a, mut raw) = tcp();
                let config = preset(Role::Server).delivery(delivery).build().unwrap();
                let mut ws = Some(socket(Role::Server, a, &config));
                let mut reader = None;
                if split {
                    reader = Some(ws.take().unwrap().split().unwrap().0);
                }
                let mut read_into = |buffer: &mut [u8]| match (&mut ws, &mut reader) {
                    (Some(ws), _) => ws.read_into(buffer).unwrap(),
                    (None, Some(reader)) => reader.read_into(buffer).unwrap(),
                    (None, None) => panic!(),
                };
                let text = "a\u{20ac}".repeat(1000);
                let half = text.len() / 2 + 1;
                let lens = [1, 7, 5000];
                for _ in lens {
                    raw.write_all(&frame(0x01, &text.as_bytes()[..half])).unwrap();
                    raw.write_all(&frame(0x8a, b"pong")).unwrap();
                    raw.write_all(&frame(0x80, &text.as_bytes()[half..])).unwrap();
                    raw.write_all(&frame(0x82, b"")).unwrap();
                }
                raw.write_all(&frame(0x88, b"")).unwrap();
                for len in lens {
                    let (mut got, mut buffer) = (Vec::new(), vec![0; len]);
                    loop {
                        let received = read_into(&mut buffer).unwrap();
                        assert_eq!(received.kind, MessageKind::Text);
                        got.extend_from_slice(&buffer[..received.len]);
                        if received.end_of_message {
                            break;
                        }
                    }
                    assert_eq!(got, text.as_bytes());
                    let received = read_into(&mut buffer).unwrap();
                    assert_eq!((received.len, received.end_of_message), (0, true));
                }
                drop(raw);
                assert!(read_into(&mut [0; 8]).is_none());
            }
        }
    });
}

#[test]
fn try_read_returns_all_available_events() {
    with_timeout(|| {
        let (a, mut raw) = tcp();
        let mut ws = server(a);
        assert!(ws.try_read().unwrap().is_none());
        raw.write_all(&[frame(0x81, b"1"), frame(0x81, b"2"), frame(0x81, b"3")].concat()).unwrap();
        assert_eq!(ws.read().unwrap().unwrap().0, Event::Text("1"));
        let (event, mut reply) = ws.try_read().unwrap().unwrap();
        assert_eq!(event, Event::Text("2"));
        reply.feed_text("two").unwrap();
        reply.flush().unwrap();
        let mut answer = [0; 5];
        raw.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\x81\x03two");
        assert_eq!(ws.try_read().unwrap().unwrap().0, Event::Text("3"));
        assert!(ws.try_read().unwrap().is_none());
    });
}

#[test]
fn into_inner_keeps_unread_input_and_unsent_output() {
    with_timeout(|| {
        let (a, mut raw) = tcp();
        let mut ws = server(a);
        let half = &frame(0x82, &[9; 100])[..50];
        raw.write_all(&[frame(0x81, b"one"), frame(0x81, b"two")].concat()).unwrap();
        raw.write_all(half).unwrap();
        assert_eq!(ws.read().unwrap().unwrap().0, Event::Text("one"));
        ws.feed_text("three").unwrap();
        let unfinished = ws.into_inner();
        assert!(unfinished.unread.starts_with(&frame(0x81, b"two")));
        assert_eq!(unfinished.unsent, &b"\x81\x05three"[..]);
        assert_eq!(unfinished.stream.read_timeout().unwrap(), None);
        assert_eq!(unfinished.stream.write_timeout().unwrap(), None);
        // The next owner has all of it.
        let mut ws = WebSocket::from_connection(
            unfinished.stream,
            unfinished.connection,
            &unfinished.unread,
        );
        assert_eq!(ws.read().unwrap().unwrap().0, Event::Text("two"));
    });
}

#[test]
fn stats_and_close_status_are_available() {
    with_timeout(|| {
        let (a, b) = tcp();
        let served = serve(server(a));
        let mut ws = client(b);
        ws.enable_stats();
        ws.feed_prepared(&Prepared::text("12345")).unwrap();
        ws.read().unwrap().unwrap();
        let stats = ws.connection().stats().unwrap();
        assert_eq!((stats.messages_sent, stats.bytes_received), (1, 5));
        assert!(ws.get_ref().peer_addr().is_ok());
        assert!(ws.connection().close_status().is_none());
        ws.close(CloseCode::NORMAL, "").unwrap();
        served.join().unwrap().unwrap();
    });
}

#[test]
fn a_buffering_transport_is_flushed_before_each_wait() {
    with_timeout(|| {
        let buffering = |io| Buffering { io, held: Vec::new() };
        let (a, b) = pipe(1000);
        let served = serve(server(buffering(a)));
        let mut ws = client(buffering(b));
        for len in [1, 200, 100_000] {
            let text = "x".repeat(len);
            ws.feed_text(&text).unwrap();
            assert_eq!(ws.read().unwrap().unwrap().0, Event::Text(&text));
        }
        ws.feed_text("flushed").unwrap();
        ws.flush().unwrap();
        assert!(ws.get_ref().held.is_empty());
        assert!(ws.close(CloseCode::NORMAL, "").unwrap().clean);
        served.join().unwrap().unwrap();
        // A refusal is flushed too, and the Close frame of a violation.
        let (a, mut raw) = pipe(1000);
        raw.write_all(&frame(0x83, b"")).unwrap();
        let served = serve(server(buffering(a)));
        let mut seen = Vec::new();
        raw.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, b"\x88\x02\x03\xea");
        drop(raw);
        assert_protocol(served.join().unwrap(), PeerError::UnknownOpCode(3));
    });
}
