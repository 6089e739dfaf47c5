//! The client's part of the handshake over HTTP/2 and HTTP/3.

use alloc::boxed::Box;

use crate::config::Config;
use crate::connection::Connection;
use crate::error::send::SendError;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::handshake::rules::extended_connect::open;
use crate::http1::head::Fields;
use crate::http1::writer::FieldList;
use crate::instant::Instant;
use crate::role::Role;

/// The client's opening handshake over HTTP/2 and HTTP/3: returns the request and checks the
/// response ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441),
/// [RFC 9220](https://www.rfc-editor.org/rfc/rfc9220)).
///
/// An HTTP/2 or HTTP/3 library sends and receives the heads. Send the request only after the
/// server's settings have allowed it (`SETTINGS_ENABLE_CONNECT_PROTOCOL`), and use a timeout for
/// the response. The data of the stream are the frames of the connection.
///
/// ```
/// use sansocket::error::EntropyError;
/// use sansocket::handshake::{ExtendedConnect, Fields};
/// use sansocket::{Config, ConnectRequest, Entropy, Instant};
/// # fn my_generator(bytes: &mut [u8]) -> Result<(), EntropyError> { bytes.fill(7); Ok(()) }
///
/// let request = ConnectRequest::new("wss://example.com/chat")?.subprotocols(["chat"])?;
/// let config = Config::client(Entropy::from_fn(my_generator)).build()?;
/// let handshake = ExtendedConnect::new(&request, &config)?;
/// assert_eq!((handshake.method(), handshake.protocol()), ("CONNECT", "websocket"));
/// assert_eq!((handshake.scheme(), handshake.authority()), ("https", "example.com"));
/// assert_eq!(handshake.path(), "/chat");
/// assert!(handshake.fields().eq([
///     ("sec-websocket-version", &b"13"[..]),
///     ("sec-websocket-protocol", b"chat"),
/// ]));
///
/// // The server's response:
/// let fields = [("sec-websocket-protocol", &b"chat"[..])];
/// let now = Instant::from_micros(0);
/// let (connection, response) = handshake.receive_response(200, Fields::new(&fields), now)?;
/// assert!(connection.is_open());
/// assert_eq!(response.subprotocol(), Some("chat"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExtendedConnect {
    request: ConnectRequest,
    config: Config,
    fields: FieldList,
}

impl ExtendedConnect {
    /// Creates the request.
    ///
    /// # Errors
    /// [`SendError::Entropy`] if the config is a server's, which has no source of randomness.
    pub fn new(request: &ConnectRequest, config: &Config) -> Result<Self, SendError> {
        // RFC 8441 5: there is no key, but frames are masked nevertheless.
        if config.settings().entropy.is_none() {
            return Err(SendError::Entropy);
        }
        let fields = request.http2_fields();
        Ok(Self { request: request.clone(), config: config.clone(), fields })
    }

    /// Returns the value of `:method`.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        "CONNECT"
    }

    /// Returns the value of `:protocol`.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        "websocket"
    }

    /// Returns the value of `:scheme`: `https` for `wss://`, `http` for `ws://`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.request.is_secure() { "https" } else { "http" }
    }

    /// Returns the value of `:authority`: the host, with its port unless it is the default of the
    /// scheme.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.request.authority()
    }

    /// Returns the value of `:path`: the path and the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.request.target()
    }

    /// Returns the fields, with names in lower case.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter()
    }

    /// Checks the final response: any status except 1xx, which is interim. A 2xx opens the
    /// connection.
    ///
    /// # Errors
    /// [`HandshakeError`]: reset the stream. The body of a refusal ([`HandshakeError::Status`]) is
    /// the data of the stream.
    pub fn receive_response(
        &self,
        status: u16,
        fields: Fields<'_>,
        now: Instant,
    ) -> Result<(Connection, ConnectResponse), HandshakeError> {
        let mut response = ConnectResponse::from_fields(status, 0, fields);
        if !matches!(status, 200..=299) {
            return Err(HandshakeError::Status(Box::new(response)));
        }
        match open(&self.request, &response) {
            Ok(negotiated) => {
                let connection = Connection::new(Role::Client, &self.config, &negotiated, now);
                response.set_negotiated(negotiated);
                Ok((connection, response))
            }
            Err(fault) => Err(HandshakeError::new(fault, response, &self.request)),
        }
    }
}
