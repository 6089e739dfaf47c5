//! The compressed forms, with the feature `deflate`.

use core::fmt;

#[cfg(feature = "std")]
use alloc::sync::Arc;
use alloc::vec::Vec;
#[cfg(feature = "std")]
use std::sync::OnceLock;

use bytes::BytesMut;

use crate::deflate::{Encoder, Level, WindowBits};
use crate::frame::{FrameHeader, RSV1};
use crate::message::MessageKind;
use crate::prepared::encoded::Encoded;

/// The compressed forms of a message.
#[derive(Clone)]
pub(in crate::prepared) struct Forms(Vec<Form>);

/// A compressed form. It refers to no earlier message, so any connection with a window of at least
/// `window_bits` can inflate it.
///
/// The first send makes it. Without `std` there is no `OnceLock` for threads to share it in, so
/// [`Forms::add`] makes it.
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
    /// Returns the form, and makes it first if necessary. `None`: the message doesn't shrink.
    #[cfg(feature = "std")]
    fn encoded(&self, kind: MessageKind, plain: &Encoded) -> Option<&Encoded> {
        if self.made.get().is_none() {
            // Not `get_or_init`, which would block this thread while another one compresses. If
            // both compress, the first result is kept; the two are equal.
            let _ = self.made.set(compress(kind, plain, self.window_bits, self.level));
        }
        self.made()
    }

    #[cfg(not(feature = "std"))]
    const fn encoded(&self, _: MessageKind, _: &Encoded) -> Option<&Encoded> {
        self.made()
    }

    /// Returns the form without making it. `None`: it isn't made yet, or the message doesn't
    /// shrink.
    #[cfg(feature = "std")]
    fn made(&self) -> Option<&Encoded> {
        self.made.get()?.as_ref()
    }

    #[cfg(not(feature = "std"))]
    const fn made(&self) -> Option<&Encoded> {
        self.made.as_ref()
    }
}

/// Compresses a message into one frame. `None`: the message doesn't shrink.
fn compress(
    kind: MessageKind,
    plain: &Encoded,
    window_bits: WindowBits,
    level: Level,
) -> Option<Encoded> {
    let mut payload = BytesMut::new();
    if !Encoder::new(window_bits, level, false).message(plain.payload(), &mut payload) {
        return None;
    }
    let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    let header = FrameHeader { rsv: RSV1, ..FrameHeader::new(kind.opcode(), len) };
    Some(Encoded::new(header, &payload))
}

impl Forms {
    pub(in crate::prepared) const NONE: Self = Self(Vec::new());

    /// Adds a form of the message in `plain`.
    pub(in crate::prepared) fn add(
        &mut self,
        window_bits: WindowBits,
        level: Level,
        kind: MessageKind,
        plain: &Encoded,
    ) {
        // No reference reaches further back than the first byte of the message. So a short message
        // needs a smaller window, and then fits more connections.
        let enough = (WindowBits::MIN.get()..window_bits.get())
            .filter_map(WindowBits::new)
            .find(|bits| bits.len() >= plain.payload().len());
        let window_bits = enough.unwrap_or(window_bits);
        #[cfg(feature = "std")]
        let made = {
            let _ = kind;
            Arc::new(OnceLock::new())
        };
        #[cfg(not(feature = "std"))]
        let made = compress(kind, plain, window_bits, level);
        self.0.push(Form { window_bits, level, made });
    }

    /// Returns the shortest form that needs no larger window.
    pub(in crate::prepared) fn shortest(
        &self,
        window_bits: WindowBits,
        kind: MessageKind,
        plain: &Encoded,
    ) -> Option<&Encoded> {
        let fitting = self.0.iter().filter(|form| form.window_bits <= window_bits);
        fitting
            .filter_map(|form| form.encoded(kind, plain))
            .min_by_key(|encoded| encoded.frame().len())
    }

    /// Adds the forms to debug output.
    pub(in crate::prepared) fn add_to(&self, output: &mut fmt::DebugStruct<'_, '_>) {
        output.field("forms", &self.0);
    }
}

impl fmt::Debug for Form {
    /// Shows no data: debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form")
            .field("window_bits", &self.window_bits)
            .field("level", &self.level)
            .field("len", &self.made().map(|encoded| encoded.payload().len()))
            .finish()
    }
}
