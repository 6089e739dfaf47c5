//! The transport of a client.

use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};

use std::io::{self, IoSlice};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::handshake::version::HttpVersion;
use crate::tokio::session_stream::SessionStream;
use crate::tokio::tls::TlsStream;

/// The transport of a client that [`Connector`](crate::tokio::Connector) has connected: TCP, TLS, or a
/// stream of HTTP/2.
#[derive(Debug)]
pub struct ClientStream(Inner);

#[derive(Debug)]
enum Inner {
    Tcp(TcpStream),
    Tls(TlsStream),
    Http2(SessionStream),
}

impl ClientStream {
    /// Returns the TCP stream; `None` if the transport is not TCP alone.
    #[must_use]
    pub const fn as_tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            Inner::Tcp(tcp) => Some(tcp),
            Inner::Tls(_) => None,
            Inner::Http2(_) => None,
        }
    }

    /// Returns the TCP stream, owned.
    ///
    /// # Errors
    /// `self` if the transport is not TCP alone.
    pub fn into_tcp(self) -> Result<TcpStream, Self> {
        match self.0 {
            Inner::Tcp(tcp) => Ok(tcp),
            other @ (Inner::Tls(_) | Inner::Http2(_)) => Err(Self(other)),
        }
    }

    /// Returns the version of HTTP that carries the WebSocket: HTTP/1.1 or HTTP/2.
    #[must_use]
    pub const fn http_version(&self) -> HttpVersion {
        match &self.0 {
            Inner::Tcp(_) | Inner::Tls(_) => HttpVersion::Http11,
            Inner::Http2(_) => HttpVersion::Http2,
        }
    }

    /// Returns the address of the peer: of the server, or of the proxy.
    ///
    /// # Errors
    /// If the transport has none any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Tcp(tcp) => tcp.peer_addr(),
            Inner::Tls(tls) => tls.tcp().peer_addr(),
            Inner::Http2(stream) => stream.peer_addr(),
        }
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// If the transport has none any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Tcp(tcp) => tcp.local_addr(),
            Inner::Tls(tls) => tls.tcp().local_addr(),
            Inner::Http2(stream) => stream.local_addr(),
        }
    }
}

impl From<TcpStream> for ClientStream {
    fn from(stream: TcpStream) -> Self {
        Self(Inner::Tcp(stream))
    }
}

impl From<TlsStream> for ClientStream {
    fn from(stream: TlsStream) -> Self {
        Self(Inner::Tls(stream))
    }
}

impl From<SessionStream> for ClientStream {
    fn from(stream: SessionStream) -> Self {
        Self(Inner::Http2(stream))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Inner::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            Inner::Http2(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Inner::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            Inner::Http2(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Inner::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
            Inner::Http2(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Inner::Tcp(tcp) => tcp.is_write_vectored(),
            Inner::Tls(tls) => tls.is_write_vectored(),
            Inner::Http2(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Inner::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Inner::Http2(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Inner::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Inner::Http2(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
