//! From bytes to frames to messages: the state of the frame and of the message in progress.
//!
//! There is one reader of frames, [`Incoming::seek`]. It consumes the input up to a frame that
//! yields an event, and [`Incoming::take`] then takes the payload of that frame. Between the two
//! calls this module holds all facts about the frame, and its payload stays in the input, still
//! masked.
//!
//! ```text
//!                 header                       an event is ready
//!   Phase::Header ──────► Phase::Payload ─────────────────────────► seek returns
//!      ▲    ▲                  │                                        │
//!      │    └──────────────────┘                                        │
//!      │      a fragment without an event: into the inbox               │
//!      └────────────────────────────────────────────────────────────────┘
//!                                             take: the payload of the event
//! ```

mod compressed;
mod parts;
mod whole;

use core::fmt;

use crate::config::{Delivery, Settings};
use crate::connection::compression::inflater::Inflater;
use crate::connection::fault::Fault;
use crate::error::protocol::{MisuseError, ProtocolError};
use crate::frame::{Expected, FrameHeader, MAX_HEADER_LEN, RSV1};
use crate::inbox::{Inbox, Tag};
use crate::input::Input;
use crate::kernel::mask::{mask, rotate};
use crate::kernel::utf8::Carry;
use crate::message::{Data, MessageKind};
use crate::opcode::OpCode;
use crate::role::Role;

/// The state of the frame and of the message in progress.
#[derive(Clone, Copy)]
pub(super) struct Incoming {
    /// The number of bytes of the frame's payload that have not been taken.
    remaining: u64,
    /// The length of the message as announced by its frames so far, in bytes.
    message_len: u64,
    /// The first bytes of a header that was cut by the end of an input.
    header: [u8; MAX_HEADER_LEN],
    header_len: u8,
    /// The length of the control frame that is being stored in the inbox; 0 if there is none.
    control_len: u8,
    phase: Phase,
    /// The mask key of the frame, rotated to the next byte; zero for an unmasked frame.
    key: [u8; 4],
    /// The opcode and FIN of the frame.
    opcode: OpCode,
    fin: bool,
    /// The kind of the message in progress.
    message: Option<MessageKind>,
    /// Whether the inbox holds the first bytes of the message, or a part of it was handed out.
    started: bool,
    /// Whether the message is compressed.
    compressed: bool,
    /// The incomplete last character of a text.
    carry: Carry,
    /// The tag by which the inbox recognizes the data of this connection.
    tag: Tag,
}

impl fmt::Debug for Incoming {
    /// Shows neither data nor the mask key, since debug output is logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("phase", &self.phase)
            .field("header_len", &self.header_len)
            .field("opcode", &self.opcode)
            .field("fin", &self.fin)
            .field("remaining", &self.remaining)
            .field("message", &self.message)
            .field("message_len", &self.message_len)
            .field("compressed", &self.compressed)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Header,
    Payload,
    /// The next call fails.
    Failed(Fault),
}

/// The settings and the decoder, which assembly needs.
pub(super) struct Context<'c> {
    pub(super) role: Role,
    pub(super) settings: &'c Settings,
    pub(super) inflater: Inflater<'c>,
}

/// An event that [`Incoming::take`] can take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ready {
    /// A control frame. The rest of its payload is in the input.
    Control,
    /// A message. The rest of its last frame's payload is in the input.
    Message(MessageKind),
    /// A part of a message.
    Part(MessageKind),
}

