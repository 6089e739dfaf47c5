//! Messages that the decoder writes into the inbox.

use crate::budget::MemoryBudget;
use crate::inbox::buffers::NoRoom;
use crate::inbox::{Inbox, Tag, ZEROED};
use crate::kernel::utf8::Carry;
use crate::message::MessageKind;

/// The room, in bytes, that is zeroed first for an inflated message, at least.
const FIRST_ROOM: usize = 128;

impl Inbox {
    /// Begins an inflated message, as [`begin_message`](Self::begin_message) does. A text is stored
    /// in `bytes` as well: the decoder writes to it, and its matches refer back to it.
    pub(crate) fn begin_inflated(
        &mut self,
        kind: MessageKind,
        budget: Option<&MemoryBudget>,
    ) -> Tag {
        let tag = self.begin_message(MessageKind::Binary, budget);
        self.store().text_in_bytes = kind == MessageKind::Text;
        tag
    }

    /// Starts a part of a text with the first bytes of a character, which the part before has left
    /// over. The part is empty before.
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

    /// Returns the bytes of the message with initialised room after them, at most `max_len` bytes
    /// in total, and the number of bytes that belong to the message.
    pub(crate) fn inflate_room(&mut self, max_len: usize) -> (&mut [u8], usize) {
        let store = self.store();
        store.lent = 0;
        let filled = store.filled;
        let len = store.buffers.bytes.len().min(max_len);
        (store.buffers.bytes.get_mut(..len).unwrap_or_default(), filled)
    }

    /// Adds `n` bytes to the message, which were written to the room.
    pub(crate) fn inflated(&mut self, n: usize) {
        let store = self.store();
        store.filled = (store.filled + n).min(store.buffers.bytes.len());
    }

    /// Drops the bytes of the message after the first `len`.
    pub(crate) fn cut(&mut self, len: usize) {
        let store = self.store();
        store.filled = store.filled.min(len);
    }

    /// Grows the room to `first` bytes or to twice the present length, whichever is larger. It
    /// grows less if the budget has no room for that, and never to more than `max_len` bytes in
    /// total. Returns false if there is room for `max_len` bytes already.
    pub(crate) fn grow(&mut self, first: usize, max_len: usize) -> Result<bool, NoRoom> {
        let store = self.store();
        let have = store.buffers.bytes.len();
        if have >= max_len {
            return Ok(false);
        }
        let want = first.max(FIRST_ROOM).max(have.saturating_mul(2)).min(max_len);
        // Use reserved room up to the capacity: its only cost is the zeroing.
        store.buffers.reserve_bytes(have + 1, want)?;
        let want = store.buffers.bytes.capacity();
        let zeroed = have.saturating_add(ZEROED).min(want).min(max_len);
        store.buffers.bytes.resize(zeroed, 0);
        Ok(true)
    }
}
