//! Frames of HTTP/3 (RFC 9114 section 7.1), read as their bytes arrive.
//!
//! The reader of `shiguredo_http3::Connection` buffers each frame until it is complete, and all data of a
//! stream until its end. A WebSocket needs neither: its data may be endless, in frames of any length.

use bytes::{Buf, BytesMut};
use shiguredo_http3::ErrorCode;
use shiguredo_http3::error::FrameDecodeError;
use shiguredo_http3::frame::{FrameHeader, FrameType, decode_frame_header};

use crate::fault::Fault;

/// The longest payload of a frame that is buffered until it is complete, such as HEADERS.
pub(crate) const MAX_PAYLOAD: usize = 16 * 1024;

/// A part of the input.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    /// Data of a DATA frame, not necessarily all of them.
    Data(BytesMut),
    /// A frame of another known type.
    Frame(FrameType, BytesMut),
    /// The head of a frame of an unknown type. Its payload is skipped (RFC 9114 section 9).
    Unknown,
}

/// A reader of the frames of one stream.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    /// The bytes of a head that is not complete: at most 16.
    head: Vec<u8>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    /// In a DATA frame, with this number of bytes left.
    Data(u64),
    /// In a frame of an unknown type, with this number of bytes left.
    Skip(u64),
    Payload {
        kind: FrameType,
        left: usize,
        bytes: BytesMut,
    },
}

impl FrameReader {
    /// Removes the next part from `input`, data up to `max_data` bytes; `None` if more input is needed.
    pub(crate) fn read(
        &mut self,
        input: &mut BytesMut,
        max_data: usize,
    ) -> Result<Option<Part>, Fault> {
        loop {
            match &mut self.state {
                State::Head => {
                    let Some(head) = self.read_head(input)? else { return Ok(None) };
                    if let Some(part) = self.begin(head)? {
                        return Ok(Some(part));
                    }
                }
                State::Data(_) if input.is_empty() => return Ok(None),
                State::Data(left) => {
                    let data = input.split_to(at_most(*left, input.len().min(max_data)));
                    *left -= data.len() as u64;
                    if *left == 0 {
                        self.state = State::Head;
                    }
                    return Ok(Some(Part::Data(data)));
                }
                State::Skip(left) => {
                    let len = at_most(*left, input.len());
                    input.advance(len);
                    *left -= len as u64;
                    if *left > 0 {
                        return Ok(None);
                    }
                    self.state = State::Head;
                }
                State::Payload { kind, left, bytes } => {
                    let part = input.split_to(input.len().min(*left));
                    *left -= part.len();
                    bytes.unsplit(part);
                    if *left > 0 {
                        return Ok(None);
                    }
                    let frame = Part::Frame(*kind, core::mem::take(bytes));
                    self.state = State::Head;
                    return Ok(Some(frame));
                }
            }
        }
    }

    /// Returns true if the stream may end here.
    pub(crate) fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Head) && self.head.is_empty()
    }

    fn read_head(&mut self, input: &mut BytesMut) -> Result<Option<FrameHeader>, Fault> {
        while input.has_remaining() {
            self.head.push(input.get_u8());
            match decode_frame_header(&self.head) {
                Ok(head) => {
                    self.head.clear();
                    return Ok(Some(head));
                }
                Err(FrameDecodeError::BufferTooShort) => {}
                // RFC 9114 section 7.2.8: the types that only HTTP/2 has.
                Err(_) => return Err(Fault::Connection(ErrorCode::FrameUnexpected)),
            }
        }
        Ok(None)
    }

    /// Begins a frame. Returns the part that is complete with its head.
    fn begin(&mut self, head: FrameHeader) -> Result<Option<Part>, Fault> {
        let len = head.payload_len().get();
        match FrameType::from_type(head.frame_type().get()) {
            Some(FrameType::Data) if len == 0 => return Ok(Some(Part::Data(BytesMut::new()))),
            Some(FrameType::Data) => self.state = State::Data(len),
            Some(kind) => match usize::try_from(len) {
                Ok(left) if left <= MAX_PAYLOAD => {
                    self.state = State::Payload { kind, left, bytes: BytesMut::new() };
                }
                _ => return Err(Fault::Stream(ErrorCode::ExcessiveLoad)),
            },
            None => {
                self.state = State::Skip(len);
                return Ok(Some(Part::Unknown));
            }
        }
        Ok(None)
    }
}

