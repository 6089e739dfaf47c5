//! From a URL to a WebSocket: name resolution, TCP, a proxy, the opening handshake.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use bytes::BytesMut;

use crate::adapter::connector::{Settings, Target};
use crate::adapter::dial::Dial;
use crate::blocking::client_stream::ClientStream;
use crate::blocking::socket::WebSocket;
use crate::config::Config;
use crate::error::adapter::{ConnectError, ConnectErrorKind, ConnectStep};
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::proxy::{Proxy, ProxyError, ProxyHandshake, ProxyServer};
use crate::input::Input;
use crate::instant::Instant;

/// Connects clients: through a proxy, with timeouts. Clones are cheap.
///
/// ```no_run
/// use sansocket::blocking::Connector;
/// use sansocket::handshake::proxy::Proxy;
/// use sansocket::{Config, ConnectRequest, Entropy};
///
/// let connector = Connector::new().proxy(Proxy::socks5("socks5://localhost:1080")?);
/// let config = Config::client(Entropy::os()).build()?;
/// let request = ConnectRequest::new("ws://example.com/chat")?;
/// let (mut ws, response) = connector.connect(&request, &config)?;
/// # drop((ws, response));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Connector {
    settings: Settings,
    #[cfg(feature = "socket2")]
    local_addr: Option<IpAddr>,
}

impl Connector {
    /// Starts with no proxy, and no timeout but the `handshake_timeout` of each config.
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

    /// Sets the local address that connections come from (feature `socket2`: the standard library can't
    /// set it). Only addresses of its family are tried.
    #[cfg(feature = "socket2")]
    #[cfg_attr(docsrs, doc(cfg(feature = "socket2")))]
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

