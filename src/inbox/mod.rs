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

/// The number of bytes reserved in advance for each byte that has arrived, at most. A header alone,
/// which costs the peer 14 bytes, reserves no memory.
const MAX_AHEAD: usize = 31;

/// The length of the chunks, in bytes, that are unmasked and then copied. Each is still in the
/// first-level cache when it is copied. [`crate::kernel::copy`] has the reason for the length.
const PIECE: usize = 2048;

/// The room, in bytes, that is zeroed at once, at most. So it is still in the cache when the read
/// fills it.
const ZEROED: usize = 256 * 1024;

/// The storage of messages that are not contiguous in one input: those that straddle two inputs,
/// are fragmented or are inflated.
///
/// An empty inbox has 8 bytes and no heap memory. The memory grows with the received bytes, to at
/// most 32 times their number, and not with the length that a header announces. An inflated message
/// can be 1032 times as long as its compressed form. The memory stays below the config's
/// `max_message_len`, and is counted in the [`MemoryBudget`] of the connection that used the inbox
/// last. Use one inbox for each connection.
///
/// A connection that fails or closes frees the memory of its inbox.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::connection::Negotiated;
/// use sansocket::{Config, Connection, Event, Inbox, Input, Instant, Role};
///
/// let now = Instant::from_micros(0);
/// # fn entropy() -> sansocket::Entropy { sansocket::Entropy::from_fn(|bytes| Ok(bytes.fill(7))) }
/// let config = Config::client(entropy()).build()?;
/// let mut connection = Connection::new(Role::Client, &config, &Negotiated::new(), now);
/// let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
///
/// // A message that arrives in two reads.
/// let mut read = *b"\x81\x05Hel";
/// let mut input = Input::new(now, &mut read);
/// assert_eq!(connection.receive(&mut input, &mut inbox, &mut out)?, None);
/// assert!(inbox.capacity() >= 3);
///
/// let mut read = *b"lo";
/// let mut input = Input::new(now, &mut read);
/// let event = connection.receive(&mut input, &mut inbox, &mut out)?;
/// assert_eq!(event, Some(Event::Text("Hello")));
///
/// // The connection becomes idle.
/// inbox.shrink();
/// assert_eq!(inbox.capacity(), 0);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Inbox(Option<Box<Store>>);

#[derive(Default)]
struct Store {
    /// An uncompressed text is in `buffers.text`. All other messages are in `buffers.bytes`:
    ///
    /// ```text
    /// 0          filled            filled + lent        len()         capacity()
    /// │  message   │   direct room      │   zeroed room    │   reserved   │
    /// ```
    buffers: Buffers,
    /// The number of message bytes in `buffers.bytes`.
    filled: usize,
    /// The number of bytes after them that [`Inbox::direct_room`] has returned last. They may have
    /// any content.
    lent: usize,
    /// The payload of a control frame that is not complete yet.
    control: Vec<u8>,
    /// True if the message is an inflated text: its characters are in `buffers.bytes`.
    text_in_bytes: bool,
    message_under_way: bool,
    control_under_way: bool,
    /// Identifies the owner of the message or control frame; see [`Tag`].
    tag: Tag,
}

/// Identifies one use of an inbox.
///
/// The connection keeps the tag of the message or control frame that it has begun. If the caller
/// passes another inbox, or the inbox was used by another connection since, the tags differ. The
/// connection then reports an error instead of data that it did not receive.
pub(crate) type Tag = u16;

impl Inbox {
    /// Creates an empty inbox.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Frees the memory, unless the inbox holds an incomplete message or control frame. Call it
    /// when the connection becomes idle.
    pub fn shrink(&mut self) {
        if let Some(store) = &self.0
            && !store.is_under_way()
        {
            self.0 = None;
        }
    }

