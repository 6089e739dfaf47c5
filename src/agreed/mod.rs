//! The agreement about compression.
//!
//! This module has two bodies: `on` with the feature `deflate`, `off` without. Both have the type
//! [`Agreed`] with the same functions, so that other modules need no `cfg`:
//!
//! * `Agreed::NONE`: messages are not compressed. `Agreed` is `Copy`; in `off` it has no size.
//! * `rsv`: the reserved bits that the first frame of a message may have.
//! * `add_to`: adds the agreement to debug output.
//!
//! `on` has more, for callers that are themselves compiled with the feature only: `new`, and `deflate`,
//! the agreement itself.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

#[cfg(not(feature = "deflate"))]
pub(crate) use crate::agreed::off::Agreed;
#[cfg(feature = "deflate")]
pub(crate) use crate::agreed::on::Agreed;
