//! The transport of a client.

use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};

use std::io::{self, IoSlice};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The transport of a client that [`Connector`](crate::tokio::Connector) has connected: TCP, later also
/// TLS and streams of HTTP/2.
#[derive(Debug)]
pub struct ClientStream(TcpStream);

impl ClientStream {
    /// Returns the TCP stream; `None` if the transport is not TCP alone.
    #[must_use]
    pub const fn as_tcp(&self) -> Option<&TcpStream> {
        Some(&self.0)
    }

    /// Returns the TCP stream, owned.
    ///
    /// # Errors
    /// `self` if the transport is not TCP alone.
    pub fn into_tcp(self) -> Result<TcpStream, Self> {
        Ok(self.0)
    }

    /// Returns the address of the peer: of the server, or of the proxy.
    ///
    /// # Errors
    /// If the transport has none any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// If the transport has none any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl From<TcpStream> for ClientStream {
    fn from(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
