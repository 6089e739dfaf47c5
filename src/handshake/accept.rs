//! The response that opens a WebSocket
//! ([RFC 6455 section 4.2.2](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2)).

use core::fmt;

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BytesMut;

use crate::config::Config;
use crate::connection::Connection;
use crate::handshake::accept_key::AcceptKey;
use crate::handshake::excerpt::Excerpt;
use crate::handshake::extensions::Extensions;
use crate::handshake::names::{is_websocket_field, read_subprotocols};
use crate::handshake::origin::OriginPolicy;
use crate::handshake::refusal::Refusal;
use crate::handshake::rules::request::BAD_EXTENSIONS;
use crate::handshake::upgrade::UpgradeRequest;
use crate::handshake::version::HttpVersion;
use crate::http1::writer::{FieldError, FieldList, write_field};
use crate::instant::Instant;
use crate::kernel::hidden::Hidden;
use crate::negotiated::Negotiated;
use crate::role::Role;

/// The rules by which a server accepts requests: origins, subprotocols, compression, and fields of
/// the responses. Create one value and share it among all connections.
///
/// ```
/// use sansocket::AcceptOptions;
/// use sansocket::handshake::OriginPolicy;
///
/// let options = AcceptOptions::new()
///     .origins(OriginPolicy::list(["https://example.com", "http://localhost:8080"])?)
///     .subprotocols(["chat.v2", "chat.v1"])?
///     .field("Server", "example")?;
/// # drop(options);
/// # Ok::<(), sansocket::handshake::FieldError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct AcceptOptions {
    origins: OriginPolicy,
    allow_missing_origin: bool,
    subprotocols: Vec<Box<str>>,
    extensions: Extensions,
    fields: Option<Arc<FieldList>>,
}

impl Default for AcceptOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl AcceptOptions {
    /// Creates the default options: pages of the same host and clients that are not browsers are
    /// accepted; no subprotocols, no compression, no further fields.
    pub const fn new() -> Self {
        Self {
            origins: OriginPolicy::SameHost,
            allow_missing_origin: true,
            subprotocols: Vec::new(),
            extensions: Extensions::NONE,
            fields: None,
        }
    }

    /// Sets the origins of the pages that may connect.
    pub fn origins(mut self, policy: OriginPolicy) -> Self {
        self.origins = policy;
        self
    }

    /// Sets whether a request without an Origin field is accepted. Browsers always send the field;
    /// most other clients don't.
    pub const fn allow_missing_origin(mut self, allow: bool) -> Self {
        self.allow_missing_origin = allow;
        self
    }

    /// Sets the subprotocols that the server supports, in its order of preference. The first one
    /// that the client offers is chosen. For another choice, inspect
    /// [`UpgradeRequest::subprotocols`] and set only the chosen one.
    ///
    /// If there is no match, the request is accepted without a subprotocol. Browsers fail the
    /// connection in that case; other clients may continue. To refuse such a request, inspect
    /// [`UpgradeRequest::subprotocols`] and call [`UpgradeRequest::refuse`].
    ///
    /// # Errors
    /// [`FieldError`] if one is not a token, or is listed twice.
    pub fn subprotocols<I>(mut self, subprotocols: I) -> Result<Self, FieldError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.subprotocols = read_subprotocols(subprotocols)?;
        Ok(self)
    }

    /// Enables compression, which is used if the client offers it. Read the
    /// [security section](crate::deflate::Deflate#security) first.
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, deflate: crate::deflate::Deflate) -> Self {
        self.extensions = Extensions::deflate(deflate);
        self
    }

    /// Adds a field to the response. The same name can be added several times. Over HTTP/2 and
    /// HTTP/3 the name is sent in lower case, and Keep-Alive and other fields that are specific to
    /// a connection are not sent.
    ///
    /// # Errors
    /// [`FieldError`] if the name is not a token, if the value has a CR, LF or NUL, or if the
    /// handshake itself writes that field.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, FieldError> {
        let fields = Arc::make_mut(self.fields.get_or_insert_default());
        fields.push(name, value.as_ref(), is_owned_by_response)?;
        Ok(self)
    }
}

