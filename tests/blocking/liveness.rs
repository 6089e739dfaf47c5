//! While both ends keep reading and at most one of them replies, every byte arrives.

use core::task::Poll;
use std::sync::mpsc;

use proptest::prelude::*;
use sansocket::blocking::{Transport, WebSocket};
use sansocket::connection::Negotiated;
use sansocket::error::SendError;
use sansocket::{CloseCode, Connection, Event, Instant, Role};

use crate::blocking::pipe::{Pipe, pipe};
use crate::blocking::support::{MS, with_timeout};
use crate::common::plan::{Case, Plan, Received, UNSOLICITED, case, connection, message};
use crate::common::preset;
use crate::common::thread;

fn socket(role: Role, plan: &Plan, io: Pipe) -> WebSocket<Pipe> {
    WebSocket::from_connection(io, connection(role, plan, Instant::now()), &[])
}

/// Reads, and sends between reads, until all messages have arrived. Then reads until the peer
/// closes.
fn run_unsplit(mut ws: WebSocket<Pipe>, plan: &Plan, mut received: Received, closes: bool) {
    let mut next = 0;
    let mut closing = false;
    loop {
        let until = (next + plan.batch).min(plan.messages.len());
        while next < until {
            let bytes = message(UNSOLICITED, next, plan.messages[next]);
            if plan.feeds {
                match ws.feed_binary(&bytes) {
                    Ok(()) => {}
                    Err(SendError::Full) => break,
                    Err(error) => panic!("{error}"),
                }
            } else {
                ws.send_binary(&bytes).unwrap();
            }
            next += 1;
            for _ in 0..plan.pings {
                let _ = ws.feed_ping(&[b'p'; 100]);
            }
        }
        let all_sent = next == plan.messages.len();
        if closes && received.is_done() && all_sent && !closing {
            closing = true;
            ws.close_output(CloseCode::NORMAL, "").unwrap();
        }
        // Perhaps no input arrives, while capacity for more output does.
        let event = if all_sent {
            ws.read().unwrap()
        } else {
            match ws.read_timeout(MS).unwrap() {
                Poll::Ready(event) => event,
                Poll::Pending => continue,
            }
        };
        match event {
            Some((Event::Binary(bytes), mut reply)) => {
                if let Some(answer) = received.take(bytes) {
                    reply.feed_binary(&answer).unwrap();
                }
            }
            Some(_) => {}
            None => break,
        }
    }
    assert!(received.is_done(), "{received:?}");
}

fn run_halves(ws: WebSocket<Pipe>, plan: &Plan, mut received: Received, closes: bool) {
    let (mut reader, sender) = ws.split().unwrap();
    thread::scope(|scope| {
        let (all_received, wait) = mpsc::channel();
        scope.spawn(move || {
            for (i, &len) in plan.messages.iter().enumerate() {
                let bytes = message(UNSOLICITED, i, len);
                for _ in 0..plan.pings {
                    let _ = sender.feed_ping(&[b'p'; 100]);
                }
                if plan.feeds {
                    while let Err(error) = sender.feed_binary(&bytes) {
                        assert_eq!(error, SendError::Full);
                        sender.flush().unwrap();
                    }
                } else {
                    sender.send_binary(&bytes).unwrap();
                }
            }
            if closes && wait.recv().is_ok() {
                sender.close_output(CloseCode::NORMAL, "").unwrap();
            }
        });
        loop {
            if closes && received.is_done() {
                let _ = all_received.send(());
            }
            let Some((event, mut reply)) = reader.read().unwrap() else { break };
            if let Event::Binary(bytes) = event
                && let Some(answer) = received.take(bytes)
            {
                reply.feed_binary(&answer).unwrap();
            }
        }
    });
    assert!(received.is_done(), "{received:?}");
}

fn end(role: Role, case: &Case, io: Pipe, closes: bool) {
    let plan = if role == Role::Client { &case.client } else { &case.server };
    let received = Received::new(role, case);
    let ws = socket(role, plan, io);
    if plan.split {
        run_halves(ws, plan, received, closes);
    } else {
        run_unsplit(ws, plan, received, closes);
    }
}

/// The client closes after it has received everything: then the server has sent everything.
fn run(case: Case) {
    with_timeout(move || {
        let (a, b) = pipe(case.capacity);
        thread::scope(|scope| {
            scope.spawn(|| end(Role::Client, &case, a, true));
            scope.spawn(|| end(Role::Server, &case, b, false));
        });
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 8, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_byte_arrives_while_both_ends_read_and_at_most_one_replies(case in case(40)) {
        run(case);
    }
}

fn pipeline<S: Transport + Send + 'static>(a: S, b: S, max_unsent: Option<usize>) {
    with_timeout(move || {
        let socket = |role, io| {
            let preset = match max_unsent {
                Some(max) => preset(role).max_unsent(max),
                None => preset(role),
            };
            let config = preset.build().unwrap();
            let connection = Connection::new(role, &config, &Negotiated::new(), Instant::now());
            WebSocket::from_connection(io, connection, &[])
        };
        let (mut client, mut server) = (socket(Role::Client, a), socket(Role::Server, b));
        thread::spawn(move || {
            while let Ok(Some((event, mut reply))) = server.read() {
                if let Event::Text(text) = event {
                    reply.feed_text(text).unwrap();
                }
            }
        });
        let text = "x".repeat(100);
        let accepted = (0..9893).take_while(|_| client.feed_text(&text).is_ok()).count();
        assert!(max_unsent.is_none() || accepted == 9893);
        for i in 0..accepted {
            let event = client.read();
            assert!(matches!(event, Ok(Some((Event::Text(_), _)))), "answer {i} of {accepted}");
        }
    });
}

/// A client that sends a batch and then reads, with the plain echo loop as its peer.
#[test]
fn a_batch_before_the_first_read_is_echoed_completely() {
    for max_unsent in [Some(2 << 20), None] {
        let (a, b) = pipe(64 << 10);
        pipeline(a, b, max_unsent);
        #[cfg(unix)]
        {
            let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
            pipeline(a, b, max_unsent);
        }
        #[cfg(feature = "tokio")]
        {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            let (a, b) = runtime.block_on(crate::common::sockets::small_tcp());
            let [a, b] = [a, b].map(|io| {
                let io = io.into_std().unwrap();
                io.set_nonblocking(false).unwrap();
                io
            });
            pipeline(a, b, max_unsent);
        }
    }
}
