//! `host [":" port]`, as URLs, the Host field and origins have it
//! ([RFC 3986 section 3.2](https://www.rfc-editor.org/rfc/rfc3986#section-3.2)).

use core::net::Ipv6Addr;

use crate::kernel::class::{HOST, find_unencoded};

/// A host, with the port if one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in its brackets.
    pub(crate) host: &'a str,
    /// `None` if there is none, or an empty one.
    pub(crate) port: Option<u16>,
}

/// Which half of an authority is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthorityError {
    Host,
    Port,
}

impl<'a> Authority<'a> {
    /// Reads the whole of `text`; an empty host is an error.
    pub(crate) fn parse(text: &'a str) -> Result<Self, AuthorityError> {
        let host_len = if text.starts_with('[') {
            let end = text.find(']').ok_or(AuthorityError::Host)?;
            // Zones and addresses of the future are not for the wire.
            let address = text.get(1..end).ok_or(AuthorityError::Host)?;
            if address.parse::<Ipv6Addr>().is_err() {
                return Err(AuthorityError::Host);
            }
            end + 1
        } else {
            // `reg-name`; IPv4 addresses are among them.
            find_unencoded(text.as_bytes(), HOST).unwrap_or(text.len())
        };
        let (host, rest) = text.split_at_checked(host_len).ok_or(AuthorityError::Host)?;
        if host.is_empty() {
            return Err(AuthorityError::Host);
        }
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return Err(AuthorityError::Host),
            Some("") => None,
            Some(port) => Some(parse_port(port).ok_or(AuthorityError::Port)?),
        };
        Ok(Self { host, port })
    }

    /// Returns the host without the brackets of an IPv6 address, as a resolver takes it.
    pub(crate) fn bare_host(self) -> &'a str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(self.host)
    }
}

/// Digits only: `str::parse` would take a sign too.
fn parse_port(port: &str) -> Option<u16> {
    if port.len() > 5 || !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    port.parse().ok()
}
