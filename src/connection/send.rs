//! Messages in, bytes out.

use core::num::NonZeroUsize;

use bytes::BytesMut;

use crate::close_code::CloseCode;
use crate::connection::queued::CloseWait;
use crate::connection::state::Connection;
use crate::entropy::{Entropy, KeyBlock};
use crate::error::send::SendError;
use crate::frame::{
    FIN, FrameHead, FrameHeader, LEN_16, LEN_64, MASK, MAX_CONTROL_LEN, MAX_HEADER_LEN,
};
use crate::instant::Instant;
use crate::kernel::copy::{append, append_masked};
use crate::message::options::SendOptions;
use crate::message::{Data, MessageKind};
use crate::opcode::OpCode;
use crate::prepared::Prepared;
use crate::role::Role;

/// The longest reason of a Close frame, in bytes: two of the payload are the code.
const MAX_REASON_LEN: usize = MAX_CONTROL_LEN - 2;

impl Connection {
    /// Sends a text message in one frame.
    ///
    /// # Errors
    /// [`SendError`]; nothing is sent then, and the connection is as it was.
    #[inline]
    pub fn send_text(&mut self, text: &str, out: &mut BytesMut) -> Result<(), SendError> {
        self.send_message(OpCode::Text, text.as_bytes(), out)
    }

    /// Sends a binary message in one frame.
    ///
    /// # Errors
    /// [`SendError`]; nothing is sent then, and the connection is as it was.
    #[inline]
    pub fn send_binary(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.send_message(OpCode::Binary, bytes, out)
    }

    /// Sends a message of either kind.
    ///
    /// # Errors
    /// [`SendError`]; nothing is sent then, and the connection is as it was.
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

    /// Sends a part of a message; `end` with the last one, which may be empty. Pings, pongs and Close
    /// frames may come between; other messages may not. A part is one frame, unless
    /// [`max_frame_len`](SendOptions::max_frame_len) is less.
    ///
    /// Whether the message is compressed is decided by the first part's options, whatever the parts'
    /// lengths. Each part ends in a flush then, some 5 bytes, so that the peer can inflate it at once.
    ///
    /// A control frame goes behind all output that is in `out` already. To let pings and their answers
    /// out while a long message is sent, append a part when the parts before it have been written: then
    /// a control frame waits for one part, not for the whole message.
    ///
    /// # Errors
    /// [`SendError::MessageInProgress`] if the part is of another kind than the message's first;
    /// otherwise as for all sends. Nothing is sent then, and the connection is as it was.
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

    /// Sends a message that was encoded once for many connections: compressed if it was prepared so
    /// for a window that was agreed on.
    ///
    /// # Errors
    /// [`SendError`]; nothing is sent then, and the connection is as it was.
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

    /// Returns the header of a message of `len` bytes whose payload the caller, a server, writes
    /// himself: what is in `out`, this header, the payload, nothing between. It saves the copy of
    /// long messages. That a text is UTF-8 is the caller's duty.
    ///
    /// # Errors
    /// [`SendError::NotAServer`] for a client, [`SendError::LengthTooLarge`] above `isize::MAX`;
    /// otherwise as for all sends. The connection is as it was then.
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

