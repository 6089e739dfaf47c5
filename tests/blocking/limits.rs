//! Limits of memory and time through the adapter: a common budget of many sockets, and slow
//! messages.

use std::io::{Read, Write};
use std::time::Instant;

use sansocket::blocking::{Transport, WebSocket};
use sansocket::config::{ConfigBuilder, MemoryBudget};
use sansocket::connection::Negotiated;
use sansocket::error::{LimitError, ProtocolError, TimeoutError};
use sansocket::{Connection, Event, Role, WebSocketError};

use crate::blocking::pipe::{Pipe, pipe};
use crate::blocking::support::MS;
use crate::common::preset;
use crate::common::thread;

/// Close frames with the codes 1008 and 1013.
const POLICY: [u8; 4] = [0x88, 0x02, 0x03, 0xf0];
const TRY_AGAIN: [u8; 4] = [0x88, 0x02, 0x03, 0xf5];

fn open(preset: ConfigBuilder, io: Pipe) -> WebSocket<Pipe> {
    let now = sansocket::Instant::now();
    let config = preset.build().unwrap();
    let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
    WebSocket::from_connection(io, connection, &[])
}

// ------------------------------------------------------------------------------------- memory

#[test]
fn forty_sockets_share_a_budget() {
    const LEN: usize = 512 << 10;
    const LIMIT: usize = 4 << 20;
    let budget = MemoryBudget::new(LIMIT);
    let mut peers = Vec::new();
    let mut reads = Vec::new();
    let mut frame = vec![0x82, 0xff];
    frame.extend((LEN as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.resize(14 + LEN - 1, 7);
    for _ in 0..40 {
        let (io, mut peer) = pipe(16 << 10);
        // Failed connections drain until their peer has written everything.
        let config = preset(Role::Server).memory_budget(budget.clone());
        let mut ws = open(config.linger_timeout(60_000 * MS), io);
        reads.push(thread::spawn(move || {
            let len = match ws.read()? {
                Some((Event::Binary(bytes), _)) => bytes.len(),
                event => panic!("{event:?}"),
            };
            Ok::<_, WebSocketError>((len, ws))
        }));
        // Each message without its last byte.
        peer.write_all(&frame).unwrap();
        peers.push(peer);
    }
    let used = budget.used();
    assert!(used > LIMIT / 2, "{used} bytes");
    assert!(used <= LIMIT + 40 * (64 << 10), "{used} bytes");
    let mut received = Vec::new();
    for (read, mut peer) in reads.into_iter().zip(peers) {
        peer.write_all(&[7]).unwrap();
        // A failed socket waits for the end of its peer.
        peer.shutdown_write().unwrap();
        match read.join().unwrap() {
            Ok((len, ws)) => {
                assert_eq!(len, LEN);
                received.push(ws);
            }
            Err(error) => {
                let over: ProtocolError = LimitError::MemoryBudget.into();
                assert!(matches!(error, WebSocketError::Protocol(e) if e == over), "{error}");
                let mut all = Vec::new();
                peer.read_to_end(&mut all).unwrap();
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
const READS: [(&str, fn(WebSocket<Pipe>) -> Result<(), WebSocketError>); 6] = [
    ("read", |mut ws| ws.read().map(drop)),
    ("read_timeout", |mut ws| while_pending(|| ws.read_timeout(MS).map(|read| read.is_pending()))),
    ("poll_read", |mut ws| {
        while_pending(|| {
            thread::sleep(MS);
            ws.poll_read().map(|read| read.is_pending())
        })
    }),
    ("read_into", |mut ws| ws.read_into(&mut [0; 100]).map(drop)),
    ("Reader::read", |ws| {
        let (mut reader, _sender) = ws.split()?;
        reader.read().map(drop)
    }),
    ("Messages", |ws| ws.into_messages().next().unwrap().map(drop)),
];

fn while_pending(
    mut read: impl FnMut() -> Result<bool, WebSocketError>,
) -> Result<(), WebSocketError> {
    while read()? {}
    Ok(())
}

#[test]
fn a_trickled_message_fails_with_1008_at_its_deadline() {
    for (way, read) in READS {
        for silent in [false, true] {
            let (io, mut peer) = pipe(4096);
            let config = preset(Role::Server).keep_alive(None, None);
            let ws = open(config.message_timeout(Some(100 * MS)), io);
            let reading = thread::spawn(move || read(ws));
            let start = Instant::now();
            peer.write_all(b"\x02\x81\0\0\0\0x").unwrap();
            // One byte every 10 ms, until the server ends.
            let trickling = (!silent).then(|| {
                let mut peer = peer.try_clone().unwrap();
                thread::spawn(move || {
                    while peer.write_all(b"\0\x81\0\0\0\0x").is_ok() {
                        thread::sleep(10 * MS);
                    }
                })
            });
            peer.set_read_timeout(Some(10_000 * MS)).unwrap();
            let mut close = [0; 4];
            assert!(peer.read_exact(&mut close).is_ok(), "{way}: no Close frame");
            assert_eq!(close, POLICY, "{way}");
            assert!(start.elapsed() >= 100 * MS, "{way}: {:?}", start.elapsed());
            peer.shutdown_write().unwrap();
            let error = reading.join().unwrap().unwrap_err();
            let late: ProtocolError = TimeoutError::Message.into();
            assert!(matches!(error, WebSocketError::Protocol(e) if e == late), "{way}: {error}");
            if let Some(trickling) = trickling {
                trickling.join().unwrap();
            }
        }
    }
}
