//! UTF-8 validation ([RFC 6455 section 8.1](https://www.rfc-editor.org/rfc/rfc6455#section-8.1)) of
//! complete texts, and of texts in parts.
//!
//! A part can end inside a character. [`split`] cuts it there, and [`Carry`] keeps the first bytes
//! of the character for the next part:
//!
//! ```text
//! part 1: 48 69 │ e2 82        part 2: ac │ 21
//!         text  │ carry ────────────────► │ text
//!                        '€' = e2 82 ac
//! ```

use core::str::Utf8Error;

/// Below this length the loop of the standard library is as fast as the vector code.
#[cfg(feature = "simd")]
const SHORT: usize = 64;

/// Returns the bytes as text, `None` if they are not valid UTF-8.
#[inline]
pub(crate) fn validate(bytes: &[u8]) -> Option<&str> {
    #[cfg(feature = "simd")]
    if bytes.len() >= SHORT {
        return simdutf8::basic::from_utf8(bytes).ok();
    }
    core::str::from_utf8(bytes).ok()
}

/// Returns the bytes as text, or an error with the position of the fault.
pub(crate) fn from_utf8(bytes: &[u8]) -> Result<&str, Utf8Error> {
    validate(bytes).map_or_else(|| core::str::from_utf8(bytes), Ok)
}

/// A part of a text, split after its last valid character.
pub(crate) struct Split<'a> {
    pub(crate) text: &'a str,
    pub(crate) rest: Rest<'a>,
}

/// The bytes after the valid text of a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rest<'a> {
    Nothing,
    /// The first 1 to 3 bytes of a character. The others are in the next part.
    Incomplete(&'a [u8]),
    /// Bytes that make the text invalid, with any continuation.
    Invalid,
}

/// Splits a part, which begins between two characters, after its last valid character.
pub(crate) fn split(bytes: &[u8]) -> Split<'_> {
    // Remove an incomplete character at the end, so that the fast validation can check the rest.
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

/// Returns the number of bytes at the end that may be the first bytes of a longer character: 0 to
/// 3.
fn incomplete_len(bytes: &[u8]) -> usize {
    // Search backwards for the first byte of a character. It holds the character's length.
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

/// Splits a part that has an invalid byte. The standard library returns its position, which the
/// fast validation does not.
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

/// The first bytes of a character. The others have not arrived yet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Carry {
    bytes: [u8; 3],
    len: u8,
}

/// The result of adding bytes to a [`Carry`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Completed {
    /// The character is complete. `taken` of the bytes belong to it.
    Char { char: char, taken: usize },
    /// The character is still incomplete. All of the bytes belong to it.
    Incomplete,
    /// No character begins with these bytes.
    Invalid,
}

impl Carry {
    pub(crate) const NONE: Self = Self { bytes: [0; 3], len: 0 };

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of bytes of the character: 0 to 3.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Returns the bytes of the character.
    #[cfg(feature = "deflate")]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len()).unwrap_or_default()
    }

    /// Sets the bytes of the character. An incomplete character has at most 3.
    pub(crate) fn keep(&mut self, beginning: &[u8]) {
        for (kept, byte) in self.bytes.iter_mut().zip(beginning) {
            *kept = *byte;
        }
        self.len = u8::try_from(beginning.len().min(3)).unwrap_or(3);
    }

    /// Adds `bytes` until the character is complete. The carry is empty then.
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
            // The standard library decides: valid, incomplete (no `error_len`) or invalid.
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

    /// Splits `bytes` in parts of `len` bytes. Returns the valid text, and true if it is valid to
    /// the end.
    fn in_parts(bytes: &[u8], len: usize) -> (String, bool) {
        let (mut text, mut carry) = (String::new(), Carry::NONE);
        for mut part in bytes.chunks(len) {
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
    fn f12_parts_agree_with_the_complete_text() {
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
            for len in 1..=sample.len() {
                let (text, ok) = in_parts(&sample, len);
                assert_eq!(ok, whole.is_ok(), "{sample:x?} by {len}");
                assert_eq!(text.as_bytes(), &sample[..valid], "{sample:x?} by {len}");
            }
        }
    }

    #[test]
    fn q3_every_two_and_three_byte_beginning_fails_at_its_first_bad_byte() {
        for a in 0x80..=0xff_u8 {
            for b in 0..=0xff_u8 {
                for c in [0x00, 0x7f, 0x80, 0x8f, 0x90, 0xa0, 0xbf, 0xc0] {
                    let bytes = [a, b, c];
                    for n in 1..=3 {
                        let whole = core::str::from_utf8(&bytes[..n]);
                        let bad = whole.is_err_and(|e| e.error_len().is_some());
                        assert_eq!(split(&bytes[..n]).rest == Rest::Invalid, bad, "{bytes:x?}");
                        // Byte by byte: the same byte gives the error.
                        let (text, _) = in_parts(&bytes[..n], 1);
                        assert_eq!(text.len(), whole.map_or_else(|e| e.valid_up_to(), str::len));
                    }
                }
            }
        }
    }
}
