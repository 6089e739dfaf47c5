//! The encoder.

use bytes::BytesMut;

use crate::budget::{Charge, MemoryBudget};
use crate::deflate::{Agreement, Compressor};
use crate::role::Role;

/// The encoder, kept from message to message with context takeover, else for the length of a message
/// that is sent in parts. Boxed when it is first used.
#[derive(Debug)]
pub(in crate::connection) struct Compressing {
    encoder: Compressor,
    /// The encoder's heap.
    charge: Charge,
    /// The message that is being sent in parts is compressed.
    pub(in crate::connection::compression) in_message: bool,
}

impl Compressing {
    pub(in crate::connection::compression) fn new(agreement: &Agreement, role: Role) -> Self {
        let encoder = encoder(agreement, role);
        Self { encoder, charge: Charge::default(), in_message: false }
    }

    /// Forgets what the peer will never see.
    pub(in crate::connection::compression) fn begin_anew(
        &mut self,
        agreement: &Agreement,
        role: Role,
    ) {
        self.encoder = encoder(agreement, role);
        self.charge.settle(self.encoder.capacity());
    }

    /// Charges the heap that the encoder is about to have. Without room for it the encoder keeps the
    /// window that it has; false: it has none.
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
            // The old tables exist until the new ones do.
            room = self.charge.add(need).is_ok();
        }
        self.encoder.hold(!room);
        room || have > 0
    }

    /// Returns the heap that a whole message needs, in bytes.
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
