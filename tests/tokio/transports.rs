//! Transports that buffer, that move single bytes, that fail, and that end in one direction.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;

use futures_util::StreamExt;
use sansocket::error::{PeerError, ProtocolError, SendError};
use sansocket::message::{Data, SendOptions};
use sansocket::{CloseCode, Event, Message, Role, WebSocketError};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, DuplexStream, ReadBuf, duplex,
};
use tokio::time::sleep;

use crate::common::frame::frame;
use crate::common::tasks::spawn;
use crate::tokio::faulty::Faulty;
use crate::tokio::support::{plain, tcp_pair, with_timeout};

/// Moves one byte per call, and is pending every other time.
struct SingleBytes {
    io: DuplexStream,
    read: bool,
    write: bool,
    flush: bool,
}

impl SingleBytes {
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

impl AsyncRead for SingleBytes {
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

impl AsyncWrite for SingleBytes {
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

/// Output in a buffering transport is flushed, whichever call wrote it.
#[tokio::test]
async fn a_buffering_transport_is_flushed() {
    // A sender while the reader waits.
    let (a, b) = duplex(1 << 16);
    let (mut reader, sender) = plain(Role::Server, BufWriter::new(a)).split();
    let reading = spawn(async move { while let Ok(Some(_)) = reader.read().await {} });
    let mut ws = plain(Role::Client, b);
    sleep(Duration::from_millis(10)).await;
    sender.send_text("hello").await.unwrap();
    assert_eq!(with_timeout(ws.read()).await.unwrap().unwrap().0, Event::Text("hello"));
    sender.feed(Data::Text("again"), SendOptions::new()).unwrap();
    assert_eq!(with_timeout(ws.read()).await.unwrap().unwrap().0, Event::Text("again"));
    sender.close_output(CloseCode::NORMAL, "").unwrap();
    assert_eq!(
        with_timeout(ws.read()).await.unwrap().unwrap().0.clone(),
        Event::Close(Some(sansocket::CloseFrame { code: CloseCode::NORMAL, reason: "" }))
    );
    drop(ws);
    with_timeout(reading).await.unwrap();

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
        with_timeout(raw.read_to_end(&mut seen)).await.unwrap();
        assert_eq!(seen, b"\x88\x02\x03\xe8");
    }

