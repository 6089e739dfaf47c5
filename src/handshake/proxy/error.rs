//! The errors of a proxy's handshake.

use core::fmt;

use alloc::boxed::Box;

use crate::error::protocol::LimitError;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::excerpt::Text;
use crate::http1::error::HeadError;

/// A proxy has opened no tunnel: end the transport.
///
/// `Display` shows the proxy's words, escaped; `Debug` shows lengths only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// The response of an HTTP proxy is not HTTP/1.
    BadHead(HeadError),
    /// The transport ended or failed before the tunnel was open.
    Closed,
    /// The host of the request is longer than the 255 bytes that SOCKS5 can transmit.
    HostTooLong,
    /// The response of an HTTP proxy passes a limit of the [`Config`](crate::Config).
    Limit(LimitError),
    /// An HTTP proxy answered with another status than 2xx: 407 requests credentials, 403 is a rule
    /// of the proxy, 502 and 504 are about the host of the request. Some proxies (tinyproxy) answer
    /// wrong credentials with 401 in place of 407. The response has fields and body.
    Refused(Box<ConnectResponse>),
    /// A SOCKS5 proxy refused, or broke the protocol.
    Socks(SocksError),
    /// The tunnel was not open in time.
    Timeout,
}

impl ProxyError {
    /// Returns the response of an HTTP proxy, if it refused.
    #[must_use]
    pub fn response(&self) -> Option<&ConnectResponse> {
        if let Self::Refused(response) = self { Some(response) } else { None }
    }
}

impl From<HeadError> for ProxyError {
    fn from(error: HeadError) -> Self {
        if let HeadError::Limit(limit) = error { Self::Limit(limit) } else { Self::BadHead(error) }
    }
}

impl From<SocksError> for ProxyError {
    fn from(error: SocksError) -> Self {
        Self::Socks(error)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadHead(HeadError::Version) => f.write_str("the proxy doesn't speak HTTP/1"),
            Self::BadHead(error) => write!(f, "the proxy's response is not HTTP/1: {error}"),
            Self::Closed => {
                f.write_str("the proxy closed the connection before the tunnel was open")
            }
            Self::HostTooLong => f.write_str("the host is longer than the 255 bytes of SOCKS5"),
            // The text names the handshake's head.
            Self::Limit(error) => write!(f, "the proxy's response: {error}"),
            Self::Refused(response) => {
                write!(f, "the proxy answered {}", response.status())?;
                match response.reason() {
                    [] => Ok(()),
                    reason => write!(f, " {}", Text(reason)),
                }
            }
            Self::Socks(error) => error.fmt(f),
            Self::Timeout => {
                f.write_str("the proxy opened no tunnel in time (setting: handshake_timeout)")
            }
        }
    }
}

impl core::error::Error for ProxyError {}

/// A SOCKS5 proxy refused a request, or broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocksError {
    /// The reply has an address of an unknown type (RFC 1928 section 6).
    AddressType(u8),
    /// The reply to the credentials has another version than 1 (RFC 1929 section 2).
    AuthVersion(u8),
    /// The proxy refused user and password with this status (RFC 1929 section 2).
    Credentials(u8),
    /// The proxy chose an authentication method that was not offered (RFC 1928 section 3).
    Method(u8),
    /// The proxy accepts none of the offered authentication methods: it may need user and password, or
    /// another method than that (RFC 1928 section 3).
    NoAcceptableMethod,
    /// The proxy refused to connect (RFC 1928 section 6).
    Reply(SocksReply),
    /// A reply has another version than 5: the proxy speaks another protocol.
    Version(u8),
}

impl fmt::Display for SocksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressType(value) => {
                write!(f, "the proxy's reply has an address of the unknown type {value:#04x}")
            }
            Self::AuthVersion(value) => write!(
                f,
                "the proxy's reply to user and password has the version {value:#04x}, not 0x01"
            ),
            Self::Credentials(status) => {
                write!(f, "the proxy refused user and password with the status {status:#04x}")
            }
            Self::Method(value) => write!(
                f,
                "the proxy chose the authentication method {value:#04x}, which was not offered"
            ),
            Self::NoAcceptableMethod => f.write_str(
                "the proxy accepts no offered authentication method: it may need user and password",
            ),
            Self::Reply(reply) => write!(f, "the proxy refused to connect: {reply}"),
            Self::Version(value) => {
                write!(f, "the proxy's reply has the version {value:#04x}, not 0x05 of SOCKS5")
            }
        }
    }
}

impl core::error::Error for SocksError {}

/// The reply of a SOCKS5 proxy that did not connect
/// ([RFC 1928 section 6](https://www.rfc-editor.org/rfc/rfc1928#section-6)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocksReply {
    /// 0x01: a general failure of the proxy.
    GeneralFailure,
    /// 0x02: a rule of the proxy forbids the connection.
    NotAllowed,
    /// 0x03: the network is unreachable.
    NetworkUnreachable,
    /// 0x04: the host is unreachable, or its name was not resolved.
    HostUnreachable,
    /// 0x05: the host refused the connection.
    ConnectionRefused,
    /// 0x06: the TTL expired; many proxies mean a timeout.
    TtlExpired,
    /// 0x07: the proxy has no command CONNECT.
    CommandNotSupported,
    /// 0x08: the proxy doesn't support this type of address.
    AddressTypeNotSupported,
    /// Another code.
    Other(u8),
}

impl SocksReply {
    pub(super) const fn new(code: u8) -> Self {
        match code {
            0x01 => Self::GeneralFailure,
            0x02 => Self::NotAllowed,
            0x03 => Self::NetworkUnreachable,
            0x04 => Self::HostUnreachable,
            0x05 => Self::ConnectionRefused,
            0x06 => Self::TtlExpired,
            0x07 => Self::CommandNotSupported,
            0x08 => Self::AddressTypeNotSupported,
            code => Self::Other(code),
        }
    }
}

impl fmt::Display for SocksReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GeneralFailure => "general failure",
            Self::NotAllowed => "not allowed by its rules",
            Self::NetworkUnreachable => "the network is unreachable",
            Self::HostUnreachable => "the host is unreachable",
            Self::ConnectionRefused => "the host refused the connection",
            Self::TtlExpired => "the TTL expired",
            Self::CommandNotSupported => "the command is not supported",
            Self::AddressTypeNotSupported => "the type of address is not supported",
            Self::Other(code) => return write!(f, "the reply {code:#04x}"),
        })
    }
}
