//! Limits of memory and time through the adapter: a common budget of many sockets, and slow
//! messages.

use core::future::Future;
use core::pin::Pin;

use futures_util::StreamExt;
use sansocket::config::{ConfigBuilder, MemoryBudget};
use sansocket::connection::Negotiated;
use sansocket::error::{LimitError, ProtocolError, TimeoutError};
use sansocket::tokio::WebSocket;
use sansocket::{Connection, Event, Role, WebSocketError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use crate::common::preset;
use crate::common::tasks::spawn;
use crate::tokio::support::MS;

/// Close frames with the codes 1008 and 1013.
const POLICY: [u8; 4] = [0x88, 0x02, 0x03, 0xf0];
const TRY_AGAIN: [u8; 4] = [0x88, 0x02, 0x03, 0xf5];

fn open(preset: ConfigBuilder, io: DuplexStream) -> WebSocket<DuplexStream> {
    let now = Instant::now().into_std().into();
    let config = preset.build().unwrap();
    let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
    WebSocket::from_connection(io, connection, &[])
}

// ------------------------------------------------------------------------------------- memory

#[tokio::test(start_paused = true)]
async fn forty_sockets_share_a_budget() {
    const LEN: usize = 512 << 10;
    const LIMIT: usize = 4 << 20;
    let budget = MemoryBudget::new(LIMIT);
    let mut peers = Vec::new();
    let mut reads = Vec::new();
    for _ in 0..40 {
        let (io, peer) = duplex(16 << 10);
        let mut ws = open(preset(Role::Server).memory_budget(budget.clone()), io);
        reads.push(spawn(async move {
            let len = match ws.read().await? {
                Some((Event::Binary(bytes), _)) => bytes.len(),
                event => panic!("{event:?}"),
            };
            Ok::<_, WebSocketError>((len, ws))
        }));
        peers.push(spawn(async move {
            let mut peer = peer;
            let mut frame = vec![0x82, 0xff];
            frame.extend((LEN as u64).to_be_bytes());
            frame.extend([0; 4]);
            frame.resize(14 + LEN - 1, 7);
            peer.write_all(&frame).await.unwrap();
            peer
        }));
    }
    // Each message without its last byte. Failed connections drain their input.
    let mut ends = Vec::new();
    for peer in peers {
        ends.push(peer.await.unwrap());
    }
    let used = budget.used();
    assert!(used > LIMIT / 2, "{used} bytes");
    assert!(used <= LIMIT + 40 * (64 << 10), "{used} bytes");
    for peer in &mut ends {
        peer.write_all(&[7]).await.unwrap();
    }
    let mut received = Vec::new();
    for (read, mut peer) in reads.into_iter().zip(ends) {
        match read.await.unwrap() {
            Ok((len, ws)) => {
                assert_eq!(len, LEN);
                received.push(ws);
            }
            Err(error) => {
                let over: ProtocolError = LimitError::MemoryBudget.into();
                assert!(matches!(error, WebSocketError::Protocol(e) if e == over), "{error}");
                let mut all = Vec::new();
                peer.read_to_end(&mut all).await.unwrap();
                assert_eq!(all, TRY_AGAIN);
            }
        }
    }
    // The budget was sufficient for some of them, not for all.
    assert!((4..=8).contains(&received.len()), "{}", received.len());
    drop(received);
    assert_eq!(budget.used(), 0);
}

// --------------------------------------------------------------------------------------- time

/// The ways to read a message.
type Read =
    fn(WebSocket<DuplexStream>) -> Pin<Box<dyn Future<Output = Result<(), WebSocketError>> + Send>>;

const READS: [(&str, Read); 4] = [
    ("read", |mut ws| Box::pin(async move { ws.read().await.map(drop) })),
    ("read_into", |mut ws| Box::pin(async move { ws.read_into(&mut [0; 100]).await.map(drop) })),
    ("Reader::read", |ws| {
        Box::pin(async move {
            let (mut reader, _sender) = ws.split();
            reader.read().await.map(drop)
        })
    }),
    ("Stream::next", |ws| {
        Box::pin(async move { ws.into_messages().next().await.unwrap().map(drop) })
    }),
];

#[tokio::test(start_paused = true)]
async fn a_trickled_message_fails_with_1008_at_its_deadline() {
    for (way, read) in READS {
        for silent in [false, true] {
            let (io, mut peer) = duplex(4096);
            let config = preset(Role::Server).keep_alive(None, None);
            let ws = open(config.message_timeout(Some(1000 * MS)), io);
            // Time before the message does not count.
            let reading = spawn(read(ws));
            sleep(5000 * MS).await;
            let start = Instant::now();
            peer.write_all(b"\x02\x81\0\0\0\0x").await.unwrap();
            let mut close = [0; 4];
            if silent {
                let closed = timeout(5000 * MS, peer.read_exact(&mut close)).await;
                assert!(closed.is_ok(), "{way}: no Close frame");
            } else {
                // One byte every 300 ms.
                while timeout(300 * MS, peer.read_exact(&mut close)).await.is_err() {
                    assert!(start.elapsed() < 5000 * MS, "{way}: no Close frame");
                    peer.write_all(b"\0\x81\0\0\0\0x").await.unwrap();
                }
            }
            assert_eq!(close, POLICY, "{way}");
            let elapsed = start.elapsed();
            assert!((1000 * MS..1010 * MS).contains(&elapsed), "{way}, {silent}: {elapsed:?}");
            drop(peer);
            let error = reading.await.unwrap().unwrap_err();
            let late: ProtocolError = TimeoutError::Message.into();
            assert!(matches!(error, WebSocketError::Protocol(e) if e == late), "{way}: {error}");
        }
    }
}
