//! The expected results of a receiver, written from RFC 6455 one byte at a time, slow and without
//! buffers: it shares no code with the crate. Whole delivery.

use sansocket::connection::OwnedEvent;
use sansocket::error::{LimitError, PeerError, ProtocolError};
use sansocket::message::{OwnedCloseFrame, OwnedData};
use sansocket::{CloseCode, Role};

use super::frame::{BINARY, CLOSE, CONT, PING, PONG, TEXT};

/// The meaning of bytes for a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub events: Vec<OwnedEvent>,
    /// The error, and the index of the byte that shows it.
    pub error: Option<(usize, ProtocolError)>,
    /// The expected replies: opcode and payload of each frame.
    pub replies: Vec<(u8, Vec<u8>)>,
    /// The received part of the unfinished message, up to its last complete character, at the end
    /// or at the error.
    pub unfinished: Option<OwnedData>,
}

/// Reads `bytes` as a receiver of the role that has not begun to close.
pub fn receive(role: Role, max_message_len: u64, bytes: &[u8]) -> Outcome {
    let mut model = Model::new(role, max_message_len);
    for (i, byte) in bytes.iter().enumerate() {
        if model.closed {
            break;
        }
        if let Err(error) = model.byte(*byte) {
            model.seen.error = Some((i, error));
            let code = match error {
                ProtocolError::Limit(_) => 1009_u16,
                ProtocolError::Peer(PeerError::InvalidCloseReason(_) | PeerError::InvalidUtf8) => {
                    1007
                }
                _ => 1002,
            };
            model.seen.replies.push((CLOSE, code.to_be_bytes().to_vec()));
            break;
        }
    }
    model.seen.unfinished = model.message.take().map(|(opcode, bytes)| {
        if opcode == TEXT {
            let (complete, _) = valid_text_len(&bytes).unwrap_or_else(|valid| (valid, false));
            OwnedData::text(core::str::from_utf8(&bytes[..complete]).unwrap().to_owned())
        } else {
            OwnedData::binary(bytes)
        }
    });
    model.seen
}

struct Model {
    role: Role,
    max_message_len: u64,
    header: Vec<u8>,
    frame: Option<Header>,
    payload: Vec<u8>,
    /// The unfinished message: its opcode and its bytes so far.
    message: Option<(u8, Vec<u8>)>,
    /// The checked length of the unfinished text.
    text_seen: usize,
    closed: bool,
    seen: Outcome,
}

#[derive(Clone, Copy)]
struct Header {
    fin: bool,
    opcode: u8,
    len: u64,
    key: [u8; 4],
}

