//! Messages to send, and the expected frames.

use core::num::NonZeroUsize;

use bytes::BytesMut;
#[cfg(feature = "deflate")]
use sansocket::deflate::{Level, WindowBits};
use sansocket::error::SendError;
use sansocket::message::{Compress, Data, MessageKind, SendOptions};
use sansocket::{Connection, Prepared, Role};

use super::frame::{BINARY, CONT, Frame, PING, PONG, TEXT, sent};
use super::plan::{pattern, text};
use super::source::Source;

#[derive(Debug)]
pub(super) enum Send {
    Text(String),
    Binary(Vec<u8>),
    Any(Payload, SendOptions),
    Part(Payload, bool, SendOptions),
    Prepared(Prepared),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

#[derive(Debug)]
pub(super) enum Payload {
    Text(String),
    Binary(Vec<u8>),
}

impl Payload {
    pub(super) fn data(&self) -> Data<'_> {
        match self {
            Self::Text(text) => Data::Text(text),
            Self::Binary(bytes) => Data::Binary(bytes),
        }
    }
}

/// Sends with the methods that `Flow` and `Reply` have in common.
macro_rules! send_by {
    ($target:expr, $send:expr) => {
        match $send {
            Send::Text(text) => $target.send_text(text),
            Send::Binary(bytes) => $target.send_binary(bytes),
            Send::Any(payload, options) => $target.send(payload.data(), *options),
            Send::Part(payload, end, options) => $target.send_part(payload.data(), *end, *options),
            Send::Prepared(prepared) => $target.send_prepared(prepared),
            Send::Ping(payload) => $target.send_ping(payload),
            Send::Pong(payload) => $target.send_pong(payload),
        }
    };
}
pub(super) use send_by;

/// A second connection that sends the same messages, and its message in progress.
pub(super) struct Mirror {
    role: Role,
    connection: Connection,
    deflate: bool,
    under_way: Option<MessageKind>,
    count: u32,
    /// The number of messages sent.
    pub(super) messages: u64,
}

impl Mirror {
    pub(super) const fn new(role: Role, connection: Connection, deflate: bool) -> Self {
        Self { role, connection, deflate, under_way: None, count: 0x3030_3030, messages: 0 }
    }

    /// Chooses the next message.
    pub(super) fn choose(&mut self, source: &mut Source<'_>) -> Send {
        self.count += 1;
        let seed = self.count;
        let choice = source.byte();
        let len = source.len();
        let payload = if choice & 0x10 == 0 {
            Payload::Text(text(seed, len))
        } else {
            Payload::Binary(pattern(seed, len))
        };
        let mut options = SendOptions::new();
        if choice & 0x20 != 0 {
            options.compress = Compress::Never;
        }
        if choice & 0x40 != 0 {
            options.max_frame_len = NonZeroUsize::new(source.len().max(len / 16));
        }
        match choice & 7 {
            0 => Send::Text(text(seed, len)),
            1 => Send::Binary(pattern(seed, len)),
            2 => Send::Any(payload, options),
            3 | 4 => Send::Part(payload, choice & 0x80 != 0, options),
            5 => {
                let prepared = Prepared::new(payload.data());
                #[cfg(feature = "deflate")]
                let prepared = if self.deflate {
                    prepared.with_deflate(WindowBits::MAX, Level::Fast)
                } else {
                    prepared
                };
                Send::Prepared(prepared)
            }
            6 => Send::Ping(pattern(seed, len.min(130))),
            _ => Send::Pong(pattern(seed, len.min(130))),
        }
    }

    /// Returns the expected error of a send, if the connection is open and the output has space.
    pub(super) fn refusal(&self, send: &Send) -> Option<SendError> {
        match send {
            Send::Ping(payload) | Send::Pong(payload) => {
                (payload.len() > 125).then_some(SendError::ControlTooLong)
            }
            Send::Part(payload, ..) => self
                .under_way
                .is_some_and(|kind| kind != payload.data().kind())
                .then_some(SendError::MessageInProgress),
            Send::Text(_) | Send::Binary(_) | Send::Any(..) | Send::Prepared(_) => {
                self.under_way.is_some().then_some(SendError::MessageInProgress)
            }
        }
    }

    /// Records a successful send, and returns its frames.
    pub(super) fn accepted(&mut self, send: &Send) -> Vec<Frame> {
        let mut out = BytesMut::new();
        let Self { connection, .. } = self;
        let mut target = ByConnection(connection, &mut out);
        send_by!(target, send).expect("the mirror sends what the driver sends");
        let by_mirror = sent(self.role, &out);
        let first = |data: Data<'_>| match data {
            Data::Text(_) => TEXT,
            Data::Binary(_) => BINARY,
        };
        let frames = match send {
            Send::Text(text) => fragments(TEXT, text.as_bytes(), true, None),
            Send::Binary(bytes) => fragments(BINARY, bytes, true, None),
            Send::Any(payload, options) => {
                let data = payload.data();
                fragments(first(data), data.as_bytes(), true, options.max_frame_len)
            }
            Send::Part(payload, end, options) => {
                let data = payload.data();
                let opcode = if self.under_way.is_some() { CONT } else { first(data) };
                self.under_way = if *end { None } else { Some(data.kind()) };
                fragments(opcode, data.as_bytes(), *end, options.max_frame_len)
            }
            Send::Prepared(prepared) => {
                let opcode = match prepared.kind() {
                    MessageKind::Text => TEXT,
                    MessageKind::Binary => BINARY,
                };
                fragments(opcode, prepared.payload(), true, None)
            }
            Send::Ping(payload) => vec![Frame::new(PING, payload)],
            Send::Pong(payload) => vec![Frame::new(PONG, payload)],
        };
        self.messages +=
            u64::from(!matches!(send, Send::Ping(_) | Send::Pong(_) | Send::Part(_, false, _)));
        // The contents of compressed messages are checked by another target.
        if self.deflate { by_mirror } else { frames }
    }
}

struct ByConnection<'c>(&'c mut Connection, &'c mut BytesMut);

impl ByConnection<'_> {
    fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.0.send_text(text, self.1)
    }

    fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.0.send_binary(bytes, self.1)
    }

    fn send(&mut self, data: Data<'_>, options: SendOptions) -> Result<(), SendError> {
        self.0.send(data, options, self.1)
    }

    fn send_part(
        &mut self,
        data: Data<'_>,
        end: bool,
        options: SendOptions,
    ) -> Result<(), SendError> {
        self.0.send_part(data, end, options, self.1)
    }

    fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        self.0.send_prepared(message, self.1)
    }

    fn send_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.0.send_ping(payload, self.1)
    }

    fn send_pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.0.send_pong(payload, self.1)
    }
}

/// Returns the frames of a message or a part, each with at most `max` bytes of payload.
fn fragments(first: u8, payload: &[u8], end: bool, max: Option<NonZeroUsize>) -> Vec<Frame> {
    let max = max.map_or(usize::MAX, NonZeroUsize::get);
    let (mut frames, mut rest, mut opcode) = (Vec::new(), payload, first);
    loop {
        let (part, behind) = rest.split_at(max.min(rest.len()));
        frames.push(Frame::new(opcode, part).fin(end && behind.is_empty()));
        if behind.is_empty() {
            return frames;
        }
        (rest, opcode) = (behind, CONT);
    }
}
