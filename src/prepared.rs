use core::fmt;

#[cfg(all(feature = "deflate", feature = "std"))]
use alloc::sync::Arc;
#[cfg(feature = "deflate")]
use alloc::vec::Vec;
#[cfg(all(feature = "deflate", feature = "std"))]
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};

#[cfg(feature = "deflate")]
use crate::deflate::{Encoder, Level, WindowBits};
use crate::frame::FrameHeader;
#[cfg(feature = "deflate")]
use crate::frame::RSV1;
use crate::kernel::copy::append;
use crate::message::{Data, MessageKind};

/// A message encoded once for many connections. Clones share its memory.
#[derive(Clone)]
pub struct Prepared {
    kind: MessageKind,
    /// The whole frame as a server sends it.
    frame: Bytes,
    payload_at: usize,
    #[cfg(feature = "deflate")]
    forms: Vec<Form>,
}

/// A compressed form, made when it is first sent. Without std there is no cell for it that threads can
/// share: it is made when it is added.
#[cfg(feature = "deflate")]
#[derive(Clone)]
struct Form {
    window_bits: WindowBits,
    level: Level,
    #[cfg(feature = "std")]
    made: Arc<OnceLock<Option<Compressed>>>,
    #[cfg(not(feature = "std"))]
    made: Option<Compressed>,
}

/// A compressed form: it can be inflated with any window that is as large, whatever came before.
#[cfg(feature = "deflate")]
#[derive(Clone)]
pub(crate) struct Compressed {
    frame: Bytes,
    payload_at: usize,
}

#[cfg(feature = "deflate")]
impl Form {
    /// `None`: the message doesn't shrink.
    #[cfg(feature = "std")]
    fn compressed(&self, message: &Prepared) -> Option<&Compressed> {
        if self.made.get().is_none() {
            // Not `get_or_init`: no thread waits while another one compresses.
            let _ = self.made.set(Compressed::new(message, self.window_bits, self.level));
        }
        self.made()
    }

    #[cfg(not(feature = "std"))]
    const fn compressed(&self, _: &Prepared) -> Option<&Compressed> {
        self.made()
    }

    /// `None`: it isn't made yet, or the message doesn't shrink.
    #[cfg(feature = "std")]
    fn made(&self) -> Option<&Compressed> {
        self.made.get()?.as_ref()
    }

    #[cfg(not(feature = "std"))]
    const fn made(&self) -> Option<&Compressed> {
        self.made.as_ref()
    }
}

#[cfg(feature = "deflate")]
impl Compressed {
    /// `None`: the message doesn't shrink.
    fn new(message: &Prepared, window_bits: WindowBits, level: Level) -> Option<Self> {
        let mut payload = BytesMut::new();
        if !Encoder::new(window_bits, level, false).message(message.payload(), &mut payload) {
            return None;
        }
        let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let head = FrameHeader::new(message.kind.opcode(), len);
        let head = FrameHeader { rsv: RSV1, ..head }.encode();
        let head = head.as_bytes();
        let mut frame = BytesMut::with_capacity(head.len() + payload.len());
        frame.extend_from_slice(head);
        append(&mut frame, &payload);
        Some(Self { frame: frame.freeze(), payload_at: head.len() })
    }

    /// The whole frame, unmasked.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.frame.get(self.payload_at..).unwrap_or_default()
    }
}

impl Prepared {
    /// Encodes a text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(Data::Text(text))
    }

    /// Encodes a binary message.
    #[must_use]
    pub fn binary(bytes: &[u8]) -> Self {
        Self::new(Data::Binary(bytes))
    }

    /// Encodes a message of either kind.
    #[must_use]
    pub fn new(data: Data<'_>) -> Self {
        let (kind, payload) = (data.kind(), data.as_bytes());
        // A slice's length always fits.
        let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let head = FrameHeader::new(kind.opcode(), len).encode();
        let head = head.as_bytes();
        let mut frame = BytesMut::with_capacity(head.len() + payload.len());
        frame.extend_from_slice(head);
        append(&mut frame, payload);
        Self {
            kind,
            frame: frame.freeze(),
            payload_at: head.len(),
            #[cfg(feature = "deflate")]
            forms: Vec::new(),
        }
    }

    /// Adds a compressed form for the connections that have agreed on a window of at least so many
    /// bits; for those with less, call it again with less. Without one, or where none fits, the message
    /// is sent as it is, and also if it doesn't shrink.
    ///
    /// The form is made by the first send to a connection that it fits, for all clones: a message that
    /// no such connection gets costs nothing. Threads whose sends are the first at the same time make it
    /// each. Without the feature `std` this call makes the form.
    ///
    /// It refers to nothing but itself, so it is somewhat longer than the output of a connection with
    /// context takeover. About secrets see [`Compress::Never`](crate::Compress::Never).
    ///
    /// ```
    /// use sansocket::Prepared;
    /// use sansocket::deflate::{Level, WindowBits};
    ///
    /// let news = Prepared::text("for all").with_deflate(WindowBits::DEFAULT, Level::Balanced);
    /// # drop(news);
    /// ```
    #[cfg(feature = "deflate")]
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
        let made = Compressed::new(&self, window_bits, level);
        self.forms.push(Form { window_bits, level, made });
        self
    }

    /// The shortest form that this window is large enough for.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(&self, window_bits: WindowBits) -> Option<&Compressed> {
        let fitting = self.forms.iter().filter(|form| form.window_bits <= window_bits);
        fitting.filter_map(|form| form.compressed(self)).min_by_key(|form| form.frame.len())
    }

    /// Returns the kind of message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.frame.get(self.payload_at..).unwrap_or_default()
    }

    /// The whole frame, unmasked.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }
}

impl fmt::Debug for Prepared {
    /// No data: debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut prepared = f.debug_struct("Prepared");
        prepared.field("kind", &self.kind).field("len", &self.payload().len());
        #[cfg(feature = "deflate")]
        prepared.field("forms", &self.forms);
        prepared.finish()
    }
}

#[cfg(feature = "deflate")]
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form")
            .field("window_bits", &self.window_bits)
            .field("level", &self.level)
            .field("len", &self.made().map(|compressed| compressed.payload().len()))
            .finish()
    }
}
