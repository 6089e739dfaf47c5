use core::fmt;

use alloc::boxed::Box;

use bytes::{Bytes, BytesMut};

use crate::error::protocol::TimeoutError;
use crate::handshake::excerpt::Text;
use crate::handshake::response::{HttpResponse, StatusError, reason};
use crate::handshake::version::HttpVersion;
use crate::http1::error::HeadError;
use crate::http1::writer::FieldError;

/// A refused handshake, with the response to send.
///
/// | status | cause | fields |
/// |---|---|---|
/// | 400 | the request breaks a rule of HTTP or of the handshake, or is HTTP/1.0 | |
/// | 403 | the options don't allow the origin | |
/// | 405 | the request is for an upgrade, but its method is not GET | `Allow: GET` |
/// | 408 | the head was not complete in time | |
/// | 426 | the request, of any method, is not for an upgrade, or is for another version of the protocol | `Upgrade: websocket`, `Sec-WebSocket-Version: 13` |
/// | 431 | the head exceeds `max_head_len` or `max_head_fields` | |
/// | 501 | the `:protocol` is not `websocket` | |
/// | 505 | the major version of HTTP is not 1 | |
///
/// The body is one line that describes the fault. Refusals of the program are created by
/// [`UpgradeRequest::refuse`](crate::handshake::UpgradeRequest::refuse), [`Refusal::new`] or an
/// [`HttpResponse`].
///
/// Only HTTP/1.1 has Upgrade. Over other versions 426 becomes 400, still with
/// Sec-WebSocket-Version, and the fields include neither Upgrade nor Connection. A refusal that was
/// created from a request has its version. Any other is for HTTP/1.1 unless
/// [`with_version`](Self::with_version) changes it.
///
/// ```
/// use sansocket::handshake::Refusal;
///
/// let refusal = Refusal::new(401)?.with_field("WWW-Authenticate", "Bearer")?;
/// assert_eq!(refusal.to_string(), "the handshake was refused: 401 Unauthorized");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    response: HttpResponse,
    /// A text for the log of the server, which is not sent to the peer.
    detail: Option<Box<str>>,
}

impl Refusal {
    /// Creates a refusal with any final status, such as 401, 404 or a redirect. Its body is the
    /// reason phrase of the status; [`with_body`](Self::with_body) sets another.
    ///
    /// # Errors
    /// [`StatusError`] unless the status is from 200 to 599.
    pub fn new(status: u16) -> Result<Self, StatusError> {
        HttpResponse::new(status)?;
        Ok(Self::from(HttpResponse::own(status, reason(status))))
    }

    /// Adds a field, as [`HttpResponse::with_field`] does.
    ///
    /// # Errors
    /// [`FieldError`] if the field can't be sent.
    pub fn with_field(self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, FieldError> {
        let Inner { response, detail } = *self.0;
        Ok(Self::from(response.with_field(name, value)?).with_detail(detail))
    }

    /// Sets the body, as [`HttpResponse::with_body`] does.
    ///
    /// # Errors
    /// [`FieldError::InvalidValue`] if the type has a control character.
    pub fn with_body(self, content_type: &str, body: impl Into<Bytes>) -> Result<Self, FieldError> {
        let Inner { response, detail } = *self.0;
        Ok(Self::from(response.with_body(content_type, body)?).with_detail(detail))
    }

    /// Sets the version of HTTP, and adapts the response to it.
    #[must_use]
    pub fn with_version(self, version: HttpVersion) -> Self {
        let Inner { response, detail } = *self.0;
        Self::from(response.with_version(version)).with_detail(detail)
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.0.response.status()
    }

    /// Returns the fields, for a response that another HTTP server writes: all fields that its
    /// version needs except Content-Length. Over HTTP/2 and HTTP/3 names are in lower case.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.response.fields()
    }

    /// Returns the body: one line that describes the fault, or the body that was set.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.0.response.body()
    }

    /// Appends the response in the form of HTTP/1.1, with `Connection: close`. End the transport
    /// after it.
    ///
    /// Responses over HTTP/2 and HTTP/3 don't have this form. For them no bytes are appended: send
    /// [`status`](Self::status), [`fields`](Self::fields) and [`body`](Self::body).
    pub fn write(&self, out: &mut BytesMut) {
        self.0.response.write(out);
    }

    #[cfg(feature = "http")]
    pub(crate) fn shared_body(&self) -> Bytes {
        self.0.response.shared_body()
    }

    pub(crate) const fn version(&self) -> HttpVersion {
        self.0.response.version()
    }

    pub(crate) fn bad_request(message: impl Into<Bytes>) -> Self {
        Self::from(HttpResponse::own(400, message))
    }

    /// Creates a 403. `detail` is shown by `Display`, but not sent to the peer.
    pub(crate) fn forbidden(message: impl Into<Bytes>, detail: Option<Box<str>>) -> Self {
        Self::from(HttpResponse::own(403, message)).with_detail(detail)
    }

    fn with_detail(mut self, detail: Option<Box<str>>) -> Self {
        self.0.detail = detail;
        self
    }

    pub(crate) fn method() -> Self {
        let message = "a request for a WebSocket needs the method GET";
        Self::from(HttpResponse::own(405, message).with_own_field("Allow", "GET"))
    }

    pub(crate) fn protocol() -> Self {
        Self::from(HttpResponse::own(501, "the only supported :protocol is websocket"))
    }

    /// Creates a 426. RFC 6455 4.2.2(4), 4.4: the response to an unsupported version MUST name the
    /// supported one. RFC 9110 15.5.22: a 426 MUST have an Upgrade field.
    pub(crate) fn upgrade_required(message: &'static str) -> Self {
        Self::from(
            HttpResponse::own(426, message)
                .with_own_field("Upgrade", "websocket")
                .with_own_field("Sec-WebSocket-Version", "13"),
        )
    }
}

impl From<HttpResponse> for Refusal {
    fn from(response: HttpResponse) -> Self {
        Self(Box::new(Inner { response, detail: None }))
    }
}

/// The only table from errors of the head to statuses.
impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        let status = match error {
            HeadError::MajorVersion => 505,
            HeadError::Limit(_) => 431,
            HeadError::Method
            | HeadError::Target
            | HeadError::Version
            | HeadError::Status
            | HeadError::FieldName
            | HeadError::ControlCharacter
            | HeadError::LineEnd
            | HeadError::Folding
            | HeadError::Host
            | HeadError::ContentLength
            | HeadError::TransferEncoding => 400,
        };
        let message = if error == HeadError::Version {
            "the version is not HTTP/1.1, which a WebSocket needs (a proxy may have changed it; \
             nginx: proxy_http_version 1.1)"
        } else {
            error.message()
        };
        Self::from(HttpResponse::own(status, message))
    }
}

impl From<TimeoutError> for Refusal {
    fn from(_: TimeoutError) -> Self {
        Self::from(HttpResponse::own(408, "the request was not complete in time"))
            .with_detail(Some("setting: handshake_timeout".into()))
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refusal").field(&self.0.response).finish()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = reason(self.status());
        write!(f, "the handshake was refused: {} {reason}", self.status())?;
        match self.body() {
            body if body.is_empty() || body == reason.as_bytes() => Ok(()),
            body => write!(f, ": {}", Text(body)),
        }?;
        self.0.detail.as_deref().map_or(Ok(()), |detail| write!(f, " ({detail})"))
    }
}

impl core::error::Error for Refusal {}
