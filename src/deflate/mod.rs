//! permessage-deflate ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692); feature `deflate`):
//! negotiation as pure functions, and a compression engine with exact windows.
//!
//! To enable compression, read the security section of [`Deflate`], and give one to
//! [`AcceptOptions::deflate`](crate::AcceptOptions::deflate) or
//! [`ConnectRequest::deflate`](crate::ConnectRequest::deflate). The rest of this module is for
//! programs that do the handshake with another library ([`Deflate::answer`], [`Deflate::offer`],
//! [`Deflate::agree`], [`Agreement`]), or that use only the engine.
//!
//! The engine does not depend on frames. The [`Encoder`] compresses messages into payloads, the
//! [`Decoder`] inflates payloads, which may be cut at any byte.
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::deflate::{Decoder, Encoder, Level, Needs, WindowBits};
//!
//! let window_bits = WindowBits::new(12).expect("8 to 15");
//! let mut encoder = Encoder::new(window_bits, Level::Balanced, true);
//! let mut decoder = Decoder::new(window_bits, true);
//! for n in 0..3 {
//!     let message = format!("message number {n}, and much like the one before");
//!     let mut payload = BytesMut::new();
//!     // False: the message doesn't shrink; send it uncompressed.
//!     if encoder.message(message.as_bytes(), &mut payload) {
//!         let mut inflated = [0; 100];
//!         let progress = decoder.inflate(&payload, &mut inflated, 0)?;
//!         assert_eq!(progress.needs, Needs::Input);
//!         let inflated = &inflated[..progress.written];
//!         decoder.finish(inflated)?;
//!         assert_eq!(inflated, message.as_bytes());
//!     }
//! }
//! # Ok::<(), sansocket::deflate::Corrupt>(())
//! ```
//!
//! # Memory
//!
//! Each connection has its windows. In addition, each thread that compresses or inflates keeps
//! about 200 KB of scratch memory with the feature `std`. Without it, a call allocates this memory
//! and frees it when it returns.

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
pub use crate::deflate::decoder::{Corrupt, Decoder, Needs, Progress};
pub use crate::deflate::encoder::Encoder;
pub use crate::deflate::engine::Engine;
pub(crate) use crate::deflate::engine::{Compressor, Decompressor};
pub use crate::deflate::level::Level;
pub use crate::deflate::negotiation::Answer;
pub use crate::deflate::options::{Deflate, DeflateOptions};
pub use crate::deflate::window_bits::WindowBits;
