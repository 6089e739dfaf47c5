//! HTTP/2 for the connector of the tokio adapter.

use crate::h2::pool::Pool;
use crate::h2::prefer::Prefer;
use crate::tokio::Connector;
use crate::tokio::sessions::SharedSessions;

impl Connector {
    /// Prefers HTTP/2 for `wss://` URLs (feature `h2`; TLS needs `tls` or `rustls`): the client offers
    /// it by ALPN, and opens the WebSockets of an origin as streams of one session
    /// ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441)), through proxies too. `ws://` URLs use HTTP/1.1.
    ///
    /// If the server selects HTTP/2, but its settings do not allow WebSockets, a second connection uses
    /// HTTP/1.1. The connector then uses HTTP/1.1 for this origin for a minute.
    ///
    /// Sessions are tasks of the runtime in which they were opened. They end some time after their last
    /// WebSocket ([`idle_timeout`](crate::h2::SessionOptionsBuilder::idle_timeout)), or when the connector
    /// with its clones and the WebSockets are dropped. A later call of
    /// [`proxy`](Self::proxy), [`local_addr`](Self::local_addr) or [`tls`](Self::tls) does not affect
    /// sessions that are open, but new WebSockets no longer use them.
    #[cfg_attr(docsrs, doc(cfg(feature = "h2")))]
    #[must_use]
    pub fn http2(mut self, prefer: Prefer) -> Self {
        self.sessions = SharedSessions::new(Pool::new(prefer));
        self
    }
}