impl Model {
    fn new(role: Role, max_message_len: u64) -> Self {
        Self {
            role,
            max_message_len,
            header: Vec::new(),
            frame: None,
            payload: Vec::new(),
            message: None,
            text_seen: 0,
            closed: false,
            seen: Outcome::default(),
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), ProtocolError> {
        match self.frame {
            None => {
                self.header.push(byte);
                let Some(header) = self.decode_header()? else { return Ok(()) };
                self.header.clear();
                self.payload.clear();
                if header.opcode == TEXT || header.opcode == BINARY {
                    self.message = Some((header.opcode, Vec::new()));
                    self.text_seen = 0;
                }
                self.frame = Some(header);
                if header.len == 0 { self.frame_is_complete(header) } else { Ok(()) }
            }
            Some(header) => {
                let byte = byte ^ header.key[self.payload.len() % 4];
                self.payload.push(byte);
                if header.opcode < 8 {
                    self.data_byte(byte)?;
                }
                if self.payload.len() as u64 == header.len {
                    self.frame_is_complete(header)?;
                }
                Ok(())
            }
        }
    }

    /// Checks each rule of section 5.2 for the bytes of the header so far.
    fn decode_header(&self) -> Result<Option<Header>, ProtocolError> {
        let bytes = &self.header;
        let fin = bytes[0] & 0x80 != 0;
        let opcode = bytes[0] & 0x0f;
        if bytes[0] & 0x70 != 0 {
            return Err(PeerError::ReservedBits.into());
        }
        if ![CONT, TEXT, BINARY, CLOSE, PING, PONG].contains(&opcode) {
            return Err(PeerError::UnknownOpCode(opcode).into());
        }
        if opcode >= 8 && !fin {
            return Err(PeerError::FragmentedControl.into());
        }
        if opcode == CONT && self.message.is_none() {
            return Err(PeerError::UnexpectedContinuation.into());
        }
        if (opcode == TEXT || opcode == BINARY) && self.message.is_some() {
            return Err(PeerError::ExpectedContinuation.into());
        }
        let Some(second) = bytes.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        if masked && self.role == Role::Client {
            return Err(PeerError::MaskedFrame.into());
        }
        if !masked && self.role == Role::Server {
            return Err(PeerError::UnmaskedFrame.into());
        }
        let short = second & 0x7f;
        if opcode >= 8 && short > 125 {
            return Err(PeerError::ControlTooLong.into());
        }
        let (bytes_of_len, least) = match short {
            127 => (8, 65_536),
            126 => (2, 126),
            _ => (0, 0),
        };
        let given: Vec<u8> = bytes.iter().skip(2).take(bytes_of_len).copied().collect();
        // The shortest and the longest length with these first bytes.
        let bound = |fill: u8| {
            let mut all = given.clone();
            all.resize(bytes_of_len, fill);
            all.iter().fold(0_u128, |len, byte| len << 8 | u128::from(*byte))
        };
        let (shortest, longest) = if bytes_of_len == 0 {
            (u128::from(short), u128::from(short))
        } else {
            (bound(0), bound(255))
        };
        if shortest >= 1 << 63 {
            return Err(PeerError::LengthTooLarge.into());
        }
        if longest < least {
            return Err(PeerError::LengthNotMinimal.into());
        }
        if opcode < 8 {
            let before = self.message.as_ref().map_or(0, |(_, bytes)| bytes.len() as u128);
            if before + shortest > u128::from(self.max_message_len) {
                return Err(LimitError::MessageTooLong.into());
            }
        }
        let key_at = 2 + bytes_of_len;
        if bytes.len() < key_at + if masked { 4 } else { 0 } {
            return Ok(None);
        }
        let key = if masked { bytes[key_at..].try_into().unwrap() } else { [0; 4] };
        Ok(Some(Header { fin, opcode, len: shortest as u64, key }))
    }

    /// Section 8.1, at the first byte that can't be part of a text.
    fn data_byte(&mut self, byte: u8) -> Result<(), ProtocolError> {
        let (opcode, message) = self.message.as_mut().unwrap();
        message.push(byte);
        if *opcode == TEXT {
            match valid_text_len(&message[self.text_seen..]) {
                Ok((complete, _)) => self.text_seen += complete,
                Err(_) => return Err(PeerError::InvalidUtf8.into()),
            }
        }
        Ok(())
    }

    fn frame_is_complete(&mut self, header: Header) -> Result<(), ProtocolError> {
        self.frame = None;
        let payload = core::mem::take(&mut self.payload);
        match header.opcode {
            PING => {
                self.seen.replies.push((PONG, payload.clone()));
                self.seen.events.push(OwnedEvent::Ping(payload.into()));
            }
            PONG => self.seen.events.push(OwnedEvent::Pong(payload.into())),
            CLOSE => {
                let frame = match payload.as_slice() {
                    [] => None,
                    [_] => return Err(PeerError::InvalidClosePayload.into()),
                    [high, low, reason @ ..] => {
                        let code = u16::from_be_bytes([*high, *low]);
                        if !code_is_valid(code) {
                            return Err(PeerError::InvalidCloseCode(code).into());
                        }
                        if valid_text_len(reason) != Ok((reason.len(), true)) {
                            return Err(PeerError::InvalidCloseReason(code).into());
                        }
                        let reason = String::from_utf8(reason.to_vec()).unwrap().into();
                        Some(OwnedCloseFrame { code: CloseCode::new(code), reason })
                    }
                };
                self.closed = true;
                self.seen.replies.push((CLOSE, payload));
                self.seen.events.push(OwnedEvent::Close(frame));
            }
            _ if header.fin => {
                if self
                    .message
                    .as_ref()
                    .is_some_and(|(opcode, bytes)| *opcode == TEXT && self.text_seen != bytes.len())
                {
                    return Err(PeerError::InvalidUtf8.into());
                }
                let (opcode, bytes) = self.message.take().unwrap();
                self.seen.events.push(OwnedEvent::Message(if opcode == TEXT {
                    OwnedData::text(String::from_utf8(bytes).unwrap())
                } else {
                    OwnedData::binary(bytes)
                }));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Section 7.4, the IANA registry, and choice Q4.
pub fn code_is_valid(code: u16) -> bool {
    match code {
        0..=999 => false,
        1000..=1003 => true,
        1004..=1006 => false,
        1007..=1014 => true,
        1015..=2999 => false,
        3000..=4999 => true,
        5000.. => false,
    }
}

/// The number of bytes of complete characters at the start, and whether these are all bytes; an
/// error with the same number if no text begins with the bytes. The grammar of RFC 3629 section 4.
pub fn valid_text_len(bytes: &[u8]) -> Result<(usize, bool), usize> {
    const FORMS: [&[(u8, u8)]; 9] = [
        &[(0x00, 0x7f)],
        &[(0xc2, 0xdf), (0x80, 0xbf)],
        &[(0xe0, 0xe0), (0xa0, 0xbf), (0x80, 0xbf)],
        &[(0xe1, 0xec), (0x80, 0xbf), (0x80, 0xbf)],
        &[(0xed, 0xed), (0x80, 0x9f), (0x80, 0xbf)],
        &[(0xee, 0xef), (0x80, 0xbf), (0x80, 0xbf)],
        &[(0xf0, 0xf0), (0x90, 0xbf), (0x80, 0xbf), (0x80, 0xbf)],
        &[(0xf1, 0xf3), (0x80, 0xbf), (0x80, 0xbf), (0x80, 0xbf)],
        &[(0xf4, 0xf4), (0x80, 0x8f), (0x80, 0xbf), (0x80, 0xbf)],
    ];
    let mut at = 0;
    'characters: while at < bytes.len() {
        let rest = &bytes[at..];
        for form in FORMS {
            if rest.iter().zip(form).all(|(byte, (from, to))| from <= byte && byte <= to) {
                if rest.len() < form.len() {
                    return Ok((at, false));
                }
                at += form.len();
                continue 'characters;
            }
        }
        return Err(at);
    }
    Ok((at, true))
}
