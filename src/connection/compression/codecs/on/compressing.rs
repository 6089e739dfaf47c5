//! The encoder.

use bytes::BytesMut;

use crate::budget::{Charge, MemoryBudget};
use crate::deflate::{Agreement, Compressor};
use crate::role::Role;

/// The encoder. With context takeover it is kept between messages, otherwise during a message in
/// parts. It is boxed at its first use.
#[derive(Debug)]
pub(in crate::connection) struct Compressing {
    encoder: Compressor,
    /// The charge for the encoder's heap.
    charge: Charge,
    /// Whether the message in parts that is in progress is compressed.
    pub(in crate::connection::compression) in_message: bool,
}

impl Compressing {
    pub(in crate::connection::compression) fn new(agreement: &Agreement, role: Role) -> Self {
        let encoder = encoder(agreement, role);
        Self { encoder, charge: Charge::default(), in_message: false }
    }

    /// Replaces the encoder. Its window has data that the peer never receives.
    pub(in crate::connection::compression) fn begin_anew(
        &mut self,
        agreement: &Agreement,
        role: Role,
    ) {
        self.encoder = encoder(agreement, role);
        self.charge.settle(self.encoder.capacity());
    }

    /// Charges the heap that the encoder is going to need. Without room for it, the encoder keeps
    /// its present window. Returns false if it has none.
    pub(in crate::connection::compression) fn make_room(
        &mut self,
        need: usize,
        budget: Option<&MemoryBudget>,
    ) -> bool {
        let have = self.encoder.capacity();
        let mut room = true;
        if need > have {
            if !self.charge.is_to(budget) {
                self.charge = Charge::new(budget);
            }
            // Both the old and the new tables exist while the tables grow.
            room = self.charge.add(need).is_ok();
        }
        self.encoder.hold(!room);
        room || have > 0
    }

    /// Returns the heap that a complete message needs, in bytes.
    pub(in crate::connection::compression) fn capacity_for_message(&self, len: usize) -> usize {
        self.encoder.capacity_for_message(len)
    }

    /// Returns the heap that a part of a message needs, in bytes.
    pub(in crate::connection::compression) fn capacity_for_part(&self, len: usize) -> usize {
        self.encoder.capacity_for_part(len)
    }

    pub(in crate::connection::compression) fn message(
        &mut self,
        message: &[u8],
        out: &mut BytesMut,
    ) -> bool {
        let shorter = self.encoder.message(message, out);
        self.charge.settle(self.encoder.capacity());
        shorter
    }

    pub(in crate::connection::compression) fn part(
        &mut self,
        part: &[u8],
        end: bool,
        out: &mut BytesMut,
    ) {
        self.encoder.part(part, end, out);
        self.charge.settle(self.encoder.capacity());
    }

    pub(in crate::connection::compression) fn follow(&mut self, message: &[u8]) {
        self.encoder.follow(message);
        self.charge.settle(self.encoder.capacity());
    }
}

fn encoder(agreement: &Agreement, role: Role) -> Compressor {
    let takeover = agreement.direction(role).context_takeover;
    agreement.engine.compressor(agreement.encoder_window_bits, agreement.level, takeover)
}
