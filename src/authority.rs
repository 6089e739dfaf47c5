//! `host [":" port]`, as URLs, the Host field and origins have it
//! ([RFC 3986 section 3.2](https://www.rfc-editor.org/rfc/rfc3986#section-3.2)).

use core::net::Ipv6Addr;

use crate::kernel::class::{HOST, find_unencoded};

/// A host, with the port if one is named. All of it is ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in its brackets.
    pub(crate) host: &'a [u8],
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
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, AuthorityError> {
        let host_len = match text {
            [b'[', after @ ..] => ip_literal_len(after).ok_or(AuthorityError::Host)?,
            // `reg-name`; IPv4 addresses are among them.
            _ => find_unencoded(text, HOST).unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at_checked(host_len).ok_or(AuthorityError::Host)?;
        let port = match rest {
            _ if host.is_empty() => return Err(AuthorityError::Host),
            [] | [b':'] => None,
            [b':', port @ ..] => Some(parse_port(port).ok_or(AuthorityError::Port)?),
            _ => return Err(AuthorityError::Host),
        };
        Ok(Self { host, port })
    }

    /// Returns the host without the brackets of an IPv6 address, as a resolver takes it.
    pub(crate) const fn bare_host(self) -> &'a [u8] {
        match self.host {
            [b'[', address @ .., b']'] => address,
            name => name,
        }
    }
}

/// The length of an IPv6 address in brackets, given what follows the first one. Zones and addresses
/// of the future are not for the wire.
fn ip_literal_len(after: &[u8]) -> Option<usize> {
    let len = after.iter().position(|&byte| byte == b']')?;
    let address = core::str::from_utf8(after.get(..len)?).ok()?;
    address.parse::<Ipv6Addr>().ok().map(|_| len + 2)
}

/// Digits only, five of them at most: `str::parse` would take a sign too.
fn parse_port(digits: &[u8]) -> Option<u16> {
    if digits.len() > 5 {
        return None;
    }
    let mut port: u32 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        port = port * 10 + u32::from(digit - b'0');
    }
    u16::try_from(port).ok()
}
