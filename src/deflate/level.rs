//! The compression level.

/// The effort of the encoder: more time for a better ratio.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::deflate::{Encoder, Level, WindowBits};
///
/// let text = "to be, or not to be, that is the question: ".repeat(20);
/// for level in [Level::Fast, Level::Balanced, Level::Best] {
///     let mut out = BytesMut::new();
///     assert!(Encoder::new(WindowBits::MAX, level, false).message(text.as_bytes(), &mut out));
///     assert!(out.len() < 100);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Compares one earlier position for each byte, and takes the first match.
    Fast,
    /// Compares up to four earlier positions for each hash. After a short match, looks for a better
    /// one at the next positions. This is the default.
    #[default]
    Balanced,
    /// Compares up to eight earlier positions for each hash. After each match, looks for a better
    /// one at the next positions.
    Best,
}
