//! The compressed forms of a prepared message.
//!
//! This module has two bodies: `on` with the feature `deflate`, `off` without it. Both have the
//! type [`Forms`] with the same functions, so that other modules need no `cfg`:
//!
//! * `Forms::NONE`: no compressed form. In `off` it is zero-sized.
//! * `add_to`: adds the forms to debug output.
//!
//! `on` has two more, for callers that are compiled only with the feature: `add`, and `shortest`,
//! which chooses a form.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

#[cfg(not(feature = "deflate"))]
pub(super) use crate::prepared::forms::off::Forms;
#[cfg(feature = "deflate")]
pub(super) use crate::prepared::forms::on::Forms;
