//! The opening handshake: accepting and connecting.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use bytes::Bytes;

use crate::adapter::dial::Dial;
use crate::blocking::drive::send_up_to;
use crate::blocking::socket::WebSocket;
use crate::blocking::transport::Transport;
use crate::config::Config;
use crate::driver::{Driver, Step};
use crate::error::adapter::{AcceptError, ConnectError};
use crate::error::protocol::MisuseError;
use crate::handshake::accept::{AcceptOptions, Accepted};
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::handshake::head::OwnedRequestHead;
use crate::handshake::refusal::Refusal;
use crate::handshake::response::HttpResponse;
use crate::instant::Instant;

/// A request that was read and is not answered yet. Accept it, refuse it, or answer it with a page.
///
/// ```no_run
/// use std::error::Error;
/// use std::net::TcpStream;
///
/// use sansocket::blocking::PendingRequest;
/// use sansocket::handshake::HttpResponse;
/// use sansocket::{AcceptOptions, Config};
///
/// fn serve(stream: TcpStream, config: &Config) -> Result<(), Box<dyn Error>> {
///     let request = PendingRequest::read(stream, config)?;
///     if request.head().path() != "/ws" {
///         request.respond(&HttpResponse::new(404)?)?;
///         return Ok(());
///     }
///     let mut ws = request.accept(&AcceptOptions::new())?;
///     while let Some((event, mut reply)) = ws.read()? {
///         if let sansocket::Event::Text(text) = event {
///             reply.feed_text(text)?;
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct PendingRequest<S> {
    socket: WebSocket<S>,
    head: OwnedRequestHead,
}

impl<S: Transport> PendingRequest<S> {
    /// Reads a request. The `handshake_timeout` of `config` covers the time from here until the
    /// response is written, however slowly the bytes arrive.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] if the bytes are not a valid request, or if it was not complete in
    /// time; the refusal was written. [`AcceptError::Io`] if the transport has failed or ended.
    pub fn read(stream: S, config: &Config) -> Result<Self, AcceptError> {
        let driver = Driver::server(config, Instant::now());
        let mut socket = WebSocket::new(stream, driver);
        socket.link.set_nonblocking(false)?;
        if socket.step() == Step::Request
            && let Some(head) = socket.driver.flow.take_request()
        {
            return Ok(Self { socket, head });
        }
        if let Some(refusal) = socket.driver.flow.refusal() {
            return Err(AcceptError::Refused(refusal.clone()));
        }
        let error = socket.link.failure.take();
        Err(error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()).into())
    }

    /// Accepts the request as a WebSocket, and writes the response.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] if the request violates a rule of the opening handshake or of
    /// `options`; the refusal was written. [`AcceptError::Io`] if the transport has failed.
    pub fn accept(mut self, options: &AcceptOptions) -> Result<WebSocket<S>, AcceptError> {
        match self.socket.driver.flow.accept(&self.head, options, Instant::now()) {
            Ok(()) => self.opened(),
            Err(refusal) => {
                // The request is refused even if the response can't be written.
                let _ = self.end();
                Err(AcceptError::Refused(refusal))
            }
        }
    }

    /// Accepts the request with a response that was built from its [`head`](Self::head), for
    /// example with a cookie.
    ///
    /// ```no_run
    /// use sansocket::AcceptOptions;
    /// use sansocket::blocking::PendingRequest;
    ///
    /// # fn serve(
    /// #     request: PendingRequest<std::net::TcpStream>,
    /// # ) -> Result<(), Box<dyn core::error::Error>> {
    /// let options = AcceptOptions::new();
    /// // An invalid request must be answered as well: no `?` here.
    /// let accepted = request.head().upgrade().and_then(|upgrade| upgrade.accept(&options));
    /// let ws = match accepted {
    ///     Ok(accepted) => request.accept_with(accepted.with_field("Set-Cookie", "a=b")?)?,
    ///     Err(refusal) => return Ok(request.refuse(refusal)?),
    /// };
    /// # drop(ws);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AcceptError::Io`] if the transport has failed, or if the response was built from a request
    /// over HTTP/2 or HTTP/3. In the second case no bytes were written and the transport was
    /// dropped.
    pub fn accept_with(mut self, accepted: Accepted) -> Result<WebSocket<S>, AcceptError> {
        self.answered(|socket| socket.driver.flow.accept_with(accepted, Instant::now()))?;
        self.opened()
    }

    /// Refuses the request: writes the refusal, shuts down the write half of the transport, and
    /// drains the input for at most the linger timeout, so that the peer can read the refusal.
    ///
    /// # Errors
    /// If the transport has failed.
    pub fn refuse(mut self, refusal: Refusal) -> io::Result<()> {
        self.answered(|socket| socket.driver.flow.refuse(refusal))?;
        self.end()
    }

    /// Answers with a page, a redirect or another response, and ends the transport as
    /// [`refuse`](Self::refuse) does. The response to a HEAD request is sent without its body.
    ///
    /// # Errors
    /// If the transport has failed.
    pub fn respond(mut self, response: &HttpResponse) -> io::Result<()> {
        self.answered(|socket| socket.driver.flow.respond(response))?;
        self.end()
    }

    /// Passes an answer to the driver. It fails only for an answer to another request: this request
    /// was read, and each answer consumes it.
    fn answered(
        &mut self,
        answer: impl FnOnce(&mut WebSocket<S>) -> Result<(), MisuseError>,
    ) -> io::Result<()> {
        answer(&mut self.socket).map_err(io::Error::other)
    }

    /// Writes the response, and returns the open WebSocket.
    fn opened(self) -> Result<WebSocket<S>, AcceptError> {
        let mut socket = self.socket;
        let WebSocket { link, driver: Driver { flow, .. }, .. } = &mut socket;
        match send_up_to(link, flow, flow.end()) {
            Ok(()) => Ok(socket),
            Err(error) => Err(AcceptError::Io(error.into())),
        }
    }

    /// Writes the response and ends the transport.
    fn end(&mut self) -> io::Result<()> {
        let answer = self.socket.driver.flow.end();
        while self.socket.step() != Step::Done {}
        if self.socket.driver.flow.written() < answer {
            let error = self.socket.link.failure.take();
            return Err(error.unwrap_or_else(|| io::ErrorKind::TimedOut.into()));
        }
        Ok(())
    }

    /// Returns the transport, the head and the bytes that were read after the head, for another
    /// HTTP server in the same program. The returned stream has no timeouts.
    pub fn into_parts(self) -> (S, OwnedRequestHead, Bytes) {
        let unfinished = self.socket.into_inner();
        (unfinished.stream, self.head, unfinished.unread.freeze())
    }
}

