//! The decoder, lent by a connection for one call.
//!
//! This module has two implementations: `on` with the feature `deflate`, `off` without it. Both
//! have the type [`Inflater`]. `new` begins the loan, and `keep` ends it. `rsv` returns the
//! reserved bits that the first frame of a message may have. `is_pending` returns true if the
//! decoder has more output without more input.
//!
//! `on` also has `begin` and `end` of a message, and `inflating`, the decoder itself, for callers
//! that are themselves compiled with the feature only.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

#[cfg(not(feature = "deflate"))]
pub(in crate::connection) use crate::connection::compression::inflater::off::Inflater;
#[cfg(feature = "deflate")]
pub(in crate::connection) use crate::connection::compression::inflater::on::Inflater;
