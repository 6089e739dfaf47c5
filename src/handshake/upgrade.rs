//! The one validator of a server's opening handshake
//! ([RFC 6455 section 4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1)).

use crate::authority::Authority;
use crate::handshake::accept_key::is_key;
use crate::handshake::head::{RequestHead, Target};
use crate::handshake::refusal::Refusal;
use crate::handshake::response::StatusError;
use crate::http1::lists::{List, ListError, members};
use crate::kernel::class::is_token;

/// The only version there is.
const VERSION: &[u8] = b"13";

/// What is said where they break their grammar.
pub(crate) const BAD_EXTENSIONS: &str = "Sec-WebSocket-Extensions breaks its grammar";

/// A request for a WebSocket that keeps every rule of the handshake: accept it or refuse it.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeRequest<'h> {
    head: RequestHead<'h>,
    host: &'h [u8],
    authority: Authority<'h>,
    key: &'h [u8],
    origin: Option<&'h [u8]>,
}

/// The fields of the handshake, collected in one pass.
#[derive(Default)]
struct Collected<'h> {
    host: Once<'h>,
    key: Once<'h>,
    version: Once<'h>,
    origin: Once<'h>,
    upgrade: Tokens,
    connection: Tokens,
    subprotocols: Tokens,
    extensions: Tokens,
    has_body: bool,
}

/// A field that may be there once only.
#[derive(Clone, Copy, Default)]
struct Once<'h> {
    value: Option<&'h [u8]>,
    again: bool,
}

impl<'h> Once<'h> {
    fn add(&mut self, value: &'h [u8]) {
        self.again = self.value.is_some();
        self.value.get_or_insert(value);
    }
}

/// A list over all of its lines.
#[derive(Clone, Copy, Default)]
struct Tokens {
    list: List,
    /// There is such a field.
    present: bool,
    /// It names what it should.
    found: bool,
    /// It breaks the grammar.
    broken: bool,
}

impl Tokens {
    fn add(&mut self, found: Result<bool, ListError>) {
        self.present = true;
        match found {
            Ok(found) => self.found |= found,
            Err(_) => self.broken = true,
        }
    }

    /// The grammar wants one member at least.
    fn is_broken(&self) -> bool {
        self.broken || (self.present && self.list.members() == 0)
    }
}

impl<'h> Collected<'h> {
    fn new(head: &RequestHead<'h>) -> Self {
        let mut all = Self::default();
        for (name, value) in head.fields.raw() {
            // The length first: most fields are none of ours.
            match name.len() {
                4 if is(name, b"host") => all.host.add(value),
                6 if is(name, b"origin") => all.origin.add(value),
                7 if is(name, b"upgrade") => {
                    let found = all.upgrade.list.find_protocol(value, "websocket");
                    all.upgrade.add(found);
                }
                10 if is(name, b"connection") => {
                    let found = all.connection.list.find_token(value, "Upgrade");
                    all.connection.add(found);
                }
                // RFC 9112 6: either of them announces a body. The frames that follow the head
                // must not be taken for it, nor it for frames.
                14 if is(name, b"content-length") => {
                    all.has_body |= value.iter().any(|&digit| digit != b'0');
                }
                17 if is(name, b"sec-websocket-key") => all.key.add(value),
                17 if is(name, b"transfer-encoding") => all.has_body = true,
                21 if is(name, b"sec-websocket-version") => all.version.add(value),
                22 if is(name, b"sec-websocket-protocol") => {
                    let found = all.subprotocols.list.find_token(value, "");
                    all.subprotocols.add(found);
                }
                24 if is(name, b"sec-websocket-extensions") => {
                    let checked = all.extensions.list.read_extensions(value, |_| {});
                    all.extensions.add(checked.map(|()| true));
                }
                _ => {}
            }
        }
        all
    }
}

/// Compares without regard to case with a name in lower case, all bytes at once. Names are tokens:
/// among those the one bit makes letters small, and leaves the dash alone.
#[inline]
fn is<const N: usize>(name: &[u8], wanted: &[u8; N]) -> bool {
    name.first_chunk::<N>().is_some_and(|name| {
        name.iter().zip(wanted).fold(true, |same, (a, b)| same & (a | 0x20 == *b))
    })
}

impl<'h> RequestHead<'h> {
    /// Tells whether the request asks for a WebSocket, rightly or wrongly: whether its Upgrade
    /// names `websocket`. All others are for somebody else.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        self.fields
            .get_all("Upgrade")
            .any(|line| members(line).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket")))
    }

