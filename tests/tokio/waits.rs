//! Each call that waits, with a peer that floods and never reads: it ends at its deadline.

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sansocket::config::ConfigBuilder;
use sansocket::connection::Negotiated;
use sansocket::error::{ProtocolError, TimeoutError};
use sansocket::tokio::{Reader, Sender, WebSocket};
use sansocket::{CloseCode, Connection, Event, Message, Role, WebSocketError};
use tokio::io::{AsyncWriteExt, BufWriter, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

use crate::common::frame::frame;
use crate::common::preset;
use crate::common::secs;
use crate::common::tasks::spawn;
use crate::tokio::support::{socket, tcp_pair, with_timeout};

type Io = DuplexStream;
type Outcome = Result<(), WebSocketError>;
type Wait = fn(WebSocket<Io>) -> Pin<Box<dyn Future<Output = Outcome>>>;

const WRITE_ERROR: ProtocolError = ProtocolError::Timeout(TimeoutError::Write);

/// Longer than the capacity of the transport.
static LONG: [u8; 200_000] = [7; 200_000];

/// Repeats a call until it fails.
macro_rules! until_error {
    ($call:expr) => {
        loop {
            if let Err(error) = $call {
                break Err(error.into());
            }
        }
    };
}

/// Reads in another task, and drops the events.
fn poll_reader(mut reader: Reader<Io>) {
    spawn(async move {
        while let Ok(Some(_)) = reader.read().await {
            tokio::task::yield_now().await;
        }
        // The drop of the reader ends the halves: it must outlive the call under test.
        tokio::time::sleep(secs(3600)).await;
    });
}

/// The sender of a WebSocket with a reader that is polled, or that is kept and not polled.
fn halves(ws: WebSocket<Io>, polled: bool) -> Sender<Io> {
    let (reader, sender) = ws.split();
    if polled {
        poll_reader(reader);
    } else {
        std::mem::forget(reader);
    }
    sender
}

async fn close_after_flush(sender: Sender<Io>) -> Outcome {
    sender.feed_binary(&LONG)?;
    sender.close_output(CloseCode::NORMAL, "")?;
    sender.flush().await
}

const WAITS: &[(&str, Wait)] = &[
    ("read", |mut ws| {
        Box::pin(async move {
            ws.feed_binary(&LONG)?;
            until_error!(ws.read().await)
        })
    }),
    ("read_into", |mut ws| {
        Box::pin(async move {
            ws.feed_binary(&LONG)?;
            until_error!(ws.read_into(&mut [0; 100]).await)
        })
    }),
    ("read, with replies fed", |mut ws| {
        Box::pin(async move {
            loop {
                match ws.read().await {
                    Ok(Some((Event::Binary(bytes), mut reply))) => reply.feed_binary(bytes)?,
                    Ok(_) => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }),
    ("Reply::send", |mut ws| {
        Box::pin(async move {
            loop {
                let Some((_, mut reply)) = ws.read().await? else { return Ok(()) };
                reply.send_binary(&LONG).await?;
            }
        })
    }),
    ("Reply::flush", |mut ws| {
        Box::pin(async move {
            let Some((_, mut reply)) = ws.read().await? else { return Ok(()) };
            reply.feed_binary(&LONG)?;
            reply.flush().await
        })
    }),
    ("send_binary", |mut ws| Box::pin(async move { until_error!(ws.send_binary(&LONG).await) })),
    ("send_text", |mut ws| {
        let text = "x".repeat(LONG.len());
        Box::pin(async move { until_error!(ws.send_text(&text).await) })
    }),
    ("send_part", |mut ws| {
        Box::pin(async move {
            until_error!(ws.send_part((&LONG[..]).into(), false, Default::default()).await)
        })
    }),
    ("send_ping", |mut ws| Box::pin(async move { until_error!(ws.send_ping(&[0; 125]).await) })),
    ("flush", |mut ws| {
        Box::pin(async move {
            ws.feed_binary(&LONG)?;
            ws.flush().await
        })
    }),
    ("close", |mut ws| {
        Box::pin(async move {
            ws.feed_binary(&LONG)?;
            ws.close(CloseCode::NORMAL, "").await.map(drop)
        })
    }),
    ("close, without output before it", |mut ws| {
        Box::pin(async move { ws.close(CloseCode::NORMAL, "").await.map(drop) })
    }),
    ("Sender::send, reader polled", |ws| {
        let sender = halves(ws, true);
        Box::pin(async move { until_error!(sender.send_binary(&LONG).await) })
    }),
    ("Sender::send, reader not polled", |ws| {
        let sender = halves(ws, false);
        Box::pin(async move { until_error!(sender.send_binary(&LONG).await) })
    }),
    ("Sender::flush, reader polled", |ws| {
        let sender = halves(ws, true);
        Box::pin(async move {
            sender.feed_binary(&LONG)?;
            sender.flush().await
        })
    }),
    ("Sender::flush, reader not polled", |ws| {
        let sender = halves(ws, false);
        Box::pin(async move {
            sender.feed_binary(&LONG)?;
            sender.flush().await
        })
    }),
    ("Sender::flush after close_output, reader polled", |ws| {
        Box::pin(close_after_flush(halves(ws, true)))
    }),
    ("Sender::flush after close_output, reader not polled", |ws| {
        Box::pin(close_after_flush(halves(ws, false)))
    }),
    ("Sender::closed after close_output", |ws| {
        let sender = halves(ws, true);
        Box::pin(async move {
            sender.close_output(CloseCode::NORMAL, "")?;
            // The reader receives everything, so it continues while input arrives.
            let _ = timeout(secs(50), sender.closed()).await;
            sender.abort();
            sender.closed().await;
            Ok(())
        })
    }),
    ("Reader::read", |ws| {
        let (mut reader, sender) = ws.split();
        Box::pin(async move {
            sender.feed_binary(&LONG)?;
            until_error!(reader.read().await)
        })
    }),
    ("HalfReply::send", |ws| {
        let (mut reader, _sender) = ws.split();
        Box::pin(async move {
            loop {
                let Some((_, mut reply)) = reader.read().await? else { return Ok(()) };
                reply.send_binary(&LONG).await?;
            }
        })
    }),
    ("HalfReply::flush", |ws| {
        let (mut reader, _sender) = ws.split();
        Box::pin(async move {
            let Some((_, mut reply)) = reader.read().await? else { return Ok(()) };
            reply.feed_binary(&LONG)?;
            reply.flush().await
        })
    }),
    ("Sink::send", |ws| {
        let (mut sink, stream) = ws.into_messages().split();
        Box::pin(async move {
            let _stream = stream;
            until_error!(sink.send(Message::Binary(LONG.to_vec().into())).await)
        })
    }),
    ("Sink::feed, stream polled", |ws| {
        let (mut sink, mut stream) = ws.into_messages().split();
        spawn(async move { while stream.next().await.is_some() {} });
        Box::pin(
            async move { until_error!(sink.feed(Message::Binary(LONG.to_vec().into())).await) },
        )
    }),
    ("Sink::close, stream not polled", |ws| {
        let (mut sink, stream) = ws.into_messages().split();
        Box::pin(async move {
            let _stream = stream;
            sink.feed(Message::Binary(LONG.to_vec().into())).await?;
            sink.close().await
        })
    }),
    ("Sink::close, stream polled", |ws| {
        let (mut sink, mut stream) = ws.into_messages().split();
        spawn(async move { while stream.next().await.is_some() {} });
        Box::pin(async move { sink.close().await })
    }),
    ("Sink::close, no output before it", |ws| {
        let (mut sink, stream) = ws.into_messages().split();
        Box::pin(async move {
            let _stream = stream;
            sink.close().await
        })
    }),
    ("Stream::next", |ws| {
        let mut messages = ws.into_messages();
        Box::pin(async move {
            messages.feed(Message::Binary(LONG.to_vec().into())).await?;
            while let Some(message) = messages.next().await {
                message?;
            }
            Ok(())
        })
    }),
];

/// Runs each wait with a config, and checks that it ends within `longest`.
async fn run(config: fn(ConfigBuilder) -> ConfigBuilder, longest: Duration) {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            for (name, wait) in WAITS {
                let (io, mut peer) = duplex(64 << 10);
                let flood = spawn(async move {
                    let frame = [&b"\x82\xfe\x03\xe8\0\0\0\0"[..], &[7; 1000]].concat().repeat(4);
                    while peer.write_all(&frame).await.is_ok() {
                        // The clock is virtual, and advances.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                });
                let config = config(preset(Role::Server)).build().unwrap();
                let now = Instant::now();
                let connection = Connection::new(
                    Role::Server,
                    &config,
                    &Negotiated::new(),
                    now.into_std().into(),
                );
                let ws = WebSocket::from_connection(io, connection, &[]);
                let outcome = timeout(secs(3600), wait(ws)).await;
                let elapsed = now.elapsed();
                assert!(outcome.is_ok(), "{name}: no deadline");
                assert!(elapsed <= longest, "{name}: {outcome:?} after {elapsed:?}");
                flood.abort();
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn each_wait_ends_at_the_write_timeout_of_the_default_config() {
    // A failed connection lingers for 2 s, and checks a flood from time to time.
    run(|preset| preset, secs(64)).await;
}

#[tokio::test(start_paused = true)]
async fn each_wait_ends_at_a_shorter_write_timeout() {
    run(|preset| preset.write_timeout(secs(7)), secs(52)).await;
}

#[tokio::test(start_paused = true)]
async fn each_wait_ends_at_the_keep_alive_timeout() {
    run(|preset| preset.keep_alive(Some(secs(30)), Some(secs(10))), secs(52)).await;
}

/// Closes a connection to a peer that floods instead of replying, and never reads.
#[tokio::test]
async fn v25_a_flood_does_not_prevent_the_end_of_a_close() {
    let short = Duration::from_millis(100);
    for split in [false, true] {
        let (a, raw) = tcp_pair().await;
        let (_from, mut to) = raw.into_split();
        let flood = spawn(async move {
            let pings = frame(0x89, &[7; 100]).repeat(100);
            while to.write_all(&pings).await.is_ok() {}
        });
        // On halves, data received after our own Close frame moves the close deadline: there the
        // write timeout ends the connection.
        let config = preset(Role::Server)
            .close_timeout(short)
            .linger_timeout(short)
            .write_timeout(short)
            .build()
            .unwrap();
        let mut ws = socket(Role::Server, a, &config);
        let start = Instant::now();
        if split {
            let (mut reader, sender) = ws.split();
            sender.close_output(CloseCode::NORMAL, "").unwrap();
            while matches!(with_timeout(reader.read()).await, Ok(Some(_))) {}
        } else {
            let closed = with_timeout(ws.close(CloseCode::NORMAL, "")).await;
            assert!(closed.is_err(), "{closed:?}");
            drop(ws);
        }
        let passed = start.elapsed();
        assert!(passed >= 2 * short && passed < 20 * short, "{passed:?}");
        with_timeout(flood).await.unwrap();
    }
}

/// Output without progress ends a flush, also in a buffering transport; the sink returns the same
/// error.
#[tokio::test]
async fn s27_a_flush_to_a_vanished_peer_ends() {
    let short = Duration::from_millis(50);
    let config = preset(Role::Server).keep_alive(Some(short), Some(short)).build().unwrap();
    let (_raw, b) = duplex(64);
    let mut ws = socket(Role::Server, b, &config);
    ws.feed_binary(&[0; 1000]).unwrap();
    let error = with_timeout(ws.flush()).await.unwrap_err();
    assert!(matches!(error, WebSocketError::Protocol(e) if e == WRITE_ERROR), "{error:?}");

    let (_raw, b) = duplex(64);
    let mut ws = socket(Role::Server, BufWriter::new(b), &config);
    ws.feed_binary(&[0; 1000]).unwrap();
    let error = with_timeout(ws.flush()).await.unwrap_err();
    assert!(matches!(error, WebSocketError::Protocol(e) if e == WRITE_ERROR), "{error:?}");

    let (_raw, b) = duplex(64);
    let mut messages = socket(Role::Server, b, &config).into_messages();
    let error =
        with_timeout(messages.send(Message::Binary(vec![0; 1000].into()))).await.unwrap_err();
    assert!(matches!(error, WebSocketError::Protocol(e) if e == WRITE_ERROR), "{error:?}");
}
