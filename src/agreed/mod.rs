//! The agreement about compression.
//!
//! This module has two bodies: `on` with the feature `deflate`, `off` without it. Both have the
//! type [`Agreed`] with the same functions, so that other modules need no `cfg`:
//!
//! * `Agreed::NONE`: messages are not compressed. `Agreed` is `Copy`. In `off` it is zero-sized.
//! * `rsv`: the reserved bits that may be set in the first frame of a message.
//! * `add_to`: adds the agreement to debug output.
//!
//! `on` has two more, for callers that are compiled only with the feature: `new`, and `deflate`,
//! which returns the agreement.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

#[cfg(not(feature = "deflate"))]
pub(crate) use crate::agreed::off::Agreed;
#[cfg(feature = "deflate")]
pub(crate) use crate::agreed::on::Agreed;