    // A client's reply: it waits for the server to end, so the reply must be flushed first.
    let (mut raw, b) = duplex(1 << 16);
    let mut messages = plain(Role::Client, BufWriter::new(b)).into_messages();
    raw.write_all(b"\x88\x02\x03\xe8").await.unwrap();
    let reading = spawn(async move {
        assert!(matches!(messages.next().await, Some(Ok(Message::Close(Some(_))))));
        messages.next().await.is_none()
    });
    with_timeout(raw.read_exact(&mut [0; 8])).await.unwrap();
    drop(raw);
    assert!(with_timeout(reading).await.unwrap());
}

#[tokio::test]
async fn a_transport_with_one_byte_per_call_works() {
    let (a, b) = duplex(1 << 16);
    let served = spawn(async move {
        let mut ws = plain(Role::Server, BufWriter::with_capacity(100, SingleBytes::new(a)));
        while let Some((event, mut reply)) = ws.read().await? {
            if let Event::Text(text) = event {
                reply.feed_text(text)?;
            }
        }
        Ok::<_, WebSocketError>(())
    });
    let (mut reader, sender) = plain(Role::Client, SingleBytes::new(b)).split();
    let text = "\u{20ac}".repeat(500);
    for _ in 0..20 {
        sender.send_text(&text).await.unwrap();
        assert_eq!(with_timeout(reader.read()).await.unwrap().unwrap().0, Event::Text(&text));
    }
    sender.close_output(CloseCode::NORMAL, "").unwrap();
    while with_timeout(reader.read()).await.unwrap().is_some() {}
    with_timeout(served).await.unwrap().unwrap();
    assert!(sender.close_status().unwrap().clean);
}

/// Data received before a write error is returned: the peer's Close frame has the reason.
#[tokio::test]
async fn a_write_error_does_not_hide_received_data() {
    let said = [frame(0x81, b"last words"), frame(0x88, b"\x03\xf1too long")].concat();
    let too_big = |event: &Event<'_>| matches!(event, Event::Close(Some(close)) if close.code == CloseCode::MESSAGE_TOO_BIG);

    let (mut raw, b) = duplex(1 << 16);
    raw.write_all(&said).await.unwrap();
    let mut ws = plain(Role::Server, Faulty::writes_fail(b));
    ws.feed_text("into the void").unwrap();
    assert_eq!(ws.read().await.unwrap().unwrap().0, Event::Text("last words"));
    assert!(too_big(&ws.read().await.unwrap().unwrap().0));
    assert!(ws.read().await.unwrap().is_none());
    assert_eq!(ws.connection().close_status().unwrap().code, CloseCode::MESSAGE_TOO_BIG);

    // A flush returns the write error, a read the reason.
    let (mut raw, b) = duplex(1 << 16);
    raw.write_all(&said).await.unwrap();
    let mut ws = plain(Role::Server, Faulty::writes_fail(b));
    ws.feed_text("into the void").unwrap();
    let error = ws.flush().await.unwrap_err();
    assert!(matches!(&error, WebSocketError::Io(e) if e.kind() == io::ErrorKind::BrokenPipe));
    assert_eq!(ws.read().await.unwrap().unwrap().0, Event::Text("last words"));
    assert!(too_big(&ws.read().await.unwrap().unwrap().0));

    // On halves: the sender's error does not discard messages of the reader.
    let (mut raw, b) = duplex(1 << 16);
    raw.write_all(&said).await.unwrap();
    let (mut reader, sender) = plain(Role::Server, Faulty::writes_fail(b)).split();
    let _ = sender.send_text("into the void").await;
    let error = sender.flush().await.unwrap_err();
    assert!(matches!(&error, WebSocketError::Io(_)), "{error:?}");
    assert_eq!(reader.read().await.unwrap().unwrap().0, Event::Text("last words"));
    assert!(too_big(&reader.read().await.unwrap().unwrap().0));

    // Without input the write error is returned, at once and by every later call.
    let (_raw, b) = duplex(1 << 16);
    let mut ws = plain(Role::Server, Faulty::writes_fail(b));
    ws.feed_text("into the void").unwrap();
    let error = with_timeout(ws.read()).await.unwrap_err();
    assert!(matches!(&error, WebSocketError::Io(e) if e.kind() == io::ErrorKind::BrokenPipe));
    assert!(with_timeout(ws.read()).await.is_err());
    assert!(matches!(ws.feed_text("more"), Err(SendError::Closed)));
}

/// The same over TCP: a client inside a message that the server rejects.
#[tokio::test]
async fn a_client_receives_the_close_frame_of_a_server_that_stopped_reading() {
    let (a, mut raw) = tcp_pair().await;
    let mut ws = plain(Role::Client, a);
    ws.feed_binary(&vec![0; 16 << 20]).unwrap();
    let reading = spawn(async move {
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
    assert_eq!(with_timeout(reading).await.unwrap(), Some(CloseCode::MESSAGE_TOO_BIG));
}

#[tokio::test]
async fn a_reset_is_an_error_of_every_call() {
    let (a, raw) = tcp_pair().await;
    let mut ws = plain(Role::Server, a);
    raw.set_zero_linger().unwrap();
    drop(raw);
    assert!(with_timeout(ws.read()).await.is_err());
    assert!(with_timeout(ws.read()).await.is_err());
    assert_eq!(ws.connection().close_status().unwrap().code, CloseCode::ABNORMAL);

    // While a write is pending; the other half returns the error too.
    let (a, raw) = tcp_pair().await;
    let (mut reader, sender) = plain(Role::Server, a).split();
    let sending = spawn(async move {
        loop {
            if let Err(error) = sender.send_binary(&[0; 100_000]).await {
                return error;
            }
        }
    });
    let reading = spawn(async move { reader.read().await.is_err() });
    sleep(Duration::from_millis(50)).await;
    raw.set_zero_linger().unwrap();
    drop(raw);
    with_timeout(sending).await.unwrap();
    assert!(with_timeout(reading).await.unwrap());
}

/// A half-closed peer receives all output, a Close frame, and the end.
#[tokio::test]
async fn a_half_closed_peer_receives_all_output() {
    let (mut raw, b) = duplex(1 << 16);
    let mut ws = plain(Role::Server, b);
    ws.feed_text("still").unwrap();
    raw.shutdown().await.unwrap();
    let reading = spawn(async move { ws.read().await.map(|event| event.is_none()) });
    let mut seen = Vec::new();
    with_timeout(raw.read_to_end(&mut seen)).await.unwrap();
    assert_eq!(seen, b"\x81\x05still\x88\x02\x03\xea");
    let error = with_timeout(reading).await.unwrap().unwrap_err();
    let want = ProtocolError::Peer(PeerError::ClosedWithoutHandshake);
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
}
