//! permessage-deflate ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692); feature `deflate`):
//! negotiation as pure functions, and an engine whose window is exact.
//!
//! To have messages compressed, give a [`Deflate`] to
//! [`AcceptOptions::deflate`](crate::AcceptOptions::deflate) or
//! [`ConnectRequest::deflate`](crate::ConnectRequest::deflate), after reading its warning. The rest of
//! this module is for those who do the handshake elsewhere ([`Deflate::answer`], [`Deflate::offer`],
//! [`Deflate::agree`], [`Agreement`]), and for those who want the engine alone.
//!
//! The engine knows nothing of frames: the [`Encoder`] turns messages into compressed payloads, the
//! [`Decoder`] turns them back, in pieces of any length.
//!
//! Beside the windows of the connections each thread that compresses and inflates keeps some 200 KB
//! of scratch under `std`; without it that is allocated for the length of a call.
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
//!     // False: it doesn't shrink, and is to be sent as it is.
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
