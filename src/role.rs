/// Which end of the connection this is: a field of [`Connection`](crate::Connection), not a type
/// parameter.
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that asked for the connection; it masks what it sends.
    Client,
    /// The end that accepted the connection; it sends unmasked.
    Server,
}

impl Role {
    /// Returns the other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
