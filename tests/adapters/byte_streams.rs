//! Byte streams over a WebSocket, on tokio and on threads.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use sansocket::config::Delivery;
use sansocket::connection::Negotiated;
use sansocket::error::{PeerError, ProtocolError, SendError};
use sansocket::message::MessageKind::{self, Binary, Text};
use sansocket::tokio::{ByteStream, WebSocket};
use sansocket::{CloseCode, Config, Connection, Event, Instant, Role, blocking};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::time::timeout;
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec};

use crate::common::preset;
use crate::common::tasks::{self, spawn};
use crate::common::thread;

const FILE_LEN: usize = 10_000_000;

fn connection(role: Role, config: &Config) -> Connection {
    Connection::new(role, config, &Negotiated::new(), Instant::now())
}

fn socket<S: AsyncRead + AsyncWrite + Unpin>(role: Role, io: S, config: &Config) -> WebSocket<S> {
    WebSocket::from_connection(io, connection(role, config), &[])
}

fn plain<S: AsyncRead + AsyncWrite + Unpin>(role: Role, io: S) -> WebSocket<S> {
    socket(role, io, &preset(role).build().unwrap())
}

/// Two byte streams over a transport that holds `len` bytes in each direction.
fn pair(len: usize, kind: MessageKind) -> (ByteStream<DuplexStream>, ByteStream<DuplexStream>) {
    let (a, b) = duplex(len);
    (plain(Role::Client, a).into_byte_stream(kind), plain(Role::Server, b).into_byte_stream(kind))
}

fn tcp() -> (blocking::WebSocket<TcpStream>, blocking::WebSocket<TcpStream>) {
    let (client, server) = tcp_streams();
    let config = |role| preset(role).build().unwrap();
    let [a, b] = [Role::Client, Role::Server].map(|role| connection(role, &config(role)));
    (
        blocking::WebSocket::from_connection(client, a, &[]),
        blocking::WebSocket::from_connection(server, b, &[]),
    )
}

fn tcp_streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Bytes in which each loss, repetition or exchange is visible.
fn file(len: usize) -> Vec<u8> {
    let mut x = 1_u32;
    let next = |_| {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 24) as u8
    };
    (0..len).map(next).collect()
}

/// Text with characters of each length.
fn text(len: usize) -> Vec<u8> {
    "a\u{e9}\u{20ac}\u{1f600}".chars().cycle().take(len / 3).collect::<String>().into_bytes()
}

/// A frame of a server.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, payload.len() as u8];
    frame.extend_from_slice(payload);
    frame
}

async fn with_timeout<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(120), future).await.expect("in time")
}