    /// Sends a ping with at most 125 bytes of payload, behind the output that is in `out` already; see
    /// [`send_part`](Self::send_part). Keep-alive pings are sent without it.
    ///
    /// # Errors
    /// [`SendError`]; nothing is sent then, and the connection is as it was.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.send_control(OpCode::Ping, payload, out)
    }

    /// Sends an unsolicited pong with at most 125 bytes of payload, behind the output that is in `out`
    /// already. Pings are answered without it.
    ///
    /// # Errors
    /// [`SendError`]; nothing is sent then, and the connection is as it was.
    pub fn send_pong(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.send_control(OpCode::Pong, payload, out)
    }

    /// Sends a Close frame (close-output): nothing can be sent after it, receiving goes on until
    /// the peer's Close frame, or the close deadline. Goes out even if `out` is full.
    ///
    /// The [close timeout](crate::config::ConfigBuilder::close_timeout) runs from when the frame has left
    /// `out`. Received data moves its deadline, unless it is [discarded](Self::discard_data).
    ///
    /// [`CloseCode::NO_STATUS`] with an empty reason sends a Close frame without a payload.
    ///
    /// # Errors
    /// [`SendError::Closed`] if a Close frame was sent or received before,
    /// [`SendError::UnsendableCode`], [`SendError::ReasonTooLong`] above 123 bytes. Nothing is sent
    /// then, and the connection is as it was.
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.close_beside(0, code, reason, now, out)
    }

    /// The same with `in_flight` bytes of output taken out of `out` and not written yet.
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

    /// A whole message in one frame.
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

    /// Appends a whole message and returns the length of its frames' payloads.
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

    /// The same for a part of a message that isn't whole before or after it.
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

    /// Appends frames of at most `max` bytes of payload each, all of them or none. `first` has the
    /// opcode and the reserved bits of the first.
    pub(super) fn write_frames(
        &mut self,
        first: u8,
        fin: bool,
        payload: &[u8],
        max: Option<NonZeroUsize>,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        let before = out.len();
        let max = max.map_or(usize::MAX, NonZeroUsize::get);
        let (mut first, mut rest) = (first, payload);
        loop {
            let (piece, behind) = rest.split_at_checked(max).unwrap_or((rest, &[]));
            let last = behind.is_empty();
            let fin = if fin && last { FIN } else { 0 };
            if let Err(error) = self.write_frame_of(first | fin, piece, out) {
                out.truncate(before);
                return Err(error);
            }
            if last {
                return Ok(());
            }
            (rest, first) = (behind, OpCode::Continuation.value());
        }
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

    /// Whether a whole message can be sent, and nothing has to be counted.
    #[inline]
    fn may_send_fast(&self, out: &BytesMut) -> bool {
        out.len() < self.fast_send_below
    }

    /// Whether anything can be sent; a pong that waits goes first, and takes nobody's room.
    pub(super) fn check_room(&mut self, out: &mut BytesMut) -> Result<(), SendError> {
        self.closing.check_open()?;
        if out.len() >= self.config.settings().max_unsent {
            return Err(SendError::Full);
        }
        self.send_waiting_pong(out);
        Ok(())
    }

    /// Whether a whole message can be sent.
    fn check_whole(&mut self, out: &mut BytesMut) -> Result<(), SendError> {
        self.check_room(out)?;
        if self.sending.is_some() { Err(SendError::MessageInProgress) } else { Ok(()) }
    }

    /// Appends a frame; masked with a fresh key if this is a client
    /// ([RFC 6455 section 5.3](https://www.rfc-editor.org/rfc/rfc6455#section-5.3)).
    #[inline]
    pub(super) fn write_frame(
        &mut self,
        opcode: OpCode,
        fin: bool,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.write_frame_of(opcode.value() | if fin { FIN } else { 0 }, payload, out)
    }

    /// The same with all of the frame's first byte.
    #[inline]
    fn write_frame_of(
        &mut self,
        first: u8,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        match self.role {
            Role::Server => {
                write_unmasked(first, payload, out);
                Ok(())
            }
            // Out of line, so that the frame of a server needs a small stack frame only.
            Role::Client => self.write_with_fresh_key(first, payload, out),
        }
    }

    #[inline(never)]
    fn write_with_fresh_key(
        &mut self,
        first: u8,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        let key = self.next_key()?;
        write_masked(first, key, payload, out);
        Ok(())
    }

    /// RFC 6455 5.3: each frame has a fresh key, unpredictable for the one who gave the payload.
    // Out of line, as the compiler leaves it otherwise, a frame of 16 bytes takes a sixth more
    // instructions.
    #[inline(always)]
    pub(super) fn next_key(&mut self) -> Result<[u8; 4], SendError> {
        let Some(entropy) = self.config.settings().entropy else { return Err(SendError::Entropy) };
        #[cfg(feature = "std")]
        if entropy.shares_keys() {
            return Ok(crate::entropy::thread_key(&entropy)?);
        }
        self.key_of_own_block(&entropy)
    }

    /// A key from a block of this connection's own: of a source that the caller has given.
    #[inline(never)]
    fn key_of_own_block(&mut self, entropy: &Entropy) -> Result<[u8; 4], SendError> {
        Ok(self.rare().keys.get_or_insert_with(KeyBlock::new).take(entropy)?)
    }

    /// Answers a ping, or keeps the answer until there is room: the newest one only, which RFC
    /// 6455 5.5.3 allows.
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

    /// Sends the pong that waits, if there is room now.
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

    /// The connection is over: nothing is awaited any more. RFC 6455 5.5.2: after the peer's Close
    /// frame no pong is owed.
    pub(super) fn drop_waits(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.waiting_pong = None;
            rare.close_wait = None;
            rare.message_since = None;
        }
    }

    /// Appends a Close frame whose payload is known to be good. A client without entropy can't: it
    /// ends the transport without one.
    pub(super) fn answer_close(&mut self, payload: &[u8], out: &mut BytesMut) {
        let _ = self.write_frame(OpCode::Close, true, payload, out);
    }

    /// Counts output behind a keep-alive ping or our Close frame.
    pub(crate) fn appended(&mut self, n: usize) {
        self.keep_alive.appended(n);
        if let Some(wait) = self.rare.as_mut().and_then(|rare| rare.close_wait.as_mut()) {
            wait.appended(n);
        }
    }

    /// The last `n` bytes of the output were taken out of it again, and not to be written.
    pub(crate) fn taken_out(&mut self, n: usize) {
        self.keep_alive.taken_out(n);
        if let Some(wait) = self.rare.as_mut().and_then(|rare| rare.close_wait.as_mut()) {
            wait.taken_out(n);
        }
    }

    fn count_sent(&mut self, bytes: usize, wire_bytes: usize, whole: bool) {
        if let Some(stats) = self.rare.as_mut().and_then(|rare| rare.stats.as_mut()) {
            // Heads may claim any length, so the sum may be anything.
            let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            stats.bytes_sent = stats.bytes_sent.saturating_add(number(bytes));
            stats.wire_bytes_sent = stats.wire_bytes_sent.saturating_add(number(wire_bytes));
            stats.messages_sent += u64::from(whole);
        }
        self.choose_ways();
    }
}

