//! The reader of heads: strict, resumable at any byte, bounded in bytes and fields.
//!
//! Each byte is looked at once, and its value once more if it is the blank end of a field, however
//! the input is cut. A syntax error is decided at the first byte that shows it; what Host,
//! Content-Length and Transfer-Encoding say is judged when their line has ended.

use core::fmt;
use core::mem;

use crate::authority::Authority;
use crate::error::LimitError;
use crate::http1::head::{Line, RawHead, Span, part};
use crate::http1::lists::members;
use crate::kernel::class::{TARGET, TOKEN, VALUE, is_of, is_token, run_len, token_len, value_len};

/// Which kind of head is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
}

/// A head on its way in.
#[derive(Debug)]
pub(crate) struct HeadReader {
    head: RawHead,
    span: Span,
    state: State,
    kind: Kind,
    max_len: usize,
    max_fields: usize,
    /// How many bytes have been read; `head.bytes` lags behind while an input is being read.
    len: usize,
    framing: Framing,
    #[cfg(test)]
    scanned: usize,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The beginning of a request: one empty line may come first.
    Start,
    StartLf,
    Method,
    Target,
    /// The version of a request, after so many of its bytes.
    RequestVersion(u8),
    /// The version of a response, after so many of its bytes.
    ResponseVersion(u8),
    /// The status, after so many digits.
    Status(u8),
    Reason,
    /// The line feed of the first line, or of a field.
    LineLf,
    FieldLf,
    FieldStart,
    Name,
    /// The blanks before a value.
    Blanks,
    Value,
    /// The line feed of the empty line.
    EndLf,
    Done,
}

/// What the fields of a request have said about it so far.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    host: bool,
    content_length: bool,
    transfer_encoding: bool,
}

const VERSION: &[u8; 5] = b"HTTP/";

impl HeadReader {
    pub(crate) fn new(kind: Kind, max_len: usize, max_fields: usize) -> Self {
        Self {
            head: RawHead { bytes: alloc::vec![], spans: alloc::vec![], line: Line::default() },
            span: Span::default(),
            state: match kind {
                Kind::Request => State::Start,
                Kind::Response => State::ResponseVersion(0),
            },
            kind,
            // Places in a head are 32 bits wide.
            max_len: max_len.min(u32::MAX as usize),
            max_fields,
            len: 0,
            framing: Framing::default(),
            #[cfg(test)]
            scanned: 0,
        }
    }

