//! The opening handshakes of both roles: over HTTP/1.1 by an upgrade, over HTTP/2 and HTTP/3 by an
//! extended CONNECT.
//!
//! The phases are types: a server has no connection to send on before it has accepted a request,
//! and a client has none before it has checked the response. The types are the same for every
//! version of HTTP. A [`RequestHead`] holds its version, which determines the rules and the
//! response.
//!
//! | | HTTP/1.1 | HTTP/2 and HTTP/3, or another HTTP server |
//! |---|---|---|
//! | server reads | [`ServerHandshake`] | [`RequestHead::new`], [`RequestHead::extended_connect`] |
//! | server checks | [`RequestHead::upgrade`] | the same |
//! | server responds | [`Accepted::write`], [`Refusal::write`] | their `status` and `fields` |
//! | client | [`ClientHandshake`] | [`ExtendedConnect`] |
//!
//! # Server
//! [`ServerHandshake`] reads any request, so that a server can also serve pages: route by
//! [`OwnedRequestHead::path`]. [`RequestHead::upgrade`] checks the request against every rule of
//! the handshake, and [`UpgradeRequest::accept`] creates the response. [`OwnedUpgradeRequest`]
//! stores a request, as an extractor of a web framework needs it.
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::handshake::ServerHandshake;
//! use sansocket::{AcceptOptions, Config, Input, Instant};
//!
//! let config = Config::server().build()?;
//! let now = Instant::from_micros(0);
//! let mut request = *b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
//!     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//!     Sec-WebSocket-Version: 13\r\n\r\n";
//!
//! let mut handshake = ServerHandshake::new(&config, now);
//! let mut input = Input::new(now, &mut request);
//! let mut out = BytesMut::new();
//! let accepted = handshake.receive(&mut input).and_then(|head| {
//!     let Some(head) = head else { return Ok(None) }; // more bytes are needed
//!     head.upgrade()?.accept(&AcceptOptions::new()).map(Some)
//! });
//! match accepted {
//!     Ok(Some(accepted)) => {
//!         accepted.write(&mut out);
//!         let connection = accepted.into_connection(&config, now);
//!         assert!(connection.is_open()); // its first frames are the rest of `input`
//!     }
//!     Ok(None) => {}
//!     Err(refusal) => refusal.write(&mut out), // then end the transport
//! }
//! assert!(out.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! # Ok::<(), sansocket::error::ConfigError>(())
//! ```
//!
//! The same over HTTP/2, where an HTTP library reads the head and sends the response:
//!
//! ```
//! use sansocket::AcceptOptions;
//! use sansocket::handshake::{Fields, RequestHead};
//!
//! let fields = [("sec-websocket-version", &b"13"[..]), ("origin", b"https://example.com")];
//! let fields = Fields::new(&fields);
//! let head =
//!     RequestHead::extended_connect("websocket", "https", "example.com", "/chat", fields);
//! let accepted = head.upgrade()?.accept(&AcceptOptions::new())?;
//! assert_eq!((accepted.status(), accepted.fields().count()), (200, 0));
//! // The stream's data are the frames of accepted.into_connection(&config, now).
//! # Ok::<(), sansocket::handshake::Refusal>(())
//! ```
//!
//! # Client
//! A [`ConnectRequest`](crate::ConnectRequest) describes the request. [`ClientHandshake`] writes it
//! and checks the response. Have at most one handshake in progress to each host
//! ([RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)): this is the duty
//! of the program, since this crate doesn't see its other connections. [`Backoff`] returns the
//! delay before a reconnect.
//!
//! ```
//! # #[cfg(feature = "std")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bytes::BytesMut;
//! use sansocket::handshake::ClientHandshake;
//! use sansocket::{Config, ConnectRequest, Entropy, Instant};
//!
//! let request = ConnectRequest::new("ws://example.com/chat")?;
//! let config = Config::client(Entropy::os()).build()?;
//! let mut out = BytesMut::new();
//! // Connect to request.host() and request.port(), then:
//! let handshake = ClientHandshake::new(&request, &config, Instant::now(), &mut out)?;
//! // Write `out`; pass all input to handshake.receive(&mut input) until it returns a connection.
//! assert!(out.starts_with(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n"));
//! # drop(handshake);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "std"))]
//! # fn main() {}
//! ```
//!
//! Between the transport and this handshake a proxy may need one of its own: [`proxy`].
//!
//! # Logs
//! The `Debug` form of every type here shows names and lengths, but no value of a field, no query
//! and no body. The `Display` form of errors shows the invalid values, escaped and cut.

pub(crate) mod accept;
pub(crate) mod accept_key;
pub(crate) mod backoff;
pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod connect_response;
pub(crate) mod error;
pub(crate) mod excerpt;
pub(crate) mod extended_connect;
pub(crate) mod extensions;
pub(crate) mod head;
pub(crate) mod names;
pub(crate) mod origin;
pub mod proxy;
pub(crate) mod refusal;
pub(crate) mod response;
pub(crate) mod response_reader;
pub(crate) mod rules;
pub(crate) mod server;
mod stage;
pub(crate) mod upgrade;
pub(crate) mod version;

pub use crate::error::extension::ExtensionError;
pub use crate::handshake::accept::Accepted;
pub use crate::handshake::accept_key::accept_key;
pub use crate::handshake::backoff::Backoff;
pub use crate::handshake::client::ClientHandshake;
pub use crate::handshake::connect_response::ConnectResponse;
pub use crate::handshake::error::{BadAccept, HandshakeError, UnofferedSubprotocol};
pub use crate::handshake::extended_connect::ExtendedConnect;
pub use crate::handshake::head::{OwnedRequestHead, RequestHead};
pub use crate::handshake::origin::{OriginList, OriginPolicy};
pub use crate::handshake::refusal::Refusal;
pub use crate::handshake::response::{HttpResponse, StatusError};
pub use crate::handshake::server::ServerHandshake;
pub use crate::handshake::upgrade::{OwnedUpgradeRequest, UpgradeRequest};
pub use crate::handshake::version::HttpVersion;
pub use crate::http1::body::BodyEnd;
pub use crate::http1::error::HeadError;
pub use crate::http1::head::{Fields, FieldsIter};
pub use crate::http1::writer::FieldError;
pub use crate::url::UrlError;
