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

use sansocket::deflate::Deflate;
use sansocket::tokio::WebSocket;
use sansocket::{CloseCode, Config, ConnectRequest, Entropy, Event};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The timeout of a case. That of the suite is 480 s for the longest case.
const CASE_TIME: Duration = Duration::from_secs(500);

/// Connects and offers compression, which groups 12 and 13 test.
async fn connect(url: &str, config: &Config) -> Result<WebSocket<TcpStream>, Box<dyn Error>> {
    let request = ConnectRequest::new(url)?.deflate(Deflate::default());
    let (ws, _) = WebSocket::connect(&request, config).await?;
    Ok(ws)
}

async fn count_cases(base: &str, config: &Config) -> Result<u32, Box<dyn Error>> {
    let mut ws = connect(&format!("{base}/getCaseCount"), config).await?;
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
async fn run_case(url: &str, config: &Config) -> Result<(), Box<dyn Error>> {
    let mut ws = connect(url, config).await?;
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

async fn run(base: &str, agent: &str) -> Result<(), Box<dyn Error>> {
    // In groups 12 and 13 the suite ends a case at any pong, so keep-alive is off.
    let config =
        Config::client(Entropy::os()).max_message_len(64 << 20).keep_alive(None, None).build()?;
    let count = count_cases(base, &config).await?;
    for case in 1..=count {
        let url = format!("{base}/runCase?case={case}&agent={agent}");
        match timeout(CASE_TIME, run_case(&url, &config)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => println!("case {case}: {error}"),
            Err(_) => println!("case {case}: timed out"),
        }
    }
    let mut ws = connect(&format!("{base}/updateReports?agent={agent}"), &config).await?;
    // The suite ends this connection without a closing handshake.
    let _ = ws.close(CloseCode::NORMAL, "").await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, agent] = arguments.as_slice() else {
        eprintln!("usage: autobahn_client BASE_URL AGENT");
        return ExitCode::from(2);
    };
    match run(base.trim_end_matches('/'), agent).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}
