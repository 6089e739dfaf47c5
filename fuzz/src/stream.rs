//! The events of one stream of an HTTP/2 session, in any order: data cut anywhere, ends, resets, windows that open late, drops.
//! The peer is made of the crate `h2`. The reference is a pair of byte sequences with their ends.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;

use bytes::{Buf, Bytes};
use h2::client::SendRequest;
use h2::{FlowControl, Reason, RecvStream, SendStream};
use http::{Method, Request, Version};
use sansocket::h2::{Incoming, Session, SessionOptions, Stream};
use sansocket::{AcceptOptions, Config};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, duplex};
use tokio::sync::mpsc;

/// The most data that an end sends, in bytes.
const MOST: usize = 100_000;

/// The same with the smallest windows, which take a turn of both ends for some bytes.
const MOST_IN_SMALL_WINDOWS: usize = 2_000;

pub(crate) fn check(data: &[u8]) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        // The clock is paused: a wait without an end ends here at once.
        let run = tokio::time::timeout(Duration::from_secs(60), run(data));
        run.await.expect("a wait without an end");
    });
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<usize> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first.into())
    }

    /// A length: small ones are frequent.
    fn len(&mut self) -> usize {
        let byte = self.byte().unwrap_or(0);
        match byte {
            0..192 => byte,
            _ => (byte - 191) * 1000,
        }
    }
}

/// The byte at a position of a direction.
fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}

fn bytes(at: usize, len: usize) -> Vec<u8> {
    (at..at + len).map(pattern).collect()
}

/// One direction: a sender and what has arrived.
#[derive(Debug, Default)]
struct Direction {
    sent: usize,
    received: usize,
    is_ended: bool,
}

impl Direction {
    fn receive(&mut self, data: &[u8]) {
        for byte in data {
            assert_eq!(*byte, pattern(self.received), "at {}", self.received);
            self.received += 1;
        }
        assert!(self.received <= self.sent, "{self:?}");
    }
}

struct World {
    most: usize,
    up: Direction,
    down: Direction,
    output: SendStream<Bytes>,
    input: Option<RecvStream>,
    /// Received data whose window is not returned yet.
    held: Vec<(FlowControl, usize)>,
    stream: Option<Stream>,
    /// The peer has reset the stream.
    is_reset: bool,
    /// The peer does not receive any more.
    is_deaf: bool,
}

async fn run(data: &[u8]) {
    let mut input = Input(data);
    // In the opening both ends of h2 write before they read: the preface must fit into the transport.
    let transport = [64, 100, 1000, 4_000, 65_536][input.byte().unwrap_or(0) % 5];
    let window = [1, 100, 65_535, 65_536][input.byte().unwrap_or(0) % 4];
    let send_buffer = [1, 100, 65_536][input.byte().unwrap_or(0) % 3];
    let options = SessionOptions::builder()
        .max_streams(4)
        .stream_window(window)
        .send_buffer(send_buffer)
        .keep_alive(None, Duration::from_secs(1))
        .idle_timeout(None);
    let (near, far) = duplex(transport);
    let mut accepted = serve(far, options.build().unwrap());
    let peer_window = [1, 1000, 65_535, 1 << 20][input.byte().unwrap_or(0) % 4];
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(peer_window);
    let (mut requests, connection) = builder.handshake(near).await.unwrap();
    let connection = tokio::spawn(connection);
    while !requests.is_extended_connect_protocol_enabled() {
        turns(1).await;
    }
    let (witness_output, mut witness_input, mut witness) = open(&mut requests, &mut accepted).await;
    let (output, peer_input, stream) = open(&mut requests, &mut accepted).await;
    let is_small = transport < 1000 || window < 1000 || send_buffer < 1000 || peer_window < 1000;
    let mut world = World {
        most: if is_small { MOST_IN_SMALL_WINDOWS } else { MOST },
        up: Direction::default(),
        down: Direction::default(),
        output,
        input: Some(peer_input),
        held: Vec::new(),
        stream: Some(stream),
        is_reset: false,
        is_deaf: false,
    };
    while let Some(action) = input.byte() {
        world.act(action, &mut input).await;
    }
    world.finish().await;
    // Whatever the stream did, the session and its other streams go on.
    let mut witness_output = witness_output;
    witness_output.send_data(Bytes::from_static(b"alive"), true).unwrap();
    let (mut read, mut buf) = (Vec::new(), [0; 16]);
    loop {
        let len = poll_fn(|cx| {
            let mut buf = ReadBuf::new(&mut buf);
            Pin::new(&mut witness).poll_read(cx, &mut buf).map_ok(|()| buf.filled().len())
        });
        match len.await.expect("the session lives") {
            0 => break,
            len => read.extend_from_slice(&buf[..len]),
        }
    }
    assert_eq!(read, b"alive");
    let written = poll_fn(|cx| Pin::new(&mut witness).poll_write(cx, b"alive")).await.unwrap();
    assert!(written > 0);
    let data = poll_fn(|cx| witness_input.poll_data(cx)).await.unwrap().unwrap();
    assert!(b"alive".starts_with(&data));
    assert!(!connection.is_finished());
}

