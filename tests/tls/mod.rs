//! `wss://` over loopback TCP, with the certificates of `certificates/`.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod connector;
#[cfg(feature = "h2")]
mod http2;
mod threads;

use core::net::SocketAddr;
use core::time::Duration;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sansocket::WebSocketError;
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, Config, ConnectRequest, Entropy, Event};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::common::tasks::{self, spawn};
use crate::common::thread;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/certificates").join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&fs::read(path(name)).unwrap()).unwrap()
}

/// The config of a client that accepts this root only.
fn trusting(root: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(root)).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(roots).with_no_client_auth()
}

fn server_config(name: &str) -> ServerConfig {
    let key = PrivateKeyDer::from_pem_slice(&fs::read(path("key.pem")).unwrap()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate(name)], key).unwrap();
    // A server that also has HTTP/2: a client that offers it gets it.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn acceptor(name: &str) -> TlsAcceptor {
    TlsAcceptor::from(Arc::new(server_config(name)))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limit = Duration::from_secs(30);
    tasks::block_on(&runtime, async { tokio::time::timeout(limit, future).await.expect("a hang") })
}

/// Serves each TCP connection with a function, in a thread.
fn serve_tcp<F, Fut>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()>,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let builder = &mut tokio::runtime::Builder::new_current_thread();
        tasks::block_on(&builder.enable_all().build().unwrap(), async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                serve(stream).await;
            }
        });
    });
    address
}

/// The same, after a TLS handshake with this certificate. A failed handshake is ignored.
fn serve_tls<F, Fut>(name: &str, serve: F) -> SocketAddr
where
    F: Fn(TlsStream<TcpStream>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()>,
{
    let acceptor = acceptor(name);
    let serve = Arc::new(serve);
    serve_tcp(move |stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
}

async fn accept<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> WebSocket<S> {
    let config = Config::server().build().unwrap();
    WebSocket::accept(stream, &config, &AcceptOptions::new()).await.unwrap()
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(
    ws: &mut WebSocket<S>,
) -> Result<(), WebSocketError> {
    while let Some((event, mut reply)) = ws.read().await? {
        match event {
            Event::Text(text) => reply.feed_text(text)?,
            Event::Binary(bytes) => reply.feed_binary(bytes)?,
            _ => {}
        }
    }
    Ok(())
}

/// A `wss://` server that echoes.
fn echo_server(name: &str) -> SocketAddr {
    serve_tls(name, |stream| async move {
        let protocol = stream.get_ref().1.alpn_protocol();
        assert_eq!(protocol, Some(&b"http/1.1"[..]));
        let _ = echo(&mut accept(stream).await).await;
    })
}

/// A `wss://` server without HTTP/2, in the runtime of the test. It echoes.
#[cfg(feature = "h2")]
async fn echo_server_http1() -> SocketAddr {
    let mut config = server_config("localhost.pem");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            spawn(async move {
                let stream = acceptor.accept(stream).await.unwrap();
                drop(echo(&mut accept(stream).await).await);
            });
        }
    });
    address
}

/// Completes the TLS handshake, and writes nothing.
fn silent_server(name: &str) -> SocketAddr {
    serve_tls(name, |stream| async move {
        let (mut reader, _writer) = tokio::io::split(stream);
        let _ = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
    })
}

/// Accepts TCP connections, and writes nothing.
fn silent_tcp_server() -> SocketAddr {
    serve_tcp(|mut stream| async move {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
}

/// Starts a TLS record of 16 KiB, and sends a byte of it every 20 ms.
fn trickling_server() -> SocketAddr {
    use tokio::io::AsyncWriteExt;

    serve_tcp(|mut stream| async move {
        let mut next: &[u8] = &[0x16, 3, 3, 0x40, 0];
        while stream.write_all(next).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            next = &[0];
        }
    })
}

fn request(host: &str, address: SocketAddr) -> ConnectRequest {
    ConnectRequest::new(&format!("wss://{host}:{}/chat", address.port())).unwrap()
}

fn config(timeout_ms: u64) -> Config {
    let timeout = Duration::from_millis(timeout_ms);
    Config::client(Entropy::os()).handshake_timeout(timeout).build().unwrap()
}
