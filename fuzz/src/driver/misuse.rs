//! Calls that violate their contracts. The only guarantees afterwards: no panic, no endless loop,
//! and a driver that has ended remains ended and frees its memory.

use bytes::BytesMut;
use sansocket::driver::Driver;
use sansocket::error::SendError;
use sansocket::handshake::Refusal;
use sansocket::{AcceptOptions, CloseCode, Connection, Instant};

use super::source::Source;
use super::world::World;

impl World<'_> {
    pub(super) fn misuse(&mut self, source: &mut Source<'_>) {
        self.state.exact = false;
        // From now on the model can't predict the output.
        self.state.output.lost = true;
        let Self { driver, state, in_flight } = self;
        let (choice, now) = (source.byte(), state.now);
        let n = source.len();
        let flow = &mut driver.flow;
        match choice & 0x1f {
            0 => flow.write_done(n, now),
            1 => flow.put_back(BytesMut::from(&vec![0x82; n][..])),
            2 => driver.read_done(n, now),
            3 => flow.drained(n, now),
            4 => flow.writing_ended(),
            5 => state.now = Instant::from_micros(now.as_micros().saturating_sub(1_000_000)),
            6 => state.now = Instant::from_micros(0),
            7 => drop(flow.take_output()),
            8 => drop(flow.send_with(|_, out| {
                out.clear();
                Ok(())
            })),
            9 => drop(
                flow.send_with(|connection, out| connection.close(CloseCode::NORMAL, "", now, out)),
            ),
            10 => drop(flow.reply().reply_with(|_, out| {
                out.truncate(3);
                Err(SendError::Full)
            })),
            11 => drop(flow.send_with(|connection, out| {
                connection.receive_eof(out).map_err(|_| SendError::Closed)
            })),
            12 => drop(driver.received(&mut vec![choice; n], now)),
            13 => in_flight.clear(),
            14 => driver.timed_out(now),
            15 => flow.write_timed_out(now),
            16 => {
                if let Some(request) = flow.take_request() {
                    drop(flow.accept(&request, &AcceptOptions::new(), now));
                    drop(flow.accept(&request, &AcceptOptions::new(), now));
                }
            }
            17 => drop(flow.refuse(Refusal::new(500).expect("an error"))),
            18 => driver.eof(),
            19 => {
                let room = driver.room(|| vec![0; n].into());
                room.fill(0x81);
            }
            20 => drop(driver.intake.take_buffer()),
            21 => {
                // With or without output in flight.
                let other = Driver::server(&state.plan.config, now);
                let parts = core::mem::replace(driver, other).into_parts();
                *driver = Driver::resume(parts, now);
                state.done = false;
            }
            22 => {
                // The intake of another driver.
                let config = &state.plan.config;
                let other = Connection::new(state.plan.role, config, &state.plan.negotiated, now);
                driver.intake = Driver::new(other, now).intake;
            }
            23 => drop(flow.end_step()),
            24 => drop(driver.deadline(Instant::from_micros(u64::MAX))),
            25 => driver.timed_out(Instant::from_micros(u64::MAX)),
            26 => drop(flow.write_deadline(Instant::from_micros(0))),
            27 => flow.track_flushes(),
            28 => flow.flush_done(),
            29 => state.end_reported = false,
            30 => drop(driver.intake.receive_owned(flow)),
            _ => drop(driver.receive().is_ok()),
        }
    }
}
