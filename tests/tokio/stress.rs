//! The tokio adapter under stress: wake-ups, cancellation, buffering and failing transports,
//! timers.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;

use futures_util::{SinkExt, StreamExt};
use sansocket::config::Delivery;
use sansocket::error::{PeerError, ProtocolError, SendError, TimeoutError};
use sansocket::message::{Data, SendOptions};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, CloseCode, ConnectRequest, Event, Message, Role, WebSocketError};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, DuplexStream, ReadBuf, duplex,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::common::frame::frame;
use crate::common::preset;
use crate::support::{plain, socket, soon};

const WRITE_ERROR: ProtocolError = ProtocolError::Timeout(TimeoutError::Write);

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (a, b) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (a.unwrap(), b.unwrap().0)
}

/// Counts the polls of a future.
async fn counted<F: Future>(count: &Cell<usize>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        count.set(count.get() + 1);
        future.as_mut().poll(cx)
    })
    .await
}

/// Moves one byte per call, and is pending every other time.
struct Stubborn {
    io: DuplexStream,
    read: bool,
    write: bool,
    flush: bool,
}

impl Stubborn {
    fn new(io: DuplexStream) -> Self {
        Self { io, read: false, write: false, flush: false }
    }
}

fn pending_every_other_time(turn: &mut bool, cx: &Context<'_>) -> bool {
    *turn = !*turn;
    if *turn {
        cx.waker().wake_by_ref();
    }
    *turn
}

impl AsyncRead for Stubborn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if pending_every_other_time(&mut self.read, cx) {
            return Poll::Pending;
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        let poll = Pin::new(&mut self.io).poll_read(cx, &mut one);
        buf.put_slice(one.filled());
        poll
    }
}

