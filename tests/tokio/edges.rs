//! Corner cases of the tokio adapter: dropped futures, errors that were returned before, streams
//! that end, transports that are always ready.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use std::io;
use std::sync::{Arc, Mutex};
use std::task::Wake;

use futures_util::{FutureExt, SinkExt, StreamExt};
use sansocket::config::Delivery;
use sansocket::error::{ProtocolError, TimeoutError};
use sansocket::handshake::HttpResponse;
use sansocket::message::MessageKind;
use sansocket::tokio::{PendingRequest, WebSocket};
use sansocket::{CloseCode, Event, Message, Role, WebSocketError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf, duplex};
use tokio::time::sleep;

use crate::common::frame::frame;
use crate::common::preset;
use crate::common::tasks::spawn;
use crate::tokio::faulty::Faulty;
use crate::tokio::support::{SECONDS_10, plain, poll_once, socket, with_timeout};

fn text(text: &'static str) -> Message {
    Message::Text(text.into())
}

fn binary(len: usize) -> Message {
    Message::Binary(vec![7; len].into())
}

// ------------------------------------------------------------------------------------- failures

/// Output that was fed before a failure and not written cannot be flushed.
#[tokio::test]
async fn a_flush_after_a_failure_is_an_error() {
    for split in [false, true] {
        let (raw, b) = duplex(8);
        let config = preset(Role::Server).linger_timeout(Duration::from_millis(1)).build().unwrap();
        let mut ws = socket(Role::Server, b, &config);
        ws.feed_binary(&[0; 100]).unwrap();
        drop(raw);
        if split {
            let (mut reader, sender) = ws.split();
            assert!(with_timeout(reader.read()).await.is_err());
            assert!(with_timeout(sender.flush()).await.is_err());
            assert!(with_timeout(sender.flush()).await.is_err());
        } else {
            assert!(with_timeout(ws.read()).await.is_err());
            assert!(with_timeout(ws.flush()).await.is_err());
            assert!(with_timeout(ws.flush()).await.is_err());
        }
    }
    // No output was lost: no error.
    let (mut raw, b) = duplex(1000);
    let mut ws = plain(Role::Server, b);
    ws.send_text("taken").await.unwrap();
    raw.write_all(&frame(0x88, b"")).await.unwrap();
    raw.shutdown().await.unwrap();
    while with_timeout(ws.read()).await.unwrap().is_some() {}
    ws.flush().await.unwrap();
}

/// A page that is not written within the linger timeout has an error of its own; a failed write
/// returns its error.
#[tokio::test]
async fn the_reason_of_an_unwritten_response_is_returned() {
    for gone in [false, true] {
        let (mut raw, b) = duplex(64);
        let config =
            preset(Role::Server).linger_timeout(Duration::from_millis(50)).build().unwrap();
        raw.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let request = PendingRequest::read(b, &config).await.unwrap();
        let page = HttpResponse::new(200).unwrap().with_body("text/plain", vec![b'x'; 1000]);
        let raw = (!gone).then_some(raw);
        let error = with_timeout(request.respond(&page.unwrap())).await.unwrap_err();
        let want = if gone { io::ErrorKind::BrokenPipe } else { io::ErrorKind::TimedOut };
        assert_eq!(error.kind(), want);
        drop(raw);
    }
}

// ------------------------------------------------------------------------------- dropped futures

/// A dropped flush must not make the next one incomplete.
#[tokio::test]
async fn a_message_sent_after_a_dropped_flush_is_flushed_too() {
    let (mut raw, b) = duplex(64);
    let config = preset(Role::Server).high_water_mark(1000).build().unwrap();
    let mut messages = socket(Role::Server, b, &config).into_messages();
    assert!(messages.send(binary(100)).now_or_never().is_none());
    let mut second = pin!(messages.send(binary(100)));
    assert!(poll_once(second.as_mut()).is_pending());
    raw.read_exact(&mut [0; 64]).await.unwrap();
    // The first one has been written, the second one has not.
    assert!(poll_once(second.as_mut()).is_pending());
    raw.read_exact(&mut [0; 64]).await.unwrap();
    assert!(poll_once(second.as_mut()).is_pending());
    raw.read_exact(&mut [0; 64]).await.unwrap();
    with_timeout(second).await.unwrap();
}

