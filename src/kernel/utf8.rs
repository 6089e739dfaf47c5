//! UTF-8 validation ([RFC 6455 section 8.1](https://www.rfc-editor.org/rfc/rfc6455#section-8.1)),
//! whole and in pieces.

use core::str::Utf8Error;

/// Below this the standard library's loop is as fast.
#[cfg(feature = "simd")]
const SHORT: usize = 64;

/// Returns the bytes as text if they are.
#[inline]
pub(crate) fn validate(bytes: &[u8]) -> Option<&str> {
    #[cfg(feature = "simd")]
    if bytes.len() >= SHORT {
        return simdutf8::basic::from_utf8(bytes).ok();
    }
    core::str::from_utf8(bytes).ok()
}

/// Returns the bytes as text, or where the fault lies, which [`validate`] doesn't tell.
pub(crate) fn from_utf8(bytes: &[u8]) -> Result<&str, Utf8Error> {
    validate(bytes).map_or_else(|| core::str::from_utf8(bytes), Ok)
}

/// A piece of a text: what is valid of it, and what comes behind.
#[derive(Debug)]
pub(crate) struct Split<'a> {
    pub(crate) text: &'a str,
    pub(crate) rest: Rest<'a>,
}

/// What comes behind the valid text of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rest<'a> {
    Nothing,
    /// The beginning of a character, 1 to 3 bytes.
    Incomplete(&'a [u8]),
    /// Bytes that no text goes on with.
    Invalid,
}

/// Splits a piece that begins at a character into text and what comes behind.
pub(crate) fn split(bytes: &[u8]) -> Split<'_> {
    let cut = bytes.len() - incomplete_len(bytes);
    let (body, tail) = bytes.split_at_checked(cut).unwrap_or((bytes, &[]));
    let Some(text) = validate(body) else {
        return split_slowly(bytes);
    };
    let rest = if tail.is_empty() {
        Rest::Nothing
    } else {
        match core::str::from_utf8(tail) {
            Err(error) if error.error_len().is_none() => Rest::Incomplete(tail),
            _ => Rest::Invalid,
        }
    };
    Split { text, rest }
}

/// How many bytes at the end may be the beginning of a longer character: 0 to 3.
fn incomplete_len(bytes: &[u8]) -> usize {
    for (i, byte) in bytes.iter().rev().take(3).enumerate() {
        let have = i + 1;
        let want = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            0x00..=0x7f => 1,
        };
        return if want > have { have } else { 0 };
    }
    0
}

/// Somewhere there is a bad byte: the standard library tells where.
#[cold]
fn split_slowly(bytes: &[u8]) -> Split<'_> {
    let (text, rest) = match core::str::from_utf8(bytes) {
        Ok(text) => (text, Rest::Nothing),
        Err(error) => {
            let (valid, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or((&[], bytes));
            let rest =
                if error.error_len().is_none() { Rest::Incomplete(rest) } else { Rest::Invalid };
            (core::str::from_utf8(valid).unwrap_or_default(), rest)
        }
    };
    Split { text, rest }
}

/// The beginning of a character whose end has not come yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carry {
    bytes: [u8; 3],
    len: u8,
}

/// What bytes after a [`Carry`] make of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Completed {
    /// A character, with as many of the bytes as were needed.
    Char {
        char: char,
        taken: usize,
    },
    /// Still incomplete, with all of the bytes.
    Incomplete,
    Invalid,
}

