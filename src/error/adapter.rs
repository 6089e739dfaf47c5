use core::fmt;

use alloc::boxed::Box;
use std::io;

use crate::error::protocol::ProtocolError;
use crate::error::send::SendError;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::handshake::proxy::ProxyError;
use crate::handshake::refusal::Refusal;

/// An error of an open WebSocket.
///
/// ```
/// use std::io;
/// use sansocket::WebSocketError;
/// use sansocket::error::{PeerError, ProtocolError, SendError};
///
/// // Functions that return an `io::Error` can use `?`: it keeps the cause.
/// let error: io::Error = WebSocketError::from(SendError::Full).into();
/// assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
///
/// let error = WebSocketError::from(ProtocolError::Peer(PeerError::MaskedFrame));
/// assert_eq!(error.to_string(), "the server masked a frame");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The transport failed: the connection to the peer is lost.
    Io(io::Error),
    /// The connection failed. Its Close frame has been written, if the peer accepted it, and the
    /// transport has been ended.
    Protocol(ProtocolError),
    /// A send was refused: no bytes were sent, and the connection is unchanged.
    Send(SendError),
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Protocol(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WebSocketError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Self::Io(error) => error,
            Self::Protocol(error) => error,
            Self::Send(error) => error,
        })
    }
}

impl From<io::Error> for WebSocketError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ProtocolError> for WebSocketError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<SendError> for WebSocketError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<WebSocketError> for io::Error {
    fn from(error: WebSocketError) -> Self {
        match error {
            WebSocketError::Io(error) => error,
            WebSocketError::Protocol(error) => error.into(),
            WebSocketError::Send(error) => error.into(),
        }
    }
}

/// The opening handshake of a server has failed.
///
/// ```
/// use std::io;
/// use sansocket::error::AcceptError;
/// use sansocket::handshake::Refusal;
///
/// fn log(error: &AcceptError) -> String {
///     match error {
///         AcceptError::Refused(refusal) => format!("client error: {refusal}"),
///         error => format!("transport error: {error}"),
///     }
/// }
///
/// let reset = io::Error::new(io::ErrorKind::ConnectionReset, "reset by peer");
/// assert_eq!(log(&reset.into()), "transport error: reset by peer");
/// let refused = AcceptError::Refused(Refusal::new(403)?);
/// assert!(log(&refused).starts_with("client error: the handshake was refused: 403"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// The transport failed, or ended before the request was complete.
    Io(io::Error),
    /// The request was refused; the response has been written.
    Refused(Refusal),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl core::error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Refused(_) => None,
        }
    }
}

impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A client's WebSocket was not opened: the step that failed, the host and port that it was about, and
/// the cause.
#[derive(Debug)]
pub struct ConnectError {
    step: ConnectStep,
    host: Box<str>,
    port: u16,
    kind: ConnectErrorKind,
}

/// The steps to an open WebSocket, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConnectStep {
    /// The name of the host, or of the proxy, is resolved.
    Resolve,
    /// TCP connects to an address of the host or of the proxy.
    Connect,
    /// The proxy opens a tunnel.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The opening handshake.
    Handshake,
}

/// The cause of a [`ConnectError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The server refused, broke the protocol, or did not answer in time.
    Handshake(HandshakeError),
    /// Name resolution or the transport failed.
    Io(io::Error),
    /// The proxy refused, broke the protocol, or did not answer in time.
    Proxy(ProxyError),
    /// The request could not be sent: [`SendError::Entropy`], with the config of a server.
    Send(SendError),
    /// Name resolution, TCP or the TLS handshake took longer than `handshake_timeout`.
    Timeout,
    /// The server does not allow WebSockets over HTTP/2 (RFC 8441 section 3).
    Http2NotAllowed,
    /// The TLS handshake failed, for example for a certificate that is not valid; or the roots of the
    /// system could not be loaded.
    Tls(io::Error),
    /// The URL is `wss://`, and the feature `rustls` needs a `ClientConfig`: set one by
    /// `Connector::tls`, or enable the feature `tls`.
    TlsNotConfigured,
    /// The URL is `wss://`, and the connector has no TLS: enable the feature `tls` or `rustls` for
    /// tokio, or connect a TLS stream yourself and pass it to `WebSocket::client`.
    TlsNotSupported,
}

