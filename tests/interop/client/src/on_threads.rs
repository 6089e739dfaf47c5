//! The cases on the blocking adapter.

use std::sync::mpsc;
use std::thread;

use sansocket::blocking::WebSocket;
use sansocket::message::SendOptions;
use sansocket::{Config, ConnectRequest};

use crate::cases::{Case, Seen, Step};
use crate::{CASE_TIME, Outcome};

/// Runs one case on a connection and in a thread of its own, with a timeout. A thread that hangs is
/// abandoned.
pub(crate) fn play(case: Case, request: ConnectRequest, config: Config) -> Outcome {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(steps(&case, &request, &config)));
    outcome.recv_timeout(CASE_TIME)?
}

fn steps(case: &Case, request: &ConnectRequest, config: &Config) -> Outcome {
    let (mut ws, answer) = WebSocket::connect(request, config)?;
    case.check_answer(&answer)?;
    ws.enable_stats();
    let mut seen = Seen::default();
    for step in &case.steps {
        match step {
            Step::Send(message) => ws.feed(message.as_data(), SendOptions::new())?,
            Step::SendPart { piece, end } => {
                ws.feed_part(piece.as_data(), *end, SendOptions::new())?;
            }
            Step::SendPing(payload) => ws.feed_ping(payload)?,
            Step::SendPong(payload) => ws.feed_pong(payload)?,
            Step::Close(code) => {
                let status = ws.close(*code, "")?;
                seen.close(status.code);
            }
            Step::Check(check) => case.check(*check, ws.connection().stats())?,
            Step::Expect(expected) => loop {
                if let Some(outcome) = seen.take(expected) {
                    outcome?;
                    break;
                }
                match ws.read()? {
                    Some((event, _)) => seen.event(event),
                    None => seen.end(),
                }
            },
        }
    }
    // The connection must end without an error, whichever end closed it.
    while ws.read()?.is_some() {}
    Ok(())
}
