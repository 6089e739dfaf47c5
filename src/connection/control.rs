//! The actions of received control frames: pongs, and the replies to Close frames.

use bytes::BytesMut;

use crate::close_code::CloseCode;
use crate::connection::closing::CloseAction;
use crate::connection::state::Connection;
use crate::error::protocol::{PeerError, ProtocolError};
use crate::event::Event;
use crate::input::Input;
use crate::message::{CloseFrame, Utf8Bytes};
use crate::opcode::OpCode;

impl Connection {
    /// Performs the action of a control frame.
    pub(super) fn control<'p>(
        &mut self,
        opcode: OpCode,
        payload: &'p [u8],
        input: &mut Input<'_>,
        out: &mut BytesMut,
    ) -> Result<Event<'p>, ProtocolError> {
        if opcode == OpCode::Ping {
            // RFC 6455 5.5.2: it MUST be answered, even after our Close frame.
            self.answer_ping(payload, out);
            return Ok(Event::Ping(payload));
        }
        if opcode == OpCode::Pong {
            let round_trip = self.keep_alive.pong(payload, input.now());
            if round_trip.is_some()
                && let Some(stats) = self.rare.as_mut().and_then(|rare| rare.stats.as_mut())
            {
                stats.last_round_trip = round_trip;
            }
            self.choose_ways();
            return Ok(Event::Pong(payload));
        }
        let frame = match parse_close(payload) {
            Ok(frame) => frame,
            Err(error) => {
                input.clear();
                self.fail(error.into(), out);
                return Err(error.into());
            }
        };
        self.drop_waits();
        if let Some(frame) = frame.filter(|frame| !frame.reason.is_empty()) {
            self.rare().close_reason = Utf8Bytes::from(alloc::string::String::from(frame.reason));
        }
        let code = frame.map_or(CloseCode::NO_STATUS, |frame| frame.code);
        if self.closing.receive_close(code) == CloseAction::Close {
            self.answer_close(payload, out);
        }
        self.drop_compression();
        self.choose_ways();
        Ok(Event::Close(frame))
    }

    /// Answers a ping, or holds the answer back until there is room. Only the newest one is held
    /// back, which RFC 6455 5.5.3 allows.
    pub(super) fn answer_ping(&mut self, payload: &[u8], out: &mut BytesMut) {
        let before = out.len();
        let room = before < self.config.settings().max_unsent;
        if room && self.write_frame(OpCode::Pong, true, payload, out).is_ok() {
            self.appended(out.len() - before);
        } else {
            self.rare().waiting_pong = Some(payload.into());
            self.choose_ways();
        }
    }

    /// Appends the pong that was held back, if there is room.
    #[inline]
    pub(super) fn send_waiting_pong(&mut self, out: &mut BytesMut) {
        let Some(rare) = &mut self.rare else { return };
        if rare.waiting_pong.is_none() || out.len() >= self.config.settings().max_unsent {
            return;
        }
        if let Some(payload) = rare.waiting_pong.take() {
            self.answer_ping(&payload, out);
            self.choose_ways();
        }
    }

    /// Appends a Close frame with a valid payload. A client without entropy can't mask it: its
    /// transport ends without one.
    pub(super) fn answer_close(&mut self, payload: &[u8], out: &mut BytesMut) {
        let _ = self.write_frame(OpCode::Close, true, payload, out);
    }

    /// Drops all pending work when the connection is closed or has failed. RFC 6455 5.5.2: no pong
    /// is required after the peer's Close frame.
    pub(super) fn drop_waits(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.waiting_pong = None;
            rare.close_wait = None;
            rare.message_since = None;
        }
    }
}

/// Parses the payload of a Close frame
/// ([RFC 6455 section 5.5.1](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1)).
fn parse_close(payload: &[u8]) -> Result<Option<CloseFrame<'_>>, PeerError> {
    if payload.is_empty() {
        return Ok(None);
    }
    let Some((code, reason)) = payload.split_first_chunk() else {
        return Err(PeerError::InvalidClosePayload);
    };
    let code = CloseCode::new(u16::from_be_bytes(*code));
    if !code.may_be_received() {
        return Err(PeerError::InvalidCloseCode(code.value()));
    }
    // RFC 6455 5.5.1: the reason MUST be UTF-8. It is too short for the vector loop to be faster.
    let reason =
        core::str::from_utf8(reason).map_err(|_| PeerError::InvalidCloseReason(code.value()))?;
    Ok(Some(CloseFrame { code, reason }))
}
