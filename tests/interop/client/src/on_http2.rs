//! The cases on the tokio adapter over HTTP/2: the connections are streams of a session.

use core::error::Error;

use alloc::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sansocket::h2::Prefer;
use sansocket::handshake::HttpVersion;
use sansocket::tokio::Connector;
use sansocket::{Config, ConnectRequest};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::cases::Case;
use crate::steps::run_steps;
use crate::{CASE_TIME, Outcome};

/// Opens sessions of HTTP/2. They make progress while a case runs.
pub(crate) struct Http2 {
    runtime: Runtime,
    tls: Arc<ClientConfig>,
}

impl Http2 {
    /// `ca` is a PEM file with the only trusted certificates.
    pub(crate) fn new(ca: &str) -> Result<Self, Box<dyn Error>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca)? {
            roots.add(certificate?)?;
        }
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, tls: Arc::new(tls) })
    }

    /// Returns a connector with at most one session.
    pub(crate) fn connector(&self) -> Connector {
        Connector::new().tls(self.tls.clone()).http2(Prefer::new().max_sessions(1))
    }

    /// Runs one case on a stream of the connector's session, with a timeout.
    pub(crate) fn play(
        &self,
        connector: Connector,
        case: Case,
        request: ConnectRequest,
        config: Config,
    ) -> Outcome {
        self.runtime.block_on(run(case, request, config, connector))
    }

    /// Runs all cases at the same time, each on a stream of one session.
    pub(crate) fn play_at_once(
        &self,
        cases: impl IntoIterator<Item = (Case, ConnectRequest, Config)>,
    ) -> Vec<Outcome> {
        let connector = self.connector();
        self.runtime.block_on(async {
            let tasks: Vec<_> = cases
                .into_iter()
                .map(|(case, request, config)| {
                    tokio::spawn(run(case, request, config, connector.clone()))
                })
                .collect();
            let mut outcomes = Vec::new();
            for task in tasks {
                outcomes.push(task.await.unwrap_or_else(|error| Err(error.into())));
            }
            outcomes
        })
    }
}

async fn run(case: Case, request: ConnectRequest, config: Config, connector: Connector) -> Outcome {
    timeout(CASE_TIME, run_in_time(&case, &request, &config, &connector)).await?
}

async fn run_in_time(
    case: &Case,
    request: &ConnectRequest,
    config: &Config,
    connector: &Connector,
) -> Outcome {
    let (ws, response) = connector.connect(request, config).await?;
    let version = ws.get_ref().http_version();
    if version != HttpVersion::Http2 {
        return Err(format!("connected over {version}").into());
    }
    run_steps!(case, Ok::<_, Box<dyn Error + Send + Sync>>((ws, response)), await)
}
