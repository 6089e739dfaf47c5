//! The handshake with a proxy of either protocol.

use bytes::BytesMut;

use crate::config::Config;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::proxy::error::ProxyError;
use crate::handshake::proxy::http_connect::HttpConnect;
use crate::handshake::proxy::server::{ProxyProtocol, ProxyServer};
use crate::handshake::proxy::socks5::Socks5;
use crate::handshake::stage::Stage;
use crate::http1::body::{BodyEnd, BodyReader};
use crate::input::Input;
use crate::instant::Instant;

/// Opens a tunnel through a proxy to the host and port of a request
/// ([RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1), item 3). The tunnel is the
/// transport of the opening handshake, or of TLS.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::handshake::proxy::{Proxy, ProxyHandshake};
/// use sansocket::{Config, ConnectRequest, Input, Instant};
/// # fn entropy(bytes: &mut [u8]) -> Result<(), sansocket::error::EntropyError> {
/// #     bytes.fill(0x5a);
/// #     Ok(())
/// # }
/// # let entropy = sansocket::Entropy::from_fn(entropy);
///
/// let request = ConnectRequest::new("wss://example.com/chat")?;
/// let config = Config::client(entropy).build()?;
/// let proxy = Proxy::http("http://user:secret@proxy.example:3128")?;
/// let now = Instant::from_micros(0);
/// let mut out = BytesMut::new();
///
/// let server = proxy.server(&request).ok_or("no proxy for this host")?;
/// // Connect to server.host() and server.port(), then:
/// let mut handshake = ProxyHandshake::new(server, &request, &config, now, &mut out)?;
/// assert!(out.starts_with(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n"));
/// // Write `out`, and give each read to `receive`. Its output is written, too.
/// let mut reply = *b"HTTP/1.1 200 Connection established\r\n\r\n";
/// assert!(handshake.receive(&mut Input::new(now, &mut reply), &mut out)?);
/// // Now the TLS handshake with example.com, and then the opening handshake.
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ProxyHandshake {
    protocol: Protocol,
    stage: Stage<ProxyError>,
}

#[derive(Debug)]
enum Protocol {
    Http(HttpConnect),
    Socks5(Socks5),
}

impl ProxyHandshake {
    /// Appends the first request to the proxy; the config's `handshake_timeout` runs from `now`.
    ///
    /// # Errors
    /// [`ProxyError::HostTooLong`] for SOCKS5: nothing is appended then.
    pub fn new(
        server: &ProxyServer,
        request: &ConnectRequest,
        config: &Config,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<Self, ProxyError> {
        let settings = config.settings();
        let protocol = match server.protocol() {
            ProxyProtocol::Http => Protocol::Http(HttpConnect::new(server, request, settings, out)),
            ProxyProtocol::Socks5 => Protocol::Socks5(Socks5::new(server, request, out)?),
        };
        Ok(Self { protocol, stage: Stage::new(now, settings.handshake_timeout) })
    }

    /// Reads on, and appends the next request to the proxy, if any. `true`: the tunnel is open, and the
    /// rest of the input are its first bytes. `false`: more bytes are needed.
    ///
    /// # Errors
    /// [`ProxyError`]: end the transport. Each later call returns the same error.
    pub fn receive(
        &mut self,
        input: &mut Input<'_>,
        out: &mut BytesMut,
    ) -> Result<bool, ProxyError> {
        if !self.stage.is_reading()? {
            return Ok(true);
        }
        let received = match &mut self.protocol {
            Protocol::Http(connect) => connect.receive(input),
            Protocol::Socks5(socks) => socks.receive(input, out).map_err(ProxyError::from),
        };
        match received {
            Ok(true) => {
                self.stage.done();
                Ok(true)
            }
            Ok(false) => self.handle_timeout(input.now()).map(|()| false),
            Err(error) => Err(self.stage.fail(error)),
        }
    }

    /// Reports the end of the transport.
    ///
    /// # Errors
    /// Unless the tunnel is open: [`ProxyError::Refused`] if the body of a refusal was being read,
    /// [`ProxyError::Closed`] otherwise; after a failure its error.
    pub fn receive_eof(&mut self) -> Result<(), ProxyError> {
        self.end(BodyReader::end_at_eof, ProxyError::Closed)
    }

    /// Reports a failure of the transport.
    ///
    /// # Errors
    /// As [`receive_eof`](Self::receive_eof). A body that was being read is never complete.
    pub fn failed(&mut self) -> Result<(), ProxyError> {
        self.end(|_| BodyEnd::Closed, ProxyError::Closed)
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout); `None` once the tunnel is open or
    /// the handshake has failed.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.stage.deadline()
    }

    /// Reports the time. A call before the deadline has no effect.
    ///
    /// # Errors
    /// When the deadline has passed, [`ProxyError::Refused`] if the body of a refusal was being read,
    /// [`ProxyError::Timeout`] otherwise: end the transport. After a failure its error.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProxyError> {
        if self.stage.is_late(now)? {
            return self.end(|_| BodyEnd::Timeout, ProxyError::Timeout);
        }
        Ok(())
    }

    /// Ends a handshake that is not done: with a refusal if there is one, or with `error`.
    fn end(
        &mut self,
        body_end: impl FnOnce(&BodyReader) -> BodyEnd,
        error: ProxyError,
    ) -> Result<(), ProxyError> {
        if !self.stage.is_reading()? {
            return Ok(());
        }
        let refusal = match &mut self.protocol {
            Protocol::Http(connect) => connect.end(body_end),
            Protocol::Socks5(_) => None,
        };
        Err(self.stage.fail(refusal.unwrap_or(error)))
    }
}
