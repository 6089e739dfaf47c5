/// The kind of a frame
/// ([RFC 6455 section 5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
///
/// The reserved values 3 to 7 and 0xb to 0xf have no variant. A frame with such a value is an
/// error.
///
/// ```
/// use sansocket::frame::OpCode;
///
/// // FIN and the opcode of a Close frame.
/// let opcode = OpCode::from_low_bits(0x88).expect("not reserved");
/// assert_eq!(opcode, OpCode::Close);
/// assert!(opcode.is_control());
/// assert_eq!(OpCode::from_low_bits(0x83), None);
/// ```
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has no further opcodes")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// A later fragment of a fragmented message (0x0).
    Continuation = 0x0,
    /// A text message, or its first fragment (0x1).
    Text = 0x1,
    /// A binary message, or its first fragment (0x2).
    Binary = 0x2,
    /// A Close frame: starts or completes the closing handshake (0x8).
    Close = 0x8,
    /// A ping: the receiver must reply with a pong (0x9).
    Ping = 0x9,
    /// A pong: the reply to a ping, or unsolicited (0xa).
    Pong = 0xa,
}

impl OpCode {
    /// Returns the opcode in the low four bits of `byte`, or `None` if the value is reserved.
    #[must_use]
    pub const fn from_low_bits(byte: u8) -> Option<Self> {
        Some(match byte & 0x0f {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    /// Returns the value on the wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// Returns true for Close, ping and pong. Control frames have a payload of at most 125 bytes
    /// and are never fragmented
    /// ([RFC 6455 section 5.5](https://www.rfc-editor.org/rfc/rfc6455#section-5.5)).
    #[must_use]
    pub const fn is_control(self) -> bool {
        // RFC 6455 5.5: the top bit of the opcode marks control frames.
        self.value() & 0x8 != 0
    }
}
