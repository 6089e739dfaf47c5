//! A client for the command line: sends the lines of stdin, and prints the messages of the server.
#![allow(
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "written as a user of the crate would"
)]

mod lines;
mod options;

use core::error::Error;
use core::pin::pin;
use std::io::Write;
use std::process::ExitCode;

use sansocket::connection::CloseStatus;
use sansocket::error::{ConnectError, SendError};
use sansocket::h2::Prefer;
use sansocket::tokio::{ClientStream, Connector, Reader, Sender};
use sansocket::{CloseCode, Config, Entropy, Event, WebSocketError};

use crate::options::{Options, USAGE};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("client: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match block_on(run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(run: impl Future<Output = Result<(), Box<dyn Error>>>) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(run);
    // A slow name resolution has a thread of its own, which would delay the exit after a timeout.
    runtime.shutdown_background();
    result
}

/// Returns when the connection has closed.
async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let Options { request, proxy, tls, http2, timeout } = options;
    let mut config = Config::client(Entropy::os());
    if let Some(timeout) = timeout {
        config = config.handshake_timeout(timeout);
    }
    let mut connector = Connector::new();
    if let Some(proxy) = proxy {
        connector = connector.proxy(proxy);
    }
    if let Some(tls) = tls {
        connector = connector.tls(tls);
    }
    if http2 {
        connector = connector.http2(Prefer::new());
    }
    let connected = connector.connect(&request, &config.build()?).await;
    let (ws, _response) = connected.map_err(|error| failure(&error))?;
    if http2 {
        eprintln!("connected over {}", ws.get_ref().http_version());
    }

    let host = request.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let peer = format!("{host}:{}", request.port());
    let (mut reader, sender) = ws.split();
    let sending = async {
        let sent = send_lines(&sender).await;
        sender.close_output(CloseCode::NORMAL, "")?;
        sent
    };
    let mut receiving = pin!(print_messages(&mut reader, &peer));
    tokio::select! {
        // The server closed first.
        end = &mut receiving => end,
        sent = sending => receiving.await.and(sent),
    }
}

/// Sends the lines of stdin, each after the transport has taken the line before.
async fn send_lines(sender: &Sender<ClientStream>) -> Result<(), Box<dyn Error>> {
    let mut lines = lines::of_stdin();
    while let Some(line) = lines.recv().await {
        match sender.send_text(&line?).await {
            Ok(()) => {}
            Err(WebSocketError::Send(error)) if error != SendError::Closed => {
                return Err(error.into());
            }
            // The reader returns the reason for the end of the connection.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Prints messages until the connection has closed.
async fn print_messages(
    reader: &mut Reader<ClientStream>,
    peer: &str,
) -> Result<(), Box<dyn Error>> {
    let mut stdout = std::io::stdout();
    loop {
        let read = reader.read().await;
        let read = read.map_err(|error| format!("{peer}: connection failed: {error}"))?;
        let Some((event, _)) = read else { break };
        let printed = match event {
            Event::Text(text) => writeln!(stdout, "{text}"),
            Event::Binary(bytes) => writeln!(stdout, "[binary message, {} bytes]", bytes.len()),
            // Pings and Close frames are answered already.
            _ => Ok(()),
        };
        printed.map_err(|error| format!("stdout: {error}"))?;
    }
    match reader.close_status() {
        Some(CloseStatus { code, reason, .. })
            if !matches!(code, CloseCode::NORMAL | CloseCode::NO_STATUS) =>
        {
            Err(format!("{peer}: the server closed with {code} {:?}", reason.as_str()).into())
        }
        _ => Ok(()),
    }
}

/// Returns the text of an error. Servers and proxies explain a refusal in the body of the response.
fn failure(error: &ConnectError) -> String {
    let body = error.response().map_or(&[][..], |response| response.body());
    if body.is_empty() {
        return error.to_string();
    }
    let excerpt = body.get(..MAX_EXCERPT_LEN).unwrap_or(body);
    let end = if excerpt.len() < body.len() { "..." } else { "" };
    // The escapes of `{:?}` keep the text on one line.
    format!("{error}: {:?}{end}", String::from_utf8_lossy(excerpt))
}

/// The longest excerpt of a response's body, in bytes. Pages of proxies begin with a declaration of
/// about 200 bytes.
const MAX_EXCERPT_LEN: usize = 500;
