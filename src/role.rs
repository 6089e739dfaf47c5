/// One of the two ends of a connection.
///
/// The role is a value in [`Connection`](crate::Connection), not a type parameter, so that one type
/// serves both ends.
///
/// ```
/// use sansocket::Role;
///
/// assert_eq!(Role::Client.peer(), Role::Server);
/// ```
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that opened the connection. It masks the frames that it sends.
    Client,
    /// The end that accepted the connection. Its frames are not masked.
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
