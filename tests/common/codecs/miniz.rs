//! miniz_oxide. Its compressor has a parameter for the size of the window but exceeds it (0.9.1),
//! so it is only used with the largest.

use miniz_oxide::DataFormat;
use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, TDEFLStatus, compress,
};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::{Flush, Refused, Step, Strategy};

/// A compressor of raw deflate, with a window of 15 bits.
pub struct Deflater(Box<CompressorOxide>);

/// An inflater of raw deflate, which writes to a window of the negotiated length.
pub struct Inflater {
    state: DecompressorOxide,
    window: Vec<u8>,
    at: usize,
}

/// An inflater that writes consecutive messages to one buffer: the faster of its two forms. It
/// checks distances only against the start of the window.
pub struct LinearInflater {
    state: DecompressorOxide,
    buffer: Vec<u8>,
    at: usize,
}

impl Deflater {
    pub fn new(level: u8) -> Self {
        Self::with_strategy(level, Strategy::Default)
    }

    pub fn with_strategy(level: u8, strategy: Strategy) -> Self {
        let strategy = match strategy {
            Strategy::Default => CompressionStrategy::Default,
            Strategy::Filtered => CompressionStrategy::Filtered,
            Strategy::Fixed => CompressionStrategy::Fixed,
            Strategy::HuffmanOnly => CompressionStrategy::HuffmanOnly,
            Strategy::Rle => CompressionStrategy::RLE,
        };
        Self(Box::new(CompressorOxide::with_params(DataFormat::Raw, level, strategy, 15)))
    }

    /// Compresses all of `input`; returns the length of the output, which must have room for it.
    pub fn compress(&mut self, input: &[u8], out: &mut [u8], flush: Flush) -> usize {
        let flush = match flush {
            Flush::Sync => TDEFLFlush::Sync,
            Flush::Full => TDEFLFlush::Full,
            Flush::Finish => TDEFLFlush::Finish,
        };
        let (status, read, written) = compress(&mut self.0, input, out, flush);
        assert!(matches!(status, TDEFLStatus::Okay | TDEFLStatus::Done), "{status:?}");
        assert!(read == input.len() && written < out.len(), "no room");
        written
    }

    pub fn reset(&mut self) {
        self.0.reset();
    }
}

impl Inflater {
    /// `window_bits` 8 to 15.
    pub fn new(window_bits: u8) -> Self {
        // It accepts references to before the start of the data: the window must be zeroed.
        Self { state: DecompressorOxide::new(), window: vec![0; 1 << window_bits], at: 0 }
    }

    /// Appends the inflated input to `out`, up to the end of the input or of a last block.
    pub fn inflate(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Step, Refused> {
        let before = out.len();
        let mut read = 0;
        loop {
            let (status, taken, written) = decompress(
                &mut self.state,
                &input[read..],
                &mut self.window,
                self.at,
                TINFL_FLAG_HAS_MORE_INPUT,
            );
            read += taken;
            out.extend_from_slice(&self.window[self.at..self.at + written]);
            self.at = (self.at + written) % self.window.len();
            let ended = match status {
                TINFLStatus::HasMoreOutput => continue,
                TINFLStatus::NeedsMoreInput => false,
                TINFLStatus::Done => true,
                TINFLStatus::FailedCannotMakeProgress
                | TINFLStatus::BadParam
                | TINFLStatus::Adler32Mismatch
                | TINFLStatus::Failed
                | _ => return Err(Refused),
            };
            return Ok(Step { read, written: out.len() - before, ended });
        }
    }

    /// Clears all history.
    pub fn reset(&mut self) {
        self.state.init();
        self.window.fill(0);
        self.at = 0;
    }
}

impl LinearInflater {
    /// For messages of at most `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self {
            state: DecompressorOxide::new(),
            buffer: vec![0; 2 * WINDOW_LEN + longest + 1],
            at: 0,
        }
    }

    /// Inflates a complete message, with its tail.
    pub fn message(&mut self, input: &[u8], takeover: bool) -> &[u8] {
        if !takeover {
            self.state.init();
            self.at = 0;
        } else if self.at > 2 * WINDOW_LEN {
            self.buffer.copy_within(self.at - WINDOW_LEN..self.at, 0);
            self.at = WINDOW_LEN;
        }
        let flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) =
            decompress(&mut self.state, input, &mut self.buffer, self.at, flags);
        assert!(status == TINFLStatus::NeedsMoreInput && read == input.len(), "{status:?}");
        self.at += written;
        &self.buffer[self.at - written..self.at]
    }
}

const WINDOW_LEN: usize = 1 << 15;
