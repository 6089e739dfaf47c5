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
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

/// How many bytes of the class come first.
#[inline]
pub(crate) fn run_len(bytes: &[u8], class: u8) -> usize {
    bytes.iter().position(|&byte| !is_of(byte, class)).unwrap_or(bytes.len())
}

/// The same for [`TOKEN`]: eight bytes at a time while they are letters and dashes, of which names
/// of fields are made.
#[inline]
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    long_run_len(bytes, TOKEN, |word| {
        let low = word & !HIGH;
        let lower = low | (ONES * 0x20);
        let from_a = lower + ONES * (0x80 - 0x61);
        let past_z = lower + ONES * (0x7f - 0x7a);
        let not_dash = (low ^ (ONES * 0x2d)) + !HIGH;
        // A byte with its high bit set is neither, whatever its other bits.
        (!(from_a & !past_z) & not_dash | word) & HIGH
    })
}

/// The same for [`VALUE`]: eight bytes at a time while none of them is a control character.
#[inline]
pub(crate) fn value_len(bytes: &[u8]) -> usize {
    long_run_len(bytes, VALUE, |word| {
        // The lowest bit that is set is right; those above it may come from a borrow.
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let delete = word ^ (ONES * 0x7f);
        let delete = delete.wrapping_sub(ONES) & !delete;
        (control | delete) & HIGH
    })
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// `find` marks with their high bits the bytes that need a look of their own; the lowest mark must
/// be right.
#[inline]
fn long_run_len(bytes: &[u8], class: u8, find: impl Fn(u64) -> u64) -> usize {
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk::<8>() {
        let marks = find(u64::from_le_bytes(*eight));
        if marks == 0 {
            rest = behind;
            continue;
        }
        let plain = marks.trailing_zeros() / 8;
        rest = rest.get(plain as usize..).unwrap_or_default();
        match rest {
            [byte, behind @ ..] if is_of(*byte, class) => rest = behind,
            _ => return bytes.len() - rest.len(),
        }
    }
    bytes.len() - rest.len() + run_len(rest, class)
}

/// A name: one token character at least.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && token_len(text) == text.len()
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
pub(crate) fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

/// Without the blanks at both ends.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let mut text = skip_blanks(text);
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
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
                        assert_eq!(token_len(text), run_len(text, TOKEN), "{text:?}");
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
