//! The bytes of a byte stream as data of messages of one kind.

use core::fmt;
use core::time::Duration;

use alloc::vec::Vec;
use std::io;

use crate::error::adapter::WebSocketError;
use crate::error::send::SendError;
use crate::kernel::utf8::from_utf8;
use crate::message::{Data, MessageKind};

/// The default close timeout of a byte stream: that of .NET.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(16);

/// Divides written bytes into payloads. Text is divided between characters: the first bytes of an
/// incomplete character are kept until the rest arrives.
pub(crate) struct Payloads {
    kind: MessageKind,
    /// At most 3 bytes.
    incomplete: Vec<u8>,
}

impl Payloads {
    pub(crate) const fn new(kind: MessageKind) -> Self {
        Self { kind, incomplete: Vec::new() }
    }

    /// Sends the beginning of `bytes`, at most `max` of them, and returns how many were taken.
    /// After an error none were.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        max: usize,
        send: impl FnOnce(Data<'_>) -> Result<(), WebSocketError>,
    ) -> io::Result<usize> {
        let bytes = bytes.get(..max).unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.kind == MessageKind::Binary {
            send(Data::Binary(bytes)).map_err(write_error)?;
            return Ok(bytes.len());
        }
        let kept = self.incomplete.len();
        if kept == 0 {
            let text = whole_characters(bytes)?;
            if text.is_empty() {
                self.incomplete.extend_from_slice(bytes);
                return Ok(bytes.len());
            }
            send(Data::Text(text)).map_err(write_error)?;
            return Ok(text.len());
        }
        let joined = [&self.incomplete, bytes].concat();
        let text = whole_characters(&joined)?;
        if text.is_empty() {
            self.incomplete = joined;
            return Ok(bytes.len());
        }
        send(Data::Text(text)).map_err(write_error)?;
        self.incomplete.clear();
        Ok(text.len() - kept)
    }

    /// Returns the empty payload that ends a message.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if the text ends inside a character.
    pub(crate) fn end(&self) -> io::Result<Data<'static>> {
        if !self.incomplete.is_empty() {
            return Err(invalid_text());
        }
        Ok(match self.kind {
            MessageKind::Binary => Data::Binary(&[]),
            MessageKind::Text => Data::Text(""),
        })
    }
}

impl fmt::Debug for Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} bytes", self.kind, self.incomplete.len())
    }
}

/// The error of a write. For a closed connection it is the error of a closed pipe.
pub(crate) fn write_error(error: WebSocketError) -> io::Error {
    if let WebSocketError::Send(error @ (SendError::Closed | SendError::NotOpen)) = error {
        return io::Error::new(io::ErrorKind::BrokenPipe, error);
    }
    error.into()
}

/// The end of a connection inside a message.
pub(crate) fn cut_message() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed inside a message")
}

/// The end of a connection after data was discarded, because it was not read in time.
#[cfg(feature = "tokio")]
pub(crate) fn discarded() -> io::Error {
    let message = "data that arrived during the shutdown and was not read in time was discarded";
    io::Error::new(io::ErrorKind::ConnectionAborted, message)
}

/// The error at the close timeout of a byte stream.
pub(crate) fn close_timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the close timeout of the byte stream has passed")
}

/// The longest beginning of `bytes` that is text; empty: all of it is the beginning of a character.
fn whole_characters(bytes: &[u8]) -> io::Result<&str> {
    let error = match from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let valid = error.valid_up_to();
    if valid == 0 && error.error_len().is_some() {
        return Err(invalid_text());
    }
    // The bytes before the fault are sent; the next write begins with it.
    Ok(bytes.get(..valid).and_then(|bytes| from_utf8(bytes).ok()).unwrap_or_default())
}

fn invalid_text() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the bytes of a text message are not UTF-8")
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    /// Writes all of `bytes`, at most `step` of them at once, and returns the text that was sent.
    fn write_all(bytes: &[u8], step: usize, max: usize) -> io::Result<String> {
        let (mut payloads, mut sent) = (Payloads::new(MessageKind::Text), String::new());
        for mut chunk in bytes.chunks(step) {
            while !chunk.is_empty() {
                let n = payloads.take(chunk, max, |data| {
                    sent.push_str(core::str::from_utf8(data.as_bytes()).unwrap());
                    assert!(!data.as_bytes().is_empty() && data.as_bytes().len() < max + 4);
                    Ok(())
                })?;
                assert!((1..=chunk.len().min(max)).contains(&n));
                chunk = &chunk[n..];
            }
        }
        payloads.end().map(|_| sent)
    }

    #[test]
    fn text_in_writes_of_any_length_is_divided_between_characters() {
        let text = "a\u{e9}\u{20ac}\u{1f600}b\u{1f600}\u{20ac}";
        for step in 1..=text.len() {
            for max in [1, 2, 3, 4, 5, 64] {
                assert_eq!(write_all(text.as_bytes(), step, max).unwrap(), text);
            }
        }
    }

    #[test]
    fn bytes_that_are_not_text_and_text_that_ends_inside_a_character_are_errors() {
        for bytes in [&b"ab\xff"[..], b"\xff", b"\xe2\x82", b"abc\xe2\x82", b"\xe2\x82x"] {
            for step in 1..=bytes.len() {
                let error = write_all(bytes, step, 64).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            }
        }
    }
}
