//! FIN and END_STREAM, RST and RST_STREAM, and lost sessions.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::setup::{
    CANCEL, CONNECT_ERROR, Kind, Order, Origin, Outer, PAIRS, Raw, bridge, in_time, noise, tunnel,
};

#[tokio::test]
async fn each_direction_ends_on_its_own() {
    for (outside, inside) in PAIRS {
        for client_first in [true, false] {
            let (_client, near, _origin, far) = tunnel(outside, inside).await;
            let (mut first, mut second) = if client_first { (near, far) } else { (far, near) };
            first.send(b"last words").await;
            first.finish().await;
            assert_eq!(second.read_all().await, b"last words");
            // The other direction goes on, with more than fits into buffers.
            let data = noise(1 << 20);
            let (received, ()) = tokio::join!(first.read_some(data.len()), second.send(&data));
            assert!(received == data);
            second.finish().await;
            assert_eq!(first.read_all().await, b"");
        }
    }
}

/// The code that the other end sees.
fn translated(from: Kind, to: Kind) -> u32 {
    if (from, to) == (Kind::Http2, Kind::Http2) { CANCEL } else { CONNECT_ERROR }
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    for (outside, inside) in PAIRS {
        for client_first in [true, false] {
            let (_client, near, _origin, far) = tunnel(outside, inside).await;
            let (first, mut second) = if client_first { (near, far) } else { (far, near) };
            let expected = match (first.kind(), second.kind()) {
                (from, to @ Kind::Http2) => translated(from, to),
                _ => CONNECT_ERROR,
            };
            first.reset(CANCEL);
            assert_eq!(second.wait_for_reset().await, expected);
        }
    }
}

#[tokio::test]
async fn a_reset_after_the_end_of_a_direction_is_a_reset() {
    for (outside, inside) in PAIRS {
        for client_first in [true, false] {
            for own_end in [true, false] {
                let (_client, near, _origin, far) = tunnel(outside, inside).await;
                let (mut first, mut second) = if client_first { (near, far) } else { (far, near) };
                // The end of the reset end, or that of the other one.
                if own_end {
                    first.finish().await;
                    assert_eq!(second.read_all().await, b"");
                } else {
                    second.finish().await;
                    assert_eq!(first.read_all().await, b"");
                }
                let expected = translated(first.kind(), second.kind());
                first.reset(CANCEL);
                if own_end && let Raw::Tcp(tcp) = &mut second {
                    // A read has returned the end: the reset shows at a write.
                    in_time(async { while tcp.write_all(b"x").await.is_ok() {} }).await;
                } else {
                    assert_eq!(second.wait_for_reset().await, expected);
                }
            }
        }
    }
}

/// Neither direction can move: the reset is noticed nevertheless.
#[tokio::test]
async fn a_reset_of_a_stalled_tunnel_is_a_reset() {
    for (outside, inside) in PAIRS {
        for client_first in [true, false] {
            let (_client, near, _origin, far) = tunnel(outside, inside).await;
            let (mut first, mut second) = if client_first { (near, far) } else { (far, near) };
            for end in [&mut first, &mut second] {
                let chunk = vec![7; 16 << 10];
                while timeout(Duration::from_millis(300), end.write(&chunk)).await.is_ok() {}
            }
            let expected = translated(first.kind(), second.kind());
            first.reset(CANCEL);
            assert_eq!(second.wait_for_reset().await, expected);
        }
    }
}

/// RFC 9113 section 8.1: NO_ERROR after END_STREAM means that no more input is needed.
#[tokio::test]
async fn no_error_after_the_end_loses_no_data() {
    for (outside, inside) in PAIRS {
        for client_first in [true, false] {
            let (_client, near, _origin, far) = tunnel(outside, inside).await;
            let (mut first, mut second) = if client_first { (near, far) } else { (far, near) };
            if first.kind() == Kind::Http1 {
                continue;
            }
            let data = noise(200_000);
            let (received, ()) = tokio::join!(second.read_all(), async {
                first.send(&data).await;
                first.finish().await;
                first.reset(0);
            });
            assert!(received == data);
            if second.kind() == Kind::Http1 {
                second.send(b"discarded").await;
            }
            second.finish().await;
        }
    }
    // Without END_STREAM it is a reset.
    let (_client, mut near, _origin, far) = tunnel(Kind::Http1, Kind::Http2).await;
    far.reset(0);
    near.wait_for_reset().await;
}

#[tokio::test]
async fn a_lost_session_resets_its_tunnels() {
    // The session of the target.
    for outside in [Kind::Http1, Kind::Http2] {
        let mut origin = Origin::new(Kind::Http2).await;
        let bridge = bridge(Kind::Http2, origin.addr).await;
        let client = Outer::new(outside, bridge).await;
        let (mut near, _far) = tokio::join!(client.open(), origin.open());
        let (mut other, (_far_other, orders)) = tokio::join!(client.open(), async {
            let arrived = origin.next().await;
            let orders = arrived.orders();
            (arrived.open(&[]).await, orders)
        });
        orders.send(Order::Drop).unwrap();
        near.wait_for_reset().await;
        other.wait_for_reset().await;
        // The next request opens another session.
        let (mut near, mut far) = tokio::join!(client.open(), origin.open());
        far.send(b"again").await;
        assert_eq!(near.read_some(5).await, b"again");
    }
    // The session of the client.
    for inside in [Kind::Http1, Kind::Http2] {
        let (client, _near, _origin, mut far) = tunnel(Kind::Http2, inside).await;
        let Outer::Http2(_, session) = client else { panic!("no session") };
        session.abort();
        far.wait_for_reset().await;
    }
}

/// The bridge notices clients that vanish during the handshake of the target.
#[tokio::test]
async fn a_client_that_leaves_early_ends_the_request_of_the_target() {
    let mut origin = Origin::new(Kind::Http2).await;
    let bridge = bridge(Kind::Http2, origin.addr).await;
    for outside in [Kind::Http1, Kind::Http2] {
        let client = Outer::new(outside, bridge).await;
        let asking = tokio::spawn(async move {
            if let Outer::Http1(addr) = client {
                let mut tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
                let head = crate::setup::head("/", &[]);
                tcp.write_all(head.as_bytes()).await.unwrap();
                socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
                tokio::time::sleep(Duration::from_millis(300)).await;
            } else {
                let opening = client.open();
                let _ = timeout(Duration::from_millis(300), opening).await;
                // The session stays.
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        });
        let arrived = origin.next().await;
        let crate::setup::Arrived::Http2(mut pending, _) = arrived else { panic!("no stream") };
        // Long before the timeout of the handshake.
        let reset = std::future::poll_fn(|cx| pending.poll_reset(cx));
        timeout(Duration::from_secs(10), reset).await.unwrap().unwrap();
        asking.abort();
    }
}
