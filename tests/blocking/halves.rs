//! A reader and senders in other threads.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sansocket::blocking::{PendingRequest, Transport, WebSocket};
use sansocket::error::{PeerError, SendError};
use sansocket::message::{Data, SendOptions};
use sansocket::{CloseCode, Event, Role, WebSocketError};

use crate::blocking::support::*;
use crate::blocking::transports::*;
use crate::common::thread;

#[test]
fn s17_a_connection_dropped_early_is_reported_at_the_other_end() {
    with_timeout(|| {
        let (a, b) = tcp();
        let mut ws = client(b);
        drop(server(a));
        let result = ws.read().map(|event| event.is_some());
        assert_protocol(result, PeerError::ClosedWithoutHandshake);
        assert_eq!(ws.connection().close_status().unwrap().code, CloseCode::ABNORMAL);

        // The same for a dropped reader of two halves, with senders left.
        let (a, b) = tcp();
        let mut ws = client(b);
        let (reader, sender) = server(a).split().unwrap();
        sender.send_text("last words").unwrap();
        drop(reader);
        assert_eq!(ws.read().unwrap().unwrap().0, Event::Text("last words"));
        assert_protocol(ws.read().map(|e| e.is_some()), PeerError::ClosedWithoutHandshake);
        assert_closed(sender.send_text("more"));
        assert!(!sender.is_open());
        assert_eq!(sender.close_status().unwrap().code, CloseCode::ABNORMAL);

        // The same when all are dropped, the senders first.
        let (a, b) = tcp();
        let mut ws = client(b);
        let (reader, sender) = server(a).split().unwrap();
        drop((sender.clone(), sender));
        drop(reader);
        assert_protocol(ws.read().map(|e| e.is_some()), PeerError::ClosedWithoutHandshake);
    });
}

#[test]
fn s17_dropping_the_reader_releases_a_sender_blocked_in_a_write() {
    with_timeout(|| {
        let (a, _raw) = tcp();
        let (reader, sender) = server(a).split().unwrap();
        let sending = thread::spawn(move || {
            loop {
                if let Err(error) = sender.send_binary(&[0; 1 << 20]) {
                    return error;
                }
            }
        });
        thread::sleep(200 * MS);
        assert!(!sending.is_finished());
        let ((), took) = timed(|| drop(reader));
        assert!(took < 100 * MS);
        let error = sending.join().unwrap();
        assert!(
            matches!(error, WebSocketError::Send(SendError::Closed) | WebSocketError::Io(_))
                || matches!(error, WebSocketError::Protocol(_)),
            "{error:?}"
        );
    });
}

#[test]
fn s18_a_background_thread_writes_while_the_handler_reads() {
    with_timeout(|| {
        for room in [256, 1 << 20] {
            let (a, b) = pipe(room);
            let served = thread::spawn(move || {
                let (mut reader, sender) = server(a).split().unwrap();
                let background = thread::spawn(move || {
                    for i in 0..1000 {
                        sender.send_text(&format!("tick {i}")).unwrap();
                    }
                    sender.flush().unwrap();
                });
                while let Some((event, mut reply)) = reader.read().unwrap() {
                    if let Some((data, _)) = event.data() {
                        reply.feed(data, SendOptions::new()).unwrap();
                    }
                }
                background.join().unwrap();
            });
            let (mut reader, sender) = client(b).split().unwrap();
            let sending = thread::spawn(move || {
                for i in 0..1000 {
                    sender.send_binary(&[(i % 256) as u8]).unwrap();
                }
                sender
            });
            let (mut ticks, mut echoes) = (0, 0);
            while ticks < 1000 || echoes < 1000 {
                match reader.read().unwrap().unwrap().0 {
                    Event::Text(text) => {
                        assert_eq!(text, format!("tick {ticks}"));
                        ticks += 1;
                    }
                    Event::Binary(bytes) => {
                        assert_eq!(bytes, [(echoes % 256) as u8]);
                        echoes += 1;
                    }
                    event => panic!("{event:?}"),
                }
            }
            sending.join().unwrap().close_output(CloseCode::NORMAL, "").unwrap();
            while reader.read().unwrap().is_some() {}
            drop(reader);
            served.join().unwrap();
        }
    });
}

