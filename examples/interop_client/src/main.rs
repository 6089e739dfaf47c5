//! Our client against a server of somebody else's: plays all cases over one of the adapters.

extern crate alloc;

mod cases;
mod on_threads;
mod on_tokio;

use core::error::Error;
use core::time::Duration;
use std::process::ExitCode;

use sansocket::{Config, ConnectRequest, Entropy};

use crate::cases::Case;

const USAGE: &str = "usage: interop_client ws://HOST:PORT tokio|blocking";

/// No case may hang: a lost answer is a failure after this time.
const CASE_TIME: Duration = Duration::from_secs(10);

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
/// Plays one case on a connection of its own, within the time.
type Play = fn(Case, ConnectRequest, Config) -> Outcome;

/// Plays every case, and says how each of them went. True: all passed.
fn run(base: &str, play: Play) -> Result<bool, Box<dyn Error>> {
    let config = Config::client(Entropy::os()).build()?;
    let (mut passed, mut failed) = (0, 0);
    for case in Case::all() {
        let request = ConnectRequest::new(&format!("{base}{}", case.path))?;
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

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (base, play): (&str, Play) =
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [base, "tokio"] => (base, on_tokio::play),
            [base, "blocking"] => (base, on_threads::play),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        };
    match run(base.trim_end_matches('/'), play) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("interop_client: {error}");
            ExitCode::FAILURE
        }
    }
}
