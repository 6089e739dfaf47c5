//! Finds earlier places with the same bytes.
//!
//! Places are positions in the stream of all messages, modulo 2^16: the tables are never cleared
//! and never renumbered. A position that is too old, undone or of another stream does no harm: a
//! candidate counts only if its distance lies within the bytes at hand and the window, and then its
//! bytes are compared.

mod hash;
mod heads;
mod rows;

use crate::deflate::encoder::finder::heads::Heads;
use crate::deflate::encoder::finder::rows::Rows;
use crate::deflate::encoder::text::Text;
use crate::deflate::encoder::token::Tokens;
use crate::deflate::level::Level;

/// Where bytes were seen: as much of it as the level looks at.
pub(super) enum Finder {
    Fast(Heads),
    Balanced(Rows<u64>),
    Best(Rows<u128>),
}

/// Calls the same method of whichever table it is.
macro_rules! each {
    ($finder:expr, $table:ident => $call:expr) => {
        match $finder {
            Finder::Fast($table) => $call,
            Finder::Balanced($table) => $call,
            Finder::Best($table) => $call,
        }
    };
}

impl Finder {
    /// Makes a finder without tables.
    pub(super) const fn new(level: Level) -> Self {
        match level {
            Level::Fast => Self::Fast(Heads::EMPTY),
            Level::Balanced => Self::Balanced(Rows::<u64>::EMPTY),
            Level::Best => Self::Best(Rows::<u128>::EMPTY),
        }
    }

    /// Makes the tables fit for a window of `size` bytes, a power of two from 256 on. Where they
    /// have to be larger for it, they forget all places.
    pub(super) fn fit(&mut self, size: usize) {
        each!(self, table => table.fit(size));
    }

    /// Forgets all places.
    pub(super) fn clear(&mut self) {
        each!(self, table => table.clear());
    }

    /// Turns `text.bytes[at..]` into tokens, until the first match's end at `stop` or behind it, or
    /// until `tokens` are full. Returns where it stopped.
    pub(super) fn run(
        &mut self,
        text: Text<'_>,
        at: usize,
        stop: usize,
        tokens: &mut Tokens,
    ) -> usize {
        match self {
            Self::Fast(heads) => heads.run(text, at, stop, tokens),
            Self::Balanced(rows) => rows.run(text, at, stop, 32, tokens),
            Self::Best(rows) => rows.run(text, at, stop, 258, tokens),
        }
    }

    /// Takes the places `from..to`.
    pub(super) fn insert(&mut self, text: Text<'_>, from: usize, to: usize) {
        each!(self, table => table.insert(text, from, to));
    }

    /// Returns whether these bytes are in the text.
    pub(super) fn knows(&self, text: Text<'_>, eight: [u8; 8]) -> bool {
        each!(self, table => table.knows(text, eight))
    }

    pub(super) fn capacity(&self) -> usize {
        each!(self, table => table.capacity())
    }

    /// Returns how many bytes of heap it holds for a window of `size` bytes, at least.
    pub(super) const fn capacity_for(&self, size: usize) -> usize {
        match self {
            Self::Fast(_) => Heads::capacity_for(size),
            Self::Balanced(_) => Rows::<u64>::capacity_for(size),
            Self::Best(_) => Rows::<u128>::capacity_for(size),
        }
    }
}
