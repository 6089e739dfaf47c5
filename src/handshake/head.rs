//! Heads of requests, independent of the parser that has read them.

use core::fmt;

use crate::handshake::version::HttpVersion;
use crate::http1::head::{Fields, Part, RawHead};
use crate::kernel::hidden::Hidden;

/// A borrowed request head, from the reader of this crate or from another HTTP server.
///
/// ```
/// use sansocket::handshake::{Fields, HttpVersion, RequestHead};
///
/// // From another HTTP/1.1 server:
/// let fields = [("Host", &b"example.com"[..]), ("Accept", b"text/html")];
/// let head = RequestHead::new("GET", "/chat?room=1", Fields::new(&fields));
/// assert!(!head.is_upgrade());
/// assert_eq!((head.path(), head.query()), ("/chat", Some("room=1")));
///
/// // From an HTTP/2 server, the values of :protocol, :scheme, :authority and :path:
/// let fields = [("sec-websocket-version", &b"13"[..])];
/// let fields = Fields::new(&fields);
/// let head =
///     RequestHead::extended_connect("websocket", "https", "example.com", "/chat", fields);
/// assert_eq!(head.version(), HttpVersion::Http2);
/// assert!(head.is_upgrade());
/// ```
#[derive(Clone, Copy)]
pub struct RequestHead<'h> {
    version: HttpVersion,
    method: &'h str,
    target: &'h str,
    scheme: Option<&'h str>,
    authority: Option<&'h str>,
    protocol: Option<&'h str>,
    fields: Fields<'h>,
}

impl<'h> RequestHead<'h> {
    /// Creates the head of an HTTP/1.1 request, or of any request by the setters below.
    ///
    /// `target` is the request target: path and query, or an absolute URL. Over HTTP/2 and HTTP/3
    /// it is the value of `:path`.
    #[must_use]
    pub const fn new(method: &'h str, target: &'h str, fields: Fields<'h>) -> Self {
        Self {
            version: HttpVersion::Http11,
            method,
            target,
            scheme: None,
            authority: None,
            protocol: None,
            fields,
        }
    }

    /// Creates the head of an extended CONNECT, which opens a WebSocket over HTTP/2 and HTTP/3
    /// ([RFC 8441 section 4](https://www.rfc-editor.org/rfc/rfc8441#section-4)). The arguments are
    /// the values of `:protocol`, `:scheme`, `:authority` and `:path`; each is empty if the request
    /// has none.
    ///
    /// A CONNECT without `:protocol` (`None`) requests a tunnel, not a WebSocket. The version is
    /// HTTP/2 unless [`with_version`](Self::with_version) sets another.
    #[must_use]
    pub fn extended_connect(
        protocol: impl Into<Option<&'h str>>,
        scheme: &'h str,
        authority: &'h str,
        path: &'h str,
        fields: Fields<'h>,
    ) -> Self {
        Self::new("CONNECT", path, fields)
            .with_version(HttpVersion::Http2)
            .with_protocol(protocol)
            .with_scheme(scheme)
            .with_authority(authority)
    }

    /// Sets the version of HTTP. The rules of the handshake and the form of its response depend on
    /// it, also for requests that don't request a WebSocket.
    #[must_use]
    pub const fn with_version(mut self, version: HttpVersion) -> Self {
        self.version = version;
        self
    }

    /// Sets the value of `:protocol`. It is ignored for HTTP/1.1, which has no such value.
    #[must_use]
    pub fn with_protocol(mut self, protocol: impl Into<Option<&'h str>>) -> Self {
        self.protocol = protocol.into();
        self
    }

    /// Sets the value of `:scheme`. An empty value means that the request has none.
    #[must_use]
    pub fn with_scheme(mut self, scheme: impl Into<Option<&'h str>>) -> Self {
        self.scheme = scheme.into().filter(|scheme| !scheme.is_empty());
        self
    }

    /// Sets the value of `:authority`. An empty value means that the request has none.
    #[must_use]
    pub fn with_authority(mut self, authority: impl Into<Option<&'h str>>) -> Self {
        self.authority = authority.into().filter(|authority| !authority.is_empty());
        self
    }

    /// Returns the version of HTTP.
    #[must_use]
    pub const fn version(&self) -> HttpVersion {
        self.version
    }