    /// Connects by the request's `ws://` URL: name resolution, each address in turn, `TCP_NODELAY`, the
    /// proxy if there is one, the opening handshake, all within the `handshake_timeout`.
    ///
    /// The system's resolver can't be interrupted: names are resolved in a thread of their own, which
    /// ends with the system's answer even after the deadline.
    ///
    /// # Errors
    /// [`ConnectError`] with the step that failed. [`ConnectErrorKind::TlsNotSupported`] for `wss://`.
    pub fn connect(
        &self,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(WebSocket<ClientStream>, ConnectResponse), ConnectError> {
        if request.is_secure() {
            let (host, port) = (request.host(), request.port());
            let kind = ConnectErrorKind::TlsNotSupported;
            return Err(ConnectError::new(ConnectStep::Tls, host, port, kind));
        }
        let start = Instant::now();
        let stream = self.transport(request, config, start)?;
        WebSocket::ask(ClientStream::from(stream), request, config, start)
    }

    /// Connects a transport to the host and port of the request, through the proxy if there is one: for
    /// TLS of one's own, over which [`WebSocket::client`] opens the WebSocket. The stream has no timeouts.
    ///
    /// # Errors
    /// [`ConnectError`] with the step that failed.
    pub fn dial(
        &self,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<TcpStream, ConnectError> {
        self.transport(request, config, Instant::now())
    }

    fn transport(
        &self,
        request: &ConnectRequest,
        config: &Config,
        start: Instant,
    ) -> Result<TcpStream, ConnectError> {
        let target = Target::new(&self.settings, request);
        let deadline = start.checked_add(config.handshake_timeout());
        let resolved = resolve(target.host, target.port, deadline);
        let addresses = resolved.map_err(|kind| target.error(ConnectStep::Resolve, kind))?;
        #[cfg(feature = "socket2")]
        let addresses = addresses.into_iter().filter(|address| {
            self.local_addr.is_none_or(|local| local.is_ipv4() == address.is_ipv4())
        });
        let mut dial = Dial::new(addresses, deadline, self.settings.connect_timeout);
        let mut stream = loop {
            let Some((address, timeout)) = dial.next(Instant::now()) else {
                let error = dial.into_error().map(ConnectErrorKind::Io);
                let kind = error.unwrap_or(ConnectErrorKind::Timeout);
                return Err(target.error(ConnectStep::Connect, kind));
            };
            match self.connect_to(address, timeout) {
                Ok(stream) => break stream,
                Err(error) => dial.failed(error),
            }
        };
        let nodelay = stream.set_nodelay(true);
        nodelay.map_err(|error| target.error(ConnectStep::Connect, error))?;
        if let Some(server) = target.proxy {
            let tunnel = open_tunnel(&mut stream, server, request, config, start);
            tunnel.map_err(|kind| target.error(ConnectStep::Proxy, kind))?;
        }
        Ok(stream)
    }

    fn connect_to(&self, address: SocketAddr, timeout: Option<Duration>) -> io::Result<TcpStream> {
        #[cfg(feature = "socket2")]
        if let Some(local) = self.local_addr {
            return connect_from(local, address, timeout);
        }
        match timeout {
            Some(timeout) => TcpStream::connect_timeout(&address, timeout),
            None => TcpStream::connect(address),
        }
    }
}

#[cfg(feature = "socket2")]
fn connect_from(
    local: IpAddr,
    address: SocketAddr,
    timeout: Option<Duration>,
) -> io::Result<TcpStream> {
    use socket2::{Domain, Protocol, Socket, Type};

    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(local, 0).into())?;
    match timeout {
        Some(timeout) => socket.connect_timeout(&address.into(), timeout),
        None => socket.connect(&address.into()),
    }?;
    Ok(socket.into())
}

impl WebSocket<ClientStream> {
    /// Connects by the request's `ws://` URL: name resolution, each address in turn, `TCP_NODELAY`,
    /// handshake, all within the `handshake_timeout`. [`Connector`] has proxies and other settings.
    ///
    /// [RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1), item 2: at most
    /// one connection to a host may be connecting at a time; that is the caller's duty. After a
    /// failure wait as long as [`Backoff`](crate::handshake::Backoff) returns.
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub fn connect(
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        Connector::new().connect(request, config)
    }
}

/// Opens a tunnel. No byte of the tunnel is taken from the stream, which has no timeouts afterwards.
fn open_tunnel(
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
        // Zero is no timeout.
        let left = handshake.poll_timeout().map(|deadline| {
            deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
        });
        stream.set_write_timeout(left)?;
        stream.set_read_timeout(left)?;
        // A proxy that has ended may have refused before: the read shows it.
        let _ = stream.write_all(&out);
        out.clear();
        let len = match stream.peek(&mut buffer) {
            Ok(0) => return Ok(handshake.receive_eof()?),
            Ok(len) => len,
            Err(error) if is_to_be_repeated(error.kind()) => {
                handshake.handle_timeout(Instant::now())?;
                continue;
            }
            Err(error) => {
                return Err(match handshake.failed() {
                    Err(refusal @ ProxyError::Refused(_)) => refusal.into(),
                    _ => error.into(),
                });
            }
        };
        let mut input = Input::new(Instant::now(), buffer.get_mut(..len).unwrap_or_default());
        let is_open = handshake.receive(&mut input, &mut out)?;
        let taken = len - input.len();
        // These bytes were peeked: they are there.
        stream.read_exact(buffer.get_mut(..taken).unwrap_or_default())?;
        if is_open {
            stream.set_write_timeout(None)?;
            stream.set_read_timeout(None)?;
            return Ok(());
        }
    }
}

/// Returns true for the errors of a read that waited in vain.
fn is_to_be_repeated(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::Interrupted | io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// Asks the system for the addresses of a host, but not beyond the deadline.
fn resolve(
    host: &str,
    port: u16,
    deadline: Option<Instant>,
) -> Result<Vec<SocketAddr>, ConnectErrorKind> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let host = String::from(host);
    thread::Builder::new().name("resolve".into()).spawn(move || {
        let resolved = (&*host, port).to_socket_addrs().map(Iterator::collect);
        // Nobody may be waiting any more.
        let _ = sender.send(resolved);
    })?;
    let left = match deadline {
        Some(deadline) => deadline.saturating_duration_since(Instant::now()),
        None => Duration::MAX,
    };
    match receiver.recv_timeout(left) {
        Ok(resolved) => Ok(resolved?),
        Err(RecvTimeoutError::Timeout) => Err(ConnectErrorKind::Timeout),
        Err(RecvTimeoutError::Disconnected) => {
            Err(io::Error::other("the name's resolver has panicked").into())
        }
    }
}

/// The longest section of a proxy's reply that is read at once, in bytes.
const REPLY_LEN: usize = 1024;
