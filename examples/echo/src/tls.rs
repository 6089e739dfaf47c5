//! TLS of the app: the library takes the accepted stream as any other transport.

use core::error::Error;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use aws_lc_rs::digest;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, InvalidMessage, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::options::Certificate;

/// The certificate, and the settings of TLS that all connections share.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    /// The SHA-256 of the certificate, in the form that browsers show.
    pub(crate) fingerprint: String,
}

impl Tls {
    pub(crate) fn new(certificate: &Certificate) -> Result<Self, Box<dyn Error>> {
        let (chain, key) = match certificate {
            Certificate::Files { cert, key } => (read_chain(cert)?, read_key(key)?),
            Certificate::ThrowAway => throw_away()?,
        };
        let fingerprint = chain.first().map(fingerprint).unwrap_or_default();
        // The provider is named, so that another crate of the program can't change it.
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| format!("cannot use {certificate}: {}", misfit(error)))?;
        // A client without ALPN uses HTTP/1.1.
        config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: Arc::new(config).into(), fingerprint })
    }

    /// Performs the TLS handshake of a connection.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        limit: Duration,
    ) -> Result<TlsStream<TcpStream>, String> {
        let peer = stream.peer_addr();
        let cause = match timeout(limit, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => cause(&error),
            Err(_) => format!("not complete after {} s", limit.as_secs()),
        };
        let peer = peer.map_or_else(|_| "a client".into(), |peer| peer.to_string());
        Err(format!("TLS handshake with {peer} failed: {cause}"))
    }
}

/// Returns whether the client and the server have agreed on HTTP/2.
pub(crate) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

/// The name of HTTP/2 in ALPN (RFC 9113 section 3.2).
const HTTP2: &[u8] = b"h2";

/// Reads the certificate of the server, and the certificates of its issuers.
fn read_chain(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match chain {
        Ok(chain) if chain.is_empty() => Err(pem::Error::NoItemsFound),
        chain => chain,
    }
    .map_err(|error| unreadable(file, "certificate", error))
}

fn read_key(file: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unreadable(file, "private key", error))
}

fn unreadable(file: &str, kind: &str, error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("cannot read {file}: {error}"),
        pem::Error::NoItemsFound => format!("cannot read {file}: no {kind} in PEM format"),
        _ => format!("cannot read {file}: invalid PEM format"),
    }
}

/// Describes a certificate and a key that can't be used together.
fn misfit(error: rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => "they do not match".into(),
        rustls::Error::InvalidCertificate(error) => format!("invalid certificate: {error}"),
        error => error.to_string(),
    }
}

/// Makes a certificate that is its own issuer. The key is in memory only.
fn throw_away() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Box<dyn Error>> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let made = rcgen::generate_simple_self_signed(names)?;
    Ok((vec![made.cert.into()], made.signing_key.into()))
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = digest::digest(&digest::SHA256, certificate);
    let bytes: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

/// Describes the failure of a TLS handshake.
fn cause(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "the client has disconnected".into();
    }
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "the client does not use TLS, or is at an http URL".into()
        }
        _ => error.to_string(),
    }
}
