//! The engine `miniz_oxide`. [`Engine::MinizOxide`](crate::deflate::Engine) lists its limitations.

use alloc::boxed::Box;
use core::fmt;

use bytes::BytesMut;
use miniz_oxide::DataFormat;
use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, TDEFLStatus, compress,
};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::deflate::decoder::{Corrupt, Needs, Progress};
use crate::deflate::level::Level;

/// The end of each flush: the lengths of an empty stored block. It is removed at the end of a
/// message (RFC 7692 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The only window that the encoder supports, in bytes.
const WINDOW: usize = 1 << 15;

/// The minimal room for output, in bytes, that a call of the encoder gets. The tail fits.
const ROOM: usize = 1024;

pub(crate) struct Compressor {
    level: Level,
    context_takeover: bool,
    /// 319 KB. So it is made for the first message and, without context takeover, freed after each.
    core: Option<Box<CompressorOxide>>,
}

impl Compressor {
    /// The heap of a [`CompressorOxide`], in bytes, rounded up.
    pub(crate) const CAPACITY: usize = 312 * 1024;

    pub(crate) const fn new(level: Level, context_takeover: bool) -> Self {
        Self { level, context_takeover, core: None }
    }

    pub(crate) fn message(&mut self, message: &[u8], out: &mut BytesMut) -> bool {
        if message.is_empty() {
            return false;
        }
        let before = out.len();
        self.part(message, true, out);
        // With context takeover it can't be undone: the bytes are in the encoder's window already,
        // so they must get into the peer's.
        let longer = out.len() - before >= message.len();
        if longer && !self.context_takeover {
            out.truncate(before);
            return false;
        }
        true
    }

    pub(crate) fn part(&mut self, part: &[u8], end: bool, out: &mut BytesMut) {
        self.flush(part, out);
        if !end {
            return;
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if !self.context_takeover {
            self.core = None;
        }
    }

    pub(crate) const fn capacity(&self) -> usize {
        if self.core.is_some() { Self::CAPACITY } else { 0 }
    }

    pub(crate) fn follow(&mut self, message: &[u8]) {
        if self.core.is_some() {
            // Its interface has no other way to add bytes to the window.
            self.flush(message, &mut BytesMut::new());
        }
    }

    /// Compresses all bytes. The output ends on a byte boundary, with the tail.
    fn flush(&mut self, mut rest: &[u8], out: &mut BytesMut) {
        let level = self.level;
        let core = self.core.get_or_insert_with(|| {
            let level = match level {
                Level::Fast => 1,
                Level::Balanced => 6,
                Level::Best => 9,
            };
            let strategy = CompressionStrategy::Default;
            Box::new(CompressorOxide::with_params(DataFormat::Raw, level, strategy, 15))
        });
        let mut flush = TDEFLFlush::Sync;
        loop {
            let at = out.len();
            let room = ROOM.max(rest.len() / 2);
            out.resize(at + room, 0);
            let place = out.get_mut(at..).unwrap_or_default();
            let (status, read, written) = compress(core, rest, place, flush);
            out.truncate(at + written);
            rest = rest.get(read..).unwrap_or_default();
            // If the room is not full, there is no more output.
            if status != TDEFLStatus::Okay || (written < room && rest.is_empty()) {
                return;
            }
            if rest.is_empty() {
                // Get the rest of its output. Another call with `Sync` would add a second tail.
                flush = TDEFLFlush::None;
            }
        }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("level", &self.level).finish_non_exhaustive()
    }
}

pub(crate) struct Decompressor {
    context_takeover: bool,
    failed: bool,
    state: Option<Box<State>>,
}

struct State {
    core: DecompressorOxide,
    /// Initially zeros, so that a wrong reference can't show data of another connection.
    window: [u8; WINDOW],
    /// The position of the next byte in the window.
    at: usize,
    /// The number of bytes before `at` that were not copied to the message yet.
    pending: usize,
    /// True if it may have more output without more input.
    more: bool,
    /// True if there was no input since the message began, or since a block with BFINAL.
    fresh: bool,
    /// True if there is a fault after the pending bytes.
    corrupt: bool,
}

impl Decompressor {
    pub(crate) const fn new(context_takeover: bool) -> Self {
        Self { context_takeover, failed: false, state: None }
    }

    pub(crate) fn inflate(
        &mut self,
        input: &[u8],
        message: &mut [u8],
        at: usize,
    ) -> Result<Progress, Corrupt> {
        if self.failed {
            return Err(Corrupt { written: 0 });
        }
        let state = self.state.get_or_insert_with(|| {
            Box::new(State {
                core: DecompressorOxide::new(),
                window: [0; WINDOW],
                at: 0,
                pending: 0,
                more: false,
                fresh: true,
                corrupt: false,
            })
        });
        let result = state.inflate(input, message.get_mut(at..).unwrap_or_default());
        if result.is_err() {
            self.fail();
        }
        result
    }

    pub(crate) const fn capacity(&self) -> usize {
        if self.state.is_some() { size_of::<State>() } else { 0 }
    }

    pub(crate) fn finish(&mut self) -> Result<(), Corrupt> {
        let Some(state) = &mut self.state else {
            return if self.failed { Err(Corrupt { written: 0 }) } else { Ok(()) };
        };
        if !state.fresh {
            let mut none = [];
            let tail = state.inflate(&TAIL, &mut none);
            let whole = Progress { read: TAIL.len(), written: 0, needs: Needs::Input };
            // Without the second condition the tail could be data of a block that has not ended.
            if tail != Ok(whole) || state.core.block_boundary_state().is_none() {
                return Err(self.fail());
            }
            state.fresh = true;
        }
        if !self.context_takeover {
            self.state = None;
        }
        Ok(())
    }

    fn fail(&mut self) -> Corrupt {
        self.failed = true;
        self.state = None;
        Corrupt { written: 0 }
    }
}

impl State {
    fn inflate(&mut self, input: &[u8], room: &mut [u8]) -> Result<Progress, Corrupt> {
        let (mut read, mut written) = (0, 0);
        loop {
            written += self.hand_out(room.get_mut(written..).unwrap_or_default());
            if self.pending > 0 {
                return Ok(Progress { read, written, needs: Needs::Room });
            }
            if self.corrupt {
                return Err(Corrupt { written });
            }
            let rest = input.get(read..).unwrap_or_default();
            if rest.is_empty() && !self.more {
                return Ok(Progress { read, written, needs: Needs::Input });
            }
            let at = self.at % WINDOW;
            let (status, taken, given) =
                decompress(&mut self.core, rest, &mut self.window, at, TINFL_FLAG_HAS_MORE_INPUT);
            read += taken;
            self.at = at + given;
            self.pending = given;
            self.fresh &= taken == 0;
            #[expect(clippy::wildcard_enum_match_arm, reason = "all others are failures")]
            match status {
                TINFLStatus::NeedsMoreInput => self.more = false,
                TINFLStatus::HasMoreOutput => self.more = true,
                TINFLStatus::Done => {
                    // BFINAL: the next block begins at the next byte, with the same window.
                    self.core.init();
                    self.more = false;
                    self.fresh = true;
                }
                _ => self.corrupt = true,
            }
        }
    }

    /// Copies pending bytes into the room. Returns their number.
    fn hand_out(&mut self, room: &mut [u8]) -> usize {
        let n = self.pending.min(room.len());
        let from = self.at - self.pending;
        if let (Some(room), Some(bytes)) = (room.get_mut(..n), self.window.get(from..from + n)) {
            room.copy_from_slice(bytes);
        }
        self.pending -= n;
        n
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("failed", &self.failed).finish_non_exhaustive()
    }
}
