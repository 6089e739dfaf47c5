//! The byte classes of the grammars of HTTP and URLs, and runs of bytes of one class.

/// The characters of a token: letters, digits and some marks (RFC 9110 5.6.2).
pub(crate) const TOKEN: u8 = 1;
/// The characters of a request target: visible ASCII, as browsers send it, except `"`, `#`, `<`,
/// `>`.
pub(crate) const TARGET: u8 = 1 << 1;
/// The bytes of a field value: visible characters, blanks and bytes of other encodings
/// (RFC 9110 5.5).
pub(crate) const VALUE: u8 = 1 << 2;
/// The characters of a host name, without percent-encoded bytes (RFC 3986 3.2.2).
pub(crate) const HOST: u8 = 1 << 3;
/// The characters of a path and a query, without percent-encoded bytes (RFC 3986 3.3, 3.4).
pub(crate) const PATH: u8 = 1 << 4;
/// The digits of base64 (RFC 4648 4).
pub(crate) const BASE64: u8 = 1 << 5;

/// The classes of each byte: one lookup answers all questions about it.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte: u8 = 0;
    loop {
        #[expect(clippy::indexing_slicing, reason = "256 entries: every u8 is in range")]
        {
            classes[byte as usize] = classes_of(byte);
        }
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

/// Returns the classes of a byte, by the grammars. Only evaluated at compile time.
const fn classes_of(byte: u8) -> u8 {
    let alphanumeric = byte.is_ascii_alphanumeric();
    let token = alphanumeric
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
    let host = alphanumeric
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        );
    let path = host || matches!(byte, b':' | b'@' | b'/' | b'?');
    let target = byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>');
    let value = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    let base64 = alphanumeric || matches!(byte, b'+' | b'/');
    let mut classes = 0;
    if token {
        classes |= TOKEN;
    }
    if target {
        classes |= TARGET;
    }
    if value {
        classes |= VALUE;
    }
    if host {
        classes |= HOST;
    }
    if path {
        classes |= PATH;
    }
    if base64 {
        classes |= BASE64;
    }
    classes
}

/// Returns whether a byte is of the class.
#[inline]
pub(crate) fn is_of(byte: u8, class: u8) -> bool {
    classes_at(byte) & class != 0
}

/// Returns all classes of a byte.
#[inline]
fn classes_at(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Returns the length of the run of bytes of the class at the beginning.
#[inline]
pub(crate) fn run_len(bytes: &[u8], class: u8) -> usize {
    bytes.iter().position(|&byte| !is_of(byte, class)).unwrap_or(bytes.len())
}

/// Returns the length of the run of [`VALUE`] bytes at the beginning. Such runs are long, so it
/// checks 16 bytes at a time up to the first tab or control character, and then 8 at a time.
#[inline]
pub(crate) fn value_len(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    // Without a branch per byte: the compiler turns each block into a few vector instructions.
    while let Some((block, behind)) = rest.split_first_chunk::<16>() {
        // A tab is a valid byte, but rare: the second loop and `run_len` handle it.
        if block.iter().fold(false, |found, &byte| found | (byte < b' ') | (byte == 0x7f)) {
            break;
        }
        rest = behind;
    }
    while let Some((block, behind)) = rest.split_first_chunk::<8>() {
        let clean = leading_non_controls(*block);
        if clean < 8 {
            rest = rest.get(clean..).unwrap_or_default();
            break;
        }
        rest = behind;
    }
    bytes.len() - rest.len() + run_len(rest, VALUE)
}

/// Returns the number of bytes before the first control character. A tab counts as one.
///
/// It works on all eight bytes in one word. Subtracting the limit from a byte below it sets the top
/// bit of the byte. `& !word` leaves out bytes that had it before: they are no control characters.
/// The borrow of a subtraction changes only higher bytes. The word is little-endian, so these are
/// later in the text, and the first hit is always right.
#[inline]
const fn leading_non_controls(block: [u8; 8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(block);
    let below_blank = word.wrapping_sub(ONES * 0x20) & !word;
    let delete = word ^ (ONES * 0x7f);
    let is_delete = delete.wrapping_sub(ONES) & !delete;
    ((below_blank | is_delete) & TOPS).trailing_zeros() as usize / 8
}

/// Splits after the run of bytes of the class at the beginning.
#[inline]
pub(crate) fn split_run(bytes: &[u8], class: u8) -> (&[u8], &[u8]) {
    let len = if class == VALUE { value_len(bytes) } else { run_len(bytes, class) };
    match bytes.split_at_checked(len) {
        Some(parts) => parts,
        None => never(bytes),
    }
}

/// Unreachable: a run is never longer than its text.
///
/// It is a call, so that the compiler makes a jump. A conditional move would delay parsing of the
/// next field until the end of this one is computed.
#[cold]
#[inline(never)]
const fn never(bytes: &[u8]) -> (&[u8], &[u8]) {
    (bytes, &[])
}

/// Returns whether the text is a token: at least one token character, and no others.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && run_len(text, TOKEN) == text.len()
}

/// Returns whether the text can be sent as the value of a field.
pub(crate) fn is_value(text: &[u8]) -> bool {
    value_len(text) == text.len()
}

/// Returns the position of the first byte that is neither of the class nor part of a
/// percent-encoded byte: `%` and two hex digits.
pub(crate) fn find_unencoded(text: &[u8], class: u8) -> Option<usize> {
    let mut rest = text;
    loop {
        rest = rest.get(run_len(rest, class)..).unwrap_or_default();
        rest = match rest {
            [] => return None,
            [b'%', a, b, rest @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest,
            rest => return Some(text.len() - rest.len()),
        };
    }
}

/// Returns the text without the blanks at the beginning.
#[inline]
pub(crate) const fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

/// Returns the text without the blanks at the end.
#[inline]
pub(crate) const fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Returns the text without the blanks at both ends.
pub(crate) const fn trim(text: &[u8]) -> &[u8] {
    trim_end(skip_blanks(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_agree_with_the_naive_loop_at_every_position_and_byte() {
        for len in 0..28 {
            for at in 0..len {
                for byte in 0..=255 {
                    for other in [b'x', b'-', b'Z', b'0', b':', b'\t', 0x00, 0x7f, 0x80, 0xff] {
                        let mut text = [b'x'; 28];
                        text[at] = byte;
                        text[len - 1] = other;
                        let text = &text[..len];
                        assert_eq!(value_len(text), run_len(text, VALUE), "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_classes_are_those_of_the_grammars() {
        for byte in 0..=255_u8 {
            let c = char::from(byte);
            let token = c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            assert_eq!(is_of(byte, TOKEN), token);
            let value = byte == 9 || (byte >= 32 && byte != 127);
            assert_eq!(is_of(byte, VALUE), value);
            let unreserved = c.is_ascii_alphanumeric() || "-._~".contains(c);
            let host = unreserved || "!$&'()*+,;=".contains(c);
            assert_eq!(is_of(byte, HOST), host);
            assert_eq!(is_of(byte, PATH), host || ":@/?".contains(c));
            assert_eq!(is_of(byte, BASE64), c.is_ascii_alphanumeric() || "+/".contains(c));
            let target = (33..127).contains(&byte) && !"\"#<>".contains(c);
            assert_eq!(is_of(byte, TARGET), target);
        }
    }
}