/// Returns true for the fields that the handshake itself writes, and for those that determine the
/// end of a body.
fn is_owned_by_response(name: &str) -> bool {
    ["Connection", "Content-Length", "Transfer-Encoding", "Upgrade"]
        .iter()
        .any(|owned| name.eq_ignore_ascii_case(owned))
        || is_websocket_field(name)
}

impl UpgradeRequest<'_> {
    /// Accepts the request if the options allow its origin.
    ///
    /// # Errors
    /// [`Refusal`] 403 if they don't allow it.
    pub fn accept(&self, options: &AcceptOptions) -> Result<Accepted, Refusal> {
        let version = self.head().version();
        self.check_origin(options).map_err(|refusal| refusal.with_version(version))?;
        let mut negotiated = Negotiated::new();
        // RFC 6455 4.2.2(5.5): one of the client's subprotocols, or none.
        let chosen = options.subprotocols.iter().find(|own| {
            let own: &str = own;
            self.subprotocols().any(|offered| offered == own)
        });
        if let Some(chosen) = chosen {
            negotiated = negotiated.with_subprotocol(chosen);
        }
        let (negotiated, extensions) = options
            .extensions
            .answer(self.extension_offers(), negotiated)
            .map_err(|_| Refusal::bad_request(BAD_EXTENSIONS).with_version(version))?;
        let mut accepted = Accepted {
            version,
            key: self.key().map(AcceptKey::new),
            negotiated,
            extensions,
            fields: options.fields.clone(),
        };
        accepted.adapt();
        Ok(accepted)
    }

    /// RFC 6455 4.2.2(4): the response to an origin that is not acceptable MUST be an error.
    fn check_origin(&self, options: &AcceptOptions) -> Result<(), Refusal> {
        let Some(origin) = self.raw_origin() else {
            return if options.allow_missing_origin {
                Ok(())
            } else {
                let message = "the request has no Origin: see AcceptOptions::allow_missing_origin";
                Err(Refusal::forbidden(message, None))
            };
        };
        if options.origins.allows(origin, self.raw_host(), self.authority()) {
            return Ok(());
        }
        let origin = Excerpt(origin);
        let (against, detail) = match &options.origins {
            OriginPolicy::List(list) => {
                ("not on the list".into(), Some(format!("the list: {list}").into()))
            }
            OriginPolicy::SameHost | OriginPolicy::Any => {
                (format!("not that of the host {}", Excerpt(self.host().as_bytes())), None)
            }
        };
        let message = format!("the origin {origin} is {against}: see AcceptOptions::origins");
        Err(Refusal::forbidden(message, detail))
    }
}

/// The response that opens a WebSocket. Send it, then use the connection.
///
/// ```
/// use sansocket::handshake::{Fields, Refusal, RequestHead};
/// use sansocket::{AcceptOptions, Config, Instant};
///
/// // Over HTTP/2 the server's HTTP library sends `status` and `fields`.
/// let fields = [("sec-websocket-version", &b"13"[..])];
/// let head = RequestHead::extended_connect(
///     "websocket",
///     "https",
///     "example.com",
///     "/chat",
///     Fields::new(&fields),
/// );
/// let accepted =
///     head.upgrade()?.accept(&AcceptOptions::new())?.with_field("Set-Cookie", "a=1").unwrap();
/// assert_eq!(accepted.status(), 200);
/// assert!(accepted.fields().eq([("set-cookie", &b"a=1"[..])]));
///
/// let config = Config::server().build().unwrap();
/// let connection = accepted.into_connection(&config, Instant::from_micros(0));
/// assert!(connection.is_open());
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Accepted {
    version: HttpVersion,
    /// `None` over HTTP/2 and HTTP/3: an extended CONNECT has no key (RFC 8441 5).
    key: Option<AcceptKey>,
    negotiated: Negotiated,
    /// The value of Sec-WebSocket-Extensions.
    extensions: Option<Box<str>>,
    /// The further fields, in the form of `version`.
    fields: Option<Arc<FieldList>>,
}