/// Output of a dropped future is written by any future that waits.
#[tokio::test]
async fn output_of_a_dropped_send_is_written_by_the_waiting_reader() {
    for buffering in [false, true] {
        let (mut raw, b) = duplex(64);
        let capacity = if buffering { 1000 } else { 0 };
        let (mut reader, sender) =
            plain(Role::Server, BufWriter::with_capacity(capacity, b)).split();
        let reading = spawn(async move { reader.read().await.map(|event| event.is_some()) });
        sleep(Duration::from_millis(10)).await;
        assert!(sender.send_binary(&[7; 100]).now_or_never().is_none());
        let mut seen = [0; 102];
        with_timeout(raw.read_exact(&mut seen)).await.unwrap();
        assert_eq!(seen[..3], [0x82, 100, 7]);
        raw.write_all(&frame(0x81, b"")).await.unwrap();
        assert!(with_timeout(reading).await.unwrap().unwrap());
    }
}

/// Output that others feed after a message does not delay its send.
#[tokio::test]
async fn a_send_waits_for_its_own_bytes_only() {
    let (mut raw, b) = duplex(16);
    let (_reader, sender) = plain(Role::Server, b).split();
    let mut sending = pin!(sender.send_binary(&[7; 40]));
    assert!(poll_once(sending.as_mut()).is_pending());
    sender.feed_binary(&[0; 1000]).unwrap();
    raw.read_exact(&mut [0; 16]).await.unwrap();
    assert!(poll_once(sending.as_mut()).is_pending());
    raw.read_exact(&mut [0; 16]).await.unwrap();
    assert!(matches!(poll_once(sending.as_mut()), Poll::Ready(Ok(()))));
    assert!(sender.unsent() > 900);
}

/// A transport that holds bytes of an earlier adapter.
#[tokio::test]
async fn buffered_bytes_of_a_disassembled_transport_are_flushed() {
    let (mut raw, b) = duplex(1);
    let mut ws = plain(Role::Server, BufWriter::new(b));
    raw.write_all(&frame(0x81, b"")[..1]).await.unwrap();
    ws.feed_text("held").unwrap();
    // Written to the buffer; its flush is pending.
    assert!(ws.read().now_or_never().is_none());
    assert_eq!(ws.unsent(), 0);
    let mut ws = WebSocket::resume(ws.into_inner());
    let reading = spawn(async move { ws.read().await.map(|event| event.is_some()) });
    let mut seen = [0; 6];
    with_timeout(raw.read_exact(&mut seen)).await.unwrap();
    assert_eq!(&seen, b"\x81\x04held");
    reading.abort();
}

