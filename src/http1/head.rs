//! A complete head: its bytes, and the positions of its parts.

use core::fmt;
use core::iter::FusedIterator;

use alloc::vec::Vec;

use crate::kernel::class::trim;
use crate::kernel::hidden::Hidden;

/// The start and the end of a part of a head, in bytes from the start of the head. Both are packed
/// into one word, so that a part is passed in a register: start in the upper 32 bits, end in the
/// lower. The reader limits a head to less than 4 GiB.
#[derive(Clone, Copy, Default)]
pub(crate) struct Part(u64);

impl Part {
    #[inline]
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self((start as u64) << 32 | end as u64 & 0xffff_ffff)
    }

    #[inline]
    pub(crate) const fn start(self) -> usize {
        (self.0 >> 32) as u32 as usize
    }

    #[inline]
    pub(crate) const fn end(self) -> usize {
        (self.0 & 0xffff_ffff) as u32 as usize
    }

    /// Returns the bytes of the part. `bytes` are those of the head from position `base` on.
    #[inline]
    pub(crate) fn of(self, bytes: &[u8], base: usize) -> &[u8] {
        let start = self.start().saturating_sub(base);
        let end = self.end().saturating_sub(base);
        bytes.get(start..end).unwrap_or_default()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start(), self.end())
    }
}

/// The positions of a field in the bytes of its head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) name: Part,
    pub(crate) value: Part,
}

/// The positions of the parts of the first line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    /// The method of a request, or the reason phrase of a response.
    pub(crate) first: Part,
    /// The target of a request.
    pub(crate) second: Part,
    /// The status of a response.
    pub(crate) status: u16,
    /// The minor version.
    pub(crate) minor: u8,
}

/// A complete, checked head: names are tokens, values have no control characters except tabs.
#[derive(Clone, Default)]
pub(crate) struct RawHead {
    pub(crate) bytes: Vec<u8>,
    pub(crate) spans: Vec<Span>,
    pub(crate) line: Line,
}

impl RawHead {
    /// Appends bytes to the head and returns their position.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Part {
        let start = self.bytes.len();
        // Positions have 32 bits. A head of 4 GiB, which no HTTP library accepts, would lose the
        // parts after that position.
        if u32::try_from(start + bytes.len()).is_err() {
            return Part::default();
        }
        self.bytes.extend_from_slice(bytes);
        Part::new(start, start + bytes.len())
    }

    /// Appends copies of fields to the head.
    pub(crate) fn push_fields(&mut self, fields: Fields<'_>) {
        let len: usize = fields.raw().map(|(name, value)| name.len() + value.len()).sum();
        self.bytes.reserve_exact(len);
        self.spans.reserve_exact(fields.len());
        for (name, value) in fields.raw() {
            let span = Span { name: self.push(name), value: self.push(value) };
            self.spans.push(span);
        }
    }

    /// Returns a part that is known to be ASCII, or that was copied from a `str`.
    pub(crate) fn text(&self, part: Part) -> &str {
        text(part.of(&self.bytes, 0))
    }

    /// Returns the method of a request, a token.
    pub(crate) fn method(&self) -> &str {
        self.text(self.line.first)
    }

    /// Returns the target of a request, which is visible ASCII.
    pub(crate) fn target(&self) -> &str {
        self.text(self.line.second)
    }

    /// Returns the reason phrase of a response, in any encoding.
    pub(crate) fn reason(&self) -> &[u8] {
        self.line.first.of(&self.bytes, 0)
    }

    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields(Source::Head { bytes: &self.bytes, spans: &self.spans })
    }
}

impl fmt::Debug for RawHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawHead")
            .field("bytes", &Hidden::new(&self.bytes))
            .field("fields", &self.fields())
            .finish()
    }
}

/// Converts bytes that the reader has found to be ASCII, or that were a `str` before. The default
/// is never used for them.
fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// Returns the name of the field if it is specific to one HTTP/1.1 connection. Such a field makes
/// an HTTP/2 or HTTP/3 message malformed (RFC 9113 8.2.2, RFC 9114 4.2). `TE: trailers` is allowed
/// there.
pub(crate) fn connection_field(name: &[u8], value: &[u8]) -> Option<&'static str> {
    let name =
        ["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade"]
            .into_iter()
            .find(|field| name.eq_ignore_ascii_case(field.as_bytes()))?;
    (name != "TE" || !value.eq_ignore_ascii_case(b"trailers")).then_some(name)
}

