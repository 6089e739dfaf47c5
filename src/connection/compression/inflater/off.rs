//! Without the feature `deflate` there is no decoder.

use core::marker::PhantomData;

use alloc::boxed::Box;

use crate::agreed::Agreed;
use crate::config::Config;
use crate::connection::rare::Rare;
use crate::role::Role;

/// The decoder that the connection lends: none.
pub(in crate::connection) struct Inflater<'c>(PhantomData<&'c mut Rare>);

impl<'c> Inflater<'c> {
    pub(in crate::connection) const fn new(
        _: &'c Agreed,
        _: Role,
        _: &'c mut Option<Box<Rare>>,
    ) -> Self {
        Self(PhantomData)
    }

    /// Returns the reserved bits that the first frame of a message may have: none.
    pub(in crate::connection) const fn rsv(&self) -> u8 {
        0
    }

    /// Returns true if the decoder has more output without more input.
    pub(in crate::connection) const fn is_pending(&self) -> bool {
        false
    }

    /// Ends the loan.
    pub(in crate::connection) const fn keep(self, _: &Config) {}
}
