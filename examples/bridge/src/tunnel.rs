//! The transport of bytes between two ends, and the translation of their ends.
//!
//! | one end | the other end |
//! |---|---|
//! | FIN, END_STREAM | FIN, END_STREAM, after all data before it |
//! | TCP reset or timeout | RST, RST_STREAM with CONNECT_ERROR (RFC 9113 section 8.5) |
//! | RST_STREAM | RST, RST_STREAM with the same code |
//! | session lost | RST, RST_STREAM |
//!
//! RST_STREAM with NO_ERROR after END_STREAM means that the peer needs no more input (RFC 9113 section
//! 8.1): the data before it arrive, and the input is discarded.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use sansocket::h2::Stream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// RFC 9113 section 7.
const NO_ERROR: u32 = 0x0;
const CONNECT_ERROR: u32 = 0xa;

/// The largest number of bytes that a direction holds.
const BUFFER_LEN: usize = 16 << 10;

/// The number of reads and writes after which other tasks run.
const MAX_STEPS: usize = 32;

/// The longest time for the end of input that is discarded.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(10);

/// One end of a tunnel.
pub(crate) enum End {
    Http1(Tcp),
    Http2(Stream),
}

/// A TCP connection after its handshake.
pub(crate) struct Tcp {
    stream: Arc<TcpStream>,
    /// Input that was read together with the handshake.
    early: BytesMut,
    broken: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Tcp {
    pub(crate) fn new(stream: TcpStream, early: BytesMut) -> Self {
        let stream = Arc::new(stream);
        let broken = Box::pin(broken(stream.clone()));
        Self { stream, early, broken }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.early.is_empty() {
            let len = self.early.len().min(buf.len());
            self.early.copy_to_slice(buf.get_mut(..len).unwrap_or_default());
            if self.early.is_empty() {
                self.early = BytesMut::new();
            }
            return Poll::Ready(Ok(len));
        }
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    /// Ready when the connection was reset or has timed out.
    pub(crate) fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.broken.as_mut().poll(cx)
    }

    /// Returns the connection.
    pub(crate) fn into_stream(self) -> Option<TcpStream> {
        let Self { stream, broken, .. } = self;
        drop(broken);
        Arc::into_inner(stream)
    }
}

/// Waits for an error of the socket, which is noticed although nobody reads or writes.
async fn broken(stream: Arc<TcpStream>) {
    let error = stream.async_io(Interest::ERROR, || match stream.take_error() {
        Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
        Ok(Some(_)) | Err(_) => Ok(()),
    });
    // An error: the runtime shuts down.
    let _ = error.await;
}

impl End {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(tcp) => tcp.poll_read(cx, buf),
            Self::Http2(stream) => {
                let mut buf = ReadBuf::new(buf);
                ready!(Pin::new(stream).poll_read(cx, &mut buf))?;
                Poll::Ready(Ok(buf.filled().len()))
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(tcp) => tcp.poll_write(cx, data),
            Self::Http2(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    /// Ends the output.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Http1(tcp) => {
                Poll::Ready(SockRef::from(&*tcp.stream).shutdown(std::net::Shutdown::Write))
            }
            Self::Http2(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    /// Ready with an error code when the end was reset or lost, even if nothing is read or written.
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<u32> {
        match self {
            Self::Http1(tcp) => tcp.poll_broken(cx).map(|()| CONNECT_ERROR),
            Self::Http2(stream) => stream.poll_reset(cx).map(|code| code.unwrap_or(CONNECT_ERROR)),
        }
    }

    /// Returns the code after an error of another method.
    fn code(&mut self, cx: &mut Context<'_>) -> u32 {
        match self {
            Self::Http1(_) => CONNECT_ERROR,
            Self::Http2(_) => match self.poll_broken(cx) {
                Poll::Ready(code) => code,
                Poll::Pending => CONNECT_ERROR,
            },
        }
    }

    /// Resets the end.
    pub(crate) fn reset(self, code: u32) {
        match self {
            Self::Http1(tcp) => {
                // Closing sends RST then. An error: the connection was reset before.
                let _ = SockRef::from(&*tcp.stream).set_linger(Some(Duration::ZERO));
            }
            Self::Http2(stream) => stream.reset(code),
        }
    }
}

/// One direction of a tunnel.
struct Flow {
    /// Absent while no data wait: an idle tunnel holds no buffers.
    buffer: BytesMut,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Moving,
    /// The source has ended.
    Ending,
    Ended,
    /// The destination needs no more data.
    Discarding,
}

/// An end that was reset or lost, with an error code.
enum Broken {
    /// A read returned the error, after all data before it.
    Source(u32),
    Destination(u32),
}

impl Flow {
    const fn new(output: BytesMut) -> Self {
        Self { buffer: output, state: State::Moving }
    }

    /// Moves data until there are none, or the destination takes no more.
    fn poll(&mut self, cx: &mut Context<'_>, from: &mut End, to: &mut End) -> Result<(), Broken> {
        for _ in 0..MAX_STEPS {
            let step = match self.state {
                State::Moving if self.buffer.is_empty() => self.poll_read(cx, from),
                State::Moving => match to.poll_write(cx, &self.buffer) {
                    Poll::Ready(Ok(len)) => {
                        self.buffer.advance(len);
                        Poll::Ready(Ok(()))
                    }
                    Poll::Ready(Err(_)) => Poll::Ready(Err(Broken::Destination(to.code(cx)))),
                    Poll::Pending => Poll::Pending,
                },
                State::Ending => match to.poll_end(cx) {
                    Poll::Ready(Ok(())) => {
                        self.state = State::Ended;
                        return Ok(());
                    }
                    Poll::Ready(Err(_)) => Poll::Ready(Err(Broken::Destination(to.code(cx)))),
                    Poll::Pending => Poll::Pending,
                },
                State::Ended => return Ok(()),
                State::Discarding => {
                    self.buffer.clear();
                    let read = self.poll_read(cx, from);
                    if self.state == State::Ending {
                        self.state = State::Ended;
                    }
                    read
                }
            };
            match step {
                Poll::Ready(done) => done?,
                Poll::Pending => return Ok(()),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, from: &mut End) -> Poll<Result<(), Broken>> {
        self.buffer.resize(BUFFER_LEN, 0);
        let read = from.poll_read(cx, &mut self.buffer);
        self.buffer.truncate(match &read {
            Poll::Ready(Ok(len)) => *len,
            _ => 0,
        });
        match read {
            Poll::Ready(Ok(len)) => {
                if len == 0 {
                    self.buffer = BytesMut::new();
                    self.state = State::Ending;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Broken::Source(from.code(cx)))),
            Poll::Pending => {
                self.buffer = BytesMut::new();
                Poll::Pending
            }
        }
    }
}

/// A tunnel between the outer and the inner end.
pub(crate) struct Tunnel {
    outer: End,
    inner: End,
    up: Flow,
    down: Flow,
    /// The end that needs no more input.
    stopped: Option<Side>,
    /// The deadline of the input that is discarded.
    deadline: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Outer,
    Inner,
}

/// How a tunnel has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    InOrder,
    /// This side was reset with an error code, or lost.
    Reset(Side, u32),
}

impl Tunnel {
    /// `head` is output to the outer end, before the data of the inner end.
    pub(crate) fn new(outer: End, inner: End, head: BytesMut) -> Self {
        let (up, down) = (Flow::new(BytesMut::new()), Flow::new(head));
        Self { outer, inner, up, down, stopped: None, deadline: None }
    }

    /// Moves the data of both directions until both have ended, or one end is reset, which resets the
    /// other end.
    pub(crate) async fn run(mut self) -> Ended {
        let ended = poll_fn(|cx| self.poll(cx)).await;
        match ended {
            Ended::InOrder => {}
            Ended::Reset(Side::Outer, code) => self.inner.reset(code),
            Ended::Reset(Side::Inner, code) => self.outer.reset(code),
        }
        ended
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        while let Err((side, broken)) = self.poll_flows(cx) {
            match broken {
                Broken::Destination(NO_ERROR) if self.stop(side) => {}
                Broken::Destination(code) | Broken::Source(code) => {
                    return Poll::Ready(Ended::Reset(side, code));
                }
            }
        }
        if self.up.state == State::Ended && self.down.state == State::Ended {
            return Poll::Ready(Ended::InOrder);
        }
        let moves = matches!(self.up.state, State::Moving | State::Ending)
            || matches!(self.down.state, State::Moving | State::Ending);
        if self.stopped.is_some() && !moves {
            let sleep = || Box::pin(tokio::time::sleep(DISCARD_TIMEOUT));
            ready!(self.deadline.get_or_insert_with(sleep).as_mut().poll(cx));
            return Poll::Ready(Ended::InOrder);
        }
        Poll::Pending
    }

    fn poll_flows(&mut self, cx: &mut Context<'_>) -> Result<(), (Side, Broken)> {
        let Self { outer, inner, up, down, stopped, .. } = self;
        up.poll(cx, outer, inner).map_err(|broken| match broken {
            Broken::Source(_) => (Side::Outer, broken),
            Broken::Destination(_) => (Side::Inner, broken),
        })?;
        down.poll(cx, inner, outer).map_err(|broken| match broken {
            Broken::Source(_) => (Side::Inner, broken),
            Broken::Destination(_) => (Side::Outer, broken),
        })?;
        for (side, end) in [(Side::Outer, outer), (Side::Inner, inner)] {
            if *stopped != Some(side)
                && let Poll::Ready(code) = end.poll_broken(cx)
            {
                return Err((side, Broken::Destination(code)));
            }
        }
        Ok(())
    }

    /// Discards the output to an end of HTTP/2 that has sent RST_STREAM with NO_ERROR. If END_STREAM
    /// did not precede it, the next read returns the error. Returns false for a second end.
    fn stop(&mut self, side: Side) -> bool {
        let (end, flow) = match side {
            Side::Outer => (&self.outer, &mut self.down),
            Side::Inner => (&self.inner, &mut self.up),
        };
        if self.stopped.is_some() || matches!(end, End::Http1(_)) {
            return false;
        }
        self.stopped = Some(side);
        if flow.state != State::Ended {
            flow.state = State::Discarding;
        }
        true
    }
}
