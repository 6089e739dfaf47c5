//! Compressed forms.

use core::fmt;

use alloc::vec::Vec;

use bytes::BytesMut;

use crate::deflate::{Encoder, Level, WindowBits};
use crate::frame::{FrameHeader, RSV1};
use crate::prepared::{Encoded, Prepared};

/// The compressed forms of a message.
#[derive(Clone)]
pub(super) struct Forms(Vec<Form>);

/// A compressed form: it can be inflated with any window that is as large, whatever came before.
#[derive(Clone)]
struct Form {
    window_bits: WindowBits,
    encoded: Encoded,
}

impl Prepared {
    /// Adds a compressed form, made once, for the connections that have agreed on a window of at
    /// least so many bits; for those with less, call it again with less. Without one, or where none
    /// fits, the message is sent as it is. If it doesn't shrink, nothing is added.
    ///
    /// It refers to nothing but itself, so it is somewhat longer than what a connection with context
    /// takeover would make of it. About secrets see [`Compress::Never`](crate::Compress::Never).
    #[must_use]
    pub fn with_deflate(mut self, window_bits: WindowBits, level: Level) -> Self {
        // No reference goes further back than the message's beginning: less will do for a short one.
        let enough = (WindowBits::MIN.get()..window_bits.get())
            .filter_map(WindowBits::new)
            .find(|bits| bits.len() >= self.payload().len());
        let window_bits = enough.unwrap_or(window_bits);
        let mut payload = BytesMut::new();
        if Encoder::new(window_bits, level, false).message(self.payload(), &mut payload) {
            let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
            let header = FrameHeader { rsv: RSV1, ..FrameHeader::new(self.kind.opcode(), len) };
            let encoded = Encoded::new(header, &payload);
            self.compressed.0.push(Form { window_bits, encoded });
        }
        self
    }

    /// The shortest form that this window is large enough for.
    pub(crate) fn compressed(&self, window_bits: WindowBits) -> Option<&Encoded> {
        let fitting = self.compressed.0.iter().filter(|form| form.window_bits <= window_bits);
        fitting.map(|form| &form.encoded).min_by_key(|encoded| encoded.frame.len())
    }
}

impl Forms {
    pub(super) const NONE: Self = Self(Vec::new());

    /// Adds the forms to debug output.
    pub(super) fn add_to(&self, output: &mut fmt::DebugStruct<'_, '_>) {
        output.field("compressed", &self.0);
    }
}

impl fmt::Debug for Form {
    /// No data: debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressed")
            .field("window_bits", &self.window_bits)
            .field("len", &self.encoded.payload().len())
            .finish()
    }
}