    /// How many bytes the head has so far.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Reads on, and tells how many of the bytes belong to the head and whether it is whole now.
    /// With an error, the byte that shows it is the last one counted.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> (usize, Result<bool, HeadError>) {
        if self.state == State::Done {
            return (0, Ok(true));
        }
        let room = self.max_len.saturating_sub(self.len);
        let window = bytes.get(..room).unwrap_or(bytes);
        let before = self.len;
        let mut input = Window {
            rest: window,
            all: window,
            base: before,
            kept: 0,
            #[cfg(test)]
            scanned: 0,
        };
        if self.head.bytes.is_empty() {
            self.head.bytes.reserve(window.len());
        }
        let result = self.run(&mut input);
        self.len = match result {
            Err(_) => input.at() + 1,
            Ok(_) => input.at(),
        };
        input.keep(&mut self.head.bytes);
        #[cfg(test)]
        {
            self.scanned += input.scanned;
        }
        let result = match result {
            Ok(false) if self.len >= self.max_len => Err(LimitError::HeadTooLong.into()),
            other => other,
        };
        (self.len - before, result)
    }

    /// Takes the whole head out.
    pub(crate) fn take(&mut self) -> RawHead {
        mem::take(&mut self.head)
    }

    fn run(&mut self, input: &mut Window<'_>) -> Result<bool, HeadError> {
        while let Some(byte) = input.peek() {
            self.state = match self.state {
                // RFC 9112 2.2: a server SHOULD ignore at least one empty line before a request.
                State::Start if byte == b'\r' => input.pass(State::StartLf),
                State::Start | State::Method => self.method(input)?,
                State::StartLf => {
                    if byte != b'\n' {
                        return Err(HeadError::LineEnd);
                    }
                    self.head.line.first = place(input.at() + 1);
                    input.pass(State::Method)
                }
                State::Target => self.target(input)?,
                State::RequestVersion(n) => input.pass(self.request_version(n, byte)?),
                State::ResponseVersion(n) => input.pass(self.response_version(n, byte)?),
                State::Status(n) => self.status(n, byte, input)?,
                State::Reason => self.reason(input)?,
                // RFC 9112 2.2 lets a recipient take a bare LF as a line's end: attackers have
                // used that recipients differ there, so it is refused, as is a bare CR.
                State::LineLf | State::EndLf if byte != b'\n' => return Err(HeadError::LineEnd),
                State::LineLf => input.pass(State::FieldStart),
                State::FieldStart | State::Name | State::Blanks | State::Value | State::FieldLf => {
                    self.fields(self.state, input)?
                }
                State::EndLf => {
                    if self.kind == Kind::Request && !self.framing.host {
                        return Err(HeadError::Host);
                    }
                    input.pass(State::Done)
                }
                State::Done => return Ok(true),
            };
            if self.state == State::Done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn method(&mut self, input: &mut Window<'_>) -> Result<State, HeadError> {
        input.skip(TOKEN);
        let Some(byte) = input.peek() else { return Ok(State::Method) };
        let at = place(input.at());
        if byte != b' ' || at == self.head.line.first {
            return Err(HeadError::Method);
        }
        self.head.line.first_end = at;
        self.head.line.second = at + 1;
        Ok(input.pass(State::Target))
    }

    fn target(&mut self, input: &mut Window<'_>) -> Result<State, HeadError> {
        input.skip(TARGET);
        let Some(byte) = input.peek() else { return Ok(State::Target) };
        let at = place(input.at());
        if byte != b' ' || at == self.head.line.second {
            return Err(HeadError::Target);
        }
        self.head.line.second_end = at;
        Ok(input.pass(State::RequestVersion(0)))
    }

    fn request_version(&mut self, n: u8, byte: u8) -> Result<State, HeadError> {
        match n {
            8 if byte == b'\r' => Ok(State::LineLf),
            // RFC 9110 2.5: a higher minor version is read as the highest one that is known.
            // RFC 9110 7.8: Upgrade MUST be ignored in HTTP/1.0, so there is nothing to ask for.
            7 if byte == b'0' => Err(HeadError::Version),
            8 if byte == b'\n' => Err(HeadError::LineEnd),
            _ => self.version(n, byte).map(|()| State::RequestVersion(n + 1)),
        }
    }

    fn response_version(&mut self, n: u8, byte: u8) -> Result<State, HeadError> {
        match n {
            8 if byte == b' ' => Ok(State::Status(0)),
            _ => self.version(n, byte).map(|()| State::ResponseVersion(n + 1)),
        }
    }

    /// `HTTP/1.x`, byte by byte.
    fn version(&mut self, n: u8, byte: u8) -> Result<(), HeadError> {
        let fits = match n {
            0..5 => VERSION.get(usize::from(n)) == Some(&byte),
            5 if byte.is_ascii_digit() && byte != b'1' => return Err(HeadError::MajorVersion),
            5 => byte == b'1',
            6 => byte == b'.',
            7 => {
                self.head.line.minor = byte.wrapping_sub(b'0');
                byte.is_ascii_digit()
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(HeadError::Version) }
    }

    fn status(&mut self, n: u8, byte: u8, input: &mut Window<'_>) -> Result<State, HeadError> {
        if n == 3 {
            self.head.line.first = place(input.at() + 1);
            return if byte == b' ' {
                Ok(input.pass(State::Reason))
            } else {
                Err(HeadError::Status)
            };
        }
        // RFC 9110 15: the first digit is 1 to 5.
        if !byte.is_ascii_digit() || (n == 0 && !matches!(byte, b'1'..=b'5')) {
            return Err(HeadError::Status);
        }
        self.head.line.status = self.head.line.status * 10 + u16::from(byte - b'0');
        Ok(input.pass(State::Status(n + 1)))
    }

    fn reason(&mut self, input: &mut Window<'_>) -> Result<State, HeadError> {
        input.skip(VALUE);
        let Some(byte) = input.peek() else { return Ok(State::Reason) };
        if byte != b'\r' {
            return Err(HeadError::control(byte));
        }
        self.head.line.first_end = place(input.at());
        Ok(input.pass(State::LineLf))
    }

    /// The lines of the fields, and the empty line behind them.
    ///
    /// All of it in one function, so that the places live in registers.
    fn fields(&mut self, mut state: State, input: &mut Window<'_>) -> Result<State, HeadError> {
        let Span { mut name, mut name_end, mut value, mut value_end } = self.span;
        loop {
            state = match state {
                State::FieldStart => match input.peek() {
                    None => break,
                    Some(b'\r') => input.pass(State::EndLf),
                    Some(byte) if is_of(byte, TOKEN) => {
                        if self.head.spans.len() >= self.max_fields {
                            return Err(LimitError::TooManyFields.into());
                        }
                        name = place(input.at());
                        State::Name
                    }
                    // RFC 9112 5.2: a server MUST reject obs-fold, or replace it.
                    Some(b' ' | b'\t') => return Err(HeadError::Folding),
                    Some(b'\n') => return Err(HeadError::LineEnd),
                    Some(_) => return Err(HeadError::FieldName),
                },
                State::Name => {
                    input.skip(TOKEN);
                    match input.peek() {
                        None => break,
                        Some(b':') => {
                            name_end = place(input.at());
                            input.pass(State::Blanks)
                        }
                        // RFC 9112 5.1: a server MUST reject whitespace between name and colon.
                        Some(_) => return Err(HeadError::FieldName),
                    }
                }
                State::Blanks => match input.peek() {
                    None => break,
                    Some(b' ' | b'\t') => input.pass(State::Blanks),
                    Some(_) => {
                        value = place(input.at());
                        value_end = value;
                        State::Value
                    }
                },
                State::Value => {
                    let start = input.at();
                    let run = input.skip(VALUE);
                    let kept = input.trim_end(run);
                    if kept > 0 {
                        value_end = place(start + kept);
                    }
                    match input.peek() {
                        None => break,
                        Some(b'\r') => input.pass(State::FieldLf),
                        Some(byte) => return Err(HeadError::control(byte)),
                    }
                }
                State::FieldLf => match input.peek() {
                    None => break,
                    Some(b'\n') => {
                        self.end_field(Span { name, name_end, value, value_end }, input)?;
                        input.pass(State::FieldStart)
                    }
                    Some(_) => return Err(HeadError::LineEnd),
                },
                // The empty line's line feed; and what never comes here.
                State::EndLf
                | State::Start
                | State::StartLf
                | State::Method
                | State::Target
                | State::RequestVersion(_)
                | State::ResponseVersion(_)
                | State::Status(_)
                | State::Reason
                | State::LineLf
                | State::Done => break,
            };
        }
        self.span = Span { name, name_end, value, value_end };
        Ok(state)
    }

    /// The line of a field has ended.
    #[inline]
    fn end_field(&mut self, span: Span, input: &mut Window<'_>) -> Result<(), HeadError> {
        if self.head.spans.capacity() == 0 {
            self.head.spans.reserve(16.min(self.max_fields));
        }
        self.head.spans.push(span);
        // Only the names of these lengths are asked for.
        if self.kind == Kind::Request
            && let 4 | 14 | 17 = span.name_end - span.name
        {
            self.judge_field(span, input)?;
        }
        Ok(())
    }

    fn judge_field(&mut self, span: Span, input: &mut Window<'_>) -> Result<(), HeadError> {
        // Most fields lie in one input as a whole.
        let (bytes, base) = match input.base_of(span.name) {
            Some(base) => (input.all, base),
            None => {
                input.keep(&mut self.head.bytes);
                (&*self.head.bytes, 0)
            }
        };
        let name = part(bytes, span.name - base, span.name_end - base);
        let value = part(bytes, span.value - base, span.value_end - base);
        self.framing.field(name, value)
    }
}

impl Framing {
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if name.eq_ignore_ascii_case(b"host") {
            // RFC 9112 3.2: a server MUST answer 400 to more than one Host, or an invalid one.
            if mem::replace(&mut self.host, true) || !is_host(value) {
                return Err(HeadError::Host);
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            if mem::replace(&mut self.content_length, true) || !is_number {
                return Err(HeadError::ContentLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // RFC 9112 6.3: a server MUST answer 400 if chunked isn't the last coding.
            let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
            if mem::replace(&mut self.transfer_encoding, true)
                || !members(value).all(is_token)
                || !members(value).last().is_some_and(chunked)
            {
                return Err(HeadError::TransferEncoding);
            }
        }
        // RFC 9112 6.1: both of them ought to be handled as an error.
        if self.content_length && self.transfer_encoding {
            return Err(HeadError::ContentLength);
        }
        Ok(())
    }
}

/// RFC 9112 3.2: the value is empty if the target has no authority.
fn is_host(value: &[u8]) -> bool {
    value.is_empty()
        || core::str::from_utf8(value).is_ok_and(|value| Authority::parse(value).is_ok())
}

/// Places in a head are 32 bits wide; the reader stops before that.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The bytes of one input that belong to the head.
struct Window<'w> {
    rest: &'w [u8],
    all: &'w [u8],
    /// How many bytes of the head came before.
    base: usize,
    /// How many bytes have been copied to the head.
    kept: usize,
    #[cfg(test)]
    scanned: usize,
}

impl<'w> Window<'w> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The place of the next byte in the head.
    #[inline]
    const fn at(&self) -> usize {
        self.base + (self.all.len() - self.rest.len())
    }

    /// Passes one byte, which leads to `next`.
    #[inline]
    fn pass<T>(&mut self, next: T) -> T {
        self.looked_at(1);
        self.rest = self.rest.get(1..).unwrap_or_default();
        next
    }

    /// Passes all bytes of a class.
    #[inline]
    fn skip(&mut self, class: u8) -> &'w [u8] {
        let len = match class {
            TOKEN => token_len(self.rest),
            VALUE => value_len(self.rest),
            _ => run_len(self.rest, class),
        };
        let (run, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        // The byte that ends the run has been looked at too.
        self.looked_at(run.len() + usize::from(!rest.is_empty()));
        run
    }

    /// How many bytes are left without the blanks at the end.
    #[inline]
    fn trim_end(&mut self, run: &[u8]) -> usize {
        let last = run.iter().rposition(|byte| !matches!(byte, b' ' | b'\t'));
        let len = last.map_or(0, |last| last + 1);
        self.looked_at(run.len() - len);
        len
    }

    /// Counts, for the test that bytes are not looked at again and again.
    #[inline]
    #[cfg_attr(not(test), expect(clippy::needless_pass_by_ref_mut, reason = "tests count"))]
    const fn looked_at(&mut self, n: usize) {
        #[cfg(test)]
        {
            self.scanned += n;
        }
        #[cfg(not(test))]
        let _ = n;
    }

    /// Where the window begins in the head, if `place` lies in it.
    fn base_of(&self, at: u32) -> Option<u32> {
        let base = place(self.base);
        (at >= base).then_some(base)
    }

    /// Copies to the head what has been passed.
    fn keep(&mut self, bytes: &mut alloc::vec::Vec<u8>) {
        let passed = self.all.len() - self.rest.len();
        bytes.extend_from_slice(self.all.get(self.kept..passed).unwrap_or_default());
        self.kept = passed;
    }
}

/// A head that breaks a rule of HTTP/1.1, or passes a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeadError {
    /// The method is not a token, or no single space follows it.
    Method,
    /// The request target is missing or has characters that it can't have.
    Target,
    /// The version is not `HTTP/1.1`; nothing may follow it on its line.
    Version,
    /// Another major version of HTTP.
    MajorVersion,
    /// The status is not three digits from 100 to 599 with a space behind.
    Status,
    /// A field's name is not a token that ends with a colon.
    FieldName,
    /// A field's value, or the reason of a status, has a control character.
    ControlCharacter,
    /// A line doesn't end with CR LF.
    LineEnd,
    /// A line begins with a blank.
    Folding,
    /// Not exactly one Host field, or not a host.
    Host,
    /// More than one Content-Length, or not a number, or a Transfer-Encoding beside it.
    ContentLength,
    /// More than one Transfer-Encoding, or one that doesn't end with `chunked`.
    TransferEncoding,
    /// A limit of the [`Config`](crate::Config) was passed.
    Limit(LimitError),
}

impl HeadError {
    /// What a byte in the wrong place of a value or reason is.
    const fn control(byte: u8) -> Self {
        if byte == b'\n' { Self::LineEnd } else { Self::ControlCharacter }
    }

    /// What happened, for people.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Method => "the method is not a token followed by one space",
            Self::Target => "the request target is missing or has a character it can't have",
            Self::Version => "the version is not HTTP/1.1",
            Self::MajorVersion => "the major version of HTTP is not 1",
            Self::Status => "the status is not three digits followed by a space",
            Self::FieldName => "a field name is not a token followed by a colon",
            Self::ControlCharacter => "a field value or reason has a control character",
            Self::LineEnd => "a line doesn't end with CR LF",
            Self::Folding => "a line begins with a blank",
            Self::Host => "there must be exactly one valid Host field",
            Self::ContentLength => {
                "there must be at most one Content-Length, a number, and no Transfer-Encoding \
                 beside it"
            }
            Self::TransferEncoding => {
                "there must be at most one Transfer-Encoding, which ends with chunked"
            }
            Self::Limit(LimitError::TooManyFields) => {
                "the head has more fields than max_head_fields allows"
            }
            Self::Limit(_) => "the head is longer than max_head_len allows",
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for HeadError {}

impl From<LimitError> for HeadError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    const MAX_LEN: usize = 1 << 17;

    /// Reads in pieces, and tells how many bytes were looked at.
    fn read(pieces: &[&[u8]]) -> (Result<bool, HeadError>, usize) {
        let mut reader = HeadReader::new(Kind::Request, MAX_LEN, 100);
        for piece in pieces {
            let (taken, result) = reader.read(piece);
            if result != Ok(false) {
                return (result, reader.scanned);
            }
            assert_eq!(taken, piece.len());
        }
        (Ok(false), reader.scanned)
    }

    #[test]
    fn v1_no_byte_is_looked_at_again_and_again() {
        let start = "GET / HTTP/1.1\r\nHost: a\r\n";
        let heads: [String; 6] = [
            format!("{start}X: {}\r\n\r\n", "x".repeat(65_000)),
            format!("{start}{}: x\r\n\r\n", "x".repeat(65_000)),
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(65_000)),
            format!("{start}X:{}\r\n\r\n", " ".repeat(65_000)),
            format!("{start}X: x{}\r\n\r\n", " ".repeat(65_000)),
            format!("{start}{}\r\n", "Some-Name: some value \r\n".repeat(99)),
        ];
        for head in &heads {
            let bytes = head.as_bytes();
            for len in [1, 2, 3, 7, 64, 1000, bytes.len()] {
                let pieces: Vec<&[u8]> = bytes.chunks(len).collect();
                let (result, scanned) = read(&pieces);
                assert_eq!(result, Ok(true));
                assert!(scanned >= bytes.len() && scanned <= 2 * bytes.len(), "{scanned}");
            }
        }
    }

    #[test]
    fn v1_an_endless_head_costs_its_limit() {
        let bytes = format!("GET /{}", "x".repeat(2 * MAX_LEN));
        let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(1).collect();
        let (result, scanned) = read(&pieces);
        assert_eq!(result, Err(LimitError::HeadTooLong.into()));
        assert!(scanned <= 2 * MAX_LEN);
    }

    #[test]
    fn memory_follows_what_has_come() {
        // A header announces nothing here, but an input may be far longer than the head may be.
        let mut bytes = Vec::from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        bytes.resize(1 << 20, b'x');
        let mut reader = HeadReader::new(Kind::Request, 1000, 100);
        assert_eq!(reader.read(&bytes), (27, Ok(true)));
        let head = reader.take();
        assert!(head.bytes.capacity() <= 1000);
        assert_eq!(head.bytes, bytes[..27]);
    }
}
