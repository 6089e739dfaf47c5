//! The output: bytes are appended to the message, and matches are copied from it.
//!
//! ```text
//!        window            message
//! ┌─────────────────────┬─────────────────────────┬──────────────┐
//! │ bytes before it     │ output so far           │ room         │
//! └─────────────────────┴─────────────────────────┴──────────────┘
//!           ▲                                     at
//!           └── a match of distance `back` ───────┘
//! ```
//!
//! Most matches are short. They are copied by one or a few blocks of fixed size, which the compiler
//! turns into single instructions. The last block may write more bytes than the match has. The next
//! output overwrites them, so this needs only room.

use crate::deflate::decoder::result::Malformed;
use crate::deflate::decoder::window::Window;

/// The message with its room, and the window before it. Matches refer to both.
pub(super) struct Output<'m> {
    pub(super) message: &'m mut [u8],
    /// The position of the next byte, at most the length of `message`.
    pub(super) at: usize,
    pub(super) window: &'m Window,
}

/// A match, or the rest of one: `length` bytes, copied from `distance` bytes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) length: u16,
    pub(super) distance: u16,
}

impl Match {
    #[expect(clippy::cast_possible_truncation, reason = "at most 258, and 2^15")]
    #[inline]
    pub(super) const fn new(length: usize, distance: usize) -> Self {
        Self { length: length as u16, distance: distance as u16 }
    }
}

impl<'m> Output<'m> {
    pub(super) fn new(message: &'m mut [u8], at: usize, window: &'m Window) -> Self {
        let at = at.min(message.len());
        Self { message, at, window }
    }

    /// Appends the bytes of a match, as many as there is room for. Returns the rest of the match.
    pub(super) fn copy(&mut self, Match { length, distance }: Match) -> Result<Match, Malformed> {
        let mut left = usize::from(length);
        let back = usize::from(distance);
        // Further back than the window, or than the first byte of the first message.
        if back > self.window.size() || back > self.at + self.window.len() {
            return Err(Malformed);
        }
        // Blocks of 8 bytes allow overlapping matches with smaller distances, and need less room.
        if self.copy_blocks::<32>(left, back) || self.copy_blocks::<8>(left, back) {
            self.at += left;
            return Ok(Match { length: 0, distance });
        }
        // The rest: distances below 8, too little room for a block, or a match that is not
        // contiguous in the ring.
        while back > self.at && left > 0 && self.room() > 0 {
            left -= self.copy_from_window(back - self.at, left)?;
        }
        left -= self.copy_within(back, left);
        Ok(Match::new(left, back))
    }

    /// Writes a match of `length` bytes from `back` bytes before, in blocks of `BLOCK` bytes. The
    /// last one may write more bytes than the match has. Returns false, and writes no bytes, if the
    /// match can't be copied this way.
    #[inline(always)]
    pub(super) fn copy_blocks<const BLOCK: usize>(&mut self, length: usize, back: usize) -> bool {
        if let Some(from) = self.at.checked_sub(back) {
            // A match may overlap its own output, but not within a block.
            (back >= length || back >= BLOCK) && self.copy_near::<BLOCK>(from, length, back)
        } else {
            self.copy_far::<BLOCK>(length, self.window.last(back - self.at))
        }
    }

    /// Copies a match within the message.
    #[inline(always)]
    fn copy_near<const BLOCK: usize>(&mut self, from: usize, length: usize, back: usize) -> bool {
        let place = self.message.get_mut(from..self.at + length + BLOCK);
        let Some(place) = place else { return false };
        // Each block is read after the one before it was written: a match that is longer than
        // `back` repeats its own output.
        let mut done = 0;
        while done < length {
            let block = place.get(done..).and_then(|place| place.first_chunk::<BLOCK>());
            let Some(&block) = block else { break };
            let to = place.get_mut(done + back..);
            let Some(to) = to.and_then(|to| to.first_chunk_mut::<BLOCK>()) else { break };
            *to = block;
            done += BLOCK;
        }
        true
    }

