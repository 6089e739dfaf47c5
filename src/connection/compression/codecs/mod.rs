//! The encoder and the decoder of a connection.
//!
//! This module has two bodies: `on` with the feature `deflate`, `off` without. Both have the type
//! [`Codecs`]: the encoder and the decoder that outlive a call. `is_empty` returns whether there are any,
//! `clear` frees them.
//!
//! `on` has more, for callers that are themselves compiled with the feature only: `Inflating`, the decoder
//! with the state of its message, and `Compressing`, the encoder.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

#[cfg(not(feature = "deflate"))]
pub(in crate::connection) use crate::connection::compression::codecs::off::Codecs;
#[cfg(feature = "deflate")]
pub(in crate::connection) use crate::connection::compression::codecs::on::{
    Codecs, Compressing, Inflating,
};
