//! Compression of messages while they are appended to the output.

use alloc::boxed::Box;
use core::num::NonZeroUsize;

use bytes::BytesMut;

use crate::connection::compression::codecs::Compressing;
use crate::connection::rare::Rare;
use crate::connection::state::Connection;
use crate::deflate::Agreement;
use crate::error::send::SendError;
use crate::frame::{FrameHeader, RSV1};
use crate::kernel::mask::mask;
use crate::message::options::{Compress, SendOptions};
use crate::opcode::OpCode;
use crate::prepared::{Encoded, Prepared};
use crate::role::Role;

/// The length of a mask key, in bytes.
const MASK_KEY_LEN: usize = 4;

/// RSV1 in the first byte of a frame.
const RSV1_BIT: u8 = RSV1 << 4;

impl Connection {
    /// Appends a complete message compressed and returns the length of its payload; `None` if it
    /// must be sent uncompressed.
    pub(in crate::connection) fn write_compressed(
        &mut self,
        opcode: OpCode,
        message: &[u8],
        options: SendOptions,
        out: &mut BytesMut,
    ) -> Result<Option<usize>, SendError> {
        let Some(&agreement) = self.agreed.deflate().filter(|_| options.compress == Compress::Auto)
        else {
            return Ok(None);
        };
        if message.len() < usize::from(agreement.threshold) {
            return Ok(None);
        }
        if let Some(max) = options.max_frame_len {
            return self.write_compressed_frames(opcode, message, max, out);
        }
        // Without context takeover the encoder is not kept, so it needs no box.
        let mut alone = (!agreement.direction(self.role).context_takeover)
            .then(|| Compressing::new(&agreement, self.role));
        let frame = self.begin_frame(message.len(), out)?;
        let room = self.make_room_for_message(&agreement, message.len(), alone.as_mut());
        let shorter = room
            && match &mut alone {
                Some(alone) => alone.message(message, out),
                None => self.compressing(&agreement).message(message, out),
            };
        if !shorter {
            out.truncate(frame.at);
            return Ok(None);
        }
        Ok(Some(frame.end(RSV1, opcode, true, out)))
    }

    /// Does the same in fragments. The compressed bytes may be cut anywhere (RFC 7692 6.1).
    fn write_compressed_frames(
        &mut self,
        opcode: OpCode,
        message: &[u8],
        max: NonZeroUsize,
        out: &mut BytesMut,
    ) -> Result<Option<usize>, SendError> {
        let Some(&agreement) = self.agreed.deflate() else { return Ok(None) };
        if !self.make_room_for_message(&agreement, message.len(), None) {
            return Ok(None);
        }
        let mut payload = BytesMut::new();
        if !self.compressing(&agreement).message(message, &mut payload) {
            self.end_compressed();
            return Ok(None);
        }
        let first = opcode.value() | RSV1_BIT;
        let written = self.write_frames(first, true, &payload, Some(max), out);
        if written.is_err() {
            let role = self.role;
            // The peer never receives these bytes: a new encoder can't refer to them.
            self.compressing(&agreement).begin_anew(&agreement, role);
        }
        self.end_compressed();
        written.map(|()| Some(payload.len()))
    }

    /// Appends a part of a message compressed and returns the length of its payload; `None` if it
    /// must be sent uncompressed. The part is not the complete message.
    pub(in crate::connection) fn write_compressed_part(
        &mut self,
        opcode: OpCode,
        part: &[u8],
        end: bool,
        options: SendOptions,
        out: &mut BytesMut,
    ) -> Result<Option<usize>, SendError> {
        let Some(&agreement) = self.agreed.deflate() else { return Ok(None) };
        let first = opcode != OpCode::Continuation;
        // RFC 7692 6.1: RSV1 of the first frame applies to the complete message.
        let compress = if first {
            options.compress == Compress::Auto
        } else {
            self.rare.as_ref().is_some_and(|rare| {
                rare.codecs.compressing.as_ref().is_some_and(|compressing| compressing.in_message)
            })
        };
        if !compress {
            return Ok(None);
        }
        if !self.make_room_for_part(&agreement, part.len()) && first {
            return Ok(None);
        }
        let rsv = if first { RSV1 } else { 0 };
        // Data that doesn't shrink grows by the headers of stored blocks and by the flush. The
        // estimate only sets the reserved length of the header; `Reserved::end` corrects a wrong
        // one.
        let written = match options.max_frame_len {
            None => self.begin_frame(part.len().saturating_add(part.len() / 1024 + 16), out).map(
                |frame| {
                    self.compressing(&agreement).part(part, end, out);
                    frame.end(rsv, opcode, end, out)
                },
            ),
            Some(max) => {
                let mut payload = BytesMut::new();
                self.compressing(&agreement).part(part, end, &mut payload);
                let head = opcode.value() | rsv << 4;
                self.write_frames(head, end, &payload, Some(max), out).map(|()| payload.len())
            }
        };
        if written.is_err() {
            let role = self.role;
            // As above. This is valid within a message too: each part ends on a byte boundary.
            self.compressing(&agreement).begin_anew(&agreement, role);
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

    /// Returns the form of a prepared message that the peer of this connection can inflate.
    pub(in crate::connection) fn compressed_form<'p>(
        &self,
        message: &'p Prepared,
    ) -> Option<&'p Encoded> {
        let agreement = self.agreed.deflate()?;
        message.compressed(agreement.direction(self.role).window_bits)
    }