    /// Copies a match from the window. `old` are its bytes and the ones after them, as many as are
    /// contiguous in the ring.
    #[inline(always)]
    fn copy_far<const BLOCK: usize>(&mut self, length: usize, old: &[u8]) -> bool {
        let place = self.message.get_mut(self.at..self.at + length + BLOCK);
        let Some(place) = place else { return false };
        // One block, even for a shorter match.
        if length <= BLOCK
            && let Some(block) = old.first_chunk::<BLOCK>()
            && let Some(to) = place.first_chunk_mut::<BLOCK>()
        {
            *to = *block;
            return true;
        }
        // Several blocks, if the last one is contiguous too.
        if BLOCK < 32 && old.len() >= length.next_multiple_of(BLOCK) {
            let (blocks, _) = old.as_chunks::<BLOCK>();
            let (places, _) = place.as_chunks_mut::<BLOCK>();
            for (place, block) in places.iter_mut().zip(blocks).take(length.div_ceil(BLOCK)) {
                *place = *block;
            }
            return true;
        }
        if let (Some(old), Some(place)) = (old.get(..length), place.get_mut(..length)) {
            place.copy_from_slice(old);
            return true;
        }
        false
    }

    /// Appends at most `n` bytes of the window, from `back` bytes before its end. Returns their
    /// number.
    fn copy_from_window(&mut self, back: usize, n: usize) -> Result<usize, Malformed> {
        let bytes = self.window.last(back);
        let room = self.message.get_mut(self.at..).unwrap_or_default();
        let n = n.min(bytes.len()).min(room.len());
        match (room.get_mut(..n), bytes.get(..n)) {
            (Some(room), Some(bytes)) if n > 0 => room.copy_from_slice(bytes),
            // Further back than the first byte of the first message.
            _ => return Err(Malformed),
        }
        self.at += n;
        Ok(n)
    }

    /// Appends at most `n` bytes of the message, from `back` bytes before its end. Returns their
    /// number.
    fn copy_within(&mut self, back: usize, n: usize) -> usize {
        let n = n.min(self.room());
        let Some(from) = self.at.checked_sub(back) else { return 0 };
        // A run of one byte is frequent.
        if back == 1
            && let Some(&byte) = self.message.get(from)
            && let Some(run) = self.message.get_mut(self.at..self.at + n)
        {
            run.fill(byte);
            self.at += n;
            return n;
        }
        let mut left = n;
        while left > 0 {
            // A match that overlaps its output repeats its first `back` bytes. Each round can copy
            // the output of all rounds before, so the copies double.
            let now = left.min(self.at - from);
            self.message.copy_within(from..from + now, self.at);
            self.at += now;
            left -= now;
        }
        n
    }

    /// Returns at most `n` bytes of the room, for the data of a stored block.
    pub(super) fn unused(&mut self, n: usize) -> &mut [u8] {
        let n = n.min(self.room());
        self.message.get_mut(self.at..self.at + n).unwrap_or_default()
    }

    /// Adds `n` bytes, which were written to the room, to the output.
    pub(super) const fn advance(&mut self, n: usize) {
        self.at += n;
    }

    /// Returns the length of the room, in bytes.
    #[inline]
    pub(super) const fn room(&self) -> usize {
        self.message.len() - self.at
    }

    /// Returns the length of the output in the message, in bytes.
    pub(super) const fn at(&self) -> usize {
        self.at
    }
}

/// Writes a match of `length` bytes from `back` bytes before `at` as one block, which may write
/// more bytes than the match has. Returns false, and writes no bytes, if the match can't be copied
/// this way. `back` must not be larger than the window.
///
/// Most matches can, so this function has only the code for them. The fields of [`Output`] are
/// separate arguments, so that they can stay in registers.
#[inline(always)]
pub(super) fn copy_block(
    message: &mut [u8],
    at: usize,
    window: &Window,
    length: usize,
    back: usize,
) -> bool {
    if length > BLOCK {
        return false;
    }
    let block = if let Some(from) = at.checked_sub(back) {
        // The source is a block before `at`: a match with a smaller distance overlaps its output,
        // and is not copied here.
        message.get(from..at).and_then(|old| old.first_chunk::<BLOCK>())
    } else {
        window.last(back - at).first_chunk::<BLOCK>()
    };
    let Some(&block) = block else { return false };
    let Some(room) = message.get_mut(at..) else { return false };
    let Some(room) = room.first_chunk_mut::<BLOCK>() else { return false };
    *room = block;
    true
}

/// The length of the block, in bytes.
const BLOCK: usize = 32;
