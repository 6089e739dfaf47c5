//! Futures that are dropped at any poll, over a slow transport: no message is lost or duplicated,
//! and no future depends on a timer.

use core::cell::Cell;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use sansocket::connection::Negotiated;
use sansocket::error::SendError;
use sansocket::tokio::{Sender, WebSocket};
use sansocket::{CloseCode, Connection, Event, Message, Role, WebSocketError};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use crate::common::preset;
use crate::common::tasks::{self, spawn};

/// Pseudo-random numbers.
#[derive(Debug)]
struct Dice(Cell<u64>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1))
    }

    fn roll(&self, n: usize) -> usize {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        ((x >> 11) % n as u64) as usize
    }
}

/// A transport with a buffer, that moves few bytes at once and is not ready at random.
#[derive(Debug)]
struct Flaky {
    io: DuplexStream,
    buffer: Vec<u8>,
    room: usize,
    most: usize,
    lazy: usize,
    dice: Dice,
}

impl Flaky {
    fn new(io: DuplexStream, seed: u64) -> Self {
        let dice = Dice::new(seed);
        let room = [0, 0, 10, 300][dice.roll(4)];
        let most = [1, 7, 100, 100_000][dice.roll(4)];
        let lazy = dice.roll(4);
        Self { io, buffer: Vec::new(), room, most, lazy, dice }
    }

