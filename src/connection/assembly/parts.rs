//! Delivery in parts: received bytes are handed out at once, texts cut at characters.

use crate::config::Settings;
use crate::connection::assembly::{Arrival, Incoming, Phase, unmask};
use crate::connection::fault::Fault;
use crate::error::protocol::{PeerError, ProtocolError};
use crate::inbox::{Ahead, Inbox};
use crate::input::Input;
use crate::kernel::utf8::{Completed, Rest, split};
use crate::message::{Data, MessageKind};

impl Incoming {
    /// Takes the received bytes of a binary frame as a part.
    pub(super) fn take_binary_part<'b>(&mut self, input: &mut Input<'b>) -> Arrival<'b> {
        let (payload, key) = self.take_payload(input);
        unmask(payload, key);
        let (start, end) = self.part_done(self.remaining == 0);
        Arrival::Part { data: Data::Binary(payload), start, end }
    }

    /// Takes the received bytes of a text frame as a part, up to the last complete character.
    pub(super) fn take_text_part<'b>(
        &mut self,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        settings: &Settings,
    ) -> Result<Arrival<'b>, ProtocolError> {
        if !self.carry.is_empty() {
            return self.complete_char_part(input, inbox, settings);
        }
        let (payload, key) = self.take_payload(input);
        unmask(payload, key);
        let split = split(payload);
        let ends = self.fin && self.remaining == 0;
        match split.rest {
            Rest::Nothing => {}
            Rest::Incomplete(beginning) if !ends => self.carry.keep(beginning),
            Rest::Incomplete(_) | Rest::Invalid if split.text.is_empty() => {
                return Err(PeerError::InvalidUtf8.into());
            }
            // The text before the invalid byte is handed out first, so that the events don't depend
            // on how the input is cut.
            Rest::Incomplete(_) | Rest::Invalid => {
                let start = !self.started;
                self.fail_next(Fault::InvalidUtf8);
                let data = Data::Text(split.text);
                return Ok(Arrival::Part { data, start, end: false });
            }
        }
        let (start, end) = self.part_done(self.remaining == 0);
        Ok(Arrival::Part { data: Data::Text(split.text), start, end })
    }

    /// Continues with a character that was cut. It becomes a part of its own, lent from the inbox.
    fn complete_char_part<'b>(
        &mut self,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        settings: &Settings,
    ) -> Result<Arrival<'b>, ProtocolError> {
        let have = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
        let keys = self.key.iter().cycle();
        let bytes = input.as_bytes().iter().take(have).zip(keys).map(|(byte, key)| byte ^ key);
        match self.carry.complete(bytes) {
            Completed::Char { char, taken } => {
                input.take(taken);
                self.advance(taken);
                inbox.begin_message(MessageKind::Text, settings.memory_budget.as_ref());
                inbox.append_char(char, Ahead { announced: 0, max_len: 0 })?;
                inbox.end_message();
                let (start, end) = self.part_done(self.remaining == 0);
                Ok(Arrival::PartInInbox {
                    kind: MessageKind::Text,
                    len: char.len_utf8(),
                    wire_len: u64::try_from(char.len_utf8()).unwrap_or_default(),
                    start,
                    end,
                })
            }
            Completed::Incomplete => {
                input.take(have);
                self.advance(have);
                if self.fin && self.remaining == 0 {
                    return Err(PeerError::InvalidUtf8.into());
                }
                let (start, end) = self.part_done(self.remaining == 0);
                Ok(Arrival::Part { data: Data::Text(""), start, end })
            }
            Completed::Invalid => Err(PeerError::InvalidUtf8.into()),
        }
    }

    /// Records a part. Returns whether it is the first and whether it is the last of its message.
    pub(super) fn part_done(&mut self, frame_done: bool) -> (bool, bool) {
        let (start, end) = (!self.started, self.fin && frame_done);
        self.started = true;
        if end {
            self.end_message();
        } else if frame_done {
            self.phase = Phase::Header;
        }
        (start, end)
    }
}
