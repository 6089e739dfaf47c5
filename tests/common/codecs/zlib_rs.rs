//! zlib-rs.

use zlib_rs::{DeflateConfig, DeflateFlush, InflateFlush, Method, Status};

use super::{Flush, Refused, Step, Strategy};

/// A compressor of raw deflate.
pub struct Deflater(zlib_rs::Deflate);

/// An inflater of raw deflate.
pub struct Inflater(zlib_rs::Inflate);

impl Deflater {
    /// Level 1 to 9, `window_bits` 9 to 15, with its default memory.
    pub fn new(level: i32, window_bits: u8) -> Self {
        Self::with_strategy(level, window_bits, 8, Strategy::Default)
    }

    pub fn with_strategy(level: i32, window_bits: u8, mem_level: i32, strategy: Strategy) -> Self {
        let strategy = match strategy {
            Strategy::Default => zlib_rs::Strategy::Default,
            Strategy::Filtered => zlib_rs::Strategy::Filtered,
            Strategy::Fixed => zlib_rs::Strategy::Fixed,
            Strategy::HuffmanOnly => zlib_rs::Strategy::HuffmanOnly,
            Strategy::Rle => zlib_rs::Strategy::Rle,
        };
        Self(zlib_rs::Deflate::new_with_config(DeflateConfig {
            level,
            method: Method::Deflated,
            window_bits: -i32::from(window_bits),
            mem_level,
            strategy,
        }))
    }

    /// Compresses all of `input`; returns the length of the output, which must have room for it.
    pub fn compress(&mut self, input: &[u8], out: &mut [u8], flush: Flush) -> usize {
        let flush = match flush {
            Flush::Sync => DeflateFlush::SyncFlush,
            Flush::Full => DeflateFlush::FullFlush,
            Flush::Finish => DeflateFlush::Finish,
        };
        let (read, before) = (self.0.total_in(), self.0.total_out());
        // It never reads the content of `out`: this is as fast as its form for uninitialised
        // memory.
        self.0.compress(input, out, flush).unwrap();
        let written = (self.0.total_out() - before) as usize;
        assert!(self.0.total_in() - read == input.len() as u64 && written < out.len(), "no room");
        written
    }

    pub fn reset(&mut self) {
        self.0.reset();
    }
}

impl Inflater {
    /// `window_bits` 8 to 15.
    pub fn new(window_bits: u8) -> Self {
        Self(zlib_rs::Inflate::new(false, window_bits))
    }

    /// Inflates until the input or the room is used up, or a last block has ended.
    pub fn inflate(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Refused> {
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, out, InflateFlush::SyncFlush).map_err(|_| Refused)?;
        Ok(Step {
            read: (self.0.total_in() - read) as usize,
            written: (self.0.total_out() - written) as usize,
            ended: status == Status::StreamEnd,
        })
    }

    /// With 15 bits from then on, whatever its first window.
    pub fn reset(&mut self) {
        self.0.reset(false);
    }
}
