//! The opening handshakes: HTTP/1.1 for both roles, and what is agreed on in them.
//!
//! The phases are values: a server has no connection to send on before it has accepted, a client
//! none before it has seen the right answer. What most programs need lies at the crate's root; here
//! are the types around it.
//!
//! # Server
//! [`ServerHandshake`](crate::ServerHandshake) makes a [`OwnedRequestHead`](crate::OwnedRequestHead) of any request, so
//! that pages can be served too. [`RequestHead::upgrade`](crate::RequestHead::upgrade) checks every
//! rule of the handshake, [`UpgradeRequest::accept`](crate::UpgradeRequest::accept) makes the
//! answer.
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::{AcceptOptions, Config, Input, Instant, ServerHandshake};
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
//! let answered = handshake.receive(&mut input).and_then(|head| {
//!     let Some(head) = head else { return Ok(None) }; // more bytes are needed
//!     head.upgrade()?.accept(&AcceptOptions::new()).map(Some)
//! });
//! match answered {
//!     Ok(Some(accepted)) => {
//!         accepted.write(&mut out);
//!         let connection = accepted.into_connection(&config, now);
//!         assert!(connection.is_open()); // what is left in `input` are its first frames
//!     }
//!     Ok(None) => {}
//!     Err(refusal) => refusal.write(&mut out), // then end the transport
//! }
//! assert!(out.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! # Ok::<(), sansocket::ConfigError>(())
//! ```
//!
//! # Client
//! [`ConnectRequest`](crate::ConnectRequest) says what to ask for,
//! [`ClientHandshake`](crate::ClientHandshake) asks and checks the answer. Have at most one
//! handshake under way to each host
//! ([RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)): only the program
//! knows all its connections. [`Backoff`] tells how long to wait before a reconnect.
//!
//! ```
//! # #[cfg(feature = "std")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bytes::BytesMut;
//! use sansocket::{ClientHandshake, Config, ConnectRequest, Entropy, Instant};
//!
//! let request = ConnectRequest::new("ws://example.com/chat")?;
//! let config = Config::client(Entropy::os()).build()?;
//! let mut out = BytesMut::new();
//! // Connect to request.host() and request.port(), then:
//! let handshake = ClientHandshake::new(&request, &config, Instant::now(), &mut out)?;
//! // Write `out`; give what is read to handshake.receive(&mut input) until it returns a connection.
//! assert!(out.starts_with(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n"));
//! # drop(handshake);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "std"))]
//! # fn main() {}
//! ```

pub(crate) mod accept;
pub(crate) mod accept_key;
pub(crate) mod backoff;
pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod connect_response;
pub(crate) mod error;
pub(crate) mod excerpt;
pub(crate) mod extended_connect;
pub(crate) mod head;
pub(crate) mod names;
pub(crate) mod origin;
pub(crate) mod refusal;
pub(crate) mod response;
pub(crate) mod rules;
pub(crate) mod server;
pub(crate) mod upgrade;
pub(crate) mod version;

pub use crate::error::ExtensionError;
pub use crate::handshake::accept::Accepted;
pub use crate::handshake::accept_key::accept_key;
pub use crate::handshake::backoff::Backoff;
pub use crate::handshake::error::{BadAccept, UnofferedSubprotocol};
pub use crate::handshake::extended_connect::ExtendedConnect;
pub use crate::handshake::origin::OriginList;
pub use crate::handshake::response::{HttpResponse, StatusError};
pub use crate::handshake::upgrade::OwnedUpgradeRequest;
pub use crate::handshake::version::HttpVersion;
pub use crate::http1::error::HeadError;
pub use crate::http1::head::{Fields, FieldsIter};
pub use crate::http1::writer::FieldError;