/// Returns the smaller one of the two numbers.
fn at_most(left: u64, len: usize) -> usize {
    usize::try_from(left).map_or(len, |left| left.min(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the bytes in chunks of `step` bytes.
    fn read(bytes: &[u8], step: usize) -> (Vec<Part>, Option<Fault>, bool) {
        let (mut reader, mut parts) = (FrameReader::default(), Vec::new());
        for chunk in bytes.chunks(step) {
            let mut input = BytesMut::from(chunk);
            loop {
                match reader.read(&mut input, usize::MAX) {
                    Ok(Some(Part::Data(data))) => match parts.last_mut() {
                        Some(Part::Data(before)) => before.extend_from_slice(&data),
                        _ => parts.push(Part::Data(data)),
                    },
                    Ok(Some(part)) => parts.push(part),
                    Ok(None) => break,
                    Err(fault) => return (parts, Some(fault), false),
                }
            }
        }
        (parts, None, reader.is_between_frames())
    }

    fn data(bytes: &[u8]) -> Part {
        Part::Data(bytes.into())
    }

    #[test]
    fn frames_cut_anywhere() {
        // HEADERS of 2 bytes, GREASE (0x21 and 0x40 of 4 and 0 bytes), DATA in two frames, the second one
        // with a length in 2 bytes, MAX_PUSH_ID.
        let bytes = [
            1, 2, 0xaa, 0xbb, 0x21, 4, 1, 2, 3, 4, 0x40, 0x40, 0, 0, 3, 7, 8, 9, 0, 0x40, 2, 5, 6,
            0x0d, 1, 9,
        ];
        for step in 1..=bytes.len() {
            let (parts, fault, between) = read(&bytes, step);
            assert!(fault.is_none() && between, "{step}: {fault:?}");
            let headers = Part::Frame(FrameType::Headers, BytesMut::from(&[0xaa, 0xbb][..]));
            let push = Part::Frame(FrameType::MaxPushId, BytesMut::from(&[9][..]));
            let all = [headers, Part::Unknown, Part::Unknown, data(&[7, 8, 9, 5, 6]), push];
            assert_eq!(parts, all, "{step}");
        }
    }

    #[test]
    fn data_are_returned_before_their_frame_is_complete() {
        // 2^62 - 1 bytes.
        let mut bytes = vec![0x00];
        bytes.extend([0xff; 8]);
        bytes.extend([1, 2, 3]);
        let (parts, fault, between) = read(&bytes, 1);
        assert_eq!((parts, fault.is_none(), between), (vec![data(&[1, 2, 3])], true, false));
    }

    #[test]
    fn data_are_limited_by_the_buffer_of_the_reader() {
        let (mut reader, mut input) =
            (FrameReader::default(), BytesMut::from(&[0, 3, 7, 8, 9, 0, 0][..]));
        let mut parts = Vec::new();
        while let Ok(Some(part)) = reader.read(&mut input, 2) {
            parts.push(part);
        }
        assert_eq!(parts, [data(&[7, 8]), data(&[9]), data(&[])]);
    }

    #[test]
    fn an_unknown_frame_is_skipped_without_a_buffer() {
        let mut bytes = vec![0x21, 0x80, 0x10, 0, 0];
        bytes.resize(5 + (1 << 20), 9);
        bytes.extend([0, 1, 5]);
        let (parts, fault, between) = read(&bytes, 4096);
        assert!(fault.is_none() && between);
        assert_eq!(parts, [Part::Unknown, data(&[5])]);
    }

    #[test]
    fn faults() {
        // The types of HTTP/2 only: PRIORITY, PING, WINDOW_UPDATE, CONTINUATION.
        for kind in [2, 6, 8, 9] {
            let (_, fault, _) = read(&[kind, 0], 1);
            assert!(matches!(fault, Some(Fault::Connection(ErrorCode::FrameUnexpected))));
        }
        // HEADERS of 16,385 bytes, refused at the head.
        let (_, fault, _) = read(&[1, 0x80, 0, 0x40, 1], 1);
        assert!(matches!(fault, Some(Fault::Stream(ErrorCode::ExcessiveLoad))));
    }
}
