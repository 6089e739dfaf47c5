use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use http::{Request, Response};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use crate::config::Config;
use crate::handshake::accept::{AcceptOptions, Accepted};
use crate::handshake::refusal::Refusal;
use crate::handshake::response::HttpResponse;
use crate::handshake::upgrade::{OwnedUpgradeRequest, UpgradeRequest};
use crate::hyper::error::UpgradeError;
use crate::hyper::upgraded::Upgraded;
use crate::instant::Instant;
use crate::tokio::WebSocket;
use crate::tokio::timer::{Timer, now};

/// Checks a request by every rule of the opening handshake and by `options`: a GET with Upgrade over
/// HTTP/1.1, an extended CONNECT over HTTP/2. Returns the response, and the future of the WebSocket.
///
/// Return the response to hyper, with an empty body, and await the future in another task. The
/// config's `handshake_timeout` runs from this call to the moment when hyper has sent the response.
///
/// # Errors
/// [`Refusal`], which is an `http::Response` too. Its status is 500 if the request was not served by
/// hyper, or was upgraded before.
///
/// # Security
/// Refuse a request before this call. Over HTTP/1.1 hyper also hands over the stream after another
/// response than the one returned here, if that response ends the connection, as a client can request
/// by `Connection: close`. So a layer that replaces the response with a 403 afterwards does not keep the
/// client from the WebSocket.
pub fn upgrade<B>(
    request: &mut Request<B>,
    options: &AcceptOptions,
    config: &Config,
) -> Result<(Response<()>, Upgrade), Refusal> {
    PendingUpgrade::new(request)?.accept(options, config)
}

/// A valid request for a WebSocket on a hyper server: accept it or refuse it.
///
/// [`upgrade()`] does both at once; this type is for servers that decide by the request, for example
/// by the subprotocols that the client offers.
///
/// ```
/// use http::{Request, Response};
/// use sansocket::handshake::Refusal;
/// use sansocket::hyper::{PendingUpgrade, Upgrade};
/// use sansocket::{AcceptOptions, Config};
///
/// fn accept<B>(
///     request: &mut Request<B>,
///     config: &Config,
/// ) -> Result<(Response<()>, Upgrade), Refusal> {
///     let pending = PendingUpgrade::new(request)?;
///     if !pending.request().subprotocols().any(|name| name == "chat") {
///         return Err(Refusal::new(400).expect("a final status"));
///     }
///     let options = AcceptOptions::new().subprotocols(["chat"]).expect("a token");
///     pending.accept(&options, config)
/// }
/// ```
pub struct PendingUpgrade {
    request: OwnedUpgradeRequest,
    on_upgrade: OnUpgrade,
    /// The time when the request was taken.
    start: Instant,
}

impl PendingUpgrade {
    /// Checks a request by every rule of the opening handshake, and takes hyper's handle of its stream.
    ///
    /// # Errors
    /// As [`upgrade()`].
    pub fn new<B>(request: &mut Request<B>) -> Result<Self, Refusal> {
        let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
        let valid = crate::http::upgrade(request, protocol)?;
        let Some(on_upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
            let message = "this server cannot upgrade the request, or has upgraded it before";
            let version = valid.head().version();
            return Err(Refusal::from(HttpResponse::own(500, message)).with_version(version));
        };
        Ok(Self { request: valid, on_upgrade, start: now() })
    }

    /// Returns the request.
    #[must_use]
    pub fn request(&self) -> UpgradeRequest<'_> {
        self.request.as_request()
    }

    /// Accepts the request, if `options` allow its origin; see [`upgrade()`].
    ///
    /// # Errors
    /// [`Refusal`] 403 if they do not.
    pub fn accept(
        self,
        options: &AcceptOptions,
        config: &Config,
    ) -> Result<(Response<()>, Upgrade), Refusal> {
        let accepted = self.request().accept(options)?;
        Ok(self.accept_with(accepted, config))
    }

    /// Accepts the request by a response that was made from [`request`](Self::request), with fields of
    /// its own such as a cookie.
    pub fn accept_with(self, accepted: Accepted, config: &Config) -> (Response<()>, Upgrade) {
        let response = Response::from(&accepted);
        let upgrade = Upgrade {
            on_upgrade: self.on_upgrade,
            accepted: Some(accepted),
            config: config.clone(),
            deadline: self.start.checked_add(config.handshake_timeout()),
            timer: Timer::default(),
        };
        (response, upgrade)
    }
}

impl fmt::Debug for PendingUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingUpgrade").field("request", &self.request).finish_non_exhaustive()
    }
}

/// The future of a WebSocket whose request was accepted: it is ready when hyper has sent the response
/// and hands over the stream.
///
/// The first frames of the peer may have come with the request; they are not lost. Dropping the future
/// drops the stream once it is upgraded: the peer sees a lost connection.
///
/// The error is an [`UpgradeError`], and `?` converts it to a
/// [`WebSocketError`](crate::WebSocketError). After it was ready the future is pending forever.
#[must_use = "futures do nothing unless polled"]
pub struct Upgrade {
    on_upgrade: OnUpgrade,
    /// `None` when the future was ready.
    accepted: Option<Accepted>,
    config: Config,
    deadline: Option<Instant>,
    timer: Timer,
}

impl Future for Upgrade {
    type Output = Result<WebSocket<Upgraded>, UpgradeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { on_upgrade, accepted, config, deadline, timer } = &mut *self;
        if accepted.is_none() {
            return Poll::Pending;
        }
        let stream = match Pin::new(on_upgrade).poll(cx) {
            Poll::Ready(stream) => stream.map_err(UpgradeError::Hyper),
            Poll::Pending => match timer.poll(cx, *deadline) {
                Poll::Ready(_) => Err(UpgradeError::Timeout),
                Poll::Pending => return Poll::Pending,
            },
        };
        let Some(accepted) = accepted.take() else { return Poll::Pending };
        Poll::Ready(stream.map(|stream| {
            let connection = accepted.into_connection(config, now());
            // hyper returns bytes after the head by the stream's first read.
            WebSocket::from_connection(stream.into(), connection, &[])
        }))
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("accepted", &self.accepted).finish_non_exhaustive()
    }
}
