//! Streams of a client without a WebSocket, for tunnels.

use core::fmt;

use std::io;

use h2::Reason;
use h2::ext::Protocol;
use http::{Request, Response};

use crate::h2::client::{Client, RequestError};
use crate::h2::error::stream_error;
use crate::h2::stream::Stream;

impl Client {
    /// Opens a stream by an extended CONNECT request with `:protocol` `websocket`, for programs that move
    /// bytes and parse no frames, such as bridges. The request has a whole URI, and the response any
    /// status: after a 2xx the stream is the transport of a WebSocket; otherwise its input is the body of
    /// a refusal, and the stream should be dropped.
    ///
    /// Nothing is checked except the syntax, and there is no deadline. Dropping the future resets
    /// the stream.
    ///
    /// ```no_run
    /// use sansocket::h2::{Client, Stream};
    ///
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let request = http::Request::connect("http://example.com/chat")
    ///     .header("sec-websocket-version", "13")
    ///     .body(())?;
    /// let (response, stream): (_, Stream) = client.open_tunnel(request).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn open_tunnel(
        &self,
        mut request: Request<()>,
    ) -> Result<(Response<()>, Stream), TunnelError> {
        if !self.allows_web_sockets() {
            return Err(TunnelError::NotAllowed);
        }
        *request.method_mut() = http::Method::CONNECT;
        *request.version_mut() = http::Version::HTTP_2;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let (response, opening) = self.request(None, request).await.map_err(TunnelError::new)?;
        Ok((response, self.stream(opening)))
    }
}

/// A failed [`Client::open_tunnel`].
#[derive(Debug)]
#[non_exhaustive]
pub enum TunnelError {
    /// The server does not allow WebSockets over HTTP/2: it has not set
    /// `SETTINGS_ENABLE_CONNECT_PROTOCOL`.
    NotAllowed,
    /// The server has not processed the request: the session has ended, or the server has refused the
    /// stream (REFUSED_STREAM) or ends the session in order (GOAWAY). The request can be repeated on
    /// another session ([RFC 9113 section 8.7](https://www.rfc-editor.org/rfc/rfc9113#section-8.7)).
    Unprocessed(io::Error),
    /// The stream was reset, the session was lost, or the request is invalid.
    Io(io::Error),
}

impl TunnelError {
    fn new(error: RequestError) -> Self {
        let error = match error {
            RequestError::NotSent(error) if error.is_io() || error.is_go_away() => {
                return Self::Unprocessed(stream_error(error));
            }
            RequestError::NotSent(error) => return Self::Io(stream_error(error)),
            RequestError::NoResponse(error) => error,
        };
        let cause = error.get_ref().and_then(|error| error.downcast_ref::<h2::Error>());
        let is_unprocessed = cause.is_some_and(|cause| {
            let reason = if cause.is_reset() { Reason::REFUSED_STREAM } else { Reason::NO_ERROR };
            cause.is_remote() && cause.reason() == Some(reason)
        });
        if is_unprocessed { Self::Unprocessed(error) } else { Self::Io(error) }
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed => f.write_str("the server does not allow WebSockets over HTTP/2"),
            Self::Unprocessed(error) => {
                write!(f, "the HTTP/2 session takes no more requests: {error}")
            }
            Self::Io(error) => write!(f, "the HTTP/2 stream failed: {error}"),
        }
    }
}

impl core::error::Error for TunnelError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::NotAllowed => None,
            Self::Unprocessed(error) | Self::Io(error) => Some(error),
        }
    }
}
