mod buffers;
#[cfg(feature = "deflate")]
mod inflated;

use core::fmt;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::budget::MemoryBudget;
use crate::inbox::buffers::Buffers;
pub(crate) use crate::inbox::buffers::NoRoom;
use crate::kernel::copy::append_text;
use crate::kernel::mask::{mask, rotate};
use crate::kernel::utf8::validate;
use crate::message::{MessageKind, Utf8Bytes};

/// For each byte that has arrived, at most this many are reserved for those a header announces.
const MAX_AHEAD: usize = 31;

/// Pieces that are unmasked and copied while they are in the first-level cache; see
/// [`crate::kernel::copy`] for why not more.
const PIECE: usize = 2048;

/// At most this much room is zeroed at once: the read that it is for finds it in the cache.
const ZEROED: usize = 256 * 1024;

/// Storage of a message that doesn't lie whole in one input: straddling, fragmented or inflated.
///
/// Empty: 8 bytes, no heap. It grows with what has arrived, at most 32 times that, never with what
/// a header announces; what is inflated can be 1032 times as long as what has arrived. All of it
/// stays below the config's `max_message_len`, and is counted in the [`MemoryBudget`] of the
/// connection that used it last. Give each connection its own.
///
/// The connection frees the memory when it fails or closes.
#[derive(Default)]
pub struct Inbox(Option<Box<Store>>);

#[derive(Default)]
struct Store {
    /// In `bytes` are `filled` bytes of the message; behind them initialised room, of which the first
    /// `lent` bytes are lent by [`Inbox::direct_room`].
    buffers: Buffers,
    filled: usize,
    lent: usize,
    /// The payload of a control frame that is not whole yet.
    control: Vec<u8>,
    /// Whether the message is a text whose characters lie in `bytes`: it was inflated.
    text_in_bytes: bool,
    message_under_way: bool,
    control_under_way: bool,
    /// Whose message or control frame it is; see [`Tag`].
    tag: Tag,
}

/// Names a use of an inbox: the connection keeps it, so that neither another inbox nor the same one
/// in another connection's use passes for the one that holds its data.
pub(crate) type Tag = u16;

impl Inbox {
    /// Makes an empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Frees the memory unless a message is under way; call it before waiting.
    pub fn shrink(&mut self) {
        if let Some(store) = &self.0
            && !store.is_under_way()
        {
            self.0 = None;
        }
    }

