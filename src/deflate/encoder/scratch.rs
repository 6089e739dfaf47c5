//! Memory that a message needs only while it is compressed: one for each thread under `std`, else
//! boxed for the length of a message.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::deflate::encoder::block::Coder;
use crate::deflate::encoder::finder::Finder;
use crate::deflate::encoder::token::Tokens;
use crate::deflate::level::Level;

/// What nothing of survives a message.
pub(super) struct Scratch {
    pub(super) tokens: Tokens,
    pub(super) coder: Coder,
    /// A window of history and the message behind it.
    pub(super) gather: Vec<u8>,
    alone: [Alone; 3],
}

impl Scratch {
    const fn new() -> Self {
        Self {
            tokens: Tokens::EMPTY,
            coder: Coder::new(),
            gather: Vec::new(),
            alone: [Alone::new(Level::Fast), Alone::new(Level::Balanced), Alone::new(Level::Best)],
        }
    }

    pub(super) const fn alone(&mut self, level: Level) -> &mut Alone {
        let [fast, balanced, best] = &mut self.alone;
        match level {
            Level::Fast => fast,
            Level::Balanced => balanced,
            Level::Best => best,
        }
    }
}

/// A finder for messages without history.
pub(super) struct Alone {
    pub(super) finder: Finder,
    /// The first position that it has not seen yet, up to 2^16.
    next: usize,
}

impl Alone {
    pub(super) const fn new(level: Level) -> Self {
        Self { finder: Finder::new(level), next: 0 }
    }

    /// Makes the finder ready for a message of `len` bytes; returns the position of its first byte.
    ///
    /// No place of an earlier message is within reach of that one, so the output depends on
    /// nothing but the message.
    pub(super) fn begin(&mut self, len: usize, window: usize) -> u16 {
        self.finder.fit(len.next_power_of_two().clamp(256, window));
        let len = len.min(POSITIONS);
        if self.next + len > POSITIONS {
            self.finder.clear();
            self.next = 0;
        }
        let first = self.next;
        self.next += len;
        u16::try_from(first).unwrap_or_default()
    }
}

/// Lends the thread's scratch.
#[cfg(feature = "std")]
pub(super) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    use core::cell::Cell;

    std::thread_local! {
        static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
    }
    // None the first time, and while the thread ends.
    let kept = SCRATCH.try_with(Cell::take).ok().flatten();
    let mut scratch = kept.unwrap_or_else(|| Box::new(Scratch::new()));
    let result = work(&mut scratch);
    let _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
    result
}

/// Lends a new scratch.
#[cfg(not(feature = "std"))]
pub(super) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    work(&mut Box::new(Scratch::new()))
}

/// How many positions there are before they begin anew.
const POSITIONS: usize = 1 << 16;
