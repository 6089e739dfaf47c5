//! A peer that floods and does not read.

use core::time::Duration;

use sansocket::config::Delivery;
use sansocket::{CloseCode, Event, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use crate::common::frame::frame;
use crate::common::preset;
use crate::support::{SECONDS_10, client, echo, socket};

#[tokio::test]
async fn v36_reading_stops_when_a_peer_floods_and_never_reads() {
    let (raw, b) = duplex(1 << 16);
    let config = preset(Role::Server).build().unwrap();
    let ws = socket(Role::Server, b, &config);
    let served = tokio::spawn(echo(ws));
    let (mut from, mut to) = tokio::io::split(raw);
    let message = frame(0x82, &[7; 1000]);
    let count = 20_000;
    let flood = tokio::spawn(async move {
        for _ in 0..count {
            to.write_all(&message).await.unwrap();
        }
        to
    });
    // Its output is limited by the buffers on the way: two pipes, the mark, one read.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!flood.is_finished());
    // After the peer has read, all messages have arrived.
    let mut echoed = vec![0; count * 1004];
    timeout(SECONDS_10, from.read_exact(&mut echoed)).await.unwrap().unwrap();
    assert!(echoed.chunks(1004).all(|m| m[..4] == [0x82, 126, 3, 232] && m[4..] == [7; 1000]));
    let mut to = flood.await.unwrap();
    to.write_all(&frame(0x88, b"")).await.unwrap();
    let mut rest = Vec::new();
    from.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0x88, 0]);
    drop((from, to));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn reads_and_writes_alternate_with_a_peer_that_replies_while_it_receives() {
    // Much more than the buffers between and both marks together.
    let (a, b) = duplex(1 << 12);
    let config = preset(Role::Server).delivery(Delivery::Parts).build().unwrap();
    let served = tokio::spawn(echo(socket(Role::Server, a, &config)));
    let mut ws = client(b);
    let message = vec![7; 4 << 20];
    ws.feed_binary(&message).unwrap();
    let (event, _) = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap().unwrap();
    assert_eq!(event, Event::Binary(&message));
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    served.await.unwrap().unwrap();
}
