//! A head that has been read: its bytes, and where the parts lie.

use core::fmt;
use core::iter::FusedIterator;

use alloc::vec::Vec;

use crate::kernel::class::trim;
use crate::kernel::hidden::Hidden;

/// Where a part of a head begins and ends, in one word: it travels in a register. The reader stops
/// before 4 GiB.
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

    /// The bytes, out of those of the head from `base` on.
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

/// Where a field lies among the bytes of its head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) name: Part,
    pub(crate) value: Part,
}

/// Where the parts of the first line lie.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    /// The method of a request, the reason of a response.
    pub(crate) first: Part,
    /// The target of a request.
    pub(crate) second: Part,
    /// The status of a response.
    pub(crate) status: u16,
    /// The minor version.
    pub(crate) minor: u8,
}

/// A whole head, checked: names are tokens, values have no control characters but tabs.
#[derive(Clone, Default)]
pub(crate) struct RawHead {
    pub(crate) bytes: Vec<u8>,
    pub(crate) spans: Vec<Span>,
    pub(crate) line: Line,
}

impl RawHead {
    /// Copies bytes to the end of the head.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Part {
        let start = self.bytes.len();
        // Places are 32 bits wide. A head of 4 GiB, which no HTTP library takes, would lose the
        // parts behind that.
        if u32::try_from(start + bytes.len()).is_err() {
            return Part::default();
        }
        self.bytes.extend_from_slice(bytes);
        Part::new(start, start + bytes.len())
    }

    /// Copies fields to the end of the head.
    pub(crate) fn push_fields(&mut self, fields: Fields<'_>) {
        let len: usize = fields.raw().map(|(name, value)| name.len() + value.len()).sum();
        self.bytes.reserve_exact(len);
        self.spans.reserve_exact(fields.len());
        for (name, value) in fields.raw() {
            let span = Span { name: self.push(name), value: self.push(value) };
            self.spans.push(span);
        }
    }

    /// A part that was found to be ASCII, or was copied from a text.
    pub(crate) fn text(&self, part: Part) -> &str {
        text(part.of(&self.bytes, 0))
    }

    /// The method of a request; a token.
    pub(crate) fn method(&self) -> &str {
        self.text(self.line.first)
    }

    /// The target of a request; visible ASCII.
    pub(crate) fn target(&self) -> &str {
        self.text(self.line.second)
    }

    /// The reason of a response, which may be of any encoding.
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

/// Bytes that the reader has found to be ASCII, or that were a text.
fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// Returns the name of a field that is about one HTTP/1.1 connection: with such a field an HTTP/2 or
/// HTTP/3 message is malformed (RFC 9113 8.2.2, RFC 9114 4.2).
pub(crate) fn connection_field(name: &[u8], value: &[u8]) -> Option<&'static str> {
    let name =
        ["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade"]
            .into_iter()
            .find(|field| name.eq_ignore_ascii_case(field.as_bytes()))?;
    (name != "TE" || !value.eq_ignore_ascii_case(b"trailers")).then_some(name)
}

/// The fields of a head, in their order; names are compared without regard to case.
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
    /// Takes names and values that somebody else has read.
    #[must_use]
    pub const fn new(pairs: &'h [(&'h str, &'h [u8])]) -> Self {
        Self(Source::Pairs(pairs))
    }

    /// Returns the first value of the field, without the blanks around it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'h [u8]> {
        self.get_all(name).next()
    }

    /// Returns the first value of the field as a text; `None` too if it is not UTF-8.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&'h str> {
        core::str::from_utf8(self.get(name)?).ok()
    }

    /// Returns all values of the field: one for each line that names it.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        self.raw()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Returns all fields, names as they were written.
    #[must_use]
    pub fn iter(&self) -> FieldsIter<'h> {
        FieldsIter(self.raw())
    }

    /// Returns how many fields there are.
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

    /// Returns the value of the field at a place.
    pub(crate) fn value_at(&self, at: usize) -> Option<&'h [u8]> {
        RawFields { source: self.0, next: at }.next().map(|(_, value)| value)
    }

    /// Names as bytes: they needn't be shown to be UTF-8 to be compared.
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

/// Names and lengths only: values may be credentials.
impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.iter().map(|(name, value)| (name, Hidden::new(value)));
        f.debug_map().entries(fields).finish()
    }
}

/// The fields of a head, one after the other. See [`Fields::iter`].
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

/// The same with names as bytes.
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
