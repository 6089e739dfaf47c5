//! The response of a server to the request of a client.

use core::fmt;

use bytes::Bytes;

use crate::http1::body::BodyEnd;
use crate::http1::head::{Fields, RawHead};
use crate::kernel::hidden::Hidden;
use crate::negotiated::Negotiated;

/// The response of a server to the request of a client: it opens the connection, or is a refusal.
///
/// ```
/// use sansocket::error::EntropyError;
/// use sansocket::handshake::{ExtendedConnect, Fields, HandshakeError};
/// use sansocket::{Config, ConnectRequest, Entropy, Instant};
/// # fn my_generator(bytes: &mut [u8]) -> Result<(), EntropyError> { bytes.fill(7); Ok(()) }
///
/// let config = Config::client(Entropy::from_fn(my_generator)).build()?;
/// let handshake = ExtendedConnect::new(&ConnectRequest::new("wss://example.com/")?, &config)?;
/// let fields = [("retry-after", &b"120"[..])];
/// let result = handshake.receive_response(503, Fields::new(&fields), Instant::from_micros(0));
/// let Err(HandshakeError::Status(response)) = result else { panic!("a refusal") };
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.fields().get_str("Retry-After"), Some("120"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ConnectResponse {
    head: RawHead,
    negotiated: Negotiated,
    body: Bytes,
    body_end: BodyEnd,
}

impl ConnectResponse {
    pub(crate) const fn new(head: RawHead) -> Self {
        Self { head, negotiated: Negotiated::new(), body: Bytes::new(), body_end: BodyEnd::Unread }
    }

    /// Copies the head of a response that was read by another HTTP library. `minor` is the minor
    /// version of HTTP/1.
    pub(crate) fn from_fields(status: u16, minor: u8, fields: Fields<'_>) -> Self {
        let mut head = RawHead::default();
        (head.line.status, head.line.minor) = (status, minor);
        head.push_fields(fields);
        Self::new(head)
    }

    /// Sets a refusal's body, and how it ended.
    pub(crate) fn set_body(&mut self, body: Bytes, end: BodyEnd) {
        (self.body, self.body_end) = (body, end);
    }

    /// Sets the negotiated subprotocol and extensions.
    pub(crate) fn set_negotiated(&mut self, negotiated: Negotiated) {
        self.negotiated = negotiated;
    }

    /// Returns the minor version of an HTTP/1 response.
    pub(crate) const fn minor_version(&self) -> u8 {
        self.head.line.minor
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.head.line.status
    }

    /// Returns the reason phrase of an HTTP/1.1 status line, a text for people in any encoding. It
    /// is empty over HTTP/2 and HTTP/3.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        self.head.reason()
    }

    /// Returns the fields in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        self.head.fields()
    }

    /// Returns the negotiated subprotocol and extensions; there are none if the response is a
    /// refusal.
    #[must_use]
    pub const fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// Returns the negotiated subprotocol: one of the offered ones, or `None`.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.negotiated.subprotocol()
    }

    /// Returns the negotiated compression; `None` if messages are not compressed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(&self) -> Option<crate::deflate::Agreement> {
        self.negotiated.deflate()
    }

    /// Returns the first Location field, the target of a redirect: a URL, or a reference relative
    /// to the URL of the request
    /// ([RFC 9110 section 10.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.2)). `None`
    /// too if it is not UTF-8.
    ///
    /// Redirects are not followed: the application decides which hosts get its credentials.
    /// [`ConnectRequest::new`](crate::ConnectRequest::new) takes `http://` and `https://` URLs too.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.fields().get_str("Location")
    }

    /// Returns a refusal's body, without its chunk framing and with its Content-Encoding, if any: at
    /// most [`max_refusal_body_len`](crate::config::ConfigBuilder::max_refusal_body_len) bytes.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns true if a refusal's body is longer than [`body`](Self::body), or might be:
    /// [`body_end`](Self::body_end) has the reason.
    #[must_use]
    pub const fn is_body_cut(&self) -> bool {
        !matches!(self.body_end, BodyEnd::Complete | BodyEnd::Unread)
    }

    /// Returns how the reading of a refusal's body has ended.
    #[must_use]
    pub const fn body_end(&self) -> BodyEnd {
        self.body_end
    }
}

/// Omits the values of fields and the body, which may be credentials.
impl fmt::Debug for ConnectResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectResponse")
            .field("status", &self.status())
            .field("reason", &Hidden::new(self.reason()))
            .field("fields", &self.fields())
            .field("body", &Hidden::new(&self.body))
            .field("body_end", &self.body_end)
            .finish_non_exhaustive()
    }
}
