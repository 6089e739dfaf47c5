//! Without TLS.

use core::pin::Pin;
use core::task::{Context, Poll};

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::error::adapter::ConnectErrorKind;
use crate::tokio::tls::offer::Offer;

#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings;

impl TlsSettings {
    pub(crate) const fn check(&self) -> Result<(), ConnectErrorKind> {
        Err(ConnectErrorKind::TlsNotSupported)
    }

    pub(crate) async fn connect(
        &self,
        _host: &str,
        _stream: TcpStream,
        _offer: Offer,
    ) -> Result<TlsStream, ConnectErrorKind> {
        Err(ConnectErrorKind::TlsNotSupported)
    }
}

#[derive(Debug)]
pub(crate) enum TlsStream {}

impl TlsStream {
    #[cfg(feature = "h2")]
    pub(crate) const fn is_http2(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn tcp(&self) -> &TcpStream {
        match *self {}
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match *self {}
    }
}

impl AsyncWrite for TlsStream {
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