impl AsyncWrite for Stubborn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if pending_every_other_time(&mut self.write, cx) {
            return Poll::Pending;
        }
        let one = bytes.get(..1).unwrap_or_default();
        Pin::new(&mut self.io).poll_write(cx, one)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if pending_every_other_time(&mut self.flush, cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if pending_every_other_time(&mut self.flush, cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A transport that can be read, and fails every write.
#[derive(Debug)]
struct NoWrites(DuplexStream);

impl AsyncRead for NoWrites {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for NoWrites {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }
}

// ------------------------------------------------------------------------------------ wake-ups

/// A future that completes must not remove the waker of another one in the same task.
#[tokio::test]
async fn both_halves_wake_their_common_task() {
    let (mut raw, b) = duplex(64);
    let (mut reader, sender) = plain(Role::Server, b).split();
    sender.feed_binary(&[7; 1000]).unwrap();
    raw.write_all(&frame(0x81, b"go")).await.unwrap();
    let (done, is_done) = oneshot::channel();
    let task = tokio::spawn(async move {
        let flush = async {
            sender.flush().await.unwrap();
            done.send(()).unwrap();
        };
        let read = async {
            assert_eq!(reader.read().await.unwrap().unwrap().0, Event::Text("go"));
            is_done.await.unwrap();
        };
        tokio::join!(flush, read);
        reader
    });
    sleep(Duration::from_millis(20)).await;
    soon(raw.read_exact(&mut [0; 1004])).await.unwrap();
    soon(task).await.unwrap();
}

/// Both ends send much and read at the same time, in halves: neither must stop reading while its
/// own output is pending.
#[tokio::test]
async fn halves_that_flood_each_other_do_not_deadlock() {
    let (a, b) = duplex(1 << 12);
    let served = tokio::spawn(async move {
        let mut ws = plain(Role::Server, a);
        while let Some((event, mut reply)) = ws.read().await.unwrap() {
            if let Event::Binary(bytes) = event {
                reply.feed_binary(bytes).unwrap();
            }
        }
    });
    let (mut reader, sender) = plain(Role::Client, b).split();
    let count = 100;
    let sending = tokio::spawn(async move {
        for i in 0..count {
            sender.send_binary(&vec![i; 50_000]).await.unwrap();
        }
        sender
    });
    for i in 0..count {
        let (event, _) = soon(reader.read()).await.unwrap().unwrap();
        assert_eq!(event, Event::Binary(&vec![i; 50_000]));
    }
    let sender = sending.await.unwrap();
    sender.close_output(CloseCode::NORMAL, "").unwrap();
    while soon(reader.read()).await.unwrap().is_some() {}
    served.await.unwrap();
}

/// The same with the stream and the sink in two tasks.
#[tokio::test]
async fn stream_and_sink_that_flood_each_other_do_not_deadlock() {
    let (a, b) = duplex(1 << 12);
    tokio::spawn(async move {
        let mut ws = plain(Role::Server, a);
        while let Some((event, mut reply)) = ws.read().await.unwrap() {
            if let Event::Binary(bytes) = event {
                reply.feed_binary(bytes).unwrap();
            }
        }
    });
    let (mut sink, mut stream) = plain(Role::Client, b).into_messages().split();
    let count = 100;
    let sending = tokio::spawn(async move {
        for i in 0..count {
            sink.send(Message::Binary(vec![i; 50_000].into())).await.unwrap();
        }
        sink
    });
    for i in 0..count {
        let message = soon(stream.next()).await.unwrap().unwrap();
        assert_eq!(message, Message::Binary(vec![i; 50_000].into()));
    }
    drop(sending.await.unwrap());
}

/// Stream and sink in two tasks: each must be woken when the other one drives the transport.
#[tokio::test]
async fn closing_the_sink_wakes_the_stream_of_another_task() {
    let (a, b) = duplex(1 << 16);
    let served = tokio::spawn(async move {
        let mut ws = plain(Role::Server, a);
        while ws.read().await.unwrap().is_some() {}
    });
    let (mut sink, mut stream) = plain(Role::Client, b).into_messages().split();
    let streaming = tokio::spawn(async move {
        matches!(stream.next().await, Some(Ok(Message::Close(Some(_)))))
            && stream.next().await.is_none()
    });
    sleep(Duration::from_millis(20)).await;
    soon(sink.close()).await.unwrap();
    assert!(soon(streaming).await.unwrap());
    served.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_senders_on_threads_and_a_reader() {
    for _ in 0..20 {
        let (a, b) = tcp_pair().await;
        let config = preset(Role::Server).max_unsent(500).build().unwrap();
        let (mut reader, sender) = socket(Role::Server, a, &config).split();
        for task in 0..4_u8 {
            let sender = sender.clone();
            tokio::spawn(async move {
                for i in 0..200_u8 {
                    sender.send_binary(&[task, i]).await.unwrap();
                    if i % 50 == 0 {
                        sender.flush().await.unwrap();
                    }
                }
            });
        }
        let reading = tokio::spawn(async move { while reader.read().await.unwrap().is_some() {} });
        // One more on a thread without a runtime.
        let foreign = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_time().build().unwrap();
            runtime.block_on(async {
                for i in 0..200_u8 {
                    sender.send_binary(&[4, i]).await.unwrap();
                }
                sender.flush().await.unwrap();
            });
        });
        let mut ws = plain(Role::Client, b);
        let mut next = [0_u8; 5];
        while next != [200; 5] {
            let (event, _) = soon(ws.read()).await.unwrap().unwrap();
            let Event::Binary(&[task, i]) = event else { panic!("{event:?}") };
            assert_eq!(next[usize::from(task)], i);
            next[usize::from(task)] += 1;
        }
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        soon(reading).await.unwrap();
        foreign.join().unwrap();
    }
}

/// A send dropped while it waits for capacity has sent no byte, and blocks no other future.
#[tokio::test]
async fn a_send_dropped_while_it_waits_for_capacity_has_no_effect() {
    let (mut raw, b) = duplex(64);
    let config = preset(Role::Server).max_unsent(100).build().unwrap();
    let (mut reader, sender) = socket(Role::Server, b, &config).split();
    sender.feed_binary(&[1; 500]).unwrap();
    for _ in 0..10 {
        assert!(timeout(Duration::from_millis(1), sender.send_binary(&[2; 500])).await.is_err());
    }
    let other = sender.clone();
    let waiting = tokio::spawn(async move { other.send_binary(&[3; 5]).await });
    let reading = tokio::spawn(async move { reader.read().await.map(|event| event.is_none()) });
    let mut seen = vec![0; 504 + 7];
    soon(raw.read_exact(&mut seen)).await.unwrap();
    assert_eq!(seen[504..], [0x82, 5, 3, 3, 3, 3, 3]);
    soon(waiting).await.unwrap().unwrap();
    reading.abort();
}

#[tokio::test]
async fn v32_a_read_dropped_after_every_poll_loses_no_data() {
    for delivery in [Delivery::Whole, Delivery::Parts] {
        let (mut raw, b) = duplex(1 << 16);
        let config = preset(Role::Server).delivery(delivery).build().unwrap();
        let mut ws = socket(Role::Server, b, &config);
        let mut stream = Vec::new();
        for i in 0..50_u8 {
            stream.extend(frame(0x81, format!("message {i} \u{20ac}").as_bytes()));
            stream.extend(frame(0x89, &[i]));
            stream.extend(frame(0x02, &[i; 130]));
            stream.extend(frame(0x80, b"end"));
        }
        stream.extend(frame(0x88, b"\x03\xe8"));
        let (mut texts, mut binaries, mut pings) = (String::new(), Vec::new(), 0_u8);
        let mut closed = false;
        for byte in stream {
            raw.write_all(&[byte]).await.unwrap();
            // Polls a new future each time, and drops it while it is pending.
            loop {
                let mut read = pin!(ws.read());
                let polled = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                let Poll::Ready(event) = polled else { break };
                let Some((event, _)) = event.unwrap() else { break };
                match event {
                    Event::Text(text) => texts.push_str(text),
                    Event::Binary(bytes) => binaries.extend_from_slice(bytes),
                    Event::Part { data: Data::Text(text), .. } => texts.push_str(text),
                    Event::Part { data: Data::Binary(bytes), .. } => {
                        binaries.extend_from_slice(bytes);
                    }
                    Event::Ping(payload) => {
                        assert_eq!(payload, [pings]);
                        pings += 1;
                    }
                    Event::Close(_) => {
                        closed = true;
                        break;
                    }
                    _ => panic!("{event:?}"),
                }
            }
        }
        let want: String = (0..50).map(|i| format!("message {i} \u{20ac}")).collect();
        assert_eq!(texts, want);
        assert_eq!(binaries.len(), 50 * 133);
        assert_eq!(pings, 50);
        assert!(closed);
    }
}

/// The Close frame of a violation is written, and the transport ended, although futures are dropped
/// in between.
#[tokio::test]
async fn v32_a_dropped_error_is_returned_again() {
    let (mut raw, b) = duplex(1);
    let mut ws = plain(Role::Server, b);
    let writing = tokio::spawn(async move {
        raw.write_all(&frame(0x83, b"x")).await.unwrap();
        let mut seen = Vec::new();
        raw.read_to_end(&mut seen).await.unwrap();
        seen
    });
    let error = loop {
        let mut read = pin!(ws.read());
        if let Poll::Ready(result) = read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            break result.map(|event| event.is_none()).unwrap_err();
        }
        tokio::task::yield_now().await;
    };
    let want = ProtocolError::Peer(PeerError::UnknownOpCode(3));
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
    assert_eq!(soon(writing).await.unwrap(), b"\x88\x02\x03\xea");
}

