//! Memory that is needed only while a message is compressed. With `std` each thread keeps one set.
//! Without it, each call allocates one.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::deflate::encoder::block::Coder;
use crate::deflate::encoder::finder::Finder;
use crate::deflate::encoder::token::Tokens;
use crate::deflate::level::Level;

/// The memory of a [`Job`](crate::deflate::encoder::job::Job). The content that a job leaves has no
/// influence on the output of later ones.
pub(super) struct Scratch {
    pub(super) tokens: Tokens,
    pub(super) coder: Coder,
    /// A copy of the history and of the first bytes of a long message.
    pub(super) gather: Vec<u8>,
    /// A finder of each level.
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
    /// The first position that no message has used yet, up to 2^16.
    next: usize,
}

impl Alone {
    pub(super) const fn new(level: Level) -> Self {
        Self { finder: Finder::new(level), next: 0 }
    }

    /// Prepares the finder for a message of `len` bytes. Returns the position of its first byte.
    ///
    /// Each message gets positions that no earlier one has used since the tables were cleared. So
    /// positions of earlier messages are not within the distance limit, and the output depends only
    /// on the message.
    pub(super) fn begin(&mut self, len: usize, window: usize) -> u16 {
        self.finder.fit(len.next_power_of_two().clamp(256, window));
        let len = len.min(POSITIONS);
        // The numbers are used up: clear the tables and begin again with 0.
        if self.next + len > POSITIONS {
            self.finder.clear();
            self.next = 0;
        }
        let first = self.next;
        self.next += len;
        u16::try_from(first).unwrap_or_default()
    }
}

/// Calls `work` with the scratch of the thread.
///
/// The scratch is moved out of the cell during the call. A panic in `work` drops it, and the next
/// call makes a new one.
#[cfg(feature = "std")]
pub(super) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    use core::cell::Cell;

    std::thread_local! {
        static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
    }
    // `None` in the first call, and while the thread is torn down.
    let kept = SCRATCH.try_with(Cell::take).ok().flatten();
    let mut scratch = kept.unwrap_or_else(|| Box::new(Scratch::new()));
    let result = work(&mut scratch);
    let _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
    result
}

/// Calls `work` with a new scratch.
#[cfg(not(feature = "std"))]
pub(super) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    work(&mut Box::new(Scratch::new()))
}

/// The number of positions: they are numbers of 16 bits.
const POSITIONS: usize = 1 << 16;
