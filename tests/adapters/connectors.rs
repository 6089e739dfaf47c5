//! The connectors of both adapters: steps, deadlines and proxies, over loopback TCP.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use sansocket::error::{ConnectError, ConnectErrorKind, ConnectStep};
use sansocket::handshake::proxy::{Proxy, ProxyError, SocksError, SocksReply};
use sansocket::handshake::{BodyEnd, HandshakeError};
use sansocket::{AcceptOptions, CloseCode, Config, ConnectRequest, Event, Instant, blocking};

use crate::common::tasks;
use crate::common::thread;
use crate::common::weak_entropy_for_tests_only;

const TEXT: &str = "through the tunnel";

fn config(timeout_ms: u64) -> Config {
    let timeout = Duration::from_millis(timeout_ms);
    let config = Config::client(weak_entropy_for_tests_only());
    config.handshake_timeout(timeout).build().unwrap()
}

fn request(address: SocketAddr) -> ConnectRequest {
    ConnectRequest::new(&format!("ws://{address}/chat")).unwrap()
}

/// Serves one connection with a function, in a thread.
fn serve(f: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || f(listener.accept().unwrap().0));
    address
}

/// An address without a listener.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A server that echoes messages.
fn echo() -> SocketAddr {
    serve(|stream| {
        let config = Config::server().build().unwrap();
        let mut ws = blocking::WebSocket::accept(stream, &config, &AcceptOptions::new()).unwrap();
        while let Ok(Some((event, mut reply))) = ws.read() {
            if let Event::Text(text) = event {
                reply.feed_text(text).unwrap();
            }
        }
    })
}

fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    bytes
}

/// Copies in both directions until one of them ends.
fn copy(mut a: TcpStream, mut b: TcpStream) {
    let (mut a2, mut b2) = (a.try_clone().unwrap(), b.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut a2, &mut b2);
        let _ = b2.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut b, &mut a);
    let _ = a.shutdown(Shutdown::Write);
}

/// An HTTP proxy that requires user and password; its reply is sent in single bytes.
fn http_proxy() -> SocketAddr {
    serve(|mut stream| {
        let head = String::from_utf8(read_until(&mut stream, b"\r\n\r\n")).unwrap();
        if !head.contains("\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n") {
            let refusal = b"HTTP/1.0 407 Proxy Authentication Required\r\n\
                Proxy-Authenticate: Basic realm=\"x\"\r\nConnection: close\r\n\r\nwho are you?";
            stream.write_all(refusal).unwrap();
            return;
        }
        let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
        let upstream = TcpStream::connect(target).unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in b"HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n" {
            stream.write_all(&[*byte]).unwrap();
        }
        copy(stream, upstream);
    })
}

/// A SOCKS5 proxy that requires user and password. It refuses hosts with this code if it is not 0.
fn socks_proxy(code: u8) -> SocketAddr {
    serve(move |mut stream| {
        assert_eq!(read_until(&mut stream, &[5, 2, 0, 2]).len(), 4);
        stream.write_all(&[5, 2]).unwrap();
        read_until(&mut stream, b"\x01\x04user\x06secret");
        stream.write_all(&[1, 0]).unwrap();
        let mut request = [0; 10];
        stream.read_exact(&mut request).unwrap();
        let [5, 1, 0, 1, a, b, c, d, high, low] = request else { panic!("{request:?}") };
        let target = SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])));
        if code != 0 {
            stream.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            return;
        }
        let upstream = TcpStream::connect(target).unwrap();
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        copy(stream, upstream);
    })
}