    /// Checks every rule of the opening handshake.
    ///
    /// # Errors
    /// [`Refusal`] with the answer: 405 for another method than GET, 426 where no WebSocket, or
    /// another version of it, is asked for, 400 for all else.
    pub fn upgrade(&self) -> Result<UpgradeRequest<'h>, Refusal> {
        let all = Collected::new(self);
        let bad = |message| Err(Refusal::bad_request(message));
        // RFC 6455 4.2.1(3): an Upgrade field with the value "websocket", whatever its case.
        if all.upgrade.is_broken() {
            return bad("the Upgrade field is not a list of protocols");
        }
        if !all.upgrade.found {
            return Err(Refusal::upgrade_required(
                "this is a WebSocket endpoint: the request has no Upgrade to websocket",
            ));
        }
        // RFC 6455 4.2.1(1): a GET of a resource name, or of an absolute URL.
        if self.method != "GET" {
            return Err(Refusal::method());
        }
        let target = Target::new(self.target);
        if !target.path_and_query.starts_with('/') && target.authority.is_none() {
            return bad("the request target is neither a path nor a URL");
        }
        if all.has_body {
            return bad("a request for a WebSocket can't have a body");
        }
        // RFC 6455 4.2.1(4): the token Upgrade, whatever its case.
        if all.connection.is_broken() || !all.connection.found {
            return bad("the Connection field doesn't name Upgrade");
        }
        // RFC 6455 11.3.5, 11.3.1: neither may appear more than once.
        if all.version.again || all.key.again {
            return bad("Sec-WebSocket-Version and Sec-WebSocket-Key may be there once only");
        }
        // RFC 6455 4.2.2(4): the version MUST be 13, or the answer names what is understood.
        if all.version.value != Some(VERSION) {
            return Err(Refusal::upgrade_required("the only Sec-WebSocket-Version here is 13"));
        }
        // RFC 6455 4.2.1(5): a value that decodes to 16 bytes.
        let Some(key) = all.key.value.filter(|key| is_key(key)) else {
            return bad("Sec-WebSocket-Key is missing or not 16 bytes in base64");
        };
        // RFC 6455 4.2.1(2), RFC 9112 3.2: exactly one, and with a target that is a URL, the
        // URL's authority counts.
        let host = all.host.value.filter(|_| !all.host.again);
        let Some(host) = host.map(|host| target.authority.map_or(host, str::as_bytes)) else {
            return bad("there must be exactly one valid Host field");
        };
        let Ok(authority) = Authority::parse(host) else {
            return bad("the host is missing or no host");
        };
        // RFC 6455 4.2.1: whatever doesn't fit the grammar MUST be refused.
        if all.subprotocols.is_broken() {
            return bad("Sec-WebSocket-Protocol is not a list of tokens");
        }
        // RFC 6455 9.1: a breach of this grammar fails the handshake, also where nothing that is
        // offered in it will be looked at.
        if all.extensions.is_broken() {
            return bad(BAD_EXTENSIONS);
        }
        let origin = all.origin.value;
        if all.origin.again || !origin.unwrap_or_default().is_ascii() {
            return bad("there may be one Origin field only, in ASCII");
        }
        Ok(UpgradeRequest { head: *self, host, authority, key, origin })
    }
}

/// What was found to be ASCII.
fn text(value: &[u8]) -> &str {
    core::str::from_utf8(value).unwrap_or_default()
}

impl<'h> UpgradeRequest<'h> {
    /// Returns the request as it came.
    #[must_use]
    pub const fn head(&self) -> &RequestHead<'h> {
        &self.head
    }

    /// Returns the target: path and query, or a whole URL.
    #[must_use]
    pub const fn target(&self) -> &'h str {
        self.head.target
    }

    /// Returns the path, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &'h str {
        self.head.path()
    }

    /// Returns the query, still percent-encoded, without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&'h str> {
        self.head.query()
    }

    /// Returns the host that was asked for, with its port if the client named one.
    #[must_use]
    pub fn host(&self) -> &'h str {
        text(self.host)
    }

    /// Returns the origin of the page whose script connects; `None`: the client is no browser
    /// ([RFC 6455 section 4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1), item 7).
    #[must_use]
    pub fn origin(&self) -> Option<&'h str> {
        self.origin.map(text)
    }

    /// Returns the subprotocols that the client speaks, the one it likes best first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'h str> + use<'h> {
        self.head
            .fields
            .get_all("Sec-WebSocket-Protocol")
            .flat_map(members)
            .filter(|name| is_token(name))
            .map(text)
    }

    /// Returns the extensions that the client offers, one text for each field, as they came.
    pub fn extension_offers(&self) -> impl Iterator<Item = &'h [u8]> + use<'h> {
        self.head.fields.get_all("Sec-WebSocket-Extensions")
    }

    /// Refuses the request with your own status: 401, 404, a redirect.
    ///
    /// # Errors
    /// [`StatusError`] unless the status is from 200 to 599.
    pub fn refuse(&self, status: u16) -> Result<Refusal, StatusError> {
        Refusal::new(status)
    }

    pub(crate) const fn raw_origin(&self) -> Option<&'h [u8]> {
        self.origin
    }

    /// The host, taken apart.
    pub(crate) const fn authority(&self) -> Authority<'h> {
        self.authority
    }

    pub(crate) const fn key(&self) -> &'h [u8] {
        self.key
    }
}
