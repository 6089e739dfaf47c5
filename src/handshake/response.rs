//! Plain HTTP responses: pages, and the basis of refusals.

use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::handshake::version::HttpVersion;
use crate::http1::writer::{FieldError, FieldList, write_field, write_number};
use crate::kernel::hidden::Hidden;

/// A complete HTTP/1.1 response, for requests that are not for a WebSocket.
///
/// It is written with its length and `Connection: close`. End the transport after it.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::handshake::HttpResponse;
///
/// let page = HttpResponse::new(200)?.with_body("text/html; charset=utf-8", "<p>Hello")?;
/// let mut out = BytesMut::new();
/// page.write(&mut out);
/// assert_eq!(
///     out,
///     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html; charset=utf-8\r\n\
///      Content-Length: 8\r\n\r\n<p>Hello"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The version of HTTP. The other members have its form.
    version: HttpVersion,
    status: u16,
    fields: FieldList,
    body: Bytes,
}

impl HttpResponse {
    /// Creates a response without a body.
    ///
    /// # Errors
    /// [`StatusError`] unless the status is from 200 to 599: lower ones are interim.
    pub const fn new(status: u16) -> Result<Self, StatusError> {
        if let 200..=599 = status {
            Ok(Self {
                version: HttpVersion::Http11,
                status,
                fields: FieldList::new(),
                body: Bytes::new(),
            })
        } else {
            Err(StatusError { status })
        }
    }

    /// Creates a response of this crate: a valid status, and a line of text as the body.
    pub(crate) fn own(status: u16, message: impl Into<Bytes>) -> Self {
        let mut fields = FieldList::new();
        fields.push_own("Content-Type", "text/plain; charset=utf-8");
        Self { version: HttpVersion::Http11, status, fields, body: message.into() }
    }

    pub(crate) fn with_own_field(mut self, name: &'static str, value: &'static str) -> Self {
        self.fields.push_own(name, value);
        self
    }

    /// Sets the version of HTTP that carries the response.
    pub(crate) fn with_version(mut self, version: HttpVersion) -> Self {
        self.version = version;
        self.adapt()
    }

    pub(crate) const fn version(&self) -> HttpVersion {
        self.version
    }

    /// Adapts the response to its version. RFC 9110 15.5.22: a 426 MUST have an Upgrade field, so
    /// it becomes a 400 where Upgrade is forbidden.
    fn adapt(mut self) -> Self {
        if !self.version.has_upgrade() {
            self.fields.remove("Upgrade");
            if self.status == 426 {
                self.status = 400;
            }
        }
        if self.version.has_pseudo_headers() {
            self.fields.make_http2();
        }
        self
    }

    /// Adds a field. The same name can be added several times.
    ///
    /// # Errors
    /// [`FieldError`] if the name is not a token, if the value has a CR, LF or NUL, or if the
    /// name is Connection, Content-Length, Content-Type or Transfer-Encoding, which are written by
    /// [`with_body`](Self::with_body) and [`write`](Self::write).
    pub fn with_field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, FieldError> {
        self.fields.push(name, value.as_ref(), |name| {
            ["Connection", "Content-Length", "Content-Type", "Transfer-Encoding"]
                .iter()
                .any(|owned| name.eq_ignore_ascii_case(owned))
        })?;
        Ok(self.adapt())
    }

    /// Sets the body and its type.
    ///
    /// # Errors
    /// [`FieldError::InvalidValue`] if the type has a control character.
    pub fn with_body(
        mut self,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<Self, FieldError> {
        self.fields.remove("Content-Type");
        self.fields.push("Content-Type", content_type.as_bytes(), |_| false)?;
        self.body = body.into();
        Ok(self.adapt())
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the fields, for a response that another HTTP server writes. With Upgrade they
    /// include `Connection: Upgrade`. That server adds Content-Length and its own fields about the
    /// connection.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let connection = self.has_upgrade().then_some(("Connection", &b"Upgrade"[..]));
        self.fields.iter().chain(connection)
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the body, without a copy; empty for a status that has none.
    #[cfg(feature = "http")]
    pub(crate) fn shared_body(&self) -> Bytes {
        if self.may_have_body() { self.body.clone() } else { Bytes::new() }
    }

    /// Appends the response in the form of HTTP/1.1.
    pub fn write(&self, out: &mut BytesMut) {
        self.write_head(out);
        if self.may_have_body() && !self.version.has_pseudo_headers() {
            out.extend_from_slice(&self.body);
        }
    }

    /// Appends the response without the body, for a HEAD request.
    pub fn write_head(&self, out: &mut BytesMut) {
        if self.version.has_pseudo_headers() {
            return;
        }
        out.extend_from_slice(b"HTTP/1.1 ");
        write_number(usize::from(self.status), out);
        out.extend_from_slice(b" ");
        out.extend_from_slice(reason(self.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        let connection: &[u8] = if self.has_upgrade() { b"close, Upgrade" } else { b"close" };
        write_field("Connection", connection, out);
        self.fields.write(out);
        if self.may_have_body() {
            out.extend_from_slice(b"Content-Length: ");
            write_number(self.body.len(), out);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Returns true if there is an Upgrade field. RFC 9110 7.8: Connection MUST list it.
    fn has_upgrade(&self) -> bool {
        self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("Upgrade"))
    }

    /// Returns false for a status without a body and a length (RFC 9110 8.6, 15.3.5, 15.4.5).
    const fn may_have_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }
}

/// Omits the values of fields and the body, which may be credentials.
impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("version", &self.version)
            .field("status", &self.status)
            .field("fields", &self.fields)
            .field("body", &Hidden::new(&self.body))
            .finish()
    }
}

/// Returns the reason phrase of RFC 9110 15 for a status. It is a text for people only.
pub(crate) const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// The status is not a final one: use one from 200 to 599.
///
/// ```
/// use sansocket::handshake::{HttpResponse, StatusError};
///
/// let error: StatusError = HttpResponse::new(101).unwrap_err();
/// assert_eq!(error.status, 101);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct StatusError {
    /// The rejected status.
    pub status: u16,
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the status {} is not a final one: use one from 200 to 599", self.status)
    }
}

impl core::error::Error for StatusError {}
