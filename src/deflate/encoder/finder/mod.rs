//! Finds earlier positions with the same bytes.
//!
//! Positions are counted in the stream of all messages, modulo 2^16, so the tables are not cleared
//! for a new message and not renumbered. A position in a table can be too old, undone or of another
//! stream, without harm: it is only a candidate. A candidate is used only if its distance is within
//! the history and the window, and its bytes are compared.

mod hash;
mod heads;
mod rows;

use crate::deflate::encoder::finder::heads::Heads;
use crate::deflate::encoder::finder::rows::Rows;
use crate::deflate::encoder::text::Text;
use crate::deflate::encoder::token::Tokens;
use crate::deflate::level::Level;

/// The tables of positions, with as many candidates as the level compares.
pub(super) enum Finder {
    Fast(Heads),
    Balanced(Rows<u64>),
    Best(Rows<u128>),
}

/// Calls a method of the table, of any kind.
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
    /// Creates a finder without tables.
    pub(super) const fn new(level: Level) -> Self {
        match level {
            Level::Fast => Self::Fast(Heads::EMPTY),
            Level::Balanced => Self::Balanced(Rows::<u64>::EMPTY),
            Level::Best => Self::Best(Rows::<u128>::EMPTY),
        }
    }

    /// Sizes the tables for a window of `size` bytes, a power of two and at least 256. Tables that
    /// grow lose all positions.
    pub(super) fn fit(&mut self, size: usize) {
        each!(self, table => table.fit(size));
    }

    /// Removes all positions.
    pub(super) fn clear(&mut self) {
        each!(self, table => table.clear());
    }

    /// Makes tokens from `text.bytes[at..]`, up to `stop` or the end of a match that reaches beyond
    /// it, or until `tokens` are full. Returns the position after the last token.
    pub(super) fn run(
        &mut self,
        text: Text<'_>,
        at: usize,
        stop: usize,
        tokens: &mut Tokens,
    ) -> usize {
        match self {
            Self::Fast(heads) => heads.run(text, at, stop, tokens),
            // 32 and 258: the match length from which no better match is searched.
            Self::Balanced(rows) => rows.run(text, at, stop, 32, tokens),
            Self::Best(rows) => rows.run(text, at, stop, 258, tokens),
        }
    }

    /// Inserts the positions of `text.bytes[from..to]`.
    pub(super) fn insert(&mut self, text: Text<'_>, from: usize, to: usize) {
        each!(self, table => table.insert(text, from, to));
    }

    /// Returns whether the tables have a position of these bytes in the text.
    pub(super) fn knows(&self, text: Text<'_>, eight: [u8; 8]) -> bool {
        each!(self, table => table.knows(text, eight))
    }

    pub(super) fn capacity(&self) -> usize {
        each!(self, table => table.capacity())
    }

    /// Returns the number of heap bytes of new tables for a window of `size` bytes.
    pub(super) const fn capacity_for(&self, size: usize) -> usize {
        match self {
            Self::Fast(_) => Heads::capacity_for(size),
            Self::Balanced(_) => Rows::<u64>::capacity_for(size),
            Self::Best(_) => Rows::<u128>::capacity_for(size),
        }
    }
}
