//! The frame layer: headers and masking, without any state
//! ([RFC 6455 section 5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
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
//! let (decoded, len) = FrameHeader::decode(&[0x81, 0x05, b'H'])?.expect("a whole header");
//! assert_eq!((decoded.opcode, decoded.len, len), (OpCode::Text, 5, 2));
//! # Ok::<(), sansocket::error::PeerError>(())
//! ```

use crate::error::protocol::{LimitError, PeerError, ProtocolError};
use crate::role::Role;

pub use crate::kernel::mask::mask;
pub use crate::opcode::OpCode;

/// FIN of the first byte.
pub(crate) const FIN: u8 = 0x80;
/// The three reserved bits of the first byte.
const RSV: u8 = 0x70;
/// RSV1 among the reserved bits: the message is compressed (RFC 7692 6).
pub(crate) const RSV1: u8 = 0b100;
/// The mask bit of the second byte.
pub(crate) const MASK: u8 = 0x80;
/// The longest header: 2 bytes, 8 of length, 4 of key.
pub(crate) const MAX_HEADER_LEN: usize = 14;
/// The longest payload of a control frame, in bytes.
pub(crate) const MAX_CONTROL_LEN: usize = 125;
/// The 7-bit lengths that announce 2 and 8 bytes of length.
pub(crate) const LEN_16: u8 = 126;
pub(crate) const LEN_64: u8 = 127;

/// What the header of a frame says.
#[expect(clippy::exhaustive_structs, reason = "RFC 6455 section 5.2 has these fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// The three reserved bits, RSV1 being 0b100.
    pub rsv: u8,
    /// The kind of frame.
    pub opcode: OpCode,
    /// The mask key, if the payload is masked.
    pub key: Option<[u8; 4]>,
    /// The payload's length, in bytes; less than 2^63.
    pub len: u64,
}

/// What a header must keep beside the rules that always hold; `None` doesn't ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// Who receives: a server takes masked frames only, a client unmasked ones.
    pub(crate) role: Option<Role>,
    /// Whether a fragmented message is under way.
    pub(crate) in_message: Option<bool>,
    /// Which reserved bits may be set.
    pub(crate) rsv: u8,
    /// How long a data frame may be, in bytes.
    pub(crate) max_len: u64,
    /// The same for the first frame of a compressed message.
    pub(crate) max_compressed_len: u64,
}

impl FrameHeader {
    /// Makes the header of an unmasked frame that is a whole message, with `len` bytes of payload.
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

    /// Reads a header from the first bytes of a frame and tells its length in bytes; `None`: more
    /// bytes are needed.
    ///
    /// Whether masking, reserved bits and the order of fragments are right depends on the
    /// connection: [`Connection`](crate::Connection) asks for that.
    ///
    /// # Errors
    /// [`PeerError`] as soon as a byte shows it: a reserved opcode, a fragmented or long control
    /// frame, a length that is not minimal or not below 2^63.
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
            // No limit is set: nothing but the peer can be at fault.
            ProtocolError::Aborted
            | ProtocolError::Limit(_)
            | ProtocolError::Misuse(_)
            | ProtocolError::Timeout(_) => PeerError::LengthTooLarge,
        })
    }

    /// The same, with the rules of a connection.
    ///
    /// Byte by byte, so that the first byte that shows a fault decides, however the input is cut.
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

    /// Writes the header in the fewest bytes.
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

/// The rules of the first byte, in the order of its bits.
fn decode_first(first: u8, expected: Expected) -> Result<(bool, u8, OpCode), ProtocolError> {
    let fin = first & FIN != 0;
    let rsv = (first & RSV) >> 4;
    let opcode = OpCode::from_low_bits(first);
    // RFC 7692 6: RSV1 is for the first frame of a data message only.
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

/// Reads a length of `N` bytes, judging each byte as it comes.
fn decode_len<const N: usize>(bytes: &[u8], max_len: u64) -> Result<Option<u64>, ProtocolError> {
    let mut len: u64 = 0;
    for (i, &byte) in bytes.iter().take(N).enumerate() {
        if N == 8 && i == 0 && byte & 0x80 != 0 {
            return Err(PeerError::LengthTooLarge.into());
        }
        len = len << 8 | u64::from(byte);
        // Two bytes could have said it, or the short form.
        if (N == 8 && i == 5 && len == 0) || (N == 2 && i == 1 && len < u64::from(LEN_16)) {
            return Err(PeerError::LengthNotMinimal.into());
        }
        // At least this long, whatever the bytes to come.
        let at_least = len << (8 * (N - 1 - i));
        if at_least > max_len {
            return Err(LimitError::MessageTooLong.into());
        }
    }
    Ok((bytes.len() >= N).then_some(len))
}

/// A frame header on the stack, at most 14 bytes, for vectored writes of out, head and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    bytes: [u8; MAX_HEADER_LEN],
    len: u8,
}

impl FrameHead {
    /// Returns the header's bytes.
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
