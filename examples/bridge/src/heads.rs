//! The translation of heads. End-to-end fields pass, the fields of one connection do not
//! (RFC 9110 section 7.6.1), and Via is added (section 7.6.3).

use core::str::FromStr;

use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, VIA,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Response, StatusCode, Version};
use sansocket::handshake::{HttpVersion, UpgradeRequest};

/// A request for a WebSocket, independent of the version of HTTP.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) path: PathAndQuery,
    /// Without Host and the fields of a connection.
    pub(crate) fields: HeaderMap,
}

impl Request {
    /// Takes over a valid request.
    ///
    /// # Errors
    /// The refusal of a request that can't be forwarded.
    pub(crate) fn new(request: &UpgradeRequest<'_>) -> Result<Self, Box<Response<Bytes>>> {
        let head = request.head();
        let bad = |text| Box::new(plain(StatusCode::BAD_REQUEST, text));
        let scheme = match head.scheme() {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Scheme::HTTPS,
            _ => Scheme::HTTP,
        };
        let authority = Authority::from_str(request.host());
        let authority = authority.map_err(|_| bad("the bridge can't forward this host"))?;
        let target = match request.query() {
            None => PathAndQuery::from_str(request.path()),
            Some(query) => PathAndQuery::try_from(format!("{}?{query}", request.path())),
        };
        let path = target.map_err(|_| bad("the bridge can't forward this path"))?;

        let mut all = HeaderMap::new();
        for (name, value) in head.fields().iter() {
            let name = HeaderName::from_bytes(name.as_bytes());
            let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) else {
                return Err(bad("the bridge can't forward the fields"));
            };
            all.append(name, value);
        }
        let mut nominated = members(&all, &CONNECTION);
        if nominated.any(is_protected) {
            return Err(bad("the field Connection names an end-to-end field"));
        }
        if members(&all, &VIA).count() >= MAX_HOPS {
            let text = "the request has passed too many proxies";
            return Err(Box::new(plain(StatusCode::LOOP_DETECTED, text)));
        }
        let version = match head.version() {
            HttpVersion::Http2 => Version::HTTP_2,
            _ => Version::HTTP_11,
        };
        let mut fields = end_to_end(&all, version);
        // RFC 9113 section 8.2.3: HTTP/2 may split a Cookie field, and HTTP/1.1 has one.
        join(&mut fields, &COOKIE, b"; ");
        Ok(Self { scheme, authority, path, fields })
    }
}

/// Joins the lines of a field.
fn join(fields: &mut HeaderMap, name: &HeaderName, separator: &[u8]) {
    let lines: Vec<&[u8]> = fields.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&lines.join(separator))
    {
        fields.insert(name, joined);
    }
}

/// Returns the fields that pass, with Via. `version` is the one of the message that was received.
pub(crate) fn end_to_end(all: &HeaderMap, version: Version) -> HeaderMap {
    let nominated: Vec<&[u8]> = members(all, &CONNECTION).collect();
    let mut fields = HeaderMap::new();
    for (name, value) in all {
        let is_of_connection = OF_CONNECTION.contains(&name.as_str())
            || nominated.iter().any(|other| other.eq_ignore_ascii_case(name.as_ref()));
        if !is_of_connection {
            fields.append(name, value.clone());
        }
    }
    let own = match version {
        Version::HTTP_2 => HeaderValue::from_static("2 sansocket-bridge"),
        _ => HeaderValue::from_static("1.1 sansocket-bridge"),
    };
    fields.append(VIA, own);
    join(&mut fields, &VIA, b", ");
    fields
}

/// Returns a response of the target as one of the bridge. `None`: its body was too long or
/// incomplete, and status and fields remain.
pub(crate) fn refusal(response: &Response<()>, body: Option<Bytes>) -> Response<Bytes> {
    let mut fields = end_to_end(response.headers(), response.version());
    if body.is_none() {
        fields.remove(CONTENT_TYPE);
        fields.remove(http::header::CONTENT_ENCODING);
    }
    let mut made = Response::new(body.unwrap_or_default());
    *made.status_mut() = response.status();
    *made.headers_mut() = fields;
    made
}

/// Returns a response of the bridge: a line of text.
pub(crate) fn plain(status: StatusCode, text: impl Into<String>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Returns the form of a final response over HTTP/1.1. The connection ends after it.
pub(crate) fn write_http1(response: &Response<Bytes>) -> BytesMut {
    let mut out = BytesMut::new();
    let status = response.status();
    let line = format!(
        "HTTP/1.1 {} {}\r\nConnection: close\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default()
    );
    out.extend_from_slice(line.as_bytes());
    write_fields(response.headers(), &mut out);
    // RFC 9110 section 8.6: neither has a body.
    let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_body {
        let length = format!("Content-Length: {}\r\n", response.body().len());
        out.extend_from_slice(length.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    if has_body {
        out.extend_from_slice(response.body());
    }
    out
}

/// Returns the response that opens a WebSocket over HTTP/1.1.
pub(crate) fn write_101(accept: &str, fields: &HeaderMap) -> BytesMut {
    let mut out = BytesMut::from(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    );
    out.extend_from_slice(format!("Sec-WebSocket-Accept: {accept}\r\n").as_bytes());
    write_fields(fields, &mut out);
    out.extend_from_slice(b"\r\n");
    out
}

/// Names are tokens, and values have no CR, LF or NUL: the types of `http` guarantee it.
fn write_fields(fields: &HeaderMap, out: &mut BytesMut) {
    for (name, value) in fields {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Returns the members of a list, from all of its lines.
pub(crate) fn members<'m>(
    fields: &'m HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'m [u8]> {
    let lines = fields.get_all(name).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// Returns true for fields that a client must not remove by an entry in Connection: a target without
/// them would decide differently.
fn is_protected(name: &[u8]) -> bool {
    PROTECTED.iter().any(|protected| name.eq_ignore_ascii_case(protected.as_str().as_bytes()))
        || name.to_ascii_lowercase().starts_with(b"sec-")
        || name.to_ascii_lowercase().starts_with(b"x-forwarded-")
}

/// The fields of one connection and the framing of bodies, which each side writes itself.
const OF_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "sec-websocket-accept",
    "sec-websocket-key",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const PROTECTED: &[HeaderName] = &[
    http::header::AUTHORIZATION,
    CONTENT_LENGTH,
    COOKIE,
    http::header::FORWARDED,
    HOST,
    http::header::ORIGIN,
    VIA,
];

/// The largest number of proxies that a request may have passed: a bridge whose target is itself
/// would use up all sockets.
const MAX_HOPS: usize = 16;
