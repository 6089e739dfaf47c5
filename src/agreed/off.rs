//! Nothing can be agreed on about compression.

use core::fmt::DebugStruct;

/// The agreement about compression: never any.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Agreed;

impl Agreed {
    /// Messages are not compressed.
    pub(crate) const NONE: Self = Self;

    /// Which reserved bits the first frame of a message may have.
    pub(crate) const fn rsv(self) -> u8 {
        0
    }

    /// Adds the agreement to debug output.
    pub(crate) const fn add_to(self, _: &mut DebugStruct<'_, '_>) {}
}
