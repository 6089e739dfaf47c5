//! The frame layer: headers and masking, without state
//! ([RFC 6455 section 5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
//!
//! ```text
//!    byte 0      byte 1       0, 2 or 8 bytes    0 or 4 bytes
//! ┌─┬───┬──────┬─┬─────────┬───────────────────┬──────────────┬─────────┐
//! │F│RSV│opcode│M│ length  │  extended length  │   mask key   │ payload │
//! │1│ 3 │  4   │1│ 7 bits  │ if it is 126, 127 │   if M = 1   │         │
//! └─┴───┴──────┴─┴─────────┴───────────────────┴──────────────┴─────────┘
//! ```
//!
//! ```
//! use sansocket::frame::OpCode;
//! use sansocket::frame::{FrameHeader, mask};
//!
//! let header = FrameHeader::new(OpCode::Text, 5).with_key([0x37, 0xfa, 0x21, 0x3d]);
//! let mut payload = *b"Hello";
//! mask(&mut payload, [0x37, 0xfa, 0x21, 0x3d]);
//! assert_eq!(header.encode().as_bytes(), [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d]);
//! assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
//!
//! let (decoded, len) = FrameHeader::decode(&[0x81, 0x05, b'H'])?.expect("a complete header");
//! assert_eq!((decoded.opcode, decoded.len, len), (OpCode::Text, 5, 2));
//! # Ok::<(), sansocket::error::PeerError>(())
//! ```

use crate::error::protocol::{LimitError, PeerError, ProtocolError};
use crate::role::Role;

pub use crate::kernel::mask::mask;
pub use crate::opcode::OpCode;

/// The FIN bit of the first byte.
pub(crate) const FIN: u8 = 0x80;
/// The three reserved bits of the first byte.
const RSV: u8 = 0x70;
/// RSV1 among the reserved bits: the message is compressed (RFC 7692 6).
pub(crate) const RSV1: u8 = 0b100;
/// The mask bit of the second byte.
pub(crate) const MASK: u8 = 0x80;
/// The length of the longest header: 2 bytes, 8 bytes of length, 4 bytes of mask key.
pub(crate) const MAX_HEADER_LEN: usize = 14;
/// The length limit of a control frame's payload, in bytes (RFC 6455 5.5).
pub(crate) const MAX_CONTROL_LEN: usize = 125;
/// The 7-bit length that announces an extended length of 2 bytes.
pub(crate) const LEN_16: u8 = 126;
/// The 7-bit length that announces an extended length of 8 bytes.
pub(crate) const LEN_64: u8 = 127;

/// The header of a frame.
///
/// ```
/// use sansocket::frame::{FrameHeader, OpCode};
///
/// // The second byte is missing.
/// assert_eq!(FrameHeader::decode(&[0x82])?, None);
/// // A binary frame with 256 bytes: FIN and opcode, 126, and a length of two bytes.
/// let (header, len) = FrameHeader::decode(&[0x82, 126, 0x01, 0x00])?.expect("complete");
/// assert_eq!((header, len), (FrameHeader::new(OpCode::Binary, 256), 4));
/// # Ok::<(), sansocket::error::PeerError>(())
/// ```
#[expect(clippy::exhaustive_structs, reason = "RFC 6455 section 5.2 has these fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// FIN: true for the last fragment of a message, and for a message in one frame.
    pub fin: bool,
    /// The three reserved bits. RSV1 is 0b100.
    pub rsv: u8,
    /// The kind of frame.
    pub opcode: OpCode,
    /// The mask key, if the payload is masked.
    pub key: Option<[u8; 4]>,
    /// The length of the payload, in bytes; less than 2^63.
    pub len: u64,
}

/// The rules for a header that depend on the state of the connection. `None`: not checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// The role of the receiver. A server accepts only masked frames, a client only unmasked ones.
    pub(crate) role: Option<Role>,
    /// True if the next data frame must be a continuation: a fragmented message has not ended.
    pub(crate) in_message: Option<bool>,
    /// The reserved bits that may be set.
    pub(crate) rsv: u8,
    /// The length limit of a data frame, in bytes.
    pub(crate) max_len: u64,
    /// The length limit of the first frame of a compressed message, in bytes.
    pub(crate) max_compressed_len: u64,
}

impl FrameHeader {
    /// Creates the header of an unmasked message in one frame, with `len` bytes of payload.
    #[must_use]
    pub const fn new(opcode: OpCode, len: u64) -> Self {
        Self { fin: true, rsv: 0, opcode, key: None, len }
    }

