//! The decoder and the state of its message.

use crate::budget::{Charge, MemoryBudget};
use crate::config::Settings;
use crate::connection::fault::Fault;
use crate::deflate::{Corrupt, Decompressor, Needs, Progress};
use crate::inbox::Inbox;

/// The longest part of an inflated message, in bytes. It bounds the memory that a message takes
/// with `Delivery::Parts`.
const MAX_PART: usize = 16 * 1024;

/// The room that is reserved in advance, in times the compressed bytes. More is reserved on demand
/// only: DEFLATE can expand data 1032 times, and a peer must not reserve that much memory by a few
/// bytes.
const FIRST_RATIO: usize = 4;

/// The number of compressed bytes by which the limit of the inflation ratio is extended at once.
const RATIO_STEP: u64 = 1024;

/// The length up to which a message may inflate with any ratio, in bytes. Short messages with much
/// repetition are common and harmless.
const RATIO_FLOOR: u64 = 64 * 1024;

/// The decoder, and the progress of its message. It is boxed if it must be kept: with context
/// takeover, or while a message is in progress.
#[derive(Debug)]
pub(in crate::connection) struct Inflating {
    decoder: Decompressor,
    /// The length of the message so far, in bytes.
    len: u64,
    /// The number of compressed bytes used.
    compressed_len: u64,
    /// The decoder has more output without more input.
    pending: bool,
    /// The charge for the decoder's heap.
    charge: Charge,
}

/// The limit of a message's length.
#[derive(Clone, Copy, Debug)]
struct MaxLen {
    /// The longest length, in bytes.
    len: usize,
    /// The number of compressed bytes for which `len` holds. After them the limit changes.
    input: usize,
    /// The error of a longer message.
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

    /// Charges the decoder's heap: at most a window and the tables of a block. It is never refused,
    /// since the opening handshake has agreed on the window.
    pub(in crate::connection::compression) fn settle(&mut self, budget: &MemoryBudget) {
        let bytes = self.decoder.capacity();
        if bytes > 0 && !self.charge.is_to(Some(budget)) {
            self.charge = Charge::new(Some(budget));
        }
        self.charge.settle(bytes);
    }

    /// Returns the length of the message so far and that of its compressed form, in bytes.
    pub(in crate::connection) const fn lens(&self) -> (u64, u64) {
        (self.len, self.compressed_len)
    }

    /// Returns true if the decoder has more output without more input.
    pub(in crate::connection) const fn is_pending(&self) -> bool {
        self.pending
    }

    /// Inflates all of `compressed`, and appends the result to the message in the inbox. After an
    /// error, the inbox holds the data before the fault.
    pub(in crate::connection) fn inflate_whole(
        &mut self,
        mut compressed: &[u8],
        inbox: &mut Inbox,
        settings: &Settings,
    ) -> Result<(), Fault> {
        let max_message_len = usize::try_from(settings.max_message_len).unwrap_or(usize::MAX);
        let first = compressed.len().saturating_mul(FIRST_RATIO);
        loop {
            let max = self.max_len(settings);
            let (message, at) = inbox.inflate_room(max.len);
            let at_limit = message.len() >= max.len;
            let input = compressed.get(..max.input).unwrap_or(compressed);
            let progress = self.decoder.inflate(input, message, at);
            let progress = self.written(progress, inbox)?;
            compressed = compressed.get(progress.read..).unwrap_or_default();
            if !self.pending {
                if compressed.is_empty() {
                    return Ok(());
                }
            } else if at_limit || !inbox.grow(first, max_message_len)? {
                return Err(max.fault);
            }
        }
    }

    /// Inflates `compressed` until it is used up or the part is full, and appends the result to the
    /// part in the inbox. The first `before` bytes of that part were not written by the decoder in
    /// this call. `used` counts the bytes of `compressed` that are used up. After an error, the
    /// inbox holds the data before the fault.
    pub(in crate::connection) fn inflate_part(
        &mut self,
        compressed: &[u8],
        used: &mut usize,
        inbox: &mut Inbox,
        before: usize,
        settings: &Settings,
    ) -> Result<(), Fault> {
        let first = before + compressed.len().saturating_mul(FIRST_RATIO).min(MAX_PART);
        loop {
            let max = self.max_len(settings);
            let written = usize::try_from(self.len).unwrap_or(usize::MAX);
            let left = max.len.saturating_sub(written);
            let max_part = inbox.bytes().len().saturating_add(left).min(MAX_PART);
            let (room, filled) = inbox.inflate_room(max_part);
            let message = room.get_mut(before..).unwrap_or_default();
            let rest = compressed.get(*used..).unwrap_or_default();
            let input = rest.get(..max.input).unwrap_or(rest);
            let progress = self.decoder.inflate(input, message, filled.saturating_sub(before));
            let progress = self.written(progress, inbox)?;
            *used += progress.read;
            if !self.pending {
                if *used == compressed.len() {
                    return Ok(());
                }
            } else if !inbox.grow(first, max_part)? {
                return if max_part < MAX_PART { Err(max.fault) } else { Ok(()) };
            }
        }
    }

    /// Moves a finished part into the decoder's window, before it leaves the inbox.
    pub(in crate::connection) fn slide(&mut self, part: &[u8]) {
        self.decoder.slide(part);
    }

    /// Ends the message, which must end at the end of a block.
    pub(in crate::connection) fn finish(&mut self, message: &[u8]) -> Result<(), Fault> {
        Ok(self.decoder.finish(message)?)
    }

    /// Records the decoder's progress, including the data before an error.
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

    /// Returns the limit of the message's length for the next compressed bytes.
    ///
    /// The limit of the ratio changes at each full step of compressed bytes and nowhere else, so
    /// that it doesn't depend on how the input is cut.
    fn max_len(&self, settings: &Settings) -> MaxLen {
        let size = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        let max = settings.max_message_len;
        if let Some(ratio) = settings.max_inflation_ratio {
            // Pending output belongs to the step of the last byte.
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
