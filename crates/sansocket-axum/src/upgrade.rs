use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::mem;

use alloc::boxed::Box;

use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Request, StatusCode};
use sansocket::handshake::{Refusal, UpgradeRequest};
use sansocket::hyper::{PendingUpgrade, Upgrade, UpgradeError, Upgraded};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, Config};

use crate::endpoint::Endpoint;
use crate::rejection::{Rejection, SubprotocolError};

/// Extracts a valid request for a WebSocket: a GET with Upgrade over HTTP/1.1, an extended CONNECT over
/// HTTP/2.
///
/// `WebSocketUpgrade` alone begins with default settings. `WebSocketUpgrade<E>` takes those of an
/// [`Endpoint`] in the state of the router, by [`FromRef`]; `E` is `Endpoint` or a type that holds one.
///
/// A request that breaks a rule of the opening handshake, or comes from an origin that the endpoint of
/// the state does not allow, does not reach the handler; the response is the [`Rejection`].
#[must_use]
pub struct WebSocketUpgrade<E = Preset> {
    pending: PendingUpgrade,
    endpoint: Endpoint,
    on_failed_upgrade: Option<Box<dyn FnOnce(UpgradeError) + Send>>,
    source: PhantomData<fn() -> E>,
}

/// The settings of a [`WebSocketUpgrade`] without an [`Endpoint`] in the state: those of
/// [`Endpoint::new`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Preset;

impl<S: Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Ok(Self::new(pending(parts)?, Endpoint::new()))
    }
}

impl<S, E> FromRequestParts<S> for WebSocketUpgrade<E>
where
    S: Sync,
    E: FromRef<S> + AsRef<Endpoint>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let endpoint = E::from_ref(state).as_ref().clone();
        let pending = pending(parts)?;
        // A foreign origin is refused before the handler runs. The response is made by `accept`.
        let _ = pending.request().accept(endpoint.accept_options())?;
        Ok(Self::new(pending, endpoint))
    }
}

/// Takes the request out of the parts for as long as it is checked.
fn pending(parts: &mut Parts) -> Result<PendingUpgrade, Refusal> {
    let (empty, ()) = Request::new(()).into_parts();
    let mut request = Request::from_parts(mem::replace(parts, empty), ());
    let pending = PendingUpgrade::new(&mut request);
    (*parts, ()) = request.into_parts();
    pending
}

impl<E> WebSocketUpgrade<E> {
    fn new(pending: PendingUpgrade, endpoint: Endpoint) -> Self {
        Self { pending, endpoint, on_failed_upgrade: None, source: PhantomData }
    }

    /// Sets which requests are accepted, and how: origins, subprotocols, compression, fields.
    pub fn options(mut self, options: AcceptOptions) -> Self {
        self.endpoint = self.endpoint.options(options);
        self
    }

    /// Sets the limits and timers of the connection.
    pub fn config(mut self, config: Config) -> Self {
        self.endpoint = self.endpoint.config(config);
        self
    }

    /// Sets the subprotocols that the server speaks, in its order of preference. To choose by the
    /// request see [`request`](Self::request).
    ///
    /// # Errors
    /// [`SubprotocolError`] if one is not a token, or named twice.
    pub fn subprotocols<I>(self, subprotocols: I) -> Result<Self, SubprotocolError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let options = self.endpoint.accept_options().clone();
        let options = options.subprotocols(subprotocols).map_err(SubprotocolError)?;
        Ok(self.options(options))
    }

    /// Sets a function for a request that was accepted, but not upgraded: the client is gone, a
    /// middleware has replaced the response, or the connection is not served with upgrades. Without
    /// one, nothing is reported.
    pub fn on_failed_upgrade(mut self, failed: impl FnOnce(UpgradeError) + Send + 'static) -> Self {
        self.on_failed_upgrade = Some(Box::new(failed));
        self
    }

    /// Returns the request: its path, origin, subprotocols and fields.
    #[must_use]
    pub fn request(&self) -> UpgradeRequest<'_> {
        self.pending.request()
    }

    /// Accepts the request, and returns the response. When hyper has sent it, `handler` runs with the
    /// WebSocket in a task of its own.
    ///
    /// The response is the refusal 403 if the options do not allow the origin.
    pub fn on_upgrade<F, Fut>(mut self, handler: F) -> Response
    where
        F: FnOnce(WebSocket<Upgraded>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let on_failed_upgrade = self.on_failed_upgrade.take();
        match self.accept() {
            Ok((response, upgrade)) => {
                tokio::spawn(async move {
                    match upgrade.await {
                        Ok(ws) => handler(ws).await,
                        Err(error) => {
                            if let Some(failed) = on_failed_upgrade {
                                failed(error);
                            }
                        }
                    }
                });
                response
            }
            Err(response) => response,
        }
    }

    /// Accepts the request, and returns the response and the future of the WebSocket, which has to be
    /// awaited in another task. A function of [`on_failed_upgrade`](Self::on_failed_upgrade) is not
    /// called.
    ///
    /// # Errors
    /// The response 403 if the options do not allow the origin.
    #[expect(clippy::result_large_err, reason = "both results are a response")]
    pub fn accept(self) -> Result<(Response, Upgrade), Response> {
        let Ok(config) = self.endpoint.connection_config() else {
            return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response());
        };
        match self.pending.accept(self.endpoint.accept_options(), &config) {
            Ok((response, upgrade)) => Ok((response.map(|()| Body::empty()), upgrade)),
            Err(refusal) => Err(Rejection::from(refusal).into_response()),
        }
    }
}

impl<E> fmt::Debug for WebSocketUpgrade<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade")
            .field("pending", &self.pending)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
