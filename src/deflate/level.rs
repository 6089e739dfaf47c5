//! How hard the encoder looks for matches.

/// How much time the encoder spends for a better ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Tries one match per position.
    Fast,
    /// Between the two: the default.
    #[default]
    Balanced,
    /// Tries every candidate match that the encoder's table has.
    Best,
}
