//! The client's part of the handshake over HTTP/1.1: the request, and the rules of the response
//! ([RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).

use alloc::boxed::Box;

use bytes::BytesMut;

use crate::config::Config;
use crate::connection::Connection;
use crate::error::send::SendError;
use crate::handshake::accept_key::{AcceptKey, fresh_key};
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::handshake::response_reader::ResponseReader;
use crate::handshake::rules::http1::open;
use crate::handshake::stage::Stage;
use crate::http1::body::{BodyEnd, BodyReader};
use crate::input::Input;
use crate::instant::Instant;
use crate::role::Role;

/// The client's opening handshake over HTTP/1.1: appends the request to the output and checks the
/// response.
///
/// Bytes after the response stay in the input: they are the first frames.
///
/// A response with another status than 101 is a refusal. Its body is read too, up to
/// [`max_refusal_body_len`](crate::config::ConfigBuilder::max_refusal_body_len) and within the
/// `handshake_timeout`; then the handshake has failed with [`HandshakeError::Status`].
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::error::EntropyError;
/// use sansocket::handshake::ClientHandshake;
/// use sansocket::{Config, ConnectRequest, Entropy, Input, Instant};
/// # fn my_generator(bytes: &mut [u8]) -> Result<(), EntropyError> { bytes.fill(7); Ok(()) }
///
/// let now = Instant::from_micros(0);
/// let config = Config::client(Entropy::from_fn(my_generator)).build()?;
/// let request = ConnectRequest::new("ws://example.com/chat")?;
/// let mut out = BytesMut::new();
/// let mut handshake = ClientHandshake::new(&request, &config, now, &mut out)?;
///
/// // Write `out`, then pass the bytes of each read. Here the server is one for pages only.
/// let mut bytes = *b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
/// let error = handshake.receive(&mut Input::new(now, &mut bytes)).unwrap_err();
/// assert!(error.to_string().starts_with("the server answered 404 Not Found"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientHandshake {
    request: ConnectRequest,
    config: Config,
    expected: AcceptKey,
    reader: ResponseReader,
    stage: Stage<HandshakeError>,
}

impl ClientHandshake {
    /// Appends the request, with a fresh key from the config's entropy. The config's
    /// `handshake_timeout` runs from `now`.
    ///
    /// # Errors
    /// [`SendError::Entropy`] if the source of randomness fails, or if the config is a server's,
    /// which has no such source. No bytes are appended in that case.
    pub fn new(
        request: &ConnectRequest,
        config: &Config,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<Self, SendError> {
        let settings = config.settings();
        let key = fresh_key(config)?;
        request.write(&key, out);
        Ok(Self {
            request: request.clone(),
            config: config.clone(),
            expected: AcceptKey::new(&key),
            reader: ResponseReader::new(settings),
            stage: Stage::new(now, settings.handshake_timeout),
        })
    }

    /// Returns the connection when the response is complete and valid; `None` if more bytes are
    /// needed. After it has returned the connection, it takes no more input.
    ///
    /// # Errors
    /// [`HandshakeError`]: end the transport. Each later call returns the same error.
    pub fn receive(
        &mut self,
        input: &mut Input<'_>,
    ) -> Result<Option<(Connection, ConnectResponse)>, HandshakeError> {
        if !self.stage.is_reading()? {
            return Ok(None);
        }
        match self.reader.read(input, |status| status == 101) {
            Ok(Some(response)) => self.judge(response, input),
            Ok(None) => self.handle_timeout(input.now()).map(|()| None),
            Err(error) => Err(self.stage.fail(error.into())),
        }
    }

    fn judge(
        &mut self,
        mut response: ConnectResponse,
        input: &Input<'_>,
    ) -> Result<Option<(Connection, ConnectResponse)>, HandshakeError> {
        // RFC 6455 4.1, rule 1 of the response: another status is handled as defined by HTTP.
        if response.status() != 101 {
            return Err(self.stage.fail(HandshakeError::Status(Box::new(response))));
        }
        match open(&self.request, &self.expected, &response) {
            Ok(negotiated) => {
                self.stage.done();
                let connection =
                    Connection::new(Role::Client, &self.config, &negotiated, input.now());
                response.set_negotiated(negotiated);
                Ok(Some((connection, response)))
            }
            Err(fault) => {
                let error = HandshakeError::new(fault, response, &self.request);
                Err(self.stage.fail(error))
            }
        }
    }

    /// Reports the end of the transport.
    ///
    /// # Errors
    /// If the handshake is in progress, [`HandshakeError::Status`] within the body of a refusal, and
    /// [`HandshakeError::ClosedWithoutResponse`] otherwise; its error if it has failed.
    pub fn receive_eof(&mut self) -> Result<(), HandshakeError> {
        self.end(BodyReader::end_at_eof, HandshakeError::ClosedWithoutResponse)
    }

    /// Reports a failure of the transport.
    ///
    /// # Errors
    /// As [`receive_eof`](Self::receive_eof). A body that was being read is never complete.
    pub fn failed(&mut self) -> Result<(), HandshakeError> {
        self.end(|_| BodyEnd::Closed, HandshakeError::ClosedWithoutResponse)
    }

    /// Returns the deadline for [`handle_timeout`](Self::handle_timeout); `None` if there is none.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.stage.deadline()
    }

    /// Reports the time. A call before the deadline has no effect.
    ///
    /// # Errors
    /// When the deadline has passed, [`HandshakeError::Status`] if the body of a refusal was being
    /// read, [`HandshakeError::Timeout`] otherwise: end the transport.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), HandshakeError> {
        if self.stage.is_late(now)? {
            return self.end(|_| BodyEnd::Timeout, HandshakeError::Timeout);
        }
        Ok(())
    }

    /// Ends a handshake that is not done: with a refusal if there is one, or with `error`.
    fn end(
        &mut self,
        body_end: impl FnOnce(&BodyReader) -> BodyEnd,
        error: HandshakeError,
    ) -> Result<(), HandshakeError> {
        if !self.stage.is_reading()? {
            return Ok(());
        }
        let refusal = self.reader.end(body_end);
        let refusal = refusal.map(|response| HandshakeError::Status(Box::new(response)));
        Err(self.stage.fail(refusal.unwrap_or(error)))
    }
}
