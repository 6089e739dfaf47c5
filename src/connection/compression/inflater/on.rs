//! The decoder, lent for one call.

use alloc::boxed::Box;

use crate::agreed::Agreed;
use crate::config::Config;
use crate::connection::compression::codecs::Inflating;
use crate::connection::rare::Rare;
use crate::role::Role;

/// The decoder that the connection lends while it assembles messages.
pub(in crate::connection) struct Inflater<'c> {
    agreed: &'c Agreed,
    sender: Role,
    rare: &'c mut Option<Box<Rare>>,
    /// A new decoder. It is boxed at the end of the loan, if it must be kept.
    local: Option<Inflating>,
}

impl<'c> Inflater<'c> {
    pub(in crate::connection) const fn new(
        agreed: &'c Agreed,
        receiver: Role,
        rare: &'c mut Option<Box<Rare>>,
    ) -> Self {
        let sender = match receiver {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        Self { agreed, sender, rare, local: None }
    }

    /// Returns the reserved bits that the first frame of a message may have.
    pub(in crate::connection) const fn rsv(&self) -> u8 {
        self.agreed.rsv()
    }

    /// Begins a compressed message.
    pub(in crate::connection) fn begin(&mut self) {
        if let Some(inflating) = self.inflating() {
            inflating.begin();
        }
    }

    /// Returns the decoder of the message in progress. `None` if compression was not negotiated, in
    /// which case RSV1 has been refused before.
    pub(in crate::connection) fn inflating(&mut self) -> Option<&mut Inflating> {
        let agreement = self.agreed.deflate()?;
        let (direction, engine) = (agreement.direction(self.sender), agreement.engine);
        if let Some(kept) = self.rare.as_mut().and_then(|rare| rare.codecs.inflating.as_deref_mut())
        {
            return Some(kept);
        }
        Some(self.local.get_or_insert_with(|| {
            Inflating::new(engine.decompressor(direction.window_bits, direction.context_takeover))
        }))
    }

    /// Returns true if the decoder has more output without more input.
    pub(in crate::connection) fn is_pending(&self) -> bool {
        let inflating = self.rare.as_ref().and_then(|rare| rare.codecs.inflating.as_ref());
        inflating.is_some_and(|inflating| inflating.is_pending())
    }

    /// Ends a message. Without context takeover it frees the decoder.
    pub(in crate::connection) fn end(&mut self) {
        if let Some(agreement) = self.agreed.deflate()
            && !agreement.direction(self.sender).context_takeover
        {
            self.local = None;
            if let Some(rare) = self.rare.as_mut()
                && rare.codecs.inflating.take().is_some()
                && rare.is_empty()
            {
                *self.rare = None;
            }
        }
    }

    /// Ends the loan: keeps the decoder if the next call needs it, and charges its heap.
    pub(in crate::connection) fn keep(self, config: &Config) {
        if let Some(local) = self.local {
            self.rare.get_or_insert_default().codecs.inflating = Some(Box::new(local));
        }
        if let Some(rare) = self.rare
            && let Some(kept) = rare.codecs.inflating.as_deref_mut()
            && let Some(budget) = config.memory_budget()
        {
            kept.settle(budget);
        }
    }
}