// ------------------------------------------------------------------------------------ wake-ups

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Each future has its own waker: each change wakes the other futures that wait for it.
#[tokio::test]
async fn each_change_wakes_the_waiting_futures() {
    let (mut raw, b) = duplex(1 << 16);
    let (mut reader, sender) = plain(Role::Server, b).split();
    let woken = Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    let cx = &mut Context::from_waker(&waker);
    let wakes = || woken.0.swap(0, Ordering::SeqCst) > 0;
    {
        let mut read = pin!(reader.read());
        assert!(read.as_mut().poll(cx).is_pending());
        assert!(!wakes());
        sender.feed_text("fed").unwrap();
        assert!(wakes());
        assert!(read.as_mut().poll(cx).is_pending());
        sender.close_output(CloseCode::NORMAL, "").unwrap();
        assert!(wakes());
        assert!(read.as_mut().poll(cx).is_pending());
        raw.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
        assert!(wakes());
        let mut closed = pin!(sender.closed());
        assert!(closed.as_mut().poll(cx).is_pending());
        assert!(matches!(read.as_mut().poll(cx), Poll::Ready(Ok(Some((Event::Close(_), _))))));
        assert!(wakes());
        assert!(matches!(closed.as_mut().poll(cx), Poll::Ready(Some(status)) if status.clean));
    }

    // A dropped reader, and an aborted connection.
    for abort in [false, true] {
        let (_raw, b) = duplex(16);
        let (mut reader, sender) = plain(Role::Server, b).split();
        let mut sending = pin!(sender.send_binary(&[0; 100]));
        let mut closed = pin!(sender.closed());
        assert!(sending.as_mut().poll(cx).is_pending());
        assert!(closed.as_mut().poll(cx).is_pending());
        wakes();
        if abort {
            let mut read = pin!(reader.read());
            assert!(read.as_mut().poll(cx).is_pending());
            wakes();
            sender.abort();
            assert!(wakes());
            let Poll::Ready(Err(error)) = read.as_mut().poll(cx) else { panic!() };
            assert!(matches!(error, WebSocketError::Protocol(ProtocolError::Aborted)), "{error:?}");
        } else {
            drop(reader);
            assert!(wakes());
        }
        // A part of the message was sent.
        let Poll::Ready(Err(error)) = sending.as_mut().poll(cx) else { panic!() };
        assert!(matches!(error, WebSocketError::Protocol(ProtocolError::Aborted)), "{error:?}");
        assert!(closed.as_mut().poll(cx).is_ready());
    }
}

// ------------------------------------------------------------------------------ stream and sink

/// A task that stops at the Close message has replied to it.
#[tokio::test]
async fn the_reply_to_a_close_frame_is_sent_before_its_message_is_yielded() {
    let (mut raw, b) = duplex(1 << 16);
    let mut messages = plain(Role::Server, BufWriter::new(b)).into_messages();
    raw.write_all(&[frame(0x81, b"last"), frame(0x88, b"\x03\xe8")].concat()).await.unwrap();
    assert_eq!(messages.next().await.unwrap().unwrap(), text("last"));
    assert!(matches!(messages.next().await, Some(Ok(Message::Close(Some(_))))));
    drop(messages);
    let mut seen = Vec::new();
    with_timeout(raw.read_to_end(&mut seen)).await.unwrap();
    assert_eq!(seen, b"\x88\x02\x03\xe8");
}

/// Messages in transit when the sink is closed are kept for the stream; `forward` sends the peer's
/// Close frame back without an error.
#[tokio::test]
async fn closing_the_sink_loses_no_message_in_transit() {
    for forward in [false, true] {
        let (a, b) = duplex(1000);
        let peer = spawn(async move {
            let mut ws = plain(Role::Server, a);
            let (event, _) = ws.read().await.unwrap().unwrap();
            assert_eq!(event, Event::Text("go"));
            for _ in 0..100 {
                ws.feed_binary(&[7; 100]).unwrap();
            }
            for _ in 0..if forward { 100 } else { 0 } {
                assert_eq!(ws.read().await.unwrap().unwrap().0, Event::Binary(&[7; 100]));
            }
            ws.close(CloseCode::NORMAL, "done").await
        });
        let (mut sink, stream) = plain(Role::Client, b).into_messages().split();
        sink.send(text("go")).await.unwrap();
        let counting = |stream: futures_util::stream::SplitStream<_>| async {
            let messages: Vec<Result<Message, WebSocketError>> = stream.collect().await;
            let (last, data) = messages.split_last().unwrap();
            assert!(data.iter().all(|m| matches!(m, Ok(Message::Binary(b)) if b.len() == 100)));
            assert!(matches!(last, Ok(Message::Close(Some(frame))) if &*frame.reason == "done"));
            data.len()
        };
        if forward {
            with_timeout(stream.forward(sink)).await.unwrap();
        } else {
            let counted = spawn(counting(stream));
            with_timeout(sink.close()).await.unwrap();
            assert_eq!(with_timeout(counted).await.unwrap(), 100);
        }
        assert!(with_timeout(peer).await.unwrap().unwrap().clean);
    }
}