// --------------------------------------------------------------------------------- busy loops

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_polled_only_for_its_timers() {
    let (mut raw, b) = duplex(1 << 16);
    let every = Duration::from_millis(50);
    let config = preset(Role::Server).keep_alive(Some(every), None).build().unwrap();
    let mut ws = socket(Role::Server, b, &config);
    let count = Cell::new(0);
    assert!(timeout(10 * every + every / 2, counted(&count, ws.read())).await.is_err());
    assert!(count.get() <= 15, "{}", count.get());
    let mut pongs = vec![0; 18];
    soon(raw.read_exact(&mut pongs)).await.unwrap();
    assert_eq!(pongs, b"\x8a\0".repeat(9));

    // The same for the reader of two halves, with a sender that waits for capacity.
    let (_raw, b) = duplex(16);
    let config = preset(Role::Server).keep_alive(None, None).max_unsent(50).build().unwrap();
    let (mut reader, sender) = socket(Role::Server, b, &config).split();
    sender.feed_binary(&[0; 100]).unwrap();
    let (reads, sends) = (Cell::new(0), Cell::new(0));
    let both = async {
        tokio::join!(
            counted(&reads, async { reader.read().await.map(|event| event.is_none()) }),
            counted(&sends, sender.send_binary(&[0; 100])),
        )
    };
    assert!(timeout(Duration::from_millis(200), both).await.is_err());
    assert!(reads.get() <= 6 && sends.get() <= 6, "{} {}", reads.get(), sends.get());
}

/// A round trip wakes each side about once.
#[tokio::test]
async fn a_reader_does_not_wake_itself() {
    let (a, b) = duplex(1 << 16);
    let (mut reader, sender) = plain(Role::Server, a).split();
    let mut ws = plain(Role::Client, b);
    let count = Cell::new(0);
    let serve = async {
        loop {
            let Some((event, _)) = counted(&count, reader.read()).await.unwrap() else { break };
            if let Some((data, _)) = event.data() {
                sender.feed(data, SendOptions::new()).unwrap();
            }
        }
    };
    let ask = async {
        for _ in 0..100 {
            ws.feed_text("ping").unwrap();
            assert_eq!(ws.read().await.unwrap().unwrap().0, Event::Text("ping"));
        }
    };
    tokio::select! {
        () = serve => panic!("ended"),
        () = ask => {}
    }
    // In one task each future is also polled for the wake-ups of the other.
    assert!(count.get() <= 320, "{}", count.get());
}

/// The end is returned again at once; the wait for the end of a lingering connection is one timer.
#[tokio::test]
async fn a_connection_with_an_ended_peer_is_not_polled() {
    let (raw, b) = duplex(1 << 16);
    let mut ws = plain(Role::Server, b);
    drop(raw);
    let count = Cell::new(0);
    assert!(counted(&count, ws.read()).await.is_err());
    assert!(counted(&count, ws.read()).await.is_err());
    assert!(count.get() <= 2, "{}", count.get());

    // The peer has ended its output, and does not read.
    let (mut raw, b) = duplex(8);
    let config = preset(Role::Server).linger_timeout(Duration::from_millis(100)).build().unwrap();
    let mut ws = socket(Role::Server, b, &config);
    ws.feed_binary(&[0; 100]).unwrap();
    raw.shutdown().await.unwrap();
    let count = Cell::new(0);
    assert!(soon(counted(&count, ws.read())).await.is_err());
    assert!(count.get() <= 6, "{}", count.get());
}

// --------------------------------------------------------------------------------- transports

