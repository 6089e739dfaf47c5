//! TLS by rustls.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::sync::Arc;
use std::io::{self, IoSlice};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::error::adapter::ConnectErrorKind;
use crate::tokio::tls::offer::Offer;

#[cfg(feature = "h2")]
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The caller's rustls config; `None` for that of the feature `tls`.
#[derive(Clone, Default)]
pub(crate) struct TlsSettings(Option<Configs>);

/// A config with each offer of protocols.
#[derive(Clone)]
struct Configs {
    http1: Arc<ClientConfig>,
    #[cfg(feature = "h2")]
    http2: Arc<ClientConfig>,
}

impl Configs {
    fn new(config: Arc<ClientConfig>) -> Self {
        Self {
            #[cfg(feature = "h2")]
            http2: with_alpn(config.clone(), &[HTTP2, HTTP1]),
            http1: with_alpn(config, &[HTTP1]),
        }
    }

    fn get(&self, offer: Offer) -> Arc<ClientConfig> {
        match offer {
            Offer::Http1 => self.http1.clone(),
            #[cfg(feature = "h2")]
            Offer::Http2 => self.http2.clone(),
        }
    }
}

impl TlsSettings {
    pub(crate) fn set(&mut self, config: Arc<ClientConfig>) {
        self.0 = Some(Configs::new(config));
    }

    pub(crate) const fn check(&self) -> Result<(), ConnectErrorKind> {
        if self.0.is_some() || cfg!(feature = "tls") {
            return Ok(());
        }
        Err(ConnectErrorKind::TlsNotConfigured)
    }

    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
        offer: Offer,
    ) -> Result<TlsStream, ConnectErrorKind> {
        let config = match &self.0 {
            Some(configs) => configs.get(offer),
            None => default_configs().await?.get(offer),
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            let message = "the host of the URL can't be the name of a certificate";
            ConnectErrorKind::Tls(io::Error::new(io::ErrorKind::InvalidInput, message))
        })?;
        let connector = tokio_rustls::TlsConnector::from(config);
        let connected = connector.connect(name, stream).await.map_err(ConnectErrorKind::Tls)?;
        Ok(TlsStream(Box::new(connected)))
    }
}

/// The config of a caller may have private keys, which debug output does not show.
impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.0.is_some() { "Custom" } else { "Default" };
        f.write_str(name)
    }
}

/// Sets the ALPN protocols, in a copy if they differ. The caller's config may be in use elsewhere.
fn with_alpn(config: Arc<ClientConfig>, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    if config.alpn_protocols == protocols {
        return config;
    }
    let mut config = ClientConfig::clone(&config);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

#[cfg(not(feature = "tls"))]
async fn default_configs() -> Result<Configs, ConnectErrorKind> {
    Err(ConnectErrorKind::TlsNotConfigured)
}

/// Returns the configs that all connectors without a config of the caller share: the system's roots and
/// its session cache are loaded once.
#[cfg(feature = "tls")]
async fn default_configs() -> Result<Configs, ConnectErrorKind> {
    use std::sync::OnceLock;

    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    if let Some(configs) = CONFIGS.get() {
        return Ok(configs.clone());
    }
    // The roots are files. An error is not kept: the next connection tries again.
    let built = tokio::task::spawn_blocking(platform_config).await.map_err(io::Error::other);
    let config = built.and_then(|built| built).map_err(ConnectErrorKind::Tls)?;
    Ok(CONFIGS.get_or_init(|| Configs::new(config)).clone())
}

/// Builds a config with the system's verifier of certificates, and with the provider of the process if
/// one is installed.
#[cfg(feature = "tls")]
fn platform_config() -> io::Result<Arc<ClientConfig>> {
    use rustls_platform_verifier::BuilderVerifierExt;
    use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};

    let installed = CryptoProvider::get_default().cloned();
    let provider = installed.unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    // `ClientConfig::builder` panics if the features of the whole program select two providers.
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(io::Error::other)?;
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// A stream of a client. It is on the heap: the state of a TLS connection has about a kilobyte.
pub(crate) struct TlsStream(Box<tokio_rustls::client::TlsStream<TcpStream>>);

impl TlsStream {
    /// Returns whether the server has selected HTTP/2.
    #[cfg(feature = "h2")]
    pub(crate) fn is_http2(&self) -> bool {
        self.0.get_ref().1.alpn_protocol() == Some(HTTP2)
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        self.0.get_ref().0
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsStream").field(self.tcp()).finish()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
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
