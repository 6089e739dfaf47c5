//! Compressed messages, inflated into the inbox, complete or part by part
//! ([RFC 7692 section 7.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2)).

use crate::config::Settings;
use crate::connection::assembly::{Arrival, Context, Incoming, unmask};
use crate::connection::compression::codecs::Inflating;
use crate::connection::fault::Fault;
use crate::error::protocol::{MisuseError, PeerError, ProtocolError};
use crate::inbox::Inbox;
use crate::input::Input;
use crate::kernel::mask::rotate;
use crate::kernel::utf8::{Carry, Rest, split};
use crate::message::MessageKind;

/// The number of bytes that are unmasked at once for a part. If the part is full before they are
/// used, the rest must be masked again.
const MAX_UNMASKED: usize = 4096;

impl Incoming {
    /// Takes a compressed message. The rest of it is in the input.
    pub(in crate::connection::assembly) fn take_inflated<'b>(
        &mut self,
        kind: MessageKind,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        context: &mut Context<'_>,
    ) -> Result<Arrival<'b>, ProtocolError> {
        self.keep_inflated(kind, input, inbox, context)?;
        let inflating = context.inflater.inflating().ok_or(PeerError::ReservedBits)?;
        inflating.finish(inbox.bytes())?;
        // RFC 6455 8.1: the complete text is UTF-8, so its last character must be complete.
        if !self.carry.is_empty() {
            return Err(PeerError::InvalidUtf8.into());
        }
        let (len, wire_len) = inflating.lens();
        context.inflater.end();
        inbox.end_message();
        self.end_message();
        Ok(Arrival::Assembled { kind, len, wire_len })
    }

    /// Inflates the received bytes of a message into the inbox.
    pub(in crate::connection::assembly) fn keep_inflated(
        &mut self,
        kind: MessageKind,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        context: &mut Context<'_>,
    ) -> Result<(), ProtocolError> {
        if !self.started {
            self.tag = inbox.begin_inflated(kind, context.settings.memory_budget.as_ref());
            self.started = true;
            context.inflater.begin();
        }
        let inflating = context.inflater.inflating().ok_or(PeerError::ReservedBits)?;
        let before = inbox.message_len(self.tag).unwrap_or(usize::MAX);
        if u64::try_from(before) != Ok(inflating.lens().0) {
            return Err(MisuseError::WrongInbox.into());
        }
        let (payload, key) = self.take_payload(input);
        unmask(payload, key);
        let inflated = inflating.inflate_whole(payload, inbox, context.settings);
        // Faults are reported in the order of the stream: one in the text precedes that of the
        // decoder.
        if kind == MessageKind::Text {
            self.validate_inflated(inbox.bytes(), before)?;
        }
        Ok(inflated?)
    }

    /// Validates the text after its first `before` bytes.
    fn validate_inflated(&mut self, message: &[u8], before: usize) -> Result<(), PeerError> {
        // An incomplete character at the end is still in the inbox: it is validated again with its
        // rest.
        let new = message.get(before.saturating_sub(self.carry.len())..).unwrap_or_default();
        self.carry = Carry::NONE;
        match split(new).rest {
            Rest::Nothing => {}
            Rest::Incomplete(beginning) => self.carry.keep(beginning),
            Rest::Invalid => return Err(PeerError::InvalidUtf8),
        }
        Ok(())
    }

    /// Inflates up to one part into the inbox and takes it.
    pub(in crate::connection::assembly) fn take_inflated_part<'b>(
        &mut self,
        kind: MessageKind,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        context: &mut Context<'_>,
    ) -> Result<Arrival<'b>, ProtocolError> {
        let Context { inflater, settings, .. } = context;
        if !self.started {
            inflater.begin();
        }
        let inflating = inflater.inflating().ok_or(PeerError::ReservedBits)?;
        // A character that was cut precedes the part. The decoder already has its bytes in the
        // window.
        self.tag = inbox.begin_inflated(kind, settings.memory_budget.as_ref());
        let before = self.carry.len();
        inbox.append_carry(&self.carry)?;
        self.carry = Carry::NONE;
        let (used, mut result) = self.inflate_input(input, inbox, before, settings, inflating);
        let frame_done = self.remaining == 0 && !inflating.is_pending();
        let mut end = frame_done && self.fin;
        let part = inbox.bytes().get(before..).unwrap_or_default();
        if result.is_ok() {
            if end {
                result = inflating.finish(part);
                inflater.end();
            } else {
                inflating.slide(part);
            }
        }
        // Faults are reported in the order of the stream: one in the text precedes that of the
        // decoder.
        end = end && result.is_ok();
        if kind == MessageKind::Text && !self.cut_at_character(inbox, end) {
            result = Err(Fault::InvalidUtf8);
        }
        let len = inbox.bytes().len();
        let wire_len = u64::try_from(used).unwrap_or(u64::MAX);
        if let Err(fault) = result {
            if len == 0 {
                return Err(fault.into());
            }
            // The data before the fault is handed out first, so that the events don't depend on how
            // the input is cut.
            self.fail_next(fault);
            inbox.end_message();
            let start = !self.started;
            return Ok(Arrival::PartInInbox { kind, len, wire_len, start, end: false });
        }
        inbox.end_message();
        let (start, end) = self.part_done(frame_done);
        Ok(Arrival::PartInInbox { kind, len, wire_len, start, end })
    }

    /// Inflates the available bytes of the frame's payload until a part is full, and returns the
    /// number of bytes used. Unused bytes stay in the input, masked.
    ///
    /// ```text
    ///  input:  ├── used: taken ──┤── unmasked, not used ──┤── still masked ──┤
    ///                            └─ masked again: the next call finds all bytes masked
    /// ```
    fn inflate_input(
        &mut self,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        before: usize,
        settings: &Settings,
        inflating: &mut Inflating,
    ) -> (usize, Result<(), Fault>) {
        let mut all = 0;
        loop {
            let n = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(MAX_UNMASKED);
            let payload = input.first_mut(n);
            let len = payload.len();
            unmask(payload, self.key);
            let mut used = 0;
            let result = inflating.inflate_part(payload, &mut used, inbox, before, settings);
            if let Some(left) = payload.get_mut(used..) {
                // Masking is its own inverse.
                unmask(left, rotate(self.key, used));
            }
            input.take(used);
            self.advance(used);
            all += used;
            if result.is_err() || inflating.is_pending() || len == 0 || self.remaining == 0 {
                return (all, result);
            }
        }
    }

    /// Cuts a part of a text after its last complete character, and stores the incomplete one in
    /// `carry`, unless the text `ends` with the part. Returns false if the bytes after the cut
    /// can't be text.
    fn cut_at_character(&mut self, inbox: &mut Inbox, ends: bool) -> bool {
        let split = split(inbox.bytes());
        let len = split.text.len();
        let valid = match split.rest {
            Rest::Nothing => true,
            Rest::Incomplete(beginning) if !ends => {
                self.carry.keep(beginning);
                true
            }
            Rest::Incomplete(_) | Rest::Invalid => false,
        };
        inbox.cut(len);
        valid
    }
}
