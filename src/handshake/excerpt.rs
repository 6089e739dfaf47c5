//! Bytes of a peer in texts for people. They are escaped, so that they can't end a line or imitate
//! other text, and cut to a length that fits a log.

use core::fmt;

/// A value in quotes. It is safe in HTML text too.
#[derive(Clone, Copy)]
pub(crate) struct Excerpt<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        write_escaped(self.0, 100, b"\"\\<>&", f)?;
        f.write_str("\"")
    }
}

/// A text that the program has written, such as the body of its refusal.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(self.0, 500, b"", f)
    }
}

/// Writes at most `max_len` bytes. Bytes other than visible ASCII and space are escaped, and so are
/// those of `also`.
fn write_escaped(
    bytes: &[u8],
    max_len: usize,
    also: &[u8],
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    for &byte in bytes.iter().take(max_len) {
        if matches!(byte, b' '..=b'~') && !also.contains(&byte) {
            write!(f, "{}", char::from(byte))?;
        } else {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    if bytes.len() > max_len { f.write_str("...") } else { Ok(()) }
}