/// Closing the sink keeps messages in transit for the stream, up to the mark. After the first
/// discarded message no further message is yielded.
#[tokio::test(start_paused = true)]
async fn no_message_is_yielded_after_one_discarded_by_closing() {
    let (mut raw, b) = duplex(1 << 16);
    let config = preset(Role::Server).high_water_mark(300).build().unwrap();
    let (mut sink, mut stream) = socket(Role::Server, b, &config).into_messages().split();
    let closing = spawn(async move { sink.close().await });
    for i in 0..20_u8 {
        raw.write_all(&frame(0x82, &[i; 100])).await.unwrap();
    }
    // Long after the close deadline: some messages are kept, others were discarded.
    sleep(Duration::from_secs(6)).await;
    let mut kept = Vec::new();
    while let Some(Some(message)) = stream.next().now_or_never() {
        let Message::Binary(bytes) = message.unwrap() else { panic!() };
        kept.push(bytes[0]);
    }
    assert!(!kept.is_empty() && kept.len() < 20, "{kept:?}");
    assert_eq!(kept, (0..kept.len() as u8).collect::<Vec<_>>());
    // No message after the discarded ones.
    raw.write_all(&frame(0x82, &[20; 100])).await.unwrap();
    assert!(stream.next().now_or_never().is_none());
    raw.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
    drop(raw);
    assert!(matches!(with_timeout(stream.next()).await, Some(Ok(Message::Close(Some(_))))));
    assert!(with_timeout(stream.next()).await.is_none());
    with_timeout(closing).await.unwrap().unwrap();
}

// --------------------------------------------------------------------- transports that are always ready

/// Accepts at most 16 bytes at a time, always has one more to read, and is always ready.
struct Eager {
    reads: Arc<Mutex<Vec<u8>>>,
    written: Arc<AtomicUsize>,
}

