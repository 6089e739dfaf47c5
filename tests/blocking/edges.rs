//! Calls that must not block, senders with endless output, buffering transports in halves,
//! responses that cannot be written.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use sansocket::blocking::{PendingRequest, Sender, Transport, WebSocket};
use sansocket::error::{PeerError, ProtocolError};
use sansocket::handshake::HttpResponse;
use sansocket::{Event, Role, WebSocketError};

use crate::blocking::support::*;
use crate::blocking::transports::*;
use crate::common::thread;

/// The bound of a call that must not block: far below the linger timeouts of these tests, far above
/// the needs of a busy machine.
const BOUND: Duration = Duration::from_secs(5);

/// The result of a read without waiting, or with a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Pending,
    Close,
    Data,
    End,
    Error(ProtocolError),
}

fn outcome<E>(result: Result<Poll<Option<(Event<'_>, E)>>, WebSocketError>) -> Outcome {
    match result {
        Ok(Poll::Pending) => Outcome::Pending,
        Ok(Poll::Ready(Some((Event::Close(_), _)))) => Outcome::Close,
        Ok(Poll::Ready(Some(_))) => Outcome::Data,
        Ok(Poll::Ready(None)) => Outcome::End,
        Err(WebSocketError::Protocol(error)) => Outcome::Error(error),
        Err(error) => panic!("{error}"),
    }
}

/// The calls that end, with their bounds.
fn calls<S: Transport>() -> [fn(&mut WebSocket<S>) -> Outcome; 2] {
    [|ws| outcome(ws.poll_read()), |ws| outcome(ws.read_timeout(20 * MS))]
}

#[test]
fn a_nonblocking_read_does_not_wait_for_the_end_of_a_connection() {
    with_timeout(|| {
        let reserved = PeerError::UnknownOpCode(3).into();
        for call in calls() {
            for (said, first, last) in [
                (frame(0x88, b"\x03\xe8"), Outcome::Close, Outcome::End),
                (frame(0x83, b""), Outcome::Pending, Outcome::Error(reserved)),
                // Inside a payload.
                (
                    frame(0x81, b"\xff"),
                    Outcome::Pending,
                    Outcome::Error(PeerError::InvalidUtf8.into()),
                ),
            ] {
                let (a, mut raw) = tcp();
                let config = preset(Role::Server)
                    .linger_timeout(30_000 * MS)
                    .max_unsent(64 << 20)
                    .build()
                    .unwrap();
                let mut ws = socket(Role::Server, a, &config);
                // More than all buffers between the ends hold: the reply is queued after it.
                ws.feed_binary(&vec![0; 32 << 20]).unwrap();
                raw.write_all(&said).unwrap();
                let mut seen = Outcome::Pending;
                for _ in 0..200 {
                    let (outcome, took) = timed(|| call(&mut ws));
                    assert!(took < BOUND, "{outcome:?} after {took:?}");
                    if outcome != Outcome::Pending {
                        seen = outcome;
                        break;
                    }
                    if first == Outcome::Pending && ws.connection().is_closed() {
                        break;
                    }
                    thread::sleep(MS);
                }
                assert_eq!(seen, first);
                // The peer then reads all of it, and ends.
                let reading = thread::spawn(move || {
                    let mut len = 0;
                    let mut buffer = vec![0; 1 << 20];
                    loop {
                        match raw.read(&mut buffer).unwrap() {
                            0 => return len,
                            n => len += n,
                        }
                    }
                });
                let end = loop {
                    let (outcome, took) = timed(|| call(&mut ws));
                    assert!(took < BOUND, "{outcome:?} after {took:?}");
                    if outcome != Outcome::Pending {
                        break outcome;
                    }
                    thread::sleep(MS);
                };
                assert_eq!(end, last);
                assert_eq!(reading.join().unwrap(), (32 << 20) + 10 + 4);
            }
        }
    });
}

#[test]
fn a_read_with_a_timeout_ends_in_halves_too() {
    with_timeout(|| {
        // The peer stays, and does not read; a violation, then replies above the mark.
        for said in [frame(0x83, b""), frame(0x81, b"ask").repeat(100)] {
            let (a, mut raw) = pipe(1 << 12);
            let config = preset(Role::Server)
                .linger_timeout(30_000 * MS)
                .max_unsent(300)
                .high_water_mark(100)
                .build()
                .unwrap();
            let (mut reader, sender) = socket(Role::Server, a, &config).split().unwrap();
            raw.write_all(&said).unwrap();
            sender.feed_binary(&[0; 5000]).unwrap();
            let ((), took) = timed(|| {
                for _ in 0..40 {
                    if let Ok(Poll::Ready(Some((_, mut reply)))) = reader.read_timeout(20 * MS) {
                        reply.feed_text("answer").unwrap();
                    }
                }
            });
            assert!(took < 2 * BOUND, "40 reads of 20 ms: {took:?}");
        }
    });
}

#[test]
fn a_flood_without_events_does_not_extend_a_read_timeout() {
    with_timeout(|| {
        for call in calls() {
            let io = Endless { unread: Vec::new() };
            let mut ws = socket(Role::Server, io, &preset(Role::Server).build().unwrap());
            let (outcome, took) = timed(|| call(&mut ws));
            assert_eq!(outcome, Outcome::Pending);
            assert!(took < BOUND, "{took:?}");
        }
    });
}

/// A transport that always has one more fragment of a message.
struct Endless {
    unread: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            self.unread = frame(0x02, b"");
        }
        let n = self.unread.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.unread[..n]);
        self.unread.drain(..n);
        if self.unread.is_empty() {
            self.unread = frame(0x00, b"");
        }
        Ok(n)
    }
}

