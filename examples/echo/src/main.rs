//! The sample app: a test page at `/`, and an echo server at `/ws`.
#![allow(
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "written as a user of the crate would"
)]

mod on_threads;
mod on_tokio;
mod options;
mod preface;
mod session;
mod tls;

use core::error::Error;
use core::future::Future;
use core::time::Duration;
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

use sansocket::config::Delivery;
use sansocket::deflate::Deflate;
use sansocket::error::ConfigError;
use sansocket::h2::SessionOptions;
use sansocket::handshake::{HttpResponse, HttpVersion, OriginPolicy};
use sansocket::{AcceptOptions, Config};

use crate::options::{Compression, Options, USAGE};
use crate::tls::Tls;

/// The time that all connections have to close after a signal. The app ends within 2 s.
pub(crate) const CLOSING_TIME: Duration = Duration::from_millis(1500);

/// The pause after a failure to accept, such as too many open files, so that other connections can
/// end.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// The settings that all connections share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) accept: AcceptOptions,
    pub(crate) session: SessionOptions,
    /// `None` for http and ws.
    pub(crate) tls: Option<Tls>,
    /// HTTP/2 without TLS.
    pub(crate) h2c: bool,
}

impl App {
    fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        let (interval, timeout) = options.keep_alive;
        let delivery = if options.parts { Delivery::Parts } else { Delivery::Whole };
        let config = Config::server()
            .max_message_len(options.max_message_len)
            .keep_alive(Some(interval), timeout)
            .delivery(delivery)
            .build()?;
        let policy = if options.any_origin { OriginPolicy::Any } else { OriginPolicy::SameHost };
        let mut accept = AcceptOptions::new().origins(policy);
        if let Some(compression) = options.compression {
            accept = accept.deflate(deflate(compression)?);
        }
        let session = SessionOptions::builder().build()?;
        let tls = options.tls.as_ref().map(Tls::new).transpose()?;
        Ok(Self { config, accept, session, tls, h2c: options.h2c })
    }
}

fn deflate(compression: Compression) -> Result<Deflate, ConfigError> {
    let takeover = compression.context_takeover;
    let mut deflate =
        Deflate::options().server_context_takeover(takeover).client_context_takeover(takeover);
    if let Some((server, client)) = compression.windows {
        deflate = deflate
            .server_max_window_bits(server)
            .client_max_window_bits(client)
            // A window given on the command line is also the one that the encoder uses.
            .encoder_window_bits(server);
    }
    deflate.build()
}

/// Returns the response to a request for a page; `None` if the request is for the WebSocket.
pub(crate) fn page(
    version: HttpVersion,
    method: &str,
    path: &str,
) -> Result<Option<HttpResponse>, Box<dyn Error + Send + Sync>> {
    let plain = "text/plain; charset=utf-8";
    Ok(match (path, method) {
        ("/ws", _) => None,
        ("/", "GET" | "HEAD") => Some(
            HttpResponse::new(200)?
                .with_field("Cache-Control", "no-cache")?
                .with_body("text/html; charset=utf-8", html(version))?,
        ),
        ("/", _) => Some(
            HttpResponse::new(405)?
                .with_field("Allow", "GET, HEAD")?
                .with_body(plain, "method not allowed: use GET or HEAD\n")?,
        ),
        _ => Some(
            HttpResponse::new(404)?
                .with_body(plain, "not found: the page is at /, the WebSocket at /ws\n")?,
        ),
    })
}

/// Returns the page, with a sentence about the version of HTTP that it is sent over.
fn html(version: HttpVersion) -> String {
    let transport = match version {
        HttpVersion::Http2 => {
            "The WebSocket uses the same connection, if the browser supports RFC 8441."
        }
        _ => "The WebSocket has a connection of its own.",
    };
    let sentences = format!("This page was sent over {version}. {transport}");
    include_str!("page.html").replace(HTTP_PLACEHOLDER, &sentences)
}

/// The place of the sentence in the page.
const HTTP_PLACEHOLDER: &str = "{{http}}";

/// Waits for SIGINT or SIGTERM.
#[cfg(unix)]
pub(crate) fn signal() -> io::Result<impl Future<Output = ()>> {
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
pub(crate) fn signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let app = App::new(options)?;
    let listener = TcpListener::bind(&options.address)
        .map_err(|error| format!("cannot listen on {}: {error}", options.address))?;
    if let Some(tls) = &app.tls {
        println!("certificate SHA-256 {}", tls.fingerprint);
    }
    let (s, address) = (if app.tls.is_some() { "s" } else { "" }, listener.local_addr()?);
    println!("listening on http{s}://{address}, WebSocket ws{s}://{address}/ws");
    if options.blocking {
        on_threads::serve(listener, app)
    } else {
        on_tokio::serve(listener, app, options.threads)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("echo: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_its_version_of_http() {
        for version in [HttpVersion::Http11, HttpVersion::Http2] {
            let page = html(version);
            assert_eq!(page.matches(&format!("sent over {version}.")).count(), 1);
            assert!(!page.contains(HTTP_PLACEHOLDER));
        }
    }
}