fn silent() -> SocketAddr {
    serve(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

fn replying(reply: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        stream.write_all(reply).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

fn http(address: SocketAddr) -> Proxy {
    Proxy::http(&format!("user:secret@{address}")).unwrap()
}

fn socks(address: SocketAddr) -> Proxy {
    Proxy::socks5(&format!("user:secret@{address}")).unwrap()
}

/// The common interface of both adapters.
trait Adapter {
    /// Connects, echoes a text and closes.
    fn echo(proxy: Option<Proxy>, request: &ConnectRequest) -> Result<SocketAddr, ConnectError>;

    fn connect(proxy: Option<Proxy>, request: &ConnectRequest, config: &Config) -> ConnectError;

    /// Opens a tunnel and reads its first bytes.
    fn dial(proxy: Proxy, request: &ConnectRequest) -> Vec<u8>;
}

struct Blocking;

impl Blocking {
    fn connector(proxy: Option<Proxy>) -> blocking::Connector {
        let connector = blocking::Connector::new();
        match proxy {
            Some(proxy) => connector.proxy(proxy),
            None => connector,
        }
    }
}

impl Adapter for Blocking {
    fn echo(proxy: Option<Proxy>, request: &ConnectRequest) -> Result<SocketAddr, ConnectError> {
        let (mut ws, response) = Self::connector(proxy).connect(request, &config(5000))?;
        assert_eq!(response.status(), 101);
        let peer = ws.get_ref().peer_addr().unwrap();
        assert!(ws.get_ref().as_tcp().unwrap().nodelay().unwrap());
        ws.send_text(TEXT).unwrap();
        assert!(matches!(ws.read().unwrap(), Some((Event::Text(TEXT), _))));
        ws.close(CloseCode::NORMAL, "").unwrap();
        Ok(peer)
    }

    fn connect(proxy: Option<Proxy>, request: &ConnectRequest, config: &Config) -> ConnectError {
        Self::connector(proxy).connect(request, config).unwrap_err()
    }

    fn dial(proxy: Proxy, request: &ConnectRequest) -> Vec<u8> {
        let mut stream = Self::connector(Some(proxy)).dial(request, &config(5000)).unwrap();
        assert_eq!((stream.read_timeout().unwrap(), stream.write_timeout().unwrap()), (None, None));
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

struct Tokio;

impl Tokio {
    fn connector(proxy: Option<Proxy>) -> sansocket::tokio::Connector {
        let connector = sansocket::tokio::Connector::new();
        match proxy {
            Some(proxy) => connector.proxy(proxy),
            None => connector,
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tasks::block_on(&runtime, future)
    }
}

impl Adapter for Tokio {
    fn echo(proxy: Option<Proxy>, request: &ConnectRequest) -> Result<SocketAddr, ConnectError> {
        Self::block_on(async {
            let config = config(5000);
            let (mut ws, response) = Self::connector(proxy).connect(request, &config).await?;
            assert_eq!(response.status(), 101);
            let peer = ws.get_ref().peer_addr().unwrap();
            assert!(ws.get_ref().as_tcp().unwrap().nodelay().unwrap());
            ws.send_text(TEXT).await.unwrap();
            assert!(matches!(ws.read().await.unwrap(), Some((Event::Text(TEXT), _))));
            ws.close(CloseCode::NORMAL, "").await.unwrap();
            Ok(peer)
        })
    }

    fn connect(proxy: Option<Proxy>, request: &ConnectRequest, config: &Config) -> ConnectError {
        let connector = Self::connector(proxy);
        Self::block_on(connector.connect(request, config)).unwrap_err()
    }

    fn dial(proxy: Proxy, request: &ConnectRequest) -> Vec<u8> {
        use tokio::io::AsyncReadExt;

        Self::block_on(async {
            let config = config(5000);
            let mut stream = Self::connector(Some(proxy)).dial(request, &config).await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            bytes
        })
    }
}

/// Checks the step, the host and port, and their names in the text.
#[track_caller]
fn check(error: &ConnectError, step: ConnectStep, address: SocketAddr, text: &str) {
    assert_eq!(error.step(), step, "{error}");
    assert_eq!((error.host(), error.port()), (&*address.ip().to_string(), address.port()));
    assert_eq!(error.to_string(), format!("{address}: {step} failed: {text}"));
}

fn opens<A: Adapter>() {
    let server = echo();
    assert_eq!(A::echo(None, &request(server)).unwrap(), server);
    let (server, proxy) = (echo(), http_proxy());
    assert_eq!(A::echo(Some(http(proxy)), &request(server)).unwrap(), proxy);
    let (server, proxy) = (echo(), socks_proxy(0));
    assert_eq!(A::echo(Some(socks(proxy)), &request(server)).unwrap(), proxy);
    // A host without a proxy.
    let server = echo();
    let proxy = http(closed()).no_proxy("127.0.0.0/8");
    assert_eq!(A::echo(Some(proxy), &request(server)).unwrap(), server);
}

fn leaves_the_bytes_of_the_tunnel<A: Adapter>() {
    let request = request(closed());
    let http = http(replying(b"HTTP/1.1 200 x\r\n\r\nSSH-2.0-x\r\n"));
    assert_eq!(A::dial(http, &request), b"SSH-2.0-x\r\n");
    let socks = socks(replying(b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0SSH-2.0-x\r\n"));
    assert_eq!(A::dial(socks, &request), b"SSH-2.0-x\r\n");
}

fn names_host_port_and_step<A: Adapter>() {
    let (long, short) = (config(5000), config(300));
    let target = request(closed());

    let address = closed();
    let error = A::connect(None, &request(address), &long);
    let ConnectErrorKind::Io(cause) = error.kind() else { panic!("{error:?}") };
    check(&error, ConnectStep::Connect, address, &cause.to_string());

    let address = silent();
    let error = A::connect(None, &request(address), &short);
    assert!(error.is_timeout(), "{error:?}");
    assert!(matches!(error.kind(), ConnectErrorKind::Handshake(HandshakeError::Timeout)));
    assert_eq!((error.step(), error.port()), (ConnectStep::Handshake, address.port()));

    let address = replying(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno");
    let error = A::connect(None, &request(address), &long);
    check(&error, ConnectStep::Handshake, address, "the server answered 401 No");
    assert_eq!(error.response().unwrap().body(), b"no");

    // The following steps concern the proxy.
    let address = closed();
    let error = A::connect(Some(http(address)), &target, &long);
    assert_eq!((error.step(), error.port()), (ConnectStep::Connect, address.port()));

    let address = http_proxy();
    let proxy = Proxy::http(&address.to_string()).unwrap();
    let error = A::connect(Some(proxy), &target, &long);
    let text = "the proxy answered 407 Proxy Authentication Required";
    check(&error, ConnectStep::Proxy, address, text);
    let response = error.response().unwrap();
    assert_eq!((response.status(), response.body()), (407, &b"who are you?"[..]));
    assert_eq!(response.body_end(), BodyEnd::Complete);

    let address = socks_proxy(5);
    let error = A::connect(Some(socks(address)), &target, &long);
    let text = "the proxy refused to connect: the host refused the connection";
    check(&error, ConnectStep::Proxy, address, text);
    let reply = SocksError::Reply(SocksReply::ConnectionRefused);
    assert!(
        matches!(error.kind(), ConnectErrorKind::Proxy(ProxyError::Socks(found)) if *found == reply)
    );

    for proxy in [http, socks] {
        let address = silent();
        let error = A::connect(Some(proxy(address)), &target, &short);
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!((error.step(), error.port()), (ConnectStep::Proxy, address.port()));

        let address = replying(b"");
        let error = A::connect(Some(proxy(address)), &target, &long);
        assert!(matches!(error.kind(), ConnectErrorKind::Proxy(ProxyError::Closed)), "{error:?}");

        let address = replying(b"SSH-2.0-OpenSSH\r\n");
        let error = A::connect(Some(proxy(address)), &target, &long);
        assert_eq!((error.step(), error.port()), (ConnectStep::Proxy, address.port()));
        assert!(matches!(
            error.kind(),
            ConnectErrorKind::Proxy(ProxyError::BadHead(_) | ProxyError::Socks(_))
        ));
    }

    // The tunnel is open, and its server is silent: one deadline applies to all steps.
    let (server, proxy) = (silent(), http_proxy());
    let start = Instant::now();
    let error = A::connect(Some(http(proxy)), &request(server), &config(500));
    assert!(
        error.is_timeout()
            && Instant::now().saturating_duration_since(start) < Duration::from_secs(4),
        "{error:?}"
    );
    assert_eq!((error.step(), error.port()), (ConnectStep::Handshake, server.port()));

    // A refusal in slow single bytes ends at the deadline, with the bytes received so far.
    let address = serve(|mut stream| {
        read_until(&mut stream, b"\r\n\r\n");
        stream.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 1000\r\n\r\nrule 7").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = A::connect(Some(http(address)), &target, &short);
    let response = error.response().unwrap();
    assert_eq!((response.body(), response.body_end()), (&b"rule 7"[..], BodyEnd::Timeout));
}

/// Returns the error for a `wss://` URL. No connection is attempted.
fn without_tls<A: Adapter>() -> ConnectErrorKind {
    let secure = ConnectRequest::new("wss://[::1]/").unwrap();
    let error = A::connect(None, &secure, &config(5000));
    assert!(error.to_string().starts_with("[::1]:443: TLS handshake failed: no TLS"), "{error}");
    assert_eq!(error.step(), ConnectStep::Tls);
    error.into_kind()
}

#[test]
fn b5_blocking_has_no_tls() {
    assert!(matches!(without_tls::<Blocking>(), ConnectErrorKind::TlsNotSupported));
}

#[cfg(not(feature = "rustls"))]
#[test]
fn t5_wss_needs_a_feature() {
    assert!(matches!(without_tls::<Tokio>(), ConnectErrorKind::TlsNotSupported));
}

#[cfg(all(feature = "rustls", not(feature = "tls")))]
#[test]
fn t5_wss_without_the_feature_tls_needs_a_config() {
    assert!(matches!(without_tls::<Tokio>(), ConnectErrorKind::TlsNotConfigured));
}

#[test]
fn hc10_hc11_blocking_opens_through_proxies() {
    opens::<Blocking>();
}

#[test]
fn hc10_hc11_blocking_leaves_the_bytes_of_the_tunnel() {
    leaves_the_bytes_of_the_tunnel::<Blocking>();
}

#[test]
fn hc10_hc11_v25_blocking_names_host_port_and_step() {
    names_host_port_and_step::<Blocking>();
}

#[test]
fn hc10_hc11_tokio_opens_through_proxies() {
    opens::<Tokio>();
}

#[test]
fn hc10_hc11_tokio_leaves_the_bytes_of_the_tunnel() {
    leaves_the_bytes_of_the_tunnel::<Tokio>();
}

#[test]
fn hc10_hc11_v25_tokio_names_host_port_and_step() {
    names_host_port_and_step::<Tokio>();
}

#[test]
fn tokio_connects_from_a_local_address() {
    use sansocket::tokio::Connector;

    for (local, is_of_family) in [("127.0.0.1", true), ("::1", false)] {
        let server = echo();
        let connector = Connector::new().local_addr(local.parse().unwrap());
        let config = config(5000);
        let connected = Tokio::block_on(async {
            let (ws, _) = connector.connect(&request(server), &config).await?;
            let address = ws.get_ref().local_addr().unwrap();
            assert_eq!(address.ip().to_string(), local);
            Ok::<_, ConnectError>(ws.into_inner().stream.into_tcp().unwrap().peer_addr().unwrap())
        });
        match connected {
            Ok(peer) => assert!(is_of_family && peer == server),
            Err(error) => {
                assert!(!is_of_family, "{error}");
                check(&error, ConnectStep::Connect, server, "the name has no address");
                // The thread of the server ends.
                drop(TcpStream::connect(server));
            }
        }
    }
}

#[cfg(feature = "socket2")]
#[test]
fn blocking_connects_from_a_local_address() {
    for connect_timeout in [None, Some(Duration::from_secs(5))] {
        for (local, is_of_family) in [("127.0.0.2", true), ("::1", false)] {
            let server = echo();
            let mut connector = blocking::Connector::new().local_addr(local.parse().unwrap());
            if let Some(timeout) = connect_timeout {
                connector = connector.connect_timeout(timeout);
            }
            match connector.connect(&request(server), &config(5000)) {
                Ok((mut ws, _)) => {
                    assert!(is_of_family);
                    assert_eq!(ws.get_ref().local_addr().unwrap().ip().to_string(), local);
                    ws.send_text(TEXT).unwrap();
                    assert!(matches!(ws.read().unwrap(), Some((Event::Text(TEXT), _))));
                    ws.close(CloseCode::NORMAL, "").unwrap();
                }
                Err(error) => {
                    assert!(!is_of_family, "{error}");
                    check(&error, ConnectStep::Connect, server, "the name has no address");
                    // The thread of the server ends.
                    drop(TcpStream::connect(server));
                }
            }
        }
    }
}

#[test]
fn v25_an_error_of_the_deadline_names_its_setting() {
    let text = ConnectErrorKind::Timeout.to_string();
    assert!(text.contains("handshake_timeout"), "{text}");
}
