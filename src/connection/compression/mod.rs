//! permessage-deflate in a connection: the sending and the receiving side.
//!
//! This module has two bodies: `on` with the feature `deflate`, `off` without. Both have these
//! items, so that the rest of the connection needs no `cfg`:
//!
//! * [`Codecs`]: the encoder and the decoder that outlive a call, in `Rare`. `is_empty` tells whether
//!   there are any, `clear` frees them.
//! * [`Inflater`]: the decoder, lent by the connection for one call. `new` begins the loan, and `keep`
//!   ends it. `rsv` returns the reserved bits that the first frame of a message may have, and
//!   `is_pending` tells whether the decoder has output left without more input.
//! * [`InflateFault`]: an error of the decoder.
//! * Methods of [`Connection`](crate::connection::Connection): `write_compressed` and
//!   `write_compressed_part` append a message or a part compressed, or append nothing and return
//!   `None`. `compressed_form` chooses a form of a prepared message; after sending it, `follow` gives
//!   the message to the encoder. `drop_compressing` frees the encoder.
//!
//! In `off` the types have no size or no value, and the methods do nothing. `on` has `Inflating` too,
//! the decoder with the state of its message, for the assembly of compressed messages.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

#[cfg(not(feature = "deflate"))]
pub(super) use crate::connection::compression::off::{Codecs, InflateFault, Inflater};
#[cfg(feature = "deflate")]
pub(super) use crate::connection::compression::on::{Codecs, InflateFault, Inflater, Inflating};
