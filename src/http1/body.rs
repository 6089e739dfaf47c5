//! The reader of a response body: resumable at any byte, bounded in bytes of body and of framing
//! ([RFC 9112 sections 6 and 7](https://www.rfc-editor.org/rfc/rfc9112#section-6)).
//!
//! The first byte that shows a violation or the limit decides, however the input is cut.

use core::fmt;

use alloc::vec::Vec;

use crate::http1::head::Fields;
use crate::kernel::class::{TOKEN, VALUE, is_of};
use crate::kernel::hidden::Hidden;

/// How the reading of a response body has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyEnd {
    /// The transport ended or failed before the end of the body.
    Closed,
    /// The body is complete. A response without a body has a complete, empty one.
    Complete,
    /// The framing is malformed: a chunk that breaks the grammar, a Content-Length that is not one
    /// number, a Transfer-Encoding other than `chunked`, or both fields
    /// ([RFC 9112 section 6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
    Malformed,
    /// The deadline of the handshake passed before the end of the body.
    Timeout,
    /// The body is longer than `max_refusal_body_len`, or that limit is 0, or the chunk extensions
    /// and trailer fields are longer than `max_head_len`.
    TooLong,
    /// No body was read: the status is 101, or the response came over HTTP/2 or HTTP/3, where the
    /// body is the data of the stream.
    Unread,
}

/// A body on its way in.
pub(crate) struct BodyReader {
    bytes: Vec<u8>,
    state: State,
    max_len: usize,
    /// The number of bytes left for chunk extensions and trailer fields.
    framing_room: usize,
}

/// The kind of the next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A body of known length, with so many bytes left.
    Length(u64),
    /// A body that ends with the transport.
    UntilEnd,
    /// The data of a chunk, with so many bytes left.
    Data(u64),
    /// The framing of a chunked body.
    Framing(Framing),
    Done(BodyEnd),
}

/// A byte of a chunked body outside of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// The size of a chunk, after so many digits.
    Size {
        digits: u8,
        size: u64,
    },
    /// The rest of the line of a size.
    Extension(u64),
    /// The line feed after a size.
    SizeLf(u64),
    /// The line end after the data of a chunk.
    DataCr,
    DataLf,
    /// The beginning of a trailer field, or of the empty line.
    TrailerStart,
    Trailer,
    TrailerLf,
    /// The line feed of the empty line.
    EndLf,
}

impl BodyReader {
    /// Begins the body of a response with this status, minor version and fields.
    pub(crate) fn new(
        status: u16,
        minor: u8,
        fields: Fields<'_>,
        max_len: usize,
        framing_room: usize,
    ) -> Self {
        let state = first_state(status, minor, fields);
        let mut reader = Self { bytes: Vec::new(), state, max_len, framing_room };
        reader.end_at_limit();
        reader
    }