/// Output in a buffering transport is flushed, whichever call wrote it.
#[tokio::test]
async fn a_buffering_transport_is_flushed() {
    // A sender while the reader waits.
    let (a, b) = duplex(1 << 16);
    let (mut reader, sender) = plain(Role::Server, BufWriter::new(a)).split();
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = reader.read().await {} });
    let mut ws = plain(Role::Client, b);
    sleep(Duration::from_millis(10)).await;
    sender.send_text("hello").await.unwrap();
    assert_eq!(soon(ws.read()).await.unwrap().unwrap().0, Event::Text("hello"));
    sender.feed(Data::Text("again"), SendOptions::new()).unwrap();
    assert_eq!(soon(ws.read()).await.unwrap().unwrap().0, Event::Text("again"));
    sender.close_output(CloseCode::NORMAL, "").unwrap();
    assert_eq!(
        soon(ws.read()).await.unwrap().unwrap().0.clone(),
        Event::Close(Some(sansocket::CloseFrame { code: CloseCode::NORMAL, reason: "" }))
    );
    drop(ws);
    soon(reading).await.unwrap();

    // The reply to a Close frame, even without further reads; on a socket and on halves.
    for split in [false, true] {
        let (mut raw, b) = duplex(1 << 16);
        let mut ws = plain(Role::Server, BufWriter::new(b));
        raw.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
        if split {
            let (mut reader, _) = ws.split();
            assert!(matches!(reader.read().await.unwrap().unwrap().0, Event::Close(_)));
            drop(reader);
        } else {
            assert!(matches!(ws.read().await.unwrap().unwrap().0, Event::Close(_)));
            drop(ws);
        }
        let mut seen = Vec::new();
        soon(raw.read_to_end(&mut seen)).await.unwrap();
        assert_eq!(seen, b"\x88\x02\x03\xe8");
    }

    // A client's reply: it waits for the server to end, so the reply must be flushed first.
    let (mut raw, b) = duplex(1 << 16);
    let mut messages = plain(Role::Client, BufWriter::new(b)).into_messages();
    raw.write_all(b"\x88\x02\x03\xe8").await.unwrap();
    let reading = tokio::spawn(async move {
        assert!(matches!(messages.next().await, Some(Ok(Message::Close(Some(_))))));
        messages.next().await.is_none()
    });
    soon(raw.read_exact(&mut [0; 8])).await.unwrap();
    drop(raw);
    assert!(soon(reading).await.unwrap());
}

#[tokio::test]
async fn a_transport_with_one_byte_per_call_works() {
    let (a, b) = duplex(1 << 16);
    let served = tokio::spawn(async move {
        let mut ws = plain(Role::Server, BufWriter::with_capacity(100, Stubborn::new(a)));
        while let Some((event, mut reply)) = ws.read().await? {
            if let Event::Text(text) = event {
                reply.feed_text(text)?;
            }
        }
        Ok::<_, WebSocketError>(())
    });
    let (mut reader, sender) = plain(Role::Client, Stubborn::new(b)).split();
    let text = "\u{20ac}".repeat(500);
    for _ in 0..20 {
        sender.send_text(&text).await.unwrap();
        assert_eq!(soon(reader.read()).await.unwrap().unwrap().0, Event::Text(&text));
    }
    sender.close_output(CloseCode::NORMAL, "").unwrap();
    while soon(reader.read()).await.unwrap().is_some() {}
    soon(served).await.unwrap().unwrap();
    assert!(sender.close_status().unwrap().clean);
}

/// Data received before a write error is returned: the peer's Close frame has the reason.
#[tokio::test]
async fn a_write_error_does_not_hide_received_data() {
    let said = [frame(0x81, b"last words"), frame(0x88, b"\x03\xf1too long")].concat();
    let too_big = |event: &Event<'_>| matches!(event, Event::Close(Some(close)) if close.code == CloseCode::MESSAGE_TOO_BIG);

    let (mut raw, b) = duplex(1 << 16);
    raw.write_all(&said).await.unwrap();
    let mut ws = plain(Role::Server, NoWrites(b));
    ws.feed_text("into the void").unwrap();
    assert_eq!(ws.read().await.unwrap().unwrap().0, Event::Text("last words"));
    assert!(too_big(&ws.read().await.unwrap().unwrap().0));
    assert!(ws.read().await.unwrap().is_none());
    assert_eq!(ws.connection().close_status().unwrap().code, CloseCode::MESSAGE_TOO_BIG);

    // A flush returns the write error, a read the reason.
    let (mut raw, b) = duplex(1 << 16);
    raw.write_all(&said).await.unwrap();
    let mut ws = plain(Role::Server, NoWrites(b));
    ws.feed_text("into the void").unwrap();
    let error = ws.flush().await.unwrap_err();
    assert!(matches!(&error, WebSocketError::Io(e) if e.kind() == io::ErrorKind::BrokenPipe));
    assert_eq!(ws.read().await.unwrap().unwrap().0, Event::Text("last words"));
    assert!(too_big(&ws.read().await.unwrap().unwrap().0));

    // On halves: the sender's error does not discard messages of the reader.
    let (mut raw, b) = duplex(1 << 16);
    raw.write_all(&said).await.unwrap();
    let (mut reader, sender) = plain(Role::Server, NoWrites(b)).split();
    let _ = sender.send_text("into the void").await;
    let error = sender.flush().await.unwrap_err();
    assert!(matches!(&error, WebSocketError::Io(_)), "{error:?}");
    assert_eq!(reader.read().await.unwrap().unwrap().0, Event::Text("last words"));
    assert!(too_big(&reader.read().await.unwrap().unwrap().0));

    // Without input the write error is returned, at once and by every later call.
    let (_raw, b) = duplex(1 << 16);
    let mut ws = plain(Role::Server, NoWrites(b));
    ws.feed_text("into the void").unwrap();
    let error = soon(ws.read()).await.unwrap_err();
    assert!(matches!(&error, WebSocketError::Io(e) if e.kind() == io::ErrorKind::BrokenPipe));
    assert!(soon(ws.read()).await.is_err());
    assert!(matches!(ws.feed_text("more"), Err(SendError::Closed)));
}

