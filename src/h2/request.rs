//! The requests of a session.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use alloc::sync::Arc;
use std::io;

use bytes::Bytes;
use h2::RecvStream;
use h2::ext::Protocol;
use h2::server::SendResponse;
use http::{Request, Response};
use tokio::io::{AsyncRead, ReadBuf};

use crate::config::Config;
use crate::error::adapter::AcceptError;
use crate::h2::error::stream_error;
use crate::h2::progress::Progress;
use crate::h2::pump::{Mailbox, Pump, Source};
use crate::h2::stream::{Input, Stream};
use crate::handshake::accept::{AcceptOptions, Accepted};
use crate::handshake::refusal::Refusal;
use crate::handshake::upgrade::{OwnedUpgradeRequest, UpgradeRequest};
use crate::tokio::WebSocket;
use crate::tokio::timer::now;

/// A request of a session.
#[non_exhaustive]
pub enum Incoming {
    /// A valid request for a WebSocket: accept it or refuse it.
    WebSocket(PendingRequest),
    /// Another request, for example for a page, with the types of the crates `http` and `h2`.
    ///
    /// Drop a body that is not read: its unread data occupy the window of the session.
    Other(Request<Body>, SendResponse<Bytes>),
    /// A CONNECT request that violates a rule, or is not for a WebSocket. The session has sent this
    /// response.
    Refused(Refusal),
}

/// Without the values of fields, which may be credentials.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WebSocket(request) => f.debug_tuple("WebSocket").field(request).finish(),
            Self::Other(request, _) => f
                .debug_struct("Other")
                .field("method", request.method())
                .field("path", &request.uri().path())
                .finish_non_exhaustive(),
            Self::Refused(refusal) => f.debug_tuple("Refused").field(refusal).finish(),
        }
    }
}

/// The body of a request that is not for a WebSocket. Trailers are discarded.
///
/// A body that is not read delays only its own stream. The errors are those of a
/// [`Stream`].
#[derive(Debug)]
pub struct Body(Input);

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buf).map_ok(|_| ())
    }
}

/// A valid request for a WebSocket: accept it or refuse it. Dropping it resets the stream.
///
/// Frames that the client sends before the response are kept, up to the window of the stream.
pub struct PendingRequest {
    request: OwnedUpgradeRequest,
    input: Input,
    response: SendResponse<Bytes>,
    progress: Arc<Progress>,
    send_buffer: usize,
}

impl PendingRequest {
    /// Returns the request.
    #[must_use]
    pub fn request(&self) -> UpgradeRequest<'_> {
        self.request.as_request()
    }

    /// Accepts the request, if `options` allow its origin. Otherwise it is refused with 403.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] with the response that was sent. [`AcceptError::Io`] if the stream or
    /// the session has ended.
    pub fn accept(
        self,
        options: &AcceptOptions,
        config: &Config,
    ) -> Result<WebSocket<Stream>, AcceptError> {
        match self.request().accept(options) {
            Ok(accepted) => Ok(self.accept_with(&accepted, config)?),
            Err(refusal) => {
                self.refuse(refusal.clone())?;
                Err(AcceptError::Refused(refusal))
            }
        }
    }

    /// Accepts the request with a response that was made from [`request`](Self::request), with fields of
    /// its own such as a cookie.
    ///
    /// # Errors
    /// If the stream or the session has ended.
    pub fn accept_with(
        self,
        accepted: &Accepted,
        config: &Config,
    ) -> io::Result<WebSocket<Stream>> {
        let Self { input, mut response, progress, send_buffer, .. } = self;
        let output =
            response.send_response(Response::from(accepted), false).map_err(stream_error)?;
        let stream = Stream::new(input, output, progress, send_buffer);
        let connection = accepted.clone().into_connection(config, now());
        Ok(WebSocket::from_connection(stream, connection, &[]))
    }

    /// Accepts the request with a response of any 2xx status, and returns the stream without a WebSocket,
    /// for programs that move bytes and parse no frames, such as bridges.
    ///
    /// # Errors
    /// If the stream or the session has ended.
    pub fn accept_tunnel(self, response: Response<()>) -> io::Result<Stream> {
        let Self { input, response: mut respond, progress, send_buffer, .. } = self;
        let output = respond.send_response(response, false).map_err(stream_error)?;
        Ok(Stream::new(input, output, progress, send_buffer))
    }

    /// Ready with the error code when the client has reset the stream.
    ///
    /// # Errors
    /// The session was lost.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u32>> {
        self.response.poll_reset(cx).map_ok(u32::from).map_err(stream_error)
    }

    /// Refuses the request.
    ///
    /// # Errors
    /// If the stream or the session has ended.
    pub fn refuse(self, refusal: Refusal) -> io::Result<()> {
        self.refuse_with(refusal.into())
    }

    /// Refuses the request with a response of the crate `http`, for example one from another server. Its
    /// status is not a 2xx, and it has no fields about a connection.
    ///
    /// # Errors
    /// If the response is invalid, or the stream or the session has ended.
    pub fn refuse_with(mut self, response: Response<Bytes>) -> io::Result<()> {
        send_whole(&mut self.response, response)
    }
}

impl fmt::Debug for PendingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingRequest").field("request", &self.request).finish_non_exhaustive()
    }
}

/// Sorts a request. The session must poll the pump of its data.
pub(super) fn sort(
    request: Request<RecvStream>,
    mut response: SendResponse<Bytes>,
    progress: &Arc<Progress>,
    send_buffer: usize,
) -> (Incoming, Option<Pump>) {
    if request.method() != http::Method::CONNECT {
        let (head, stream) = request.into_parts();
        let (input, pump) = receive(stream);
        return (Incoming::Other(Request::from_parts(head, Body(input)), response), pump);
    }
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    let valid = match crate::http::upgrade(&request, protocol) {
        Ok(valid) => valid,
        Err(refusal) => {
            // An error means that the stream has ended.
            let _ = send_whole(&mut response, refusal.clone().into());
            return (Incoming::Refused(refusal), None);
        }
    };
    let (input, pump) = receive(request.into_body());
    let pending =
        PendingRequest { request: valid, input, response, progress: progress.clone(), send_buffer };
    (Incoming::WebSocket(pending), pump)
}

/// Receives the data of a stream; an empty body needs no pump.
fn receive(mut stream: RecvStream) -> (Input, Option<Pump>) {
    if stream.is_end_stream() {
        return (Input { mailbox: Arc::new(Mailbox::ended()), flow: None, unwritten: None }, None);
    }
    let flow = stream.flow_control().clone();
    let mailbox = Arc::new(Mailbox::default());
    let pump = Pump::new(Source::Data(stream), mailbox.clone());
    (Input { mailbox, flow: Some(flow), unwritten: None }, Some(pump))
}

fn send_whole(respond: &mut SendResponse<Bytes>, response: Response<Bytes>) -> io::Result<()> {
    let (head, body) = response.into_parts();
    let has_body = !body.is_empty();
    let head = Response::from_parts(head, ());
    let mut output = respond.send_response(head, !has_body).map_err(stream_error)?;
    if has_body {
        output.send_data(body, true).map_err(stream_error)?;
    }
    Ok(())
}