    /// Returns the number of heap bytes that the buffers of messages and control frames hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.as_ref().map_or(0, |store| store.buffers.capacity() + store.control.capacity())
    }

    /// Drops the last message and begins a new one. Its memory is charged to `budget`.
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

    /// Ends the message, which is complete. Its data stays until the next message begins.
    pub(crate) fn end_message(&mut self) {
        if let Some(store) = &mut self.0 {
            store.message_under_way = false;
        }
    }

    /// Frees the memory, because the connection with this tag receives no more messages. Does not
    /// free it if the inbox holds an incomplete message or control frame of another connection.
    pub(crate) fn abandon(&mut self, tag: Tag) {
        if self.0.as_ref().is_some_and(|store| store.is_free_for(tag)) {
            self.0 = None;
        }
    }

    /// Frees the memory as [`abandon`](Self::abandon) does, but keeps the payload of the last
    /// control frame: a Close event borrows it.
    pub(crate) fn abandon_message(&mut self, tag: Tag) {
        if let Some(store) = &mut self.0
            && store.is_free_for(tag)
        {
            let (control, tag) = (core::mem::take(&mut store.control), store.tag);
            **store = Store { control, tag, ..Store::default() };
        }
    }

    /// Returns the number of bytes of the incomplete message with this tag, `None` if there is no
    /// such message.
    pub(crate) fn message_len(&self, tag: Tag) -> Option<usize> {
        let store = self.0.as_ref().filter(|store| store.message_under_way && store.tag == tag)?;
        Some(store.message_len())
    }

    /// Appends text. `ahead` limits the rest of the frame and of the message.
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

    /// Appends a character that arrived in two inputs.
    pub(crate) fn append_char(&mut self, char: char, ahead: Ahead) -> Result<(), NoRoom> {
        self.append_text(char.encode_utf8(&mut [0; 4]), ahead)
    }

    /// Unmasks `bytes` and appends them. `ahead` limits the rest of the frame and of the message.
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
            // Initialised room is overwritten: truncating it would zero it again later.
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

    /// Returns initialised room after the bytes of the message, for at most `announced` more bytes.
    pub(crate) fn direct_room(&mut self, announced: u64) -> Option<&mut [u8]> {
        let store = self.0.as_mut()?;
        let filled = store.filled;
        // Before the first byte has arrived, `filled` is 0 and so is the room: the first bytes are
        // read into the caller's buffer.
        let want = at_most(announced, filled.saturating_mul(MAX_AHEAD));
        let capacity = store.buffers.bytes.capacity();
        // Grow only if the free room is less than the length of the message: growing on each call
        // would copy the message on each call.
        if capacity - filled < want.min(filled) {
            store.buffers.bytes.truncate(filled);
            // If there is no memory, the present room is returned.
            let _ = store.buffers.reserve_bytes(capacity + 1, filled.saturating_add(want));
        }
        // Return room that is initialised already, or zero up to `ZEROED` bytes more.
        let lend = want.min(store.buffers.bytes.capacity() - filled);
        let initialised = store.buffers.bytes.len() - filled;
        store.lent = lend.min(initialised.max(ZEROED));
        if initialised < store.lent {
            store.buffers.bytes.resize(filled + store.lent, 0);
        }
        store.buffers.bytes.get_mut(filled..filled + store.lent)
    }

    /// Unmasks the first `n` bytes of the room that [`Self::direct_room`] has returned, and adds
    /// them to the message. Returns false, and adds no bytes, if the room was smaller.
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

    /// Returns the text of the message, or of the part.
    pub(crate) fn text(&self) -> &str {
        let Some(store) = &self.0 else { return "" };
        if store.text_in_bytes {
            // Valid: the text was validated while it was inflated. Without `unsafe` a `&str` needs
            // another validation.
            return validate(self.bytes()).unwrap_or_default();
        }
        &store.buffers.text
    }

    /// Returns the bytes of the message, or of the part.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0
            .as_ref()
            .and_then(|store| store.buffers.bytes.get(..store.filled))
            .unwrap_or_default()
    }

    /// Moves the text out. Copies it only if it is shorter than half of its buffer.
    pub(crate) fn take_text(&mut self) -> Utf8Bytes {
        let Some(store) = &mut self.0 else { return Utf8Bytes::default() };
        if store.text_in_bytes {
            // The text was validated while it was inflated, but the decoder had access to the
            // memory since. The safety of `Utf8Bytes` depends on no code outside of its own file,
            // so it validates again. That takes little time compared with inflating.
            return self.take_bytes().try_into().unwrap_or_default();
        }
        // A short text doesn't keep a large buffer alive, as in `take_bytes`.
        if store.buffers.text.capacity() / 2 > store.buffers.text.len() {
            let text = String::from(store.buffers.text.as_str());
            store.buffers.text.clear();
            return text.into();
        }
        store.buffers.take_text().into()
    }

    /// Moves the bytes out. Copies them only if they are shorter than half of their buffer.
    pub(crate) fn take_bytes(&mut self) -> Bytes {
        let Some(store) = &mut self.0 else { return Bytes::new() };
        store.text_in_bytes = false;
        let filled = core::mem::take(&mut store.filled);
        // A short message doesn't keep alive the large buffer of a long one before it.
        if store.buffers.bytes.capacity() / 2 > filled {
            return Bytes::copy_from_slice(store.buffers.bytes.get(..filled).unwrap_or_default());
        }
        store.buffers.bytes.truncate(filled);
        Bytes::from(store.buffers.take_bytes())
    }

    /// Begins a control frame. An incomplete message with `tag` is kept, one with another tag is
    /// dropped.
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

    /// Ends the control frame. Its payload stays until the next one begins.
    pub(crate) fn end_control(&mut self) {
        if let Some(store) = &mut self.0 {
            store.control_under_way = false;
        }
    }

    /// Unmasks bytes of a control frame's payload and appends them.
    pub(crate) fn append_control(&mut self, bytes: &mut [u8], key: [u8; 4]) {
        mask(bytes, key);
        // At most 125 bytes in total: the header was checked before.
        self.store().control.extend_from_slice(bytes);
    }

    /// Returns the number of bytes of the incomplete control frame with this tag, `None` if there
    /// is no such frame.
    pub(crate) fn control_len(&self, tag: Tag) -> Option<usize> {
        let store = self.0.as_ref().filter(|store| store.control_under_way && store.tag == tag)?;
        Some(store.control.len())
    }

    /// Returns the payload of the control frame.
    pub(crate) fn control(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |store| &store.control)
    }

    /// Returns the memory, and allocates it if there is none.
    fn store(&mut self) -> &mut Store {
        self.0.get_or_insert_with(|| {
            let mut store = Box::new(Store::default());
            // Two inboxes start from different tags, as far as 16 bits can differ: the tag is part
            // of the address of the allocation, which is aligned to 16 bytes by most allocators.
            let place = core::ptr::from_ref(&*store).addr() >> 4;
            store.tag = Tag::try_from(place & usize::from(Tag::MAX)).unwrap_or_default();
            store
        })
    }
}

