//! The two halves of permessage-deflate in a connection.
//!
//! This module has two bodies: `on` with the feature `deflate`, `off` without. Both have these
//! items, so that the rest of the connection needs no `cfg`:
//!
//! * [`Halves`]: the encoder and the decoder that outlive a call, in `Rare`. `is_empty`, and `clear`
//!   frees both.
//! * [`Inflater`]: the decoder that the connection lends while it assembles messages. `new` borrows
//!   it; `rsv`, the reserved bits that the first frame of a message may have; `is_pending`, whether
//!   the decoder has output left without more input; `keep` ends the loan.
//! * [`InflateFault`]: an error of the decoder.
//! * Methods of [`Connection`](crate::connection::Connection): `write_compressed` and
//!   `write_compressed_part` append a message or a part compressed, or return `None` and append
//!   nothing. `compressed_form` chooses a form of a prepared message, and `follow` takes a message
//!   in that was sent so. `drop_compressing` frees the encoder.
//!
//! In `off` the types have no size or no value, and the methods do nothing.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

#[cfg(not(feature = "deflate"))]
pub(super) use crate::connection::compression::off::{Halves, InflateFault, Inflater};
#[cfg(feature = "deflate")]
pub(super) use crate::connection::compression::on::{Halves, InflateFault, Inflater, Inflating};
