//! A client that stays connected (RFC 6455 section 7.2.3): after a lost connection it waits for a random
//! time, longer after each failure, and connects again.

use core::error::Error;
use core::time::Duration;

use sansocket::error::{ConnectError, ConnectErrorKind};
use sansocket::handshake::{Backoff, HandshakeError};
use sansocket::tokio::WebSocket;
use sansocket::{CloseCode, Config, ConnectRequest, Entropy, Event};
use tokio::time::{Instant, sleep};

/// When to connect again.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an example, not a library")]
pub struct Policy {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// A connection that has lasted as long counts as stable: the next wait is a first one. A server that
    /// accepts and fails at once is not called again and again without a wait.
    pub stable: Duration,
}

/// What happens to the client.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "an example, not a library")]
pub enum Notice<'a> {
    /// A connection is open. Here a client subscribes again, from the last message that it has received.
    Connected,
    /// A message.
    Text(&'a str),
    /// A connection was lost, or an attempt has failed; the next one comes after `delay`.
    Lost {
        /// The reason.
        reason: &'a dyn Error,
        /// The wait.
        delay: Duration,
    },
}

/// Receives messages until the server closes with 1000.
///
/// # Errors
/// Those that will not change by waiting, such as a wrong URL or a status of 401 or 404.
pub async fn stay_connected(
    request: &ConnectRequest,
    config: &Config,
    policy: Policy,
    mut notify: impl FnMut(Notice<'_>),
) -> Result<(), Box<dyn Error>> {
    let entropy = Entropy::os();
    let mut backoff = Backoff::new(policy.first, policy.max);
    loop {
        let reason: Box<dyn Error> = match WebSocket::connect(request, config).await {
            Ok((ws, _response)) => {
                notify(Notice::Connected);
                let opened = Instant::now();
                let end = receive(ws, &mut notify).await;
                if opened.elapsed() >= policy.stable {
                    backoff.reset();
                }
                match end {
                    Ok(CloseCode::NORMAL) => return Ok(()),
                    // 1001 and 1012 above all: the server goes, and another one comes.
                    Ok(code) => format!("the server closed with {code}").into(),
                    Err(error) => error,
                }
            }
            Err(error) if is_temporary(&error) => error.into(),
            Err(error) => return Err(error.into()),
        };
        let delay = backoff.next_delay(&entropy)?;
        notify(Notice::Lost { reason: &*reason, delay });
        sleep(delay).await;
    }
}

/// Receives until the end of a connection.
async fn receive<S>(
    mut ws: WebSocket<S>,
    notify: &mut impl FnMut(Notice<'_>),
) -> Result<CloseCode, Box<dyn Error>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some((event, _)) = ws.read().await? {
        if let Event::Text(text) = event {
            notify(Notice::Text(text));
        }
    }
    Ok(ws.close_status().map_or(CloseCode::ABNORMAL, |status| status.code))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other errors stay, new ones too")]
fn is_temporary(error: &ConnectError) -> bool {
    match error.kind() {
        ConnectErrorKind::Io(_) | ConnectErrorKind::Timeout => true,
        ConnectErrorKind::Handshake(HandshakeError::Status(response)) => response.status() >= 500,
        ConnectErrorKind::Handshake(error) => {
            matches!(error, HandshakeError::Timeout | HandshakeError::ClosedWithoutResponse)
        }
        _ => false,
    }
}
