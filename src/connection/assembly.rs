//! From bytes to frames to messages: what has arrived of the frame and of the message under way.

#[cfg(feature = "deflate")]
mod inflated;
mod parts;

use crate::config::{Delivery, Settings};
use crate::connection::inflate::Inflater;
use crate::error::{LimitError, MisuseError, PeerError, ProtocolError};
use crate::frame::{Expected, FrameHeader, MAX_HEADER_LEN, RSV1};
use crate::inbox::{Ahead, Inbox, NoRoom, Tag};
use crate::input::Input;
use crate::kernel::mask::{mask, rotate};
use crate::kernel::utf8::{Carry, Completed, Rest, split, validate};
use crate::message::{Data, MessageKind};
use crate::opcode::OpCode;
use crate::role::Role;

/// What has arrived of the frame and of the message under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    /// How much of the frame's payload is still to come, in bytes.
    remaining: u64,
    /// The message's length as its frames have announced it so far, in bytes.
    message_len: u64,
    /// The first bytes of a header that was cut.
    header: [u8; MAX_HEADER_LEN],
    header_len: u8,
    /// The length of the control frame of which the inbox holds the beginning; 0: of none.
    control_len: u8,
    phase: Phase,
    /// The frame's mask key, turned to the next byte; zero: nothing to unmask.
    key: [u8; 4],
    /// The frame's kind and FIN.
    opcode: OpCode,
    fin: bool,
    /// The kind of the message under way.
    message: Option<MessageKind>,
    /// Whether the inbox holds the message's beginning, or a part of it was handed out.
    started: bool,
    /// Whether the message is compressed.
    compressed: bool,
    /// The beginning of a character at the end of what has arrived of a text.
    carry: Carry,
    /// By which the inbox knows that it holds our data.
    tag: Tag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Header,
    Payload,
    /// What comes after the text that was handed out last isn't UTF-8: the next call says so.
    InvalidText,
    /// Bytes were read that have got lost: the next call says so.
    Misused(MisuseError),
}

