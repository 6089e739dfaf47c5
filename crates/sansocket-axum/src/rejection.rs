use core::error::Error;
use core::fmt;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use sansocket::handshake::{FieldError, Refusal};

/// A request that was refused, as a response with the status, fields and body of its [`Refusal`].
///
/// `Display` is for the server's log.
#[derive(Clone, Debug)]
pub struct Rejection(Refusal);

impl Rejection {
    /// Returns the refusal.
    #[must_use]
    pub const fn refusal(&self) -> &Refusal {
        &self.0
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        http::Response::<Bytes>::from(self.0).map(Body::from)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// A subprotocol of [`WebSocketUpgrade::subprotocols`](crate::WebSocketUpgrade::subprotocols) that
/// cannot be sent. As a response its status is 500, since the server is at fault.
#[derive(Clone, Copy, Debug)]
pub struct SubprotocolError(pub(crate) FieldError);

impl IntoResponse for SubprotocolError {
    fn into_response(self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl fmt::Display for SubprotocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SubprotocolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
