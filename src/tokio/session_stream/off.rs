//! Without HTTP/2.

use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Debug)]
pub(crate) enum SessionStream {}

impl SessionStream {
    pub(crate) const fn peer_addr(&self) -> io::Result<SocketAddr> {
        match *self {}
    }

    pub(crate) const fn local_addr(&self) -> io::Result<SocketAddr> {
        match *self {}
    }
}

impl AsyncRead for SessionStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match *self {}
    }
}

impl AsyncWrite for SessionStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}