/// The same over TCP: a client inside a message that the server rejects.
#[tokio::test]
async fn a_client_receives_the_close_frame_of_a_server_that_stopped_reading() {
    let (a, mut raw) = tcp_pair().await;
    let mut ws = plain(Role::Client, a);
    ws.feed_binary(&vec![0; 16 << 20]).unwrap();
    let reading = tokio::spawn(async move {
        let mut seen = None;
        loop {
            match ws.read().await {
                Ok(Some((Event::Close(frame), _))) => seen = frame.map(|frame| frame.code),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return seen,
            }
        }
    });
    raw.read_exact(&mut [0; 100]).await.unwrap();
    raw.write_all(b"\x88\x02\x03\xf1").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    drop(raw); // With unread input: a reset.
    assert_eq!(soon(reading).await.unwrap(), Some(CloseCode::MESSAGE_TOO_BIG));
}

#[tokio::test]
async fn a_reset_is_an_error_of_every_call() {
    let (a, raw) = tcp_pair().await;
    let mut ws = plain(Role::Server, a);
    raw.set_zero_linger().unwrap();
    drop(raw);
    assert!(soon(ws.read()).await.is_err());
    assert!(soon(ws.read()).await.is_err());
    assert_eq!(ws.connection().close_status().unwrap().code, CloseCode::ABNORMAL);

    // While a write is pending; the other half returns the error too.
    let (a, raw) = tcp_pair().await;
    let (mut reader, sender) = plain(Role::Server, a).split();
    let sending = tokio::spawn(async move {
        loop {
            if let Err(error) = sender.send_binary(&[0; 100_000]).await {
                return error;
            }
        }
    });
    let reading = tokio::spawn(async move { reader.read().await.is_err() });
    sleep(Duration::from_millis(50)).await;
    raw.set_zero_linger().unwrap();
    drop(raw);
    soon(sending).await.unwrap();
    assert!(soon(reading).await.unwrap());
}

/// A half-closed peer receives all output, a Close frame, and the end.
#[tokio::test]
async fn a_half_closed_peer_receives_all_output() {
    let (mut raw, b) = duplex(1 << 16);
    let mut ws = plain(Role::Server, b);
    ws.feed_text("still").unwrap();
    raw.shutdown().await.unwrap();
    let reading = tokio::spawn(async move { ws.read().await.map(|event| event.is_none()) });
    let mut seen = Vec::new();
    soon(raw.read_to_end(&mut seen)).await.unwrap();
    assert_eq!(seen, b"\x81\x05still\x88\x02\x03\xea");
    let error = soon(reading).await.unwrap().unwrap_err();
    let want = ProtocolError::Peer(PeerError::ClosedWithoutHandshake);
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
}

// ------------------------------------------------------------------------------------- timers

/// The runtime's clock is used, so that tests can pause it.
#[tokio::test(start_paused = true)]
async fn deadlines_follow_the_clock_of_the_runtime() {
    let (mut raw, b) = duplex(1 << 16);
    let hour = Duration::from_secs(3600);
    let config = preset(Role::Server).keep_alive(Some(hour), None).build().unwrap();
    let mut ws = socket(Role::Server, b, &config);
    let start = tokio::time::Instant::now();
    let reading = tokio::spawn(async move { ws.read().await.map(|event| event.is_none()) });
    let mut pongs = [0; 6];
    raw.read_exact(&mut pongs).await.unwrap();
    assert_eq!(pongs, *b"\x8a\0\x8a\0\x8a\0");
    let passed = start.elapsed();
    assert!(passed >= 3 * hour && passed < 3 * hour + Duration::from_secs(1), "{passed:?}");
    reading.abort();

    // The close deadline, then the linger deadline, with a silent peer.
    let (_raw, b) = duplex(1 << 16);
    let config = preset(Role::Server).close_timeout(hour).linger_timeout(hour).build().unwrap();
    let mut ws = socket(Role::Server, b, &config);
    let start = tokio::time::Instant::now();
    let error = ws.close(CloseCode::NORMAL, "").await.unwrap_err();
    let want = ProtocolError::Timeout(TimeoutError::Close);
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
    let passed = start.elapsed();
    assert!(passed >= 2 * hour && passed < 2 * hour + Duration::from_secs(1), "{passed:?}");

    // The deadline of the opening handshake.
    let (raw, b) = duplex(1 << 16);
    let start = tokio::time::Instant::now();
    let config = preset(Role::Server).handshake_timeout(hour).build().unwrap();
    let accepted = WebSocket::accept(b, &config, &AcceptOptions::new()).await;
    assert!(accepted.is_err());
    assert!(start.elapsed() >= hour && start.elapsed() < hour + Duration::from_secs(3));
    drop(raw);
}

