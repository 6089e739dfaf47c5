//! Compressed messages: inflated into the inbox, whole or part by part
//! ([RFC 7692 section 7.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2)).

use crate::connection::assembly::{Incoming, Progress, Step, unmask};
use crate::connection::inflate::{Inflater, Inflating};
use crate::error::{MisuseError, PeerError, ProtocolError};
use crate::inbox::Inbox;
use crate::input::Input;
use crate::kernel::mask::rotate;
use crate::kernel::utf8::{Carry, Rest, split};
use crate::message::MessageKind;

impl Incoming {
    pub(super) fn take_inflated<'b>(
        &mut self,
        kind: MessageKind,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        max_len: u64,
        inflater: &mut Inflater<'_>,
    ) -> Result<Progress<'b>, ProtocolError> {
        if input.is_empty() && self.remaining > 0 {
            return Ok(Progress::NeedInput);
        }
        if !self.started {
            self.tag = inbox.begin_inflated(kind);
            self.started = true;
            inflater.begin();
        }
        let inflating = inflater.inflating().ok_or(PeerError::ReservedBits)?;
        let before = inbox.message_len(self.tag).unwrap_or(usize::MAX);
        if u64::try_from(before) != Ok(inflating.lens().0) {
            return Err(MisuseError::WrongInbox.into());
        }
        let (piece, key) = self.take_piece(input);
        unmask(piece, key);
        inflating.inflate_whole(piece, inbox, max_len)?;
        if kind == MessageKind::Text {
            self.check_inflated(inbox.bytes(), before)?;
        }
        if self.remaining > 0 {
            return Ok(Progress::NeedInput);
        }
        if !self.fin {
            return Ok(Progress::FrameDone);
        }
        inflating.finish(inbox.bytes())?;
        // RFC 6455 8.1: the text as a whole is UTF-8, so no character may lack its end.
        if !self.carry.is_empty() {
            return Err(PeerError::InvalidUtf8.into());
        }
        let (len, wire_len) = inflating.lens();
        inflater.end();
        inbox.end_message();
        self.end_message();
        Ok(Progress::Step(Step::Assembled { kind, len, wire_len }))
    }

    /// Judges what has come behind the first `before` bytes of a text.
    fn check_inflated(&mut self, message: &[u8], before: usize) -> Result<(), PeerError> {
        // The beginning of a character is still there: it is looked at again with the rest.
        let new = message.get(before.saturating_sub(self.carry.len())..).unwrap_or_default();
        self.carry = Carry::NONE;
        match split(new).rest {
            Rest::Nothing => {}
            Rest::Incomplete(beginning) => self.carry.keep(beginning),
            Rest::Invalid => return Err(PeerError::InvalidUtf8),
        }
        Ok(())
    }

    pub(super) fn take_inflated_part<'b>(
        &mut self,
        kind: MessageKind,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        max_len: u64,
        inflater: &mut Inflater<'_>,
    ) -> Result<Progress<'b>, ProtocolError> {
        if !self.started {
            inflater.begin();
        }
        let inflating = inflater.inflating().ok_or(PeerError::ReservedBits)?;
        if input.is_empty() && self.remaining > 0 && !inflating.is_pending() {
            return Ok(Progress::NeedInput);
        }
        // A character that was cut goes first; the decoder has it in its window already.
        inbox.begin_inflated(kind);
        let before = self.carry.len();
        inbox.append_carry(&self.carry)?;
        self.carry = Carry::NONE;
        let used = self.inflate_piece(input, inbox, before, max_len, inflating)?;
        let frame_done = self.remaining == 0 && !inflating.is_pending();
        let part = inbox.bytes().get(before..).unwrap_or_default();
        if frame_done && self.fin {
            inflating.finish(part)?;
            inflater.end();
        } else {
            inflating.slide(part);
        }
        let wire_len = u64::try_from(used).unwrap_or(u64::MAX);
        if kind == MessageKind::Text && self.cut_at_character(inbox, frame_done && self.fin)? {
            // The text before the bad byte is handed out first, however the input is cut.
            let (len, start) = (inbox.bytes().len(), !self.started);
            self.doom();
            inbox.end_message();
            let part = Step::PartInInbox { kind, len, wire_len, start, end: false };
            return Ok(Progress::Step(part));
        }
        inbox.end_message();
        let len = inbox.bytes().len();
        let (start, end) = self.part_done(frame_done);
        Ok(Progress::Step(Step::PartInInbox { kind, len, wire_len, start, end }))
    }

    /// Inflates what there is of the frame's payload until a part is full. What is left of it stays
    /// in the input, unmasked.
    fn inflate_piece(
        &mut self,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        before: usize,
        max_len: u64,
        inflating: &mut Inflating,
    ) -> Result<usize, ProtocolError> {
        let piece = input.first_mut(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        let unmasked = inflating.unmasked().min(piece.len());
        if let Some(masked) = piece.get_mut(unmasked..) {
            unmask(masked, rotate(self.key, unmasked));
        }
        let used = inflating.inflate_part(piece, inbox, before, max_len)?;
        input.take(used);
        self.advance(used);
        Ok(used)
    }

    /// Cuts a part of a text where its last whole character ends, and keeps the beginning of the
    /// next. True: no text goes on with what comes behind.
    fn cut_at_character(&mut self, inbox: &mut Inbox, ends: bool) -> Result<bool, PeerError> {
        let split = split(inbox.bytes());
        let len = split.text.len();
        let invalid = match split.rest {
            Rest::Nothing => false,
            Rest::Incomplete(beginning) if !ends => {
                self.carry.keep(beginning);
                false
            }
            Rest::Incomplete(_) | Rest::Invalid if len == 0 => return Err(PeerError::InvalidUtf8),
            Rest::Incomplete(_) | Rest::Invalid => true,
        };
        inbox.cut(len);
        Ok(invalid)
    }
}
