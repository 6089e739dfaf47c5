//! The opening handshake with clients, over HTTP/1.1 and HTTP/2 on one port.

use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Response, StatusCode};
use sansocket::error::ConfigError;
use sansocket::h2::{Incoming, PendingRequest, Session, SessionOptions};
use sansocket::handshake::{OwnedRequestHead, Refusal, ServerHandshake, accept_key};
use sansocket::{Config, Input, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::heads::{Request, plain, write_101, write_http1};
use crate::inner::{Answer, Inner, prepare};
use crate::options::Options;
use crate::tunnel::{End, Ended, Tcp, Tunnel};

/// The first bytes of a client of HTTP/2 (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The time for the client's end after a refusal, and the largest amount of input in it.
const LINGER: Duration = Duration::from_secs(2);
const MAX_DISCARDED: u64 = 1 << 20;

const ONLY_WEB_SOCKETS: &str = "this is a bridge for WebSockets: it forwards no other requests";

/// A bridge to a target.
#[derive(Clone)]
pub struct Bridge(Arc<Shared>);

struct Shared {
    inner: Inner,
    config: Config,
    sessions: SessionOptions,
    timeout: Duration,
    keep_alive: Duration,
}

impl Bridge {
    /// Creates a bridge. It does not bind the address of the options.
    ///
    /// # Errors
    /// None with positive times.
    pub fn new(options: &Options) -> Result<Self, ConfigError> {
        let inner = Inner::new(options)?;
        let &Options { timeout, keep_alive, .. } = options;
        let config = Config::server().handshake_timeout(timeout).build()?;
        let sessions = SessionOptions::builder()
            .handshake_timeout(timeout)
            .keep_alive(Some(keep_alive), keep_alive)
            .build()?;
        Ok(Self(Arc::new(Shared { inner, config, sessions, timeout, keep_alive })))
    }

    /// Accepts clients.
    pub async fn serve<T>(&self, listener: TcpListener) -> T {
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                sleep(Duration::from_millis(100)).await; // out of file descriptors, for example
                continue;
            };
            prepare(&stream, self.0.keep_alive);
            let shared = self.0.clone();
            tokio::spawn(async move {
                if let Err(error) = shared.serve(stream, peer).await {
                    eprintln!("{peer}: {error}");
                }
            });
        }
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, mut stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let mut input = BytesMut::new();
        let sniffed = timeout(self.timeout, is_http2(&mut stream, &mut input)).await;
        let Ok(sniffed) = sniffed else { return refuse(&mut stream, &late(), self.timeout).await };
        match sniffed? {
            // Clients open connections in reserve.
            None => Ok(()),
            Some(true) => self.serve_http2(Replay { input, stream }, peer).await,
            Some(false) => self.serve_http1(stream, input, peer).await,
        }
    }

    async fn serve_http1(
        self: Arc<Self>,
        mut stream: TcpStream,
        mut input: BytesMut,
        peer: SocketAddr,
    ) -> io::Result<()> {
        let read = timeout(self.timeout, read_head(&mut stream, &mut input, &self.config)).await;
        let head = match read {
            Ok(head) => head?,
            Err(_) => return refuse(&mut stream, &late(), self.timeout).await,
        };
        let (request, accept) = match parse(head) {
            Ok(parsed) => parsed,
            Err(refusal) => return refuse(&mut stream, &refusal, self.timeout).await,
        };
        let mut outer = Tcp::new(stream, input);
        let answer = tokio::select! {
            answer = self.inner.open(&request) => answer,
            // The request of the target is dropped.
            () = poll_fn(|cx| outer.poll_broken(cx)) => return Ok(()),
        };
        match answer {
            Answer::Opened(fields, inner) => {
                let head = write_101(&accept, &fields);
                report(peer, Tunnel::new(End::Http1(outer), inner, head).run().await);
                Ok(())
            }
            Answer::Refused(refusal) => match outer.into_stream() {
                Some(mut stream) => refuse(&mut stream, &refusal, self.timeout).await,
                None => Ok(()),
            },
        }
    }

    async fn serve_http2(self: Arc<Self>, transport: Replay, peer: SocketAddr) -> io::Result<()> {
        let mut session = Session::handshake(transport, &self.sessions).await?;
        while let Some(incoming) = session.accept().await? {
            match incoming {
                Incoming::WebSocket(pending) => {
                    let shared = self.clone();
                    tokio::spawn(async move {
                        // An error: the stream or the session has ended.
                        let _ = shared.serve_stream(pending, peer).await;
                    });
                }
                Incoming::Other(request, mut respond) => {
                    let (head, body) =
                        plain(StatusCode::NOT_IMPLEMENTED, ONLY_WEB_SOCKETS).into_parts();
                    // RFC 9110 section 9.3.2: the response to HEAD has no content.
                    let is_head = request.method() == Method::HEAD;
                    let head = Response::from_parts(head, ());
                    if let Ok(mut output) = respond.send_response(head, is_head)
                        && !is_head
                    {
                        // An error: the stream has ended.
                        let _ = output.send_data(body, true);
                    }
                }
                _ => {} // a CONNECT request that was refused
            }
        }
        Ok(())
    }

    async fn serve_stream(&self, mut pending: PendingRequest, peer: SocketAddr) -> io::Result<()> {
        let request = match Request::new(&pending.request()) {
            Ok(request) => request,
            Err(refusal) => return pending.refuse_with(*refusal),
        };
        let answer = tokio::select! {
            answer = self.inner.open(&request) => answer,
            // The request of the target is dropped.
            _ = poll_fn(|cx| pending.poll_reset(cx)) => return Ok(()),
        };
        match answer {
            Answer::Opened(fields, inner) => {
                let mut response = Response::new(());
                *response.headers_mut() = fields;
                let outer = End::Http2(pending.accept_tunnel(response)?);
                report(peer, Tunnel::new(outer, inner, BytesMut::new()).run().await);
                Ok(())
            }
            Answer::Refused(mut refusal) => {
                // RFC 9110 section 15.5.22: a 426 has an Upgrade field, which HTTP/2 lacks.
                if refusal.status() == StatusCode::UPGRADE_REQUIRED {
                    *refusal.status_mut() = StatusCode::BAD_REQUEST;
                }
                pending.refuse_with(refusal)
            }
        }
    }
}

