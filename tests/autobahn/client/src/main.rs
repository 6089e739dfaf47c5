//! The client for the Autobahn test suite: it requests the number of cases, echoes all messages of
//! each case, and requests the report.
#![allow(
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "written as a user of the crate would"
)]

use core::error::Error;
use core::time::Duration;
use std::process::ExitCode;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sansocket::deflate::Deflate;
use sansocket::h2::Prefer;
use sansocket::handshake::HttpVersion;
use sansocket::tokio::{ClientStream, Connector, WebSocket};
use sansocket::{CloseCode, Config, ConnectRequest, Entropy, Event};
use tokio::time::timeout;

/// The timeout of a case. That of the suite is 480 s for the longest case.
const CASE_TIME: Duration = Duration::from_secs(500);

/// The settings of all connections.
struct Client {
    connector: Connector,
    config: Config,
}

impl Client {
    /// `ca` is a PEM file with the only trusted certificates for `wss://` URLs, which use HTTP/2.
    fn new(ca: Option<&str>) -> Result<Self, Box<dyn Error>> {
        let mut connector = Connector::new();
        if let Some(ca) = ca {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(ca)? {
                roots.add(certificate?)?;
            }
            let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            connector = connector.tls(Arc::new(tls)).http2(Prefer::new());
        }
        // In groups 12 and 13 the suite ends a case at any pong, so keep-alive is off.
        let config = Config::client(Entropy::os()).max_message_len(64 << 20).keep_alive(None, None);
        Ok(Self { connector, config: config.build()? })
    }

    /// Connects and offers compression, which groups 12 and 13 test.
    async fn connect(&self, url: &str) -> Result<WebSocket<ClientStream>, Box<dyn Error>> {
        let request = ConnectRequest::new(url)?.deflate(Deflate::default());
        let (ws, _) = self.connector.connect(&request, &self.config).await?;
        match ws.get_ref().http_version() {
            HttpVersion::Http11 if request.is_secure() => Err("not connected over HTTP/2".into()),
            _ => Ok(ws),
        }
    }
}

async fn count_cases(base: &str, client: &Client) -> Result<u32, Box<dyn Error>> {
    let mut ws = client.connect(&format!("{base}/getCaseCount")).await?;
    let mut count = None;
    while let Some((event, _)) = ws.read().await? {
        if let Event::Text(text) = event {
            count = Some(text.parse()?);
        }
    }
    Ok(count.ok_or("the suite did not send the number of cases")?)
}

/// Echoes until the suite closes. Intended faults of the suite are no failure of the client: the
/// report of the suite has the results.
async fn run_case(url: &str, client: &Client) -> Result<(), Box<dyn Error>> {
    let mut ws = client.connect(url).await?;
    while let Some((event, mut reply)) = ws.read().await? {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only data is echoed")]
        match event {
            Event::Text(text) => reply.feed_text(text)?,
            Event::Binary(bytes) => reply.feed_binary(bytes)?,
            _ => {}
        }
    }
    Ok(())
}

async fn run(base: &str, agent: &str, ca: Option<&str>) -> Result<(), Box<dyn Error>> {
    let client = Client::new(ca)?;
    let count = count_cases(base, &client).await?;
    for case in 1..=count {
        let url = format!("{base}/runCase?case={case}&agent={agent}");
        match timeout(CASE_TIME, run_case(&url, &client)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => println!("case {case}: {error}"),
            Err(_) => println!("case {case}: timed out"),
        }
    }
    let mut ws = client.connect(&format!("{base}/updateReports?agent={agent}")).await?;
    // The suite ends this connection without a closing handshake.
    let _ = ws.close(CloseCode::NORMAL, "").await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (base, agent, ca) = match *arguments.as_slice() {
        [base, agent] => (base, agent, None),
        [base, agent, ca] => (base, agent, Some(ca)),
        _ => {
            eprintln!("usage: autobahn_client BASE_URL AGENT [CA]");
            return ExitCode::from(2);
        }
    };
    match run(base.trim_end_matches('/'), agent, ca).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}
