//! The reader of heads: strict, resumable at any byte, bounded in bytes and fields.
//!
//! Each byte is scanned once, and a second time if it belongs to the blanks at the end of a field
//! value. Where the input is cut makes no difference. A syntax error is reported at the first byte
//! that shows it; Host, Content-Length and Transfer-Encoding are checked at the end of their line.

use core::mem;

use alloc::vec::Vec;

use crate::error::protocol::LimitError;
use crate::http1::error::HeadError;
use crate::http1::framing::Framing;
use crate::http1::head::{Part, RawHead, Span};
use crate::http1::window::Window;
use crate::kernel::class::{TARGET, TOKEN, VALUE, is_of, skip_blanks, split_run, trim_end};

/// The kind of head that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
}

/// The reader of one head.
///
/// ```text
///  head.bytes                       window of the current input
/// ├──────────────────────────────┤├───────────────────────┬──────────────┤
///                      start ▲                         passed          not read
///                            └─ the current part may begin in an earlier input
/// ```
///
/// Bytes that were passed are copied to `head.bytes` at the end of each input. All positions are
/// relative to the start of the head, so they stay valid across inputs.
#[derive(Debug)]
pub(crate) struct HeadReader {
    head: RawHead,
    /// The known positions of the current field.
    span: Span,
    /// The position of the current part.
    start: usize,
    state: State,
    kind: Kind,
    max_len: usize,
    max_fields: usize,
    /// The number of bytes read. While an input is read, `head.bytes` may have fewer.
    len: usize,
    framing: Framing,
    #[cfg(test)]
    scanned: usize,
}

/// The part of the head to which the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The start of a request. One empty line is allowed before the request line.
    Start,
    StartLf,
    Method,
    Target,
    /// The version of a request, after this number of its bytes.
    RequestVersion(u8),
    /// The version of a response, after this number of its bytes.
    ResponseVersion(u8),
    /// The status, after this number of digits.
    Status(u8),
    Reason,
    /// The line feed of the first line, or of a field.
    LineLf,
    FieldLf,
    FieldStart,
    Name,
    /// The blanks between a colon and a value.
    Blanks,
    Value,
    /// The line feed of the empty line.
    EndLf,
    Done,
}

const VERSION: &[u8; 5] = b"HTTP/";

impl HeadReader {
    pub(crate) fn new(kind: Kind, max_len: usize, max_fields: usize) -> Self {
        Self {
            head: RawHead::default(),
            span: Span::default(),
            start: 0,
            state: match kind {
                Kind::Request => State::Start,
                Kind::Response => State::ResponseVersion(0),
            },
            kind,
            // Positions in a head have 32 bits.
            max_len: max_len.min(u32::MAX as usize),
            max_fields,
            len: 0,
            framing: Framing::default(),
            #[cfg(test)]
            scanned: 0,
        }
    }