#[tokio::test]
async fn w1_a_file_copied_by_tokio_arrives_equal() {
    for (transport, len, kind) in [
        (65_536, FILE_LEN, Binary),
        (65_536, 1 << 20, Text),
        (7, 50_000, Binary),
        (7, 50_000, Text),
    ] {
        let (mut here, mut there) = pair(transport, kind);
        let sent = if kind == Binary { file(len) } else { text(len) };
        let copying = async {
            let n = tokio::io::copy(&mut &sent[..], &mut here).await.unwrap();
            assert_eq!(n, sent.len() as u64);
            here.shutdown().await.unwrap();
            assert_eq!(here.close_status().unwrap().code, CloseCode::NORMAL);
        };
        let mut received = Vec::new();
        let (n, ()) =
            with_timeout(async { tokio::join!(there.read_to_end(&mut received), copying) }).await;
        assert_eq!(n.unwrap(), sent.len());
        assert!(received == sent, "{transport} {len}");
        // Later reads return the end again.
        assert_eq!(there.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(there.close_status().unwrap().code, CloseCode::NORMAL);
    }
}

#[tokio::test]
async fn w1_a_tunnel_copies_both_ways_and_keeps_data_received_during_the_shutdown() {
    for transport in [16, 65_536] {
        let (client, server) = pair(transport, Binary);
        let (mut here, mut there) = (client, server);
        let (mut tunnel, mut service) = duplex(transport);
        let (up, down) = (file(200_000), file(100_000));
        // The service reads the complete request before it replies; the length ends the request.
        let serving = async {
            let mut request = vec![0; up.len()];
            service.read_exact(&mut request).await.unwrap();
            assert!(request == up);
            service.write_all(&down).await.unwrap();
            service.shutdown().await.unwrap();
            assert_eq!(service.read(&mut [0]).await.unwrap(), 0);
        };
        let tunnelling = tokio::io::copy_bidirectional(&mut there, &mut tunnel);
        let asking = async {
            here.write_all(&up).await.unwrap();
            let mut answer = Vec::new();
            here.read_to_end(&mut answer).await.unwrap();
            assert!(answer == down);
        };
        let ((), copied, ()) =
            with_timeout(async { tokio::join!(serving, tunnelling, asking) }).await;
        assert_eq!(copied.unwrap(), (up.len() as u64, down.len() as u64));
    }
}

#[tokio::test]
async fn w1_data_that_arrives_during_a_shutdown_is_kept_for_reads() {
    let (mut here, mut there) = pair(65_536, Binary);
    there.write_all(b"sent before ").await.unwrap();
    there.write_all(b"the Close frame").await.unwrap();
    let reading = async {
        let mut received = Vec::new();
        there.read_to_end(&mut received).await.unwrap();
    };
    let (closed, ()) = with_timeout(async { tokio::join!(here.shutdown(), reading) }).await;
    closed.unwrap();
    let mut received = String::new();
    here.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "sent before the Close frame");
}

/// Data that a shutdown has no space for is discarded at the close deadline: the reads that follow
/// must not take the Close frame for the end of all data.
#[tokio::test(start_paused = true)]
async fn w1_data_that_a_shutdown_discards_is_an_error_of_the_reads() {
    for delivery in [Delivery::Whole, Delivery::Parts] {
        let (a, b) = duplex(1000);
        let config =
            preset(Role::Client).high_water_mark(10_000).delivery(delivery).build().unwrap();
        let mut here = socket(Role::Client, a, &config).into_byte_stream(Binary);
        let mut there = plain(Role::Server, b).into_byte_stream(Binary);
        let sent = file(300_000);
        let sending = async {
            for chunk in sent.chunks(1000) {
                there.write_all(chunk).await.unwrap();
            }
            assert_eq!(there.read(&mut [0]).await.unwrap(), 0);
        };
        let (closed, ()) = with_timeout(async { tokio::join!(here.shutdown(), sending) }).await;
        closed.unwrap();
        assert_eq!(here.close_status().unwrap().code, CloseCode::NORMAL);
        let mut received = Vec::new();
        let error = here.read_to_end(&mut received).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted, "{error}");
        assert!((5_000..=11_000).contains(&received.len()) && sent.starts_with(&received));
        let again = here.read(&mut [0]).await.unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::ConnectionAborted);
    }
}

/// The same for a reader that comes after the deadline, but before the end of the connection.
#[tokio::test(start_paused = true)]
async fn w1_data_discarded_by_a_read_is_an_error_too() {
    let (a, mut peer) = duplex(100_000);
    let config = preset(Role::Client).high_water_mark(10_000).build().unwrap();
    let stream = socket(Role::Client, a, &config).into_byte_stream(Binary);
    for _ in 0..400 {
        peer.write_all(&frame(0x82, &[7; 100])).await.unwrap();
    }
    let (mut reader, mut writer) = tokio::io::split(stream);
    let closing = spawn(async move { writer.shutdown().await });
    let reading = async {
        let mut received = Vec::new();
        let end = reader.read_to_end(&mut received).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!((1..40_000).contains(&received.len()), "{}", received.len());
    };
    tokio::time::sleep(Duration::from_millis(5100)).await;
    // The close deadline has passed, and the peer has sent no Close frame yet.
    peer.write_all(&frame(0x82, b"late")).await.unwrap();
    peer.write_all(&frame(0x88, &1000_u16.to_be_bytes())).await.unwrap();
    peer.shutdown().await.unwrap();
    with_timeout(reading).await;
    with_timeout(closing).await.unwrap().unwrap();
}

