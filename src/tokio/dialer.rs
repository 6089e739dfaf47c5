//! From a URL to a WebSocket: name resolution, TCP, a proxy, TLS, the opening handshake.

use core::net::{IpAddr, SocketAddr};

use alloc::vec;
use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};

use crate::adapter::connector::{Settings, Target};
use crate::adapter::dial::Dial;
use crate::config::Config;
use crate::error::adapter::{ConnectError, ConnectErrorKind, ConnectStep};
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::proxy::{ProxyError, ProxyHandshake, ProxyServer};
use crate::input::Input;
use crate::instant::Instant;
use crate::tokio::client_stream::ClientStream;
use crate::tokio::socket::WebSocket;
use crate::tokio::timer::{Passed, now, within};
use crate::tokio::tls::{Offer, TlsSettings, TlsStream};

/// The settings of connections of their own, and the steps to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialer {
    pub(super) settings: Settings,
    pub(super) local_addr: Option<IpAddr>,
    pub(super) tls: TlsSettings,
}

impl Dialer {
    /// Connects over HTTP/1.1, within the `handshake_timeout` from `start` on.
    pub(crate) async fn connect_http1(
        &self,
        request: &ConnectRequest,
        config: &Config,
        start: Instant,
    ) -> Result<(WebSocket<ClientStream>, ConnectResponse), ConnectError> {
        let stream = if request.is_secure() {
            self.tls_stream(request, config, start, Offer::Http1).await?.into()
        } else {
            self.transport(request, config, start).await?.into()
        };
        WebSocket::ask(stream, request, config, start).await
    }

    /// Connects a TLS stream to the host and port of the request.
    pub(crate) async fn tls_stream(
        &self,
        request: &ConnectRequest,
        config: &Config,
        start: Instant,
        offer: Offer,
    ) -> Result<TlsStream, ConnectError> {
        let failed =
            |kind| ConnectError::new(ConnectStep::Tls, request.host(), request.port(), kind);
        self.tls.check().map_err(failed)?;
        let stream = self.transport(request, config, start).await?;
        let deadline = start.checked_add(config.handshake_timeout());
        let connect = within(deadline, self.tls.connect(request.host(), stream, offer));
        connect.await.unwrap_or(Err(ConnectErrorKind::Timeout)).map_err(failed)
    }

    /// Connects a transport to the host and port of the request, through the proxy if there is one.
    pub(super) async fn transport(
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

/// The longest section of a proxy's reply that is read at once, in bytes.
const REPLY_LEN: usize = 1024;