/// What has become whole.
#[derive(Debug)]
pub(super) enum Step<'b> {
    /// A message that lies whole in the input.
    Message(Data<'b>),
    /// A message in the inbox, with its length, and the one it had in its frames.
    Assembled { kind: MessageKind, len: u64, wire_len: u64 },
    /// A part that lies in the input.
    Part { data: Data<'b>, start: bool, end: bool },
    /// A part in the inbox: one character, or inflated; with its lengths as above.
    PartInInbox { kind: MessageKind, len: usize, wire_len: u64, start: bool, end: bool },
    /// A control frame in the input.
    Control(OpCode, &'b [u8]),
    /// A control frame in the inbox.
    ControlInInbox(OpCode),
}

/// What a piece of payload has led to.
enum Progress<'b> {
    Step(Step<'b>),
    /// The frame is done, its message is not.
    FrameDone,
    /// The input is used up.
    NeedInput,
}

impl From<NoRoom> for ProtocolError {
    fn from(no_room: NoRoom) -> Self {
        Self::Limit(match no_room {
            NoRoom::Budget => LimitError::MemoryBudget,
            NoRoom::Memory => LimitError::MessageTooLong,
        })
    }
}

impl Incoming {
    pub(super) const fn new() -> Self {
        Self {
            remaining: 0,
            message_len: 0,
            header: [0; MAX_HEADER_LEN],
            header_len: 0,
            control_len: 0,
            phase: Phase::Header,
            key: [0; 4],
            opcode: OpCode::Continuation,
            fin: true,
            message: None,
            started: false,
            compressed: false,
            carry: Carry::NONE,
            tag: 0,
        }
    }

    /// Nothing more will come: frees the inbox's memory.
    pub(super) fn abandon(&self, inbox: &mut Inbox) {
        inbox.abandon(self.tag);
    }

    /// The same, but for a control frame that an event is lent from.
    pub(super) fn abandon_message(&self, inbox: &mut Inbox) {
        inbox.abandon_message(self.tag);
    }

    /// Whether nothing is under way: the next byte begins a frame and a message.
    pub(super) fn is_between_messages(&self) -> bool {
        self.phase == Phase::Header && self.header_len == 0 && self.message.is_none()
    }

    /// A text that was taken from the input turned out not to be UTF-8.
    #[cold]
    pub(super) fn doom(&mut self) {
        self.phase = Phase::InvalidText;
    }

    /// Takes input until something is whole or the input is used up.
    #[cfg_attr(
        not(feature = "deflate"),
        expect(clippy::needless_pass_by_ref_mut, reason = "the decoder changes")
    )]
    pub(super) fn step<'b>(
        &mut self,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        role: Role,
        settings: &Settings,
        inflater: &mut Inflater<'_>,
    ) -> Result<Option<Step<'b>>, ProtocolError> {
        loop {
            match self.phase {
                Phase::InvalidText => return Err(PeerError::InvalidUtf8.into()),
                Phase::Misused(error) => return Err(error.into()),
                Phase::Header => {
                    let rsv = inflater.rsv();
                    let Some(header) = self.take_header(input, role, settings, rsv)? else {
                        return Ok(None);
                    };
                    self.begin_frame(&header);
                }
                Phase::Payload => {}
            }
            let progress = if self.opcode.is_control() {
                self.take_control(input, inbox, settings.delivery == Delivery::Parts)?
            } else {
                match (settings.delivery, self.message) {
                    #[cfg(feature = "deflate")]
                    (Delivery::Whole, Some(kind)) if self.compressed => {
                        self.take_inflated(kind, input, inbox, settings, inflater)?
                    }
                    #[cfg(feature = "deflate")]
                    (Delivery::Parts, Some(kind)) if self.compressed => {
                        self.take_inflated_part(kind, input, inbox, settings, inflater)?
                    }
                    (Delivery::Whole, Some(kind)) => {
                        self.take_data(kind, input, inbox, settings)?
                    }
                    (Delivery::Parts, Some(MessageKind::Binary)) => self.take_binary_part(input),
                    (Delivery::Parts, Some(MessageKind::Text)) => {
                        self.take_text_part(input, inbox, settings)?
                    }
                    // A data frame has a message: `begin_frame` has seen to it.
                    (_, None) => Progress::FrameDone,
                }
            };
            match progress {
                Progress::Step(step) => return Ok(Some(step)),
                Progress::FrameDone => self.phase = Phase::Header,
                Progress::NeedInput => return Ok(None),
            }
        }
    }

    /// What the next header must keep.
    fn expected(&self, role: Role, settings: &Settings, rsv: u8) -> Expected {
        let in_message = self.message.is_some();
        let so_far = if in_message { self.message_len } else { 0 };
        let max = settings.max_message_len;
        // A compressed message costs no memory before it is inflated, which has the limit. More than
        // a flush after each of its bytes can be nothing but a waste of time.
        let max_compressed = max.saturating_mul(8).saturating_add(1024);
        let compressed = in_message && self.compressed;
        Expected {
            role: Some(role),
            in_message: Some(in_message),
            rsv,
            max_len: if compressed { max_compressed } else { max }.saturating_sub(so_far),
            max_compressed_len: max_compressed,
        }
    }

    /// The kept bytes of a cut header with those of `bytes` behind them.
    fn joined_header(&self, bytes: &[u8]) -> ([u8; MAX_HEADER_LEN], usize) {
        let mut joined = self.header;
        let kept = usize::from(self.header_len);
        let mut len = kept;
        for (place, byte) in joined.iter_mut().skip(kept).zip(bytes) {
            *place = *byte;
            len += 1;
        }
        (joined, len)
    }

    /// Takes a header, or keeps what there is of it.
    fn take_header(
        &mut self,
        input: &mut Input<'_>,
        role: Role,
        settings: &Settings,
        rsv: u8,
    ) -> Result<Option<FrameHeader>, ProtocolError> {
        let expected = self.expected(role, settings, rsv);
        let kept = usize::from(self.header_len);
        let (joined, len) = if kept == 0 {
            if let Some((header, n)) = FrameHeader::decode_expected(input.as_bytes(), expected)? {
                input.take(n);
                return Ok(Some(header));
            }
            self.joined_header(input.as_bytes())
        } else {
            let (joined, len) = self.joined_header(input.as_bytes());
            let joined_bytes = joined.get(..len).unwrap_or_default();
            if let Some((header, n)) = FrameHeader::decode_expected(joined_bytes, expected)? {
                input.take(n - kept);
                self.header_len = 0;
                return Ok(Some(header));
            }
            (joined, len)
        };
        // Less than the longest header: that was all of the input.
        input.clear();
        self.header = joined;
        self.header_len = u8::try_from(len).unwrap_or_default();
        Ok(None)
    }

    fn begin_frame(&mut self, header: &FrameHeader) {
        self.phase = Phase::Payload;
        self.remaining = header.len;
        self.key = header.key.unwrap_or_default();
        self.opcode = header.opcode;
        self.fin = header.fin;
        let kind = match header.opcode {
            OpCode::Text => MessageKind::Text,
            OpCode::Binary => MessageKind::Binary,
            OpCode::Continuation => {
                self.message_len = self.message_len.saturating_add(header.len);
                return;
            }
            OpCode::Close | OpCode::Ping | OpCode::Pong => return,
        };
        self.message = Some(kind);
        self.message_len = header.len;
        self.compressed = header.rsv & RSV1 != 0;
        self.started = false;
        self.carry = Carry::NONE;
    }

    /// Takes what there is of the frame's payload, still masked, and the key for it.
    fn take_piece<'b>(&mut self, input: &mut Input<'b>) -> (&'b mut [u8], [u8; 4]) {
        let n = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let piece = input.take(n);
        let key = self.advance(piece.len());
        (piece, key)
    }

    /// `n` bytes of the payload are through; returns the key they are masked with.
    fn advance(&mut self, n: usize) -> [u8; 4] {
        let key = self.key;
        self.remaining -= u64::try_from(n).unwrap_or(self.remaining).min(self.remaining);
        self.key = rotate(key, n);
        key
    }

    fn take_control<'b>(
        &mut self,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        parts: bool,
    ) -> Result<Progress<'b>, ProtocolError> {
        let whole = u64::try_from(input.len()).is_ok_and(|have| have >= self.remaining);
        let begun = self.control_len > 0;
        if whole && !begun {
            let (payload, key) = self.take_piece(input);
            unmask(payload, key);
            self.phase = Phase::Header;
            return Ok(Progress::Step(Step::Control(self.opcode, payload)));
        }
        if input.is_empty() {
            return Ok(Progress::NeedInput);
        }
        if !begun {
            let message_in_inbox = self.message.is_some() && self.started && !parts;
            if message_in_inbox && inbox.message_len(self.tag).is_none() {
                return Err(MisuseError::WrongInbox.into());
            }
            self.tag = inbox.begin_control(self.tag);
            self.control_len = u8::try_from(self.remaining).unwrap_or_default();
        }
        let kept = u64::from(self.control_len).saturating_sub(self.remaining);
        let in_inbox = inbox.control_len(self.tag).map(u64::try_from);
        if in_inbox != Some(Ok(kept)) {
            return Err(MisuseError::WrongInbox.into());
        }
        let (payload, key) = self.take_piece(input);
        inbox.append_control(payload, key);
        if self.remaining > 0 {
            return Ok(Progress::NeedInput);
        }
        self.control_len = 0;
        inbox.end_control();
        self.phase = Phase::Header;
        Ok(Progress::Step(Step::ControlInInbox(self.opcode)))
    }

    fn take_data<'b>(
        &mut self,
        kind: MessageKind,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        settings: &Settings,
    ) -> Result<Progress<'b>, ProtocolError> {
        let whole = u64::try_from(input.len()).is_ok_and(|have| have >= self.remaining);
        if whole && self.fin && !self.started {
            let (payload, key) = self.take_piece(input);
            unmask(payload, key);
            let data = match kind {
                MessageKind::Binary => Data::Binary(payload),
                MessageKind::Text => Data::Text(validate(payload).ok_or(PeerError::InvalidUtf8)?),
            };
            self.end_message();
            return Ok(Progress::Step(Step::Message(data)));
        }
        if input.is_empty() && self.remaining > 0 {
            return Ok(Progress::NeedInput);
        }
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
            MessageKind::Binary => inbox.append_masked(piece, key, ahead)?,
            MessageKind::Text => self.take_text(piece, key, inbox, ahead)?,
        }
        if self.remaining > 0 {
            return Ok(Progress::NeedInput);
        }
        if !self.fin {
            return Ok(Progress::FrameDone);
        }
        // RFC 6455 8.1: the text as a whole is UTF-8, so no character may lack its end.
        if !self.carry.is_empty() {
            return Err(PeerError::InvalidUtf8.into());
        }
        inbox.end_message();
        let len = self.message_len;
        self.end_message();
        Ok(Progress::Step(Step::Assembled { kind, len, wire_len: len }))
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
    fn take_text(
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

    fn end_message(&mut self) {
        self.phase = Phase::Header;
        self.message = None;
    }

    /// How many bytes of a large binary frame are still to come and may be read directly.
    pub(super) fn direct_rest(&self, inbox: &Inbox, delivery: Delivery) -> Option<u64> {
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
    pub(super) fn received_direct(&mut self, n: usize, inbox: &mut Inbox, delivery: Delivery) {
        if let Some(rest) = self.direct_rest(inbox, delivery)
            && u64::try_from(n).is_ok_and(|n| n <= rest)
            && inbox.take_direct(n, self.key)
        {
            self.advance(n);
        } else {
            self.phase = Phase::Misused(MisuseError::DirectRoom);
        }
    }

    /// Whether [`Self::step`] on these bytes would give a step or an error; see
    /// [`Connection::has_event`](crate::Connection::has_event).
    pub(super) fn has_step(
        &self,
        mut bytes: &[u8],
        role: Role,
        settings: &Settings,
        rsv: u8,
    ) -> bool {
        let parts = settings.delivery == Delivery::Parts;
        let mut seen = *self;
        loop {
            match seen.phase {
                Phase::InvalidText | Phase::Misused(_) => return true,
                Phase::Header => {
                    let expected = seen.expected(role, settings, rsv);
                    let kept = usize::from(seen.header_len);
                    let decoded = if kept == 0 {
                        FrameHeader::decode_expected(bytes, expected)
                    } else {
                        let (joined, len) = seen.joined_header(bytes);
                        FrameHeader::decode_expected(
                            joined.get(..len).unwrap_or_default(),
                            expected,
                        )
                    };
                    match decoded {
                        Err(_) => return true,
                        Ok(None) => return false,
                        Ok(Some((header, n))) => {
                            bytes = bytes.get(n - kept..).unwrap_or_default();
                            seen.header_len = 0;
                            seen.begin_frame(&header);
                        }
                    }
                }
                Phase::Payload => {}
            }
            if parts && !seen.opcode.is_control() {
                return seen.remaining == 0 || !bytes.is_empty();
            }
            let rest = usize::try_from(seen.remaining).ok().and_then(|n| bytes.get(n..));
            let Some(rest) = rest else { return false };
            if seen.fin {
                return true;
            }
            bytes = rest;
            seen.phase = Phase::Header;
        }
    }
}

#[inline]
fn unmask(data: &mut [u8], key: [u8; 4]) {
    if key != [0; 4] {
        mask(data, key);
    }
}
