//! Responses of the handshake as responses of the crate `http`.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::handshake::accept::Accepted;
use crate::handshake::refusal::Refusal;

/// The response that opens the WebSocket: 101, or 200 over HTTP/2 and HTTP/3.
impl From<&Accepted> for Response<()> {
    fn from(accepted: &Accepted) -> Self {
        response(accepted.status(), accepted.fields(), ())
    }
}

/// Without Content-Length, which HTTP libraries add.
impl From<Refusal> for Response<Bytes> {
    fn from(refusal: Refusal) -> Self {
        response(refusal.status(), refusal.fields(), refusal.shared_body())
    }
}

fn response<'f, B>(
    status: u16,
    fields: impl Iterator<Item = (&'f str, &'f [u8])>,
    body: B,
) -> Response<B> {
    let mut response = Response::new(body);
    // All statuses here are 101, or from 200 to 599.
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    append(response.headers_mut(), fields);
    response
}

/// Appends fields. Names are tokens and values have no control characters, as `http` demands; so a
/// field is left out only if the map is full, at some 24,000 names.
pub(crate) fn append<'f>(
    headers: &mut HeaderMap,
    fields: impl Iterator<Item = (&'f str, &'f [u8])>,
) {
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            let _ = headers.try_append(name, value);
        }
    }
}