/// Serves a session in a task of its own. It returns the streams.
fn serve(
    transport: tokio::io::DuplexStream,
    options: SessionOptions,
) -> mpsc::UnboundedReceiver<Stream> {
    let (report, accepted) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let config = Config::server().build().unwrap();
        let mut session = Session::handshake(transport, &options).await.unwrap();
        while let Ok(Some(incoming)) = session.accept().await {
            let Incoming::WebSocket(request) = incoming else { panic!("not a WebSocket") };
            let ws = request.accept(&AcceptOptions::new(), &config).unwrap();
            drop(report.send(ws.into_inner().stream));
        }
    });
    accepted
}

async fn open(
    requests: &mut SendRequest<Bytes>,
    accepted: &mut mpsc::UnboundedReceiver<Stream>,
) -> (SendStream<Bytes>, RecvStream, Stream) {
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "https://server.example/".parse().unwrap();
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let (response, output) = requests.send_request(request, false).unwrap();
    let stream = accepted.recv().await.unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    (output, response.into_body(), stream)
}

/// Lets the sessions of both ends run.
async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Polls once.
async fn once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    poll_fn(|cx| {
        Poll::Ready(match poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

impl World {
    async fn act(&mut self, action: usize, input: &mut Input<'_>) {
        match action % 12 {
            0 | 1 => self.send_up(input.len(), false),
            2 => self.send_up(input.len(), true),
            3 => self.reset(input.byte().unwrap_or(0)),
            4 | 5 => self.read(input.len()).await,
            6 | 7 => self.write(input.len()).await,
            8 => self.shut_down().await,
            9 => self.receive_down(input.byte().unwrap_or(0).is_multiple_of(2)).await,
            10 => match input.byte().unwrap_or(0) % 16 {
                0 => self.stream = None,
                1 => {
                    self.input = None;
                    self.held.clear();
                    self.is_deaf = true;
                }
                turns_to_run => turns(turns_to_run).await,
            },
            _ => {
                for (mut flow, len) in self.held.drain(..) {
                    // It fails if the stream has ended.
                    let _ = flow.release_capacity(len);
                }
            }
        }
    }

    /// The peer sends data. h2 keeps them until the window permits them.
    fn send_up(&mut self, len: usize, end: bool) {
        let len = len.min(self.most - self.up.sent);
        // h2 ends a session after 100 empty frames: the peer sends none but the last.
        if self.up.is_ended || self.is_reset || (len == 0 && !end) {
            return;
        }
        let data = bytes(self.up.sent, len);
        if self.output.send_data(data.into(), end).is_ok() {
            self.up.sent += len;
            self.up.is_ended |= end;
        }
    }

    fn reset(&mut self, byte: usize) {
        let reasons =
            [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR, Reason::REFUSED_STREAM];
        self.output.send_reset(reasons[byte % 4]);
        self.is_reset = true;
    }

    async fn read(&mut self, len: usize) {
        let Some(stream) = &mut self.stream else { return };
        let mut data = vec![0; len];
        let mut buf = ReadBuf::new(&mut data);
        let result = once(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buf)).await;
        let filled = buf.filled().len();
        self.up.receive(&data[..filled]);
        match result {
            Some(Ok(())) if filled == 0 && len > 0 => self.input_has_ended(),
            Some(Err(error)) => self.input_has_failed(&error),
            _ => {}
        }
    }

    /// END_STREAM is seen after all data, and only then.
    fn input_has_ended(&self) {
        assert!(self.up.is_ended, "an end without END_STREAM");
        assert_eq!(self.up.received, self.up.sent);
    }

    /// Only a reset is an error: the session lives.
    fn input_has_failed(&self, error: &io::Error) {
        assert!(self.is_reset || self.is_deaf, "{error:?}");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    async fn write(&mut self, len: usize) {
        let Some(stream) = &mut self.stream else { return };
        let data = bytes(self.down.sent, len.min(self.most - self.down.sent));
        match once(|cx| Pin::new(&mut *stream).poll_write(cx, &data)).await {
            Some(Ok(written)) => {
                assert!(written <= data.len() && (written > 0 || data.is_empty()));
                assert!(data.is_empty() || !self.down.is_ended);
                self.down.sent += written;
            }
            Some(Err(_)) => assert!(self.down.is_ended || self.is_reset || self.is_deaf),
            None => {}
        }
    }

    async fn shut_down(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let ended = once(|cx| Pin::new(&mut *stream).poll_shutdown(cx)).await;
        self.down.is_ended = true;
        if let Some(Err(error)) = ended {
            assert!(self.is_reset || self.is_deaf, "{error:?}");
        }
    }

    /// The peer receives data, and returns the window now or later.
    async fn receive_down(&mut self, now: bool) {
        let Some(input) = &mut self.input else { return };
        match once(|cx| input.poll_data(cx)).await {
            Some(Some(Ok(data))) => {
                self.down.receive(&data);
                let mut flow = input.flow_control().clone();
                if now {
                    let _ = flow.release_capacity(data.remaining());
                } else {
                    self.held.push((flow, data.remaining()));
                }
            }
            Some(Some(Err(error))) => self.output_has_failed(&error),
            Some(None) => self.output_has_ended(),
            None => {}
        }
    }

    fn output_has_ended(&self) {
        assert!(self.down.is_ended || self.is_reset, "an end without a shutdown");
        assert!(self.down.received == self.down.sent || self.is_reset, "{:?}", self.down);
    }

    /// A dropped stream is reset with CANCEL, after its output.
    fn output_has_failed(&self, error: &h2::Error) {
        assert!(error.is_reset(), "{error:?}");
        if !self.is_reset {
            assert!(self.stream.is_none(), "a reset of a stream in use");
            assert_eq!(error.reason(), Some(Reason::CANCEL));
            assert_eq!(self.down.received, self.down.sent);
        }
    }

    /// Lets both directions end, and checks that all data have arrived.
    async fn finish(&mut self) {
        self.send_up(0, true);
        while let Some(stream) = &mut self.stream {
            let mut data = [0; 4096];
            let mut buf = ReadBuf::new(&mut data);
            // The peer receives meanwhile: a window may be shared.
            let read = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buf)).await;
            let filled = buf.filled().len();
            self.up.receive(&data[..filled]);
            match read {
                Ok(()) if filled > 0 => {}
                Ok(()) => {
                    self.input_has_ended();
                    break;
                }
                Err(error) => {
                    self.input_has_failed(&error);
                    break;
                }
            }
        }
        for (mut flow, len) in self.held.drain(..) {
            let _ = flow.release_capacity(len);
        }
        let mut stream = self.stream.take();
        let has_stream = stream.is_some();
        self.down.is_ended |= has_stream;
        let shut_down = async {
            if let Some(stream) = &mut stream {
                let _ = poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx)).await;
            }
        };
        let (mut peer, down) = (self.input.take(), &mut self.down);
        let receive = async {
            loop {
                let input = peer.as_mut()?;
                match poll_fn(|cx| input.poll_data(cx)).await {
                    Some(Ok(data)) => {
                        down.receive(&data);
                        let _ = input.flow_control().release_capacity(data.len());
                    }
                    end => return Some(end.map(|end| end.map(|_| ()))),
                }
            }
        };
        let ((), end) = join(shut_down, receive).await;
        self.stream = stream;
        match end {
            Some(None) => self.output_has_ended(),
            Some(Some(Err(error))) => self.output_has_failed(&error),
            _ => {}
        }
    }
}

async fn join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    tokio::join!(a, b)
}
