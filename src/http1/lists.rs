//! Comma-separated lists. Several field lines can form one list
//! ([RFC 9110 sections 5.3, 5.6](https://www.rfc-editor.org/rfc/rfc9110#section-5.6)).
//!
//! Every function scans each byte a fixed number of times, so the time is linear in the input.

use crate::kernel::class::{TOKEN, is_of, is_token, skip_blanks, split_run, trim};

/// The largest number of empty members in one list. RFC 9110 5.6.1.2 requires a recipient to ignore
/// "a reasonable number" of them.
const MAX_EMPTY: u8 = 16;

/// A list breaks its grammar, or has too many empty members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListError;

/// An element of a list of extensions.
#[cfg_attr(not(feature = "deflate"), expect(dead_code, reason = "no extension is supported"))]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'l> {
    /// The name of an extension.
    Extension(&'l [u8]),
    /// A parameter of the preceding extension, and its value. The value has at least one character
    /// and no quotes, but a value that was quoted keeps its backslashes.
    Parameter(&'l [u8], Option<&'l [u8]>),
}

/// The state of one list that is read line by line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct List {
    empty: u8,
    members: usize,
}

impl List {
    /// Returns the number of members so far, without the empty ones.
    pub(crate) const fn members(&self) -> usize {
        self.members
    }

    /// Reads a line of tokens. Returns true if `wanted` is one of them, without regard to case.
    pub(crate) fn find_token(&mut self, line: &[u8], wanted: &str) -> Result<bool, ListError> {
        if self.is_just(line, wanted) {
            return Ok(true);
        }
        let mut found = false;
        for member in line.split(|&byte| byte == b',') {
            let Some(member) = self.member(member)? else { continue };
            if !is_token(member) {
                return Err(ListError);
            }
            found |= member.eq_ignore_ascii_case(wanted.as_bytes());
        }
        Ok(found)
    }

    /// Reads a line of protocols: names, each with a version after a `/` or without one. Returns
    /// true if `wanted` is one of them, without regard to case.
    pub(crate) fn find_protocol(&mut self, line: &[u8], wanted: &str) -> Result<bool, ListError> {
        if self.is_just(line, wanted) {
            return Ok(true);
        }
        let mut found = false;
        for member in line.split(|&byte| byte == b',') {
            let Some(member) = self.member(member)? else { continue };
            if !member.splitn(2, |&byte| byte == b'/').all(is_token) {
                return Err(ListError);
            }
            found |= member.eq_ignore_ascii_case(wanted.as_bytes());
        }
        Ok(found)
    }

    /// Reads a line of extensions (RFC 6455 9.1): names with parameters. Values are tokens,
    /// quoted or not. `each` is called for every element in order, including those before a
    /// violation of the grammar.
    pub(crate) fn read_extensions<'l>(
        &mut self,
        line: &'l [u8],
        mut each: impl FnMut(Part<'l>),
    ) -> Result<(), ListError> {
        let mut rest = skip_blanks(line);
        loop {
            match rest {
                [] | [b',', ..] => {
                    self.member(&[])?;
                }
                _ => {
                    self.members += 1;
                    rest = read_extension(rest, &mut each)?;
                }
            }
            match rest {
                [] => return Ok(()),
                [b',', after @ ..] => rest = skip_blanks(after),
                _ => return Err(ListError),
            }
        }
    }

    /// Fast path for a line that consists of the wanted member only.
    fn is_just(&mut self, line: &[u8], wanted: &str) -> bool {
        let just = !wanted.is_empty() && line.eq_ignore_ascii_case(wanted.as_bytes());
        self.members += usize::from(just);
        just
    }

    /// Trims and counts a member; `None` if it is empty.
    fn member<'a>(&mut self, member: &'a [u8]) -> Result<Option<&'a [u8]>, ListError> {
        let member = trim(member);
        if member.is_empty() {
            self.empty = self.empty.saturating_add(1);
            return if self.empty > MAX_EMPTY { Err(ListError) } else { Ok(None) };
        }
        self.members += 1;
        Ok(Some(member))
    }
}

/// Returns the members of one line, trimmed and without the empty ones. For lines that have been
/// checked.
pub(crate) fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// Returns true if a line has no member.
pub(crate) fn is_empty_list(line: &[u8]) -> bool {
    line.iter().all(|byte| b", \t".contains(byte))
}

/// Reads `token *( ";" token [ "=" ( token | quoted-string ) ] )` and the blanks after it. Returns
/// the rest of the line.
fn read_extension<'l>(
    text: &'l [u8],
    each: &mut impl FnMut(Part<'l>),
) -> Result<&'l [u8], ListError> {
    let (name, mut rest) = read_token(text)?;
    each(Part::Extension(name));
    while let [b';', after @ ..] = rest {
        let (name, after) = read_token(skip_blanks(after))?;
        rest = after;
        let mut value = None;
        if let [b'=', after @ ..] = rest {
            let after = skip_blanks(after);
            let (raw, after) = match after {
                [b'"', quoted @ ..] => read_quoted_token(quoted)?,
                _ => read_token(after)?,
            };
            rest = after;
            value = Some(raw);
        }
        each(Part::Parameter(name, value));
    }
    Ok(rest)
}

/// Reads one token and the blanks after it. Returns the token and the rest of the line.
fn read_token(text: &[u8]) -> Result<(&[u8], &[u8]), ListError> {
    match split_run(text, TOKEN) {
        ([], _) => Err(ListError),
        (token, rest) => Ok((token, skip_blanks(rest))),
    }
}

/// Reads the text after an opening quote up to the closing one, and the blanks after it. Returns
/// the text between the quotes and the rest of the line. RFC 6455 9.1 requires the value to be a
/// token after unquoting.
fn read_quoted_token(text: &[u8]) -> Result<(&[u8], &[u8]), ListError> {
    let mut left = text;
    loop {
        left = match left {
            [b'"', rest @ ..] if left.len() < text.len() => {
                let len = text.len() - left.len();
                return Ok((text.get(..len).ok_or(ListError)?, skip_blanks(rest)));
            }
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] if is_of(*byte, TOKEN) => rest,
            _ => return Err(ListError),
        };
    }
}
