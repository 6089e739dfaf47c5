//! Where the bytes go: the message, behind what it has given so far.

use crate::deflate::decoder::result::Malformed;
use crate::deflate::decoder::window::Window;

/// The room in a message, and what matches may refer to: the message's beginning, and the window
/// before it.
pub(super) struct Output<'m> {
    pub(super) message: &'m mut [u8],
    /// At most the message's length.
    pub(super) at: usize,
    pub(super) window: &'m Window,
}

/// What is left of a match: `length` bytes from `distance` back.
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

    /// Appends what the match says, as far as there is room; returns what is left of it.
    pub(super) fn copy(&mut self, Match { length, distance }: Match) -> Result<Match, Malformed> {
        let mut left = usize::from(length);
        let back = usize::from(distance);
        if back > self.window.size() || back > self.at + self.window.len() {
            return Err(Malformed);
        }
        if self.copy_blocks::<32>(left, back) || self.copy_blocks::<8>(left, back) {
            self.at += left;
            return Ok(Match { length: 0, distance });
        }
        while back > self.at && left > 0 && self.room() > 0 {
            left -= self.copy_from_window(back - self.at, left)?;
        }
        left -= self.copy_within(back, left);
        Ok(Match::new(left, back))
    }

    /// Writes a match of `length` bytes from `back` back, in blocks of `BLOCK` bytes, the last of
    /// which may write too much; false: it is nothing for this way, and nothing is written.
    #[inline(always)]
    pub(super) fn copy_blocks<const BLOCK: usize>(&mut self, length: usize, back: usize) -> bool {
        if let Some(from) = self.at.checked_sub(back) {
            // One that reaches into itself must not do so within a block.
            (back >= length || back >= BLOCK) && self.copy_near::<BLOCK>(from, length, back)
        } else {
            self.copy_far::<BLOCK>(length, self.window.last(back - self.at))
        }
    }

    #[inline(always)]
    fn copy_near<const BLOCK: usize>(&mut self, from: usize, length: usize, back: usize) -> bool {
        let place = self.message.get_mut(from..self.at + length + BLOCK);
        let Some(place) = place else { return false };
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

    /// `old` are the bytes from the first one on, as far as they lie in one piece.
    #[inline(always)]
    fn copy_far<const BLOCK: usize>(&mut self, length: usize, old: &[u8]) -> bool {
        let place = self.message.get_mut(self.at..self.at + length + BLOCK);
        let Some(place) = place else { return false };
        if length <= BLOCK
            && let Some(block) = old.first_chunk::<BLOCK>()
            && let Some(to) = place.first_chunk_mut::<BLOCK>()
        {
            *to = *block;
            return true;
        }
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

    /// Appends at most `n` bytes of the window from `back` before its end on; returns how many.
    fn copy_from_window(&mut self, back: usize, n: usize) -> Result<usize, Malformed> {
        let bytes = self.window.last(back);
        let room = self.message.get_mut(self.at..).unwrap_or_default();
        let n = n.min(bytes.len()).min(room.len());
        match (room.get_mut(..n), bytes.get(..n)) {
            (Some(room), Some(bytes)) if n > 0 => room.copy_from_slice(bytes),
            // Further back than the first byte of all.
            _ => return Err(Malformed),
        }
        self.at += n;
        Ok(n)
    }

    /// Appends at most `n` bytes of the message from `back` before its end on; returns how many.
    fn copy_within(&mut self, back: usize, n: usize) -> usize {
        let n = n.min(self.room());
        let Some(from) = self.at.checked_sub(back) else { return 0 };
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
            // Matches that reach into themselves repeat: twice as much is there each time.
            let now = left.min(self.at - from);
            self.message.copy_within(from..from + now, self.at);
            self.at += now;
            left -= now;
        }
        n
    }

    /// Returns what is in front, for the rest of a stored block.
    pub(super) fn unused(&mut self, n: usize) -> &mut [u8] {
        let n = n.min(self.room());
        self.message.get_mut(self.at..self.at + n).unwrap_or_default()
    }

    /// Counts `n` bytes as written.
    pub(super) const fn advance(&mut self, n: usize) {
        self.at += n;
    }

    /// Returns how many bytes there is room for.
    #[inline]
    pub(super) const fn room(&self) -> usize {
        self.message.len() - self.at
    }

    /// Returns how many bytes the message has.
    pub(super) const fn at(&self) -> usize {
        self.at
    }
}

/// Writes a match of `length` bytes from `back` before `at` as one block, which may write too much;
/// false: it is nothing for this way, and nothing is written.
///
/// `back` is not more than the window's size. Most matches are, and here is what that takes and no more. It takes its parts one by one so that
/// they can stay in registers.
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
        // One that reaches into itself must not do so within the block.
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

/// How much is copied at once.
const BLOCK: usize = 32;
