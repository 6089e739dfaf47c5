//! Streams of the operating system in both modes: blocking and non-blocking calls.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use sansocket::blocking::{PendingRequest, Transport, WebSocket};
use sansocket::{CloseCode, ConnectRequest, Event, Role};

use crate::blocking::support::*;
use crate::common::thread;

/// Counts the calls that can block, including failed ones.
#[derive(Debug)]
struct Counting<S> {
    io: S,
    calls: Arc<AtomicU64>,
    /// The mode that was set last.
    nonblocking: Arc<AtomicBool>,
}

impl<S> Counting<S> {
    fn new(io: S) -> Self {
        Self { io, calls: Arc::default(), nonblocking: Arc::default() }
    }
}

impl<S: Read> Read for Counting<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.io.read(buffer)
    }
}

impl<S: Write> Write for Counting<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.io.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.io.flush()
    }
}

impl<S: Transport> Transport for Counting<S> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_write_timeout(timeout)
    }

    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        self.nonblocking.store(nonblocking, Ordering::Relaxed);
        self.io.set_nonblocking(nonblocking)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.io.shutdown_write()
    }

    fn try_clone(&self) -> io::Result<Self> {
        let (calls, nonblocking) = (self.calls.clone(), self.nonblocking.clone());
        Ok(Self { io: self.io.try_clone()?, calls, nonblocking })
    }
}

/// The kinds of reads in turn, on one stream of the operating system.
fn reads_in_turns<S: Transport + core::fmt::Debug + Send + 'static>(
    io: S,
    mut raw: impl Read + Write,
) {
    let io = Counting::new(io);
    let (calls, nonblocking) = (io.calls.clone(), io.nonblocking.clone());
    let mut ws = server(io);
    for round in 0..3 {
        // No input: one read, which returns that.
        let before = calls.load(Ordering::Relaxed);
        assert!(matches!(ws.poll_read(), Ok(Poll::Pending)));
        assert_eq!(calls.load(Ordering::Relaxed), before + 1);
        assert!(nonblocking.load(Ordering::Relaxed));
        raw.write_all(&frame(0x81, b"polled")).unwrap();
        // The loopback interface can have a delay.
        let text = loop {
            match ws.poll_read().unwrap() {
                Poll::Ready(Some((Event::Text(text), mut reply))) => {
                    // The reply to a polled event blocks.
                    reply.send_text("reply").unwrap();
                    break String::from(text);
                }
                Poll::Ready(other) => panic!("{other:?}"),
                Poll::Pending => thread::sleep(MS),
            }
        };
        assert_eq!(text, "polled", "round {round}");
        assert!(!nonblocking.load(Ordering::Relaxed));
        let mut reply = [0; 7];
        raw.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"\x81\x05reply");
        // The read blocks again, and does not poll.
        let before = calls.load(Ordering::Relaxed);
        let (pending, took) = timed(|| matches!(ws.read_timeout(50 * MS), Ok(Poll::Pending)));
        assert!(pending && took >= 40 * MS, "{took:?}");
        assert!(calls.load(Ordering::Relaxed) - before < 20);
        raw.write_all(&frame(0x81, b"read")).unwrap();
        assert!(matches!(ws.read(), Ok(Some((Event::Text("read"), _)))));
        // A non-blocking call writes fed output.
        ws.feed_text("answer").unwrap();
        assert!(matches!(ws.poll_read(), Ok(Poll::Pending)));
        let mut answer = [0; 8];
        raw.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\x81\x06answer");
    }
    // The stream is in blocking mode again, and without a timeout: the read waits for late input.
    assert!(matches!(ws.poll_read(), Ok(Poll::Pending)));
    let mut stream = ws.into_inner().stream.io;
    let waiting = thread::spawn(move || stream.read(&mut [0; 10]).unwrap());
    thread::sleep(50 * MS);
    raw.write_all(b"late").unwrap();
    assert_eq!(waiting.join().unwrap(), 4);
}

#[test]
fn a_tcp_stream_alternates_between_blocking_and_nonblocking_reads() {
    with_timeout(|| {
        let (io, raw) = tcp();
        reads_in_turns(io, raw);
    });
}

#[cfg(unix)]
#[test]
fn a_unix_stream_alternates_between_blocking_and_nonblocking_reads() {
    with_timeout(|| {
        let (io, raw) = std::os::unix::net::UnixStream::pair().unwrap();
        reads_in_turns(io, raw);
    });
}

