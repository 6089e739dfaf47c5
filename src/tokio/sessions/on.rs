//! With HTTP/2.

use core::fmt;
use core::future::Future;
use core::pin::Pin;

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::config::Config;
use crate::error::adapter::ConnectError;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::instant::Instant;
use crate::tokio::client_stream::ClientStream;
use crate::tokio::dialer::Dialer;
use crate::tokio::socket::WebSocket;

/// A WebSocket that is being connected.
pub(crate) type Connecting<'a> = Pin<
    Box<
        dyn Future<Output = Result<(WebSocket<ClientStream>, ConnectResponse), ConnectError>>
            + Send
            + 'a,
    >,
>;

/// The sessions of a connector.
pub(crate) trait Sessions: fmt::Debug + Send + Sync {
    /// Connects to a `wss://` URL, within the `handshake_timeout` from `start` on.
    fn connect<'a>(
        &'a self,
        dialer: &'a Dialer,
        request: &'a ConnectRequest,
        config: &'a Config,
        start: Instant,
    ) -> Connecting<'a>;

    /// Returns sessions with the same settings, none of which is open.
    fn renewed(&self) -> Arc<dyn Sessions>;
}

/// The sessions that all clones of a connector share; `None` without HTTP/2.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedSessions(Option<Arc<dyn Sessions>>);

impl SharedSessions {
    pub(crate) fn new(sessions: impl Sessions + 'static) -> Self {
        Self(Some(Arc::new(sessions)))
    }

    pub(crate) fn renewed(self) -> Self {
        Self(self.0.map(|sessions| sessions.renewed()))
    }

    /// Connects to a `wss://` URL; `None` for other URLs, and without HTTP/2.
    pub(crate) fn connect<'a>(
        &'a self,
        dialer: &'a Dialer,
        request: &'a ConnectRequest,
        config: &'a Config,
        start: Instant,
    ) -> Option<Connecting<'a>> {
        let sessions = self.0.as_ref().filter(|_| request.is_secure())?;
        Some(sessions.connect(dialer, request, config, start))
    }
}
