//! The decoder, lent by a connection for one call.
//!
//! This module has two bodies: `on` with the feature `deflate`, `off` without. Both have the type
//! [`Inflater`]. `new` begins the loan, and `keep` ends it. `rsv` returns the reserved bits that the first
//! frame of a message may have, and `is_pending` returns whether the decoder has output left without more
//! input.
//!
//! `on` has more, for callers that are themselves compiled with the feature only: `begin` and `end` of a
//! message, and `inflating`, the decoder itself.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

#[cfg(not(feature = "deflate"))]
pub(in crate::connection) use crate::connection::compression::inflater::off::Inflater;
#[cfg(feature = "deflate")]
pub(in crate::connection) use crate::connection::compression::inflater::on::Inflater;
