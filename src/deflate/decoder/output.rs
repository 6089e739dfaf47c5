//! Where the bytes go: the message, behind what it has given so far.

use crate::deflate::decoder::Corrupt;
use crate::deflate::decoder::window::Window;

/// The room in a message, and what matches may refer to: the message's beginning, and the window
/// before it.
#[derive(Debug)]
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

    /// Appends a byte; false: there is no room.
    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) -> bool {
        let Some(place) = self.message.get_mut(self.at) else { return false };
        *place = byte;
        self.at += 1;
        true
    }

    /// Appends what the match says, as far as there is room; returns what is left of it.
    #[inline]
    pub(super) fn copy(&mut self, Match { length, distance }: Match) -> Result<Match, Corrupt> {
        let mut left = usize::from(length);
        let back = usize::from(distance);
        if back > self.window.size() || back > self.at + self.window.len() {
            return Err(Corrupt);
        }
        while back > self.at && left > 0 && self.room() > 0 {
            left -= self.copy_from_window(back - self.at, left)?;
        }
        left -= self.copy_within(back, left);
        #[expect(clippy::cast_possible_truncation, reason = "not more than it was")]
        Ok(Match { length: left as u16, distance })
    }

    /// Appends at most `n` bytes of the window from `back` before its end on; returns how many.
    fn copy_from_window(&mut self, back: usize, n: usize) -> Result<usize, Corrupt> {
        let bytes = self.window.last(back);
        let room = self.message.get_mut(self.at..).unwrap_or_default();
        let n = n.min(bytes.len()).min(room.len());
        match (room.get_mut(..n), bytes.get(..n)) {
            (Some(room), Some(bytes)) if n > 0 => room.copy_from_slice(bytes),
            // Further back than the first byte of all.
            _ => return Err(Corrupt),
        }
        self.at += n;
        Ok(n)
    }

    /// Appends at most `n` bytes of the message from `back` before its end on; returns how many.
    fn copy_within(&mut self, back: usize, n: usize) -> usize {
        let n = n.min(self.room());
        let Some(from) = self.at.checked_sub(back) else { return 0 };
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