impl Write for Endless {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Endless {
    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_nonblocking(&mut self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// ------------------------------------------------------------------------------- endless output

/// Each write makes a sender feed more, so there is always output. None of it leaves.
#[derive(Clone)]
struct Feeding {
    sender: Arc<Mutex<Option<Sender<Self>>>>,
    read: Pipe,
}

impl Read for Feeding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read.read(buffer)
    }
}

impl Write for Feeding {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(sender) = &*self.sender.lock().unwrap() {
            let _ = sender.feed_text("more");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Feeding {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.read.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}

#[test]
fn endless_output_of_other_senders_blocks_neither_the_reader_nor_a_feed() {
    with_timeout(|| {
        let (a, mut raw) = pipe(1 << 12);
        let slot = Arc::new(Mutex::new(None));
        let io = Feeding { sender: slot.clone(), read: a };
        let (mut reader, sender) = server(io).split().unwrap();
        *slot.lock().unwrap() = Some(sender.clone());
        sender.feed_text("first").unwrap();
        raw.write_all(&frame(0x81, b"one")).unwrap();
        assert_eq!(reader.read().unwrap().unwrap().0, Event::Text("one"));
        let reading = thread::spawn(move || {
            assert_eq!(reader.read().unwrap().unwrap().0, Event::Text("two"));
            reader
        });
        // The reader is blocked in a read, so the feeding thread writes.
        thread::sleep(50 * MS);
        sender.feed_text("second").unwrap();
        sender.send_text("third").unwrap();
        raw.write_all(&frame(0x81, b"two")).unwrap();
        drop(reading.join().unwrap());
        // The transport has accepted it, and holds it.
        slot.lock().unwrap().take();
    });
}

// -------------------------------------------------------------------------- a buffer, in halves

#[test]
fn a_buffering_transport_is_flushed_in_halves_too() {
    with_timeout(|| {
        let buffering = |io| Buffering { io, held: Vec::new() };
        // Fed while the reader waits: the flush does not end within its turn.
        let (a, mut raw) = pipe(64);
        let (mut reader, sender) = server(buffering(a)).split().unwrap();
        let reading = thread::spawn(move || while let Ok(Some(_)) = reader.read() {});
        thread::sleep(50 * MS);
        sender.feed_binary(&[7; 1000]).unwrap();
        let mut seen = vec![0; 1004];
        raw.read_exact(&mut seen).unwrap();
        raw.write_all(&frame(0x88, b"")).unwrap();
        let mut rest = Vec::new();
        raw.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, [0x88, 0]);
        drop(raw);
        reading.join().unwrap();

        // The reply of a client after output that is not written at once: the client drains, and
        // must flush.
        let (b, mut raw) = pipe(64);
        let (mut reader, sender) = client(buffering(b)).split().unwrap();
        sender.feed_binary(&[7; 1000]).unwrap();
        raw.write_all(b"\x88\0").unwrap();
        let reading = thread::spawn(move || while let Ok(Some(_)) = reader.read() {});
        thread::sleep(50 * MS);
        let mut seen = vec![0; 1008 + 6];
        raw.read_exact(&mut seen).unwrap();
        drop(raw);
        reading.join().unwrap();

        // A violation: the Close frame is flushed before the output ends.
        let (a, mut raw) = pipe(64);
        let (mut reader, sender) = server(buffering(a)).split().unwrap();
        sender.feed_binary(&[7; 1000]).unwrap();
        raw.write_all(&frame(0x83, b"")).unwrap();
        let reading = thread::spawn(move || while let Ok(Some(_)) = reader.read() {});
        thread::sleep(50 * MS);
        let mut seen = Vec::new();
        raw.read_to_end(&mut seen).unwrap();
        assert!(seen.len() == 1008 && seen.ends_with(b"\x88\x02\x03\xea"), "{}", seen.len());
        drop(raw);
        reading.join().unwrap();
    });
}

// ------------------------------------------------------------------------------------- failures

#[test]
fn a_flush_after_a_failure_is_an_error() {
    with_timeout(|| {
        for split in [false, true] {
            let (a, raw) = pipe(8);
            let config = preset(Role::Server).linger_timeout(MS).build().unwrap();
            let mut ws = socket(Role::Server, a, &config);
            ws.feed_binary(&[0; 100]).unwrap();
            drop(raw);
            if split {
                let (mut reader, sender) = ws.split().unwrap();
                assert!(reader.read().is_err());
                assert!(sender.flush().is_err());
                assert!(sender.flush().is_err());
            } else {
                assert!(ws.read().is_err());
                assert!(ws.flush().is_err());
                assert!(ws.flush().is_err());
            }
        }
    });
}

#[test]
fn the_reason_of_an_unwritten_response_is_returned() {
    with_timeout(|| {
        for gone in [false, true] {
            let (a, mut raw) = pipe(64);
            let config = preset(Role::Server).linger_timeout(50 * MS).build().unwrap();
            raw.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let request = PendingRequest::read(a, &config).unwrap();
            let page = HttpResponse::new(200).unwrap().with_body("text/plain", vec![b'x'; 1000]);
            let raw = (!gone).then_some(raw);
            let error = request.respond(&page.unwrap()).unwrap_err();
            let want = if gone { io::ErrorKind::BrokenPipe } else { io::ErrorKind::TimedOut };
            assert_eq!(error.kind(), want);
            drop(raw);
        }
    });
}

/// A thread that writes for others stops after its own message if others wait for theirs.
#[test]
fn a_send_waits_for_its_own_bytes_only() {
    with_timeout(|| {
        let (a, mut raw) = pipe(16);
        let (_reader, sender) = server(a).split().unwrap();
        sender.feed_binary(&[0; 100]).unwrap();
        let writing = {
            let sender = sender.clone();
            thread::spawn(move || sender.flush())
        };
        let until_unsent = |bytes| {
            while sender.unsent() != bytes {
                thread::sleep(MS);
            }
        };
        // The pipe is full.
        until_unsent(102 - 16);
        let other = sender.clone();
        let sending = thread::spawn(move || other.send_binary(&[1; 10]));
        until_unsent(102 - 16 + 12);
        sender.feed_binary(&[2; 10_000]).unwrap();
        raw.read_exact(&mut [0; 102 + 12]).unwrap();
        writing.join().unwrap().unwrap();
        sending.join().unwrap().unwrap();
        assert!(sender.unsent() > 9000);
        drop(raw);
    });
}
