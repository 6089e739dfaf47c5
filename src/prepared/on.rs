//! Compressed forms.

use core::fmt;

#[cfg(feature = "std")]
use alloc::sync::Arc;
use alloc::vec::Vec;
#[cfg(feature = "std")]
use std::sync::OnceLock;

use bytes::BytesMut;

use crate::deflate::{Encoder, Level, WindowBits};
use crate::frame::{FrameHeader, RSV1};
use crate::prepared::{Encoded, Prepared};

/// The compressed forms of a message.
#[derive(Clone)]
pub(super) struct Forms(Vec<Form>);

/// A compressed form, made when it is first sent: it can be inflated with any window that is as large,
/// whatever came before. Without std there is no cell for it that threads can share: it is made when it
/// is added.
#[derive(Clone)]
struct Form {
    window_bits: WindowBits,
    level: Level,
    #[cfg(feature = "std")]
    made: Arc<OnceLock<Option<Encoded>>>,
    #[cfg(not(feature = "std"))]
    made: Option<Encoded>,
}

impl Form {
    /// `None`: the message doesn't shrink.
    #[cfg(feature = "std")]
    fn encoded(&self, message: &Prepared) -> Option<&Encoded> {
        if self.made.get().is_none() {
            // Not `get_or_init`: no thread waits while another one compresses.
            let _ = self.made.set(compress(message, self.window_bits, self.level));
        }
        self.made()
    }

    #[cfg(not(feature = "std"))]
    const fn encoded(&self, _: &Prepared) -> Option<&Encoded> {
        self.made()
    }

    /// `None`: it isn't made yet, or the message doesn't shrink.
    #[cfg(feature = "std")]
    fn made(&self) -> Option<&Encoded> {
        self.made.get()?.as_ref()
    }

    #[cfg(not(feature = "std"))]
    const fn made(&self) -> Option<&Encoded> {
        self.made.as_ref()
    }
}

/// `None`: the message doesn't shrink.
fn compress(message: &Prepared, window_bits: WindowBits, level: Level) -> Option<Encoded> {
    let mut payload = BytesMut::new();
    if !Encoder::new(window_bits, level, false).message(message.payload(), &mut payload) {
        return None;
    }
    let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    let header = FrameHeader { rsv: RSV1, ..FrameHeader::new(message.kind.opcode(), len) };
    Some(Encoded::new(header, &payload))
}

impl Prepared {
    /// Adds a compressed form for the connections that have agreed on a window of at least so many
    /// bits; for those with less, call it again with less. Without one, or where none fits, the message
    /// is sent as it is, and also if it doesn't shrink.
    ///
    /// The form is made by the first send to a connection that it fits, for all clones: a message that
    /// no such connection gets costs nothing. Threads whose sends are the first at the same time make it
    /// each. Without the feature `std` this call makes the form.
    ///
    /// It refers to nothing but itself, so it is somewhat longer than the output of a connection with
    /// context takeover. About secrets see [`Compress::Never`](crate::message::Compress::Never).
    ///
    /// ```
    /// use sansocket::Prepared;
    /// use sansocket::deflate::{Level, WindowBits};
    ///
    /// let news = Prepared::text("for all").with_deflate(WindowBits::DEFAULT, Level::Balanced);
    /// # drop(news);
    /// ```
    #[must_use]
    pub fn with_deflate(mut self, window_bits: WindowBits, level: Level) -> Self {
        // No reference goes further back than the message's beginning: less will do for a short one.
        let enough = (WindowBits::MIN.get()..window_bits.get())
            .filter_map(WindowBits::new)
            .find(|bits| bits.len() >= self.payload().len());
        let window_bits = enough.unwrap_or(window_bits);
        #[cfg(feature = "std")]
        let made = Arc::new(OnceLock::new());
        #[cfg(not(feature = "std"))]
        let made = compress(&self, window_bits, level);
        self.compressed.0.push(Form { window_bits, level, made });
        self
    }

    /// The shortest form that this window is large enough for.
    pub(crate) fn compressed(&self, window_bits: WindowBits) -> Option<&Encoded> {
        let fitting = self.compressed.0.iter().filter(|form| form.window_bits <= window_bits);
        fitting.filter_map(|form| form.encoded(self)).min_by_key(|encoded| encoded.frame.len())
    }
}

impl Forms {
    pub(super) const NONE: Self = Self(Vec::new());

    /// Adds the forms to debug output.
    pub(super) fn add_to(&self, output: &mut fmt::DebugStruct<'_, '_>) {
        output.field("forms", &self.0);
    }
}

impl fmt::Debug for Form {
    /// No data: debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form")
            .field("window_bits", &self.window_bits)
            .field("level", &self.level)
            .field("len", &self.made().map(|encoded| encoded.payload().len()))
            .finish()
    }
}
