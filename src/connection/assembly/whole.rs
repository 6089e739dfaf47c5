//! Delivery of complete messages: a message that doesn't arrive in one input is assembled in the
//! inbox.

use crate::config::{Delivery, Settings};
use crate::connection::assembly::{Arrival, Incoming, Phase, unmask};
use crate::connection::fault::Fault;
use crate::error::protocol::{MisuseError, PeerError, ProtocolError};
use crate::inbox::{Ahead, Inbox};
use crate::input::Input;
use crate::kernel::utf8::{Completed, Rest, split, validate};
use crate::message::{Data, MessageKind};

impl Incoming {
    /// Takes a message. The rest of it is in the input.
    pub(super) fn take_message<'b>(
        &mut self,
        kind: MessageKind,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        settings: &Settings,
    ) -> Result<Arrival<'b>, ProtocolError> {
        if !self.started {
            let (payload, key) = self.take_payload(input);
            unmask(payload, key);
            let data = match kind {
                MessageKind::Binary => Data::Binary(payload),
                MessageKind::Text => Data::Text(validate(payload).ok_or(PeerError::InvalidUtf8)?),
            };
            self.end_message();
            return Ok(Arrival::Message(data));
        }
        let len = self.message_len;
        self.keep_plain(kind, input, inbox, settings)?;
        // RFC 6455 8.1: the complete text is UTF-8, so its last character must be complete.
        if !self.carry.is_empty() {
            return Err(PeerError::InvalidUtf8.into());
        }
        inbox.end_message();
        self.end_message();
        Ok(Arrival::Assembled { kind, len, wire_len: len })
    }

    /// Appends the received bytes of a message to the inbox.
    pub(super) fn keep_plain(
        &mut self,
        kind: MessageKind,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        settings: &Settings,
    ) -> Result<(), ProtocolError> {
        if !self.started {
            self.tag = inbox.begin_message(kind, settings.memory_budget.as_ref());
            self.started = true;
        }
        if !self.is_in(inbox) {
            return Err(MisuseError::WrongInbox.into());
        }
        let (payload, key) = self.take_payload(input);
        // The header of the last fragment determines the length of the message.
        let max_len = if self.fin { self.message_len } else { settings.max_message_len };
        let ahead = Ahead { announced: self.remaining, max_len };
        match kind {
            MessageKind::Binary => Ok(inbox.append_masked(payload, key, ahead)?),
            MessageKind::Text => self.append_text(payload, key, inbox, ahead),
        }
    }

    /// Returns true if the inbox holds the received bytes of the message.
    fn is_in(&self, inbox: &Inbox) -> bool {
        let arrived = self.message_len - self.remaining;
        inbox.message_len(self.tag).is_some_and(|len| {
            // The bytes of an incomplete character are in `carry`, not in the inbox.
            u64::try_from(len + self.carry.len()) == Ok(arrived)
        })
    }

    /// Appends bytes of a text to the inbox, and validates them.
    fn append_text(
        &mut self,
        mut text: &mut [u8],
        key: [u8; 4],
        inbox: &mut Inbox,
        ahead: Ahead,
    ) -> Result<(), ProtocolError> {
        unmask(text, key);
        if !self.carry.is_empty() {
            match self.carry.complete(text.iter().copied()) {
                Completed::Char { char, taken } => {
                    inbox.append_char(char, ahead)?;
                    text = text.get_mut(taken..).unwrap_or_default();
                }
                Completed::Incomplete => return Ok(()),
                Completed::Invalid => return Err(PeerError::InvalidUtf8.into()),
            }
        }
        let split = split(text);
        inbox.append_text(split.text, ahead)?;
        match split.rest {
            Rest::Nothing => {}
            Rest::Incomplete(beginning) => self.carry.keep(beginning),
            Rest::Invalid => return Err(PeerError::InvalidUtf8.into()),
        }
        Ok(())
    }

    /// Returns the number of bytes of a large binary frame that can be read directly into the
    /// inbox; `None` if no such frame is in progress.
    pub(in crate::connection) fn direct_rest(
        &self,
        inbox: &Inbox,
        delivery: Delivery,
    ) -> Option<u64> {
        let direct = delivery == Delivery::Whole
            && self.phase == Phase::Payload
            && self.message == Some(MessageKind::Binary)
            && !self.compressed
            && !self.opcode.is_control()
            && self.started
            && self.is_in(inbox);
        direct.then_some(self.remaining)
    }

    /// Records `n` bytes that were read into the room of the inbox. If less room was lent, bytes of
    /// the message are lost, and the next call reports the misuse.
    pub(in crate::connection) fn received_direct(
        &mut self,
        n: usize,
        inbox: &mut Inbox,
        delivery: Delivery,
    ) {
        if let Some(rest) = self.direct_rest(inbox, delivery)
            && u64::try_from(n).is_ok_and(|n| n <= rest)
            && inbox.take_direct(n, self.key)
        {
            self.advance(n);
        } else {
            self.fail_next(Fault::DirectRoom);
        }
    }
}
