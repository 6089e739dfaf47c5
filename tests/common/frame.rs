//! Frames as bytes, written from RFC 6455 section 5.2 without the frame layer of the crate, so that
//! illegal ones can be made, too; and a parser of the frames that a connection has sent.

use sansocket::Role;

pub const CONT: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

/// The bytes of a frame whose header begins with the byte `first`, masked with a key of zeros, so that
/// its payload is readable.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    Frame::with_first_byte(first, payload).key([0; 4]).bytes()
}

/// The number of bytes of the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LenForm {
    Minimal,
    Bits16,
    Bits64,
}

/// A frame of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    pub rsv: u8,
    pub opcode: u8,
    pub key: Option<[u8; 4]>,
    /// The length in the header, if it isn't that of the payload.
    pub announced: Option<u64>,
    pub len_form: LenForm,
    pub payload: Vec<u8>,
}

impl Frame {
    /// An unmasked frame whose header begins with the byte `first`.
    pub fn with_first_byte(first: u8, payload: &[u8]) -> Self {
        Self { fin: first & 0x80 != 0, rsv: first >> 4 & 7, ..Self::new(first & 0xf, payload) }
    }

    /// An unmasked frame with FIN.
    pub fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self {
            fin: true,
            rsv: 0,
            opcode,
            key: None,
            announced: None,
            len_form: LenForm::Minimal,
            payload: payload.as_ref().to_vec(),
        }
    }

    pub fn text(payload: impl AsRef<[u8]>) -> Self {
        Self::new(TEXT, payload)
    }

    pub fn binary(payload: impl AsRef<[u8]>) -> Self {
        Self::new(BINARY, payload)
    }

    pub fn cont(payload: impl AsRef<[u8]>) -> Self {
        Self::new(CONT, payload)
    }

    pub fn ping(payload: impl AsRef<[u8]>) -> Self {
        Self::new(PING, payload)
    }

    pub fn pong(payload: impl AsRef<[u8]>) -> Self {
        Self::new(PONG, payload)
    }

    /// A Close frame with any payload.
    pub fn close_raw(payload: impl AsRef<[u8]>) -> Self {
        Self::new(CLOSE, payload)
    }

    pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_ref());
        Self::new(CLOSE, payload)
    }

    pub fn not_fin(mut self) -> Self {
        self.fin = false;
        self
    }

    pub fn fin(mut self, fin: bool) -> Self {
        self.fin = fin;
        self
    }

    pub fn rsv(mut self, rsv: u8) -> Self {
        self.rsv = rsv;
        self
    }

    pub fn key(mut self, key: [u8; 4]) -> Self {
        self.key = Some(key);
        self
    }

    pub fn unmasked(mut self) -> Self {
        self.key = None;
        self
    }

    /// Masked if the sender is a client.
    pub fn by(self, sender: Role) -> Self {
        match sender {
            Role::Client if self.key.is_none() => self.key([0x37, 0xfa, 0x21, 0x3d]),
            Role::Client => self,
            Role::Server => self.unmasked(),
        }
    }

    /// Masked if it is for a server.
    pub fn to(self, receiver: Role) -> Self {
        self.by(receiver.peer())
    }

    pub fn announce(mut self, len: u64) -> Self {
        self.announced = Some(len);
        self
    }

    pub fn len_form(mut self, form: LenForm) -> Self {
        self.len_form = form;
        self
    }

    pub fn header(&self) -> Vec<u8> {
        let len = self.announced.unwrap_or(self.payload.len() as u64);
        let mask = if self.key.is_some() { 0x80 } else { 0 };
        let first = if self.fin { 0x80 } else { 0 } | self.rsv << 4 | self.opcode;
        let mut bytes = vec![first];
        let form = match self.len_form {
            LenForm::Minimal if len < 126 => {
                bytes.push(mask | len as u8);
                None
            }
            LenForm::Minimal if len < 65_536 => Some(LenForm::Bits16),
            LenForm::Minimal => Some(LenForm::Bits64),
            form => Some(form),
        };
        match form {
            None | Some(LenForm::Minimal) => {}
            Some(LenForm::Bits16) => {
                bytes.push(mask | 126);
                bytes.extend_from_slice(&(len as u16).to_be_bytes());
            }
            Some(LenForm::Bits64) => {
                bytes.push(mask | 127);
                bytes.extend_from_slice(&len.to_be_bytes());
            }
        }
        bytes.extend_from_slice(self.key.as_ref().map_or(&[], |key| &key[..]));
        bytes
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        match self.key {
            None => bytes.extend_from_slice(&self.payload),
            Some(key) => {
                bytes.extend(self.payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
            }
        }
        bytes
    }
}

/// The bytes of consecutive frames.
pub fn bytes(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::bytes).collect()
}

/// Parses complete frames, with unmasked payloads; keys stay in `key`. Panics on an incomplete
/// frame, and on a length that isn't minimal: a connection sends neither.
pub fn parse(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, rest) = parse_one(bytes);
        frames.push(frame);
        bytes = rest;
    }
    frames
}

fn parse_one(bytes: &[u8]) -> (Frame, &[u8]) {
    let (first, second) = (bytes[0], bytes[1]);
    let (len, at) = match second & 0x7f {
        126 => {
            let len = u64::from(u16::from_be_bytes(bytes[2..4].try_into().unwrap()));
            assert!(len >= 126, "a length that is not minimal was sent");
            (len, 4)
        }
        127 => {
            let len = u64::from_be_bytes(bytes[2..10].try_into().unwrap());
            assert!(len >= 65_536, "a length that is not minimal was sent");
            assert!(len < 1 << 63, "a length of 2^63 or more was sent");
            (len, 10)
        }
        short => (u64::from(short), 2),
    };
    let (key, at) = if second & 0x80 == 0 {
        (None, at)
    } else {
        (Some(bytes[at..at + 4].try_into().unwrap()), at + 4)
    };
    let end = at + usize::try_from(len).unwrap();
    let mut payload = bytes[at..end].to_vec();
    if let Some(key) = key {
        unmask(&mut payload, key);
    }
    let frame = Frame {
        fin: first & 0x80 != 0,
        rsv: first >> 4 & 7,
        opcode: first & 15,
        key,
        announced: None,
        len_form: LenForm::Minimal,
        payload,
    };
    (frame, &bytes[end..])
}

fn unmask(payload: &mut [u8], key: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
}

/// The frames that `sender` has written, without their keys: for comparisons with the expected
/// ones. Checks that a client has masked each and a server none (F1, F2).
pub fn sent(sender: Role, bytes: &[u8]) -> Vec<Frame> {
    let mut frames = parse(bytes);
    for frame in &mut frames {
        assert_eq!(frame.key.is_some(), sender == Role::Client, "{sender:?} sent {frame:?}");
        frame.key = None;
    }
    frames
}
