use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use hyper::rt::{Read as _, Write as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The stream of an upgraded request: a connection of HTTP/1.1, or a stream of HTTP/2.
#[derive(Debug)]
pub struct Upgraded(hyper::upgrade::Upgraded);

impl Upgraded {
    /// Returns hyper's stream.
    #[must_use]
    pub fn into_inner(self) -> hyper::upgrade::Upgraded {
        self.0
    }
}

/// Takes hyper's stream, of a server or of a client.
impl From<hyper::upgrade::Upgraded> for Upgraded {
    fn from(upgraded: hyper::upgrade::Upgraded) -> Self {
        Self(upgraded)
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The adapter's buffers are initialized, so nothing is zeroed here.
        let mut unfilled = hyper::rt::ReadBuf::new(buffer.initialize_unfilled());
        ready!(Pin::new(&mut self.0).poll_read(cx, unfilled.unfilled()))?;
        let read = unfilled.filled().len();
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
