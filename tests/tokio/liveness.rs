//! While both ends keep reading and at most one of them replies, every byte arrives.

use core::time::Duration;

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use sansocket::connection::Negotiated;
use sansocket::error::SendError;
use sansocket::tokio::WebSocket;
use sansocket::{CloseCode, Connection, Event, Message, Role};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::time::timeout;

use crate::common::plan::{Case, Plan, Received, UNSOLICITED, case, connection, message};
use crate::common::preset;
use crate::common::sockets::small_tcp;
use crate::common::tasks::{self, spawn};
use crate::tokio::support::{plain, with_timeout};

fn socket(role: Role, plan: &Plan, io: DuplexStream) -> WebSocket<DuplexStream> {
    let now = tokio::time::Instant::now().into_std().into();
    WebSocket::from_connection(io, connection(role, plan, now), &[])
}

/// Reads, and sends between reads, until all messages have arrived. Then reads until the peer
/// closes.
async fn run_unsplit(
    mut ws: WebSocket<DuplexStream>,
    plan: Plan,
    mut received: Received,
    closes: bool,
) {
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
                ws.send_binary(&bytes).await.unwrap();
            }
            next += 1;
            for _ in 0..plan.pings {
                let _ = ws.feed_ping(&[b'p'; 100]);
            }
        }
        if closes && received.is_done() && next == plan.messages.len() && !closing {
            closing = true;
            ws.close_output(CloseCode::NORMAL, "").unwrap();
        }
        // Perhaps no input arrives, while capacity for more output does.
        let Ok(event) = timeout(Duration::from_millis(1), ws.read()).await else { continue };
        match event.unwrap() {
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

async fn run_halves(ws: WebSocket<DuplexStream>, plan: Plan, mut received: Received, closes: bool) {
    let (mut reader, sender) = ws.split();
    let sending = spawn({
        let sender = sender.clone();
        async move {
            for (i, &len) in plan.messages.iter().enumerate() {
                let bytes = message(UNSOLICITED, i, len);
                for _ in 0..plan.pings {
                    let _ = sender.feed_ping(&[b'p'; 100]);
                }
                if plan.feeds {
                    while let Err(error) = sender.feed_binary(&bytes) {
                        assert_eq!(error, SendError::Full);
                        sender.flush().await.unwrap();
                    }
                } else {
                    sender.send_binary(&bytes).await.unwrap();
                }
            }
        }
    });
    let mut sending = Some(sending);
    loop {
        if closes
            && received.is_done()
            && let Some(sending) = sending.take()
        {
            let sender = sender.clone();
            spawn(async move {
                sending.await.unwrap();
                sender.close_output(CloseCode::NORMAL, "").unwrap();
            });
        }
        let Some((event, mut reply)) = reader.read().await.unwrap() else { break };
        if let Event::Binary(bytes) = event
            && let Some(answer) = received.take(bytes)
        {
            reply.feed_binary(&answer).unwrap();
        }
    }
    if let Some(sending) = sending {
        sending.await.unwrap();
    }
    assert!(received.is_done(), "{received:?}");
}

async fn end(role: Role, case: Case, io: DuplexStream, closes: bool) {
    let plan = if role == Role::Client { case.client.clone() } else { case.server.clone() };
    let received = Received::new(role, &case);
    let ws = socket(role, &plan, io);
    if plan.split {
        run_halves(ws, plan, received, closes).await;
    } else {
        run_unsplit(ws, plan, received, closes).await;
    }
}

/// The client closes after it has received everything: then the server has sent everything.
fn run(case: &Case) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    tasks::block_on(&runtime.unwrap(), async {
        let (a, b) = duplex(case.capacity);
        let client = spawn(end(Role::Client, case.clone(), a, true));
        let server = spawn(end(Role::Server, case.clone(), b, false));
        let both = async { (client.await, server.await) };
        let (client, server) = timeout(Duration::from_secs(3600), both).await.expect("a hang");
        client.unwrap();
        server.unwrap();
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_byte_arrives_while_both_ends_read_and_at_most_one_replies(case in case(60)) {
        run(&case);
    }
}

/// A client that sends a batch and then reads, with the plain echo loop as its peer: all replies
/// with enough capacity, and with the defaults as many replies as accepted messages.
async fn pipeline<S>(a: S, b: S, max_unsent: Option<usize>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let preset = |role| match max_unsent {
        Some(max) => preset(role).max_unsent(max),
        None => preset(role),
    };
    let socket = |role, io| {
        let config = preset(role).build().unwrap();
        let now = tokio::time::Instant::now().into_std().into();
        let connection = Connection::new(role, &config, &Negotiated::new(), now);
        WebSocket::from_connection(io, connection, &[])
    };
    let (mut client, mut server) = (socket(Role::Client, a), socket(Role::Server, b));
    spawn(async move {
        while let Ok(Some((event, mut reply))) = server.read().await {
            if let Event::Text(text) = event {
                reply.feed_text(text).unwrap();
            }
        }
    });
    let text = "x".repeat(100);
    let accepted = (0..9893).take_while(|_| client.feed_text(&text).is_ok()).count();
    assert!(max_unsent.is_none() || accepted == 9893);
    for i in 0..accepted {
        let event = timeout(Duration::from_secs(3600), client.read()).await.expect("a hang");
        assert!(matches!(event, Ok(Some((Event::Text(_), _)))), "answer {i} of {accepted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_before_the_first_read_is_echoed_completely() {
    for max_unsent in [Some(2 << 20), None] {
        let (a, b) = duplex(64 << 10);
        pipeline(a, b, max_unsent).await;
    }
}

#[tokio::test]
async fn a_batch_before_the_first_read_is_echoed_completely_over_sockets() {
    for max_unsent in [Some(2 << 20), None] {
        let (a, b) = small_tcp().await;
        timeout(Duration::from_secs(60), pipeline(a, b, max_unsent)).await.expect("a hang");
        #[cfg(unix)]
        {
            let (a, b) = tokio::net::UnixStream::pair().unwrap();
            timeout(Duration::from_secs(60), pipeline(a, b, max_unsent)).await.expect("a hang");
        }
    }
}

/// Both ends send much and read at the same time, in halves: neither must stop reading while its
/// own output is pending.
#[tokio::test]
async fn halves_that_flood_each_other_do_not_deadlock() {
    let (a, b) = duplex(1 << 12);
    let served = spawn(async move {
        let mut ws = plain(Role::Server, a);
        while let Some((event, mut reply)) = ws.read().await.unwrap() {
            if let Event::Binary(bytes) = event {
                reply.feed_binary(bytes).unwrap();
            }
        }
    });
    let (mut reader, sender) = plain(Role::Client, b).split();
    let count = 100;
    let sending = spawn(async move {
        for i in 0..count {
            sender.send_binary(&vec![i; 50_000]).await.unwrap();
        }
        sender
    });
    for i in 0..count {
        let (event, _) = with_timeout(reader.read()).await.unwrap().unwrap();
        assert_eq!(event, Event::Binary(&vec![i; 50_000]));
    }
    let sender = sending.await.unwrap();
    sender.close_output(CloseCode::NORMAL, "").unwrap();
    while with_timeout(reader.read()).await.unwrap().is_some() {}
    served.await.unwrap();
}

/// The same with the stream and the sink in two tasks.
#[tokio::test]
async fn stream_and_sink_that_flood_each_other_do_not_deadlock() {
    let (a, b) = duplex(1 << 12);
    spawn(async move {
        let mut ws = plain(Role::Server, a);
        while let Some((event, mut reply)) = ws.read().await.unwrap() {
            if let Event::Binary(bytes) = event {
                reply.feed_binary(bytes).unwrap();
            }
        }
    });
    let (mut sink, mut stream) = plain(Role::Client, b).into_messages().split();
    let count = 100;
    let sending = spawn(async move {
        for i in 0..count {
            sink.send(Message::Binary(vec![i; 50_000].into())).await.unwrap();
        }
        sink
    });
    for i in 0..count {
        let message = with_timeout(stream.next()).await.unwrap().unwrap();
        assert_eq!(message, Message::Binary(vec![i; 50_000].into()));
    }
    drop(sending.await.unwrap());
}
