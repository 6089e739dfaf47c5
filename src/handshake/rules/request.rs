//! The fields of a request, and the rules about them that all versions of HTTP share
//! ([RFC 6455 section 4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1)).

use crate::authority::Authority;
use crate::handshake::head::RequestHead;
use crate::handshake::refusal::Refusal;
use crate::http1::lists::{List, ListError};

/// The only supported version.
const VERSION: &[u8] = b"13";

/// The body of a 400 for offers that break the grammar of extensions.
pub(crate) const BAD_EXTENSIONS: &str = "Sec-WebSocket-Extensions breaks its grammar";

/// The positions of the parts of a valid request. They are indexes, not slices, so that they are
/// the same in a borrowed head and in its owned copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// The index of the Host field; `None` if the authority of the target replaces it.
    pub(crate) host_field: Option<usize>,
    /// The length of the host without its port.
    pub(crate) host_len: usize,
    pub(crate) port: Option<u16>,
    /// The index of the Sec-WebSocket-Key field.
    pub(crate) key: Option<usize>,
    /// The index of the Origin field.
    pub(crate) origin: Option<usize>,
}

/// The fields of the handshake, collected in one pass.
#[derive(Default)]
pub(crate) struct Collected<'h> {
    pub(crate) host: Once<'h>,
    pub(crate) key: Once<'h>,
    pub(crate) upgrade: Tokens,
    pub(crate) connection: Tokens,
    pub(crate) has_body: bool,
    version: Once<'h>,
    origin: Once<'h>,
    subprotocols: Tokens,
    extensions: Tokens,
}

/// A field that may occur only once.
#[derive(Clone, Copy, Default)]
pub(crate) struct Once<'h> {
    /// The first occurrence: its index among the fields, and its value.
    pub(crate) first: Option<(usize, &'h [u8])>,
    pub(crate) again: bool,
}

impl<'h> Once<'h> {
    fn add(&mut self, at: usize, value: &'h [u8]) {
        self.again = self.first.is_some();
        self.first.get_or_insert((at, value));
    }

    pub(crate) fn value(&self) -> Option<&'h [u8]> {
        self.first.map(|(_, value)| value)
    }

    fn place(&self) -> Option<usize> {
        self.first.map(|(at, _)| at)
    }
}

/// A list, collected from all of its lines.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tokens {
    list: List,
    /// The field is present.
    present: bool,
    /// The list has the wanted member.
    pub(crate) found: bool,
    /// A line breaks the grammar.
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

    /// Returns true if the field breaks its grammar, which requires at least one member.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken || (self.present && self.list.members() == 0)
    }
}

impl<'h> Collected<'h> {
    pub(crate) fn new(head: &RequestHead<'h>) -> Self {
        let mut all = Self::default();
        for (at, (name, value)) in head.fields().raw().enumerate() {
            // The length is compared first: it excludes most fields that are not part of the
            // handshake.
            match name.len() {
                4 if is(name, b"host") => all.host.add(at, value),
                6 if is(name, b"origin") => all.origin.add(at, value),
                7 if is(name, b"upgrade") => {
                    let found = all.upgrade.list.find_protocol(value, "websocket");
                    all.upgrade.add(found);
                }
                10 if is(name, b"connection") => {
                    let found = all.connection.list.find_token(value, "Upgrade");
                    all.connection.add(found);
                }
                // RFC 9112 6: either field announces a body. A body must not be read as frames, and
                // the frames after the head must not be read as a body.
                14 if is(name, b"content-length") => {
                    all.has_body |= value.iter().any(|&digit| digit != b'0');
                }
                17 if is(name, b"sec-websocket-key") => all.key.add(at, value),
                17 if is(name, b"transfer-encoding") => all.has_body = true,
                21 if is(name, b"sec-websocket-version") => all.version.add(at, value),
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

    /// Checks that the version is 13. If not, the response names 13 (RFC 6455 4.2.2(4)).
    pub(crate) fn check_version(&self) -> Result<(), Refusal> {
        // RFC 6455 11.3.5: it may not appear more than once.
        if self.version.again {
            return Err(Refusal::bad_request("there must be at most one Sec-WebSocket-Version"));
        }
        if self.version.value() != Some(VERSION) {
            return Err(Refusal::upgrade_required(
                "the only supported Sec-WebSocket-Version is 13",
            ));
        }
        Ok(())
    }

    /// Checks the choices of the client: subprotocols, extensions and origin.
    pub(crate) fn check_choices(&self) -> Result<(), Refusal> {
        // RFC 6455 4.2.1: a field that doesn't match its grammar MUST be refused.
        if self.subprotocols.is_broken() {
            return Err(Refusal::bad_request("Sec-WebSocket-Protocol is not a list of tokens"));
        }
        // RFC 6455 9.1: a violation of this grammar fails the handshake, even on a server without
        // extensions.
        if self.extensions.is_broken() {
            return Err(Refusal::bad_request(BAD_EXTENSIONS));
        }
        if self.origin.again || !self.origin.value().unwrap_or_default().is_ascii() {
            return Err(Refusal::bad_request("there must be at most one Origin field, in ASCII"));
        }
        Ok(())
    }

    /// Returns the facts of a request that has passed all checks. A key exists over HTTP/1.1 only.
    pub(crate) fn facts(&self, host: Authority<'_>, head: &RequestHead<'h>) -> Facts {
        let key = if head.version().has_pseudo_headers() { None } else { self.key.place() };
        Facts {
            host_field: if head.authority().is_some() { None } else { self.host.place() },
            host_len: host.host.len(),
            port: host.port,
            key,
            origin: self.origin.place(),
        }
    }
}

/// Compares a name with one in lower case, without regard to case. All bytes are compared without a
/// branch. Setting bit 0x20 converts letters to lower case. Among the characters of tokens it
/// leaves digits and the dash unchanged, and maps no other character to a letter or a dash.
#[inline]
fn is<const N: usize>(name: &[u8], wanted: &[u8; N]) -> bool {
    name.first_chunk::<N>().is_some_and(|name| {
        name.iter().zip(wanted).fold(true, |same, (a, b)| same & (a | 0x20 == *b))
    })
}
