//! Our client against a server of somebody else's: plays all cases over one of the adapters.

extern crate alloc;

mod cases;
mod on_threads;
mod on_tokio;
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
  deflate   the same, offering compression
  windows   compression over its parameters: against tests/interop/deflate_peer";

/// No case may hang: a lost answer is a failure after this time.
const CASE_TIME: Duration = Duration::from_secs(10);

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
/// A case, and what its connection offers.
type Offered = (Case, Option<Deflate>);
/// Plays one case on a connection of its own, within the time.
type Play = fn(Case, ConnectRequest, Config) -> Outcome;

/// Plays every case, and says how each of them went. True: all passed.
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

/// What the command line asks to be played, and how; `None`: it can't be read.
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