impl Carry {
    pub(crate) const NONE: Self = Self { bytes: [0; 3], len: 0 };

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes of the character are here: 0 to 3.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// The bytes of the character that are here.
    #[cfg(feature = "deflate")]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len()).unwrap_or_default()
    }

    /// Keeps the beginning of a character; at most 3 bytes are one.
    pub(crate) fn keep(&mut self, beginning: &[u8]) {
        for (kept, byte) in self.bytes.iter_mut().zip(beginning) {
            *kept = *byte;
        }
        self.len = u8::try_from(beginning.len().min(3)).unwrap_or(3);
    }

    /// Goes on with `bytes`; the carry is empty after a character.
    pub(crate) fn complete(&mut self, bytes: impl IntoIterator<Item = u8>) -> Completed {
        let mut char = [0; 4];
        let [b0, b1, b2, _] = &mut char;
        [*b0, *b1, *b2] = self.bytes;
        let mut len = usize::from(self.len);
        for (i, byte) in bytes.into_iter().enumerate() {
            if let Some(place) = char.get_mut(len) {
                *place = byte;
            }
            len += 1;
            match core::str::from_utf8(char.get(..len).unwrap_or_default()) {
                Ok(text) => {
                    *self = Self::NONE;
                    let char = text.chars().next().unwrap_or_default();
                    return Completed::Char { char, taken: i + 1 };
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Completed::Invalid,
            }
        }
        self.keep(char.get(..len).unwrap_or_default());
        Completed::Incomplete
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    /// Text, rest of an unfinished character, whether invalid: by pieces of `piece` bytes.
    fn in_pieces(bytes: &[u8], piece: usize) -> (String, bool) {
        let (mut text, mut carry) = (String::new(), Carry::NONE);
        for mut part in bytes.chunks(piece) {
            if !carry.is_empty() {
                match carry.complete(part.iter().copied()) {
                    Completed::Char { char, taken } => {
                        text.push(char);
                        part = &part[taken..];
                    }
                    Completed::Incomplete => continue,
                    Completed::Invalid => return (text, false),
                }
            }
            let split = split(part);
            text.push_str(split.text);
            match split.rest {
                Rest::Nothing => {}
                Rest::Incomplete(tail) => carry.keep(tail),
                Rest::Invalid => return (text, false),
            }
        }
        (text, carry.is_empty())
    }

    #[test]
    fn f12_pieces_agree_with_the_whole() {
        let mut samples: Vec<Vec<u8>> = [
            "plain ascii, long enough for the vector loop, and then some more of the same kind ...",
            "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}",
            "a\u{e4}\u{20ac}\u{1f600}\u{1f600}\u{20ac}\u{e4}a",
        ]
        .iter()
        .map(|s| s.as_bytes().to_vec())
        .collect();
        // Overlong forms, surrogates, too large, stray and missing continuation bytes.
        for bad in [
            &b"\xc0\x80"[..],
            b"\xe0\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\x80",
            b"\xe2\x28\xa1",
            b"\xe2\x82",
            b"\xf0\x9f\x98",
            b"\xff",
            b"\xc3",
        ] {
            for pad in [0, 1, 63, 64, 65, 200] {
                let mut sample = Vec::new();
                sample.resize(pad, b'x');
                sample.extend_from_slice(bad);
                samples.push(sample.clone());
                sample.extend_from_slice(b"yyyy");
                samples.push(sample);
            }
        }
        for sample in samples {
            let whole = core::str::from_utf8(&sample);
            let valid = whole.map_or_else(|e| e.valid_up_to(), str::len);
            for piece in 1..=sample.len() {
                let (text, ok) = in_pieces(&sample, piece);
                assert_eq!(ok, whole.is_ok(), "{sample:x?} by {piece}");
                assert_eq!(text.as_bytes(), &sample[..valid], "{sample:x?} by {piece}");
            }
        }
    }

    #[test]
    fn q3_every_two_and_three_byte_beginning_is_judged_at_its_first_bad_byte() {
        for a in 0x80..=0xff_u8 {
            for b in 0..=0xff_u8 {
                for c in [0x00, 0x7f, 0x80, 0x8f, 0x90, 0xa0, 0xbf, 0xc0] {
                    let bytes = [a, b, c];
                    for n in 1..=3 {
                        let whole = core::str::from_utf8(&bytes[..n]);
                        let bad = whole.is_err_and(|e| e.error_len().is_some());
                        assert_eq!(split(&bytes[..n]).rest == Rest::Invalid, bad, "{bytes:x?}");
                        // Byte by byte: the error comes with the same byte.
                        let (text, _) = in_pieces(&bytes[..n], 1);
                        assert_eq!(text.len(), whole.map_or_else(|e| e.valid_up_to(), str::len));
                    }
                }
            }
        }
    }
}
