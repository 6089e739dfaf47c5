//! The steps of a case, on either adapter.

/// Runs the steps of a case on a connection. Returns from the function at the first error. The last
/// argument is `await` for the tokio adapter, and absent for the blocking one.
macro_rules! run_steps {
    ($case:expr, $connected:expr $(, $await:tt)?) => {{
        use sansocket::message::SendOptions;

        use crate::cases::{Case, Received, Step};

        let case: &Case = $case;
        let (mut ws, answer) = $connected?;
        case.check_answer(&answer)?;
        ws.enable_stats();
        let mut received = Received::default();
        for step in &case.steps {
            match step {
                Step::Send(message) => ws.feed(message.as_data(), SendOptions::new())?,
                Step::SendPart { part, end } => {
                    ws.feed_part(part.as_data(), *end, SendOptions::new())?;
                }
                Step::SendPing(payload) => ws.feed_ping(payload)?,
                Step::SendPong(payload) => ws.feed_pong(payload)?,
                Step::Close(code) => {
                    let status = ws.close(*code, "")$(.$await)??;
                    received.close(status.code);
                }
                Step::Check(check) => case.check(*check, ws.connection().stats())?,
                Step::Expect(expected) => loop {
                    if let Some(outcome) = received.take(expected) {
                        outcome?;
                        break;
                    }
                    match ws.read()$(.$await)?? {
                        Some((event, _)) => received.event(event),
                        None => received.end(),
                    }
                },
            }
        }
        // The connection must end without an error, whichever end closed it.
        while ws.read()$(.$await)??.is_some() {}
        Ok(())
    }};
}

pub(crate) use run_steps;
