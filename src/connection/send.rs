//! Messages to output.

use bytes::BytesMut;

use crate::close_code::CloseCode;
use crate::connection::frames::write_masked;
use crate::connection::queued::CloseWait;
use crate::connection::state::Connection;
use crate::error::send::SendError;
use crate::frame::{FrameHead, FrameHeader, MAX_CONTROL_LEN};
use crate::instant::Instant;
use crate::kernel::copy::append;
use crate::message::options::SendOptions;
use crate::message::{Data, MessageKind};
use crate::opcode::OpCode;
use crate::prepared::Prepared;
use crate::role::Role;

/// The longest reason of a Close frame, in bytes: the code takes two bytes of the payload.
const MAX_REASON_LEN: usize = MAX_CONTROL_LEN - 2;

impl Connection {
    /// Sends a text message in one frame.
    ///
    /// # Errors
    /// [`SendError`]; no bytes are appended, and the connection is unchanged.
    #[inline]
    pub fn send_text(&mut self, text: &str, out: &mut BytesMut) -> Result<(), SendError> {
        self.send_message(OpCode::Text, text.as_bytes(), out)
    }

    /// Sends a binary message in one frame.
    ///
    /// # Errors
    /// [`SendError`]; no bytes are appended, and the connection is unchanged.
    #[inline]
    pub fn send_binary(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.send_message(OpCode::Binary, bytes, out)
    }

    /// Sends a message of either kind.
    ///
    /// # Errors
    /// [`SendError`]; no bytes are appended, and the connection is unchanged.
    pub fn send(
        &mut self,
        data: Data<'_>,
        options: SendOptions,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        let (opcode, bytes) = (data.kind().opcode(), data.as_bytes());
        match options.max_frame_len {
            None if self.may_send_fast(out) => self.write_frame(opcode, true, bytes, out),
            _ => self.send_message_slowly(opcode, bytes, options, out),
        }
    }

    /// Sends a part of a message. `end` is true for the last part, which may be empty. Pings, pongs
    /// and Close frames can be sent between parts; other messages can't. A part is sent in one
    /// frame, unless [`max_frame_len`](SendOptions::max_frame_len) is less.
    ///
    /// The options of the first part determine whether the message is compressed. The length of the
    /// parts has no influence. Each compressed part ends with a flush of about 5 bytes, so that the
    /// peer can inflate it at once.
    ///
    /// A control frame is appended after all output that is already in `out`. To send pings and
    /// their answers during a long message, append a part only when the earlier parts have been
    /// written. Then a control frame is delayed by one part, not by the complete message.
    ///
    /// # Errors
    /// [`SendError::MessageInProgress`] if the kind of the part differs from that of the first
    /// part; otherwise as for all sends. No bytes are appended, and the connection is unchanged.
    pub fn send_part(
        &mut self,
        data: Data<'_>,
        end: bool,
        options: SendOptions,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.check_room(out)?;
        let kind = data.kind();
        let opcode = match self.sending {
            None => kind.opcode(),
            Some(under_way) if under_way == kind => OpCode::Continuation,
            Some(_) => return Err(SendError::MessageInProgress),
        };
        let (before, bytes) = (out.len(), data.as_bytes());
        let wire_len = if end && opcode != OpCode::Continuation {
            self.write_message(opcode, bytes, options, out)?
        } else {
            self.write_part(opcode, bytes, end, options, out)?
        };
        self.sending = if end { None } else { Some(kind) };
        self.count_sent(bytes.len(), wire_len, end);
        self.appended(out.len() - before);
        Ok(())
    }