    /// Returns the number of bytes of the head so far.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Reads an input. Returns the number of bytes that belong to the head, and whether the head is
    /// complete. If there is an error, the byte that shows it is the last one counted.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> (usize, Result<bool, HeadError>) {
        if self.state == State::Done {
            return (0, Ok(true));
        }
        let room = self.max_len.saturating_sub(self.len);
        let window = bytes.get(..room).unwrap_or(bytes);
        let mut input = Window::new(window, self.len);
        if self.head.bytes.capacity() == 0 {
            self.head.bytes = Vec::with_capacity(window.len());
        }
        let result = self.run(&mut input);
        let taken = input.passed() + usize::from(result.is_err());
        input.keep(&mut self.head.bytes);
        self.len += taken;
        #[cfg(test)]
        {
            self.scanned += input.scanned;
        }
        match result {
            Ok(false) if self.len >= self.max_len => (taken, Err(LimitError::HeadTooLong.into())),
            result => (taken, result),
        }
    }

    /// Takes the complete head.
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
                    self.start = input.place() + 1;
                    input.pass(State::Method)
                }
                State::Target => self.target(input)?,
                State::RequestVersion(n) => input.pass(self.request_version(n, byte)?),
                State::ResponseVersion(n) => input.pass(self.response_version(n, byte)?),
                State::Status(n) => self.status(n, byte, input)?,
                State::Reason => self.reason(input)?,
                // RFC 9112 2.2 allows a recipient to accept a bare LF as the end of a line.
                // Differences between recipients have been used for request smuggling, so a bare LF
                // is refused, as is a bare CR.
                State::LineLf | State::EndLf if byte != b'\n' => return Err(HeadError::LineEnd),
                State::LineLf => input.pass(State::FieldStart),
                State::FieldStart => self.fields(input)?,
                State::Name | State::Blanks | State::Value | State::FieldLf => {
                    self.rest_of_field(self.state, input)?
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
        let at = input.place();
        if byte != b' ' || at == self.start {
            return Err(HeadError::Method);
        }
        self.head.line.first = Part::new(self.start, at);
        self.start = at + 1;
        Ok(input.pass(State::Target))
    }

    fn target(&mut self, input: &mut Window<'_>) -> Result<State, HeadError> {
        input.skip(TARGET);
        let Some(byte) = input.peek() else { return Ok(State::Target) };
        let at = input.place();
        if byte != b' ' || at == self.start {
            return Err(HeadError::Target);
        }
        self.head.line.second = Part::new(self.start, at);
        input.pass(());
        // Fast path for nearly all requests.
        if input.skip_text(b"HTTP/1.1\r\n") {
            self.head.line.minor = 1;
            return Ok(State::FieldStart);
        }
        Ok(State::RequestVersion(0))
    }

    fn request_version(&mut self, n: u8, byte: u8) -> Result<State, HeadError> {
        match n {
            8 if byte == b'\r' => Ok(State::LineLf),
            // RFC 9110 2.5: a higher minor version is treated as the highest known one.
            // RFC 9110 7.8: Upgrade MUST be ignored in HTTP/1.0, so HTTP/1.0 can't request it.
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

    /// Checks the byte at index `n` of `HTTP/1.x`.
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
            return match byte {
                b' ' => {
                    self.start = input.place() + 1;
                    Ok(input.pass(State::Reason))
                }
                // RFC 9112 4: the space is required even without a reason phrase. Some servers omit
                // it; that is accepted, since it has only one possible meaning.
                b'\r' => Ok(input.pass(State::LineLf)),
                b'\n' => Err(HeadError::LineEnd),
                _ => Err(HeadError::Status),
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
        self.head.line.first = Part::new(self.start, input.place());
        Ok(input.pass(State::LineLf))
    }

    /// Reads field lines, up to the empty line or the end of the input.
    ///
    /// Fast path: complete and valid lines are handled in this loop. For any other line, the
    /// positions found so far are passed to [`Self::rest_of_field`], which covers all cases. No
    /// byte is scanned again.
    #[inline(never)]
    fn fields(&mut self, input: &mut Window<'_>) -> Result<State, HeadError> {
        let end = input.end();
        loop {
            let line = input.rest();
            let first = line.first().copied();
            if !first.is_some_and(|byte| is_of(byte, TOKEN)) {
                return match first {
                    None => Ok(State::FieldStart),
                    Some(b'\r') => Ok(input.pass(State::EndLf)),
                    Some(b'\n') => Err(HeadError::LineEnd),
                    // RFC 9112 5.2: a server MUST reject obs-fold, or replace it.
                    Some(b' ' | b'\t') => Err(HeadError::Folding),
                    Some(_) => Err(HeadError::FieldName),
                };
            }
            if self.head.spans.len() >= self.max_fields {
                return Err(LimitError::TooManyFields.into());
            }
            let start = end - line.len();
            let (name, behind) = split_run(line, TOKEN);
            let [b':', value @ ..] = behind else {
                self.start = start;
                input.go_on(behind, name.len());
                return self.rest_of_field(State::Name, input);
            };
            let name = Part::new(start, start + name.len());
            let value = skip_blanks(value);
            let start = end - value.len();
            let (run, behind) = split_run(value, VALUE);
            let kept = trim_end(run).len();
            let span = Span { name, value: Part::new(start, start + kept) };
            // The blanks at the end of the value were scanned twice.
            let looked_at = line.len() - behind.len() + run.len() - kept;
            if let [b'\r', line_feed @ ..] = behind
                && let [b'\n', ..] = line_feed
            {
                input.go_on(line_feed, looked_at + 1);
                self.end_field(span, input)?;
                input.pass(());
                continue;
            }
            self.span = span;
            input.go_on(behind, looked_at);
            let state = if value.is_empty() { State::Blanks } else { State::Value };
            return self.rest_of_field(state, input);
        }
    }

    /// Reads the rest of a field after its beginning was read. It covers lines that are cut by the
    /// end of an input, and invalid lines, both of which are rare.
    #[cold]
    fn rest_of_field(
        &mut self,
        mut state: State,
        input: &mut Window<'_>,
    ) -> Result<State, HeadError> {
        if state == State::Name {
            input.skip(TOKEN);
            match input.peek() {
                None => return Ok(state),
                Some(b':') => {}
                // RFC 9112 5.1: a server MUST reject whitespace between name and colon.
                Some(_) => return Err(HeadError::FieldName),
            }
            self.span.name = Part::new(self.start, input.place());
            state = input.pass(State::Blanks);
        }
        if state == State::Blanks {
            while let Some(b' ' | b'\t') = input.peek() {
                input.pass(());
            }
            if input.peek().is_none() {
                return Ok(state);
            }
            self.span.value = Part::new(input.place(), input.place());
            state = State::Value;
        }
        if state == State::Value {
            let start = input.place();
            let run = input.skip(VALUE);
            let kept = trim_end(run).len();
            input.go_on(input.rest(), run.len() - kept);
            if kept > 0 {
                self.span.value = Part::new(self.span.value.start(), start + kept);
            }
            match input.peek() {
                None => return Ok(state),
                Some(b'\r') => input.pass(()),
                Some(byte) => return Err(HeadError::control(byte)),
            }
        }
        match input.peek() {
            None => return Ok(State::FieldLf),
            Some(b'\n') => {}
            Some(_) => return Err(HeadError::LineEnd),
        }
        self.end_field(self.span, input)?;
        Ok(input.pass(State::FieldStart))
    }

    /// Stores a field at the end of its line, and checks the fields that need it.
    #[inline(always)]
    fn end_field(&mut self, span: Span, input: &mut Window<'_>) -> Result<(), HeadError> {
        // Room for the fields of a usual request; it grows on demand.
        if self.head.spans.capacity() == 0 {
            self.head.spans = Vec::with_capacity(16.min(self.max_fields));
        }
        self.head.spans.push(span);
        // Host, Content-Length and Transfer-Encoding have names of these lengths. The test of the
        // length keeps other fields away from the comparison of names.
        if self.kind == Kind::Request
            && let 4 | 14 | 17 = span.name.end() - span.name.start()
        {
            self.judge_field(span, input)?;
        }
        Ok(())
    }

    fn judge_field(&mut self, span: Span, input: &mut Window<'_>) -> Result<(), HeadError> {
        // The bytes of most fields are in one input.
        let (bytes, base) = match input.around(span.name.start()) {
            Some(around) => around,
            None => {
                input.keep(&mut self.head.bytes);
                (&*self.head.bytes, 0)
            }
        };
        let (name, value) = (span.name.of(bytes, base), span.value.of(bytes, base));
        self.framing.field(name, value)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;

    const MAX_LEN: usize = 1 << 17;

    /// Reads parts of a head. Returns the result and the number of scanned bytes.
    fn read(parts: &[&[u8]]) -> (Result<bool, HeadError>, usize) {
        let mut reader = HeadReader::new(Kind::Request, MAX_LEN, 100);
        for part in parts {
            let (taken, result) = reader.read(part);
            if result != Ok(false) {
                return (result, reader.scanned);
            }
            assert_eq!(taken, part.len());
        }
        (Ok(false), reader.scanned)
    }

    #[test]
    fn v1_each_byte_is_scanned_at_most_twice() {
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
                let parts: Vec<&[u8]> = bytes.chunks(len).collect();
                let (result, scanned) = read(&parts);
                assert_eq!(result, Ok(true));
                assert!(scanned >= bytes.len() && scanned <= 2 * bytes.len(), "{scanned}");
            }
        }
    }

    #[test]
    fn v1_an_endless_head_is_read_up_to_its_limit() {
        let bytes = format!("GET /{}", "x".repeat(2 * MAX_LEN));
        let parts: Vec<&[u8]> = bytes.as_bytes().chunks(1).collect();
        let (result, scanned) = read(&parts);
        assert_eq!(result, Err(LimitError::HeadTooLong.into()));
        assert!(scanned <= 2 * MAX_LEN);
    }

    #[test]
    fn memory_is_bounded_by_the_bytes_received() {
        // The input may be far longer than the limit of the head.
        let mut bytes = Vec::from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        bytes.resize(1 << 20, b'x');
        let mut reader = HeadReader::new(Kind::Request, 1000, 100);
        assert_eq!(reader.read(&bytes), (27, Ok(true)));
        let head = reader.take();
        assert!(head.bytes.capacity() <= 1000);
        assert_eq!(head.bytes, bytes[..27]);
    }
}