    /// Returns the method, which is case-sensitive.
    #[must_use]
    pub const fn method(&self) -> &'h str {
        self.method
    }

    /// Returns the target as received: path and query, or an absolute URL. For routing, use
    /// [`path`](Self::path).
    #[must_use]
    pub const fn target(&self) -> &'h str {
        self.target
    }

    /// Returns the target's path, percent-encoded; "/" if the target is a URL without a path.
    #[must_use]
    pub fn path(&self) -> &'h str {
        let Target { authority, path_and_query } = Target::new(self.target);
        match path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path) {
            "" if authority.is_some() => "/",
            path => path,
        }
    }

    /// Returns the target's query, percent-encoded, without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&'h str> {
        Target::new(self.target).path_and_query.split_once('?').map(|(_, query)| query)
    }

    /// Returns the value of `:scheme`.
    #[must_use]
    pub const fn scheme(&self) -> Option<&'h str> {
        self.scheme
    }

    /// Returns the value of `:authority`, or the authority of a target that is a URL. It takes
    /// precedence over a Host field
    /// ([RFC 9112 section 3.2.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2)).
    #[must_use]
    pub fn authority(&self) -> Option<&'h str> {
        self.authority.or_else(|| Target::new(self.target).authority)
    }

    /// Returns the value of `:protocol`.
    #[must_use]
    pub const fn protocol(&self) -> Option<&'h str> {
        self.protocol
    }

    /// Returns the fields in their order.
    #[must_use]
    pub const fn fields(&self) -> Fields<'h> {
        self.fields
    }

    /// Copies the head.
    #[must_use]
    pub fn into_owned(self) -> OwnedRequestHead {
        let mut raw = RawHead::default();
        raw.line.first = raw.push(self.method.as_bytes());
        raw.line.second = raw.push(self.target.as_bytes());
        let mut copy = |text: Option<&str>| text.map(|text| raw.push(text.as_bytes()));
        let (scheme, authority, protocol) =
            (copy(self.scheme), copy(self.authority), copy(self.protocol));
        raw.push_fields(self.fields);
        OwnedRequestHead { raw, version: self.version, scheme, authority, protocol }
    }
}

/// Omits the values of fields and queries, which may be credentials.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        // Other forms of targets, such as that of a CONNECT, may include a password.
        let path: &dyn fmt::Debug =
            if path.starts_with('/') { &path } else { &Hidden::new(self.target) };
        f.debug_struct("RequestHead")
            .field("version", &self.version)
            .field("method", &self.method)
            .field("path", path)
            .field("query", &self.query().map(Hidden::new))
            .field("scheme", &self.scheme)
            .field("authority", &self.authority().map(Hidden::new))
            .field("protocol", &self.protocol)
            .field("fields", &self.fields)
            .finish()
    }
}

/// The components of a request target (RFC 9112 3.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'h> {
    /// The authority of a target in absolute form with the scheme http, https, ws or wss.
    pub(crate) authority: Option<&'h str>,
    /// The rest of that target, or a complete target of another form.
    pub(crate) path_and_query: &'h str,
}

impl<'h> Target<'h> {
    pub(crate) fn new(target: &'h str) -> Self {
        if !target.starts_with('/')
            && let Some((scheme, rest)) = target.split_once("://")
            && ["http", "https", "ws", "wss"].iter().any(|s| scheme.eq_ignore_ascii_case(s))
        {
            let len = rest.find(['/', '?']).unwrap_or(rest.len());
            if let Some((authority, path_and_query)) = rest.split_at_checked(len) {
                return Self { authority: Some(authority), path_and_query };
            }
        }
        Self { authority: None, path_and_query: target }
    }
}

/// A request head that owns its bytes. It is read by
/// [`ServerHandshake`](crate::handshake::ServerHandshake), or copied by
/// [`RequestHead::into_owned`].
///
/// ```
/// use sansocket::handshake::ServerHandshake;
/// use sansocket::{Config, Input, Instant};
///
/// let now = Instant::from_micros(0);
/// let mut handshake = ServerHandshake::new(&Config::server().build()?, now);
/// let mut bytes = *b"GET /status?full HTTP/1.1\r\nHost: example.com\r\n\r\n";
/// let head = handshake.receive(&mut Input::new(now, &mut bytes))?.expect("the head is complete");
/// assert_eq!((head.path(), head.query()), ("/status", Some("full")));
/// assert_eq!(head.fields().get_str("Host"), Some("example.com"));
/// assert!(!head.is_upgrade()); // an ordinary page
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OwnedRequestHead {
    /// The parts of its first line are the method and the target.
    raw: RawHead,
    version: HttpVersion,
    scheme: Option<Part>,
    authority: Option<Part>,
    protocol: Option<Part>,
}

impl OwnedRequestHead {
    /// Creates the head of an HTTP/1.1 request.
    pub(crate) const fn from_raw(raw: RawHead) -> Self {
        Self { raw, version: HttpVersion::Http11, scheme: None, authority: None, protocol: None }
    }

    /// Returns the borrowed head, which has more methods.
    #[must_use]
    pub fn as_head(&self) -> RequestHead<'_> {
        let text = |part: &Option<Part>| part.map(|part| self.raw.text(part));
        RequestHead {
            version: self.version,
            method: self.method(),
            target: self.target(),
            scheme: text(&self.scheme),
            authority: text(&self.authority),
            protocol: text(&self.protocol),
            fields: self.fields(),
        }
    }

    /// Returns the version of HTTP.
    #[must_use]
    pub const fn version(&self) -> HttpVersion {
        self.version
    }

    /// Returns the method, which is case-sensitive.
    #[must_use]
    pub fn method(&self) -> &str {
        self.raw.method()
    }

    /// Returns the target as received: path and query, or an absolute URL. For routing, use
    /// [`path`](Self::path).
    #[must_use]
    pub fn target(&self) -> &str {
        self.raw.target()
    }

    /// Returns the target's path, percent-encoded; "/" if the target is a URL without a path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.as_head().path()
    }

    /// Returns the target's query, percent-encoded, without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.as_head().query()
    }

    /// Returns the fields in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        self.raw.fields()
    }
}

/// Shows the same as the `Debug` form of [`RequestHead`].
impl fmt::Debug for OwnedRequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedRequestHead").field(&self.as_head()).finish()
    }
}