    /// Reads on, and returns the number of bytes that belong to the body. With a violation, the byte
    /// that shows it is the last one counted.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while let [byte, after @ ..] = rest
            && self.end().is_none()
        {
            let room = self.max_len.saturating_sub(self.bytes.len());
            match self.state {
                State::Length(left) | State::Data(left) => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX).min(room);
                    let (data, after) = rest.split_at_checked(most).unwrap_or((rest, &[]));
                    self.bytes.extend_from_slice(data);
                    let left = left.saturating_sub(data.len() as u64);
                    self.state = match (self.state, left) {
                        (State::Data(_), 0) => State::Framing(Framing::DataCr),
                        (State::Data(_), left) => State::Data(left),
                        (_, 0) => State::Done(BodyEnd::Complete),
                        (_, left) => State::Length(left),
                    };
                    rest = after;
                }
                State::UntilEnd if room == 0 => {
                    self.state = State::Done(BodyEnd::TooLong);
                    rest = after;
                }
                State::UntilEnd => {
                    let (data, after) = rest.split_at_checked(room).unwrap_or((rest, &[]));
                    self.bytes.extend_from_slice(data);
                    rest = after;
                }
                State::Framing(framing) => {
                    self.state = self.framing_byte(framing, *byte);
                    rest = after;
                }
                State::Done(_) => break,
            }
            self.end_at_limit();
        }
        bytes.len() - rest.len()
    }

    /// Returns how the body has ended; `None`: more bytes are needed.
    pub(crate) const fn end(&self) -> Option<BodyEnd> {
        if let State::Done(end) = self.state { Some(end) } else { None }
    }

    /// Returns how the body ends if the transport ends now.
    pub(crate) const fn end_at_eof(&self) -> BodyEnd {
        match self.state {
            State::UntilEnd => BodyEnd::Complete,
            State::Done(end) => end,
            State::Length(_) | State::Data(_) | State::Framing(_) => BodyEnd::Closed,
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Ends the body if more data was announced than there is room for, or if there is no room at all.
    fn end_at_limit(&mut self) {
        let is_over = match self.state {
            State::Length(_) | State::Data(_) => self.bytes.len() >= self.max_len,
            State::UntilEnd | State::Framing(_) => self.max_len == 0,
            State::Done(_) => false,
        };
        if is_over {
            self.state = State::Done(BodyEnd::TooLong);
        }
    }

    /// RFC 9112 7.1: a byte of a chunked body outside of the data.
    fn framing_byte(&mut self, framing: Framing, byte: u8) -> State {
        State::Framing(match (framing, byte) {
            (Framing::Size { size, digits: 1.. } | Framing::Extension(size), b'\r') => {
                Framing::SizeLf(size)
            }
            (Framing::Size { digits, size }, _) => match char::from(byte).to_digit(16) {
                // 16 digits fit into 64 bits.
                Some(digit) if digits < 16 => {
                    Framing::Size { digits: digits + 1, size: size << 4 | u64::from(digit) }
                }
                None if digits > 0 && b"; \t".contains(&byte) => {
                    return self.extra(Framing::Extension(size));
                }
                _ => return State::Done(BodyEnd::Malformed),
            },
            (Framing::Extension(_), _) if is_of(byte, VALUE) => return self.extra(framing),
            (Framing::SizeLf(0), b'\n') => Framing::TrailerStart,
            (Framing::SizeLf(size), b'\n') => return State::Data(size),
            (Framing::DataCr, b'\r') => Framing::DataLf,
            (Framing::DataLf, b'\n') => Framing::Size { digits: 0, size: 0 },
            (Framing::TrailerStart, b'\r') => Framing::EndLf,
            (Framing::TrailerStart, _) if is_of(byte, TOKEN) => {
                return self.extra(Framing::Trailer);
            }
            (Framing::Trailer, b'\r') => Framing::TrailerLf,
            (Framing::Trailer, _) if is_of(byte, VALUE) => return self.extra(framing),
            (Framing::TrailerLf, b'\n') => Framing::TrailerStart,
            (Framing::EndLf, b'\n') => return State::Done(BodyEnd::Complete),
            _ => return State::Done(BodyEnd::Malformed),
        })
    }

    /// Counts a byte that is neither data nor needed for the framing.
    const fn extra(&mut self, next: Framing) -> State {
        if self.framing_room == 0 {
            return State::Done(BodyEnd::TooLong);
        }
        self.framing_room -= 1;
        State::Framing(next)
    }
}

impl fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyReader")
            .field("bytes", &Hidden::new(&self.bytes))
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// RFC 9112 6.3: the length of a response body.
fn first_state(status: u16, minor: u8, fields: Fields<'_>) -> State {
    if matches!(status, 100..=199 | 204 | 304) {
        return State::Done(BodyEnd::Complete);
    }
    let mut codings = fields.get_all("Transfer-Encoding");
    let mut lengths = fields.get_all("Content-Length");
    match (codings.next(), lengths.next()) {
        (None, None) => State::UntilEnd,
        (None, Some(len)) if lengths.next().is_none() => match parse_len(len) {
            Some(0) => State::Done(BodyEnd::Complete),
            Some(len) => State::Length(len),
            None => State::Done(BodyEnd::Malformed),
        },
        // RFC 9112 6.1: a Transfer-Encoding in HTTP/1.0 is faulty. No other coding was asked for by
        // a TE field (RFC 9110 10.1.4), and none is known here.
        (Some(coding), None)
            if minor > 0 && codings.next().is_none() && coding.eq_ignore_ascii_case(b"chunked") =>
        {
            State::Framing(Framing::Size { digits: 0, size: 0 })
        }
        // RFC 9112 6.1: both of them ought to be handled as an error.
        _ => State::Done(BodyEnd::Malformed),
    }
}

/// Digits only. RFC 9110 8.6: a number may be larger than any integer type; such a body passes each
/// limit.
fn parse_len(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |len, digit| {
        let value = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(len.saturating_mul(10).saturating_add(value))
    })
}
