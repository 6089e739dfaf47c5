//! The sending half of permessage-deflate: which messages go compressed, and the encoder.

use alloc::boxed::Box;
use core::num::NonZeroUsize;

use bytes::BytesMut;

use crate::connection::Connection;
use crate::connection::options::{Compress, SendOptions};
use crate::deflate::{Agreement, Compressor};
use crate::error::SendError;
use crate::frame::{FrameHeader, MASK_KEY_LEN, RSV1, header_len};
use crate::kernel::mask::mask;
use crate::opcode::OpCode;
use crate::prepared::{Compressed, Prepared};
use crate::role::Role;

/// RSV1 in the first byte of a frame.
const RSV1_BIT: u8 = RSV1 << 4;

/// The encoder, kept from message to message with context takeover, else for the length of a message
/// that is sent in parts. Boxed when it is first used.
#[derive(Debug)]
pub(super) struct Compressing {
    encoder: Compressor,
    /// The message that is being sent in parts is compressed.
    in_message: bool,
}

impl Connection {
    /// Appends a whole message compressed and returns the length of its payload; `None`: it is to be
    /// sent as it is.
    pub(super) fn write_compressed(
        &mut self,
        opcode: OpCode,
        message: &[u8],
        options: SendOptions,
        out: &mut BytesMut,
    ) -> Result<Option<usize>, SendError> {
        let Some(agreement) = self.agreement.filter(|_| options.compress == Compress::Auto) else {
            return Ok(None);
        };
        if message.len() < usize::from(agreement.threshold) {
            return Ok(None);
        }
        if let Some(max) = options.max_frame_len {
            return self.write_compressed_frames(opcode, message, max, out);
        }
        let frame = self.begin_frame(message.len(), out)?;
        let shorter = if agreement.direction(self.role).context_takeover {
            self.compressing(&agreement).encoder.message(message, out)
        } else {
            // Nothing is kept, so nothing is allocated for it.
            encoder(&agreement, self.role).message(message, out)
        };
        if !shorter {
            out.truncate(frame.at);
            return Ok(None);
        }
        Ok(Some(frame.end(RSV1, opcode, true, out)))
    }

    /// The same in fragments: the compressed bytes are cut anywhere (RFC 7692 6.1).
    fn write_compressed_frames(
        &mut self,
        opcode: OpCode,
        message: &[u8],
        max: NonZeroUsize,
        out: &mut BytesMut,
    ) -> Result<Option<usize>, SendError> {
        let Some(agreement) = self.agreement else { return Ok(None) };
        let mut payload = BytesMut::new();
        if !self.compressing(&agreement).encoder.message(message, &mut payload) {
            self.end_compressed();
            return Ok(None);
        }
        let first = opcode.value() | RSV1_BIT;
        let written = self.write_frames(first, true, &payload, Some(max), out);
        if written.is_err() {
            // The peer will never see what the encoder has taken in: a new one doesn't refer to it.
            self.compressing(&agreement).encoder = encoder(&agreement, self.role);
        }
        self.end_compressed();
        written.map(|()| Some(payload.len()))
    }

    /// Appends a part of a message, which isn't whole yet before this one, compressed, and returns
    /// the length of its payload; `None`: it is to be sent as it is.
    pub(super) fn write_compressed_part(
        &mut self,
        opcode: OpCode,
        part: &[u8],
        end: bool,
        options: SendOptions,
        out: &mut BytesMut,
    ) -> Result<Option<usize>, SendError> {
        let Some(agreement) = self.agreement else { return Ok(None) };
        let first = opcode != OpCode::Continuation;
        // RFC 7692 6.1: the first frame says it for the whole message.
        let compress = if first {
            options.compress == Compress::Auto
        } else {
            self.rare.as_ref().is_some_and(|rare| {
                rare.compressing.as_ref().is_some_and(|compressing| compressing.in_message)
            })
        };
        if !compress {
            return Ok(None);
        }
        let rsv = if first { RSV1 } else { 0 };
        let written = match options.max_frame_len {
            None => self.begin_frame(part.len().saturating_add(part.len() / 1024 + 16), out).map(
                |frame| {
                    self.compressing(&agreement).encoder.part(part, end, out);
                    frame.end(rsv, opcode, end, out)
                },
            ),
            Some(max) => {
                let mut payload = BytesMut::new();
                self.compressing(&agreement).encoder.part(part, end, &mut payload);
                let head = opcode.value() | rsv << 4;
                self.write_frames(head, end, &payload, Some(max), out).map(|()| payload.len())
            }
        };
        if written.is_err() {
            // As above. In the midst of a message too: each part ends on a byte boundary.
            self.compressing(&agreement).encoder = encoder(&agreement, self.role);
            if first {
                self.end_compressed();
            }
        } else if end {
            self.compressing(&agreement).in_message = false;
            self.end_compressed();
        } else {
            self.compressing(&agreement).in_message = true;
        }
        written.map(Some)
    }