    /// Sets the mask key.
    #[must_use]
    pub const fn with_key(mut self, key: [u8; 4]) -> Self {
        self.key = Some(key);
        self
    }

    /// Decodes the header at the beginning of `bytes`. Returns the header and its length in bytes,
    /// or `None` if more bytes are needed.
    ///
    /// The rules for masking, reserved bits and the order of fragments depend on the state of a
    /// connection. This function does not check them; [`Connection`](crate::Connection) does.
    ///
    /// ```
    /// use sansocket::frame::FrameHeader;
    ///
    /// // A masked text frame: the mask key has not arrived yet.
    /// let mut bytes = vec![0x81, 0x85, 0x37, 0xfa];
    /// assert_eq!(FrameHeader::decode(&bytes)?, None);
    /// bytes.extend([0x21, 0x3d, 0x7f, 0x9f]);
    /// let (header, len) = FrameHeader::decode(&bytes)?.expect("complete");
    /// assert_eq!((header.key, len), (Some([0x37, 0xfa, 0x21, 0x3d]), 6));
    /// # Ok::<(), sansocket::error::PeerError>(())
    /// ```
    ///
    /// # Errors
    /// [`PeerError`] at the first byte with a fault: a reserved opcode, a fragmented control frame
    /// or one with more than 125 bytes, a length that is not minimal or not below 2^63.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, PeerError> {
        let any = Expected {
            role: None,
            in_message: None,
            rsv: 0b111,
            max_len: u64::MAX,
            max_compressed_len: u64::MAX,
        };
        Self::decode_expected(bytes, any).map_err(|error| match error {
            ProtocolError::Peer(error) => error,
            // Unreachable: `any` sets no limit, so each error is one of the peer.
            ProtocolError::Aborted
            | ProtocolError::Limit(_)
            | ProtocolError::Misuse(_)
            | ProtocolError::Timeout(_) => PeerError::LengthTooLarge,
        })
    }

    /// Decodes a header as [`decode`](Self::decode) does, and checks the rules of a connection.
    ///
    /// The bytes are checked in their order, and each as soon as it is present. So the error
    /// doesn't depend on how the input is cut.
    pub(crate) fn decode_expected(
        bytes: &[u8],
        expected: Expected,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let (fin, rsv, opcode) = decode_first(first, expected)?;
        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        let masked = second & MASK != 0;
        match expected.role {
            // RFC 6455 5.1: a server MUST close on an unmasked frame, a client on a masked one.
            Some(Role::Server) if !masked => return Err(PeerError::UnmaskedFrame.into()),
            Some(Role::Client) if masked => return Err(PeerError::MaskedFrame.into()),
            _ => {}
        }
        let short = second & !MASK;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL_LEN {
            return Err(PeerError::ControlTooLong.into());
        }
        let max_len = if opcode.is_control() {
            u64::MAX
        } else if rsv & RSV1 != 0 {
            expected.max_compressed_len
        } else {
            expected.max_len
        };
        let (len, len_bytes) = match short {
            LEN_64 => (decode_len::<8>(rest, max_len)?, 8),
            LEN_16 => (decode_len::<2>(rest, max_len)?, 2),
            short if u64::from(short) > max_len => return Err(LimitError::MessageTooLong.into()),
            short => (Some(u64::from(short)), 0),
        };
        let Some(len) = len else { return Ok(None) };
        let rest = rest.get(len_bytes..).unwrap_or_default();
        let key = if masked {
            let Some(key) = rest.first_chunk() else { return Ok(None) };
            Some(*key)
        } else {
            None
        };
        let header_len = 2 + len_bytes + if masked { 4 } else { 0 };
        Ok(Some((Self { fin, rsv, opcode, key, len }, header_len)))
    }

    /// Encodes the header in its minimal length
    /// ([RFC 6455 section 5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
    ///
    /// ```
    /// use sansocket::frame::{FrameHeader, OpCode};
    ///
    /// for (len, header_len) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
    ///     let head = FrameHeader::new(OpCode::Binary, len).encode();
    ///     assert_eq!(head.as_bytes().len(), header_len);
    /// }
    /// ```
    #[must_use]
    pub fn encode(&self) -> FrameHead {
        let mut head = FrameHead { bytes: [0; MAX_HEADER_LEN], len: 0 };
        let fin = if self.fin { FIN } else { 0 };
        head.push(&[fin | self.rsv << 4 & RSV | self.opcode.value()]);
        let mask = if self.key.is_some() { MASK } else { 0 };
        match u16::try_from(self.len) {
            Ok(len @ 0..=125) => {
                let [_, low] = len.to_be_bytes();
                head.push(&[mask | low]);
            }
            Ok(len) => {
                head.push(&[mask | LEN_16]);
                head.push(&len.to_be_bytes());
            }
            Err(_) => {
                head.push(&[mask | LEN_64]);
                head.push(&self.len.to_be_bytes());
            }
        }
        if let Some(key) = self.key {
            head.push(&key);
        }
        head
    }
}