/// The content of an event: bytes in the input, or a reference to those in the inbox.
pub(super) enum Arrival<'b> {
    /// A message that is completely in the input.
    Message(Data<'b>),
    /// A message in the inbox. `len` is its length, `wire_len` the sum of its frames' payloads.
    Assembled { kind: MessageKind, len: u64, wire_len: u64 },
    /// A part in the input.
    Part { data: Data<'b>, start: bool, end: bool },
    /// A part in the inbox: one character, or inflated data. The lengths are as above.
    PartInInbox { kind: MessageKind, len: usize, wire_len: u64, start: bool, end: bool },
    /// A control frame in the input.
    Control(OpCode, &'b [u8]),
    /// A control frame in the inbox.
    ControlInInbox(OpCode),
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

    /// Frees the memory of the inbox when no more input is processed.
    pub(super) fn abandon(&self, inbox: &mut Inbox) {
        inbox.abandon(self.tag);
    }

    /// Frees the memory of the inbox, except that of a control frame from which an event is lent.
    pub(super) fn abandon_message(&self, inbox: &mut Inbox) {
        inbox.abandon_message(self.tag);
    }

    /// Returns true if the next byte begins a frame and a message.
    pub(super) fn is_between_messages(&self) -> bool {
        self.phase == Phase::Header && self.header_len == 0 && self.message.is_none()
    }

    /// Makes the next call fail. For a call that hands out the data before the fault, or that can't
    /// return an error.
    #[cold]
    pub(super) const fn fail_next(&mut self, fault: Fault) {
        self.phase = Phase::Failed(fault);
    }

    /// Consumes input up to the next event, and takes it; `None` if all input is consumed.
    pub(super) fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        context: &mut Context<'_>,
    ) -> Result<Option<Arrival<'b>>, ProtocolError> {
        match self.seek(input, inbox, context)? {
            Some(ready) => self.take(ready, input, inbox, context).map(Some),
            None => Ok(None),
        }
    }

    /// Consumes input up to the next event; `None` if all input is consumed.
    ///
    /// Frames that don't yield an event are stored in the inbox. A second call finds the same event
    /// and changes nothing.
    pub(super) fn seek(
        &mut self,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        context: &mut Context<'_>,
    ) -> Result<Option<Ready>, ProtocolError> {
        loop {
            match self.phase {
                Phase::Failed(fault) => return Err(fault.into()),
                Phase::Header => {
                    let Some(header) = self.take_header(input, context)? else {
                        return Ok(None);
                    };
                    self.begin_frame(&header);
                }
                Phase::Payload => {}
            }
            let has_rest = u64::try_from(input.len()).is_ok_and(|have| have >= self.remaining);
            if self.opcode.is_control() {
                if has_rest {
                    return Ok(Some(Ready::Control));
                }
                self.keep_control(input, inbox, context.settings.delivery)?;
                return Ok(None);
            }
            // A data frame always has a message: `begin_frame` ensures it.
            let Some(kind) = self.message else { return Ok(None) };
            if context.settings.delivery == Delivery::Parts {
                let ready =
                    !input.is_empty() || self.remaining == 0 || context.inflater.is_pending();
                return Ok(ready.then_some(Ready::Part(kind)));
            }
            if has_rest && self.fin {
                return Ok(Some(Ready::Message(kind)));
            }
            if input.is_empty() && self.remaining > 0 {
                return Ok(None);
            }
            self.keep_data(kind, input, inbox, context)?;
            if self.remaining > 0 {
                return Ok(None);
            }
            self.phase = Phase::Header;
        }
    }

    /// Takes the event that [`Self::seek`] has found in the same input.
    fn take<'b>(
        &mut self,
        ready: Ready,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        context: &mut Context<'_>,
    ) -> Result<Arrival<'b>, ProtocolError> {
        let settings = context.settings;
        match ready {
            Ready::Control => self.take_control(input, inbox),
            Ready::Message(kind) if self.compressed => {
                self.take_inflated(kind, input, inbox, context)
            }
            Ready::Message(kind) => self.take_message(kind, input, inbox, settings),
            Ready::Part(kind) if self.compressed => {
                self.take_inflated_part(kind, input, inbox, context)
            }
            Ready::Part(MessageKind::Binary) => Ok(self.take_binary_part(input)),
            Ready::Part(MessageKind::Text) => self.take_text_part(input, inbox, settings),
        }
    }

    /// Stores the received bytes of a message in the inbox.
    fn keep_data(
        &mut self,
        kind: MessageKind,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        context: &mut Context<'_>,
    ) -> Result<(), ProtocolError> {
        if self.compressed {
            return self.keep_inflated(kind, input, inbox, context);
        }
        self.keep_plain(kind, input, inbox, context.settings)
    }

    /// Returns the rules for the next header.
    fn expected(&self, context: &Context<'_>) -> Expected {
        let in_message = self.message.is_some();
        let so_far = if in_message { self.message_len } else { 0 };
        let max = context.settings.max_message_len;
        // A compressed message takes no memory before it is inflated, and `max_message_len` limits
        // the inflated data. This limit bounds the time: even a flush after each byte of the
        // message needs fewer compressed bytes.
        let max_compressed = max.saturating_mul(8).saturating_add(1024);
        let compressed = in_message && self.compressed;
        Expected {
            role: Some(context.role),
            in_message: Some(in_message),
            rsv: context.inflater.rsv(),
            max_len: if compressed { max_compressed } else { max }.saturating_sub(so_far),
            max_compressed_len: max_compressed,
        }
    }

    /// Returns the stored bytes of a cut header, followed by those of `bytes`, and their number.
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

    /// Takes a header, or stores its first bytes.
    fn take_header(
        &mut self,
        input: &mut Input<'_>,
        context: &Context<'_>,
    ) -> Result<Option<FrameHeader>, ProtocolError> {
        let expected = self.expected(context);
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
        // The bytes are less than the longest header, so they are all of the input.
        input.clear();
        self.header = joined;
        self.header_len = u8::try_from(len).unwrap_or_default();
        Ok(None)
    }

    /// Starts a frame, and a message if it is the first frame of one.
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

    /// Takes the available bytes of the frame's payload, still masked, and returns the key for
    /// them.
    fn take_payload<'b>(&mut self, input: &mut Input<'b>) -> (&'b mut [u8], [u8; 4]) {
        let n = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let payload = input.take(n);
        let key = self.advance(payload.len());
        (payload, key)
    }

    /// Records `n` bytes of the payload as taken, and returns the key with which they are masked.
    fn advance(&mut self, n: usize) -> [u8; 4] {
        let key = self.key;
        self.remaining -= u64::try_from(n).unwrap_or(self.remaining).min(self.remaining);
        self.key = rotate(key, n);
        key
    }

    /// Stores the received bytes of a control frame in the inbox.
    fn keep_control(
        &mut self,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        delivery: Delivery,
    ) -> Result<(), ProtocolError> {
        if input.is_empty() {
            return Ok(());
        }
        if self.control_len == 0 {
            let holds_message =
                self.message.is_some() && self.started && delivery == Delivery::Whole;
            if holds_message && inbox.message_len(self.tag).is_none() {
                return Err(MisuseError::WrongInbox.into());
            }
            self.tag = inbox.begin_control(self.tag);
            self.control_len = u8::try_from(self.remaining).unwrap_or_default();
        }
        self.append_control(input, inbox)
    }

    fn take_control<'b>(
        &mut self,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
    ) -> Result<Arrival<'b>, ProtocolError> {
        if self.control_len == 0 {
            let (payload, key) = self.take_payload(input);
            unmask(payload, key);
            self.phase = Phase::Header;
            return Ok(Arrival::Control(self.opcode, payload));
        }
        self.append_control(input, inbox)?;
        self.control_len = 0;
        inbox.end_control();
        self.phase = Phase::Header;
        Ok(Arrival::ControlInInbox(self.opcode))
    }

    /// Appends the received bytes of a control frame to its first bytes in the inbox.
    fn append_control(
        &mut self,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
    ) -> Result<(), ProtocolError> {
        let kept = u64::from(self.control_len).saturating_sub(self.remaining);
        if inbox.control_len(self.tag).map(u64::try_from) != Some(Ok(kept)) {
            return Err(MisuseError::WrongInbox.into());
        }
        let (payload, key) = self.take_payload(input);
        inbox.append_control(payload, key);
        Ok(())
    }

    fn end_message(&mut self) {
        self.phase = Phase::Header;
        self.message = None;
    }
}

#[inline]
fn unmask(data: &mut [u8], key: [u8; 4]) {
    if key != [0; 4] {
        mask(data, key);
    }
}
