//! A message in one frame.

use bytes::{Bytes, BytesMut};

use crate::frame::FrameHeader;
use crate::kernel::copy::append;

/// A message in one unmasked frame, as a server sends it. A client masks a copy of the payload.
#[derive(Clone)]
pub(crate) struct Encoded {
    frame: Bytes,
    payload_at: usize,
}

impl Encoded {
    pub(super) fn new(header: FrameHeader, payload: &[u8]) -> Self {
        let head = header.encode();
        let head = head.as_bytes();
        let mut frame = BytesMut::with_capacity(head.len() + payload.len());
        frame.extend_from_slice(head);
        append(&mut frame, payload);
        Self { frame: frame.freeze(), payload_at: head.len() }
    }

    /// Returns the frame with its header, unmasked.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.frame.get(self.payload_at..).unwrap_or_default()
    }
}
