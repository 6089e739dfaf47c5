//! The server's side.

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;

use http::{Request, Uri, Version};

use crate::handshake::accept::{AcceptOptions, Accepted};
use crate::handshake::head::RequestHead;
use crate::handshake::refusal::Refusal;
use crate::handshake::upgrade::{OwnedUpgradeRequest, UpgradeRequest};
use crate::handshake::version::HttpVersion;
use crate::http1::head::Fields;

/// Checks a request by every rule of the opening handshake and by `options`, and makes the response.
///
/// `protocol` is the value of `:protocol` over HTTP/2 and HTTP/3, where a WebSocket is opened by an
/// extended CONNECT: the crate `http` has no place for it, and each HTTP library has its own
/// extension (`hyper::ext::Protocol`, `h2::ext::Protocol`). Over HTTP/1.1 it is ignored.
///
/// # Errors
/// [`Refusal`], which is an `http::Response` too.
pub fn accept<B>(
    request: &Request<B>,
    protocol: Option<&str>,
    options: &AcceptOptions,
) -> Result<Accepted, Refusal> {
    with_head(request, protocol, |head| head.upgrade()?.accept(options))
}

/// Checks a request by every rule of the opening handshake, and returns a copy of its head; it is
/// neither accepted nor refused yet. `protocol` is as in [`accept`].
///
/// # Errors
/// [`Refusal`], which is an `http::Response` too.
pub fn upgrade<B>(
    request: &Request<B>,
    protocol: Option<&str>,
) -> Result<OwnedUpgradeRequest, Refusal> {
    with_head(request, protocol, |head| head.upgrade().map(UpgradeRequest::into_owned))
}

/// Lends the head in the form of this crate.
fn with_head<B, T>(
    request: &Request<B>,
    protocol: Option<&str>,
    judge: impl FnOnce(RequestHead<'_>) -> T,
) -> T {
    // Each line of a name is a field of its own, and values are bytes.
    let fields: Vec<(&str, &[u8])> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let fields = Fields::new(&fields);
    let (method, uri) = (request.method().as_str(), request.uri());
    let version = match request.version() {
        Version::HTTP_2 => HttpVersion::Http2,
        Version::HTTP_3 => HttpVersion::Http3,
        Version::HTTP_11 => HttpVersion::Http11,
        _ => HttpVersion::Http10,
    };
    if version.has_pseudo_headers() {
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        // A `Uri` without an authority has no scheme either, whatever the request has; its Host field
        // stands in for the authority (RFC 9113 8.3.1).
        let scheme = uri.scheme_str().unwrap_or(if authority.is_empty() { "https" } else { "" });
        let head = RequestHead::new(method, path, fields)
            .with_version(version)
            .with_protocol(protocol)
            .with_scheme(scheme)
            .with_authority(authority);
        return judge(head);
    }
    let target = target(uri);
    judge(RequestHead::new(method, &target, fields).with_version(version))
}

/// Returns the target of an HTTP/1 request line. An absolute URL stays one: its authority counts
/// more than the Host field (RFC 9112 3.2.2).
fn target(uri: &Uri) -> Cow<'_, str> {
    match uri.path_and_query() {
        Some(path) if uri.authority().is_none() => Cow::Borrowed(path.as_str()),
        _ => Cow::Owned(uri.to_string()),
    }
}
