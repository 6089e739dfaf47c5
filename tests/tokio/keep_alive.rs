//! Keep-alive against real time.

use core::time::Duration;

use sansocket::error::{ProtocolError, TimeoutError};
use sansocket::{Role, WebSocketError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use crate::common::frame::frame;
use crate::common::preset;
use crate::common::tasks::spawn;
use crate::tokio::support::{SECONDS_10, socket};

#[tokio::test]
async fn s27_a_vanished_peer_times_out_and_a_slow_one_does_not() {
    let short = Duration::from_millis(50);
    let config = preset(Role::Server).keep_alive(Some(short), Some(2 * short)).build().unwrap();
    // Vanished: no input arrives, and no output is read.
    let (_raw, b) = duplex(1 << 16);
    let mut ws = socket(Role::Server, b, &config);
    let error = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap_err();
    let want = ProtocolError::Timeout(TimeoutError::KeepAlive);
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
    // Vanished with output without progress: the keep-alive timeout applies to writes too.
    let want = ProtocolError::Timeout(TimeoutError::Write);
    let (_raw, b) = duplex(64);
    let mut ws = socket(Role::Server, b, &config);
    ws.feed_binary(&[0; 100_000]).unwrap();
    let error = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap_err();
    assert!(matches!(error, WebSocketError::Protocol(e) if e == want), "{error:?}");
    // Slow: the peer takes much longer than the timeout to read the output before the ping, but
    // makes progress.
    let (mut raw, b) = duplex(64);
    let mut ws = socket(Role::Server, b, &config);
    ws.feed_binary(&[0; 2000]).unwrap();
    let reading = spawn(async move { ws.read().await.map(|event| event.is_none()) });
    let mut seen = vec![0; 2004];
    for byte in seen.chunks_mut(100) {
        tokio::time::sleep(Duration::from_millis(30)).await;
        raw.read_exact(byte).await.unwrap();
    }
    let mut ping = [0; 10];
    raw.read_exact(&mut ping).await.unwrap();
    assert_eq!(ping, *b"\x89\x08\0\0\0\0\0\0\0\x01");
    raw.write_all(&frame(0x8a, &ping[2..])).await.unwrap();
    // The pong is an event.
    assert!(!timeout(SECONDS_10, reading).await.unwrap().unwrap().unwrap());
}
