//! The settings of clients, and their calls.

use core::net::IpAddr;
use core::time::Duration;

#[cfg(feature = "rustls")]
use alloc::sync::Arc;

use tokio::net::TcpStream;
#[cfg(feature = "rustls")]
use tokio_rustls::rustls::ClientConfig;

use crate::config::Config;
use crate::error::adapter::ConnectError;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::proxy::Proxy;
use crate::tokio::client_stream::ClientStream;
use crate::tokio::dialer::Dialer;
use crate::tokio::sessions::SharedSessions;
use crate::tokio::socket::WebSocket;
use crate::tokio::timer::now;

/// Connects clients: through a proxy, from a local address, with timeouts. Clones are cheap.
///
/// ```no_run
/// use sansocket::handshake::proxy::Proxy;
/// use sansocket::tokio::Connector;
/// use sansocket::{Config, ConnectRequest, Entropy};
///
/// # async fn connect() -> Result<(), Box<dyn core::error::Error>> {
/// let connector = Connector::new().proxy(Proxy::from_env()?);
/// let config = Config::client(Entropy::os()).build()?;
/// let request = ConnectRequest::new("ws://example.com/chat")?;
/// let (mut ws, response) = connector.connect(&request, &config).await?;
/// # drop((ws, response));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Connector {
    dialer: Dialer,
    /// They belong to these settings: a change of a setting forgets them.
    pub(crate) sessions: SharedSessions,
}

impl Connector {
    /// Starts with no proxy, any local address, and no timeout but the `handshake_timeout` of each
    /// config.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the proxies. None is used without this call, whatever the environment has
    /// ([`Proxy::from_env`]).
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.dialer.settings.proxy = Some(proxy);
        self.sessions = self.sessions.renewed();
        self
    }

    /// Sets the local address that connections come from. Only addresses of its family are tried.
    #[must_use]
    pub fn local_addr(mut self, address: IpAddr) -> Self {
        self.dialer.local_addr = Some(address);
        self.sessions = self.sessions.renewed();
        self
    }

    /// Sets the longest time of the attempt to connect to one address. Without it an attempt has its
    /// share of the time that is left: at least 2 seconds.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.dialer.settings.connect_timeout = Some(timeout);
        self
    }

    /// Sets the TLS config for `wss://` URLs: other roots, client certificates, or a provider of one's
    /// own (feature `rustls`; the types are those of rustls 0.23). The ALPN protocols are set in a copy:
    /// `http/1.1`, and `h2` if the connector uses HTTP/2.
    ///
    /// The feature `tls` has a default, which all connectors of the process share: the verifier and the
    /// roots of the system, read at the first connection, and aws-lc-rs, or the provider that the
    /// process has installed.
    ///
    /// ```no_run
    /// # #[cfg(feature = "tls")]
    /// # fn connector() -> Result<(), Box<dyn core::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use rustls::pki_types::CertificateDer;
    /// use rustls::pki_types::pem::PemObject;
    /// use rustls::{ClientConfig, RootCertStore};
    /// # use tokio_rustls::rustls;
    /// use sansocket::tokio::Connector;
    ///
    /// // A private certificate authority: only its certificates are accepted.
    /// let mut roots = RootCertStore::empty();
    /// roots.add(CertificateDer::from_pem_file("ca.pem")?)?;
    /// let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    /// let connector = Connector::new().tls(Arc::new(config));
    /// # drop(connector);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    #[must_use]
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.dialer.tls.set(config);
        self.sessions = self.sessions.renewed();
        self
    }

    /// Connects by the request's URL: name resolution, each address in turn, `TCP_NODELAY`, the proxy if
    /// there is one, TLS for `wss://`, the opening handshake, all within the `handshake_timeout`.
    ///
    /// tokio resolves names in a blocking thread of its runtime, and a timeout does not end that call.
    /// Dropping the runtime, as the end of a function with `#[tokio::main]` does, may wait for it;
    /// [`Runtime::shutdown_background`](tokio::runtime::Runtime::shutdown_background) does not wait.
    ///
    /// # Errors
    /// [`ConnectError`] with the step that failed. For `wss://` URLs [`TlsNotSupported`](crate::error::ConnectErrorKind::TlsNotSupported)
    /// without the feature `rustls`, and [`TlsNotConfigured`](crate::error::ConnectErrorKind::TlsNotConfigured) without the feature `tls`
    /// and without a config.
    pub async fn connect(
        &self,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(WebSocket<ClientStream>, ConnectResponse), ConnectError> {
        let start = now();
        if let Some(connecting) = self.sessions.connect(&self.dialer, request, config, start) {
            return connecting.await;
        }
        self.dialer.connect_http1(request, config, start).await
    }

    /// Connects a transport to the host and port of the request, through the proxy if there is one: for
    /// TLS of one's own, over which [`WebSocket::client`] opens the WebSocket.
    ///
    /// ```no_run
    /// use sansocket::tokio::{Connector, WebSocket};
    /// use sansocket::{Config, ConnectRequest};
    ///
    /// # use tokio::net::TcpStream;
    /// # async fn tls(host: &str, stream: TcpStream) -> std::io::Result<TcpStream> { Ok(stream) }
    /// # async fn connect(request: &ConnectRequest, config: &Config) -> Result<(), Box<dyn core::error::Error>> {
    /// let stream = Connector::new().dial(request, config).await?;
    /// let stream = tls(request.host(), stream).await?;
    /// let (ws, response) = WebSocket::client(stream, request, config).await?;
    /// # drop((ws, response));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`] with the step that failed.
    pub async fn dial(
        &self,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<TcpStream, ConnectError> {
        self.dialer.transport(request, config, now()).await
    }
}

impl WebSocket<ClientStream> {
    /// Connects by the request's URL: name resolution, each address in turn, `TCP_NODELAY`, TLS for
    /// `wss://` (feature `tls`), handshake, all within the `handshake_timeout`. [`Connector`] has proxies
    /// and other settings.
    ///
    /// [RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1), item 2: at most one
    /// connection to a host may be connecting at a time; that is the caller's duty. After a failure wait
    /// as long as [`Backoff`](crate::handshake::Backoff) returns.
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub async fn connect(
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        Connector::new().connect(request, config).await
    }
}
