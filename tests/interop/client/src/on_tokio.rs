//! The cases on the tokio adapter.

use sansocket::message::SendOptions;
use sansocket::tokio::WebSocket;
use sansocket::{Config, ConnectRequest};
use tokio::time::timeout;

use crate::cases::{Case, Seen, Step};
use crate::{CASE_TIME, Outcome};

/// Runs one case on a connection of its own, with a timeout.
pub(crate) fn play(case: Case, request: ConnectRequest, config: Config) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { timeout(CASE_TIME, steps(&case, &request, &config)).await? })
}

async fn steps(case: &Case, request: &ConnectRequest, config: &Config) -> Outcome {
    let (mut ws, answer) = WebSocket::connect(request, config).await?;
    case.check_answer(&answer)?;
    ws.enable_stats();
    let mut seen = Seen::default();
    for step in &case.steps {
        match step {
            Step::Send(message) => ws.feed(message.as_data(), SendOptions::new())?,
            Step::SendPart { piece, end } => {
                ws.feed_part(piece.as_data(), *end, SendOptions::new())?;
            }
            Step::SendPing(payload) => ws.feed_ping(payload)?,
            Step::SendPong(payload) => ws.feed_pong(payload)?,
            Step::Close(code) => {
                let status = ws.close(*code, "").await?;
                seen.close(status.code);
            }
            Step::Check(check) => case.check(*check, ws.connection().stats())?,
            Step::Expect(expected) => loop {
                if let Some(outcome) = seen.take(expected) {
                    outcome?;
                    break;
                }
                match ws.read().await? {
                    Some((event, _)) => seen.event(event),
                    None => seen.end(),
                }
            },
        }
    }
    // The connection must end without an error, whichever end closed it.
    while ws.read().await?.is_some() {}
    Ok(())
}
