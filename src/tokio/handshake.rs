//! From a transport to a WebSocket: accepting and connecting.

use core::future::{Future, poll_fn};
use core::pin::Pin;

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout_at;

use crate::adapter::{AcceptError, ConnectError};
use crate::config::Config;
use crate::dial::Dial;
use crate::driver::Intake;
use crate::handshake::accept::AcceptOptions;
use crate::handshake::client::ClientHandshake;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::handshake::head::OwnedRequestHead;
use crate::handshake::refusal::Refusal;
use crate::handshake::response::HttpResponse;
use crate::handshake::server::ServerHandshake;
use crate::input::Input;
use crate::instant::Instant;
use crate::tokio::WebSocket;
use crate::tokio::drive::now;

/// A request that was read and is not answered yet: accept it, refuse it, or answer it with a page.
///
/// ```no_run
/// use sansocket::handshake::HttpResponse;
/// use sansocket::tokio::Incoming;
/// use sansocket::{AcceptOptions, Config};
///
/// async fn serve(stream: tokio::net::TcpStream, config: &Config) -> Result<(), Box<dyn core::error::Error>> {
///     let request = Incoming::read(stream, config).await?;
///     if request.head().target() != "/ws" {
///         request.respond(&HttpResponse::new(404)?).await?;
///         return Ok(());
///     }
///     let mut ws = request.accept(&AcceptOptions::new()).await?;
///     while let Some((event, mut reply)) = ws.read().await? {
///         if let sansocket::Event::Text(text) = event {
///             reply.send_text(text)?;
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Incoming<S> {
    io: S,
    head: OwnedRequestHead,
    config: Config,
    /// What came behind the head: the first frames.
    unread: BytesMut,
    deadline: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Incoming<S> {
    /// Reads a request. The handshake timeout of `config` holds from here to the end of the answer.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] for what is no request, after its answer was written;
    /// [`AcceptError::Io`] if the transport failed or ended.
    pub async fn read(mut stream: S, config: &Config) -> Result<Self, AcceptError> {
        let mut handshake = ServerHandshake::new(config, now());
        let deadline = handshake.poll_timeout();
        let io = &mut stream;
        let read = read_until(io, deadline, |input| handshake.receive(input).transpose()).await;
        match read {
            Ok(Some((Ok(head), unread))) => {
                Ok(Self { io: stream, head, config: config.clone(), unread, deadline })
            }
            Ok(Some((Err(refusal), _))) => Err(refuse(io, config, refusal).await),
            Ok(None) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Err(ReadError::Io(error)) => Err(error.into()),
            Err(ReadError::TimedOut(now)) => match handshake.handle_timeout(now) {
                Err(refusal) => Err(refuse(io, config, refusal).await),
                Ok(()) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            },
        }
    }

    /// Returns the request's head.
    pub const fn head(&self) -> &OwnedRequestHead {
        &self.head
    }

    /// Returns the transport, for its options and addresses.
    pub const fn get_ref(&self) -> &S {
        &self.io
    }

    /// Accepts the request as a WebSocket, and writes the answer.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] if it breaks a rule of the opening handshake or of `options`, after
    /// its answer was written; [`AcceptError::Io`] if the transport failed.
    pub async fn accept(self, options: &AcceptOptions) -> Result<WebSocket<S>, AcceptError> {
        let Self { mut io, head, config, unread, deadline } = self;
        let accepted = head.upgrade().and_then(|request| request.accept(options));
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) => return Err(refuse(&mut io, &config, refusal).await),
        };
        let mut out = BytesMut::new();
        accepted.write(&mut out);
        within(deadline, write_all(&mut io, &mut out)).await??;
        let connection = accepted.into_connection(&config, now());
        Ok(WebSocket::from_connection(io, connection, &unread))
    }

    /// Refuses the request: the answer is written, the writing half of the transport ended, and the
    /// input drained for at most the linger timeout, so that the peer gets to see it.
    ///
    /// # Errors
    /// If the transport failed.
    pub async fn refuse(mut self, refusal: &Refusal) -> io::Result<()> {
        let mut out = BytesMut::new();
        refusal.write(&mut out);
        answer_and_end(&mut self.io, &self.config, out).await
    }

    /// Answers with a page, a redirect or whatever else; ends the transport as
    /// [`refuse`](Self::refuse) does. The answer to a HEAD request goes without its body.
    ///
    /// # Errors
    /// If the transport failed.
    pub async fn respond(mut self, response: &HttpResponse) -> io::Result<()> {
        let mut out = BytesMut::new();
        if self.head.method() == "HEAD" {
            response.write_head(&mut out);
        } else {
            response.write(&mut out);
        }
        answer_and_end(&mut self.io, &self.config, out).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Reads a request and accepts it; see [`Incoming`] for servers that have pages too.
    ///
    /// # Errors
    /// As [`Incoming::read`] and [`Incoming::accept`].
    pub async fn accept(
        stream: S,
        config: &Config,
        options: &AcceptOptions,
    ) -> Result<Self, AcceptError> {
        Incoming::read(stream, config).await?.accept(options).await
    }

    /// Asks for a WebSocket over a transport that is connected already.
    ///
    /// # Errors
    /// [`ConnectError`]; drop the transport then.
    pub async fn client(
        mut stream: S,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        let mut out = BytesMut::new();
        let mut handshake = ClientHandshake::new(request, config, now(), &mut out)?;
        let deadline = handshake.poll_timeout();
        let io = &mut stream;
        within(deadline, write_all(io, &mut out)).await.map_err(|_| HandshakeError::Timeout)??;
        let read = read_until(io, deadline, |input| handshake.receive(input).transpose()).await;
        match read {
            Ok(Some((opened, unread))) => {
                let (connection, response) = opened?;
                Ok((Self::from_connection(stream, connection, &unread), response))
            }
            Ok(None) => Err(HandshakeError::ClosedWithoutResponse.into()),
            Err(ReadError::Io(error)) => Err(error.into()),
            Err(ReadError::TimedOut(_)) => Err(HandshakeError::Timeout.into()),
        }
    }
}