    /// Sends a message that was encoded once for many connections. Its compressed form is sent if
    /// it was prepared for a window that was negotiated.
    ///
    /// # Errors
    /// [`SendError`]; no bytes are appended, and the connection is unchanged.
    pub fn send_prepared(
        &mut self,
        message: &Prepared,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        let short_way = self.may_send_fast(out);
        if !short_way {
            self.check_whole(out)?;
        }
        let before = out.len();
        let compressed = self.compressed_form(message);
        let form = compressed.unwrap_or_else(|| message.plain());
        let (frame, payload) = (form.frame(), form.payload());
        match self.role {
            Role::Server => {
                out.reserve(frame.len());
                append(out, frame);
            }
            Role::Client => {
                let key = self.next_key()?;
                write_masked(frame.first().copied().unwrap_or_default(), key, payload, out);
            }
        }
        if compressed.is_some() {
            self.follow(message.payload());
        }
        if !short_way {
            self.count_sent(message.payload().len(), payload.len(), true);
            self.appended(out.len() - before);
        }
        Ok(())
    }

    /// Returns the header of a message of `len` bytes with a payload written by the caller, which
    /// must be a server. Write `out`, the header and the payload, with no other output between
    /// them. This avoids the copy of long messages. The caller must ensure that a text is UTF-8.
    ///
    /// # Errors
    /// [`SendError::NotAServer`] for a client, [`SendError::LengthTooLarge`] above `isize::MAX`;
    /// otherwise as for all sends. The connection is unchanged.
    pub fn frame_head(&mut self, kind: MessageKind, len: usize) -> Result<FrameHead, SendError> {
        self.closing.check_open()?;
        if self.role != Role::Server {
            return Err(SendError::NotAServer);
        }
        if self.sending.is_some() {
            return Err(SendError::MessageInProgress);
        }
        // RFC 6455 5.2: the most significant bit of a length MUST be 0.
        if isize::try_from(len).is_err() {
            return Err(SendError::LengthTooLarge);
        }
        self.count_sent(len, len, true);
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        Ok(FrameHeader::new(kind.opcode(), len).encode())
    }