    fn rests(&self, cx: &Context<'_>) -> bool {
        let rests = self.dice.roll(10) < self.lazy;
        if rests {
            cx.waker().wake_by_ref();
        }
        rests
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() {
            if self.rests(cx) {
                return Poll::Pending;
            }
            let n = self.buffer.len().min(self.most);
            match Pin::new(&mut self.io).poll_write(cx, &self.buffer[..n]) {
                Poll::Ready(Ok(n)) => drop(self.buffer.drain(..n)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Flaky {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rests(cx) {
            return Poll::Pending;
        }
        let most = self.most.min(buffer.remaining());
        let mut part = buffer.take(most);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut part);
        let n = part.filled().len();
        buffer.advance(n);
        polled
    }
}

impl AsyncWrite for Flaky {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.rests(cx) {
            return Poll::Pending;
        }
        if self.room == 0 {
            let n = bytes.len().min(self.most);
            return Pin::new(&mut self.io).poll_write(cx, &bytes[..n]);
        }
        if self.buffer.len() >= self.room {
            match self.poll_drain(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.buffer.len() < self.room => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        let n = bytes.len().min(self.room - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_drain(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.io).poll_shutdown(cx),
            polled => polled,
        }
    }
}

/// Polls a future at most this many times; `None`: it was dropped.
async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    core::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// The messages sent by one end: the numbers of each sender, and whether they must arrive.
type Sent = Arc<Mutex<BTreeMap<u8, Vec<(u32, bool)>>>>;
/// The messages received by one end.
type Received = Arc<Mutex<BTreeMap<u8, Vec<u32>>>>;

const REPLIES: u8 = 200;
const DONE: u8 = 255;

fn message(sender: u8, number: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![sender];
    bytes.extend(number.to_be_bytes());
    bytes.resize(5 + len, sender ^ number as u8);
    bytes
}

fn note(sent: &Sent, sender: u8, number: u32, certain: bool) {
    sent.lock().unwrap().entry(sender).or_default().push((number, certain));
}

/// Returns the sender.
fn take(received: &Received, bytes: &[u8]) -> u8 {
    let number = u32::from_be_bytes(bytes[1..5].try_into().unwrap());
    assert!(bytes[5..].iter().all(|&byte| byte == bytes[0] ^ number as u8));
    received.lock().unwrap().entry(bytes[0]).or_default().push(number);
    bytes[0]
}

fn check(sent: &Sent, received: &Received) {
    let (sent, all) = (sent.lock().unwrap(), received.lock().unwrap());
    for (sender, numbers) in &*sent {
        let none = Vec::new();
        let mut received = all.get(sender).unwrap_or(&none).iter().peekable();
        for (number, certain) in numbers {
            if received.peek() == Some(&number) {
                received.next();
            } else {
                assert!(!certain, "{number} of sender {sender} is lost");
            }
        }
        assert_eq!(received.next(), None, "of sender {sender}: doubled or out of order");
    }
}

#[derive(Clone, Debug)]
struct End {
    role: Role,
    seed: u64,
    replies: bool,
    /// It closes after it has received and sent everything.
    closes: bool,
    /// Closes after this many messages of the peer, independent of its own remaining output.
    closes_after: Option<usize>,
    /// The peer closes in this way.
    may_be_closed: bool,
    sent: Sent,
    received: Received,
}

impl End {
    /// False: the connection was closed.
    fn is_sent(&self, result: Result<(), WebSocketError>) -> bool {
        match result {
            Ok(()) => true,
            Err(WebSocketError::Send(SendError::Closed)) if self.may_be_closed => false,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn send(sender: Sender<Flaky>, end: End, id: u8) {
    let dice = Dice::new(end.seed * 31 + u64::from(id));
    let most = [3, 200, 3000][dice.roll(3)];
    for number in 0..20 {
        let bytes = message(id, number, dice.roll(most));
        match dice.roll(4) {
            0 => match sender.feed_binary(&bytes) {
                Ok(()) => note(&end.sent, id, number, true),
                Err(SendError::Closed) if end.may_be_closed => return,
                Err(error) => assert_eq!(error, SendError::Full),
            },
            1 => {
                while let Err(error) = sender.feed_binary(&bytes) {
                    if error == SendError::Closed && end.may_be_closed {
                        return;
                    }
                    assert_eq!(error, SendError::Full);
                    if let Some(flushed) = polled(dice.roll(20), sender.flush()).await
                        && !end.is_sent(flushed)
                    {
                        return;
                    }
                    yield_now().await;
                }
                note(&end.sent, id, number, true);
            }
            2 => {
                let sent = polled(dice.roll(20), sender.send_binary(&bytes)).await;
                let sent = sent.map(|sent| end.is_sent(sent));
                if sent == Some(false) {
                    return;
                }
                note(&end.sent, id, number, sent.is_some());
            }
            _ => {
                if !end.is_sent(sender.send_binary(&bytes).await) {
                    return;
                }
                note(&end.sent, id, number, true);
            }
        }
        if dice.roll(3) == 0 {
            let _ = sender.feed_ping(&[7; 20]);
        }
    }
}

async fn halves(ws: WebSocket<Flaky>, end: End) {
    let (mut reader, sender) = ws.split();
    let dice = Dice::new(end.seed * 7);
    let senders: Vec<_> = (0..1 + dice.roll(3) as u8)
        .map(|id| spawn(send(sender.clone(), end.clone(), id)))
        .collect();
    let finish = spawn({
        let (sender, end) = (sender.clone(), end.clone());
        async move {
            for sender in senders {
                sender.await.unwrap();
            }
            // Fed while all tasks are idle: only the reader writes it, after a wake-up.
            sleep(Duration::from_millis(1)).await;
            let done = message(DONE, 0, 0);
            let sent = match sender.feed_binary(&done) {
                Ok(()) => true,
                Err(_) => end.is_sent(sender.send_binary(&done).await),
            };
            if sent {
                note(&end.sent, DONE, 0, true);
            }
        }
    });
    let (mut replied, mut received) = (0, 0);
    let mut finish = Some(finish);
    loop {
        let times = if dice.roll(2) == 0 { usize::MAX } else { dice.roll(20) };
        let Some(read) = polled(times, reader.read()).await else {
            yield_now().await;
            continue;
        };
        let Some((event, mut reply)) = read.unwrap() else { break };
        let Event::Binary(bytes) = event else { continue };
        let sender_id = take(&end.received, bytes);
        received += 1;
        if end.closes_after == Some(received) {
            sender.close_output(CloseCode::NORMAL, "").unwrap();
        } else if sender_id == DONE
            && end.closes
            && let Some(finish) = finish.take()
        {
            let sender = sender.clone();
            spawn(async move {
                finish.await.unwrap();
                sender.close_output(CloseCode::NORMAL, "").unwrap();
            });
        } else if end.replies && sender_id < REPLIES {
            let answer = message(REPLIES, replied, bytes.len());
            let certain = if dice.roll(2) == 0 {
                if !end.is_sent(reply.feed_binary(&answer).map_err(Into::into)) {
                    continue;
                }
                true
            } else {
                let sent = polled(dice.roll(10), reply.send_binary(&answer)).await;
                let sent = sent.map(|sent| end.is_sent(sent));
                if sent == Some(false) {
                    continue;
                }
                sent.is_some()
            };
            note(&end.sent, REPLIES, replied, certain);
            replied += 1;
        }
    }
}

async fn messages(ws: WebSocket<Flaky>, end: End) {
    let (mut sink, mut stream) = ws.into_messages().split();
    let dice = Dice::new(end.seed * 7);
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let sending = spawn({
        let end = end.clone();
        async move {
            let dice = Dice::new(end.seed * 13);
            let most = [3, 200, 3000][dice.roll(3)];
            for number in 0..40 {
                let message = Message::from(message(0, number, dice.roll(most)));
                match dice.roll(3) {
                    0 => {
                        let sent = polled(dice.roll(20), sink.send(message)).await;
                        let sent = sent.map(|sent| end.is_sent(sent));
                        if sent == Some(false) {
                            return;
                        }
                        note(&end.sent, 0, number, sent.is_some());
                    }
                    1 => {
                        let fed = polled(dice.roll(20), sink.feed(message)).await;
                        let fed = fed.map(|fed| end.is_sent(fed));
                        if fed == Some(false) {
                            return;
                        }
                        // It can be in the slot of the half of `futures`.
                        note(&end.sent, 0, number, false);
                    }
                    _ => {
                        if !end.is_sent(sink.send(message).await) {
                            return;
                        }
                        note(&end.sent, 0, number, true);
                    }
                }
                if end.closes_after.is_some_and(|count| count < number as usize) {
                    break;
                }
            }
            if end.closes_after.is_none() {
                if end.is_sent(sink.send(Message::from(message(DONE, 0, 0))).await) {
                    note(&end.sent, DONE, 0, true);
                }
                if end.closes {
                    told.await.unwrap();
                }
            }
            if end.closes {
                while polled(dice.roll(20), sink.close()).await.map(Result::unwrap).is_none() {
                    yield_now().await;
                }
            }
        }
    });
    loop {
        let times = if dice.roll(2) == 0 { usize::MAX } else { dice.roll(20) };
        let Some(next) = polled(times, stream.next()).await else {
            yield_now().await;
            continue;
        };
        let Some(message) = next else { break };
        if let Message::Binary(bytes) = message.unwrap()
            && take(&end.received, &bytes) == DONE
            && let Some(tell) = tell.take()
        {
            let _ = tell.send(());
        }
    }
    sending.await.unwrap();
}

async fn run_end(io: DuplexStream, end: End, mark: usize) {
    let config = preset(end.role).high_water_mark(mark).max_unsent(2 * mark + mark % 100);
    let config = config.keep_alive(None, None).build().unwrap();
    let now = Instant::now().into_std().into();
    let connection = Connection::new(end.role, &config, &Negotiated::new(), now);
    let ws = WebSocket::from_connection(Flaky::new(io, end.seed), connection, &[]);
    if Dice::new(end.seed * 3).roll(2) == 0 {
        halves(ws, end).await;
    } else {
        messages(ws, end).await;
    }
}

async fn run(seed: u64) {
    let dice = Dice::new(seed);
    let (a, b) = duplex([3, 40, 1000, 70_000][dice.roll(4)]);
    let replying = dice.roll(3);
    let closing = dice.roll(2) as u64;
    let closes_after = (dice.roll(2) == 0).then(|| 1 + dice.roll(30));
    let end = |role, n: u64| End {
        role,
        seed: seed * 2 + n + 1,
        replies: replying == n as usize,
        closes: closing == n,
        closes_after: closes_after.filter(|_| closing == n),
        may_be_closed: closes_after.is_some(),
        sent: Sent::default(),
        received: Received::default(),
    };
    let mark = [1, 30, 1000, 70_000];
    let (client, server) = (end(Role::Client, 0), end(Role::Server, 1));
    let start = Instant::now();
    let first = spawn(run_end(a, client.clone(), mark[dice.roll(4)]));
    let second = spawn(run_end(b, server.clone(), mark[dice.roll(4)]));
    let both = async { (first.await, second.await) };
    let (first, second) = timeout(Duration::from_secs(3600), both).await.expect("a hang");
    first.unwrap();
    second.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    check(&client.sent, &server.received);
    check(&server.sent, &client.received);
}

#[test]
fn dropped_futures_lose_no_message_and_none_depends_on_a_timer() {
    for seed in 0..60 {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.unwrap();
        let run = core::panic::AssertUnwindSafe(|| tasks::block_on(&runtime, run(seed)));
        let result = std::panic::catch_unwind(run);
        assert!(result.is_ok(), "seed {seed}");
    }
}
