//! Which engine compresses and inflates: a value, so that no feature of some dependency decides it.

use bytes::BytesMut;

use crate::deflate::decoder::{Corrupt, Decoder, Progress};
use crate::deflate::encoder::Encoder;
use crate::deflate::level::Level;
#[cfg(feature = "miniz_oxide")]
use crate::deflate::miniz;
use crate::deflate::window_bits::WindowBits;

/// Which engine compresses and inflates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// This crate's own: windows of 8 to 15 bits, as much memory as the window needs.
    #[default]
    Native,
    /// The crate `miniz_oxide` (feature `miniz_oxide`).
    ///
    /// What it can't:
    /// * compress with a window of less than 15 bits: none is agreed on then;
    /// * hold a peer to a window of less than 15 bits, or tell a reference to before the connection's
    ///   first byte: it gives zeros for those;
    /// * take back a message that didn't shrink: with context takeover it is sent nevertheless, some
    ///   bytes longer;
    /// * follow a [`Prepared`](crate::Prepared) message without compressing it again;
    /// * do with less than 319 KB for compressing and 43 KB for inflating.
    #[cfg(feature = "miniz_oxide")]
    MinizOxide,
}

impl Engine {
    /// The smallest window that its encoder can keep to.
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

/// An encoder of either engine; the methods are [`Encoder`]'s.
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

    /// How many bytes of heap it holds.
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Native(encoder) => encoder.capacity(),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(compressor) => compressor.capacity(),
        }
    }

    /// How many it holds after a whole message of `len` bytes, or while it compresses it.
    pub(crate) fn capacity_for_message(&self, len: usize) -> usize {
        match self {
            Self::Native(encoder) => encoder.capacity_for_message(len),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(_) => miniz::Compressor::CAPACITY,
        }
    }

    /// The same for a part of a message.
    pub(crate) fn capacity_for_part(&self, len: usize) -> usize {
        match self {
            Self::Native(encoder) => encoder.capacity_for_part(len),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(_) => miniz::Compressor::CAPACITY,
        }
    }

    /// Whether its heap stays as it is, as far as that is possible.
    pub(crate) const fn hold(&mut self, held: bool) {
        match self {
            Self::Native(encoder) => encoder.hold(held),
            // It never grows.
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(_) => {}
        }
    }
}

/// A decoder of either engine; the methods are [`Decoder`]'s.
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
            // It keeps its window itself.
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

    /// How many bytes of heap it holds.
    pub(crate) const fn capacity(&self) -> usize {
        match self {
            Self::Native(decoder) => decoder.capacity(),
            #[cfg(feature = "miniz_oxide")]
            Self::Miniz(decompressor) => decompressor.capacity(),
        }
    }
}
