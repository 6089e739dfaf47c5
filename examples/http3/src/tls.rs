//! The settings of QUIC and TLS.

use core::error::Error;
use core::time::Duration;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rcgen::PublicKeyData;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The streams that a peer may have open: WebSockets and other requests.
const MAX_STREAMS: u32 = 128;
/// The data of a stream that the application has not read.
const STREAM_WINDOW: u32 = 64 * 1024;
/// A connection without any input ends after this time. The pings of the WebSockets are sent more often.
const IDLE: Duration = Duration::from_secs(60);

/// The certificate of the server.
pub(crate) enum Certificate {
    Files { cert: String, key: String },
    ThrowAway,
}

/// Returns the config, and the SHA-256 of the public key of a throw-away certificate, in the form that
/// Chromium takes.
pub(crate) fn server_config(
    certificate: &Certificate,
) -> Result<(ServerConfig, Option<String>), Box<dyn Error>> {
    let (chain, key, hash) = match certificate {
        Certificate::Files { cert, key } => (read_chain(cert)?, read_key(key)?, None),
        Certificate::ThrowAway => {
            let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
            let made = rcgen::generate_simple_self_signed(names)?;
            let hash = digest::digest(&digest::SHA256, &made.signing_key.subject_public_key_info());
            (vec![made.cert.into()], made.signing_key.into(), Some(STANDARD.encode(hash)))
        }
    };
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport()?));
    Ok((config, hash))
}

/// Returns the limits of a connection.
fn transport() -> Result<TransportConfig, Box<dyn Error>> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(MAX_STREAMS.into())
        // HTTP/3 needs three of them. Browsers open others, which the server stops.
        .max_concurrent_uni_streams(16_u32.into())
        .stream_receive_window(STREAM_WINDOW.into())
        // Their product: WebSockets that are not read use up their own windows only.
        .receive_window(VarInt::from_u32(MAX_STREAMS * STREAM_WINDOW))
        .max_idle_timeout(Some(IdleTimeout::try_from(IDLE)?))
        .datagram_receive_buffer_size(None);
    Ok(transport)
}

fn read_chain(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match chain {
        Ok(chain) if chain.is_empty() => Err(format!("cannot read {file}: no certificate")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("cannot read {file}: {error}")),
    }
}

fn read_key(file: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| format!("cannot read {file}: {error}"))
}
