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
    /// Bytes of messages received.
    pub bytes_received: u64,
    /// Bytes of messages sent.
    pub bytes_sent: u64,
    /// The same bytes as they came in the payloads of frames: fewer where messages were compressed.
    pub wire_bytes_received: u64,
    /// The same bytes as they went in the payloads of frames: fewer where messages were compressed.
    pub wire_bytes_sent: u64,
    /// From the last keep-alive ping to its pong.
    pub last_round_trip: Option<Duration>,
}
