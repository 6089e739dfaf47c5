//! A valid request for a WebSocket.

use crate::authority::Authority;
use crate::handshake::head::{OwnedRequestHead, RequestHead};
use crate::handshake::refusal::Refusal;
use crate::handshake::response::StatusError;
use crate::handshake::rules::request::Facts;
use crate::handshake::rules::{extended_connect, http1};
use crate::handshake::version::HttpVersion;
use crate::http1::lists::members;
use crate::kernel::class::is_token;

impl<'h> RequestHead<'h> {
    /// Returns true if the request is one for a WebSocket, valid or not: its Upgrade field lists
    /// `websocket` or, over HTTP/2 and HTTP/3, its `:protocol` is `websocket`.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        match self.version() {
            // RFC 9110 7.8: Upgrade MUST be ignored in HTTP/1.0.
            HttpVersion::Http10 => false,
            HttpVersion::Http11 => self.fields().get_all("Upgrade").any(|line| {
                members(line).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
            }),
            HttpVersion::Http2 | HttpVersion::Http3 => {
                self.protocol().is_some_and(extended_connect::is_websocket)
            }
        }
    }

    /// Checks the request against every rule of the opening handshake over its version of HTTP.
    ///
    /// # Errors
    /// [`Refusal`] with the response. Its table lists the statuses.
    pub fn upgrade(&self) -> Result<UpgradeRequest<'h>, Refusal> {
        let facts = match self.version() {
            HttpVersion::Http10 | HttpVersion::Http11 => http1::upgrade(self),
            HttpVersion::Http2 | HttpVersion::Http3 => extended_connect::upgrade(self),
        };
        match facts {
            Ok(facts) => Ok(UpgradeRequest { head: *self, facts }),
            Err(refusal) => Err(refusal.with_version(self.version())),
        }
    }
}

impl OwnedRequestHead {
    /// Returns true if the request is one for a WebSocket. See [`RequestHead::is_upgrade`].
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        self.as_head().is_upgrade()
    }

    /// Checks the request against every rule of the opening handshake.
    ///
    /// # Errors
    /// As [`RequestHead::upgrade`].
    pub fn upgrade(&self) -> Result<UpgradeRequest<'_>, Refusal> {
        self.as_head().upgrade()
    }

    /// Checks the request and keeps the head.
    ///
    /// # Errors
    /// As [`RequestHead::upgrade`].
    pub fn into_upgrade(self) -> Result<OwnedUpgradeRequest, Refusal> {
        let UpgradeRequest { facts, .. } = self.upgrade()?;
        Ok(OwnedUpgradeRequest { head: self, facts })
    }
}

/// A valid request for a WebSocket, borrowed from its head. The server accepts or refuses it.
///
/// ```
/// use sansocket::handshake::{Fields, Refusal, RequestHead};
/// use sansocket::AcceptOptions;
///
/// let fields = [
///     ("Host", &b"example.com"[..]),
///     ("Upgrade", b"websocket"),
///     ("Connection", b"Upgrade"),
///     ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
///     ("Sec-WebSocket-Version", b"13"),
///     ("Sec-WebSocket-Protocol", b"chat.v2, chat.v1"),
/// ];
/// let request = RequestHead::new("GET", "/chat", Fields::new(&fields)).upgrade()?;
/// assert_eq!((request.host(), request.origin()), ("example.com", None));
/// assert!(request.subprotocols().eq(["chat.v2", "chat.v1"]));
///
/// let refusal = request.refuse(401).unwrap(); // without credentials, for example
/// assert_eq!(refusal.status(), 401);
/// let accepted = request.accept(&AcceptOptions::new())?;
/// assert_eq!(accepted.status(), 101);
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UpgradeRequest<'h> {
    head: RequestHead<'h>,
    facts: Facts,
}

