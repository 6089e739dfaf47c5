//! A peer that floods and does not read.

use core::time::Duration;

use sansocket::config::Delivery;
use sansocket::{CloseCode, Event, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use crate::common::frame::frame;
use crate::common::preset;
use crate::common::tasks::spawn;
use crate::tokio::support::{SECONDS_10, client, echo, socket, with_timeout};

#[tokio::test]
async fn v36_reading_stops_when_a_peer_floods_and_never_reads() {
    let (raw, b) = duplex(1 << 16);
    let config = preset(Role::Server).build().unwrap();
    let ws = socket(Role::Server, b, &config);
    let served = spawn(echo(ws));
    let (mut from, mut to) = tokio::io::split(raw);
    let message = frame(0x82, &[7; 1000]);
    let count = 20_000;
    let flood = spawn(async move {
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
    let served = spawn(echo(socket(Role::Server, a, &config)));
    let mut ws = client(b);
    let message = vec![7; 4 << 20];
    ws.feed_binary(&message).unwrap();
    let (event, _) = timeout(SECONDS_10, ws.read()).await.unwrap().unwrap().unwrap();
    assert_eq!(event, Event::Binary(&message));
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    served.await.unwrap().unwrap();
}

/// A flood of pings from a peer that does not read: all are read, since pongs are not replies, but
/// from a limit on only the newest one is answered.
#[tokio::test]
async fn v18_v36_a_flood_of_pings_is_answered_up_to_the_limit() {
    const COUNT: u32 = 100_000;
    let (a, mut raw) = duplex(1 << 10);
    let config = preset(Role::Server).build().unwrap();
    let mut ws = socket(Role::Server, a, &config);
    let served = spawn(async move {
        while ws.read().await.unwrap().is_some() {
            assert!(ws.unsent() < config.high_water_mark() + 6);
        }
    });
    for i in 0..COUNT {
        with_timeout(raw.write_all(&frame(0x89, &i.to_be_bytes()))).await.unwrap();
    }
    let (mut numbers, mut pong) = (Vec::new(), [0; 6]);
    while numbers.last() != Some(&(COUNT - 1)) {
        with_timeout(raw.read_exact(&mut pong)).await.unwrap();
        numbers.push(u32::from_be_bytes(pong[2..].try_into().unwrap()));
    }
    assert!(numbers.is_sorted_by(|a, b| a < b));
    // At least the limit of pongs was sent, and not a pong for every ping.
    assert!(numbers.len() > (64 << 10) / 6 && numbers.len() < COUNT as usize / 2);
    raw.write_all(&frame(0x88, b"")).await.unwrap();
    raw.read_to_end(&mut Vec::new()).await.unwrap();
    drop(raw);
    with_timeout(served).await.unwrap();
}
