//! Streams that are used while another thread drives their session.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex};

use sansocket::h2::{Client, Incoming, Session, Stream};
use sansocket::{AcceptOptions, CloseCode, Event};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::task::JoinSet;

use super::{
    TRANSPORT, client_config, echo, in_time, options, raw_client, raw_request, request,
    server_config,
};
use crate::common::tasks::{boxed, spawn};

/// A transport that shuts a stream down in the middle of a drive, as another thread can do.
struct Interrupts {
    transport: DuplexStream,
    stream: Arc<Mutex<Option<Stream>>>,
    report: Arc<Mutex<Option<Stream>>>,
}

impl AsyncRead for Interrupts {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut stream) = self.stream.lock().unwrap().take() {
            let mut other = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut stream).poll_shutdown(&mut other).is_pending());
            *self.report.lock().unwrap() = Some(stream);
        }
        Pin::new(&mut self.transport).poll_read(cx, buf)
    }
}

impl AsyncWrite for Interrupts {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

/// The drive writes END_STREAM, and another drive must confirm it.
#[tokio::test(start_paused = true)]
async fn e6_an_end_that_is_sent_during_a_drive_is_confirmed() {
    let (near, far) = duplex(TRANSPORT);
    let (armed, report) = (Arc::default(), Arc::default());
    let transport =
        Interrupts { transport: far, stream: Arc::clone(&armed), report: Arc::clone(&report) };
    let (keep, mut accepted) = tokio::sync::mpsc::unbounded_channel();
    spawn(async move {
        let mut session = Session::handshake(transport, &options()).await.unwrap();
        while let Some(incoming) = session.accept().await.unwrap() {
            let Incoming::WebSocket(request) = incoming else { panic!("{incoming:?}") };
            let ws = request.accept(&AcceptOptions::new(), &server_config()).unwrap();
            keep.send(ws.into_inner().stream).unwrap();
        }
    });
    let mut requests = in_time(raw_client(near)).await;
    let _first = requests.send_request(raw_request(), false).unwrap();
    let first = in_time(accepted.recv()).await.unwrap();
    let _second = requests.send_request(raw_request(), false).unwrap();
    let mut second = in_time(accepted.recv()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    *armed.lock().unwrap() = Some(first);
    // It wakes the session. Its drive ends the first stream before it writes both.
    assert_eq!(in_time(second.write(b"x")).await.unwrap(), 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut first = report.lock().unwrap().take().unwrap();
    let ended = tokio::time::timeout(Duration::from_millis(500), first.shutdown()).await;
    ended.expect("the wake-up is lost").unwrap();
}

/// Many WebSockets over a transport of a few bytes: no wake-up is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_web_sockets_on_several_threads() {
    for transport in [100, 5000, TRANSPORT] {
        let (near, far) = duplex(transport);
        spawn(async move {
            let mut session = Session::handshake(far, &options()).await.unwrap();
            while let Some(incoming) = session.accept().await.unwrap() {
                let Incoming::WebSocket(request) = incoming else { panic!("{incoming:?}") };
                spawn(async move {
                    let mut ws = request.accept(&AcceptOptions::new(), &server_config()).unwrap();
                    echo(&mut ws).await.unwrap();
                });
            }
        });
        let (client, session) = in_time(Client::handshake(near, &options())).await.unwrap();
        spawn(session);
        let mut tasks = JoinSet::new();
        for i in 0..32 {
            let client = client.clone();
            tasks.spawn(boxed(async move {
                for round in 0..10 {
                    let (mut ws, _) = client.open(&request(), &client_config()).await.unwrap();
                    let text = "x".repeat((i * 37 + round * 111) % 3000);
                    for _ in 0..3 {
                        ws.send_text(&text).await.unwrap();
                        let (event, _) = ws.read().await.unwrap().unwrap();
                        assert!(matches!(event, Event::Text(echo) if echo == text));
                    }
                    ws.close(CloseCode::NORMAL, "").await.unwrap();
                }
            }));
        }
        let all = async {
            while let Some(result) = tasks.join_next().await {
                result.unwrap();
            }
        };
        in_time(all).await;
    }
}