    /// Returns how many bytes of heap the messages in it hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.as_ref().map_or(0, |store| store.buffers.capacity() + store.control.capacity())
    }

    /// Drops what is left of the last message and gets ready for the next, of which the memory is
    /// charged to `budget`.
    pub(crate) fn begin_message(
        &mut self,
        kind: MessageKind,
        budget: Option<&MemoryBudget>,
    ) -> Tag {
        let store = self.store();
        store.buffers.begin(kind, budget);
        store.filled = 0;
        store.lent = 0;
        store.text_in_bytes = false;
        store.message_under_way = true;
        store.control_under_way = false;
        store.tag = store.tag.wrapping_add(1);
        store.tag
    }

    /// The message is whole; its data stays until the next begins.
    pub(crate) fn end_message(&mut self) {
        if let Some(store) = &mut self.0 {
            store.message_under_way = false;
        }
    }

    /// The connection with this tag receives nothing more: frees the memory, unless the inbox holds
    /// data of another connection that is under way.
    pub(crate) fn abandon(&mut self, tag: Tag) {
        if self.0.as_ref().is_some_and(|store| store.is_free_for(tag)) {
            self.0 = None;
        }
    }

    /// The same, but keeps the payload of the last control frame: an event is lent from it.
    pub(crate) fn abandon_message(&mut self, tag: Tag) {
        if let Some(store) = &mut self.0
            && store.is_free_for(tag)
        {
            let (control, tag) = (core::mem::take(&mut store.control), store.tag);
            **store = Store { control, tag, ..Store::default() };
        }
    }

    /// How many bytes of the message with this tag are here; `None` if it isn't.
    pub(crate) fn message_len(&self, tag: Tag) -> Option<usize> {
        let store = self.0.as_ref().filter(|store| store.message_under_way && store.tag == tag)?;
        Some(store.message_len())
    }

    /// Appends text of a frame, and of a message, that may go on as `ahead` says.
    pub(crate) fn append_text(&mut self, text: &str, ahead: Ahead) -> Result<(), NoRoom> {
        let store = self.store();
        let (len, capacity) = (store.buffers.text.len(), store.buffers.text.capacity());
        if capacity - len < text.len() {
            let additional = ahead.room(len, text.len(), capacity);
            store.buffers.reserve_text(len + text.len(), len.saturating_add(additional))?;
        }
        append_text(&mut store.buffers.text, text);
        Ok(())
    }

    /// Appends a character that arrived in two pieces.
    pub(crate) fn append_char(&mut self, char: char, ahead: Ahead) -> Result<(), NoRoom> {
        self.append_text(char.encode_utf8(&mut [0; 4]), ahead)
    }

    /// Unmasks `bytes` and appends them; the frame and the message may go on as `ahead` says.
    pub(crate) fn append_masked(
        &mut self,
        bytes: &mut [u8],
        key: [u8; 4],
        ahead: Ahead,
    ) -> Result<(), NoRoom> {
        let store = self.store();
        store.lent = 0;
        let (filled, capacity) = (store.filled, store.buffers.bytes.capacity());
        if capacity - filled < bytes.len() {
            store.buffers.bytes.truncate(filled);
            let additional = ahead.room(filled, bytes.len(), capacity);
            store.buffers.reserve_bytes(filled + bytes.len(), filled.saturating_add(additional))?;
        }
        for (i, piece) in bytes.chunks_mut(PIECE).enumerate() {
            mask(piece, rotate(key, i * PIECE));
            // Room that was once lent stays initialised: nothing is zeroed twice.
            let place =
                store.buffers.bytes.get_mut(store.filled..).and_then(|r| r.get_mut(..piece.len()));
            if let Some(place) = place {
                place.copy_from_slice(piece);
            } else {
                store.buffers.bytes.truncate(store.filled);
                store.buffers.bytes.extend_from_slice(piece);
            }
            store.filled += piece.len();
        }
        Ok(())
    }

    /// Lends initialised room behind the bytes that are here, for at most `announced` more.
    pub(crate) fn direct_room(&mut self, announced: u64) -> Option<&mut [u8]> {
        let store = self.0.as_mut()?;
        let filled = store.filled;
        let want = at_most(announced, filled.saturating_mul(MAX_AHEAD));
        let capacity = store.buffers.bytes.capacity();
        // Growing each time would copy what has arrived each time.
        if capacity - filled < want.min(filled) {
            store.buffers.bytes.truncate(filled);
            // Without more there is still the room that there is.
            let _ = store.buffers.reserve_bytes(capacity + 1, filled.saturating_add(want));
        }
        let lend = want.min(store.buffers.bytes.capacity() - filled);
        let initialised = store.buffers.bytes.len() - filled;
        store.lent = lend.min(initialised.max(ZEROED));
        if initialised < store.lent {
            store.buffers.bytes.resize(filled + store.lent, 0);
        }
        store.buffers.bytes.get_mut(filled..filled + store.lent)
    }

    /// Unmasks the first `n` bytes of the room lent by [`Self::direct_room`] and takes them in; false
    /// if that much wasn't lent.
    #[must_use]
    pub(crate) fn take_direct(&mut self, n: usize, key: [u8; 4]) -> bool {
        let Some(store) = &mut self.0 else { return false };
        let room = store.buffers.bytes.get_mut(store.filled..).filter(|_| n <= store.lent);
        let Some(new) = room.and_then(|room| room.get_mut(..n)) else { return false };
        mask(new, key);
        store.filled += n;
        store.lent -= n;
        true
    }

    pub(crate) fn text(&self) -> &str {
        let Some(store) = &self.0 else { return "" };
        if store.text_in_bytes {
            // Judged when it came; this is what says so to the compiler.
            return validate(self.bytes()).unwrap_or_default();
        }
        &store.buffers.text
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0
            .as_ref()
            .and_then(|store| store.buffers.bytes.get(..store.filled))
            .unwrap_or_default()
    }

    /// Moves the text out, without a copy unless it takes less than half of its room.
    pub(crate) fn take_text(&mut self) -> Utf8Bytes {
        let Some(store) = &mut self.0 else { return Utf8Bytes::default() };
        if store.text_in_bytes {
            // Validated as it was inflated, but in memory that the decoder could write to since:
            // `Utf8Bytes` trusts no code outside of its own file. One look costs little beside
            // inflating.
            return self.take_bytes().try_into().unwrap_or_default();
        }
        // As in `take_bytes`.
        if store.buffers.text.capacity() / 2 > store.buffers.text.len() {
            let text = String::from(store.buffers.text.as_str());
            store.buffers.text.clear();
            return text.into();
        }
        store.buffers.take_text().into()
    }

    /// Moves the bytes out, without a copy unless they take less than half of their room.
    pub(crate) fn take_bytes(&mut self) -> Bytes {
        let Some(store) = &mut self.0 else { return Bytes::new() };
        store.text_in_bytes = false;
        let filled = core::mem::take(&mut store.filled);
        // A short message doesn't take a long one's room with it.
        if store.buffers.bytes.capacity() / 2 > filled {
            return Bytes::copy_from_slice(store.buffers.bytes.get(..filled).unwrap_or_default());
        }
        store.buffers.bytes.truncate(filled);
        Bytes::from(store.buffers.take_bytes())
    }

    /// Gets ready for a control frame; the one who has a message with `tag` under way here keeps it.
    pub(crate) fn begin_control(&mut self, tag: Tag) -> Tag {
        let store = self.store();
        store.control.clear();
        store.control_under_way = true;
        if !store.message_under_way || store.tag != tag {
            store.message_under_way = false;
            store.tag = store.tag.wrapping_add(1);
        }
        store.tag
    }

    pub(crate) fn end_control(&mut self) {
        if let Some(store) = &mut self.0 {
            store.control_under_way = false;
        }
    }

    /// Unmasks a piece of a control frame's payload and appends it.
    pub(crate) fn append_control(&mut self, bytes: &mut [u8], key: [u8; 4]) {
        mask(bytes, key);
        // At most 125 bytes in all: the header has been judged.
        self.store().control.extend_from_slice(bytes);
    }

    /// How many bytes of the control frame with this tag are here; `None` if it isn't.
    pub(crate) fn control_len(&self, tag: Tag) -> Option<usize> {
        let store = self.0.as_ref().filter(|store| store.control_under_way && store.tag == tag)?;
        Some(store.control.len())
    }

    pub(crate) fn control(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |store| &store.control)
    }

    fn store(&mut self) -> &mut Store {
        self.0.get_or_insert_with(|| {
            let mut store = Box::new(Store::default());
            // Two inboxes start from different tags, since they lie at different places.
            let place = core::ptr::from_ref(&*store).addr() >> 4;
            store.tag = Tag::try_from(place & usize::from(Tag::MAX)).unwrap_or_default();
            store
        })
    }
}

