//! How hard the encoder looks for matches.

/// How much time the encoder spends for a better ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// One look for each place.
    Fast,
    /// The one to take unless you have measured.
    #[default]
    Balanced,
    /// Every place that might do.
    Best,
}
