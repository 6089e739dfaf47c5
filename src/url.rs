//! `ws://` and `wss://` URLs
//! ([RFC 6455 section 3](https://www.rfc-editor.org/rfc/rfc6455#section-3)).

use core::fmt;

use alloc::boxed::Box;
use alloc::format;

use crate::authority::{Authority, AuthorityError};
use crate::kernel::class::{PATH, find_unencoded};

/// A URL that keeps the rules, in the pieces that a client needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    secure: bool,
    /// Without brackets.
    host: Box<str>,
    port: u16,
    /// The value of the Host field.
    authority: Box<str>,
    /// Path and query.
    target: Box<str>,
}

impl Url {
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
        let authority = Authority::parse(authority.as_bytes()).map_err(|error| match error {
            AuthorityError::Host => UrlError::Host,
            AuthorityError::Port => UrlError::Port,
        })?;
        let default_port = if secure { 443 } else { 80 };
        let port = authority.port.unwrap_or(default_port);
        if port == 0 {
            return Err(UrlError::Port);
        }
        if let Some(at) = find_unencoded(target.as_bytes(), PATH) {
            // All before it is ASCII: a character begins there.
            let c = target.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
            return Err(UrlError::Character(c));
        }
        let host = text_of(authority.host);
        Ok(Self {
            secure,
            host: text_of(authority.bare_host()).into(),
            port,
            // RFC 6455 4.1(4): the port is named unless it is the scheme's default.
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

/// What was found to be ASCII.
fn text_of(host: &[u8]) -> &str {
    core::str::from_utf8(host).unwrap_or_default()
}

/// Schemes are compared without regard to case (RFC 6455 3).
fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (first, rest) = text.split_at_checked(scheme.len())?;
    first.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// A URL that can't be connected to, with what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is neither `ws://` nor `wss://`.
    Scheme,
    /// A fragment: `#` (RFC 6455 section 3 forbids it).
    Fragment,
    /// A name or password before the host: servers don't get them.
    UserInfo,
    /// No host, or not a host name, IPv4 address or IPv6 address in brackets.
    Host,
    /// Not a port from 1 to 65535.
    Port,
    /// A character that a path or query can't have as it is, or a `%` without two hex digits.
    Character(char),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the URL doesn't begin with ws:// or wss://",
            Self::Fragment => "the URL has a fragment: leave it out, or write # as %23",
            Self::UserInfo => {
                "the URL has a user name: leave it out, and send an Authorization field"
            }
            Self::Host => {
                "the URL has no valid host: use a name in ASCII, an IPv4 address, or an IPv6 \
                 address in brackets"
            }
            Self::Port => "the URL's port is not a number from 1 to 65535",
            Self::Character('%') => {
                "the URL has a % without two hex digits behind it: write the % itself as %25"
            }
            Self::Character(c) => {
                return write!(f, "the URL's path or query has {c:?}: percent-encode it");
            }
        })
    }
}

impl core::error::Error for UrlError {}
