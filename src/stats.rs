use core::time::Duration;

/// Counters of a connection, counted since
/// [`Connection::enable_stats`](crate::Connection::enable_stats).
///
/// ```
/// # use bytes::BytesMut;
/// # use sansocket::connection::Negotiated;
/// # use sansocket::{Config, Connection, Instant, Role};
/// # let (now, config) = (Instant::from_micros(0), Config::server().build()?);
/// # let mut connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
/// # let mut out = BytesMut::new();
/// connection.enable_stats();
/// connection.send_text("Hello", &mut out)?;
/// let stats = connection.stats().expect("enabled above");
/// assert_eq!((stats.messages_sent, stats.bytes_sent), (1, 5));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The number of complete messages received.
    pub messages_received: u64,
    /// The number of complete messages sent.
    pub messages_sent: u64,
    /// The number of bytes of messages received, uncompressed.
    pub bytes_received: u64,
    /// The number of bytes of messages sent, uncompressed.
    pub bytes_sent: u64,
    /// The number of payload bytes of the received frames of messages: smaller than
    /// `bytes_received` if messages were compressed.
    pub wire_bytes_received: u64,
    /// The number of payload bytes of the sent frames of messages: smaller than `bytes_sent` if
    /// messages were compressed.
    pub wire_bytes_sent: u64,
    /// The time from the last keep-alive ping to its pong.
    pub last_round_trip: Option<Duration>,
}
