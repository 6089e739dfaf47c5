//! The client's side.

use core::fmt;

use alloc::boxed::Box;

use http::{Request, Response, Uri, Version};

use crate::config::Config;
use crate::connection::Connection;
use crate::error::send::SendError;
use crate::handshake::accept_key::{AcceptKey, KEY_LEN, fresh_key};
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::handshake::extended_connect::ExtendedConnect;
use crate::handshake::rules::http1;
use crate::http::convert::append;
use crate::http1::head::Fields;
use crate::instant::Instant;
use crate::role::Role;

/// A client's opening handshake over an HTTP library with the types of the crate `http`.
///
/// The library sends the request and receives the response; bound the wait for it by a timeout. The
/// data after the response's head are the frames of the connection.
///
/// ```
/// use http::{Response, Version};
/// use sansocket::error::EntropyError;
/// use sansocket::http::Handshake;
/// use sansocket::{Config, ConnectRequest, Entropy, Instant};
/// # fn my_generator(bytes: &mut [u8]) -> Result<(), EntropyError> { bytes.fill(7); Ok(()) }
///
/// let request = ConnectRequest::new("ws://example.com/chat")?;
/// let config = Config::client(Entropy::from_fn(my_generator)).build()?;
/// let handshake = Handshake::upgrade(&request, &config)?;
/// let request = handshake.to_request()?;
/// assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/chat"));
/// assert_eq!(request.headers()["Host"], "example.com");
///
/// // The server's response:
/// let key = request.headers()["Sec-WebSocket-Key"].to_str()?;
/// let response = Response::builder()
///     .status(101)
///     .header("Upgrade", "websocket")
///     .header("Connection", "Upgrade")
///     .header("Sec-WebSocket-Accept", sansocket::handshake::accept_key(key))
///     .body(())?;
/// let now = Instant::from_micros(0);
/// let (connection, _) = handshake.receive_response(&response, now)?;
/// assert!(connection.is_open());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Handshake(Kind);

#[derive(Clone)]
enum Kind {
    /// HTTP/1.1.
    Upgrade { request: ConnectRequest, config: Config, key: [u8; KEY_LEN] },
    /// HTTP/2 and HTTP/3.
    ExtendedConnect(ExtendedConnect),
}

impl Handshake {
    /// Makes the request of HTTP/1.1: a GET with Upgrade, with a fresh key from the config's entropy.
    ///
    /// # Errors
    /// [`SendError::Entropy`] if the source of randomness fails, or if the config is a server's, which
    /// has none.
    pub fn upgrade(request: &ConnectRequest, config: &Config) -> Result<Self, SendError> {
        let key = fresh_key(config)?;
        let (request, config) = (request.clone(), config.clone());
        Ok(Self(Kind::Upgrade { request, config, key }))
    }

    /// Makes the request of HTTP/2 and HTTP/3: an extended CONNECT. Send it only after the server's
    /// settings have allowed it (`SETTINGS_ENABLE_CONNECT_PROTOCOL`).
    ///
    /// # Errors
    /// [`SendError::Entropy`] if the config is a server's, which has no source of randomness.
    pub fn extended_connect(request: &ConnectRequest, config: &Config) -> Result<Self, SendError> {
        Ok(Self(Kind::ExtendedConnect(ExtendedConnect::new(request, config)?)))
    }

    /// Returns the value of `:protocol`, which `http` has no place for: the HTTP library takes it as an
    /// extension of the request, such as `hyper::ext::Protocol`. `None` over HTTP/1.1.
    #[must_use]
    pub const fn protocol(&self) -> Option<&'static str> {
        match &self.0 {
            Kind::Upgrade { .. } => None,
            Kind::ExtendedConnect(handshake) => Some(handshake.protocol()),
        }
    }

    /// Returns the request. Over HTTP/1.1 its URI is path and query, as the request line has them; a
    /// client that chooses the server by the URI needs a whole one in its place.
    ///
    /// # Errors
    /// [`http::Error`] if the URL has a character that `http::Uri` does not take.
    pub fn to_request(&self) -> Result<Request<()>, http::Error> {
        match &self.0 {
            Kind::Upgrade { request, key, .. } => {
                let mut made = Request::get(request.target()).body(())?;
                let headers = made.headers_mut();
                request.for_each_field(key, |name, value| {
                    append(headers, core::iter::once((name, value)));
                });
                Ok(made)
            }
            Kind::ExtendedConnect(handshake) => {
                let uri = Uri::builder()
                    .scheme(handshake.scheme())
                    .authority(handshake.authority())
                    .path_and_query(handshake.path())
                    .build()?;
                let request = Request::connect(uri).version(Version::HTTP_2);
                let mut made = request.body(())?;
                append(made.headers_mut(), handshake.fields());
                Ok(made)
            }
        }
    }

    /// Checks the final response: any status but 1xx, except 101. On success the stream's data are the
    /// frames of the connection.
    ///
    /// # Errors
    /// [`HandshakeError`]: end the transport, or reset the stream. The body of a refusal
    /// ([`HandshakeError::Status`]) is that of `response`.
    pub fn receive_response<B>(
        &self,
        response: &Response<B>,
        now: Instant,
    ) -> Result<(Connection, ConnectResponse), HandshakeError> {
        let status = response.status().as_u16();
        let fields: Box<[(&str, &[u8])]> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let fields = Fields::new(&fields);
        let (request, config, key) = match &self.0 {
            Kind::Upgrade { request, config, key } => (request, config, key),
            Kind::ExtendedConnect(handshake) => {
                return handshake.receive_response(status, fields, now);
            }
        };
        let minor = u8::from(response.version() > Version::HTTP_10);
        let mut response = ConnectResponse::from_fields(status, minor, fields);
        // RFC 6455 4.1, rule 1 about the response: another status is handled as HTTP says.
        if status != 101 {
            return Err(HandshakeError::Status(Box::new(response)));
        }
        match http1::open(request, &AcceptKey::new(key), &response) {
            Ok(negotiated) => {
                let connection = Connection::new(Role::Client, config, &negotiated, now);
                response.set_negotiated(negotiated);
                Ok((connection, response))
            }
            Err(fault) => Err(HandshakeError::new(fault, response, request)),
        }
    }
}

/// Without the key, and without the values of fields, which may be credentials.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Upgrade { request, .. } => {
                f.debug_struct("Handshake").field("request", request).finish_non_exhaustive()
            }
            Kind::ExtendedConnect(handshake) => {
                f.debug_tuple("Handshake").field(handshake).finish()
            }
        }
    }
}