impl<'h> UpgradeRequest<'h> {
    /// Returns the head as received.
    #[must_use]
    pub const fn head(&self) -> &RequestHead<'h> {
        &self.head
    }

    /// Returns the path, percent-encoded.
    #[must_use]
    pub fn path(&self) -> &'h str {
        self.head.path()
    }

    /// Returns the query, percent-encoded, without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&'h str> {
        self.head.query()
    }

    /// Returns the requested host, with its port if the request has one.
    #[must_use]
    pub fn host(&self) -> &'h str {
        text(self.raw_host())
    }

    /// Returns the origin of the page with the script that connects; `None` for a client that is
    /// not a browser
    /// ([RFC 6455 section 4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1), item 7).
    #[must_use]
    pub fn origin(&self) -> Option<&'h str> {
        self.raw_origin().map(text)
    }

    /// Returns the subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'h str> + use<'h> {
        self.head
            .fields()
            .get_all("Sec-WebSocket-Protocol")
            .flat_map(members)
            .filter(|name| is_token(name))
            .map(text)
    }

    /// Returns the extensions that the client offers: the values of the fields, as received.
    pub fn extension_offers(&self) -> impl Iterator<Item = &'h [u8]> + use<'h> {
        self.head.fields().get_all("Sec-WebSocket-Extensions")
    }

    /// Refuses the request with another status, such as 401, 404 or a redirect.
    ///
    /// # Errors
    /// [`StatusError`] unless the status is from 200 to 599.
    pub fn refuse(&self, status: u16) -> Result<Refusal, StatusError> {
        Ok(Refusal::new(status)?.with_version(self.head.version()))
    }

    /// Copies the request, so that it can be stored, for example by an extractor of a web
    /// framework.
    #[must_use]
    pub fn into_owned(self) -> OwnedUpgradeRequest {
        OwnedUpgradeRequest { head: self.head.into_owned(), facts: self.facts }
    }

    /// Returns the host, split into name and port.
    pub(crate) fn authority(&self) -> Authority<'h> {
        let host = self.raw_host();
        Authority { host: host.get(..self.facts.host_len).unwrap_or(host), port: self.facts.port }
    }

    /// Returns the value of Sec-WebSocket-Key, which only HTTP/1.1 has.
    pub(crate) fn key(&self) -> Option<&'h [u8]> {
        self.head.fields().value_at(self.facts.key?)
    }

    /// Returns host and port, in ASCII.
    pub(crate) fn raw_host(&self) -> &'h [u8] {
        match self.facts.host_field {
            Some(at) => self.head.fields().value_at(at).unwrap_or_default(),
            None => self.head.authority().unwrap_or_default().as_bytes(),
        }
    }

    /// Returns the origin, in ASCII.
    pub(crate) fn raw_origin(&self) -> Option<&'h [u8]> {
        self.head.fields().value_at(self.facts.origin?)
    }
}

/// Converts a value that was found to be ASCII. The default is never used for it.
fn text(value: &[u8]) -> &str {
    core::str::from_utf8(value).unwrap_or_default()
}

/// A valid request for a WebSocket that owns its head.
///
/// It is created by [`OwnedRequestHead::into_upgrade`] or [`UpgradeRequest::into_owned`], for
/// requests with a response that is created later, or by another part of the program.
///
/// ```
/// use sansocket::AcceptOptions;
/// use sansocket::handshake::{Fields, OwnedUpgradeRequest, Refusal, RequestHead};
///
/// fn extract(fields: &[(&str, &[u8])]) -> Result<OwnedUpgradeRequest, Refusal> {
///     let head = RequestHead::new("GET", "/chat", Fields::new(fields));
///     Ok(head.upgrade()?.into_owned())
/// }
///
/// let request = extract(&[
///     ("Host", b"example.com"),
///     ("Upgrade", b"websocket"),
///     ("Connection", b"Upgrade"),
///     ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
///     ("Sec-WebSocket-Version", b"13"),
/// ])?;
/// let accepted = request.as_request().accept(&AcceptOptions::new())?;
/// assert_eq!(accepted.status(), 101);
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Clone, Debug)]
pub struct OwnedUpgradeRequest {
    head: OwnedRequestHead,
    facts: Facts,
}

impl OwnedUpgradeRequest {
    /// Returns the borrowed request, which has the methods to accept and refuse it.
    #[must_use]
    pub fn as_request(&self) -> UpgradeRequest<'_> {
        UpgradeRequest { head: self.head.as_head(), facts: self.facts }
    }

    /// Returns the head as received.
    #[must_use]
    pub const fn head(&self) -> &OwnedRequestHead {
        &self.head
    }
}
