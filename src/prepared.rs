use core::fmt;

#[cfg(feature = "deflate")]
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

#[cfg(feature = "deflate")]
use crate::deflate::{Encoder, Level, WindowBits};
use crate::frame::FrameHeader;
#[cfg(feature = "deflate")]
use crate::frame::RSV1;
use crate::kernel::copy::append;
use crate::message::{Data, MessageKind};

/// A message encoded once for many connections.
#[derive(Clone)]
pub struct Prepared {
    kind: MessageKind,
    /// The whole frame as a server sends it.
    frame: Bytes,
    payload_at: usize,
    #[cfg(feature = "deflate")]
    compressed: Vec<Compressed>,
}

/// A compressed form: it can be inflated with any window that is as large, whatever came before.
#[cfg(feature = "deflate")]
#[derive(Clone)]
pub(crate) struct Compressed {
    window_bits: WindowBits,
    frame: Bytes,
    payload_at: usize,
}

#[cfg(feature = "deflate")]
impl Compressed {
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
            compressed: Vec::new(),
        }
    }

    /// Adds a compressed form, made once, for the connections that have agreed on a window of at
    /// least so many bits; for those with less, call it again with less. Without one, or where none
    /// fits, the message is sent as it is. If it doesn't shrink, nothing is added.
    ///
    /// It refers to nothing but itself, so it is somewhat longer than what a connection with context
    /// takeover would make of it. About secrets see [`Compress::Never`](crate::Compress::Never).
    #[cfg(feature = "deflate")]
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
            let head =
                FrameHeader { rsv: RSV1, ..FrameHeader::new(self.kind.opcode(), len) }.encode();
            let head = head.as_bytes();
            let mut frame = BytesMut::with_capacity(head.len() + payload.len());
            frame.extend_from_slice(head);
            append(&mut frame, &payload);
            let (frame, payload_at) = (frame.freeze(), head.len());
            self.compressed.push(Compressed { window_bits, frame, payload_at });
        }
        self
    }

    /// The shortest form that this window is large enough for.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(&self, window_bits: WindowBits) -> Option<&Compressed> {
        let fitting = self.compressed.iter().filter(|form| form.window_bits <= window_bits);
        fitting.min_by_key(|form| form.frame.len())
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
        prepared.field("compressed", &self.compressed);
        prepared.finish()
    }
}

#[cfg(feature = "deflate")]
impl fmt::Debug for Compressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressed")
            .field("window_bits", &self.window_bits)
            .field("len", &self.payload().len())
            .finish()
    }
}
