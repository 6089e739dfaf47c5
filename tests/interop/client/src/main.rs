//! A client that runs all cases with the server of another implementation, on one of the adapters.

extern crate alloc;

mod cases;
mod on_http2;
mod on_threads;
mod on_tokio;
mod steps;
mod windows;

use core::error::Error;
use core::time::Duration;
use std::process::ExitCode;

use sansocket::deflate::Deflate;
use sansocket::error::ConfigError;
use sansocket::{Config, ConnectRequest, Entropy};

use crate::cases::Case;
use crate::on_http2::Http2;

const USAGE: &str = "\
usage: interop_client ws://HOST:PORT tokio|blocking SET
       interop_client wss://HOST:PORT http2|http2_at_once|http2_each SET CA

  http2          the connections are streams of one session of HTTP/2, one after the other
  http2_at_once  the same, all at the same time
  http2_each     each connection has a session of its own
  CA             a PEM file with the only trusted certificates

The sets of cases:
  plain          all cases, without compression
  deflate        the same cases, with an offer of compression
  asgi           plain, for applications of ASGI: they can't send fragments nor an empty Close frame
  asgi_deflate   the same with an offer of compression, without pings between fragments
  windows        the parameters of compression, with tests/interop/deflate_peer as the server";

/// The timeout of a case, so that a lost reply is a failure and not a hang.
const CASE_TIME: Duration = Duration::from_secs(10);

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
/// A case, and the offer of its connection.
type Offered = (Case, Option<Deflate>);

/// The transport of the cases.
enum Adapter {
    /// Runs one case on a connection of its own, with a timeout.
    Each(fn(Case, ConnectRequest, Config) -> Outcome),
    Http2(Http2),
    Http2AtOnce(Http2),
    Http2Each(Http2),
}

impl Adapter {
    /// Returns `None` if the arguments are not valid.
    fn read(name: &str, ca: Option<&str>) -> Option<Result<Self, Box<dyn Error>>> {
        match (name, ca) {
            ("tokio", None) => Some(Ok(Self::Each(on_tokio::play))),
            ("blocking", None) => Some(Ok(Self::Each(on_threads::play))),
            ("http2", Some(ca)) => Some(Http2::new(ca).map(Self::Http2)),
            ("http2_at_once", Some(ca)) => Some(Http2::new(ca).map(Self::Http2AtOnce)),
            ("http2_each", Some(ca)) => Some(Http2::new(ca).map(Self::Http2Each)),
            _ => None,
        }
    }

    /// Runs the cases, and returns their outcomes in the same order.
    fn play(
        &self,
        cases: Vec<(Case, ConnectRequest)>,
        config: &Config,
    ) -> Box<dyn Iterator<Item = Outcome> + '_> {
        let config = config.clone();
        let cases = cases.into_iter().map(move |(case, request)| (case, request, config.clone()));
        match self {
            Self::Each(play) => {
                Box::new(cases.map(|(case, request, config)| play(case, request, config)))
            }
            Self::Http2(http2) => {
                let connector = http2.connector();
                Box::new(cases.map(move |(case, request, config)| {
                    http2.play(connector.clone(), case, request, config)
                }))
            }
            Self::Http2Each(http2) => Box::new(cases.map(|(case, request, config)| {
                http2.play(http2.connector(), case, request, config)
            })),
            Self::Http2AtOnce(http2) => Box::new(http2.play_at_once(cases).into_iter()),
        }
    }
}

/// Runs all cases and prints their results. Returns whether all passed.
fn run(base: &str, adapter: &Adapter, cases: Vec<Offered>) -> Result<bool, Box<dyn Error>> {
    let mut config = Config::client(Entropy::os());
    if matches!(adapter, Adapter::Http2Each(_)) {
        // hypercorn does not end the stream after the closing handshake.
        config = config.linger_timeout(Duration::from_millis(200));
    }
    let config = config.build()?;
    let (mut names, mut prepared) = (Vec::new(), Vec::new());
    for (case, deflate) in cases {
        let mut request = ConnectRequest::new(&format!("{base}{}", case.path))?;
        if let Some(deflate) = deflate {
            request = request.deflate(deflate);
        }
        names.push(case.name.clone());
        prepared.push((case, request));
    }
    let (mut passed, mut failed) = (0, 0);
    for (name, outcome) in names.iter().zip(adapter.play(prepared, &config)) {
        match outcome {
            Ok(()) => {
                passed += 1;
                println!("ok {name}");
            }
            Err(error) => {
                failed += 1;
                println!("FAILED {name}: {error}");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// Returns a set of cases; `None` if there is none of this name.
fn read_cases(set: &str) -> Option<Result<Vec<Offered>, ConfigError>> {
    let with = |cases: Vec<Case>, deflate: Option<Deflate>| {
        Ok(cases.into_iter().map(|case| (case, deflate)).collect())
    };
    Some(match set {
        "plain" => with(Case::all(), None),
        "deflate" => with(Case::all(), Some(Deflate::default())),
        "asgi" => with(Case::of_asgi(false), None),
        "asgi_deflate" => with(Case::of_asgi(true), Some(Deflate::default())),
        "windows" => windows::cases(),
        _ => return None,
    })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let parsed = match *arguments.as_slice() {
        [base, adapter, set] => (base, Adapter::read(adapter, None), read_cases(set)),
        [base, adapter, set, ca] => (base, Adapter::read(adapter, Some(ca)), read_cases(set)),
        _ => ("", None, None),
    };
    let (base, Some(adapter), Some(cases)) = parsed else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let outcome = adapter.and_then(|adapter| run(base.trim_end_matches('/'), &adapter, cases?));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("interop_client: {error}");
            ExitCode::FAILURE
        }
    }
}