/// Returns the request and the value of Sec-WebSocket-Accept.
fn parse(
    head: Result<OwnedRequestHead, Refusal>,
) -> Result<(Request, String), Box<Response<Bytes>>> {
    let own = |refusal: Refusal| Box::new(Response::from(refusal));
    let head = head.map_err(own)?;
    if !head.is_upgrade() {
        return Err(Box::new(plain(StatusCode::NOT_IMPLEMENTED, ONLY_WEB_SOCKETS)));
    }
    let valid = head.into_upgrade().map_err(own)?;
    let request = Request::new(&valid.as_request())?;
    let key = valid.head().fields().get_str("Sec-WebSocket-Key").unwrap_or_default();
    Ok((request, accept_key(key)))
}

fn late() -> Response<Bytes> {
    plain(StatusCode::REQUEST_TIMEOUT, "the request was not complete in time")
}

fn report(peer: SocketAddr, ended: Ended) {
    if let Ended::Reset(side, code) = ended {
        eprintln!("{peer}: {side:?} end reset, error code {code:#x}");
    }
}

/// Reads until the version of HTTP is known. `None`: the client has ended the connection.
async fn is_http2(stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<Option<bool>> {
    loop {
        let len = input.len().min(PREFACE.len());
        if input.get(..len) != PREFACE.get(..len) {
            return Ok(Some(false));
        }
        if len == PREFACE.len() {
            return Ok(Some(true));
        }
        if stream.read_buf(input).await? == 0 {
            return Ok(if input.is_empty() { None } else { Some(false) });
        }
    }
}

/// Reads the head of a request. The rest of the input are the first data.
async fn read_head(
    stream: &mut TcpStream,
    input: &mut BytesMut,
    config: &Config,
) -> io::Result<Result<OwnedRequestHead, Refusal>> {
    let mut handshake = ServerHandshake::new(config, Instant::now());
    loop {
        let mut bytes = Input::new(Instant::now(), input);
        let received = handshake.receive(&mut bytes);
        let rest = bytes.len();
        input.advance(input.len() - rest);
        match received {
            Ok(Some(head)) => return Ok(Ok(head)),
            Ok(None) => {}
            Err(refusal) => return Ok(Err(refusal)),
        }
        if stream.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Sends a response within the timeout, and ends the connection. Unread input would make it a reset,
/// which can destroy the response; so input is discarded for some time.
async fn refuse(
    stream: &mut TcpStream,
    response: &Response<Bytes>,
    timeout: Duration,
) -> io::Result<()> {
    let sending = async {
        stream.write_all(&write_http1(response)).await?;
        stream.shutdown().await
    };
    tokio::time::timeout(timeout, sending).await??;
    let mut input = stream.take(MAX_DISCARDED);
    let mut sink = tokio::io::sink();
    let discarding = tokio::io::copy(&mut input, &mut sink);
    // The response was sent: nothing depends on the end.
    let _ = tokio::time::timeout(LINGER, discarding).await;
    Ok(())
}

/// A transport with input that was read before.
struct Replay {
    input: BytesMut,
    stream: TcpStream,
}

impl AsyncRead for Replay {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let len = self.input.len().min(buf.remaining());
        buf.put_slice(&self.input.split_to(len));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replay {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
