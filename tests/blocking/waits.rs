//! Each call that waits, with a peer that floods and never reads: it ends at its deadline. The
//! timeouts are short; the bounds are far above them, and far below those of the default config.

use core::task::Poll;
use std::io::Write;
use std::sync::mpsc;
use std::time::Instant;

use sansocket::blocking::{Reader, Sender, WebSocket};
use sansocket::config::ConfigBuilder;
use sansocket::connection::Negotiated;
use sansocket::{CloseCode, Connection, Event, Message, Role, WebSocketError};

use crate::blocking::pipe::{Pipe, pipe};
use crate::blocking::support::MS;
use crate::common::preset;
use crate::common::thread;

type Outcome = Result<(), WebSocketError>;
type Wait = fn(WebSocket<Pipe>) -> Outcome;

/// Longer than the capacity of the transport.
static LONG: [u8; 50_000] = [7; 50_000];

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

/// The sender of a WebSocket with a reader that another thread polls, or that is kept and not
/// polled.
fn halves(ws: WebSocket<Pipe>, polled: bool) -> Sender<Pipe> {
    let (reader, sender) = ws.split().unwrap();
    if polled {
        thread::spawn(move || poll(reader));
    } else {
        std::mem::forget(reader);
    }
    sender
}

fn poll(mut reader: Reader<Pipe>) {
    while let Ok(Some(_)) = reader.read() {}
    // The drop of the reader ends the halves: it must outlive the call under test.
    thread::sleep(10_000 * MS);
}

fn close_after_flush(sender: &Sender<Pipe>) -> Outcome {
    sender.feed_binary(&LONG)?;
    sender.close_output(CloseCode::NORMAL, "")?;
    sender.flush()
}

