//! Without the feature `deflate` no message has a compressed form.

use core::fmt::DebugStruct;

/// The compressed forms of a message: always none.
#[derive(Clone)]
pub(in crate::prepared) struct Forms;

impl Forms {
    pub(in crate::prepared) const NONE: Self = Self;

    /// Adds the forms to debug output.
    pub(in crate::prepared) const fn add_to(&self, _: &mut DebugStruct<'_, '_>) {}
}
