//! Whole messages: what doesn't lie in one input is put together in the inbox.

use crate::config::{Delivery, Settings};
use crate::connection::assembly::{Arrival, Incoming, Phase, unmask};
use crate::connection::fault::Fault;
use crate::error::protocol::{MisuseError, PeerError, ProtocolError};
use crate::inbox::{Ahead, Inbox};
use crate::input::Input;
use crate::kernel::utf8::{Completed, Rest, split, validate};
use crate::message::{Data, MessageKind};

impl Incoming {
    /// Takes a message whose rest is in the input.
    pub(super) fn take_message<'b>(
        &mut self,
        kind: MessageKind,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        settings: &Settings,
    ) -> Result<Arrival<'b>, ProtocolError> {
        if !self.started {
            let (payload, key) = self.take_piece(input);
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
        // RFC 6455 8.1: the text as a whole is UTF-8, so no character may lack its end.
        if !self.carry.is_empty() {
            return Err(PeerError::InvalidUtf8.into());
        }
        inbox.end_message();
        self.end_message();
        Ok(Arrival::Assembled { kind, len, wire_len: len })
    }

    /// Appends what has arrived of a message to the inbox.
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
        let (piece, key) = self.take_piece(input);
        // The last fragment's header has told how long the message is.
        let max_len = if self.fin { self.message_len } else { settings.max_message_len };
        let ahead = Ahead { announced: self.remaining, max_len };
        match kind {
            MessageKind::Binary => Ok(inbox.append_masked(piece, key, ahead)?),
            MessageKind::Text => self.append_text(piece, key, inbox, ahead),
        }
    }

    /// Whether the inbox holds what has arrived of the message.
    fn is_in(&self, inbox: &Inbox) -> bool {
        let arrived = self.message_len - self.remaining;
        inbox.message_len(self.tag).is_some_and(|len| {
            // A character that has begun is kept here.
            u64::try_from(len + self.carry.len()) == Ok(arrived)
        })
    }

    /// Appends a piece of a text to the inbox, judged at once.
    fn append_text(
        &mut self,
        mut piece: &mut [u8],
        key: [u8; 4],
        inbox: &mut Inbox,
        ahead: Ahead,
    ) -> Result<(), ProtocolError> {
        unmask(piece, key);
        if !self.carry.is_empty() {
            match self.carry.complete(piece.iter().copied()) {
                Completed::Char { char, taken } => {
                    inbox.append_char(char, ahead)?;
                    piece = piece.get_mut(taken..).unwrap_or_default();
                }
                Completed::Incomplete => return Ok(()),
                Completed::Invalid => return Err(PeerError::InvalidUtf8.into()),
            }
        }
        let split = split(piece);
        inbox.append_text(split.text, ahead)?;
        match split.rest {
            Rest::Nothing => {}
            Rest::Incomplete(beginning) => self.carry.keep(beginning),
            Rest::Invalid => return Err(PeerError::InvalidUtf8.into()),
        }
        Ok(())
    }

    /// How many bytes of a large binary frame are still to come and may be read directly.
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

    /// `n` bytes were read into the room that the inbox has lent. If it has not lent as much, bytes
    /// are missing from now on.
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
