//! The settings of a connector, and the host that a transport is connected to.

use core::time::Duration;

use crate::error::adapter::{ConnectError, ConnectErrorKind, ConnectStep};
use crate::handshake::connect::ConnectRequest;
use crate::handshake::proxy::{Proxy, ProxyServer};

/// The settings that both adapters have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) proxy: Option<Proxy>,
    pub(crate) connect_timeout: Option<Duration>,
}

/// The host that a transport is connected to: of the request, or of a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) proxy: Option<&'a ProxyServer>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(settings: &'a Settings, request: &'a ConnectRequest) -> Self {
        match settings.proxy.as_ref().and_then(|proxy| proxy.server(request)) {
            None => Self { host: request.host(), port: request.port(), proxy: None },
            proxy @ Some(server) => Self { host: server.host(), port: server.port(), proxy },
        }
    }

    pub(crate) fn error(
        self,
        step: ConnectStep,
        kind: impl Into<ConnectErrorKind>,
    ) -> ConnectError {
        ConnectError::new(step, self.host, self.port, kind)
    }
}
