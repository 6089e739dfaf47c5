//! Messages that the decoder writes into the inbox.

use crate::budget::MemoryBudget;
use crate::inbox::buffers::NoRoom;
use crate::inbox::{Inbox, Tag, ZEROED};
use crate::kernel::utf8::Carry;
use crate::message::MessageKind;

/// What is zeroed for the first bytes of an inflated message, at least.
const FIRST_ROOM: usize = 128;

impl Inbox {
    /// Begins a message that is inflated, as [`begin_message`](Self::begin_message) does. The bytes of
    /// a text too lie in `bytes`, which the decoder writes and refers to.
    pub(crate) fn begin_inflated(
        &mut self,
        kind: MessageKind,
        budget: Option<&MemoryBudget>,
    ) -> Tag {
        let tag = self.begin_message(MessageKind::Binary, budget);
        self.store().text_in_bytes = kind == MessageKind::Text;
        tag
    }

    /// Begins with the beginning of a character, of which the end is to come.
    pub(crate) fn append_carry(&mut self, carry: &Carry) -> Result<(), NoRoom> {
        if carry.is_empty() {
            return Ok(());
        }
        let store = self.store();
        let len = carry.as_bytes().len();
        if store.buffers.bytes.len() < len {
            store.buffers.reserve_bytes(len, FIRST_ROOM)?;
            store.buffers.bytes.resize(len, 0);
        }
        if let Some(place) = store.buffers.bytes.get_mut(..len) {
            place.copy_from_slice(carry.as_bytes());
        }
        store.filled = len;
        Ok(())
    }

    /// Lends the message's bytes with initialised room behind them, at most `max_len` in all, and
    /// tells how many there are.
    pub(crate) fn inflate_room(&mut self, max_len: usize) -> (&mut [u8], usize) {
        let store = self.store();
        store.lent = 0;
        let filled = store.filled;
        let len = store.buffers.bytes.len().min(max_len);
        (store.buffers.bytes.get_mut(..len).unwrap_or_default(), filled)
    }

    /// `n` bytes of the room were written.
    pub(crate) fn inflated(&mut self, n: usize) {
        let store = self.store();
        store.filled = (store.filled + n).min(store.buffers.bytes.len());
    }

    /// Drops what is behind the first `len` bytes.
    pub(crate) fn cut(&mut self, len: usize) {
        let store = self.store();
        store.filled = store.filled.min(len);
    }

    /// Makes room for more: `first` bytes, or twice as much as there is, or less if the budget has
    /// less, but never more than `max_len` in all. False: the message is that long already.
    pub(crate) fn grow(&mut self, first: usize, max_len: usize) -> Result<bool, NoRoom> {
        let store = self.store();
        let have = store.buffers.bytes.len();
        if have >= max_len {
            return Ok(false);
        }
        let want = first.max(FIRST_ROOM).max(have.saturating_mul(2)).min(max_len);
        // Room that is reserved already costs nothing but the zeroing.
        store.buffers.reserve_bytes(have + 1, want)?;
        let want = store.buffers.bytes.capacity();
        let zeroed = have.saturating_add(ZEROED).min(want).min(max_len);
        store.buffers.bytes.resize(zeroed, 0);
        Ok(true)
    }
}
