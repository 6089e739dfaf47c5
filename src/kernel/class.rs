//! Classes of bytes that HTTP and URLs are made of, and runs of them.

/// Letters, digits and marks of names (RFC 9110 5.6.2).
pub(crate) const TOKEN: u8 = 1;
/// What a request target may hold: visible ASCII, as browsers write it, but for `"`, `#`, `<`, `>`.
pub(crate) const TARGET: u8 = 1 << 1;
/// What a field value may hold: visible characters, blanks and bytes of other encodings
/// (RFC 9110 5.5).
pub(crate) const VALUE: u8 = 1 << 2;
/// What the name of a host may hold, but for percent-encoded bytes (RFC 3986 3.2.2).
pub(crate) const HOST: u8 = 1 << 3;
/// What a path and a query may hold, but for percent-encoded bytes (RFC 3986 3.3, 3.4).
pub(crate) const PATH: u8 = 1 << 4;
/// The digits of base64.
pub(crate) const BASE64: u8 = 1 << 5;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte: u8 = 0;
    loop {
        #[expect(clippy::indexing_slicing, reason = "256 places for every u8")]
        {
            classes[byte as usize] = classes_of(byte);
        }
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

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

/// Whether a byte is of the class.
#[inline]
pub(crate) fn is_of(byte: u8, class: u8) -> bool {
    classes_at(byte) & class != 0
}

/// All classes of a byte.
#[inline]
fn classes_at(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// How many bytes of the class come first.
#[inline]
pub(crate) fn run_len(bytes: &[u8], class: u8) -> usize {
    bytes.iter().position(|&byte| !is_of(byte, class)).unwrap_or(bytes.len())
}

/// The same for [`VALUE`], whose runs are long: 16 bytes at a time while there are no tabs, then 8.
#[inline]
pub(crate) fn value_len(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    // The compiler turns each block into a few vector instructions.
    while let Some((block, behind)) = rest.split_first_chunk::<16>() {
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

/// How many bytes come before the first control character, a tab too. In one word: subtracting makes the
/// top bit of a byte below the limit 1, and what it borrows changes only bytes behind it.
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

/// Parts the bytes of the class that come first from those behind.
#[inline]
pub(crate) fn split_run(bytes: &[u8], class: u8) -> (&[u8], &[u8]) {
    let len = if class == VALUE { value_len(bytes) } else { run_len(bytes, class) };
    match bytes.split_at_checked(len) {
        Some(parts) => parts,
        None => never(bytes),
    }
}

/// A run is never longer than what it is a run of. A call, so that the compiler makes it a jump: a
/// conditional move would keep the next field waiting until the end of this one is known.
#[cold]
#[inline(never)]
const fn never(bytes: &[u8]) -> (&[u8], &[u8]) {
    (bytes, &[])
}

/// A name: one token character at least.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && run_len(text, TOKEN) == text.len()
}

/// A value that can be sent in a field.
pub(crate) fn is_value(text: &[u8]) -> bool {
    value_len(text) == text.len()
}

/// The place of the first byte that is neither of the class nor a `%` with two hex digits behind it.
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

/// Without the blanks at the beginning.
#[inline]
pub(crate) const fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

/// Without the blanks at the end.
#[inline]
pub(crate) const fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Without the blanks at both ends.
pub(crate) const fn trim(text: &[u8]) -> &[u8] {
    trim_end(skip_blanks(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_agree_with_the_naive_loop_at_every_place_and_byte() {
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