/// Closes a connection to a peer that floods instead of replying, and never reads.
#[tokio::test]
async fn v25_a_flood_does_not_prevent_the_end_of_a_close() {
    let short = Duration::from_millis(100);
    for split in [false, true] {
        let (a, raw) = tcp_pair().await;
        let (_from, mut to) = raw.into_split();
        let flood = tokio::spawn(async move {
            let pings = frame(0x89, &[7; 100]).repeat(100);
            while to.write_all(&pings).await.is_ok() {}
        });
        // On halves, data received after our own Close frame moves the close deadline: there the
        // write timeout ends the connection.
        let config = preset(Role::Server)
            .close_timeout(short)
            .linger_timeout(short)
            .write_timeout(short)
            .build()
            .unwrap();
        let mut ws = socket(Role::Server, a, &config);
        let start = tokio::time::Instant::now();
        if split {
            let (mut reader, sender) = ws.split();
            sender.close_output(CloseCode::NORMAL, "").unwrap();
            while matches!(soon(reader.read()).await, Ok(Some(_))) {}
        } else {
            let closed = soon(ws.close(CloseCode::NORMAL, "")).await;
            assert!(closed.is_err(), "{closed:?}");
            drop(ws);
        }
        let passed = start.elapsed();
        assert!(passed >= 2 * short && passed < 20 * short, "{passed:?}");
        soon(flood).await.unwrap();
    }
}

#[tokio::test]
async fn very_long_timeouts_never_expire() {
    for endless in
        [Duration::MAX, Duration::from_micros(u64::MAX - 1), Duration::from_secs(1 << 40)]
    {
        let config = preset(Role::Server)
            .handshake_timeout(endless)
            .close_timeout(endless)
            .linger_timeout(endless)
            .keep_alive(Some(endless), Some(endless))
            .build()
            .unwrap();
        let (a, b) = duplex(1 << 10);
        let client = async {
            let request = ConnectRequest::new("ws://localhost/").unwrap();
            let config = preset(Role::Client)
                .handshake_timeout(endless)
                .close_timeout(endless)
                .linger_timeout(endless)
                .keep_alive(Some(endless), Some(endless))
                .build()
                .unwrap();
            let (mut ws, _) = WebSocket::client(a, &request, &config).await.unwrap();
            ws.feed_binary(&[0; 100_000]).unwrap();
            ws.flush().await.unwrap();
            ws.close(CloseCode::NORMAL, "").await.unwrap();
        };
        let server = async {
            let mut ws = WebSocket::accept(b, &config, &AcceptOptions::new()).await.unwrap();
            while ws.read().await.unwrap().is_some() {}
        };
        soon(async { tokio::join!(client, server) }).await;
    }
}

/// Output without progress ends a flush, also in a buffering transport; the sink returns the same
/// error.
#[tokio::test]
async fn s27_a_flush_to_a_vanished_peer_ends() {
    let short = Duration::from_millis(50);
    let config = preset(Role::Server).keep_alive(Some(short), Some(short)).build().unwrap();
    let (_raw, b) = duplex(64);
    let mut ws = socket(Role::Server, b, &config);
    ws.feed_binary(&[0; 1000]).unwrap();
    let error = soon(ws.flush()).await.unwrap_err();
    assert!(matches!(error, WebSocketError::Protocol(e) if e == WRITE_ERROR), "{error:?}");

    let (_raw, b) = duplex(64);
    let mut ws = socket(Role::Server, BufWriter::new(b), &config);
    ws.feed_binary(&[0; 1000]).unwrap();
    let error = soon(ws.flush()).await.unwrap_err();
    assert!(matches!(error, WebSocketError::Protocol(e) if e == WRITE_ERROR), "{error:?}");

    let (_raw, b) = duplex(64);
    let mut messages = socket(Role::Server, b, &config).into_messages();
    let error = soon(messages.send(Message::Binary(vec![0; 1000].into()))).await.unwrap_err();
    assert!(matches!(error, WebSocketError::Protocol(e) if e == WRITE_ERROR), "{error:?}");
}

/// A slow handler does not time out, and neither does its peer.
#[tokio::test(start_paused = true)]
async fn a_paused_handler_is_not_timed_out() {
    let short = Duration::from_millis(20);
    let (a, b) = duplex(1 << 16);
    let config = preset(Role::Server).keep_alive(Some(short), Some(short)).build().unwrap();
    let mut ws = socket(Role::Server, a, &config);
    let served = tokio::spawn(async move {
        for _ in 0..5 {
            // Long enough for a ping, then without reads and writes.
            let _ = timeout(short + short / 2, ws.read()).await;
            sleep(5 * short).await;
        }
        while let Some((event, _)) = ws.read().await? {
            if matches!(event, Event::Text("end")) {
                return Ok(());
            }
        }
        Err(WebSocketError::Io(io::ErrorKind::UnexpectedEof.into()))
    });
    let mut peer = plain(Role::Client, b);
    let _ =
        timeout(30 * short, async { while peer.read().await.is_ok_and(|e| e.is_some()) {} }).await;
    peer.feed_text("end").unwrap();
    peer.flush().await.unwrap();
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = peer.read().await {} });
    soon(served).await.unwrap().unwrap();
    soon(reading).await.unwrap();
}