const WAITS: &[(&str, Wait)] = &[
    ("read", |mut ws| {
        ws.feed_binary(&LONG)?;
        until_error!(ws.read())
    }),
    ("read_into", |mut ws| {
        ws.feed_binary(&LONG)?;
        until_error!(ws.read_into(&mut [0; 100]))
    }),
    ("read, with replies fed", |mut ws| {
        loop {
            match ws.read() {
                Ok(Some((Event::Binary(bytes), mut reply))) => reply.feed_binary(bytes)?,
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    }),
    ("read_timeout, with replies fed", |mut ws| {
        loop {
            match ws.read_timeout(MS) {
                Ok(Poll::Ready(Some((Event::Binary(bytes), mut reply)))) => {
                    reply.feed_binary(bytes)?;
                }
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    }),
    ("poll_read", |mut ws| {
        ws.feed_binary(&LONG)?;
        loop {
            thread::sleep(MS);
            let _ = ws.poll_read()?;
        }
    }),
    ("Reply::send", |mut ws| {
        loop {
            let Some((_, mut reply)) = ws.read()? else { return Ok(()) };
            reply.send_binary(&LONG)?;
        }
    }),
    ("Reply::flush", |mut ws| {
        let Some((_, mut reply)) = ws.read()? else { return Ok(()) };
        reply.feed_binary(&LONG)?;
        reply.flush()
    }),
    ("send_binary", |mut ws| until_error!(ws.send_binary(&LONG))),
    ("send_ping", |mut ws| until_error!(ws.send_ping(&[0; 125]))),
    ("flush", |mut ws| {
        ws.feed_binary(&LONG)?;
        ws.flush()
    }),
    ("close", |mut ws| {
        ws.feed_binary(&LONG)?;
        ws.close(CloseCode::NORMAL, "").map(drop)
    }),
    ("close, without output before it", |mut ws| ws.close(CloseCode::NORMAL, "").map(drop)),
    ("Sender::send, reader polled", |ws| {
        let sender = halves(ws, true);
        until_error!(sender.send_binary(&LONG))
    }),
    ("Sender::send, reader not polled", |ws| {
        let sender = halves(ws, false);
        until_error!(sender.send_binary(&LONG))
    }),
    ("Sender::send, while another thread sends", |ws| {
        let sender = halves(ws, true);
        let other = sender.clone();
        thread::spawn(move || while other.send_binary(&LONG).is_ok() {});
        until_error!(sender.send_binary(&LONG))
    }),
    ("Sender::flush, reader polled", |ws| {
        let sender = halves(ws, true);
        sender.feed_binary(&LONG)?;
        sender.flush()
    }),
    ("Sender::flush, reader not polled", |ws| {
        let sender = halves(ws, false);
        sender.feed_binary(&LONG)?;
        sender.flush()
    }),
    ("Sender::flush after close_output, reader polled", |ws| close_after_flush(&halves(ws, true))),
    ("Sender::flush after close_output, reader not polled", |ws| {
        close_after_flush(&halves(ws, false))
    }),
    ("Sender::closed after abort", |ws| {
        let sender = halves(ws, true);
        sender.abort();
        let _ = sender.closed();
        Ok(())
    }),
    ("Reader::read", |ws| {
        let (mut reader, sender) = ws.split()?;
        sender.feed_binary(&LONG)?;
        until_error!(reader.read())
    }),
    ("Reader::read_timeout", |ws| {
        let (mut reader, sender) = ws.split()?;
        sender.feed_binary(&LONG)?;
        until_error!(reader.read_timeout(MS))
    }),
    ("HalfReply::send", |ws| {
        let (mut reader, _sender) = ws.split()?;
        loop {
            let Some((_, mut reply)) = reader.read()? else { return Ok(()) };
            reply.send_binary(&LONG)?;
        }
    }),
    ("HalfReply::flush", |ws| {
        let (mut reader, _sender) = ws.split()?;
        let Some((_, mut reply)) = reader.read()? else { return Ok(()) };
        reply.feed_binary(&LONG)?;
        reply.flush()
    }),
    ("Messages::send", |ws| {
        let mut messages = ws.into_messages();
        until_error!(messages.send(Message::Binary(LONG.to_vec().into())))
    }),
    ("Messages::close", |ws| {
        let mut messages = ws.into_messages();
        messages.feed(Message::Binary(LONG.to_vec().into()))?;
        messages.close(CloseCode::NORMAL, "").map(drop)
    }),
    ("Messages::next", |ws| {
        let mut messages = ws.into_messages();
        messages.feed(Message::Binary(LONG.to_vec().into()))?;
        messages.try_for_each(|message| message.map(drop))
    }),
];

/// Runs all waits with a config, in parallel, and checks that each ends.
fn run(config: fn(ConfigBuilder) -> ConfigBuilder) {
    let waits: Vec<_> = WAITS
        .iter()
        .map(|(name, wait)| {
            let (io, mut peer) = pipe(16 << 10);
            thread::spawn(move || {
                let frame = [&b"\x82\xfe\x03\xe8\0\0\0\0"[..], &[7; 1000]].concat();
                while peer.write_all(&frame).is_ok() {
                    thread::sleep(MS / 4);
                }
            });
            let config =
                config(preset(Role::Server).close_timeout(300 * MS).linger_timeout(100 * MS));
            let config = config.build().unwrap();
            let now = sansocket::Instant::now();
            let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
            let (done, waiting) = mpsc::channel();
            thread::spawn(move || {
                let outcome = wait(WebSocket::from_connection(io, connection, &[]));
                let _ = done.send(outcome.map_err(|error| error.to_string()));
            });
            (name, waiting)
        })
        .collect();
    let start = Instant::now();
    for (name, waiting) in waits {
        let left = (20_000 * MS).saturating_sub(start.elapsed());
        assert!(waiting.recv_timeout(left).is_ok(), "{name}: no deadline");
    }
}

#[test]
fn each_wait_ends_at_the_write_timeout() {
    run(|preset| preset.write_timeout(500 * MS));
}

#[test]
fn each_wait_ends_at_the_keep_alive_timeout() {
    run(|preset| preset.keep_alive(Some(30_000 * MS), Some(500 * MS)));
}
