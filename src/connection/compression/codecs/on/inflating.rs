//! The decoder and the state of its message.

use crate::budget::{Charge, MemoryBudget};
use crate::config::Settings;
use crate::connection::fault::Fault;
use crate::deflate::{Corrupt, Decompressor, Needs, Progress};
use crate::inbox::Inbox;

/// The longest part of an inflated message, in bytes.
const MAX_PART: usize = 16 * 1024;

/// No window, and no more room than this for each compressed byte, is asked for in advance.
const FIRST_RATIO: usize = 4;

/// So many compressed bytes at a time count for the inflation ratio.
const RATIO_STEP: u64 = 1024;

/// A message may inflate to this many bytes, whatever its ratio.
const RATIO_FLOOR: u64 = 64 * 1024;

/// The decoder, and what it has given of the message under way. Boxed if it has to be kept: with context
/// takeover, or while a message is under way.
#[derive(Debug)]
pub(in crate::connection) struct Inflating {
    decoder: Decompressor,
    /// How long the message is so far, in bytes.
    len: u64,
    /// How many compressed bytes it has taken.
    compressed_len: u64,
    /// The decoder has more to give without more input.
    pending: bool,
    /// The decoder's heap.
    charge: Charge,
}

/// How long a message may get.
#[derive(Clone, Copy, Debug)]
struct MaxLen {
    /// In bytes.
    len: usize,
    /// By so many compressed bytes more; then the limit is another one.
    input: usize,
    /// What a longer message is.
    fault: Fault,
}

impl From<Corrupt> for Fault {
    fn from(_: Corrupt) -> Self {
        Self::CorruptDeflate
    }
}

impl Inflating {
    pub(in crate::connection::compression) fn new(decoder: Decompressor) -> Self {
        Self { decoder, len: 0, compressed_len: 0, pending: false, charge: Charge::default() }
    }

    /// Begins a message.
    pub(in crate::connection::compression) const fn begin(&mut self) {
        self.len = 0;
        self.compressed_len = 0;
        self.pending = false;
    }

    /// Charges the decoder's heap. It is at most a window and the tables of a block, which the
    /// handshake has promised to the peer: it is never refused.
    pub(in crate::connection::compression) fn settle(&mut self, budget: &MemoryBudget) {
        let bytes = self.decoder.capacity();
        if bytes > 0 && !self.charge.is_to(Some(budget)) {
            self.charge = Charge::new(Some(budget));
        }
        self.charge.settle(bytes);
    }

    /// How long the message is so far, and how long it was when compressed, in bytes.
    pub(in crate::connection) const fn lens(&self) -> (u64, u64) {
        (self.len, self.compressed_len)
    }

    /// Whether the decoder has output left without more input.
    pub(in crate::connection) const fn is_pending(&self) -> bool {
        self.pending
    }

    /// Inflates a piece, all of it, behind what the inbox holds of the message. After an error the
    /// inbox holds what comes before the fault.
    pub(in crate::connection) fn inflate_whole(
        &mut self,
        mut piece: &[u8],
        inbox: &mut Inbox,
        settings: &Settings,
    ) -> Result<(), Fault> {
        let max_message_len = usize::try_from(settings.max_message_len).unwrap_or(usize::MAX);
        let first = piece.len().saturating_mul(FIRST_RATIO);
        loop {
            let max = self.max_len(settings);
            let (message, at) = inbox.inflate_room(max.len);
            let at_limit = message.len() >= max.len;
            let input = piece.get(..max.input).unwrap_or(piece);
            let progress = self.decoder.inflate(input, message, at);
            let progress = self.written(progress, inbox)?;
            piece = piece.get(progress.read..).unwrap_or_default();
            if !self.pending {
                if piece.is_empty() {
                    return Ok(());
                }
            } else if at_limit || !inbox.grow(first, max_message_len)? {
                return Err(max.fault);
            }
        }
    }

    /// Inflates from the beginning of `piece` until it is used up or the part is full, behind what
    /// the inbox holds of the part, of which the first `before` bytes are not the decoder's. `used`
    /// counts the bytes of the piece that are used up. After an error the inbox holds what comes before
    /// the fault.
    pub(in crate::connection) fn inflate_part(
        &mut self,
        piece: &[u8],
        used: &mut usize,
        inbox: &mut Inbox,
        before: usize,
        settings: &Settings,
    ) -> Result<(), Fault> {
        let first = before + piece.len().saturating_mul(FIRST_RATIO).min(MAX_PART);
        loop {
            let max = self.max_len(settings);
            let written = usize::try_from(self.len).unwrap_or(usize::MAX);
            let left = max.len.saturating_sub(written);
            let max_part = inbox.bytes().len().saturating_add(left).min(MAX_PART);
            let (room, filled) = inbox.inflate_room(max_part);
            let message = room.get_mut(before..).unwrap_or_default();
            let rest = piece.get(*used..).unwrap_or_default();
            let input = rest.get(..max.input).unwrap_or(rest);
            let progress = self.decoder.inflate(input, message, filled.saturating_sub(before));
            let progress = self.written(progress, inbox)?;
            *used += progress.read;
            if !self.pending {
                if *used == piece.len() {
                    return Ok(());
                }
            } else if !inbox.grow(first, max_part)? {
                return if max_part < MAX_PART { Err(max.fault) } else { Ok(()) };
            }
        }
    }

    /// The part moves out.
    pub(in crate::connection) fn slide(&mut self, part: &[u8]) {
        self.decoder.slide(part);
    }

    /// The message is whole: it must end where a block does.
    pub(in crate::connection) fn finish(&mut self, message: &[u8]) -> Result<(), Fault> {
        Ok(self.decoder.finish(message)?)
    }

    /// Counts what the decoder has written into the inbox, before an error too.
    fn written(
        &mut self,
        progress: Result<Progress, Corrupt>,
        inbox: &mut Inbox,
    ) -> Result<Progress, Fault> {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let written = progress.map_or_else(|corrupt| corrupt.written, |progress| progress.written);
        inbox.inflated(written);
        self.len = self.len.saturating_add(number(written));
        let progress = progress?;
        self.compressed_len = self.compressed_len.saturating_add(number(progress.read));
        self.pending = progress.needs == Needs::Room;
        Ok(progress)
    }

    /// How long the message may get by the compressed bytes that come next.
    ///
    /// The ratio's limit changes at each full step of compressed bytes and nowhere else, so that it
    /// doesn't matter how they are cut.
    fn max_len(&self, settings: &Settings) -> MaxLen {
        let size = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        let max = settings.max_message_len;
        if let Some(ratio) = settings.max_inflation_ratio {
            // What is still to be given belongs to the step that the last byte was in.
            let next = self.compressed_len.saturating_add(u64::from(!self.pending));
            let end = next.div_ceil(RATIO_STEP).saturating_mul(RATIO_STEP);
            let len = end.saturating_mul(ratio.into()).max(RATIO_FLOOR);
            if len < max {
                let input = size(end - self.compressed_len);
                return MaxLen { len: size(len), input, fault: Fault::InflationRatio };
            }
        }
        MaxLen { len: size(max), input: usize::MAX, fault: Fault::MessageTooLong }
    }
}
