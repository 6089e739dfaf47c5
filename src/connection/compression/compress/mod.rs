//! Compression of output.
//!
//! This module has two implementations: `on` with the feature `deflate`, `off` without it. Both
//! have these methods of [`Connection`](crate::connection::state::Connection):
//!
//! * `write_compressed` and `write_compressed_part` append a message or a part compressed, or
//!   append no bytes and return `None`.
//! * `compressed_form` returns the form of a prepared message that the peer can inflate. After it
//!   was sent, `follow` passes the message to the encoder.
//! * `drop_compressing` frees the encoder.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;