impl AsyncRead for Eager {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut reads = self.reads.lock().unwrap();
        if reads.is_empty() {
            return Poll::Pending;
        }
        let n = reads.len().min(buffer.remaining());
        buffer.put_slice(&reads.drain(..n).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Eager {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = bytes.len().min(16);
        self.written.fetch_add(n, Ordering::SeqCst);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Senders that always have more output, over a transport that always accepts some, do not suspend
/// reads; and both tasks yield.
#[tokio::test]
async fn endless_unsolicited_output_does_not_stop_the_reader() {
    let reads = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::new(AtomicUsize::new(0));
    let io = Eager { reads: reads.clone(), written: written.clone() };
    let (mut reader, sender) = plain(Role::Server, io).split();
    let feed_more = || while sender.feed_binary(&[0; 10_000]).is_ok() {};
    feed_more();
    reads.lock().unwrap().extend_from_slice(&frame(0x81, b"stop"));
    let mut read = pin!(reader.read());
    let mut polls = 0;
    let event = poll_fn(|cx| {
        polls += 1;
        assert!(polls < 100, "{written:?} bytes were written and none was read");
        feed_more();
        read.as_mut().poll(cx)
    });
    assert_eq!(event.await.unwrap().unwrap().0, Event::Text("stop"));
}

/// A transport that takes all output, and always has more of the same input after its first bytes.
struct Endless {
    first: &'static [u8],
    rest: [u8; 2],
    reads: usize,
}

impl Endless {
    fn open(first: &'static [u8], rest: [u8; 2], delivery: Delivery) -> WebSocket<Self> {
        let config = preset(Role::Client).delivery(delivery).build().unwrap();
        socket(Role::Client, Self { first, rest, reads: 0 }, &config)
    }
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads += 1;
        assert!(self.reads < 100, "the task does not yield");
        buffer.put_slice(core::mem::take(&mut self.first));
        buffer.put_slice(&self.rest.repeat(buffer.remaining() / 2));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
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

/// A peer that sends pings, or empty fragments, without pause must not keep a call that skips them
/// from its timeout.
#[tokio::test]
async fn calls_that_skip_events_let_other_tasks_run() {
    const PING: [u8; 2] = [0x89, 0];
    let mut buffer = [0; 8];
    let mut ws = Endless::open(b"", PING, Delivery::Whole);
    assert!(poll_once(pin!(ws.read_into(&mut buffer))).is_pending());
    let (mut reader, _sender) = Endless::open(b"", PING, Delivery::Whole).split();
    assert!(poll_once(pin!(reader.read_into(&mut buffer))).is_pending());
    let mut stream = Endless::open(b"", PING, Delivery::Whole).into_byte_stream(MessageKind::Text);
    assert!(poll_once(pin!(stream.read(&mut buffer))).is_pending());
    let mut ws = Endless::open(b"", PING, Delivery::Whole);
    assert!(poll_once(pin!(ws.close(CloseCode::NORMAL, ""))).is_pending());
    // The first fragment of a message, then empty ones.
    let mut ws = Endless::open(b"\x02\x02ab", [0; 2], Delivery::Parts);
    let mut message = ws.message_reader().await.unwrap().unwrap();
    assert_eq!(message.read(&mut buffer).await.unwrap(), 2);
    assert!(poll_once(pin!(message.read(&mut buffer))).is_pending());
}

/// A flush to a transport that accepts a few bytes at a time without waiting lets other tasks run.
#[tokio::test]
async fn a_long_flush_lets_other_tasks_run() {
    let written = Arc::new(AtomicUsize::new(0));
    let io = Eager { reads: Arc::default(), written: written.clone() };
    let mut ws = plain(Role::Server, io);
    ws.feed_binary(&[0; 100_000]).unwrap();
    let mut flush = pin!(ws.flush());
    let mut polls = 0;
    while poll_once(flush.as_mut()).is_pending() {
        polls += 1;
    }
    assert!(polls > 10, "{polls}");
    assert_eq!(written.load(Ordering::SeqCst), 100_010);
}

// ------------------------------------------------------------------------------------ deadlines

/// Each wait has a deadline, whether the reader is polled or not.
#[tokio::test(start_paused = true)]
async fn every_wait_for_a_peer_that_does_not_read_ends() {
    let minute = Duration::from_secs(60);
    let start = || {
        let (raw, b) = duplex(64);
        let mut ws = plain(Role::Server, b);
        ws.feed_binary(&[0; 1000]).unwrap();
        (raw, ws, tokio::time::Instant::now())
    };
    let write = ProtocolError::Timeout(TimeoutError::Write);
    let assert_write_timeout = |result: Result<(), WebSocketError>, start: tokio::time::Instant| {
        assert!(matches!(result, Err(WebSocketError::Protocol(e)) if e == write), "{result:?}");
        assert!(start.elapsed() >= minute && start.elapsed() < minute + SECONDS_10);
    };
    let (_raw, mut ws, now) = start();
    assert_write_timeout(ws.flush().await, now);
    let (_raw, mut ws, now) = start();
    assert_write_timeout(ws.send_text("more").await, now);
    let (_raw, mut ws, now) = start();
    assert_write_timeout(ws.read().await.map(drop), now);
    let (_raw, ws, now) = start();
    assert_write_timeout(ws.into_messages().send(text("more")).await, now);
    let (_raw, ws, now) = start();
    let (_reader, sender) = ws.split();
    assert_write_timeout(sender.send_text("more").await, now);
    let (_raw, ws, now) = start();
    let (_reader, sender) = ws.split();
    assert_write_timeout(sender.flush().await, now);
    // A reply, without another future that waits for the deadline.
    let (mut raw, mut ws, now) = start();
    raw.write_all(&frame(0x81, b"ask")).await.unwrap();
    let (_, mut reply) = ws.read().await.unwrap().unwrap();
    assert_write_timeout(reply.send_text("answer").await, now);
    let (mut raw, ws, now) = start();
    raw.write_all(&frame(0x81, b"ask")).await.unwrap();
    let (mut reader, _sender) = ws.split();
    let (_, mut reply) = reader.read().await.unwrap().unwrap();
    assert_write_timeout(reply.send_text("answer").await, now);
    // The reader returns the error too.
    let result = reader.read().await.map(drop);
    assert!(matches!(result, Err(WebSocketError::Protocol(e)) if e == write), "{result:?}");
    // A closing handshake that cannot be written.
    let (_raw, mut ws, now) = start();
    ws.close_output(CloseCode::NORMAL, "").unwrap();
    let result = ws.flush().await;
    let unsent = ProtocolError::Timeout(TimeoutError::CloseUnsent);
    assert!(matches!(result, Err(WebSocketError::Protocol(e)) if e == unsent), "{result:?}");
    assert!(now.elapsed() < SECONDS_10);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_never_ends_is_a_write_timeout() {
    let write = ProtocolError::Timeout(TimeoutError::Write);
    let (_raw, b) = duplex(64);
    let mut ws = plain(Role::Server, Faulty::flush_never_ends(b));
    let result = ws.send_text("held").await;
    assert!(matches!(result, Err(WebSocketError::Protocol(e)) if e == write), "{result:?}");
    let (_raw, b) = duplex(64);
    let mut ws = plain(Role::Server, Faulty::flush_never_ends(b));
    ws.feed_text("held").unwrap();
    let result = ws.read().await.map(drop);
    assert!(matches!(result, Err(WebSocketError::Protocol(e)) if e == write), "{result:?}");
}

/// The peer's Close frame ends the wait of a sink in another task, although the stream is not
/// polled again.
#[tokio::test(start_paused = true)]
async fn a_waiting_sink_is_woken_by_a_close_frame_read_by_the_stream() {
    let (mut raw, b) = duplex(16);
    let config = preset(Role::Server).high_water_mark(50).max_unsent(500).build().unwrap();
    let (mut sink, mut stream) = socket(Role::Server, b, &config).into_messages().split();
    let sending = spawn(async move {
        sink.feed(binary(100)).await.unwrap();
        sink.send(binary(100)).await
    });
    sleep(Duration::from_millis(10)).await;
    raw.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(Message::Close(Some(_))))));
    let start = tokio::time::Instant::now();
    let result = sending.await.unwrap();
    assert!(result.is_err(), "{result:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

/// The number of written bytes is unknown: a further write could repeat or truncate a frame.
#[tokio::test]
async fn a_transport_panic_in_a_sender_fails_the_connection_for_all_handles() {
    for (closes, wrote) in [(false, &b"\x81\x01a"[..]), (true, b"\x88\x02\x03\xe8")] {
        let (io, mut peer) = duplex(100);
        let (mut reader, sender) = plain(Role::Server, Faulty::writes_panic(io)).split();
        let reading = spawn(async move { reader.read().await.map(|event| event.is_some()) });
        let other = sender.clone();
        let closed = spawn(async move { other.closed().await });
        tokio::task::yield_now().await;
        let other = sender.clone();
        let panics = spawn(async move {
            if closes {
                return other.close_output(CloseCode::NORMAL, "").is_ok();
            }
            other.send_text("a").await.is_ok()
        });
        assert!(panics.await.is_err());
        assert!(with_timeout(reading).await.expect("no panic").is_err());
        assert!(with_timeout(closed).await.expect("no panic").is_some());
        assert!(sender.send_text("b").await.is_err());
        drop(sender);
        let mut all = Vec::new();
        with_timeout(peer.read_to_end(&mut all)).await.unwrap();
        assert_eq!(all, wrote);
    }
}
