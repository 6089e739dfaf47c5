//! The echo and its page over HTTP/3 (RFC 9114, RFC 9220). Experimental.

mod connection;
mod control;
mod fault;
mod frames;
mod message;
mod stream;
mod tls;

use core::error::Error;
use core::future::Future;
use core::time::Duration;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;

use quinn::Endpoint;
use sansocket::deflate::Deflate;
use sansocket::{AcceptOptions, Config};
use shiguredo_http3::ErrorCode;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fault::quic;
use crate::tls::{Certificate, server_config};

const USAGE: &str = "usage: echo_http3 ADDR [CERT KEY]

  ADDR      address and UDP port, such as 127.0.0.1:9443
  CERT KEY  PEM files of the certificate chain and its key; without them the server makes a certificate";

/// The connections at a time. Each may hold 8 MiB of data that its WebSockets have not read.
const MAX_CONNECTIONS: usize = 256;

/// The time that all connections have to close after a signal.
const CLOSING_TIME: Duration = Duration::from_millis(1500);

/// The settings that all connections share.
struct App {
    config: Config,
    accept: AcceptOptions,
}

impl App {
    fn new() -> Result<Self, Box<dyn Error>> {
        // Shorter than the idle timeout of a connection, so that a silent WebSocket stays open.
        let (interval, timeout) = (Duration::from_secs(20), Duration::from_secs(20));
        let config = Config::server().keep_alive(Some(interval), Some(timeout)).build()?;
        let accept = AcceptOptions::new().deflate(Deflate::options().build()?);
        Ok(Self { config, accept })
    }
}

/// Waits for SIGINT or SIGTERM.
#[cfg(unix)]
fn signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
    })
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
fn signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

async fn run(address: SocketAddr, certificate: &Certificate) -> Result<(), Box<dyn Error>> {
    let app = Arc::new(App::new()?);
    let (config, key_hash) = server_config(certificate)?;
    let mut stopped = core::pin::pin!(signal()?);
    let endpoint = Endpoint::server(config, address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    if let Some(hash) = key_hash {
        println!("public key SHA-256 {hash}");
    }
    let address = endpoint.local_addr()?;
    println!("listening on https://{address} (HTTP/3), WebSocket wss://{address}/ws");

    let (end, ending) = watch::channel(false);
    let mut tasks = JoinSet::new();
    loop {
        let incoming = tokio::select! {
            () = &mut stopped => break,
            incoming = endpoint.accept() => incoming,
            Some(_) = tasks.join_next() => continue,
        };
        let Some(incoming) = incoming else { break };
        if endpoint.open_connections() > MAX_CONNECTIONS {
            incoming.refuse();
            continue;
        }
        let connection = connection::serve(incoming, app.clone(), ending.clone());
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("{error}");
            }
        });
    }
    endpoint.set_server_config(None);
    // Fails if no connection is left.
    let _ = end.send(true);
    let all = async {
        while tasks.join_next().await.is_some() {}
        endpoint.close(quic(ErrorCode::NoError), b"server shutdown");
        endpoint.wait_idle().await;
    };
    let _ = timeout(CLOSING_TIME, all).await;
    Ok(())
}

fn start(address: &str, certificate: &Certificate) -> Result<(), Box<dyn Error>> {
    let address = address
        .to_socket_addrs()
        .map_err(|error| format!("cannot use the address {address}: {error}"))?
        .next()
        .ok_or_else(|| format!("no address for {address}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(address, certificate))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let started = match arguments.as_slice() {
        [help] if help == "--help" || help == "-h" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        [address] => start(address, &Certificate::ThrowAway),
        [address, cert, key] => {
            start(address, &Certificate::Files { cert: cert.clone(), key: key.clone() })
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_http3: {error}");
            ExitCode::FAILURE
        }
    }
}