impl fmt::Debug for Inbox {
    /// Shows no data: debug output ends up in logs.
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

    /// Returns the number of bytes of the message. One of the two terms is 0.
    const fn message_len(&self) -> usize {
        self.buffers.text.len() + self.filled
    }

    /// Returns whether the inbox holds no incomplete data, or only data with `tag`.
    const fn is_free_for(&self, tag: Tag) -> bool {
        self.tag == tag || !self.is_under_way()
    }
}

/// The limits of the bytes that follow the received ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// The number of bytes of the frame that have not arrived, as its header announces it.
    pub(crate) announced: u64,
    /// The length limit of the message, in bytes.
    pub(crate) max_len: u64,
}

impl Ahead {
    /// Returns the number of bytes to reserve after `len` bytes: for the `add` bytes that have
    /// arrived, and for later ones.
    fn room(self, len: usize, add: usize, capacity: usize) -> usize {
        let need = len + add;
        let announced = at_most(self.announced, need.saturating_mul(MAX_AHEAD));
        // At least twice the capacity, so that many small appends copy the message few times. But
        // never more than the length limit.
        let doubled = at_most(self.max_len, capacity.saturating_mul(2));
        (add + announced).max(doubled.saturating_sub(len))
    }
}

fn at_most(bytes: u64, most: usize) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX).min(most)
}
