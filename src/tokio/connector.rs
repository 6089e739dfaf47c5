//! From a URL to a WebSocket: name resolution, TCP, a proxy, TLS, the opening handshake.

use core::future::Future;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

#[cfg(feature = "rustls")]
use alloc::sync::Arc;
use alloc::vec;
use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout_at;
#[cfg(feature = "rustls")]
use tokio_rustls::rustls::ClientConfig;

use crate::adapter::connector::{Settings, Target};
use crate::adapter::dial::Dial;
use crate::config::Config;
use crate::error::adapter::{ConnectError, ConnectErrorKind, ConnectStep};
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::proxy::{Proxy, ProxyError, ProxyHandshake, ProxyServer};
use crate::input::Input;
use crate::instant::Instant;
use crate::tokio::client_stream::ClientStream;
use crate::tokio::socket::WebSocket;
use crate::tokio::timer::now;
use crate::tokio::tls::TlsSettings;

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
    settings: Settings,
    local_addr: Option<IpAddr>,
    tls: TlsSettings,
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
        self.settings.proxy = Some(proxy);
        self
    }

    /// Sets the local address that connections come from. Only addresses of its family are tried.
    #[must_use]
    pub const fn local_addr(mut self, address: IpAddr) -> Self {
        self.local_addr = Some(address);
        self
    }

    /// Sets the longest time of the attempt to connect to one address. Without it an attempt has its
    /// share of the time that is left: at least 2 seconds.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = Some(timeout);
        self
    }

    /// Sets the TLS config for `wss://` URLs: other roots, client certificates, or a provider of one's
    /// own (feature `rustls`; the types are those of rustls 0.23). The ALPN protocol is set to
    /// `http/1.1` in a copy.
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
        self.tls.set(config);
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
    /// [`ConnectError`] with the step that failed. For `wss://` URLs [`ConnectErrorKind::TlsNotSupported`]
    /// without the feature `rustls`, and [`ConnectErrorKind::TlsNotConfigured`] without the feature `tls`
    /// and without a config.
    pub async fn connect(
        &self,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(WebSocket<ClientStream>, ConnectResponse), ConnectError> {
        let start = now();
        if !request.is_secure() {
            let stream = self.transport(request, config, start).await?;
            return WebSocket::ask(stream.into(), request, config, start).await;
        }
        let failed =
            |kind| ConnectError::new(ConnectStep::Tls, request.host(), request.port(), kind);
        self.tls.check().map_err(failed)?;
        let stream = self.transport(request, config, start).await?;
        let deadline = start.checked_add(config.handshake_timeout());
        let connect = within(deadline, self.tls.connect(request.host(), stream));
        let connected = connect.await.unwrap_or(Err(ConnectErrorKind::Timeout));
        let stream = connected.map_err(failed)?;
        WebSocket::ask(stream.into(), request, config, start).await
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
        self.transport(request, config, now()).await
    }

    async fn transport(
        &self,
        request: &ConnectRequest,
        config: &Config,
        start: Instant,
    ) -> Result<TcpStream, ConnectError> {
        let target = Target::new(&self.settings, request);
        let deadline = start.checked_add(config.handshake_timeout());
        let resolve = within(deadline, lookup_host((target.host, target.port)));
        let resolved = match resolve.await {
            Ok(resolved) => resolved.map_err(|error| target.error(ConnectStep::Resolve, error))?,
            Err(Passed) => {
                return Err(target.error(ConnectStep::Resolve, ConnectErrorKind::Timeout));
            }
        };
        let addresses = resolved.filter(|address| {
            self.local_addr.is_none_or(|local| local.is_ipv4() == address.is_ipv4())
        });
        let mut dial = Dial::new(addresses, deadline, self.settings.connect_timeout);
        let mut stream = loop {
            let Some((address, timeout)) = dial.next(now()) else {
                let error = dial.into_error().map(ConnectErrorKind::Io);
                let kind = error.unwrap_or(ConnectErrorKind::Timeout);
                return Err(target.error(ConnectStep::Connect, kind));
            };
            let until = timeout.and_then(|timeout| now().checked_add(timeout));
            match within(until, self.connect_to(address)).await {
                Ok(Ok(stream)) => break stream,
                Ok(Err(error)) => dial.failed(error),
                Err(Passed) => dial.failed(io::ErrorKind::TimedOut.into()),
            }
        };
        let nodelay = stream.set_nodelay(true);
        nodelay.map_err(|error| target.error(ConnectStep::Connect, error))?;
        if let Some(server) = target.proxy {
            let tunnel = open_tunnel(&mut stream, server, request, config, start).await;
            tunnel.map_err(|kind| target.error(ConnectStep::Proxy, kind))?;
        }
        Ok(stream)
    }

    async fn connect_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let Some(local) = self.local_addr else { return TcpStream::connect(address).await };
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(local, 0))?;
        socket.connect(address).await
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

/// Opens a tunnel. No byte of the tunnel is taken from the stream.
async fn open_tunnel(
    stream: &mut TcpStream,
    server: &ProxyServer,
    request: &ConnectRequest,
    config: &Config,
    start: Instant,
) -> Result<(), ConnectErrorKind> {
    let mut out = BytesMut::new();
    let mut handshake = ProxyHandshake::new(server, request, config, start, &mut out)?;
    let mut buffer = vec![0; REPLY_LEN];
    loop {
        let exchange = async {
            // A proxy that has ended may have refused before: the read shows it.
            if stream.write_all_buf(&mut out).await.is_err() {
                out.clear();
            }
            stream.peek(&mut buffer).await
        };
        let len = match within(handshake.poll_timeout(), exchange).await {
            Ok(Ok(0)) => return Ok(handshake.receive_eof()?),
            Ok(Ok(len)) => len,
            Ok(Err(error)) => {
                return Err(match handshake.failed() {
                    Err(refusal @ ProxyError::Refused(_)) => refusal.into(),
                    _ => error.into(),
                });
            }
            Err(Passed) => {
                handshake.handle_timeout(now())?;
                continue;
            }
        };
        let mut input = Input::new(now(), buffer.get_mut(..len).unwrap_or_default());
        let is_open = handshake.receive(&mut input, &mut out)?;
        let taken = len - input.len();
        // These bytes were peeked: they are there.
        stream.read_exact(buffer.get_mut(..taken).unwrap_or_default()).await?;
        if is_open {
            return Ok(());
        }
    }
}

/// A deadline has passed.
struct Passed;

/// Awaits `future`, but not beyond the deadline.
async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Result<F::Output, Passed> {
    match deadline.and_then(Instant::into_std) {
        None => Ok(future.await),
        Some(at) => {
            let timed = timeout_at(tokio::time::Instant::from_std(at), future).await;
            timed.map_err(|_| Passed)
        }
    }
}

/// The longest section of a proxy's reply that is read at once, in bytes.
const REPLY_LEN: usize = 1024;
