//! The data of a tunnel.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::setup::{
    KINDS, Kind, Order, Origin, Outer, PAIRS, Raw, bridge, head, in_time, noise, read_head, tunnel,
};

/// More than all buffers of a tunnel over HTTP/2.
const MANY: usize = 1 << 20;

/// Sends data and END of both ends at the same time, and compares what arrives.
async fn exchange(near: Raw, far: Raw) {
    let (up, down) = (noise(MANY), noise(MANY + 77));
    let run = |end: Raw, sent: Vec<u8>| async move {
        let (mut reader, mut writer) = tokio::io::split(end);
        let writing = tokio::spawn(async move {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        reader.read_to_end(&mut received).await.unwrap();
        writing.await.unwrap();
        received
    };
    let (at_near, at_far) =
        in_time(async { tokio::join!(run(near, up.clone()), run(far, down.clone())) }).await;
    assert!(at_far == up, "{} bytes", at_far.len());
    assert!(at_near == down, "{} bytes", at_near.len());
}

#[tokio::test]
async fn any_bytes_pass_in_both_directions() {
    for (outside, inside) in PAIRS {
        let (_client, near, _origin, far) = tunnel(outside, inside).await;
        exchange(near, far).await;
    }
}

#[tokio::test]
async fn two_bridges_are_transparent() {
    for (middle, inside) in PAIRS {
        let mut origin = Origin::new(inside).await;
        let second = bridge(inside, origin.addr).await;
        let first = bridge(middle, second).await;
        for outside in KINDS {
            let client = Outer::new(outside, first).await;
            let (near, far) = tokio::join!(client.open(), origin.open());
            exchange(near, far).await;
        }
    }
}

/// Data together with a head, on both sides.
#[tokio::test]
async fn data_after_a_head_pass() {
    for inside in KINDS {
        let mut origin = Origin::new(inside).await;
        let bridge = bridge(inside, origin.addr).await;
        let mut tcp = TcpStream::connect(bridge).await.unwrap();
        tcp.write_all((head("/", &[]) + "early").as_bytes()).await.unwrap();
        let mut far = origin.next().await.open(&[]).await;
        assert_eq!(far.read_some(5).await, b"early");
        far.send(b"answer").await;
        assert!(read_head(&mut tcp).await.starts_with("HTTP/1.1 101 "));
        assert_eq!(Raw::Tcp(tcp).read_some(6).await, b"answer");
    }
    // A target that sends head and data in one segment.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bridge = bridge(Kind::Http1, listener.local_addr().unwrap()).await;
    for outside in KINDS {
        let client = Outer::new(outside, bridge).await;
        let serving = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let head = read_head(&mut tcp).await;
            let key = head.split("\r\n").find_map(|line| line.strip_prefix("Sec-Websocket-Key: "));
            let accept = sansocket::handshake::accept_key(key.unwrap());
            let response = format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 x\r\nUpgrade: websocket\r\n\
                 Connection: upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\nat once"
            );
            tcp.write_all(response.as_bytes()).await.unwrap();
            tcp
        };
        let (mut near, _far) = tokio::join!(client.open(), serving);
        assert_eq!(near.read_some(7).await, b"at once");
    }
}

#[tokio::test]
async fn a_hundred_tunnels_at_once() {
    for (outside, inside) in PAIRS {
        let mut origin = Origin::new(inside).await;
        let bridge = bridge(inside, origin.addr).await;
        let client = std::sync::Arc::new(Outer::new(outside, bridge).await);
        let mut tasks = Vec::new();
        for number in 0..100u32 {
            let client = client.clone();
            tasks.push(tokio::spawn(async move {
                let mut near = client.open().await;
                let data = number.to_le_bytes().repeat(5000);
                near.send(&data).await;
                near.finish().await;
                assert!(near.read_all().await == data);
            }));
        }
        for _ in 0..100 {
            let mut far = origin.open().await;
            tasks.push(tokio::spawn(async move {
                let data = far.read_all().await;
                far.send(&data).await;
                far.finish().await;
            }));
        }
        for task in tasks {
            in_time(task).await.unwrap();
        }
    }
}

/// Writes until the end takes no more for a while, and returns the number of bytes.
async fn fill(end: &mut Raw) -> usize {
    let mut sent = 0;
    let chunk = vec![7; 16 << 10];
    while let Ok(len) = tokio::time::timeout(Duration::from_millis(500), end.write(&chunk)).await {
        sent += len.unwrap();
    }
    sent
}

#[tokio::test]
async fn a_stalled_tunnel_delays_only_itself_and_loses_nothing() {
    for (outside, inside) in PAIRS {
        let mut origin = Origin::new(inside).await;
        let bridge = bridge(inside, origin.addr).await;
        let client = Outer::new(outside, bridge).await;
        let (mut slow, mut far_slow) = tokio::join!(client.open(), origin.open());
        let down = fill(&mut far_slow).await;
        let up = fill(&mut slow).await;
        // Buffers are bounded: windows and sockets, not the memory of the bridge.
        assert!(down < 32 << 20 && up < 32 << 20, "{down} {up}");

        let (mut near, mut far) = tokio::join!(client.open(), origin.open());
        for data in [noise(100), noise(1 << 20)] {
            let sending = async {
                near.send(&data).await;
                near.read_some(data.len()).await
            };
            let echoing = async {
                let received = far.read_some(data.len()).await;
                far.send(&received).await;
            };
            let (echoed, ()) = tokio::join!(sending, echoing);
            assert!(echoed == data);
        }

        let (data, ()) = tokio::join!(slow.read_some(down), async {
            assert!(far_slow.read_some(up).await.iter().all(|&byte| byte == 7));
        });
        assert!(data.iter().all(|&byte| byte == 7));
    }
}

/// A session with room for one stream: the second request waits for its end.
#[tokio::test]
async fn streams_beyond_the_limit_of_the_target_wait() {
    let mut origin = Origin::with_streams(Kind::Http2, 1).await;
    let bridge = bridge(Kind::Http2, origin.addr).await;
    let client = Outer::new(Kind::Http1, bridge).await;
    let (first, far) = tokio::join!(client.open(), origin.open());
    let client = std::sync::Arc::new(client);
    let second = tokio::spawn({
        let client = client.clone();
        async move { client.open().await }
    });
    drop((first, far));
    let mut far = origin.open().await;
    far.send(b"x").await;
    assert_eq!(in_time(second).await.unwrap().read_some(1).await, b"x");
}

/// GOAWAY: open WebSockets go on, and new ones get a new session.
#[tokio::test]
async fn a_session_that_drains_is_replaced() {
    for outside in KINDS {
        let mut origin = Origin::new(Kind::Http2).await;
        let bridge = bridge(Kind::Http2, origin.addr).await;
        let client = Outer::new(outside, bridge).await;
        let (mut near, (mut far, orders)) = tokio::join!(client.open(), async {
            let arrived = origin.next().await;
            let orders = arrived.orders();
            (arrived.open(&[]).await, orders)
        });
        orders.send(Order::Drain).unwrap();
        let (mut other, mut far_other) = tokio::join!(client.open(), origin.open());
        for (a, b) in [(&mut near, &mut far), (&mut other, &mut far_other)] {
            a.send(b"up").await;
            assert_eq!(b.read_some(2).await, b"up");
            b.send(b"down").await;
            assert_eq!(a.read_some(4).await, b"down");
            a.finish().await;
            b.finish().await;
            assert_eq!((a.read_all().await.len(), b.read_all().await.len()), (0, 0));
        }
    }
}
