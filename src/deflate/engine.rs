//! The choice of the compression engine. It is a value: a feature would choose for all crates of a
//! program at once.

use bytes::BytesMut;

use crate::deflate::decoder::{Corrupt, Decoder, Progress};
use crate::deflate::encoder::Encoder;
use crate::deflate::level::Level;
#[cfg(feature = "miniz_oxide")]
use crate::deflate::miniz;
use crate::deflate::window_bits::WindowBits;

/// The engine that compresses and inflates.
///
/// ```
/// use sansocket::deflate::{Deflate, Engine, Level};
///
/// let deflate = Deflate::options().engine(Engine::Native).level(Level::Best).build()?;
/// # drop(deflate);
/// # Ok::<(), sansocket::error::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// The engine of this crate: windows of 8 to 15 bits, and memory in proportion to the window.
    #[default]
    Native,
    /// The crate `miniz_oxide` (feature `miniz_oxide`).
    ///
    /// Its limitations:
    /// * It does not compress with a window of less than 15 bits. Such windows are not negotiated.
    /// * It does not detect references beyond a peer's window of less than 15 bits, or to before
    ///   the first byte of the connection. It returns zeros for the latter.
    /// * It can't undo a message that didn't shrink. With context takeover such a message is sent
    ///   compressed, some bytes longer.
    /// * It has to compress a [`Prepared`](crate::Prepared) message again to add it to its window.
    /// * It takes 319 KB for compressing and 43 KB for inflating, with any window.
    #[cfg(feature = "miniz_oxide")]
    MinizOxide,
}

impl Engine {
    /// Returns the smallest window that the encoder supports.
    pub(crate) const fn min_window_bits(self) -> WindowBits {
        match self {
            Self::Native => WindowBits::MIN,
            #[cfg(feature = "miniz_oxide")]
            Self::MinizOxide => WindowBits::MAX,
        }
    }

    pub(crate) fn compressor(self, bits: WindowBits, level: Level, takeover: bool) -> Compressor {
        match self {
            Self::Native => Compressor::Native(Encoder::new(bits, level, takeover)),
            #[cfg(feature = "miniz_oxide")]
            Self::MinizOxide => Compressor::Miniz(miniz::Compressor::new(level, takeover)),
        }
    }

    pub(crate) const fn decompressor(self, bits: WindowBits, takeover: bool) -> Decompressor {
        match self {
            Self::Native => Decompressor::Native(Decoder::new(bits, takeover)),
            #[cfg(feature = "miniz_oxide")]
            Self::MinizOxide => Decompressor::Miniz(miniz::Decompressor::new(takeover)),
        }
    }
}

/// An encoder of one of the engines. The methods are those of [`Encoder`].
#[derive(Debug)]
pub(crate) enum Compressor {
    Native(Encoder),
    #[cfg(feature = "miniz_oxide")]
    Miniz(miniz::Compressor),
}

impl Compressor {
    pub(crate) fn message(&mut self, message: &[u8], out: &mut BytesMut) -> bool {
        match self {
            Self::Native(encoder) => encoder.message(message, out),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(compressor) => compressor.message(message, out),
        }
    }

    pub(crate) fn part(&mut self, part: &[u8], end: bool, out: &mut BytesMut) {
        match self {
            Self::Native(encoder) => encoder.part(part, end, out),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(compressor) => compressor.part(part, end, out),
        }
    }

    pub(crate) fn follow(&mut self, message: &[u8]) {
        match self {
            Self::Native(encoder) => encoder.follow(message),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(compressor) => compressor.follow(message),
        }
    }

    /// Returns the number of heap bytes that it holds.
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Native(encoder) => encoder.capacity(),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(compressor) => compressor.capacity(),
        }
    }

    /// Returns the number of heap bytes that it holds while and after it compresses a message of
    /// `len` bytes, at most.
    pub(crate) fn capacity_for_message(&self, len: usize) -> usize {
        match self {
            Self::Native(encoder) => encoder.capacity_for_message(len),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(_) => miniz::Compressor::CAPACITY,
        }
    }

    /// Returns the same number for a part of a message.
    pub(crate) fn capacity_for_part(&self, len: usize) -> usize {
        match self {
            Self::Native(encoder) => encoder.capacity_for_part(len),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(_) => miniz::Compressor::CAPACITY,
        }
    }

    /// Keeps the heap from growing, as far as possible, or allows it again.
    pub(crate) const fn hold(&mut self, held: bool) {
        match self {
            Self::Native(encoder) => encoder.hold(held),
            // Its heap has a fixed size.
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(_) => {}
        }
    }
}

/// A decoder of one of the engines. The methods are those of [`Decoder`].
#[derive(Debug)]
pub(crate) enum Decompressor {
    Native(Decoder),
    #[cfg(feature = "miniz_oxide")]
    Miniz(miniz::Decompressor),
}

impl Decompressor {
    pub(crate) fn inflate(
        &mut self,
        input: &[u8],
        message: &mut [u8],
        at: usize,
    ) -> Result<Progress, Corrupt> {
        match self {
            Self::Native(decoder) => decoder.inflate(input, message, at),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(decompressor) => decompressor.inflate(input, message, at),
        }
    }

    pub(crate) fn slide(&mut self, message: &[u8]) {
        match self {
            Self::Native(decoder) => decoder.slide(message),
            // It keeps a copy of its window.
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(_) => {}
        }
    }

    pub(crate) fn finish(&mut self, message: &[u8]) -> Result<(), Corrupt> {
        match self {
            Self::Native(decoder) => decoder.finish(message),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(decompressor) => decompressor.finish(),
        }
    }

    /// Returns the number of heap bytes that it holds.
    pub(crate) const fn capacity(&self) -> usize {
        match self {
            Self::Native(decoder) => decoder.capacity(),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(decompressor) => decompressor.capacity(),
        }
    }
}