/// Decodes the first byte, and checks its rules in the order of its bits.
fn decode_first(first: u8, expected: Expected) -> Result<(bool, u8, OpCode), ProtocolError> {
    let fin = first & FIN != 0;
    let rsv = (first & RSV) >> 4;
    let opcode = OpCode::from_low_bits(first);
    // RFC 7692 6: RSV1 may be set only in the first frame of a data message.
    let allowed = match opcode {
        Some(OpCode::Text | OpCode::Binary) => expected.rsv,
        _ if expected.in_message.is_none() => expected.rsv,
        _ => 0,
    };
    if rsv & !allowed != 0 {
        return Err(PeerError::ReservedBits.into());
    }
    let Some(opcode) = opcode else {
        return Err(PeerError::UnknownOpCode(first & 0x0f).into());
    };
    match (opcode, expected.in_message) {
        (OpCode::Close | OpCode::Ping | OpCode::Pong, _) if !fin => {
            Err(PeerError::FragmentedControl.into())
        }
        (OpCode::Continuation, Some(false)) => Err(PeerError::UnexpectedContinuation.into()),
        (OpCode::Text | OpCode::Binary, Some(true)) => Err(PeerError::ExpectedContinuation.into()),
        _ => Ok((fin, rsv, opcode)),
    }
}

/// Decodes an extended length of `N` bytes, and checks each byte as soon as it is present. `None`:
/// more bytes are needed.
fn decode_len<const N: usize>(bytes: &[u8], max_len: u64) -> Result<Option<u64>, ProtocolError> {
    let mut len: u64 = 0;
    for (i, &byte) in bytes.iter().take(N).enumerate() {
        if N == 8 && i == 0 && byte & 0x80 != 0 {
            return Err(PeerError::LengthTooLarge.into());
        }
        len = len << 8 | u64::from(byte);
        // RFC 6455 5.2: the minimal number of bytes MUST be used. If the first six of eight bytes
        // are 0, two bytes would do; a number below 126 needs no extended length.
        if (N == 8 && i == 5 && len == 0) || (N == 2 && i == 1 && len < u64::from(LEN_16)) {
            return Err(PeerError::LengthNotMinimal.into());
        }
        // The length is at least this, with zeros for the missing bytes: the limit applies before
        // the last byte has arrived.
        let at_least = len << (8 * (N - 1 - i));
        if at_least > max_len {
            return Err(LimitError::MessageTooLong.into());
        }
    }
    Ok((bytes.len() >= N).then_some(len))
}

/// An encoded frame header on the stack, at most 14 bytes.
///
/// A server can write a large payload without copying it into the output, by a vectored write of
/// three slices; see [`Connection::frame_head`](crate::Connection::frame_head).
///
/// ```
/// use std::io::{IoSlice, Write};
///
/// use sansocket::frame::{FrameHeader, OpCode};
///
/// let payload = [7; 1000];
/// let head = FrameHeader::new(OpCode::Binary, 1000).encode();
/// let slices = [IoSlice::new(head.as_bytes()), IoSlice::new(&payload)];
/// let mut socket = Vec::new();
/// let written = socket.write_vectored(&slices)?;
/// assert_eq!(written, 4 + 1000);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    bytes: [u8; MAX_HEADER_LEN],
    len: u8,
}

impl FrameHead {
    /// Returns the bytes of the header.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        let end = usize::from(self.len) + bytes.len();
        if let Some(room) = self.bytes.get_mut(usize::from(self.len)..end) {
            room.copy_from_slice(bytes);
            self.len = u8::try_from(end).unwrap_or(self.len);
        }
    }
}

impl AsRef<[u8]> for FrameHead {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}
