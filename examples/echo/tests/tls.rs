//! The app with a certificate from files.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "tests"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair};
use sansocket::h2::{Client, SessionOptions};
use sansocket::tokio::WebSocket;
use sansocket::{CloseCode, Config, ConnectRequest, Entropy, Event};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::common::start;

/// The name that only the certificate of this test has, so that the throw-away one is not accepted.
const NAME: &str = "echo.example";

/// A folder for the files of one test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap()
}

fn echo(folder: &Path, cert: &str, key: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo"));
    command.current_dir(folder).args(["127.0.0.1:0", "--cert", cert, "--key", key]);
    command
}

#[test]
fn files_that_cannot_be_used_are_named_in_one_line() {
    let folder = folder("unusable");
    let (own, other) = (certificate(), certificate());
    let pem = own.cert.pem();
    let cut = pem.split_inclusive('\n').take(3).collect::<String>();
    let invalid = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    for (file, text) in [
        ("cert", pem),
        ("key", own.signing_key.serialize_pem()),
        ("other-key", other.signing_key.serialize_pem()),
        ("text", "no PEM".into()),
        ("cut", cut),
        ("invalid", invalid),
    ] {
        fs::write(folder.join(file), text).unwrap();
    }
    for (cert, key, start) in [
        ("missing", "key", "cannot read missing: "),
        ("cert", "missing", "cannot read missing: "),
        (".", "key", "cannot read .: "),
        ("text", "key", "cannot read text: no certificate in PEM format"),
        ("cert", "text", "cannot read text: no private key in PEM format"),
        ("key", "key", "cannot read key: no certificate in PEM format"),
        ("cert", "cert", "cannot read cert: no private key in PEM format"),
        ("cut", "key", "cannot read cut: invalid PEM format"),
        (
            "invalid",
            "key",
            "cannot use the certificate of invalid with the key of key: invalid certificate: ",
        ),
        (
            "cert",
            "other-key",
            "cannot use the certificate of cert with the key of other-key: they do not match",
        ),
    ] {
        let output = echo(&folder, cert, key).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with(&format!("echo: {start}")), "{cert}, {key}: {text}");
        assert_eq!(text.lines().count(), 1, "{cert}, {key}: {text}");
        assert_eq!(output.status.code(), Some(1), "{cert}, {key}");
        assert!(output.stdout.is_empty(), "{cert}, {key}");
    }
}

#[tokio::test]
async fn a_certificate_from_a_file_is_served_over_both_versions_of_http() {
    let folder = folder("own");
    let own = certificate();
    fs::write(folder.join("cert"), own.cert.pem()).unwrap();
    fs::write(folder.join("key"), own.signing_key.serialize_pem()).unwrap();
    let (_app, address) = start(echo(&folder, "cert", "key"));

    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let request = ConnectRequest::new(&format!("wss://{NAME}/ws")).unwrap();
    let settings = Config::client(Entropy::os()).build().unwrap();
    for (offered, selected) in [
        (&[][..], None),
        (&["http/1.1"][..], Some("http/1.1")),
        (&["http/1.1", "h2"][..], Some("h2")),
        (&["h2"][..], Some("h2")),
    ] {
        let mut config = config.clone();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(address).await.unwrap();
        let tls = TlsConnector::from(Arc::new(config));
        let stream = tls.connect(NAME.try_into().unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), selected.map(str::as_bytes));
        if selected == Some("h2") {
            let options = SessionOptions::builder().build().unwrap();
            let (client, session) = Client::handshake(stream, &options).await.unwrap();
            tokio::spawn(session);
            exchange(client.open(&request, &settings).await.unwrap().0).await;
        } else {
            exchange(WebSocket::client(stream, &request, &settings).await.unwrap().0).await;
        }
    }
}

/// Sends a message, receives its echo, and closes.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut ws: WebSocket<S>) {
    ws.send_text("over TLS").await.unwrap();
    let (event, _) = ws.read().await.unwrap().unwrap();
    assert!(matches!(event, Event::Text(text) if text == "over TLS"), "{event:?}");
    let status = ws.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(status.code, CloseCode::NORMAL);
}