/// Appends an unmasked frame.
#[inline]
fn write_unmasked(first: u8, payload: &[u8], out: &mut BytesMut) {
    if let Some(short) = short_len(payload) {
        out.reserve(2 + payload.len());
        out.extend_from_slice(&[first, short]);
        out.extend_from_slice(payload);
    } else {
        write_long(first, None, payload, out);
    }
}

/// Appends a masked frame.
#[inline]
fn write_masked(first: u8, key: [u8; 4], payload: &[u8], out: &mut BytesMut) {
    if let Some(short) = short_len(payload) {
        let [k0, k1, k2, k3] = key;
        out.reserve(6 + payload.len());
        out.extend_from_slice(&[first, MASK | short, k0, k1, k2, k3]);
        append_masked(out, payload, key);
    } else {
        write_long(first, Some(key), payload, out);
    }
}

/// The 7-bit length, if the payload has one.
#[inline]
fn short_len(payload: &[u8]) -> Option<u8> {
    u8::try_from(payload.len()).ok().filter(|&len| len < LEN_16)
}

/// Appends a frame with a length of 16 or 64 bits.
#[inline(never)]
fn write_long(first: u8, key: Option<[u8; 4]>, payload: &[u8], out: &mut BytesMut) {
    out.reserve(MAX_HEADER_LEN + payload.len());
    let mask = if key.is_some() { MASK } else { 0 };
    if let Ok(len) = u16::try_from(payload.len()) {
        let [high, low] = len.to_be_bytes();
        out.extend_from_slice(&[first, mask | LEN_16, high, low]);
    } else {
        let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        out.extend_from_slice(&[first, mask | LEN_64]);
        out.extend_from_slice(&len.to_be_bytes());
    }
    match key {
        None => append(out, payload),
        Some(key) => {
            out.extend_from_slice(&key);
            append_masked(out, payload, key);
        }
    }
}
