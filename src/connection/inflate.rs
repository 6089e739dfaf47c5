//! The receiving half of permessage-deflate: which messages may come compressed, and the decoder.

use alloc::boxed::Box;

use crate::connection::fault::Fault;
use crate::connection::{Connection, Rare};
use crate::deflate::{Agreement, Corrupt, Decompressor, Progress, Wants};
use crate::frame::RSV1;
use crate::inbox::Inbox;
use crate::role::Role;

/// The longest part of an inflated message, in bytes.
const MAX_PART: usize = 16 * 1024;

/// No window, and no more room than this for each compressed byte, is asked for in advance.
const FIRST_RATIO: usize = 4;

/// The decoder, and what it has given of the message under way. Boxed if it has to be kept: with context
/// takeover, or while a message is under way.
#[derive(Debug)]
pub(super) struct Inflating {
    decoder: Decompressor,
    /// How long the message is so far, in bytes.
    len: u64,
    /// How many compressed bytes it has taken.
    compressed_len: u64,
    /// The decoder has more to give without more input.
    pending: bool,
}

/// How long a part may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxPart {
    /// It begins with so many bytes that the decoder has given before.
    before: usize,
    /// All in all, in bytes.
    len: usize,
    /// More would be more than a message may have.
    is_limit: bool,
}

/// What the connection lends to the one that puts messages together.
pub(super) struct Inflater<'c> {
    agreement: Option<&'c Agreement>,
    sender: Role,
    rare: &'c mut Option<Box<Rare>>,
    /// Until it is known whether it has to be kept.
    local: Option<Inflating>,
}

impl From<Corrupt> for Fault {
    fn from(_: Corrupt) -> Self {
        Self::CorruptDeflate
    }
}

impl<'c> Inflater<'c> {
    pub(super) const fn new(
        agreement: Option<&'c Agreement>,
        receiver: Role,
        rare: &'c mut Option<Box<Rare>>,
    ) -> Self {
        let sender = match receiver {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        Self { agreement, sender, rare, local: None }
    }

    /// Which reserved bits the first frame of a message may have.
    pub(super) const fn rsv(&self) -> u8 {
        if self.agreement.is_some() { RSV1 } else { 0 }
    }

    /// A compressed message begins.
    pub(super) fn begin(&mut self) {
        if let Some(inflating) = self.inflating() {
            inflating.len = 0;
            inflating.compressed_len = 0;
            inflating.pending = false;
        }
    }

    /// The decoder of the message under way; `None` if nothing was agreed on, which RSV1 has shown.
    pub(super) fn inflating(&mut self) -> Option<&mut Inflating> {
        let agreement = self.agreement?;
        let (direction, engine) = (agreement.direction(self.sender), agreement.engine);
        if let Some(kept) = self.rare.as_mut().and_then(|rare| rare.inflating.as_deref_mut()) {
            return Some(kept);
        }
        Some(self.local.get_or_insert_with(|| Inflating {
            decoder: engine.decompressor(direction.window_bits, direction.context_takeover),
            len: 0,
            compressed_len: 0,
            pending: false,
        }))
    }

    /// Whether the decoder has more to give without more input.
    pub(super) fn is_pending(&self) -> bool {
        let inflating = self.rare.as_ref().and_then(|rare| rare.inflating.as_ref());
        inflating.is_some_and(|inflating| inflating.is_pending())
    }

    /// The message is whole: without context takeover nothing of it is kept.
    pub(super) fn end(&mut self) {
        if let Some(agreement) = self.agreement
            && !agreement.direction(self.sender).context_takeover
        {
            self.local = None;
            if let Some(rare) = self.rare.as_mut()
                && rare.inflating.take().is_some()
                && rare.is_empty()
            {
                *self.rare = None;
            }
        }
    }

    /// The input is used up, or something has become whole: keeps what the next call needs.
    pub(super) fn keep(self) {
        if let Some(local) = self.local {
            self.rare.get_or_insert_default().inflating = Some(Box::new(local));
        }
    }
}

impl Inflating {
    /// How long the message is so far, and how long it was when compressed, in bytes.
    pub(super) const fn lens(&self) -> (u64, u64) {
        (self.len, self.compressed_len)
    }

    /// Whether the decoder has more to give without more input.
    pub(super) const fn is_pending(&self) -> bool {
        self.pending
    }

    /// Inflates a piece, all of it, behind what the inbox holds of the message. After an error the
    /// inbox holds what comes before the fault.
    pub(super) fn inflate_whole(
        &mut self,
        mut piece: &[u8],
        inbox: &mut Inbox,
        max_len: u64,
    ) -> Result<(), Fault> {
        let max_len = usize::try_from(max_len).unwrap_or(usize::MAX);
        let first = piece.len().saturating_mul(FIRST_RATIO);
        loop {
            let (message, at) = inbox.inflate_room(max_len);
            let progress = self.decoder.inflate(piece, message, at);
            let progress = self.written(progress, inbox)?;
            piece = piece.get(progress.read..).unwrap_or_default();
            if progress.wants == Wants::Input {
                return Ok(());
            }
            if !inbox.grow(first, max_len)? {
                return Err(Fault::MessageTooLong);
            }
        }
    }

    /// Returns how long a part may be that begins with `before` bytes which are not the decoder's.
    pub(super) fn max_part(&self, before: usize, max_len: u64) -> MaxPart {
        let left = usize::try_from(max_len - self.len.min(max_len)).unwrap_or(usize::MAX);
        let len = before.saturating_add(left);
        MaxPart { before, len: len.min(MAX_PART), is_limit: len < MAX_PART }
    }

    /// Inflates from the beginning of `piece` until it is used up or the part is full, behind what
    /// the inbox holds of the part. `used` counts the bytes of the piece that are used up. After an
    /// error the inbox holds what comes before the fault.
    pub(super) fn inflate_part(
        &mut self,
        piece: &[u8],
        used: &mut usize,
        inbox: &mut Inbox,
        max: MaxPart,
    ) -> Result<(), Fault> {
        let first = max.before + piece.len().saturating_mul(FIRST_RATIO).min(MAX_PART);
        loop {
            let (room, filled) = inbox.inflate_room(max.len);
            let message = room.get_mut(max.before..).unwrap_or_default();
            let rest = piece.get(*used..).unwrap_or_default();
            let progress = self.decoder.inflate(rest, message, filled.saturating_sub(max.before));
            let progress = self.written(progress, inbox)?;
            *used += progress.read;
            self.pending = progress.wants == Wants::Room;
            if !self.pending {
                return Ok(());
            }
            if !inbox.grow(first, max.len)? {
                return if max.is_limit { Err(Fault::MessageTooLong) } else { Ok(()) };
            }
        }
    }

    /// The part moves out.
    pub(super) fn slide(&mut self, part: &[u8]) {
        self.decoder.slide(part);
    }

    /// The message is whole: it must end where a block does.
    pub(super) fn finish(&mut self, message: &[u8]) -> Result<(), Fault> {
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
        Ok(progress)
    }
}

impl Connection {
    /// Whether there is a part without more input.
    #[cfg(feature = "std")]
    pub(crate) fn has_inflated(&self) -> bool {
        let inflating = self.rare.as_ref().and_then(|rare| rare.inflating.as_ref());
        inflating.is_some_and(|inflating| inflating.is_pending())
    }
}
