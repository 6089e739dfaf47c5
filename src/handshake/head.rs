//! One view of a request, whoever has read it.

use crate::http1::head::{Fields, RawHead};

/// The version of HTTP that carries a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http11,
}

/// One view of a request, whoever has read it: this crate's reader, or another HTTP server.
///
/// ```
/// use sansocket::RequestHead;
/// use sansocket::handshake::Fields;
///
/// // From another HTTP/1.1 server:
/// let fields = [("Host", &b"example.com"[..]), ("Accept", b"text/html")];
/// let request = RequestHead::new("GET", "/chat?room=1", Fields::new(&fields));
/// assert!(!request.is_upgrade());
/// assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'h> {
    /// Which version of HTTP carries it.
    pub version: HttpVersion,
    /// The method, which is case-sensitive.
    pub method: &'h str,
    /// The target: path and query, or a whole URL.
    pub target: &'h str,
    /// The fields, in their order.
    pub fields: Fields<'h>,
}

impl<'h> RequestHead<'h> {
    /// Makes a view of an HTTP/1.1 request that somebody else has read.
    #[must_use]
    pub const fn new(method: &'h str, target: &'h str, fields: Fields<'h>) -> Self {
        Self { version: HttpVersion::Http11, method, target, fields }
    }

    /// Returns the target's path, still percent-encoded; "/" if it is a URL without one.
    #[must_use]
    pub fn path(&self) -> &'h str {
        let path = Target::new(self.target).path_and_query;
        match path.split_once('?').map_or(path, |(path, _)| path) {
            "" => "/",
            path => path,
        }
    }

    /// Returns the target's query, still percent-encoded, without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&'h str> {
        Target::new(self.target).path_and_query.split_once('?').map(|(_, query)| query)
    }
}

/// A request target, taken apart (RFC 9112 3.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'h> {
    /// The authority of an absolute-form target, where it names http, https, ws or wss.
    pub(crate) authority: Option<&'h str>,
    /// All of a target of another form.
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

/// A request that [`ServerHandshake`](crate::ServerHandshake) has read.
#[derive(Clone, Debug)]
pub struct OwnedRequestHead(pub(crate) RawHead);

impl OwnedRequestHead {
    /// Returns the method, which is case-sensitive.
    #[must_use]
    pub fn method(&self) -> &str {
        self.0.method()
    }

    /// Returns the target: path and query, or a whole URL.
    #[must_use]
    pub fn target(&self) -> &str {
        self.0.target()
    }

    /// Returns the fields, in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        self.0.fields()
    }

    /// Returns the view that knows the rules of the handshake.
    #[must_use]
    pub fn as_request(&self) -> RequestHead<'_> {
        RequestHead::new(self.method(), self.target(), self.fields())
    }
}