#[tokio::test]
async fn w1_codecs_work_on_top() {
    let (here, there) = pair(100, Text);
    let (mut here, mut there) =
        (Framed::new(here, LinesCodec::new()), Framed::new(there, LinesCodec::new()));
    let lines = ["one", "", "zw\u{f6}lf", "\u{1f600}"];
    let sending = async {
        for line in lines {
            here.send(line).await.unwrap();
        }
        here.into_inner().shutdown().await.unwrap();
    };
    let receiving = async {
        let mut received = Vec::new();
        while let Some(line) = there.next().await {
            received.push(line.unwrap());
        }
        received
    };
    assert_eq!(with_timeout(async { tokio::join!(receiving, sending) }).await.0, lines);

    let (here, there) = pair(100, Binary);
    let codec = LengthDelimitedCodec::new;
    let (mut here, mut there) = (Framed::new(here, codec()), Framed::new(there, codec()));
    let bytes = Bytes::from(file(100_000));
    let (sent, received) =
        with_timeout(async { tokio::join!(here.send(bytes.clone()), there.next()) }).await;
    sent.unwrap();
    assert!(received.unwrap().unwrap() == bytes);
}

#[tokio::test]
async fn w1_each_write_is_a_message_of_one_kind_and_reads_take_both() {
    let (a, b) = duplex(65_536);
    let mut stream = plain(Role::Client, a).into_byte_stream(Text);
    let mut peer = plain(Role::Server, b);
    stream.write_all(b"one").await.unwrap();
    assert_eq!(stream.write(b"").await.unwrap(), 0);
    stream.write_all("tw\u{f6}".as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    for expected in ["one", "tw\u{f6}"] {
        assert_eq!(peer.read().await.unwrap().unwrap().0, Event::Text(expected));
    }
    peer.send_binary(b"bytes ").await.unwrap();
    peer.send_text("").await.unwrap();
    peer.send_ping(b"!").await.unwrap();
    peer.send_text("and text").await.unwrap();
    let mut received = [0; 14];
    stream.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"bytes and text");
    // The WebSocket returns the rest of a message that was read in part.
    peer.send_text("half and half").await.unwrap();
    stream.read_exact(&mut received[..5]).await.unwrap();
    let mut ws = stream.into_inner();
    let rest = ws.read_into(&mut received).await.unwrap().unwrap();
    assert_eq!((&received[..rest.len], rest.end_of_message), (&b"and half"[..], true));
}

#[tokio::test]
async fn w1_invalid_utf8_is_an_error_of_the_write_and_of_the_shutdown() {
    let (mut stream, _peer) = pair(1000, Text);
    let error = stream.write_all(b"ab\xff").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    stream.write_all(b"\xe2\x82").await.unwrap();
    let error = stream.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(stream.close_status().is_none());
}

#[tokio::test]
async fn w4_a_flush_sends_no_frame() {
    let (io, mut peer) = duplex(1000);
    let mut stream = plain(Role::Server, io).into_byte_stream(Binary);
    for _ in 0..3 {
        stream.flush().await.unwrap();
    }
    stream.write_all(b"x").await.unwrap();
    stream.flush().await.unwrap();
    stream.flush().await.unwrap();
    drop(stream);
    let mut wire = Vec::new();
    peer.read_to_end(&mut wire).await.unwrap();
    assert_eq!(wire, b"\x82\x01x");
}