// ------------------------------------------------------------------------------ back-pressure

/// A flood of pings from a peer that does not read: all are read, since pongs are not replies, but
/// from a limit on only the newest one is answered.
#[tokio::test]
async fn v18_v36_a_flood_of_pings_is_answered_up_to_the_limit() {
    const COUNT: u32 = 100_000;
    let (a, mut raw) = duplex(1 << 10);
    let config = preset(Role::Server).build().unwrap();
    let mut ws = socket(Role::Server, a, &config);
    let served = tokio::spawn(async move {
        while ws.read().await.unwrap().is_some() {
            assert!(ws.unsent() < config.high_water_mark() + 6);
        }
    });
    for i in 0..COUNT {
        soon(raw.write_all(&frame(0x89, &i.to_be_bytes()))).await.unwrap();
    }
    let (mut numbers, mut pong) = (Vec::new(), [0; 6]);
    while numbers.last() != Some(&(COUNT - 1)) {
        soon(raw.read_exact(&mut pong)).await.unwrap();
        numbers.push(u32::from_be_bytes(pong[2..].try_into().unwrap()));
    }
    assert!(numbers.is_sorted_by(|a, b| a < b));
    // At least the limit of pongs was sent, and not a pong for every ping.
    assert!(numbers.len() > (64 << 10) / 6 && numbers.len() < COUNT as usize / 2);
    raw.write_all(&frame(0x88, b"")).await.unwrap();
    raw.read_to_end(&mut Vec::new()).await.unwrap();
    drop(raw);
    soon(served).await.unwrap();
}

/// Large frames, read directly into the inbox, with others before, between and after them; every
/// pending future is dropped.
#[tokio::test]
async fn large_frames_arrive_intact() {
    let (mut raw, b) = duplex(100_000);
    let mut ws = plain(Role::Server, b);
    let big: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let want = big.clone();
    let writing = tokio::spawn(async move {
        for _ in 0..3 {
            raw.write_all(&frame(0x81, b"before")).await.unwrap();
            raw.write_all(&frame(0x02, &big[..1_000_000])).await.unwrap();
            raw.write_all(&frame(0x89, b"between")).await.unwrap();
            raw.write_all(&frame(0x80, &big[1_000_000..])).await.unwrap();
        }
        raw
    });
    let (mut texts, mut pings, mut bigs) = (0, 0, 0);
    while bigs < 3 {
        let polled = {
            let mut read = pin!(ws.read());
            match read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(event) => {
                    match event.unwrap().unwrap().0 {
                        Event::Text("before") => texts += 1,
                        Event::Ping(b"between") => pings += 1,
                        Event::Binary(bytes) => {
                            assert!(bytes == want);
                            bigs += 1;
                        }
                        event => panic!("{event:?}"),
                    }
                    true
                }
                Poll::Pending => false,
            }
        };
        if !polled {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((texts, pings), (3, 3));
    writing.await.unwrap();
}

// ---------------------------------------------------------------------------- stream and sink

#[tokio::test]
async fn the_stream_ends_after_an_error_and_the_sink_is_closed_then() {
    let (mut raw, b) = duplex(1 << 16);
    let mut messages = plain(Role::Server, b).into_messages();
    raw.write_all(&[frame(0x81, b"one"), frame(0x89, b""), frame(0x83, b"")].concat())
        .await
        .unwrap();
    assert_eq!(messages.next().await.unwrap().unwrap(), Message::Text("one".into()));
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        raw.read_to_end(&mut seen).await.unwrap();
        seen
    });
    assert!(matches!(messages.next().await, Some(Ok(Message::Ping(_)))));
    assert!(matches!(messages.next().await, Some(Err(WebSocketError::Protocol(_)))));
    assert!(messages.next().await.is_none());
    assert!(messages.next().await.is_none());
    let refused = messages.send(Message::Text("more".into())).await;
    assert!(matches!(refused, Err(WebSocketError::Send(SendError::Closed))), "{refused:?}");
    assert!(messages.close().await.is_err());
    assert_eq!(reading.await.unwrap(), b"\x8a\0\x88\x02\x03\xea");
}

#[tokio::test]
async fn a_message_larger_than_every_mark_is_received() {
    let (a, b) = duplex(1 << 12);
    let served = tokio::spawn(async move {
        let mut messages = plain(Role::Server, a).into_messages();
        while let Some(message) = messages.next().await {
            messages.send(message.unwrap()).await.unwrap();
        }
    });
    let mut messages = plain(Role::Client, b).into_messages();
    let big = Message::Binary(vec![7; 5 << 20].into());
    for _ in 0..2 {
        messages.send(big.clone()).await.unwrap();
        assert!(soon(messages.next()).await.unwrap().unwrap() == big);
    }
    messages.close().await.unwrap();
    soon(served).await.unwrap();
}

