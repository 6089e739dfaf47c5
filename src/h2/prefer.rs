//! The preference of a connector for HTTP/2.

use crate::h2::options::SessionOptions;

/// The preference of a [`Connector`](crate::tokio::Connector) for HTTP/2, with the settings of its sessions.
///
/// ```no_run
/// use sansocket::h2::{Prefer, SessionOptions};
/// use sansocket::tokio::Connector;
/// use sansocket::{Config, ConnectRequest, Entropy};
///
/// # async fn connect() -> Result<(), Box<dyn core::error::Error>> {
/// let connector = Connector::new().http2(Prefer::new());
/// let config = Config::client(Entropy::os()).build()?;
/// let request = ConnectRequest::new("wss://example.com/chat")?;
/// // Both WebSockets are streams of one session, if the server allows it.
/// let (first, _) = connector.connect(&request, &config).await?;
/// let (second, _) = connector.connect(&request, &config).await?;
/// println!("{}, {}", first.get_ref().http_version(), second.get_ref().http_version());
///
/// // At most two sessions for each origin, with 1,000 WebSockets each.
/// let options = SessionOptions::builder().max_streams(1000).build()?;
/// let connector = Connector::new().http2(Prefer::new().session_options(options).max_sessions(2));
/// # drop(connector);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Prefer {
    pub(super) options: SessionOptions,
    pub(super) max_sessions: usize,
}

impl Prefer {
    /// Starts with the default [`SessionOptions`] and at most 4 sessions for each origin.
    pub const fn new() -> Self {
        Self { options: SessionOptions::DEFAULT, max_sessions: 4 }
    }

    /// Sets the settings of the sessions.
    pub const fn session_options(mut self, options: SessionOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the largest number of sessions that are open to an origin (host and port) at the same time.
    /// Another session is opened when the others have as many streams as both ends allow. At the limit
    /// the end of a stream makes room for the next WebSocket. 0 is taken as 1.
    pub const fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = if sessions == 0 { 1 } else { sessions };
        self
    }
}

impl Default for Prefer {
    fn default() -> Self {
        Self::new()
    }
}
