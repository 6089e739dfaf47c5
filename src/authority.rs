//! `host [":" port]`, as in URLs, the Host field and origins
//! ([RFC 3986 section 3.2](https://www.rfc-editor.org/rfc/rfc3986#section-3.2)).

use core::net::Ipv6Addr;

use crate::kernel::class::{HOST, find_unencoded};

/// A host with an optional port. All bytes are ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in its brackets.
    pub(crate) host: &'a [u8],
    /// `None` if the port is absent or empty.
    pub(crate) port: Option<u16>,
}

/// The part of an authority that is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthorityError {
    Host,
    Port,
}

impl<'a> Authority<'a> {
    /// Parses all of `text`. An empty host is an error.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, AuthorityError> {
        let host_len = match text {
            [b'[', after @ ..] => ip_literal_len(after).ok_or(AuthorityError::Host)?,
            // `reg-name` of RFC 3986, which includes IPv4 addresses.
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

    /// Returns the host without the brackets of an IPv6 address, in the form that resolvers take.
    pub(crate) const fn bare_host(self) -> &'a [u8] {
        match self.host {
            [b'[', address @ .., b']'] => address,
            name => name,
        }
    }
}

/// Returns the length of an IPv6 address in brackets, given the text after the opening bracket.
/// Zones and the `IPvFuture` form have no meaning for a peer and are errors.
fn ip_literal_len(after: &[u8]) -> Option<usize> {
    let len = after.iter().position(|&byte| byte == b']')?;
    let address = core::str::from_utf8(after.get(..len)?).ok()?;
    address.parse::<Ipv6Addr>().ok().map(|_| len + 2)
}

/// Parses one to five digits. `str::parse` would also accept a sign.
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
