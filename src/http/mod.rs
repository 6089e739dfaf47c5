//! Opening handshakes with the types of the crate `http` (feature `http`).
//!
//! For HTTP servers and clients that use `http::Request` and `http::Response`. With a hyper server
//! (axum, too) the module `hyper` does more: it also waits for the upgraded stream.
//!
//! # Server
//! [`accept`] checks a request and makes the response; [`upgrade`] checks it and returns the request,
//! for servers that decide by its fields. A [`Refusal`](crate::handshake::Refusal) is a response
//! too.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use sansocket::{AcceptOptions, Config, Connection, Instant};
//!
//! fn serve(
//!     request: &Request<()>,
//!     config: &Config,
//!     now: Instant,
//! ) -> (Response<Bytes>, Option<Connection>) {
//!     match sansocket::http::accept(request, None, &AcceptOptions::new()) {
//!         Ok(accepted) => {
//!             let response = Response::from(&accepted).map(|()| Bytes::new());
//!             (response, Some(accepted.into_connection(config, now)))
//!         }
//!         Err(refusal) => (refusal.into(), None),
//!     }
//! }
//!
//! let config = Config::server().build()?;
//! let request = Request::get("/chat")
//!     .header("Host", "example.com")
//!     .header("Upgrade", "websocket")
//!     .header("Connection", "Upgrade")
//!     .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
//!     .header("Sec-WebSocket-Version", "13")
//!     .body(())?;
//! let (response, connection) = serve(&request, &config, Instant::from_micros(0));
//! assert_eq!(response.status(), 101);
//! assert_eq!(response.headers()["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//! assert!(connection.is_some_and(|connection| connection.is_open()));
//!
//! // A request without Upgrade:
//! let (response, connection) =
//!     serve(&Request::get("/chat").body(())?, &config, Instant::from_micros(0));
//! assert_eq!(response.status(), 426);
//! assert_eq!(response.headers()["Sec-WebSocket-Version"], "13");
//! assert!(connection.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Client
//! A [`Handshake`] makes the request, and checks the response.

mod client;
mod convert;
mod server;

pub use crate::http::client::Handshake;
pub use crate::http::server::{accept, upgrade};
