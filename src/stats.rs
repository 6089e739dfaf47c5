use core::time::Duration;

/// What a connection has carried, counted since
/// [`Connection::enable_stats`](crate::Connection::enable_stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Whole messages received.
    pub messages_received: u64,
    /// Whole messages sent.
    pub messages_sent: u64,
    /// Payload bytes of messages received.
    pub bytes_received: u64,
    /// Payload bytes of messages sent.
    pub bytes_sent: u64,
    /// From the last keep-alive ping to its pong.
    pub last_round_trip: Option<Duration>,
}
