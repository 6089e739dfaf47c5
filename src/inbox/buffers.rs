//! The memory of an inbox: how much is reserved, and the charge to the memory budget.

use alloc::string::String;
use alloc::vec::Vec;

use crate::budget::{Charge, MemoryBudget};
use crate::message::MessageKind;

/// A buffer for each kind of message. Only the buffer of the current message is in use.
///
/// Each change of a capacity is a method of this type, so that the charge always equals the sum of
/// the capacities between two calls.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) text: String,
    pub(super) bytes: Vec<u8>,
    charge: Charge,
}

/// There is no room for a longer message.
#[derive(Debug)]
pub(crate) enum NoRoom {
    /// The memory budget is used up.
    Budget,
    /// Out of memory.
    Memory,
}

impl Buffers {
    /// Clears the buffers for a new message. Its memory is charged to `budget`.
    pub(super) fn begin(&mut self, kind: MessageKind, budget: Option<&MemoryBudget>) {
        if !self.charge.is_to(budget) {
            self.change_budget(budget);
        }
        // The buffer of the last message keeps its capacity if the kind is the same.
        self.text.clear();
        // Don't keep a large buffer of the other kind: it is not used.
        match kind {
            MessageKind::Text => {
                self.bytes.clear();
                self.bytes.shrink_to(MAX_LEFT);
            }
            MessageKind::Binary => self.text.shrink_to(MAX_LEFT),
        }
        self.settle();
    }

    /// Makes room for a text of `need` bytes in total. If the buffer has to grow, it grows to
    /// `want` bytes, or less if the budget has no room for that.
    pub(super) fn reserve_text(&mut self, need: usize, want: usize) -> Result<(), NoRoom> {
        let capacity = self.text.capacity();
        if need <= capacity {
            return Ok(());
        }
        let room = self.charge_room(MessageKind::Text, capacity, need, want)?;
        let result = self.text.try_reserve_exact(room - self.text.len());
        self.settle();
        result.map_err(|_| NoRoom::Memory)
    }

    /// Makes room for `need` bytes in total, as [`reserve_text`](Self::reserve_text) does.
    pub(super) fn reserve_bytes(&mut self, need: usize, want: usize) -> Result<(), NoRoom> {
        let capacity = self.bytes.capacity();
        if need <= capacity {
            return Ok(());
        }
        let room = self.charge_room(MessageKind::Binary, capacity, need, want)?;
        let result = self.bytes.try_reserve_exact(room - self.bytes.len());
        self.settle();
        result.map_err(|_| NoRoom::Memory)
    }

    /// Moves the text out, with its buffer.
    pub(super) fn take_text(&mut self) -> String {
        let text = core::mem::take(&mut self.text);
        self.settle();
        text
    }

    /// Moves the bytes out, with their buffer.
    pub(super) fn take_bytes(&mut self) -> Vec<u8> {
        let bytes = core::mem::take(&mut self.bytes);
        self.settle();
        bytes
    }

    pub(super) const fn capacity(&self) -> usize {
        self.text.capacity() + self.bytes.capacity()
    }

    /// Charges the present buffers to another budget, or frees them if it has no room.
    #[cold]
    fn change_budget(&mut self, budget: Option<&MemoryBudget>) {
        let mut charge = Charge::new(budget);
        if charge.add(self.capacity()).is_err() {
            self.text = String::new();
            self.bytes = Vec::new();
        }
        self.charge = charge;
    }

    /// Charges a new buffer, which replaces one with `capacity`, and returns its capacity.
    ///
    /// Both buffers are charged while both exist. [`Self::settle`] takes back the charge of the old
    /// one.
    fn charge_room(
        &mut self,
        kind: MessageKind,
        capacity: usize,
        need: usize,
        want: usize,
    ) -> Result<usize, NoRoom> {
        if self.charge.add(want).is_ok() {
            return Ok(want);
        }
        self.charge_less(kind, capacity, need, want)
    }

    /// Charges a smaller buffer if the budget has no room for `want` bytes.
    #[cold]
    fn charge_less(
        &mut self,
        kind: MessageKind,
        capacity: usize,
        need: usize,
        want: usize,
    ) -> Result<usize, NoRoom> {
        // Growth by less than a quarter would copy the message too often if it arrives in many
        // small inputs.
        let least = need.max(capacity.saturating_add(capacity / 4)).min(want);
        // Try half of the room each time, down to the least.
        let mut room = want;
        while room > least {
            room = (room / 2).max(least);
            if self.charge.add(room).is_ok() {
                return Ok(room);
            }
        }
        if need > ALWAYS {
            return Err(NoRoom::Budget);
        }
        // The message itself may pass the budget, but not the unused buffer of the other kind.
        match kind {
            MessageKind::Text => self.bytes = Vec::new(),
            MessageKind::Binary => self.text = String::new(),
        }
        let room = want.min(ALWAYS);
        self.charge.force(room);
        Ok(room)
    }

    /// Sets the charge to the sum of the capacities.
    fn settle(&mut self) {
        self.charge.settle(self.capacity());
    }
}

/// The length, in bytes, up to which a message has room even if the memory budget is used up.
const ALWAYS: usize = 64 * 1024;

/// The capacity, in bytes, that is kept of the other kind's buffer when a message begins.
const MAX_LEFT: usize = 4096;
