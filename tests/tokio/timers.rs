//! Timers of the runtime.

use core::time::Duration;
use std::io;

use sansocket::error::{ProtocolError, TimeoutError};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, CloseCode, ConnectRequest, Event, Role, WebSocketError};
use tokio::io::{AsyncReadExt, duplex};
use tokio::time::{sleep, timeout};

use crate::common::preset;
use crate::common::tasks::spawn;
use crate::tokio::support::{plain, socket, with_timeout};

/// The runtime's clock is used, so that tests can pause it.
#[tokio::test(start_paused = true)]
async fn deadlines_follow_the_clock_of_the_runtime() {
    let (mut raw, b) = duplex(1 << 16);
    let hour = Duration::from_secs(3600);
    let config = preset(Role::Server).keep_alive(Some(hour), None).build().unwrap();
    let mut ws = socket(Role::Server, b, &config);
    let start = tokio::time::Instant::now();
    let reading = spawn(async move { ws.read().await.map(|event| event.is_none()) });
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
        with_timeout(async { tokio::join!(client, server) }).await;
    }
}

/// A slow handler does not time out, and neither does its peer.
#[tokio::test(start_paused = true)]
async fn a_paused_handler_is_not_timed_out() {
    let short = Duration::from_millis(20);
    let (a, b) = duplex(1 << 16);
    let config = preset(Role::Server).keep_alive(Some(short), Some(short)).build().unwrap();
    let mut ws = socket(Role::Server, a, &config);
    let served = spawn(async move {
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
    let reading = spawn(async move { while let Ok(Some(_)) = peer.read().await {} });
    with_timeout(served).await.unwrap().unwrap();
    with_timeout(reading).await.unwrap();
}
