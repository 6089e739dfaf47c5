//! The memory of an inbox: how much of it is reserved, and charged to the memory budget.

use alloc::string::String;
use alloc::vec::Vec;

use crate::budget::{Charge, MemoryBudget};
use crate::message::MessageKind;

/// A buffer for each kind of message; only the one of the message under way is used.
///
/// Whatever changes a capacity is a method here, so that what is charged is what there is.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) text: String,
    pub(super) bytes: Vec<u8>,
    charge: Charge,
}

/// No room for a longer message.
#[derive(Debug)]
pub(crate) enum NoRoom {
    /// The memory budget has none.
    Budget,
    /// The allocator has none.
    Memory,
}

impl Buffers {
    /// Gets ready for a message, of which the memory is charged to `budget`.
    pub(super) fn begin(&mut self, kind: MessageKind, budget: Option<&MemoryBudget>) {
        if !self.charge.is_to(budget) {
            self.change_budget(budget);
        }
        self.text.clear();
        // Not two long buffers at once, of which one lies fallow.
        match kind {
            MessageKind::Text => {
                self.bytes.clear();
                self.bytes.shrink_to(MAX_LEFT);
            }
            MessageKind::Binary => self.text.shrink_to(MAX_LEFT),
        }
        self.settle();
    }

    /// Makes room for `need` bytes of text in all, if it isn't there; if so, better for `want`.
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

    /// The same for bytes.
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

    /// Moves the text out with its buffer.
    pub(super) fn take_text(&mut self) -> String {
        let text = core::mem::take(&mut self.text);
        self.settle();
        text
    }

    /// Moves the bytes out with their buffer.
    pub(super) fn take_bytes(&mut self) -> Vec<u8> {
        let bytes = core::mem::take(&mut self.bytes);
        self.settle();
        bytes
    }

    pub(super) const fn capacity(&self) -> usize {
        self.text.capacity() + self.bytes.capacity()
    }

    /// What the last message has left is charged to another budget, or freed if that has no room.
    #[cold]
    fn change_budget(&mut self, budget: Option<&MemoryBudget>) {
        let mut charge = Charge::new(budget);
        if charge.add(self.capacity()).is_err() {
            self.text = String::new();
            self.bytes = Vec::new();
        }
        self.charge = charge;
    }

    /// Charges a buffer that takes the place of one with `capacity`, and returns how large it may be.
    /// Both count while both exist: [`Self::settle`] gives the old one back.
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

    /// The same where the budget has no room for `want` bytes.
    #[cold]
    fn charge_less(
        &mut self,
        kind: MessageKind,
        capacity: usize,
        need: usize,
        want: usize,
    ) -> Result<usize, NoRoom> {
        // By less than a quarter more each time, many small pieces would be copied too often.
        let least = need.max(capacity.saturating_add(capacity / 4)).min(want);
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
        // Nothing but the message itself is beyond the budget.
        match kind {
            MessageKind::Text => self.bytes = Vec::new(),
            MessageKind::Binary => self.text = String::new(),
        }
        let room = want.min(ALWAYS);
        self.charge.force(room);
        Ok(room)
    }

    /// Charges what there is, no more.
    fn settle(&mut self) {
        self.charge.settle(self.capacity());
    }
}

/// The length, in bytes, up to which a message has room whatever the memory budget says.
const ALWAYS: usize = 64 * 1024;

/// What a message of the other kind may leave behind when one begins, in bytes.
const MAX_LEFT: usize = 4096;