    /// The form of a prepared message that this connection's peer can inflate.
    pub(super) fn compressed_form<'p>(&self, message: &'p Prepared) -> Option<&'p Compressed> {
        let agreement = self.agreement?;
        message.compressed(agreement.direction(self.role).window_bits)
    }

    /// A message was sent compressed without the encoder. If there is one, it follows, so that later
    /// references say the same at the peer.
    pub(super) fn follow(&mut self, message: &[u8]) {
        let compressing = self.rare.as_mut().and_then(|rare| rare.compressing.as_mut());
        if let Some(compressing) = compressing {
            compressing.encoder.follow(message);
        }
    }

    fn compressing(&mut self, agreement: &Agreement) -> &mut Compressing {
        let role = self.role;
        self.rare().compressing.get_or_insert_with(|| {
            Box::new(Compressing { encoder: encoder(agreement, role), in_message: false })
        })
    }

    /// Nothing is sent any more.
    pub(super) fn drop_compressing(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.compressing = None;
        }
    }

    /// The message is whole: without context takeover nothing of it is kept.
    fn end_compressed(&mut self) {
        if let Some(agreement) = self.agreement
            && !agreement.direction(self.role).context_takeover
            && let Some(rare) = &mut self.rare
        {
            rare.compressing = None;
            if rare.is_empty() {
                self.rare = None;
            }
        }
    }

    /// Reserves the header of a frame with at most `len` bytes of payload.
    fn begin_frame(&mut self, len: usize, out: &mut BytesMut) -> Result<Reserved, SendError> {
        let key = match self.role {
            Role::Server => None,
            Role::Client => Some(self.next_key()?),
        };
        let at = out.len();
        let room = header_len(len) + if key.is_some() { MASK_KEY_LEN } else { 0 };
        out.resize(at + room, 0);
        Ok(Reserved { at, room, key })
    }
}

/// Room for a frame's header, behind which its payload is being written.
struct Reserved {
    /// Where the frame begins.
    at: usize,
    room: usize,
    key: Option<[u8; 4]>,
}

impl Reserved {
    /// Writes the header, masks the payload and returns its length.
    fn end(self, rsv: u8, opcode: OpCode, fin: bool, out: &mut BytesMut) -> usize {
        let payload_at = self.at + self.room;
        let len = out.len().saturating_sub(payload_at);
        let wide = u64::try_from(len).unwrap_or(u64::MAX);
        let header = FrameHeader { fin, rsv, opcode, key: self.key, len: wide }.encode();
        let header = header.as_bytes();
        // It was reserved for the message's own length. An encoder that can't undo may need more.
        if header.len() > self.room {
            out.resize(self.at + header.len() + len, 0);
        }
        if header.len() != self.room {
            out.copy_within(payload_at..payload_at + len, self.at + header.len());
            out.truncate(self.at + header.len() + len);
        }
        let frame = out.get_mut(self.at..).unwrap_or_default();
        if let Some((head, payload)) = frame.split_at_mut_checked(header.len()) {
            head.copy_from_slice(header);
            if let Some(key) = self.key {
                mask(payload, key);
            }
        }
        len
    }
}

fn encoder(agreement: &Agreement, role: Role) -> Compressor {
    let takeover = agreement.direction(role).context_takeover;
    agreement.engine.compressor(agreement.encoder_window_bits, agreement.level, takeover)
}
