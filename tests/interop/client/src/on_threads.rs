//! The cases on the blocking adapter.

use std::sync::mpsc;
use std::thread;

use sansocket::blocking::WebSocket;
use sansocket::{Config, ConnectRequest};

use crate::cases::Case;
use crate::steps::run_steps;
use crate::{CASE_TIME, Outcome};

/// Runs one case on a connection and in a thread of its own, with a timeout. A thread that hangs is
/// abandoned.
pub(crate) fn play(case: Case, request: ConnectRequest, config: Config) -> Outcome {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(run(&case, &request, &config)));
    outcome.recv_timeout(CASE_TIME)?
}

fn run(case: &Case, request: &ConnectRequest, config: &Config) -> Outcome {
    run_steps!(case, WebSocket::connect(request, config))
}
