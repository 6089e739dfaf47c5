//! The opening handshake: accepting and connecting.

use core::fmt;
use core::future::poll_fn;

use alloc::boxed::Box;
use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::Config;
use crate::driver::{Driver, Step};
use crate::error::adapter::{AcceptError, ConnectError, ConnectErrorKind, ConnectStep};
use crate::error::protocol::MisuseError;
use crate::handshake::accept::{AcceptOptions, Accepted};
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::handshake::head::OwnedRequestHead;
use crate::handshake::refusal::Refusal;
use crate::handshake::response::HttpResponse;
use crate::instant::Instant;
use crate::tokio::drive::{Goal, poll_sent, poll_step};
use crate::tokio::socket::WebSocket;
use crate::tokio::timer::now;

/// A request that was read and is not answered yet. Accept it, refuse it, or answer it with a page.
///
/// ```no_run
/// use sansocket::handshake::HttpResponse;
/// use sansocket::tokio::PendingRequest;
/// use sansocket::{AcceptOptions, Config};
///
/// async fn serve(
///     stream: tokio::net::TcpStream,
///     config: &Config,
/// ) -> Result<(), Box<dyn core::error::Error>> {
///     let request = PendingRequest::read(stream, config).await?;
///     if request.head().path() != "/ws" {
///         request.respond(&HttpResponse::new(404)?).await?;
///         return Ok(());
///     }
///     let mut ws = request.accept(&AcceptOptions::new()).await?;
///     while let Some((event, mut reply)) = ws.read().await? {
///         if let sansocket::Event::Text(text) = event {
///             reply.feed_text(text)?;
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct PendingRequest<S> {
    /// Boxed, as in each future here. A task is as large as the largest future that it has ever
    /// awaited, and futures are moved.
    socket: Box<WebSocket<S>>,
    head: OwnedRequestHead,
}

impl<S: AsyncRead + AsyncWrite + Unpin> PendingRequest<S> {
    /// Reads a request. The `handshake_timeout` of `config` covers the time from here until the
    /// response is written, however slowly the bytes arrive.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] if the bytes are not a valid request, or if it was not complete in
    /// time; the refusal was written. [`AcceptError::Io`] if the transport has failed or ended.
    pub async fn read(stream: S, config: &Config) -> Result<Self, AcceptError> {
        let driver = Driver::server(config, now());
        let mut socket = Box::new(WebSocket::new(stream, driver));
        if socket.step().await == Step::Request
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
    pub async fn accept(mut self, options: &AcceptOptions) -> Result<WebSocket<S>, AcceptError> {
        match self.socket.driver.flow.accept(&self.head, options, now()) {
            Ok(()) => {
                self.written().await?;
                Ok(*self.socket)
            }
            Err(refusal) => {
                // The request is refused even if the response can't be written.
                let _ = self.end().await;
                Err(AcceptError::Refused(refusal))
            }
        }
    }

    /// Accepts the request with a response that was built from its [`head`](Self::head), for
    /// example with a cookie.
    ///
    /// ```no_run
    /// use sansocket::AcceptOptions;
    /// use sansocket::tokio::PendingRequest;
    ///
    /// # async fn serve(
    /// #     request: PendingRequest<tokio::net::TcpStream>,
    /// # ) -> Result<(), Box<dyn core::error::Error>> {
    /// let options = AcceptOptions::new();
    /// // An invalid request must be answered as well: no `?` here.
    /// let accepted = request.head().upgrade().and_then(|upgrade| upgrade.accept(&options));
    /// let ws = match accepted {
    ///     Ok(accepted) => request.accept_with(accepted.with_field("Set-Cookie", "a=b")?).await?,
    ///     Err(refusal) => return Ok(request.refuse(refusal).await?),
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
    pub async fn accept_with(mut self, accepted: Accepted) -> Result<WebSocket<S>, AcceptError> {
        self.answered(|socket| socket.driver.flow.accept_with(accepted, now()))?;
        self.written().await?;
        Ok(*self.socket)
    }

    /// Refuses the request: writes the refusal, shuts down the write half of the transport, and
    /// drains the input for at most the linger timeout, so that the peer can read the refusal.
    ///
    /// # Errors
    /// If the transport has failed.
    pub async fn refuse(mut self, refusal: Refusal) -> io::Result<()> {
        self.answered(|socket| socket.driver.flow.refuse(refusal))?;
        self.end().await
    }

    /// Answers with a page, a redirect or another response, and ends the transport as
    /// [`refuse`](Self::refuse) does. The response to a HEAD request is sent without its body.
    ///
    /// # Errors
    /// If the transport has failed.
    pub async fn respond(mut self, response: &HttpResponse) -> io::Result<()> {
        self.answered(|socket| socket.driver.flow.respond(response))?;
        self.end().await
    }

    /// Passes an answer to the driver. It fails only for an answer to another request: this request
    /// was read, and each answer consumes it.
    fn answered(
        &mut self,
        answer: impl FnOnce(&mut WebSocket<S>) -> Result<(), MisuseError>,
    ) -> io::Result<()> {
        answer(&mut self.socket).map_err(io::Error::other)
    }

    /// Writes the response.
    async fn written(&mut self) -> Result<(), AcceptError> {
        let WebSocket { link, driver: Driver { flow, .. }, timer, .. } = &mut *self.socket;
        let goal = Goal::Sent(flow.end());
        let sent = poll_fn(|cx| poll_sent(link, flow, timer, goal, cx)).await;
        sent.map_err(|error| AcceptError::Io(error.into()))
    }

    /// Writes the response and ends the transport.
    async fn end(&mut self) -> io::Result<()> {
        let answer = self.socket.driver.flow.end();
        while self.socket.step().await != Step::Done {}
        if self.socket.driver.flow.written() < answer {
            let error = self.socket.link.failure.take();
            return Err(error.unwrap_or_else(|| io::ErrorKind::TimedOut.into()));
        }
        Ok(())
    }
}

impl<S> PendingRequest<S> {
    /// Returns the head of the request.
    #[must_use]
    pub const fn head(&self) -> &OwnedRequestHead {
        &self.head
    }

