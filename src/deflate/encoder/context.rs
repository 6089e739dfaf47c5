//! The history: the last bytes of earlier messages, which later messages may refer to.

use alloc::vec::Vec;

use crate::deflate::encoder::finder::Finder;
use crate::deflate::encoder::text::Text;
use crate::deflate::level::Level;
use crate::deflate::window_bits::WindowBits;

/// The last bytes of a stream of messages, and tables of their positions.
///
/// All of them grow by doubling as bytes are appended, up to the size of the window.
///
/// ```text
///            base                          base + len()
/// stream: ...│ history                     │
///            0                             len()         size + size / 2
/// ```
pub(super) struct Context {
    /// At most one and a half times `size` long. When it is full, it is cut to its last `size`
    /// bytes. The additional half makes such moves rare.
    history: Vec<u8>,
    /// The position of the first byte of the history in the stream, modulo 2^16.
    base: u16,
    /// The size of the window that there is memory for, in bytes. At most that of `window`.
    size: usize,
    window: WindowBits,
    /// True if the window must not grow.
    held: bool,
    finder: Finder,
}

impl Context {
    pub(super) const fn new(window: WindowBits, level: Level) -> Self {
        Self {
            history: Vec::new(),
            base: 0,
            size: 0,
            window,
            held: false,
            finder: Finder::new(level),
        }
    }

    /// Keeps the window from growing beyond its present size or the smallest one, or allows it
    /// again.
    pub(super) const fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Makes room for `len` more bytes, or for a full window if they are more.
    pub(super) fn grow(&mut self, len: usize) {
        let size = self.size_for(if self.held { 0 } else { len });
        if size != self.size {
            self.size = size;
            self.history.reserve_exact(size + size / 2 - self.history.len());
            self.finder.fit(size);
            self.reindex();
        }
    }

    /// Appends bytes and returns their position in the history. `None`: they are too many and were
    /// not appended; see [`replace`](Self::replace).
    pub(super) fn append(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.history.len() + bytes.len() > self.size + self.size / 2 {
            if bytes.len() > self.size / 2 {
                return None;
            }
            self.cut(self.size);
        }
        let at = self.history.len();
        self.history.extend_from_slice(bytes);
        Some(at)
    }

    /// Undoes [`append`](Self::append), which has returned `at`.
    pub(super) fn truncate(&mut self, at: usize) {
        self.history.truncate(at);
    }

    /// Appends bytes that are too many for [`append`](Self::append): their last `size` bytes
    /// replace the end of the history, and positions of the others are skipped.
    pub(super) fn replace(&mut self, bytes: &[u8]) {
        let tail = bytes.get(bytes.len().saturating_sub(self.size)..).unwrap_or_default();
        self.cut(self.size - tail.len());
        self.skip(bytes.len() - tail.len());
        self.history.extend_from_slice(tail);
    }

    /// Removes all bytes.
    pub(super) fn forget(&mut self) {
        self.cut(0);
    }

    /// Inserts all positions of the history into the tables of the finder again.
    pub(super) fn reindex(&mut self) {
        let text = Text { bytes: &self.history, base: self.base, window: self.window.len() };
        self.finder.insert(text, 0, self.history.len());
    }

    /// Appends bytes without compressing them, and inserts their positions into the tables.
    pub(super) fn follow(&mut self, bytes: &[u8]) {
        self.grow(bytes.len());
        if let Some(at) = self.append(bytes) {
            let text = Text { bytes: &self.history, base: self.base, window: self.window.len() };
            self.finder.insert(text, at, self.history.len());
        } else {
            self.replace(bytes);
            self.reindex();
        }
    }

    /// Returns whether some of the bytes are in the history. It looks for a sample of them.
    pub(super) fn knows(&self, bytes: &[u8]) -> bool {
        let text = Text { bytes: &self.history, base: self.base, window: self.window.len() };
        !self.history.is_empty()
            && (0..PROBES).any(|n| {
                let place = bytes.get(bytes.len() / PROBES * n..);
                place
                    .and_then(|place| place.first_chunk())
                    .is_some_and(|&eight| self.finder.knows(text, eight))
            })
    }

    /// Returns the finder, and the history as a text.
    pub(super) fn parts(&mut self) -> (&mut Finder, Text<'_>) {
        (
            &mut self.finder,
            Text { bytes: &self.history, base: self.base, window: self.window.len() },
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.history.is_empty()
    }

    pub(super) fn capacity(&self) -> usize {
        self.history.capacity() + self.finder.capacity()
    }

    /// Returns the capacity after `len` more bytes.
    pub(super) fn capacity_for(&self, len: usize) -> usize {
        let size = self.size_for(len);
        if size == self.size {
            return self.capacity();
        }
        size + size / 2 + self.finder.capacity_for(size)
    }

    /// Returns the size of the window that `len` more bytes need.
    fn size_for(&self, len: usize) -> usize {
        let needed = self.history.len().saturating_add(len);
        let mut size = self.size.max(WindowBits::MIN.len());
        while size < self.window.len() && needed > size + size / 2 {
            size *= 2;
        }
        size
    }

    /// Removes all but the last `len` bytes.
    fn cut(&mut self, len: usize) {
        let old = self.history.len().saturating_sub(len);
        self.history.drain(..old);
        self.skip(old);
    }

    /// Advances the position of the history's first byte.
    #[expect(clippy::cast_possible_truncation, reason = "positions are modulo 2^16")]
    fn skip(&mut self, bytes: usize) {
        self.base = self.base.wrapping_add(bytes as u16);
    }
}

/// The number of samples that [`Context::knows`] looks for.
const PROBES: usize = 8;