#[test]
fn many_senders_lose_and_interleave_no_messages() {
    with_timeout(|| {
        const SENDERS: usize = 8;
        const EACH: usize = 2000;
        for room in [100, 1 << 16] {
            let (a, b) = pipe(room);
            let config = preset(Role::Server).max_unsent(1000).build().unwrap();
            let (mut reader, sender) = socket(Role::Server, a, &config).split().unwrap();
            let sending: Vec<_> = (0..SENDERS)
                .map(|id| {
                    let sender = sender.clone();
                    thread::spawn(move || {
                        for i in 0..EACH {
                            let len = (i * 7 + id) % 130;
                            let text = format!("{id} {i} {}", "x".repeat(len));
                            sender.send_text(&text).unwrap();
                        }
                        sender.flush().unwrap();
                    })
                })
                .collect();
            let reading = thread::spawn(move || while reader.read().unwrap().is_some() {});
            let mut ws = client(b);
            let mut next = [0; SENDERS];
            for _ in 0..SENDERS * EACH {
                let Event::Text(text) = ws.read().unwrap().unwrap().0 else { panic!() };
                let mut words = text.split(' ');
                let mut number = || words.next().unwrap().parse::<usize>().unwrap();
                let (id, i) = (number(), number());
                assert_eq!(i, next[id]);
                assert_eq!(words.next().unwrap().len(), (i * 7 + id) % 130);
                next[id] += 1;
            }
            for thread in sending {
                thread.join().unwrap();
            }
            ws.close(CloseCode::NORMAL, "").unwrap();
            drop(ws);
            reading.join().unwrap();
            assert_closed(sender.send_text("late"));
        }
    });
}

#[test]
fn a_flood_of_other_senders_does_not_block_a_send() {
    with_timeout(|| {
        let (a, b) = pipe(1 << 12);
        let (mut reader, sender) = server(a).split().unwrap();
        let reading = thread::spawn(move || while let Ok(Some(_)) = reader.read() {});
        let draining = thread::spawn(move || {
            let mut raw = b;
            let mut buffer = [0; 1 << 10];
            while raw.read(&mut buffer).unwrap() > 0 {}
        });
        let stop = Arc::new(AtomicBool::new(false));
        // Other senders always have more output.
        let flooding: Vec<_> = (0..3)
            .map(|_| {
                let (sender, stop) = (sender.clone(), stop.clone());
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        sender.send_binary(&[0; 3000]).unwrap();
                    }
                })
            })
            .collect();
        let worst = (0..50).map(|_| timed(|| sender.send_text("short").unwrap()).1).max().unwrap();
        assert!(worst < 5000 * MS, "{worst:?}");
        stop.store(true, Ordering::Relaxed);
        for thread in flooding {
            thread.join().unwrap();
        }
        sender.close_output(CloseCode::NORMAL, "").unwrap();
        drop(sender);
        // The peer is dropped without a Close frame.
        drop((draining, reading));
    });
}

