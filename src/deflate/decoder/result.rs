//! The results of inflating.

use core::fmt;

/// The result of a call of [`Decoder::inflate`](crate::deflate::Decoder::inflate).
///
/// ```
/// use sansocket::deflate::{Decoder, Needs, WindowBits};
///
/// /// Inflates a message, with an output buffer that grows.
/// fn inflate(
///     decoder: &mut Decoder,
///     mut payload: &[u8],
/// ) -> Result<Vec<u8>, sansocket::deflate::Corrupt> {
///     let (mut message, mut len) = (vec![0; 64], 0);
///     loop {
///         let progress = decoder.inflate(payload, &mut message, len)?;
///         payload = &payload[progress.read..];
///         len += progress.written;
///         match progress.needs {
///             Needs::Room => message.resize(2 * message.len(), 0),
///             _ => break,
///         }
///     }
///     message.truncate(len);
///     decoder.finish(&message)?;
///     Ok(message)
/// }
/// # let mut decoder = Decoder::new(WindowBits::MAX, true);
/// # let payload = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// # assert_eq!(inflate(&mut decoder, &payload)?, b"Hello");
/// # Ok::<(), sansocket::deflate::Corrupt>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of input bytes that are used up.
    pub read: usize,
    /// The number of bytes written.
    pub written: usize,
    /// The reason for the return.
    pub needs: Needs,
}

/// The reason for a return of [`Decoder::inflate`](crate::deflate::Decoder::inflate): the decoder
/// needs input or room. [`Progress`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// More input: all of it is used up, and all of its output is written.
    Input,
    /// More room for output: there is at least one more byte.
    Room,
}

/// The error of a compressed message that violates RFC 1951 or RFC 7692. The decoder can't inflate
/// any later message.
///
/// ```
/// use sansocket::deflate::{Decoder, WindowBits};
///
/// let mut decoder = Decoder::new(WindowBits::MAX, true);
/// // The reserved block type 3.
/// let error = decoder.inflate(&[0b110], &mut [0; 10], 0).unwrap_err();
/// assert_eq!(error.written, 0);
/// assert_eq!(error.to_string(), "the compressed message is corrupt");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Corrupt {
    /// The number of bytes that the call has written before the fault. The sum over all calls
    /// doesn't depend on how the message was cut.
    pub written: usize,
}

/// A fault in the compressed data; [`Corrupt`] adds the number of bytes written before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the compressed message is corrupt")
    }
}

impl core::error::Error for Corrupt {}
