//! The agreement about compression, if there is one.

use core::fmt::DebugStruct;

use crate::deflate::Agreement;
use crate::frame::RSV1;

/// The agreement about compression.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Agreed(Option<Agreement>);

impl Agreed {
    /// Messages are not compressed.
    pub(crate) const NONE: Self = Self(None);

    /// Creates a value for messages that may be compressed.
    pub(crate) const fn new(agreement: Agreement) -> Self {
        Self(Some(agreement))
    }

    /// Returns the reserved bits that may be set in the first frame of a message.
    #[inline]
    pub(crate) const fn rsv(&self) -> u8 {
        if self.0.is_some() { RSV1 } else { 0 }
    }

    /// Returns the agreement, `None` if messages are not compressed.
    #[inline]
    pub(crate) const fn deflate(&self) -> Option<&Agreement> {
        self.0.as_ref()
    }

    /// Adds the agreement to debug output.
    pub(crate) fn add_to(self, output: &mut DebugStruct<'_, '_>) {
        output.field("deflate", &self.0);
    }
}
