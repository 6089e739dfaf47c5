//! No message has a compressed form.

use core::fmt::DebugStruct;

/// The compressed forms of a message: never any.
#[derive(Clone)]
pub(super) struct Forms;

impl Forms {
    pub(super) const NONE: Self = Self;

    /// Adds the forms to debug output.
    pub(super) const fn add_to(&self, _: &mut DebugStruct<'_, '_>) {}
}
