//! The cases on the tokio adapter.

use sansocket::tokio::WebSocket;
use sansocket::{Config, ConnectRequest};
use tokio::time::timeout;

use crate::cases::Case;
use crate::steps::run_steps;
use crate::{CASE_TIME, Outcome};

/// Runs one case on a connection of its own, with a timeout.
pub(crate) fn play(case: Case, request: ConnectRequest, config: Config) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { timeout(CASE_TIME, run(&case, &request, &config)).await? })
}

async fn run(case: &Case, request: &ConnectRequest, config: &Config) -> Outcome {
    run_steps!(case, WebSocket::connect(request, config).await, await)
}
