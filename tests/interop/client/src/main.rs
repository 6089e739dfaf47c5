//! A client that runs all cases with the server of another implementation, on one of the adapters.

extern crate alloc;

mod cases;
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

const USAGE: &str = "\
usage: interop_client ws://HOST:PORT tokio|blocking plain|deflate|windows

  plain     all cases, without compression
  deflate   the same cases, with an offer of compression
  windows   the parameters of compression, with tests/interop/deflate_peer as the server";

/// The timeout of a case, so that a lost reply is a failure and not a hang.
const CASE_TIME: Duration = Duration::from_secs(10);

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
/// A case, and the offer of its connection.
type Offered = (Case, Option<Deflate>);
/// Runs one case on a connection of its own, with a timeout.
type Play = fn(Case, ConnectRequest, Config) -> Outcome;

/// Runs all cases and prints their results. Returns whether all passed.
fn run(base: &str, play: Play, cases: Vec<Offered>) -> Result<bool, Box<dyn Error>> {
    let config = Config::client(Entropy::os()).build()?;
    let (mut passed, mut failed) = (0, 0);
    for (case, deflate) in cases {
        let mut request = ConnectRequest::new(&format!("{base}{}", case.path))?;
        if let Some(deflate) = deflate {
            request = request.deflate(deflate);
        }
        let name = case.name.clone();
        match play(case, request, config.clone()) {
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

/// Parses the command line. Returns `None` if it is invalid.
fn read(adapter: &str, set: &str) -> Option<(Play, Result<Vec<Offered>, ConfigError>)> {
    let play = match adapter {
        "tokio" => on_tokio::play,
        "blocking" => on_threads::play,
        _ => return None,
    };
    let all = |deflate| Ok(Case::all().into_iter().map(|case| (case, deflate)).collect());
    let cases = match set {
        "plain" => all(None),
        "deflate" => all(Some(Deflate::default())),
        "windows" => windows::cases(),
        _ => return None,
    };
    Some((play, cases))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, adapter, set] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let Some((play, cases)) = read(adapter, set) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match cases.map_err(Into::into).and_then(|cases| run(base.trim_end_matches('/'), play, cases)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("interop_client: {error}");
            ExitCode::FAILURE
        }
    }
}