/// A transport that returns some bytes, then an error.
struct Broken(&'static [u8], io::ErrorKind);

impl AsyncRead for Broken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Ready(Err(self.1.into()));
        }
        buffer.put_slice(core::mem::take(&mut self.0));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Broken {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn protocol_error(error: &io::Error) -> Option<&ProtocolError> {
    error.get_ref()?.downcast_ref()
}

#[tokio::test]
async fn w1_the_end_a_reset_a_violation_and_a_lost_connection_are_different_results() {
    let read = async |wire: Vec<u8>| {
        let (io, mut peer) = duplex(1000);
        let mut stream = plain(Role::Client, io).into_byte_stream(Binary);
        peer.write_all(&wire).await.unwrap();
        peer.shutdown().await.unwrap();
        let mut received = Vec::new();
        let end = stream.read_to_end(&mut received).await;
        assert_eq!(received, b"data");
        // Each later read returns the same kind of end.
        let again = stream.read(&mut [0; 8]).await;
        assert_eq!(
            again.as_ref().err().map(io::Error::kind),
            end.as_ref().err().map(io::Error::kind)
        );
        end
    };
    let with = |last: &[u8]| [&frame(0x82, b"data")[..], last].concat();
    assert_eq!(read(with(&frame(0x88, &1000_u16.to_be_bytes()))).await.unwrap(), 4);
    assert_eq!(read(with(&frame(0x88, &1001_u16.to_be_bytes()))).await.unwrap(), 4);

    let violation = read(with(&frame(0x83, b""))).await.unwrap_err();
    assert_eq!(violation.kind(), io::ErrorKind::InvalidData);
    assert!(matches!(protocol_error(&violation), Some(ProtocolError::Peer(_))));

    let lost = read(with(&[])).await.unwrap_err();
    assert_eq!(lost.kind(), io::ErrorKind::UnexpectedEof);
    let expected = ProtocolError::Peer(PeerError::ClosedWithoutHandshake);
    assert_eq!(protocol_error(&lost), Some(&expected));

    let transport = Broken(b"\x82\x04data", io::ErrorKind::ConnectionReset);
    let mut stream = plain(Role::Client, transport).into_byte_stream(Binary);
    let mut received = Vec::new();
    let reset = stream.read_to_end(&mut received).await.unwrap_err();
    assert_eq!((reset.kind(), &received[..]), (io::ErrorKind::ConnectionReset, &b"data"[..]));
    assert!(stream.read(&mut [0; 8]).await.is_err());

    // Writes to a closed connection.
    let (mut stream, mut peer) = pair(1000, Binary);
    let mut received = Vec::new();
    let (read, closed) =
        with_timeout(async { tokio::join!(stream.read_to_end(&mut received), peer.shutdown()) })
            .await;
    assert_eq!((read.unwrap(), closed.unwrap()), (0, ()));
    let error = stream.write_all(b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let source = error.get_ref().and_then(|error| error.downcast_ref());
    assert_eq!(source, Some(&SendError::Closed));
    stream.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn w1_a_write_to_a_peer_that_does_not_read_has_a_deadline_and_a_bound() {
    let (io, _peer) = duplex(100);
    let config = preset(Role::Client).high_water_mark(10_000).build().unwrap();
    let mut stream = socket(Role::Client, io, &config).into_byte_stream(Binary);
    let started = tokio::time::Instant::now();
    let data = file(1_000_000);
    let (mut taken, mut most) = (0, 0);
    let error = loop {
        match stream.write(&data[taken..]).await {
            Ok(n) => taken += n,
            Err(error) => break error,
        }
        most = most.max(stream.unsent());
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(started.elapsed().as_secs(), 60);
    assert!((10_000..=20_000).contains(&taken) && most < 20_100, "{taken} {most}");
}

#[tokio::test(start_paused = true)]
async fn w1_a_read_has_the_deadline_of_pending_output() {
    let (io, _peer) = duplex(100);
    let config = preset(Role::Client).keep_alive(None, None).build().unwrap();
    let stream = socket(Role::Client, io, &config).into_byte_stream(Binary);
    let (mut reader, mut writer) = tokio::io::split(stream);
    let reading = spawn(async move { reader.read(&mut [0; 8]).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    writer.write_all(&[0; 1000]).await.unwrap();
    let started = tokio::time::Instant::now();
    let error = with_timeout(reading).await.unwrap().unwrap_err();
    // The write timeout, and at most the linger timeout.
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!((60..=62).contains(&started.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn w1_the_close_timeout_bounds_a_shutdown() {
    // The peer reads all output and sends a message every second, which moves the deadline of the
    // connection.
    let talking = |limit: Option<Duration>| async move {
        let (io, peer) = duplex(1000);
        let config = preset(Role::Client).close_timeout(Duration::from_secs(600)).build().unwrap();
        let mut stream = socket(Role::Client, io, &config).into_byte_stream(Binary);
        if let Some(limit) = limit {
            stream.set_close_timeout(limit);
        }
        let (mut reading, mut writing) = tokio::io::split(peer);
        let talking = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                writing.write_all(&frame(0x82, b"bla")).await?;
            }
        };
        let mut wire = Vec::new();
        let started = tokio::time::Instant::now();
        let closed = tokio::select! {
            closed = stream.shutdown() => closed,
            closed = async { tokio::join!(talking, reading.read_to_end(&mut wire)).0 } => closed,
        };
        let elapsed = started.elapsed();
        // The connection has timed out.
        assert!(stream.write(b"x").await.is_err() && stream.shutdown().await.is_err());
        drop(stream);
        reading.read_to_end(&mut wire).await.unwrap();
        (closed.unwrap_err().kind(), elapsed.as_millis(), wire.len())
    };
    // A masked Close frame with a code has 8 bytes.
    assert_eq!(talking(None).await, (io::ErrorKind::TimedOut, 16_000, 8));
    let limit = Some(Duration::from_millis(1500));
    assert_eq!(talking(limit).await, (io::ErrorKind::TimedOut, 1500, 8));
    assert_eq!(talking(Some(Duration::ZERO)).await, (io::ErrorKind::TimedOut, 0, 8));
    // Without a timeout of the stream, that of the connection applies: 600 s after the last data
    // that was read.
    let (kind, elapsed, _) = talking(Some(Duration::MAX)).await;
    assert!(kind == io::ErrorKind::TimedOut && elapsed >= 600_000, "{kind} {elapsed}");
}

/// A transport that moves few bytes and is often not ready.
struct Slow<S>(S, u32);

impl<S> Slow<S> {
    /// The number of bytes that the next call moves; 0: not ready.
    fn next(&mut self, cx: &Context<'_>) -> usize {
        self.1 = self.1.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let n = (self.1 >> 24) as usize % 40;
        if n < 20 {
            cx.waker().wake_by_ref();
            return 0;
        }
        n
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Slow<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = self.next(cx);
        if n == 0 {
            return Poll::Pending;
        }
        let mut few = [0; 40];
        let mut few = ReadBuf::new(&mut few[..n.min(buffer.remaining())]);
        core::task::ready!(Pin::new(&mut self.0).poll_read(cx, &mut few))?;
        buffer.put_slice(few.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Slow<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = self.next(cx).min(bytes.len());
        if n == 0 {
            return Poll::Pending;
        }
        Pin::new(&mut self.0).poll_write(cx, &bytes[..n])
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.next(cx) == 0 {
            return Poll::Pending;
        }
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Polls a new future each time, and drops it if it is not ready.
async fn dropped_at_each_poll<T>(mut future: impl AsyncFnMut() -> T) -> T {
    poll_fn(|cx| pin!(future()).poll(cx)).await
}

#[tokio::test]
async fn futures_dropped_at_each_poll_lose_no_byte() {
    for seed in 0..8 {
        let (a, b) = duplex(64);
        let config = preset(Role::Client).high_water_mark(200).build().unwrap();
        let mut here = socket(Role::Client, Slow(a, seed), &config).into_byte_stream(Binary);
        let mut there = plain(Role::Server, Slow(b, !seed)).into_byte_stream(Binary);
        let sent = file(20_000);
        let writing = async {
            let mut left = &sent[..];
            while !left.is_empty() {
                let len = left.len().min(1 + left.len() % 300);
                let n =
                    dropped_at_each_poll(async || here.write(&left[..len]).await).await.unwrap();
                left = &left[n..];
                if left.len().is_multiple_of(3) {
                    dropped_at_each_poll(async || here.flush().await).await.unwrap();
                }
            }
            dropped_at_each_poll(async || here.shutdown().await).await.unwrap();
        };
        let reading = async {
            let mut received = Vec::new();
            loop {
                let mut buffer = [0; 333];
                let n = dropped_at_each_poll(async || there.read(&mut buffer).await).await.unwrap();
                if n == 0 {
                    break received;
                }
                received.extend_from_slice(&buffer[..n]);
            }
        };
        let ((), received) = with_timeout(async { tokio::join!(writing, reading) }).await;
        assert!(received == sent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halves_in_two_tasks_of_both_ends_miss_no_wake_up() {
    for transport in [10, 1000] {
        let (here, there) = pair(transport, Binary);
        let sent = file(100_000);
        let mut tasks = Vec::new();
        for stream in [here, there] {
            let (mut reader, mut writer) = tokio::io::split(stream);
            let (sending, expected) = (sent.clone(), sent.clone());
            tasks.push(spawn(async move {
                writer.write_all(&sending).await.unwrap();
                writer.flush().await.unwrap();
            }));
            tasks.push(spawn(async move {
                let mut received = vec![0; expected.len()];
                reader.read_exact(&mut received).await.unwrap();
                assert!(received == expected);
            }));
        }
        with_timeout(async {
            for task in tasks {
                task.await.unwrap();
            }
        })
        .await;
    }
}

#[tokio::test]
async fn w2_w3_a_message_as_a_stream() {
    for delivery in [Delivery::Whole, Delivery::Parts] {
        let (a, b) = duplex(1000);
        let mut here = plain(Role::Client, a);
        let config = preset(Role::Server).delivery(delivery).build().unwrap();
        let mut there = socket(Role::Server, b, &config);
        let bytes = file(300_000);
        let writing = async {
            let mut message = here.message_writer(Binary);
            tokio::io::copy(&mut &bytes[..], &mut message).await.unwrap();
            message.shutdown().await.unwrap();
            assert_eq!(message.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            here.message_writer(Text).shutdown().await.unwrap();
            for _ in 0..2 {
                let mut message = here.message_writer(Text);
                message.write_all("ab\u{20ac}".as_bytes()).await.unwrap();
                message.write_all(b"cd").await.unwrap();
                message.shutdown().await.unwrap();
            }
            here.send_text("last").await.unwrap();
            here.close(CloseCode::NORMAL, "").await.unwrap();
        };
        let reading = async {
            let mut received = Vec::new();
            let mut message = there.message_reader().await.unwrap().unwrap();
            assert_eq!(message.kind(), Binary);
            message.read_to_end(&mut received).await.unwrap();
            assert!(received == bytes);
            assert_eq!(message.read(&mut [0]).await.unwrap(), 0);
            let mut message = there.message_reader().await.unwrap().unwrap();
            assert_eq!((message.kind(), message.read(&mut [0]).await.unwrap()), (Text, 0));
            let mut message = there.message_reader().await.unwrap().unwrap();
            let mut text = String::new();
            message.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "ab\u{20ac}cd");
            // The rest of this message is skipped.
            let mut message = there.message_reader().await.unwrap().unwrap();
            message.read_exact(&mut [0]).await.unwrap();
            let mut message = there.message_reader().await.unwrap().unwrap();
            text.clear();
            message.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "last");
            assert!(there.message_reader().await.unwrap().is_none());
        };
        with_timeout(async { tokio::join!(writing, reading) }).await;
    }
}

#[tokio::test]
async fn w2_each_write_is_a_frame_and_the_last_frame_is_empty() {
    let (io, mut peer) = duplex(1000);
    let mut ws = plain(Role::Server, io);
    let mut message = ws.message_writer(Text);
    message.write_all(b"one").await.unwrap();
    message.flush().await.unwrap();
    message.write_all(b"two").await.unwrap();
    message.shutdown().await.unwrap();
    message.shutdown().await.unwrap();
    // Dropped before its end: the message is incomplete.
    ws.message_writer(Binary).write_all(b"x").await.unwrap();
    let error = ws.message_writer(Text).write_all(b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    drop(ws);
    let mut wire = Vec::new();
    peer.read_to_end(&mut wire).await.unwrap();
    assert_eq!(wire, b"\x01\x03one\x00\x03two\x80\x00\x02\x01x");
}

#[tokio::test]
async fn w3_the_end_of_the_connection_inside_a_message_is_an_error() {
    let close = frame(0x88, &1000_u16.to_be_bytes());
    for end in [&close[..], &[]] {
        let (io, mut peer) = duplex(1000);
        let config = preset(Role::Client).delivery(Delivery::Parts).build().unwrap();
        let mut ws = socket(Role::Client, io, &config);
        peer.write_all(&[&frame(0x02, b"data")[..], end].concat()).await.unwrap();
        peer.shutdown().await.unwrap();
        let mut message = ws.message_reader().await.unwrap().unwrap();
        let mut received = Vec::new();
        let error = message.read_to_end(&mut received).await.unwrap_err();
        assert_eq!((error.kind(), &received[..]), (io::ErrorKind::UnexpectedEof, &b"data"[..]));
    }
}

#[test]
fn w1_a_file_copied_by_threads_arrives_equal() {
    for (kind, sent) in [(Binary, file(FILE_LEN)), (Text, text(1 << 20))] {
        let (here, there) = tcp();
        let mut here = here.into_byte_stream(kind);
        let mut there = there.into_byte_stream(Binary);
        let expected = sent.clone();
        let reading = thread::spawn(move || {
            let mut received = Vec::new();
            io::copy(&mut there, &mut received).unwrap();
            assert!(received == expected);
            assert_eq!(there.read(&mut [0]).unwrap(), 0);
            assert_eq!(there.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        });
        io::copy(&mut &sent[..], &mut here).unwrap();
        here.flush().unwrap();
        assert_eq!(here.close().unwrap().code, CloseCode::NORMAL);
        reading.join().unwrap();
    }
}

#[test]
fn w1_on_threads_the_end_a_violation_and_a_lost_connection_are_different_results() {
    let read = |last: &[u8]| {
        let (client, mut server) = tcp_streams();
        let config = preset(Role::Client).build().unwrap();
        let connection = connection(Role::Client, &config);
        let ws = blocking::WebSocket::from_connection(client, connection, &[]);
        let mut stream = ws.into_byte_stream(Binary);
        server.write_all(&[&frame(0x82, b"data")[..], last].concat()).unwrap();
        server.shutdown(std::net::Shutdown::Write).unwrap();
        let mut received = Vec::new();
        let end = stream.read_to_end(&mut received);
        assert_eq!(received, b"data");
        let again = stream.read(&mut [0; 8]);
        assert_eq!(
            again.as_ref().err().map(io::Error::kind),
            end.as_ref().err().map(io::Error::kind)
        );
        end
    };
    assert_eq!(read(&frame(0x88, &1000_u16.to_be_bytes())).unwrap(), 4);
    assert_eq!(read(&frame(0x83, b"")).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(read(&[]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

/// A peer that drops its end of a TCP connection with unread input resets it.
fn reset(mut here: impl Write, there: TcpStream) {
    here.write_all(b"unread").unwrap();
    here.flush().unwrap();
    assert!(there.peek(&mut [0; 8]).unwrap() > 0);
}

#[test]
fn w1_a_reset_of_a_tcp_connection_is_a_distinct_error() {
    let (client, server) = tcp_streams();
    let config = preset(Role::Client).build().unwrap();
    let ws = blocking::WebSocket::from_connection(client, connection(Role::Client, &config), &[]);
    let mut stream = ws.into_byte_stream(Binary);
    reset(&mut stream, server);
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);

    let (client, server) = tcp_streams();
    reset(&client, server);
    client.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let read = tasks::block_on(&runtime, async {
        let client = tokio::net::TcpStream::from_std(client).unwrap();
        plain(Role::Client, client).into_byte_stream(Binary).read(&mut [0]).await
    });
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn byte_streams_are_send_and_sync() {
    fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<ByteStream<DuplexStream>>();
    is_send_and_sync::<sansocket::tokio::MessageReader<'_, DuplexStream>>();
    is_send_and_sync::<sansocket::tokio::MessageWriter<'_, DuplexStream>>();
    is_send_and_sync::<sansocket::tokio::Connections>();
    is_send_and_sync::<blocking::ByteStream<TcpStream>>();
    is_send_and_sync::<blocking::Connections>();
}

#[test]
fn w1_the_close_timeout_on_threads() {
    let (here, there) = tcp();
    let mut stream = here.into_byte_stream(Binary);
    stream.set_close_timeout(Duration::from_millis(50));
    // The other end never reads.
    assert_eq!(stream.close().unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(there);
}

/// A transport that takes all output, and always has pings to read.
struct Pings;

impl Read for Pings {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len() / 2 * 2;
        buffer[..len].copy_from_slice(&[0x89, 0].repeat(len / 2));
        Ok(len)
    }
}

impl Write for Pings {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl blocking::Transport for Pings {
    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn w1_the_close_timeout_on_threads_holds_for_a_peer_that_pings_without_pause() {
    let (result, closed) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let config = preset(Role::Client).close_timeout(Duration::from_secs(600)).build().unwrap();
        let connection = connection(Role::Client, &config);
        let mut stream =
            blocking::WebSocket::from_connection(Pings, connection, &[]).into_byte_stream(Binary);
        stream.set_close_timeout(Duration::ZERO);
        result.send(stream.close()).unwrap();
    });
    let closed = closed.recv_timeout(Duration::from_secs(60)).expect("in time");
    assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn w2_w3_a_message_as_a_stream_on_threads() {
    let (mut here, mut there) = tcp();
    let bytes = file(300_000);
    let expected = bytes.clone();
    let reading = thread::spawn(move || {
        let mut received = Vec::new();
        let mut message = there.message_reader().unwrap().unwrap();
        assert_eq!(message.kind(), Binary);
        message.read_to_end(&mut received).unwrap();
        assert!(received == expected);
        let mut message = there.message_reader().unwrap().unwrap();
        message.read_exact(&mut [0]).unwrap();
        let mut text = String::new();
        there.message_reader().unwrap().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "last");
        assert!(there.message_reader().unwrap().is_none());
    });
    let mut message = here.message_writer(Binary);
    io::copy(&mut &bytes[..], &mut message).unwrap();
    message.finish().unwrap();
    let mut message = here.message_writer(Text);
    message.write_all("ab\u{20ac}".as_bytes()).unwrap();
    message.write_all(b"cd").unwrap();
    message.finish().unwrap();
    here.send_text("last").unwrap();
    here.close(CloseCode::NORMAL, "").unwrap();
    reading.join().unwrap();
}
