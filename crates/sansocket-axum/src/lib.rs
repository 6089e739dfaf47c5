//! WebSockets of [`sansocket`] in axum handlers, over HTTP/1.1 and HTTP/2.
//!
//! [`WebSocketUpgrade`] is an extractor. A request that breaks a rule of the opening handshake is
//! refused before the handler runs, with the status and the fields that the standards demand.
//!
//! ```no_run
//! use axum::Router;
//! use axum::response::Response;
//! use axum::routing::any;
//! use sansocket::hyper::Upgraded;
//! use sansocket::tokio::WebSocket;
//! use sansocket::{Event, WebSocketError};
//! use sansocket_axum::WebSocketUpgrade;
//!
//! async fn ws(upgrade: WebSocketUpgrade) -> Response {
//!     upgrade.on_upgrade(async |ws| drop(echo(ws).await))
//! }
//!
//! async fn echo(mut ws: WebSocket<Upgraded>) -> Result<(), WebSocketError> {
//!     while let Some((event, mut reply)) = ws.read().await? {
//!         if let Event::Text(text) = event {
//!             reply.feed_text(text)?;
//!         }
//!     }
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     axum::serve(listener, Router::new().route("/ws", any(ws))).await
//! }
//! ```
//!
//! Route with `any`: HTTP/1.1 opens a WebSocket by GET, HTTP/2 by CONNECT.
//!
//! # Settings
//! Without settings pages of the same host may connect, and clients that are no browsers. Settings
//! are an [`Endpoint`] in the state of the router, which [`WebSocketUpgrade<Endpoint>`] uses, or come
//! from setters such as [`WebSocketUpgrade::options`].
//!
//! ```
//! use axum::Router;
//! use axum::response::Response;
//! use axum::routing::any;
//! use sansocket::handshake::OriginPolicy;
//! use sansocket::{AcceptOptions, Config};
//! use sansocket_axum::{Endpoint, WebSocketUpgrade};
//!
//! async fn ws(upgrade: WebSocketUpgrade<Endpoint>) -> Response {
//!     upgrade.on_upgrade(async |mut ws| while let Ok(Some(_)) = ws.read().await {})
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let origins = OriginPolicy::list(["https://example.com"])?;
//! let options = AcceptOptions::new().origins(origins).subprotocols(["chat"])?;
//! let config = Config::server().max_message_len(64 * 1024).build()?;
//! let endpoint = Endpoint::new().options(options).config(config);
//! let app: Router = Router::new().route("/ws", any(ws)).with_state(endpoint);
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! # The end of a handler
//! The function that [`on_upgrade`](WebSocketUpgrade::on_upgrade) takes runs in a task of its own, and
//! owns the WebSocket. When it returns, the WebSocket is dropped: without a closing handshake before,
//! the peer sees a lost connection. To send from other tasks split the WebSocket, and return when
//! those tasks are done.
//!
//! # Security
//! Check a login before the handler accepts the request: in the handler, in an extractor, or in a
//! middleware that responds in place of the handler. A middleware that replaces the response
//! afterwards is too late, see [`sansocket::hyper::upgrade`].

#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod endpoint;
mod rejection;
mod upgrade;

pub use crate::endpoint::Endpoint;
pub use crate::rejection::{Rejection, SubprotocolError};
pub use crate::upgrade::{Preset, WebSocketUpgrade};

/// The README's program compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The guide's programs compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/axum.md")]
struct Guide;
