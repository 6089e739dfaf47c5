//! Without the feature `deflate` there is no agreement about compression.

use core::fmt::DebugStruct;

/// The agreement about compression: always none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Agreed;

impl Agreed {
    /// Messages are not compressed.
    pub(crate) const NONE: Self = Self;

    /// Returns the reserved bits that may be set in the first frame of a message.
    pub(crate) const fn rsv(self) -> u8 {
        0
    }

    /// Adds the agreement to debug output.
    pub(crate) const fn add_to(self, _: &mut DebugStruct<'_, '_>) {}
}