impl fmt::Debug for Inbox {
    /// No data: debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.0.as_ref();
        let message =
            store.filter(|store| store.message_under_way).map(|store| store.message_len());
        let control = store.filter(|store| store.control_under_way).map(|s| s.control.len());
        f.debug_struct("Inbox")
            .field("message", &message)
            .field("control", &control)
            .field("capacity", &self.capacity())
            .finish()
    }
}

impl Store {
    const fn is_under_way(&self) -> bool {
        self.message_under_way || self.control_under_way
    }

    /// How many bytes of the message are here.
    const fn message_len(&self) -> usize {
        self.buffers.text.len() + self.filled
    }

    /// Whether it holds no data under way but that with `tag`.
    const fn is_free_for(&self, tag: Tag) -> bool {
        self.tag == tag || !self.is_under_way()
    }
}

/// What may come behind the bytes at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// How much more the header of the frame has announced, in bytes.
    pub(crate) announced: u64,
    /// How long the message may get, in bytes.
    pub(crate) max_len: u64,
}

impl Ahead {
    /// How much to reserve behind `len` bytes for `add` that have arrived and those to come.
    fn room(self, len: usize, add: usize, capacity: usize) -> usize {
        let need = len + add;
        let announced = at_most(self.announced, need.saturating_mul(MAX_AHEAD));
        // At least the double, so that many small pieces are not copied each time; but what the
        // message can't become is never reserved.
        let doubled = at_most(self.max_len, capacity.saturating_mul(2));
        (add + announced).max(doubled.saturating_sub(len))
    }
}

fn at_most(bytes: u64, most: usize) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX).min(most)
}