impl ConnectError {
    pub(crate) fn new(
        step: ConnectStep,
        host: &str,
        port: u16,
        kind: impl Into<ConnectErrorKind>,
    ) -> Self {
        Self { step, host: host.into(), port, kind: kind.into() }
    }

    /// Returns the step that failed.
    #[must_use]
    pub const fn step(&self) -> ConnectStep {
        self.step
    }

    /// Returns the host that the step was about, without brackets: of the URL, or of the proxy.
    #[must_use]
    pub const fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port that the step was about.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the cause.
    #[must_use]
    pub const fn kind(&self) -> &ConnectErrorKind {
        &self.kind
    }

    /// Returns the cause, owned.
    #[must_use]
    pub fn into_kind(self) -> ConnectErrorKind {
        self.kind
    }

    /// Returns the response of a server or proxy, if one was read.
    #[must_use]
    pub fn response(&self) -> Option<&ConnectResponse> {
        match &self.kind {
            ConnectErrorKind::Handshake(error) => error.response(),
            ConnectErrorKind::Proxy(error) => error.response(),
            ConnectErrorKind::Io(_)
            | ConnectErrorKind::Send(_)
            | ConnectErrorKind::Timeout
            | ConnectErrorKind::Http2NotAllowed
            | ConnectErrorKind::Tls(_)
            | ConnectErrorKind::TlsNotConfigured
            | ConnectErrorKind::TlsNotSupported => None,
        }
    }

    /// Returns true if the deadline has passed in any of the steps, without a refusal.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(
            self.kind,
            ConnectErrorKind::Timeout
                | ConnectErrorKind::Handshake(HandshakeError::Timeout)
                | ConnectErrorKind::Proxy(ProxyError::Timeout)
        )
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, host, port, kind } = self;
        // An IPv6 address is in brackets before a port.
        if host.contains(':') {
            write!(f, "[{host}]:{port}: ")
        } else {
            write!(f, "{host}:{port}: ")
        }?;
        write!(f, "{step} failed: {kind}")
    }
}

impl core::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.kind {
            ConnectErrorKind::Handshake(error) => Some(error),
            ConnectErrorKind::Io(error) => Some(error),
            ConnectErrorKind::Proxy(error) => Some(error),
            ConnectErrorKind::Send(error) => Some(error),
            ConnectErrorKind::Tls(error) => Some(error),
            ConnectErrorKind::Timeout
            | ConnectErrorKind::Http2NotAllowed
            | ConnectErrorKind::TlsNotConfigured
            | ConnectErrorKind::TlsNotSupported => None,
        }
    }
}

impl fmt::Display for ConnectStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "name resolution",
            Self::Connect => "TCP connection",
            Self::Proxy => "tunnel through the proxy",
            Self::Tls => "TLS handshake",
            Self::Handshake => "opening handshake",
        })
    }
}

impl fmt::Display for ConnectErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Proxy(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Timeout => f.write_str("not finished in time (setting: handshake_timeout)"),
            Self::Http2NotAllowed => f.write_str("the server doesn't allow WebSockets over HTTP/2"),
            Self::Tls(error) => error.fmt(f),
            Self::TlsNotConfigured => f.write_str(
                "no TLS settings: enable the feature `tls` of sansocket, or set a rustls \
                 `ClientConfig` by `Connector::tls`",
            ),
            Self::TlsNotSupported => f.write_str(
                "no TLS: enable the feature `tls` of sansocket (tokio only), or pass a connected \
                 TLS stream to `WebSocket::client`",
            ),
        }
    }
}

impl From<HandshakeError> for ConnectErrorKind {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<io::Error> for ConnectErrorKind {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ProxyError> for ConnectErrorKind {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

impl From<SendError> for ConnectErrorKind {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}