impl WebSocket<TcpStream> {
    /// Connects by the request's `ws://` URL: name resolution, each address in turn, `TCP_NODELAY`,
    /// handshake, all within the handshake timeout.
    ///
    /// RFC 6455 section 4.1(2): at most one connection to a host may be connecting at a time; that
    /// is the caller's duty. After a failure wait as [`Backoff`](crate::handshake::Backoff) tells.
    ///
    /// # Errors
    /// [`ConnectError::TlsNotSupported`] for `wss://`; otherwise as [`client`](Self::client), or
    /// what name resolution or the last address said.
    pub async fn connect(
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        if request.is_secure() {
            return Err(ConnectError::TlsNotSupported);
        }
        let deadline = now().checked_add(config.settings().handshake_timeout);
        let connected = within(deadline, async {
            let stream = dial(request.host(), request.port(), deadline).await?;
            stream.set_nodelay(true)?;
            Self::client(stream, request, config).await
        });
        connected.await.map_err(|_| HandshakeError::Timeout)?
    }
}

/// Connects to the first address that answers.
async fn dial(host: &str, port: u16, deadline: Option<Instant>) -> Result<TcpStream, ConnectError> {
    let mut dial = Dial::new(lookup_host((host, port)).await?, deadline);
    while let Some((address, timeout)) = dial.next(now()) {
        let until = timeout.and_then(|timeout| now().checked_add(timeout));
        match within(until, TcpStream::connect(address)).await.and_then(|connected| connected) {
            Ok(stream) => return Ok(stream),
            Err(error) => dial.failed(error),
        }
    }
    Err(dial.into_error().map_or_else(|| HandshakeError::Timeout.into(), ConnectError::Io))
}

enum ReadError {
    Io(io::Error),
    TimedOut(Instant),
}

/// Reads until `receive` has something, and gives what is left of the input with it. `None`: the
/// transport has ended.
async fn read_until<S: AsyncRead + Unpin, T>(
    io: &mut S,
    deadline: Option<Instant>,
    mut receive: impl FnMut(&mut Input<'_>) -> Option<T>,
) -> Result<Option<(T, BytesMut)>, ReadError> {
    loop {
        let received = read(io, |bytes| {
            let mut input = Input::new(now(), bytes);
            if input.is_empty() {
                return Some(None);
            }
            let received = receive(&mut input)?;
            Some(Some((received, BytesMut::from(input.as_bytes()))))
        });
        match within(deadline, received).await {
            Ok(Ok(Some(received))) => return Ok(received),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => return Err(ReadError::Io(error)),
            Err(_) => return Err(ReadError::TimedOut(now())),
        }
    }
}

/// One read, taken in by `take`. No buffer is kept while nothing comes: half a request costs none.
async fn read<S: AsyncRead + Unpin, T>(
    io: &mut S,
    mut take: impl FnMut(&mut [u8]) -> T,
) -> io::Result<T> {
    poll_fn(|cx| {
        let mut scratch = Intake::scratch();
        let mut buffer = ReadBuf::new(&mut scratch);
        let polled = Pin::new(&mut *io).poll_read(cx, &mut buffer);
        let taken = polled.map_ok(|()| take(buffer.filled_mut()));
        Intake::put_back(scratch);
        taken
    })
    .await
}

/// Waits for `future`, but not beyond the deadline.
async fn within<F: Future>(deadline: Option<Instant>, future: F) -> io::Result<F::Output> {
    match deadline.and_then(Instant::into_std) {
        None => Ok(future.await),
        Some(at) => {
            let timed = timeout_at(tokio::time::Instant::from_std(at), future).await;
            timed.map_err(|_| io::ErrorKind::TimedOut.into())
        }
    }
}

async fn write_all<S: AsyncWrite + Unpin>(io: &mut S, out: &mut BytesMut) -> io::Result<()> {
    while out.has_remaining() {
        if io.write_buf(out).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    io.flush().await
}

/// Answers a request that can't be accepted.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    config: &Config,
    refusal: Refusal,
) -> AcceptError {
    let mut out = BytesMut::new();
    refusal.write(&mut out);
    // The request is refused, whether the peer waits for the answer or not.
    let _ = answer_and_end(io, config, out).await;
    AcceptError::Refused(refusal)
}

/// Writes, ends writing, and drains: a transport closed with unread input ends in a reset, which
/// can destroy the answer.
async fn answer_and_end<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    config: &Config,
    mut out: BytesMut,
) -> io::Result<()> {
    let deadline = now().checked_add(config.settings().linger_timeout);
    within(deadline, async {
        write_all(io, &mut out).await?;
        io.shutdown().await
    })
    .await??;
    let drained = within(deadline, async {
        // Bounded, also on a transport that always has something.
        while deadline.is_none_or(|deadline| now() < deadline)
            && matches!(read(io, |bytes| bytes.len()).await, Ok(n) if n > 0)
        {}
    });
    // The answer is out; how the peer ends doesn't matter.
    let _ = drained.await;
    Ok(())
}