#[test]
fn senders_wait_for_capacity_and_a_close_wakes_them() {
    with_timeout(|| {
        for end in ["close", "eof", "drop"] {
            let (a, mut raw) = pipe(64);
            let config = preset(Role::Server)
                .high_water_mark(100)
                .max_unsent(200)
                .linger_timeout(200 * MS)
                .build()
                .unwrap();
            let (reader, sender) = socket(Role::Server, a, &config).split().unwrap();
            let sent = Arc::new(AtomicUsize::new(0));
            let waiting: Vec<_> = (0..5)
                .map(|_| {
                    let (sender, sent) = (sender.clone(), sent.clone());
                    thread::spawn(move || {
                        loop {
                            if let Err(error) = sender.send_binary(&[0; 50]) {
                                return error;
                            }
                            sent.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            thread::sleep(100 * MS);
            assert!(waiting.iter().all(|thread| !thread.is_finished()));
            assert!(sent.load(Ordering::Relaxed) <= 5, "{sent:?}");
            // The output of senders does not use the capacity of replies.
            let refused = sender.feed(Data::Binary(&[0; 20]), SendOptions::new());
            assert_eq!(refused, Err(SendError::Full));
            let reading = thread::spawn(move || {
                let mut reader = reader;
                if end == "drop" {
                    return;
                }
                while let Ok(Some(_)) = reader.read() {}
            });
            match end {
                "close" => raw.write_all(&frame(0x88, b"\x03\xe8")).unwrap(),
                "eof" => raw.shutdown_write().unwrap(),
                _ => {}
            }
            for thread in waiting {
                let error = thread.join().unwrap();
                assert!(
                    matches!(
                        error,
                        WebSocketError::Send(SendError::Closed)
                            | WebSocketError::Io(_)
                            | WebSocketError::Protocol(_)
                    ),
                    "{end}: {error:?}"
                );
            }
            reading.join().unwrap();
            assert_closed(sender.send_text("x"));
            sender.flush().unwrap_or_default();
        }
    });
}

#[test]
fn waiting_senders_get_capacity_when_the_peer_reads() {
    with_timeout(|| {
        let (a, mut raw) = pipe(64);
        let config = preset(Role::Server).high_water_mark(100).build().unwrap();
        let (_reader, sender) = socket(Role::Server, a, &config).split().unwrap();
        let sending: Vec<_> = (0..5)
            .map(|_| {
                let sender = sender.clone();
                thread::spawn(move || {
                    for _ in 0..100 {
                        sender.send_binary(&[7; 50]).unwrap();
                    }
                    sender.flush().unwrap();
                })
            })
            .collect();
        let mut seen = vec![0; 5 * 100 * 52];
        raw.read_exact(&mut seen).unwrap();
        assert!(seen.chunks(52).all(|message| message[..2] == [0x82, 50]));
        for thread in sending {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_feed_while_the_reader_waits_is_written() {
    with_timeout(|| {
        let (a, mut raw) = tcp();
        let (mut reader, sender) = server(a).split().unwrap();
        let reading = thread::spawn(move || while let Ok(Some(_)) = reader.read() {});
        thread::sleep(50 * MS);
        sender.feed(Data::Text("now"), SendOptions::new()).unwrap();
        let mut text = [0; 5];
        raw.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"\x81\x03now");
        drop(raw);
        reading.join().unwrap();
    });
}

#[test]
fn v36_a_flood_is_not_buffered_by_halves() {
    with_timeout(|| {
        let (a, mut raw) = pipe(1 << 12);
        let (mut reader, background) = server(a).split().unwrap();
        let ticking = thread::spawn(move || {
            let mut ticks = 0_usize;
            while background.send_text("tick").is_ok() {
                ticks += 1;
            }
            ticks
        });
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let reading = thread::spawn(move || {
            while let Some((event, mut reply)) = reader.read().unwrap() {
                if let Some((data, _)) = event.data() {
                    // There is always capacity: reading stops before it is used up.
                    match reply.feed(data, SendOptions::new()) {
                        Ok(()) => drop(count.fetch_add(1, Ordering::Relaxed)),
                        Err(SendError::Full) => {
                            reply.send(data, SendOptions::new()).unwrap();
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
        let mut to = raw.try_clone().unwrap();
        let flooding = thread::spawn(move || {
            let message = frame(0x82, &[7; 1000]);
            for _ in 0..20_000 {
                to.write_all(&message).unwrap();
            }
        });
        thread::sleep(500 * MS);
        assert!(!flooding.is_finished());
        assert!(taken.load(Ordering::Relaxed) < 4000, "{taken:?}");
        let (mut echoes, mut head) = (0, [0; 2]);
        while echoes < 20_000 {
            raw.read_exact(&mut head).unwrap();
            match head {
                [0x81, 4] => raw.read_exact(&mut [0; 4]).unwrap(),
                [0x82, 126] => {
                    raw.read_exact(&mut [0; 1002]).unwrap();
                    echoes += 1;
                }
                head => panic!("{head:x?}"),
            }
        }
        flooding.join().unwrap();
        raw.write_all(&frame(0x88, b"")).unwrap();
        raw.read_to_end(&mut Vec::new()).unwrap();
        drop(raw);
        reading.join().unwrap();
        ticking.join().unwrap();
    });
}

#[test]
fn a_transport_without_a_second_handle_is_not_split() {
    with_timeout(|| {
        let (a, _raw) = tcp();
        let (a, _) = Metered::new(a, false);
        assert_eq!(server(a).split().err().unwrap().kind(), io::ErrorKind::Unsupported);
    });
}

#[test]
fn halves_can_move_to_other_threads() {
    fn assert_send<T: Send>() {}
    fn assert_sync<T: Sync>() {}
    assert_send::<WebSocket<TcpStream>>();
    assert_send::<sansocket::blocking::Reader<TcpStream>>();
    assert_send::<sansocket::blocking::Messages<TcpStream>>();
    assert_send::<PendingRequest<TcpStream>>();
    assert_send::<sansocket::blocking::Sender<TcpStream>>();
    assert_sync::<sansocket::blocking::Sender<TcpStream>>();
}

/// The error is that of the failed write.
#[track_caller]
fn assert_broken(result: Result<bool, WebSocketError>) {
    let kind = io::ErrorKind::BrokenPipe;
    assert!(matches!(&result, Err(WebSocketError::Io(e)) if e.kind() == kind), "{result:?}");
}

#[test]
fn data_received_before_a_write_error_is_read_first() {
    with_timeout(|| {
        for end in ["close", "eof"] {
            let lost = || {
                let (a, mut raw) = pipe(1 << 12);
                raw.write_all(&frame(0x81, b"goodbye, because")).unwrap();
                if end == "close" {
                    raw.write_all(&frame(0x88, b"\x03\xf0")).unwrap();
                }
                // The peer is dropped: every write fails.
                drop(raw);
                a
            };
            // On a WebSocket.
            let mut ws = server(lost());
            ws.feed_text("too late").unwrap();
            assert_eq!(ws.read().unwrap().unwrap().0, Event::Text("goodbye, because"));
            if end == "close" {
                assert!(matches!(ws.read().unwrap().unwrap().0, Event::Close(Some(_))));
                assert!(ws.read().unwrap().is_none());
            } else {
                assert_broken(ws.read().map(|event| event.is_some()));
            }
            // After a flush that has returned the error.
            let mut ws = server(lost());
            ws.feed_text("too late").unwrap();
            assert!(matches!(ws.flush(), Err(WebSocketError::Io(_))));
            assert!(matches!(ws.flush(), Err(WebSocketError::Io(_))));
            assert_eq!(ws.read().unwrap().unwrap().0, Event::Text("goodbye, because"));
            // On halves, where a sender or the reader has seen the error.
            for found_out in [Role::Server, Role::Client] {
                let (mut reader, sender) = server(lost()).split().unwrap();
                if found_out == Role::Server {
                    assert!(matches!(sender.send_text("too late"), Err(WebSocketError::Io(_))));
                    assert!(matches!(sender.send_text("again"), Err(WebSocketError::Io(_))));
                    assert!(matches!(sender.flush(), Err(WebSocketError::Io(_))));
                } else {
                    sender.feed(Data::Text("too late"), SendOptions::new()).unwrap();
                }
                let event = reader.read().unwrap().unwrap().0;
                assert_eq!(event, Event::Text("goodbye, because"));
                if end == "close" {
                    assert!(matches!(reader.read().unwrap().unwrap().0, Event::Close(Some(_))));
                    assert!(reader.read().unwrap().is_none());
                    assert_closed(sender.send_text("too late"));
                } else {
                    assert_broken(reader.read().map(|event| event.is_some()));
                }
            }
        }
    });
}

#[test]
fn a_write_error_is_returned_after_all_received_data() {
    with_timeout(|| {
        // Writes to the peer fail, but it does not end its own output.
        for split in [false, true] {
            let (a, raw) = pipe(1 << 12);
            raw.refuse_input();
            let mut ws = server(a);
            let result = if split {
                let (mut reader, sender) = ws.split().unwrap();
                sender.feed(Data::Text("x"), SendOptions::new()).unwrap();
                reader.read().map(|event| event.is_some())
            } else {
                ws.feed_text("x").unwrap();
                ws.read().map(|event| event.is_some())
            };
            assert_broken(result);
        }
    });
}

#[test]
fn feed_is_refused_when_only_the_capacity_of_replies_is_left() {
    with_timeout(|| {
        let (a, mut raw) = pipe(64);
        let config = preset(Role::Server).max_unsent(300).high_water_mark(100).build().unwrap();
        let (mut reader, sender) = socket(Role::Server, a, &config).split().unwrap();
        let news = [0; 50];
        let mut count = 0;
        while sender.feed(Data::Binary(&news), SendOptions::new()).is_ok() {
            count += 1;
        }
        assert_eq!(count, 4);
        let refused = sender.feed(Data::Binary(&news), SendOptions::new());
        assert_eq!(refused, Err(SendError::Full));
        let reading = thread::spawn(move || reader.read().map(|event| event.is_some()));
        let mut seen = [0; 4 * 52];
        raw.read_exact(&mut seen).unwrap();
        sender.send_text("room again").unwrap();
        raw.read_exact(&mut seen[..12]).unwrap();
        raw.write_all(&frame(0x81, b"")).unwrap();
        assert!(reading.join().unwrap().unwrap());
    });
}

/// A transport with writes that panic on request. It counts the ends of its output and its handles.
struct Panicking {
    io: Pipe,
    writing: Arc<AtomicBool>,
    may_panic: Arc<AtomicBool>,
    ended: Arc<AtomicUsize>,
    handles: Arc<()>,
}

impl Read for Panicking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.read(buffer)
    }
}

impl Write for Panicking {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.writing.store(true, Ordering::Relaxed);
        while !self.may_panic.load(Ordering::Relaxed) {
            thread::sleep(MS);
        }
        panic!("a write that panics");
    }

    fn flush(&mut self) -> io::Result<()> {
        self.io.flush()
    }
}

impl Transport for Panicking {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_write_timeout(timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.io.shutdown_write()
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            io: self.io.try_clone()?,
            writing: self.writing.clone(),
            may_panic: self.may_panic.clone(),
            ended: self.ended.clone(),
            handles: self.handles.clone(),
        })
    }
}

/// A panic inside a write poisons the lock of the writing handle. The handle is still ended and
/// dropped.
#[test]
fn the_end_of_a_connection_closes_a_writing_handle_after_a_panic() {
    with_timeout(|| {
        for aborts in [["before", ""], ["", "after"], ["", ""]] {
            let (io, _peer) = pipe(100);
            let flag = || Arc::new(AtomicBool::new(false));
            let (ended, handles) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
            let (writing, may_panic) = (flag(), flag());
            let transport = Panicking {
                io,
                writing: writing.clone(),
                may_panic: may_panic.clone(),
                ended: ended.clone(),
                handles: handles.clone(),
            };
            let (reader, sender) = server(transport).split().unwrap();
            let other = sender.clone();
            let sending = thread::spawn(move || other.send_text("a"));
            while !writing.load(Ordering::Relaxed) {
                thread::sleep(MS);
            }
            if aborts[0] == "before" {
                sender.abort();
            }
            may_panic.store(true, Ordering::Relaxed);
            assert!(sending.join().is_err());
            // Waiting calls of other threads return.
            assert!(sender.flush().is_err());
            assert!(sender.closed().is_some());
            assert!(sender.send_text("b").is_err());
            if aborts[1] == "after" {
                sender.abort();
            }
            let ends = usize::from(aborts != ["", ""]);
            assert_eq!(ended.load(Ordering::Relaxed), ends);
            drop(reader);
            assert_eq!(ended.load(Ordering::Relaxed), ends + 1);
            // The handle of this test. A sender alone keeps no handle.
            assert_eq!(Arc::strong_count(&handles), 1);
            drop(sender);
        }
    });
}

/// A thread that is blocked in a read can't write, so the feed writes.
#[test]
fn a_feed_writes_while_the_reader_waits() {
    with_timeout(|| {
        let (a, mut raw) = pipe(1000);
        // The reader checks the state rarely.
        let config = preset(Role::Server).close_timeout(1_000_000 * MS).build().unwrap();
        let (mut reader, sender) = socket(Role::Server, a, &config).split().unwrap();
        let reading = thread::spawn(move || while let Ok(Some(_)) = reader.read() {});
        // Until the reader waits, which takes a moment.
        let mut attempts = 0;
        loop {
            sender.feed_text("x").unwrap();
            if sender.unsent() == 0 {
                break;
            }
            attempts += 1;
            assert!(attempts < 50, "the feed does not write");
            thread::sleep(10 * MS);
        }
        raw.read_exact(&mut [0; 3]).unwrap();
        drop(raw);
        reading.join().unwrap();
    });
}
