//! Without HTTP/2.

use core::future::Pending;

use crate::config::Config;
use crate::error::adapter::ConnectError;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::instant::Instant;
use crate::tokio::client_stream::ClientStream;
use crate::tokio::dialer::Dialer;
use crate::tokio::socket::WebSocket;

#[derive(Clone, Debug, Default)]
pub(crate) struct SharedSessions;

/// No value of this type is ever made.
type Connecting = Pending<Result<(WebSocket<ClientStream>, ConnectResponse), ConnectError>>;

impl SharedSessions {
    pub(crate) const fn renewed(self) -> Self {
        self
    }

    pub(crate) const fn connect(
        &self,
        _dialer: &Dialer,
        _request: &ConnectRequest,
        _config: &Config,
        _start: Instant,
    ) -> Option<Connecting> {
        None
    }
}
