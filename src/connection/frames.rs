//! Frames to output: headers, masking, mask keys.

use core::num::NonZeroUsize;

use bytes::BytesMut;

use crate::connection::state::Connection;
use crate::entropy::{Entropy, KeyBlock};
use crate::error::send::SendError;
use crate::frame::{FIN, LEN_16, LEN_64, MASK, MAX_HEADER_LEN};
use crate::kernel::copy::{append, append_masked};
use crate::opcode::OpCode;
use crate::role::Role;

impl Connection {
    /// Appends all frames of a payload, with at most `max` bytes each, or none of them after an
    /// error. `first` has the opcode and the reserved bits of the first frame.
    pub(super) fn write_frames(
        &mut self,
        first: u8,
        fin: bool,
        payload: &[u8],
        max: Option<NonZeroUsize>,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        let before = out.len();
        let max = max.map_or(usize::MAX, NonZeroUsize::get);
        let (mut first, mut rest) = (first, payload);
        loop {
            let (piece, behind) = rest.split_at_checked(max).unwrap_or((rest, &[]));
            let last = behind.is_empty();
            let fin = if fin && last { FIN } else { 0 };
            if let Err(error) = self.write_frame_of(first | fin, piece, out) {
                out.truncate(before);
                return Err(error);
            }
            if last {
                return Ok(());
            }
            (rest, first) = (behind, OpCode::Continuation.value());
        }
    }

    /// Appends a frame. A client masks it with a fresh key
    /// ([RFC 6455 section 5.3](https://www.rfc-editor.org/rfc/rfc6455#section-5.3)).
    #[inline]
    pub(super) fn write_frame(
        &mut self,
        opcode: OpCode,
        fin: bool,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.write_frame_of(opcode.value() | if fin { FIN } else { 0 }, payload, out)
    }

    /// Does the same with all bits of the frame's first byte.
    #[inline]
    fn write_frame_of(
        &mut self,
        first: u8,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        match self.role {
            Role::Server => {
                write_unmasked(first, payload, out);
                Ok(())
            }
            // Out of line, so that the frame of a server needs a small stack frame only.
            Role::Client => self.write_with_fresh_key(first, payload, out),
        }
    }

    #[inline(never)]
    fn write_with_fresh_key(
        &mut self,
        first: u8,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        let key = self.next_key()?;
        write_masked(first, key, payload, out);
        Ok(())
    }

    /// Returns a mask key. RFC 6455 5.3: each frame has a fresh key, which the author of the
    /// payload can't predict.
    // Inlined: a call takes a sixth more instructions for a frame of 16 bytes.
    #[inline(always)]
    pub(super) fn next_key(&mut self) -> Result<[u8; 4], SendError> {
        let Some(entropy) = self.config.settings().entropy else { return Err(SendError::Entropy) };
        #[cfg(feature = "std")]
        if entropy.shares_keys() {
            return Ok(crate::entropy::thread_key(&entropy)?);
        }
        self.key_of_own_block(&entropy)
    }

    /// A key from a block of this connection's own: of a source that the caller has given.
    #[inline(never)]
    fn key_of_own_block(&mut self, entropy: &Entropy) -> Result<[u8; 4], SendError> {
        Ok(self.rare().keys.get_or_insert_with(KeyBlock::new).take(entropy)?)
    }
}

/// Appends an unmasked frame.
#[inline]
fn write_unmasked(first: u8, payload: &[u8], out: &mut BytesMut) {
    if let Some(short) = short_len(payload) {
        out.reserve(2 + payload.len());
        out.extend_from_slice(&[first, short]);
        out.extend_from_slice(payload);
    } else {
        write_long(first, None, payload, out);
    }
}

/// Appends a masked frame.
#[inline]
pub(super) fn write_masked(first: u8, key: [u8; 4], payload: &[u8], out: &mut BytesMut) {
    if let Some(short) = short_len(payload) {
        let [k0, k1, k2, k3] = key;
        out.reserve(6 + payload.len());
        out.extend_from_slice(&[first, MASK | short, k0, k1, k2, k3]);
        append_masked(out, payload, key);
    } else {
        write_long(first, Some(key), payload, out);
    }
}

/// Returns the 7-bit length, if the payload is short enough for it.
#[inline]
fn short_len(payload: &[u8]) -> Option<u8> {
    u8::try_from(payload.len()).ok().filter(|&len| len < LEN_16)
}

/// Appends a frame with a length of 16 or 64 bits. It is not inlined, to keep the path of short
/// frames small.
#[inline(never)]
fn write_long(first: u8, key: Option<[u8; 4]>, payload: &[u8], out: &mut BytesMut) {
    out.reserve(MAX_HEADER_LEN + payload.len());
    let mask = if key.is_some() { MASK } else { 0 };
    if let Ok(len) = u16::try_from(payload.len()) {
        let [high, low] = len.to_be_bytes();
        out.extend_from_slice(&[first, mask | LEN_16, high, low]);
    } else {
        let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        out.extend_from_slice(&[first, mask | LEN_64]);
        out.extend_from_slice(&len.to_be_bytes());
    }
    match key {
        None => append(out, payload),
        Some(key) => {
            out.extend_from_slice(&key);
            append_masked(out, payload, key);
        }
    }
}