type Io = Counting<std::net::TcpStream>;

/// Each blocking call as the first one. The peer is silent for a while, then sends a text, reads
/// everything, and closes.
const FIRST_CALLS: [(&str, fn(Io)); 9] = [
    ("read", |io| assert!(server(io).read().unwrap().is_some())),
    ("read_timeout", |io| {
        assert!(matches!(server(io).read_timeout(20_000 * MS), Ok(Poll::Ready(Some(_)))));
    }),
    ("read_into", |io| assert!(server(io).read_into(&mut [0; 9]).unwrap().is_some())),
    ("Messages", |io| assert!(server(io).into_messages().next().unwrap().is_ok())),
    ("Reader::read", |io| {
        let (mut reader, _sender) = server(io).split().unwrap();
        assert!(reader.read().unwrap().is_some());
    }),
    ("send", |io| server(io).send_binary(&LONG).unwrap()),
    ("flush", |io| {
        let mut ws = server(io);
        ws.feed_binary(&LONG).unwrap();
        ws.flush().unwrap();
    }),
    ("Sender::send", |io| {
        let (_reader, sender) = server(io).split().unwrap();
        sender.send_binary(&LONG).unwrap();
    }),
    ("close", |io| assert!(server(io).close(CloseCode::NORMAL, "").unwrap().clean)),
];

/// More than the buffers of the operating system hold.
static LONG: [u8; 16_000_000] = [7; 16_000_000];

fn server<S: Transport>(io: S) -> WebSocket<S> {
    socket(Role::Server, io, &preset(Role::Server).max_unsent(40_000_000).build().unwrap())
}

#[test]
fn a_nonblocking_stream_is_made_blocking() {
    for (call, first) in FIRST_CALLS {
        with_timeout(move || {
            let (io, mut raw) = tcp();
            io.set_nonblocking(true).unwrap();
            let io = Counting::new(io);
            let calls = io.calls.clone();
            let peer = thread::spawn(move || {
                thread::sleep(100 * MS);
                let _ = raw.write_all(&frame(0x81, b"hi"));
                let _ = raw.write_all(&frame(0x88, b"\x03\xe8"));
                let _ = raw.read_to_end(&mut Vec::new());
            });
            first(io);
            peer.join().unwrap();
            // A busy loop makes some thousand calls in 100 ms.
            let calls = calls.load(Ordering::Relaxed);
            assert!(calls < 1500, "{call}: {calls} calls");
        });
    }
}

#[test]
fn a_handshake_over_a_nonblocking_stream_blocks() {
    const REQUEST: &[u8] =
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";
    with_timeout(|| {
        for role in [Role::Server, Role::Client] {
            let (io, mut raw) = tcp();
            io.set_nonblocking(true).unwrap();
            let io = Counting::new(io);
            let calls = io.calls.clone();
            let peer = thread::spawn(move || {
                thread::sleep(100 * MS);
                let bytes = match role {
                    Role::Server => REQUEST,
                    Role::Client => b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
                };
                raw.write_all(bytes).unwrap();
                raw
            });
            let config = preset(role).build().unwrap();
            match role {
                Role::Server => drop(PendingRequest::read(io, &config).unwrap()),
                Role::Client => {
                    let request = ConnectRequest::new("ws://a/").unwrap();
                    drop(WebSocket::client(io, &request, &config).unwrap_err());
                }
            }
            let calls = calls.load(Ordering::Relaxed);
            assert!(calls < 100, "{role:?}: {calls} calls");
            peer.join().unwrap();
        }
    });
}

#[test]
fn an_earlier_timeout_of_the_stream_ends_no_read() {
    with_timeout(|| {
        let (io, mut raw) = tcp();
        io.set_read_timeout(Some(MS)).unwrap();
        let io = Counting::new(io);
        let calls = io.calls.clone();
        let mut ws = server(io);
        let peer = thread::spawn(move || {
            thread::sleep(100 * MS);
            raw.write_all(&frame(0x81, b"hi")).unwrap();
            raw
        });
        assert!(matches!(ws.read(), Ok(Some((Event::Text("hi"), _)))));
        assert!(calls.load(Ordering::Relaxed) < 20);
        peer.join().unwrap();
    });
}
