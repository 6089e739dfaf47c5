//! A proxy: its protocol, address and credentials.

use core::fmt;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::authority::{Authority, AuthorityError};
use crate::kernel::hidden::Hidden;

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyProtocol {
    /// The method CONNECT of HTTP/1.1
    /// ([RFC 9110 section 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)).
    Http,
    /// SOCKS version 5 ([RFC 1928](https://www.rfc-editor.org/rfc/rfc1928)).
    Socks5,
}

/// One proxy: its protocol, host, port and credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyServer {
    protocol: ProxyProtocol,
    /// Without brackets.
    host: Box<str>,
    port: u16,
    credentials: Option<Credentials>,
}

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Box<[u8]>,
    pub(super) password: Box<[u8]>,
}

impl ProxyServer {
    /// Reads `[scheme://][user[:password]@]host[:port][/]`; without a scheme it has `protocol`.
    pub(super) fn parse(url: &str, protocol: ProxyProtocol) -> Result<Self, ProxyUrlError> {
        let (protocol, rest) = match url.split_once("://") {
            None => (protocol, url),
            Some((scheme, rest)) => (protocol_of(scheme).ok_or(ProxyUrlError::Scheme)?, rest),
        };
        // A password may have a `/` or an `@` that is not percent-encoded.
        let (user_info, rest) = match rest.rsplit_once('@') {
            Some((user_info, rest)) => (Some(user_info), rest),
            None => (None, rest),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(ProxyUrlError::Path);
        }
        let authority = Authority::parse(authority.as_bytes()).map_err(|error| match error {
            AuthorityError::Host => ProxyUrlError::Host,
            AuthorityError::Port => ProxyUrlError::Port,
        })?;
        let host = core::str::from_utf8(authority.bare_host()).map_err(|_| ProxyUrlError::Host)?;
        // Resolvers don't decode names.
        if host.contains('%') {
            return Err(ProxyUrlError::Host);
        }
        let port = authority.port.unwrap_or(match protocol {
            ProxyProtocol::Http => 80,
            ProxyProtocol::Socks5 => 1080,
        });
        if port == 0 {
            return Err(ProxyUrlError::Port);
        }
        let server = Self { protocol, host: host.into(), port, credentials: None };
        let Some(user_info) = user_info else { return Ok(server) };
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let decoded = decode(user).zip(decode(password));
        let (user, password) = decoded.ok_or(ProxyUrlError::Credentials)?;
        server.with_credentials(&user, &password)
    }

    pub(super) fn with_credentials(
        mut self,
        user: &[u8],
        password: &[u8],
    ) -> Result<Self, ProxyUrlError> {
        let is_valid = match self.protocol {
            // RFC 7617 2: the first colon ends the user; no control characters.
            ProxyProtocol::Http => {
                !user.contains(&b':') && !user.iter().chain(password).any(u8::is_ascii_control)
            }
            // RFC 1929 2: lengths are one byte, from 1 on.
            ProxyProtocol::Socks5 => [user, password].iter().all(|s| matches!(s.len(), 1..=255)),
        };
        if !is_valid {
            return Err(ProxyUrlError::Credentials);
        }
        self.credentials = Some(Credentials { user: user.into(), password: password.into() });
        Ok(self)
    }

    /// Returns the protocol.
    #[must_use]
    pub const fn protocol(&self) -> ProxyProtocol {
        self.protocol
    }

    /// Returns the host to connect to: a name or an address, without brackets.
    #[must_use]
    pub const fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port to connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    pub(super) const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

/// Without the credentials.
impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyServer")
            .field("protocol", &self.protocol)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("credentials", &self.credentials)
            .finish()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &Hidden::new(&self.user))
            .field("password", &Hidden::new(&self.password))
            .finish()
    }
}

/// `socks5h` is the name of some programs for SOCKS5 with names resolved by the proxy, which is the only
/// way here.
fn protocol_of(scheme: &str) -> Option<ProxyProtocol> {
    [
        ("http", ProxyProtocol::Http),
        ("socks5", ProxyProtocol::Socks5),
        ("socks5h", ProxyProtocol::Socks5),
    ]
    .into_iter()
    .find_map(|(name, protocol)| scheme.eq_ignore_ascii_case(name).then_some(protocol))
}

/// Decodes percent-encoded bytes; `None`: a `%` without two hex digits.
fn decode(text: &str) -> Option<Vec<u8>> {
    let hex = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Some(decoded),
            [b'%', high, low, after @ ..] => {
                decoded.push(hex(*high)? << 4 | hex(*low)?);
                after
            }
            [b'%', ..] => return None,
            [byte, after @ ..] => {
                decoded.push(*byte);
                after
            }
        };
    }
}

/// The URL of a proxy is invalid. The text says what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// The user or the password can't be sent: a `%` without two hex digits; over HTTP a control
    /// character, or a colon in the user; over SOCKS5 fewer than 1 or more than 255 bytes.
    Credentials,
    /// No host, or not a host name, IPv4 address or IPv6 address in brackets.
    Host,
    /// A path, a query or a fragment.
    Path,
    /// Not a port from 1 to 65535.
    Port,
    /// The scheme is another one than expected.
    Scheme,
}

impl fmt::Display for ProxyUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => {
                "the proxy's user or password can't be sent: write special characters as %XX; SOCKS5 \
                 needs 1 to 255 bytes of each, HTTP has no control characters and no colon in the user"
            }
            Self::Host => {
                "the proxy's URL has no valid host: use a name in ASCII, an IPv4 address, or an IPv6 \
                 address in brackets"
            }
            Self::Path => "the proxy's URL has a path, query or fragment: leave it out",
            Self::Port => "the proxy's port is not a number from 1 to 65535",
            Self::Scheme => {
                "the proxy's scheme is not supported here: use http:// for HTTP CONNECT, socks5:// for \
                 SOCKS5"
            }
        })
    }
}

impl core::error::Error for ProxyUrlError {}
