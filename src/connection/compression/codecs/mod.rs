//! The encoder and the decoder of a connection.
//!
//! This module has two implementations: `on` with the feature `deflate`, `off` without it. Both
//! have the type [`Codecs`]: the encoder and the decoder that outlive a call. `is_empty` returns
//! true if there are none, `clear` frees them.
//!
//! `on` also has `Inflating`, the decoder with the state of its message, and `Compressing`, the
//! encoder, for callers that are themselves compiled with the feature only.

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