    /// Returns the transport, for its options and addresses.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        self.socket.get_ref()
    }

    /// Returns the transport, the head and the bytes that were read after the head, for another
    /// HTTP server in the same program.
    #[must_use]
    pub fn into_parts(self) -> (S, OwnedRequestHead, Bytes) {
        let unfinished = self.socket.into_inner();
        (unfinished.stream, self.head, unfinished.unread.freeze())
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

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Reads a request and accepts it. Servers that also serve pages use [`PendingRequest`].
    ///
    /// # Errors
    /// As [`PendingRequest::read`] and [`PendingRequest::accept`].
    pub async fn accept(
        stream: S,
        config: &Config,
        options: &AcceptOptions,
    ) -> Result<Self, AcceptError> {
        PendingRequest::read(stream, config).await?.accept(options).await
    }

    /// Performs the opening handshake of a client over a connected transport.
    ///
    /// # Errors
    /// [`ConnectError`]. The transport is dropped then.
    pub async fn client(
        stream: S,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        Self::ask(stream, request, config, now()).await
    }

    /// The same, with a handshake timeout that runs from `start`.
    pub(crate) async fn ask(
        stream: S,
        request: &ConnectRequest,
        config: &Config,
        start: Instant,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        let failed = |kind| {
            let (host, port) = (request.host(), request.port());
            ConnectError::new(ConnectStep::Handshake, host, port, kind)
        };
        let driver =
            Driver::client(request, config, start).map_err(|error| failed(error.into()))?;
        let mut socket = Box::new(Self::new(stream, driver));
        if socket.step().await == Step::Opened
            && let Some(response) = socket.driver.flow.take_response()
        {
            return Ok((*socket, response));
        }
        if let Some(error) = socket.driver.flow.handshake_error() {
            return Err(failed(error.clone().into()));
        }
        let error = socket.link.failure.take().map(ConnectErrorKind::Io);
        Err(failed(error.unwrap_or_else(|| HandshakeError::ClosedWithoutResponse.into())))
    }

    /// Drives the connection to the next step that the caller must handle.
    async fn step(&mut self) -> Step {
        let Self { link, driver: Driver { flow, intake }, timer, .. } = self;
        poll_fn(|cx| poll_step(link, flow, intake, timer, cx)).await
    }
}