#[tokio::test]
async fn into_inner_in_the_middle_of_a_message_keeps_its_beginning() {
    let (mut raw, b) = duplex(1 << 16);
    let mut ws = plain(Role::Server, b);
    raw.write_all(&frame(0x01, b"one ")).await.unwrap();
    raw.write_all(&frame(0x80, b"two")[..7]).await.unwrap();
    assert!(timeout(Duration::from_millis(20), ws.read()).await.is_err());
    let mut unfinished = ws.into_inner();
    let mut rest = *b"wo";
    let mut input = sansocket::Input::new(sansocket::Instant::now(), &mut rest);
    let event = unfinished
        .connection
        .receive(&mut input, &mut unfinished.inbox, &mut unfinished.unsent)
        .unwrap();
    assert_eq!(event, Some(Event::Text("one two")));
}

#[tokio::test]
async fn read_into_returns_text_split_inside_characters() {
    let (mut raw, b) = duplex(1 << 16);
    let config = preset(Role::Server).delivery(Delivery::Parts).build().unwrap();
    let mut ws = socket(Role::Server, b, &config);
    let text = "\u{20ac}\u{1f600}".repeat(20);
    let writing = tokio::spawn(async move {
        for (i, byte) in text.bytes().enumerate() {
            let last = i + 1 == text.len();
            let first = if i == 0 { 1 } else { 0 } | if last { 0x80 } else { 0 };
            raw.write_all(&frame(first, &[byte])).await.unwrap();
            tokio::task::yield_now().await;
        }
        (raw, text)
    });
    let (mut got, mut buffer) = (Vec::new(), [0; 2]);
    loop {
        // Dropped while it is pending, each time.
        let Ok(received) = timeout(Duration::from_millis(1), ws.read_into(&mut buffer)).await
        else {
            continue;
        };
        let received = received.unwrap().unwrap();
        got.extend_from_slice(&buffer[..received.len]);
        if received.end_of_message {
            break;
        }
    }
    assert_eq!(got, writing.await.unwrap().1.as_bytes());
}

// --------------------------------------------------------------------------------- properties

fn can_be_spawned<T: Send + 'static>(_: &T) {}
fn can_be_shared<T: Send + Sync>(_: &T) {}

/// Every future can be spawned on a runtime with threads.
#[tokio::test]
async fn all_futures_can_be_spawned() {
    let (a, b) = tcp_pair().await;
    let mut ws = plain(Role::Server, a);
    can_be_spawned(&ws);
    can_be_shared(&ws);
    tokio::spawn(async move {
        let _ = timeout(Duration::ZERO, ws.read()).await;
        let _ = timeout(Duration::ZERO, ws.read_into(&mut [0; 1])).await;
        let _ = timeout(Duration::ZERO, ws.flush()).await;
        if let Ok(Ok(Some((event, mut reply)))) = timeout(Duration::ZERO, ws.read()).await {
            reply.flush().await.unwrap();
            assert!(event.data().is_none());
        }
        let (mut reader, sender) = ws.split();
        can_be_shared(&reader);
        can_be_shared(&sender);
        let _ = timeout(Duration::ZERO, reader.read()).await;
        let _ = timeout(Duration::ZERO, sender.send_text("")).await;
        let _ = timeout(Duration::ZERO, sender.flush()).await;
    })
    .await
    .unwrap();
    let config = preset(Role::Server).build().unwrap();
    let accept = async move {
        let _ = WebSocket::accept(b, &config, &AcceptOptions::new()).await;
    };
    can_be_spawned(&accept);
    let connect = async move {
        let request = ConnectRequest::new("ws://localhost/").unwrap();
        let config = preset(Role::Client).build().unwrap();
        if let Ok((ws, _)) = WebSocket::connect(&request, &config).await {
            let mut messages = ws.into_messages();
            let _ = messages.next().await;
            let _ = messages.send(Message::Text("".into())).await;
        }
    };
    can_be_spawned(&connect);
}

/// The size of an idle connection, which has no heap.
#[tokio::test]
async fn futures_are_small() {
    let (a, _b) = duplex(64);
    let mut ws = plain(Role::Server, a);
    assert!(size_of_val(&ws.read()) <= 256, "{}", size_of_val(&ws.read()));
    let (c, _d) = duplex(64);
    let (config, options) = (preset(Role::Server).build().unwrap(), AcceptOptions::new());
    // Its content is a WebSocket, in few copies: a task keeps the size of its largest future.
    let accept = WebSocket::accept(c, &config, &options);
    assert!(size_of_val(&accept) <= 2304, "{}", size_of_val(&accept));
    drop(accept);
    assert!(size_of_val(&ws.flush()) <= 128, "{}", size_of_val(&ws.flush()));
    let (mut reader, sender) = ws.split();
    assert!(size_of_val(&reader.read()) <= 256, "{}", size_of_val(&reader.read()));
    assert!(size_of_val(&sender.send_text("")) <= 256, "{}", size_of_val(&sender.send_text("")));
}
