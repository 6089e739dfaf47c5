//! Compression of output.
//!
//! This module has two bodies: `on` with the feature `deflate`, `off` without. Both have these methods of
//! [`Connection`](crate::connection::state::Connection): `write_compressed` and `write_compressed_part`
//! append a message or a part compressed, or append nothing and return `None`. `compressed_form` chooses a
//! form of a prepared message; after sending it, `follow` gives the message to the encoder.
//! `drop_compressing` frees the encoder.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;
