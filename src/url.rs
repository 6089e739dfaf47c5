//! `ws://` and `wss://` URLs
//! ([RFC 6455 section 3](https://www.rfc-editor.org/rfc/rfc6455#section-3)).

use core::fmt;
use core::net::Ipv4Addr;

use alloc::boxed::Box;
use alloc::format;

use crate::authority::{Authority, AuthorityError};
use crate::kernel::class::{PATH, find_unencoded};
use crate::kernel::hidden::Hidden;

/// A valid URL, split into the parts that a client needs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    secure: bool,
    /// The host, without the brackets of an IPv6 address.
    host: Box<str>,
    port: u16,
    /// The value of the Host field.
    authority: Box<str>,
    /// Path and query.
    target: Box<str>,
}

impl Url {
    /// Parses a URL and checks each component of it.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let (secure, rest) = if let Some(rest) = strip_scheme(text, "wss://") {
            (true, rest)
        } else if let Some(rest) = strip_scheme(text, "ws://") {
            (false, rest)
        } else {
            return Err(UrlError::Scheme);
        };
        // RFC 6455 3: fragment identifiers MUST NOT be used; "#" MUST be written as %23.
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(authority_len).ok_or(UrlError::Host)?;
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        if let Some(error) = percent_error(authority) {
            return Err(error);
        }
        let authority = Authority::parse(authority.as_bytes()).map_err(|error| match error {
            AuthorityError::Host => UrlError::Host,
            AuthorityError::Port => UrlError::Port,
        })?;
        let host = text_of(authority.host);
        if is_ambiguous_number(host) {
            return Err(UrlError::NumericHost);
        }
        let default_port = if secure { 443 } else { 80 };
        let port = authority.port.unwrap_or(default_port);
        if port == 0 {
            return Err(UrlError::Port);
        }
        if let Some(at) = find_unencoded(target.as_bytes(), PATH) {
            // All bytes before `at` are ASCII, so a character starts at `at`.
            let c = target.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
            return Err(UrlError::Character(c));
        }
        Ok(Self {
            secure,
            host: text_of(authority.bare_host()).into(),
            port,
            // RFC 6455 4.1(4): the Host field has a port unless it is the default of the scheme.
            authority: if port == default_port {
                host.into()
            } else {
                format!("{host}:{port}").into()
            },
            // RFC 6455 3: an empty path is "/".
            target: if target.starts_with('/') {
                target.into()
            } else {
                format!("/{target}").into()
            },
        })
    }

    pub(crate) const fn is_secure(&self) -> bool {
        self.secure
    }

    pub(crate) const fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) const fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) const fn target(&self) -> &str {
        &self.target
    }
}

/// Omits the query, which may hold a token.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(Hidden::new(query))),
            None => (&*self.target, None),
        };
        f.debug_struct("Url")
            .field("secure", &self.secure)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("path", &path)
            .field("query", &query)
            .finish()
    }
}

/// Converts a host that the parser has accepted. Such a host is ASCII, so the default is never
/// used.
fn text_of(host: &[u8]) -> &str {
    core::str::from_utf8(host).unwrap_or_default()
}

/// Returns the error of a `%` in the host. RFC 3986 3.2.2 allows percent-encoded names, but
/// resolvers and checks of [`host`](Url::host) don't decode them.
fn percent_error(authority: &str) -> Option<UrlError> {
    let (host, error) = match authority.strip_prefix('[') {
        Some(address) => (address.split(']').next(), UrlError::Zone),
        None => (authority.split(':').next(), UrlError::EncodedHost),
    };
    host.is_some_and(|host| host.contains('%')).then_some(error)
}

/// Returns true if some resolvers read the host as an IPv4 address of another spelling: many read
/// `2130706433`, `0x7f.1` and `0177.0.0.1` as 127.0.0.1. A check of the host against a list would
/// miss these. The last label decides, as in the
/// [URL standard](https://url.spec.whatwg.org/#ends-in-a-number-checker): no name ends in a number.
fn is_ambiguous_number(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default().as_bytes();
    let is_number = match last {
        [] => false,
        [b'0', b'x' | b'X', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
        digits => digits.iter().all(u8::is_ascii_digit),
    };
    // `Ipv4Addr` accepts only four decimal numbers without leading zeros.
    is_number && host.parse::<Ipv4Addr>().is_err()
}

/// Removes `scheme` from the front of `text`, without regard to case (RFC 6455 3).
fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (first, rest) = text.split_at_checked(scheme.len())?;
    first.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// The URL of a [`ConnectRequest`](crate::ConnectRequest) is not usable. The text of the error
/// names the correction.
///
/// ```
/// use sansocket::ConnectRequest;
/// use sansocket::handshake::UrlError;
///
/// assert_eq!(ConnectRequest::new("https://example.com/").unwrap_err(), UrlError::Scheme);
/// assert_eq!(ConnectRequest::new("ws://0x7f.1/").unwrap_err(), UrlError::NumericHost);
/// assert_eq!(ConnectRequest::new("ws://example.com/a b").unwrap_err(), UrlError::Character(' '));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is neither `ws://` nor `wss://`.
    Scheme,
    /// A fragment (`#`), which RFC 6455 section 3 forbids.
    Fragment,
    /// A user name or password before the host, which would not reach the server.
    UserInfo,
    /// No host, or a host that is neither a name, an IPv4 address nor an IPv6 address in brackets.
    Host,
    /// A percent-encoded character in the host.
    EncodedHost,
    /// A host that ends in a number and is not an IPv4 address of four plain decimal numbers, such
    /// as `127.1` or `0x7f.0.0.1`: its meaning depends on the resolver.
    NumericHost,
    /// An IPv6 address with a zone, such as `[fe80::1%25eth0]`: a zone has a meaning on one machine
    /// only ([RFC 6874](https://www.rfc-editor.org/rfc/rfc6874)).
    Zone,
    /// A port that is not a number from 1 to 65535.
    Port,
    /// A character that is not allowed unencoded in a path or query, or a `%` without two hex
    /// digits.
    Character(char),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => {
                "the URL doesn't begin with ws:// or wss://: replace http:// with ws://, https:// \
                 with wss://"
            }
            Self::Fragment => "the URL has a fragment: leave it out, or write # as %23",
            Self::UserInfo => {
                "the URL has a user name: leave it out, and send an Authorization field"
            }
            Self::Host => {
                "the URL has no valid host: use a name in ASCII, an IPv4 address, or an IPv6 \
                 address in brackets"
            }
            Self::EncodedHost => "the URL's host has a %: write the name without percent-encoding",
            Self::NumericHost => {
                "the URL's host ends in a number but is no IPv4 address: write four decimal \
                 numbers without leading zeros, such as 127.0.0.1"
            }
            Self::Zone => {
                "the URL's IPv6 address has a zone: leave out the zone (from % to ]), and \
                 connect the transport yourself if the address needs a zone"
            }
            Self::Port => "the URL's port is not a number from 1 to 65535",
            Self::Character('%') => {
                "the URL has a % without two hex digits after it: write the % itself as %25"
            }
            Self::Character(c) => {
                return write!(f, "the URL's path or query has {c:?}: percent-encode it");
            }
        })
    }
}

impl core::error::Error for UrlError {}