    /// Sends a ping with at most 125 bytes of payload, after the output that is already in `out`;
    /// see [`send_part`](Self::send_part). Keep-alive pings are sent automatically.
    ///
    /// # Errors
    /// [`SendError`]; no bytes are appended, and the connection is unchanged.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.send_control(OpCode::Ping, payload, out)
    }

    /// Sends an unsolicited pong with at most 125 bytes of payload, after the output that is
    /// already in `out`. Pings are answered automatically.
    ///
    /// # Errors
    /// [`SendError`]; no bytes are appended, and the connection is unchanged.
    pub fn send_pong(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.send_control(OpCode::Pong, payload, out)
    }

    /// Sends a Close frame. No more messages can be sent after it; receiving continues until the
    /// peer's Close frame or the close deadline. The frame is appended even if `out` is full.
    ///
    /// The [close timeout](crate::config::ConfigBuilder::close_timeout) runs from when the frame
    /// has left `out`. Received data moves its deadline, unless it is
    /// [discarded](Self::discard_data).
    ///
    /// [`CloseCode::NO_STATUS`] with an empty reason sends a Close frame without a payload.
    ///
    /// # Errors
    /// [`SendError::Closed`] if a Close frame was sent or received before,
    /// [`SendError::UnsendableCode`], or [`SendError::ReasonTooLong`] above 123 bytes. No bytes are
    /// appended, and the connection is unchanged.
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.close_beside(0, code, reason, now, out)
    }

    /// Does the same while `in_flight` bytes of output are removed from `out` and not written yet.
    pub(crate) fn close_beside(
        &mut self,
        in_flight: usize,
        code: CloseCode,
        reason: &str,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.closing.check_open()?;
        let without_status = code == CloseCode::NO_STATUS && reason.is_empty();
        if !code.may_be_sent() && !without_status {
            return Err(SendError::UnsendableCode(code.value()));
        }
        if reason.len() > MAX_REASON_LEN {
            return Err(SendError::ReasonTooLong);
        }
        let mut payload = BytesMut::new();
        if !without_status {
            payload.extend_from_slice(&code.value().to_be_bytes());
            payload.extend_from_slice(reason.as_bytes());
        }
        let before = out.len();
        self.write_frame(OpCode::Close, true, &payload, out)?;
        self.appended(out.len() - before);
        self.closing.send_close(code)?;
        self.rare().close_wait = Some(CloseWait::new(now, in_flight.saturating_add(out.len())));
        self.drop_compressing();
        self.choose_ways();
        Ok(())
    }

    /// Sends a complete message in one frame.
    #[inline]
    fn send_message(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        if self.may_send_fast(out) {
            return self.write_frame(opcode, true, payload, out);
        }
        self.send_message_slowly(opcode, payload, SendOptions::new(), out)
    }

    /// The slow path of the sends of a complete message. It is not inlined, to keep the fast path
    /// small.
    #[inline(never)]
    fn send_message_slowly(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        options: SendOptions,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.check_whole(out)?;
        let before = out.len();
        let wire_len = self.write_message(opcode, payload, options, out)?;
        self.count_sent(payload.len(), wire_len, true);
        self.appended(out.len() - before);
        Ok(())
    }

    /// Appends a complete message and returns the length of its frames' payloads.
    fn write_message(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        options: SendOptions,
        out: &mut BytesMut,
    ) -> Result<usize, SendError> {
        if let Some(wire_len) = self.write_compressed(opcode, payload, options, out)? {
            return Ok(wire_len);
        }
        self.write_frames(opcode.value(), true, payload, options.max_frame_len, out)?;
        Ok(payload.len())
    }

    /// Does the same for a part that is not the complete message.
    fn write_part(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        end: bool,
        options: SendOptions,
        out: &mut BytesMut,
    ) -> Result<usize, SendError> {
        if let Some(len) = self.write_compressed_part(opcode, payload, end, options, out)? {
            return Ok(len);
        }
        self.write_frames(opcode.value(), end, payload, options.max_frame_len, out)?;
        Ok(payload.len())
    }

    fn send_control(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.check_room(out)?;
        if payload.len() > MAX_CONTROL_LEN {
            return Err(SendError::ControlTooLong);
        }
        let before = out.len();
        self.write_frame(opcode, true, payload, out)?;
        self.appended(out.len() - before);
        Ok(())
    }

    /// Returns true if a complete message can be sent on the fast path, which has no counters.
    #[inline]
    fn may_send_fast(&self, out: &BytesMut) -> bool {
        out.len() < self.fast_send_below
    }

    /// Checks that a send is allowed. A pong that was held back is appended first; it doesn't use
    /// up room of the send.
    pub(super) fn check_room(&mut self, out: &mut BytesMut) -> Result<(), SendError> {
        self.closing.check_open()?;
        if out.len() >= self.config.settings().max_unsent {
            return Err(SendError::Full);
        }
        self.send_waiting_pong(out);
        Ok(())
    }

    /// Checks that a complete message can be sent.
    fn check_whole(&mut self, out: &mut BytesMut) -> Result<(), SendError> {
        self.check_room(out)?;
        if self.sending.is_some() { Err(SendError::MessageInProgress) } else { Ok(()) }
    }

    /// Counts bytes appended after a keep-alive ping or our Close frame.
    pub(crate) fn appended(&mut self, n: usize) {
        self.keep_alive.appended(n);
        if let Some(wait) = self.rare.as_mut().and_then(|rare| rare.close_wait.as_mut()) {
            wait.appended(n);
        }
    }

    /// Uncounts the last `n` bytes of the output, which were removed without being written.
    pub(crate) fn taken_out(&mut self, n: usize) {
        self.keep_alive.taken_out(n);
        if let Some(wait) = self.rare.as_mut().and_then(|rare| rare.close_wait.as_mut()) {
            wait.taken_out(n);
        }
    }

    fn count_sent(&mut self, bytes: usize, wire_bytes: usize, whole: bool) {
        if let Some(stats) = self.rare.as_mut().and_then(|rare| rare.stats.as_mut()) {
            // The caller of `frame_head` may announce any length, so the sum must saturate.
            let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            stats.bytes_sent = stats.bytes_sent.saturating_add(number(bytes));
            stats.wire_bytes_sent = stats.wire_bytes_sent.saturating_add(number(wire_bytes));
            stats.messages_sent += u64::from(whole);
        }
        self.choose_ways();
    }
}
