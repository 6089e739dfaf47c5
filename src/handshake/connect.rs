//! The request of a client.

use core::fmt;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BytesMut;

use crate::error::extension::ExtensionError;
use crate::handshake::extensions::Extensions;
use crate::handshake::names::{is_websocket_field, read_subprotocols};
use crate::handshake::origin::is_origin;
use crate::http1::writer::{FieldError, FieldList, write_field};
use crate::kernel::hidden::Hidden;
use crate::negotiated::Negotiated;
use crate::url::{Url, UrlError};

/// The request of a client: URL, origin, subprotocols, compression and fields. Clones are cheap:
/// keep one for reconnects.
///
/// ```
/// use sansocket::ConnectRequest;
///
/// let request = ConnectRequest::new("wss://example.com/chat?room=1")?
///     .subprotocols(["chat.v2", "chat.v1"])?
///     .field("Authorization", "Bearer 0123")?;
/// assert_eq!((request.host(), request.port(), request.is_secure()), ("example.com", 443, true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectRequest(Arc<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    url: Url,
    origin: Option<Box<str>>,
    subprotocols: Box<[Box<str>]>,
    extensions: Extensions,
    fields: FieldList,
}

impl ConnectRequest {
    /// Parses a `ws://` or `wss://` URL. `http://` and `https://` mean the same.
    ///
    /// # Errors
    /// [`UrlError`]. Its text names the correction.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self(Arc::new(Parts {
            url: Url::parse(url)?,
            origin: None,
            subprotocols: Box::default(),
            extensions: Extensions::NONE,
            fields: FieldList::new(),
        })))
    }

    /// Sets the origin of the page for which a browser connects. Other programs don't need one.
    ///
    /// # Errors
    /// [`FieldError::InvalidOrigin`] unless it is `null` or `scheme://host[:port]`.
    pub fn origin(mut self, origin: &str) -> Result<Self, FieldError> {
        if !is_origin(origin.as_bytes()) {
            return Err(FieldError::InvalidOrigin);
        }
        Arc::make_mut(&mut self.0).origin = Some(origin.into());
        Ok(self)
    }

    /// Sets the subprotocols that the client supports, in its order of preference. If the server
    /// chooses none, the handshake succeeds: inspect
    /// [`Connection::subprotocol`](crate::Connection::subprotocol).
    ///
    /// # Errors
    /// [`FieldError`] if one is not a token, or is listed twice.
    pub fn subprotocols<I>(mut self, subprotocols: I) -> Result<Self, FieldError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        Arc::make_mut(&mut self.0).subprotocols = read_subprotocols(subprotocols)?.into();
        Ok(self)
    }

    /// Offers compression. Read the [security section](crate::deflate::Deflate#security) first.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: crate::deflate::Deflate) -> Self {
        Arc::make_mut(&mut self.0).extensions = Extensions::deflate(deflate);
        self
    }

    /// Adds a field to the request, such as Authorization or Cookie.
    ///
    /// # Errors
    /// [`FieldError`] if the name is not a token, if the value has a CR, LF or NUL, or if the
    /// handshake itself writes that field.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, FieldError> {
        let fields = &mut Arc::make_mut(&mut self.0).fields;
        fields.push(name, value.as_ref(), is_owned_by_request)?;
        Ok(self)
    }

    /// Returns the host to connect to: a name or an address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.url.host()
    }

    /// Returns the port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.url.port()
    }

    /// Returns true for `wss://`: the transport must be TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.url.is_secure()
    }

    /// Returns the path and the query.
    #[must_use]
    pub fn target(&self) -> &str {
        self.0.url.target()
    }

    /// Returns host and port in the form of the Host field and `:authority`.
    pub(crate) fn authority(&self) -> &str {
        self.0.url.authority()
    }

    /// Returns the subprotocols that the client has offered.
    pub(crate) fn offered_subprotocols(&self) -> impl Iterator<Item = &str> {
        self.0.subprotocols.iter().map(|name| &**name)
    }

    /// Returns true if the client has offered the subprotocol. Names are case-sensitive.
    pub(crate) fn offers(&self, subprotocol: &str) -> bool {
        self.offered_subprotocols().any(|offered| offered == subprotocol)
    }

    /// Checks the value of the response's Sec-WebSocket-Extensions.
    pub(crate) fn negotiate_extensions(
        &self,
        value: Option<&[u8]>,
    ) -> Result<Negotiated, ExtensionError> {
        self.0.extensions.agree(value)
    }

    /// Calls `each` with the fields that state the client's choices. They are the same for every
    /// version of HTTP.
    fn for_each_choice(&self, mut each: impl FnMut(&'static str, &[u8])) {
        if let Some(origin) = &self.0.origin {
            each("Origin", origin.as_bytes());
        }
        if !self.0.subprotocols.is_empty() {
            each("Sec-WebSocket-Protocol", self.0.subprotocols.join(", ").as_bytes());
        }
        if let Some(offer) = self.0.extensions.offer() {
            each("Sec-WebSocket-Extensions", offer.as_bytes());
        }
    }

    /// Appends the request with a fresh key (RFC 6455 4.1).
    pub(crate) fn write(&self, key: &[u8], out: &mut BytesMut) {
        out.extend_from_slice(b"GET ");
        out.extend_from_slice(self.target().as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        self.for_each_field(key, |name, value| write_field(name, value, out));
        out.extend_from_slice(b"\r\n");
    }

    /// Calls `each` with all fields of the request over HTTP/1.1, in their order.
    pub(crate) fn for_each_field(&self, key: &[u8], mut each: impl FnMut(&str, &[u8])) {
        each("Host", self.authority().as_bytes());
        each("Upgrade", b"websocket");
        each("Connection", b"Upgrade");
        each("Sec-WebSocket-Version", b"13");
        each("Sec-WebSocket-Key", key);
        self.for_each_choice(&mut each);
        for (name, value) in self.0.fields.iter() {
            each(name, value);
        }
    }

    /// Returns the fields in the form of HTTP/2 and HTTP/3, without those of an upgrade
    /// (RFC 8441 5).
    pub(crate) fn http2_fields(&self) -> FieldList {
        let mut fields = FieldList::new();
        fields.push_own("Sec-WebSocket-Version", "13");
        self.for_each_choice(|name, value| fields.push_checked(name, value));
        fields.append(&self.0.fields);
        fields.make_http2();
        fields
    }
}

/// Omits the values of fields and the query, which may be credentials. Subprotocols may be too,
/// since scripts in browsers can't set other fields.
impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { url, origin, subprotocols, fields, .. } = &*self.0;
        let subprotocols: Vec<Hidden> =
            subprotocols.iter().map(|name| Hidden::new(&**name)).collect();
        f.debug_struct("ConnectRequest")
            .field("url", url)
            .field("origin", &origin.as_deref().map(Hidden::new))
            .field("subprotocols", &subprotocols)
            .field("fields", fields)
            .finish_non_exhaustive()
    }
}

/// Returns true for the fields that the handshake itself writes, and for those that announce a
/// body.
fn is_owned_by_request(name: &str) -> bool {
    ["Connection", "Content-Length", "Host", "Origin", "Transfer-Encoding", "Upgrade"]
        .iter()
        .any(|owned| name.eq_ignore_ascii_case(owned))
        || is_websocket_field(name)
}