impl<S> PendingRequest<S> {
    /// Returns the head of the request.
    pub const fn head(&self) -> &OwnedRequestHead {
        &self.head
    }

    /// Returns the transport, for its options and addresses.
    pub const fn get_ref(&self) -> &S {
        self.socket.get_ref()
    }
}

impl<S: fmt::Debug> fmt::Debug for PendingRequest<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingRequest")
            .field("stream", self.get_ref())
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl<S: Transport> WebSocket<S> {
    /// Reads a request and accepts it. Servers that also serve pages use [`PendingRequest`].
    ///
    /// # Errors
    /// As [`PendingRequest::read`] and [`PendingRequest::accept`].
    pub fn accept(
        stream: S,
        config: &Config,
        options: &AcceptOptions,
    ) -> Result<Self, AcceptError> {
        PendingRequest::read(stream, config)?.accept(options)
    }

    /// Performs the opening handshake of a client over a connected transport.
    ///
    /// # Errors
    /// [`ConnectError`]. The transport is dropped then.
    pub fn client(
        stream: S,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        Self::ask(stream, request, config, Instant::now())
    }

    /// Performs the opening handshake with a `handshake_timeout` that runs from `start`.
    fn ask(
        stream: S,
        request: &ConnectRequest,
        config: &Config,
        start: Instant,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        let driver = Driver::client(request, config, start)?;
        let mut socket = Self::new(stream, driver);
        socket.link.set_nonblocking(false)?;
        if socket.step() == Step::Opened
            && let Some(response) = socket.driver.flow.take_response()
        {
            return Ok((socket, response));
        }
        if let Some(error) = socket.driver.flow.handshake_error() {
            return Err(error.clone().into());
        }
        let error = socket.link.failure.take();
        Err(error.map_or_else(|| HandshakeError::ClosedWithoutResponse.into(), ConnectError::Io))
    }
}

impl WebSocket<TcpStream> {
    /// Connects to the `ws://` URL of the request: resolves the name, tries its addresses in turn,
    /// sets `TCP_NODELAY` and performs the opening handshake, all within the `handshake_timeout`.
    ///
    /// The resolver of the system can't be interrupted. So a separate thread resolves the name; it
    /// ends when the system answers, even after the timeout.
    ///
    /// [RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1), item 2, permits
    /// only one connection attempt to a host at a time; the caller must ensure that. After a
    /// failure wait as given by [`Backoff`](crate::handshake::Backoff).
    ///
    /// # Errors
    /// [`ConnectError::TlsNotSupported`] for `wss://`; otherwise as [`client`](Self::client), or
    /// the error of the name resolution or of the last address.
    pub fn connect(
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        if request.is_secure() {
            return Err(ConnectError::TlsNotSupported);
        }
        let (host, port) = (request.host(), request.port());
        let start = Instant::now();
        let deadline = start.checked_add(config.handshake_timeout());
        let resolved = match resolve(host, port, deadline) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(HandshakeError::Timeout.into());
            }
            resolved => resolved,
        };
        let mut dial = Dial::new(host, port, resolved, deadline)?;
        while let Some((address, timeout)) = dial.next(Instant::now()) {
            let connected = match timeout {
                Some(timeout) => TcpStream::connect_timeout(&address, timeout),
                None => TcpStream::connect(address),
            };
            match connected {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Self::ask(stream, request, config, start);
                }
                Err(error) => dial.failed(error),
            }
        }
        Err(dial.into_error().map_or_else(|| HandshakeError::Timeout.into(), ConnectError::Io))
    }
}

/// Resolves the addresses of a host, until the deadline.
fn resolve(host: &str, port: u16, deadline: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let host = String::from(host);
    thread::Builder::new().name("resolve".into()).spawn(move || {
        let resolved = (&*host, port).to_socket_addrs().map(Iterator::collect);
        // Fails if the caller has timed out.
        let _ = sender.send(resolved);
    })?;
    let left = match deadline {
        Some(deadline) => deadline.saturating_duration_since(Instant::now()),
        None => Duration::MAX,
    };
    match receiver.recv_timeout(left) {
        Ok(resolved) => resolved,
        Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
        Err(RecvTimeoutError::Disconnected) => {
            Err(io::Error::other("the name resolution has panicked"))
        }
    }
}