    /// Passes a message to the encoder, if there is one, after its prepared form was sent. The
    /// window of the encoder must equal that of the peer's decoder, so that later references are
    /// valid.
    pub(in crate::connection) fn follow(&mut self, message: &[u8]) {
        let compressing = self.rare.as_mut().and_then(|rare| rare.codecs.compressing.as_mut());
        if let Some(compressing) = compressing {
            let need = compressing.capacity_for_message(message.len());
            compressing.make_room(need, self.config.memory_budget());
            compressing.follow(message);
        }
    }

    fn compressing(&mut self, agreement: &Agreement) -> &mut Compressing {
        compressing(&mut self.rare, agreement, self.role)
    }

    /// Charges the memory that the encoder needs for a complete message. Returns false if the
    /// message must be sent uncompressed because there is no room.
    fn make_room_for_message(
        &mut self,
        agreement: &Agreement,
        len: usize,
        alone: Option<&mut Compressing>,
    ) -> bool {
        let compressing = match alone {
            Some(alone) => alone,
            None => compressing(&mut self.rare, agreement, self.role),
        };
        let need = compressing.capacity_for_message(len);
        if compressing.make_room(need, self.config.memory_budget()) {
            return true;
        }
        self.drop_compressing();
        false
    }

    /// Does the same for a part of a message.
    fn make_room_for_part(&mut self, agreement: &Agreement, len: usize) -> bool {
        let compressing = compressing(&mut self.rare, agreement, self.role);
        let need = compressing.capacity_for_part(len);
        let room = compressing.make_room(need, self.config.memory_budget());
        if !room && !compressing.in_message {
            self.drop_compressing();
        }
        room
    }

    /// Frees the encoder, because no more messages are sent or there is no memory for it.
    pub(in crate::connection) fn drop_compressing(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.codecs.compressing = None;
            if rare.is_empty() {
                self.rare = None;
            }
        }
    }

    /// Frees the encoder at the end of a message, unless there is context takeover.
    fn end_compressed(&mut self) {
        if let Some(agreement) = self.agreed.deflate()
            && !agreement.direction(self.role).context_takeover
        {
            self.drop_compressing();
        }
    }

    /// Reserves room for the header of a frame with at most `len` bytes of payload.
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

/// The room for the header of a frame, while its payload is written.
///
/// ```text
///  out:  ├── earlier output ──┤── room ──┤── payload ...
///                             ▲ at
/// ```
///
/// The header is written last, since it holds the length. If it isn't as long as the room, `end`
/// moves the payload.
struct Reserved {
    /// The position of the frame in the output.
    at: usize,
    room: usize,
    key: Option<[u8; 4]>,
}

impl Reserved {
    /// Writes the header, masks the payload, and returns its length.
    fn end(self, rsv: u8, opcode: OpCode, fin: bool, out: &mut BytesMut) -> usize {
        let payload_at = self.at + self.room;
        let len = out.len().saturating_sub(payload_at);
        let wide = u64::try_from(len).unwrap_or(u64::MAX);
        let header = FrameHeader { fin, rsv, opcode, key: self.key, len: wide }.encode();
        let header = header.as_bytes();
        // The room was reserved for the uncompressed length. A part, which is never undone, may be
        // longer.
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

fn compressing<'r>(
    rare: &'r mut Option<Box<Rare>>,
    agreement: &Agreement,
    role: Role,
) -> &'r mut Compressing {
    let rare = rare.get_or_insert_default();
    rare.codecs.compressing.get_or_insert_with(|| Box::new(Compressing::new(agreement, role)))
}

/// Returns the length of an unmasked frame's header, in bytes (RFC 6455 5.2).
const fn header_len(len: usize) -> usize {
    match len {
        ..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}