impl Accepted {
    /// Adds a field to this response only, such as a cookie.
    ///
    /// # Errors
    /// As [`AcceptOptions::field`].
    pub fn with_field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, FieldError> {
        let fields = Arc::make_mut(self.fields.get_or_insert_default());
        fields.push(name, value.as_ref(), is_owned_by_response)?;
        self.adapt();
        Ok(self)
    }

    /// Converts the fields to the form of the version.
    fn adapt(&mut self) {
        if self.version.has_pseudo_headers()
            && let Some(fields) = &mut self.fields
            && !fields.is_http2()
        {
            Arc::make_mut(fields).make_http2();
        }
    }

    /// Returns the version of HTTP of the request.
    #[must_use]
    pub const fn version(&self) -> HttpVersion {
        self.version
    }

    /// Returns the status: 101, or 200 over HTTP/2 and HTTP/3.
    #[must_use]
    pub const fn status(&self) -> u16 {
        if self.version.has_pseudo_headers() { 200 } else { 101 }
    }

    /// Returns the fields, for a response that another HTTP server writes. Over HTTP/2 and HTTP/3
    /// names are in lower case.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let [protocol, extensions] = if self.version.has_pseudo_headers() {
            ["sec-websocket-protocol", "sec-websocket-extensions"]
        } else {
            ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"]
        };
        // RFC 6455 4.2.2(5.2, 5.3)
        let upgrade = self.key.iter().flat_map(|key| {
            [
                ("Upgrade", &b"websocket"[..]),
                ("Connection", b"Upgrade"),
                ("Sec-WebSocket-Accept", key.as_bytes()),
            ]
        });
        upgrade
            .chain(self.negotiated.subprotocol().map(|chosen| (protocol, chosen.as_bytes())))
            .chain(self.extensions.as_deref().map(|value| (extensions, value.as_bytes())))
            .chain(self.fields.iter().flat_map(|fields| fields.iter()))
    }

    /// Appends the response in the form of HTTP/1.1.
    ///
    /// Responses over HTTP/2 and HTTP/3 don't have this form. For them no bytes are appended: send
    /// [`status`](Self::status) and [`fields`](Self::fields).
    pub fn write(&self, out: &mut BytesMut) {
        // RFC 6455 4.2.2(5)
        const START: &[u8; 97] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Accept: ";
        let Some(key) = &self.key else { return };
        // Enough for the response without further fields: at most one allocation.
        out.reserve(160);
        out.extend_from_slice(START);
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\r\n");
        if let Some(chosen) = self.negotiated.subprotocol() {
            write_field("Sec-WebSocket-Protocol", chosen.as_bytes(), out);
        }
        if let Some(extensions) = &self.extensions {
            write_field("Sec-WebSocket-Extensions", extensions.as_bytes(), out);
        }
        if let Some(fields) = &self.fields {
            fields.write(out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Returns the negotiated subprotocol and extensions.
    #[must_use]
    pub const fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// Creates the connection. Its first frames are the rest of the input.
    #[must_use]
    pub fn into_connection(self, config: &Config, now: Instant) -> Connection {
        Connection::new(Role::Server, config, &self.negotiated, now)
    }
}

/// Omits the values of fields, which may be credentials.
impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<(&str, Hidden)> =
            self.fields().map(|(name, value)| (name, Hidden::new(value))).collect();
        f.debug_struct("Accepted")
            .field("version", &self.version)
            .field("status", &self.status())
            .field("fields", &fields)
            .finish()
    }
}
