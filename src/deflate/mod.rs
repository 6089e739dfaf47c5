//! permessage-deflate ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)): negotiation as pure
//! functions, and an engine whose window is exact.
//!
//! The engine knows nothing of frames: the [`Encoder`] turns messages into compressed payloads, the
//! [`Decoder`] turns them back, in pieces of any length.

mod agreement;
mod decoder;
mod encoder;
mod engine;
mod level;
#[cfg(feature = "miniz_oxide")]
mod miniz;
mod negotiation;
mod options;
mod parameters;
mod tables;
mod window_bits;

pub use crate::deflate::agreement::{Agreement, Direction};
pub use crate::deflate::decoder::{Corrupt, Decoder, Progress, Wants};
pub use crate::deflate::encoder::Encoder;
pub use crate::deflate::engine::Engine;
pub(crate) use crate::deflate::engine::{Compressor, Decompressor};
pub use crate::deflate::level::Level;
pub use crate::deflate::negotiation::Answer;
pub use crate::deflate::options::{Deflate, DeflateOptions};
pub use crate::deflate::window_bits::WindowBits;