/// The fields of a head, in their order. Names are compared without regard to case.
///
/// ```
/// use sansocket::handshake::Fields;
///
/// let pairs = [("Host", &b"example.com"[..]), ("Cookie", b"a=1"), ("cookie", b"b=2")];
/// let fields = Fields::new(&pairs);
/// assert_eq!(fields.get("host"), Some(&b"example.com"[..]));
/// assert_eq!(fields.get_str("host"), Some("example.com"));
/// assert_eq!(fields.get_all("Cookie").collect::<Vec<_>>(), [b"a=1", b"b=2"]);
/// ```
#[derive(Clone, Copy)]
pub struct Fields<'h>(Source<'h>);

#[derive(Clone, Copy)]
enum Source<'h> {
    Pairs(&'h [(&'h str, &'h [u8])]),
    Head { bytes: &'h [u8], spans: &'h [Span] },
}

impl<'h> Fields<'h> {
    /// Creates fields from the names and values of another HTTP parser.
    #[must_use]
    pub const fn new(pairs: &'h [(&'h str, &'h [u8])]) -> Self {
        Self(Source::Pairs(pairs))
    }

    /// Returns the first value of the field, without leading and trailing spaces and tabs.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'h [u8]> {
        self.get_all(name).next()
    }

    /// Returns the first value of the field as text; `None` also if it is not UTF-8.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&'h str> {
        core::str::from_utf8(self.get(name)?).ok()
    }

    /// Returns all values of the field, one for each line with its name.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        self.raw()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Returns all fields, with their names as written.
    #[must_use]
    pub fn iter(&self) -> FieldsIter<'h> {
        FieldsIter(self.raw())
    }

    /// Returns the number of fields.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Pairs(pairs) => pairs.len(),
            Source::Head { spans, .. } => spans.len(),
        }
    }

    /// Returns true if there are no fields.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of the field at an index.
    pub(crate) fn value_at(&self, at: usize) -> Option<&'h [u8]> {
        RawFields { source: self.0, next: at }.next().map(|(_, value)| value)
    }

    /// Returns the fields with names as bytes: a comparison doesn't need them to be validated
    /// UTF-8.
    pub(crate) const fn raw(&self) -> RawFields<'h> {
        RawFields { source: self.0, next: 0 }
    }
}

impl<'h> From<&'h [(&'h str, &'h [u8])]> for Fields<'h> {
    fn from(pairs: &'h [(&'h str, &'h [u8])]) -> Self {
        Self::new(pairs)
    }
}

impl<'h> IntoIterator for Fields<'h> {
    type Item = (&'h str, &'h [u8]);
    type IntoIter = FieldsIter<'h>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Shows names and lengths only: values may be credentials.
impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.iter().map(|(name, value)| (name, Hidden::new(value)));
        f.debug_map().entries(fields).finish()
    }
}

/// An iterator over the fields of a head. See [`Fields::iter`].
///
/// ```
/// use sansocket::handshake::Fields;
///
/// let pairs = [("Host", &b"example.com"[..]), ("Cookie", b" a=1 ")];
/// let mut fields = Fields::new(&pairs).iter();
/// assert_eq!(fields.len(), 2);
/// assert_eq!(fields.nth(1), Some(("Cookie", &b"a=1"[..])));
/// ```
#[derive(Clone, Debug)]
pub struct FieldsIter<'h>(RawFields<'h>);

impl<'h> Iterator for FieldsIter<'h> {
    type Item = (&'h str, &'h [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (text(name), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for FieldsIter<'_> {}
impl FusedIterator for FieldsIter<'_> {}

/// An iterator over the fields of a head, with names as bytes.
#[derive(Clone)]
pub(crate) struct RawFields<'h> {
    source: Source<'h>,
    next: usize,
}

impl<'h> Iterator for RawFields<'h> {
    type Item = (&'h [u8], &'h [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let field = match self.source {
            Source::Pairs(pairs) => {
                let (name, value) = pairs.get(self.next)?;
                (name.as_bytes(), trim(value))
            }
            Source::Head { bytes, spans } => {
                let span = spans.get(self.next)?;
                (span.name.of(bytes, 0), span.value.of(bytes, 0))
            }
        };
        self.next += 1;
        Some(field)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = Fields(self.source).len().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl fmt::Debug for RawFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields(self.source).fmt(f)
    }
}
